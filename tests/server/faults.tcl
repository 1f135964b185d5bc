# Faults of the disk, made by tests/shim: what was acknowledged stays, what was not gets -IOERR,
# reads go on, writes resume by themselves.

source [file join $::top tests lib faults.tcl]
set journal "match -journal.d"
set database "match *.db *.db-wal"

# Appends n events with ids of their own, each through its own reply. Returns the list of {words reply},
# where an -IOERR is kept as its text, and any other error fails.
proc try_appends {stream n} {
    set out {}
    for {set i 0} {$i < $n} {incr i} {
        if {$i % 4 == 3} {
            set words [list EMAPPEND [uuid] $stream g EVENT_ID [uuid] PAYLOAD $i.a other-$stream g EVENT_ID [uuid] PAYLOAD $i.b]
        } else {
            set words [list EAPPEND $stream t EVENT_ID [uuid] PAYLOAD $stream.$i]
        }
        set reply [r typed {*}$words]
        if {[lindex $reply 0] eq "error"} { assert_match "IOERR ?*" [lindex $reply 1] $words }
        lappend out [list $words $reply]
    }
    return $out
}
proc failed_of {tried} { return [lsearch -all -inline -index {1 0} $tried error] }

# Waits until appends are taken again, without a restart.
proc wait_writable {} {
    set id [uuid]
    wait_for "appends are taken again" {[lindex [set ::last_try [r typed EAPPEND probe t EVENT_ID $id]] 0] ne "error"}
}

# After the fault: everything that failed is sent again with its id; then all of it is there once, as
# the replies said, and the store has no gap.
proc settle {stream tried} {
    set replies {}
    foreach try $tried {
        lassign $try words reply
        set again [r typed {*}$words]
        if {[lindex $again 0] eq "error"} { fail "sent again: [lindex $again 1]" }
        if {[lindex $reply 0] ne "error"} { assert_equal $reply $again "the reply to a repetition" }
        lappend replies $again
    }
    foreach name [list $stream other-$stream] {
        set i 0
        set seen {}
        foreach e [scan_all [srv default_client] $name] {
            assert_equal $i [field $e stream_version]
            incr i
            if {[dict exists $seen [field $e payload]]} { fail "[field $e payload] is there twice" }
            dict set seen [field $e payload] 1
        }
    }
    set want 0
    foreach try $tried { incr want }
    assert_equal [expr {$want - 1}] [r ESVER $stream]
    return $replies
}
proc assert_gapless {} {
    set i 0
    foreach e [log_scan_all [srv default_client] 1000] {
        if {[field $e partition_sequence] != $i} { fail "sequence [field $e partition_sequence] where $i was expected" }
        incr i
    }
}

with_faulty_server {journal-segment-bytes 1mb disk-free-min 0} {
    append_events [srv default_client] hot 50
    r ESYNC

    test "While a sync is held, others read at once, and do not see what is not durable" {
        with_clients {writer reader} {
            $reader EAPPEND mine t
            append_events $reader warm 50
            fault "$journal\nhold sync"
            $writer send EAPPEND warm t PAYLOAD undurable
            $writer send ESVER warm
            $writer taken
            for {set i 0} {$i < 100} {incr i} {
                assert_equal 49 [$reader ESVER warm]
                assert_equal {48 49} [page_versions [$reader ESCAN warm 48 +]]
                assert_equal 1 [llength [field [$reader EPSCAN 0 - + COUNT 1] events]]
                $reader PING
            }
            # The writer's own read waits for its append.
            assert {[$writer silent]} "a reply left before its append was durable"
            no_fault
            assert_equal 50 [field [$writer read] stream_version]
            assert_equal 50 [$writer read]
            assert_equal 50 [$reader ESVER warm]
        }
    }
    test "A WRONGVER that states what is not durable waits for it" {
        with_clients {a b} {
            fault "$journal\nhold sync"
            $a send EAPPEND wait-1 t
            $a taken
            $b send EAPPEND wait-1 t EXPECTED_VERSION empty
            assert {[$b silent]}
            no_fault
            assert_equal 0 [field [$a read] stream_version]
            assert_match WRONGVER* [lindex [$b read_typed] 1]
        }
    }
    test "While syncs are held and 50 clients append, hot reads are answered" {
        fault "$journal\nhold sync"
        set writers {}
        for {set i 0} {$i < 50} {incr i} {
            set c [new_client]
            $c write [string repeat [resp_command EAPPEND load-$i t PAYLOAD 0123456789] 200]
            lappend writers $c
        }
        with_clients reader {
            for {set i 0} {$i < 400} {incr i} {
                assert_equal {0 1 2 3 4 5 6 7 8 9} [page_versions [$reader ESCAN hot 0 9]]
            }
        }
        foreach c $writers { assert {[$c silent]} }
        no_fault
        foreach c $writers {
            for {set i 0} {$i < 200} {incr i} { assert_equal $i [field [$c read] stream_version] }
            $c close
        }
    }

    set point 0
    foreach {class how} {write {fail write EIO} write {fail write ENOSPC} write {torn write EIO} write {short write} sync {fail sync EIO} alloc {fail alloc ENOSPC} open {fail open ENOSPC}} {
        test "A single fault, at each point in turn, loses nothing: $how" {
            set hits 0
            foreach after {0 1 2 3 5 8} {
                fault "$journal\n$how after $after count 1"
                set stream [lindex $how 1]-[incr point]
                set tried [try_appends $stream 12]
                assert_equal 50 [llength [field [r ESCAN hot - +] events]]
                incr hits [lindex [fault_counts 1] 1]
                no_fault
                wait_writable
                settle $stream $tried
            }
            if {$class in {write sync}} { assert {$hits >= 3} "the fault showed only $hits times" }
            assert_gapless
        }
    }
    foreach how {{fail write EIO} {fail write ENOSPC} {fail sync EIO} {torn write ENOSPC} {fail all EIO}} {
        test "A fault that stays: -IOERR, reads go on, writes resume when it ends: $how" {
            foreach after {0 4} {
                set stream stay-[incr point]
                fault "$journal\n$how after $after"
                set tried [try_appends $stream 12]
                assert {[llength [failed_of $tried]] > 0} "the fault did not show"
                # Reads go on, and show exactly what was acknowledged.
                with_clients other {
                    assert_equal 50 [llength [field [$other ESCAN hot - +] events]]
                    set acked [expr {12 - [llength [failed_of $tried]]}]
                    assert_equal [expr {$acked ? $acked - 1 : ""}] [$other ESVER $stream] "last version of what was acknowledged"
                    assert_match "IOERR*" [$other err EAPPEND $stream t]
                    assert_match "IOERR*" [$other err EMAPPEND [uuid] $stream t]
                }
                no_fault
                wait_writable
                settle $stream $tried
            }
            assert_gapless
        }
    }
    test "INFO and the log tell about the failures" {
        skip unless disk "the failures of before"
        assert_regexp {(?i)(No space left|Input/output error)} [srv new_log]
        assert_regexp {fail[a-z_]*:[1-9]} [r INFO journal]
    }
    foreach how {"fail sync EIO" "fail sync EIO count 2" "fail alloc ENOSPC\nfail sync EIO count 1"} {
        test "What is void and not read any more does not come back with a restart: $how" {
            set stream void-[incr point]
            r EAPPEND $stream t
            fault "$journal\n$how"
            set reply [lindex [r typed EAPPEND $stream t] 1]
            assert {[string match "IOERR outcome unknown*" $reply] || $how ne "fail sync EIO"} $reply
            set version [r ESVER $stream]
            srv kill9
            no_fault
            srv start
            assert_equal $version [r ESVER $stream]
        }
    }
    test "Pipelines of many clients during a fault: each reply is right or -IOERR" {
        set clients {}
        set words {}
        for {set i 0} {$i < 10} {incr i} {
            set c [new_client]
            set list {}
            for {set k 0} {$k < 60} {incr k} { lappend list [list EAPPEND burst-$i t EVENT_ID [uuid] PAYLOAD $k] }
            lappend clients $c
            lappend words $list
        }
        fault "$journal\nfail sync EIO after 3 count 2\nfail write EIO after 7 count 2"
        foreach c $clients list $words { foreach w $list { $c send {*}$w } }
        set acked 0
        set ok {}
        foreach c $clients list $words {
            foreach w $list {
                set reply [$c read_typed]
                if {[lindex $reply 0] eq "error"} { assert_match "IOERR*" [lindex $reply 1] } else { incr acked; lappend ok $w $reply }
            }
        }
        no_fault
        wait_writable
        foreach {w reply} $ok { assert_equal $reply [r typed {*}$w] }
        foreach list $words { foreach w $list { r {*}$w } }
        for {set i 0} {$i < 10} {incr i} { assert_equal 59 [r ESVER burst-$i] }
        assert_gapless
        foreach c $clients { $c close }
    }
    test "Transactions during a fault: refused, or of unknown outcome, and never by half" {
        r EAPPEND tx-watched t
        r WATCH tx-watched tx-none
        fault "$journal\nfail sync EIO\nfail write EIO"
        with_clients other {
            $other MULTI
            $other EAPPEND tx-a t
            $other SET tx-b v
            $other DEL tx-watched
            assert_match "IOERR outcome unknown*" [$other err EXEC]
            $other MULTI
            assert_match "IOERR store is read-only*" [$other err EAPPEND tx-a t]
            assert_equal "EXECABORT Transaction discarded because of previous errors." [$other err EXEC]
            # Queued before the fault, run during it.
            no_fault
            wait_writable
            set before [list [$other EXISTS tx-a tx-b] [$other EXISTS tx-watched]]
            assert {$before in {{0 1} {2 0}}}
            $other MULTI
            $other EAPPEND tx-c t
            fault "$journal\nfail sync EIO\nfail write EIO"
            with_clients third { $third typed EAPPEND tx-d t }
            assert_match "EXECABORT Transaction discarded because of: IOERR store is read-only*" [$other err EXEC]
            assert_equal PONG [$other PING]
            no_fault
            wait_writable
            assert_equal 0 [$other EXISTS tx-c]
        }
        # What was watched and there may have changed: EXEC does nothing.
        r MULTI
        r PING
        assert_equal "*-1\r\n" [r raw EXEC]
        r WATCH tx-none
        r MULTI
        r PING
        assert_equal PONG [r EXEC]
    }
    test "Who waits on a group that a void takes away is told, who waits on another waits on" {
        r XGROUP CREATE kept-group g $ MKSTREAM
        r XADD kept-stream 5-1 a b
        r XADD moved 1-1 a b
        r XGROUP CREATE moved g $
        with_clients {maker mover gone other reader again} {
            fault "$journal\nhold sync\nfail sync EIO"
            $maker send XGROUP CREATE void-group g $ MKSTREAM
            $maker taken
            $mover send XGROUP SETID moved g 0
            $mover send XREADGROUP GROUP g c COUNT 1 STREAMS moved >
            $mover taken
            $gone send XREADGROUP GROUP g c BLOCK 0 STREAMS void-group >
            $other send XREADGROUP GROUP g c BLOCK 0 STREAMS kept-group >
            $reader send XREAD BLOCK 0 STREAMS void-group 0
            $again send XREADGROUP GROUP g c BLOCK 0 STREAMS moved >
            foreach c {gone other reader again} { assert {[[set $c] silent]} "$c did not wait" }
            fault "$journal\nfail sync EIO\nfail write EIO"
            assert_match "IOERR outcome unknown*" [lindex [$maker read_typed] 1]
            # A disk that does not work is no reason to send consumers away.
            foreach c {gone other reader again} { assert {[[set $c] silent]} "$c was answered" }
            no_fault
            assert_match "NOGROUP*void-group*" [lindex [$gone read_typed] 1]
            wait_writable
            foreach c {other reader again} { assert {[[set $c] silent]} "$c was answered" }
            r XADD kept-group 9-1 a b
            r XADD void-group 1-1 c d
            r XADD moved 2-1 e f
            assert_equal {{kept-group {{9-1 {a b}}}}} [$other read]
            assert_equal {{void-group {{1-1 {c d}}}}} [$reader read]
            assert_equal {{moved {{2-1 {e f}}}}} [$again read]
        }
    }
    test "All of it is there after kill -9, and after a clean stop SQLite agrees" {
        skip unless sqlite "its check"
        set before [snapshot [srv default_client]]
        srv crash
        assert_equal $before [snapshot [srv default_client]]
        srv stop
        assert_equal [llength [lindex $before 1]] [sql_value [srv db] "SELECT count(*) FROM cairn_events"]
        assert_equal ok [sql_value [srv db] "PRAGMA integrity_check"]
        srv start
    }
    test "kill -9 before each write and each sync of the journal in turn" {
        foreach class {write sync} {
            for {set after 0} {$after < 7} {incr after} {
                set stream killed-[incr point]
                fault "$journal\nkill $class after $after"
                srv expect_end
                set acked {}
                for {set i 0} {$i < 10} {incr i} {
                    if {[catch {r EAPPEND $stream t PAYLOAD $i} reply]} break
                    lappend acked $reply
                }
                no_fault
                srv kill9
                srv start
                set page [field [r ESCAN $stream - +] events]
                assert {[llength $page] >= [llength $acked]}
                foreach reply $acked e $page {
                    if {$reply eq ""} break
                    assert_equal [field $reply event_id] [field $e event_id]
                }
            }
        }
        assert_gapless
    }
}

# ---- the disk of the database ----

skip unless disk "SQLite's"

with_faulty_server {journal-segment-bytes 1mb apply-delay-ms 5 disk-free-min 0} {
    append_events [srv default_client] hot 50
    r ESYNC

    foreach how {{fail write EIO} {fail write ENOSPC} {fail sync EIO} {hold sync} {torn write EIO}} {
        test "SQLite's commits failing or stalling refuse nothing: $how" {
            set stream db-[string map {" " -} $how]
            fault "$database\n$how"
            append_events [srv default_client] $stream 300
            wait_for "the fault to show" { [lindex [fault_counts 1] 1] > 0 }
            for {set i 0} {$i < 20} {incr i} { r EAPPEND $stream t }
            assert_equal 319 [r ESVER $stream]
            assert_equal 50 [llength [field [r ESCAN hot - +] events]]
            assert_regexp {^[A-Z]+ } [r err ESYNC 300]
            no_fault
            assert_equal OK [r ESYNC]
            assert_equal 320 [sql_value [srv db] "SELECT count(*) FROM cairn_events WHERE stream = '$stream'"]
        }
    }
    test "kill -9 while SQLite's writes fail loses nothing" {
        fault "$database\nfail write EIO"
        set replies [append_events [srv default_client] failing 200]
        wait_for "the fault to show" { [lindex [fault_counts 1] 1] > 0 }
        srv kill9
        no_fault
        srv start
        assert_equal 199 [r ESVER failing]
        foreach i {0 99 199} { assert_equal failing/$i [field [r EGET [field [lindex $replies $i] event_id]] payload] }
    }
    test "kill -9 before each of SQLite's writes and syncs in turn" {
        foreach {class after} {write 0 write 1 write 3 write 7 sync 0 sync 1 sync 2} {
            set stream kdb-$class-$after
            fault "$database\nkill $class after $after"
            srv expect_end
            set acked 0
            for {set i 0} {$i < 40} {incr i} {
                if {[catch {r EAPPEND $stream t; r ESYNC}]} break
                incr acked
            }
            no_fault
            srv kill9
            srv start
            set v [r ESVER $stream]
            assert {$acked == 0 || $v >= $acked - 1}
        }
        assert_gapless
        srv stop
        assert_equal ok [sql_value [srv db] "PRAGMA integrity_check"]
        srv start
    }
    test "A second SIGTERM ends a stop that hangs in a write of SQLite's, and loses nothing" {
        fault "$database\nhold write"
        append_events [srv default_client] hangs 300
        wait_for "the fault to show" { [lindex [fault_counts 1] 1] > 0 }
        srv expect_end
        srv signal TERM
        srv wait_log "received SIGTERM, stopping"
        srv signal TERM
        assert_equal "exit 0" [srv wait_end]
        no_fault
        srv drop_client
        srv start
        assert_equal 299 [r ESVER hangs]
        assert_gapless
    }
    foreach {durability answer said} {
        {interval 100} OK {frames \d+ to \d+ could not be stored and are lost: .*Input/output error}
        journal IOERR* {the disk does not work: .*Input/output error}
    } {
        test "A second SIGTERM after the journal has failed tells what is lost, with status 1 ($durability)" {
            srv option durability $durability
            srv restart
            r SET kept before
            r ESYNC
            fault "$database\nhold write"
            r SET kept after
            wait_for "the applier to hang" { [lindex [fault_counts 1] 1] > 0 }
            if {$answer eq "OK"} { r CONFIG SET durability "interval 3600000" }
            fault "$database\nhold write\n$journal\nfail sync EIO"
            assert_match $answer [lindex [r typed SET lost 1] 1]
            srv expect_end
            srv signal TERM
            srv wait_log "writes are refused until the disk works again"
            srv signal TERM
            assert_equal "exit 1" [srv wait_end]
            set log [srv new_log]
            assert_regexp "stopping: $said" $log
            assert_match "*what is stored and not applied yet is in the journal*" $log
            no_fault
            srv drop_client
            srv option durability journal
            srv start
            assert_equal {after {}} [list [r GET kept] [r GET lost]]
        }
    }
    test "With durability backend the log says how long what is void may be back; then it is void for good" {
        srv option durability backend
        srv restart
        fault "$database\nfail sync EIO"
        assert_match "IOERR*outcome unknown*" [r err SET void 1]
        assert_equal {} [r GET void]
        assert_match "*a crash may bring back what was answered with 'outcome unknown'*" [srv new_log]
        no_fault
        wait_writable
        srv kill9
        srv start
        assert_equal {} [r GET void]
        srv option durability journal
        srv restart
    }
    test "A kill during recovery only delays it" {
        set hold [hold_database [srv db]]
        append_events [srv default_client] recovered 20000
        srv kill9
        release_database $hold
        foreach after {20 200 600} {
            fault "$database\nkill write after $after"
            srv spawn
            srv expect_end
            assert_equal "signal SIGKILL" [srv wait_end] "killed before write $after"
        }
        no_fault
        srv start
        assert_equal 19999 [r ESVER recovered]
        assert_gapless
    }
    test "A disk that is full for the database and the journal: appends are refused, and resume" {
        fault "match *\nfail write ENOSPC\nfail alloc ENOSPC\nfail open ENOSPC"
        set tried [try_appends full 6]
        assert_equal 6 [llength [failed_of $tried]]
        assert_equal 50 [llength [field [r ESCAN hot - +] events]]
        no_fault
        wait_writable
        settle full $tried
        assert_equal OK [r ESYNC]
    }
    test "A backup that meets a full disk is an error and leaves no file" {
        append_events [srv default_client] much 3000
        set path [file join [srv dir] backup.db]
        fault "match *backup-*.part*\nfail write ENOSPC"
        assert_regexp {^[A-Z]+ } [r err BACKUP $path]
        no_fault
        assert {![file exists $path]}
        assert_equal {} [glob -nocomplain -directory [srv dir] *.part*]
        r BACKUP $path
        assert_equal ok [sql_value $path "PRAGMA integrity_check"]
    }
}

with_faulty_server {cache-bytes 2mb} {
    test "A backup that takes long does not keep in memory what is appended meanwhile" {
        append_events [srv default_client] before 100
        set path [file join [srv dir] long.db]
        fault "match *backup-*.part*\nhold write"
        with_clients backup {
            $backup send BACKUP $path
            wait_for "the backup has begun" {[info_field r backup_in_progress store] == 1}
            set payload [string repeat 0123456789 2000]
            for {set i 0} {$i < 400} {incr i} { r EAPPEND during-$i t PAYLOAD $payload }
            assert_equal OK [r ESYNC]
            wait_for "the cache is back in its bounds" {[info_field r memory_bytes cache] <= 2 * 1024 * 1024}
            assert_equal 1 [info_field r backup_in_progress store]
            no_fault
            assert_equal OK [$backup read]
        }
        assert_equal 100 [sql_value $path "SELECT count(*) FROM cairn_events"]
    }
}

with_faulty_server {journal-segment-bytes 1mb journal-bytes-max 8mb cache-bytes 8mb apply-delay-ms 5} {
    test "A slow applier slows producers: memory and journal stay bounded, nothing is refused or lost" {
        fault "$database\ndelay_us write 20000\ndelay_us sync 100000"
        set start [srv memory_kb]
        set payload [string repeat 0123456789 200]
        set clients {}
        for {set i 0} {$i < 5} {incr i} {
            set c [new_client]
            $c write [string repeat [resp_command EAPPEND slow-$i t PAYLOAD $payload] 3000]
            lappend clients $c
        }
        set high 0
        set bytes 0
        for {set k 0} {$k < 20} {incr k} {
            set ::tick 0; after 100 {set ::tick 1}; vwait ::tick
            set high [expr {max($high, [srv memory_kb] - $start)}]
            set bytes [expr {max($bytes, [journal_bytes $::srv])}]
            assert_equal PONG [r PING]
        }
        assert_memory 0 [expr {72 * 1024}] $high "kilobytes of memory"
        assert_range 0 [expr {16 * 1024 * 1024}] $bytes "bytes of journal"
        no_fault
        set i 0
        foreach c $clients {
            for {set n 0} {$n < 3000} {incr n} { assert_equal $n [field [$c read] stream_version] }
            assert_equal 2999 [r ESVER slow-$i]
            incr i
            $c close
        }
    }
}

with_server {} {
    test "disk-free-min refuses appends clearly, and they resume when there is room" {
        r EAPPEND s t
        r CONFIG SET disk-free-min 1000000gb
        wait_for "appends are refused" {[lindex [set reply [r typed EAPPEND s t]] 0] eq "error"}
        assert_regexp {^[A-Z]+ } [lindex $reply 1]
        assert_regexp {disk-free-min|free} [lindex $reply 1]
        assert_match [lindex [lindex $reply 1] 0]* [r err EMAPPEND [uuid] s t]
        # What makes room is done.
        assert_equal 0 [r ETRUNCATE s BEFORE 0]
        assert_equal 0 [r DEL nothing]
        r MULTI
        assert_match "DISKFULL*" [r err EAPPEND s t]
        assert_match "EXECABORT*" [r err EXEC]
        set last [r ESVER s]
        assert_equal [expr {$last + 1}] [llength [field [r ESCAN s - + COUNT 10000] events]]
        r CONFIG SET disk-free-min 0
        wait_for "appends are taken" {[lindex [r typed EAPPEND s t] 0] ne "error"}
    }
}

test "A disk that fails at the start stops it with the system's words, and hurts nothing" {
    set s [Server new [list -env {}]]
    set ::control [file join [$s dir] control]
    set ::shim_stats [file join [$s dir] stats]
    no_fault
    $s option -env [list LD_PRELOAD [preload_words] DISKSHIM_CONTROL $::control DISKSHIM_STATS $::shim_stats]
    $s start
    set c [$s client]
    append_events $c kept 20
    $c close
    $s kill9
    foreach {rule words} {
        "match -journal.d\nfail all EACCES" "Permission denied"
        "match -journal.d\nfail alloc ENOSPC\nfail write ENOSPC" "No space left"
        "match *.db *.db-wal\nfail write EIO" "(?i)i/o error|Input/output"
        "match *\nfail sync EIO" "(?i)i/o error|Input/output"
    } {
        fault $rule
        $s spawn
        $s expect_end
        set how [$s wait_end]
        if {$how eq ""} { fail "$rule: the server neither ended nor said why\n[$s log_tail]" }
        assert_match "exit \[1-9\]*" $how $rule
        assert_regexp $words [$s new_log] $rule
    }
    no_fault
    $s start
    set c [$s client]
    assert_equal 19 [$c ESVER kept]
    $c close
    $s stop
    $s destroy
}
