# Large events that are pushed: each is there once for all who are sent it, and nobody waits for those who do not read.

source [file join $::top tests lib faults.tcl]

set large [string repeat x 7000000] ;# more than the system's buffers take

proc subscribe {c args} {
    $c HELLO 3
    return [field [$c ESUBSCRIBE {*}$args] id]
}
proc event {c} {
    while 1 {
        set push [$c push]
        if {[string match event* [lindex $push 0]]} { return [lindex $push 3] }
    }
}
proc subscriptions {name} { return [info_field [srv default_client] $name subscriptions] }
proc unread {} { return [subscriptions subscription_bytes_unread] }
proc sent {} { return [subscriptions total_subscription_events] }
proc subscription_states {} { return [lmap s [r ESUBS LIST] {field $s state}] }
# Clients that will be sent the next event of the stream, and read nothing.
proc readers {n stream args} {
    set all {}
    for {set i 0} {$i < $n} {incr i} {
        lappend all [set c [new_client]]
        subscribe $c $stream FROM NEW {*}$args
    }
    return $all
}

with_server {subscription-bytes 64kb subscriptions-bytes-max 32mb clients-bytes-timeout 86400} {
    test "A large event is there once, however many do not read, and others are sent theirs" {
        set dead [readers 30 big]
        set before [sent]
        r EAPPEND big t PAYLOAD $large
        wait_for "all to be sent it" {[sent] == $before + 30}
        assert_range 7000000 [expr {7000400 + 30 * 65536}] [unread] "bytes"
        with_clients {alike other small} {
            subscribe $alike big FROM START
            assert_equal 7000000 [string length [field [event $alike] payload]]
            subscribe $other big FROM START FIELDS payload,stream_id
            assert_equal 7000000 [string length [lindex [event $other] 0]]
            subscribe $small big FROM START FIELDS stream_version
            assert_equal 0 [event $small]
        }
        assert_range 7000000 [expr {7000400 + 30 * 65536}] [unread] "bytes"
        foreach c $dead {
            assert_equal 7000000 [string length [field [event $c] payload]]
            $c close
        }
        wait_for "it to go" {[unread] == 0}
        assert_equal 0 [info_field r evicted_clients stats]
    }
    test "Messages come whole and in order, and what was asked meanwhile is answered behind them" {
        set sizes {10 7000000 10 300000 300000 10}
        foreach batch {{} {BATCH 3}} {
            with_clients {c two} {
                subscribe $c order-* FROM NEW {*}$batch FIELDS stream_version,payload
                $two HELLO 2
                $two ESUBSCRIBE order-* FROM NEW FIELDS stream_version,payload
                pipeline [srv default_client] [lmap size $sizes {list EAPPEND order-$batch t PAYLOAD [string repeat y $size]}]
                assert_equal PONG [$c PING]
                set got {}
                while {[llength $got] < 6} {
                    set push [$c push]
                    switch [lindex $push 0] {
                        event { lappend got [lindex $push 3] }
                        events { lappend got {*}[lindex $push 3] }
                    }
                }
                assert_equal [lmap i {0 1 2 3 4 5} size $sizes {list $i $size}] [lmap e $got {list [lindex $e 0] [string length [lindex $e 1]]}]
                foreach i {0 1 2 3 4 5} size $sizes {
                    while {[lindex [set message [$two read]] 0] ne "event"} {}
                    assert_equal [list $i $size] [list [lindex $message 3 0] [string length [lindex $message 3 1]]]
                }
            }
        }
    }
    test "What reads it afterwards gets an event as it is then, whoever has it before him still" {
        with_clients {dead c d} {
            subscribe $dead secret-1 FROM NEW
            set id [field [r EAPPEND secret-1 t PAYLOAD $large] event_id]
            wait_for "it to be sent" {[unread] >= 7000000}
            r RENAME secret-1 secret-2
            subscribe $c secret-* FROM START
            assert_equal secret-2 [field [event $c] stream_id]
            r EERASE $id
            subscribe $d secret-* FROM START
            assert_equal {} [field [event $d] payload]
            set event [event $dead]
            assert_equal {secret-1 7000000} [list [field $event stream_id] [string length [field $event payload]]]
        }
        wait_for "it to go" {[unread] == 0}
    }
    test "A connection may go, or end its subscriptions, in the middle of one" {
        set dead [readers 3 mid]
        set before [sent]
        r EAPPEND mid t PAYLOAD $large
        wait_for "them to be sent it" {[sent] == $before + 3}
        lassign $dead a b c
        $a close
        $b send RESET
        $c send EUNSUBSCRIBE *
        assert_equal 7000000 [string length [field [event $b] payload]]
        assert_equal RESET [$b read]
        assert_equal 7000000 [string length [field [event $c] payload]]
        assert_equal OK [$c read]
        assert_equal {PONG PONG} [list [$b PING] [$c PING]]
        $b close; $c close
        wait_for "it to go" {[unread] == 0 && [subscriptions subscriptions] == 0}
    }
}

# Above the bound there is one large event at a time.
with_server {subscription-bytes 64kb subscriptions-bytes-max 1mb clients-bytes-timeout 86400} {
    test "Above subscriptions-bytes-max there is one large event at a time; all who want that share it, and small ones do not wait" {
        set dead [readers 20 big FIELDS payload]
        set before [sent]
        r EAPPEND big t PAYLOAD $large
        wait_for "them to be sent it" {[sent] == $before + 20}
        assert_range 7000000 9000000 [unread] "bytes"
        with_clients {other small alike} {
            subscribe $other big FROM START FIELDS payload,stream_version
            wait_for "it to wait" {"waiting-for-socket" in [subscription_states]}
            subscribe $small big FROM START FIELDS stream_version
            assert_equal 0 [event $small]
            subscribe $alike big FROM START FIELDS payload
            assert_equal 7000000 [string length [lindex [event $alike] 0]]
            assert [$other silent]
            assert_range 7000000 9000000 [unread] "bytes"
            foreach c $dead { assert_equal 7000000 [string length [lindex [event $c] 0]] }
            assert_equal 7000000 [string length [lindex [event $other] 0]]
        }
        foreach c $dead { $c close }
    }
    test "Who waits for room and goes leaves nothing behind" {
        with_clients {dead other} {
            subscribe $dead big FROM START FIELDS payload
            wait_for "it to be sent" {[unread] >= 7000000}
            foreach i {1 2 3} {
                set id [subscribe $other big FROM START FIELDS payload,stream_version]
                wait_for "it to wait" {"waiting-for-socket" in [subscription_states]}
                $other EUNSUBSCRIBE $id
            }
            subscribe $other big FROM START FIELDS payload,stream_version
            wait_for "it to wait" {"waiting-for-socket" in [subscription_states]}
        }
        wait_for "all to go" {[unread] == 0 && [subscriptions subscriptions] == 0}
    }
    test "Those who read nothing while others wait for room are closed, all at once, and nobody else" {
        with_clients {idle other} {
            subscribe $idle nothing FROM NEW
            set dead [readers 20 stuck FIELDS payload]
            set before [sent]
            r EAPPEND stuck t PAYLOAD $large
            wait_for "them to be sent it" {[sent] == $before + 20}
            r CONFIG SET clients-bytes-timeout 1
            set begun [info_field r uptime_in_seconds server]
            wait_for "its time to pass" {[info_field r uptime_in_seconds server] > $begun + 2}
            assert_equal 0 [info_field r evicted_clients stats] "closed, and nobody waits"
            subscribe $other stuck FROM START FIELDS payload,stream_version
            assert_equal 7000000 [string length [lindex [event $other] 0]]
            assert_equal 20 [info_field r evicted_clients stats]
            foreach c $dead { assert [$c closed]; $c close }
            assert_equal PONG [$idle PING]
            assert_equal 2 [subscriptions subscriptions]
        }
    }
}

with_faulty_server {journal-segment-bytes 16mb disk-free-min 0} {
    test "What is pushed waits for the replies before it, and is not lost when they are void" {
        foreach how {kept void} {
            with_clients {c writer} {
                r EAPPEND big-$how t PAYLOAD $large
                r EAPPEND big-$how t PAYLOAD $large
                set id [subscribe $c big-$how FROM START WINDOW 1]
                assert_equal 0 [field [event $c] stream_version]
                fault "match -journal.d\nhold sync[expr {$how eq "void" ? "\nfail sync EIO" : ""}]"
                $c write "[resp_command EAPPEND other-$how t][resp_command EACK $id [field [r EREAD FROM NEW] head]]"
                assert [$c silent]
                assert_equal 1 [llength [r ESUBS LIST]]
                if {$how eq "kept"} { no_fault } else { fault "match -journal.d\nfail sync EIO" }
                foreach i {1 2} {
                    if {$how eq "kept"} { $c read } else { assert_error "IOERR*" {$c read} }
                }
                assert_equal 1 [field [event $c] stream_version]
                no_fault
                wait_for "writes again" {[catch {r EAPPEND again t}] == 0}
            }
        }
    }
}
