# Groups of virtual streams and what is lost: deliveries that a crash takes back, and reading behind one's own append
# while the disk fails.

# ---- beside a fault of the disk (fault_round.tcl) ----

# Readers, each in a group of a virtual stream: dicts of client, name, group, consumer, acks (pending ids).
proc begin_faulty_readers {} {
    set readers {}
    if {"virtual" ni $::opt(families) || [rand_below 2]} { return {} }
    set c [pick $::clients]
    for {set n [expr {1 + [rand_below 2]}]} {$n > 0} {incr n -1} {
        set name [random_virtual_grouped]
        if {[is_missing_view $name]} continue
        set group [random_group $name]
        if {![has_group $name $group]} { run_batch $c [list [list [list XGROUP CREATE $name $group \$] [list check_create $name $group \$ 0]]] }
        # What is pending and comes once more, as the group was moved back, cannot be told from what did not.
        if {[is_moved_back $name $group]} continue
        lappend readers [dict create client [$::s client] name $name group $group consumer [pick $::consumer_names] \
            acks [lsort -unique [random_known_pending $name $group]]]
    }
    # All that was delivered before is durable: what is lost is of the fault.
    $c ESYNC
    hard
    return $readers
}
proc is_moved_back {name group} {
    foreach id [dict keys [pending_of $name $group]] {
        if {[lindex [split $id -] 1] > [group_get $name $group last]} { return 1 }
    }
    return 0
}
proc random_known_pending {name group} {
    set pending [dict keys [pending_of $name $group]]
    if {[llength $pending] == 0} { return {} }
    return [list [pick $pending] [pick $pending]]
}
# Each appends, reads behind that, and acknowledges. Returns {appends reads}: what was sent, client words token, and
# client words reader. Their replies may come only when the disk works again.
proc send_faulty_reads {readers} {
    upvar options_of options_of
    set appends {}
    set reads {}
    foreach reader $readers {
        dict with reader {
            for {set n [rand_below 4]} {$n > 0} {incr n -1} {
                lassign [fault_append [pick {order-1 x-1 user-1}] ""] words token
                $client send {*}$words
                lappend appends $client $words $token
            }
            set words [list XREADGROUP GROUP $group $consumer COUNT [pick {1 5 100}] STREAMS $name >]
            $client send {*}$words
            lappend reads $client $words $reader
            foreach id $acks {
                set words [list XACK $name $group $id]
                $client send {*}$words
                lappend reads $client $words $reader
            }
        }
    }
    return [list $appends $reads]
}
# What they were told: {name group} -> dict of given (ids that came), acked, and asked (to acknowledge, without a reply).
proc read_faulty_reads {reads} {
    set told [dict create]
    foreach {c words reader} $reads {
        set key [list [dict get $reader name] [dict get $reader group]]
        if {![dict exists $told $key]} { dict set told $key [dict create given {} acked {} asked {}] }
        set reply [faulty_reply $c $words]
        if {[lindex $words 0] eq "XREADGROUP"} {
            if {$reply eq ""} continue
            foreach pair [served $reply] { foreach entry [untyped [lindex $pair 1]] { dict set told $key given [lindex $entry 0] [lindex $entry 1] } }
        } else {
            dict set told $key [expr {$reply eq "" ? "asked" : "acked"}] [lindex $words 3] 1
        }
    }
    return $told
}
# What each group is now: as it was, without what was acknowledged, and gone on over a prefix of what is selected.
proc adopt_faulty_groups {c readers told} {
    dict for {key what} $told {
        lassign $key name group
        set used [lmap reader $readers {dict get $reader consumer}]
        adopt_faulty_pending $name $group $what [$c XPENDING $name $group - + 1000000]
        foreach info [$c XINFO CONSUMERS $name $group] {
            set consumer [field $info name]
            if {![dict exists [group_get $name $group consumers] $consumer] && $consumer ni $used} { fail "$name $group has the consumer $consumer" }
            add_consumer $name $group $consumer
        }
        group_set $name $group looked [llength $::log]
    }
    foreach key [dict keys $told] { check_groups $c [lindex $key 0] }
    foreach reader $readers { [dict get $reader client] destroy }
}
proc adopt_faulty_pending {name group told rows} {
    set what "$name $group after a fault"
    set before [pending_of $name $group]
    set new {}
    foreach row $rows {
        lassign $row id consumer idle deliveries
        if {[dict exists $told acked $id]} { fail "$what: $id was acknowledged, and is pending" }
        if {[dict exists $before $id]} {
            lassign [dict get $before $id] owner delivered times
            assert_equal [list $owner $times] [list $consumer $deliveries] "$what: $id"
            dict unset before $id
            continue
        }
        note_log_id $id
        assert_equal 1 $deliveries "$what: deliveries of $id"
        pend $name $group $id $consumer [expr {[clock milliseconds] - $idle}] 1
        lappend new [lindex [split $id -] 1]
    }
    foreach id [dict keys $before] {
        if {![dict exists $told acked $id] && ![dict exists $told asked $id]} { fail "$what: $id was pending, and nobody acknowledged it" }
        group_unset $name $group pending $id
    }
    dict for {id fields} [dict get $told given] {
        set s [log_event_with $id]
        if {$s eq ""} { fail "$what: $id was given, and is not there" }
        assert_equal [entry_in $name $s] [list $id $fields] "$what: $id"
    }
    if {[llength $new] == 0} return
    assert_equal [due $name $group [lindex $new end] $new] $new "$what: what it was given"
    group_set $name $group last [lindex $new end]
}

# ---- a crash that takes deliveries back ----

# Now and then: deliveries that are not on disk, or not all, when the server is killed. Their replies do not wait for
# that.
proc read_what_is_lost {} {
    if {$::held ne "" || [rand_below 3]} return
    set c [pick $::clients]
    $c ESYNC
    hard
    set batch {}
    for {set n [expr {1 + [rand_below 4]}]} {$n > 0} {incr n -1} {
        set name [random_mixed]
        set group [random_group $name]
        if {![has_group $name $group]} continue
        set consumer [pick $::consumer_names]
        set count [pick {1 3 20}]
        lappend batch [list [list XREADGROUP GROUP $group $consumer COUNT $count STREAMS $name >] \
            [list check_readgroup $group $consumer [list $name] > $count 0]]
    }
    fault "match -journal.d\n[expr {[in_postgres] ? "hold sync" : "hold write after [rand_below 3]"}]"
    run_batch $c $batch
}
