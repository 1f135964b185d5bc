# kameo_es, an event-sourced framework in Rust, as its client sends it: commands that load an entity and append at the version
# they saw, projections that read everything, acknowledge late, and come back with what they had.

# CBOR of {"MoneyDeposited": {"amount": n}}, n < 24: a payload with every kind of byte that text protocols trip over.
proc deposited {n} { return "\xa1\x6eMoneyDeposited\xa1\x66amount[format %c $n]" }

# The words of a write: one EMAPPEND, also for one event.
proc deposit {key stream expected n} {
    return [list EMAPPEND $key $stream MoneyDeposited EXPECTED_VERSION $expected TIMESTAMP 1795000000123 PAYLOAD [deposited $n] METADATA "\xa0"]
}
# What an entity's actor does first: pages until there are no more; every event must have the version that follows.
proc load_entity {c key stream {next 0}} {
    while 1 {
        set page [$c ESCAN $stream $next + COUNT 10000 PARTITION_KEY $key]
        foreach e [field $page events] {
            assert_equal $next [field $e stream_version]
            incr next
        }
        if {![field $page has_more]} { return $next }
    }
}
# The subscription's next n events: their sequences. Cursors count on from `cursor`.
proc handled {c id n cursor} {
    set sequences {}
    for {set i 0} {$i < $n} {incr i} {
        lassign [$c push] kind of at event
        assert_equal [list message $id [expr {$cursor + $i}]] [list $kind $of $at]
        lappend sequences [field $event partition_sequence]
    }
    return $sequences
}
proc subscribe {c args} {
    $c send EPSUB {*}$args
    set id [lindex [$c read_typed] 1]
    assert_equal subscribe [lindex [$c push] 0]
    return $id
}
proc sequences {from to} {
    set all {}
    for {set i $from} {$i < $to} {incr i} { lappend all $i }
    return $all
}

with_server {-args {--default-resp 3}} {
    set key [field [r EAPPEND bank_account-alice MoneyDeposited PAYLOAD [deposited 1]] partition_key]

    test "A health check is one line, answered by one line" {
        with_clients c {
            $c write "*1\r\n\$4\r\nPING\r\n"
            assert_equal "+PONG\r\n" [$c read_raw]
        }
    }
    test "A command loads its entity and appends at the version that it saw" {
        assert_equal 1 [load_entity r $key bank_account-alice]
        set reply [r {*}[deposit $key bank_account-alice 0 2]]
        assert_equal {1 1} [list [field $reply first_partition_sequence] [field $reply last_partition_sequence]]
        assert_equal {1 1795000000123} [lmap f {stream_version timestamp} {field [lindex [field $reply events] 0] $f}]
        assert_equal 2 [load_entity r $key bank_account-alice 1]
        set event [lindex [field [r ESCAN bank_account-alice 1 + COUNT 10000 PARTITION_KEY $key] events] 0]
        assert_equal [list [deposited 2] "\xa0"] [lmap f {payload metadata} {field $event $f}]
    }
    test "Of two that saw the same version one is refused, in words that kameo_es takes apart; it loads and tries again" {
        r {*}[deposit $key bank_account-alice 1 3]
        set error [r err {*}[deposit $key bank_account-alice 1 4]]
        assert_equal 1 [regexp {^WRONGVER current stream version is (\S+) but expected (\S+) for partition key ([0-9a-fA-F-]+) and stream id (.+)$} \
            $error all current expected in stream]
        assert_equal [list 2 1 $key bank_account-alice] [list $current $expected $in $stream]
        assert_equal 3 [load_entity r $key bank_account-alice 2]
        r {*}[deposit $key bank_account-alice 2 4]
        assert_match {WRONGVER current stream version is empty but expected 0 *} [r err {*}[deposit $key bank_account-nobody 0 1]]
    }
    test "Several events of a command, and of several entities, are one transaction" {
        set thrice {}
        foreach expected {3 4 5} { lappend thrice {*}[lrange [deposit $key bank_account-alice $expected 5] 2 end] }
        assert_equal {4 5 6} [lmap e [field [r EMAPPEND $key {*}$thrice] events] {field $e stream_version}]
        set both [concat [lrange [deposit $key bank_account-alice 6 6] 2 end] [lrange [deposit $key bank_account-bob EMPTY 6] 2 end]]
        assert_equal {7 0} [lmap e [field [r EMAPPEND $key {*}$both] events] {field $e stream_version}]
        set again [concat [lrange [deposit $key bank_account-alice 7 7] 2 end] [lrange [deposit $key bank_account-bob EMPTY 7] 2 end]]
        assert_match {WRONGVER *bank_account-bob} [r err EMAPPEND $key {*}$again]
        assert_equal 8 [load_entity r $key bank_account-alice]
    }
    test "Many entities share few connections, whose commands go out together" {
        with_clients {a b} {
            foreach c [list $a $b] name {a b} {
                set commands {}
                for {set i 0} {$i < 200} {incr i} {
                    lappend commands [list ESCAN many-$name$i 0 + COUNT 10000 PARTITION_KEY $key] [deposit $key many-$name$i EMPTY 1] \
                        [list ESCAN many-$name$i 0 + COUNT 10000 PARTITION_KEY $key]
                }
                $c write [join [lmap words $commands {resp_command {*}$words}] ""]
            }
            foreach c [list $a $b] {
                for {set i 0} {$i < 200} {incr i} {
                    set seen {}
                    foreach what {scan append scan} { lappend seen [llength [field [untyped [$c read_typed]] events]] }
                    assert_equal {0 1 1} $seen
                }
            }
        }
    }
    test "A projection reads all of it, stops at its window, and goes on when it acknowledges, late" {
        set head [field [r EREAD FROM NEW] head]
        append_events [srv default_client] bank_account-carol [expr {12000 - $head}] MoneyDeposited
        with_clients c {
            set id [subscribe $c * FROM 0 WINDOW 10000]
            assert_equal [sequences 0 10000] [handled $c $id 10000 0]
            # Between, the connection answers; and what is not acknowledged is waited for.
            assert_equal PONG [$c PING]
            wait_for "its window to be full" {[lmap s [r ESUBS LIST] {field $s state}] eq "waiting-for-credit"}
            assert_equal OK [$c EACK $id 7999]
            assert_equal [sequences 10000 12000] [handled $c $id 2000 10000]
            r {*}[deposit $key bank_account-bob 0 1]
            assert_equal 12000 [handled $c $id 1 12000]
        }
    }
    test "It comes back with what it had, over another connection and after a crash of the server" {
        r ESYNC
        srv crash
        with_clients c {
            set id [subscribe $c * FROM MAP 0=7999 DEFAULT 0 WINDOW 10000]
            assert_equal [sequences 7999 12001] [handled $c $id 4002 0]
            assert_equal OK [$c EACK $id 4001]
            r {*}[deposit $key bank_account-bob 1 1]
            assert_equal 12001 [handled $c $id 1 4002]
        }
    }
    test "EPSEQ tells it where replay ends" {
        assert_equal 12001 [r EPSEQ 0]
    }
}
