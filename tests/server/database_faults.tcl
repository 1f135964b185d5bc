# What clients, INFO and the log see of a PostgreSQL that fails, and that nothing acknowledged is lost and nothing lost was
# acknowledged. The cluster is this file's own; its disk is the shim's, its network lib/proxy.tcl's.
source [file join $::top tests lib faults.tcl]
source [file join $::top tests lib database.tcl]
source [file join $::top tests lib tool.tcl]

set missing [postgres_missing]
if {$missing ne ""} {
    test "PostgreSQL fails" { skip $missing }
    return
}
set db [Cluster new "" 1]

# --- it comes back -----------------------------------------------------------------------------------------------

foreach {what break mend} {
    "is restarted" {$db ctl restart -m fast} {}
    "ends at once and is started again" {$db stop} {$db start}
    "is killed and started again" {$db kill9} {$db start}
    "loses the writer's process" {exec kill -9 [$db writer]} {}
    "ends the writer's session" {$db value "SELECT pg_terminate_backend([$db writer])"} {}
} {
    test "The database $what: what was sent waits, and is there once" {
        with_database {outage-reply-ms 0} {
            send_numbers [srv default_client] s 0 49
            eval $break
            send_numbers [srv default_client] s 50 99
            eval $mend
            take_numbers [srv default_client] 0 99
            assert_equal [numbers 0 99] [payloads [srv default_client] s]
            srv crash
            assert_equal [numbers 0 99] [payloads [srv default_client] s]
            assert_equal 0 [info_field [srv default_client] outages stats]
        }
    }
}

test "A commit that was written when the database was killed is found, and not done twice" {
    with_database {outage-reply-ms 0} {
        r EAPPEND s t PAYLOAD 0
        $db rules "match pg_wal\nhold sync"
        [srv default_client] send EAPPEND s t PAYLOAD 1
        wait_for "the commit to be under way" {
            [$db value "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'WALSync' AND usename = 'cairn'"] > 0
        }
        set pids [$db sessions]
        $db kill9
        exec kill -9 {*}$pids
        $db rules ""
        $db start
        assert_equal 1 [field [r read] stream_version]
        assert_equal {0 1} [payloads [srv default_client] s]
        assert_equal 2 [field [r EAPPEND s t PAYLOAD 2 EXPECTED_VERSION 1] stream_version]
    }
}

test "Sessions that were dropped while nothing happened are opened again, and nobody hears of it" {
    with_database {} {
        send_numbers [srv default_client] s 0 9
        take_numbers [srv default_client] 0 9
        srv restart
        $db sql "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'cairn'"
        assert_equal [numbers 0 9] [payloads [srv default_client] s] ;# by readers
        send_numbers [srv default_client] s 10 19
        take_numbers [srv default_client] 10 19
        # And idle ones hold nothing that vacuum would have to wait for.
        wait_for "idle sessions" {
            [$db value "SELECT count(*) FROM pg_stat_activity WHERE usename = 'cairn' AND (state <> 'idle' OR backend_xmin IS NOT NULL)"] == 0
        }
    }
}

# --- two transactions under way -----------------------------------------------------------------------------------------

# Two clients, each with an append in a transaction of its own, the second one sent behind the first, which waits for
# what `statement` holds. $p is who holds it.
proc with_two_under_way {statement body} {
    with_database {outage-reply-ms 0} {
        r EAPPEND s t PAYLOAD 0
        with_clients {a b} {
            uplevel 1 [list set a $a]
            uplevel 1 [list set b $b]
            set p [$::db holds [subst $statement]]
            uplevel 1 [list set p $p]
            try {
                $a send EAPPEND s t PAYLOAD 1
                wait_for "the first to be under way" {[store_info apply_under_way] == 1}
                $b send EAPPEND s t PAYLOAD 2
                wait_for "both to be under way" {[store_info apply_under_way] == 2}
                uplevel 1 $body
            } finally {
                catch {close $p}
            }
        }
    }
}
proc settle {p words} {
    puts $p "$words;\n\\q"
    catch {close $p}
}

foreach {what break} {
    "the first is cancelled" {$db value "SELECT pg_cancel_backend([$db writer])"}
    "their session ends" {$db value "SELECT pg_terminate_backend([$db writer])"}
    "the database is killed" {$db kill9; $db start; catch {close $p}}
} {
    test "Two transactions are under way and $what: both are there, once and in order" {
        with_two_under_way {LOCK TABLE $::schema.events IN ACCESS EXCLUSIVE MODE} {
            eval $break
            wait_for "the failure" {[store_info apply_retries] > 0}
            if {$what ne "the database is killed"} { release $p }
            assert_equal 1 [field [$a read] stream_version]
            assert_equal 2 [field [$b read] stream_version]
            assert_equal {0 1 2} [payloads [srv default_client] s]
            srv crash
            assert_equal {0 1 2} [payloads [srv default_client] s]
        }
    }
}

test "Two transactions are under way and the first is refused for good: both are void" {
    with_two_under_way {LOCK TABLE $::schema.events IN ACCESS EXCLUSIVE MODE} {
        settle $p "REVOKE INSERT ON $schema.events FROM cairn; COMMIT"
        assert_error "IOERR outcome unknown*permission denied*" { $a read }
        assert_error "IOERR outcome unknown*permission denied*" { $b read }
        assert_equal 1 [info_field [srv default_client] voids stats]
        $db sql "GRANT INSERT ON $schema.events TO cairn"
        wait_writable
        assert_equal 1 [field [r EAPPEND s t PAYLOAD 3] stream_version]
        assert_equal {0 3} [payloads [srv default_client] s]
        assert_equal 2 [$db value "SELECT count(*) FROM $schema.events"]
    }
}

test "Two transactions are under way and the second is refused for good: the first is stored" {
    with_two_under_way {LOCK TABLE $::schema.commits IN SHARE MODE} {
        settle $p "ALTER TABLE $schema.events ADD CONSTRAINT no CHECK (version <> 2) NOT VALID; COMMIT"
        assert_equal 1 [field [$a read] stream_version]
        assert_error "IOERR outcome unknown*constraint*" { $b read }
        $db sql "ALTER TABLE $schema.events DROP CONSTRAINT no"
        wait_writable
        assert_equal 2 [field [r EAPPEND s t PAYLOAD 3] stream_version]
        assert_equal {0 1 3} [payloads [srv default_client] s]
    }
}

test "Two transactions are under way when another server takes over: neither leaves anything" {
    with_two_under_way {UPDATE $::schema.store SET epoch = epoch + 1} {
        srv expect_end
        settle $p COMMIT
        assert_error "IOERR outcome unknown*" { $b read }
        assert_replaced $a "another server has taken over"
        srv start
        assert_equal {0} [payloads [srv default_client] s]
    }
}

test "Two transactions are under way and the server stops: they are waited for" {
    with_two_under_way {LOCK TABLE $::schema.events IN ACCESS EXCLUSIVE MODE} {
        srv drop_client
        srv expect_end
        srv signal TERM
        srv wait_log "stopping"
        release $p
        assert_equal 1 [field [$a read] stream_version]
        assert_equal 2 [field [$b read] stream_version]
        assert_equal "exit 0" [srv wait_end]
        srv start
        assert_equal {0 1 2} [payloads [srv default_client] s]
    }
}

# --- it does not come back soon --------------------------------------------------------------------------------------

# A busy machine may take 200 ms for a commit itself: so soon nobody gives up but in an outage.
proc outage_begins {} { r CONFIG SET outage-reply-ms 200 }
proc outage_ends {} {
    wait_writable
    r CONFIG SET outage-reply-ms 0
}

test "An outage: replies that wait become IOERR, reads tell what is durable, and all is stored later" {
    with_database {outage-reply-ms 0} {
        with_clients {a b} {
            set id [uuid]
            $a EAPPEND s t PAYLOAD 0
            $a XGROUP CREATE s g 0
            outage_begins
            $db stop
            assert_error "IOERR outcome unknown, retry with the same EVENT_ID: the database has not committed anything*" {
                $a EAPPEND s t PAYLOAD 1 EVENT_ID $id
            }
            assert_error "IOERR store is read-only: the database has not committed anything*" { $b EAPPEND s t PAYLOAD lost }
            $b MULTI
            assert_error "IOERR store is read-only*" { $b XADD s * f v }
            assert_error "EXECABORT *" { $b EXEC }
            foreach c [list $a $b] {
                assert_equal 0 [$c ESVER s] "what is durable"
                assert_equal 0 [payloads $c s]
            }
            assert_error "IOERR what this reply tells is not known to be stored*" { $b XINFO STREAM s }
            assert_error "IOERR *" { $b XREADGROUP GROUP g c STREAMS s > }
            assert_error "IOERR *" { $b ESYNC }
            assert_equal {0 0} [$a WAITAOF 1 0 1] "its last change is not durable"
            assert_equal 0 [store_info writable]
            assert_match "the database has not committed anything for 200 ms: *" [store_info refusal]
            assert_equal 1 [store_info apply_failing]
            assert_equal 1 [info_field $b outages stats]
            srv wait_log {# store: the database has not committed anything for 200 ms.*writes are refused until it answers}
            $db start
            outage_ends
            srv wait_log {\* store: the database answers again; writes are accepted}
            assert_equal 1 [field [$a EAPPEND s t PAYLOAD 1 EVENT_ID $id] stream_version] "the same once more"
            assert_equal 2 [field [$b EAPPEND s t PAYLOAD 2] stream_version]
            assert_equal {0 1 2} [payloads $b s]
            assert_equal 0 [info_field $b voids stats]
            srv crash
            assert_equal {0 1 2} [payloads [srv default_client] s]
        }
    }
}

test "An outage: who waits for entries, for room or for a FLUSHALL is not forgotten" {
    with_database {outage-reply-ms 0 pinned-bytes-max 200kb enable-flush yes} {
        with_clients {a b c d} {
            $a XADD s 1-1 f v
            $a XGROUP CREATE s g $
            $b send XREADGROUP GROUP g c BLOCK 0 STREAMS s >
            $b taken
            outage_begins
            $db stop
            for {set i 0} {$i < 40} {incr i} { $c send EAPPEND big t PAYLOAD [string repeat x 20000] }
            for {set i 0} {$i < 40} {incr i} { assert_error "IOERR *" { $c read } }
            assert_equal "" [$c ESVER big] "nothing of it is durable"
            $db start
            outage_ends
            $a XADD s 2-2 f w
            assert_equal {s {{2-2 {f w}}}} [lindex [$b read] 0]
            outage_begins
            $db stop
            assert_error "IOERR outcome unknown*" { $a FLUSHALL }
            assert_error "IOERR what this reply tells*" { $d XLEN s }
            $db start
            outage_ends
            wait_for "the FLUSHALL" {[$d XLEN s] == 0}
            assert_equal 0 [field [$d EAPPEND s t] stream_version]
        }
    }
}

test "outage-reply-ms 0: replies wait as long as it takes" {
    with_database {outage-reply-ms 0} {
        with_clients {a} {
            $db stop
            $a send EAPPEND s t PAYLOAD 0
            wait_for "several tries" {[store_info apply_retries] >= 5}
            assert {[$a silent]}
            assert_equal 1 [store_info writable]
            $db start
            assert_equal 0 [field [$a read] stream_version]
        }
    }
}

test "A read that needs the database waits for it, as long as a write would" {
    with_database {outage-reply-ms 0} {
        r EAPPEND s t PAYLOAD 0
        srv restart
        $db stop
        with_clients {a b} {
            $a send ESCAN s - +
            $b send EAPPEND other t
            assert {[$a silent]}
            $db start
            assert_equal {0} [lmap e [field [$a read] events] { field $e payload }]
            assert_equal 0 [field [$b read] stream_version]
        }
        srv restart
        r CONFIG SET outage-reply-ms 200
        $db stop
        assert_error "READERR *" { r ESCAN s - + }
        with_clients {a b c} {
            foreach client [list $a $b $c] { $client send ESCAN s - + }
            foreach client [list $a $b $c] { assert_error "READERR *" { $client read } }
        }
        $db start
        assert_equal {0} [payloads [srv default_client] s]
    }
}

test "Without a word from the database for lease-ms nothing new is decided; what waits goes on waiting" {
    with_network {outage-reply-ms 0 lease-ms 1000000} {
        r EAPPEND s t PAYLOAD 0
        assert_equal held [store_info lease]
        with_clients {a b} {
            $net hang
            $a send EAPPEND s t PAYLOAD 1
            $a taken
            r CONFIG SET lease-ms 100
            wait_for "the lease to lapse" {[store_info lease] eq "lapsed"}
            assert_match "IOERR store is read-only: the database has not said for 100 ms that this server is the one that writes*" \
                [$b err EAPPEND s t PAYLOAD lost]
            assert_match "the database has not said*" [store_info refusal]
            assert {[$a silent]}
            assert_equal {0} [payloads $b s]
            r CONFIG SET stale-reads no
            foreach command {{ESVER s} {XRANGE s - +} {XLEN s} {EPSCAN 0 - +}} {
                assert_match "READERR stale-reads is no, and the database has not said for 100 ms*" [$b err {*}$command]
            }
            $b MULTI
            assert_match "READERR *" [$b err XLEN s]
            assert_match "EXECABORT *" [$b err EXEC]
            assert_equal PONG [$b PING]
            # Longer, and none at all.
            r CONFIG SET lease-ms 1000000
            wait_writable
            assert_equal {0} [payloads $b s]
            $b send EAPPEND s t PAYLOAD 2
            assert {[$b silent]}
            r CONFIG SET lease-ms 100
            wait_for "the lease to lapse" {[store_info lease] eq "lapsed"}
            r CONFIG SET lease-ms 0
            wait_writable
            assert_equal none [store_info lease]
            r CONFIG SET lease-ms 100
            wait_for "the lease to lapse" {[store_info lease] eq "lapsed"}
            $net pass
            assert_equal {1 2} [list [field [$a read] stream_version] [field [$b read] stream_version]]
            r CONFIG SET lease-ms 1000000
            wait_writable
            assert_equal {0 1 2} [payloads $b s]
        }
    }
}

test "A server that nobody writes to asks by itself, and hears whom the database knows" {
    with_database {lease-ms 1000000} {
        set asked "SELECT max(query_start) FROM pg_stat_activity WHERE usename = 'cairn' AND query LIKE '%pg_is_in_recovery() FROM%'"
        for {set i 0} {$i < 2} {incr i} {
            set before [$db value $asked]
            wait_for "a question" {[$db value $asked] ne $before}
        }
        # It is ended, and asks anew.
        $db sql "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'cairn'"
        set before [$db value $asked]
        wait_for "a question" {[$db value $asked] ne $before}
        assert_equal held [store_info lease]
        srv expect_end
        with_clients {a} {
            $db sql "UPDATE $schema.store SET epoch = epoch + 1"
            assert {[$a closed]}
            assert_replaced $a "another server has taken over"
        }
        srv start
    }
}

# --- the network ------------------------------------------------------------------------------------------------------

test "Connections that break cost a pause, at whatever moment" {
    with_network {outage-reply-ms 0} {
        for {set i 0} {$i < 10} {incr i} {
            send_numbers [srv default_client] s [expr {$i * 20}] [expr {$i * 20 + 19}]
            if {$i % 2} { $net refuse }
            $net drop
            take_numbers [srv default_client] [expr {$i * 20}] [expr {$i * 20 + 19}]
        }
        assert_equal [numbers 0 199] [payloads [srv default_client] s]
    }
}

test "A network that is silent for a while: IOERR, and the same connection goes on" {
    with_network {outage-reply-ms 0} {
        r EAPPEND s t PAYLOAD 0
        outage_begins
        $net hang
        assert_error "IOERR outcome unknown*the database has not committed anything for 200 ms" { r EAPPEND s t PAYLOAD 1 }
        assert_error "IOERR store is read-only*" { r EAPPEND s t PAYLOAD lost }
        assert_equal {0} [payloads [srv default_client] s]
        $net pass
        wait_writable
        assert_equal {0 1} [payloads [srv default_client] s]
    }
}

test "A slow network is slow" {
    with_network {outage-reply-ms 0} {
        $net slow 50000 5
        set text [string repeat x 2000000]
        assert_equal 0 [field [r EAPPEND s t PAYLOAD $text] stream_version]
        srv restart
        assert_equal $text [lindex [payloads [srv default_client] s] 0]
    }
}

test "A stop does not wait for a database that hangs, and what it gives up is answered IOERR" {
    with_network {} {
        r EAPPEND s t PAYLOAD 0
        with_clients {a} {
            $net hang
            $a send EAPPEND s t PAYLOAD 1
            $a taken
            srv drop_client
            srv expect_end
            srv signal TERM
            assert_equal {{IOERR outcome unknown, retry with the same EVENT_ID: the server stops}} [$a rest]
            assert_equal "exit 1" [srv wait_end]
            assert_match "*the server stops, and waits no longer*" [srv new_log]
        }
        $net pass
        srv start
        assert_equal 0 [lindex [payloads [srv default_client] s] 0]
    }
}

test "A stop does not wait until the database hears that a statement is to be cancelled" {
    with_network {loglevel debug lease-ms 2000} {
        assert_equal 0 [field [r EAPPEND s t PAYLOAD 0] stream_version]
        # Its question is also what those who read prepare last.
        set asks "state = 'idle' AND query LIKE 'SELECT s.epoch, s.store_id, (SELECT last_frame %'"
        wait_for "the lease's question" {[$db value "SELECT count(*) FROM pg_stat_activity WHERE $asks"] == 3}
        $net hang
        # Who asks whether the store is still this server's gives his session up, and his statement is cancelled: on a
        # connection that is taken, and hears nothing.
        srv wait_log "no answer in 5 s"
        pause 1500
        srv drop_client
        srv expect_end
        srv signal TERM
        assert_equal "exit 1" [srv wait_end]
        $net pass
        srv start
    }
}

test "A stop while readers prepare their sessions is a stop" {
    with_network {} {
        for {set i 0} {$i < 5} {incr i} {
            $net slow 1000 20
            srv drop_client
            srv expect_end
            srv signal TERM
            assert_match "exit *" [srv wait_end]
            $net pass
            srv start
        }
    }
}

test "A stop lets a database that comes back take what waits" {
    with_network {outage-reply-ms 0} {
        with_clients {a} {
            $net refuse
            $a send EAPPEND s t PAYLOAD 0
            wait_for "a try that failed" {[store_info apply_failing] == 1}
            srv drop_client
            srv expect_end
            srv signal TERM
            srv wait_log "stopping"
            $net pass
            assert_equal 0 [field [$a read] stream_version]
            assert_equal "exit 0" [srv wait_end]
        }
        srv start
        assert_equal {0} [payloads [srv default_client] s]
    }
}

# --- locks, timeouts, disks ------------------------------------------------------------------------------------------

test "Somebody holds a table: the append waits, a cancelled statement is tried again" {
    with_database {outage-reply-ms 0} {
        r EAPPEND s t PAYLOAD 0
        with_clients {a} {
            set p [$db holds "LOCK TABLE $schema.events IN ACCESS EXCLUSIVE MODE"]
            $a send EAPPEND s t PAYLOAD 1
            wait_for "the writer to wait" {[$db value "SELECT count(*) FROM pg_locks WHERE NOT granted"] > 0}
            $db value "SELECT pg_cancel_backend([$db writer])"
            wait_for "the failure to be told" {[string match "*SQLSTATE 57014*" [store_info apply_error]]}
            assert_equal 0 [r ESVER s] "from memory"
            release $p
            assert_equal 1 [field [$a read] stream_version]
            wait_for "the end of it" {[store_info apply_failing] == 0}
        }
    }
}

test "The disk of the database is full: appends wait for room, and are refused after a while" {
    with_database {outage-reply-ms 0} {
        r EAPPEND s t PAYLOAD 0
        outage_begins
        $db rules "match /base/\nfail alloc ENOSPC\nfail write ENOSPC"
        set text [string repeat [binary format H* 00] 1000000]
        assert_error "IOERR outcome unknown*No space left on device*" { r EAPPEND s t PAYLOAD $text }
        assert_match "*No space left on device*" [store_info apply_error]
        assert_equal {0} [payloads [srv default_client] s]
        $db rules ""
        wait_writable
        assert_equal 2 [llength [payloads [srv default_client] s]]
        assert_equal 0 [info_field [srv default_client] voids stats]
    }
}

test "A disk that is really full: what was sent is there once when there is room again" {
    set missing [tmpfs_missing]
    if {$missing ne ""} { skip $missing }
    set small [Cluster new "min_wal_size = 2MB\nmax_wal_size = 8MB" 0 100]
    try {
        set ballast [file join [$small dir] data ballast]
        with_server [list store [$small uri full] outage-reply-ms 0] {
            send_numbers [srv default_client] s 0 9
            take_numbers [srv default_client] 0 9
            catch {exec dd if=/dev/zero of=$ballast bs=1M 2>/dev/null} ;# until it is full
            with_clients {a} {
                set text [string repeat x 100000]
                for {set i 0} {$i < 20} {incr i} { $a send EAPPEND big t PAYLOAD $text }
                wait_for "the disk to be full" {[store_info apply_failing] == 1}
                assert {[$a silent]}
                assert_equal [numbers 0 9] [payloads [srv default_client] s] "from memory"
                file delete $ballast
                $small mend ;# it ends when it is the log that has no room
                for {set i 0} {$i < 20} {incr i} { assert_equal $i [field [$a read] stream_version] }
            }
            assert_equal 20 [r XLEN big]
            srv crash
            assert_equal [list 20 [numbers 0 9]] [list [r XLEN big] [payloads [srv default_client] s]]
            assert_equal 0 [info_field [srv default_client] voids stats]
        }
    } finally { $small destroy }
}

test "A database that cannot write its log restarts: what was sent is there once" {
    with_database {outage-reply-ms 0} {
        send_numbers [srv default_client] s 0 9
        take_numbers [srv default_client] 0 9
        $db rules "match /pg_wal/\nfail write ENOSPC count 1\nfail sync EIO count 1"
        with_clients {a} {
            send_numbers $a s 10 39
            wait_for "the failure" {[store_info apply_failing] == 1}
            $db mend
            take_numbers $a 10 39
        }
        assert_equal [numbers 0 39] [payloads [srv default_client] s]
    }
}

test "A transaction that is refused for good is void: the only one that is" {
    with_database {outage-reply-ms 0} {
        r EAPPEND s t PAYLOAD 0
        $db sql "REVOKE INSERT ON $schema.events FROM cairn"
        assert_error "IOERR outcome unknown*permission denied*" { r EAPPEND s t PAYLOAD void }
        assert_equal 1 [info_field [srv default_client] voids stats]
        $db sql "GRANT INSERT ON $schema.events TO cairn"
        wait_writable
        assert_equal 1 [field [r EAPPEND s t PAYLOAD 1] stream_version]
        assert_equal {0 1} [payloads [srv default_client] s]
    }
}

test "What is refused for good again and again is tried less and less often, until something is taken" {
    with_database {outage-reply-ms 0} {
        $db sql "ALTER TABLE $schema.events ADD CONSTRAINT small CHECK (length(payload) < 10)"
        foreach what {large large large small large large} {
            if {$what eq "small"} {
                assert_equal 0 [field [r EAPPEND s t PAYLOAD 0] stream_version]
                continue
            }
            assert_error "IOERR outcome unknown*" { r EAPPEND s t PAYLOAD [string repeat x 10] }
            wait_writable
        }
        set said [regexp -all -inline -line {writes are refused until it works again.*$} [srv new_log]]
        assert_equal {{} 200 400 {} 200} [lmap line $said { regexp -inline {\d+} $line }]
        assert_equal {0} [payloads [srv default_client] s]
    }
}

# Older rows that somebody loaded into the tables: the newest commit is gone.
proc go_back {} {
    $::db sql "BEGIN; DELETE FROM $::schema.commits WHERE last_frame = (SELECT max(last_frame) FROM $::schema.commits);
        DELETE FROM $::schema.events WHERE sequence = (SELECT max(sequence) FROM $::schema.events); COMMIT"
}
test "A server that finds the store older than it left it notes that, for the next one; or says that it could not" {
    foreach note {yes no} {
        with_database {outage-reply-ms 0} {
            append_events [srv default_client] s 3
            set timeline [store_info timeline]
            # Its session ends in the middle of it.
            if {!$note} {
                $db sql "CREATE FUNCTION $schema.end_session() RETURNS trigger LANGUAGE plpgsql AS
                    'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END';
                    CREATE TRIGGER ends BEFORE UPDATE ON $schema.store FOR EACH ROW EXECUTE FUNCTION $schema.end_session();"
            }
            srv expect_end
            go_back
            catch {r EAPPEND s t PAYLOAD 3}
            assert_equal "exit 3" [srv wait_end]
            srv drop_client
            set log [srv new_log]
            assert_match "*the store is not as this server left it*" $log
            assert_equal [string is true $note] [expr {![string match "*it could not be noted that it lacks what was committed: start the next server with --new-timeline: *" $log]}]
            if {!$note} { $db sql "DROP TRIGGER ends ON $schema.store" }
            assert_equal [expr {$note ? "backup" : "backend"}] [$db value "SELECT left_as FROM $schema.store"]
            srv start
            assert_equal [string is true $note] [expr {[store_info timeline] ne $timeline}]
        }
    }
}

# What each table counted, of all sessions that have ended: {table updates ...}, without those of the store's own row.
proc updates {} {
    return [concat {*}[$::db sql "SELECT relname, n_tup_upd FROM pg_stat_all_tables WHERE schemaname = '$::schema'
        AND relname <> 'store' AND n_tup_upd > 0 ORDER BY 1"]]
}
proc inserted {table} {
    return [$::db value "SELECT n_tup_ins FROM pg_stat_all_tables WHERE schemaname = '$::schema' AND relname = '$table'"]
}
test "While a snapshot is held no row is updated at every commit, neither by appends nor by groups" {
    with_database {outage-reply-ms 0 enable-flush yes} {
        r XADD s * f v
        r XGROUP CREATE s g 0
        set p [$db holds "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM $schema.events, $schema.store"]
        for {set i 0} {$i < 100} {incr i} { r EAPPEND e-1 t PAYLOAD $i }
        srv restart ;# statistics are told at the end of a session
        wait_for "the statistics" {[inserted commits] >= 100}
        assert_equal {} [updates] "appends"
        for {set i 0} {$i < 100} {incr i} {
            r XADD s * f v
            r XACK s g [lindex [r XREADGROUP GROUP g c COUNT 1 STREAMS s >] 0 1 0 0]
        }
        set groups [r XINFO GROUPS s]
        set seen [$db value "SELECT max(seen) FROM $schema.consumer_moves"]
        srv restart
        wait_for "the statistics" {[inserted group_moves] >= 100}
        assert_equal {} [updates] "groups"
        assert_range 0 20 [$db value "SELECT n_tup_upd FROM pg_stat_all_tables WHERE schemaname = '$schema' AND relname = 'store'"]
        assert_equal $groups [r XINFO GROUPS s]
        assert {$seen > 0}
        r FLUSHALL
        assert_equal 0 [r XLEN s]
        assert_equal 0 [field [r EAPPEND s t PAYLOAD 0] stream_version]
        release $p
    }
}

test "What was erased is vacuumed, and the status says when" {
    with_database {} {
        r EAPPEND s t PAYLOAD secret
        r EERASE [field [lindex [field [r ESCAN s - +] events] 0] event_id]
        wait_for "the vacuum" {[$db value "SELECT erasures_to_vacuum FROM $schema.cairn_status"] == 0}
        assert_equal 1 [$db value "SELECT vacuum_count FROM pg_stat_all_tables WHERE schemaname = '$schema' AND relname = 'events'"]
        wait_for "its session to end" {[llength [$db sessions]] == 3}
    }
}

test "A wait for a synchronous replica that is cancelled acknowledges nothing, to nobody" {
    with_database {outage-reply-ms 0} {
        r EAPPEND s t PAYLOAD 0
        srv restart
        $db sql "ALTER SYSTEM SET synchronous_standby_names = 'nobody'"
        $db sql "SELECT pg_reload_conf()"
        with_clients {a b} {
            $a send EAPPEND s t PAYLOAD 1
            set waits "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND usename = 'cairn'"
            wait_for "the commit to wait" {[$db value $waits] > 0}
            $db value "SELECT pg_cancel_backend([$db writer])"
            wait_for "the doubt" {[string match "*warning came with the commit*" [store_info apply_error]]}
            wait_for "a commit behind it that waits" {[$db value $waits] > 0}
            assert_equal 2 [$db value "SELECT count(*) FROM $schema.events"]
            assert {[$a silent]}
            $b send ESCAN s - + ;# by a reader, which sees it
            assert {[$b silent]}
            $db sql "ALTER SYSTEM RESET synchronous_standby_names"
            $db sql "SELECT pg_reload_conf()"
            assert_equal 1 [field [$a read] stream_version]
            catch {$b read}
            assert_equal {0 1} [payloads $b s]
        }
    }
}

# --- another writer, another database ---------------------------------------------------------------------------------

test "A server that was replaced while nobody wrote ends, with status 3" {
    with_database {} {
        r EAPPEND s t PAYLOAD 0
        srv expect_end
        with_clients {a} {
            $db sql "UPDATE $schema.store SET epoch = epoch + 1"
            assert {[$a closed]}
            assert_replaced $a "another server has taken over"
        }
        srv start
        assert_equal {0} [payloads [srv default_client] s]
    }
}

test "A transaction that is under way when another server takes over leaves nothing, and is answered IOERR" {
    with_database {outage-reply-ms 0} {
        r EAPPEND s t PAYLOAD 0
        with_clients {a} {
            set p [$db holds "UPDATE $schema.store SET epoch = epoch + 1"]
            $a send EAPPEND s t PAYLOAD void
            wait_for "the writer to wait" {[$db value "SELECT count(*) FROM pg_locks WHERE NOT granted"] > 0}
            srv expect_end
            puts $p "COMMIT;\n\\q"
            catch {close $p}
            assert_replaced $a "another server has taken over"
        }
        srv start
        assert_equal {0} [payloads [srv default_client] s]
    }
}

test "A server that stood still, was replaced, and goes on ends; the other one has what it acknowledged" {
    with_database {outage-reply-ms 0} {
        r EAPPEND s t PAYLOAD 0
        with_clients {a} {
            srv signal STOP
            $a send EAPPEND s t PAYLOAD void
            $db value "SELECT pg_terminate_backend([$db writer])"
            set other [Server new [list store [$db uri $schema]]]
            $other start
            set c [$other client]
            assert_equal 1 [field [$c EAPPEND s t PAYLOAD 1] stream_version]
            srv expect_end
            srv signal CONT
            assert_replaced $a "another server"
            assert_equal {0 1} [payloads $c s]
            $c destroy
            $other stop
            $other destroy
        }
        srv start
        assert_equal {0 1} [payloads [srv default_client] s]
    }
}

test "A replica that is promoted and has everything takes over: no restart" {
    with_network {outage-reply-ms 0} {
        r EAPPEND s t PAYLOAD 0
        set replica [Replica new $db]
        try {
            r EAPPEND s t PAYLOAD 1
            set frame [info_field [srv default_client] durable_frame journal]
            wait_for "the replica to have it" {[$replica frame $schema] >= $frame}
            outage_begins
            $db stop
            $net target [$replica port]
            $net drop
            assert_error "IOERR outcome unknown*" { r EAPPEND s t PAYLOAD 2 }
            wait_for "the replica to be met" {[string match "*this is a replica, which takes no writes*" [store_info apply_error]]}
            lassign [cairn migrate [$replica uri $schema] [file join [srv dir] copy.db]] status out err
            assert_match "2 *it is a replica*name the primary*" [list $status $err]
            assert {![file exists [file join [srv dir] copy.db]]}
            assert_equal {0 1} [payloads [srv default_client] s]
            $replica promote
            wait_writable
            assert_equal {0 1 2} [payloads [srv default_client] s]
            srv restart
            assert_equal {0 1 2} [payloads [srv default_client] s]
        } finally {
            srv kill9
            $replica destroy
            $db start
        }
    }
}

test "A replica that is promoted and lacks what was acknowledged: the server ends, and the next start begins a timeline" {
    with_network {outage-reply-ms 0} {
        r EAPPEND s t PAYLOAD 0
        set timeline [store_info timeline]
        set replica [Replica new $db]
        try {
            set frame [info_field [srv default_client] durable_frame journal]
            wait_for "the replica to have it" {[$replica frame $schema] >= $frame}
            $replica sql "ALTER SYSTEM SET primary_conninfo = ''"
            $replica sql "SELECT pg_reload_conf()"
            wait_for "the replica to hear nothing more" {[$replica value "SELECT count(*) FROM pg_stat_wal_receiver"] == 0}
            r EAPPEND s t PAYLOAD 1
            $db stop
            $replica promote
            $net target [$replica port]
            srv expect_end
            with_clients {a} {
                $a send EAPPEND s t PAYLOAD 2
                $net drop
                assert_replaced $a "the store is not as this server left it"
            }
            srv start
            assert_equal {0} [payloads [srv default_client] s]
            assert {$timeline ne [store_info timeline]}
            assert_match "*timeline * begins at position 1: *" [srv new_log]
        } finally {
            srv kill9
            $replica destroy
            $db start
        }
    }
}

$db destroy
