# XRANGE and XREVRANGE: from memory, from disk, and over the border between them.

proc fill {stream n size} {
    for {set i 0} {$i < $n} {incr i 200} {
        set commands {}
        for {set k $i} {$k < $i + 200 && $k < $n} {incr k} {
            lappend commands [list XADD $stream $k-1 n $k pad [string repeat x $size]]
        }
        pipeline [srv default_client] $commands
    }
}
proc numbers {entries} {
    set numbers {}
    foreach entry $entries { lappend numbers [lindex $entry 1 1] }
    return $numbers
}
proc span {from to} {
    set numbers {}
    for {set i $from} {$i <= $to} {incr i} { lappend numbers $i }
    return $numbers
}

with_server {cache-bytes 1mb apply-delay-ms 0} {
    fill s 1000 2000
    r ESYNC

    test "A range comes whole, whether it is on disk or in memory" {
        assert_equal [span 0 999] [numbers [r XRANGE s - +]]
        assert_equal [lreverse [span 0 999]] [numbers [r XREVRANGE s + -]]
        assert_equal [span 100 899] [numbers [r XRANGE s 100 899]]
        assert_equal [lreverse [span 100 899]] [numbers [r XREVRANGE s 899 100]]
    }
    test "COUNT cuts at the right end" {
        foreach count {1 2 99 1000 2000} {
            set n [expr {min($count, 1000)}]
            assert_equal [span 0 [expr {$n - 1}]] [numbers [r XRANGE s - + COUNT $count]] "first $count"
            assert_equal [lreverse [span [expr {1000 - $n}] 999]] [numbers [r XREVRANGE s + - COUNT $count]] "last $count"
        }
    }
    test "Ends that no entry has are found all the same" {
        assert_equal {11 12} [numbers [r XRANGE s 10-2 12-9]]
        assert_equal {12 11} [numbers [r XREVRANGE s 12-9 10-2]]
        assert_equal {11} [numbers [r XRANGE s (10-1 (12-1]]
        assert_equal {} [r XRANGE s 10-2 11-0]
        assert_equal {} [r XRANGE s 5000 +]
        assert_equal {} [r XREVRANGE s + 5000]
        assert_equal {999} [numbers [r XRANGE s 999 5000]]
    }
    test "Paging forward and back meets every entry once" {
        foreach {command from to step} {XRANGE - + 1 XREVRANGE + - -1} {
            set seen {}
            set at $from
            while {[llength [set page [r $command s $at $to COUNT 37]]] > 0} {
                lappend seen {*}[numbers $page]
                set at ([lindex $page end 0]
            }
            assert_equal 1000 [llength $seen]
            assert_equal [expr {$step > 0 ? [span 0 999] : [lreverse [span 0 999]]}] $seen
        }
    }
    test "What was removed is not in it, on disk and in memory" {
        r XDEL s 3-1 500-1 501-1 998-1
        r XTRIM s MAXLEN 992
        assert_equal {5 6} [numbers [r XRANGE s - + COUNT 2]]
        assert_equal {999 997} [numbers [r XREVRANGE s + - COUNT 2]]
        assert_equal {499 502} [numbers [r XRANGE s 499 502]]
        r ESYNC
        srv restart
        assert_equal {499 502} [numbers [r XRANGE s 499 502]]
        assert_equal {5 6} [numbers [r XRANGE s - + COUNT 2]]
        assert_equal {999 997} [numbers [r XREVRANGE s + - COUNT 2]]
        assert_equal 992 [llength [r XRANGE s - +]]
        assert_equal 992 [r XLEN s]
    }
    test "XREAD + is the last entry that exists, whatever was the last" {
        proc last {key} { return [lindex [r XREAD STREAMS $key +] 0 1 0 0] }
        foreach id {1-0 2-0 3-0 4-0} { r XADD plus $id f v }
        assert_equal 4-0 [last plus]
        r XDEL plus 4-0
        r XDEL plus 2-0
        foreach how {{} restart} {
            if {$how ne ""} { srv $how }
            assert_equal 3-0 [last plus]
            assert_equal 3-0 [lindex [r XREAD COUNT 5 STREAMS plus other + 0] 0 1 0 0]
        }
        r XDEL plus 1-0 3-0
        foreach how {{} restart} {
            if {$how ne ""} { srv $how }
            assert_equal {} [r XREAD STREAMS plus +]
        }
        r XADD plus 5-0 f v
        assert_equal 5-0 [last plus]
        r XGROUP CREATE never-written g 0 MKSTREAM
        assert_equal "ERR the stream last element ID is 0-0" [r err XREAD STREAMS never-written +]
        assert_equal {} [r XREAD STREAMS none +]
    }
    test "A range larger than one read of the disk comes whole" {
        fill big 1200 20000
        r ESYNC
        srv restart
        assert_equal [span 0 1199] [numbers [r XRANGE big - +]]
        assert_equal [lreverse [span 0 1199]] [numbers [r XREVRANGE big + -]]
        assert_equal [span 300 999] [numbers [r XRANGE big 300 + COUNT 700]]
    }
}

source [file join $::top tests lib faults.tcl]
with_faulty_server {} {
    test "Others' entries are not in a range before they are durable, one's own are" {
        with_clients {writer reader} {
            $writer XADD s 1-0 f v
            fault "match -journal.d\nhold sync"
            $writer send XADD s 2-0 f v
            $writer send XRANGE s - +
            wait_for "the entry to be decided" {[$reader XLEN nosuch] == 0 && [info_field $reader events_appended] >= 2}
            assert_equal {{1-0 {f v}}} [$reader XRANGE s - +]
            no_fault
            assert_equal 2-0 [$writer read]
            assert_equal {{1-0 {f v}} {2-0 {f v}}} [$writer read]
            assert_equal {{1-0 {f v}} {2-0 {f v}}} [$reader XRANGE s - +]
        }
    }
}
