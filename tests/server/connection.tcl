# Commands about the connection: PING ECHO QUIT RESET SELECT AUTH CLIENT, idle time-out, sockets.

with_server {} {
    test "PING and ECHO" {
        assert_equal "+PONG\r\n" [r raw PING]
        assert_equal "\$5\r\nhello\r\n" [r raw PING hello]
        assert_match "ERR wrong number of arguments for 'ping' command" [r err PING a b]
        assert_equal "\$4\r\n\0\r\n\xff\r\n" [r raw ECHO "\0\r\n\xff"]
        assert_match "ERR wrong number of arguments for 'echo' command" [r err ECHO]
    }
    test "QUIT answers OK and closes" {
        with_clients c {
            $c write "[resp_command PING][resp_command QUIT][resp_command PING]"
            assert_equal PONG [$c read]
            assert_equal OK [$c read]
            assert {[$c closed]}
        }
    }
    test "QUIT waits for the appends before it" {
        with_clients c {
            $c write "[resp_command EAPPEND quit t][resp_command QUIT]"
            assert_equal 0 [field [$c read] stream_version]
            assert_equal OK [$c read]
        }
    }
    test "SELECT" {
        assert_equal OK [r SELECT 0]
        assert_equal OK [r SELECT 9]
        assert_equal OK [r SELECT 0]
        assert_match ERR* [r err SELECT abc]
        assert_match "ERR DB index is out of range" [r err SELECT 100000]
        assert_match "ERR DB index is out of range" [r err SELECT -1]
    }
    test "RESET returns the connection to its first state" {
        with_clients c {
            $c HELLO 3 SETNAME someone
            $c CLIENT REPLY ON
            assert_equal "+RESET\r\n" [$c raw RESET]
            assert_equal {null {}} [$c typed ESVER none]
            assert_equal {} [$c CLIENT GETNAME]
        }
    }
    test "AUTH without a password says so" {
        assert_match "ERR AUTH <password> called without any password configured for the default user*" [r err AUTH x]
        assert_equal OK [r AUTH default anything]
        assert_match "WRONGPASS *" [r err AUTH nobody x]
    }
    test "CLIENT SETNAME and GETNAME" {
        assert_equal {null {}} [r typed CLIENT GETNAME]
        assert_equal OK [r CLIENT SETNAME tester]
        assert_equal {bulk tester} [r typed CLIENT GETNAME]
        assert_match "ERR Client names cannot contain spaces, newlines or special characters." [r err CLIENT SETNAME "a b"]
        assert_equal OK [r CLIENT SETNAME ""]
        assert_equal {null {}} [r typed CLIENT GETNAME]
    }
    test "CLIENT ID grows, CLIENT INFO and LIST describe the connections" {
        with_clients {a b} {
            assert {[$b CLIENT ID] > [$a CLIENT ID]}
            assert_equal int [lindex [$a typed CLIENT ID] 0]
            $a CLIENT SETNAME alpha
            set info [$a CLIENT INFO]
            foreach part {"id=[$a CLIENT ID]" "name=alpha" "addr=127.0.0.1:" "laddr=127.0.0.1:[srv port]" "fd=" "age=" "idle=" "flags=N" "db=0" "cmd=client|info" "user=default" "resp=2" "lib-name=" "lib-ver="} {
                assert_match "*[subst $part]*" $info
            }
            assert_match "id=*" $info
            set list [$a CLIENT LIST]
            assert_match "*name=alpha*" $list
            assert {[llength [split [string trim $list] \n]] >= 2}
            assert_equal 1 [llength [split [string trim [$a CLIENT LIST ID [$b CLIENT ID]]] \n]]
            assert_match "id=[$b CLIENT ID] *" [$a CLIENT LIST ID [$b CLIENT ID]]
            assert_match "*id=*" [$a CLIENT LIST TYPE normal]
        }
    }
    test "CLIENT SETINFO" {
        with_clients c {
            assert_equal OK [$c CLIENT SETINFO LIB-NAME mylib]
            assert_equal OK [$c CLIENT SETINFO lib-ver 1.2]
            assert_match "*lib-name=mylib lib-ver=1.2*" [$c CLIENT INFO]
            assert_match ERR* [$c err CLIENT SETINFO LIB-NAME "a b"]
            assert_match ERR* [$c err CLIENT SETINFO NOPE x]
        }
    }
    test "CLIENT KILL by id, by address, by type" {
        with_clients {a b} {
            assert_equal 1 [r CLIENT KILL ID [$a CLIENT ID]]
            assert {[$a closed]}
            regexp { addr=(\S+)} [$b CLIENT INFO] all addr
            assert_equal OK [r CLIENT KILL $addr]
            assert {[$b closed]}
        }
        assert_equal 0 [r CLIENT KILL ID 999999]
        assert_match "ERR No such client*" [r err CLIENT KILL 127.0.0.1:1]
        with_clients {c d} {
            $c PING; $d PING
            assert {[r CLIENT KILL TYPE normal SKIPME yes] >= 2}
            assert {[$c closed]}
        }
        assert_equal PONG [r PING]
    }
    test "CLIENT REPLY OFF, SKIP and ON" {
        with_clients c {
            $c write "[resp_command CLIENT REPLY SKIP][resp_command PING][resp_command ECHO 1]"
            assert_equal 1 [$c read]
            $c write "[resp_command CLIENT REPLY OFF][resp_command PING][resp_command EAPPEND silent t]"
            assert {[$c silent]}
            assert_equal OK [$c CLIENT REPLY ON]
            assert_equal 0 [$c ESVER silent]
            $c write "[resp_command CLIENT REPLY SKIP][resp_command EAPPEND silent t][resp_command ESVER silent]"
            assert_equal 1 [$c read]
        }
    }
    test "CLIENT PAUSE WRITE holds appends back, others go on, UNPAUSE ends it" {
        with_clients {a b} {
            assert_equal OK [$a CLIENT PAUSE 1000000 WRITE]
            $b send EAPPEND paused t
            wait_for "the append is held back" {[info_field $a blocked_clients clients] == 1}
            assert_equal "" [$a ESVER paused]
            assert_equal write [info_field $a paused_actions clients]
            assert_equal OK [$a CLIENT UNPAUSE]
            assert_equal 0 [field [$b read] stream_version]
            assert_equal none [info_field $a paused_actions clients]
        }
    }
    test "CLIENT PAUSE ALL holds every command back until its time is over, UNPAUSE too" {
        with_clients c {
            set commands {{TIME} {CLIENT PAUSE 300 ALL} {CLIENT UNPAUSE} {TIME} {INFO clients}}
            lassign [lmap reply [pipeline $c $commands] { untyped $reply }] before paused unpaused after info
            assert_equal {OK OK} [list $paused $unpaused]
            lassign [concat $before $after] s us s2 us2
            assert {($s2 - $s) * 1000000 + $us2 - $us > 290000} "UNPAUSE ended it"
            assert_match "*paused_reason:none*" $info
        }
    }
    test "A shorter pause does not end a longer one earlier" {
        assert_equal OK [r CLIENT PAUSE 1000000 WRITE]
        assert_equal OK [r CLIENT PAUSE 1 WRITE]
        assert_range 1000 1000000 [info_field r paused_timeout_milliseconds clients]
        assert_equal OK [r CLIENT UNPAUSE]
    }
    test "CLIENT NO-EVICT and NO-TOUCH are taken" {
        foreach sub {NO-EVICT NO-TOUCH} {
            assert_equal OK [r CLIENT $sub ON]
            assert_equal OK [r CLIENT $sub OFF]
            assert_match ERR* [r err CLIENT $sub maybe]
        }
    }
    test "CLIENT HELP, and unknown subcommands" {
        assert {[llength [r CLIENT HELP]] > 5}
        assert_equal "ERR unknown subcommand 'MAINT_NOTIFICATIONS'. Try CLIENT HELP." [r err CLIENT MAINT_NOTIFICATIONS ON moving-endpoint-type none]
        assert_equal "ERR unknown subcommand 'nope'. Try CLIENT HELP." [r err CLIENT nope]
        assert_match "ERR wrong number of arguments for 'client' command" [r err CLIENT]
        assert_match "ERR wrong number of arguments for 'client|id' command" [r err CLIENT ID 1]
    }
}

with_server {requirepass {"secret word"}} {
    test "Without the password only AUTH, HELLO, QUIT and RESET are served" {
        with_clients c {
            foreach cmd {PING {EAPPEND s t} {ESCAN s - +} INFO NONSENSE {CONFIG GET port} {CLIENT ID}} {
                assert_match "NOAUTH *" [$c err {*}$cmd] $cmd
            }
            assert_match "NOAUTH *" [$c err HELLO 3]
            assert_equal RESET [$c RESET]
            assert_equal OK [$c QUIT]
        }
    }
    test "AUTH with the password opens, with another does not" {
        with_clients c {
            assert_match "WRONGPASS *" [$c err AUTH wrong]
            assert_match "WRONGPASS *" [$c err AUTH default wrong]
            assert_match "WRONGPASS *" [$c err AUTH other "secret word"]
            assert_match "NOAUTH *" [$c err PING]
            assert_equal OK [$c AUTH "secret word"]
            assert_equal PONG [$c PING]
            assert_match "WRONGPASS *" [$c err AUTH wrong]
            assert_equal PONG [$c PING]
            assert_equal RESET [$c RESET]
            assert_match "NOAUTH *" [$c err PING]
            assert_equal OK [$c AUTH default "secret word"]
            assert_equal PONG [$c PING]
        }
    }
    test "HELLO with AUTH opens, and only with the right one" {
        with_clients c {
            assert_match "WRONGPASS *" [$c err HELLO 3 AUTH default wrong]
            assert_match "NOAUTH *" [$c err PING]
            assert_equal 3 [field [$c HELLO 3 AUTH default "secret word" SETNAME x] proto]
            assert_equal PONG [$c PING]
            assert_equal x [$c CLIENT GETNAME]
        }
    }
    test "A client without the password cannot make the server hold much" {
        with_clients c {
            $c write "*3\r\n\$4\r\nECHO\r\n\$5000000\r\n"
            set reply ""
            catch {$c write [string repeat x 5000000]\r\n}
            catch {set reply [lindex [$c read_typed] 1]}
            assert {$reply eq "" || [regexp {^(ERR Protocol error|NOAUTH|ERR wrong)} $reply]} $reply
        }
        with_clients c {
            assert_equal OK [$c AUTH "secret word"]
            assert_equal 5000000 [string length [$c ECHO [string repeat x 5000000]]]
        }
    }
    test "Before the password a command has Redis' limits, and Redis' words for what is over them" {
        proc answer {bytes} {
            with_clients c {
                $c write $bytes
                set answer [lindex [$c read_typed] 1]
                if {![string match "ERR Protocol error*" $answer]} { assert_equal OK [$c AUTH "secret word"] }
                return $answer
            }
        }
        set ten [list MGET {*}[lrepeat 9 [string repeat x 16384]]]
        assert_match "NOAUTH *" [answer [resp_command {*}$ten]]
        set many "ERR Protocol error: unauthenticated multibulk length"
        set long "ERR Protocol error: unauthenticated bulk length"
        assert_equal $many [answer "*11\r\n"]
        assert_equal $many [answer "ECHO[string repeat { x} 10]\r\n"]
        assert_equal $long [answer "*2\r\n\$4\r\nECHO\r\n\$16385\r\n"]
        assert_equal $long [answer "*2\r\n\$4\r\nECHO\r\n+[string repeat x 16385]\r\n"]
        # What is no number, or too large for anybody, is what it is afterwards, too.
        assert_equal "ERR Protocol error: invalid multibulk length" [answer "*2147483648\r\n"]
        assert_equal "ERR Protocol error: invalid bulk length" [answer "*1\r\n\$x\r\n"]
    }
    test "Before the password a connection that does not read leaves few replies with the server" {
        set many 600000
        set replies [expr {$many * [string length "-NOAUTH Authentication required.\r\n"]}]
        set requests [file join [srv dir] requests]
        write_file $requests [string repeat [resp_command GET x] $many]
        with_clients d {
            $d AUTH "secret word"
            # Reads when it is told to.
            set other [open [list |bash -c "exec 3<>/dev/tcp/127.0.0.1/[srv port]; cat $requests >&3 & read; head -c $replies <&3 | wc -c"] r+]
            proc held {d} {
                if {![regexp -line { omem=(\d+) .* cmd=NULL .* tot-net-in=(\d+)} [$d CLIENT LIST] -> out in]} { return {0 0} }
                return [list $out $in]
            }
            wait_for "the replies to be held back" {[lindex [held $d] 0] > 16384}
            set before ""
            while {[set now [held $d]] ne $before} { set before $now; after 20 }
            assert_range 16384 65536 [lindex $now 0]
            puts $other go
            flush $other
            assert_equal $replies [string trim [gets $other]]
            close $other
        }
    }
    test "The password can be changed at run time" {
        with_clients {c d} {
            $c AUTH "secret word"
            assert_equal OK [$c CONFIG SET requirepass other]
            assert_match "WRONGPASS *" [$d err AUTH "secret word"]
            assert_equal OK [$d AUTH other]
            assert_equal OK [$c CONFIG SET requirepass ""]
        }
        with_clients c { assert_equal PONG [$c PING] }
    }
}

with_server [list timeout [expr {int(5 * $::slow)}]] {
    test "Idle clients are closed after the time-out" {
        # Busy enough even on a machine on which nothing of ours runs for seconds.
        with_clients {idle busy} {
            $idle PING
            fconfigure [$idle channel] -blocking 0
            wait_for "the idle one to be closed" { [$busy PING] eq "PONG" && ([catch {read [$idle channel]}] || [eof [$idle channel]]) }
            assert_equal PONG [$busy PING]
        }
    }
}

with_server {} {
    test "A unix socket serves too" {
        if {[auto_execok redis-cli] eq ""} { skip "no redis-cli" }
        set path [file join [srv dir] sock]
        srv option unixsocket $path
        srv restart
        assert_equal PONG [exec redis-cli -s $path PING]
        exec redis-cli -s $path CLIENT LIST
        exec redis-cli -s $path EAPPEND s t
        assert_equal 0 [r ESVER s]
        srv stop
        assert {![file exists $path]} "the socket is removed at the end"
        srv start
    }
}
