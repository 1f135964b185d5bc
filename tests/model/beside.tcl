# A second reader, beside the connection that a batch is sent on: what it is told must be the model after one of
# the batch's commands, none before those that were answered when it asked, and never one before what it was
# told last. A transaction is one step, and so is EMAPPEND: what they change together is seen together.
#
# Now and then the journal's sync is held meanwhile. Then it must be the model of before the batch, at once.

set beside_share 3    ;# every third batch
set beside_count 0    ;# readings
set beside_middle 0   ;# of these, of a moment inside a batch
set beside_waiting {} ;# {words check reply} that have fitted no moment so far, in their order

proc names_or_keys {n} {
    for {set i 0} {$i < $n} {incr i} { lappend names [expr {[rand_below 2] ? [random_key] : [random_entry_name]}] }
    return $names
}
proc check_exists {names words reply} {
    set n 0
    foreach name $names { incr n [key_count $name 1] }
    expect $n $reply [shorten $words]
}
proc check_mget {names words reply} {
    expect [lmap name $names {if {[key_type $name] eq "string"} {dict get $::strings $name} else {string cat ""}}] $reply [shorten $words]
}
# One that may wait keeps what `$` was when it asked, and reads as of later, also when it waited only for the disk: what
# it is told of such a key then is of two moments, as it should be.
proc random_xread_beside {{from random_entry_name}} {
    while 1 {
        set reading [random_xread $from]
        set words [lindex $reading 0]
        if {"BLOCK" ni $words || "\$" ni $words} { return $reading }
    }
}
proc random_virtual_reading_beside {} {
    if {[rand_below 5] == 0} { return [random_virtual_length] }
    return [expr {[rand_below 3] ? [random_log_range] : [random_xread_beside random_virtual_or_entry]}]
}
# Cheap to compare, because each is compared with many moments.
proc random_reading_beside {} {
    set name [random_entry_name]
    set size [llength $::log]
    switch [rand_below 15] {
        0 { return [list [list ESVER $name] [list check_version $name]] }
        1 { return [list {EPSEQ 0} check_sequence] }
        2 { return [random_get] }
        3 { return [list [list EINFO $name] [list check_info $name]] }
        4 { return [scan_command $name - + [rand_below 2] [pick {1 10 50}] {}] }
        5 - 6 { return [scan_command "" [expr {max(0, $size - 10)}] + 0 50 {}] }
        7 - 8 { return [random_xread_beside] }
        9 { return [random_range] }
        10 { return [list [list XLEN $name] [list check_xlen $name]] }
        11 { return [expr {[rand_below 2] ? [random_key_read] : [random_string_read]}] }
        12 {
            if {[rand_below 2]} {
                set names [names_or_keys 6]
                return [list [list EXISTS {*}$names] [list check_exists $names]]
            }
            set names [list str-0 str-1 str-2 str-3 $name]
            return [list [list MGET {*}$names] [list check_mget $names]]
        }
    }
    if {"virtual" in $::opt(families)} { return [random_virtual_reading_beside] }
    return [random_range]
}

# Whether the reply is right as of the model now. A check may learn from a reply, and asks for more of a scan: not of one
# that does not fit.
proc fits {reading} {
    lassign $reading words check reply
    set log $::log
    set times $::times
    set follow $::follow
    set unlike [catch {check_reply $check $words $reply} ::beside_unlike]
    set ::follow $follow
    if {$unlike} { set ::log $log; set ::times $times }
    return [expr {!$unlike}]
}
# The model has gone on: the readings that fit now are done with.
proc beside_step {inside} {
    while {[llength $::beside_waiting] && [fits [lindex $::beside_waiting 0]]} {
        set ::beside_waiting [lrange $::beside_waiting 1 end]
        incr ::beside_middle $inside
    }
}
proc read_beside {} {
    set reading [random_reading_beside]
    $::beside send {*}[lindex $reading 0]
    lappend ::beside_waiting [list {*}$reading [$::beside read_typed]]
    incr ::beside_count
}
proc beside_fail {when} {
    lassign [lindex $::beside_waiting 0] words check reply
    fail "beside a batch, $when: [shorten $words 600]\n  at last: $::beside_unlike\n  reply: [shorten $reply 600]"
}
proc beside_wanted {} { return [expr {"beside" in $::opt(families) && [rand_below $::beside_share] == 0}] }

# Runs `send`, which sends a batch and reads nothing, with the sync held, and reads beside it.
proc beside_held {send} {
    fault "match -journal.d\nhold sync"
    try {
        uplevel 1 $send
        for {set n [expr {1 + [rand_below 4]}]} {$n > 0} {incr n -1} { read_beside }
        subscribers_know_no_more
    } finally { no_fault }
    beside_step 0
    if {[llength $::beside_waiting]} { beside_fail "told of what is not durable" }
}
# Before each reply of the batch is read.
proc beside_between {first} {
    beside_step [expr {!$first}]
    if {[rand_below 4] != 0} return
    read_beside
    beside_step [expr {!$first}]
}
proc beside_end {} {
    beside_step 0
    if {[llength $::beside_waiting]} { beside_fail "of no moment" }
}
