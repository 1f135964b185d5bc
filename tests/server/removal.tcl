# Taking away from streams, the E face: ETRUNCATE EERASE EDELETE, and protected-streams.

proc payloads {stream} { return [page_field [r ESCAN $stream - +] payload] }
proc append_numbered {stream n} {
    set ids {}
    for {set i 0} {$i < $n} {incr i} { lappend ids [r EAPPEND $stream t PAYLOAD p$i METADATA m$i] }
    return $ids
}

with_server {} {
    test "ETRUNCATE BEFORE a version removes what is older; the versions stay" {
        append_numbered t-1 10
        assert_equal 4 [r ETRUNCATE t-1 BEFORE 4]
        foreach round {memory disk} {
            assert_equal {4 5 6 7 8 9} [page_versions [r ESCAN t-1 - +]]
            assert_equal {9 8} [page_versions [r ESCAN t-1 - + REV COUNT 2]]
            assert_equal 9 [r ESVER t-1]
            assert_equal 6 [field [r EINFO t-1] events]
            srv restart
        }
        assert_equal 0 [r ETRUNCATE t-1 BEFORE 4]
        assert_equal 0 [r ETRUNCATE t-1 BEFORE 0]
        assert_equal 0 [r ETRUNCATE none BEFORE 4]
        assert_equal 10 [field [r EAPPEND t-1 t EXPECTED_VERSION 9] stream_version]
    }

    test "ETRUNCATE beyond the end empties the stream, which goes on where it was" {
        append_numbered t-2 3
        assert_equal 3 [r ETRUNCATE t-2 BEFORE 1000]
        assert_equal {{} 2 0} [list [page_versions [r ESCAN t-2 - +]] [r ESVER t-2] [field [r EINFO t-2] events]]
        srv crash
        assert_equal 3 [field [r EAPPEND t-2 t EXPECTED_VERSION 2] stream_version]
        assert_equal 3 [page_versions [r ESCAN t-2 - +]]
    }

    test "ETRUNCATE BEFORE ENTRY and BEFORE TIME" {
        foreach place {memory disk} {
            r DEL t-3 t-4
            foreach e [append_numbered t-3 6] { lappend entry_ids($place) [field $e entry_id] }
            for {set i 0} {$i < 5} {incr i} {
                r EAPPEND t-4 t PAYLOAD $i
                after 3
            }
            set times [page_field [r ESCAN t-4 - +] recorded]
            if {$place eq "disk"} { srv restart }
            assert_equal 2 [r ETRUNCATE t-3 BEFORE ENTRY [lindex $entry_ids($place) 2]]
            assert_equal {2 3 4 5} [page_versions [r ESCAN t-3 - +]]
            assert_equal 0 [r ETRUNCATE t-3 BEFORE ENTRY 0-1]
            assert_equal 4 [r ETRUNCATE t-3 BEFORE ENTRY 18446744073709551615-1]
            assert_equal 0 [r ETRUNCATE t-4 BEFORE TIME [lindex $times 0]]
            assert_equal 3 [r ETRUNCATE t-4 BEFORE TIME [lindex $times 3]]
            assert_equal {3 4} [page_versions [r ESCAN t-4 - +]]
            assert_equal 1 [r ETRUNCATE t-4 BEFORE TIME [expr {[lindex $times 3] + 1}]]
            assert_equal 1 [r ETRUNCATE t-4 BEFORE TIME 99999999999999]
        }
    }

    test "ETRUNCATE BEFORE TIME finds its place in a long stream on disk" {
        for {set i 0} {$i < 3000} {incr i} { lappend commands [list EAPPEND long-1 t PAYLOAD $i] }
        pipeline [$::srv default_client] $commands
        set ms [lindex [page_field [r ESCAN long-1 2000 2000] recorded] 0]
        set first [lindex [page_versions [r ESCAN long-1 0 + SINCE $ms COUNT 1]] 0]
        srv restart
        assert_equal $first [r ETRUNCATE long-1 BEFORE TIME $ms]
        assert_equal $first [lindex [page_versions [r ESCAN long-1 0 + COUNT 1]] 0]
    }

    test "ETRUNCATE's mistakes" {
        foreach args {{} {BEFORE} {AFTER 3} {BEFORE 3 4} {BEFORE ENTRY} {BEFORE VERSION 3} {BEFORE TIME 3 4}} {
            assert_match "*" [r err ETRUNCATE t-1 {*}$args]
        }
        assert_equal "INVALIDARG invalid version: 'x' is not a number" [r err ETRUNCATE t-1 BEFORE x]
        assert_equal "INVALIDARG invalid TIME: 'x' is not a time in ms since 1970" [r err ETRUNCATE t-1 BEFORE TIME x]
        assert_equal "INVALIDARG invalid entry id: 'x' is not ms-seq or ms" [r err ETRUNCATE t-1 BEFORE ENTRY x]
        assert_match "INVALIDARG stream id*" [r err ETRUNCATE "" BEFORE 1]
    }

    test "EERASE takes payload and metadata; the event's place stays" {
        set events [append_numbered e-1 3]
        set id [field [lindex $events 1] event_id]
        assert_equal 1 [r EERASE $id]
        assert_equal 0 [r EERASE $id]
        assert_equal 0 [r EERASE [uuid]]
        foreach round {memory disk} {
            assert_equal {p0 {} p2} [payloads e-1]
            set e [r EGET $id]
            assert_equal {{} {} 1 1 t} [list [field $e payload] [field $e metadata] [field $e erased] [field $e stream_version] [field $e event_name]]
            assert {![has_field [r EGET [field [lindex $events 0] event_id]] erased]}
            assert_equal 3 [llength [page_versions [r EPSCAN 0 [field [lindex $events 0] partition_sequence] + STREAM e-1]]]
            srv restart
        }
        assert_match "INVALIDARG invalid event id*" [r err EERASE x]
    }

    test "To the X commands an erased entry is there, without what it said" {
        set entry [r XADD e-x 5-1 type secret-type text secret]
        set appended [field [r EAPPEND e-x t PAYLOAD secret METADATA secret] entry_id]
        set last [r XADD e-x * text kept]
        r XGROUP CREATE e-x g 0
        lassign [lmap e [field [r ESCAN e-x - +] events] {field $e event_id}] first second
        r EERASE $first
        r EERASE $second
        set left [list event_id $second type t version 1 payload {}]
        set all [list [list $entry {}] [list $appended $left] [list $last {text kept}]]
        foreach round {memory disk} {
            assert_equal $all [r XRANGE e-x - +]
            assert_equal "{e-x [list $all]}" [r XREAD STREAMS e-x 0]
            assert_equal 3 [r XLEN e-x]
            assert_equal [list $entry {}] [dict get [r XINFO STREAM e-x] first-entry]
            assert_equal "{e-x [list $all]}" [r XREADGROUP GROUP g c$round STREAMS e-x [expr {$round eq "memory" ? ">" : "0"}]]
            r XCLAIM e-x g cdisk 0 {*}[lmap e $all {lindex $e 0}]
            srv restart
        }
        assert_equal [list [list $entry {}]] [r XCLAIM e-x g d 0 $entry]
    }

    test "An append of an erased event's id is still a repetition of it" {
        set id [uuid]
        r EAPPEND e-2 t EVENT_ID $id PAYLOAD secret
        r EERASE $id
        srv restart
        assert_equal 0 [field [r EAPPEND e-2 t EVENT_ID $id PAYLOAD secret] stream_version]
        assert_match "DUPLICATEID*" [r err EAPPEND e-2 t EVENT_ID $id PAYLOAD other]
    }

    test "An event that is erased before it is applied is erased after a crash" {
        set id [field [r EAPPEND e-3 t PAYLOAD secret] event_id]
        r EERASE $id
        srv crash
        assert_equal {{}} [payloads e-3]
        r ESYNC
        srv restart
        assert_equal {{}} [payloads e-3]
    }

    test "What was truncated or deleted is not erased any more" {
        set ids [lmap e [append_numbered e-4 3] {field $e event_id}]
        r ETRUNCATE e-4 BEFORE 2
        assert_equal {0 0 1} [lmap id $ids {r EERASE $id}]
        r DEL e-4
        assert_equal {0 0 0} [lmap id $ids {r EERASE $id}]
        srv restart
        assert_equal {0 0 0} [lmap id $ids {r EERASE $id}]
    }

    test "EDELETE deletes a stream, if its version is the expected one" {
        append_numbered d-1 3
        assert_match "WRONGVER current stream version is 2 but expected 1 for partition key * and stream id d-1" \
            [r err EDELETE d-1 EXPECTED_VERSION 1]
        assert_match "WRONGVER current stream version is 2 but expected empty*" [r err EDELETE d-1 EXPECTED_VERSION empty]
        assert_equal 1 [r EDELETE d-1 EXPECTED_VERSION 2]
        assert_equal {0 {}} [list [r EXISTS d-1] [r ESVER d-1]]
        assert_equal 0 [r EDELETE d-1]
        assert_equal 0 [r EDELETE d-1 EXPECTED_VERSION empty]
        assert_match "WRONGVER current stream version is empty but expected exists*" [r err EDELETE d-1 EXPECTED_VERSION exists]
        assert_match "WRONGVER current stream version is empty but expected 0*" [r err EDELETE d-1 EXPECTED_VERSION 0]
        append_numbered d-1 1
        assert_equal 1 [r EDELETE d-1 EXPECTED_VERSION any]
        assert_match "INVALIDARG*" [r err EDELETE d-1 EXPECTED_VERSION x]
        assert_match "INVALIDARG*" [r err EDELETE d-1 VERSION 1]
    }

    test "A transaction that is taken back leaves what was removed" {
        set ids [lmap e [append_numbered u-1 5] {field $e event_id}]
        append_numbered u-2 2
        foreach place {memory disk} {
            r MULTI
            r EERASE [lindex $ids 4]
            r ETRUNCATE u-1 BEFORE 2
            r EDELETE u-2
            r EERASE [lindex $ids 3]
            r EAPPEND u-1 t
            r EDELETE u-1 EXPECTED_VERSION 3
            assert_match "WRONGVER command 6 of 6 (edelete): current stream version is 5*" [r err EXEC]
            assert_equal {{p0 p1 p2 p3 p4} {p0 p1}} [list [payloads u-1] [payloads u-2]]
            assert_equal p4 [field [r EGET [lindex $ids 4]] payload]
            if {$place eq "memory"} { srv restart }
        }
        with_clients other {
            r WATCH u-1
            $other MULTI
            $other EERASE [lindex $ids 0]
            $other EAPPEND u-9 t EXPECTED_VERSION 3
            assert_match "WRONGVER*" [$other err EXEC]
            r MULTI
            r PING
            assert_equal PONG [r EXEC]
        }
        r MULTI
        r EERASE [lindex $ids 4]
        r ETRUNCATE u-1 BEFORE 2
        r EDELETE u-2
        assert_equal {1 2 1} [r EXEC]
        assert_equal {{p2 p3 {}} {}} [list [payloads u-1] [payloads u-2]]
        srv crash
        assert_equal {{p2 p3 {}} {}} [list [payloads u-1] [payloads u-2]]
    }
}

with_server {} {
    test "Scans of what is on disk pass over what was removed or erased since, and has_more is exact" {
        set ids [lmap e [append_numbered h-1 12] {field $e entry_id}]
        set erased [field [lindex [field [r ESCAN h-1 1 1] events] 0] event_id]
        srv restart
        set hold [hold_database [srv db]]
        r EERASE $erased
        r XDEL h-1 {*}[lrange $ids 4 end]
        foreach round {disk memory} {
            # Pages of the database begin, end, or consist of nothing but what is gone.
            foreach {from to rev count versions more} {- + {} 4 {0 1 2 3} 0 - + {} 3 {0 1 2} 1 - + REV 2 {3 2} 1 - + REV 4 {3 2 1 0} 0
                    4 + {} 2 {} 0 5 11 REV 3 {} 0 3 + {} 1 3 0} {
                foreach scan {{ESCAN h-1} {EPSCAN 0}} {
                    set page [r {*}$scan $from $to {*}$rev COUNT $count]
                    assert_equal [list $versions $more] [list [page_versions $page] [field $page has_more]] "$scan $from $to $rev COUNT $count"
                }
            }
            assert_equal {p0 {} p2 p3} [payloads h-1]
        }
        release_database $hold
    }
    test "A page is full, however many of what is on disk behind it were removed since" {
        append_numbered full-1 6
        set ids [lmap e [append_numbered full-2 5] {field $e entry_id}]
        srv restart
        set hold [hold_database [srv db]]
        foreach id [lreverse $ids] {
            r XDEL full-2 $id
            foreach count {1 2 3 4} {
                set page [r EPSCAN 0 - + REV COUNT $count]
                assert_equal [list $count 1] [list [llength [field $page events]] [field $page has_more]] "without $id, COUNT $count"
            }
        }
        release_database $hold
    }
}

with_server {protected-streams "order-* ledger"} {
    test "Nothing is taken away from protected streams" {
        set id [field [r EAPPEND order-1 t PAYLOAD x] event_id]
        r EAPPEND ledger t
        r EAPPEND free t
        foreach command {
            {DEL order-1} {DEL free order-1} {UNLINK ledger} {EXPIRE order-1 10} {PEXPIREAT order-1 1} {RENAME free order-1} {RENAME order-1 free2}
            {RENAMENX order-1 free2} {SET ledger x} {COPY a order-1 REPLACE} {ETRUNCATE order-1 BEFORE 1} {EDELETE ledger}
            {DEL order-none}
        } {
            assert_match "PROTECTED '*' is protected by '*' (option protected-streams)" [r err {*}$command]
        }
        assert_match "PROTECTED 'order-1' is protected by 'order-\\*'*" [r err EERASE $id]
        assert_equal 3 [r EXISTS order-1 ledger free]
        assert_equal x [payloads order-1]
        assert_equal 1 [field [r EAPPEND order-1 t] stream_version]
        assert_equal 1 [r DEL free]
    }

    test "The patterns are an option as others" {
        assert_equal {protected-streams {order-* ledger}} [r CONFIG GET protected-streams]
        r CONFIG SET protected-streams "a  b-* "
        assert_equal {protected-streams {a b-*}} [r CONFIG GET protected-streams]
        assert_equal 1 [r DEL order-1]
        assert_match "PROTECTED*" [r err DEL b-1]
        r CONFIG SET protected-streams ""
        assert_equal 1 [r DEL ledger]
    }
}

# Bytes of an erased event in the journal's files.
proc journal_has {text} { return [llength [journal_find $::srv $text]] }

with_server {journal-segment-bytes 1mb journal-bytes-max 8mb} {
    test "After an erasure was applied the journal's files hold the payload no more" {
        set secret "a-secret-[uuid]"
        set id [field [r EAPPEND secrets t PAYLOAD $secret METADATA $secret] event_id]
        assert {[journal_has $secret] > 0}
        r EERASE $id
        r ESYNC
        wait_for "the journal to be scrubbed" {[journal_has $secret] == 0}
        assert_equal 0 [field [r EAPPEND after t PAYLOAD x] stream_version]
        srv crash
        assert_equal {{} x} [list {*}[payloads secrets] [payloads after]]
    }

    test "A clean shutdown leaves nothing of an erased event in the journal" {
        set secret "a-secret-[uuid]"
        set id [field [r EAPPEND secrets t PAYLOAD $secret] event_id]
        r EERASE $id
        srv stop
        assert_equal 0 [journal_has $secret]
        srv start
        assert_equal 0 [journal_has $secret]
    }

    test "A crash before the journal was scrubbed is made up for at the next start" {
        skip unless journal "its files"
        set secret "a-secret-[uuid]"
        set id [field [r EAPPEND secrets t PAYLOAD $secret] event_id]
        r EERASE $id
        srv crash
        wait_for "the journal to be scrubbed" {[journal_has $secret] == 0}
        assert_equal "" [field [r EGET $id] payload]
    }
}
