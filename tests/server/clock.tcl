# The wall clock steps: ahead, back, also while the server is down; and stands still. What waits or ages follows it as it is; ids and
# `recorded` never go back; what the process measures for itself does not notice.

source [file join $::top tests lib clock.tcl]

set hour 3600000

proc claimable {key min_idle} { return [lindex [r XCLAIM $key g other $min_idle [lindex [r XPENDING $key g] 1] JUSTID] 0] }
proc idle_of {key} { return [lindex [r XPENDING $key g - + 1] 0 2] }
# A group whose consumer c has one entry pending, delivered now.
proc deliver_one {key} {
    r XADD $key * f v
    r XGROUP CREATE $key g 0
    r XREADGROUP GROUP g c STREAMS $key >
}
proc consumer_times {key} {
    set c [lindex [r XINFO CONSUMERS $key g] 0]
    return [list [field $c idle] [field $c inactive]]
}

with_moved_clock {} {
    test "The clock is an hour ahead for a moment: what comes after it expires and ages as ever" {
        r EAPPEND early t
        clock_ahead $hour
        r EAPPEND early t
        clock_ahead 0
        foreach start {"" srv\ crash srv\ restart} {
            eval $start
            r SET k v PX 20
            wait_for "k to expire" {[r EXISTS k] == 0}
            r EAPPEND s t
            assert_equal 1 [r PEXPIREAT s [expr {[clock milliseconds] + $hour / 2}]]
            assert_range 1 [expr {$hour / 2}] [r PTTL s]
            assert_equal 1 [r PEXPIRE s 100000]
            assert_range 1 100000 [r PTTL s]
            r DEL g
            deliver_one g
            wait_for "the entry to get idle" {[idle_of g] >= 20}
            assert {[llength [r XPENDING g g IDLE 20 - + 10]] == 1}
            wait_for "the consumer to get idle" {[lindex [lsort -integer [consumer_times g]] 0] >= 20}
            assert {[claimable g 20] ne ""}
            wait_for "it to get idle again" {[idle_of g] >= 20}
            assert_equal 1 [llength [lindex [r XAUTOCLAIM g g third 20 0] 1]]
            wait_for "it to get idle a third time" {[llength [r XREADGROUP GROUP g fourth CLAIM 20 STREAMS g >]] == 1}
        }
    }

    test "RESTORE, EXPIRE and SET reckon from the clock as it is, and so does what they answer" {
        clock_ahead $hour
        r EAPPEND far t
        clock_ahead 0
        set from [clock milliseconds]
        r SET a v PX 500000
        r SET b v
        r PEXPIRE b 500000
        r RESTORE c 500000 [r DUMP b]
        set to [clock milliseconds]
        foreach key {a b c} {
            assert_range [expr {$from + 500000}] [expr {$to + 500000}] [r PEXPIRETIME $key] $key
            assert_range 1 500000 [r PTTL $key] $key
        }
        r SET a v PXAT [expr {[clock milliseconds] + 500000}]
        r RESTORE c [expr {[clock milliseconds] + 500000}] [r DUMP b] REPLACE ABSTTL
        assert_equal 2 [r EXISTS a c]
    }

    test "A step ahead passes the deadlines between; nobody has to ask, and nothing comes back" {
        r SET soon v PX [expr {$hour / 2}]
        r EAPPEND soon-2 t
        r PEXPIRE soon-2 [expr {$hour / 2}]
        r SET later v PX [expr {2 * $hour}]
        set keys [r DBSIZE]
        clock_ahead $hour
        wait_for "both to be deleted" {[r DBSIZE] == $keys - 5} ;# with a, b and c
        clock_ahead 0
        assert_equal {0 1} [list [r EXISTS soon soon-2] [r EXISTS later]]
        assert_range [expr {$hour}] [expr {2 * $hour}] [r PTTL later]
    }

    test "A step back puts deadlines off; when the clock is right again they are as they were" {
        r SET k v PX 500000
        set at [r PEXPIRETIME k]
        clock_ahead -$hour
        assert_range $hour [expr {$hour + 500000}] [r PTTL k]
        assert_equal $at [r PEXPIRETIME k]
        clock_ahead 0
        assert_range 1 500000 [r PTTL k]
    }

    test "What was delivered ahead of the clock is idle for 0 ms" {
        r DEL g
        clock_ahead $hour
        deliver_one g
        clock_ahead 0
        foreach start {"" srv\ crash srv\ restart} {
            eval $start
            assert_equal 0 [idle_of g] $start
            assert {[lindex [lsort -integer [consumer_times g]] 1] <= 0} ;# a crash may forget when it was active: -1
            assert_equal {} [r XPENDING g g IDLE 1 - + 10] $start
            assert_equal {} [claimable g 1] $start
            assert_equal {} [lindex [r XAUTOCLAIM g g other 1 0] 1] $start
            assert_equal {} [r XREADGROUP GROUP g other CLAIM 1 STREAMS g >] $start
        }
        # 0 ms is enough for those who ask for 0, and it is delivered now then.
        assert_equal 0 [lindex [r XREADGROUP GROUP g other CLAIM 0 STREAMS g >] 0 1 0 2]
        wait_for "it to get idle" {[idle_of g] >= 20}
        clock_ahead $hour
        assert_range $hour [expr {2 * $hour}] [idle_of g]
        assert {[claimable g $hour] ne ""}
        clock_ahead 0
        assert {[claimable g 0] ne ""}
        wait_for "it to get idle once more" {[idle_of g] >= 20}
    }

    test "XCLAIM does not deliver in the future: TIME ahead of the clock is now" {
        r DEL g
        deliver_one g
        set id [lindex [r XPENDING g g] 1]
        foreach time [list [expr {[clock milliseconds] + $hour}] -1] {
            r XCLAIM g g other 0 $id TIME $time
            assert_range 0 $hour [idle_of g]
            wait_for "it to get idle" {[idle_of g] >= 20}
        }
        r XCLAIM g g other 0 $id TIME [expr {[clock milliseconds] - $hour}]
        assert_range $hour [expr {2 * $hour}] [idle_of g]
        # What was in the past is in the future after a step back.
        clock_ahead [expr {-2 * $hour}]
        assert_equal 0 [idle_of g]
        clock_ahead 0
    }

    test "Who waits for what is idle notices a step ahead" {
        r DEL g
        deliver_one g
        with_clients {c} {
            $c send XREADGROUP GROUP g d BLOCK 0 CLAIM $hour STREAMS g >
            assert {[$c silent]}
            clock_ahead [expr {$hour + 1000}]
            assert_equal 1 [llength [lindex [$c read] 0 1]]
            clock_ahead 0
        }
    }
    test "Who waits for what is idle gets what is delivered after a step back" {
        r DEL g
        clock_stands $hour
        deliver_one g
        with_clients {c} {
            $c send XREADGROUP GROUP g d BLOCK 0 CLAIM 50 STREAMS g >
            assert {[$c silent]}
            clock_ahead 0
            r XADD g 99999999999999-1 f late
            assert_equal late [lindex [$c read] 0 1 0 1 1]
            $c send XREADGROUP GROUP g d BLOCK 0 CLAIM 50 STREAMS g >
            # The one that is idle first by this clock, not the one that the clock ahead delivered.
            assert_equal late [lindex [$c read] 0 1 0 1 1]
        }
    }
    test "Who waits already gets what others are delivered after a step back" {
        r DEL g
        clock_stands $hour
        deliver_one g
        with_clients {c} {
            $c send XREADGROUP GROUP g d BLOCK 0 CLAIM 50 STREAMS g >
            assert {[$c silent]}
            clock_ahead 0
            r MULTI
            r XADD g 99999999999999-1 f late
            r XREADGROUP GROUP g e STREAMS g >
            r EXEC
            assert_equal late [lindex [$c read] 0 1 0 1 1]
        }
    }

    test "What the process measures does not notice: BLOCK, CLIENT PAUSE" {
        foreach step [list "clock_ahead $hour" "clock_ahead -$hour" clock_stands "clock_ahead 0"] {
            with_clients {a b} {
                $a send XREAD BLOCK 7200000 STREAMS none 0
                $b send XREAD BLOCK 30 STREAMS none 0
                $a taken
                eval $step
                assert_equal {} [$b read] $step
                assert {[$a silent]} $step
                assert_equal OK [r CLIENT PAUSE 30 ALL]
                assert_equal PONG [r PING] $step
            }
        }
    }

    test "While the clock stands still nothing ages or expires; when it goes on, it does" {
        r DEL g
        clock_stands
        deliver_one g
        r SET k v PX 30
        set left [r PTTL k]
        with_clients {c} { assert_equal {} [$c XREAD BLOCK 60 STREAMS none 0] }
        assert_equal [list 1 $left 0] [list [r EXISTS k] [r PTTL k] [idle_of g]]
        clock_ahead 0
        wait_for "k to expire" {[r EXISTS k] == 0}
        wait_for "the entry to get idle" {[idle_of g] >= 30}
    }

    test "A deadline that passed by the clock while the server was down; a clock that goes back brings nothing back" {
        r SET k v PX [expr {$hour / 2}]
        r SET late v PX [expr {2 * $hour}]
        srv stop
        clock_ahead $hour
        srv start
        wait_for "k to be deleted" {[info_field r expired_keys stats] > 0}
        srv stop
        clock_ahead -$hour
        srv start
        assert_equal {0 1} [list [r EXISTS k] [r EXISTS late]]
        assert_range [expr {2 * $hour}] [expr {3 * $hour}] [r PTTL late]
        clock_ahead 0
    }
}

with_moved_clock {} {
    test "Entry ids, event ids and recorded never go back, whatever the clock does and across restarts" {
        set day [expr {24 * $hour}]
        set steps [list 0 -$hour $day 0 -$day 1 -2 [expr {-100 * 365 * $day}] [expr {5 * $day}] 0]
        foreach step $steps start {{} {srv crash} {} {srv restart} {} {} {srv crash} {} {srv restart} {}} {
            clock_ahead $step
            eval $start
            for {set i 0} {$i < 5} {incr i} {
                r XADD x-[expr {$i % 2}] * f v
                r EAPPEND e-$i t
            }
        }
        clock_stands -$hour
        r XADD x-0 * f v
        r EAPPEND e-0 t
        set ids {}
        set recorded {}
        set made {}
        foreach e [log_scan_all [srv default_client]] {
            scan [field $e entry_id] %lld-%lld ms seq
            lappend ids [format %020lld-%020lld $ms $seq]
            lappend recorded [field $e recorded]
            lappend made [string range [field $e event_id] 0 12] ;# its time
        }
        assert_equal 102 [llength $ids]
        assert_equal [lsort -unique $ids] $ids
        assert_equal [lsort -integer $recorded] $recorded
        assert_equal [lsort $made] $made
        clock_ahead 0
    }
}

with_moved_clock {} {
    proc send_again {key id} { return [r XADD $key IDMP p $id * f v] }

    test "The window of XADD IDMP follows the clock: a moment ahead neither ends nor stretches it" {
        r XADD q * f v
        r XCFGSET q IDMP-DURATION 3600
        clock_ahead [expr {48 * $hour}]
        r XADD q * f v
        clock_ahead 0
        set first [send_again q 1]
        foreach start {"" srv\ crash srv\ restart} {
            eval $start
            assert_equal $first [send_again q 1] $start
        }
        clock_ahead [expr {$hour / 2}]
        assert_equal $first [send_again q 1]
        clock_ahead [expr {$hour + 600000}]
        assert {[send_again q 1] ne $first}
        clock_ahead 0
    }
    test "A producer's ids stay in the order in which they came, also those that a clock ahead added" {
        r XADD few * f v
        r XCFGSET few IDMP-MAXSIZE 3
        clock_ahead $hour
        foreach id {1 2 3} { send_again few $id }
        clock_ahead 0
        foreach id {4 5 6} { set entry($id) [send_again few $id] }
        foreach start {"" srv\ crash srv\ restart} {
            eval $start
            foreach id {4 5 6} { assert_equal $entry($id) [send_again few $id] "$id $start" }
        }
    }
}
