# EAPPEND: the reply, the options, expected versions, names, limits.

# The 16 bits of a uuid behind its variant bits.
proc uuid_hash {u} {
    set hex [string map {- ""} $u]
    scan [string range $hex 16 21] %x n
    return [expr {($n >> 6) & 0xffff}]
}

with_server {} {
    test "The first append to a stream answers with the map of the specification" {
        with_clients c {
            $c HELLO 3
            set before [clock milliseconds]
            set reply [$c typed EAPPEND user-123 Created EXPECTED_VERSION empty TIMESTAMP 1700000000000]
            assert_equal map [lindex $reply 0]
            assert_equal {event_id partition_key partition_id partition_sequence stream_version timestamp} \
                [lrange [typed_keys $reply] 0 5]
            assert {"entry_id" in [typed_keys $reply]}
            foreach {key value} [lindex $reply 1] {
                assert_equal simple [lindex $key 0] "type of the key $key"
            }
            assert_equal {simple 7e124fe8-fe28-5398-bb95-53973100148f} [typed_field $reply partition_key]
            assert_equal {int 0} [typed_field $reply partition_id]
            assert_equal {int 0} [typed_field $reply partition_sequence]
            assert_equal {int 0} [typed_field $reply stream_version]
            assert_equal {int 1700000000000} [typed_field $reply timestamp]
            lassign [typed_field $reply event_id] type id
            assert_equal simple $type
            assert_regexp $::uuid_pattern $id
            assert_regexp $::entry_id_pattern [lindex [typed_field $reply entry_id] 1]
        }
    }
    test "In RESP2 the reply is a flat array of the same fields" {
        set reply [r typed EAPPEND user-123 Renamed]
        assert_equal array [lindex $reply 0]
        assert_equal {event_id partition_key partition_id partition_sequence stream_version timestamp} \
            [lrange [typed_keys $reply] 0 5]
        assert_equal {int 1} [typed_field $reply stream_version]
        assert_equal {int 1} [typed_field $reply partition_sequence]
    }
    test "The partition key of a stream is the version 5 uuid of its name" {
        foreach {name key} [list \
            my-stream fa3e31cd-2f38-5aee-bb91-8bc6fbf950a3 \
            test-stream f3a6a672-d89e-53bd-89ac-7dddd5c04a94 \
            fiz 6a7a8ed5-d09e-57e7-abf7-a038c01d4b53 \
            bank_account-alice 07a5741d-174e-5f73-9ad3-6f3371a40b12 \
            order-456 6b01eb4e-d05c-5fba-862d-4be632820026 \
            a a2e73803-4dc3-5882-8717-336918b4aa0b \
            [string repeat x 64] 916b3b98-c22c-56eb-8646-3702c79fe8a0 \
            [encoding convertto utf-8 "\u00fcn\u00efcode-1"] f6027297-cc27-5ea9-aa32-d4019eefc7a8] {
            assert_equal $key [field [r EAPPEND $name t] partition_key] $name
        }
    }
    test "An id made by the server carries the time and the hash of the partition key" {
        set reply [r EAPPEND hash-1 t]
        set id [field $reply event_id]
        assert_equal [uuid_hash [field $reply partition_key]] [uuid_hash $id]
        scan [string map {- ""} [string range $id 0 12]] %llx ms
        assert_range [expr {[clock milliseconds] - 60000}] [expr {[clock milliseconds] + 60000}] $ms "ms of the id"
        set other [field [r EAPPEND hash-1 t] event_id]
        assert {$other ne $id}
    }
    test "A given partition key is kept" {
        set key 550e8400-e29b-41d4-a716-446655440000
        assert_equal $key [field [r EAPPEND keyed t PARTITION_KEY [string toupper $key]] partition_key]
        assert_equal $key [field [lindex [field [r ESCAN keyed - +] events] 0] partition_key]
    }
    test "Command and keywords may be in any case and options in any order" {
        set corr [uuid]
        set reply [r eAppend mixed-1 Created metadata m payload p timestamp 5 correlation $corr expected_version EMPTY]
        assert_equal 0 [field $reply stream_version]
        assert_equal 5 [field $reply timestamp]
        set e [lindex [field [r ESCAN mixed-1 - +] events] 0]
        assert_equal [list p m $corr] [list [field $e payload] [field $e metadata] [field $e correlation_id]]
    }
    test "Uuids are taken in every usual form and given back in one" {
        set id 0123abcd-4567-489a-bcde-f0123456789a
        foreach form [list $id [string toupper $id] [string map {- ""} $id] "{$id}" "urn:uuid:$id" " $id\t"] {
            assert_equal $id [field [r EAPPEND forms t EVENT_ID $form] event_id] "form $form"
        }
        assert_equal 0 [r ESVER forms] "the forms are one id: appended once"
        foreach form {0123abcd 0123abcd-4567-489a-bcde-f0123456789 0123abcd-4567-489a-bcde-f0123456789ag xyz "" {{0123}}} {
            assert_match INVALIDARG* [r err EAPPEND forms t EVENT_ID $form]
        }
    }
    test "Payload and metadata are bytes, and empty when left out" {
        set all ""
        for {set i 0} {$i < 256} {incr i} { append all [format %c $i] }
        r EAPPEND bytes t PAYLOAD $all METADATA [string reverse $all]
        r EAPPEND bytes t
        r EAPPEND bytes t PAYLOAD "" METADATA ""
        lassign [field [r ESCAN bytes - +] events] a b c
        assert {[field $a payload] eq $all}
        assert {[field $a metadata] eq [string reverse $all]}
        foreach e [list $b $c] {
            assert_equal {} [field $e payload]
            assert_equal {} [field $e metadata]
        }
        set reply [r typed ESCAN bytes 1 1]
        assert_equal {bulk {}} [typed_field [lindex [typed_field $reply events] 1 0] payload]
    }
    test "Correlation, causation and aggregate come back in the event, and only then" {
        set corr [uuid]
        set caus [uuid]
        r EAPPEND linked a CORRELATION $corr CAUSATION $caus AGGREGATE order-7
        r EAPPEND linked b
        lassign [field [r ESCAN linked - +] events] a b
        assert_equal $corr [field $a correlation_id]
        assert_equal $caus [field $a causation_id]
        assert_equal order-7 [field $a aggregate_id]
        foreach name {correlation_id causation_id aggregate_id} { assert {![has_field $b $name]} "$name was not given" }
        assert_match INVALIDARG* [r err EAPPEND linked a CORRELATION nonsense]
        assert_match INVALIDARG* [r err EAPPEND linked a CAUSATION 12]
        assert_equal 1 [r ESVER linked]
    }
    test "Versions have no gap in a stream and sequences none in the store" {
        set first [field [r EAPPEND gap-0 t] partition_sequence]
        for {set i 1} {$i <= 200} {incr i} {
            set reply [r EAPPEND gap-[expr {$i % 7}] t]
            assert_equal [expr {$first + $i}] [field $reply partition_sequence]
            assert_equal [expr {$i / 7}] [field $reply stream_version]
        }
    }
    test "Entry ids only grow, over all streams" {
        set last {0 0}
        foreach reply [append_events [srv default_client] grow-a 300] {
            set id [split [field $reply entry_id] -]
            assert {[lindex $id 0] > [lindex $last 0] || ([lindex $id 0] == [lindex $last 0] && [lindex $id 1] > [lindex $last 1])}
            set last $id
        }
        set id [split [field [r EAPPEND grow-b t] entry_id] -]
        assert {[lindex $id 0] > [lindex $last 0] || [lindex $id 1] > [lindex $last 1]}
    }
    test "An event's time is that of its append, however long the server was idle before" {
        foreach pause {0 30 70 130} {
            after $pause
            set before [clock milliseconds]
            set reply [r EAPPEND timely t]
            set after [clock milliseconds]
            set e [r EGET [field $reply event_id]]
            foreach ms [list [field $reply timestamp] [field $e recorded] [lindex [split [field $reply entry_id] -] 0]] {
                # Entry ids and recorded may run ahead when the clock was ahead; never behind.
                assert_range [expr {$before - 3}] [expr {$after + 3}] $ms "after a pause of $pause ms"
            }
        }
    }
    test "TIMESTAMP moves neither entry id nor recorded" {
        set reply [r EAPPEND past t TIMESTAMP 1000]
        assert_equal 1000 [field $reply timestamp]
        assert {[lindex [split [field $reply entry_id] -] 0] > 1000000000000}
        set e [lindex [field [r ESCAN past - +] events] 0]
        assert {[field $e recorded] > 1000000000000}
        assert_equal 1000 [field $e timestamp]
    }

    test "An expected version that does not hold is WRONGVER, byte for byte" {
        set key 7e124fe8-fe28-5398-bb95-53973100148f
        r EAPPEND order-456 t
        set last [r ESVER order-456]
        set okey 6b01eb4e-d05c-5fba-862d-4be632820026
        assert_equal "WRONGVER current stream version is $last but expected empty for partition key $okey and stream id order-456" \
            [r err EAPPEND order-456 t EXPECTED_VERSION empty]
        assert_equal "WRONGVER current stream version is $last but expected [expr {$last + 1}] for partition key $okey and stream id order-456" \
            [r err EAPPEND order-456 t EXPECTED_VERSION [expr {$last + 1}]]
        assert_equal "-WRONGVER current stream version is $last but expected 18446744073709551615 for partition key $okey and stream id order-456\r\n" \
            [r raw EAPPEND order-456 t EXPECTED_VERSION 18446744073709551615]
        set nkey [field [r EAPPEND nothing-probe t] partition_key]
        set none "none yet-1"
        set reply [r err EAPPEND $none t EXPECTED_VERSION exists]
        assert_regexp "^WRONGVER current stream version is empty but expected exists for partition key \[0-9a-f-\]{36} and stream id none yet-1\$" $reply
        assert_regexp "^WRONGVER current stream version is empty but expected 0 for partition key \[0-9a-f-\]{36} and stream id none yet-1\$" \
            [r err EAPPEND $none t EXPECTED_VERSION 0]
        assert_equal {} [r ESVER $none]
        # The key in the text is the stream's, which the reply of an append names too.
        regexp {partition key (\S+) and} $reply all said
        assert_equal $said [field [r EAPPEND $none t EXPECTED_VERSION empty] partition_key]
    }
    test "Expected versions that hold let the append through" {
        assert_equal 0 [field [r EAPPEND exp t EXPECTED_VERSION empty] stream_version]
        assert_equal 1 [field [r EAPPEND exp t EXPECTED_VERSION 0] stream_version]
        assert_equal 2 [field [r EAPPEND exp t EXPECTED_VERSION +1] stream_version]
        assert_equal 3 [field [r EAPPEND exp t EXPECTED_VERSION Exists] stream_version]
        assert_equal 4 [field [r EAPPEND exp t EXPECTED_VERSION ANY] stream_version]
        assert_match WRONGVER* [r err EAPPEND exp t EXPECTED_VERSION 3]
        assert_equal 4 [r ESVER exp]
    }
    test "Of many racing appends with the same expected version one wins" {
        set clients {}
        for {set i 0} {$i < 10} {incr i} { lappend clients [new_client] }
        for {set round 0} {$round < 20} {incr round} {
            set expected [expr {$round == 0 ? "empty" : $round - 1}]
            foreach c $clients { $c send EAPPEND race t EXPECTED_VERSION $expected }
            set won 0
            foreach c $clients {
                lassign [$c read_typed] type value
                if {$type eq "error"} {
                    assert_match "WRONGVER current stream version is $round but expected $expected *" $value
                } else { incr won }
            }
            assert_equal 1 $won
        }
        assert_equal 19 [r ESVER race]
        foreach c $clients { $c close }
    }

    test "Nanoseconds given as milliseconds are refused by name" {
        assert_equal "INVALIDARG invalid timestamp format: expected milliseconds, got nanoseconds" \
            [r err EAPPEND bad t TIMESTAMP 1700000000000000000]
        assert_match INVALIDARG* [r err EAPPEND bad t TIMESTAMP 18446744073709551616]
        assert_equal {} [r ESVER bad]
    }
    test "Bad arguments are INVALIDARG and append nothing" {
        foreach args {
            {t EXPECTED_VERSION foo} {t EXPECTED_VERSION -1} {t EXPECTED_VERSION 1.5} {t EXPECTED_VERSION 18446744073709551616}
            {t EXPECTED_VERSION} {t PAYLOAD} {t METADATA} {t TIMESTAMP} {t TIMESTAMP x} {t TIMESTAMP -5} {t TIMESTAMP 1e3}
            {t NOSUCH 1} {t EVENT_ID} {t PARTITION_KEY foo} {t PAYLOAD a PAYLOAD b} {t METADATA a METADATA b}
            {t TIMESTAMP 1 TIMESTAMP 1} {t EXPECTED_VERSION any EXPECTED_VERSION any} {t PAYLOAD {} PAYLOAD {}} {t surplus}
        } {
            assert_match INVALIDARG* [r err EAPPEND bad {*}$args] $args
        }
        assert_regexp {^(ERR|INVALIDARG) } [r err EAPPEND bad]
        assert_regexp {^(ERR|INVALIDARG) } [r err EAPPEND]
        assert_equal {} [r ESVER bad]
    }
    test "Stream names are 1 to 512 bytes, any but NUL, CR and LF" {
        foreach name [list x [string repeat n 512] "with space" "a=b" "\xff\xfe\x01" "tab\there" FROM "*" "-" ] {
            assert_equal 0 [field [r EAPPEND $name t] stream_version] "name [shorten $name 40]"
            assert_equal $name [field [lindex [field [r ESCAN $name - +] events] 0] stream_id]
        }
        foreach name [list "" [string repeat n 513] "a\0b" "a\rb" "a\nb" [string repeat n 100000]] {
            assert_match INVALIDARG* [r err EAPPEND $name t] [shorten $name 40]
        }
    }
    test "Error texts never carry CR or LF of the client" {
        set reply [r raw EAPPEND "x\r\n+OK" t EXPECTED_VERSION 7]
        assert_equal 1 [regexp -all {\r\n} $reply]
        set reply [r raw EAPPEND x t "NO\r\n+PE" 7]
        assert_equal 1 [regexp -all {\r\n} $reply]
        assert_equal PONG [r PING]
    }
    test "An event over max-event-bytes is TOOLARGE and names both sizes" {
        set before [r EPSEQ 0]
        set text [r err EAPPEND big t PAYLOAD [string repeat x [expr {8 * 1024 * 1024 + 1}]]]
        assert_match TOOLARGE* $text
        assert_match *8388608* $text
        assert {[llength [regexp -all -inline {\d+} $text]] >= 2} "both sizes: $text"
        assert_equal $before [r EPSEQ 0]
        assert_equal PONG [r PING]
    }
    test "Events of a megabyte and of nearly eight come back whole" {
        foreach n [list 1000000 [expr {8 * 1024 * 1024 - 4096}]] {
            set payload [string repeat "0123456789abcdef" [expr {$n / 16}]]
            set v [field [r EAPPEND large t PAYLOAD $payload] stream_version]
            set e [lindex [field [r ESCAN large $v $v] events] 0]
            assert {[field $e payload] eq $payload}
        }
    }
}

with_server {max-event-bytes 4096} {
    test "max-event-bytes is an option" {
        r EAPPEND s t PAYLOAD [string repeat x 3000]
        set text [r err EAPPEND s t PAYLOAD [string repeat x 5000]]
        assert_match TOOLARGE*4096* $text
        assert_match TOOLARGE* [r err EAPPEND s t METADATA [string repeat x 5000]]
        assert_match TOOLARGE* [r err EMAPPEND [uuid] s t PAYLOAD ok s t PAYLOAD [string repeat x 5000]]
        assert_equal 0 [r ESVER s]
    }
}

with_server {strict-versioning yes} {
    test "strict-versioning refuses any and exists, given or implied" {
        assert_equal "INVALIDARG strict versioning mode rejects EXPECTED_VERSION any" [r err EAPPEND s t]
        assert_equal "INVALIDARG strict versioning mode rejects EXPECTED_VERSION any" [r err EAPPEND s t EXPECTED_VERSION any]
        assert_equal "INVALIDARG strict versioning mode rejects EXPECTED_VERSION exists" [r err EAPPEND s t EXPECTED_VERSION exists]
        assert_match "INVALIDARG strict versioning mode rejects*" [r err EMAPPEND [uuid] s t]
        assert_equal 0 [field [r EAPPEND s t EXPECTED_VERSION empty] stream_version]
        assert_equal 1 [field [r EAPPEND s t EXPECTED_VERSION 0] stream_version]
    }
    test "strict-versioning can be switched off at run time" {
        r CONFIG SET strict-versioning no
        assert_equal 2 [field [r EAPPEND s t] stream_version]
    }
}

with_server {default-resp 3} {
    test "default-resp 3 gives maps, booleans and nulls without HELLO" {
        assert_equal map [lindex [r typed EAPPEND s t] 0]
        assert_equal {null3 {}} [r typed ESVER none]
        set page [r typed ESCAN s - +]
        assert_equal map [lindex $page 0]
        assert_equal {bool 0} [typed_field $page has_more]
        with_clients c {
            $c HELLO 2
            assert_equal array [lindex [$c typed EAPPEND s t] 0]
            assert_equal {null {}} [$c typed ESVER none]
        }
    }
}
