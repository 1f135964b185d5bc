# The commands of strings beside SET and GET (strings.tcl): what they reply, in Redis' words, and that what they change is
# durable, taken back and bounded as everything else.

source [file join $::top tests lib faults.tcl]

set wrong_type "WRONGTYPE Operation against a key holding the wrong kind of value"
set not_integer "ERR value is not an integer or out of range"
# VmHWM is what is taken now.
proc reset_peak {} {
    set f [open /proc/[srv pid]/clear_refs w]
    puts $f 5
    close $f
}

with_server {} {
    test "SETNX, SETEX, PSETEX, GETSET" {
        assert_equal {1 0 v} [list [r SETNX k v] [r SETNX k w] [r GET k]]
        assert_equal OK [r SETEX k 100000 x]
        assert_range 99000 100000 [r TTL k]
        assert_equal OK [r PSETEX k 200000000 y]
        assert_range 199000000 200000000 [r PTTL k]
        assert_equal {y z -1} [list [r GETSET k z] [r GET k] [r TTL k]]
        assert_equal "\$-1\r\n" [r raw GETSET none-1 v]
        assert_equal v [r GET none-1]
        foreach {command text} {{SETEX k 0 v} setex {SETEX k -5 v} setex {PSETEX k 0 v} psetex {SETEX k 9223372036854775807 v} setex} {
            assert_equal "ERR invalid expire time in '$text' command" [r err {*}$command]
        }
        assert_equal $not_integer [r err SETEX k x v]
        assert_equal z [r GET k]
    }

    test "GETDEL and GETEX" {
        r SET k v
        assert_equal {v 0} [list [r GETDEL k] [r EXISTS k]]
        assert_equal "\$-1\r\n" [r raw GETDEL k]
        assert_equal "\$-1\r\n" [r raw GETEX k EX 10]
        r SET k v
        assert_equal {v -1} [list [r GETEX k] [r TTL k]]
        assert_equal {v 33177117420} [list [r GETEX k EXAT 33177117420] [r EXPIRETIME k]]
        assert_equal {v 33177117420001} [list [r GETEX k PXAT 33177117420001] [r PEXPIRETIME k]]
        assert_equal v [r GETEX k EX 1000]
        assert_range 990 1000 [r TTL k]
        assert_equal {v -1} [list [r GETEX k PERSIST] [r TTL k]]
        assert_equal {v 0} [list [r GETEX k PXAT 1] [r EXISTS k]]
        r SET k v
        foreach options {{EX} {EX 1 PX 1} {PERSIST EX 1} {EX 1 PERSIST} {KEEPTTL} {NX} {GET} {EX 1 EXAT 1}} {
            assert_equal "ERR syntax error" [r err GETEX k {*}$options]
        }
        assert_equal "ERR invalid expire time in 'getex' command" [r err GETEX k EX 0]
        assert_equal $not_integer [r err GETEX k EX x]
        # As in Redis: of a key that is not there the number is not looked at.
        assert_equal "\$-1\r\n" [r raw GETEX none EX x]
    }

    test "MSETNX sets all of them or none" {
        assert_equal 1 [r MSETNX n-1 a n-2 b n-1 c]
        assert_equal 0 [r MSETNX n-3 a n-2 x]
        append_events r n-stream 1
        assert_equal 0 [r MSETNX n-3 a n-stream x]
        assert_equal {c b {} {}} [r MGET n-1 n-2 n-3 n-stream]
        assert_equal "ERR wrong number of arguments for 'msetnx' command" [r err MSETNX a b c]
        assert_equal "ERR wrong number of arguments for 'mset' command" [r err MSET a b c]
    }

    test "INCR and its kin are of whole numbers, keep the deadline, and do not overflow" {
        r DEL n
        assert_equal {1 0 10 3} [list [r INCR n] [r DECR n] [r INCRBY n 10] [r DECRBY n 7]]
        r SET n 9223372036854775806 PXAT 33177117420000
        assert_equal {9223372036854775807 33177117420000} [list [r INCR n] [r PEXPIRETIME n]]
        assert_equal "ERR increment or decrement would overflow" [r err INCRBY n 1]
        assert_equal 0 [r DECRBY n 9223372036854775807]
        r SET n -9223372036854775808
        assert_equal "ERR increment or decrement would overflow" [r err DECR n]
        assert_equal "ERR decrement would overflow" [r err DECRBY n -9223372036854775808]
        foreach by {x 1.5 " 1" 007 "" 9223372036854775808} { assert_equal $not_integer [r err INCRBY n $by] }
        foreach value {x 1.5 " 1" "1 " 007 "" +5 9223372036854775808} {
            r SET n $value
            assert_equal $not_integer [r err INCRBY n 1] $value
        }
    }

    # What Redis writes on amd64, where a long double has 64 bits of fraction.
    test "INCRBYFLOAT has Redis' texts" {
        if {$::tcl_platform(machine) ne "x86_64" || ([info exists ::valgrind] && $::valgrind)} {
            skip "another long double (valgrind's has 53 bits) has other digits"
        }
        foreach {value by result} {
            3 1.23 4.23  3.0 1.1 4.1  5.0e3 2.0e2 5200  10.5 -10.5 0  -0.5 0.5 0  1 0 1  1.0 0 1  0.1 0.2 0.3
            17179869184 1.5 17179869185.5  1e3 1e-3 1000.001
            1 1e-17 1.00000000000000001  0x10 0 16  -1.25 0.25 -1  99999999999999999999 1 100000000000000000000
            .5 .5 1  5. 0 5  1e-18 0 0  -1e-18 0 0
        } {
            r SET f $value
            assert_equal $result [r INCRBYFLOAT f $by] "$value + $by"
            assert_equal $result [r GET f]
        }
        r DEL f
        assert_equal "\$3\r\n2.5\r\n" [r raw INCRBYFLOAT f 2.5]
        assert_equal 4933 [string length [r INCRBYFLOAT f 1e4932]]
        foreach value {x "" " 1" "1 " 1a nan 1e99999 "1\0"} {
            r SET f $value
            assert_equal "ERR value is not a valid float" [r err INCRBYFLOAT f 1] $value
            r SET f 1
            assert_equal "ERR value is not a valid float" [r err INCRBYFLOAT f $value] $value
        }
        foreach by {inf -inf +Infinity} { assert_equal "ERR increment would produce NaN or Infinity" [r err INCRBYFLOAT f $by] }
        r SET f 1 PXAT 33177117420000
        assert_equal {1.5 33177117420000} [list [r INCRBYFLOAT f 0.5] [r PEXPIRETIME f]]
    }

    test "APPEND, SETRANGE, GETRANGE, SUBSTR, STRLEN" {
        r DEL k
        assert_equal {3 6 abcdef} [list [r APPEND k abc] [r APPEND k def] [r GET k]]
        assert_equal {6 0} [list [r STRLEN k] [r STRLEN none]]
        assert_equal {6 abXYef} [list [r SETRANGE k 2 XY] [r GET k]]
        assert_equal 9 [r SETRANGE k 8 Z]
        assert_equal "abXYef\0\0Z" [r GET k]
        assert_equal {9 0 0} [list [r SETRANGE k 100 ""] [r SETRANGE none 5 ""] [r EXISTS none]]
        assert_equal 3 [r SETRANGE new 2 x]
        assert_equal "\0\0x" [r GET new]
        assert_equal 0 [r APPEND empty ""]
        assert_equal 1 [r EXISTS empty]
        r SET k "Hello World"
        foreach {first last part} {0 4 Hello -5 -1 World 0 -1 {Hello World} 6 100 World 20 30 {} -100 4 Hello 5 2 {} -1 -5 {} -100 -50 H} {
            assert_equal $part [r GETRANGE k $first $last] "$first $last"
            assert_equal $part [r SUBSTR k $first $last]
        }
        assert_equal "\$0\r\n\r\n" [r raw GETRANGE none 0 -1]
        assert_equal "\$0\r\n\r\n" [r raw GETRANGE empty 0 -1]
        r EXPIREAT k 33177117420
        r APPEND k !
        r SETRANGE k 0 J
        assert_equal {{Jello World!} 33177117420} [list [r GET k] [r EXPIRETIME k]]
        assert_equal "ERR offset is out of range" [r err SETRANGE k -1 x]
        assert_equal $not_integer [r err SETRANGE k x x]
        assert_equal $not_integer [r err GETRANGE k x 1]
    }

    test "A string is bounded, as an event is" {
        assert_equal OK [r CONFIG SET max-event-bytes 1000]
        assert_equal "ERR string exceeds maximum allowed size (max-event-bytes)" [r err SET k [string repeat x 1001]]
        assert_equal OK [r SET k [string repeat x 1000]]
        foreach command {{APPEND k y} {SETRANGE k 1000 y} {SETRANGE none 9223372036854775807 y} {SETRANGE none 1000 y}} {
            assert_equal "ERR string exceeds maximum allowed size (max-event-bytes)" [r err {*}$command]
        }
        foreach command {SETNX GETSET SETEX MSET} {
            set long [string repeat x 1001]
            assert_match "ERR string exceeds maximum*" [r err $command k-2 {*}[expr {$command eq "SETEX" ? 10 : {}}] $long]
        }
        assert_equal {0 1000} [list [r EXISTS none k-2] [r STRLEN k]]
        r CONFIG SET max-event-bytes 8mb
    }

    test "LCS finds the longest common subsequence, as Redis tells it" {
        r MSET key1 ohmytext key2 mynewtext key3 abcdef e-1 "" e-2 ""
        assert_equal {mytext 6} [list [r LCS key1 key2] [r LCS key1 key2 LEN]]
        assert_equal {matches {{{4 7} {5 8}} {{2 3} {0 1}}} len 6} [r LCS key1 key2 IDX]
        assert_equal {matches {{{4 7} {5 8}}} len 6} [r LCS key1 key2 IDX MINMATCHLEN 4]
        assert_equal {matches {{{4 7} {5 8} 4} {{2 3} {0 1} 2}} len 6} [r LCS key1 key2 IDX WITHMATCHLEN MINMATCHLEN -1]
        assert_equal {matches {{{4 7} {5 8} 4}} len 6} [r LCS key1 key2 IDX MINMATCHLEN 4 WITHMATCHLEN]
        assert_equal {{} 0 {matches {} len 0}} [list [r LCS key1 none] [r LCS none key1 LEN] [r LCS e-1 e-2 IDX]]
        assert_equal {ohmytext {matches {{{0 7} {0 7}}} len 8}} [list [r LCS key1 key1] [r LCS key1 key1 IDX]]
        with_clients c {
            $c HELLO 3
            assert_equal {map {{bulk matches} {array {}} {bulk len} {int 0}}} [$c typed LCS e-1 e-2 IDX]
        }
        assert_equal "ERR If you want both the length and indexes, please just use IDX." [r err LCS key1 key2 LEN IDX]
        foreach options {{MINMATCHLEN} {NONSENSE} {LEN 1}} { assert_equal "ERR syntax error" [r err LCS key1 key2 {*}$options] }
        assert_equal $not_integer [r err LCS key1 key2 MINMATCHLEN x]
        append_events r lcs-stream 1
        assert_equal "ERR The specified keys must contain string values" [r err LCS key1 lcs-stream]
    }

    test "A long LCS takes several turns, is of one moment, and is bounded" {
        set half [string repeat "abcdefgh" 500]
        r MSET long-1 "$half$half" long-2 "x$half"
        with_clients {asker other} {
            # In the same write stands what changes it.
            $asker send LCS long-1 long-2
            $asker send SET long-1 gone
            $asker send LCS long-1 long-2 LEN
            assert_equal PONG [$other PING]
            assert_equal $half [$asker read]
            assert_equal {OK 2} [list [$asker read] [$asker read]]
        }
        r MSET long-1 [string repeat a 20000] long-2 [string repeat a 20000]
        assert_equal "ERR String too long for LCS: it has 400040001 cells to compare, 268435456 at most are" [r err LCS long-1 long-2 LEN]
        r SET long-2 [string repeat b 1000]
        r MULTI
        r LCS long-1 long-2
        r LCS key1 key2
        assert_match "{error {TOOLARGE in MULTI at most 4194304 cells are compared, these are 20021001: *}} {bulk mytext}" [lindex [r typed EXEC] 1]
    }

    # The table's rows are of the shorter one. Of common subsequences that are as long, Redis' is told.
    test "LCS of a short key and a long one, whichever stands first" {
        r MSET short xaybzc long cbaxyzabcxyzcba
        assert_equal {aybzc xayzc} [list [r LCS short long] [r LCS long short]]
        set there {matches {{{4 5} {11 12} 2} {{3 3} {7 7} 1} {{2 2} {4 4} 1} {{1 1} {2 2} 1}} len 5}
        set back {matches {{{11 12} {4 5} 2} {{10 10} {2 2} 1} {{6 6} {1 1} 1} {{3 3} {0 0} 1}} len 5}
        assert_equal [list $there $back] [list [r LCS short long IDX WITHMATCHLEN] [r LCS long short IDX WITHMATCHLEN]]
    }
    # Rows of the long one would take 32 MB, and each be made in one turn.
    test "LCS of a byte and a long string takes little memory, whichever stands first" {
        r MSET byte x long "[string repeat a 7900000]x"
        foreach keys {{byte long} {long byte}} {
            reset_peak
            set before [srv memory_kb]
            assert_equal {1 x} [list [r LCS {*}$keys LEN] [r LCS {*}$keys]]
            assert_memory -100000 25000 [expr {[srv memory_kb VmHWM] - $before}] "kilobytes at the highest, $keys"
        }
        r DEL long
    }

    test "They refuse streams, and virtual ones" {
        append_events r a-stream 2
        foreach command {
            {GETSET KEY v} {GETDEL KEY} {GETEX KEY} {GETEX KEY PERSIST} {INCR KEY} {DECR KEY} {INCRBY KEY 1} {DECRBY KEY 1}
            {INCRBYFLOAT KEY 1} {APPEND KEY v} {SETRANGE KEY 0 v} {SETRANGE KEY 0 ""} {GETRANGE KEY 0 1} {SUBSTR KEY 0 1} {STRLEN KEY}
        } {
            assert_equal $wrong_type [r err {*}[string map {KEY a-stream} $command]] $command
            assert_match "*@all*" [r err {*}[string map {KEY @all} $command]] $command
        }
        assert_equal {OK string} [list [r SETEX a-stream 1000 v] [r TYPE a-stream]]
        assert_match "INVALIDARG stream id*" [r err APPEND [string repeat n 513] v]
        assert_equal {} [r GETDEL [string repeat n 513]]
    }

    test "What waits for a key as a stream hears that it became a string" {
        foreach command {{INCR KEY} {APPEND KEY v} {SETNX KEY v} {GETSET KEY v} {MSETNX KEY v} {SETRANGE KEY 1 v} {INCRBYFLOAT KEY 1} {PSETEX KEY 100000 v}} {
            with_clients waiting {
                set key wait-[lindex $command 0]
                r XGROUP CREATE $key g \$ MKSTREAM
                $waiting send XREADGROUP GROUP g c BLOCK 0 STREAMS $key >
                wait_for "a reader that waits" {[info_field [srv default_client] blocked_clients] == 1}
                r MULTI
                r DEL $key
                r {*}[string map [list KEY $key] $command]
                r EXEC
                assert_equal {error {WRONGTYPE Operation against a key holding the wrong kind of value}} [$waiting read_typed]
            }
        }
    }

    test "All of it is there after a crash and a restart" {
        r DEL d-1 d-2 d-3 d-4 d-5 d-6
        for {set i 0} {$i < 300} {incr i} { r INCRBY d-1 2; r APPEND d-2 [expr {$i % 10}] }
        r SETRANGE d-3 3 xyz
        r MSET d-4 v d-5 w
        r GETDEL d-4
        r GETEX d-5 PXAT 33177117420000
        r INCRBYFLOAT d-6 0.5
        set wanted [list 600 [string repeat 0123456789 30] "\0\0\0xyz" "" w 0.5]
        srv crash
        assert_equal $wanted [r MGET d-1 d-2 d-3 d-4 d-5 d-6]
        r ESYNC
        srv restart
        assert_equal $wanted [r MGET d-1 d-2 d-3 d-4 d-5 d-6]
        assert_equal 33177117420000 [r PEXPIRETIME d-5]
    }

    test "MULTI takes all of it back" {
        r DEL t-1 t-2 t-3 t-4
        r MSET t-1 10 t-2 abc
        r PEXPIREAT t-2 33177117420000
        r MULTI
        foreach command {{INCRBY t-1 5} {APPEND t-2 def} {SETRANGE t-2 0 X} {GETDEL t-1} {INCR t-1} {SETNX t-3 v} {GETEX t-2 PERSIST} {MSETNX t-4 v}} { r {*}$command }
        r EAPPEND t-5 t EXPECTED_VERSION 3
        assert_match "WRONGVER command 9 of 9*" [r err EXEC]
        assert_equal {10 abc {} {}} [r MGET t-1 t-2 t-3 t-4]
        assert_equal 33177117420000 [r PEXPIRETIME t-2]
    }
}

with_faulty_server {journal-segment-bytes 1mb disk-free-min 0} {
    test "A reader sees of a value what is durable, whoever changes it sees its own" {
        r SET v-1 old
        with_clients {writer reader} {
            try {
                fault "match -journal.d\nhold sync"
                foreach command {{APPEND v-1 -new} {GET v-1} {LCS v-1 v-1} {GETSET v-1 x}} { $writer send {*}$command }
                $writer taken
                assert_equal {old 3 o old} [list [$reader GET v-1] [$reader STRLEN v-1] [$reader GETRANGE v-1 0 0] [$reader LCS v-1 v-1]]
                assert [$writer silent]
            } finally { no_fault }
            assert_equal {7 old-new old-new old-new} [list [$writer read] [$writer read] [$writer read] [$writer read]]
        }
        assert_equal x [r GET v-1]
    }

    # It reads what is not durable, and goes on in the next turn, when it reads nothing any more.
    test "A long LCS of what is not durable waits for it" {
        r MSET l-1 [string repeat abcd 1000] l-2 [string repeat bcda 1000]
        with_clients writer {
            try {
                fault "match -journal.d\nhold sync"
                $writer send APPEND l-1 x
                $writer send LCS l-1 l-2 LEN
                assert [$writer silent]
            } finally { no_fault }
            assert_equal {4001 3999} [list [$writer read] [$writer read]]
        }
    }

    test "What is void is taken back" {
        skip unless disk "a write that fails"
        r MSET w-1 5 w-2 abc
        r PEXPIREAT w-2 33177117420000
        fault "match -journal.d\nfail sync EIO"
        foreach command {{INCRBY w-1 3} {APPEND w-2 d} {GETDEL w-1} {GETEX w-2 PERSIST} {MSETNX w-3 v}} { catch {r {*}$command} }
        no_fault
        wait_for "writes again" {[catch {r SET w-4 v}] == 0}
        assert_equal {5 abc {}} [r MGET w-1 w-2 w-3]
        assert_equal 33177117420000 [r PEXPIRETIME w-2]
    }
}
