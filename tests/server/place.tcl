# What happens around the files while the server runs: the database removed, replaced or written over, the lock file removed;
# and names of databases that mean something else to SQLite.

skip unless sqlite "files that are moved"

# Appends to the stream until it is refused. Returns the ids that were acknowledged; the error is in ::refusal.
proc acked_until_refused {stream} {
    set acked {}
    set until [expr {[clock milliseconds] + [patience]}]
    while {[clock milliseconds] < $until} {
        set reply [r typed EAPPEND $stream t PAYLOAD x]
        if {[lindex $reply 0] eq "error"} {
            set ::refusal [lindex $reply 1]
            return $acked
        }
        lappend acked [field [untyped $reply] event_id]
        after 5
    }
    fail "nothing was refused"
}
proc assert_all_there {ids} {
    foreach id $ids { assert_equal $id [field [r EGET $id] event_id] }
}
proc stop_fails {} {
    srv expect_end
    srv drop_client
    srv signal TERM
    assert_equal "exit 1" [srv wait_end]
}
# Nothing of the store is there any more, and a new one begins.
proc start_afresh {} {
    file delete -force {*}[glob -nocomplain [srv db] [srv db]-*]
    srv start
}
# Runs body with a server that holds 20 applied events of stream `before`.
proc with_store {options body} {
    with_server [concat {apply-delay-ms 5} $options] {
        append_events [srv default_client] before 20
        r ESYNC
        uplevel 1 $body
    }
}

foreach durability {journal backend} {
    test "The database is removed: writes are refused, reads go on, the stop seals nothing ($durability)" {
        with_store [list durability $durability] {
            file delete {*}[glob [srv db] [srv db]-*m [srv db]-wal]
            set acked [acked_until_refused after]
            assert_match "IOERR *cairn.db was removed or renamed while the server runs*" $::refusal
            assert_equal 0 [info_field [srv default_client] writable store]
            assert_match "*was removed or renamed*" [info_field [srv default_client] refusal store]
            assert_equal 19 [r ESVER before]
            assert_all_there $acked
            assert_match "IOERR store is read-only: *" [r err SET k v]
            if {$durability eq "journal"} {
                assert_match "IOERR *" [r err ESYNC]
                set segments [llength [journal_files $::srv]]
            }
            stop_fails
            assert_match "*was removed or renamed*" [srv new_log]
            assert {![string match "*goodbye*" [srv new_log]]}
            assert {![file exists [srv db]]}
            if {$durability eq "journal"} {
                assert_equal $segments [llength [journal_files $::srv]]
                srv start ;# a young store: all is still in the journal
                assert_equal 19 [r ESVER before]
                assert_all_there $acked
            } else {
                start_afresh
            }
        }
    }
    test "The database is moved away and back: writes are accepted again and nothing is lost ($durability)" {
        with_store [list durability $durability] {
            file rename [srv db] [srv dir]/elsewhere
            set acked [acked_until_refused after]
            file rename [srv dir]/elsewhere [srv db]
            wait_for "writes to be accepted" {[lindex [r typed EAPPEND after t] 0] ne "error"}
            assert_match "*files are back*" [srv new_log]
            r ESYNC
            assert_all_there $acked
            srv crash
            assert_all_there $acked
            srv restart
            assert_all_there $acked
            assert_equal ok [exec sqlite3 [srv db] "PRAGMA integrity_check"]
        }
    }
}

test "The files are removed: copied from the running server's descriptors, nothing is lost" {
    with_store {} {
        append_events [srv default_client] before 5
        r ESYNC
        file delete {*}[glob [srv db] [srv db]-*m [srv db]-wal]
        set acked [acked_until_refused after]
        foreach fd [glob /proc/[srv pid]/fd/*] {
            if {![catch {file readlink $fd} target] && [string match "*cairn.db (deleted)" $target]} { set found $fd }
        }
        exec cp $found [srv dir]/rescued.db
        stop_fails
        file rename [srv dir]/rescued.db [srv db]
        srv start
        assert_equal 24 [r ESVER before]
        assert_all_there $acked
        assert_equal ok [exec sqlite3 [srv db] "PRAGMA integrity_check"]
    }
}

test "An idle server notices, too" {
    with_store {} {
        file rename [srv db] [srv dir]/elsewhere
        srv wait_log "was removed or renamed"
        assert_match "IOERR *" [r err EAPPEND after t]
        file rename [srv dir]/elsewhere [srv db]
        srv wait_log "files are back"
        r EAPPEND after t
    }
}

test "A clean stop right after the database was removed does not say that all is well" {
    with_store {} {
        file rename [srv db] [srv dir]/elsewhere
        stop_fails
        file rename [srv dir]/elsewhere [srv db]
        srv start
        assert_equal 19 [r ESVER before]
    }
}

foreach end {stop_fails "srv kill9"} {
    test "A backup is moved over the database: it stays whole, and with the old one back nothing is lost ($end)" {
        with_store {} {
            r BACKUP [srv dir]/backup.db
            append_events [srv default_client] before 30
            r ESYNC
            file rename [srv db] [srv dir]/old.db
            file rename [srv dir]/backup.db [srv db]
            set acked [acked_until_refused after]
            assert_match "*was replaced by another file while the server runs*" $::refusal
            assert_equal 49 [r ESVER before]
            eval $end
            # What the old database had in its WAL did not come into the new one.
            assert_equal "20 ok" [sql_value [srv db] "SELECT (SELECT count(*) FROM cairn_events) || ' ' || (SELECT * FROM pragma_integrity_check)"]
            lassign [refused_start [list -dir [srv dir]]] how log
            assert_equal "exit 1" $how
            assert_match "*belongs to another store*" $log
            file delete {*}[glob -nocomplain [srv db] [srv db]-wal [srv db]-shm]
            file rename [srv dir]/old.db [srv db]
            srv start
            assert_equal 49 [r ESVER before]
            assert_all_there $acked
        }
    }
    foreach what {backup copy} {
        test "A $what is copied over the database, which keeps its inode: noticed, and not mixed with it ($end)" {
            with_store {} {
                if {$what eq "backup"} {
                    r BACKUP [srv dir]/$what.db
                } else {
                    srv restart ;# so that the file alone is the store
                    srv stop
                    file copy [srv db] [srv dir]/$what.db
                    srv start
                }
                append_events [srv default_client] before 30
                r ESYNC
                exec sqlite3 [srv db] "PRAGMA wal_checkpoint" ;# as the server does from time to time
                append_events [srv default_client] before 1
                r ESYNC ;# it has seen it
                set inode [dict get [file stat [srv db] st; array get st] ino]
                exec cp [srv dir]/$what.db [srv db]
                assert_equal $inode [dict get [file stat [srv db] st; array get st] ino]
                set acked [acked_until_refused after]
                assert_match "*cairn.db was written over while the server runs: [dict get {backup another copy {an older copy of the}} $what] store is in it*" $::refusal
                eval $end
                assert_equal "20 ok" [sql_value [srv db] "SELECT (SELECT count(*) FROM cairn_events) || ' ' || (SELECT * FROM pragma_integrity_check)"]
                assert_equal 1 [llength [glob [srv db]-wal-of-before-*]]
                if {$what eq "copy"} { ;# of this store: what it lacks is in the journal
                    srv start
                    assert_equal 50 [r ESVER before]
                    assert_all_there $acked
                } else {
                    lassign [refused_start [list -dir [srv dir]]] how log
                    assert_equal "exit 1" $how
                    assert_equal "20 ok" [sql_value [srv db] "SELECT (SELECT count(*) FROM cairn_events) || ' ' || (SELECT * FROM pragma_integrity_check)"]
                    start_afresh
                }
            }
        }
    }
}

test "Something is mounted over the database" {
    with_store {} {
        r BACKUP [srv dir]/backup.db
        if {[catch {exec mount --bind [srv dir]/backup.db [srv db]} words]} { skip "mount: $words" }
        try {
            set acked [acked_until_refused after]
            assert_match "*was replaced by another file*" $::refusal
        } finally { exec umount [srv db] }
        srv wait_log "files are back"
        r ESYNC
        assert_all_there $acked
    }
}

foreach end {stop_fails "srv kill9"} {
    test "The WAL is cut in place: noticed, its pages are not copied, and what the journal has is there again ($end)" {
        with_store {} {
            exec sqlite3 [srv db] "PRAGMA wal_checkpoint"
            append_events [srv default_client] before 30
            r ESYNC
            close [open [srv db]-wal w]
            set acked [acked_until_refused after]
            assert_match "*cairn.db was written over while the server runs: its WAL was cut*" $::refusal
            assert_equal 49 [r ESVER before]
            eval $end
            assert_equal ok [sql_value [srv db] "PRAGMA integrity_check"]
            srv start
            assert_equal 49 [r ESVER before]
            assert_all_there $acked
        }
    }
}
test "Others may empty the WAL by a checkpoint" {
    with_store {} {
        for {set i 0} {$i < 50} {incr i} {
            exec sqlite3 [srv db] "PRAGMA wal_checkpoint(TRUNCATE)"
            r EAPPEND before t
        }
        r ESYNC
        assert_equal 1 [info_field [srv default_client] writable store]
    }
}

test "The WAL is removed, or its index: noticed, and nothing is lost" {
    foreach end {-wal -shm} {
        with_store {} {
            file delete [srv db]$end
            set acked [acked_until_refused after]
            assert_match "*cairn.db$end was removed or renamed*" $::refusal
            stop_fails
            srv start
            assert_equal 19 [r ESVER before]
            assert_all_there $acked
            assert_equal ok [exec sqlite3 [srv db] "PRAGMA integrity_check"]
        }
    }
}

test "The journal's directory is removed: writes are refused, what was acknowledged is applied" {
    with_store {} {
        file rename [journal_dir $::srv] [srv dir]/aside
        set acked [acked_until_refused after]
        assert_match "IOERR *cairn.db-journal.d was removed, renamed or replaced*" $::refusal
        r ESYNC
        srv stop
        assert_equal [expr {20 + [llength $acked]}] [sql_value [srv db] "SELECT count(*) FROM cairn_events"]
        srv start
        assert_all_there $acked
    }
}

test "Nobody is alarmed by a VACUUM, a checkpoint, an index, a writer or a reader from outside" {
    with_store {} {
        foreach round {1 2 3} {
            foreach command {
                "VACUUM" "PRAGMA wal_checkpoint(TRUNCATE)" "CREATE INDEX IF NOT EXISTS mine ON events (type)" "ANALYZE"
                "PRAGMA auto_vacuum = FULL; VACUUM" "CREATE TABLE IF NOT EXISTS theirs (x); INSERT INTO theirs VALUES (1)"
                "PRAGMA wal_checkpoint(PASSIVE); SELECT count(*) FROM cairn_events" "PRAGMA auto_vacuum = NONE; VACUUM; PRAGMA wal_checkpoint"
            } {
                exec sqlite3 [srv db] ".timeout 60000" $command
                append_events [srv default_client] round-$round 3
                r ESYNC
            }
        }
        set held [hold_database [srv db]]
        append_events [srv default_client] held 5
        release_database $held
        r ESYNC
        file link -symbolic [srv dir]/link.db [srv db]
        file mtime [srv db] 1000000000
        append_events [srv default_client] held 5
        r ESYNC
        assert {![regexp {refused|lost|removed|replaced} [srv new_log]]} [srv log_tail]
        srv restart
        assert_equal ok [exec sqlite3 [srv db] "PRAGMA integrity_check"]
    }
}

# ---- the locks ----

test "The lock holds although its file is removed, and the file is made again" {
    with_store {} {
        file delete [srv db]-lock
        lassign [refused_start [list store sqlite:[srv db]]] how log
        assert_equal "exit 1" $how
        assert_match "*is in use by another server (it holds *)*" $log
        r EAPPEND after t
        wait_for "the lock file" {[file exists [srv db]-lock]}
        srv wait_log "cairn.db-lock was removed, and is made again"
        lassign [refused_start [list store sqlite:[srv db]]] how log
        assert_match "*is in use by another server*" $log
        r EAPPEND after t
        r ESYNC
        assert_equal 1 [r ESVER after]
    }
}

test "One store by two names is in use, too" {
    with_store {} {
        file link -symbolic [srv dir]/link.db [srv db]
        lassign [refused_start [list store sqlite:[srv dir]/link.db]] how log
        assert_equal "exit 1" $how
        assert_match "*is in use by another server*" $log
        r EAPPEND after t
        r ESYNC
    }
}

# ---- names ----

test "A store's name is a file's, or is refused" {
    with_store {} {
        foreach {path words} {
            :memory: {is not kept in a file. 'store memory:' is a store in memory}
            :other: {is not kept in a file}
            file:x.db {URIs are not understood}
            file:x.db?mode=memory {URIs are not understood}
            "" {needs the path of a file}
            . {is a directory}
            ./ {is a directory}
            new/ {is a directory}
            cairn.db-wal {is the file of another store}
            cairn.db-shm {is the file of another store}
            cairn.db-lock {is the file of another store}
            cairn.db-journal {is the file of another store}
            cairn.db-journal.d {is the file of another store}
            /dev/null {is not a plain file}
        } {
            set before [lsort [glob [srv dir]/*]]
            lassign [refused_start [list -dir [srv dir] store sqlite:$path]] how log
            assert_equal "exit 1" $how $path
            assert_match "*$words*" $log $path
            assert_equal $before [lsort [glob [srv dir]/*]] $path
        }
        lassign [refused_start {store memory:name}] how log
        assert_match "*memory: takes no name*" $log
    }
    foreach path {./:memory: ./file:x.db "with blank?mode=memory.db" alone-wal %41.db} {
        set store [list store sqlite:$path]
        if {[string match "* *" $path]} { set store [list store "\"sqlite:$path\""] }
        with_server $store {
            r EAPPEND s t
            r ESYNC
            assert {[file exists [srv dir]/$path]} $path
            srv restart
            assert_equal 0 [r ESVER s]
        }
    }
}

test "Who counts by a name that the database will never know is told why, and does not wait" {
    with_store {} {
        r EAPPEND old-1 t
        r ESYNC
        set hold [hold_database [srv db]]
        r RENAME old-1 new-1
        with_clients {a b} {
            # What is read is judged by the new name; what is counted is counted in the database.
            assert_equal new-1 [page_field [$a EPSCAN 0 - + STREAM new-*] stream_id]
            $a send XLEN @category:new
            $b send XINFO STREAM @stream:new-*
            foreach c {a b} { assert [[set $c] silent] }
            file delete {*}[glob [srv db] [srv db]-*m [srv db]-wal]
            release_database $hold
            foreach c {a b} { assert_error "IOERR *" {[set $c] read} }
        }
        stop_fails
        start_afresh
    }
}
