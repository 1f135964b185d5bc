# The table "What the start finds" (docs/operations.md): each row is a test.

skip unless sqlite "files that are left"

# Copies parts of the store ("" is the database) aside under a name, and back; put "" removes them.
proc keep {name args} { foreach part $args { file copy [srv db]$part [srv dir]/$name$part } }
proc put {name args} {
    foreach part $args {
        file delete -force [srv db]$part
        if {$name ne ""} { file copy [srv dir]/$name$part [srv db]$part }
    }
}
set ::files {"" -wal -shm}
proc existing {} { return [lmap part $::files { if {![file exists [srv db]$part]} continue; set part }] }
# Frames that are in the journal only; then the server is killed.
proc kill_with_unapplied {stream n} {
    set held [hold_database [srv db]]
    set ids [lmap reply [append_events [srv default_client] $stream $n] {field $reply event_id}]
    srv kill9
    release_database $held
    return $ids
}
# The start must be refused by a message that matches, and leave the journal as it is.
# Only its segments: what was being prepared when the copy was made is cleared away by any start.
proc refused {pattern} {
    set before [lmap f [lsort [glob -nocomplain [srv db]-journal.d/seg-*\[0-9a-f\]]] {list $f [read_file $f]}]
    srv spawn
    srv expect_end
    assert_equal "exit 1" [srv wait_end]
    assert_match "*cannot start: $pattern" [srv new_log]
    assert {$before eq [lmap f [lsort [glob -nocomplain [srv db]-journal.d/seg-*\[0-9a-f\]]] {list $f [read_file $f]}]} "the journal was changed"
}
proc all_there {ids} { foreach id $ids { assert_equal $id [field [r EGET $id] event_id] } }
proc ids_of {stream} { return [lmap e [scan_all [srv default_client] $stream] {field $e event_id}] }
proc with_store {body} {
    with_server {apply-delay-ms 5 journal-segment-bytes 256kb} {
        append_events [srv default_client] first 20
        r ESYNC
        uplevel 1 $body
    }
}

test "The database is missing, and the journal begins with frame 1: made again, with the ids of before" {
    foreach how {kill9 stop} {
        with_store {
            r EAPPEND first t EVENT_ID 7c9e6679-7425-40de-944b-e07fc1f90ae7 PAYLOAD mine
            r XADD jobs * n 1
            r XGROUP CREATE jobs g 0
            set before [snapshot [srv default_client]]
            set id [info_field [srv default_client] store_id store]
            srv $how
            put "" {*}$::files
            srv start
            assert_match "*is missing, and is made again from its journal*" [srv new_log]
            assert_equal $before [snapshot [srv default_client]]
            assert_equal $id [info_field [srv default_client] store_id store]
            all_there [ids_of first]
            r EAPPEND first t
            srv crash
            all_there [ids_of first]
            assert_equal 21 [r ESVER first]
        }
    }
}

test "The database is missing, and the journal begins later: refused; with the database back nothing is lost" {
    foreach how {kill9 stop} {
        with_store {
            # Segments are used again: their first frames are not in the journal any more.
            srv restart
            for {set i 0} {$i < 4} {incr i} {
                append_events [srv default_client] grow 200 t METADATA [string repeat m 1000]
                r ESYNC
            }
            srv $how
            set parts [existing]
            keep old {*}$parts
            put "" {*}$parts
            refused "*cairn.db is missing, but its journal is there (*cairn.db-journal.d), and does not begin with frame 1*"
            assert {![file exists [srv db]]} "the refused start made a database"
            put old {*}$parts
            srv start
            assert_equal 799 [r ESVER grow]
        }
    }
}

test "The database is missing, and nothing is in the journal's directory: an empty store" {
    with_store {
        srv stop
        put "" {*}$::files -journal.d
        file mkdir [srv db]-journal.d
        srv start
        assert_equal "" [r ESVER first]
    }
}

foreach how {kill9 stop} {
    test "An older copy of the database, and a journal that has all that it lacks: the rest is applied, and the log says so ($how)" {
        with_store {
            set ids [ids_of first]
            srv stop
            keep old ""
            srv start
            lappend ids {*}[lmap reply [append_events [srv default_client] second 30] {field $reply event_id}]
            r ESYNC
            srv $how
            put "" {*}$::files
            put old ""
            srv start
            assert_match "*cairn.db is an older copy of the store: what it lacks comes from the journal*" [srv new_log]
            assert_match "*recovered 30 frames from the journal*" [srv new_log]
            all_there $ids
            srv crash
            all_there $ids
            assert_equal ok [exec sqlite3 [srv db] "PRAGMA integrity_check"]
        }
    }
    test "An older copy of the database, and a journal that has not all of what it lacks: refused ($how)" {
        with_store {
            srv stop
            keep old ""
            srv start
            for {set i 0} {$i < 6} {incr i} {
                append_events [srv default_client] grow 200 t METADATA [string repeat m 1000]
                r ESYNC
            }
            srv $how
            set parts [existing]
            keep new {*}$parts
            put "" {*}$parts
            put old ""
            refused "*the store has frames up to *, but its journal begins with frame *: an older copy of the store*"
            put "" {*}$::files
            put new {*}$parts
            srv start
            assert_equal 1199 [r ESVER grow]
        }
    }
}

test "A database that is newer than a journal that was not closed: refused; with the right journal nothing is lost" {
    with_store {
        keep old -journal.d
        set ids [lmap reply [append_events [srv default_client] second 30] {field $reply event_id}]
        r ESYNC
        lappend ids {*}[kill_with_unapplied third 10]
        keep new -journal.d
        put old -journal.d
        refused "*has frames up to 5?, but its journal ends with frame 2?: the journal is older than the database*"
        put new -journal.d
        srv start
        all_there $ids
    }
}

test "A database that was written to in a later run than the journal: refused, also after a clean stop" {
    with_store {
        kill_with_unapplied second 10
        keep old -journal.d
        srv start
        append_events [srv default_client] third 5
        srv stop
        put old -journal.d
        refused "*cairn.db-journal.d and *cairn.db have gone different ways*"
        put "" -journal.d
        srv start
        assert_equal 4 [r ESVER third]
        assert_equal 9 [r ESVER second]
    }
}

foreach count {1 10 11} {
    test "The same store after a restored copy has written $count frames: refused; what belongs together starts" {
        with_store {
            srv stop
            keep copy ""
            srv start
            set ids [lmap reply [append_events [srv default_client] original 10] {field $reply event_id}]
            r ESYNC
            lappend ids {*}[kill_with_unapplied original 10]
            keep original {*}[set parts [existing]] -journal.d
            # The copy goes a way of its own.
            put "" {*}$::files -journal.d
            put copy ""
            srv start
            append_events [srv default_client] copied $count
            r ESYNC
            srv kill9
            set copied [existing]
            keep gone {*}$copied -journal.d
            put original -journal.d
            refused "*cairn.db-journal.d and *cairn.db have gone different ways: the database (frame *) was written to by a server that did not write this journal*"
            put "" {*}$::files
            put original {*}$parts
            put gone -journal.d
            refused "*have gone different ways*"
            put original -journal.d
            srv start
            all_there $ids
            assert_equal "" [r ESVER copied]
            srv stop
            put "" {*}$::files -journal.d
            put gone {*}$copied -journal.d
            srv start
            assert_equal [expr {$count - 1}] [r ESVER copied]
        }
    }
}

test "Another store beside a journal: refused while it is open, said and discarded when it was closed" {
    with_store {
        r BACKUP [srv dir]/backup.db
        set ids [kill_with_unapplied second 10]
        set parts [existing]
        keep mine {*}$parts -journal.d
        put "" {*}$::files
        file copy [srv dir]/backup.db [srv db]
        refused "*belongs to another store*and may hold events of it*"
        put "" {*}$::files
        put mine {*}$parts
        srv start
        all_there $ids
        srv stop
        put "" {*}$::files
        file copy [srv dir]/backup.db [srv db]
        srv start
        assert_match "*sealed segments of another store are discarded*" [srv new_log]
        assert_equal 19 [r ESVER first]
    }
}

test "The WAL of another database: refused before it is mixed in" {
    with_store {
        r BACKUP [srv dir]/backup.db
        append_events [srv default_client] second 30
        r ESYNC
        srv kill9
        keep mine {*}[set parts [existing]]
        assert {"-wal" in $parts}
        file copy -force [srv dir]/backup.db [srv db]
        refused "*cairn.db and *cairn.db-wal do not belong together*"
        put mine {*}$parts
        srv start
        assert_equal 29 [r ESVER second]
        assert_equal ok [exec sqlite3 [srv db] "PRAGMA integrity_check"]
    }
}
