# A store with some of everything, and all that is in one, as SQLite's tool prints it.

proc fill {} {
    set c [srv default_client]
    append_events $c order-1 300 order.created
    append_events $c order-2 300 order.paid
    r EAPPEND other known EVENT_ID [uuid] PAYLOAD "p\x00\xff" METADATA m TIMESTAMP 77 CORRELATION [uuid] CAUSATION [uuid] AGGREGATE a
    for {set i 1} {$i <= 100} {incr i} { r XADD entries $i-[expr {$i % 7}] field $i twice "\xfe" }
    r XADD far 18446744073709551615-1 a b
    r XADD idem IDMP p one * a b
    for {set i 5} {$i < 60} {incr i 3} { r XDEL entries $i-[expr {$i % 7}] }
    r XTRIM order-2 MAXLEN 50
    append_events $c gone 50
    r DEL gone
    append_events $c last 2
    r DEL last
    foreach e [field [r ESCAN order-1 0 3] events] { r EERASE [field $e event_id] }
    r XGROUP CREATE entries workers 0
    r XREADGROUP GROUP workers anna COUNT 30 STREAMS entries >
    r XREADGROUP GROUP workers berta COUNT 5 STREAMS entries >
    r XGROUP CREATE @category:order readers 0
    r XREADGROUP GROUP readers anna COUNT 30 STREAMS @category:order >
    r SET text "hello\x00"
    r SET soon bye EX 100000
    r EXPIRE other 200000
    r ECHECKPOINT SET projection 7
    r EVIEW SET orders CATEGORY order
    r RENAME far moved-1
}
proc dump {db} {
    return [exec sqlite3 -readonly $db {
        SELECT * FROM cairn_events ORDER BY sequence;
        SELECT sequence, hex(payload), hex(metadata), hex(content_hash), fields FROM events ORDER BY sequence;
        SELECT * FROM cairn_streams ORDER BY number;
        SELECT * FROM cairn_strings ORDER BY name;
        SELECT * FROM holes ORDER BY 1, 2;
        SELECT * FROM cairn_groups ORDER BY stream, name;
        SELECT * FROM consumers ORDER BY 1, 2;
        SELECT * FROM pending ORDER BY 1, 2, 3;
        SELECT * FROM idempotent ORDER BY 1, 2, 3;
        SELECT * FROM cairn_checkpoints ORDER BY name;
        SELECT * FROM cairn_views ORDER BY name;
        SELECT store_id, next_sequence, streams FROM cairn_status;
        SELECT hex(id_key), next_stream, next_group, recorded, entry_ms, entry_seq FROM store;
    }]
}
