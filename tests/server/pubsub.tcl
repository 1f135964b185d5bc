# Channels: SUBSCRIBE, PUBLISH and their like. The transcripts are redis-server 7.0's (what is pushed to the connection that published
# stands behind the reply, as since 7.2).

source [file join $::top tests lib faults.tcl]
source -encoding utf-8 [file join $::top tests lib page.tcl]

set ::page docs/pubsub.md
set ::here {}
with_server {} {
    foreach {line block} [page_blocks [page_text]] {
        if {![shows_session $block]} continue
        test "docs/pubsub.md, line $line: [string range [lindex $block 0] 2 70]" { run_block $block }
    }
}

proc wire {args} {
    set out ""
    foreach part $args { append out "*[llength $part]\r\n"; foreach word $part { append out [expr {
        [string is integer -strict $word] ? ":$word\r\n" : "\$[string length $word]\r\n$word\r\n"}] } }
    return $out
}
# What the connection is sent for the commands, one after the other, must be these bytes.
proc transcript {c pairs} {
    foreach {command expected} $pairs {
        $c send {*}$command
        assert_equal $expected [$c bytes [string length $expected]] $command
    }
    assert [$c silent]
}
proc only_few {command} {
    return "-ERR Can't execute '$command': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context\r\n"
}
proc client_line {id} { return [r CLIENT LIST ID $id] }
proc many {n format} { set all {}; for {set i 0} {$i < $n} {incr i} { lappend all [format $format $i] }; return $all }
# Until the connection has run so many commands: a second small packet may wait for the first one's acknowledgement.
proc wait_for_commands {id n} { wait_for "$n commands to be run" {[string match "* tot-cmds=$n*" [client_line $id]]} }
# Listens, and reads that it does.
proc listen {c command args} {
    $c send $command {*}$args
    foreach name $args { $c next_value }
}

with_server {} {
    test "RESP2: what is replied for each channel, and when nothing is left" {
        with_clients c {
            transcript $c [list \
                {SUBSCRIBE a b a} [wire {subscribe a 1} {subscribe b 2} {subscribe a 2}] \
                {PSUBSCRIBE p* q*} [wire {psubscribe p* 3} {psubscribe q* 4}] \
                {SSUBSCRIBE s1 s2} [wire {ssubscribe s1 1} {ssubscribe s2 2}] \
                PING [wire {pong {}}] \
                {PING hi} [wire {pong hi}] \
                {UNSUBSCRIBE a} [wire {unsubscribe a 3}] \
                {UNSUBSCRIBE none} [wire {unsubscribe none 3}] \
                UNSUBSCRIBE [wire {unsubscribe b 2}] \
                PUNSUBSCRIBE [wire {punsubscribe p* 1} {punsubscribe q* 0}] \
                {GET x} [only_few get] \
                SUNSUBSCRIBE [wire {sunsubscribe s1 1} {sunsubscribe s2 0}] \
                UNSUBSCRIBE "*3\r\n\$11\r\nunsubscribe\r\n\$-1\r\n:0\r\n" \
                PUNSUBSCRIBE "*3\r\n\$12\r\npunsubscribe\r\n\$-1\r\n:0\r\n" \
                SUNSUBSCRIBE "*3\r\n\$12\r\nsunsubscribe\r\n\$-1\r\n:0\r\n" \
                PING "+PONG\r\n"]
        }
    }
    test "RESP2: what a connection that listens may not" {
        with_clients c {
            listen $c SUBSCRIBE a
            foreach {command name} {{PUBLISH a b} publish MULTI multi {HELLO 3} hello {CLIENT LIST} client|list
                {PUBSUB CHANNELS} pubsub|channels {SPUBLISH a b} spublish {EAPPEND s t} eappend {EREAD FROM 0} eread} {
                transcript $c [list $command [only_few $name]]
            }
            transcript $c [list EXEC "-EXECABORT Transaction discarded because of: [string range [only_few exec] 5 end]" \
                nosuch "-ERR unknown command 'nosuch', with args beginning with: \r\n" \
                GET "-ERR wrong number of arguments for 'get' command\r\n" \
                RESET "+RESET\r\n" {GET x} "\$-1\r\n"]
        }
    }
    test "RESP3: messages beside ordinary commands" {
        with_clients {c} {
            $c HELLO 3
            transcript $c [list \
                {SUBSCRIBE a} ">3\r\n\$9\r\nsubscribe\r\n\$1\r\na\r\n:1\r\n" \
                {PSUBSCRIBE a*} ">3\r\n\$10\r\npsubscribe\r\n\$2\r\na*\r\n:2\r\n" \
                {GET x} "_\r\n" \
                {PUBLISH a 1} ":2\r\n>3\r\n\$7\r\nmessage\r\n\$1\r\na\r\n\$1\r\n1\r\n>4\r\n\$8\r\npmessage\r\n\$2\r\na*\r\n\$1\r\na\r\n\$1\r\n1\r\n" \
                PING "+PONG\r\n" \
                {UNSUBSCRIBE a} ">3\r\n\$11\r\nunsubscribe\r\n\$1\r\na\r\n:1\r\n" \
                {SSUBSCRIBE s} ">3\r\n\$10\r\nssubscribe\r\n\$1\r\ns\r\n:1\r\n" \
                {SPUBLISH s x} ":1\r\n>3\r\n\$8\r\nsmessage\r\n\$1\r\ns\r\n\$1\r\nx\r\n" \
                {PUBLISH s x} ":0\r\n" \
                {UNSUBSCRIBE} ">3\r\n\$11\r\nunsubscribe\r\n_\r\n:1\r\n"]
        }
    }
    test "Inside EXEC: the messages behind its reply" {
        with_clients c {
            $c HELLO 3
            listen $c SUBSCRIBE foo bar baz
            foreach command {MULTI {PING abc} {PUBLISH foo 1} {UNSUBSCRIBE bar} {SSUBSCRIBE y} {PUBLISH foo 2} {PING def}} {
                $c {*}$command
            }
            $c send EXEC
            set expected "*6\r\n\$3\r\nabc\r\n:1\r\n>3\r\n\$11\r\nunsubscribe\r\n\$3\r\nbar\r\n:2\r\n-ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client\r\n:1\r\n\$3\r\ndef\r\n"
            append expected [string map {* >} [wire {message foo X} {message foo Y}]]
            set expected [string map {"\$1\r\nX" "\$1\r\n1" "\$1\r\nY" "\$1\r\n2"} $expected]
            assert_equal $expected [$c bytes [string length $expected]]
        }
        with_clients {c} {
            $c MULTI
            $c SUBSCRIBE a
            transcript $c [list EXEC "*1\r\n[wire {subscribe a 1}]" PING [wire {pong {}}]]
        }
    }
    test "CLIENT REPLY OFF and SKIP drop replies, and no message" {
        foreach resp {2 3} {
            with_clients {c} {
                $c HELLO $resp
                $c send CLIENT REPLY OFF
                $c send SUBSCRIBE a
                $c send PING
                assert_equal {subscribe a 1} [$c next_value]
                assert [$c silent]
                assert_equal 1 [r PUBLISH a text]
                assert_equal {message a text} [$c next_value]
                $c send UNSUBSCRIBE a
                assert_equal {unsubscribe a 0} [$c next_value]
                assert_equal OK [$c CLIENT REPLY ON]
                $c send CLIENT REPLY SKIP
                $c send SUBSCRIBE b
                assert_equal {subscribe b 1} [$c next_value]
            }
        }
    }
    test "docs/pubsub.md: a refused append does not hold back the PUBLISH behind it, but in MULTI" {
        with_clients {c to} {
            listen $to SUBSCRIBE orders
            $c send EAPPEND refused-1 t EXPECTED_VERSION 77
            $c send PUBLISH orders 1
            assert_error "WRONGVER*" {$c read}
            assert_equal 1 [$c read]
            assert_equal {message orders 1} [$to next_value]
            $c MULTI
            $c EAPPEND refused-1 t EXPECTED_VERSION 77
            $c PUBLISH orders 2
            assert_error "WRONGVER*" {$c EXEC}
            r PUBLISH orders 3
            assert_equal {message orders 3} [$to next_value]
        }
    }
    test "RESET and the end of a connection leave nothing behind" {
        with_clients {a b} {
            listen $a SUBSCRIBE x y
            listen $a PSUBSCRIBE x*
            listen $b SSUBSCRIBE z
            assert_equal {2 1 1 2} [lmap n {pubsub_channels pubsub_patterns pubsubshard_channels} {info_field r $n stats}][append none " " [info_field r pubsub_clients clients]]
            assert_equal RESET [$a RESET]
            assert_equal {x 0 y 0} [r PUBSUB NUMSUB x y]
            assert_equal 0 [r PUBLISH x 1]
            $b close
            set b [new_client]
            wait_for "the other one to be gone" {[r PUBSUB SHARDNUMSUB z] eq {z 0}}
            assert_equal {0 0 0} [lmap n {pubsub_channels pubsub_patterns pubsubshard_channels} {info_field r $n stats}]
            assert_equal 0 [info_field r pubsub_clients clients]
        }
    }
    test "PUBSUB says who listens" {
        with_clients {a b} {
            listen $a SUBSCRIBE one two
            listen $b SUBSCRIBE two
            listen $b PSUBSCRIBE t* o*
            listen $a PSUBSCRIBE t*
            listen $a SSUBSCRIBE shard
            assert_equal {one two} [lsort [r PUBSUB CHANNELS]]
            assert_equal two [r PUBSUB CHANNELS t*]
            assert_equal {one 1 two 2 three 0} [r PUBSUB NUMSUB one two three]
            assert_equal {} [r PUBSUB NUMSUB]
            assert_equal 2 [r PUBSUB NUMPAT]
            assert_equal shard [r PUBSUB SHARDCHANNELS]
            assert_equal {} [r PUBSUB SHARDCHANNELS x*]
            assert_equal {shard 1 one 0} [r PUBSUB SHARDNUMSUB shard one]
            assert_equal 4 [r PUBLISH two x]
            assert_match "ERR unknown subcommand or wrong number of arguments for 'CHANNELS'. Try PUBSUB HELP." [r err PUBSUB CHANNELS a b]
            assert_match "ERR unknown subcommand 'x'. Try PUBSUB HELP." [r err PUBSUB x]
            assert_match "PUBSUB *" [lindex [r PUBSUB HELP] 0]
            r MULTI
            r PUBSUB CHANNELS t*
            assert_equal {two} [r EXEC]
        }
    }
    test "CLIENT LIST and KILL know those that listen" {
        with_clients {a b} {
            set id [$a CLIENT ID]
            listen $a SUBSCRIBE one two
            listen $a PSUBSCRIBE t*
            listen $a SSUBSCRIBE x y z
            assert_match "*flags=P * sub=2 psub=1 ssub=3 *" [client_line $id]
            assert_match "id=$id *" [r CLIENT LIST TYPE pubsub]
            assert {![string match "*id=$id *" [r CLIENT LIST TYPE normal]]}
            assert_equal 1 [r CLIENT KILL TYPE pubsub]
            assert [$a closed]
            assert_equal PONG [$b PING]
            assert_equal {one 0} [r PUBSUB NUMSUB one]
        }
    }
    test "A pattern fits as with Redis, wherever it stands" {
        with_clients c {
            $c HELLO 3
            set long [string repeat x 64]
            listen $c PSUBSCRIBE * h?llo {h[ae]llo} {h[^e]llo} hello* {h\ello} hello "" *lo {[h]ello} {he[k-m]lo} $long* ${long}yy*
            foreach {channel fits} [list hello {* h?llo {h[ae]llo} hello* {h\ello} hello *lo {[h]ello} {he[k-m]lo}} \
                hallo {* h?llo {h[ae]llo} {h[^e]llo} *lo} hell * ${long}y [list * $long*] ${long}yyy [list * $long* ${long}yy*]] {
                assert_equal [llength $fits] [$c PUBLISH $channel m]
                $c PING
                assert_equal [lsort $fits] [lsort [lmap push [$c pushed] {lindex $push 1}]] "of '$channel'"
            }
        }
    }
    test "10,000 channels and patterns of a connection come and go" {
        with_clients {c} {
            listen $c SUBSCRIBE {*}[many 10000 channel-%d]
            listen $c PSUBSCRIBE {*}[many 10000 p%d-*]
            assert_equal 10000 [llength [lsort -unique [r PUBSUB CHANNELS]]]
            assert_equal 1 [llength [r PUBSUB CHANNELS channel-77]]
            assert_equal 10000 [r PUBSUB NUMPAT]
            assert_equal 1 [r PUBLISH channel-5000 m]
            assert_equal 1 [r PUBLISH p777-x m]
            assert_equal {message channel-5000 m} [$c read]
            assert_equal {pmessage p777-* p777-x m} [$c read]
            $c send UNSUBSCRIBE
            for {set i 0} {$i < 10000} {incr i} { $c read }
            assert_equal {} [r PUBSUB CHANNELS]
            $c close
            set c [new_client]
            wait_for "the patterns to be gone" {[r PUBSUB NUMPAT] == 0}
            assert_equal 0 [r PUBLISH p777-x m]
        }
    }
    # All of them fit x, and a turn of the loop writes to about ten thousand.
    set ::fit_x [many 12000 {[x%d]*}]
    test "One message for very many takes several turns, and what comes behind it is in order" {
        with_clients {c d} {
            foreach client {c d} { [set $client] HELLO 3 }
            listen $c PSUBSCRIBE {*}$::fit_x
            listen $d SUBSCRIBE x
            r write "[resp_command PUBLISH x 1][resp_command PUBLISH x 2]"
            assert_equal {12001 12001} [list [r read] [r read]]
            assert_equal {{message x 1} {message x 2}} [list [$d push] [$d push]]
            foreach text {1 2} {
                for {set i 0} {$i < 12000} {incr i} { assert_equal [list pmessage "\[x$i\]*" x $text] [$c push] }
            }
        }
    }
    # A message for 12,000 is on its way when what stands behind it in the same packet is run.
    proc queued_bytes {c} { regexp {pubsub_queue_bytes:(\d+)} [$c read] all n; return $n }
    test "What is published in EXEC waits for its turn, as everything else" {
        with_clients {c d} {
            listen $c PSUBSCRIBE {*}$::fit_x
            listen $d SUBSCRIBE x none
            set all [resp_command PUBLISH x before]
            foreach i {1 2 3} { append all [resp_command MULTI] [resp_command PUBLISH x $i] [resp_command EXEC] }
            append all [resp_command MULTI] [resp_command PUBLISH none 4] [resp_command EXEC] [resp_command INFO stats]
            r write $all
            assert_equal 12001 [r read]
            foreach {i count} {1 12001 2 12001 3 12001 4 1} {
                assert_equal [list OK QUEUED $count] [list [r read] [r read] [r read]]
            }
            # Whatever the last one waited for has left.
            assert_equal 0 [queued_bytes r]
            assert_equal {before 1 2 3 4} [lmap i {before 1 2 3 4} {lindex [$d read] 2}]
            # And what is on its way counts.
            r write "[resp_command PUBLISH x 5][resp_command INFO stats]"
            assert_equal 12001 [r read]
            assert_range 96001 200000 [queued_bytes r]
            wait_for "it to have left" {[info_field r pubsub_queue_bytes stats] == 0}
        }
    }
    test "Names and patterns have a bound" {
        set name [string repeat n 2048]
        set long ${name}n
        with_clients c {
            $c HELLO 3
            listen $c SUBSCRIBE $name
            listen $c PSUBSCRIBE $name
            assert_equal 2 [r PUBLISH $name x]
            assert_equal [list $name] [r PUBSUB CHANNELS $name]
            foreach command {{SUBSCRIBE a LONG} {SSUBSCRIBE LONG} {PUBLISH LONG x} {SPUBLISH LONG x}} {
                assert_equal "INVALIDARG a channel has at most 2048 bytes, but got 2049" [$c err {*}[string map "LONG $long" $command]]
            }
            foreach command {{PSUBSCRIBE a LONG} {PUBSUB CHANNELS LONG} {PUBSUB SHARDCHANNELS LONG}} {
                assert_equal "INVALIDARG a pattern has at most 2048 bytes, but got 2049" [$c err {*}[string map "LONG $long" $command]]
            }
            assert_equal {a 0} [r PUBSUB NUMSUB a]
            assert_equal 1 [r PUBSUB NUMPAT]
        }
    }
    # To compare one takes a million steps.
    test "What takes long to compare is work of a turn" {
        set name [string repeat a 2000]
        set pattern "*?[string repeat a 1000]"
        with_clients {c d} {
            listen $c PSUBSCRIBE ${pattern}b ${pattern}c
            listen $d SUBSCRIBE $name {*}[many 50 $name%d]
            r write "[resp_command PUBLISH $name x][resp_command INFO stats]"
            assert_equal 1 [r read]
            # Nothing of the turn is left for those that it is for.
            assert_range 2001 4000 [queued_bytes r]
            assert_equal [list message $name x] [$d read]
            assert_equal 14 [llength [r PUBSUB CHANNELS ${pattern}*3*]]
            r MULTI
            r PUBSUB CHANNELS ${pattern}b
            r PUBSUB CHANNELS *3
            set replies [lindex [r typed EXEC] 1]
            assert_match "TOOLARGE in MULTI channels are not compared with this pattern, it takes too long: *" [lindex $replies 0 1]
            assert_equal 5 [llength [lindex $replies 1 1]]
        }
    }
    # What is noted leaves all at once.
    test "In MULTI, and behind an append, not many messages are compared with what takes long" {
        set name [string repeat a 2048]
        set many {}
        for {set i 0} {$i < 100} {incr i} { lappend many "*?[string repeat a 1000]$i" }
        with_clients {c d} {
            listen $c PSUBSCRIBE {*}$many
            r MULTI
            foreach i {1 2 3} { r PUBLISH $name x }
            r SPUBLISH $name x
            set replies [r EXEC]
            assert_equal {0 0} [list [lindex $replies 0] [lindex $replies 3]]
            foreach i {1 2} { assert_match "TOOLARGE in MULTI no more messages are compared with these patterns*" [lindex $replies $i] }
            r write "[resp_command SET k v][string repeat [resp_command PUBLISH $name x] 4]"
            assert_equal {OK 0 0 0 0} [list [r read] [r read] [r read] [r read] [r read]]
            r DEL k
        }
    }
    test "Patterns that take long to compare have a bound, all together" {
        set tail "?[string repeat a 1023]"
        set many {}
        for {set i 0} {$i < 128} {incr i} { lappend many $i*$tail* }
        with_clients {c d} {
            $c HELLO 3
            $d HELLO 3
            listen $c PSUBSCRIBE {*}$many
            assert_match "TOOLARGE patterns with more than letters behind a star *" [$d err PSUBSCRIBE a*?b]
            # One that is there takes no more, nor do those of letters and stars, or with others before the first star.
            listen $d PSUBSCRIBE [lindex $many 7] a?\[bc\]*d*
            assert_equal 129 [r PUBSUB NUMPAT]
            $c send PUNSUBSCRIBE [lindex $many 3]
            $c push
            listen $d PSUBSCRIBE a*?b
            assert_equal 1 [r PUBLISH axxb x]
            assert_equal {pmessage a*?b axxb x} [$d push]
        }
        wait_for "both to be gone" {[r PUBSUB NUMPAT] == 0}
    }
    # Under a sanitizer these show what is looked at when it is gone.
    foreach {how what} {"CLIENT KILL" {r send CLIENT KILL ID $id} "its end" {$c close; set c [new_client]} "RESET" {$c send RESET}} {
        test "A connection that goes while a message is on its way to it: $how" {
            with_clients {c d} {
                set id [$c CLIENT ID]
                listen $c PSUBSCRIBE {*}$::fit_x
                listen $d PSUBSCRIBE x*
                r send PUBLISH x text
                eval $what
                assert_equal 12001 [r read]
                if {$how eq "CLIENT KILL"} { assert_equal 1 [r read] }
                assert_equal {pmessage x* x text} [$d read]
                wait_for "all of it to be gone" {[r PUBSUB NUMPAT] == 1}
                assert_equal 1 [r PUBLISH x text]
            }
        }
    }
    # More than a turn sends to. The load generator fails when a message is missing, doubled or changed.
    set ::bench [list [file join $::top bench cairn-bench] -p [srv port] --readers 1500 -c 1510 --streams 1 --warmup 0]
    foreach {mode payload} {publish 100 publish 20000 events 100} {
        test "What is published comes to each of very many: $mode, $payload bytes" {
            exec {*}$::bench --mode $mode -d $payload -P 4 -n 80 2>@1
        }
    }
    # Above what may wait to be sent nothing is published: so what goes with them must not count any more.
    test "Connections that go while messages for them wait to be sent" {
        for {set i 0} {$i < 3} {incr i} {
            set pid [exec {*}$::bench --mode publish --rate 0.01 -t 300 >/dev/null 2>/dev/null &]
            wait_for "them to listen" {[info_field r pubsub_clients clients] == 1500}
            r write [resp_command PUBLISH s:0 [string repeat x 20000]][resp_command CLIENT KILL TYPE pubsub]
            assert_equal 1500 [r read]
            assert_range 1 1500 [r read] ;# the generator ends at once when it gets what it has not sent
            wait_for "the generator to end" {![file exists /proc/$pid/fd/0]}
        }
        with_clients c {
            listen $c SUBSCRIBE other
            assert_equal 1 [r PUBLISH other after]
            assert_equal {message other after} [$c read]
        }
    }
    test "Nobody publishes to the channels of events" {
        assert_match "ERR channels that begin with __event__: *" [r err PUBLISH __event__:x y]
        assert_equal 0 [r SPUBLISH __event__:x y]
    }
}

with_server {standing-bytes-max 1mb} {
    test "What is listened to has a bound" {
        with_clients {a b} {
            assert_match "TOOLARGE no room for what would be kept*" [$a err SUBSCRIBE {*}[many 10000 c%d]]
            assert_equal {} [r PUBSUB CHANNELS]
            listen $a SUBSCRIBE {*}[many 3000 c%d]
            assert {[info_field r mem_clients_standing memory] > 3000 * 100}
            $a close
            set a [new_client]
            wait_for "it to be given back" {[info_field r mem_clients_standing memory] == 0}
        }
    }
}

with_server {} {
    test "client-output-buffer-limit is read and written as with Redis" {
        set name client-output-buffer-limit
        set all "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60"
        assert_equal [list $name $all] [r CONFIG GET $name]
        assert_equal OK [r CONFIG SET $name "pubsub 1mb 2mb 3"]
        assert_equal OK [r CONFIG SET $name "replica 1 2 3 normal 4 5 6"]
        assert_equal "normal 4 5 6 slave 1 2 3 pubsub 1048576 2097152 3" [lindex [r CONFIG GET $name] 1]
        foreach {value why} {
            "pubsub 1mb 2mb" "Wrong number of arguments in buffer limit configuration."
            "foo 1mb 2mb 3" "Invalid client class specified in buffer limit configuration."
            "master 1mb 2mb 3" "Invalid client class specified in buffer limit configuration."
            "pubsub x 2mb 3" "Error in hard, soft or soft_seconds setting in buffer limit configuration."
            "normal 0 0 -3" "Error in hard, soft or soft_seconds setting in buffer limit configuration."
        } {
            assert_equal "ERR CONFIG SET failed (possibly related to argument '$name') - $why" [r err CONFIG SET $name $value]
        }
        assert_equal OK [r CONFIG SET $name $all]
        assert_equal $all [lindex [r CONFIG GET $name] 1]
        r CONFIG SET $name "pubsub 5mb 0 0"
        r CONFIG REWRITE
        srv stop
        srv start 1
        assert_match "*pubsub 5242880 0 0" [lindex [r CONFIG GET $name] 1]
        r CONFIG SET $name $all
    }
    # Publishes until the connection is closed.
    proc publish_until_closed {c id {bytes 100000}} {
        set text [string repeat x $bytes]
        wait_for "the connection to be closed" {[r PUBLISH slow $text] == 0}
        assert_equal "" [client_line $id]
        assert [$c closed]
    }
    foreach {limit what} {"pubsub 1mb 0 0" "more than the hard limit" "pubsub 0 1mb 0" "more than the soft limit for longer"} {
        test "Who leaves $what unread is disconnected" {
            r CONFIG SET client-output-buffer-limit $limit
            set before [info_field r client_output_buffer_limit_disconnections stats]
            with_clients {c reads} {
                set id [$c CLIENT ID]
                listen $c SUBSCRIBE slow
                listen $reads SUBSCRIBE other
                publish_until_closed $c $id
                assert_equal [expr {$before + 1}] [info_field r client_output_buffer_limit_disconnections stats]
                assert_equal 1 [r PUBLISH other x]
                assert_equal {message other x} [$reads read]
            }
        }
    }
    test "Who is not above the soft limit for long enough stays" {
        r CONFIG SET client-output-buffer-limit "pubsub 0 1mb 100000"
        with_clients c {
            set id [$c CLIENT ID]
            listen $c SUBSCRIBE slow
            set text [string repeat x 100000]
            for {set i 0} {$i < 200} {incr i} { assert_equal 1 [r PUBLISH slow $text] }
            for {set i 0} {$i < 200} {incr i} { assert_equal $text [lindex [$c read] 2] }
        }
    }
    test "The class normal, too" {
        r CONFIG SET client-output-buffer-limit "normal 1mb 0 0"
        r XADD long * d [string repeat x 1000000]
        with_clients c {
            set id [$c CLIENT ID]
            wait_for "it to be closed" {[catch {$c send XRANGE long - +}] || [client_line $id] eq ""}
        }
        r CONFIG SET client-output-buffer-limit "normal 0 0 0 pubsub 32mb 8mb 60"
    }
    test "CLIENT PAUSE WRITE holds messages back, too" {
        with_clients {c exec} {
            $exec MULTI
            $exec PUBLISH nobody x
            r CLIENT PAUSE 100000000 WRITE
            $c send PUBLISH nobody x
            $exec send EXEC
            assert {[$c silent] && [$exec silent]}
            assert_equal {} [r PUBSUB CHANNELS]
            r CLIENT UNPAUSE
            assert_equal {0 0} [list [$c read] [$exec read]]
        }
    }
    test "While all hold more than clients-bytes-max, the one that does not read its messages goes" {
        r CONFIG SET clients-bytes-max 8mb client-output-buffer-limit "pubsub 0 0 0"
        with_clients c {
            set id [$c CLIENT ID]
            listen $c SUBSCRIBE slow
            publish_until_closed $c $id
        }
        r CONFIG SET clients-bytes-max 1gb client-output-buffer-limit "pubsub 32mb 8mb 60"
    }
    test "client-output-bytes-max does not hold up who listens" {
        r CONFIG SET client-output-bytes-max 64kb client-output-buffer-limit "pubsub 0 0 0"
        with_clients c {
            listen $c SUBSCRIBE slow
            set text [string repeat x 100000]
            for {set i 0} {$i < 100} {incr i} { r PUBLISH slow $text }
            $c send SUBSCRIBE other
            wait_for "it to listen, too" {[r PUBSUB NUMSUB other] eq {other 1}}
            for {set i 0} {$i < 100} {incr i} { assert_equal $text [lindex [$c read] 2] }
            assert_equal {subscribe other 2} [$c read]
        }
    }
}

with_faulty_server {} {
    set journal "match -journal.d"
    test "A message leaves when what its connection has appended is durable: who reacts to it finds that" {
        with_clients {writer hears reads} {
            $hears HELLO 3
            listen $hears SUBSCRIBE go
            fault "$journal\nhold sync"
            $writer send EAPPEND order-1 t
            $writer send PUBLISH go order-1
            $writer send PUBLISH go again
            $writer send PING
            assert [$writer silent]
            assert [$hears silent]
            # Others do not wait.
            assert_equal 1 [$reads PUBLISH go other]
            assert_equal {message go other} [$hears push]
            listen $reads SUBSCRIBE go
            no_fault
            assert_equal 0 [field [$writer read] stream_version]
            # Counted when it left.
            assert_equal {2 2 PONG} [list [$writer read] [$writer read] [$writer read]]
            assert_equal {message go order-1} [$hears push]
            assert_equal 1 [llength [field [$hears ESCAN order-1 - +] events]]
            assert_equal {message go again} [lindex [$hears pushed] 0]
        }
    }
    test "How many got it takes the room that it needs among the replies" {
        with_clients {writer hears} {
            listen $hears PSUBSCRIBE {*}[many 150 {[hg%d]*}] {*}[many 12 {[gf%d]*}]
            fault "$journal\nhold sync"
            $writer send EAPPEND s t
            set expected {}
            foreach {channel count} {a 0 h 150 f 12 b 0 g 162 h 150} {
                $writer write "[resp_command PUBLISH $channel x][resp_command ECHO behind-$channel]"
                lappend expected $count behind-$channel
            }
            assert [$writer silent]
            no_fault
            $writer read
            assert_equal $expected [lmap e $expected {$writer read}]
        }
    }
    test "In EXEC a message leaves with its frame" {
        with_clients {writer hears} {
            $hears HELLO 3
            listen $hears SUBSCRIBE go
            fault "$journal\nhold sync"
            foreach command {MULTI {PUBLISH go first} {EAPPEND order-2 t} {PUBLISH go second} {PUBLISH none x} EXEC PING} {
                $writer send {*}$command
            }
            for {set i 0} {$i < 5} {incr i} { $writer read }
            assert [$writer silent]
            assert [$hears silent]
            no_fault
            set reply [$writer read]
            assert_equal {1 1 0} [list [lindex $reply 0] [lindex $reply 2] [lindex $reply 3]]
            assert_equal PONG [$writer read]
            assert_equal {{message go first} {message go second}} [list [$hears push] [$hears push]]
            # One that is taken back publishes nothing.
            foreach command {MULTI {PUBLISH go no} {EAPPEND order-2 t EXPECTED_VERSION EMPTY}} { $writer {*}$command }
            assert_match "* command 2 of 2 *" [$writer err EXEC]
            assert [$hears silent]
        }
    }
    test "What waits for an append waits for its turn, too" {
        with_clients {writer hears} {
            listen $hears PSUBSCRIBE {*}$::fit_x
            try {
                fault "$journal\nhold sync"
                $writer write "[resp_command PUBLISH x 1][resp_command EAPPEND s t][resp_command PUBLISH x 2][resp_command INFO stats]"
                assert_equal 12000 [$writer read]
                assert [$writer silent]
            } finally { no_fault }
            assert_match "*stream_version*" [$writer read]
            assert_equal 12000 [$writer read]
            assert_equal 0 [queued_bytes $writer]
        }
    }
    test "With CLIENT REPLY OFF it waits all the same, and nothing is replied" {
        with_clients {writer hears} {
            $hears HELLO 3
            listen $hears SUBSCRIBE go
            $writer send CLIENT REPLY OFF
            fault "$journal\nhold sync"
            $writer send EAPPEND s t
            $writer send PUBLISH go x
            $writer send CLIENT REPLY ON
            $writer send ECHO behind
            assert [$hears silent]
            no_fault
            assert_equal {message go x} [$hears push]
            assert_equal OK [$writer read]
            assert_equal behind [$writer read]
        }
    }
    test "A void takes messages back that wait, and keeps those that were sent to who waits" {
        with_clients {writer hears other} {
            $hears HELLO 3
            set id [$hears CLIENT ID]
            listen $hears SUBSCRIBE go mine
            fault "$journal\nhold sync\nfail sync EIO"
            # It waits itself: what comes for it stands behind, in order.
            $hears send EAPPEND lost t
            wait_for_commands $id 4
            $other PUBLISH mine 1
            $hears send EAPPEND lost t
            $hears send XLEN lost
            wait_for_commands $id 6
            $other PUBLISH mine 2
            $other PUBLISH mine 3
            $writer send EAPPEND lost t
            $writer send PUBLISH go lost
            assert [$writer silent]
            assert [$hears silent]
            fault "$journal\nfail sync EIO\nfail write EIO"
            foreach i {1 2} { assert_error "IOERR*" {$writer read} }
            set got {}
            while {[llength $got] < 6} {
                if {[catch {$hears next_value} reply]} { lappend got [lindex $reply 0] } else { lappend got [lindex $reply end] }
            }
            assert_equal {IOERR 1 IOERR IOERR 2 3} $got
            assert [$hears silent]
            no_fault
            wait_for "writes again" {[catch {r EAPPEND kept t}] == 0}
            assert_equal 1 [$writer PUBLISH go after]
            assert_equal {message go after} [$hears push]
        }
    }
    test "A subscriber that appends gets its messages behind its replies" {
        with_clients {c other} {
            $c HELLO 3
            set id [$c CLIENT ID]
            listen $c SUBSCRIBE x
            fault "$journal\nhold sync"
            $c send EAPPEND s t
            wait_for_commands $id 4
            $other PUBLISH x 1
            $c send ECHO behind
            wait_for_commands $id 5
            $other PUBLISH x 2
            assert [$c silent]
            no_fault
            assert_match "*stream_version*" [$c next_value]
            assert_equal {message x 1} [$c next_value]
            assert_equal behind [$c next_value]
            assert_equal {message x 2} [$c next_value]
        }
    }
}
