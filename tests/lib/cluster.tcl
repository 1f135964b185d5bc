# Clusters of PostgreSQL for tests that do something to them, and a network of our own in front of them.

proc postgres_script {} { file join $::top tests lib postgres }
proc postgres_missing {} {
    if {[llength [glob -nocomplain /usr/lib/postgresql/*/bin/initdb]] == 0 && [auto_execok initdb] eq ""} {
        return "PostgreSQL is not installed"
    }
    if {![string match *libpq* [exec ldd [server_binary]]]} { return "the server was built without PostgreSQL" }
    return ""
}

# One cluster; it ends with this process if not before. conf: lines of postgresql.conf. shim: it runs under diskshim.so, and
# `rules` says what its disk does. tmpfs: its data are on one of so many MB.
oo::class create Cluster {
    variable dir port
    constructor {{conf ""} {shim 0} {tmpfs ""}} {
        set env [list CAIRN_TEST_POSTGRES_CONF=$conf CAIRN_TEST_OWNER=[pid] CAIRN_TEST_POSTGRES_TMPFS=$tmpfs]
        if {$shim} { lappend env CAIRN_TEST_POSTGRES_SHIM=[shim_library diskshim] }
        lassign [split [exec env {*}$env [postgres_script] start] \n] dir uri
        regexp {port=(\d+)} $uri all port
    }
    destructor { catch {exec [postgres_script] stop $dir} }
    method dir {} { return $dir }
    method port {} { return $port }
    # For CAIRN_TEST_POSTGRES.
    method base {} { return "postgres://cairn@/cairn?host=$dir&port=$port" }
    # Through the network on that port, or by the socket.
    method uri {schema {through ""}} {
        if {$through ne ""} { return "postgres://cairn@127.0.0.1:$through/cairn?schema=$schema&sslmode=disable&gssencmode=disable" }
        return "[my base]&schema=$schema"
    }
    method ctl {args} { exec [postgres_script] ctl $dir {*}$args 2>/dev/null }
    # It may take a moment until what was killed has let go of its memory. A process that has outlived its postmaster (a WAL
    # writer that was told to quit may hang so for ever) never does.
    method start {} {
        wait_for "the cluster to start" {![catch {my ctl start}] || ![catch {my sql "SELECT 1"}] || [my KillOrphans]}
    }
    method KillOrphans {} {
        if {![catch {my postmaster} pid] && [file exists /proc/$pid]} { return 0 }
        foreach process [glob -nocomplain -directory /proc {[0-9]*}] {
            if {[catch {file readlink $process/cwd} cwd] || $cwd ne [file join $dir data]} continue
            catch {exec kill -9 [file tail $process]}
        }
        return 0
    }
    method stop {} { my ctl -m immediate stop }
    # As at first, whatever a test that failed has left.
    method mend {} {
        if {[file exists [file join $dir control]]} { my rules "" }
        if {[catch {my sql "SELECT 1"}]} { my start }
    }
    method postmaster {} { lindex [split [read_file [file join $dir data postmaster.pid]] \n] 0 }
    method kill9 {} { exec kill -9 [my postmaster] }
    # Rows of a query of the administrator's, as `sql` gives them.
    method sql {query} {
        set out [exec psql -XqAt -v ON_ERROR_STOP=1 -F \x1f -R \x1e -h $dir -p $port -U admin cairn -c $query]
        lmap row [split [string trim $out \n] \x1e] { split $row \x1f }
    }
    method value {query} { lindex [my sql $query] 0 0 }
    # Sessions of ours: {pid ...}. The writer's has the lock.
    method sessions {} { lmap row [my sql "SELECT pid FROM pg_stat_activity WHERE usename = 'cairn'"] { lindex $row 0 } }
    method writer {} { my value "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted" }
    # A psql that stays: holds what it was told to.
    method holds {statement} {
        set p [open |[list psql -XqAt -v ON_ERROR_STOP=1 -h $dir -p $port -U admin cairn 2>@1] r+]
        fconfigure $p -buffering line
        puts $p "BEGIN;\n$statement;\nSELECT 'held';"
        while {[set line [gets $p]] ne "held"} { if {[eof $p]} { error "psql has ended" } }
        return $p
    }
    method rules {text} {
        set f [open [file join $dir control.new] w]
        puts $f "# rules [incr ::fault_number]\n$text"
        close $f
        file attributes [file join $dir control.new] -permissions 0644
        file rename -force [file join $dir control.new] [file join $dir control]
    }
}
# Whether one can be mounted here: "", or why not.
proc tmpfs_missing {} {
    set dir [exec mktemp -d]
    set failed [catch {exec mount -t tmpfs -o size=1m cairn-test $dir} why]
    if {!$failed} { exec umount $dir }
    file delete $dir
    return [expr {$failed ? "no tmpfs can be mounted: $why" : ""}]
}
proc release {p} { puts $p "ROLLBACK;\n\\q"; catch {close $p} }

# A hot standby of a cluster.
oo::class create Replica {
    superclass Cluster
    constructor {of} {
        my variable dir port
        set port [free_port]
        set dir [exec env CAIRN_TEST_OWNER=[pid] [postgres_script] replica [$of dir] $port [$of port]]
    }
    method promote {} { my ctl promote }
    method frame {schema} { my value "SELECT max(last_frame) FROM $schema.commits" }
}

oo::class create Proxy {
    variable port chan
    constructor {target} {
        set port [free_port]
        set chan [open |[list [info nameofexecutable] [file join $::top tests lib proxy.tcl] $port $target 2>@1] r+]
        fconfigure $chan -buffering line
        my Expect
    }
    destructor { catch {close $chan} }
    method port {} { return $port }
    method Expect {} { if {[set line [gets $chan]] ne "ok"} { fail "the proxy says: $line [read $chan]" } }
    method unknown {args} {
        puts $chan $args
        my Expect
    }
}
