# ESUBSCRIBE: events are pushed, from any position to what comes, without a gap and without repeating one.

source [file join $::top tests lib faults.tcl]

# Subscribes in RESP3 on a connection; the reply's fields become variables of the caller: id, from, head.
proc subscribe {c args} {
    $c HELLO 3
    uplevel 1 [list set id [field [set reply [$c ESUBSCRIBE {*}$args]] id]]
    return $reply
}
# The next n events that are pushed, their cursors; what is pushed beside them is left out.
proc cursors {c n} {
    set got {}
    while {[llength $got] < $n} {
        set push [$c push]
        switch [lindex $push 0] {
            event { lappend got [lindex $push 2] }
            events { lappend got {*}[lmap e [lindex $push 3] {lindex $e 0}] }
            end { fail "the subscription ended: $push" }
        }
    }
    return $got
}
proc timeline {} { return [info_field r timeline store] }
proc range {from to} {
    set all {}
    for {set i $from} {$i < $to} {incr i} { lappend all $i }
    return $all
}
# The next message of that kind; events in between are left out.
proc next_of {c kind} {
    while 1 {
        set push [$c push]
        if {[lindex $push 0] eq $kind} { return $push }
    }
}
# The events that were pushed besides: ends all subscriptions.
proc rest_of {c} {
    $c EUNSUBSCRIBE *
    return [lsearch -all -inline -index 0 [set [info object namespace $c]::pushes] event*]
}
proc subscription_states {} { return [lmap s [r ESUBS LIST] {field $s state}] }
proc one_subscription {name} { return [field [lindex [r ESUBS LIST] 0] $name] }

with_server {} {
    test "History is not read for each acknowledgement" {
        append_events [srv default_client] order-1 600
        srv restart
        with_clients c {
            set begin [clock milliseconds]
            subscribe $c * FROM START WINDOW 10 FIELDS partition_sequence
            for {set i 0} {$i < 600} {incr i} {
                assert_equal $i [cursors $c 1]
                $c EACK $id $i
            }
            # A page is kept for a fifth of a second, and then a smaller one is read.
            set kept [expr {([clock milliseconds] - $begin) / 200}]
            set pages [info_field r total_subscription_pages subscriptions]
            assert {$pages <= 20 + 5 * $kept} "$pages pages"
        }
    }
    test "Many who acknowledge slowly get each event once, though pages are kept for few" {
        r CONFIG SET subscriptions-bytes-max 1mb
        with_clients {a b} {
            foreach k {a b} {
                [set $k] HELLO 3
                for {set i 0} {$i < 20} {incr i} {
                    set id [field [[set $k] ESUBSCRIBE * FROM START WINDOW 3] id]
                    set next_of_id($id) 0
                    set client_of($id) $k
                }
            }
            while {[llength [array names next_of_id]] > 0} {
                foreach k {a b} {
                    if {$k ni [lmap {id c} [array get client_of] {set c}]} continue
                    set push [[set $k] push]
                    if {[lindex $push 0] ne "event" || ![info exists next_of_id([lindex $push 1])]} continue
                    lassign $push kind id cursor
                    assert_equal $next_of_id($id) $cursor
                    if {[incr next_of_id($id)] == 60} {
                        [set $k] EUNSUBSCRIBE $id
                        unset next_of_id($id) client_of($id)
                    } elseif {$cursor % 2} {
                        [set $k] EACK $id $cursor
                    }
                }
            }
        }
    }
}

with_server {max-client-subscriptions 10000 max-subscriptions 10000} {
    proc subscribe_often {c name n} {
        set commands {}
        for {set i 0} {$i < $n} {incr i} { lappend commands [list ESUBSCRIBE none NAME $name-$i] }
        pipeline $c $commands
    }
    proc names_of {list} { return [lmap s $list {field $s name}] }
    test "Very many are listed over several turns, each once" {
        with_clients {a b d e} {
            foreach {k name n} {a first 2500 b second 2500} {
                [set $k] HELLO 3
                subscribe_often [set $k] $name $n
            }
            set before [info_field r resumed_commands stats]
            set names [names_of [r ESUBS LIST]]
            assert_equal 5 [expr {[info_field r resumed_commands stats] - $before}]
            assert_equal {5000 5000 first-0 second-2499} [list [llength $names] [llength [lsort -unique $names]] [lindex $names 0] [lindex $names end]]
            # A transaction would tell of all of them at once.
            set replies [pipeline [srv default_client] {MULTI {ESUBS LIST} PING EXEC}]
            lassign [lindex $replies 3 1] list pong
            assert_equal {error {TOOLARGE in MULTI at most 1000 subscriptions are listed: ask outside of it} PONG} [list {*}$list [lindex $pong 1]]
            # Some go meanwhile, some come, and somebody who asks goes.
            foreach asker {d e} { [set $asker] send ESUBS LIST }
            $e close
            $b EUNSUBSCRIBE *
            subscribe_often $a third 100
            set names [names_of [$d read]]
            assert_equal [llength $names] [llength [lsort -unique $names]]
            for {set i 0} {$i < 2500} {incr i} { assert_equal first-$i [lindex $names $i] }
            $d send ESUBS LIST
            r CLIENT KILL ID [$a CLIENT ID]
            $d read
        }
        wait_for "all to be gone" {[info_field [srv default_client] subscriptions subscriptions] == 0}
        assert_equal {} [r ESUBS LIST]
    }
    test "More than can be replied is an error" {
        with_clients a {
            $a HELLO 3
            subscribe_often $a [string repeat x 500] 2000
            r CONFIG SET reply-bytes-max 1mb
            assert_match "TOOLARGE the reply takes more than 1048576 bytes (reply-bytes-max): raise it, or ask for INFO subscriptions*" [r err ESUBS LIST]
            r CONFIG SET reply-bytes-max 128mb
            assert_equal 2000 [llength [r ESUBS LIST]]
        }
    }
}

with_server {} {
    test "What is there comes first, then `caughtup`, then what is appended" {
        append_events [srv default_client] order-1 3
        with_clients c {
            assert_equal [list from 0 head 3 timeline [timeline]] [lrange [subscribe $c * FROM START] 2 end]
            assert_equal [list [list event $id 0] [list event $id 1] [list event $id 2] [list caughtup $id 3]] \
                [lmap i {1 2 3 4} {lrange [$c push] 0 2}]
            r EAPPEND order-1 paid PAYLOAD x
            set push [$c push]
            assert_equal [list event $id 3] [lrange $push 0 2]
            set event [lindex $push 3]
            assert_equal {3 3 order-1 paid x} [lmap f {partition_sequence stream_version stream_id event_name payload} {field $event $f}]
            assert_equal [lindex [field [r EREAD FROM 3] events] 0] $event
        }
    }
    test "It begins with what comes when FROM is not said, and `from` and `head` say where that is" {
        with_clients c {
            assert_equal [list from 4 head 4 timeline [timeline]] [lrange [subscribe $c order-*] 2 end]
            assert_equal [list caughtup $id 4] [$c push]
            r EAPPEND cart-1 t
            r EAPPEND order-9 t
            assert_equal {5} [cursors $c 1]
        }
    }
    test "Several subscriptions share a connection with ordinary commands" {
        with_clients c {
            subscribe $c * FROM START FIELDS partition_sequence
            set all $id
            subscribe $c * FROM START TYPE paid FIELDS stream_id,event_name
            set seen {}
            while {[llength $seen] < 6 + 1} {
                set push [$c push]
                if {[lindex $push 0] ne "event"} continue
                lappend seen [list [expr {[lindex $push 1] eq $all ? "all" : "paid"}] {*}[lrange $push 2 3]]
            }
            assert_equal [list {*}[lmap i [range 0 6] {list all $i $i}] {paid 3 {order-1 paid}}] [lsort $seen]
            assert_equal PONG [$c PING]
            set appended [$c EAPPEND order-2 paid]
            assert_equal {6 6} [cursors $c 2]
            assert_equal OK [$c EUNSUBSCRIBE $all]
            $c EAPPEND order-2 paid
            assert_equal [list event $id 7 {order-2 paid}] [$c push]
            assert_equal OK [$c EUNSUBSCRIBE *]
            $c EAPPEND order-2 paid
            assert [$c silent]
            assert_equal {} [r ESUBS LIST]
        }
    }
    test "A position, a time: it begins there" {
        with_clients {c d} {
            subscribe $c * FROM 7@[timeline]
            assert_equal {7 8} [cursors $c 2]
            assert_match "TIMELINE *" [$d err ESUBSCRIBE * FROM 7@00000bad]
            set last [field [lindex [field [r EREAD FROM 8] events] 0] recorded]
            wait_for "the clock to move on" {[clock milliseconds] > $last}
            set at [expr {$last + 1}]
            subscribe $d * FROM TIME $at FIELDS partition_sequence
            assert_equal [list caughtup $id 9] [$d push]
            r EAPPEND late t
            r EAPPEND late t
            assert_equal {9 10} [cursors $d 2]
            assert_equal "STREAM *" [field [lindex [r ESUBS LIST] 1] selector]
            $d EUNSUBSCRIBE *
            subscribe $d late FROM TIME $at SINCE 5
            assert_equal {9 10} [cursors $d 2]
        }
    }
    test "BATCH sends what is there in one message, and never waits to fill it" {
        with_clients c {
            subscribe $c * FROM 0 BATCH 4 FIELDS partition_sequence
            assert_equal [list [list events $id 3 {0 1 2 3}] [list events $id 7 {4 5 6 7}] [list events $id 10 {8 9 10}]] [lmap i {1 2 3} {$c push}]
            assert_equal [list caughtup $id 11] [$c push]
            r EAPPEND s t
            assert_equal [list events $id 11 11] [$c push]
            r EMAPPEND * EVENT a t EVENT b t EVENT c t
            assert_equal [list events $id 14 {12 13 14}] [$c push]
        }
    }
    test "`position` tells how far it looked, when nothing of that is for it" {
        with_clients c {
            subscribe $c * TYPE never
            assert_equal [list caughtup $id 15] [$c push]
            r EAPPEND s t
            assert_equal [list position $id 15] [$c push]
            assert_equal {16 0 live} [lmap f {position behind state} {one_subscription $f}]
        }
    }
    test "Of what one transaction adds and removes nothing is heard" {
        with_clients c {
            subscribe $c brief* FIELDS partition_sequence,stream_id
            set head [field [r EREAD FROM NEW] head]
            r MULTI
            foreach words {{XADD brief-1 1-1 a b} {XADD brief-1 2-1 a b} {XADD brief-1 MAXLEN 1 3-1 a b} {EAPPEND brief-2 t} {DEL brief-2} {EAPPEND brief-3 t} {SET brief-3 v}} { r {*}$words }
            r EXEC
            r EAPPEND brief-4 t
            assert_equal [list [expr {$head + 2}] [expr {$head + 5}]] [cursors $c 2]
            r DEL brief-1 brief-3 brief-4
        }
    }
}

with_server {} {
    append_events [srv default_client] s 20
    test "WINDOW is how many events may be unacknowledged; EACK gives credit" {
        with_clients c {
            subscribe $c * FROM 0 WINDOW 3 FIELDS partition_sequence NAME billing
            assert_equal {0 1 2} [cursors $c 3]
            wait_for "it to wait" {[subscription_states] eq "waiting-for-credit"}
            assert_equal [list $id billing "STREAM *" 3 17 3 3] \
                [lmap f {id name selector position behind in_flight delivered} {one_subscription $f}]
            assert [$c silent]
            assert_equal OK [$c EACK $id 0]
            assert_equal 3 [cursors $c 1]
            assert_equal OK [$c EACK $id 0]
            assert [$c silent]
            assert_equal OK [$c EACK $id 3]
            assert_equal {4 5 6} [cursors $c 3]
            assert_equal OK [$c EACK $id 18446744073709551615]
            assert_equal {7 8 9} [cursors $c 3]
            assert_equal 3 [one_subscription in_flight]
        }
    }
    test "WINDOW counts events: those of other streams between them do not matter" {
        r EAPPEND x t; r EAPPEND s t; r EAPPEND x t; r EAPPEND s t; r EAPPEND x t; r EAPPEND x t
        with_clients c {
            subscribe $c x FROM 0 WINDOW 2 FIELDS partition_sequence
            assert_equal {20 22} [cursors $c 2]
            $c EACK $id 21
            assert_equal 24 [cursors $c 1]
            $c EACK $id 24
            assert_equal 25 [cursors $c 1]
        }
    }
    test "Who falls behind is told so, and told when it has caught up again" {
        with_clients c {
            subscribe $c s WINDOW 2 FIELDS partition_sequence
            assert_equal caughtup [lindex [$c push] 0]
            append_events [srv default_client] s 6
            assert_equal {26 27} [cursors $c 2]
            $c EACK $id 27
            assert_equal {28 29} [cursors $c 2]
            assert_equal [list behind $id 30] [next_of $c behind]
            $c EACK $id 29
            assert_equal {30 31} [cursors $c 2]
            assert_equal [list caughtup $id 32] [next_of $c caughtup]
        }
    }
    test "EACK and EUNSUBSCRIBE know the subscriptions of their connection" {
        with_clients {c d} {
            subscribe $c *
            assert_equal "NOTFOUND subscription not found" [$d err EACK $id 0]
            assert_equal "NOTFOUND subscription not found" [$d err EUNSUBSCRIBE $id]
            assert_equal OK [$d EUNSUBSCRIBE *]
            assert_equal "INVALIDARG invalid subscription id" [$c err EACK nope 0]
            assert_match "INVALIDARG invalid cursor: 'x' is not a number" [$c err EACK $id x]
            assert_equal OK [$c EUNSUB $id]
            assert_equal "NOTFOUND subscription not found" [$c err EACK $id 0]
        }
    }
    test "Each error names what was expected" {
        foreach {words text} {
            {} {ERR wrong number of arguments*}
            {* FROM} {*end of input: expected START, NEW, TIME, CHECKPOINT or a position behind FROM}
            {* FROM x} {*expected START, NEW, TIME milliseconds, CHECKPOINT name or a position, got 'x'}
            {* FROM 999} {*position 999 is beyond the head, 32}
            {* WINDOW} {*end of input: expected a value for WINDOW}
            {* WINDOW 0} {*WINDOW must be between 1 and 100000}
            {* WINDOW x} {*invalid WINDOW: 'x' is not a number}
            {* WINDOW 1 WINDOW 1} {*WINDOW already specified}
            {* BATCH 1001} {*BATCH must be between 1 and 1000}
            {* NAME ""} {*invalid NAME*}
            {* FIELDS nope} {*unknown field 'nope'*}
            {* COUNT 1} {*unexpected string 'COUNT': expected FROM, WINDOW, BATCH, CHECKPOINT, NAME, FIELDS, STREAM, CATEGORY, *}
            {* TYPE} {*end of input: expected a value for TYPE}
            {"" TYPE t} {*STREAM cannot be empty}
            {* FROM CHECKPOINT none} {NOTFOUND checkpoint 'none' does not exist*}
            {* VIEW none} {NOTFOUND view 'none' does not exist}
        } {
            assert_match $text [r err ESUBSCRIBE {*}$words] $words
        }
        assert_equal {} [r ESUBS LIST]
        r MULTI
        foreach words {{ESUBSCRIBE *} {EUNSUBSCRIBE *} {ESUB s} {EPSUB *}} {
            assert_equal "ERR Command not allowed inside a transaction" [r err {*}$words]
        }
        r DISCARD
    }
}

# A connection that speaks RESP2 becomes a subscriber, as with SUBSCRIBE.
with_server {} {
    append_events [srv default_client] s 2
    test "In RESP2 messages are arrays, on a connection that does nothing else" {
        with_clients c {
            set id [field [$c ESUBSCRIBE * FROM START FIELDS partition_sequence] id]
            assert_equal [list [list event $id 0 0] [list event $id 1 1] [list caughtup $id 2]] [lmap i {1 2 3} {$c read}]
            foreach words {{GET x} {HELLO 3} {CLIENT ID} {MULTI} {ESUBS LIST} {ESUB s}} {
                assert_match "ERR Can't execute '*': only ESUBSCRIBE / EUNSUBSCRIBE / EACK / PING / QUIT / RESET are allowed in this context" \
                    [$c err {*}$words] $words
            }
            assert_match "ERR Can't execute 'client|id': *" [$c err CLIENT ID]
            assert_equal {pong {}} [$c PING]
            assert_equal {pong x} [$c PING x]
            assert_equal OK [$c EACK $id 1]
            r EAPPEND s t
            assert_equal [list event $id 2 2] [$c read]
            assert_equal OK [$c EUNSUBSCRIBE $id]
            assert_equal PONG [$c PING]
            assert_equal OK [$c SET x 1]
            $c ESUBSCRIBE *
            assert_equal caughtup [lindex [$c read] 0]
            assert_equal RESET [$c RESET]
            assert_equal 1 [$c GET x]
            assert_equal {} [r ESUBS LIST]
        }
    }
    test "The protocol stays while there are subscriptions; RESET ends them" {
        with_clients c {
            subscribe $c *
            assert_match "ERR the protocol cannot change while the connection has subscriptions: *" [$c err HELLO 2]
            assert_equal 3 [field [$c HELLO 3] proto]
            assert_equal RESET [$c RESET]
            assert_equal {} [r ESUBS LIST]
            r EAPPEND s t
            assert [$c silent]
        }
    }
    test "CLIENT LIST and INFO count them; who goes takes his along" {
        with_clients {c d} {
            subscribe $c *
            subscribe $c s WINDOW 1 FROM 0
            subscribe $d nothing-*
            set id [$c CLIENT ID]
            assert_match "* ssub=0 esub=2 *" [r CLIENT LIST ID $id]
            assert_match "* ssub=0 multi=* *" [r CLIENT INFO]
            wait_for "their states" {[lsort [subscription_states]] eq {live live waiting-for-credit}}
            assert_equal {3 2 1 0} [lmap f {subscriptions subscriptions_live subscriptions_waiting_for_credit subscriptions_catching_up} {
                info_field [srv default_client] $f subscriptions
            }]
            assert_equal [list $id $id] [lmap s [lrange [r ESUBS LIST] 0 1] {field $s client}]
            assert_equal 1 [r CLIENT KILL ID $id]
            wait_for "it to be gone" {[llength [r ESUBS LIST]] == 1}
        }
        wait_for "all to be gone" {[info_field [srv default_client] subscriptions subscriptions] == 0}
        assert_equal 0 [info_field [srv default_client] subscription_bytes_unread subscriptions]
    }
    test "There are limits for a connection and for the server" {
        r CONFIG SET max-client-subscriptions 2 max-subscriptions 3
        with_clients {c d} {
            subscribe $c *; subscribe $c *
            assert_equal "ERR max number of subscriptions of a connection reached (max-client-subscriptions 2)" [$c err ESUBSCRIBE *]
            subscribe $d *
            assert_equal "ERR max number of subscriptions reached (max-subscriptions 3)" [$d err ESUBSCRIBE *]
            assert_equal "ERR max number of subscriptions reached (max-subscriptions 3)" [$d err EPSUB *]
            $c EUNSUBSCRIBE *
            subscribe $d *
        }
        r CONFIG SET max-client-subscriptions 1000 max-subscriptions 1000
    }
    test "CLIENT PAUSE ALL stops what is pushed, WRITE does not" {
        with_clients c {
            subscribe $c s FROM NEW FIELDS partition_sequence
            assert_equal caughtup [lindex [$c push] 0]
            set next [field [r EREAD FROM NEW] head]
            pipeline [srv default_client] {{EAPPEND s t} {CLIENT PAUSE 3600000 WRITE}}
            assert_equal $next [cursors $c 1]
            r CLIENT UNPAUSE
            # The pause comes before the append is durable, and ends by its time.
            pipeline [srv default_client] {{EAPPEND s t} {CLIENT PAUSE 300 ALL}}
            assert_equal [expr {$next + 1}] [cursors $c 1]
            r EAPPEND s t
            assert_equal [expr {$next + 2}] [cursors $c 1]
        }
    }
    test "A subscriber is not closed for being idle" {
        with_clients {c d} {
            subscribe $c s
            $c CONFIG SET timeout 1
            assert [$d closed]
            $c CONFIG SET timeout 0
            $c EAPPEND s t
            assert_equal event [lindex [next_of $c event] 0]
        }
    }
}

# What memory does not hold any more is read from the database, whenever that happens.
with_server {cache-bytes 1mb apply-delay-ms 0} {
    set big [string repeat x 2000]
    proc fill {n} { append_events [srv default_client] filler $n t METADATA $::big }
    test "A subscriber that does not acknowledge goes on from the database, when memory has gone on" {
        with_clients {c d} {
            subscribe $c * FIELDS partition_sequence WINDOW 10
            subscribe $d * FIELDS partition_sequence,stream_id WINDOW 10 STREAM other STREAM filler
            foreach k {c d} { assert_equal caughtup [lindex [[set $k] push] 0] }
            fill 2000
            r ESYNC
            wait_for "eviction" {[r PING] eq "PONG" && [info_field [srv default_client] log_tail_events cache] < 1500}
            foreach k {c d} {
                set got [cursors [set $k] 10]
                while {[llength $got] < 2000} {
                    [set $k] EACK [dict get [dict create c [lindex [r ESUBS LIST] 0] d [lindex [r ESUBS LIST] 1]] $k id] [lindex $got end]
                    lappend got {*}[cursors [set $k] 10]
                }
                assert_equal [range 0 2000] $got
            }
        }
    }
    test "One that does not read its socket costs little, is not closed, and gets everything" {
        r CONFIG SET subscription-bytes 64kb
        with_clients {c d} {
            subscribe $c * FROM START FIELDS partition_sequence,metadata
            set client [$c CLIENT ID]
            # It takes what the system's buffers hold.
            for {set i 0} {$i < 8 && [subscription_states] ne "waiting-for-socket"} {incr i} { fill 2000 }
            wait_for "it to be stuck" {[subscription_states] eq "waiting-for-socket"}
            fill 1000
            regexp { tot-mem=(\d+)} [r CLIENT LIST ID $client] all memory
            assert {$memory < 400000} "it holds $memory bytes"
            assert {[info_field [srv default_client] subscription_bytes_unread subscriptions] < 200000}
            set head [field [r EREAD FROM NEW] head]
            subscribe $d * FROM NEW
            assert_equal [list caughtup $id $head] [$d push]
            assert_equal [range 0 $head] [cursors $c $head]
            assert_equal caughtup [lindex [$c push] 0]
        }
        r CONFIG SET subscription-bytes 256kb
    }
    test "Above subscriptions-bytes-max each may still have a little" {
        r CONFIG SET subscriptions-bytes-max 1mb subscription-bytes 1mb
        set head [field [r EREAD FROM NEW] head]
        set stuck [lmap i [range 0 6] {new_client}]
        foreach c $stuck { subscribe $c * FROM START }
        wait_for "them to be stuck" {[lsort -unique [subscription_states]] eq "waiting-for-socket"}
        with_clients c {
            subscribe $c * FROM [expr {$head - 1000}] FIELDS partition_sequence
            assert_equal [range [expr {$head - 1000}] $head] [cursors $c 1000]
        }
        foreach c $stuck { $c close }
        r CONFIG SET subscriptions-bytes-max 128mb subscription-bytes 256kb
    }
}

# What is bounded, whatever is subscribed to; and nobody starves beside others.
with_server {subscription-bytes 64kb subscriptions-bytes-max 1mb} {
    proc unread {} { return [info_field [srv default_client] subscription_bytes_unread subscriptions] }
    test "Nothing of a subscription comes behind the reply that ends it" {
        with_clients c {
            foreach last {{EUNSUBSCRIBE *} RESET} {
                subscribe $c *
                $c push
                # The event and the end of the wait come in the same turn of the loop.
                $c write "[resp_command EAPPEND s t][resp_command WAITAOF 1 0 0][resp_command {*}$last]"
                foreach i {1 2 3} { $c read }
                assert [$c silent] $last
                assert_equal 1 [llength [rest_of $c]] $last
                set [info object namespace $c]::pushes {}
            }
        }
    }
    test "Messages that are being filled count, too" {
        with_clients c {
            for {set i 0} {$i < 50} {incr i} { subscribe $c big BATCH 100 FIELDS payload }
            set most 0
            r EAPPEND big t PAYLOAD [string repeat x 1000000]
            wait_for "them to be stuck" {[set most [unread]] > 10000000 || [lsearch -exact [subscription_states] waiting-for-socket] >= 0}
            assert {$most < 10000000} "$most bytes are not read"
            for {set i 0} {$i < 50} {incr i} { assert_equal 1000000 [string length [lindex [next_of $c events] 3 0 0]] }
        }
    }
    test "Subscriptions of one connection that reads slowly take turns" {
        append_events [srv default_client] many 3000 t METADATA [string repeat x 8000]
        with_clients c {
            foreach name {a b} { subscribe $c many FROM START FIELDS partition_sequence,metadata; set of($id) $name }
            wait_for "both to wait" {[subscription_states] eq {waiting-for-socket waiting-for-socket}}
            foreach name {a b} { set count($name) 0 }
            while {$count(a) < 3000 && $count(b) < 3000} {
                set push [$c push]
                if {[lindex $push 0] eq "event"} { incr count($of([lindex $push 1])) }
            }
            assert {min($count(a), $count(b)) > 1000} "$count(a), $count(b)"
        }
    }
}

# Removing, renaming, erasing: what was there is told as it is now, once.
with_server {apply-delay-ms 0} {
    foreach where {memory disk} {
        test "Removed events are not sent, renamed and erased ones as they are now ($where)" {
            append_events [srv default_client] $where-1 6
            set first [field [lindex [field [r ESCAN $where-1 - +] events] 0] partition_sequence]
            r ETRUNCATE $where-1 BEFORE 2
            set erased [field [lindex [field [r ESCAN $where-1 3 3] events] 0] event_id]
            r EERASE $erased
            append_events [srv default_client] $where-2 3
            r EDELETE $where-2
            r RENAME $where-1 $where-moved
            if {$where eq "disk"} { r ESYNC; srv restart }
            with_clients {c d} {
                subscribe $c $where-* FROM $first FIELDS stream_id,stream_version,payload
                assert_equal [list [list $where-moved 2 $where-1/2] [list $where-moved 3 {}] [list $where-moved 4 $where-1/4] [list $where-moved 5 $where-1/5]] \
                    [lmap i {1 2 3 4} {lindex [$c push] 3}]
                assert_equal caughtup [lindex [$c push] 0]
                # The old name is nobody's.
                subscribe $d $where-1 FROM $first
                assert_equal caughtup [lindex [$d push] 0]
                r EAPPEND $where-moved t PAYLOAD x
                assert_equal [list $where-moved 6 x] [lindex [next_of $c event] 3]
                r RENAME $where-moved $where-1
                r EAPPEND $where-1 t PAYLOAD y
                assert_equal [list $where-1 7 y] [lindex [next_of $c event] 3]
                assert_equal $where-1 [field [lindex [next_of $d event] 3] stream_id]
            }
        }
    }
}

with_server {enable-flush yes} {
    test "FLUSHALL ends every subscription, and says so" {
        append_events [srv default_client] s 10
        with_clients {c d} {
            subscribe $c * FROM START FIELDS partition_sequence WINDOW 5
            set first $id
            assert_equal {0 1 2 3 4} [cursors $c 5]
            subscribe $c * FROM NEW
            set second $id
            assert_equal [list caughtup $second 10] [$c push]
            pipeline [srv default_client] {FLUSHALL {EAPPEND new t}}
            assert_equal [list [list end $first flushed] [list end $second flushed]] [lsort -index 1 -command {apply {{a b} {
                global first; return [expr {$a eq $first ? -1 : 1}]}}} [list [$c push] [$c push]]]
            assert_equal {} [r ESUBS LIST]
            assert_equal "NOTFOUND subscription not found" [$c err EACK $first 3]
            subscribe $c * FROM START FIELDS stream_id
            assert_equal [list event $id 0 new] [$c push]
        }
    }
}

# Every selector is sent what reading with it finds, whether it comes from history or live.
with_server {} {
    test "Every selector is sent what it selects, and nothing else" {
        set ids [lmap i {1 2 3} {uuid}]
        set streams {order-1 order-2 cart-1 cart user-1 ord}
        set types {order.created order.paid cart.created x ""}
        set choices [list STREAM {order-1 order-* *-1 c?rt ord* nobody} CATEGORY {order cart user ord} \
            TYPE {order.created order.* *.created x o* \\x [a-o]*} CORRELATION $ids CAUSATION $ids AGGREGATE {a b}]
        proc some_events {n} {
            upvar streams streams types types ids ids
            set commands {}
            for {set i 0} {$i < $n} {incr i} {
                set command [list EAPPEND [pick $streams] [pick $types]]
                foreach word {CORRELATION CAUSATION} { if {rand() < 0.4} { lappend command $word [pick $ids] } }
                if {rand() < 0.4} { lappend command AGGREGATE [pick {a b c}] }
                lappend commands $command
            }
            pipeline [srv default_client] $commands
        }
        some_events 40
        set all {}
        for {set i 0} {$i < 60} {incr i} {
            set words {}
            foreach {word values} $choices {
                set times [pick {0 0 0 0 1 1 2}]
                while {[incr times -1] >= 0} { lappend words $word [pick $values] }
            }
            set c [new_client]
            set from [pick {0 0 20 40}]
            set pattern [pick {* order-* *-1}]
            subscribe $c $pattern FROM $from {*}$words FIELDS partition_sequence
            lappend all [list $c $from $pattern $words]
        }
        some_events 40
        r EAPPEND end end
        foreach one $all {
            lassign $one c from pattern words
            # `*` beside a STREAM selects all; a pattern is one more of them.
            set page [r EREAD FROM $from COUNT 1000 STREAM $pattern {*}$words FIELDS partition_sequence]
            set expected [lmap e [field $page events] {lindex $e 0}]
            assert_equal $expected [cursors $c [llength $expected]] "$pattern $words"
            wait_for "it to have looked at all" {[lsort -unique [subscription_states]] eq "live"}
            assert_equal {} [rest_of $c] "$pattern $words"
            $c close
        }
    }
    test "A subscription says of itself what it selects" {
        with_clients c {
            set id [uuid]
            foreach {words text} [list {order-*} "STREAM order-*" {* STREAM window} "STREAM window STREAM *" \
                {* TYPE from TYPE "a b" CATEGORY stream AGGREGATE "\"q\""} "CATEGORY stream TYPE \"a b\" TYPE from AGGREGATE \"\\\"q\\\"\"" \
                "* CORRELATION $id SINCE 5 UNTIL 7" "CORRELATION $id SINCE 5 UNTIL 7"] {
                subscribe $c {*}$words
                assert_equal $text [one_subscription selector]
                $c EUNSUBSCRIBE *
            }
        }
    }
}

# What is decided and not durable is not sent; what is taken back never is.
set journal "match -journal.d"
with_faulty_server {journal-segment-bytes 1mb disk-free-min 0 enable-flush yes} {
    append_events [srv default_client] before 50
    test "An event is sent when it is durable, not before" {
        with_clients {c late writer} {
            subscribe $c * FIELDS partition_sequence
            assert_equal [list caughtup $id 50] [$c push]
            fault "$journal\nhold sync"
            $writer send EAPPEND held t
            $writer taken
            subscribe $late * FROM 50 FIELDS partition_sequence
            assert_equal [list caughtup $id 50] [$late push]
            assert [$c silent]
            no_fault
            assert_equal 50 [cursors $c 1]
            assert_equal 50 [cursors $late 1]
            $writer read
        }
    }
    test "A subscription that was asked for behind an append begins when its reply has left" {
        with_clients c {
            $c HELLO 3
            fault "$journal\nhold sync"
            $c write "[resp_command EAPPEND own t][resp_command ESUBSCRIBE * FROM 51 FIELDS partition_sequence][resp_command PING]"
            assert [$c silent]
            no_fault
            assert_equal 51 [field [$c read] partition_sequence]
            set id [field [$c read] id]
            assert_equal PONG [$c read]
            assert_equal [list [list event $id 51 51] [list caughtup $id 52]] [list [$c push] [$c push]]
        }
    }
    test "What is pushed does not wait behind a reply that waits for the disk" {
        with_clients {c a} {
            subscribe $c * FROM NEW FIELDS partition_sequence
            $c push
            # Of the segments in use, not of what the journal prepares. The write of the second does not begin.
            set in_use "match *-journal.d/*\[0-9a-f\]"
            fault "$in_use\nhold sync"
            $a send EAPPEND first t
            wait_for "its sync to be held" {[lindex [fault_counts 1] 1] > 0}
            fault "$in_use\nhold sync go 0\nhold write go 0"
            $c send EAPPEND second t
            $c taken
            fault "$in_use\nhold write go 0"
            $a read
            assert_equal 52 [cursors $c 1]
            no_fault
            assert_equal 53 [field [$c read] partition_sequence]
            assert_equal 53 [cursors $c 1]
        }
    }
    test "Over a failed sync a subscription goes on, and what was void is never sent" {
        with_clients {c asks} {
            subscribe $c * FIELDS stream_id,partition_sequence
            $c push
            $asks HELLO 3
            fault "$journal\nfail sync EIO"
            $asks write "[resp_command EAPPEND lost t][resp_command ESUBSCRIBE *]"
            foreach i {1 2} { assert_error "IOERR*" {$asks read} }
            assert [$c silent]
            assert_equal 1 [llength [r ESUBS LIST]]
            no_fault
            wait_for "writes again" {[catch {r EAPPEND kept t} kept] == 0}
            assert_equal [list kept [field $kept partition_sequence]] [lindex [$c push] 3]
            assert [$asks silent]
        }
    }
    test "A FLUSHALL that is void ends nothing" {
        with_clients {c} {
            set head [field [r EREAD FROM NEW] head]
            subscribe $c * FROM 0 WINDOW 10 FIELDS partition_sequence
            assert_equal [range 0 10] [cursors $c 10]
            subscribe $c * FIELDS stream_id
            $c push
            fault "$journal\nfail sync EIO"
            assert_match "IOERR*" [r err FLUSHALL]
            assert [$c silent]
            no_fault
            wait_for "writes again" {[catch {r EAPPEND again t}] == 0}
            assert_equal again [lindex [next_of $c event] 3]
            assert_equal 2 [llength [r ESUBS LIST]]
        }
    }
}

# With durability interval what is sent may be void afterwards.
with_faulty_server {durability {interval 100} journal-segment-bytes 1mb disk-free-min 0} {
    test "With durability interval a void ends the subscriptions: the history is another one" {
        append_events [srv default_client] s 10
        r WAITAOF 1 0 0
        set old [timeline]
        with_clients {c d} {
            subscribe $c * FIELDS partition_sequence
            assert_equal [list caughtup $id 10] [$c push]
            subscribe $d * FROM 0 WINDOW 3 FIELDS partition_sequence
            assert_equal {0 1 2} [cursors $d 3]
            fault "$journal\nhold sync\nhold write\nfail sync EIO\nfail write EIO"
            append_events [srv default_client] s 3
            assert_equal {10 11 12} [cursors $c 3]
            fault "$journal\nfail sync EIO\nfail write EIO"
            foreach k {c d} { assert_equal {end timeline} [lreplace [next_of [set $k] end] 1 1] }
            assert_equal {} [r ESUBS LIST]
            assert_match "TIMELINE *" [$c err ESUBSCRIBE * FROM 13@$old]
            subscribe $c * FROM 10@$old FIELDS partition_sequence
            assert_equal [list caughtup $id 10] [$c push]
            no_fault
            wait_for "appends are taken again" {[lindex [r typed EAPPEND s t] 0] ne "error"}
            assert_equal 10 [cursors $c 1]
        }
    }
}

# Appends race against the hand-over from history to what comes, while the log leaves memory all the time.
with_server {cache-bytes 1mb apply-delay-ms 0} {
    set big [string repeat x 2000]
    proc appends {n} { return [string repeat [resp_command EAPPEND s-[rand_below 20] t METADATA $::big] $n] }
    # As `cursors`, acknowledging each window.
    proc acknowledged_cursors {c id window n} {
        set got {}
        while {[llength $got] < $n} {
            lappend got {*}[cursors $c [expr {min($window, $n - [llength $got])}]]
            $c send EACK $id [lindex $got end]
        }
        return $got
    }
    test "No event is missing and none comes twice, wherever one begins" {
        set head 600
        with_clients {writer steady lazy} {
            $writer write [appends $head]
            for {set i 0} {$i < $head} {incr i} { $writer read }
            subscribe $steady * FROM 0 FIELDS partition_sequence
            subscribe $lazy * FROM 0 FIELDS partition_sequence WINDOW 1000
            set lazy_id $id
            for {set round 0} {$round < 50} {incr round} {
                set n [rand_below 40]
                set from [expr {max(0, $head - [rand_below 500])}]
                $writer write [appends $n]
                with_clients c {
                    set window [pick {0 0 1 7 50}]
                    set words [expr {$window > 0 ? [list WINDOW $window] : [pick {{} {BATCH 10} {STREAM s-*}}]}]
                    subscribe $c * FROM $from FIELDS partition_sequence {*}$words
                    set total [expr {$head + $n - $from}]
                    if {$window > 0} { set total [expr {min($total, 100)}] }
                    set got [expr {$window > 0 ? [acknowledged_cursors $c $id $window $total] : [cursors $c $total]}]
                    assert_equal [range $from [expr {$from + $total}]] $got "round $round: $words"
                    for {set i 0} {$i < $n} {incr i} { $writer read }
                }
                incr head $n
            }
            assert_equal [range 0 $head] [cursors $steady $head]
            assert_equal [range 0 $head] [acknowledged_cursors $lazy $lazy_id 1000 $head]
            assert {[info_field [srv default_client] evicted_events cache] > 300}
        }
    }
    test "Nor while events are removed and streams renamed" {
        set head [field [r EREAD FROM NEW] head]
        with_clients {writer steady} {
            set watch {}
            subscribe $steady * FROM $head FIELDS partition_sequence,stream_id
            set kept {}
            set removable {}
            for {set round 0} {$round < 15} {incr round} {
                set out ""
                set n 0
                for {set i 0} {$i < 30} {incr i} {
                    set stream [pick {keep-1 keep-2 gone-1 gone-2}]
                    append out [resp_command EAPPEND $stream t METADATA $::big]
                    if {[string match keep-* $stream]} { lappend kept [expr {$head + $i}] } else { lappend removable [expr {$head + $i}] }
                    incr n
                }
                append out [resp_command ETRUNCATE [pick {gone-1 gone-2}] BEFORE [expr {15 * $round}]]
                append out [resp_command RENAME keep-1 keep-3][resp_command RENAME keep-3 keep-1]
                incr n 3
                $writer write $out
                lappend watch [set c [new_client]]
                set begins($c) [expr {max(0, $head - [rand_below 300])}]
                subscribe $c * FROM $begins($c) FIELDS partition_sequence,stream_id BATCH [pick {1 10 100}] STREAM keep-* STREAM gone-*
                for {set i 0} {$i < $n} {incr i} { catch {$writer read} }
                incr head 30
            }
            r EAPPEND keep-1 last
            foreach c [list $steady {*}$watch] {
                set got {}
                while {[lindex $got end] != $head} { lappend got {*}[cursors $c 1] }
                assert_equal [lsort -integer -unique $got] $got
                set begin [expr {$c eq $steady ? [lindex $kept 0] : $begins($c)}]
                foreach sequence $kept {
                    if {$sequence >= $begin && [lsearch -exact -integer -sorted $got $sequence] < 0} { fail "$sequence is missing from $begin on" }
                }
            }
            foreach c $watch { $c close }
        }
    }
}
