# Clusters of PostgreSQL that a test starts, stops and breaks itself (tests/lib/postgres has the words).

# Runs the body with a cluster; in it `cluster` is its directory. conf: lines for postgresql.conf.
proc with_cluster {conf body} {
    lassign [split [exec env CAIRN_TEST_POSTGRES_CONF=$conf [file join $::top tests lib postgres] start 2>@stderr] \n] ::cluster
    try { uplevel 1 $body } finally { exec [file join $::top tests lib postgres] stop $::cluster }
}
# A program of PostgreSQL's, or `sh -c ...`, as the cluster's user.
proc in_cluster {args} { return [exec [file join $::top tests lib postgres] as $::cluster {*}$args 2>@1] }
proc cluster_port {} { return [string trim [read_file [file join $::cluster port]]] }
proc psql {database text {user admin}} {
    return [in_cluster psql -XqAt -v ON_ERROR_STOP=1 -U $user -d $database -c $text]
}
# Runs the body behind PgBouncer in that mode; ::pooler_port is its port.
proc with_pooler {mode body} {
    set ::pooler_port [free_port]
    set conf "\[databases]\n* = host=$::cluster port=[cluster_port] user=cairn\n\[pgbouncer]\nlisten_port = $::pooler_port\nlisten_addr = 127.0.0.1\nunix_socket_dir = $::cluster
auth_type = any\npool_mode = $mode\npidfile = $::cluster/pooler.pid\nlogfile = $::cluster/pooler.log\n"
    in_cluster sh -c "cat >pooler.ini" << $conf
    in_cluster pgbouncer -q -d pooler.ini
    wait_for "the pooler" {[file exists [file join $::cluster pooler.pid]]}
    try { uplevel 1 $body } finally {
        in_cluster sh -c {kill $(cat pooler.pid)}
        wait_for "the pooler to end" {![file exists [file join $::cluster pooler.pid]]}
    }
}
# A server's option.
proc cluster_store {database {ports ""} {more ""}} {
    if {$ports eq ""} { set ports [cluster_port] }
    set hosts [join [lmap port $ports { set ::cluster }] ,]
    return "postgres://cairn@/$database?host=$hosts&port=[join $ports ,]&schema=cairn$more"
}
