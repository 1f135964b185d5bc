# test "sentence" { ... }, the assertions, and the words by which a worker tells the runner
# (tests/run) what happens: lines that begin with @@ on its standard output.

set ::work_dir ""      ;# this worker's directory
set ::only ""          ;# run only tests whose sentence matches this glob
set ::slow 1           ;# factor for every time limit (valgrind, sanitizers)
set ::failures 0

proc emit {args} {
    puts "@@ [join [lmap a $args {string map [list \\ \\\\ \n \\n \r \\r] $a}] \t]"
    flush stdout
}
proc test_scaled {ms} { return [expr {int($ms * $::slow)}] }
# How long we wait for what must come, in ms. Nobody knows how slow the machine is: only what hangs takes so long.
proc patience {} { return [test_scaled 120000] }

proc shorten {text {max 300}} {
    if {[string length $text] > $max} { set text "[string range $text 0 $max]... ([string length $text] bytes)" }
    return [string map [list \r \\r \n \\n] $text]
}
proc fail {message} { return -code error -errorcode FAIL $message }
# skip WHY
# skip unless postgres|sqlite|journal|disk|backup WHY: what only servers with such a store have (in_postgres). In a test; or in front
# of tests, in a with_server block or a file, which ends there.
#   sqlite   the store is a file, and SQLite's tools read and write it
#   journal  what is acknowledged is in a journal until it is applied
#   disk     its disk is this machine's, with faults (faults.tcl)
#   backup   BACKUP makes a copy
proc skip {why args} {
    if {[llength $args] == 0} { return -code error -errorcode SKIP $why }
    lassign $args store because
    if {$why ne "unless" || $store ni {postgres sqlite journal disk backup}} { error "skip $why $args" }
    set has [expr {$store eq "journal" ? [in_journal] : [in_postgres] == ($store eq "postgres")}]
    if {!$has} {
        return -code error -errorcode SKIP "only [expr {[in_postgres] ? "without" : "with"}] PostgreSQL: $because"
    }
}
# Runs a body with tests in it, which may end with `skip`.
proc skipping {body} {
    set code [catch {uplevel 1 $body} message opts]
    if {$code == 1 && [lindex [dict get $opts -errorcode] 0] eq "SKIP"} {
        emit begin "(what follows)"
        emit skip "(what follows)" $message
        return
    }
    dict incr opts -level
    return -options $opts $message
}

proc report_failure {name message} {
    incr ::failures
    emit fail $name $message
}

proc test {name body} {
    if {$::only ne "" && ![string match -nocase $::only $name]} { return }
    emit begin $name
    set start [clock milliseconds]
    set code [catch {uplevel 1 $body} message opts]
    set ms [expr {[clock milliseconds] - $start}]
    set wrong ""
    if {$code == 1} {
        switch -- [lindex [dict get $opts -errorcode] 0] {
            SKIP { emit skip $name $message; servers_check; return }
            default { set wrong "$message\n[test_place [dict get $opts -errorinfo]]" }
        }
        # A server that is dying (writing its report) is to be blamed on this test.
        if {[dict get $opts -errorcode] eq "CLIENT EOF"} { catch { wait_for "one to die" { [servers_dead] } [test_scaled 3000] } }
    }
    set dead [servers_check]
    if {$dead ne ""} { set wrong [string trimleft "$wrong\n$dead" \n] }
    if {$wrong ne ""} {
        report_failure $name $wrong
    } else {
        emit ok $name $ms
    }
}

# The lines of the test's body that the error passed through, innermost first.
proc test_place {info} {
    set lines {}
    foreach line [split $info \n] {
        if {[regexp {^\s*(invoked from within|while executing|"my .*|\(class "::Client".*|"fail .*|"uplevel 1 .*)$} $line]} continue
        if {[regexp {\(procedure "(test|with_server)" } $line]} break
        lappend lines [string trim $line]
    }
    return "    [join [lrange $lines 1 12] "\n    "]"
}

proc servers_dead {} {
    foreach s $::servers { if {![$s alive]} { return 1 } }
    return 0
}
# Looks at every server of this process; one that died is started again, so that the next
# tests speak for themselves.
proc servers_check {} {
    set all ""
    foreach s $::servers {
        set wrong [$s trouble]
        if {$wrong eq ""} continue
        append all $wrong "\n"
        if {![$s alive]} { catch {$s drop_client; $s start} }
    }
    return $all
}

proc assert {condition {message ""}} {
    if {![uplevel 1 [list expr $condition]]} {
        if {$message eq ""} {
            # Say what the variables were.
            set said $condition
            catch {set said "$condition  -- that is: [uplevel 1 [list subst -nocommands $condition]]"}
            set message "not true: [shorten $said 1000]"
        }
        fail $message
    }
}
proc assert_equal {expected actual {what ""}} {
    if {$expected ne $actual} {
        fail "[expr {$what eq "" ? "" : "$what: "}]expected [shorten $expected 1500], got [shorten $actual 1500]"
    }
}
proc assert_match {pattern actual {what ""}} {
    if {![string match $pattern $actual]} {
        fail "[expr {$what eq "" ? "" : "$what: "}]expected a match of $pattern, got [shorten $actual 1500]"
    }
}
proc assert_regexp {pattern actual {what ""}} {
    if {![regexp -- $pattern $actual]} {
        fail "[expr {$what eq "" ? "" : "$what: "}]expected a match of /$pattern/, got [shorten $actual 1500]"
    }
}
proc assert_range {low high actual {what ""}} {
    if {$actual < $low || $actual > $high} {
        fail "[expr {$what eq "" ? "" : "$what: "}]expected $low..$high, got $actual"
    }
}
# assert_range for resident memory, which says nothing under a sanitizer or valgrind.
proc assert_memory {low high actual {what ""}} {
    if {[info exists ::env(SANITIZED)] || ([info exists ::valgrind] && $::valgrind)} return
    assert_range $low $high $actual $what
}
# The script must fail with a message that matches.
proc assert_error {pattern script} {
    if {![catch {uplevel 1 $script} message]} {
        fail "expected the error $pattern, got [shorten $message]"
    }
    assert_match $pattern $message "error"
}
# Channels that the server has not taken all of, see unsent.
array set ::unsent {}
# To be called behind each write: what a channel could not send at once, Tcl sends from its event loop only.
proc unsent {chan} { if {[chan pending output $chan] > 0} { set ::unsent($chan) 1 } }
# Waits, in the event loop when something is left to send.
proc pause {ms} {
    foreach chan [array names ::unsent] {
        if {[catch {chan pending output $chan} left] || $left == 0} { unset ::unsent($chan) }
    }
    if {[array size ::unsent] == 0} { after $ms; return }
    after $ms {set ::paused 1}
    vwait ::paused
}
# Runs the script until it is true.
proc wait_for {what condition {ms ""}} {
    if {$ms eq ""} { set ms [patience] }
    set until [expr {[clock milliseconds] + $ms}]
    while {![uplevel 1 [list expr $condition]]} {
        if {[clock milliseconds] > $until} { fail "not within $ms ms: $what" }
        pause 10
    }
}
