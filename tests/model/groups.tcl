# The family of consumer groups: XGROUP XREADGROUP XACK XPENDING XCLAIM XAUTOCLAIM XINFO.
#
# A group is a dict: last (entry id), consumers (name -> 1), pending (id -> {consumer delivered
# deliveries}); exact: its position was never moved by hand. For what else those of virtual streams have see
# virtual.tcl; `from` is the procedure that picks a name.
#
# Idle times are either about 0 or about two hours (IDLE, TIME), and minimal idle times 0 or one hour: so
# the pace of the test decides nothing.

set group_names {g h "g 2"}
set consumer_names {anna berta clara d}
set hour 3600000
set undelivered 0 ;# deliveries that crashes took back

# ---- random commands ----

# A stream that has groups, if there is any.
proc random_grouped {} {
    if {[rand_below 12]} {
        for {set try 0} {$try < 6} {incr try} {
            set name [random_entry_name]
            if {[dict size [groups_of $name]]} { return $name }
        }
    }
    return [random_entry_name]
}
proc random_group {name} {
    if {[rand_below 12] && [dict size [groups_of $name]]} { return [pick [dict keys [groups_of $name]]] }
    return [pick $::group_names]
}
proc pending_of {name group} {
    if {![has_group $name $group]} { return {} }
    return [group_get $name $group pending]
}
# Ids to acknowledge or claim: mostly pending ones.
proc random_pending_ids {name group most} {
    set pending [dict keys [pending_of $name $group]]
    set ids {}
    for {set n [expr {1 + [rand_below $most]}]} {$n > 0} {incr n -1} {
        lappend ids [expr {[llength $pending] && [rand_below 8] ? [pick $pending] : [random_id $name]}]
    }
    return $ids
}
proc random_xgroup {{from random_grouped}} {
    set name [expr {[rand_below 2] && $from eq "random_grouped" ? [random_entry_name] : [$from]}]
    set group [random_group $name]
    set consumer [pick $::consumer_names]
    switch [rand_below 12] {
        0 { return [list [list XGROUP DESTROY $name $group] [list check_destroy $name $group]] }
        1 { set id [pick [list 0 \$ [random_id $name]]]; return [list [list XGROUP SETID $name $group $id] [list check_setid $name $group $id]] }
        2 - 3 { return [list [list XGROUP CREATECONSUMER $name $group $consumer] [list check_createconsumer $name $group $consumer]] }
        4 { return [list [list XGROUP DELCONSUMER $name $group $consumer] [list check_delconsumer $name $group $consumer]] }
    }
    set id [pick [list 0 0 0 \$ [random_id $name]]]
    set make [rand_below 2]
    return [list [list XGROUP CREATE $name $group $id {*}[expr {$make ? "MKSTREAM" : ""}]] [list check_create $name $group $id $make]]
}
proc random_readgroup {{from random_grouped}} {
    set first [$from]
    set group [random_group $first]
    set names [list $first]
    while {[rand_below 3] == 0} {
        set name [$from]
        if {$name ni $names && [has_group $name $group]} { lappend names $name }
    }
    set consumer [pick $::consumer_names]
    set ids [lmap name $names {expr {[rand_below 4] ? ">" : [random_id $name]}}]
    set count [pick {"" 1 2 10}]
    set no_ack [expr {[rand_below 8] == 0}]
    set words [list XREADGROUP GROUP $group $consumer]
    if {$count ne ""} { lappend words COUNT $count }
    if {$no_ack} { lappend words NOACK }
    if {[rand_below 10] == 0} { lappend words BLOCK 1 }
    return [list [list {*}$words STREAMS {*}$names {*}$ids] [list check_readgroup $group $consumer $names $ids $count $no_ack]]
}
proc random_xack {{from random_grouped}} {
    set name [$from]
    set group [random_group $name]
    set ids [random_pending_ids $name $group 4]
    return [list [list XACK $name $group {*}$ids] [list check_xack $name $group $ids]]
}
proc random_xclaim {{from random_grouped}} {
    set name [$from]
    set group [random_group $name]
    set consumer [pick $::consumer_names]
    set min_idle [pick [list 0 0 $::hour]]
    if {[rand_below 3] == 0} {
        set start [pick [list 0 - [random_id $name]]]
        set count [pick {"" 1 3 100}]
        set just_id [expr {[rand_below 3] == 0}]
        set words [list XAUTOCLAIM $name $group $consumer $min_idle $start]
        if {$count ne ""} { lappend words COUNT $count }
        if {$just_id} { lappend words JUSTID }
        return [list $words [list check_xautoclaim $name $group $consumer $min_idle $start $count $just_id]]
    }
    set ids [random_pending_ids $name $group 4]
    set words [list XCLAIM $name $group $consumer $min_idle {*}$ids]
    set options {}
    if {[rand_below 4] == 0} { lappend words IDLE [expr {2 * $::hour}]; dict set options idle [expr {2 * $::hour}] }
    if {[rand_below 5] == 0} { set n [rand_below 20]; lappend words RETRYCOUNT $n; dict set options deliveries $n }
    foreach {keyword key} {FORCE force JUSTID just_id} { if {[rand_below 4] == 0} { lappend words $keyword; dict set options $key 1 } }
    if {[rand_below 10] == 0} { set id [random_id $name]; lappend words LASTID $id; dict set options last $id }
    return [list $words [list check_xclaim $name $group $consumer $min_idle $ids $options]]
}
proc random_xpending {{from random_grouped}} {
    set name [$from]
    set group [random_group $name]
    if {[rand_below 3] == 0} { return [list [list XPENDING $name $group] [list check_pending_summary $name $group]] }
    set words [list XPENDING $name $group]
    set min_idle [pick [list "" "" 0 $::hour]]
    if {$min_idle ne ""} { lappend words IDLE $min_idle }
    set from [random_bound $name -]
    set to [random_bound $name +]
    set count [pick {1 3 1000}]
    set consumer [expr {[rand_below 3] ? "" : [pick $::consumer_names]}]
    lappend words $from $to $count
    if {$consumer ne ""} { lappend words $consumer }
    return [list $words [list check_pending_range $name $group $min_idle $from $to $count $consumer]]
}
proc random_group_write {{from random_grouped}} {
    switch [rand_below 16] {
        0 - 1 { return [random_xgroup $from] }
        2 - 3 - 4 - 5 - 6 - 7 - 8 { return [random_readgroup $from] }
        9 - 10 - 11 - 12 { return [random_xack $from] }
    }
    return [random_xclaim $from]
}
proc random_group_read {{from random_grouped}} {
    set name [$from]
    switch [rand_below 4] {
        0 {
            if {[rand_below 2]} { return [list [list XGROUP STATS $name] [list check_group_stats $name]] }
            return [list [list XINFO GROUPS $name] [list check_group_info $name]]
        }
        1 { set group [random_group $name]; return [list [list XINFO CONSUMERS $name $group] [list check_consumer_info $name $group]] }
    }
    return [random_xpending $from]
}

# ---- the model's groups ----

# Those of streams are with their heads.
proc groups_of {name} {
    if {[is_virtual $name]} { return [field_or_empty $::virtuals $name] }
    if {![dict exists $::heads $name]} { return {} }
    return [head $name groups]
}
proc set_groups {name groups} {
    if {[is_virtual $name]} { dict set ::virtuals $name $groups } else { dict set ::heads $name groups $groups }
}
proc has_group {name group} { return [dict exists [groups_of $name] $group] }
proc group_get {name group args} { return [dict get [groups_of $name] $group {*}$args] }
proc group_set {name group args} {
    if {[is_virtual $name]} { dict set ::virtuals $name $group {*}$args } else { dict set ::heads $name groups $group {*}$args }
}
proc group_unset {name group args} {
    if {[is_virtual $name]} { dict unset ::virtuals $name $group {*}$args } else { dict unset ::heads $name groups $group {*}$args }
}
proc pend {name group id consumer delivered deliveries} {
    group_set $name $group pending $id [list $consumer $delivered $deliveries]
}
proc add_consumer {name group consumer} { group_set $name $group consumers $consumer 1 }
# Ids pending, in order; of one consumer, or of all.
proc pending_ids {name group {consumer ""}} {
    set out {}
    dict for {id row} [pending_of $name $group] { if {$consumer eq "" || [lindex $row 0] eq $consumer} { lappend out $id } }
    return [lsort -command by_id $out]
}
proc entry_with_id {name id} {
    set key [id_key $id]
    if {[is_virtual $name]} { return [log_event_with $id] }
    foreach s [stream_events $name] { if {[event_field $s key] == $key} { return $s } }
    return ""
}
proc is_idle {row min_idle} { return [expr {$min_idle == 0 || [clock milliseconds] - [lindex $row 1] >= $min_idle}] }
# Whether the key or the group is not there, or the key a string; then the reply must say so.
proc no_group {name group reply} {
    if {[wrong_type $name $reply]} { return 1 }
    if {[has_group $name $group]} { return 0 }
    expect_error NOGROUP* $reply "a command on the group $group of $name, which is not there"
    return 1
}

# ---- XGROUP ----

proc check_create {name group id make words reply} {
    if {[wrong_type $name $reply]} return
    if {[key_type $name] eq "none"} {
        if {!$make} { expect_error "ERR The XGROUP subcommand requires the key to exist*" $reply "XGROUP CREATE"; return }
    }
    if {[has_group $name $group]} { expect_error BUSYGROUP* $reply "XGROUP CREATE of $group"; return }
    expect OK $reply [shorten $words]
    if {[is_virtual $name]} {
        group_set $name $group [dict create last [log_position $id] consumers {} pending {} looked 0 maybe {}]
    } else {
        make_stream $name
        set exact [expr {$id ne "\$" && [id_key $id] == 0}]
        group_set $name $group [dict create last [position_of $name $id] consumers {} pending {} exact $exact]
    }
    hard
}
# The position that an id stands for.
proc position_of {name id} {
    if {$id eq "\$"} { return [head $name last] }
    return [key_id [id_key $id]]
}
# Of the subcommands that need the key: whether it is not there.
proc no_key {name reply what} {
    if {[wrong_type $name $reply]} { return 1 }
    if {[key_type $name] ne "none"} { return 0 }
    expect_error "ERR The XGROUP subcommand requires the key to exist*" $reply $what
    return 1
}
# By hand: then Redis' lag may not be known.
proc move_group {name group id} {
    group_set $name $group last $id
    group_set $name $group exact 0
}
proc check_destroy {name group words reply} {
    if {[no_key $name $reply [shorten $words]]} return
    set there [has_group $name $group]
    expect $there $reply [shorten $words]
    if {!$there} return
    group_unset $name $group
    hard
}
proc check_setid {name group id words reply} {
    if {[no_key $name $reply [shorten $words]] || [no_group $name $group $reply]} return
    expect OK $reply [shorten $words]
    if {[is_virtual $name]} { move_in_log $name $group [log_position $id] } else { move_group $name $group [position_of $name $id] }
    hard
}
proc check_createconsumer {name group consumer words reply} {
    if {[no_key $name $reply [shorten $words]] || [no_group $name $group $reply]} return
    set new [expr {![dict exists [group_get $name $group consumers] $consumer]}]
    expect $new $reply [shorten $words]
    add_consumer $name $group $consumer
    if {$new} hard
}
proc check_delconsumer {name group consumer words reply} {
    if {[no_key $name $reply [shorten $words]] || [no_group $name $group $reply]} return
    set ids {}
    if {[dict exists [group_get $name $group consumers] $consumer]} { set ids [pending_ids $name $group $consumer] }
    expect [llength $ids] $reply [shorten $words]
    if {![dict exists [group_get $name $group consumers] $consumer]} return
    foreach id $ids { group_unset $name $group pending $id }
    group_unset $name $group consumers $consumer
    hard
}

# ---- XREADGROUP ----

proc check_new {name group consumer count no_ack got} {
    set found [entries_beyond $name [id_key [group_get $name $group last]] $count]
    if {$got eq ""} {
        assert_equal {} $found "XREADGROUP $name $group: what should have come"
        return
    }
    if {[llength $found] == 0} { fail "XREADGROUP $name $group: nothing should have come, but [shorten $got]" }
    check_entries $name $found $got "XREADGROUP $name $group"
    set now [clock milliseconds]
    foreach s $found {
        set id [event_field $s entry_id]
        if {!$no_ack} { pend $name $group $id $consumer $now 1 }
        group_set $name $group last $id
    }
}
proc check_history {name group consumer after count got} {
    set ids {}
    foreach id [pending_ids $name $group $consumer] {
        if {[id_key $id] > [id_key $after]} { lappend ids $id }
    }
    if {$count ne ""} { set ids [lrange $ids 0 [expr {$count - 1}]] }
    set now [clock milliseconds]
    set want {}
    foreach id $ids {
        set s [entry_with_id $name $id]
        if {$s eq ""} { lappend want [list $id ""]; continue }
        lappend want [entry_in $name $s]
        pend $name $group $id $consumer $now [expr {[lindex [group_get $name $group pending $id] 2] + 1}]
    }
    expect $want $got "XREADGROUP $name $group $consumer: history after $after"
}
proc check_readgroup {group consumer names ids count no_ack words reply} {
    foreach name $names { if {[no_group $name $group $reply]} return }
    set got {}
    foreach pair [served $reply] { dict set got {*}$pair }
    # Then what has not come of a virtual stream may be there all the same.
    set others [expr {[dict size $got] > 0 || "BLOCK" in $words}]
    # Two steps: whoever has to wait has made the consumer before.
    foreach name $names {
        soften $name
        add_consumer $name $group $consumer
    }
    foreach name $names { soften $name }
    foreach name $names id $ids {
        set has [field_or_empty $got $name]
        dict unset got $name
        if {$id eq ">" || $id eq "18446744073709551615-18446744073709551615"} {
            if {[is_virtual $name]} {
                check_new_of_log $name $group $consumer $count $no_ack $has $others
            } else {
                check_new $name $group $consumer $count $no_ack $has
            }
        } else {
            if {$has eq ""} { fail "XREADGROUP $name: no history came" }
            check_history $name $group $consumer $id $count $has
        }
    }
    assert_equal "" $got "XREADGROUP: keys that were not asked for"
}

# ---- XACK, XCLAIM, XAUTOCLAIM ----

proc check_xack {name group ids words reply} {
    if {[wrong_type $name $reply]} return
    set n 0
    foreach id $ids {
        set id [key_id [id_key $id]]
        if {![dict exists [pending_of $name $group] $id]} continue
        group_unset $name $group pending $id
        incr n
    }
    expect $n $reply [shorten $words]
    if {$n} hard
}
# Claims one entry; returns its sequence, or "" when it is not to be claimed.
proc claim_one {name group consumer id min_idle options} {
    set pending [pending_of $name $group]
    set s [entry_with_id $name $id]
    if {$s eq ""} {
        if {[dict exists $pending $id]} { group_unset $name $group pending $id }
        return ""
    }
    set now [clock milliseconds]
    if {[dict exists $pending $id]} {
        set row [dict get $pending $id]
        if {![is_idle $row $min_idle]} { return "" }
    } elseif {[dict exists $options force]} {
        if {[is_virtual $name] && ![is_selected $name $s]} { return "" }
        set row [list "" 0 1]
    } else {
        return ""
    }
    set deliveries [lindex $row 2]
    if {[dict exists $options deliveries]} {
        set deliveries [dict get $options deliveries]
    } elseif {![dict exists $options just_id]} {
        incr deliveries
    }
    pend $name $group $id $consumer [expr {$now - ([dict exists $options idle] ? [dict get $options idle] : 0)}] $deliveries
    return $s
}
proc check_claimed {name sequences just_id reply what} {
    if {!$just_id} { tailcall check_entries $name $sequences $reply $what }
    expect [lmap s $sequences {id_in $name $s}] $reply $what
}
proc check_xclaim {name group consumer min_idle ids options words reply} {
    if {[no_group $name $group $reply]} return
    if {[lindex $reply 0] eq "error"} { fail "[shorten $words]: [lindex $reply 1]" }
    soften $name
    add_consumer $name $group $consumer
    if {[dict exists $options last]} {
        set last [dict get $options last]
        if {[is_virtual $name]} {
            set last [log_position $last]
            if {$last > [group_get $name $group last]} { move_in_log $name $group $last }
        } elseif {[id_key $last] > [id_key [group_get $name $group last]]} {
            move_group $name $group [key_id [id_key $last]]
        }
    }
    set claimed {}
    foreach id $ids {
        set s [claim_one $name $group $consumer [key_id [id_key $id]] $min_idle $options]
        if {$s ne ""} { lappend claimed $s }
    }
    check_claimed $name $claimed [dict exists $options just_id] $reply [shorten $words]
}
proc check_xautoclaim {name group consumer min_idle start count just_id words reply} {
    if {[no_group $name $group $reply]} return
    if {[lindex $reply 0] eq "error"} { fail "[shorten $words]: [lindex $reply 1]" }
    soften $name
    add_consumer $name $group $consumer
    if {$count eq ""} { set count 100 }
    set tries [expr {$count * 10}]
    set claimed {}
    set gone {}
    set cursor 0-0
    foreach id [pending_ids $name $group] {
        if {[id_key $id] < [bound_key $start 0]} continue
        if {$tries == 0 || $count == 0} { set cursor $id; break }
        incr tries -1
        # Of a virtual stream nobody knows that it is gone who has not read it.
        if {[is_virtual $name] && ![is_idle [group_get $name $group pending $id] $min_idle]} continue
        if {[entry_with_id $name $id] eq ""} {
            group_unset $name $group pending $id
            lappend gone $id
            incr count -1
            continue
        }
        set s [claim_one $name $group $consumer $id $min_idle [expr {$just_id ? {just_id 1} : {}}]]
        if {$s eq ""} continue
        lappend claimed $s
        incr count -1
    }
    lassign [lindex $reply 1] said_cursor entries said_gone
    assert_equal $cursor [lindex $said_cursor 1] "[shorten $words]: cursor"
    check_claimed $name $claimed $just_id $entries [shorten $words]
    expect $gone $said_gone "[shorten $words]: entries that are gone"
}

# ---- looking ----

proc check_pending_summary {name group words reply} {
    if {[no_group $name $group $reply]} return
    set ids [pending_ids $name $group]
    if {[llength $ids] == 0} { expect {0 {} {} {}} $reply [shorten $words]; return }
    set counts {}
    foreach id $ids { dict incr counts [lindex [group_get $name $group pending $id] 0] }
    set consumers [lmap consumer [lsort [dict keys $counts]] {list $consumer [dict get $counts $consumer]}]
    expect [list [llength $ids] [lindex $ids 0] [lindex $ids end] $consumers] $reply [shorten $words]
}
# {id consumer idle deliveries} against the model's row; the idle time within half an hour.
proc check_pending_row {said id row what} {
    lassign $said said_id consumer idle deliveries
    assert_equal [list $id [lindex $row 0] [lindex $row 2]] [list $said_id $consumer $deliveries] $what
    set expected [expr {[clock milliseconds] - [lindex $row 1]}]
    assert_range [expr {$expected - $::hour / 2}] [expr {$expected + $::hour / 2}] $idle "$what: idle time of $id"
}
proc check_pending_range {name group min_idle from to count consumer words reply} {
    set low [bound_key $from 0]
    set high [bound_key $to 1]
    if {$high < 0 || $low >= (1 << 128)} { expect_error "ERR invalid *" $reply [shorten $words]; return }
    if {[no_group $name $group $reply]} return
    if {[lindex $reply 0] eq "error"} { fail "[shorten $words]: [lindex $reply 1]" }
    set want {}
    foreach id [pending_ids $name $group $consumer] {
        set key [id_key $id]
        if {$key < $low || $key > $high || [llength $want] == $count} continue
        if {$min_idle ne "" && ![is_idle [group_get $name $group pending $id] $min_idle]} continue
        lappend want $id
    }
    set got [untyped $reply]
    assert_equal $want [lmap row $got {lindex $row 0}] [shorten $words]
    foreach id $want said $got { check_pending_row $said $id [group_get $name $group pending $id] [shorten $words] }
}
proc group_backlog {name group} { return [llength [entries_beyond $name [id_key [group_get $name $group last]]]] }
proc check_one_group {name group info} {
    set what "XINFO GROUPS $name: $group"
    foreach {field want} [list consumers [dict size [group_get $name $group consumers]] pending [dict size [group_get $name $group pending]]] {
        assert_equal $want [field $info $field] "$what: $field"
    }
    if {[is_virtual $name]} { tailcall check_log_position $name $group $info $what }
    assert_equal [group_get $name $group last] [field $info last-delivered-id] "$what: last-delivered-id"
    set lag [field $info lag]
    # Where ids were deleted or moved by hand, Redis' lag may not be known, or be wrong.
    if {![head $name plain] || ![group_get $name $group exact]} return
    assert_equal [group_backlog $name $group] $lag "$what: lag"
}
proc check_one_stats {name group info} {
    set what "XGROUP STATS $name: $group"
    assert_equal [dict size [group_get $name $group pending]] [field $info pending] "$what: pending"
    if {[is_virtual $name]} { tailcall check_log_backlog $name $group [field $info backlog] $what }
    set backlog [group_backlog $name $group]
    assert_equal $backlog [field $info backlog] "$what: backlog"
    assert_equal [expr {$backlog == 0}] [expr {[field $info backlog-oldest-ms] eq ""}] "$what: backlog-oldest-ms"
}
# Both list all groups of a key; each is looked at by check_one.
proc check_all_groups {what check_one name words reply} {
    if {[wrong_type $name $reply]} return
    if {[key_type $name] eq "none"} { expect_error "ERR no such key" $reply $what; return }
    if {[lindex $reply 0] eq "error"} { fail "[shorten $words]: [lindex $reply 1]" }
    set got [untyped $reply]
    assert_equal [lsort [dict keys [groups_of $name]]] [lmap info $got {field $info name}] "$what $name"
    foreach info $got { $check_one $name [field $info name] $info }
}
proc check_group_info {name words reply} { check_all_groups "XINFO GROUPS" check_one_group $name $words $reply }
proc check_group_stats {name words reply} { check_all_groups "XGROUP STATS" check_one_stats $name $words $reply }
proc check_consumer_info {name group words reply} {
    if {[wrong_type $name $reply]} return
    if {[key_type $name] eq "none"} { expect_error "ERR no such key" $reply "XINFO CONSUMERS"; return }
    if {[no_group $name $group $reply]} return
    set want [lmap consumer [lsort [dict keys [group_get $name $group consumers]]] {list $consumer [llength [pending_ids $name $group $consumer]]}]
    assert_equal $want [lmap info [untyped $reply] {list [field $info name] [field $info pending]}] [shorten $words]
}

# ---- after a crash ----

# Whether the server's groups of a stream are these.
proc groups_are {c name groups} {
    set_groups $name $groups
    return [expr {![catch {check_groups $c $name} ::unlike]}]
}
proc check_groups {c name} {
    $c send XINFO GROUPS $name
    check_group_info $name [list XINFO GROUPS $name] [$c read_typed]
    $c send XGROUP STATS $name
    check_group_stats $name [list XGROUP STATS $name] [$c read_typed]
    foreach group [dict keys [groups_of $name]] {
        $c send XINFO CONSUMERS $name $group
        check_consumer_info $name $group [list XINFO CONSUMERS $name $group] [$c read_typed]
        set words [list XPENDING $name $group - + 1000000]
        $c send {*}$words
        check_pending_range $name $group "" - + 1000000 "" $words [$c read_typed]
    }
}
# Deliveries that no later reply made certain may be lost: the newest first. Goes back to where the
# server is; it must be one of those places.
proc adopt_groups {c} {
    set steps $::soft
    while {1} {
        set same 1
        foreach name [lsort -unique [lmap step $::soft {lindex $step 0}]] {
            if {![is_virtual $name] && ![dict exists $::heads $name]} continue
            if {![groups_are $c $name [groups_of $name]]} { set same 0; break }
        }
        if {$same} break
        if {[llength $steps] == 0} { fail "after a crash the groups of $name are as they never were: $::unlike" }
        lassign [lindex $steps end] name groups
        set steps [lrange $steps 0 end-1]
        set_groups $name $groups
        incr ::undelivered
    }
    hard
}
