# What readers are told while a change is not durable: the sync is held, the change is sent, and
# readings on connections of their own must be answered at once with what was, or not at all.
#
# A reading is {VIEW COMMAND ...}; several commands are a transaction, whose EXEC is the reading.
#   settled   answered while the sync is held, as before the change
#   newest    waits, and then tells of the change; or is answered at once, if nothing that it tells
#             is changed
# A change is {NAME {COMMAND ...} ?FLAG ...?}; several commands are a transaction.
#   soft   its own reply does not wait for the disk
#   waits  what reads the settled view waits, too
#   quiet  no reading tells of it
# In commands, @x is a key, @. its category and %1 an event id, new ones in each round; a word & is the sequence of the round's first event,
# a word =@x what DUMP says of a key.

source [file join $::top tests lib faults.tcl]

# Of the segments in use, not of what the journal prepares.
set ::journal_syncs "match *-journal.d/*\[0-9a-f]"
set ::database_syncs "match *.db *.db-wal"
set ::held_syncs $::journal_syncs
set ::views_round 0

# A sync of before would be held in place of the one that is meant, and a write may wait for it: one for which no reply waited
# (a delivery), or one that a later sync, of the other thread, has overtaken.
proc hold_syncs {} {
    wait_for "all of before to be durable" {[journal_info durable_frame] == [journal_info decided_frame]}
    wait_for "the syncs of before to be over" {[journal_info journal_syncing] == 0}
    fault "$::held_syncs\nhold sync"
}
# What is held stays so; of what comes now not even the write begins.
proc hold_what_follows {} { fault "$::held_syncs\nhold sync go 0\nhold write go 0" }
# What was held when hold_what_follows was said goes on, what came afterwards does not.
proc release_first {} { fault "$::held_syncs\nhold write go 0" }
proc journal_info {name} { return [info_field [srv default_client] $name journal] }
# Runs the script, which sends a change, and waits until that is decided: its frame has a number.
proc decide {script} {
    set frame [journal_info decided_frame]
    uplevel 1 $script
    wait_for "a change is decided" {[journal_info decided_frame] > $frame}
}

# ---- commands ----

proc expand_word {word} {
    if {$word eq "&"} { return $::views_first }
    if {[string index $word 0] eq "="} { return [r DUMP [expand_word [string range $word 1 end]]] }
    return [string map [list @. c$::views_round @ c$::views_round- % [format %08x-0000-4000-8000-00000000000 $::views_round]] $word]
}
proc expand {words} { return [lmap word $words {expand_word $word}] }
# The commands to send for a reading or a change.
proc with_multi {commands} {
    if {[llength $commands] == 1} { return $commands }
    return [list MULTI {*}$commands EXEC]
}
# Readings with @* once for each key.
proc each_key {readings keys} {
    set out {}
    foreach reading $readings {
        if {[string first @* $reading] < 0} { lappend out $reading; continue }
        foreach key $keys { lappend out [string map [list @* @$key] $reading] }
    }
    return $out
}

# ---- replies ----

# The time that a TTL or PTTL ends, in 10^7 of their units.
proc about_when {name left} {
    set now [expr {[string toupper $name] eq "TTL" ? [clock seconds] : [clock milliseconds]}]
    return [expr {($now + $left + 5000000) / 10000000}]
}
# A reply without what time alone changes. keys: those that there are.
proc normal {reading reply keys} {
    lassign [lindex $reading end] name sub
    lassign $reply type value
    if {[llength $reading] > 2} { return $reply }
    switch -- [string toupper $name] {
        TTL - PTTL { if {$type eq "int" && $value > 0} { return "until about [about_when $name $value]" } }
        MEMORY { if {$type in {int null}} { return "as much as is in memory" } }
        RANDOMKEY { if {$value in $keys} { return "one of the keys" } }
        KEYS { return [lsort [untyped $reply]] }
        EVIEW { if {$sub eq "LIST"} { return [lsort [lindex [untyped $reply] 1]] } }
        SCAN - ESTREAMS { return [lsort [lindex [untyped $reply] 1]] }
        XPENDING { if {$type eq "array" && [llength [lindex $reading end]] > 3} { return [lmap row [untyped $reply] {lreplace $row 2 2}] } }
        XINFO {
            if {$type eq "array" && $sub eq "CONSUMERS"} {
                return [lmap row [untyped $reply] {dict remove $row idle inactive}]
            }
        }
        XGROUP {
            if {$type in {array map} && $sub eq "STATS"} {
                set rows [untyped $reply]
                set one [expr {[llength [lindex $reading end]] == 4}]
                return [lmap row [expr {$one ? [list $rows] : $rows}] {dict remove $row backlog-oldest-ms pending-oldest-ms}]
            }
        }
    }
    return $reply
}
# All readings, one after the other on one connection: {replies keys}.
proc read_all {c readings} {
    set all {}
    foreach reading $readings { foreach words [with_multi [lrange $reading 1 end]] { $c send {*}$words } }
    $c send KEYS *
    foreach reading $readings {
        foreach words [with_multi [lrange $reading 1 end]] {
            if {[catch {$c read_typed} reply options]} { return -options $options "[lindex $reading end]: $reply" }
        }
        lappend all $reply
    }
    set keys [$c read]
    return [list [lmap reading $readings reply $all {normal $reading $reply $keys}] $keys]
}

# ---- readers beside each other ----

# A client for each of the readings. They stay from round to round, until drop_readers.
set ::readers {}
proc drop_readers {} {
    foreach c $::readers { catch {$c close} }
    set ::readers {}
}
# Everything of the readings but the command that reads.
proc prepare_readers {readings} {
    while {[llength $::readers] < [llength $readings]} { lappend ::readers [new_client] }
    foreach c $::readers reading $readings {
        foreach command [lrange [with_multi [lrange $reading 1 end]] 0 end-1] { $c {*}$command }
    }
}
proc send_readings {readings} {
    set ::answered {}
    set ::waited_too_long 0
    set i -1
    foreach c $::readers reading $readings {
        fileevent [$c channel] readable [list note_answer [incr i] [$c channel]]
        $c send {*}[lindex [with_multi [lrange $reading 1 end]] end]
    }
}
proc note_answer {i channel} {
    fileevent $channel readable {}
    lappend ::answered $i
}
# Waits until these have been answered, takes a look at who else is by then, and reads the replies: a dictionary by
# the number of the reading.
proc early_replies {readings must keys} {
    set timer [after [patience] {set ::waited_too_long 1; set ::answered $::answered}]
    foreach i $must {
        while {$i ni $::answered && !$::waited_too_long} { vwait ::answered }
    }
    after cancel $timer
    [lindex $::readers 0] taken
    after 20 ;# as Client silent
    update
    set replies {}
    foreach i [lsort -integer $::answered] { dict set replies $i [read_reading $readings $i $keys] }
    return $replies
}
proc read_reading {readings i keys} {
    set c [lindex $::readers $i]
    fileevent [$c channel] readable {}
    return [normal [lindex $readings $i] [$c read_typed] $keys]
}

# ---- one round ----

# What is wrong with one reading's reply, "" when nothing is. early: it came while the sync was held.
proc judge_reading {view durable early reply before after} {
    if {!$durable} { return [expr {$early && $reply eq $after ? "" : $early ? "said $reply, it is $after" : "waited"}] }
    if {!$early} {
        if {$view eq "settled"} { return "waited" }
        return [expr {$reply eq $after ? "" : "waited, then said $reply, it is $after"}]
    }
    if {$view eq "waits"} { return "did not wait" }
    if {$reply ne $before} { return "early: said $reply, it was $before" }
    return [expr {$view eq "settled" || $before eq $after ? "" : "of before the change: said $reply, it is $after"}]
}

# mode: a dictionary; all of it may be left out.
#   durable 0           replies do not wait for the disk
#   afresh SCRIPT       is run before the sync is held
#   meanwhile SCRIPT    is run between the change and the readings
proc views_round {setup change readings {mode ""}} {
    set mode [dict merge {durable 1 afresh "" meanwhile ""} $mode]
    incr ::views_round
    lassign $change name commands
    set flags [lrange $change 2 end]
    set last [r EPSEQ 0]
    set ::views_first [expr {$last eq "" ? 0 : $last + 1}]
    set replies [pipeline [srv default_client] [lmap words $setup {expand $words}]]
    assert {[lsearch -index 0 $replies error] < 0} "set-up: [shorten $replies]"
    r ESYNC
    set readings [lmap reading $readings {concat [lindex $reading 0] [lmap words [lrange $reading 1 end] {expand $words}]}]
    set commands [with_multi [lmap words $commands {expand $words}]]
    lassign [read_all [srv default_client] $readings] before old_keys
    if {[dict get $mode afresh] ne ""} { drop_readers; uplevel #0 [dict get $mode afresh] }
    set changer [new_client]
    try {
        prepare_readers $readings
        hold_syncs
        decide { foreach words $commands { $changer send {*}$words } }
        foreach words [lrange $commands 0 end-1] { $changer read }
        uplevel #0 [dict get $mode meanwhile]
        held_round $changer $readings $flags $mode $before $old_keys
        if {$before eq $::after_change && "quiet" ni $flags} { fail "no reading tells of it" }
    } on error {message options} {
        drop_readers
        return -options $options $message
    } finally {
        no_fault
        $changer close
    }
    set mine [r KEYS c$::views_round-*]
    if {[llength $mine]} { r DEL {*}$mine }
}
# The change has been decided, its sync is held.
proc held_round {changer readings flags mode before old_keys} {
    set durable [dict get $mode durable]
    set waits [expr {$durable && "soft" ni $flags}]
    set all [lmap reading $readings {lindex $reading 0}]
    if {"waits" in $flags} { set all [lmap view $all {string cat waits}] }
    set must [expr {$durable ? [lsearch -all -exact $all settled] : [lsearch -all $all *]}]
    send_readings $readings
    set early [early_replies $readings $must $old_keys]
    if {$waits} { assert {[$changer silent]} "the change's own reply did not wait" }
    no_fault
    set reply [$changer read_typed]
    foreach one [concat [list $reply] [expr {[lindex $reply 0] eq "array" ? [lindex $reply 1] : ""}]] {
        if {[lindex $one 0] eq "error"} { fail "the change failed: [lindex $one 1]" }
    }
    lassign [read_all [srv default_client] $readings] ::after_change keys
    set wrong {}
    for {set i 0} {$i < [llength $readings]} {incr i} {
        set is_early [dict exists $early $i]
        set got [expr {$is_early ? [dict get $early $i] : [read_reading $readings $i $keys]}]
        set what [judge_reading [lindex $all $i] $durable $is_early $got [lindex $before $i] [lindex $::after_change $i]]
        if {$what ne ""} { lappend wrong "[lindex $readings $i]: $what" }
    }
    # Everything once more on the same connections.
    prepare_readers $readings
    send_readings $readings
    for {set i 0} {$i < [llength $readings]} {incr i} {
        set got [read_reading $readings $i $keys]
        if {$got ne [lindex $::after_change $i]} { lappend wrong "[lindex $readings $i]: later said $got, it is [lindex $::after_change $i]" }
    }
    if {[llength $wrong]} { fail "[llength $wrong] readings:\n[join [lmap text [lrange $wrong 0 9] {shorten $text 1000}] \n]" }
}

source [file join $::top tests lib view_table.tcl]
