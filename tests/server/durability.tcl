# What was acknowledged survives kill -9; what must not start does not.

# Appends through n connections, one event at a time; returns the acknowledged replies.
proc acked_appends {stream n} {
    set out {}
    for {set i 0} {$i < $n} {incr i} { lappend out [r EAPPEND $stream t PAYLOAD "$stream:$i."] }
    return $out
}
proc assert_holds {replies} {
    foreach reply $replies {
        set e [r EGET [field $reply event_id]]
        foreach name {event_id partition_key partition_id partition_sequence stream_version timestamp entry_id} {
            assert_equal [field $reply $name] [field $e $name] $name
        }
    }
}

with_server {} {
    test "kill -9 right after the reply loses nothing, round after round" {
        set all {}
        for {set round 0} {$round < 8} {incr round} {
            lappend all {*}[acked_appends round-$round 20]
            set reply [r EMAPPEND [uuid] round-$round x both y both z]
            srv crash
            assert_holds $all
            assert_equal 20 [r ESVER round-$round]
            assert_equal [field $reply last_partition_sequence] [r EPSEQ 0]
        }
        set sequences {}
        set expected {}
        foreach e [log_scan_all [srv default_client]] { lappend sequences [field $e partition_sequence] }
        for {set i 0} {$i < 8 * 23} {incr i} { lappend expected $i }
        assert_equal $expected $sequences
    }
    test "Events that only the journal held are in SQLite after the next start" {
        set hold [hold_database [srv db]]
        set replies [acked_appends held 300]
        srv kill9
        release_database $hold
        assert {[sql_value [srv db] "SELECT count(*) FROM cairn_events WHERE stream = 'held'"] < 300}
        srv start
        assert_holds $replies
        assert_equal 300 [sql_value [srv db] "SELECT count(*) FROM cairn_events WHERE stream = 'held'"]
    }
    test "Someone else holding the database delays only ESYNC" {
        set hold [hold_database [srv db]]
        set replies [acked_appends foreign 50]
        assert_holds $replies
        assert_regexp {^[A-Z]+ } [r err ESYNC 200]
        release_database $hold
        assert_equal OK [r ESYNC]
        assert_equal 50 [sql_value [srv db] "SELECT count(*) FROM cairn_events WHERE stream = 'foreign'"]
    }
    test "A second server on the same store is refused, the first goes on" {
        lassign [refused_start [list store [srv store]]] how log
        assert_match "exit \[1-9\]*" $how
        assert_regexp {(?i)lock|in use|another} $log
        assert {![string match "*Ready to accept*" $log]}
        lassign [refused_start [list store [srv store] -args --apply-only]] how log
        assert_match "exit \[1-9\]*" $how
        r EAPPEND still t
        assert_equal 0 [r ESVER still]
    }
    test "--apply-only drains the journal and exits" {
        set hold [hold_database [srv db]]
        set replies [acked_appends drained 40]
        srv kill9
        release_database $hold
        srv option -args --apply-only
        srv spawn
        srv expect_end
        assert_equal "exit 0" [srv wait_end]
        assert_equal 40 [sql_value [srv db] "SELECT count(*) FROM cairn_events WHERE stream = 'drained'"]
        assert_match closed [sql_value [srv db] "SELECT journal FROM cairn_status"]
        srv unset_option -args
        srv start
        assert_holds $replies
    }
    test "A store whose journal is gone is refused" {
        set hold [hold_database [srv db]]
        acked_appends nojournal 5
        srv kill9
        release_database $hold
        set dir [journal_dir $::srv]
        file rename $dir [srv dir]/aside
        srv spawn
        srv expect_end
        assert_match "exit \[1-9\]*" [srv wait_end]
        assert_regexp {(?i)journal} [srv new_log]
        # Whatever the refused start left there goes; with its journal the store is whole.
        file delete -force $dir
        file rename [srv dir]/aside $dir
        srv start
        assert_equal 4 [r ESVER nojournal]
    }
    test "Another store's journal is refused" {
        set other [Server new {}]
        $other start
        set c [$other client]
        append_events $c theirs 10
        $c close
        $other kill9
        append_events [srv default_client] ours 10
        srv kill9
        set dir [journal_dir $::srv]
        file rename $dir [srv dir]/aside
        file copy [journal_dir $other] $dir
        srv spawn
        srv expect_end
        assert_match "exit \[1-9\]*" [srv wait_end]
        assert_regexp {(?i)journal} [srv new_log]
        file delete -force $dir
        file rename [srv dir]/aside $dir
        srv start
        assert_equal 9 [r ESVER ours]
        assert_equal {} [r ESVER theirs]
        $other destroy
    }
}

with_server {} {
    test "A torn last group is dropped whole, all before it stays" {
        set hold [hold_database [srv db]]
        set replies [acked_appends torn 30]
        srv kill9
        release_database $hold
        lassign [journal_find $::srv "torn:29."] file at
        overwrite $file $at [string repeat \0 8]
        srv start
        assert_holds [lrange $replies 0 28]
        assert_equal 28 [r ESVER torn]
        assert_equal 29 [field [r EAPPEND torn t] stream_version]
        srv crash
        assert_equal 29 [r ESVER torn]
    }
    test "A torn EMAPPEND is gone as a whole" {
        set hold [hold_database [srv db]]
        acked_appends torn 5
        r EMAPPEND [uuid] torn-a t PAYLOAD first-half torn-b t PAYLOAD second-half
        srv kill9
        release_database $hold
        lassign [journal_find $::srv "second-half"] file at
        overwrite $file $at "X"
        srv start
        assert_equal 34 [r ESVER torn]
        assert_equal {} [r ESVER torn-a]
        assert_equal {} [r ESVER torn-b]
    }
    test "Damage below what is known to be durable stops the start, naming the place" {
        set hold [hold_database [srv db]]
        acked_appends hurt 40
        srv kill9
        release_database $hold
        set copy [read_file [lindex [journal_find $::srv "hurt:10."] 0]]
        lassign [journal_find $::srv "hurt:10."] file at
        overwrite $file $at "H"
        srv spawn
        srv expect_end
        assert_match "exit \[1-9\]*" [srv wait_end]
        assert_match "*[file tail $file]*" [srv new_log]
        # The refused start changed nothing: with the byte put back all is there.
        overwrite $file $at "h"
        srv start
        assert_equal 39 [r ESVER hurt]
    }
}

with_server {} {
    test "A corrupt database is refused in SQLite's words" {
        skip unless sqlite "its file"
        append_events [srv default_client] s 200
        srv stop
        set whole [read_file [srv db]]
        foreach {offset bytes words} {0 "This is no database, is it?" "file is not a database" 100 "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff" "malformed|corrupt"} {
            write_file [srv db] $whole
            overwrite [srv db] $offset [subst $bytes]
            srv spawn
            srv expect_end
            assert_match "exit \[1-9\]*" [srv wait_end]
            assert_regexp $words [srv new_log]
        }
        write_file [srv db] $whole
        srv start
        assert_equal 199 [r ESVER s]
    }
    test "A newer schema is refused, and the file is left alone" {
        if {[in_postgres]} { append_events [srv default_client] s 200 }
        srv stop
        set version [sql_value [srv db] "SELECT schema_version FROM cairn_status"]
        sql_change [srv db] "UPDATE store SET schema_version = 9999;[expr {[in_postgres] ? "" : "PRAGMA user_version = 9999"}]"
        srv spawn
        srv expect_end
        assert_match "exit \[1-9\]*" [srv wait_end]
        assert_regexp {(?i)newer} [srv new_log]
        assert_regexp {9999} [srv new_log]
        sql_change [srv db] "UPDATE store SET schema_version = $version;[expr {[in_postgres] ? "" : "PRAGMA user_version = $version"}]"
        srv start
        assert_equal 199 [r ESVER s]
    }
    test "A database that is not ours is refused" {
        skip unless sqlite "a file of another program"
        set path [file join [srv dir] foreign.db]
        exec sqlite3 $path "CREATE TABLE mine (x); INSERT INTO mine VALUES (1)"
        lassign [refused_start [list store sqlite:$path]] how log
        assert_match "exit \[1-9\]*" $how
        assert_equal 1 [exec sqlite3 $path "SELECT x FROM mine"]
    }
    test "A damaged journal is refused, and who gives it up keeps all that stands before the damage" {
        skip unless journal "its files"
        set hold [hold_database [srv db]]
        acked_appends spoilt 40
        srv kill9
        release_database $hold
        # The body of one event in the middle.
        lassign [journal_find $::srv "spoilt:25."] file at
        set f [open $file r+b]
        seek $f $at
        puts -nonewline $f X
        close $f
        srv spawn
        srv expect_end
        assert_equal "exit 1" [srv wait_end]
        set log [srv new_log]
        assert_match "*damaged at offset*docs/journal.md*" $log
        assert_regexp {recovered \d+ frames from the journal, in front of damage} $log
        # As docs/journal.md says.
        file rename [journal_dir $::srv] [file join [srv dir] kept]
        sql_change [srv db] "UPDATE store SET journal_open = [expr {[in_postgres] ? "false" : 0}];"
        srv start
        assert_equal 24 [r ESVER spoilt]
    }
    test "A path that cannot be written is refused" {
        skip unless sqlite "its path"
        lassign [refused_start [list store sqlite:[srv dir]/no/such/folder/x.db]] how log
        assert_match "exit \[1-9\]*" $how
        assert_match "*no/such/folder*" $log
    }
}

with_server {durability backend} {
    test "durability backend: a reply means that SQL has the event" {
        foreach i {1 2 3 4 5} {
            r EAPPEND s t
            assert_equal $i [sql_value [srv db] "SELECT count(*) FROM cairn_events"]
        }
        set before [snapshot [srv default_client]]
        srv crash
        assert_equal $before [snapshot [srv default_client]]
    }
    test "The durability may change from start to start" {
        skip unless journal "durability journal"
        foreach mode {journal backend "interval 50" backend journal} {
            srv option durability $mode
            srv restart
            append_events [srv default_client] modes 20
            set before [snapshot [srv default_client]]
            srv restart
            assert_equal $before [snapshot [srv default_client]]
        }
        # Also when the journal still holds frames.
        set hold [hold_database [srv db]]
        acked_appends modes 20
        srv kill9
        release_database $hold
        srv option durability backend
        srv start
        assert_equal 119 [r ESVER modes]
    }
}

with_server {durability {interval 100}} {
    test "durability interval says so, syncs in time, and loses nothing in a clean stop" {
        assert_regexp {(?i)interval} [r INFO]
        append_events [srv default_client] s 100
        srv restart
        assert_equal 99 [r ESVER s]
        append_events [srv default_client] s 100
        wait_for "the journal to be synced" { [info_field r durable_frame journal] == [info_field r decided_frame journal] }
        srv crash
        assert_equal 199 [r ESVER s]
    }
}

# Lets the channels of the clients send what they hold.
proc await_input {} { set ::tick 0; after 50 {set ::tick 1}; vwait ::tick; return 1 }

with_server {journal-bytes-max 16mb journal-segment-bytes 1mb cache-bytes 8mb} {
    test "An applier that cannot write slows producers; journal and memory stay bounded, nothing is lost" {
        set hold [hold_database [srv db]]
        set before [srv memory_kb]
        set payload [string repeat 0123456789 1000]
        set clients {}
        for {set i 0} {$i < 4} {incr i} {
            set c [new_client]
            $c write [string repeat [resp_command EAPPEND slow-$i t PAYLOAD $payload] 1500]
            lappend clients $c
        }
        # 60 MB are offered; far less may be taken while nothing is applied: no more comes for a while.
        wait_for "the producers to be held back" { [await_input] && [info_field r throttled_commands stats] > 0 }
        for {set taken 0; set idle 0} {$idle < 20} {incr idle} {
            await_input
            set now [expr {[r EPSEQ 0] + 1}]
            if {$now != $taken} { set taken $now; set idle 0 }
        }
        set grown [expr {[srv memory_kb] - $before}]
        set bytes [journal_bytes $::srv]
        release_database $hold
        assert_range 1 5999 $taken "events taken while nothing could be applied"
        assert_memory -100000 [expr {100 * 1024}] $grown "kilobytes of memory"
        assert_range 0 [expr {26 * 1024 * 1024}] $bytes "bytes of journal"
        set i 0
        foreach c $clients {
            for {set n 0} {$n < 1500} {incr n} { assert_equal $n [field [$c read] stream_version] }
            assert_equal 1499 [r ESVER slow-$i]
            incr i
            $c close
        }
    }
}
