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
    test "With the word EVENT in front of each event, what is no option is an error" {
        set before [r EPSEQ 0]
        set reply [r EMAPPEND $key EVENT f-1 a PAYLOAD 1 EVENT f-2 b event f-1 c METADATA EVENT Event event event]
        assert_equal {f-1 f-2 f-1 event} [lmap e [field $reply events] {field $e stream_id}]
        assert_equal {0 0 1 0} [lmap e [field $reply events] {field $e stream_version}]
        assert_equal {a c} [page_field [r ESCAN f-1 - +] event_name]
        assert_equal {{} EVENT} [page_field [r ESCAN f-1 - +] metadata]
        incr before 4
        foreach {args text} {
            {EVENT f-1 a PAYLAOD 1} {*unexpected string 'PAYLAOD': expected EVENT_ID, EXPECTED_VERSION,*METADATA, EVENT or end of input}
            {EVENT f-1 a EVENTS f-2 b} {*'EVENTS'*}
            {EVENT f-1 a f-2 b} {*'f-2'*}
            {EVENT f-1 a EVENT f-2 b EXPECTED_VERSOIN 1 EVENT f-3 c} {*'EXPECTED_VERSOIN'*}
            {EVENT f-1 a PAYLOAD} {*expected payload}
            {EVENT f-1 a EVENT} {*unexpected end of input: expected stream id}
            {EVENT f-1 a EVENT f-2} {*unexpected end of input: expected event name}
            {EVENT f-1} {*unexpected end of input: expected event name}
            {EVENT f-1 a PAYLOAD 1 PAYLOAD 2} {*payload already specified}
            {EVENT f-1 a PARTITION_KEY 550e8400-e29b-41d4-a716-446655440000} {*one partition key*}
            {EVENT {} a} {*stream id*}
        } {
            assert_match "INVALIDARG $text" [r err EMAPPEND $key {*}$args] $args
        }
        assert_equal $before [r EPSEQ 0]
        # The word decides in first place only: elsewhere it is a name like any other.
        set reply [r EMAPPEND $key f-1 event event t EVENT T]
        assert_equal {f-1 event EVENT} [lmap e [field $reply events] {field $e stream_id}]
        assert_match "INVALIDARG *'c'*" [r err EMAPPEND $key event a b c]
    }
    test "COMMAND GETKEYS finds the streams of both forms, and EXEC loads them" {
        foreach {keys args} {
            {a b} {a t PAYLOAD EVENT b u}
            {a b a} {EVENT a t PAYLOAD EVENT EVENT b EVENT event a t}
            {event} {EVENT event t}
            {payload metadata} {EVENT payload t EVENT metadata u}
            {a event} {a t event u}
            {a} {EVENT a t MISSPELT EVENT b u}
        } {
            assert_equal $keys [r COMMAND GETKEYS EMAPPEND $key {*}$args] $args
            assert_equal $keys [r COMMAND GETKEYS EMAPPEND * {*}$args] $args
        }
        assert_equal {{a {RW insert}} {b {RW insert}}} [r COMMAND GETKEYSANDFLAGS EMAPPEND $key EVENT a t EVENT b t]
        r EMAPPEND $key EVENT x-1 t EVENT x-2 t
        r ESYNC
        srv restart
        r MULTI
        r EMAPPEND $key EVENT x-1 t EXPECTED_VERSION 0 EVENT x-2 t EXPECTED_VERSION 0
        assert_equal {1 1} [lmap e [field [lindex [r EXEC] 0] events] {field $e stream_version}]
    }
    test "The key * is the first stream's own" {
        set own [field [r EAPPEND own-1 t] partition_key]
        foreach args {{own-1 t other-1 u} {EVENT own-1 t EVENT other-1 u}} {
            set reply [r EMAPPEND * {*}$args]
            assert_equal $own [field $reply partition_key]
            set first [field $reply first_partition_sequence]
            assert_equal [list $own $own] [page_field [r EPSCAN 0 $first [expr {$first + 1}]] partition_key]
        }
        set new [field [r EMAPPEND * new-1 t own-1 t] partition_key]
        assert_equal $new [field [r EINFO new-1] partition_key]
        assert_match "WRONGVER * partition key $own and stream id other-1" [r err EMAPPEND * own-1 t other-1 t EXPECTED_VERSION 77]
        # A repeat is the same events: * and the key that it stands for.
        set id [uuid]
        set reply [r EMAPPEND * EVENT own-1 t EVENT_ID $id]
        assert_equal $reply [r EMAPPEND $own own-1 t EVENT_ID $id]
        foreach bad {** - 0 {}} { assert_match "INVALIDARG invalid partition key" [r err EMAPPEND $bad own-1 t] }
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
        skip unless journal "frames of a MB"
        set args {}
        for {set i 0} {$i < 30} {incr i} { lappend args s t PAYLOAD [string repeat x 100000] }
        assert_match TOOLARGE* [r err EMAPPEND [uuid] {*}$args]
        assert_equal {} [r EPSEQ 0]
        r EMAPPEND [uuid] {*}[lrange $args 0 19]
        assert_equal 4 [r ESVER s]
    }
}
