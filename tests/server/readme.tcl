# The session of README.md, as a reader would type it: every command runs against a fresh server, and must print what stands there.
#
# What a server makes up (ids, times) may differ, but always in the same way: an id that stands in two places of the page is one id
# here, too. A line with nothing but an ellipsis stands for any lines; one that ends a line, for the rest of it. redis-cli writes
# blanks at the ends of some lines; they do not count.

# The indented blocks under "## A session", in order: each a list of lines.
proc session_blocks {} {
    set page [encoding convertfrom utf-8 [read_file [file join $::top README.md]]]
    regexp {\n## A session\n(.*?)\n## } $page -> session
    set blocks {}
    set block {}
    foreach line [split "$session\nend" \n] {
        if {[regexp {^    (.*)$} $line -> text]} {
            lappend block $text
        } elseif {$line ne "" && $block ne ""} {
            lappend blocks $block
            set block {}
        }
    }
    return $blocks
}

# What the page calls by name, for what it is here. Returns whether the line is what the page says.
set ::made_up {\m(?:01[0-9a-f]{6}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|1[0-9]{12})\M}
proc same_line {expected actual} {
    set expected [string trimright $expected]
    set actual [string trimright $actual]
    set theirs [regexp -all -inline $::made_up $expected]
    set ours [regexp -all -inline $::made_up $actual]
    if {[string index $expected end] eq "…"} {
        set length [string length [regsub -all $::made_up [string range $expected 0 end-1] #]]
        set ours [lrange $ours 0 [llength $theirs]-1]
        set same [string equal -length $length [regsub -all $::made_up $expected #] [regsub -all $::made_up $actual #]]
    } else {
        set same [expr {[regsub -all $::made_up $expected #] eq [regsub -all $::made_up $actual #]}]
    }
    if {!$same} { return 0 }
    foreach a $theirs b $ours {
        if {[dict exists $::here $a] && [dict get $::here $a] ne $b} { return 0 }
    }
    foreach a $theirs b $ours { dict set ::here $a $b }
    return 1
}
proc must_be {expected actual what} {
    set i 0
    set skipping 0
    foreach line $expected {
        if {[string trim $line] eq "…"} { set skipping 1; continue }
        while {$skipping && $i < [llength $actual] && ![same_line $line [lindex $actual $i]]} { incr i }
        if {$i >= [llength $actual] || ![same_line $line [lindex $actual $i]]} {
            fail "$what\nREADME.md says: $line\nbut printed is: [join [lrange $actual $i end] \n]"
        }
        incr i
        set skipping 0
    }
    if {!$skipping && $i < [llength $actual]} { fail "$what\nprinted, but not in README.md: [join [lrange $actual $i end] \n]" }
}

proc run_shown {command} {
    set command [string map $::here $command]
    set command [string map [list "redis-cli " "redis-cli --no-raw " "-p 6390" "-p [srv port]"] $command]
    set command "cd [srv dir]; $command"
    exec bash -c $command </dev/null >[file join [srv dir] shown] 2>@1
    return [split [string trimright [encoding convertfrom utf-8 [read_file [file join [srv dir] shown]]] \n] \n]
}

proc run_block {block} {
    set command ""
    set expected {}
    foreach line [concat $block {{$ }}] {
        if {![string match {$ *} $line]} { lappend expected $line; continue }
        if {$command ne ""} { must_be $expected [run_shown $command] $command }
        set command [string range $line 2 end]
        set expected {}
    }
}

with_server {store sqlite:./cairn.db enable-flush no} {
    set blocks [session_blocks]
    set ::here {}
    test "README.md has a session" { assert {[llength $blocks] > 8} }
    foreach block $blocks {
        set first [lindex $block 0]
        if {[string match "* cairn-server*" $first]} {
            test "README.md: killed after one more append, the server starts as shown" {
                r EAPPEND order-1 order.shipped
                srv crash
                set from [lsearch $block {$ *}]
                set shown [expr {$from < 0 ? $block : [lrange $block 0 $from-1]}]
                # Process and time stand in front; how long it took is not a promise.
                set log {}
                foreach line [lsearch -all -inline [split [srv new_log] \n] "* \* *"] {
                    lappend log [regsub {^.*?(?=\* )} $line ""]
                }
                set clean {}
                foreach line [concat $shown] {
                    if {$line ne ""} { lappend clean [string map [list 6390 [srv port]] [regsub { in \d+ ms} $line " in N ms"]] }
                }
                must_be $clean [lmap line $log {regsub { in \d+ ms} $line " in N ms"}] "the log"
                if {$from >= 0} { run_block [lrange $block $from end] }
            }
        } else {
            test "README.md: [string range $first 2 80]" { run_block $block }
        }
    }
}
