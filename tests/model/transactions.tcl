# The family of transactions: MULTI and EXEC over commands of all others. Either each command of it gets the
# reply that it would have got alone, or an append whose expected version does not hold takes all of it back.

# Inside a transaction: what changes something, some reads, and appends with expected versions.
proc random_queued {} {
    switch [rand_below 15] {
        14 { return [expr {[rand_below 3] ? [random_string_write] : [random_string_read]}] }
        0 - 1 - 2 { return [random_xadd] }
        3 - 4 - 5 { return [plain_append] }
        6 { return [random_xack] }
        7 { return [random_readgroup] }
        8 { return [random_entry_write] }
        9 { return [random_group_write] }
        10 { return [expr {[rand_below 2] ? [random_key_write] : [random_string_write]}] }
        12 { return [random_virtual_queued] }
        13 { return [random_named_queued] }
        11 { return [expr {[rand_below 2] ? [random_entry_read] : [random_group_read]}] }
    }
}
proc random_named_queued {} {
    set families [lmap family {checkpoints views} {if {$family ni $::opt(families)} continue; set family}]
    if {[llength $families] == 0} { return [plain_append] }
    if {[rand_below 4]} { return [random_named_write] }
    return [expr {[pick $families] eq "views" ? [random_view_read] : [checkpoint_get [pick $::checkpoint_names]]}]
}
# Its id is new, so that only the expected version can fail.
proc plain_append {} {
    set name [expr {[rand_below 2] ? [random_name] : [random_entry_name]}]
    set options [random_options]
    if {[dict exists $options event_id]} { dict set options event_id [uuid] }
    return [append_command $name $options [expr {[rand_below 4] ? "" : [random_expected $name]}]]
}
proc random_transaction {} {
    set commands {}
    for {set n [expr {1 + [rand_below 6]}]} {$n > 0} {incr n -1} { lappend commands [random_queued] }
    if {[rand_below 10] == 0} {
        set batch [list {MULTI {check_value MULTI {string cat OK}}}]
        foreach command $commands { lappend batch [list [lindex $command 0] check_queued] }
        return [lappend batch {DISCARD {check_value DISCARD {string cat OK}}}]
    }
    set batch [list {MULTI {check_value MULTI {string cat OK}}}]
    foreach command $commands { lappend batch [list [lindex $command 0] check_queued] }
    return [lappend batch [list EXEC [list check_exec $commands]]]
}
proc check_queued {words reply} { expect QUEUED $reply [shorten $words] }

proc check_exec {commands words reply} {
    lassign $reply type value
    set first [llength $::log]
    if {$type ne "error"} {
        if {$type ne "array" || [llength $value] != [llength $commands]} { fail "EXEC of [llength $commands]: [shorten $reply]" }
        foreach command $commands one $value {
            lassign $command queued check
            if {[lindex $one 0] eq "error" && [regexp {^(WRONGVER|STALE)} [lindex $one 1]]} { fail "in EXEC: [shorten $queued]: [lindex $one 1]" }
            if {[catch {check_reply $check $queued $one} message options]} { return -options $options "in EXEC: [shorten $queued]\n  $message" }
        }
        note_frame $first
        return
    }
    # Which command it was must be right, and what it says, had those before it been done.
    if {![regexp {^(WRONGVER|STALE) command (\d+) of (\d+) \(([\w|]+)\): (.*)$} $value all code at n name text]} { fail "EXEC: $value" }
    assert_equal [llength $commands] $n "the number of commands"
    if {$code eq "STALE"} { tailcall check_exec_stale $commands $at $name $text }
    assert_equal [string tolower [lindex $commands [expr {$at - 1}] 0 0]] $name "the name of the command"
    foreach {stream last} [versions_before $commands [expr {$at - 1}]] { set version_of($stream) $last }
    lassign [lindex $commands [expr {$at - 1}] 0] command stream
    set expected [expr {$command eq "EDELETE" ? [lindex $commands [expr {$at - 1}] 0 3] : [lindex $commands [expr {$at - 1}] 1 3]}]
    set last [expr {[info exists version_of($stream)] ? $version_of($stream) : [stream_last $stream]}]
    if {$last eq "?"} return
    if {[expectation_holds $expected $last]} { fail "EXEC was taken back for $stream at version $last, expected $expected, which holds: $value" }
    assert_equal [wrong_version_text $stream $last $expected] [regsub {key [0-9a-f-]{36} and} $text {key K and}]
}
proc check_exec_stale {commands at command text} {
    assert_equal "echeckpoint|set" $command "the name of the command"
    set names [lmap one $commands {lindex $one 0 2}]
    lassign [lrange [lindex $commands [expr {$at - 1}] 0] 2 end] name position if condition
    set stands [checkpoint_at $name]
    foreach one [lrange $commands 0 [expr {$at - 2}]] {
        lassign [lindex $one 0] word sub of given
        if {$word ne "ECHECKPOINT" || $of ne $name} continue
        if {$sub eq "DEL"} { set stands "" }
        if {$sub eq "SET" && [lindex [split $given @] 0] <= [llength $::log]} { set stands [lindex [split $given @] 0] }
        # Whether that was beyond the head depends on what was appended before.
        if {$sub eq "SET" && [lindex [split $given @] 0] > [llength $::log]} return
    }
    if {[condition_holds $condition $stands]} { fail "EXEC was taken back for the checkpoint $name at $stands, IF $condition" }
    assert_equal [stale_text $name $stands] $text
}
# The last versions of the streams that the first n commands change, as stream version pairs; "?" where that
# depends on replies that were not given.
proc versions_before {commands n} {
    set versions {}
    foreach command [lrange $commands 0 [expr {$n - 1}]] {
        set words [lindex $command 0]
        set stream [lindex $words 1]
        set last [expr {[dict exists $versions $stream] ? [dict get $versions $stream] : [stream_last $stream]}]
        if {[key_type $stream] eq "string"} { set last "?" }
        set next [expr {$last eq "?" ? "?" : $last eq "" ? 0 : $last + 1}]
        switch [lindex $words 0] {
            EAPPEND { dict set versions $stream $next }
            XADD { dict set versions $stream [expr {[lindex $words 2] eq "*" ? $next : "?"}] }
            EDELETE { dict set versions $stream "" }
            DEL { foreach name [lrange $words 1 end] { dict set versions $name "" } }
            SET - SETNX - GETDEL - GETEX - PEXPIREAT - EXPIREAT { dict set versions $stream "?" }
            MSET - MSETNX { foreach {name value} [lrange $words 1 end] { dict set versions $name "?" } }
            RENAME - RENAMENX { foreach name [lrange $words 1 end] { dict set versions $name "?" } }
        }
    }
    return $versions
}
