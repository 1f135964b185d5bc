# What Redis' tools ask a server about itself: saving, replicas, memory, latency. The answers are those of a durable master
# without replicas.

source [file join $::top tests lib faults.tcl]

with_server {enable-debug-command yes} {
    test "SAVE waits until the database has everything, BGSAVE does not, LASTSAVE says when it had" {
        set before [clock seconds]
        r SET saved v
        assert_equal OK [r SAVE]
        assert_equal [info_field [srv default_client] decided_frame journal] [info_field [srv default_client] applied_frame store]
        assert_range $before [clock seconds] [r LASTSAVE]
        assert_equal [r LASTSAVE] [info_field [srv default_client] rdb_last_save_time persistence]
        assert_equal "Background saving started" [r BGSAVE]
        assert_equal "Background saving started" [r BGSAVE SCHEDULE]
        assert_equal "ERR syntax error" [r err BGSAVE NOW]
        r SET saved w
        r BGSAVE
        wait_for "all to be applied" {[info_field [srv default_client] rdb_changes_since_last_save persistence] == 0}
        r MULTI
        assert_match "ERR * not allowed *" [r err SAVE]
        catch {r DISCARD}
    }

    test "BGSAVE in MULTI starts it, too" {
        r MULTI
        r SET saved x
        r BGSAVE
        assert_equal {OK {Background saving started}} [r EXEC]
    }

    test "WAIT waits for replicas that there are not, until its time is up" {
        assert_equal {0 0 0} [list [r WAIT 1 1] [r WAIT 0 0] [r WAIT -1 0]]
        assert_equal "ERR value is not an integer or out of range" [r err WAIT x 0]
        assert_equal "ERR timeout is not an integer or out of range" [r err WAIT 1 x]
        assert_equal "ERR timeout is negative" [r err WAIT 1 -1]
        r MULTI
        r WAIT 5 0
        assert_equal 0 [r EXEC]
        with_clients {a b} {
            foreach {how reply} {{} {int 0} TIMEOUT {int 0} ERROR {error {UNBLOCKED client unblocked via CLIENT UNBLOCK}}} {
                set id [$a CLIENT ID]
                $a send WAIT 1 0
                wait_for "it to wait" {[info_field $b blocked_clients] == 1}
                assert [$a silent]
                $b EAPPEND wakes-nobody t
                assert [$a silent]
                assert_equal 1 [$b CLIENT UNBLOCK $id {*}$how]
                assert_equal $reply [$a read_typed]
            }
        }
    }

    test "ROLE and REPLCONF, and no SYNC" {
        assert_equal {array {{bulk master} {int 0} {array {}}}} [r typed ROLE]
        assert_equal OK [r REPLCONF listening-port 6380 capa eof capa psync2]
        assert_equal "ERR Unrecognized REPLCONF option: nonsense" [r err REPLCONF nonsense 1]
        assert_equal "ERR syntax error" [r err REPLCONF ack]
        assert_match "ERR 'sync' *has no replicas yet*" [r err SYNC]
        assert_equal PONG [r PING]
    }

    test "MEMORY USAGE is of every key, on disk or not" {
        r SET small v
        r SET large [string repeat v 100000]
        append_events r a-stream 10
        r ESYNC
        srv restart
        assert_range 100000 101000 [r MEMORY USAGE large]
        assert_range 1 1000 [r MEMORY USAGE small]
        assert {[r MEMORY USAGE a-stream SAMPLES 0] > 0}
        assert_equal "\$-1\r\n" [r raw MEMORY USAGE none]
    }

    test "MEMORY STATS has Valkey's fields" {
        set stats [r MEMORY STATS]
        assert_equal [list {*}{peak.allocated total.allocated startup.allocated replication.backlog clients.slaves clients.normal cluster.links
            aof.buffer lua.caches functions.caches db.0 overhead.db.hashtable.lut overhead.db.hashtable.rehashing db.dict.rehashing.count
            overhead.total keys.count keys.bytes-per-key dataset.bytes dataset.percentage peak.percentage allocator.allocated
            allocator.active allocator.resident allocator.muzzy allocator-fragmentation.ratio allocator-fragmentation.bytes
            allocator-rss.ratio allocator-rss.bytes rss-overhead.ratio rss-overhead.bytes fragmentation fragmentation.bytes}] [dict keys $stats]
        assert_equal [r DBSIZE] [dict get $stats keys.count]
        assert_range 0 100 [dict get $stats dataset.percentage]
        with_clients c {
            $c HELLO 3
            assert_equal map [lindex [$c typed MEMORY STATS] 0]
        }
        assert_equal OK [r MEMORY PURGE]
        assert {[string length [r MEMORY MALLOC-STATS]] > 10}
        assert {[string length [r MEMORY DOCTOR]] > 10}
    }

    test "LATENCY keeps the longest command of each second, from a threshold on" {
        assert_equal {{} {}} [list [r LATENCY LATEST] [r LATENCY HISTORY command]]
        assert_match "*not sampled*" [r LATENCY DOCTOR]
        assert_equal "ERR No samples available for event 'command'" [r err LATENCY GRAPH command]
        assert_equal OK [r CONFIG SET latency-monitor-threshold 20]
        r DEBUG SLEEP 0.03
        r DEBUG SLEEP 0.05
        lassign [lindex [r LATENCY LATEST] 0] name time last max
        assert_equal command $name
        assert {$max >= 50 && $last >= 30}
        assert_range [expr {[clock seconds] - 100}] [clock seconds] $time
        assert_equal [list $time $last] [lindex [r LATENCY HISTORY COMMAND] end]
        assert_match "command - high * ms, low * ms (all time high $max ms)\n---*" [r LATENCY GRAPH command]
        assert_match "command: * seconds with samples*" [r LATENCY DOCTOR]
        assert_equal {0 1 0} [list [r LATENCY RESET other] [r LATENCY RESET command] [r LATENCY RESET]]
        assert_equal {} [r LATENCY LATEST]
    }
}
