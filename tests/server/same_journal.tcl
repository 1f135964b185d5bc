# The same recorded journal brought into SQLite and into PostgreSQL makes the same store.
source [file join $::top tests lib tool.tcl]
source [file join $::top tests lib whole_store.tcl]

skip unless sqlite "the journal is recorded in front of SQLite"
set missing [postgres_missing]
if {$missing ne ""} {
    test "The same journal in both backends" { skip $missing }
    return
}
set db [Cluster new]

proc apply_only {store args} { exec [lindex [server_binary] 0] --store $store {*}$args --apply-only 2>@1 }
# What the documented views show, in words that are the same in both; bytes that are no text are NULL in PostgreSQL's.
proc view_queries {} {
    return {
        "SELECT sequence, stream, version, type, lower(CAST(%id(event_id) AS text)), entry_id, timestamp, recorded, %id(transaction_id), %id(partition_key), %id(correlation_id), %id(causation_id), aggregate_id FROM cairn_events ORDER BY sequence"
        "SELECT sequence, payload, metadata FROM cairn_events WHERE stream NOT IN ('other', 'entries') ORDER BY sequence"
        "SELECT number, name, category, created, %id(partition_key), events, first_version, next_version, entries_added, expires FROM cairn_streams ORDER BY number"
        "SELECT name, created, expires FROM cairn_strings ORDER BY name"
        "SELECT stream, name, created, last_delivered, entries_read, consumers, pending, behind FROM cairn_groups ORDER BY stream, name"
        "SELECT stream, \"group\", consumer, entry_id, version, delivered, deliveries FROM cairn_pending ORDER BY stream, 2, entry_id"
        "SELECT name, position, timeline, updated, behind FROM cairn_checkpoints ORDER BY name"
        "SELECT name, selector FROM cairn_views ORDER BY name"
        "SELECT timeline, began, ended, CASE reason WHEN 'first' THEN 0 ELSE created END, reason FROM cairn_timelines ORDER BY began"
        "SELECT store_id, next_sequence, streams, applied, timeline FROM cairn_status"
    }
}
proc views_of_sqlite {file} {
    lmap query [view_queries] { exec sqlite3 -readonly $file [regsub -all {%id\(([a-z_]*)\)} $query {\1}] }
}
proc views_of_postgres {schema} {
    lmap query [view_queries] {
        exec env "PGOPTIONS=-c search_path=$schema" psql -XqAt -h [$::db dir] -p [$::db port] -U admin cairn \
            -c [regsub -all {%id\(([a-z_]*)\)} $query {\1}] 2>@1
    }
}
# Brings the journal of the server, which is stopped, into both.
proc assert_alike {name} {
    set journal [srv db]-journal.d
    set file [file join [srv dir] $name.db]
    file copy $journal $file-journal.d
    file copy $journal $file-for-postgres
    assert_match "*applied up to frame *" [apply_only sqlite:$file]
    assert_match "*applied up to frame *" [apply_only [$::db uri $name] --journal-dir $file-for-postgres]
    assert_equal {} [damages $file]
    assert_equal {} [damages [$::db uri $name]]
    foreach query [view_queries] one [views_of_sqlite $file] other [views_of_postgres $name] { assert_equal $one $other $query }
    # Byte by byte, as far as it goes from store to store. (A store that was made so says that it has a doubt.)
    sql_change $file "UPDATE store SET left_as = 'closed'"
    $::db sql "UPDATE $name.store SET left_as = 'closed'"
    foreach from [list $file [$::db uri $name]] copy {one two} {
        lassign [cairn migrate $from $file.$copy] status out err
        assert_equal "0 {}" [list $status $err]
    }
    assert_equal [dump $file.one] [dump $file.two]
}

test "A journal with some of everything makes the same store in both backends" {
    with_server {} {
        fill
        srv kill9
        assert_alike kinds
    }
}
test "A journal with a flush in it, and what comes after, makes the same store in both backends" {
    with_server {enable-flush yes} {
        fill
        r FLUSHALL
        fill
        srv kill9
        assert_alike flushed
    }
}
test "Random changes make the same store in both backends" {
    with_server {} {
        foreach stream {a-1 a-2 b-1} { r XGROUP CREATE $stream g 0 MKSTREAM }
        for {set i 0} {$i < 1500} {incr i} {
            set stream [pick {a-1 a-2 b-1 c d}]
            switch [rand_below 14] {
                0 - 1 - 2 { r EAPPEND $stream type[rand_below 5] PAYLOAD $i }
                3 { r EAPPEND $stream t PAYLOAD "\x00\xff$i" EVENT_ID [uuid] AGGREGATE agg[rand_below 9] CORRELATION [uuid] }
                4 - 5 { r XADD $stream * f $i g "\xfe" }
                6 { r XADD $stream IDMP p[rand_below 3] $i * f v }
                7 { foreach stream {a-1 a-2 b-1} { catch {r XREADGROUP GROUP g c[rand_below 3] COUNT 3 STREAMS $stream >} } }
                8 { foreach e [r XRANGE $stream - + COUNT 5] { catch {r XACK $stream g [lindex $e 0]} } }
                9 { foreach e [r XREVRANGE $stream + - COUNT 3] { r XDEL $stream [lindex $e 0] } }
                10 { r XTRIM $stream MAXLEN 60 }
                11 { foreach e [field [r ESCAN $stream - + COUNT 2] events] { catch {r EERASE [field $e event_id]} } }
                12 { r SET key[rand_below 5] "$i\x00" EX [expr {100000 + $i}] }
                13 {
                    if {[rand_below 4] == 0} { r DEL [pick {c d key1}] }
                    if {[rand_below 4] == 0} { catch {r RENAME c e-[rand_below 3]} }
                    catch {r ECHECKPOINT SET cp[rand_below 3] [rand_below $i]}
                }
            }
        }
        srv kill9
        assert_alike random
    }
}

$db destroy
