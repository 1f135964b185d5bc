# Reading the log by the names of streams: EREAD and EPSCAN with STREAM and CATEGORY, while streams are renamed. Nobody waits
# until the database knows of a rename.

source [file join $::top tests lib faults.tcl]

# What each of the two finds: sequences and names.
proc found {c args} {
    set commands [list [list EREAD FROM START {*}$args FIELDS partition_sequence,stream_id] \
        [list EPSCAN 0 - + {*}$args FIELDS partition_sequence,stream_id]]
    lassign [lmap command $commands {field [$c {*}$command] events}] eread epscan
    assert_equal $eread $epscan
    return [concat {*}$eread]
}
# All but what is asked for is on disk only.
proc restart_cold {} {
    r ESYNC
    srv restart
}

foreach held {1 0} {
    with_server {} {
        if {$held} { skip unless journal "renames that are not applied" }
        test "After a rename [expr {$held ? "that the database does not have" : "that the database has"}], the log is read by the new names" {
            foreach stream {order-1 cart-1 order-1 cart-2 alone} { r EAPPEND $stream t }
            restart_cold
            if {$held} { set lock [hold_database [srv db]] }
            r RENAME cart-1 order-9
            assert_equal {0 order-1 1 order-9 2 order-1} [found r CATEGORY order]
            assert_equal {3 cart-2} [found r CATEGORY cart]
            assert_equal {1 order-9} [found r STREAM order-9]
            assert_equal {} [found r STREAM cart-1]
            assert_equal {1 order-9 3 cart-2} [found r STREAM *-9 STREAM cart-*]
            r RENAME order-1 cart-1
            assert_equal {1 order-9} [found r CATEGORY order]
            assert_equal {0 cart-1 2 cart-1 3 cart-2} [found r CATEGORY cart]
            r RENAME alone order-2
            r EAPPEND order-2 u
            r RENAME order-2 order-3
            assert_equal {1 order-9 4 order-3 5 order-3} [found r CATEGORY order]
            assert_equal {5 order-3} [found r CATEGORY order TYPE u]
        }
        test "So it is in a transaction that renames" {
            r MULTI
            r EREAD FROM START CATEGORY cart FIELDS stream_id
            r RENAME cart-2 order-4
            r EREAD FROM START CATEGORY cart FIELDS stream_id
            r EPSCAN 0 - + STREAM order-4 FIELDS partition_sequence
            lassign [r EXEC] before renamed after scanned
            assert_equal {cart-1 cart-1 cart-2} [field $before events]
            assert_equal {cart-1 cart-1} [field $after events]
            assert_equal 3 [field $scanned events]
        }
        test "And in one that is taken back" {
            r MULTI
            r RENAME order-4 cart-2
            r EREAD FROM START CATEGORY cart FIELDS stream_id
            r EAPPEND order-9 t EXPECTED_VERSION 1000
            assert_error "WRONGVER*" {r EXEC}
            assert_equal {1 order-9 3 order-4 4 order-3 5 order-3} [found r CATEGORY order]
        }
        test "A subscription begins with the new names, too" {
            with_clients c {
                $c HELLO 3
                $c ESUBSCRIBE * FROM START CATEGORY order FIELDS partition_sequence,stream_id
                assert_equal {{1 order-9} {3 order-4} {4 order-3} {5 order-3}} [lmap i {1 2 3 4} {lindex [$c push] 3}]
                assert_equal caughtup [lindex [$c push] 0]
            }
        }
        if {$held} {
            test "And when the database has it at last, and after a restart" {
                release_database $lock
                r ESYNC
                foreach how {now restarted} {
                    assert_equal {1 order-9 3 order-4 4 order-3 5 order-3} [found r CATEGORY order]
                    assert_equal {0 cart-1 2 cart-1} [found r CATEGORY cart]
                    srv restart
                }
            }
        }
    }
}

with_server {} {
    test "Very many streams may be renamed while the database is held" {
        set names [lmap i [lrepeat 1500 x] {incr n}]
        pipeline [srv default_client] [lmap n $names {list EAPPEND many-$n t}]
        r EAPPEND order-1 t
        restart_cold
        set lock [hold_database [srv db]]
        pipeline [srv default_client] [lmap n $names {list RENAME many-$n [expr {$n % 300 ? "much" : "order"}]-$n}]
        assert_equal {299 order-300 599 order-600 899 order-900 1199 order-1200 1499 order-1500 1500 order-1} [found r CATEGORY order]
        release_database $lock
        r ESYNC
        assert_equal {299 order-300 599 order-600 899 order-900 1199 order-1200 1499 order-1500 1500 order-1} [found r CATEGORY order]
    }
}

with_faulty_server {} {
    test "A rename that is not durable is seen by nobody who reads by names" {
        foreach stream {order-1 cart-1} { r EAPPEND $stream t }
        restart_cold
        wait_for "all of before to be durable" {[info_field r durable_frame journal] == [info_field r decided_frame journal]}
        fault "match -journal.d\nhold sync"
        with_clients c {
            $c send RENAME cart-1 order-2
            $c taken
            assert_equal {0 order-1} [found r CATEGORY order]
            assert_equal {1 cart-1} [found r STREAM cart-*]
            no_fault
            assert_equal OK [$c read]
        }
        assert_equal {0 order-1 1 order-2} [found r CATEGORY order]
    }
}

with_server {} {
    test "Who reads while streams are renamed all the time comes to an end, and sees each event under a name that passes" {
        pipeline [srv default_client] [lmap i [lrepeat 40 x] {list EAPPEND s-[incr k] t}]
        restart_cold
        with_clients {a b} {
            for {set round 0} {$round < 60} {incr round} {
                set from [lindex {s t} [expr {$round % 2}]]; set to [lindex {t s} [expr {$round % 2}]]
                for {set i 1} {$i <= 40} {incr i} { $a send RENAME $from-$i $to-$i }
                set page [$b EREAD FROM START CATEGORY t FIELDS stream_id]
                foreach name [field $page events] { assert_match t-* $name }
                for {set i 1} {$i <= 40} {incr i} { assert_equal OK [$a read] }
            }
            assert_equal {} [found $b CATEGORY t]
            assert_equal 40 [llength [field [$b EREAD FROM START CATEGORY s FIELDS stream_id] events]]
        }
    }
}
