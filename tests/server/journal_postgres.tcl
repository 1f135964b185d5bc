# A journal in front of PostgreSQL: what it holds outlasts a database that is away, comes into the right one, and into no other.
source [file join $::top tests lib faults.tcl]
source [file join $::top tests lib database.tcl]
source [file join $::top tests lib tool.tcl]

set missing [postgres_missing]
if {$missing ne ""} {
    test "A journal in front of PostgreSQL" { skip $missing }
    return
}
set db [Cluster new]

# As with_database, with a journal: its directory is ::journal.
proc with_journal {options body {through ""}} {
    set ::journal [file join $::work_dir journal[incr ::journals]]
    uplevel 1 [list with_database [concat [list durability journal journal-dir $::journal] $options] $body $through]
}
proc with_journal_network {options body} {
    set ::net [Proxy new [$::db port]]
    try { uplevel 1 [list with_journal $options $body [$::net port]] } finally { $::net destroy }
}
proc frames {name} { info_field [srv default_client] $name journal }
proc in_database {} { $::db value "SELECT count(*) FROM $::schema.events" }
proc append_numbers {from to {stream s}} {
    send_numbers [srv default_client] $stream $from $to
    take_numbers [srv default_client] $from $to
}
# Where and what the files of a journal are.
proc files_of {dir} { lmap f [lsort [glob -nocomplain -directory $dir seg-*]] { list [file tail $f] [exec md5sum < $f] } }
# A server on the same schema, with other options, that must not start; what its log says.
proc refused {args} {
    set options [concat [list store [$::db uri $::schema]] $args]
    lassign [refused_start $options] how log
    assert_equal "exit 1" $how
    return $log
}
proc apply_only {uri dir} { exec [lindex [server_binary] 0] --store $uri --journal-dir $dir --apply-only 2>@1 }
proc give_up_journal {} { $::db sql "UPDATE $::schema.store SET journal_open = false" }
# The database as it is now, under another name; nobody is to have it open.
proc copy_database {name} {
    wait_for "nobody in the database" {[$::db value "SELECT count(*) FROM pg_stat_activity WHERE usename = 'cairn'"] == 0}
    exec psql -Xq -h [$::db dir] -p [$::db port] -U admin postgres -c "CREATE DATABASE $name TEMPLATE cairn" 2>@1
}
proc uri_of_copy {name} { string map [list /cairn? /$name?] [$::db uri $::schema] }

# --- the database is away ----------------------------------------------------------------------------------------------

foreach {what break mend} {
    "is restarted" {$db ctl restart -m fast} {}
    "is killed and started again" {$db kill9} {$db start}
    "loses the writer's process" {exec kill -9 [$db writer]} {}
    "ends all sessions" {$db sql "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'cairn'"} {}
} {
    test "The database $what: nothing that is sent waits for it, and all of it is there once" {
        with_journal {outage-reply-ms 0} {
            append_numbers 0 49
            eval $break
            append_numbers 50 99
            eval $mend
            append_numbers 100 149
            assert_equal OK [r ESYNC]
            assert_equal 150 [in_database]
            assert_equal [numbers 0 149] [payloads [srv default_client] s]
            srv crash
            assert_equal [numbers 0 149] [payloads [srv default_client] s]
        }
    }
}

test "The database is away: appends are acknowledged, and who asks for it is told" {
    with_journal {outage-reply-ms 200} {
        append_numbers 0 9
        wait_for "them to be applied" {![catch {r ESYNC}]}
        assert_equal open [$db value "SELECT journal FROM $schema.cairn_status"]
        $db stop
        append_numbers 10 19
        wait_for "the outage to be noticed" {[info_field [srv default_client] outages stats] == 1}
        append_numbers 20 29
        assert_equal {1 1} [list [store_info writable] [store_info apply_failing]]
        assert_match "IOERR the database has not committed anything for 200 ms: *" [r err ESYNC]
        assert_equal [numbers 0 29] [payloads [srv default_client] s]
        assert_equal {30 0} [list [frames durable_frame] [expr {[frames applied_frame] - 10}]]
        # What is acknowledged outlasts both of them.
        srv kill9
        lassign [refused_start [list store [$db uri $schema] durability journal journal-dir $journal]] how log
        assert_match "*cannot start: *" $log
        $db start
        srv start
        assert_match "*recovered 20 frames from the journal*" [srv new_log]
        assert_equal [numbers 0 29] [payloads [srv default_client] s]
        assert_equal 30 [in_database]
    }
}

test "ESYNC that waits when the database goes is told, and FLUSHALL and what waits for it, too" {
    with_journal {outage-reply-ms 200 enable-flush yes} {
        with_clients {a b} {
            append_numbers 0 9
            $db stop
            $a send ESYNC
            assert_error "IOERR the database has not committed*" { $a read }
            assert_equal OK [$a FLUSHALL]
            foreach command {{KEYS *} {SCAN 0} {ESTREAMS 0} {ECHECKPOINT LIST 0} {RANDOMKEY}} {
                assert_match "IOERR the database has not committed*" [$b err {*}$command] $command
            }
            $b MULTI
            $b KEYS *
            assert_match "IOERR the database has not committed*" [$b err EXEC]
            assert_equal OK [$b MULTI]
            assert_equal OK [$b DISCARD]
            $db start
            assert_equal 0 [field [$a EAPPEND s t PAYLOAD 0] stream_version]
            wait_for "it to be applied" {![catch {$a ESYNC}]}
            assert_equal s [$b KEYS *]
            assert_equal 1 [in_database]
        }
    }
}

foreach {what options} {
    "The journal is full" {journal-segment-bytes 256kb journal-bytes-max 512kb}
    "The memory for it is full" {pinned-bytes-max 200kb}
} {
    test "$what and the database is away: appends wait for it" {
        with_journal [concat {outage-reply-ms 0} $options] {
            with_clients {a} {
                append_numbers 0 0
                $db stop
                set text [string repeat x 10000]
                for {set n 1} {$n < 1000} {incr n} {
                    $a send EAPPEND s t PAYLOAD $text
                    wait_for "an answer, or none" {[r ESVER s] == $n || [info_field [srv default_client] throttled_commands stats] > 0}
                    if {[r ESVER s] != $n} break
                    $a read
                }
                assert_range 10 200 $n
                assert_equal 1 [store_info writable]
                assert {[$a silent]}
                $db start
                assert_equal $n [field [$a read] stream_version]
                assert_equal OK [r ESYNC]
                assert_equal [expr {$n + 1}] [in_database]
            }
        }
    }
    test "$what and the database is away for long: appends are refused, until there is room" {
        with_journal [concat {outage-reply-ms 200} $options] {
            append_numbers 0 0
            $db stop
            set text [string repeat x 10000]
            for {set n 1} {$n < 1000 && ![catch {r EAPPEND s t PAYLOAD $text} why]} {incr n} {}
            assert_range 10 200 $n
            assert_match "IOERR store is read-only: the journal is full, and the database has not committed anything for 200 ms*" $why
            assert_match "IOERR store is read-only: the journal is full*" [r err XADD s * f v]
            assert_equal 0 [store_info writable]
            assert_match "the journal is full, and the database has not*" [store_info refusal]
            assert_equal $n [r XLEN s]
            $db start
            wait_writable
            assert_equal $n [field [r EAPPEND s t PAYLOAD more] stream_version]
            wait_for "it to be applied" {![catch {r ESYNC}]}
            assert_equal [expr {$n + 1}] [in_database]
        }
    }
}

test "The journal is full and the database is away: deadlines that pass wait, too" {
    with_journal {outage-reply-ms 200 journal-segment-bytes 256kb journal-bytes-max 512kb} {
        set at [expr {[clock milliseconds] + 10000}]
        for {set i 0} {$i < 200} {incr i} { r SET k$i v PXAT $at }
        wait_for "them to be applied" {![catch {r ESYNC}]}
        $db stop
        set text [string repeat x 10000]
        for {set n 0} {$n < 1000 && ![catch {r EAPPEND s t PAYLOAD $text}]} {incr n} {}
        assert_range 10 200 $n
        assert_equal 0 [info_field [srv default_client] expired_keys stats] "it was full before they had passed"
        wait_for "the deadlines" {[clock milliseconds] > $at + 300}
        assert_equal 0 [info_field [srv default_client] expired_keys stats]
        $db start
        wait_for "what has expired to be deleted" {[info_field [srv default_client] expired_keys stats] == 200}
        wait_for "it to be applied" {![catch {r ESYNC}]}
        assert_equal s [r KEYS *]
    }
}

test "Connections that break, and a network that is silent, cost nothing" {
    with_journal_network {outage-reply-ms 200} {
        for {set i 0} {$i < 10} {incr i} {
            send_numbers [srv default_client] s [expr {$i * 20}] [expr {$i * 20 + 19}]
            if {$i % 2} { $net refuse }
            $net drop
            if {$i % 3 == 0} { $net hang }
            take_numbers [srv default_client] [expr {$i * 20}] [expr {$i * 20 + 19}]
            $net pass
        }
        wait_for "it to be applied" {![catch {r ESYNC}]}
        assert_equal 200 [in_database]
        assert_equal [numbers 0 199] [payloads [srv default_client] s]
    }
}

test "A stop does not wait for a database that is away: the next start brings what it lacks" {
    with_journal_network {} {
        append_numbers 0 9
        $net hang
        append_numbers 10 19
        srv drop_client
        srv expect_end
        srv signal TERM
        assert_equal "exit 1" [srv wait_end]
        assert_match "*could not be applied, and stays in the journal: *" [srv new_log]
        $net pass
        srv start
        assert_equal [numbers 0 19] [payloads [srv default_client] s]
    }
}

test "A frame that is larger than a transaction may be, or than a segment, is TOOLARGE, and says which" {
    with_journal {journal-segment-bytes 1mb} {
        assert_match "TOOLARGE the append takes up to * bytes, one frame can be * (journal-segment-bytes)" \
            [r err EAPPEND s t PAYLOAD [string repeat x 2000000]]
    }
    with_journal {journal-segment-bytes 256mb max-event-bytes 128mb} {
        assert_match "TOOLARGE the append takes up to * bytes, one frame can be 67108864 (one transaction with PostgreSQL)" \
            [r err EAPPEND s t PAYLOAD [string repeat x 68000000]]
    }
    with_database {max-event-bytes 128mb} {
        assert_match "TOOLARGE the append takes up to * bytes, one frame can be 67108864 (one transaction with PostgreSQL)" \
            [r err EAPPEND s t PAYLOAD [string repeat x 68000000]]
    }
}

# --- whose journal it is -----------------------------------------------------------------------------------------------

test "Without a place for it there is no journal in front of PostgreSQL, and SQLite's is beside it" {
    set ::schema none
    assert_match "*'durability journal' and 'interval' need journal-dir*" [refused durability journal]
    assert_match "*'durability journal' and 'interval' need journal-dir*" [refused durability {interval 100}]
    assert_match "*journal-dir: 'postgres://x/y' is no directory*" [refused durability journal journal-dir postgres://x/y]
    assert_match "*creating /nowhere/at/all: *" [refused durability journal journal-dir /nowhere/at/all]
    lassign [refused_start [list store sqlite:$::work_dir/x.db journal-dir $::work_dir/x]] how log
    assert_match "*journal-dir is for stores in PostgreSQL*" $log
    assert {![file exists $::work_dir/x]}
}

test "A store that was left with a journal does not start without it" {
    with_journal {} {
        append_numbers 0 9
        set p [$db holds "LOCK TABLE $schema.store IN EXCLUSIVE MODE"]
        append_numbers 10 19
        srv kill9
        release $p
        set other [file join $::work_dir empty]
        assert_match "*a journal may hold what was acknowledged and is not in the database. Say with journal-dir*" [refused]
        assert_match "*$other is missing, and the store says that it may hold events*" [refused durability journal journal-dir $other]
        file mkdir $other
        assert_match "*holds no segment of this store*" [refused durability journal journal-dir $other]
        # Nor with a server that needs none: it takes what is in there first.
        srv option durability backend
        srv start
        assert_match "*recovered * frames from the journal*" [srv new_log]
        assert_equal [numbers 0 19] [payloads [srv default_client] s]
        assert_equal closed [$db value "SELECT journal FROM $schema.cairn_status"]
        srv restart
        srv unset_option journal-dir
        srv restart
        assert_equal [numbers 0 19] [payloads [srv default_client] s]
    }
}

test "A journal that is given up is gone: the store says so with a timeline" {
    with_journal {} {
        append_numbers 0 9
        assert_equal OK [r ESYNC]
        set timeline [store_info timeline]
        srv kill9
        file delete -force $journal
        assert_match "*is missing, and the store says*" [refused durability journal journal-dir $journal]
        give_up_journal
        srv start
        assert {[store_info timeline] ne $timeline}
        assert_match "*begins at position 10: the store starts without its journal*" [srv new_log]
        assert_equal [numbers 0 9] [payloads [srv default_client] s]
    }
}

test "Two servers do not share a directory, nor two stores" {
    with_journal {} {
        append_numbers 0 9
        set first $schema
        set ::schema other
        assert_match "*another server has its journal in $journal*" [refused durability journal journal-dir $journal]
        srv kill9
        set before [files_of $journal]
        # Another store, that is empty, and one that is not.
        assert_match "*$journal holds the journal of store * is an empty one*" [refused durability journal journal-dir $journal]
        with_server [list store [$db uri other]] { append_numbers 0 2 }
        assert_match "*belongs to another store*" [refused durability journal journal-dir $journal]
        assert_equal $before [files_of $journal]
        set ::schema $first
        srv start
        assert_equal [numbers 0 9] [payloads [srv default_client] s]
    }
}

test "A database that was restored to before gets what it lacks from the journal, as far as that reaches back" {
    with_journal {journal-segment-bytes 256kb} {
        append_numbers 0 9
        srv stop
        copy_database before
        srv start
        append_numbers 10 29
        assert_equal OK [r ESYNC]
        set timeline [store_info timeline]
        srv kill9
        copy_database now
        srv option store [uri_of_copy before]
        srv start
        assert_match "*older copy of the store: what it lacks comes from the journal*recovered * frames*" [srv new_log]
        assert_equal [numbers 0 29] [payloads [srv default_client] s]
        assert {[store_info timeline] ne $timeline}
        # A long while later the journal does not know any more what came then.
        set text [string repeat x 20000]
        for {set i 0} {$i < 150} {incr i} {
            r EAPPEND large t PAYLOAD $text
            if {$i % 10 == 9} { assert_equal OK [r ESYNC] }
        }
        srv kill9
        set before [files_of $journal]
        lassign [refused_start [list store [uri_of_copy now] durability journal journal-dir $journal]] how log
        assert_match "*but its journal begins with frame*" $log
        assert_equal $before [files_of $journal]
        srv start
        assert_equal 150 [r XLEN large]
    }
}

test "A database that is lost is made again from a journal that has all of it, when that is asked for" {
    with_journal {} {
        append_numbers 0 9
        r XGROUP CREATE s g 0
        set id [store_info store_id]
        srv kill9
        $db sql "SET client_min_messages = warning; DROP SCHEMA $schema CASCADE"
        assert_match "*holds the journal of store $id, and * is an empty one*fill this one from the journal: --apply-only*" \
            [refused durability journal journal-dir $journal]
        assert_match "*is empty, and is filled from a journal, which begins with frame 1*recovered*" [apply_only [$db uri $schema] $journal]
        srv start
        assert_equal $id [store_info store_id]
        assert_equal [numbers 0 9] [payloads [srv default_client] s]
        assert_equal 1 [llength [r XINFO GROUPS s]]
        assert_equal {} [damages [$db uri $schema]]
    }
}

# --- another writer ------------------------------------------------------------------------------------------------------

test "A server that was replaced says what is in its journal only, and nothing overwrites that" {
    with_journal_network {outage-reply-ms 0} {
        append_numbers 0 9
        assert_equal OK [r ESYNC]
        set applied [frames applied_frame]
        $net hang
        append_numbers 10 14
        set last [frames durable_frame]
        # The operator finds that this machine is lost, and has another one take over.
        $db value "SELECT pg_terminate_backend([$db writer])"
        assert_match "*Say with journal-dir where it is*" [refused]
        give_up_journal
        with_server [list store [$db uri $schema]] {
            assert_match "*the store starts without its journal*" [srv new_log]
            append_numbers 10 10
            set other $::srv
        }
        srv expect_end
        $net drop
        assert_equal "exit 3" [srv wait_end]
        assert_match "*[expr {$last - $applied}] frames ([expr {$applied + 1}] to $last) were acknowledged and not brought into the database: they are in the journal $journal only. Keep it;*" [srv new_log]
        srv drop_client
        set before [files_of $journal]
        assert_match "*$journal and * have gone different ways*one that took over*" [refused durability journal journal-dir $journal]
        assert_match "*have gone different ways*" [refused journal-dir $journal]
        assert_equal $before [files_of $journal]
        # What is in it can be had: it begins with frame 1 here.
        assert_match "*applied up to frame $last*" [apply_only [$db uri ${schema}_lost] $journal]
        assert_equal {15 11} [list [$db value "SELECT count(*) FROM ${schema}_lost.events"] [in_database]]
        srv option journal-dir $journal.new
        srv start
        assert_equal [numbers 0 10] [payloads [srv default_client] s]
    }
}

test "A start that is refused does not take over from a server that was cut off for a moment" {
    with_journal_network {outage-reply-ms 0} {
        append_numbers 0 9
        assert_equal OK [r ESYNC]
        set epoch [$db value "SELECT epoch FROM $schema.store"]
        $net hang
        append_numbers 10 19
        $db value "SELECT pg_terminate_backend([$db writer])"
        set other [file join $::work_dir none[incr ::journals]]
        assert_match "*Say with journal-dir where it is*" [refused]
        assert_match "*is missing, and the store says*" [refused durability journal journal-dir $other]
        file mkdir $other
        assert_match "*holds no segment of this store*" [refused durability journal journal-dir $other]
        assert_equal $epoch [$db value "SELECT epoch FROM $schema.store"]
        $net drop
        append_numbers 20 29
        wait_for "it to be applied" {![catch {r ESYNC}]}
        assert_equal 30 [in_database]
        assert_equal [numbers 0 29] [payloads [srv default_client] s]
    }
}

test "A replica that is promoted and lacks what was acknowledged gets it from the journal" {
    with_journal_network {outage-reply-ms 0} {
        append_numbers 0 9
        assert_equal OK [r ESYNC]
        set replica [Replica new $db]
        try {
            set frame [frames applied_frame]
            wait_for "the replica to have it" {[$replica frame $schema] >= $frame}
            $replica sql "ALTER SYSTEM SET primary_conninfo = ''"
            $replica sql "SELECT pg_reload_conf()"
            wait_for "the replica to hear nothing more" {[$replica value "SELECT count(*) FROM pg_stat_wal_receiver"] == 0}
            append_numbers 10 19
            assert_equal OK [r ESYNC]
            $db stop
            $replica promote
            $net target [$replica port]
            srv expect_end
            $net drop
            srv default_client
            assert_equal "exit 3" [srv wait_end]
            assert_match "*the store is not as this server left it*" [srv new_log]
            srv drop_client
            srv start
            assert_match "*recovered 10 frames from the journal*" [srv new_log]
            assert_equal [numbers 0 19] [payloads [srv default_client] s]
            assert_equal 20 [$replica value "SELECT count(*) FROM $schema.events"]
        } finally {
            srv kill9
            $replica destroy
            $db start
        }
    }
}

$db destroy
