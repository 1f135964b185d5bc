# A client that says that it sends no more (`printf ... | nc`, shutdown(SHUT_WR)): what it has sent is run and answered.

source [file join $::top tests lib faults.tcl]

# The replies to bytes whose sender closes its half at once.
proc answers {data} {
    with_clients c {
        $c write $data
        $c half_close
        return [$c rest]
    }
}
proc commands {args} { join [lmap command $args { resp_command {*}$command }] "" }
proc half_close_when_sent {c} {
    if {[chan pending output [$c channel]] == 0} { $c half_close } else { after 5 [list half_close_when_sent $c] }
}
# The replies to XREAD BLOCK and XLEN of a stream that gets its entry after the half was closed.
proc served {stream} {
    with_clients c {
        $c write [commands [list XREAD BLOCK 3600000 STREAMS $stream $] [list XLEN $stream]]
        $c half_close
        $c taken
        r XADD $stream 1-1 a b
        set replies [$c rest]
    }
    if {[lindex $replies 0] ne {}} { assert_equal [list [list [list $stream {{1-1 {a b}}}]] 1] $replies }
    return $replies
}
# Clients beside our own.
proc others {} { expr {[info_field r connected_clients clients] - 1} }

with_server {} {
    test "All of a long pipeline is run and answered" {
        foreach {command reply} {{PING} PONG {GET half-none} ""} {
            set replies [answers [string repeat [resp_command {*}$command] 10900][resp_command SET half-1 $command]]
            assert_equal 10901 [llength $replies]
            assert_equal [list $reply OK] [list [lindex $replies 10899] [lindex $replies end]]
            assert_equal $command [r GET half-1]
        }
        set replies [answers [string repeat "PING\r\n" 10900]]
        assert_equal 10900 [llength $replies]
    }
    test "Changes whose replies wait for the disk are answered" {
        set replies [answers [string repeat [resp_command XADD half-2 * a b] 5000]]
        assert_equal 5000 [llength [lsort -unique $replies]]
        assert_equal 5000 [r XLEN half-2]
        set replies [answers [commands {MULTI} {SET half-3 1} {INCR half-3} {EXEC} {GET half-3}]]
        assert_equal {OK QUEUED QUEUED {OK 2} 2} $replies
    }
    test "A command that was not sent whole is dropped, what came before it is not" {
        assert_equal {OK} [answers [resp_command SET half-4 x][string range [resp_command SET half-4 y] 0 end-3]]
        assert_equal x [r GET half-4]
        assert_equal {} [answers ""]
        assert_equal {} [answers "*1\r\n\$4\r\nPI"]
    }
    test "Byte by byte" {
        with_clients c {
            foreach byte [split [commands {SET half-5 1} {INCR half-5} {GET half-5}] ""] { $c write $byte; $c taken }
            $c half_close
            assert_equal {OK 2 2} [$c rest]
        }
    }
    test "What waits for others is waited for, and what stands behind it is run" {
        skip unless backup "its reply"
        foreach command {ESYNC {WAITAOF 1 0 0} {BACKUP half.db}} reply {OK {1 0} OK} {
            set hold [hold_database [srv db]]
            with_clients c {
                $c write [commands {SET half-6 x} $command {DEL half-6}]
                $c half_close
                assert_equal OK [$c read]
                if {$command ne "WAITAOF 1 0 0"} { assert {[$c silent]} }
                release_database $hold
                assert_equal [list $reply 1] [$c rest]
            }
            assert_equal 0 [r EXISTS half-6]
        }
        assert {[file exists [file join [srv dir] half.db]]}
    }
    test "CLIENT PAUSE ends for it as for others" {
        with_clients c {
            r CLIENT PAUSE 3600000 WRITE
            $c write [commands {SET half-7 x} {PING}]
            $c half_close
            assert {[$c silent]}
            r CLIENT UNPAUSE
            assert_equal {OK PONG} [$c rest]
        }
    }
    test "A blocking read waits for its time, or is served" {
        assert_equal {OK {} PONG} [answers [commands {SET half-8 x} {XREAD BLOCK 50 STREAMS half-none $} {PING}]]
        # On a slow machine its five seconds may be over before the entry is there.
        wait_for "one is served" {[lindex [served half-9-[incr half_tries]] 0] ne {}}
    }
    test "A blocking read with a long time is over in a few seconds, and who is gone is not kept" {
        with_clients {c d} {
            # One waits when its half is closed, one begins afterwards, and one is gone.
            $c write [commands {SET half-11 x} {XREAD BLOCK 3600000 STREAMS half-none $} {PING}]
            assert_equal OK [$c read]
            wait_for "it waits" {[info_field r blocked_clients clients] == 1}
            $c half_close
            $d write [commands {XREAD BLOCK 3600000 STREAMS half-none $} {PING}]
            $d half_close
            set gone [new_client]
            $gone send XREAD BLOCK 3600000 STREAMS half-none $
            $gone taken
            $gone close
            assert_equal {{} PONG} [$c rest]
            assert_equal {{} PONG} [$d rest]
        }
        wait_for "nobody is left" {[others] == 0}
    }
    test "A blocking read without an end, and one in a group, end with the input" {
        r XGROUP CREATE half-10 g $ MKSTREAM
        foreach command {{XREAD BLOCK 0 STREAMS half-10 $} {XREADGROUP GROUP g c BLOCK 0 STREAMS half-10 >}
            {XREADGROUP GROUP g c BLOCK 3600000 STREAMS half-10 >} {XREADGROUP GROUP g c BLOCK 3600000 CLAIM 5 STREAMS half-10 >}} {
            # All at once; and when it waits already; and twice, as the second begins behind the end.
            assert_equal {OK {} {} 0} [answers [commands {SET half-11 x} $command $command {XLEN half-10}]] $command
            with_clients c {
                $c write [commands {SET half-11 x} $command {XLEN half-10}]
                assert_equal OK [$c read]
                wait_for "it waits" {[info_field r blocked_clients clients] == 1}
                $c half_close
                assert_equal {{} 0} [$c rest] $command
            }
        }
        assert_equal 0 [lindex [r XPENDING half-10 g] 0]
        wait_for "nobody is left" {[others] == 0}
    }
    test "One who only waits, and is gone, is not kept" {
        for {set i 0} {$i < 20} {incr i} {
            set c [new_client]
            $c send XREADGROUP GROUP g c BLOCK 3600000 STREAMS half-10 >
            wait_for "it waits" {[info_field r blocked_clients clients] == 1}
            $c close
            wait_for "it is gone" {[others] == 0}
        }
        r XADD half-10 1-1 a b
        assert_equal 0 [lindex [r XPENDING half-10 g] 0]
    }
    test "Who has half-closed and then goes altogether is let go at once" {
        with_clients {c d} {
            # With a reply unread, a close is a reset.
            set hold [hold_database [srv db]]
            foreach x {c d} {
                [set $x] write [commands {SET half-w x} {ESYNC}]
                wait_for "it waits" {[info_field r blocked_clients clients] == 1}
                [set $x] half_close
                [set $x] taken
                assert_equal 1 [info_field r blocked_clients clients]
                [set $x] close
                wait_for "it is gone" {[others] == ($x eq "c")}
            }
            release_database $hold
        }
    }
    test "Who waits with a lot behind it, and goes, is let go" {
        set c [new_client]
        $c write [commands {PING} {XREAD BLOCK 3600000 STREAMS half-none $}][string repeat [resp_command ECHO [string repeat x 65536]] 48]
        wait_for "it waits" {[info_field r blocked_clients clients] == 1}
        $c taken
        $c close
        wait_for "it is gone" {[others] == 0}
    }
    test "64 MB in one go, with replies that the client reads late" {
        r CONFIG SET client-output-bytes-max 1mb
        set mb [string repeat x 1000000]
        with_clients c {
            $c write [string repeat [resp_command ECHO $mb] 64][resp_command SET half-12 done]
            # The replies are in the way of what is still to be sent. It goes while they are read; then the half is closed.
            coroutine half_reader apply {{c} { yield; set ::half_replies [$c rest] }} $c
            after 0 half_reader
            half_close_when_sent $c
            vwait ::half_replies
            assert_equal 65 [llength $::half_replies]
            assert_equal OK [lindex $::half_replies end]
        }
        assert_equal done [r GET half-12]
        r CONFIG SET client-output-bytes-max 256mb
    }
}

with_server {cache-bytes 1mb} {
    test "Streams that have to be loaded are loaded" {
        for {set i 0} {$i < 300} {incr i} { r SET cold-$i $i }
        append_events [srv default_client] cold-events 500
        srv restart
        set keys {}
        for {set i 0} {$i < 300} {incr i} { lappend keys cold-$i }
        set replies [answers [join [lmap key $keys {resp_command GET $key}] ""][commands [list MGET {*}$keys] {ESVER cold-events} {ESCAN cold-events 0 +}]]
        assert_equal 303 [llength $replies]
        assert_equal {0 299 499} [list [lindex $replies 0] [lindex $replies 299] [lindex $replies 301]]
        assert_equal 299 [lindex $replies 300 299]
    }
}
with_server {cache-bytes 1mb} {
    test "A group of a virtual stream is given what has to be found on disk" {
        for {set i 0} {$i < 4} {incr i} { append_events [srv default_client] half-$i 500 }
        set keys {@category:half @type:* @all @stream:half-3}
        foreach key $keys { r XGROUP CREATE $key g 0 }
        r ESYNC
        srv restart
        foreach key $keys {
            set replies [answers [commands [list XREADGROUP GROUP g c COUNT 2 STREAMS $key >] PING [list XREADGROUP GROUP g c COUNT 3 STREAMS $key >]]]
            assert_equal {1 PONG 1} [list [llength [lindex $replies 0]] {*}[lrange $replies 1 1] [llength [lindex $replies 2]]] $key
            assert_equal {2 3} [lmap i {0 2} {llength [lindex $replies $i 0 1]}] $key
            assert_equal 5 [lindex [r XPENDING $key g] 0] $key
        }
        # When there is nothing, it hears so, with BLOCK at once.
        r XGROUP CREATE @category:nothing g 0
        foreach block {{} {BLOCK 3600000}} {
            assert_equal {{} PONG} [answers [commands [list XREADGROUP GROUP g c {*}$block STREAMS @category:nothing >] PING]]
        }
    }
}
with_server {pinned-bytes-max 64kb} {
    test "Writes that wait for the applier are run when it goes on" {
        set hold [hold_database [srv db]]
        with_clients c {
            $c write [string repeat [resp_command XADD half-t * a [string repeat x 10000]] 50]
            $c half_close
            wait_for "it waits" {[info_field r throttled_clients clients] == 1}
            release_database $hold
            assert_equal 50 [llength [$c rest]]
        }
        assert_equal 50 [r XLEN half-t]
    }
}
with_faulty_server {} {
    test "Replies of a change that is void are errors, and then it is over" {
        fault "match -journal.d\ndelay_us sync 100000\nfail sync EIO\nfail write EIO"
        with_clients c {
            $c write [commands {SET half-v 1} {INCR half-v}]
            $c half_close
            set replies [$c rest]
            assert_equal 2 [llength $replies]
            foreach reply $replies { assert_match "IOERR*" $reply }
        }
        no_fault
        wait_for "it writes again" {![catch {r SET half-v 2}]}
    }
}
