# XCLAIM, XAUTOCLAIM, XPENDING: what Valkey's suite does not look at.

proc add_entries {stream n {size 1}} {
    set commands {}
    for {set i 1} {$i <= $n} {incr i} { lappend commands [list XADD $stream $i-0 n [string repeat $i $size]] }
    pipeline [srv default_client] $commands
}
proc delivered {stream n {size 1}} {
    add_entries $stream $n $size
    r XGROUP CREATE $stream g 0
    r XREADGROUP GROUP g c STREAMS $stream >
}
# {id owner deliveries} of what is pending in group g.
proc pending {stream args} {
    set list {}
    foreach entry [r XPENDING $stream g - + 10000 {*}$args] {
        lassign $entry id owner idle deliveries
        lappend list [list $id $owner $deliveries]
    }
    return $list
}
proc ids_of {entries} { return [lmap entry $entries {lindex $entry 0}] }

with_server {enable-flush yes} {
    test "Who claims an entry owns it, after kill -9 too" {
        delivered owner 3
        assert_equal {{2-0 {n 2}} {1-0 {n 1}}} [r XCLAIM owner g d 0 2-0 1-0]
        srv crash
        assert_equal {{1-0 d 2} {2-0 d 2} {3-0 c 1}} [pending owner]
        srv restart
        assert_equal {{1-0 d 2} {2-0 d 2} {3-0 c 1}} [pending owner]
    }
    test "min-idle-time looks at how long ago an entry was delivered" {
        delivered idle 3
        r XCLAIM idle g c 0 1-0 IDLE 5000000 JUSTID
        assert_equal {} [r XCLAIM idle g d 100000000 1-0 2-0 3-0]
        assert_equal {1-0} [r XCLAIM idle g d 4000000 1-0 2-0 3-0 JUSTID]
        assert_equal {{1-0 d 1} {2-0 c 1} {3-0 c 1}} [pending idle]
        assert_range 0 3000000 [lindex [r XPENDING idle g - + 1] 0 2]
    }
    test "IDLE and TIME say when it was delivered; what lies in the future is now" {
        delivered times 1
        foreach {option value low high} {IDLE 7000000 7000000 8000000 TIME 0 1000000000000 9000000000000 IDLE -5 0 1000000 TIME 99999999999999 0 1000000 TIME -1 0 1000000 IDLE 9223372036854775807 0 1000000} {
            r XCLAIM times g c 0 1-0 $option $value JUSTID
            assert_range $low $high [lindex [r XPENDING times g - + 1] 0 2] "$option $value"
        }
    }
    test "JUSTID leaves the delivery count as it is, RETRYCOUNT sets it" {
        delivered counts 1
        foreach {options count} {{} 2 JUSTID 2 {RETRYCOUNT 9} 9 {} 10 {JUSTID RETRYCOUNT 0} 0 {RETRYCOUNT -1} 1
            {RETRYCOUNT 9223372036854775807} 9223372036854775807 {} 9223372036854775807} {
            r XCLAIM counts g d 0 1-0 {*}$options
            assert_equal [list [list 1-0 d $count]] [pending counts] $options
        }
        srv crash
        assert_equal {{1-0 d 9223372036854775807}} [pending counts]
    }
    test "FORCE makes an entry pending that was never delivered" {
        add_entries force 3
        r XGROUP CREATE force g 0
        assert_equal {} [r XCLAIM force g c 0 1-0]
        assert_equal {{1-0 {n 1}}} [r XCLAIM force g c 100000 1-0 9-0 FORCE]
        assert_equal {2-0} [r XCLAIM force g c 0 2-0 FORCE JUSTID]
        assert_equal {{3-0 {n 3}}} [r XCLAIM force g c 0 3-0 FORCE RETRYCOUNT 5]
        set all {{1-0 c 2} {2-0 c 1} {3-0 c 5}}
        assert_equal $all [pending force]
        srv crash
        assert_equal $all [pending force]
    }
    test "LASTID moves the group on, never back" {
        delivered last 3
        r XCLAIM last g c 0 9-9 LASTID 7-0
        assert_equal 7-0 [dict get [lindex [r XINFO GROUPS last] 0] last-delivered-id]
        r XCLAIM last g c 0 1-0 LASTID 2-0
        srv crash
        assert_equal 7-0 [dict get [lindex [r XINFO GROUPS last] 0] last-delivered-id]
    }
    test "Claiming makes the consumer, even when there is nothing to claim" {
        r XGROUP CREATE consumers g 0 MKSTREAM
        r XCLAIM consumers g c1 0 1-0
        r XAUTOCLAIM consumers g c2 0 0
        srv crash
        assert_equal {c1 c2} [lmap c [r XINFO CONSUMERS consumers g] {dict get $c name}]
        foreach c [r XINFO CONSUMERS consumers g] { assert_equal -1 [dict get $c inactive] }
    }
    test "An id may stand several times" {
        delivered twice 2
        assert_equal {{1-0 {n 1}} {2-0 {n 2}} {1-0 {n 1}}} [r XCLAIM twice g d 0 1-0 2-0 1-0]
        assert_equal {{1-0 d 3} {2-0 d 2}} [pending twice]
        # The second time it is not idle any more.
        r XCLAIM twice g d 0 1-0 IDLE 100000 JUSTID
        assert_equal {1-0} [r XCLAIM twice g c 50000 1-0 1-0 2-0 JUSTID]
    }
    test "Entries that are gone leave the pending entries when they are claimed" {
        delivered gone 6
        r XDEL gone 2-0 4-0
        r XTRIM gone MINID 2
        assert_equal {{3-0 {n 3}}} [r XCLAIM gone g d 0 1-0 2-0 3-0]
        assert_equal {{3-0 d 2} {4-0 c 1} {5-0 c 1} {6-0 c 1}} [pending gone]
        assert_equal {0-0 {{5-0 {n 5}} {6-0 {n 6}}} 4-0} [r XAUTOCLAIM gone g d 0 (3-0]
        srv crash
        assert_equal {{3-0 d 2} {5-0 d 2} {6-0 d 2}} [pending gone]
    }
    test "XAUTOCLAIM goes through the pending entries page by page" {
        delivered pages 10
        set start 0-0
        set claimed {}
        while 1 {
            lassign [r XAUTOCLAIM pages g d 0 $start COUNT 3 JUSTID] start some gone
            assert_equal {} $gone
            lappend claimed {*}$some
            if {$start eq "0-0"} break
        }
        assert_equal {1-0 2-0 3-0 4-0 5-0 6-0 7-0 8-0 9-0 10-0} $claimed
    }
    test "XAUTOCLAIM looks at ten entries for each that it may claim, and says where it stopped" {
        delivered attempts 30
        r XCLAIM attempts g c 0 25-0 IDLE 100000 JUSTID
        assert_equal {11-0 {} {}} [r XAUTOCLAIM attempts g d 50000 0 COUNT 1]
        assert_equal {21-0 {} {}} [r XAUTOCLAIM attempts g d 50000 11-0 COUNT 1]
        assert_equal {26-0 25-0 {}} [r XAUTOCLAIM attempts g d 50000 21-0 COUNT 1 JUSTID]
    }
    test "What the claimed entry is is the same whether it comes from memory or from disk" {
        delivered cold 400 200
        set all [r XRANGE cold - +]
        foreach how {{} restart} {
            if {$how ne ""} { srv $how }
            assert_equal [list [lindex $all 399] [lindex $all 0] [lindex $all 200]] [r XCLAIM cold g d 0 400-0 1-0 201-0]
            assert_equal [list 0-0 $all {}] [r XAUTOCLAIM cold g e 0 - COUNT 1000]
        }
        r XGROUP CREATE cold h 0
        srv restart
        assert_equal [list [lindex $all 5] [lindex $all 3]] [r XCLAIM cold h c 0 6-0 4-0 1000-0 FORCE]
        assert_equal {1 1 -1} [r XACKDEL cold h IDS 3 4-0 6-0 7-0]
        assert_equal 398 [r XLEN cold]
    }
    test "XCLAIM says what is wrong" {
        foreach {command error} {
            {XCLAIM wrong no c 0 1-0} "NOGROUP No such key 'wrong' or consumer group 'no'"
            {XCLAIM nokey g c x 1-0} "NOGROUP No such key 'nokey' or consumer group 'g'"
            {XCLAIM wrong g c x 1-0} "ERR Invalid min-idle-time argument for XCLAIM"
            {XCLAIM wrong g c 0 1-0 IDLE x} "ERR Invalid IDLE option argument for XCLAIM"
            {XCLAIM wrong g c 0 1-0 TIME 1.5} "ERR Invalid TIME option argument for XCLAIM"
            {XCLAIM wrong g c 0 1-0 RETRYCOUNT x} "ERR Invalid RETRYCOUNT option argument for XCLAIM"
            {XCLAIM wrong g c 0 1-0 LASTID x} "ERR Invalid stream ID specified as stream command argument"
            {XCLAIM wrong g c 0 1-0 LASTID} "ERR Unrecognized XCLAIM option 'LASTID'"
            {XCLAIM wrong g c 0 1-0 x} "ERR Unrecognized XCLAIM option 'x'"
            {XCLAIM wrong g c 0 x} "ERR Unrecognized XCLAIM option 'x'"
            {XAUTOCLAIM wrong no c 0 0} "NOGROUP No such key 'wrong' or consumer group 'no'"
            {XAUTOCLAIM nokey g c x 0} "ERR Invalid min-idle-time argument for XAUTOCLAIM"
            {XAUTOCLAIM wrong g c 0 x} "ERR Invalid stream ID specified as stream command argument"
            {XAUTOCLAIM wrong g c 0 (18446744073709551615-18446744073709551615} "ERR invalid start ID for the interval"
            {XAUTOCLAIM wrong g c 0 0 COUNT 0} "ERR COUNT must be > 0"
            {XAUTOCLAIM wrong g c 0 0 COUNT x} "ERR COUNT must be > 0"
            {XAUTOCLAIM wrong g c 0 0 COUNT} "ERR syntax error"
            {XAUTOCLAIM wrong g c 0 0 x} "ERR syntax error"
            {XPENDING wrong no} "NOGROUP No such key 'wrong' or consumer group 'no'"
            {XPENDING nokey no - + 1} "NOGROUP No such key 'nokey' or consumer group 'no'"
            {XPENDING wrong g -} "ERR syntax error"
            {XPENDING wrong g IDLE 0 - +} "ERR syntax error"
            {XPENDING wrong g IDLE x - +} "ERR value is not an integer or out of range"
            {XPENDING wrong g x + 1} "ERR Invalid stream ID specified as stream command argument"
            {XPENDING wrong g - + x} "ERR value is not an integer or out of range"
        } {
            if {![r EXISTS wrong]} { delivered wrong 1 }
            assert_equal $error [r err {*}$command] $command
        }
        assert_equal {{1-0 c 1}} [pending wrong]
    }

    # ---- XPENDING ----

    test "XPENDING's summary names those who have something, and nobody else" {
        delivered summary 4
        r XGROUP CREATECONSUMER summary g idle
        r XCLAIM summary g b 0 2-0
        r XNACK summary g FAIL IDS 1 3-0
        assert_equal {4 1-0 4-0 {{b 1} {c 2}}} [r XPENDING summary g]
        assert_equal "*4\r\n:4\r\n\$3\r\n1-0\r\n\$3\r\n4-0\r\n*2\r\n*2\r\n\$1\r\nb\r\n\$1\r\n1\r\n*2\r\n\$1\r\nc\r\n\$1\r\n2\r\n" \
            [r raw XPENDING summary g]
    }
    test "The summary of nothing has nulls in RESP2's and in RESP3's manner" {
        r XGROUP CREATE empty g 0 MKSTREAM
        assert_equal "*4\r\n:0\r\n\$-1\r\n\$-1\r\n*-1\r\n" [r raw XPENDING empty g]
        with_clients c {
            $c HELLO 3
            assert_equal "*4\r\n:0\r\n_\r\n_\r\n_\r\n" [$c raw XPENDING empty g]
        }
    }
    test "XPENDING filters by idle time, range, count and consumer" {
        delivered filter 6
        r XCLAIM filter g d 0 2-0 4-0 IDLE 100000 JUSTID
        assert_equal {2-0 4-0} [ids_of [r XPENDING filter g IDLE 50000 - + 10]]
        assert_equal {2-0} [ids_of [r XPENDING filter g IDLE 50000 - + 1]]
        assert_equal {} [r XPENDING filter g IDLE 50000000 - + 10 c]
        assert_equal {1-0 3-0 5-0 6-0} [ids_of [r XPENDING filter g - + 10 c]]
        assert_equal {3-0 4-0 5-0} [ids_of [r XPENDING filter g (2-0 5 10]]
        assert_equal {2-0 3-0} [ids_of [r XPENDING filter g 2 (4-0 10]]
        assert_equal {} [r XPENDING filter g - + 10 nobody]
        assert_equal {} [r XPENDING filter g - + -1]
    }
    test "Idle times and delivery counts survive a clean restart" {
        delivered restart 2
        r XCLAIM restart g d 0 1-0 IDLE 7770000 RETRYCOUNT 3
        srv restart
        lassign [r XPENDING restart g - + 10] first second
        assert_equal {1-0 d 3} [list [lindex $first 0] [lindex $first 1] [lindex $first 3]]
        assert_range 7770000 8770000 [lindex $first 2]
        assert_range 0 1000000 [lindex $second 2]
    }
}

with_server {cache-bytes 1mb enable-flush yes} {
    test "More entries than the cache holds are claimed at once" {
        delivered large 3000 200
        r ESYNC
        set all [r XRANGE large - +]
        lassign [r XAUTOCLAIM large g d 0 - COUNT 5000] next claimed gone
        assert_equal {0-0 {}} [list $next $gone]
        assert {$claimed eq $all}
        assert_equal 3000 [llength [r XPENDING large g - + 10000 d]]
    }
}
