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
        r SET gone-1 v PX 300
        r EAPPEND gone-2 t
        r PEXPIRE gone-2 300
        srv stop
        after 350
        srv start
        assert_equal {0 {}} [list [r EXISTS gone-1 gone-2] [r KEYS gone-1]]
        wait_for "gone-2 to be deleted" {[llength [r KEYS gone-*]] == 0}
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
