# Deadlines: EXPIRE PEXPIRE EXPIREAT PEXPIREAT TTL PTTL EXPIRETIME PEXPIRETIME PERSIST.

with_server {} {
    test "A stream expires: it is gone, and one of its name starts at version 0" {
        append_events r e-1 3
        assert_equal 1 [r PEXPIRE e-1 1000000]
        assert_range 1 1000000 [r PTTL e-1]
        assert_equal 1 [r PEXPIRE e-1 50]
        wait_for "e-1 to expire" {[r EXISTS e-1] == 0}
        assert_equal {-2 none {}} [list [r TTL e-1] [r TYPE e-1] [r ESVER e-1]]
        assert_equal 0 [field [r EAPPEND e-1 t] stream_version]
        assert_equal -1 [r TTL e-1]
    }

    test "What nobody asks for expires by itself" {
        for {set i 0} {$i < 50} {incr i} {
            r EAPPEND idle-$i t
            r PEXPIRE idle-$i [expr {20 + $i}]
        }
        wait_for "all to expire" {[r DBSIZE] == 1}
        assert {[info_field r expired_keys] >= 51}
        assert_equal {} [r KEYS idle-*]
    }
    test "A deadline that has passed already counts as expired" {
        r EAPPEND gone t
        r SET gone-2 x
        set before [info_field r expired_keys]
        assert_equal 1 [r EXPIRE gone -1]
        assert_equal 1 [r PEXPIREAT gone-2 1]
        assert_equal 0 [r EXISTS gone gone-2]
        assert_equal 2 [expr {[info_field r expired_keys] - $before}]
    }

    test "A deadline is exact, whoever asks first: nothing expired is ever shown" {
        for {set round 0} {$round < 20} {incr round} {
            r SET short v PX 5
            set until [r PEXPIRETIME short]
            while {[set value [r GET short]] ne ""} {}
            lassign [r TIME] s us
            if {$until >= 0} { assert {$s * 1000 + $us / 1000 >= $until} }
        }
    }

    test "EXPIRE, EXPIREAT and theirs in milliseconds" {
        r EAPPEND t t
        assert_equal 1 [r EXPIRE t 100000]
        assert_range 99000 100000 [r TTL t]
        assert_equal 1 [r PEXPIREAT t 33177117420123]
        assert_equal {33177117420 33177117420123} [list [r EXPIRETIME t] [r PEXPIRETIME t]]
        assert_equal 1 [r EXPIREAT t 33177117420]
        assert_equal 33177117420000 [r PEXPIRETIME t]
        assert_equal 1 [r PERSIST t]
        assert_equal 0 [r PERSIST t]
        assert_equal {-1 -1 -1} [list [r TTL t] [r EXPIRETIME t] [r PEXPIRETIME t]]
        assert_equal {0 0 -2 -2 -2 -2} [list [r EXPIRE none 1] [r PERSIST none] [r TTL none] [r PTTL none] [r EXPIRETIME none] [r PEXPIRETIME none]]
    }

    test "A deadline in the past deletes at once" {
        foreach {command when} {EXPIRE 0 EXPIRE -1 PEXPIRE -100 EXPIREAT 1 PEXPIREAT 1000} {
            r SET past v
            assert_equal 1 [r $command past $when]
            assert_equal 0 [r EXISTS past]
        }
    }

    test "NX, XX, GT and LT" {
        r SET k v
        assert_equal 0 [r EXPIRE k 100000 XX]
        assert_equal 0 [r EXPIRE k 100000 GT]
        assert_equal 1 [r EXPIRE k 100000 NX]
        assert_equal 0 [r EXPIRE k 200000 NX]
        assert_equal 0 [r EXPIRE k 50000 GT]
        assert_equal 1 [r EXPIRE k 200000 GT]
        assert_equal 0 [r EXPIRE k 300000 LT]
        assert_equal 1 [r EXPIRE k 150000 XX LT]
        assert_range 149000 150000 [r TTL k]
        r PERSIST k
        assert_equal 1 [r EXPIRE k 10000 LT]
        r PERSIST k
        assert_equal 0 [r EXPIRE k 10000 XX LT]
        assert_equal 0 [r EXPIRE k 10000 XX GT]
    }

    test "Mistakes are Redis' errors" {
        assert_equal "ERR Unsupported option ZZ" [r err EXPIRE k 1 ZZ]
        foreach options {{NX XX} {NX GT} {LT NX}} {
            assert_equal "ERR NX and XX, GT or LT options at the same time are not compatible" [r err EXPIRE k 1 {*}$options]
        }
        assert_equal "ERR GT and LT options at the same time are not compatible" [r err EXPIRE k 1 GT LT]
        assert_equal "ERR value is not an integer or out of range" [r err EXPIRE k x]
        foreach {command value} {expire 9223372036854775807 expire 9223372036854775 expire -9223372036854776 pexpire 9223372036854770000 expireat 9223372036854775807} {
            assert_equal "ERR invalid expire time in '$command' command" [r err $command k $value]
        }
        assert_equal "ERR wrong number of arguments for 'pexpireat' command" [r err PEXPIREAT k]
    }

    test "RENAME takes the deadline along" {
        r SET from v PXAT 33177117420123
        r SET to v
        r RENAME from to
        assert_equal {33177117420123 -2} [list [r PEXPIRETIME to] [r TTL from]]
    }

    test "What was renamed is deleted when its deadline comes, also when a transaction renamed it in vain" {
        r SET renamed-1 v
        r PEXPIRE renamed-1 3600000
        r RENAME renamed-1 renamed-2
        r MULTI
        r RENAME renamed-2 renamed-3
        r EAPPEND other t EXPECTED_VERSION 7
        assert_match {WRONGVER *} [r err EXEC]
        # DBSIZE looks at no key, so that nobody but the deadline deletes it.
        set before [r DBSIZE]
        r PEXPIRE renamed-2 1
        wait_for "renamed-2 to be deleted" {[r DBSIZE] == $before - 1}
        assert_equal 0 [r EXISTS renamed-1 renamed-2 renamed-3]
    }

    test "A deadline survives crash, restart and eviction" {
        r EAPPEND keep t
        r PEXPIREAT keep 33177117420123
        srv crash
        assert_equal 33177117420123 [r PEXPIRETIME keep]
        r ESYNC
        srv restart
        assert_equal {33177117420123 33177117420123} [list [r PEXPIRETIME keep] [r PEXPIRETIME to]]
        r PERSIST keep
        srv crash
        assert_equal -1 [r TTL keep]
    }

    test "What expires while the server is down is not there when it comes up" {
        set before [r DBSIZE]
        r SET gone-1 v PX 300
        r EAPPEND gone-2 t
        r PEXPIRE gone-2 300
        srv stop
        after 350
        srv start
        assert_equal {0 {}} [list [r EXISTS gone-1 gone-2] [r KEYS gone-*]]
        wait_for "both to be deleted" {[r DBSIZE] == $before} ;# which counts them until then
    }

    test "What is on disk only expires by itself, long after a restart" {
        set before [r DBSIZE]
        set at [expr {[clock milliseconds] + [test_scaled 3000]}]
        for {set i 0} {$i < 2000} {incr i} { lappend commands [list SET disk-$i v PXAT [expr {$at + $i % 100}]] }
        pipeline [$::srv default_client] $commands
        r SET disk-late v PXAT 33177117420123
        srv restart
        set there [r DBSIZE]
        # On a slow machine they are gone before anybody could have asked.
        if {[clock milliseconds] < $at} { assert_equal [expr {$before + 2001}] $there }
        wait_for "2000 keys to expire" {[r DBSIZE] == $before + 1}
        assert_equal disk-late [r KEYS disk-*]
        assert_equal 33177117420123 [r PEXPIRETIME disk-late]
    }

    test "A watched key that expires is a change, one that had expired is none" {
        # In one piece: it is still there when it is watched.
        pipeline [srv default_client] {{SET w v PX 30} {WATCH w}}
        after 40
        r MULTI
        r PING
        assert_equal "*-1\r\n" [r raw EXEC]
        r SET w v PX 10
        after 20
        r WATCH w
        r MULTI
        r PING
        assert_equal PONG [r EXEC]
        r SET w v
        r WATCH w
        r EXPIRE w 100
        r MULTI
        r PING
        assert_equal "*-1\r\n" [r raw EXEC]
    }

    test "A transaction that is taken back leaves deadlines as they were" {
        r SET u-1 v PXAT 33177117420123
        r SET u-2 v
        r MULTI
        r PERSIST u-1
        r EXPIRE u-2 1000
        r PEXPIRE u-1 1
        r EAPPEND u-3 t EXPECTED_VERSION 3
        assert_match "WRONGVER*" [r err EXEC]
        assert_equal {33177117420123 -1} [list [r PEXPIRETIME u-1] [r TTL u-2]]
        after 20
        assert_equal v [r GET u-1]
    }

    test "INFO keyspace counts keys and those that expire" {
        r DEL {*}[r KEYS *]
        r SET a v EX 100
        r SET b v
        r SET c v EX 100
        assert_match "*db0:keys=3,expires=2,*" [r INFO keyspace]
        r PERSIST a
        r DEL c
        r SET b w EX 100
        r MULTI
        r DEL b
        r EXPIRE a 10
        r EAPPEND u t EXPECTED_VERSION 3
        assert_match "WRONGVER*" [r err EXEC]
        assert_match "*db0:keys=2,expires=1,*" [r INFO keyspace]
        srv restart
        assert_match "*db0:keys=2,expires=1,*" [r INFO keyspace]
    }
}

with_server {cache-bytes 1mb} {
    test "Keys that were evicted expire too" {
        for {set i 0} {$i < 3000} {incr i} { lappend commands [list SET ev-$i [string repeat x 1000] PX [expr {3000 + $i % 500}]] }
        pipeline [$::srv default_client] $commands
        for {set i 0} {$i < 3000} {incr i} { lappend more [list EAPPEND other-$i t PAYLOAD [string repeat y 1000]] }
        pipeline [$::srv default_client] $more
        wait_for "keys to expire" {[r DBSIZE] == 3000}
    }
}

# ---- a deadline needs no frame ----

source [file join $::top tests lib clock.tcl]
source [file join $::top tests lib faults.tcl]

# The keys of these tests: a string and a stream with a deadline in half an hour, one that has none.
proc make_keys {} {
    r SET old-s v PX 1800000
    r XADD old-x 1-1 f v
    r XGROUP CREATE old-x g 0
    r PEXPIRE old-x 1800000
    r SET new-s v
    r XADD new-x 1-1 f v
}
# What every reader is told once the clock is an hour ahead.
proc assert_expired {what} {
    foreach {expected command} {
        {new-s new-x} {KEYS *-?} {0 {new-s new-x}} {SCAN 0 COUNT 100 MATCH *-?} {0 new-x} {ESTREAMS 0 MATCH *-?}
        {} {GET old-s} {{} v} {MGET old-s new-s} 1 {EXISTS old-s old-x new-s} 0 {TOUCH old-s} none {TYPE old-s} none {TYPE old-x}
        -2 {TTL old-s} -2 {PTTL old-x} -2 {EXPIRETIME old-s} -2 {PEXPIRETIME old-x} {} {OBJECT ENCODING old-s} {} {DUMP old-x}
        0 {XLEN old-x} {} {XRANGE old-x - +} {} {XREVRANGE old-x + -} {} {XREAD STREAMS old-x 0} {} {ESVER old-x} {} {EINFO old-x}
        {} {MEMORY USAGE old-x}
    } { assert_equal $expected [r {*}$command] "$command, $what" }
    assert_equal {} [page_versions [r ESCAN old-x - + COUNT 10]]
    assert_match {new-*} [r RANDOMKEY]
    assert_error "ERR no such key" {r XINFO STREAM old-x}
    assert_error "NOGROUP*" {r XPENDING old-x g}
    r MULTI
    r GET old-s
    r XLEN old-x
    r GET new-s
    assert_equal {{} 0 v} [r EXEC] $what
}

with_faulty_server [moved_clock {}] {
    test "Past its deadline a key is absent also while the store takes no writes" {
        make_keys
        foreach where {memory disk} {
            fault "match -journal.d\nfail sync EIO\nfail alloc EIO\nfail open EIO"
            assert_match "IOERR*" [r err SET probe v]
            assert_match "IOERR store is read-only*" [r err SET probe v]
            if {$where eq "memory"} { assert_equal {v 1} [list [r GET old-s] [r XLEN old-x]] }
            assert_equal {old-s old-x} [r KEYS old-*] $where
            clock_ahead 3600000
            assert_expired $where
            # Nothing is deleted: the log has its events, and the clock may go back.
            assert_equal {old-x new-x} [page_field [r EPSCAN 0 - + COUNT 10] stream_id] $where
            assert_equal 4 [r DBSIZE]
            clock_ahead 0
            assert_equal {v 1} [list [r GET old-s] [r XLEN old-x]]
            no_fault
            wait_for "the disk works again" {[lindex [r typed SET probe v] 0] ne "error"}
            r DEL probe
            srv restart
        }
    }
    test "A key that expired while nothing could be written is deleted when that works again" {
        fault "match -journal.d\nfail sync EIO\nfail alloc EIO\nfail open EIO"
        assert_match "IOERR*" [r err SET probe v]
        clock_ahead 3600000
        assert_expired "read-only"
        with_clients {watcher} {
            $watcher WATCH old-s
            no_fault
            wait_for "the two to be deleted" {[r DBSIZE] == 2}
            assert_equal {new-x} [page_field [r EPSCAN 0 - + COUNT 10] stream_id]
            assert_expired "deleted"
            # It was absent when it was watched, and a new one of its name is a change.
            r SET old-s again
            $watcher MULTI
            $watcher SET old-s watched
            assert_equal {} [$watcher EXEC]
        }
        assert_equal 0 [field [r EAPPEND old-x t] stream_version]
        srv crash
        assert_equal {again 1} [list [r GET old-s] [r XLEN old-x]]
        clock_ahead 0
    }
}

with_faulty_server [moved_clock {}] {
    test "Nobody waits for the frame that deletes what has expired" {
        make_keys
        fault "match -journal.d\nhold sync"
        clock_ahead 3600000
        foreach {expected command} {{} {GET old-s} 0 {EXISTS old-s old-x} none {TYPE old-x} -2 {TTL old-s} 0 {XLEN old-x} {} {XRANGE old-x - +}} {
            assert_equal $expected [r {*}$command] $command
        }
        assert_equal {new-s new-x} [r KEYS *-?]
        no_fault
        srv crash
        assert_equal 2 [r DBSIZE]
        clock_ahead 0
    }
    test "A deadline that is not durable counts for nobody else, until it is; then the newest does" {
        r SET new-s v2
        fault "match -journal.d\nhold sync"
        with_clients {a b c} {
            $a send PEXPIRE new-s 1800000
            $b send PEXPIRE new-x 1800000
            $a taken
            clock_ahead 1700000
            $b send PEXPIRE new-x 1800000
            $a taken
            clock_ahead 3000000
            assert_equal {v2 1} [list [$c GET new-s] [$c XLEN new-x]]
            no_fault
            assert_equal {1 1 1} [list [$a read] [$b read] [$b read]]
            assert_equal {{} 1} [list [$c GET new-s] [$c XLEN new-x]]
        }
        clock_ahead 0
    }
}

with_faulty_server [moved_clock {apply-delay-ms 60000}] {
    test "Lists go by the newest deadline, also when memory is lost and the database has not got it yet" {
        foreach key {gone kept} { r SET $key v PX 1800000 }
        r ESYNC
        set hold [hold_database [srv db]]
        r PERSIST kept
        r SET gone-2 v PX 1800000
        r SET kept-2 v
        fault "match -journal.d\nfail sync EIO\nfail alloc EIO\nfail open EIO"
        assert_match "IOERR*" [r err SET probe v]
        clock_ahead 3600000
        assert_equal {kept kept-2} [r KEYS *]
        assert_equal {{} v {} v} [r MGET gone kept gone-2 kept-2]
        release_database $hold
        no_fault
        wait_for "the disk works again" {[lindex [r typed DEL probe] 0] ne "error"}
        wait_for "the others to be deleted" {[r DBSIZE] == 2}
        clock_ahead 0
    }
}
