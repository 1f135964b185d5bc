# What each group must be after a restart: at least once, entry by entry.
#
# An entry of a stream is open in a group until it was acknowledged. An open one is pending or beyond the
# group's position; nothing else is pending, and no acknowledged one is beyond the position. Where
# no reply to an XACK came, the server's word counts, and then stays.

array set open_ids {}  ;# "stream group" -> dict of ids

proc group_state {c stream group} {
    foreach info [$c XINFO GROUPS $stream] {
        if {[field $info name] ne $group} continue
        set pending {}
        foreach row [$c XPENDING $stream $group - + 1000000] {
            lassign $row id consumer idle deliveries
            dict set pending $id [list $consumer $deliveries]
        }
        return [dict create info $info last [field $info last-delivered-id] pending $pending]
    }
    fail "the group $group of $stream is gone"
}
# All commands that speak of the group must say the same.
proc verify_counts {c stream group state} {
    set pending [dict get $state pending]
    set n [dict size $pending]
    set what "$stream $group"
    assert_equal $n [field [dict get $state info] pending] "$what: XINFO GROUPS' pending"
    set by_consumer {}
    dict for {id row} $pending { dict incr by_consumer [lindex $row 0] }
    set ids [dict keys $pending]
    assert_equal [lsort -command {apply {{a b} {expr {[id_key $a] <= [id_key $b] ? -1 : 1}}}} $ids] $ids "$what: order of XPENDING"
    lassign [$c XPENDING $stream $group] count low high consumers
    assert_equal [list $n [lindex $ids 0] [lindex $ids end]] [list $count $low $high] "$what: XPENDING"
    set counts {}
    foreach row $consumers { dict set counts [lindex $row 0] [lindex $row 1] }
    assert_equal [lsort -stride 2 $by_consumer] [lsort -stride 2 $counts] "$what: XPENDING's consumers"
    foreach info [$c XINFO CONSUMERS $stream $group] {
        set name [field $info name]
        assert_equal [expr {[dict exists $by_consumer $name] ? [dict get $by_consumer $name] : 0}] [field $info pending] "$what: XINFO CONSUMERS $name"
        dict unset by_consumer $name
    }
    assert_equal "" $by_consumer "$what: consumers with pending entries that XINFO CONSUMERS does not have"
}
proc verify_group {c stream group} {
    global open_ids finished acked_ids maybe_ids delivered
    set key [list $stream $group]
    set what "$stream $group"
    set state [group_state $c $stream $group]
    verify_counts $c $stream $group $state
    set pending [dict get $state pending]
    set last [id_key [dict get $state last]]
    foreach id [dict keys $delivered($key)] {
        if {![dict exists $open_ids($key) $id]} { fail "$what: $id was delivered, and is not in the log" }
    }
    # An XACK without a reply was done if its entry is out of the way.
    dict for {id one} $maybe_ids($key) {
        if {![dict exists $pending $id] && [id_key $id] <= $last} { dict set acked_ids($key) $id 1 }
    }
    dict for {id one} $acked_ids($key) {
        if {[dict exists $pending $id]} { fail "$what: $id was acknowledged, and is pending" }
        if {[id_key $id] > $last} { fail "$what: $id was acknowledged, and the group is only at [dict get $state last]" }
        dict unset open_ids($key) $id
        dict set finished($key) $id 1
    }
    set ahead 0
    dict for {id one} $open_ids($key) {
        if {[id_key $id] > $last} {
            if {[dict exists $pending $id]} { fail "$what: $id is pending, and beyond the group's position [dict get $state last]" }
            incr ahead
        } elseif {![dict exists $pending $id]} {
            fail "$what: $id was never acknowledged, is not pending, and the group is at [dict get $state last]: lost"
        }
    }
    foreach id [dict keys $pending] {
        if {![dict exists $open_ids($key) $id]} { fail "$what: $id is pending, and was acknowledged or never added" }
    }
    # (Of a virtual stream it is known when the group has looked at everything.)
    set backlog [field [$c XGROUP STATS $stream $group] backlog]
    if {$backlog ne "" || $stream ne "@category:x"} { assert_equal $ahead $backlog "$what: backlog" }
    if {[field [dict get $state info] lag] ne ""} { assert_equal $ahead [field [dict get $state info] lag] "$what: lag" }
    if {$group eq "work"} {
        foreach id [dict keys $finished($key)] {
            if {![dict exists $::outputs [list $stream $id]]} { fail "$what: $id is acknowledged, and what the same transaction added is not there" }
        }
        assert_equal [dict size $finished($key)] [llength [dict keys $::outputs [list $stream *]]] "$what: transactions of the worker"
    }
    return $state
}
# Groups that producers made and destroyed.
proc verify_passing {c} {
    global group_known destroyable
    set destroyable {}
    foreach stream $::entry_streams {
        set names [lmap info [$c XINFO GROUPS $stream] {field $info name}]
        foreach name $names {
            if {$name in $::group_names} continue
            if {![info exists group_known([list $stream $name])]} { fail "$stream has the group $name, which nobody made or which was destroyed" }
            if {$group_known([list $stream $name]) eq "0"} { fail "$stream has the group $name, which was destroyed" }
            lappend destroyable [list $stream $name]
        }
        foreach key [array names group_known [list $stream *]] {
            if {$group_known($key) eq "1" && $key ni $destroyable} { fail "the group $key was made, and is gone" }
        }
    }
    array unset group_known
    foreach key $destroyable { set group_known($key) 1 }
}
# SQL, after ESYNC, against what the wire said.
proc verify_group_rows {c states} {
    assert_equal OK [$c ESYNC]
    set groups {}
    foreach row [sql [$::s db] "SELECT stream, name, last_delivered, consumers, pending, entries_read FROM cairn_groups"] {
        dict set groups [lrange $row 0 1] [lrange $row 2 end]
    }
    set rows {}
    foreach row [sql [$::s db] "SELECT stream, \"group\", entry_id, consumer, deliveries FROM cairn_pending"] {
        dict set rows [lrange $row 0 1] [lindex $row 2] [lrange $row 3 4]
    }
    dict for {key state} $states {
        set info [dict get $state info]
        set said [list [dict get $state last] [field $info consumers] [field $info pending] [field $info entries-read]]
        # (Of a virtual stream's group XINFO shows how far it has looked.)
        if {[lindex $key 0] eq "@category:x"} { lset said 0 [lindex [dict get $groups $key] 0] }
        assert_equal $said [dict get $groups $key] "$key: cairn_groups"
        set want [dict get $state pending]
        set have [expr {[dict exists $rows $key] ? [dict get $rows $key] : {}}]
        assert_equal [dict size $want] [dict size $have] "$key: rows in cairn_pending"
        dict for {id row} $want {
            if {![dict exists $have $id] || [dict get $have $id] ne $row} { fail "$key $id: XPENDING says $row, cairn_pending [field_or_empty $have $id]" }
        }
    }
}
proc verify_groups {c} {
    foreach {stream id} $::new_entries {
        foreach group $::group_names { dict set ::open_ids([list $stream $group]) $id 1 }
    }
    set states {}
    foreach stream $::group_streams {
        foreach group $::group_names { dict set states [list $stream $group] [verify_group $c $stream $group] }
    }
    verify_passing $c
    verify_group_rows $c $states
    forget_round
}

# Consumes everything that is left: then nothing is.
proc drain {c} {
    foreach stream $::group_streams {
        foreach group $::group_names {
            set key [list $stream $group]
            set expected [dict keys $::open_ids($key)]
            set got {}
            set cursor 0
            while {1} {
                lassign [$c XAUTOCLAIM $stream $group last 0 $cursor COUNT 200] cursor entries
                foreach entry $entries { lappend got [lindex $entry 0] }
                if {$cursor eq "0-0"} break
            }
            while {[set reply [$c XREADGROUP GROUP $group last COUNT 500 STREAMS $stream >]] ne ""} {
                foreach entry [lindex $reply 0 1] { lappend got [lindex $entry 0] }
            }
            if {[lsort $got] ne [lsort $expected]} { fail "$key: left to consume were $expected, came $got" }
            if {[llength $got] == 0} continue
            assert_equal [llength $got] [$c XACK $stream $group {*}$got] "$key: XACK of all the rest"
            foreach id $got { dict set ::acked_ids($key) $id 1; if {$group eq "work"} { dict set ::outputs [list $stream $id] 1 } }
        }
    }
    set ::new_entries {}
    verify_groups $c
    foreach key [array names ::open_ids] { assert_equal 0 [dict size $::open_ids($key)] "$key: open after all was acknowledged" }
}
