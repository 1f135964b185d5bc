# The family of virtual streams: XRANGE XREVRANGE XREAD XLEN XINFO on selections of the log, and consumer groups on
# them (groups.tcl). An id is when the event was recorded and its sequence.
#
# The position of a group is a sequence here, the last one that is behind it. What is selected beyond it must come,
# in order, once. Two things only the server knows:
#   looked  the group has looked at no more than what was there when it was read last. What a RENAME brings in
#           there may come or not (`maybe`), for that is how far it may have got by itself.
#   the id  that XINFO shows as its position may be any, as long as nothing that must come is behind it.
#
# @view:NAME has what the view says at the moment (named.tcl): commands on one that does not exist are NOTFOUND.

set virtual_names {@all @all @category:order @category:order @category:x @category:user @category:nothing @type:order.*
    @type:x @stream:x-* @stream:order-1* @stream:*-1 @stream:dlq:*}
if {"views" in $opt(families)} { lappend virtual_names @view:v-0 @view:v-1 @view:v-2 @view:v-3 }
set no_place [expr {1 << 62}] ;# behind all that will ever be

# ---- what is selected ----

proc is_virtual {name} { return [string match @* $name] }
# Whether a virtual stream has an event.
proc selects {name e} {
    if {[string match @view:* $name]} { return [view_selects [dict get $::views [view_of $name]] $e] }
    set stream [dict get $e stream]
    if {[string match dlq:* $stream] && ![string match @stream:dlq:* $name]} { return 0 }
    if {$name eq "@all"} { return 1 }
    set value [string range $name [expr {[string first : $name] + 1}] end]
    switch -glob -- $name {
        @category:* { return [string equal $value [lindex [split $stream -] 0]] }
        @type:* { return [string match $value [dict get $e type]] }
        @stream:* { return [string match $value $stream] }
    }
    error "no virtual stream $name"
}
proc is_selected {name sequence} {
    set e [lindex $::log $sequence]
    return [expr {$e ne "" && [selects $name $e]}]
}
proc view_of {name} { return [string range $name [string length @view:] end] }
proc is_missing_view {name} { return [expr {[string match @view:* $name] && ![dict exists $::views [view_of $name]]}] }
# Dead letters only when it asks for them.
proc view_selects {selector e} {
    if {[string match dlq:* [dict get $e stream]] && [lsearch -glob [field_or_empty $selector stream] dlq:*] < 0} { return 0 }
    return [selector_takes $selector $e]
}
# The check of a reply, which is another one when a view is not there.
proc check_reply {check words reply} {
    if {[lindex $check 0] ni {check_refused check_queued}} {
        foreach word $words {
            if {[is_missing_view $word]} { expect_error "NOTFOUND view '[view_of $word]' does not exist" $reply [shorten $words]; return }
        }
    }
    {*}$check $words $reply
}
# Sequences of what is selected beyond a sequence, in order.
proc selected {name {after -1}} {
    set out {}
    for {set s [expr {$after + 1}]} {$s < [llength $::log]} {incr s} { if {[is_selected $name $s]} { lappend out $s } }
    return $out
}

# ---- ids ----

# When an event was recorded, as a reply told.
proc note_time {sequence ms} {
    set known [lindex $::times $sequence]
    if {$known eq ""} { lset ::times $sequence $ms } else { assert_equal $known $ms "when sequence $sequence was recorded" }
}
# An id that a reply named, of an event that may be new.
proc note_log_id {id} {
    lassign [split $id -] ms sequence
    if {$sequence >= [llength $::log]} { fail "the id $id is beyond the end" }
    note_time $sequence $ms
}
# The key of an event's id. As long as no reply has told when it was recorded: that it was not before others of before
# is enough for those ids that random_log_id makes.
proc log_key {sequence} {
    for {set s $sequence} {$s >= 0} {incr s -1} {
        set ms [lindex $::times $s]
        if {$ms ne ""} { return [expr {($ms << 64) | $sequence}] }
    }
    return [expr {(1000000000000 << 64) | $sequence}]
}
# The last sequence whose id is not beyond this one; -1: there is none.
proc log_place {id} {
    set key [id_key $id]
    if {$key >> 64 > $::no_place} { return $::no_place }
    set sequence [expr {$key & 0xffffffffffffffff}]
    if {$sequence > 0 && $sequence < [llength $::log] && [lindex $::times $sequence] in [list [expr {$key >> 64}] ""]} {
        # That of an event, also of one that went before its time was told.
        if {$key >= [log_key $sequence]} { return $sequence }
    }
    set low -1
    set high [expr {[llength $::log] - 1}]
    while {$low < $high} {
        set mid [expr {($low + $high + 1) / 2}]
        if {[log_key $mid] <= $key} { set low $mid } else { set high [expr {$mid - 1}] }
    }
    return $low
}
# The position that an id of XGROUP stands for.
proc log_position {id} { return [expr {$id eq "\$" ? [llength $::log] - 1 : [log_place $id]}] }
proc log_event_with {id} {
    lassign [split $id -] ms sequence
    if {$sequence >= [llength $::log] || [lindex $::log $sequence] eq "" || [lindex $::times $sequence] ne $ms} { return "" }
    return $sequence
}
# Of what is selected, what lies between two keys, and what lies beyond an id (`+`: the last).
proc log_range {name low high} {
    set last [log_place [key_id $high]]
    return [lmap s [selected $name [expr {$low > 0 ? [log_place [key_id [expr {$low - 1}]]] : -1}]] {if {$s > $last} break; set s}]
}
proc log_beyond {name id count} {
    if {$id eq "+"} { return [lindex [selected $name] end] }
    set found [selected $name [log_place $id]]
    return [expr {$count eq "" ? $found : [lrange $found 0 [expr {$count - 1}]]}]
}
# An id of an event whose time is known, or near one. Where that lies is certain, whatever is appended meanwhile.
proc random_log_id {} {
    if {$::learned == 0 || [rand_below 12] == 0} { return [pick {0 0-1 5-5 0 18446744073709551615}] }
    # Mostly of the newer ones.
    set sequence [expr {[rand_below 3] ? max(0, $::learned - 1 - [rand_below 30]) : [rand_below $::learned]}]
    set ms [lindex $::times $sequence]
    if {$ms eq ""} { return 0 }
    switch [rand_below 6] {
        0 { if {$sequence + 1 < $::learned} { return $ms-[expr {$sequence + 1}] } }
        1 { return [key_id [expr {(($ms << 64) | $sequence) - 1}]] }
        2 { if {$ms < [lindex $::times [expr {$::learned - 1}]]} { return $ms } }
    }
    return $ms-$sequence
}

# ---- random commands ----

proc random_virtual {} { return [pick $::virtual_names] }
# One that has groups, if there is any.
proc random_virtual_grouped {} {
    for {set try 0} {$try < 4} {incr try} {
        set name [random_virtual]
        if {[dict size [groups_of $name]]} { return $name }
    }
    return $name
}
# Groups of both kinds in one XREADGROUP.
proc random_mixed {} { return [expr {[rand_below 3] ? [random_virtual_grouped] : [random_grouped]}] }
proc random_virtual_write {} {
    if {[rand_below 6] == 0} { return [random_xgroup random_virtual] }
    if {[rand_below 6] == 0} { return [random_readgroup random_mixed] }
    return [random_group_write random_virtual_grouped]
}
proc random_log_range {} {
    set name [random_virtual]
    set from [random_bound $name -]
    set to [random_bound $name +]
    set reverse [rand_below 2]
    set words [expr {$reverse ? [list XREVRANGE $name $to $from] : [list XRANGE $name $from $to]}]
    set count [pick {1 2 10 60}]
    return [list [list {*}$words COUNT $count] [list check_range $name $from $to $count $reverse]]
}
proc random_virtual_refused {} {
    set name [random_virtual]
    return [pick [list \
        [list [list XADD $name * a b] {check_refused VIRTUAL*}] \
        [list [list EAPPEND $name t] {check_refused VIRTUAL*}] \
        [list [list DEL x-0 $name] {check_refused VIRTUAL*}] \
        [list [list RENAME x-0 $name] {check_refused VIRTUAL*}] \
        [list [list ESCAN $name - +] {check_refused VIRTUAL*}] \
        [list [list XREAD STREAMS x-0 @none 0 0] {check_refused VIRTUAL*}]]]
}
proc random_virtual_read {} {
    switch [rand_below 12] {
        0 - 1 - 2 { return [random_log_range] }
        3 - 4 { return [random_xread random_virtual_or_entry] }
        5 { set name [random_virtual]; return [list [list XLEN $name] [list check_xlen $name]] }
        6 { set name [random_virtual]; return [list [list XINFO STREAM $name] [list check_log_info $name]] }
        7 { return [random_virtual_refused] }
    }
    return [random_group_read random_virtual_grouped]
}
proc random_virtual_or_entry {} { return [expr {[rand_below 3] ? [random_virtual] : [random_entry_name]}] }
# One that goes by names: its length is of one moment. (XLEN of another one may count what was just removed.)
proc random_virtual_by_name {} {
    while 1 { if {![string match {@[tv]*} [set name [random_virtual]]]} { return $name } }
}
proc random_virtual_length {} { set name [random_virtual_by_name]; return [list [list XLEN $name] [list check_xlen $name]] }
# In a transaction.
proc random_virtual_queued {} {
    if {"virtual" ni $::opt(families)} { return [random_xadd] }
    switch [rand_below 6] {
        0 { return [random_log_range] }
        1 { return [random_xread random_virtual_or_entry] }
        2 { return [random_virtual_length] }
    }
    return [random_virtual_write]
}

# ---- groups ----

# By hand. Going back, it looks again at what it had looked at.
proc move_in_log {name group position} {
    if {$position < [group_get $name $group last]} {
        group_set $name $group looked 0
        group_set $name $group maybe {}
    }
    group_set $name $group last $position
}
# An event has got another name.
proc note_brought_in {sequence old_stream} {
    set before [dict replace [lindex $::log $sequence] stream $old_stream]
    dict for {name groups} $::virtuals {
        if {[is_missing_view $name] || ![is_selected $name $sequence] || [selects $name $before]} continue
        dict for {group state} $groups {
            if {$sequence > [dict get $state last] && $sequence < [dict get $state looked]} { group_set $name $group maybe $sequence 1 }
        }
    }
}
# The view is about to say something else: what it did not select may have been looked at.
proc note_view_change {name selector} {
    dict for {group state} [groups_of $name] {
        for {set s [expr {[dict get $state last] + 1}]} {$s < min([dict get $state looked], [llength $::log])} {incr s} {
            set e [lindex $::log $s]
            if {$e ne "" && ![selects $name $e] && [view_selects $selector $e]} { group_set $name $group maybe $s 1 }
        }
    }
}
# Of what is selected beyond the group's position, up to a sequence, what must come, and what of the rest has come.
proc due {name group upto came} {
    set maybe [group_get $name $group maybe]
    set out {}
    foreach s [selected $name [group_get $name $group last]] {
        if {$s > $upto} break
        if {![dict exists $maybe $s] || $s in $came} { lappend out $s }
    }
    return $out
}
# others: the reply has something of other keys; then it says nothing of those that have not looked at everything yet.
proc check_new_of_log {name group consumer count no_ack got others} {
    set what "XREADGROUP $name $group"
    set came {}
    if {$got ne ""} { set came [lmap entry [untyped $got] {lindex [split [lindex $entry 0] -] 1}] }
    group_set $name $group looked [llength $::log]
    if {[llength $came] == 0} {
        if {!$others} { assert_equal {} [due $name $group $::no_place {}] "$what: what should have come" }
        return
    }
    if {$count ne "" && [llength $came] > $count} { fail "$what: [llength $came] came" }
    assert_equal [due $name $group [lindex $came end] $came] $came "$what: sequences"
    check_entries $name $came $got $what
    set now [clock milliseconds]
    foreach s $came {
        if {!$no_ack} { pend $name $group [id_in $name $s] $consumer $now 1 }
        group_set $name $group last $s
    }
}
# Nobody knows it as long as the group has not looked at everything; and what it has found may have gone since.
proc check_log_backlog {name group backlog what} {
    if {$backlog eq ""} return
    set due [llength [due $name $group $::no_place {}]]
    if {$backlog < $due} { fail "$what: the backlog is $backlog, and $due are due" }
}
proc check_log_position {name group info what} {
    check_log_backlog $name $group [field $info lag] $what
    set shown [field $info last-delivered-id]
    set place [log_place $shown]
    set last [group_get $name $group last]
    # (`$` may be that of the last event which is there.)
    while {$last > $place && $last < [llength $::log] && [lindex $::log $last] eq ""} { incr last -1 }
    if {$place < $last} { fail "$what: last-delivered-id is $shown, expected that of sequence [group_get $name $group last]" }
    assert_equal {} [due $name $group $place {}] "$what: last-delivered-id is $shown, and before it was not delivered"
}

# ---- looking ----

proc check_log_info {name words reply} {
    if {[lindex $reply 0] eq "error"} { fail [lindex $reply 1] }
    set info [untyped $reply]
    set all [selected $name]
    foreach field {first-entry last-entry} { if {[field $info $field] ne ""} { note_log_id [lindex [field $info $field] 0] } }
    foreach {field want} [list length [llength $all] max-deleted-entry-id 0-0 entries-added [llength $all] groups [dict size [groups_of $name]] \
            recorded-first-entry-id [expr {[llength $all] ? [id_in $name [lindex $all 0]] : "0-0"}]] {
        assert_equal $want [field $info $field] "XINFO STREAM $name: $field"
    }
    foreach {field at} {first-entry 0 last-entry end} {
        assert_equal [expr {[llength $all] ? [entry_in $name [lindex $all $at]] : ""}] [field $info $field] "XINFO STREAM $name: $field"
    }
    # `$`: the last event that is there, or one behind it that is gone.
    set last [lindex [selected @stream:*] end]
    if {$last ne "" && [log_place [field $info last-generated-id]] < $last} { fail "XINFO STREAM $name: last-generated-id [field $info last-generated-id], the last event is $last" }
}
proc check_virtual_streams {c} {
    foreach name [lsort -unique $::virtual_names] {
        if {[is_missing_view $name]} continue
        run_batch $c [list [list [list XLEN $name] [list check_xlen $name]] [list [list XRANGE $name - +] [list check_range $name - + "" 0]]]
        check_groups $c $name
    }
}
# What is left to deliver comes, and then nothing.
proc drain_virtual_streams {c} {
    dict for {name groups} $::virtuals {
        foreach group [dict keys $groups] {
            while {1} {
                set before [group_get $name $group last]
                run_batch $c [list [list [list XREADGROUP GROUP $group last COUNT 500 STREAMS $name >] [list check_readgroup $group last [list $name] > 500 0]]]
                if {[group_get $name $group last] == $before} break
            }
        }
    }
}
