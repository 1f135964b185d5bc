# What the system gives a process: file descriptors, sizes of files, rights, priorities.

# The soft limit of a running server's open files.
proc limit_files {n} { exec prlimit --pid [srv pid] --nofile=$n: }

# ---- open files ----

with_server {journal-segment-bytes 256kb cache-bytes 64mb -limit "ulimit -n 96"} {
    test "The server's own share of descriptors is kept free, and maxclients says what is left" {
        set max [info_field [srv default_client] maxclients clients]
        assert_match "*# only 96 files may be open: maxclients is $max\n*" [srv new_log]
        assert_range 20 80 $max
    }
    test "CONFIG SET maxclients of more than the system allows is refused and says how many would do" {
        set max [info_field [srv default_client] maxclients clients]
        set refused "ERR CONFIG SET failed (possibly related to argument 'maxclients') - The operating system is not able to handle the specified number of clients, try with $max"
        foreach n [list [expr {$max + 1}] 1000000] { assert_equal $refused [r err CONFIG SET maxclients $n] }
        assert_equal $refused [r err CONFIG SET timeout 7 maxclients 1000]
        r MULTI
        r CONFIG SET maxclients 1000
        assert_equal $refused [lindex [r typed EXEC] 1 0 1]
        assert_equal [list maxclients $max timeout 0] [lsort -stride 2 [r CONFIG GET maxclients timeout]]
        foreach n [list 20 $max] { assert_equal OK [r CONFIG SET maxclients $n] }
    }
    test "With all connections taken the journal grows past the number of descriptors, and a backup works" {
        skip unless journal "its files"
        set max [info_field [srv default_client] maxclients clients]
        set clients {}
        for {set i 1} {$i < $max} {incr i} { lappend clients [new_client] }
        foreach c $clients { assert_equal PONG [$c PING] }
        with_clients over { assert_match "ERR max number of clients reached" [lindex [$over read_typed] 1] }
        set held [hold_database [srv db]]
        set payload [string repeat x 200000]
        for {set i 0} {$i < 120} {incr i} { r EAPPEND s t PAYLOAD $payload }
        assert {[llength [glob [srv db]-journal.d/seg-*]] > 100}
        # A crash leaves all of them to the start, which has as few.
        srv kill9
        release_database $held
        foreach c $clients { $c destroy }
        srv start
        assert_equal 119 [r ESVER s]
        assert_equal OK [r BACKUP copy.db]
    }
}
with_server {journal-segment-bytes 1mb -limit "ulimit -n 64"} {
    test "A small limit is enough to start" { assert_equal PONG [r PING] }
}
with_server {maxclients 10 -limit "ulimit -Sn 64"} {
    test "CONFIG SET maxclients raises the limit when it may" {
        assert_equal OK [r CONFIG SET maxclients 200]
        regexp {Max open files +(\d+)} [read_file /proc/[srv pid]/limits] all files
        assert {$files > 200} $files
    }
    test "What maxclients is can be set again, whatever the limit is by now" {
        exec prlimit --pid [srv pid] --nofile=90:90
        assert_match "* try with 42" [r err CONFIG SET maxclients 199]
        assert_equal OK [r CONFIG SET maxclients 200]
        assert_equal OK [r CONFIG SET maxclients 42]
    }
}
test "A limit that leaves no connection is a reason not to start" {
    lassign [refused_start {-limit "ulimit -n 40"}] how log
    assert_equal "exit 1" $how
    assert_match "*cannot start: only 40 files may be open (ulimit -n), and the server itself needs *" $log
}
with_server {journal-segment-bytes 1mb} {
    test "Connections that cannot be accepted wait, without a spin or a flood of the log" {
        with_clients before {
            $before PING
            set start [clock seconds]
            limit_files 3 ;# not one more
            set clients [list [new_client] [new_client]]
            foreach c $clients { $c send PING }
            srv wait_log {accept: Too many open files; connections wait}
            # A few turns of the cron, which looks again.
            for {set i 0} {$i < 3} {incr i} { $before XREAD BLOCK 250 STREAMS none $ }
            set tries [regexp -all {accept: } [srv new_log]]
            assert {$tries <= [clock seconds] - $start + 2} "$tries lines"
            foreach {all more} [regexp -all -inline {and (\d+) times since} [srv new_log]] { incr tries $more }
            assert {$tries <= 20 * ([clock seconds] - $start + 2)} "$tries tries"
            limit_files 1024
            foreach c $clients { assert_equal PONG [$c read]; $c destroy }
        }
    }
}

# ---- descriptors 0 to 2 ----

test "Started without standard descriptors, no file of the store gets their numbers" {
    with_server {journal-segment-bytes 1mb} {
        for {set i 0} {$i < 3} {incr i} { r XADD a * n $i }
        srv kill9
        exec bash -c "exec [server_binary] [srv conf_file] --apply-only <&- >&- 2>&-"
        if {![in_postgres]} { assert_equal "" [read_file [srv db]-lock] }
        assert_equal 3 [sql_value [srv db] "SELECT count(*) FROM cairn_events"]
        exec bash -c "exec [server_binary] [srv conf_file] <&- >&- 2>&-" &
        wait_for "it listens" {![catch {new_client} c]}
        set pid [info_field $c process_id server]
        foreach fd {0 1 2} { assert_equal /dev/null [file readlink /proc/$pid/fd/$fd] }
        catch {$c SHUTDOWN}
        $c destroy
        wait_for "it has ended" {[process_state $pid] in {"" Z}}
        srv start
    }
}

# ---- the size of files ----

test "A limit on the size of files that leaves no room for a segment stops the start with the reason" {
    skip unless disk "its limits"
    lassign [refused_start {-limit "ulimit -f 2048"}] how log
    assert_equal "exit 1" $how
    assert_match "*cannot start: journal: preparing *: File too large*" $log
}
with_server {journal-segment-bytes 4mb disk-free-min 8mb apply-delay-ms 5} {
    test "A database that may hardly grow is a full disk: appends are refused, what makes room goes on" {
        skip unless disk "its limits"
        for {set i 0} {$i < 6} {incr i} { r EAPPEND s t PAYLOAD [string repeat x 1000000] }
        exec prlimit --pid [srv pid] --fsize=12000000:
        set text ""
        set payload [string repeat x 100000]
        wait_for "appends are refused" {[catch {r EAPPEND small t PAYLOAD $payload} text]}
        assert_match "DISKFULL disk-free-min: * are free for the database under the limit on the size of files (ulimit -f), 8388608 are asked for*" $text
        assert_match "*# disk: * bytes free under the limit on the size of files*" [srv new_log]
        assert_equal 1 [r XDEL s [lindex [r XRANGE s - + COUNT 1] 0 0]]
        exec prlimit --pid [srv pid] --fsize=unlimited:
        wait_for "appends are accepted" {![catch {r EAPPEND small t}]}
    }
}
with_server {journal-segment-bytes 256kb disk-free-min 0} {
    test "A journal and a database that may not grow heals when it may again" {
        skip unless disk "its limits"
        set pid [srv pid]
        r EAPPEND s t
        r ESYNC
        exec prlimit --pid $pid --fsize=4096:
        set payload [string repeat x 100000]
        wait_for "an append fails" {[catch {r EAPPEND s t PAYLOAD $payload} text]}
        assert_match "IOERR *File too large*" $text
        exec prlimit --pid $pid --fsize=unlimited:
        wait_for "appends work again" {![catch {r EAPPEND s t}]}
        r ESYNC
        assert_equal $pid [srv pid]
    }
}

with_server {journal-segment-bytes 256kb journal-bytes-max 1mb disk-free-min 0 apply-delay-ms 5} {
    test "A database that may not grow while the journal may is told, and the journal stays bounded" {
        skip unless disk "its limits"
        r EAPPEND s t
        r ESYNC
        # Room for each segment, and not for the rows of what follows.
        exec prlimit --pid [srv pid] --fsize=262144:
        set payload [string repeat x 100000]
        with_clients c {
            # More than can be on its way to the journal when it is full.
            for {set i 0} {$i < 200} {incr i} { $c send EAPPEND s t PAYLOAD $payload }
            wait_for "appends wait" {[info_field [srv default_client] throttled_commands stats] > 0}
            wait_for "the reason is told" {[info_field [srv default_client] apply_failing store] == 1}
            assert {[info_field [srv default_client] apply_error store] ne ""}
            assert_equal 1 [info_field [srv default_client] writable store]
            assert_match "*# apply: *; trying again*" [srv new_log]
            assert_range 0 [expr {10 << 20}] [info_field [srv default_client] journal_bytes journal] "bytes of journal"
            assert {[r ESVER s] < 200} "not all of them are taken"
            exec prlimit --pid [srv pid] --fsize=unlimited:
            for {set i 1} {$i <= 200} {incr i} { assert_equal $i [field [$c read] stream_version] }
        }
        r ESYNC
        assert_equal 201 [exec sqlite3 [srv db] "SELECT count(*) FROM cairn_events"]
        assert_match "** apply: works again*" [srv new_log]
    }
}

# ---- rights ----

proc mode_of {path} { return [format %o [expr {[file attributes $path -permissions] & 0777}]] }

test "Files are their owner's alone, whatever the umask" {
    skip unless sqlite "its files"
    with_server {-limit "umask 000" journal-segment-bytes 256kb apply-delay-ms 5 unixsocket u.sock} {
        for {set i 0} {$i < 8} {incr i} { r EAPPEND s t PAYLOAD [string repeat x 100000] }
        r ESYNC
        r BACKUP copy.db
        set seen {}
        foreach path [split [exec find [srv dir] -mindepth 1] \n] {
            set name [string range $path [string length [srv dir]]+1 end]
            if {$name in {log cairn.conf u.sock slow-disk}} continue
            assert_equal [if {[file isdirectory $path]} { list 700 } else { list 600 }] [mode_of $path] $name
            lappend seen $name
        }
        foreach name {cairn.db cairn.db-wal cairn.db-shm cairn.db-lock cairn.db-journal.d copy.db} { assert {$name in $seen} "no $name" }
    }
}
test "Files that are there keep their rights; that everybody can read them is said once" {
    skip unless sqlite "its files"
    with_server {journal-segment-bytes 1mb apply-delay-ms 5} {
        r EAPPEND s t
        srv stop
        foreach {mode said} {644 1 640 0 600 0} {
            file attributes [srv db] -permissions 00$mode
            file attributes [srv dir] -permissions 00755
            srv start
            r EAPPEND s t
            r ESYNC
            foreach part {"" -wal -shm} { assert_equal $mode [mode_of [srv db]$part] $part }
            assert_equal $said [regexp -all {every user of this machine can read it \(mode 0644\)} [srv new_log]] $mode
            srv stop
        }
        srv start
    }
}

# ---- priorities ----

proc nice_of {stat} {
    set text [read_file $stat]
    return [lindex [string range $text [string last ")" $text]+2 end] 16]
}
proc nices {} { return [lmap stat [glob /proc/[srv pid]/task/*/stat] {nice_of $stat}] }
test "Threads keep the nice value that the server was started with" {
    with_server [list journal-segment-bytes 1mb -limit "renice -n [expr {min(19, [nice_of /proc/self/stat] + 3)}] -p \$\$ >/dev/null"] {
        set own [nice_of /proc/[srv pid]/stat]
        assert {$own > 0}
        lassign [lmap more {5 10} {expr {min(19, $own + $more)}}] some background ;# the reserve; helper and applier
        r EAPPEND s t
        r ESYNC
        wait_for "the helper gives way" {$background in [nices]}
        foreach nice [nices] { assert {$nice in [list $own $some $background]} }
    }
}
