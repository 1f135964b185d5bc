# cairn migrate: the target is the source in every respect that anybody can see; it can be killed at any moment and goes on; no
# server opens what is not complete.

skip unless sqlite "it changes the file by hand"
source [file join $::top tests lib tool.tcl]
source [file join $::top tests lib faults.tcl]

# All that a store holds, in a form that is the same for two stores that hold the same.
proc dump {db} {
    return [split [exec sqlite3 -readonly $db {
        SELECT * FROM cairn_events ORDER BY sequence;
        SELECT sequence, hex(payload), hex(metadata), hex(content_hash), fields, hex(transaction_id), hex(partition_key) FROM events
            ORDER BY sequence;
        SELECT * FROM cairn_streams ORDER BY number;
        SELECT number, hex(name), is_string, created, first_version, coalesce(deleted_ms, 0), coalesce(deleted_seq, 0), expires,
            coalesce(idempotent_seconds, 0), coalesce(idempotent_max, 0) FROM streams ORDER BY number;
        SELECT name, created, expires, hex(value) FROM cairn_strings ORDER BY name;
        SELECT * FROM holes ORDER BY 1, 2;
        SELECT number, stream, name, created, last_ms, last_seq, entries_read FROM groups ORDER BY number;
        SELECT * FROM consumers ORDER BY 1, 2;
        SELECT * FROM pending ORDER BY 1, 2, 3;
        SELECT * FROM idempotent ORDER BY 1, 2, 3;
        SELECT * FROM cairn_checkpoints ORDER BY name;
        SELECT * FROM cairn_views ORDER BY name;
        SELECT store_id, next_sequence, streams, journal FROM cairn_status;
        SELECT hex(id_key), next_stream, next_group, recorded, entry_ms, entry_seq FROM store;
    }] \n]
}
proc assert_same {from to} {
    set expected [dump $from]
    set actual [dump $to]
    if {$expected eq $actual} return
    foreach left $expected right $actual { assert_equal $left $right }
}
proc timelines {db} { return [sql $db "SELECT timeline, began, reason FROM cairn_timelines"] }

proc fill {} {
    set c [srv default_client]
    append_events $c order-1 400 order.created
    append_events $c order-2 400 order.paid
    append_events $c plain 5
    foreach stream {order-1 other} { r EAPPEND $stream known EVENT_ID [uuid] PAYLOAD "p\x00\xff" METADATA m TIMESTAMP 77 CORRELATION [uuid] CAUSATION [uuid] AGGREGATE a }
    r EAPPEND other known EVENT_ID [uuid] PARTITION_KEY [uuid]
    r EMAPPEND [uuid] left t right t
    for {set i 1} {$i <= 200} {incr i} { r XADD entries $i-[expr {$i % 7}] field $i twice 1 twice "\xfe" }
    r XADD far 18446744073709551615-1 a b
    r XADD idem IDMP p one * a b
    for {set i 5} {$i < 100} {incr i 3} { r XDEL entries $i-[expr {$i % 7}] }
    r XDEL entries 200-4
    r XTRIM order-2 MAXLEN 100
    append_events $c gone 50
    r DEL gone
    append_events $c after 3
    append_events $c last 2
    r DEL last
    foreach e [field [r ESCAN order-1 0 3] events] { r EERASE [field $e event_id] }
    r XGROUP CREATE entries workers 0
    r XGROUP CREATE entries idle $
    r XREADGROUP GROUP workers anna COUNT 50 STREAMS entries >
    r XREADGROUP GROUP workers berta COUNT 20 STREAMS entries >
    r XACK entries workers 1-1 2-2
    r XGROUP CREATE @category:order readers 0
    r XREADGROUP GROUP readers anna COUNT 30 STREAMS @category:order >
    r SET text "hello\x00"
    r SET soon bye EX 100000
    r SET empty ""
    r EXPIRE plain 200000
    r ECHECKPOINT SET projection 7
    r EVIEW SET orders CATEGORY order
    r RENAME left moved-1
    r XTRIM entries MINID 4
}

with_server {} {
    fill
    set to [file join [srv dir] target.db]
    test "A store that a server has open is refused, and one whose journal is open" {
        lassign [cairn migrate [srv db] $to] status out err
        assert_equal 2 $status
        assert_match "*in use by another server*" $err
        srv kill9
        lassign [cairn migrate [srv db] $to] status out err
        assert_equal 2 $status
        assert_match "*its journal is open*--store sqlite:*--apply-only*" $err
        assert {![file exists $to]}
        srv start
        srv stop
    }
    test "The target is the source in everything, and begins one more timeline" {
        lassign [cairn migrate [srv db] sqlite:$to] status out err
        assert_equal "0 {}" [list $status $err]
        assert_match "*the same on both sides (hash of the events *" $out
        assert_same [srv db] $to
        set was [timelines [srv db]]
        set is [timelines $to]
        assert_equal $was [lrange $is 0 end-1]
        assert_equal [list [sql_value $to "SELECT next_sequence FROM store"] migrated] [lrange [lindex $is end] 1 2]
        assert {[sql_value $to "SELECT epoch FROM store"] > [sql_value [srv db] "SELECT epoch FROM store"]}
        assert_clean $to
        assert_clean [srv db]
    }
    test "A server goes on with the target" {
        set s [Server new {}]
        file copy $to [$s db]
        $s start
        set c [$s client]
        srv start
        assert_equal [snapshot [srv default_client]] [snapshot $c]
        foreach command {{XRANGE entries - +} {XINFO STREAM entries FULL} {XPENDING entries workers} {GET text} {PTTL none}
                {ECHECKPOINT GET projection} {EVIEW GET orders} {XINFO GROUPS @category:order}} {
            assert_equal [r {*}$command] [$c {*}$command] $command
        }
        assert_equal [field [r EAPPEND plain t] stream_version] [field [$c EAPPEND plain t] stream_version]
        assert_match *migrated* [sql_value [$s db] "SELECT reason FROM cairn_timelines WHERE ended IS NULL"]
        $c close
        $s stop
        assert_clean [$s db]
        $s destroy
        srv stop
    }
    test "A target that is not empty is refused, and stays as it is" {
        set before [dump $to]
        lassign [cairn migrate [srv db] $to] status out err
        assert_equal 2 $status
        assert_match "*not empty*" $err
        assert_equal $before [dump $to]
        lassign [cairn migrate [srv db] [srv db]] status out err
        assert_match "2 *the source itself*" [list $status $err]
    }
    test "What cannot be read in the source is said of the source" {
        foreach change {
            {UPDATE streams SET partition_key = x'00' WHERE name = 'entries'}
            {UPDATE events SET event_id = x'00' WHERE sequence = 9}
        } {
            set dir [file join $::work_dir unreadable[incr ::damaged]]
            file mkdir $dir
            set copy [file join $dir from.db]
            file copy [srv db] $copy
            exec sqlite3 -bail $copy $change
            lassign [cairn migrate $copy [file join $dir to.db]] status out err
            assert_equal 1 $status $change
            assert_match "cairn: $copy: *" $err $change
        }
    }
    test "Killed at any moment it goes on, and no server opens what is not complete" {
        set ::control [file join $::work_dir migrate.control]
        set ::shim_stats [file join $::work_dir migrate.stats]
        set vars [list LD_PRELOAD [preload_words] DISKSHIM_CONTROL $::control DISKSHIM_STATS $::shim_stats]
        set to [file join $::work_dir counted.db]
        fault "match counted.db\ncount write"
        assert_equal 0 [lindex [cairn_with $vars migrate [srv db] $to] 0]
        set writes [lindex [fault_counts 1] 0]
        assert {$writes > 20}
        set killed 0
        for {set round 0} {$round < 20} {incr round} {
            set to [file join $::work_dir killed$round.db]
            # Each run gets a little further; and at last one to its end.
            set n [expr {$writes * $round / 20}]
            for {set run 0; set status -} {$status ne "0"} {incr run} {
                if {$run > 50} { fail "it never ends" }
                fault [expr {$run < 2 ? "match killed$round.db\nkill write after [expr {$n + $run * 7}]" : "# no fault"}]
                lassign [cairn_with $vars migrate [srv db] $to] status out err
                if {$status eq "SIGKILL"} { incr killed } elseif {$status ne "0"} { fail "status $status: $err" }
                if {$status eq "SIGKILL" && [file exists $to] && [file size $to] > 0 && $run == 0} {
                    # Killed before it began to be one, it is an empty store; else nobody opens it.
                    if {![catch {sql_value $to "SELECT left_as FROM store"} left] && $left eq "migrating"} {
                        assert_match "*target of a migration that is not finished*" [lindex [cairn verify $to] 2]
                        set dir [file join $::work_dir refused$round]
                        file mkdir $dir
                        foreach part {"" -wal} { if {[file exists $to$part]} { file copy $to$part [file join $dir cairn.db$part] } }
                        assert_match "*target of a migration that is not finished*" [refused_start [list -dir $dir]]
                    }
                }
            }
            assert_same [srv db] $to
            assert_clean $to
        }
        assert {$killed >= 20}
    }
    test "An unfinished target takes nothing but its own source as it was" {
        set ::control [file join $::work_dir migrate.control]
        set vars [list LD_PRELOAD [preload_words] DISKSHIM_CONTROL $::control DISKSHIM_STATS $::shim_stats]
        set to [file join $::work_dir half.db]
        fault "match half.db\nkill write after [expr {$writes * 3 / 4}]"
        assert_equal SIGKILL [lindex [cairn_with $vars migrate [srv db] $to] 0]
        assert_equal migrating [sql_value $to "SELECT left_as FROM store"]
        set other [Server new {}]
        $other start
        $other stop
        lassign [cairn migrate [$other db] $to] status out err
        assert_match "2 *another store's migration*" [list $status $err]
        $other destroy
        srv start
        srv stop
        lassign [cairn migrate [srv db] $to] status out err
        assert_match "2 *source was changed since*" [list $status $err]
    }
}

with_server {enable-flush yes} {
    test "An empty store, one that was flushed, and one in which everything was removed" {
        foreach {name change} {empty {} removed {
            append_events [srv default_client] a 10
            r DEL a
        } flushed {
            append_events [srv default_client] b 10
            r ECHECKPOINT SET c 5
            r EVIEW SET v CATEGORY order
            r FLUSHALL
        }} {
            eval $change
            srv stop
            set to [file join [srv dir] $name.db]
            lassign [cairn migrate [srv db] $to] status out err
            assert_equal "0 {}" [list $status $err]
            assert_same [srv db] $to
            assert_clean $to
            srv start
        }
    }
}

# CAIRN_EVENTS: so many, for a long run.
with_server {enable-flush yes} {
    test "A larger store, with holes everywhere" {
        set c [srv default_client]
        set n [expr {[info exists ::env(CAIRN_EVENTS)] ? $::env(CAIRN_EVENTS) : 20000}]
        for {set i 0} {$i < $n} {incr i 1000} {
            for {set k 0} {$k < 4} {incr k} { append_events $c "kind[rand_below 5]-[rand_below 50]" 240 type[rand_below 9] CORRELATION [uuid] }
            for {set k 0} {$k < 40} {incr k} { $c write [resp_command XADD "x-[rand_below 9]" * a $k] }
            for {set k 0} {$k < 40} {incr k} { lappend ids [$c read] }
            if {[rand_below 3] == 0} { r XTRIM "kind[rand_below 5]-[rand_below 50]" MAXLEN 100 }
            if {[rand_below 9] == 0} { r DEL "kind[rand_below 5]-[rand_below 50]" }
            for {set k 0} {$k < 9} {incr k} { r XDEL x-$k 1-1 {*}[lmap id $ids {if {[rand_below 9]} continue; set id}] }
            set ids {}
        }
        r XGROUP CREATE x-1 g 0
        r XREADGROUP GROUP g c COUNT 5000 STREAMS x-1 >
        srv stop
        set to [file join [srv dir] large.db]
        lassign [cairn migrate [srv db] $to] status out err
        assert_equal "0 {}" [list $status $err]
        assert_same [srv db] $to
        assert_clean $to
        assert_clean [srv db]
    }
}
