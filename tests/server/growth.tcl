# Large things: what is kept in portions, bounded or in no order is still what the commands say it is. What it costs,
# bench/instructions counts and bench/long measures.

proc many {n portion command} {
    set all {}
    for {set i 0} {$i < $n} {incr i} {
        lappend all [eval $command]
        if {[llength $all] == $portion || $i == $n - 1} {
            foreach reply [pipeline [srv default_client] $all] {
                if {[lindex $reply 0] eq "error"} { error $reply }
            }
            set all {}
        }
    }
}
proc cache_entries {} { return [info_field r entries cache] }

with_server {} {
    test "Who waits in ESYNC is run again when it is due, not with each batch that becomes durable" {
        set hold [hold_database [srv db]]
        r EAPPEND a t
        with_clients {a b c d e f g h i j} {
            foreach client {a b c d e f g h i j} { [set $client] send ESYNC }
            wait_for "all of them to wait" { [info_field r blocked_clients clients] == 10 }
            set before [info_field r resumed_commands stats]
            for {set k 0} {$k < 20} {incr k} { r EAPPEND a t }
            assert_equal $before [info_field r resumed_commands stats]
            release_database $hold
            foreach client {a b c d e f g h i j} { assert_equal OK [[set $client] read] }
        }
        assert_equal [expr {$before + 10}] [info_field r resumed_commands stats]
    }
    test "Of those in ESYNC that one comes to its end whose time is up" {
        set hold [hold_database [srv db]]
        r EAPPEND a t
        with_clients {a b} {
            $a send ESYNC
            wait_for "it waits" { [info_field r blocked_clients clients] == 1 }
            assert_error "TIMEOUT*" {$b ESYNC 1}
            assert [$a silent]
            release_database $hold
            assert_equal OK [$a read]
        }
    }
}

with_server {} {
    test "A group with thousands of pending entries is the same after a restart, whatever the order of their times" {
        many 9000 1000 { list XADD s [expr {$i + 1}]-1 v x }
        r XGROUP CREATE s g 0
        r XREADGROUP GROUP g first COUNT 9000 STREAMS s >
        many 8000 1000 { list XCLAIM s g c[expr {$i % 7}] 0 [expr {$i * 7919 % 9000 + 1}]-1 IDLE [expr {$i * 7717 % 5000 * 1000}] JUSTID }
        foreach id {77-1 5-1 4000-1} { r XNACK s g FAIL IDS 1 $id }
        set before [r XPENDING s g]
        set counts [lmap e [r XPENDING s g - + 9000] { list [lindex $e 0] [lindex $e 1] [lindex $e 3] }]
        srv restart
        assert_equal $before [r XPENDING s g]
        assert_equal $counts [lmap e [r XPENDING s g - + 9000] { list [lindex $e 0] [lindex $e 1] [lindex $e 3] }]
        # Those without an owner as they were handed back, then the longest idle.
        set claimed [lindex [r XREADGROUP GROUP g last COUNT 5 CLAIM 0 STREAMS s >] 0 1]
        assert_equal {77-1 5-1 4000-1} [lmap e [lrange $claimed 0 2] { lindex $e 0 }]
        set idle [lmap e [lrange $claimed 3 end] { lindex $e 2 }]
        assert {[lindex $idle 0] >= [lindex $idle 1] && [lindex $idle 1] > 4990000}
    }
    test "Everybody who asks for a large stream while it is loaded gets it" {
        srv restart
        with_clients {a b c} {
            $a send XPENDING s g
            $b send XLEN s
            $c send XREADGROUP GROUP g other COUNT 1 STREAMS s 0
            assert_equal 9000 [lindex [$a read] 0]
            assert_equal 9000 [$b read]
            $c read
        }
    }
    test "A server that is stopped while it loads a large stream stops in order" {
        srv restart
        with_clients {a} {
            $a send XPENDING s g
            srv stop
        }
        srv start
        assert_equal 9000 [lindex [r XPENDING s g] 0]
    }
}

with_server {enable-flush yes} {
    test "A stream that is being loaded while everything is flushed does not exist" {
        many 9000 1000 { list XADD s [expr {$i + 1}]-1 v x }
        r XGROUP CREATE s g 0
        r XREADGROUP GROUP g c COUNT 9000 STREAMS s >
        srv restart
        with_clients {a b} {
            $a send XLEN s
            $b FLUSHALL
            $a read
        }
        assert_equal 0 [r EXISTS s]
        assert_equal 0 [r XLEN s]
        r XADD s * v x
        assert_equal 1 [r XLEN s]
    }
}

with_server {cache-bytes 8mb} {
    test "Names that do not exist take next to no memory" {
        set before [cache_entries]
        many 5000 1000 { list EXISTS nothing-$i }
        assert_equal $before [cache_entries]
        many 5000 1000 { list DEL nothing-$i }
        assert {[cache_entries] <= $before + 600}
    }
    test "The same when not all streams are in memory, and what is remembered of them holds" {
        r XADD here * v x
        srv restart
        many 5000 1000 { list EXISTS nothing-$i }
        assert {[cache_entries] <= 600}
        assert_equal 0 [r EXISTS nothing-4999]
        r XADD nothing-4999 * v x
        assert_equal {1 1} [list [r EXISTS nothing-4999] [r EXISTS here]]
    }
    test "A watched name that does not exist is not forgotten among others" {
        r WATCH absent
        many 5000 1000 { list DEL gone-$i }
        with_clients {other} { $other XADD absent * v x }
        r MULTI
        r PING
        assert_equal {} [r EXEC]
    }
}

with_server {} {
    test "Consumers and groups are listed in order of their names, however they came and went" {
        r XADD s 1-1 v x
        many 300 100 { list XGROUP CREATE s g[expr {$i * 7919 % 1000}] 0 }
        many 100 100 { list XGROUP DESTROY s g[expr {$i * 3 * 7919 % 1000}] }
        many 300 100 { list XGROUP CREATECONSUMER s g[expr {7919 % 1000}] c[expr {$i * 7919 % 1000}] }
        many 100 100 { list XGROUP DELCONSUMER s g[expr {7919 % 1000}] c[expr {$i * 3 * 7919 % 1000}] }
        foreach again {memory disk} {
            set groups [lmap g [r XINFO GROUPS s] { field $g name }]
            assert_equal 200 [llength $groups] $again
            assert_equal [lsort $groups] $groups $again
            set consumers [lmap c [r XINFO CONSUMERS s g919] { field $c name }]
            assert_equal 200 [llength $consumers] $again
            assert_equal [lsort $consumers] $consumers $again
            r XREADGROUP GROUP g919 [lindex $consumers 7] STREAMS s >
            srv restart
        }
        assert_equal 1 [lindex [r XPENDING s g919] 0]
    }
    test "MAXLEN counts what is there, among thousands of holes" {
        many 6000 1000 { list XADD h [expr {$i + 1}]-1 v x }
        many 3000 1000 { list XDEL h [expr {2 * $i + 1}]-1 }
        assert_equal 3000 [r XLEN h]
        assert_equal 1000 [r XTRIM h MAXLEN 2000]
        assert_equal 2002-1 [lindex [r XRANGE h - + COUNT 1] 0 0]
        r XADD h MAXLEN 1500 6001-1 v x
        assert_equal {1500 3004-1} [list [r XLEN h] [lindex [r XRANGE h - + COUNT 1] 0 0]]
        r MULTI
        r XTRIM h MAXLEN 10
        r XDEL h 6000-1
        r EAPPEND other t EXPECTED_VERSION 5
        catch {r EXEC}
        assert_equal 1500 [r XLEN h]
        srv restart
        assert_equal {1500 3004-1} [list [r XLEN h] [lindex [r XRANGE h - + COUNT 1] 0 0]]
    }
    test "A stream that is read backwards page by page is whole" {
        many 3000 1000 { list XADD back [expr {$i + 1}]-1 v x }
        srv restart
        set seen {}
        for {set end +} {[llength [set page [r XREVRANGE back $end - COUNT 100]]] > 0} {} {
            foreach e $page { lappend seen [lindex $e 0] }
            set end ([lindex $page end 0]
        }
        assert_equal 3000 [llength $seen]
        set again [lmap e [r XREVRANGE back + -] { lindex $e 0 }]
        assert_equal $seen $again
    }
    test "Of many who wait in one group with CLAIM each is told of what was delivered" {
        r XGROUP CREATE claims g 0 MKSTREAM
        with_clients {a b c} {
            foreach client {a b c} { [set $client] send XREADGROUP GROUP g $client BLOCK 0 CLAIM 1 STREAMS claims > }
            wait_for "they wait" { [info_field r blocked_clients clients] == 3 }
            r XADD claims 1-1 v x
            r XADD claims 2-1 v x
            foreach client {a b c} { assert_match {?-1} [lindex [[set $client] read] 0 1 0 0] }
        }
    }
}
# Of the server, in seconds, while body runs.
proc cpu_of {body} {
    set before [cpu_used]
    uplevel 1 $body
    return [expr {[cpu_used] - $before}]
}
proc cpu_used {} { return [expr {[info_field r used_cpu_user cpu] + [info_field r used_cpu_sys cpu]}] }

with_server {cache-bytes 4mb} {
    test "What has to be loaded for one command may be very many things" {
        many 24000 1000 { list XADD cold [expr {$i + 1}]-0 d [string repeat x 100] }
        many 6000 1000 { list XGROUP CREATE cold g$i [expr {3 * $i + 1}]-0 }
        many 3000 1000 { list XADD key-$i 1-0 n $i }
        r ESYNC
        set ids {}
        for {set i 0} {$i < 12000} {incr i} { lappend ids [expr {$i + 6000}]-0 }
        set keys {}
        for {set i 0} {$i < 3000} {incr i} { lappend keys key-$i }
        foreach {command length} [list \
            [list XGROUP STATS cold] 6000 \
            [list XREAD STREAMS {*}$keys {*}[lrepeat 3000 0]] 3000 \
            [list XDELEX cold IDS 12000 {*}$ids] 12000] {
            srv restart
            set cpu [cpu_of { set reply [r {*}$command] }]
            assert_equal $length [llength $reply]
            assert {$cpu < 4 * $::slow} "[lrange $command 0 1] took $cpu s"
        }
    }
}
