# FIELDS: each event as an array of the values that were chosen, in that order.

set names {event_id partition_key partition_id transaction_id partition_sequence stream_version timestamp stream_id event_name
    metadata payload entry_id correlation_id causation_id aggregate_id recorded erased}

# The protocol's null.
proc null_of {protocol} { return [list [expr {$protocol == 2 ? "null" : "null3"}] ""] }
# What an event's typed map says of the names: null for what it does not have. `fields` is no part of it.
proc values_of {map names null} {
    return [list array [lmap name $names {
        set value [typed_field $map $name]
        expr {$value eq "" ? $null : $value}
    }]]
}

with_server {} {
    set full [list PAYLOAD p METADATA m TIMESTAMP 5 PARTITION_KEY [uuid] CORRELATION [uuid] CAUSATION [uuid] AGGREGATE agg-1]
    r EAPPEND s full EVENT_ID [uuid] {*}$full
    r EAPPEND s bare
    r EMAPPEND [uuid] s one CORRELATION [uuid] other two PAYLOAD [binary format H* 000d0a24ff]
    r XADD s * type sent a 1 a 2 "" ""
    r EAPPEND s erased EVENT_ID [uuid] {*}$full
    r XADD s * type erased-too a 1
    foreach version {4 5} { r EERASE [field [lindex [field [r ESCAN s $version $version] events] 0] event_id] }

    foreach {state prepare} {"hot" {} "cold" {r ESYNC; srv restart}} {
        test "A choice has the values of the map, null for what an event lacks ($state)" {
            eval $prepare
            foreach protocol {2 3} {
                with_clients c {
                    $c HELLO $protocol
                    set null [null_of $protocol]
                    set maps [lindex [typed_field [$c typed EPSCAN 0 - +] events] 1]
                    assert_equal 7 [llength $maps]
                    set orders [list $names [lreverse $names] {partition_sequence stream_id payload} {payload}]
                    foreach name $names { lappend orders [list $name] }
                    foreach order $orders {
                        set want [lmap map $maps {values_of $map $order $null}]
                        set page [$c typed EPSCAN 0 - + FIELDS [join $order ,]]
                        assert_equal $want [lindex [typed_field $page events] 1] "RESP$protocol: $order"
                        assert_equal {has_more events next} [typed_keys $page]
                    }
                    foreach map $maps {
                        set id [lindex [typed_field $map event_id] 1]
                        assert_equal [values_of $map $names $null] [$c typed EGET $id FIELDS [join $names ,]]
                    }
                    set of_s [lmap map $maps {expr {[typed_field $map stream_id] eq {bulk s} ? $map : [continue]}}]
                    set page [$c typed ESCAN s - + REV COUNT 2 FIELDS stream_version,erased,event_name]
                    assert_equal [lmap map [lrange [lreverse $of_s] 0 1] {values_of $map {stream_version erased event_name} $null}] \
                        [lindex [typed_field $page events] 1]
                    assert_equal {int 3} [typed_field $page next]
                }
            }
        }
        test "`fields` is what XADD was given, an array; null for other events ($state)" {
            foreach protocol {2 3} {
                with_clients c {
                    $c HELLO $protocol
                    set null [null_of $protocol]
                    set page [$c typed ESCAN s - + FIELDS stream_version,fields,event_name]
                    set got [lmap e [lindex [typed_field $page events] 1] {lindex $e 1 1}]
                    set sent [list array [lmap word [list type sent a 1 a 2 "" ""] {list bulk $word}]]
                    assert_equal [list $null $null $null $sent $null {array {}}] $got "RESP$protocol"
                }
            }
        }
    }
    test "FIELDS stands with every other option, and ends the patterns of TYPE" {
        assert_equal {{bare 1}} [field [r ESCAN s - + TYPE bare full FIELDS event_name,stream_version COUNT 1 REV UNTIL 9999999999999] events]
        assert_equal {{bare 1}} [field [r EPSCAN 0 - + FIELDS event_name,stream_version TYPE bare STREAM s] events]
    }
    test "A name that is unknown, or stands twice, is an error" {
        foreach {value text} {
            nope {*unknown field 'nope' in FIELDS: expected one or more of event_id, *}
            {} {*unknown field ''*}
            , {*unknown field ''*}
            payload, {*unknown field ''*}
            ,payload {*unknown field ''*}
            payload,,metadata {*unknown field ''*}
            {payload, metadata} {*unknown field ' metadata'*}
            {payload metadata} {*unknown field 'payload metadata'*}
            Payload {*unknown field 'Payload'*}
            payload,payload {*field 'payload' stands twice in FIELDS}
            fields,payload,fields {*field 'fields' stands twice in FIELDS}
        } {
            foreach command {{ESCAN s - +} {EPSCAN 0 - +} {EGET 550e8400-e29b-41d4-a716-446655440000}} {
                assert_match "INVALIDARG $text" [r err {*}$command FIELDS $value] "$command $value"
            }
        }
        assert_match "INVALIDARG *" [r err ESCAN s - + FIELDS [string repeat payload, 100000]]
        foreach command {{ESCAN s - +} {EPSCAN 0 - +} {EGET 550e8400-e29b-41d4-a716-446655440000}} {
            assert_match "INVALIDARG *expected a value for FIELDS" [r err {*}$command FIELDS]
        }
        assert_match "INVALIDARG FIELDS already specified" [r err ESCAN s - + FIELDS payload FIELDS metadata]
        assert_match "INVALIDARG *'FIELD'*" [r err EGET 550e8400-e29b-41d4-a716-446655440000 FIELD payload]
        assert_equal null [lindex [r typed EGET 550e8400-e29b-41d4-a716-446655440000 FIELDS payload] 0]
    }
    test "redis-cli shows the values" {
        set words [list -p [srv port] ESCAN s 0 1 FIELDS stream_version,event_name]
        assert_equal "has_more\n0\nevents\n0\nfull\n1\nbare\nnext\n" [exec redis-cli {*}$words]
        assert_equal {{"has_more":false,"events":[[0,"full"],[1,"bare"]],"next":null}} [exec redis-cli --json {*}$words]
    }
}
