# DUMP, RESTORE, COPY: new keys that are as the original was.

# What there is of a stream but for what makes its events new: event ids and sequences.
proc content {key} {
    lmap e [field [r ESCAN $key - +] events] {
        lmap f {stream_version timestamp event_name payload metadata entry_id correlation_id causation_id aggregate_id} {
            expr {[dict exists $e $f] ? [list $f [dict get $e $f]] : [list]}
        }
    }
}
proc event_ids {key} { lmap e [field [r ESCAN $key - +] events] { dict get $e event_id } }
proc flip {bytes at} { string replace $bytes $at $at [format %c [expr {[scan [string index $bytes $at] %c] ^ 1}]] }

# DUMP, without what Redis reads of it: that has the events' ids in it.
proc ours {dump} { string range $dump [string first CairnDmp $dump] end-10 }
proc dump_of {key} { ours [r DUMP $key] }

# Redis' CRC-64 behind the bytes.
proc with_crc {bytes} {
    set crc 0
    binary scan $bytes cu* all
    foreach byte $all {
        set crc [expr {$crc ^ $byte}]
        for {set i 0} {$i < 8} {incr i} { set crc [expr {$crc & 1 ? ($crc >> 1) ^ 0x95ac9329ac4bc9b5 : $crc >> 1}] }
    }
    return $bytes[binary format w $crc]
}

with_server {} {
    test "A string is restored as it was dumped" {
        foreach value [list "" v "a\0b\r\n\xff" [string repeat x 100000]] {
            r SET s $value
            set dump [r DUMP s]
            r DEL s
            assert_equal OK [r RESTORE s 0 $dump]
            assert_equal $value [r GET s]
        }
        assert_equal "null" [lindex [r typed DUMP none] 0]
    }

    test "A stream of both kinds of events is restored: new events with the old contents and entry ids" {
        r XADD mixed 5-1 a 1 type order.made
        r EAPPEND mixed Paid PAYLOAD "{\"a\":1}" METADATA m TIMESTAMP 1700000000000 CORRELATION [uuid] CAUSATION [uuid] AGGREGATE agg-1 EVENT_ID [uuid] PARTITION_KEY [uuid]
        r EAPPEND mixed Plain
        set before [content mixed]
        set ids [event_ids mixed]
        set entries [llength [r XRANGE mixed - +]]
        set dump [r DUMP mixed]
        r DEL mixed
        assert_equal OK [r RESTORE mixed 0 $dump]
        assert_equal $before [content mixed]
        foreach id [event_ids mixed] { assert {$id ni $ids} }
        assert_equal $entries [llength [r XRANGE mixed - +]]
        assert_equal {5-1 {a 1 type order.made}} [lindex [r XRANGE mixed 5-1 5-1] 0]
        set key [lmap e [field [r ESCAN mixed - +] events] { dict get $e partition_key }]
        assert {[lindex $key 0] ne [lindex $key 1]}
        srv crash
        assert_equal $before [content mixed]
        r ESYNC
        srv restart
        assert_equal $before [content mixed]
        foreach id [event_ids mixed] { assert_equal $id [field [r EGET $id] event_id] }
    }

    test "What Redis reads of a dump are the entries that XRANGE shows" {
        set ids [list CORRELATION [uuid] CAUSATION [uuid] AGGREGATE agg-1]
        foreach options [list {} $ids [list METADATA m {*}$ids] [lrange $ids 2 3]] { r EAPPEND shown T PAYLOAD p {*}$options }
        r XADD shown * a 1
        set dump [r DUMP shown]
        set value [string range $dump 0 [string first CairnDmp $dump]-1]
        assert_equal OK [r RESTORE by-redis 0 [with_crc $value[string range $dump end-9 end-8]]]
        assert_equal [r XRANGE shown - +] [r XRANGE by-redis - +]
    }

    test "Versions count from 0 without holes; what was erased stays erased" {
        append_events r holes 6
        set id [lindex [event_ids holes] 4]
        r EERASE $id
        r XDEL holes [lindex [r XRANGE holes - + COUNT 1] 0 0] [lindex [r XRANGE holes - + COUNT 3] 2 0]
        r ETRUNCATE holes BEFORE 2
        set before [r XRANGE holes - +]
        assert_equal {3 4 5} [page_versions [r ESCAN holes - +]]
        assert_equal 1 [r COPY holes whole]
        assert_equal {0 1 2} [page_versions [r ESCAN whole - +]]
        assert_equal [lmap e $before {lindex $e 0}] [lmap e [r XRANGE whole - +] {lindex $e 0}]
        assert_equal [field [lindex [field [r ESCAN holes - +] events] 1] erased] [field [lindex [field [r ESCAN whole - +] events] 1] erased]
        assert_equal "" [field [lindex [field [r ESCAN whole - +] events] 1] payload]
        assert_equal 3 [field [r EAPPEND whole t] stream_version]
        srv crash
        assert_equal {0 1 2 3} [page_versions [r ESCAN whole - +]]
        assert_equal "" [field [lindex [field [r ESCAN whole - +] events] 1] payload]
    }

    test "The last id goes along, also of a stream that is empty" {
        r XADD gone 7-7 a b
        r XDEL gone 7-7
        r RESTORE back 0 [r DUMP gone]
        assert_equal {stream 0} [list [r TYPE back] [r XLEN back]]
        assert_match "ERR The ID specified in XADD is equal or smaller*" [r err XADD back 7-7 a b]
        assert_equal 7-8 [r XADD back 7-* a b]
        srv restart
        assert_equal {{7-8 {a b}}} [r XRANGE back - +]
        r XADD ahead 1-1 a b
        r XSETID ahead 9-9 ENTRIESADDED 40 MAXDELETEDID 8-8
        assert_equal 1 [r COPY ahead ahead2]
        assert_match "ERR The ID specified in XADD is equal or smaller*" [r err XADD ahead2 9-9 a b]
        assert_match "ERR The ID specified in XSETID is smaller than current max_deleted_entry_id" [r err XSETID ahead2 8-7]
        assert_match "ERR The entries_added specified in XSETID is smaller*" [r err XSETID ahead2 9-9 ENTRIESADDED 0]
        assert_equal [dump_of ahead] [dump_of ahead2]
    }

    test "A copy's dump is the original's, from memory and from disk" {
        append_events r long 3000
        for {set i 0} {$i < 500} {incr i} { r XADD long * n $i }
        assert_equal 1 [r COPY long long2]
        assert_equal [dump_of long] [dump_of long2]
        r ESYNC
        srv restart
        assert_equal [dump_of long] [dump_of long2]
        assert_equal 1 [r COPY long2 long3]
        assert_equal [dump_of long] [dump_of long3]
        assert_equal 3499 [r ESVER long3]
    }

    test "RESTORE replaces only when told to" {
        r SET a 1
        append_events r b 2
        set string [r DUMP a]
        set stream [r DUMP b]
        assert_equal "BUSYKEY Target key name already exists." [r err RESTORE b 0 $string]
        assert_equal "BUSYKEY Target key name already exists." [r err RESTORE b bad bad]
        assert_equal OK [r RESTORE b 0 $string REPLACE]
        assert_equal 1 [r GET b]
        assert_equal OK [r RESTORE a 0 $stream replace]
        assert_equal {stream {0 1}} [list [r TYPE a] [page_versions [r ESCAN a - +]]]
        assert_equal OK [r RESTORE a 0 $stream REPLACE]
        assert_equal {0 1} [page_versions [r ESCAN a - +]]
    }

    test "RESTORE takes a deadline, and replies to bad arguments as Valkey does" {
        r SET t v
        set dump [r DUMP t]
        assert_equal OK [r RESTORE t1 1000000 $dump]
        assert_range 1 1000000 [r PTTL t1]
        set at [expr {[clock milliseconds] + 500000}]
        assert_equal OK [r RESTORE t2 $at $dump ABSTTL IDLETIME 5]
        assert_equal $at [r PEXPIRETIME t2]
        assert_equal OK [r RESTORE t3 0 $dump FREQ 255 ABSTTL]
        assert_equal -1 [r TTL t3]
        assert_equal {OK 0} [list [r RESTORE t3 1 $dump ABSTTL REPLACE] [r EXISTS t3]]
        foreach {error args} {
            "ERR value is not an integer or out of range" {x @} "ERR Invalid TTL value, must be >= 0" {-1 @}
            "ERR Invalid TTL value, must be >= 0" {9223372036854775807 @} "ERR syntax error" {0 @ FOO} "ERR syntax error" {0 @ IDLETIME}
            "ERR Invalid IDLETIME value, must be >= 0" {0 @ IDLETIME -1} "ERR Invalid FREQ value, must be >= 0 and <= 255" {0 @ FREQ 256}
            "ERR syntax error" {0 @ FREQ 1 IDLETIME 1} "ERR value is not an integer or out of range" {0 @ FREQ x}
        } {
            assert_equal $error [r err RESTORE t4 {*}[lmap a $args {expr {$a eq "@" ? $dump : $a}}]]
        }
        assert_equal 0 [r EXISTS t4]
        assert_match "INVALIDARG*" [r err RESTORE "" 0 $dump]
    }

    test "Bytes that are no dump, or a damaged one, are refused" {
        append_events r whole 2
        set wrong "ERR DUMP payload version or checksum are wrong"
        foreach key {whole t} {
            set dump [r DUMP $key]
            foreach bytes [list "" x [string range $dump 0 end-1] ${dump}x] {
                assert_equal $wrong [r err RESTORE none 0 $bytes]
            }
            for {set i 0} {$i < [string length $dump]} {incr i} { assert_equal $wrong [r err RESTORE none 0 [flip $dump $i]] }
        }
        assert_equal "ERR Bad data format" [r err RESTORE none 0 $dump$dump] ;# its sum happens to be right
        assert_equal 0 [r EXISTS none]
    }

    test "What Valkey 8.1 dumped is restored: entries, groups, consumers, what is pending" {
        # XADD 1001-1 to 1005-1 and 2000-5, XDEL 1002-1, XREADGROUP by ann and bob, XCLAIM, a group h at the end. Packed.
        set dump [binary decode hex {
            15011000000000000003e90000000000000001c3407b40c115c10000002b00050101010201847479706505816e0200200c00002001108a6f72646572
            2e6d6164650b05010501032026e0051503d0600205202c402ee0032c04f2e093040440180003e0062f0584746578740540190004e00619019e7ae014
            00011f05202f03c3e7020420820c856f74686572068166020601ff0547d00543e90143ea010602016743ec0181ffffffffffffffff03000000000000
            03e900000000000000010068e5cf8b0100000700000000000003eb00000000000000013fd39cfea10100000100000000000003ec0000000000000001
            3fd39cfea1010000010203616e6e3fd39cfea10100003fd39cfea10100000200000000000003e9000000000000000100000000000003eb0000000000
            00000103626f623fd39cfea10100003fd39cfea10100000100000000000003ec0000000000000001016847d00581ffffffffffffffff00000b00b520
            db2b1b467afb
        }]
        assert_equal OK [r RESTORE x 0 $dump]
        assert_equal {1001-1 {type order.made n 5}} [lindex [r XRANGE x - +] 0]
        assert_equal {1003-1 {type order.made n 300000}} [lindex [r XRANGE x - +] 1]
        assert_equal [list 1005-1 [list type order.made n [string repeat z 30]]] [lindex [r XRANGE x - +] 3]
        assert_equal {2000-5 {other f}} [lindex [r XRANGE x - +] 4]
        set info [r XINFO STREAM x FULL]
        assert_equal {5 2000-5 1002-1 6} [lmap f {length last-generated-id max-deleted-entry-id entries-added} { dict get $info $f }]
        assert_equal {{g 1004-1 3} {h 2000-5 0}} [lmap g [dict get $info groups] { lmap f {name last-delivered-id pel-count} { dict get $g $f } }]
        assert_equal {{1001-1 ann 7} {1003-1 ann 1} {1004-1 bob 1}} [lmap p [r XPENDING x g - + 9] { list [lindex $p 0] [lindex $p 1] [lindex $p 3] }]
        assert_equal 1795273052991 [dict get [lindex [dict get [lindex [dict get $info groups] 0] consumers] 1] active-time]
        set e [lindex [field [r ESCAN x - +] events] 0]
        assert_equal {0 order.made 1001} [list [dict get $e stream_version] [dict get $e event_name] [dict get $e timestamp]]
        srv crash
        assert_equal [dict remove $info radix-tree-keys radix-tree-nodes] [dict remove [r XINFO STREAM x FULL] radix-tree-keys radix-tree-nodes]
        foreach {hex value} [list 00c30b3c0361626361e02d020162630b0006bf949752488d25 [string repeat abc 20] 00c1d4fe0b00af1b3b50032137a7 -300] {
            assert_equal OK [r RESTORE x 0 [binary decode hex $hex] REPLACE]
            assert_equal $value [r GET x]
        }
    }

    test "A payload whose sum is right and whose value is not is refused as bad data, other versions as such" {
        set bad "ERR Bad data format"
        set wrong "ERR DUMP payload version or checksum are wrong"
        # A string that is longer than what is there; a stream that ends early; a type that Redis does not have.
        foreach {error hex} [list $bad 080101610b00 $bad 0005610b00 $bad 15010b00 $wrong 0001610c00] {
            assert_equal $error [r err RESTORE none 0 [with_crc [binary decode hex $hex]]]
        }
        assert_equal OK [r RESTORE none 0 [with_crc [binary decode hex 0001610a00]]]
        r DEL none
    }

    test "A payload of another type is refused with the type" {
        foreach {what types} {lists {1 10 14 18} sets {2 11 20} "sorted sets" {3 5 12 17} hashes {4 9 13 16} modules {6 7}} {
            foreach type $types {
                set bytes [with_crc [binary format cH* $type 0101610b00]]
                assert_equal "ERR Bad data format: Cairn has no $what" [r err RESTORE none 0 $bytes] $type
            }
        }
        # As redis-server 7.0 dumps them: a list and a set of a and b, a sorted set of a, a hash with the field a.
        foreach {what hex} {
            lists 1201020d0d0000000200816102816202ff0a0068eb0a891341bbb1 sets 0202016101620a00fe642125eb033d0d
            "sorted sets" 110c0c00000002008161020101ff0a00a805ceb8d7a93302 hashes 100d0d0000000200816102816202ff0a00d93c7f0728f0edcc
        } {
            assert_equal "ERR Bad data format: Cairn has no $what" [r err RESTORE none 0 [binary decode hex $hex]] $what
        }
        assert_equal 0 [r EXISTS none]
    }
    test "COPY keeps the deadline, and overwrites only when told to" {
        append_events r from 2
        r PEXPIREAT from 33177117420123
        assert_equal 1 [r COPY from to]
        assert_equal 33177117420123 [r PEXPIRETIME to]
        assert_equal 0 [r COPY from to]
        r PERSIST from
        r EAPPEND from t
        assert_equal {0 1} [list [r COPY from to DB 3] [r COPY from to DB 3 REPLACE]]
        assert_equal {-1 {0 1 2}} [list [r TTL to] [page_versions [r ESCAN to - +]]]
        r SET to v
        assert_equal 1 [r COPY from to REPLACE]
        assert_equal stream [r TYPE to]
        r SET other v
        assert_equal 1 [r COPY other to REPLACE]
        assert_equal v [r GET to]
        assert_equal 0 [r COPY none to REPLACE]
        assert_equal "ERR source and destination objects are the same" [r err COPY to to]
        assert_equal "ERR DB index is out of range" [r err COPY to other DB 16]
        assert_equal "ERR syntax error" [r err COPY to other DB]
    }

    test "In a transaction they are part of it, and are taken back with it" {
        r DEL m1 m2 m3
        append_events r m1 2
        set dump [r DUMP m1]
        r MULTI
        r EAPPEND m1 t
        r COPY m1 m2
        r RESTORE m3 0 $dump
        r RESTORE m1 0 $dump REPLACE
        r DUMP m1
        set reply [r EXEC]
        assert_equal {1 OK OK} [lrange $reply 1 3]
        assert_equal [ours $dump] [ours [lindex $reply 4]]
        foreach {key versions} {m1 {0 1} m2 {0 1 2} m3 {0 1}} { assert_equal $versions [page_versions [r ESCAN $key - +]] }
        set last [r EPSEQ 0]
        r MULTI
        r RESTORE m1 0 [r DUMP m2] REPLACE
        r COPY m2 m4
        r EAPPEND m2 t EXPECTED_VERSION 99
        assert_match "WRONGVER*" [r err EXEC]
        assert_equal [list $last 0 {0 1}] [list [r EPSEQ 0] [r EXISTS m4] [page_versions [r ESCAN m1 - +]]]
        srv restart
        assert_equal [list $last 0 {0 1} [ours $dump]] [list [r EPSEQ 0] [r EXISTS m4] [page_versions [r ESCAN m1 - +]] [dump_of m1]]
    }

    test "Who waits for a stream is served by what is restored and copied" {
        r XADD src 5-5 a b
        set dump [r DUMP src]
        with_clients {waits} {
            foreach command [list [list RESTORE wait 0 $dump] [list COPY src wait]] {
                r DEL wait
                $waits send XREAD BLOCK 60000 STREAMS wait 0
                wait_for "the reader to wait" { [string match "*blocked_clients:1*" [r INFO clients]] }
                r {*}$command
                assert_equal {wait {{5-5 {a b}}}} [lindex [$waits read] 0]
            }
        }
    }
}

with_server {journal-segment-bytes 1mb proto-max-bulk-len 4mb max-event-bytes 500kb} {
    test "What does not fit into a frame, or into a reply, is TOOLARGE and changes nothing" {
        skip unless journal "frames of a MB"
        for {set i 0} {$i < 3} {incr i} { r EAPPEND big t PAYLOAD [string repeat x 300000] }
        r SET to old
        set dump [r DUMP big]
        assert_equal 1 [r COPY big copy]
        r EAPPEND big t PAYLOAD [string repeat x 300000]
        assert_match "TOOLARGE the * takes * bytes*journal-segment-bytes)" [r err COPY big to REPLACE]
        set large [r DUMP big]
        assert_match "TOOLARGE the key takes more than * bytes, which is the limit (one frame, journal-segment-bytes)" [r err RESTORE to 0 $large REPLACE]
        assert_equal old [r GET to]
        assert_equal OK [r RESTORE to 0 $dump REPLACE]
        for {set i 0} {$i < 4} {incr i} { r EAPPEND big t PAYLOAD [string repeat x 300000] }
        assert_match "TOOLARGE the dump takes more than 4194304 bytes, which is the limit (proto-max-bulk-len*" [r err DUMP big]
        r ESYNC
        srv restart
        assert_match "TOOLARGE the dump takes more than 4194304 bytes, which is the limit (proto-max-bulk-len*" [r err DUMP big]
        assert_equal [list [ours $dump] [ours $dump]] [list [dump_of copy] [dump_of to]]
    }
}

with_server {protected-streams "order-*"} {
    test "A protected stream is neither replaced nor given a deadline" {
        r EAPPEND order-1 t
        r SET s v
        set dump [r DUMP s]
        foreach command [list [list RESTORE order-1 0 $dump REPLACE] [list RESTORE order-2 100 $dump] {COPY s order-1 REPLACE}] {
            assert_match "PROTECTED*" [r err {*}$command]
        }
        assert_equal OK [r RESTORE order-2 0 $dump]
        assert_equal 1 [r COPY order-1 order-3]
        r EXPIRE s 1000
        assert_match "PROTECTED*" [r err COPY s order-4]
        assert_equal {1 1 1 0} [list [r EXISTS order-1] [r EXISTS order-2] [r EXISTS order-3] [r EXISTS order-4]]
    }
}
