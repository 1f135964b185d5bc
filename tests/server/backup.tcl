# BACKUP: a consistent copy while the store is in use; restoring is copying the file back.

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
