# Event channels: every durable event is a message on __event__:<stream>.

source [file join $::top tests lib faults.tcl]

proc many {n format} { set all {}; for {set i 0} {$i < $n} {incr i} { lappend all [format $format $i] }; return $all }
proc listen {c command args} {
    $c send $command {*}$args
    foreach name $args { $c next_value }
}
# A member of a message's JSON, as it is written.
proc member {json name} {
    if {![regexp "\"$name\":(\"(?:\[^\"\\\\\]|\\\\.)*\")" $json -> value]} { return "" }
    return [string range $value 1 end-1]
}
# The next n messages, as "stream version".
proc told {c n} {
    set all {}
    while {[llength $all] < $n} {
        set json [lindex [$c push] end]
        lappend all "[member $json stream] [member $json version]"
    }
    return $all
}

with_server {enable-flush yes} {
    test "An event is a CloudEvent on the channel of its stream" {
        with_clients c {
            $c HELLO 3
            listen $c SUBSCRIBE __event__:order-1
            listen $c PSUBSCRIBE __event__:order-*
            set reply [r EAPPEND order-1 order.created PAYLOAD {{"total":42}} CORRELATION 11111111-1111-4111-8111-111111111111 AGGREGATE a TIMESTAMP 1700000000123]
            set push [$c push]
            assert_equal {message __event__:order-1} [lrange $push 0 1]
            assert_equal "{\"specversion\":\"1.0\",\"id\":\"[field $reply event_id]\",\"source\":\"/cairn/[info_field r store_id store]\",\"type\":\"order.created\",\"subject\":\"order-1\",\"time\":\"2023-11-14T22:13:20.123Z\",\"stream\":\"order-1\",\"version\":\"0\",\"sequence\":\"0\",\"entryid\":\"[field $reply entry_id]\",\"correlationid\":\"11111111-1111-4111-8111-111111111111\",\"aggregateid\":\"a\",\"datacontenttype\":\"application/json\",\"data\":{\"total\":42}}" [lindex $push 2]
            assert_equal [list pmessage __event__:order-* __event__:order-1 [lindex $push 2]] [$c push]
            r EAPPEND user-1 t
            assert [$c silent]
            assert_equal __event__:order-1 [r PUBSUB CHANNELS]
        }
    }
    test "An entry of XADD, one without a payload, text, and bytes that are none" {
        with_clients c {
            $c HELLO 3
            listen $c SUBSCRIBE __event__:s
            r XADD s * type paid total 42
            set json [lindex [$c push] end]
            assert_equal paid [member $json type]
            assert_match {*"datacontenttype":"application/json","data":{"type":"paid","total":"42"}\}} $json
            r XADD s * a b
            assert_equal cairn.entry [member [lindex [$c push] end] type]
            r EAPPEND s t
            assert {![string match "*data*" [lindex [$c push] end]]}
            r EAPPEND s t PAYLOAD "no json"
            assert_match {*,"data":"no json"\}} [lindex [$c push] end]
            r EAPPEND s t PAYLOAD "\xff\xfe"
            assert_match {*,"data_base64":"//4="\}} [lindex [$c push] end]
        }
    }
    test "A pattern has events only when it begins as their channels do" {
        with_clients {all events} {
            foreach c {all events} { [set $c] HELLO 3 }
            listen $all PSUBSCRIBE * __event__* ?_event__:* {[_]_event__:*} __event__?*
            listen $events PSUBSCRIBE __event__:*
            r EAPPEND s t
            assert_equal {pmessage __event__:* __event__:s} [lrange [$events push] 0 2]
            assert [$all silent]
            assert_equal 1 [r PUBLISH other x]
            assert_equal {pmessage * other x} [$all push]
        }
    }
    test "Transactions, batches, renamed and removed streams" {
        with_clients c {
            $c HELLO 3
            listen $c PSUBSCRIBE __event__:*
            r MULTI
            r EAPPEND m-1 t
            r XADD m-2 * a b
            r EXEC
            r EMAPPEND * EVENT m-1 t EVENT m-3 t
            assert_equal {{m-1 0} {m-2 0} {m-1 1} {m-3 0}} [told $c 4]
            r RENAME m-1 n-1
            r EAPPEND n-1 t
            assert_equal {{n-1 2}} [told $c 1]
            r FLUSHALL
            r EAPPEND again t
            assert_equal {{again 0}} [told $c 1]
        }
    }
    test "Who begins to listen hears of what comes, however much there is" {
        for {set i 0} {$i < 50} {incr i} { r EAPPEND before t }
        with_clients {c} {
            $c HELLO 3
            listen $c SUBSCRIBE __event__:before
            set n 5000
            set out ""
            for {set i 0} {$i < $n} {incr i} { append out [resp_command EAPPEND before t] }
            r write $out
            assert_equal [lmap i [many $n %d] {string cat "before " [expr {50 + $i}]}] [told $c $n]
            for {set i 0} {$i < $n} {incr i} { r read }
            $c send UNSUBSCRIBE
            $c next_value
            r EAPPEND before t
            assert [$c silent]
        }
    }
    test "10,000 channels and patterns" {
        with_clients {c} {
            $c HELLO 3
            listen $c SUBSCRIBE {*}[many 10000 __event__:one-%d]
            listen $c PSUBSCRIBE {*}[many 10000 __event__:x-%d*]
            r EAPPEND one-77 t
            r EAPPEND none t
            r EAPPEND x-4444 t
            # x-4*, x-44*, x-444* and x-4444* fit the last.
            assert_equal {{one-77 0} {x-4444 0} {x-4444 0} {x-4444 0} {x-4444 0}} [told $c 5]
            assert [$c silent]
        }
    }
}

with_faulty_server {} {
    set journal "match -journal.d"
    test "It is told when it is durable, and what is void is not" {
        with_clients {c writer} {
            $c HELLO 3
            listen $c PSUBSCRIBE __event__:*
            fault "$journal\nhold sync"
            $writer send EAPPEND s t
            assert [$c silent]
            no_fault
            $writer read
            assert_equal {{s 0}} [told $c 1]
            fault "$journal\nfail sync EIO"
            assert_match "IOERR*" [$writer err EAPPEND s t]
            assert [$c silent]
            no_fault
            wait_for "writes again" {[catch {r EAPPEND s t}] == 0}
            assert_equal {{s 1}} [told $c 1]
        }
    }
}

with_server {} {
    test "After kill -9 everything that was told is there" {
        for {set round 0} {$round < 3} {incr round} {
            with_clients {c writer} {
                $c HELLO 3
                listen $c PSUBSCRIBE __event__:*
                set out ""
                for {set i 0} {$i < 2000} {incr i} { append out [resp_command EAPPEND s$round t] }
                $writer write $out
                set heard [lindex [told $c 200] end]
                srv kill9
                while {![catch {told $c 1} more]} { set heard [lindex $more 0] }
                srv start
                assert {[r ESVER s$round] >= [lindex $heard 1]}
            }
        }
    }
    foreach {command channel stream} {SUBSCRIBE __event__:big small PSUBSCRIBE __event__:* other} {
        test "Who does not read is disconnected, and others are not held up: $command $channel" {
            r CONFIG SET client-output-buffer-limit "pubsub 1mb 0 0"
            with_clients {lazy quick} {
                $quick HELLO 3
                listen $lazy $command $channel
                listen $quick SUBSCRIBE __event__:$stream
                set text [string repeat x 100000]
                wait_for "it to be closed" {[r EAPPEND big t PAYLOAD $text] ne "" && [info_field r pubsub_clients clients] == 1}
                assert [$lazy closed]
                r EAPPEND $stream t
                assert_equal [list [list $stream 0]] [told $quick 1]
            }
        }
    }
}
