# Clean restarts: what is there before is there after, and goes on from there.

with_server {} {
    test "An empty store restarts empty" {
        srv restart
        assert_equal {} [r EPSEQ 0]
        srv crash
        assert_equal {} [r EPSEQ 0]
        assert_equal 0 [field [r EAPPEND first t] partition_sequence]
    }
    test "Everything is the same after a clean restart" {
        append_events [srv default_client] a 100
        r EMAPPEND [uuid] a x b y PAYLOAD "\0\xff" METADATA m c z TIMESTAMP 12 CORRELATION [uuid] AGGREGATE g
        append_events [srv default_client] b 50 t AGGREGATE "\u00e9"
        set before [snapshot [srv default_client]]
        srv restart
        assert_equal $before [snapshot [srv default_client]]
        srv restart
        assert_equal $before [snapshot [srv default_client]]
    }
    test "Versions, sequences and entry ids go on where they stood" {
        set last [lindex [field [r EPSCAN 0 - + REV COUNT 1] events] 0]
        srv restart
        set reply [r EAPPEND a t]
        assert_equal 102 [expr {[field $reply stream_version] + 1}]
        assert_equal [expr {[field $last partition_sequence] + 1}] [field $reply partition_sequence]
        lassign [split [field $last entry_id] -] lms lseq
        lassign [split [field $reply entry_id] -] ms seq
        assert {$ms > $lms || ($ms == $lms && $seq > $lseq)}
        assert {[field [r EGET [field $reply event_id]] recorded] >= [field $last recorded]}
        assert_equal 0 [field [r EAPPEND d t EXPECTED_VERSION empty] stream_version]
        assert_match WRONGVER* [r err EAPPEND b t EXPECTED_VERSION empty]
    }
    test "Many streams are found again, one by one and all at once" {
        set commands {}
        for {set i 0} {$i < 2000} {incr i} { lappend commands [list EAPPEND many-$i t] }
        pipeline [srv default_client] $commands
        srv restart
        set replies [pipeline [srv default_client] $commands]
        foreach reply $replies { assert_equal {int 1} [typed_field $reply stream_version] }
        assert_equal 1 [r ESVER many-1234]
    }
    foreach signal {TERM INT} {
        test "SIG$signal answers what was queued, and ends with status 0" {
            with_clients c {
                $c write [string repeat [resp_command EAPPEND queued-$signal t] 3000]
                set acked 1
                assert_equal 0 [field [$c read] stream_version]
                srv expect_end
                srv signal $signal
                while {![catch {$c read} reply]} {
                    assert_equal $acked [field $reply stream_version]
                    incr acked
                }
            }
            assert_equal "exit 0" [srv wait_end]
            srv drop_client
            srv start
            set version [r ESVER queued-$signal]
            if {$version eq ""} { set version -1 }
            assert {$version + 1 >= $acked} "$acked were acknowledged, the last version is $version"
        }
    }
    foreach {how first said} {
        SIGTERM  {srv signal TERM}                               "received SIGTERM, stopping"
        SIGINT   {srv signal INT}                                "received SIGINT, stopping"
        SHUTDOWN {[srv default_client] write [resp_command SHUTDOWN]} "SHUTDOWN by client"
    } {
        test "A signal while the journal is applied leaves the rest to the next start: $how, then SIGTERM" {
            append_events [srv default_client] left-$how 100
            r XGROUP CREATE left-$how g 0
            r XREADGROUP GROUP g c COUNT 3 STREAMS left-$how >
            r ESYNC
            set hold [hold_database [srv db]]
            append_events [srv default_client] left-$how 100
            r SET left-string-$how v
            set before [snapshot [srv default_client]]
            if {$how eq "SIGINT"} { wait_for "it has failed often" {[info_field r apply_retries store] >= 10} }
            srv expect_end
            eval $first
            srv wait_log $said
            srv signal HUP ;# is no sign of impatience
            srv signal TERM
            assert_equal "exit 0" [srv wait_end]
            assert_match "*for the next start*" [srv new_log]
            release_database $hold
            srv drop_client
            assert_equal 100 [sql_value [srv db] "SELECT count(*) FROM cairn_events WHERE stream = 'left-$how'"]
            srv start
            assert_regexp {recovered \d+ frames} [srv new_log]
            assert_equal $before [snapshot [srv default_client]]
            assert_equal v [r GET left-string-$how]
            assert_equal 3 [lindex [r XPENDING left-$how g] 0]
        }
    }
    test "SIGTERM with everything applied waits for who has the database locked, and ends with status 0" {
        r ESYNC
        set hold [hold_database [srv db]]
        srv expect_end
        srv signal TERM
        after 2500 ;# longer than one attempt to write
        release_database $hold
        assert_equal "exit 0" [srv wait_end]
        srv drop_client
        srv start
    }
    test "A stop does not wait until the rows of what is gone are taken away: the next start does" {
        set commands {}
        for {set i 0} {$i < 20000} {incr i} { lappend commands [list XADD gone-0 * n $i] }
        pipeline [srv default_client] $commands
        for {set i 1} {$i < 6} {incr i} {
            r RESTORE gone-$i 0 [r DUMP gone-0]
            lappend gone gone-$i
        }
        r ESYNC
        set rows [sql_value [srv db] "SELECT count(*) FROM events"]
        set hold [hold_database [srv db]]
        r DEL gone-0 {*}$gone
        srv expect_end
        srv signal TERM
        srv wait_log "received SIGTERM"
        release_database $hold
        assert_equal "exit 0" [srv wait_end]
        assert_match "*everything is applied*" [srv new_log]
        srv drop_client
        # Each slice takes some hundreds, and a stop does a few slices.
        set left [sql_value [srv db] "SELECT count(*) FROM events"]
        assert_range [expr {$rows - 100000}] $rows $left "rows"
        assert_equal 0 [sql_value [srv db] "SELECT count(*) FROM cairn_events WHERE stream LIKE 'gone-%'"]
        srv start
        assert_equal 0 [r EXISTS gone-0 gone-5]
        wait_for "the rows are gone" {[sql_value [srv db] "SELECT count(*) FROM events"] == $rows - 120000}
    }
    test "SIGTERM while streams are being loaded ends with status 0" {
        set keys {}
        for {set i 0} {$i < 2000} {incr i} { lappend keys load-$i }
        pipeline [srv default_client] [lmap key $keys {list EAPPEND $key t}]
        foreach ms {0 5 20} {
            srv restart
            with_clients c {
                $c write [resp_command EXISTS {*}$keys]
                after $ms
                srv expect_end
                srv signal TERM
                assert_equal "exit 0" [srv wait_end]
            }
            srv drop_client
            srv start
            assert_equal 2000 [r EXISTS {*}$keys]
        }
    }
    test "A stop with idle clients and clients in the middle of a command does not wait for them" {
        with_clients {idle half} {
            $idle PING
            $half write "*3\r\n\$7\r\nEAPPEND\r\n\$4\r\nha"
            srv new_log
            srv restart
            assert {![string match "*stopping: *" [srv new_log]]} "the stop waited for something"
        }
    }
    test "After a clean stop the journal holds nothing: the database file alone is the store" {
        skip unless journal "its files"
        append_events [srv default_client] sealed 20
        set before [snapshot [srv default_client]]
        srv stop
        set copy [Server new {}]
        file copy [srv db] [$copy db]
        assert {![file exists [srv db]-wal] || [file size [srv db]-wal] == 0}
        $copy start
        set c [$copy client]
        assert_equal $before [snapshot $c]
        $c close
        $copy stop
        $copy destroy
        srv start
    }
}

with_server {cache-bytes 1mb journal-segment-bytes 1mb} {
    test "Restarts with a small cache and small segments" {
        for {set round 0} {$round < 4} {incr round} {
            append_events [srv default_client] small-$round 800 t METADATA [string repeat m 1000]
            set before [snapshot [srv default_client]]
            if {$round % 2} { srv crash } else { srv restart }
            set after [snapshot [srv default_client]]
            if {$before ne $after} { fail "round $round: the store changed: [llength [lindex $before 1]] and [llength [lindex $after 1]] events" }
        }
    }
    test "Segments are reused: the journal does not grow with the events" {
        r ESYNC
        for {set i 0} {$i < 6} {incr i} {
            append_events [srv default_client] grow 1000 t METADATA [string repeat m 1000]
            r ESYNC
        }
        assert_range 0 [expr {12 * 1024 * 1024}] [journal_bytes $::srv] "bytes of the journal after 6 MB more"
    }
}
