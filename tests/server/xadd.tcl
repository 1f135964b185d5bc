# XADD, XLEN, XTRIM, XDEL, XDELEX, XSETID: what Valkey's suite does not look at, and what is ours. (redis-compat/suite
# runs Valkey's own tests of these commands.)

# The ids of a stream's entries.
proc ids {stream} {
    set ids {}
    foreach entry [r XRANGE $stream - +] { lappend ids [lindex $entry 0] }
    return $ids
}
# Adds entries 1-0 to n-0.
proc add_entries {stream n} {
    set commands {}
    for {set i 1} {$i <= $n} {incr i} { lappend commands [list XADD $stream $i-0 n $i] }
    pipeline [srv default_client] $commands
}

with_server {enable-flush yes} {
    test "An id is a bulk string, in RESP2 and in RESP3" {
        foreach resp {2 3} {
            with_clients c {
                $c HELLO $resp
                assert_equal "\$3\r\n7-$resp\r\n" [$c raw XADD ids 7-$resp f v]
                assert_equal "*1\r\n*2\r\n\$3\r\n7-$resp\r\n*2\r\n\$1\r\nf\r\n\$1\r\nv\r\n" [$c raw XRANGE ids 7-$resp +]
            }
        }
    }
    test "Ids of all lengths are written as they are" {
        foreach id {0-1 1-0 12-345 123456-7 1234567890123-0 1234567890123-123456 18446744073709551615-18446744073709551614} {
            assert_equal $id [r XADD lengths $id f v]
        }
        assert_equal 7 [llength [ids lengths]]
        foreach id [ids lengths] { assert_equal $id [lindex [r XRANGE lengths $id $id] 0 0] }
    }
    test "Ids that the server makes ascend over all streams" {
        set last {0 0}
        for {set i 0} {$i < 200} {incr i} {
            set id [split [r XADD auto-[expr {$i % 7}] * f v] -]
            assert {[lindex $id 0] > [lindex $last 0] ||
                ([lindex $id 0] == [lindex $last 0] && [lindex $id 1] > [lindex $last 1])} "$id after $last"
            set last $id
        }
    }
    test "Fields keep their order, their bytes and their repeated names" {
        set bytes [binary format H* 000d0a24ff]
        r XADD fields 1-0 a 1 b "" a 2 $bytes $bytes "" empty
        assert_equal [list [list 1-0 [list a 1 b "" a 2 $bytes $bytes "" empty]]] [r XRANGE fields - +]
        srv restart
        assert_equal [list [list 1-0 [list a 1 b "" a 2 $bytes $bytes "" empty]]] [r XRANGE fields - +]
    }
    test "An entry is an event: ESCAN shows its fields as JSON, its field `type` as the type" {
        r XADD faces 5-0 type order.created amount 7
        set event [lindex [field [r ESCAN faces - +] events] 0]
        assert_equal order.created [field $event event_name]
        assert_equal {{"type":"order.created","amount":"7"}} [field $event payload]
        assert_equal 5-0 [field $event entry_id]
    }
    test "An event is an entry: its fields are event_id, type, version, payload and metadata" {
        set id [uuid]
        set entry_id [field [r EAPPEND mixed T EVENT_ID $id PAYLOAD p] entry_id]
        assert_equal [list [list $entry_id [list event_id $id type T version 0 payload p]]] [r XRANGE mixed - +]
        r EAPPEND mixed U PAYLOAD q METADATA m
        assert_equal {type U version 1 payload q metadata m} [lrange [lindex [r XRANGE mixed - +] 1 1] 2 end]
        assert_equal 2 [r XLEN mixed]
        set third [r XADD mixed * f v]
        assert_equal 2 [r ESVER mixed]
        assert_equal [list $third {f v}] [lindex [r XREVRANGE mixed + - COUNT 1] 0]
    }
    test "Its correlation, causation and aggregate ids stand behind, when it has them, for every reader" {
        set corr [uuid]; set caus [uuid]
        set ids [list CORRELATION $corr CAUSATION $caus AGGREGATE agg-1]
        set shown [list correlation_id $corr causation_id $caus aggregate_id agg-1]
        set want {}
        foreach {options more} [list {} {} $ids $shown [list METADATA m {*}$ids] [list metadata m {*}$shown] \
            [lrange $ids 0 1] [lrange $shown 0 1] [lrange $ids 2 3] [lrange $shown 2 3] [list METADATA m {*}[lrange $ids 4 5]] [list metadata m {*}[lrange $shown 4 5]]] {
            set e [r EAPPEND linked T PAYLOAD p {*}$options]
            lappend want [list [field $e entry_id] [list event_id [field $e event_id] type T version [llength $want] payload p {*}$more]]
        }
        lappend want [list [r XADD linked * f v] {f v}]
        set ids [lmap e $want {lindex $e 0}]
        r XGROUP CREATE linked g 0
        with_clients {a b} {
            $b HELLO 3
            foreach c {a b} {
                set c [set $c]
                assert_equal $want [$c XRANGE linked - +]
                assert_equal [lreverse $want] [$c XREVRANGE linked + -]
                assert_equal $want [lindex [$c XREAD STREAMS linked 0] [expr {$c eq $a ? "0 1" : 1}]]
                assert_equal $want [lindex [$c XREADGROUP GROUP g $c STREAMS linked [expr {$c eq $a ? ">" : 0}]] [expr {$c eq $a ? "0 1" : 1}]]
                set other [expr {$c eq $a ? $b : $a}]
                assert_equal $want [$c XCLAIM linked g $other 0 {*}$ids]
                assert_equal $want [lindex [$c XAUTOCLAIM linked g $other 0 - COUNT 100] 1]
                assert_equal $want [lmap e [lindex [$c XREADGROUP GROUP g $other CLAIM 0 COUNT 100 STREAMS linked >] [expr {$c eq $a ? "0 1" : 1}]] {lrange $e 0 1}]
            }
        }
        assert_equal [lindex $want 0] [dict get [r XINFO STREAM linked] first-entry]
        assert_equal $want [dict get [r XINFO STREAM linked FULL COUNT 0] entries]
        # MAXSIZE counts what is sent: all but the last byte is one entry less.
        set size 0
        foreach e $want { foreach word [lindex $e 1] { incr size [string length $word] } }
        assert_equal $want [lindex [r XREADGROUP GROUP g $a MAXSIZE $size STREAMS linked 0] 0 1]
        assert_equal [lrange $want 0 end-1] [lindex [r XREADGROUP GROUP g $a MAXSIZE [expr {$size - 1}] STREAMS linked 0] 0 1]
        srv restart
        assert_equal $want [r XRANGE linked - +]
        # An erased one keeps what says whose it is.
        r EERASE [lindex $want 2 1 1]
        assert_equal [list payload "" {*}$shown] [lrange [lindex [r XRANGE linked - +] 2 1] 6 end]
    }
    test "An append after an explicit id goes on above it" {
        r XADD above 99999999999999-5 f v
        r EAPPEND above T
        assert_equal 99999999999999-6 [lindex [r XRANGE above - +] 1 0]
    }
    test "An entry that is too large is refused whole" {
        r CONFIG SET max-event-bytes 1mb
        assert_error "TOOLARGE*max-event-bytes*" {r XADD large * f [string repeat x 1048577]}
        assert_equal 0 [r XLEN large]
        r XADD large 1-0 f [string repeat x 1000000]
        assert_equal 1 [r XLEN large]
        r CONFIG SET max-event-bytes 8mb
    }
    test "Names that no stream can have are refused" {
        assert_error INVALIDARG* {r XADD "" * f v}
        assert_error INVALIDARG* {r XADD "a\nb" * f v}
        assert_error INVALIDARG* {r XADD [string repeat x 513] * f v}
    }

    test "MAXLEN and MINID trim what a restart finds trimmed" {
        add_entries trimmed 50
        assert_equal 51-0 [r XADD trimmed MAXLEN 10 51-0 n 51]
        assert_equal 10 [r XLEN trimmed]
        assert_equal 3 [r XTRIM trimmed MINID 45]
        srv crash
        assert_equal {45-0 46-0 47-0 48-0 49-0 50-0 51-0} [ids trimmed]
        assert_equal 7 [r XLEN trimmed]
        assert_equal 50 [r ESVER trimmed]
    }
    test "MINID above everything takes the entry being added, too" {
        add_entries minid 3
        assert_equal 4-0 [r XADD minid MINID 9 4-0 n 4]
        assert_equal 0 [r XLEN minid]
        assert_equal 5-0 [r XADD minid MINID 5 5-0 n 5]
        assert_equal {5-0} [ids minid]
        assert_error "ERR The ID specified in XADD is equal or smaller*" {r XADD minid 3-0 n 3}
    }
    test "~ trims whole nodes of stream-node-max-entries versions, within LIMIT" {
        r CONFIG SET stream-node-max-entries 10
        add_entries nodes 35
        assert_equal 20 [r XTRIM nodes MAXLEN ~ 15]
        assert_equal 0 [r XTRIM nodes MAXLEN ~ 6]
        assert_equal 10 [r XTRIM nodes MAXLEN ~ 5]
        assert_equal 5 [r XTRIM nodes MAXLEN ~ 0]
        add_entries more 40
        assert_equal 0 [r XTRIM more MAXLEN ~ 0 LIMIT 9]
        assert_equal 20 [r XTRIM more MAXLEN ~ 0 LIMIT 29]
        assert_equal 0 [r XTRIM more MINID ~ 30-0]
        assert_equal 10 [r XTRIM more MINID ~ 31-0]
        assert_equal 10 [r XTRIM more MINID ~ 99-0 LIMIT 0]
        r CONFIG SET stream-node-max-entries 100
    }
    test "Holes count as what they are: nothing" {
        r CONFIG SET stream-node-max-entries 10
        add_entries holes 30
        assert_equal 9 [r XDEL holes 2-0 3-0 4-0 5-0 6-0 7-0 8-0 9-0 10-0]
        assert_equal 21 [r XLEN holes]
        assert_equal 1 [r XTRIM holes MAXLEN ~ 11 LIMIT 9]
        assert_equal 3 [r XTRIM holes MAXLEN 17]
        assert_equal 14-0 [lindex [ids holes] 0]
        r CONFIG SET stream-node-max-entries 100
    }
    test "XDEL counts each entry once and leaves a hole in the versions" {
        add_entries gone 5
        assert_equal 2 [r XDEL gone 2-0 4-0 2-0 9-9]
        assert_equal 0 [r XDEL gone 2-0]
        assert_equal {1-0 3-0 5-0} [ids gone]
        assert_equal {0 2 4} [page_versions [r ESCAN gone - +]]
        srv restart
        assert_equal {1-0 3-0 5-0} [ids gone]
        assert_equal 3 [r XDEL gone 1-0 3-0 5-0]
        assert_equal 0 [r XLEN gone]
        assert_error "ERR The ID specified in XADD is equal or smaller*" {r XADD gone 5-0 f v}
        assert_equal 6-0 [r XADD gone 6-0 f v]
        assert_equal 5 [r ESVER gone]
    }
    test "XDELEX says for each id what became of it" {
        add_entries ex 4
        assert_equal {1 -1 -1} [r XDELEX ex IDS 3 1-0 9-0 1-0]
        assert_equal {1 1} [r XDELEX ex ACKED IDS 2 2-0 3-0]
        assert_equal {-1 -1} [r XDELEX nosuch IDS 2 1-0 2-0]
        assert_equal {4-0} [ids ex]
    }
    test "XDELEX ACKED says of what is gone whether a group still has it" {
        add_entries refs 3
        r XGROUP CREATE refs g 0
        r XREADGROUP GROUP g c STREAMS refs >
        assert_equal 2 [r XDEL refs 1-0 2-0]
        r XACK refs g 2-0
        assert_equal {2 -1 2 2} [r XDELEX refs ACKED IDS 4 1-0 2-0 3-0 1-0]
        # As in Redis an id that the group has not come to counts as one that it still has.
        assert_equal {2} [r XDELEX refs ACKED IDS 1 9-0]
        assert_equal {-1 1} [r XDELEX refs DELREF IDS 2 1-0 3-0]
        assert_equal 0 [lindex [r XPENDING refs g] 0]
    }
    test "DELREF of a trim takes along what was removed before and is still pending" {
        # Redis left it pending; what stands behind the trimmed range stays.
        foreach {name trim left} {
            len {XTRIM KEY MAXLEN 2 DELREF} {4-0 5-0 6-0} all {XTRIM KEY MAXLEN 0 DELREF} {}
            id {XTRIM KEY MINID 4 DELREF} {4-0 5-0 6-0} add {XADD KEY DELREF MAXLEN 3 7-0 f v} {4-0 5-0 6-0}
            none {XTRIM KEY MAXLEN 9 DELREF} {2-0 3-0 4-0 5-0 6-0} keep {XTRIM KEY MAXLEN 2} {1-0 2-0 3-0 4-0 5-0 6-0}
        } {
            set key delref-$name
            add_entries $key 6
            r XGROUP CREATE $key g 0
            r XREADGROUP GROUP g c STREAMS $key >
            # The first, one in the middle, one behind it.
            r XDEL $key 1-0 3-0 5-0
            r {*}[string map [list KEY $key] $trim]
            assert_equal $left [lmap p [r XPENDING $key g - + 10] {lindex $p 0}] $trim
            srv crash
            assert_equal $left [lmap p [r XPENDING $key g - + 10] {lindex $p 0}] $trim
        }
        # Nothing is left to trim, and something to take along.
        add_entries delref-empty 2
        r XGROUP CREATE delref-empty g 0
        r XREADGROUP GROUP g c STREAMS delref-empty >
        r XDEL delref-empty 1-0 2-0
        assert_equal {0 0} [list [r XTRIM delref-empty MAXLEN 0 DELREF] [lindex [r XPENDING delref-empty g] 0]]
        # Restored from a dump, which has no place for what is gone; and then its entries are on disk only.
        foreach {trim left restart} {
            {MAXLEN 1 DELREF} 4-0 0 {MAXLEN 0 DELREF} {} 0 {MAXLEN 1 DELREF} 4-0 1 {MAXLEN 2 DELREF} {3-0 4-0} 1
            {MINID 4 DELREF} 4-0 1 {MAXLEN 3 DELREF} {1-0 2-0 3-0 4-0} 1
        } {
            add_entries delref-dump 4
            r XGROUP CREATE delref-dump g 0
            r XREADGROUP GROUP g c STREAMS delref-dump >
            r XDEL delref-dump 2-0
            set dump [r DUMP delref-dump]
            r RESTORE delref-dump 0 $dump REPLACE
            if {$restart} { srv restart }
            r XTRIM delref-dump {*}$trim
            assert_equal $left [lmap p [r XPENDING delref-dump g - + 10] {lindex $p 0}] $trim
            r DEL delref-dump
        }
    }
    test "A trim with ACKED leaves what is pending, also behind what is pending and gone" {
        add_entries acked 6
        r XGROUP CREATE acked g 0
        r XREADGROUP GROUP g c STREAMS acked >
        r XDEL acked 2-0 3-0
        r XACK acked g 1-0 5-0
        r RESTORE acked-2 0 [r DUMP acked] ;# which does not know where 2-0 and 3-0 were
        foreach key {acked acked-2} {
            # Nothing is undone by a transaction that fails, and then 1-0 is pending once more.
            assert_equal 1 [r XTRIM $key MINID 4 ACKED]
            r MULTI
            r XDEL $key 4-0
            r XTRIM $key MAXLEN 0 ACKED
            r EAPPEND other t EXPECTED_VERSION 9
            assert_match "WRONGVER *" [r err EXEC]
            assert_equal {4-0 5-0 6-0} [lmap e [r XRANGE $key - +] {lindex $e 0}]
            r XACK $key g 4-0
            r XCLAIM $key g c 0 4-0 FORCE
            assert_equal 1 [r XTRIM $key MAXLEN 0 ACKED]
            assert_equal {4-0 6-0} [lmap e [r XRANGE $key - +] {lindex $e 0}]
        }
    }
    test "XADD with ACKED takes what is acknowledged among very many that are pending, some with each" {
        set commands {}
        for {set i 1} {$i <= 3000} {incr i} { lappend commands [list XADD swept $i-0 n $i] }
        pipeline [srv default_client] [list {*}$commands {XGROUP CREATE swept g 0} {XREADGROUP GROUP g c COUNT 3000 STREAMS swept >}]
        proc add_some {n args} { for {set i 0} {$i < $n} {incr i} { r XADD swept ACKED {*}$args * n x } }
        add_some 4 MAXLEN 10
        assert_equal 3004 [r XLEN swept]
        # In any order, before and behind where the last one has come to.
        foreach id {2500 700 1500 1501 20} { r XACK swept g $id-0 }
        add_some 7 MAXLEN 10
        assert_equal 3006 [r XLEN swept]
        assert_equal {{} {} {} {} {} 699-0} [lmap id {2500 700 1500 1501 20 699} { lindex [r XRANGE swept $id-0 $id-0] 0 0 }]
        r XACK swept g 2999-0 1000-0 30-0
        add_some 1 MAXLEN 3006
        add_some 6 MAXLEN 3009
        assert_equal 3010 [r XLEN swept]
        # Another group, which goes again.
        r XGROUP CREATE swept h 0
        r XREADGROUP GROUP h c COUNT 5000 STREAMS swept >
        r XACK swept g 500-0 600-0
        add_some 8 MAXLEN 10
        assert_equal 3018 [r XLEN swept]
        r XGROUP DESTROY swept h
        add_some 8 MAXLEN 10
        assert_equal {} [concat [r XRANGE swept 500-0 500-0] [r XRANGE swept 600-0 600-0]]
        assert_equal [lindex [r XPENDING swept g] 0] [llength [r XRANGE swept - 3000-0]]
    }
    test "XDELEX refuses what it does not understand" {
        assert_error "ERR syntax error" {r XDELEX ex ACKED 1-0 2-0}
        assert_error "ERR syntax error" {r XDELEX ex KEEPREF DELREF IDS 1 1-0}
        assert_error "ERR syntax error" {r XDELEX ex IDS 1 1-0 2-0}
        assert_error "ERR Number of IDs must be a positive integer" {r XDELEX ex IDS 0 1-0}
        assert_error "ERR The `numids` parameter must match*" {r XDELEX ex IDS 99999999999 1-0}
        assert_error "ERR Invalid stream ID*" {r XDELEX ex IDS 1 x}
    }
    test "XSETID moves the last id, which survives" {
        r XADD setid 5-0 f v
        assert_equal OK [r XSETID setid 200-3 ENTRIESADDED 77 MAXDELETEDID 100-0]
        srv restart
        assert_error "ERR The ID specified in XADD is equal or smaller*" {r XADD setid 200-3 f v}
        assert_equal 200-4 [r XADD setid 200-* f v]
        assert_error "ERR The ID specified in XSETID is smaller than the target stream top item" {r XSETID setid 100-1}
    }
    test "Streams that protected-streams names keep what they have" {
        r CONFIG SET protected-streams "order-*"
        add_entries order-1 3
        foreach command {{XDEL order-1 1-0} {XDELEX order-1 IDS 1 1-0} {XTRIM order-1 MAXLEN 0}
                {XADD order-1 MAXLEN 0 * f v}} {
            assert_error PROTECTED* {r {*}$command}
        }
        assert_equal {1-0 2-0 3-0} [ids order-1]
        r CONFIG SET protected-streams ""
    }

    test "The same message of a producer is added once" {
        set id [r XADD idmp IDMP p1 m1 * f 1]
        assert_equal $id [r XADD idmp IDMP p1 m1 * f other]
        assert {[r XADD idmp IDMP p2 m1 * f 1] ne $id} "producers know nothing of each other"
        assert_equal 2 [r XLEN idmp]
        srv crash
        assert_equal $id [r XADD idmp IDMP p1 m1 * f 1]
        assert_equal 2 [r XLEN idmp]
    }
    test "IDMPAUTO tells messages apart by their fields, in any order" {
        set id [r XADD auto IDMPAUTO p * a 1 b 2]
        assert_equal $id [r XADD auto IDMPAUTO p * b 2 a 1]
        assert {[r XADD auto IDMPAUTO p * a 2 b 1] ne $id}
        assert {[r XADD auto IDMPAUTO p * a 1 b 2 c 3] ne $id}
        assert_equal 3 [r XLEN auto]
    }
    test "Long producers and long ids are told apart, too" {
        set x [string repeat x 70000]
        set id [r XADD long IDMP $x $x * f 1]
        assert_equal $id [r XADD long IDMP $x $x * f 1]
        assert {[r XADD long IDMP $x ${x}y * f 1] ne $id}
        assert_equal 2 [r XLEN long]
    }
    test "A producer's oldest ids are forgotten beyond stream-idmp-maxsize" {
        r CONFIG SET stream-idmp-maxsize 3
        foreach m {1 2 3 4} { set id$m [r XADD max IDMP p $m * m $m] }
        assert_equal $id4 [r XADD max IDMP p 4 * m 4]
        assert_equal $id2 [r XADD max IDMP p 2 * m 2]
        assert {[r XADD max IDMP p 1 * m 1] ne $id1} "it is beyond the three that are remembered"
        r CONFIG SET stream-idmp-maxsize 100
    }
    test "IDMP is only for ids that the server makes, and said once" {
        assert_error "ERR IDMP/IDMPAUTO can be used only with auto-generated IDs" {r XADD e IDMP p i 1-1 f v}
        assert_error "ERR IDMP/IDMPAUTO can be used only with auto-generated IDs" {r XADD e IDMPAUTO p 1-* f v}
        assert_error "ERR IDMP/IDMPAUTO specified multiple times" {r XADD e IDMPAUTO p IDMP p i * f v}
        assert_error "ERR IDMP requires a non-empty producer ID" {r XADD e IDMP "" i * f v}
        assert_error "ERR IDMP requires a non-empty idempotent ID" {r XADD e IDMP p "" * f v}
        assert_error "ERR IDMPAUTO requires a non-empty producer ID" {r XADD e IDMPAUTO "" * f v}
        assert_error "ERR Invalid stream ID*" {r XADD e IDMP p * f v}
    }
    test "Options of XADD stand in any order" {
        r XADD order 1-0 f v
        assert_equal 2-0 [r XADD order KEEPREF MAXLEN ~ 5 LIMIT 3 NOMKSTREAM 2-0 f v]
        assert_equal {} [r XADD none LIMIT 3 NOMKSTREAM MAXLEN ~ 5 DELREF * f v]
        assert_error "ERR syntax error" {r XADD order KEEPREF ACKED * f v}
    }
}
