# The store is SQL that people can read: the sqlite3 tool, or psql, says the same as the wire.

with_server {} {
    test "The view cairn_events has every event with its fields" {
        set id [uuid]; set corr [uuid]; set caus [uuid]
        append_events [srv default_client] order-1 5 order.created
        r EAPPEND order-2 order.paid EVENT_ID $id PAYLOAD "{\"a\": 1}" METADATA meta TIMESTAMP 77 CORRELATION $corr CAUSATION $caus AGGREGATE agg
        r EMAPPEND [uuid] order-1 x order-2 y
        r ESYNC
        foreach e [log_scan_all [srv default_client]] {
            set seq [field $e partition_sequence]
            set row [lindex [sql [srv db] "SELECT sequence, stream, version, type, event_id, entry_id, timestamp, recorded,
                transaction_id, partition_key, payload, metadata, correlation_id, causation_id, aggregate_id
                FROM cairn_events WHERE sequence = $seq"] 0]
            set wire [lmap name {partition_sequence stream_id stream_version event_name event_id entry_id timestamp recorded
                transaction_id partition_key payload metadata correlation_id causation_id aggregate_id} {
                field_or_empty $e $name }]
            assert_equal $wire $row
        }
    }
    test "The question of the documentation is answered" {
        assert_equal 6 [llength [sql [srv db] "SELECT * FROM cairn_events WHERE stream = 'order-1'"]]
        assert_equal {0 1 2 3 4 5} [lmap row [sql [srv db] "SELECT version FROM cairn_events WHERE stream = 'order-1' ORDER BY version"] {lindex $row 0}]
        assert_equal {order.created 5} [lindex [sql [srv db] "SELECT type, count(*) FROM cairn_events GROUP BY type ORDER BY 2 DESC"] 0]
        assert_equal {} [sql [srv db] "SELECT * FROM cairn_events WHERE stream = 'none'"]
    }
    test "The view cairn_status shows the numbers" {
        set status [sql [srv db] "SELECT next_sequence, streams, journal FROM cairn_status"]
        assert_equal [list [list 8 2 [expr {[in_journal] ? "open" : "closed"}]]] $status
        assert {[sql_value [srv db] "SELECT applied FROM cairn_status"] > 0}
        srv stop
        assert_equal closed [sql_value [srv db] "SELECT journal FROM cairn_status"]
        if {![in_postgres]} { assert_equal ok [sql_value [srv db] "PRAGMA integrity_check"] }
        srv start
    }
    test "SQL sees the events that are not indexed yet, and after they are" {
        append_events [srv default_client] big 30000
        r ESYNC
        assert_equal 30000 [sql_value [srv db] "SELECT count(*) FROM cairn_events WHERE stream = 'big'"]
        assert_equal 29999 [sql_value [srv db] "SELECT max(version) FROM cairn_events WHERE stream = 'big'"]
        assert_equal 30008 [sql_value [srv db] "SELECT count(DISTINCT sequence) FROM cairn_events"]
        srv restart
        assert_equal 30000 [sql_value [srv db] "SELECT count(DISTINCT version) FROM cairn_events WHERE stream = 'big'"]
        assert_equal 30008 [sql_value [srv db] "SELECT count(*) FROM cairn_events"]
    }
    test "A long reader outside does not hold up the server" {
        set p [sql_tool [srv db]]
        puts $p "[expr {[in_postgres] ? "BEGIN ISOLATION LEVEL REPEATABLE READ" : "BEGIN"}];\nSELECT count(*) FROM cairn_events;"
        assert_equal 30008 [gets $p]
        append_events [srv default_client] during 2000
        assert_equal OK [r ESYNC]
        puts $p "SELECT count(*) FROM cairn_events;"
        assert_equal 30008 [gets $p]
        puts $p "COMMIT;\nSELECT count(*) FROM cairn_events;"
        assert_equal 32008 [gets $p]
        puts $p [expr {[in_postgres] ? "\\q" : ".quit"}]
        catch {close $p}
    }
    test "Bytes that are not text stay what they are" {
        set payload "\x00\x01\xff\xfe'\"\\"
        r EAPPEND "q'uote \xff" "ty'pe" PAYLOAD $payload METADATA "\xff"
        r ESYNC
        set hex [expr {[in_postgres] ? "upper(encode(payload, 'hex'))" : "hex(payload)"}]
        assert_equal [string toupper [binary encode hex $payload]] [sql_value [srv db] "SELECT $hex FROM events ORDER BY sequence DESC LIMIT 1"]
        srv restart
        assert {[field [lindex [field [r ESCAN "q'uote \xff" - +] events] 0] payload] eq $payload}
    }
    test "The documentation names the views and their columns" {
        set path [file join $::top docs storage.md]
        if {![file exists $path]} { fail "no docs/storage.md" }
        set text [read_file $path]
        foreach view {cairn_events cairn_status} {
            assert_match *$view* $text
            foreach name [columns_of [srv db] $view] { assert_match *$name* $text "$view" }
        }
    }
}
