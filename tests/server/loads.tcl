# Loads from disk: whose turn it is, and for whom nothing is loaded any more.
#
# The only reader is held in the creation of a backup's file, so that what is asked for meanwhile queues up. When that backup goes on, a second
# one, which stands in the queue, holds the reader again: whatever is answered then went before it.

source [file join $::top tests lib faults.tcl]

set made_by_backups "match backup-*.part"


# Nothing but the head of each stream is in memory. The id of each one's first event.
proc cold_streams {n {events 3}} {
    set ids {}
    for {set i 0} {$i < $n} {incr i} {
        lappend ids [set id [uuid]]
        r EAPPEND cold-$i t EVENT_ID $id PAYLOAD payload-$i
        for {set k 1} {$k < $events} {incr k} { r EAPPEND cold-$i t }
    }
    make_cold $n
    return $ids
}
proc make_cold {n} {
    srv restart
    for {set i 0} {$i < $n} {incr i} { r XLEN cold-$i }
}
proc hold_reader {c name} {
    fault "$::made_by_backups\nhold open"
    $c send BACKUP $name
    wait_for "the backup is held" {[lindex [fault_counts 1] 0] > 0}
}
# The backup that holds the reader goes on, the next one holds it.
proc go_on_to_next_backup {} { fault "$::made_by_backups\nhold open go 1" }
proc reads_done {} { info_field r reads store }
proc others {} { expr {[info_field r connected_clients clients] - 1} }

with_faulty_server {reader-threads 1} {
    test "A short read goes before long ones, and behind three of them goes a long one" {
        cold_streams 12
        with_clients {first long next a b c d e f g h} {
            hold_reader $first 1.db
            $long send ESCAN cold-0 - + COUNT 1000
            $long taken
            $next send BACKUP 2.db
            $next taken
            set i 0
            set short [list $a $b $c $d $e $f $g $h]
            foreach client $short {
                $client send ESCAN cold-[incr i] 0 0
                $client taken
            }
            go_on_to_next_backup
            assert_equal OK [$first read]
            foreach client [lrange $short 0 5] { assert_equal 1 [llength [page_versions [$client read]]] }
            assert_equal 3 [llength [page_versions [$long read]]]
            foreach client [list {*}[lrange $short 6 end] $next] { assert {[$client silent]} }
            no_fault
            foreach client [lrange $short 6 end] { assert_equal 1 [llength [page_versions [$client read]]] }
            assert_equal OK [$next read]
        }
    }
    test "One command's many reads do not go before another's short one" {
        for {set i 0} {$i < 200} {incr i} { lappend names many-$i }
        foreach name $names { r XADD $name 1-1 a b }
        make_cold 2
        with_clients {first many short next} {
            hold_reader $first 3.db
            $many send EXISTS {*}$names
            $many taken
            $next send BACKUP 4.db
            $next taken
            $short send ESCAN cold-1 0 0
            $short taken
            go_on_to_next_backup
            assert_equal 1 [llength [page_versions [$short read]]]
            no_fault
            assert_equal 200 [$many read]
            assert_equal {OK OK} [list [$first read] [$next read]]
        }
    }
    test "What is read for who sends no more comes behind what is read for others, and behind sixteen of those" {
        cold_streams 23
        with_clients {first next half early long} {
            hold_reader $first late-1.db
            # Its half is closed while its load waits, and before another one's.
            foreach {c command} [list $half {ESCAN cold-0 0 0} $early {ESCAN cold-1 - +}] {
                $c write [resp_command PING][resp_command {*}$command]
                $c half_close
                assert_equal PONG [$c read]
                $c taken
            }
            $long send ESCAN cold-2 - + COUNT 1000
            $long taken
            $next send BACKUP late-2.db
            $next taken
            go_on_to_next_backup
            assert_equal {0 1} [lrange [page_versions [$long read]] 0 1]
            assert_equal OK [$first read]
            foreach c [list $half $early $next] { assert {[$c silent]} }
            # The long one and the backup have gone before by now; behind the fourteenth of these goes one that is late.
            set others {}
            for {set i 3} {$i < 23} {incr i} {
                lappend others [set c [new_client]]
                $c send ESCAN cold-$i - + COUNT 1000
                $c taken
            }
            with_clients last {
                $last send BACKUP late-3.db
                $last taken
                go_on_to_next_backup
                assert_equal OK [$next read]
                assert_equal 1 [llength [page_versions [lindex [$half rest] 0]]]
                foreach c $others { assert_equal {0 1} [lrange [page_versions [$c read]] 0 1] }
                foreach c [list $early $last] { assert {[$c silent]} }
                no_fault
                assert_equal {0 1} [lrange [page_versions [lindex [$early rest] 0]] 0 1]
                assert_equal OK [$last read]
            }
            foreach c $others { $c close }
        }
    }
    test "What was asked for a connection that is gone is not read" {
        set ids [cold_streams 12]
        r XADD with-group 1-1 a b
        r XGROUP CREATE with-group g 0
        make_cold 8
        set commands [list {ESCAN cold-0 - +} {ESCAN cold-1 0 0} {XRANGE cold-2 1-1 + COUNT 1} {XLEN cold-9} {EPSCAN 0 - +} {SCAN 0} \
            [list EGET [lindex $ids 3]] {XREAD STREAMS cold-4 cold-5 cold-6 cold-10 0 0 0 0} {XREADGROUP GROUP g c STREAMS with-group >} \
            {XADD cold-11 * a b} {XDEL cold-7 1-1}]
        foreach how {killed broken} {
            with_clients first {
                hold_reader $first $how.db
                set before [reads_done]
                set gone {}
                foreach command $commands {
                    lappend gone [set c [new_client]]
                    set id [$c CLIENT ID]
                    $c send PING
                    $c send {*}$command
                    $c taken
                    if {$how eq "killed"} { r CLIENT KILL ID $id } else { $c close } ;# with a reply unread: the connection is reset
                }
                wait_for "they are gone" {[others] == 1}
                no_fault
                assert_equal OK [$first read]
            }
            assert_equal {} [r ESVER cold-none-$how]
            assert_equal 0 [page_versions [r ESCAN cold-8 0 0]]
            assert_equal 4 [expr {[reads_done] - $before}] ;# the backup; a stream that is not there; one that is, and its page
            if {$how eq "killed"} { foreach c $gone { $c close } }
            make_cold 8
        }
    }
    test "Who waits for the same, or only sends no more, gets it" {
        r XADD waited-for 1-1 a b
        srv restart
        with_clients {first gone same half} {
            hold_reader $first 5.db
            set id [$gone CLIENT ID]
            foreach c [list $gone $same $half] {
                $c send XLEN waited-for
                $c taken
            }
            $half half_close
            r CLIENT KILL ID $id
            no_fault
            assert_equal 1 [$same read]
            assert_equal 1 [$half rest]
            assert_equal OK [$first read]
        }
    }
    test "A backup that was asked for is made, though nobody waits for it" {
        with_clients {first second} {
            hold_reader $first 6.db
            set id [$second CLIENT ID]
            $second send BACKUP 7.db
            $second taken
            r CLIENT KILL ID $id
            no_fault
            assert_equal OK [$first read]
        }
        wait_for "it is there" {[file exists [file join [srv dir] 7.db]]}
    }
    test "A stop does not work off what is queued" {
        make_cold 3
        with_clients {first a b c next} {
            hold_reader $first 8.db
            foreach client [list $a $b $c] command {{ESCAN cold-0 - +} {XLEN many-1} {EXISTS many-2 many-3}} {
                $client send {*}$command
                $client taken
            }
            $next send BACKUP 9.db
            $next taken
            srv expect_end
            srv signal TERM
            foreach client [list $a $b $c $next] { assert {[$client closed]} }
            go_on_to_next_backup ;# at which the stop would hang for ever
            assert_equal "exit 0" [srv wait_end]
        }
        assert_match "*backup: 9.db is not begun, as the server stops*" [srv new_log]
        no_fault
        srv stop
        srv start
        assert_equal 1 [r XLEN waited-for]
    }
}

# Runs script, and returns how often a command that waited was run again.
proc runs_again {script} {
    with_clients c {
        set before [info_field $c resumed_commands stats]
        uplevel 1 $script
        return [expr {[info_field $c resumed_commands stats] - $before}]
    }
}

with_server {cache-bytes 64mb} {
    set ids [cold_streams 1200 1]

    test "XREAD of many streams on disk asks for them together" {
        srv restart
        set keys {}
        for {set i 0} {$i < 1200} {incr i} { lappend keys cold-$i }
        set again [runs_again { set reply [r XREAD COUNT 1 STREAMS {*}$keys {*}[lrepeat 1200 0]] }]
        assert_equal 1200 [llength $reply]
        assert_equal {cold-1199 payload-1199} [list [lindex $reply 1199 0] [dict get [lindex $reply 1199 1 0 1] payload]]
        assert {$again < 8} "it ran $again times"
    }
    test "EXEC asks together for what its commands need" {
        srv restart
        r MULTI
        for {set i 0} {$i < 300} {incr i} {
            r ESCAN cold-$i - +
            r EGET [lindex $ids [expr {$i + 300}]]
        }
        set again [runs_again { set reply [r EXEC] }]
        assert_equal 600 [llength $reply]
        assert_equal {payload-299 payload-599} [list [lindex [page_field [lindex $reply 598] payload] 0] [field [lindex $reply 599] payload]]
        assert {$again < 8} "it ran $again times"
    }
    test "What commands behind one that waits would find without it does not count" {
        srv restart
        r MULTI
        r COPY cold-0 copied
        r EAPPEND copied t EXPECTED_VERSION 0 ;# which would fail, and take all of it back
        r COPY cold-1 copied-too
        r XADD copied-too 1-1 a b ;# the copy has a higher id
        r XLEN copied
        r CONFIG SET slowlog-max-len 77
        r XLEN copied-too
        set reply [r EXEC]
        assert_equal {1 1 2 OK 1} [list [lindex $reply 0] [lindex $reply 2] {*}[lrange $reply 4 end]]
        assert_equal 1 [field [lindex $reply 1] stream_version]
        assert_match "*equal or smaller*" [lindex $reply 3]
        assert_equal {2 1 {slowlog-max-len 77}} [list [r XLEN copied] [r XLEN copied-too] [r CONFIG GET slowlog-max-len]]
    }
    test "It is bounded what is loaded for one command, and all of it comes" {
        set payload [string repeat x 1000000]
        for {set i 0} {$i < 60} {incr i} { r XADD large-$i 1-1 a $payload$i }
        srv restart
        r MULTI
        for {set i 0} {$i < 60} {incr i} { r XRANGE large-$i - + }
        set reply [r EXEC]
        for {set i 0} {$i < 60} {incr i} { assert_equal "{1-1 {a $payload$i}}" [lindex $reply $i] "large-$i" }
        set keys {}
        for {set i 0} {$i < 60} {incr i} { lappend keys large-$i }
        srv restart
        set reply [r XREAD STREAMS {*}$keys {*}[lrepeat 60 0]]
        assert_range 1 60 [llength $reply]
        assert_equal "large-0 {{1-1 {a ${payload}0}}}" [lindex $reply 0]
    }
}

# Of the only reader's thread, beside the loop's.
proc reader_nice {} {
    foreach stat [glob /proc/[srv pid]/task/*/stat] {
        regexp {^\d+ \((.*)\) (.*)$} [read_file $stat] -> name rest
        set nice($name) [lindex $rest 16]
    }
    return [expr {$nice(reader) - $nice(cairn-server)}]
}
proc may_go_back {} {
    regexp {CapEff:\s*([0-9a-f]+)} [read_file /proc/[srv pid]/status] -> capabilities
    regexp {Max nice priority\s+(\d+)} [read_file /proc/[srv pid]/limits] -> least
    return [expr {("0x$capabilities" & (1 << 23)) || $least >= 20}]
}
with_server {reader-threads 1} {
    test "While there are appends, a long read gives way to them; a short one does not, and none otherwise" {
        skip unless sqlite "it holds the database's file"
        if {![may_go_back]} { skip "a thread that may not go back stays as it is" }
        cold_streams 4
        r EPSCAN 0 - + COUNT 1000
        assert_equal 0 [reader_nice]
        set held [hold_database [srv db]]
        r EAPPEND hot t
        assert_equal 13 [llength [page_sequences [r EPSCAN 0 - + COUNT 1000]]]
        assert_range 1 5 [reader_nice]
        r ESCAN cold-1 - 1
        assert_equal 0 [reader_nice]
        r EPSCAN 0 - + COUNT 1000
        assert_range 1 5 [reader_nice]
        release_database $held
        r ESYNC
        r EPSCAN 0 - + COUNT 1000
        assert_equal 0 [reader_nice]
    }
}
