# EMAPPEND: all or nothing, over any number of streams.

with_server {} {
    set key 550e8400-e29b-41d4-a716-446655440000

    test "The reply is the map of the specification, events in request order" {
        with_clients c {
            $c HELLO 3
            set reply [$c typed EMAPPEND $key a-1 Opened PAYLOAD 1 b-1 Closed TIMESTAMP 77 METADATA m a-1 Moved]
            assert_equal map [lindex $reply 0]
            assert_equal {partition_key partition_id first_partition_sequence last_partition_sequence events} \
                [lrange [typed_keys $reply] 0 4]
            assert_equal [list simple $key] [typed_field $reply partition_key]
            assert_equal {int 0} [typed_field $reply partition_id]
            assert_equal {int 0} [typed_field $reply first_partition_sequence]
            assert_equal {int 2} [typed_field $reply last_partition_sequence]
            set events [lindex [typed_field $reply events] 1]
            assert_equal 3 [llength $events]
            foreach e $events stream {a-1 b-1 a-1} version {0 0 1} {
                assert_equal map [lindex $e 0]
                assert_equal {event_id stream_id stream_version timestamp} [lrange [typed_keys $e] 0 3]
                assert_equal [list simple $stream] [typed_field $e stream_id]
                assert_equal [list int $version] [typed_field $e stream_version]
                assert_regexp $::uuid_pattern [lindex [typed_field $e event_id] 1]
                assert_regexp $::entry_id_pattern [lindex [typed_field $e entry_id] 1]
            }
            assert_equal {int 77} [typed_field [lindex $events 1] timestamp]
            assert_equal [typed_field [lindex $events 0] timestamp] [typed_field [lindex $events 2] timestamp]
        }
    }
    test "The events share one transaction id, and stand in the log side by side" {
        set events [field [r EPSCAN 0 0 2] events]
        assert_equal {a-1 b-1 a-1} [lmap e $events {field $e stream_id}]
        assert_equal 1 [llength [lsort -unique [lmap e $events {field $e transaction_id}]]]
        r EMAPPEND $key a-1 x
        r EMAPPEND $key a-1 x b-1 y
        set events [field [r EPSCAN 0 0 +] events]
        assert_equal 3 [llength [lsort -unique [lmap e $events {field $e transaction_id}]]]
        assert_equal $key [field [lindex $events 0] partition_key]
    }
    test "One event is enough, and all its options are taken" {
        set id [uuid]; set corr [uuid]; set caus [uuid]
        set reply [r EMAPPEND $key one-1 T metadata m event_id $id payload p EXPECTED_VERSION empty \
            CORRELATION $corr CAUSATION $caus AGGREGATE agg-1 TIMESTAMP 9]
        assert_equal [field $reply first_partition_sequence] [field $reply last_partition_sequence]
        set e [r EGET $id]
        foreach {name value} [list stream_id one-1 event_name T metadata m payload p timestamp 9 \
            correlation_id $corr causation_id $caus aggregate_id agg-1] {
            assert_equal $value [field $e $name]
        }
    }
    test "Versions are checked in order as they stand inside the group" {
        set reply [r EMAPPEND $key n-1 a EXPECTED_VERSION empty n-1 b EXPECTED_VERSION 0 n-1 c EXPECTED_VERSION 1 n-2 d EXPECTED_VERSION empty]
        assert_equal {0 1 2 0} [lmap e [field $reply events] {field $e stream_version}]
        set reply [r EMAPPEND $key n-1 a EXPECTED_VERSION 2 n-1 b EXPECTED_VERSION exists n-1 c EXPECTED_VERSION 4]
        assert_equal {3 4 5} [lmap e [field $reply events] {field $e stream_version}]
        assert_regexp "^WRONGVER current stream version is 0 but expected empty for partition key \[0-9a-f-\]{36} and stream id n-3\$" \
            [r err EMAPPEND $key n-3 a EXPECTED_VERSION empty n-3 b EXPECTED_VERSION empty]
        assert_equal {} [r ESVER n-3]
    }
    test "The first check that fails aborts all and is named" {
        r EAPPEND w-2 t
        set before [r EPSEQ 0]
        set text [r err EMAPPEND $key w-1 a w-2 b EXPECTED_VERSION 5 w-3 c EXPECTED_VERSION 9]
        assert_regexp "^WRONGVER current stream version is 0 but expected 5 for partition key \[0-9a-f-\]{36} and stream id w-2\$" $text
        assert_equal $before [r EPSEQ 0]
        assert_equal {} [r ESVER w-1]
        assert_equal 0 [r ESVER w-2]
        assert_equal {} [r ESVER w-3]
    }
    test "An option's bad value is an error, never another event" {
        set before [r EPSEQ 0]
        foreach args {
            {s e EXPECTED_VERSION foo} {s e EVENT_ID bad} {s e TIMESTAMP x} {s e PARTITION_KEY 550e8400-e29b-41d4-a716-446655440000}
            {s e CORRELATION x} {s e CAUSATION x} {s e PAYLOAD} {s e PAYLOAD a PAYLOAD b} {s} {s e s} {}
            {s e PAYLOAD a EVENT_ID e2} {s e TIMESTAMP 1 TIMESTAMP 2}
        } {
            set text [r err EMAPPEND $key {*}$args]
            if {$args ni {{} s}} { assert_match INVALIDARG* $text $args } else { assert_regexp {^(INVALIDARG|ERR) } $text }
        }
        assert_match INVALIDARG* [r err EMAPPEND nonsense s e]
        assert_equal $before [r EPSEQ 0]
        assert_equal {} [r ESVER s]
        assert_equal {} [r ESVER EXPECTED_VERSION]
    }
    test "An id that is twice in one append is found, wherever it is" {
        foreach n {2 3 17 1000} {
            set args {}
            for {set i 0} {$i < $n} {incr i} { lappend args twice t EVENT_ID [uuid] }
            foreach {a b} [list 0 [expr {$n - 1}] [expr {$n / 2 - 1}] [expr {$n / 2}]] {
                set same [lreplace $args [expr {4 * $b + 3}] [expr {4 * $b + 3}] [lindex $args [expr {4 * $a + 3}]]]
                assert_match "DUPLICATEID [lindex $args [expr {4 * $a + 3}]] (event [expr {$b + 1}] of $n): the id is used twice*" \
                    [r err EMAPPEND $key {*}$same]
            }
        }
        assert_equal {} [r ESVER twice]
        assert_equal 1000 [llength [field [r EMAPPEND $key {*}$args] events]]
    }
    test "A bad name anywhere refuses the whole group" {
        set before [r EPSEQ 0]
        assert_match INVALIDARG* [r err EMAPPEND $key good e [string repeat x 513] e]
        assert_match INVALIDARG* [r err EMAPPEND $key good e "" e]
        assert_match INVALIDARG* [r err EMAPPEND $key good e "a\nb" e]
        assert_equal $before [r EPSEQ 0]
    }
    test "A thousand events over a hundred streams are one group" {
        set before [r EPSEQ 0]
        set args {}
        for {set i 0} {$i < 1000} {incr i} { lappend args bulk-[expr {$i % 100}] t PAYLOAD $i }
        set reply [r EMAPPEND $key {*}$args]
        assert_equal [expr {$before + 1}] [field $reply first_partition_sequence]
        assert_equal [expr {$before + 1000}] [field $reply last_partition_sequence]
        assert_equal 9 [r ESVER bulk-99]
        set payloads {}
        foreach e [log_scan_all [srv default_client] 300] {
            if {[field $e partition_sequence] > $before} { lappend payloads [field $e payload] }
        }
        for {set i 0} {$i < 1000} {incr i} { lappend expected $i }
        assert_equal $expected $payloads
    }
    test "Racing groups over crossing streams never mix" {
        set clients {}
        for {set i 0} {$i < 8} {incr i} { lappend clients [new_client] }
        for {set round 0} {$round < 15} {incr round} {
            set i 0
            foreach c $clients {
                if {$i % 2} { set order {x y z} } else { set order {z y x} }
                set args {}
                foreach s $order { lappend args cross-$s "c$i" }
                $c send EMAPPEND [uuid] {*}$args
                incr i
            }
            foreach c $clients { $c read }
        }
        assert_equal {119 119 119} [list [r ESVER cross-x] [r ESVER cross-y] [r ESVER cross-z]]
        # Every group's three events are neighbours in the log.
        set by_tx {}
        foreach e [log_scan_all [srv default_client]] {
            if {[string match cross-* [field $e stream_id]]} {
                dict lappend by_tx [field $e transaction_id] [field $e partition_sequence]
            }
        }
        assert_equal 120 [dict size $by_tx]
        dict for {tx seqs} $by_tx {
            lassign $seqs a b c
            assert_equal [list $a [expr {$a + 1}] [expr {$a + 2}]] $seqs
        }
        foreach c $clients { $c close }
    }
}

with_server {journal-segment-bytes 1mb} {
    test "A group that does not fit in a journal segment is TOOLARGE" {
        set args {}
        for {set i 0} {$i < 30} {incr i} { lappend args s t PAYLOAD [string repeat x 100000] }
        assert_match TOOLARGE* [r err EMAPPEND [uuid] {*}$args]
        assert_equal {} [r EPSEQ 0]
        r EMAPPEND [uuid] {*}[lrange $args 0 19]
        assert_equal 4 [r ESVER s]
    }
}
