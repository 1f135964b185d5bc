# BACKUP: a consistent copy while the store is in use; restoring is copying the file back.

skip unless sqlite "BACKUP"

source [file join $::top tests lib faults.tcl]

# Starts a server on a copy of the file and returns its snapshot.
proc restored {path} {
    set s [Server new {}]
    file copy $path [$s db]
    $s start
    set c [$s client]
    set snap [snapshot $c]
    $c EAPPEND works t
    $c close
    $s stop
    $s destroy
    return $snap
}

with_server {} {
    append_events [srv default_client] a 500
    r EMAPPEND [uuid] a x b y

    test "A backup holds everything that was acknowledged before it, journal included" {
        set hold [hold_database [srv db]]
        append_events [srv default_client] held 100
        release_database $hold
        set path [file join [srv dir] one.db]
        set before [snapshot [srv default_client]]
        r BACKUP $path
        assert_equal ok [sql_value $path "PRAGMA integrity_check"]
        assert_equal 602 [sql_value $path "SELECT count(*) FROM cairn_events"]
        assert_equal closed [sql_value $path "SELECT journal FROM cairn_status"]
        assert {[sql_value $path "SELECT store_id FROM cairn_status"] ne [sql_value [srv db] "SELECT store_id FROM cairn_status"]}
        assert_equal $before [restored $path]
    }
    test "A backup under load is consistent: no gap, no half group" {
        set writers {}
        for {set i 0} {$i < 4} {incr i} {
            set c [new_client]
            $c write [string repeat [resp_command EMAPPEND [uuid] left-$i t right-$i t] 2000]
            lappend writers $c
        }
        set path [file join [srv dir] two.db]
        r BACKUP $path
        foreach c $writers {
            for {set i 0} {$i < 2000} {incr i} { $c read }
            $c close
        }
        lassign [restored $path] last events
        set sequence 0
        foreach e $events {
            if {[field $e partition_sequence] != $sequence} { fail "gap at $sequence" }
            incr sequence
            dict incr count [field $e stream_id]
        }
        assert_equal $last [expr {$sequence - 1}]
        for {set i 0} {$i < 4} {incr i} {
            if {[dict exists $count left-$i]} { assert_equal [dict get $count left-$i] [dict get $count right-$i] }
        }
    }
    test "A path that exists, or cannot be written, is an error and harms nothing" {
        set path [file join [srv dir] there]
        write_file $path "precious"
        assert_regexp {^[A-Z]+ } [r err BACKUP $path]
        assert_equal precious [read_file $path]
        assert_regexp {^[A-Z]+ } [r err BACKUP /no/such/folder/x.db]
        assert_regexp {^[A-Z]+ } [r err BACKUP [srv db]]
        assert_regexp {^[A-Z]+ } [r err BACKUP ""]
        r EAPPEND after t
        assert_equal 0 [r ESVER after]
        assert {![file exists /no/such]}
    }
    test "INFO tells about the last backup" {
        assert_regexp {backup[a-z_]*:} [r INFO store]
    }
    test "Restoring over the old store is copying the file back" {
        set path [file join [srv dir] three.db]
        r BACKUP $path
        set before [snapshot [srv default_client]]
        append_events [srv default_client] later 50
        srv stop
        foreach f [glob [srv db]*] { file delete -force $f }
        file copy $path [srv db]
        srv start
        assert_equal $before [snapshot [srv default_client]]
        assert_equal {} [r ESVER later]
    }
}

# Unfinished backups in a directory, and what SQLite keeps beside them.
proc parts {dir} { lsort [glob -nocomplain -tails -directory $dir *.part*] }

with_server {} {
    r SET a 1
    file mkdir [file join [srv dir] sub] [file join [srv dir] other]

    test "Names that SQLite or the store would take for their own are refused" {
        foreach name {cairn.db-wal cairn.db-shm cairn.db-journal copy.db-wal copy.db-shm copy.db-journal COPY.DB-JOURNAL -wal
            cairn.db-lock copy.db-lock copy.db-journal.d sub/copy.db-journal backup-x.part copy.part} {
            assert_match "ERR backup failed: backup: $name: such a name belongs to *" [r err BACKUP $name]
        }
        foreach name [list cairn.db-journal.d/copy.db cairn.db-journal.d/seg-1 [srv db]-journal.d/copy.db] {
            assert_match "ERR backup failed: backup: $name: such a name belongs to the store" [r err BACKUP $name]
        }
        foreach name [list cairn.db ./cairn.db [srv db]] {
            assert_match "ERR backup failed: backup: $name is the store itself" [r err BACKUP $name]
        }
        foreach name {. sub/ sub/. /} { assert_match "ERR backup failed: backup: *" [r err BACKUP $name] }
        assert_equal {} [glob -nocomplain -directory [srv dir] copy*]
    }
    test "A name is refused when SQLite would take a file beside it for a part of the copy" {
        foreach end {-journal -wal -shm -journal.d} {
            write_file [file join [srv dir] beside.db$end] x
            assert_match "ERR backup failed: backup: beside.db: there is a beside.db$end, *" [r err BACKUP beside.db]
            file delete [file join [srv dir] beside.db$end]
        }
        assert_equal OK [r BACKUP beside.db]
    }
    test "Names stay inside the directory, which is the store's when backup-dir says nothing" {
        foreach name [list ../copy.db sub/../copy.db sub/../../copy.db ./../copy.db .. sub/.. /copy.db /tmp/copy.db /proc/self/cwd/../copy.db \
                [srv dir]/../copy.db [srv dir]-other/copy.db /proc/self/root/copy.db] {
            assert_match "ERR backup failed: backup: $name is outside backup-dir, which is *" [r err BACKUP $name]
        }
        foreach name [list one.db ./two.db sub/three.db sub//./four.db [srv dir]/five.db [srv dir]//sub/six.db] {
            assert_equal OK [r BACKUP $name] $name
            assert_equal ok [sql_value [file join [srv dir] $name] "PRAGMA integrity_check"] $name
        }
        assert_equal {} [parts [srv dir]]
    }
    test "No symbolic link leads out" {
        set out [file join $::work_dir outside]
        file mkdir $out
        file link -symbolic [file join [srv dir] link] $out
        file link -symbolic [file join [srv dir] sub link] ..
        exec ln -s [file join $out link.db] [file join [srv dir] link.db] ;# to nothing
        foreach name {link/copy.db sub/link/copy.db} {
            assert_match "ERR backup failed: backup: $name: link in backup-dir is no directory*" [r err BACKUP $name]
        }
        assert_match "ERR backup failed: backup: link.db exists already" [r err BACKUP link.db]
        assert_equal {} [glob -nocomplain -directory $out *]
    }
    test "backup-dir cannot be set while the server runs" {
        assert_equal {backup-dir {}} [r CONFIG GET backup-dir]
        assert_equal "ERR CONFIG SET failed (possibly related to argument 'backup-dir') - can't set immutable config" [r err CONFIG SET backup-dir /tmp]
        assert_equal OK [r CONFIG SET backup-dir ""]
    }
    test "backup-dir is where names lead" {
        set at [file join [srv dir] other]
        srv option backup-dir $at
        srv restart
        foreach name [list one.db $at/two.db] { assert_equal OK [r BACKUP $name] }
        assert_match "*outside backup-dir, which is $at" [r err BACKUP [srv dir]/three.db]
        assert_equal {one.db two.db} [lsort [glob -tails -directory $at *]]
        # Through a link, by both of its names; the server may follow its own option.
        file link -symbolic [file join [srv dir] also] other
        srv option backup-dir [file join [srv dir] also]
        srv restart
        foreach name [list three.db $at/four.db [srv dir]/also/five.db] { assert_equal OK [r BACKUP $name] }
        assert_equal {five.db four.db one.db three.db two.db} [lsort [glob -tails -directory $at *]]
        # Relative: to where the server was started.
        srv option backup-dir other
        srv restart
        foreach name [list six.db $at/seven.db] { assert_equal OK [r BACKUP $name] }
        assert_equal 7 [llength [glob -directory $at *]]
    }
    test "The journal is no place for backups" {
        srv option backup-dir [srv db]-journal.d
        srv restart
        assert_match "ERR backup failed: backup: copy.db: backup-dir leads into the journal" [r err BACKUP copy.db]
        file link -symbolic [file join [srv dir] journal] [srv db]-journal.d
        srv option backup-dir [file join [srv dir] journal]
        srv restart
        assert_match "ERR backup failed: backup: copy.db: backup-dir leads into the journal" [r err BACKUP copy.db]
    }
    test "A directory that is not there (yet) is a warning at the start and an error of BACKUP" {
        set at [file join [srv dir] later]
        srv option backup-dir $at
        srv restart
        assert_match "*# backup-dir $at: No such file or directory; BACKUP will fail*" [srv new_log]
        assert_match "ERR backup failed: backup: cannot open backup-dir $at: No such file or directory" [r err BACKUP one.db]
        file mkdir $at
        assert_equal OK [r BACKUP one.db]
    }
}

with_server {} {
    test "A backup answers with the reason when what came before it cannot be applied" {
        r SET a 1
        set hold [hold_database [srv db]]
        r SET a 2
        assert_match "ERR backup failed: backup: what is in the journal cannot be brought into the store: *database is locked*" [r err BACKUP one.db]
        # One that waits may be ended by others, or by what it waits for.
        with_clients c {
            set id [$c CLIENT ID]
            $c send BACKUP two.db
            wait_for "it waits, or has given up" {[r CLIENT UNBLOCK $id ERROR] || ![$c silent]}
            release_database $hold
        }
        wait_for "it can be applied" {[info_field r apply_failing store] == 0}
        assert_equal OK [r BACKUP one.db]
        assert_equal {cairn.db one.db} [lsort [glob -tails -directory [srv dir] *.db]]
    }
}

with_faulty_server {enable-flush yes} {
    test "What a backup leaves when the server is killed goes at the next start, and nothing else" {
        r SET a 1
        file mkdir [file join [srv dir] sub]
        set id [sql_value [srv db] "SELECT store_id FROM cairn_status"]
        fault "match *backup-*.part*\nhold write"
        with_clients c {
            $c send BACKUP sub/night.db
            wait_for "it has begun" {[info_field r backup_in_progress store] == 1 && [parts [srv dir]] ne ""}
            assert_match "backup-$id-*.part" [lindex [parts [srv dir]] 0]
            srv kill9
        }
        set left [lindex [parts [srv dir]] 0]
        set other 00000000-0000-4000-8000-000000000000
        set mine {}
        foreach end {-journal -wal -shm} { lappend mine $left$end }
        set theirs [list backup-$other-0123456789abcdef.part backup-$id-0123456789abcdef.part.keep backup-$id-012345678.part backup-$id-note.part night.db.part-0123456789abcdef]
        foreach name [concat $mine $theirs] { write_file [file join [srv dir] $name] x }
        file mkdir [file join [srv dir] backup-$id-0000000000000000.part]
        lappend theirs backup-$id-0000000000000000.part
        no_fault
        srv start
        assert_equal [lsort $theirs] [parts [srv dir]]
        assert_match "*removed $left in * an unfinished backup*" [srv new_log]
        assert_equal OK [r BACKUP sub/night.db]
    }
    test "A backup that is under way when everything is flushed is finished" {
        r XADD stream 1-1 a b
        fault "match *backup-*.part*\nhold write"
        with_clients c {
            $c send BACKUP flushed.db
            wait_for "it writes" {[lindex [fault_counts 1] 0] > 0}
            assert_equal 1 [info_field r rdb_bgsave_in_progress persistence]
            r FLUSHALL
            assert {[$c silent]}
            no_fault
            assert_equal OK [$c read]
        }
        assert_equal 1 [sql_value [file join [srv dir] flushed.db] "SELECT count(*) FROM cairn_events"]
    }
}

with_faulty_server {} {
    test "What others put beside an unfinished copy is not SQLite's: nothing is played back or removed" {
        set victim [file join [srv dir] precious]
        write_file $victim "precious"
        # The end of a hot journal: the file that it belongs to, which SQLite removes with it.
        set sum 0
        foreach byte [split $victim ""] { incr sum [scan $byte %c] }
        set end $victim[binary format IIH* [string length $victim] $sum d9d505f920a163d7]
        r SET a 1
        fault "match *backup-*.part*\nhold write"
        with_clients c {
            $c send BACKUP alone.db
            wait_for "it writes" {[lindex [fault_counts 1] 0] > 0}
            set part [file join [srv dir] [parts [srv dir]]]
            foreach end_of {-journal -wal} {
                set f [open $part$end_of wb]
                puts -nonewline $f [string repeat \1 512]$end
                close $f
            }
            no_fault
            assert_equal OK [$c read]
        }
        assert_equal precious [read_file $victim]
        assert {![file exists $part-journal]}
        set copy [file join [srv dir] alone.db]
        assert_equal ok [sql_value $copy "PRAGMA integrity_check"]
        assert_equal delete [sql_value $copy "PRAGMA journal_mode"]
    }
    test "One backup at a time: a second is refused, and reads from disk are served meanwhile" {
        srv option cache-bytes 1mb
        srv restart
        for {set i 0} {$i < 20} {incr i} { r XADD stream$i 1-1 field $i }
        r ESYNC
        srv restart ;# nothing is in memory
        fault "match *backup-*.part*\nhold write"
        with_clients c {
            $c send BACKUP first.db
            wait_for "it writes" {[lindex [fault_counts 1] 0] > 0}
            foreach name {second.db third.db first.db} {
                assert_equal "ERR backup failed: backup: a backup is running already" [r err BACKUP $name]
            }
            for {set i 0} {$i < 20} {incr i} { assert_equal "{1-1 {field $i}}" [r XRANGE stream$i - +] }
            assert_equal 1 [info_field r backup_in_progress store]
            no_fault
            assert_equal OK [$c read]
        }
        assert_equal 0 [info_field r backup_in_progress store]
        assert_equal OK [r BACKUP second.db]
        r err BACKUP second.db
        assert_equal OK [r BACKUP third.db] ;# one that failed does not count
    }
    test "A backup-dir that others may write to is warned of" {
        set at [file join [srv dir] open]
        file mkdir $at
        srv option backup-dir $at
        foreach {mode warned} {0755 0 0775 1 0757 1 1777 0} {
            exec chmod $mode $at
            srv restart
            set text "*# backup-dir $at: others may write to it (mode $mode), *"
            assert_equal $warned [string match $text [srv new_log]] $mode
            assert_equal OK [r BACKUP $mode.db]
            assert_equal $warned [string match $text [srv new_log]] $mode
        }
    }
}
