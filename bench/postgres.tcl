# The P rows of bench/compare --store postgres, all on one private cluster (tests/lib/postgres) with one set of settings.
# P1, P2: appends beside what a user would write instead, with pgbench: one INSERT a transaction, and an INSERT of 100
# rows a transaction. P3: with a journal, beside the store in SQLite. P5: reads from the database, beside SQLite.
#
# Cores and us of the "server" are those of the server and of the database together. Each measurement has a checkpoint in
# its middle.

set pg_conf {
max_wal_size = 16GB
checkpoint_timeout = 30min
wal_compression = lz4
random_page_cost = 1.1
}
set pg_buffers 512MB

# ---- the cluster; delayed: one of its own, whose syncs take 2 ms longer

proc pg_tool {args} { return [exec [file join $::top tests lib postgres] {*}$args 2>@stderr] }
proc pg_cluster {delayed} {
    if {[info exists ::pg_clusters($delayed)]} { return $::pg_clusters($delayed) }
    set with [list CAIRN_TEST_OWNER=[pid] CAIRN_TEST_POSTGRES_BUFFERS=$::pg_buffers CAIRN_TEST_POSTGRES_CONF=$::pg_conf]
    if {$delayed} { lappend with CAIRN_TEST_POSTGRES_SHIM=[shim_library] }
    lassign [split [exec env {*}$with [file join $::top tests lib postgres] start 2>@stderr] \n] dir uri
    set ::pg_clusters($delayed) [list $dir $uri]
    if {$delayed} { write_file [file join $dir control] "match pg_wal\ndelay_us sync 2000\n" }
    return $::pg_clusters($delayed)
}
proc pg_stop {} {
    foreach delayed [array names ::pg_clusters] { catch {pg_tool stop [lindex $::pg_clusters($delayed) 0]} }
    array unset ::pg_clusters
}
proc pg_sql {delayed text} {
    return [pg_tool as [lindex [pg_cluster $delayed] 0] psql -XqAt -v ON_ERROR_STOP=1 -d cairn -c $text]
}
# A store of its own for each measurement, in a cluster that has nothing left to write.
proc pg_fresh {delayed} {
    set name b[incr ::serial]
    pg_sql $delayed "CREATE SCHEMA $name AUTHORIZATION cairn"
    pg_sql $delayed CHECKPOINT
    return $name
}
proc pg_drop {delayed name} {
    pg_sql $delayed "SET client_min_messages = warning; DROP SCHEMA $name CASCADE"
    pg_sql $delayed CHECKPOINT
}
# In the middle of what is measured next.
proc pg_checkpoint_within {delayed} {
    set half [expr {$::warmup + $::seconds / 2.0}]
    exec sh -c {sleep $1; exec "$2" as "$3" psql -Xq -d cairn -c CHECKPOINT} sh $half \
        [file join $::top tests lib postgres] [lindex [pg_cluster $delayed] 0] >/dev/null 2>/dev/null &
}

# Seconds of all its processes, those that have ended, too: the postmaster has seen them end.
proc pg_cpu {delayed} {
    set data [file join [lindex [pg_cluster $delayed] 0] data]
    set postmaster [lindex [split [read_file [file join $data postmaster.pid]] \n] 0]
    set ticks 0
    foreach process [glob -nocomplain -directory /proc {[0-9]*}] {
        if {[catch {file readlink $process/cwd} cwd] || $cwd ne $data || [catch {read_file $process/stat} text]} continue
        set fields [split [string range $text [expr {[string last ")" $text] + 2}] end]]
        set last [expr {[file tail $process] == $postmaster ? 14 : 12}]
        foreach n [lrange $fields 11 $last] { incr ticks $n }
    }
    return [expr {$ticks / 100.0}]
}
# bench, with the database's processor time in server_cpu; the server's own in own_cpu.
proc pg_bench {delayed server args} {
    set begin [list [clock microseconds] [pg_cpu $delayed]]
    set r [bench $server {*}$args]
    set wall [expr {([clock microseconds] - [lindex $begin 0]) / 1e6}]
    set database [expr {([pg_cpu $delayed] - [lindex $begin 1]) / $wall}]
    dict set r own_cpu [dict get $r server_cpu]
    dict set r database_cpu $database
    foreach {name sign} {server_cpu + other_cpu -} { dict set r $name [expr "[dict get $r $name] $sign $database"] }
    return $r
}

# ---- what a user would write instead

proc pgbench_table {schema} {
    return "CREATE TABLE $schema.events (position bigserial PRIMARY KEY, stream text NOT NULL, version bigint NOT NULL,
        type text NOT NULL, payload bytea NOT NULL, recorded timestamptz NOT NULL DEFAULT now(), UNIQUE (stream, version))"
}
# rows: of one transaction. Streams are drawn as for us; so are versions, which a user would have to ask for first.
proc pgbench_script {schema rows} {
    set row "('s:' || (random() * 9999)::int, (random() * 1e15)::bigint, 't', '[string repeat x 100]')"
    return "INSERT INTO $schema.events (stream, version, type, payload) VALUES [join [lrepeat $rows $row] {, }];\n"
}
# p50 and p99 of its log's third column, in us.
proc pgbench_latencies {dir} {
    set sorted [exec sh -c {awk '{print $3}' "$1"/log.* | sort -n} sh $dir]
    set all [split $sorted \n]
    set n [llength $all]
    return [list [lindex $all [expr {$n / 2}]] [lindex $all [expr {$n * 99 / 100}]]]
}
proc pgbench_one {delayed rows connections} {
    set name [pg_fresh $delayed]
    pg_sql $delayed [pgbench_table $name]
    set cluster [lindex [pg_cluster $delayed] 0]
    set dir [pg_tool as $cluster mktemp -d [file join $cluster pgbench.XXXXXX]]
    pg_tool as $cluster sh -c {cat >"$1"/script} sh $dir << [pgbench_script $name $rows]
    set command [list pgbench -n -M prepared -f $dir/script -c $connections -j 2]
    pg_tool as $cluster {*}$command -T $::warmup cairn
    pg_checkpoint_within $delayed
    set before [list [clock microseconds] [machine_cpu] [children_cpu] [pg_cpu $delayed]]
    set out [pg_tool as $cluster {*}$command -T $::seconds -l --log-prefix $dir/log cairn]
    set after [list [clock microseconds] [machine_cpu] [children_cpu] [pg_cpu $delayed]]
    set wall [expr {([lindex $after 0] - [lindex $before 0]) / 1e6}]
    lassign [lmap a [lrange $after 1 3] b [lrange $before 1 3] {expr {($a - $b) / $wall}}] machine client database
    if {![regexp {tps = ([0-9.]+)} $out -> tps]} { error "pgbench said: $out" }
    lassign [pgbench_latencies $dir] p50 p99
    lappend ::pages [page_probe]
    pg_tool as $cluster rm -rf $dir
    pg_drop $delayed $name
    return [dict create events_per_s [expr {$tps * $rows}] p50_us $p50 p99_us $p99 client_cpu $client \
        server_cpu $database other_cpu [expr {$machine - $client - $database}]]
}

# ---- P1, P2

proc cairn_one {delayed arguments} {
    set name [pg_fresh $delayed]
    set server [start_cairn -conf [list store "[lindex [pg_cluster $delayed] 1]&schema=$name" durability backend]]
    set port [dict get $server port]
    pg_checkpoint_within $delayed
    set before [info_field $port apply_transactions]
    set r [pg_bench $delayed $server -t $::seconds --warmup $::warmup {*}$arguments]
    dict set r commits [expr {([info_field $port apply_transactions] - $before) / double($::seconds + $::warmup)}]
    stop_server $server TERM
    discard_stopped $server
    pg_drop $delayed $name
    return $r
}
proc discard_stopped {server} {
    lappend ::pages [page_probe]
    file delete -force [dict get $server dir]
}
proc p_one {delayed rows connections arguments side} {
    if {$side eq "pgbench"} { return [pgbench_one $delayed $rows $connections] }
    return [cairn_one $delayed $arguments]
}
proc run_p12 {name what target rows connections arguments delayed} {
    set ::sides {pgbench cairn}
    set results [in_pairs $name events_per_s [list p_one $delayed $rows $connections $arguments]]
    say_row $name $what fill events_per_s $target 0 $results
    set ours [dict get $results cairn]
    if {[llength $ours] == 0} return
    set rate [median_of $ours events_per_s]
    set commits [median_of $ours commits]
    set each [expr {$commits > 0 ? $rate / $commits : 0}]
    say [format "    cairn: %.0f commits/s, %.0f events each; cores: the server %.2f (its loop %.2f), the database %.2f: %.2f us an event" \
        $commits $each [median_of $ours own_cpu] [median_of $ours loop_cpu] [median_of $ours database_cpu] \
        [expr {[median_of $ours database_cpu] * 1e6 / $rate}]]
    if {$name eq "P2" && !$delayed} {
        set reached [expr {$rate >= 200000}]
        if {!$reached} { incr ::missed }
        say "    [rate_text $rate] events/s, target 200k: [expr {$reached ? {reached} : {missed}}]"
    }
}

# ---- P3: with a journal, beside SQLite

# The journal of a store in PostgreSQL is on the same disk, in a directory of its own.
proc p3_conf {name} {
    return [list durability journal store "[lindex [pg_cluster 0] 1]&schema=$name" journal-dir [fresh_dir journal]]
}
proc p3_one {measured warm side} {
    set conf {durability journal}
    if {$side eq "postgres"} {
        set name [pg_fresh 0]
        set conf [p3_conf $name]
    }
    set server [start_cairn -conf $conf]
    set r [pg_bench 0 $server --mode append -P 16 -t $measured --warmup $warm --timeout 120]
    discard $server
    if {$side eq "postgres"} {
        pg_drop 0 $name
        file delete -force [dict get $conf journal-dir]
    }
    return $r
}
# Why not, or "": a store in PostgreSQL may have no journal in this build.
proc journal_refused {} {
    set name [pg_fresh 0]
    set why ""
    if {[catch {discard [start_cairn -conf [p3_conf $name]]} message]} { set why [lindex [split $message \n] end] }
    pg_drop 0 $name
    return $why
}
proc run_p3 {} {
    set ::sides {sqlite postgres}
    set why [journal_refused]
    if {$why ne ""} {
        incr ::missed
        say "P3  SKIPPED: $why"
        return
    }
    foreach {what measured warm} [list "burst of 20 s" 20 1 sustained $::steady_measured $::steady_seconds] {
        set results [in_pairs "P3 $what" events_per_s [list p3_one $measured $warm]]
        say_row P3 "append P=16, journal, $what" fill events_per_s 0.8 0 $results
    }
}

# ---- P5: reads of what is in no memory

proc p5_store {side} {
    if {[info exists ::p5_stores($side)]} { return $::p5_stores($side) }
    set conf {}
    set name ""
    if {$side eq "postgres"} {
        set name [pg_fresh 0]
        set conf [list store "[lindex [pg_cluster 0] 1]&schema=$name" durability backend]
    }
    set server [start_cairn -conf $conf]
    bench $server --mode mappend --spread --in-turn --batch 100 -c 8 -n [expr {$::follow_events / 100}] --timeout 600
    settle $server
    stop_server $server TERM
    if {$side eq "postgres"} { pg_sql 0 "VACUUM ANALYZE $name.events" } ;# as autovacuum would, in its time
    return [set ::p5_stores($side) [list [dict get $server dir] $conf]]
}
# A server that has nothing in memory, on a database that has not either.
proc p5_cold {side} {
    lassign [p5_store $side] dir conf
    if {$side eq "postgres"} { pg_tool ctl [lindex [pg_cluster 0] 0] -m fast stop }
    set ::p5_how [drop_cache $::work]
    if {$side eq "postgres"} { pg_tool ctl [lindex [pg_cluster 0] 0] start }
    return [start_cairn -dir $dir -conf $conf]
}
proc p5_one {arguments side} {
    p5_store $side
    set server [p5_cold $side]
    set r [pg_bench 0 $server --timeout 120 {*}$arguments]
    lappend ::pages [page_probe]
    stop_server $server TERM
    return $r
}
proc run_p5 {} {
    set ::sides {sqlite postgres}
    foreach side $::sides { p5_store $side }
    foreach {what arguments} {
        "ESCAN of 100, each stream once, c=8" {--mode read --in-turn --count 100 -c 8 -n 10000}
        "EPSCAN of everything" {--mode scan -c 1 --count 1000}
    } {
        set results [in_pairs P5 events_per_s [list p5_one $arguments]]
        say_row P5 $what fill events_per_s 0.5 0 $results
    }
    say "    $::follow_events events in 10000 streams; before each run: $::p5_how, the database restarted"
    foreach side $::sides { file delete -force [lindex $::p5_stores($side) 0] }
}

proc say_postgres_conditions {} {
    say "PostgreSQL  [pg_sql 0 {SHOW server_version}], shared_buffers $::pg_buffers, [join [split [string trim $::pg_conf] \n] {, }]"
    say "            synchronous_commit on, fsync on, the same cluster for both sides, over its socket; a checkpoint in each run"
}
proc run_postgres {wanted} {
    set ::warmup [expr {int($::warmup)}]
    try {
        say_postgres_conditions
        head_of_sides {pgbench cairn}
        foreach delayed {0 1} {
            set slower [expr {$delayed ? ", syncs 2 ms slower" : ""}]
            if {"P1" in $wanted} { run_p12 P1 "append, c=50 P=1$slower" 2.0 1 50 {--mode append} $delayed }
            if {"P2" in $wanted} { run_p12 P2 "append, c=50 P=16$slower" 0.6 100 4 {--mode append -P 16} $delayed }
        }
        if {"P3" in $wanted || "P5" in $wanted} { head_of_sides {sqlite postgres} }
        if {"P3" in $wanted} run_p3
        if {"P5" in $wanted} run_p5
    } finally {
        pg_stop
    }
}
proc head_of_sides {sides} {
    set ::sides $sides
    head
}
