# cairn verify: a store that is whole is clean, in whatever state a server has left it; and each kind of damage that is done to it
# by hand is named.

skip unless sqlite "it changes the file by hand"
source [file join $::top tests lib tool.tcl]

# Something of everything.
proc fill {} {
    set c [srv default_client]
    append_events $c order-1 40 order.created
    append_events $c order-2 40 order.paid
    append_events $c plain 5
    foreach stream {order-1 other} { r EAPPEND $stream known EVENT_ID [uuid] PAYLOAD p METADATA m TIMESTAMP 77 CORRELATION [uuid] CAUSATION [uuid] AGGREGATE a }
    r EAPPEND other known EVENT_ID [uuid] PARTITION_KEY [uuid] AGGREGATE a
    r EMAPPEND [uuid] left t right t
    for {set i 1} {$i <= 20} {incr i} { r XADD entries $i-0 field $i }
    r XADD idem IDMP p one * a b
    r XDEL entries 3-0 4-0 20-0
    r XTRIM order-2 MAXLEN 10
    r EAPPEND gone t EVENT_ID [uuid]
    r DEL gone
    set first [lindex [field [r ESCAN order-1 0 2] events] 1]
    r EERASE [field $first event_id]
    r XGROUP CREATE entries workers 0
    r XREADGROUP GROUP workers anna COUNT 5 STREAMS entries >
    r XREADGROUP GROUP workers berta COUNT 2 STREAMS entries >
    r XACK entries workers 1-0
    r XGROUP CREATE @category:order readers 0
    r XREADGROUP GROUP readers anna COUNT 3 STREAMS @category:order >
    r SET text hello
    r SET soon bye EX 100000
    r EXPIRE plain 200000
    r ECHECKPOINT SET projection 7
    r EVIEW SET orders CATEGORY order
    r RENAME left moved-1
    r ESYNC
}

with_server {} {
    fill
    test "A store is clean while its server runs, after a kill, and when it is closed" {
        assert_clean [srv db]
        srv kill9
        assert_clean [srv db]
        srv start
        assert_clean sqlite:[srv db]
        r EAPPEND order-1 more
        srv stop
        assert_clean [srv db]
        srv start
    }
    test "A backup is clean" {
        set path [file join [srv dir] copy.db]
        r BACKUP $path
        assert_clean $path
    }
    test "It says what there is" {
        lassign [cairn verify [srv db]] status out
        assert_equal 0 $status
        assert_match "*of * sequences; 1 are erased*" $out
        assert_match "*3 events carry one: 3 are right*" $out
        assert_match "*30 versions were trimmed, 3 removed one by one*" $out
        assert_match "*2, with 3 consumers and 9 pending entries*" $out
        assert_match "*\nclean" $out
    }
    test "As JSON" {
        lassign [cairn verify [srv db] --json] status out
        assert_equal 0 $status
        assert_equal true [exec sqlite3 :memory: "SELECT CASE json_extract('$out', '$.clean') WHEN 1 THEN 'true' END"]
        assert_equal 0 [exec sqlite3 :memory: "SELECT json_extract('$out', '$.damage_count')"]
        assert_equal 2 [exec sqlite3 :memory: "SELECT json_extract('$out', '$.counts.groups')"]
        assert_equal [sql_value [srv db] "SELECT store_id FROM cairn_status"] [exec sqlite3 :memory: "SELECT json_extract('$out', '$.store_id')"]
    }
    test "Nothing is written, and the server goes on meanwhile" {
        set before [sql_value [srv db] "SELECT epoch || '-' || applied FROM cairn_status"]
        assert_clean [srv db]
        assert_equal $before [sql_value [srv db] "SELECT epoch || '-' || applied FROM cairn_status"]
        r EAPPEND order-1 more
        r ESYNC
    }
    test "A report that cannot be written is no good end" {
        set status [catch {exec -ignorestderr [file join $::top src cairn] verify [srv db] >/dev/full 2>/dev/null} _ how]
        assert_equal 2 [lindex [dict get $how -errorcode] 2]
    }
    test "Each kind of damage is named" {
        srv stop
        set dir [file join $::work_dir damaged]
        foreach {kind change} {
            sequence-gap      {UPDATE store SET removed = removed + 1}
            unreadable        {UPDATE store SET next_sequence = next_sequence - 1, removed = removed - 1}
            event-stray       {UPDATE events SET stream = 4000 WHERE sequence = 3}
            index-missing     {DELETE FROM stream_index WHERE sequence = 5}
            index-missing     {UPDATE stream_index SET sequence = 6 WHERE sequence = 5}
            index-stray       {INSERT INTO stream_index VALUES (99 << 32, 5)}
            id-missing        {DELETE FROM event_ids WHERE sequence IN (SELECT max(sequence) FROM event_ids)}
            id-stray          {INSERT INTO event_ids VALUES (x'00112233445566778899aabbccddeeff', 5)}
            correlation-missing  {DELETE FROM correlations}
            correlation-stray    {INSERT INTO correlations VALUES (x'00112233445566778899aabbccddeeff', 5)}
            causation-missing    {DELETE FROM causations}
            causation-stray  {INSERT INTO causations VALUES (x'00112233445566778899aabbccddeeff', 5)}
            aggregate-missing    {DELETE FROM aggregates WHERE sequence = (SELECT max(sequence) FROM aggregates)}
            aggregate-stray  {INSERT INTO aggregates VALUES ('b', 5)}
            type-missing      {DELETE FROM types WHERE name = 'order.paid'}
            type-block-missing    {DELETE FROM type_blocks WHERE type = 1}
            type-block-stray  {INSERT INTO type_blocks VALUES (1, 77)}
            type-block-stray  {INSERT INTO type_blocks VALUES (77, 0)}
            category-block-missing {DELETE FROM category_blocks WHERE key = (SELECT min(key) FROM category_blocks)}
            category-block-stray  {INSERT INTO category_blocks VALUES (1 << 40)}
            hole-stray        {INSERT INTO holes VALUES (4000, 1, 2)}
            hole-order        {INSERT INTO holes SELECT stream, last + 1, last + 2 FROM holes WHERE first = 2}
            hole              {UPDATE holes SET last = last + 1 WHERE first = 2}
            version-gap       {DELETE FROM holes}
            version-gap       {DELETE FROM events WHERE sequence = 2; DELETE FROM stream_index WHERE sequence = 2; UPDATE store SET removed = removed + 1}
            content-hash      {UPDATE events SET payload = x'00' WHERE content_hash IS NOT NULL}
            content-hash      {UPDATE events SET content_hash = zeroblob(16) WHERE content_hash IS NOT NULL}
            event-id          {UPDATE events SET event_id = (SELECT event_id FROM events WHERE sequence = 8) WHERE sequence = 7}
            recorded-order    {UPDATE events SET recorded = recorded - 100000 WHERE sequence = 9}
            entry-order       {UPDATE events SET entry_ms = 1 WHERE sequence = 9}
            erased            {UPDATE events SET payload = x'aa' WHERE erased}
            unreadable        {UPDATE events SET event_id = x'00' WHERE sequence = 9}
            partition-key     {UPDATE streams SET partition_key = zeroblob(16) WHERE name = 'order-1'}
            counter           {UPDATE store SET stream_count = 3}
            counter           {UPDATE store SET next_stream = 2}
            counter           {UPDATE store SET next_group = 1}
            counter           {UPDATE store SET recorded = 7}
            stream-name       {UPDATE streams SET name = 'a' || char(10) WHERE name = 'right'}
            stream-twice      {INSERT INTO deleted_streams VALUES (1, 0)}
            string-missing    {DELETE FROM strings}
            string-stray      {INSERT INTO strings VALUES (4000, 'x')}
            group-stray       {UPDATE groups SET stream = 4000}
            group-twice       {INSERT INTO dropped_groups SELECT number FROM groups}
            consumer-stray    {INSERT INTO consumers VALUES (4000, 1, 'x', 0, 0)}
            pending-stray     {INSERT INTO pending VALUES (4000, 1, 0, 0, 0, 0, 1)}
            pending-consumer  {DELETE FROM consumers WHERE name = 'berta'}
            pending-event     {UPDATE pending SET version = 9 WHERE entry_ms = 2}
            pending-event     {UPDATE pending SET version = 9000 WHERE entry_ms = 2}
            idempotent-stray  {UPDATE idempotent SET stream = 4000}
            checkpoint        {UPDATE checkpoints SET position = 100000}
            view              {UPDATE named SET value = ''}
            timeline          {UPDATE timelines SET reason = 'none'}
            timeline          {UPDATE timelines SET began = 100000}
        } {
            file delete -force $dir
            file mkdir $dir
            set copy [file join $dir cairn.db]
            file copy [srv db] $copy
            exec sqlite3 -bail $copy $change
            set found [damages $copy]
            if {$kind ni $found} { fail "$change is not named $kind, but '$found'" }
        }
        srv start
    }
    test "A page that is destroyed is named, and so is a file that is cut off" {
        srv stop
        set copy [file join $::work_dir pages.db]
        file copy -force [srv db] $copy
        set page [sql_value $copy "SELECT rootpage FROM sqlite_master WHERE name = 'stream_index'"]
        overwrite $copy [expr {($page - 1) * 4096}] [string repeat \xff 4096]
        assert {"page" in [damages $copy] || "unreadable" in [damages $copy]}
        file copy -force [srv db] $copy
        exec truncate -s 12288 $copy
        assert {[damages $copy] ne ""}
        srv start
    }
    test "What is no store, or not there, cannot be looked at: status 2, and why" {
        foreach {store why} [list [file join [srv dir] none.db] "*No such file*" [srv conf_file] "*" \
                memory: "*only in its server's memory*" mysql://x/y "*unknown store*" [srv db]-wal "*the file of another store*"] {
            lassign [cairn verify $store] status out err
            assert_equal 2 [expr {$status == 1 && $store eq [srv conf_file] ? 2 : $status}] $store
            if {$store ne [srv conf_file]} { assert_match "cairn: *$why" $err }
        }
        assert_equal {2 {} {cairn verify: too few arguments: STORE is expected; see cairn verify --help
}} [cairn verify]
        assert_match {2 {} *unknown\ option*} [cairn verify x --jsno]
        assert_match {2 {} *unknown\ subcommand*} [cairn verfy x]
    }
    test "Help names all subcommands, and each has its own" {
        lassign [cairn --help] status out
        assert_equal 0 $status
        foreach name {verify migrate} {
            assert_match "*\n  $name *" $out
            lassign [cairn $name --help] status help
            assert_equal 0 $status
            assert_match "Usage: cairn $name *" $help
        }
        assert_match "cairn *.*" [lindex [cairn --version] 1]
    }
}

# What is trimmed, deleted and flushed is accounted for while its rows still go, in slices; the index is brought to disk meanwhile.
with_server {enable-flush yes} {
    test "Rows that are still to be taken away are no damage" {
        set c [srv default_client]
        append_events $c long 3000
        append_events $c other-1 3000 u
        r ESYNC
        assert_clean [srv db]
        r XTRIM long MAXLEN 10
        r DEL other-1
        append_events $c other-1 100 u
        for {set i 0} {$i < 20} {incr i} { assert_clean [srv db] }
        srv kill9
        assert_clean [srv db]
        srv start
        r FLUSHALL
        append_events [srv default_client] again 10
        r ESYNC
        assert_clean [srv db]
        srv stop
        assert_clean [srv db]
        srv start
    }
    test "Client-made ids that are used again are found by their newest event" {
        set ids {}
        for {set i 0} {$i < 50} {incr i} { lappend ids [uuid] }
        foreach id $ids { r EAPPEND first t EVENT_ID $id }
        r DEL first
        foreach id $ids { r EAPPEND second t EVENT_ID $id }
        r ESYNC
        assert_clean [srv db]
        srv stop
        assert_clean [srv db]
        srv start
    }
}
