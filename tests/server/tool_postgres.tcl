# cairn verify and cairn migrate with PostgreSQL on either side.

skip unless postgres "with SQLite alone: verify.tcl, migrate.tcl"
source [file join $::top tests lib tool.tcl]
source [file join $::top tests lib whole_store.tcl]

proc must_migrate {from to} {
    lassign [cairn migrate $from $to] status out err
    assert_equal "0 {}" [list $status $err] "$from to $to"
}

with_server {} {
    fill
    test "A store in PostgreSQL is clean while its server runs, after a kill, and when it is closed" {
        assert_clean [$::srv store]
        srv kill9
        assert_clean [$::srv store]
        srv start
        r EAPPEND order-1 more
        srv stop
        assert_clean [$::srv store]
    }
    test "What a server has open is not migrated" {
        srv start
        lassign [cairn migrate [$::srv store] [file join [srv dir] none.db]] status out err
        assert_match "2 *a server has it open*" [list $status $err]
        assert {![file exists [file join [srv dir] none.db]]}
        srv stop
    }
    test "To SQLite and back it is the same" {
        set first [file join [srv dir] first.db]
        must_migrate [$::srv store] $first
        assert_clean $first
        set other [Server new {}]
        must_migrate $first [$other store]
        assert_clean [$other store]
        set second [file join [srv dir] second.db]
        must_migrate [$other store] $second
        assert_equal [dump $first] [dump $second]
        assert_match "2 *not empty*" [lrange [cairn migrate $first [$other store]] 0 end]
        $other start
        srv start
        set c [$other client]
        assert_equal [snapshot [srv default_client]] [snapshot $c]
        $c close
        $other stop
        srv stop
        assert_clean [$other store]
        $other destroy
    }
    test "Killed on its way into PostgreSQL it goes on, and no server opens what is not complete" {
        set first [file join [srv dir] first.db]
        for {set round 0} {$round < 10} {incr round} {
            set other [Server new {}]
            for {set kill 0} {$kill < 2} {incr kill} {
                set pid [exec [tool_binary] migrate $first [$other store] >/dev/null 2>@1 &]
                after [rand_below 300]
                catch {exec kill -9 $pid}
                wait_for "it to be gone" { [process_state $pid] in {"" Z} }
            }
            set left [expr {[catch {sql_value [$other db] "SELECT left_as FROM store"} word] ? "" : $word}]
            if {$left eq "migrating"} {
                assert_match "*target of a migration that is not finished*" [refused_start [list -dir [$other dir]]]
            }
            if {$left ne "closed" || [sql_value [$other db] "SELECT count(*) FROM events"] == 0} { must_migrate $first [$other store] }
            assert_clean [$other store]
            set second [file join [srv dir] back$round.db]
            must_migrate [$other store] $second
            assert_equal [dump $first] [dump $second]
            $other destroy
        }
    }
    test "Each kind of damage is named" {
        set first [file join [srv dir] first.db]
        set other [Server new {}]
        must_migrate $first [$other store]
        foreach {kind change} {
            sequence-gap        {UPDATE store SET removed = removed + 1}
            event-stray         {UPDATE events SET stream = 4000 WHERE sequence = 3}
            type-missing        {DELETE FROM types WHERE number = 1}
            type-block-missing  {DELETE FROM type_blocks WHERE type = 1}
            type-block-stray    {INSERT INTO type_blocks VALUES (77, 0)}
            category-block-missing {DELETE FROM category_blocks}
            hole-stray          {INSERT INTO holes VALUES (4000, 1, 2)}
            version-gap         {DELETE FROM holes}
            version-gap         {DELETE FROM events WHERE sequence = 2}
            content-hash        {UPDATE events SET payload = '\x00' WHERE content_hash IS NOT NULL}
            event-id            {UPDATE events SET event_id = (SELECT event_id FROM events WHERE sequence = 8) WHERE sequence = 7}
            id-twice            {UPDATE events e SET event_id = i.event_id, content_hash = i.content_hash FROM (SELECT * FROM events WHERE content_hash IS NOT NULL) i WHERE e.sequence = 8}
            string-missing      {DELETE FROM strings}
            string-stray        {INSERT INTO strings VALUES (4000, 'x')}
            group-stray         {UPDATE groups SET stream = 4000}
            consumer-stray      {INSERT INTO consumers VALUES (4000, 1, 'x', 'x', 0, 0)}
            group-move-stray    {INSERT INTO group_moves VALUES (4000, 1, 0, 0, 0)}
            consumer-move-stray {INSERT INTO consumer_moves VALUES (4000, 1, 1, 0, 0)}
            pending-stray       {INSERT INTO pending VALUES (4000, 1, 0, 0, 0, 0, 1)}
            pending-consumer    {DELETE FROM consumers WHERE name = 'berta'}
            idempotent-stray    {UPDATE idempotent SET stream = 4000}
            checkpoint          {UPDATE checkpoints SET position = 100000, timeline = (SELECT id FROM timelines ORDER BY number DESC LIMIT 1)}
            counter             {UPDATE commits SET stream_count = 3}
            partition-key       {UPDATE streams SET partition_key = '00000000-0000-0000-0000-000000000000' WHERE number = 1}
        } {
            # What it changes is put back: a copy of the tables that it names.
            regexp {(?:UPDATE|FROM|INTO) ([a-z_]+)} $change all table
            sql_change [$other db] "CREATE TABLE kept AS SELECT * FROM $table; $change;"
            set found [damages [$other store]]
            sql_change [$other db] "DELETE FROM $table; INSERT INTO $table SELECT * FROM kept; DROP TABLE kept;"
            if {$kind ni $found} { fail "$change is not named $kind, but '$found'" }
        }
        assert_clean [$other store]
        $other destroy
    }
    test "An event that an index lacks is named" {
        set first [file join [srv dir] first.db]
        set other [Server new {}]
        must_migrate $first [$other store]
        set n [sql_value [$other db] "SELECT sequence FROM events WHERE aggregate IS NOT NULL"]
        foreach {kind index} {
            index-missing events_version            id-missing events_client_id         correlation-missing events_correlation
            causation-missing events_causation      aggregate-missing events_aggregate
        } {
            # What is added meanwhile does not come into the index.
            sql_change [$other db] "SET allow_system_table_mods = on;
                UPDATE pg_index SET indisready = false WHERE indexrelid = '$index'::regclass;
                CREATE TABLE kept AS SELECT * FROM events WHERE sequence = $n;
                DELETE FROM events WHERE sequence = $n; INSERT INTO events SELECT * FROM kept; DROP TABLE kept;
                UPDATE pg_index SET indisready = true WHERE indexrelid = '$index'::regclass;"
            set found [damages [$other store]]
            if {$kind ni $found} { fail "$index: not named $kind, but '$found'" }
            sql_change [$other db] "REINDEX INDEX $index"
            assert_clean [$other store]
        }
        $other destroy
    }
}

# The first 64 versions of a stream are asked for together with those of others.
test "Streams of one page or of several are looked at whole" {
    with_server {} {
        foreach n {1 63 64 65 200} { append_events [srv default_client] s-$n $n }
        append_events [srv default_client] trimmed 300
        r XTRIM trimmed MAXLEN 70
        r ESYNC
        assert_clean [$::srv store]
        srv stop
        foreach {stream version} {s-63 61 s-63 1 s-64 62 s-65 63 s-200 63 s-200 64 s-200 150 trimmed 240 trimmed 294 trimmed 298} {
            sql_change [srv db] "CREATE TABLE kept AS SELECT e.* FROM events e JOIN streams s ON s.number = e.stream
                    WHERE s.label = '$stream' AND version = $version;
                DELETE FROM events WHERE sequence = (SELECT sequence FROM kept);"
            if {"version-gap" ni [damages [$::srv store]]} { fail "version $version of $stream is missed by nobody" }
            sql_change [srv db] "INSERT INTO events SELECT * FROM kept; DROP TABLE kept;"
        }
        assert_clean [$::srv store]
    }
}
