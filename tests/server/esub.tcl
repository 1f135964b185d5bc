# ESUB, EPSUB, EACK, EUNSUB: SierraDB's subscriptions, as its clients know them on the wire.

# Subscribes; the variable `id` of the caller is the subscription's.
proc subscribe {c count args} {
    $c send {*}$args
    set id [lindex [$c read_typed] 1]
    assert_equal [list subscribe $id $count] [$c push]
    uplevel 1 [list set id $id]
}
# The next n events: cursor and partition_sequence of each.
proc messages {c n} {
    set got {}
    while {[llength $got] < $n} {
        lassign [$c push] kind id cursor event
        assert_equal message $kind
        lappend got [list $cursor [field $event partition_sequence]]
    }
    return $got
}

with_server {-args {--default-resp 3}} {
    append_events [srv default_client] order-1 3
    append_events [srv default_client] order-2 2
    test "The reply is a simple string, the push `subscribe` follows in the same bytes, then come the events" {
        with_clients c {
            $c send EPSUB * FROM 3
            set id [lindex [$c read_typed] 1]
            assert_regexp {^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$} $id
            assert_equal [list subscribe $id 1] [$c push]
            set push [$c push]
            assert_equal [list message $id 0] [lrange $push 0 2]
            assert_equal {event_id partition_key partition_id transaction_id partition_sequence stream_version timestamp stream_id event_name metadata payload} \
                [lrange [dict keys [lindex $push 3]] 0 10]
            assert_equal {3 0 order-2} [lmap f {partition_sequence stream_version stream_id} {field [lindex $push 3] $f}]
            assert_equal {{1 4}} [messages $c 1]
            r EAPPEND order-1 t
            assert_equal {{2 5}} [messages $c 1]
        }
    }
    test "The bytes are SierraDB's" {
        with_clients c {
            $c send ESUB order-1 FROM 3
            set bytes [$c bytes [expr {39 + 4 + 12 + 39 + 4}]]
            assert_regexp {^\+([0-9a-f-]{36})\r\n>3\r\n\+subscribe\r\n\+\1\r\n:1\r\n$} $bytes
            set bytes [$c bytes [string length ">4\r\n+message\r\n+$bytes"]]
            assert_regexp {^>4\r\n\+message\r\n\+[0-9a-f-]{36}\r\n:0\r\n%1[0-9]\r\n\+event_id\r\n\+} $bytes
        }
    }
    test "All forms of EPSUB begin where they say" {
        foreach {args expected} {
            {*} {}
            {* FROM LATEST} {}
            {* FROM 4} {4 5}
            {* WINDOW 10 FROM 4} {4 5}
            {0 FROM 4 WINDOW 10} {4 5}
            {0} {}
            {0,1,5 FROM 4} {4 5}
            {"1, 0" FROM 4} {4 5}
            {0-31 FROM 4} {4 5}
            {550e8400-e29b-41d4-a716-446655440000 FROM 5} {5}
            {0,550e8400-e29b-41d4-a716-446655440000} {}
            {* FROM MAP 0=5} {5}
            {* FROM MAP 0=4 7=1 WINDOW 10} {4 5}
            {* FROM MAP 7=1} {}
            {* FROM MAP 7=1 DEFAULT 3} {3 4 5}
            {* FROM MAP 0=5 DEFAULT 0 WINDOW 100} {5}
            {* FROM 99} {}
        } {
            with_clients c {
                subscribe $c 1 EPSUB {*}$args
                if {$expected eq ""} {
                    assert [$c silent] $args
                } else {
                    assert_equal $expected [lmap m [messages $c [llength $expected]] {lindex $m 1}] $args
                }
            }
        }
    }
    test "All forms of ESUB begin where they say; FROM and WINDOW are no streams" {
        foreach {args expected} {
            {order-1} {}
            {order-1 FROM LATEST} {}
            {order-1 FROM 2} {2 5}
            {order-1 PARTITION_KEY 550e8400-e29b-41d4-a716-446655440000 FROM 2 WINDOW 5} {2 5}
            {order-1 order-2 FROM 1} {1 2 4 5}
            {order-2 order-1 order-2 WINDOW 9 FROM MAP order-1=2 nobody=1} {2 5}
            {order-1 order-2 FROM MAP order-2=1 DEFAULT 3} {4 5}
            {order-1 order-2 FROM MAP order-2=0} {3 4}
            {order-* FROM 0} {}
            {order-1 FROM 99} {}
        } {
            with_clients c {
                subscribe $c 1 ESUB {*}$args
                if {$expected eq ""} {
                    assert [$c silent] $args
                } else {
                    assert_equal $expected [lmap m [messages $c [llength $expected]] {lindex $m 1}] $args
                }
            }
        }
    }
    test "Names are names, whatever they look like" {
        foreach name {a*b {a b} a=b [ab] {a\b} a?b from} { r EAPPEND $name t }
        with_clients c {
            set n 0
            foreach name {a*b {a b} a=b [ab] {a\b} a?b} {
                subscribe $c [incr n] ESUB $name FROM MAP $name=0
                assert_equal $name [field [lindex [$c push] 3] stream_id]
            }
            subscribe $c [incr n] ESUB from
            r EAPPEND from t
            assert_equal from [field [lindex [$c push] 3] stream_id]
        }
    }
    test "What comes later is sent to those who began with it, and to those who wait for a later place" {
        with_clients c {
            set head [field [r EREAD FROM NEW] head]
            subscribe $c 1 EPSUB * FROM [expr {$head + 2}]
            set ahead $id
            subscribe $c 2 ESUB order-1 FROM 6
            set version $id
            append_events [srv default_client] order-1 4 ;# versions 4 to 7
            set got [lmap i {1 2 3 4} {lrange [$c push] 0 2}]
            assert_equal [lsort [list [list message $ahead 0] [list message $ahead 1] [list message $version 0] [list message $version 1]]] [lsort $got]
        }
    }
    test "Without WINDOW there are a thousand; EACK takes the cursor, and everything before it" {
        with_clients c {
            append_events [srv default_client] many 1300
            subscribe $c 1 ESUB many FROM 0
            assert_equal 1000 [llength [messages $c 1000]]
            wait_for "it to wait" {[field [lindex [r ESUBS LIST] 0] state] eq "waiting-for-credit"}
            assert [$c silent]
            assert_equal OK [$c EACK $id 99]
            assert_equal 1099 [lindex [messages $c 100] end 0]
            assert_equal OK [$c EACK $id 50]
            assert [$c silent]
            assert_equal OK [$c EACK $id 18446744073709551615]
            assert_equal 1299 [lindex [messages $c 200] end 0]
            subscribe $c 2 ESUB many FROM 200 WINDOW 18446744073709551615
            assert_equal 1099 [lindex [messages $c 1100] end 0]
            subscribe $c 3 ESUB many FROM 0 WINDOW 1
            assert_equal {{0 *}} [lmap m [messages $c 1] {list [lindex $m 0] *}]
            assert [$c silent]
        }
    }
    test "EUNSUB ends one; the connection goes on" {
        with_clients c {
            subscribe $c 1 EPSUB *
            set first $id
            subscribe $c 2 ESUB s
            assert_equal OK [$c EUNSUB $first]
            assert_equal "NOTFOUND subscription not found" [$c err EACK $first 0]
            subscribe $c 2 EPSUB *
            assert_equal OK [$c EUNSUBSCRIBE *]
            assert_equal PONG [$c PING]
            $c EAPPEND s t
            assert [$c silent]
        }
    }
    test "Errors are SierraDB's, where its are known" {
        foreach {words text} {
            {EPSUB 1,} {INVALIDARG unexpected string: expected \*, partition id or comma-separated partition ids}
            {EPSUB x} {INVALIDARG unexpected string: expected \*, partition id or comma-separated partition ids}
            {EPSUB 65536} {INVALIDARG unexpected string: expected \*, partition id or comma-separated partition ids}
            {EPSUB 17} {CLUSTERDOWN partition unavailable*}
            {EPSUB 17,18} {CLUSTERDOWN partition unavailable*}
            {EPSUB * FROM} {INVALIDARG unexpected end of input: expected LATEST, number or MAP}
            {EPSUB * FROM x} {INVALIDARG unexpected string: expected LATEST, number or MAP}
            {EPSUB * FROM MAP} {INVALIDARG unexpected end of input: expected partition id sequence value}
            {EPSUB * FROM MAP DEFAULT 0} {INVALIDARG unexpected string: expected partition id sequence value}
            {EPSUB * FROM MAP 1=2 DEFAULT} {INVALIDARG unexpected end of input: expected number}
            {EPSUB * WINDOW 0} {INVALIDARG number 0 must not be less than 1}
            {EPSUB * WINDOW} {INVALIDARG unexpected end of input: expected number}
            {EPSUB * 5} {INVALIDARG unexpected string: expected end of input}
            {EPSUB * FROM 0 FROM 1} {INVALIDARG unexpected string: expected end of input}
            {ESUB s PARTITION_KEY} {INVALIDARG unexpected end of input: expected partition key}
            {ESUB s PARTITION_KEY x} {INVALIDARG invalid partition key}
            {ESUB ""} {INVALIDARG stream id must be between 1 and 512 bytes*}
            {ESUB s FROM MAP x} {INVALIDARG unexpected string: expected stream id version value}
        } {
            assert_match $text [r err {*}$words] $words
        }
        assert_match "INVALIDARG too many streams*" [r err ESUB {*}[lmap i [lrepeat 1001 x] {incr n}]]
        assert_equal {} [r ESUBS LIST]
    }
}

with_server {enable-flush yes} {
    test "They need RESP3" {
        assert_match "ERR ESUB and EPSUB need RESP3: *" [r err ESUB s]
        assert_match "ERR ESUB and EPSUB need RESP3: *" [r err EPSUB *]
    }
    test "Where SierraDB would say nothing, the connection ends: FLUSHALL" {
        r EAPPEND s t
        with_clients c {
            $c HELLO 3
            subscribe $c 1 EPSUB *
            r FLUSHALL
            assert [$c closed]
        }
    }
}
