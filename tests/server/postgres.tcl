# docs/postgres.md: what it shows works as it stands, in the order in which it stands, on a cluster of its own.
source -encoding utf-8 [file join $::top tests lib page.tcl]
source [file join $::top tests lib postgres.tcl]

skip unless postgres "clusters of PostgreSQL"

set ::page docs/postgres.md

# The indented blocks of a section of the page that begin with such a word, without their indentation.
proc blocks_of {heading first} {
    set below [string range [page_text] [string first "\n## $heading\n" [page_text]]+4 end]
    regexp {^(.*?)\n## } $below -> below
    set found {}
    foreach {_ block} [page_blocks $below] {
        set word [lindex [split [lsearch -inline -not -glob $block {#*}] " "] 0]
        if {[string index [lindex $block 0] 0] eq "-"} { set word [lindex [split [lsearch -inline -not -glob $block {--*}] " "] 0] }
        if {$word in $first} { lappend found [join $block \n] }
    }
    if {$found eq ""} { fail "$::page: no $first below $heading" }
    return $found
}
proc conf_of {heading first} { return [string map [list /backup $::backup] [join [blocks_of $heading $first] \n]] }
# The commands of a section for the shell.
proc run_shell {heading} {
    foreach block [blocks_of $heading {$}] {
        foreach line [split $block \n] {
            in_cluster sh -e -c [string map [list /backup $::backup] [string range $line 2 end]]
        }
    }
}
proc sql_words {} { return {CREATE GRANT SELECT} }
proc add_events {stream from to} {
    for {set i $from} {$i < $to} {incr i} {
        r EAPPEND $stream order.created PAYLOAD "{\"amount\": $i}" CORRELATION 0190f3a5-c0de-7000-8000-00000000002a
    }
}
proc timeline {} { return [info_field [srv default_client] timeline store] }
proc events_of {stream} { return [r XLEN $stream] }
# The archive has the WAL up to here.
proc archive_all {} {
    set name [psql postgres "SELECT pg_walfile_name(pg_switch_wal())"]
    wait_for "the archive to have $name" {[file exists [file join $::backup wal $name]]}
}
proc add_conf {data lines} { in_cluster sh -c "cat >>$data/postgresql.conf" << $lines\n }
proc start_postgres {{data data}} {
    in_cluster pg_ctl -D $::cluster/$data -l $::cluster/log -w -t 120 start >/dev/null
    wait_for "the cluster to accept connections" {![catch {psql postgres "SELECT 1"}]}
}

set ::backup [exec mktemp -d /tmp/cairn-backup.XXXXXX]
file mkdir [file join $::backup wal]
exec chmod -R 777 $::backup
with_cluster "[conf_of "Sizing and settings" shared_buffers]\n[conf_of "A point in time" archive_mode]" {
    psql postgres "CREATE DATABASE app"
    psql cairn "DROP OWNED BY cairn; DROP ROLE cairn"
    psql app "REVOKE ALL ON DATABASE app FROM PUBLIC"
    set set_up [blocks_of "Setting it up" CREATE]
    psql app [lindex $set_up 0]
    with_server [list store [cluster_store app]] {
        test "docs/postgres.md: with the rights that it names the server runs, and does not need more" {
            add_events order-1 0 5
            r XGROUP CREATE order-1 g 0
            r XREADGROUP GROUP g c STREAMS order-1 >
            assert_equal 5 [psql app "SELECT count(*) FROM cairn.cairn_events"]
            assert_equal f [psql app "SELECT has_database_privilege('cairn', 'app', 'CREATE')"]
            assert_equal f [psql app "SELECT rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication FROM pg_roles WHERE rolname = 'cairn'"]
        }
        test "docs/postgres.md: whoever reads can read, and no more" {
            psql app [lindex $set_up 1]
            psql app "GRANT CONNECT ON DATABASE app TO reports"
            assert_equal 5 [psql app "SELECT count(*) FROM cairn.cairn_events" reports]
            assert_error "*permission denied*" {psql app "DELETE FROM cairn.events" reports}
        }
        foreach heading {"What you see in SQL" "Watching it"} {
            test "docs/postgres.md: each question of '$heading' is answered" {
                foreach block [blocks_of $heading SELECT] { psql app $block }
            }
        }
        test "docs/postgres.md: what is looked up is looked up" {
            foreach where {"stream = 'order-1'" "sequence > 1000" "correlation_id = '0190f3a5-c0de-7000-8000-00000000002a'"} {
                set plan [psql app "SET enable_seqscan = off; EXPLAIN SELECT * FROM cairn.cairn_events WHERE $where"]
                assert_match "*Index * on events*" $plan $where
                assert {![string match "*Seq Scan on events*" $plan]} $plan
            }
        }
        test "docs/postgres.md: a pooler in session mode is good, one in transaction mode is refused" {
            if {[auto_execok pgbouncer] eq "" && ![file executable /usr/sbin/pgbouncer]} { skip "no pgbouncer on this machine (Debian: pgbouncer)" }
            psql app "CREATE SCHEMA pooled AUTHORIZATION cairn"
            foreach mode {transaction session} {
                with_pooler $mode {
                    set store "postgres://cairn@/app?host=$::cluster&port=$::pooler_port&schema=pooled"
                    if {$mode eq "transaction"} {
                        lassign [refused_start [list store $store]] how log
                        assert_match "*a pooler has to be in session mode*" $log
                    } else {
                        with_server [list store $store] {
                            add_events order-1 0 50
                            srv restart
                            assert_equal 50 [events_of order-1]
                        }
                    }
                }
            }
            assert_equal 50 [psql app "SELECT count(*) FROM pooled.cairn_events"]
        }
        test "A machine that does not answer is passed over, also when it was the one that did" {
            set silent [socket -server {apply {args {}}} -myaddr 127.0.0.1 0]
            set port [lindex [fconfigure $silent -sockname] 2]
            psql app "CREATE SCHEMA others AUTHORIZATION cairn"
            with_server [list store "postgres://cairn@/app?host=127.0.0.1,$::cluster&port=$port,[cluster_port]&schema=others"] {
                assert_match "*: a new store was made*" [srv new_log]
                assert_equal "" [info_field [srv default_client] disk_free_bytes store]
                add_events order-1 0 5
                psql app "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'cairn'"
                add_events order-1 5 9
                assert_equal 9 [events_of order-1]
            }
            close $silent
            # As the shortest URI has it: no port.
            set ::env(PGPORT) [cluster_port]
            with_server [list store "postgres://cairn@127.0.0.1,127.0.0.1/app?schema=others"] {
                assert_equal 9 [events_of order-1]
            }
            unset ::env(PGPORT)
        }
        test "A warning that is none of a replica's costs nothing; what a constraint of somebody's own refuses is void" {
            with_server [list store "postgres://cairn@/app?host=$::cluster&port=[cluster_port]&schema=others"] {
                psql app "CREATE FUNCTION others.warn() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN RAISE WARNING 'hello'; RETURN NEW; END \$\$;
                    CREATE TRIGGER warn AFTER INSERT ON others.events FOR EACH ROW EXECUTE FUNCTION others.warn()"
                r EAPPEND own-1 own.made PAYLOAD once
                assert_equal 0 [info_field [srv default_client] apply_retries store]
                psql app "DROP FUNCTION others.warn CASCADE; CREATE UNIQUE INDEX own ON others.events (payload) WHERE payload = 'once'"
                assert_match "IOERR*duplicate key value*" [r err EAPPEND own-1 own.made PAYLOAD once]
                wait_for "writes to be accepted" {[info_field [srv default_client] writable store] eq 1}
                assert_equal 0 [info_field [srv default_client] apply_failing store]
                psql app "DROP INDEX others.own"
                r EAPPEND own-1 own.made PAYLOAD once
                assert_equal 2 [events_of own-1]
            }
        }
        test "Older rows that are loaded into the tables under the server: it ends, and the next start begins a timeline" {
            with_server [list store "postgres://cairn@/app?host=$::cluster&port=[cluster_port]&schema=others"] {
                add_events old-1 0 3
                set old [timeline]
                in_cluster pg_dump -a -n others -f others.sql app
                add_events old-1 3 5
                srv expect_end
                set empty "DO \$\$ BEGIN EXECUTE (SELECT 'TRUNCATE ' || string_agg(format('others.%I', relname), ',')
                    FROM pg_class WHERE relnamespace = 'others'::regnamespace AND relkind = 'r'); END \$\$"
                in_cluster psql -Xq1 -v ON_ERROR_STOP=1 -U admin -d app -c $empty -f others.sql
                assert_equal "exit 3" [srv wait_end]
                srv drop_client
                srv start
                assert_equal 3 [events_of old-1]
                assert {[timeline] ne $old}
            }
        }
        test "All tables can be published for logical replication" {
            assert_equal "" [psql app "SELECT relname FROM pg_class c WHERE relnamespace = 'cairn'::regnamespace AND relkind = 'r'
                AND relreplident = 'd' AND NOT EXISTS (SELECT FROM pg_index WHERE indrelid = c.oid AND indisprimary)"]
        }
        test "docs/postgres.md: a dump that is restored has all events, and a timeline of its own" {
            set old [timeline]
            run_shell "Backups and restored databases"
            add_events order-1 5 7
            with_server [list store [cluster_store restored]] {
                assert_equal 5 [events_of order-1]
                assert_match "*begins at position 5: the store is a backup that was restored*" [srv new_log]
                assert_match "TIMELINE*" [r err EREAD FROM 7@$old]
                assert_equal 5 [llength [field [r EREAD FROM 0@$old] events]]
                set new [timeline]
                assert {$new ne $old}
                srv restart
                assert_equal $new [timeline]
            }
            assert_equal $old [timeline]
        }
        test "docs/postgres.md: a schema is emptied, and begins anew" {
            psql app "CREATE SCHEMA anew AUTHORIZATION cairn"
            set store "postgres://cairn@/app?host=$::cluster&port=[cluster_port]&schema=anew"
            with_server [list store $store] { add_events order-1 0 5 }
            psql app [string map {"SCHEMA cairn" "SCHEMA anew"} [lindex [blocks_of "Backups and restored databases" DROP] 0]]
            with_server [list store $store] {
                add_events order-1 0 2
                assert_equal 2 [events_of order-1]
            }
        }
        test "docs/postgres.md: a moment is restored, with a timeline of its own" {
            set old [timeline]
            run_shell "A point in time"
            add_events order-2 0 3
            set moment [psql postgres "SELECT now()"]
            add_events order-3 0 3
            set last [r EPSEQ 0]
            archive_all
            srv stop
            in_cluster pg_ctl -D $::cluster/data -m fast -w stop
            in_cluster sh -c "mv data lost && mv $::backup/base data && touch data/recovery.signal && chmod 700 data"
            set conf [regsub {recovery_target_time = '[^']*'} [conf_of "A point in time" restore_command] "recovery_target_time = '$moment'"]
            add_conf data $conf
            start_postgres
            wait_for "the recovery to end" {[psql postgres "SELECT pg_is_in_recovery()"] eq "f"}
            in_cluster sed -i {/^recovery_target/d} data/postgresql.conf
            assert_match "*archive recovery complete*" [in_cluster cat log]
            srv start
            assert_equal {3 0} [list [events_of order-2] [events_of order-3]]
            assert {[timeline] ne $old}
            assert_match "TIMELINE*" [r err EREAD FROM [expr {$last + 1}]@$old]
        }
        test "docs/postgres.md: a commit waits for a synchronous replica, and that has everything when it is promoted" {
            set port [free_port]
            add_conf data [conf_of "Synchronous replicas" synchronous_standby_names]
            psql postgres "SELECT pg_reload_conf()"
            wait_for "the setting" {[psql postgres "SHOW synchronous_standby_names"] ne ""}
            r CONFIG SET outage-reply-ms 0 ;# a base backup takes as long as it takes
            with_clients {c} {
                $c send EAPPEND order-5 order.created
                assert {[$c silent]} "it did not wait"
                in_cluster pg_basebackup -D $::cluster/db2 -c fast -R
                add_conf db2 "cluster_name = 'db2'\nport = $port\nsynchronous_standby_names = ''"
                start_postgres db2
                $c read
            }
            srv option store [cluster_store app [list [cluster_port] $port] &target_session_attrs=read-write]
            srv restart
            add_events order-5 1 5
            in_cluster pg_ctl -D $::cluster/data -m immediate -w stop
            in_cluster pg_ctl -D $::cluster/db2 -w promote
            add_events order-5 5 7
            assert_equal 7 [events_of order-5]
            set old [timeline]
            srv restart
            assert {[timeline] ne $old}
            assert_equal 7 [events_of order-5]
        }
    }
}
exec rm -rf $::backup
