# The wire: framing, RESP2 and RESP3, inline commands, garbage, limits, many and slow clients.

with_server {} {
    test "Inline commands, with quotes and escapes, CR LF or LF alone" {
        with_clients c {
            $c write "PING\r\n"
            assert_equal "+PONG\r\n" [$c read_raw]
            $c write "ping\n"
            assert_equal PONG [$c read]
            $c write "\r\n\r\nPING  \r\n"
            assert_equal PONG [$c read]
            $c write "ECHO \"a b\\x41\\n\\\"c\"\r\n"
            assert_equal "a bA\n\"c" [$c read]
            $c write "echo 'single \\' quote'\r\n"
            assert_equal "single ' quote" [$c read]
            $c write "EAPPEND inl t PAYLOAD \"\"\r\nESVER inl\r\n"
            $c read
            assert_equal 0 [$c read]
        }
    }
    test "Inline and array commands may follow each other in one packet" {
        with_clients c {
            $c write "PING\r\n*1\r\n\$4\r\nPING\r\nECHO x\r\n*2\r\n\$4\r\nECHO\r\n\$1\r\ny\r\n"
            assert_equal {PONG PONG x y} [list [$c read] [$c read] [$c read] [$c read]]
        }
    }
    test "A command that arrives byte by byte is one command" {
        with_clients c {
            foreach byte [split [resp_command EAPPEND slow t PAYLOAD "a\r\nb"] ""] { $c write $byte }
            assert_equal 0 [field [$c read] stream_version]
            assert_equal "a\r\nb" [field [lindex [field [$c ESCAN slow - +] events] 0] payload]
        }
    }
    test "Empty and null arrays leave the connection usable" {
        with_clients c {
            $c write "*0\r\n*-1\r\n"
            $c write [resp_command ECHO after]
            while {1} {
                set reply [$c read_typed]
                if {[lindex $reply 0] ne "error"} break
            }
            assert_equal {bulk after} $reply
        }
    }
    test "Protocol errors are answered and end the connection" {
        foreach {bytes text} {
            "*abc\r\n" "*rotocol error: invalid multibulk length*"
            "*2147483648\r\n" "*rotocol error: invalid multibulk length*"
            "*1\r\n%5\r\n" "*rotocol error: expected '\$', got '%'*"
            "*1\r\n\$-5\r\n" "*rotocol error: invalid bulk length*"
            "*1\r\n\$abc\r\n" "*rotocol error: invalid bulk length*"
            "*1\r\n\$99999999999\r\n" "*rotocol error: invalid bulk length*"
            "ECHO \"abc\r\n" "*rotocol error: unbalanced quotes in request*"
            "*3\r\n\$4\r\nECHO\r\n*1\r\n" "*rotocol error: expected '\$', got '\\**"
        } {
            with_clients c {
                $c write $bytes
                assert_match "ERR $text" [lindex [$c read_typed] 1] [shorten $bytes]
                assert {[$c closed]} "not closed after [shorten $bytes]"
            }
        }
        assert_equal PONG [r PING]
    }
    test "What came before a protocol error is still answered" {
        with_clients c {
            $c write "[resp_command PING][resp_command EAPPEND before t]*x\r\n"
            assert_equal PONG [$c read]
            assert_equal 0 [field [$c read] stream_version]
            assert_match "ERR Protocol error*" [lindex [$c read_typed] 1]
        }
        assert_equal 0 [r ESVER before]
    }
    test "An endless line is refused" {
        foreach head [list "" "*" "*2\r\n\$4\r\nECHO\r\n\$"] {
            with_clients c {
                catch {$c write $head[string repeat 1 200000]}
                assert_match "ERR *rotocol error*" [lindex [$c read_typed] 1]
                assert {[$c closed]}
            }
        }
    }
    test "Garbage does no harm" {
        for {set i 0} {$i < 150} {incr i} {
            with_clients c {
                set junk ""
                set n [rand_below 400]
                for {set k 0} {$k < $n} {incr k} { append junk [format %c [rand_below 256]] }
                set head [pick [list "" "*3\r\n\$4\r\nECHO\r\n" "*1\r\n" "\$5\r\n" "*-2\r\n" "*2\r\n\$7\r\nEAPPEND\r\n\$" "%2\r\n" ">1\r\n" "\0\0" "\r\n"]]
                catch {$c write "$head$junk"}
                if {[rand_below 2]} { catch {$c write "\r\n"} }
            }
        }
        assert_equal PONG [r PING]
    }
    test "Clients that vanish in the middle of a command leave nothing" {
        for {set i 0} {$i < 50} {incr i} {
            with_clients c {
                set bytes [resp_command EAPPEND vanish t PAYLOAD [string repeat x 1000]]
                $c write [string range $bytes 0 [rand_below [expr {[string length $bytes] - 1}]]]
            }
        }
        with_clients c { $c write "*1000\r\n\$500000000\r\nabc" }
        assert_equal {} [r ESVER vanish]
        wait_for "the dead connections are gone" {[regexp {connected_clients:(\d+)} [r INFO clients] all n] && $n <= 2}
    }
    test "Announced sizes allocate nothing before the bytes come" {
        set before [info_field r used_memory memory]
        set clients {}
        for {set i 0} {$i < 60} {incr i} {
            set c [new_client]
            $c write "*3\r\n\$4\r\nECHO\r\n\$8000000\r\nabc"
            lappend clients $c
        }
        for {set i 0} {$i < 60} {incr i} {
            set c [new_client]
            $c write "*1000000\r\n\$4\r\nECHO\r\n"
            lappend clients $c
        }
        $c taken
        set grown [expr {[info_field r used_memory memory] - $before}]
        foreach c $clients { $c close }
        # A buffer of a megabyte each, of 480 MB and as many arguments that were announced.
        assert_memory 0 240000000 $grown "bytes grown"
    }
    test "A pipeline of 100,000 commands is answered in order" {
        set c [srv default_client]
        set out ""
        for {set i 0} {$i < 100000} {incr i} { append out "*2\r\n\$4\r\nECHO\r\n\$[string length $i]\r\n$i\r\n" }
        $c write $out
        for {set i 0} {$i < 100000} {incr i} {
            if {[$c read] ne $i} { fail "reply $i is wrong" }
        }
    }
    test "A pipeline of 100,000 appends and reads is right" {
        set c [srv default_client]
        set one [resp_command EAPPEND pipe t PAYLOAD 0123456789][resp_command ESVER pipe]
        $c write [string repeat $one 50000]
        for {set i 0} {$i < 50000} {incr i} {
            if {[field [$c read] stream_version] != $i} { fail "append $i" }
            if {[$c read] != $i} { fail "ESVER $i" }
        }
    }
    test "Pipelines of large events: answered at once, memory bounded" {
        set before [srv memory_kb]
        foreach {n bytes} {2 4000000 3 8000000 6 1000000 2 8380000 5 300000} {
            set payload [string repeat 0123456789abcdef [expr {$bytes / 16}]]
            with_clients c {
                $c write [string repeat [resp_command EAPPEND large-$bytes t PAYLOAD $payload] $n]
                for {set i 0} {$i < $n} {incr i} { assert_equal $i [field [$c read] stream_version] "$n events of $bytes bytes" }
            }
            set e [lindex [field [r ESCAN large-$bytes - + REV COUNT 1] events] 0]
            assert {[field $e payload] eq $payload}
        }
        assert_memory -100000 200000 [expr {[srv memory_kb VmHWM] - $before}] "kilobytes at the highest"
    }
    test "A slow reader's replies wait, bounded, and are all right in the end" {
        set payload [string repeat 0123456789abcdef 4096]
        for {set i 0} {$i < 16} {incr i} { r EAPPEND fat t PAYLOAD $payload }
        r ESYNC
        r CONFIG SET client-output-bytes-max 16mb
        set before [srv memory_kb]
        with_clients c {
            # 300 replies of a megabyte each, not read for now.
            $c write [string repeat [resp_command ESCAN fat - + COUNT 16] 300]
            wait_for "the replies to be held back" { [regexp { omem=(\d{8,}) } [r CLIENT LIST]] }
            for {set i 0} {$i < 50} {incr i} { assert_equal PONG [r PING] }
            assert_memory -200000 96000 [expr {[srv memory_kb] - $before}] "kilobytes held for a slow reader"
            set first [$c read_raw]
            for {set i 1} {$i < 300} {incr i} {
                if {[$c bytes [string length $first]] ne $first} { fail "reply $i differs" }
            }
        }
    }
    test "A slow reader that goes away frees what it held" {
        with_clients c {
            $c write [string repeat [resp_command ESCAN fat - + COUNT 16] 200]
            $c taken
        }
        wait_for "the slow reader is gone" {[regexp {connected_clients:(\d+)} [r INFO clients] all n] && $n <= 2}
        assert_equal PONG [r PING]
    }
    test "Half-closed connections get their replies" {
        with_clients c {
            $c write [resp_command EAPPEND half t][resp_command PING]
            chan close [$c channel] write
            set got ""
            catch { while {![eof [$c channel]]} { append got [read [$c channel]]; after 5 } }
            assert_match "*PONG*" $got
        }
        assert_equal 0 [r ESVER half]
    }
}

with_server {} {
    test "HELLO without arguments describes the connection" {
        with_clients c {
            set reply [$c typed HELLO]
            assert_equal array [lindex $reply 0]
            assert_equal {int 2} [typed_field $reply proto]
        }
    }
    test "HELLO 3 has the fields of both worlds" {
        with_clients c {
            set reply [$c typed HELLO 3]
            assert_equal map [lindex $reply 0]
            assert_equal {server version proto id mode role modules} [lrange [typed_keys $reply] 0 6]
            foreach name {server version peer_id} { assert_equal bulk [lindex [typed_field $reply $name] 0] $name }
            assert_equal {int 1} [typed_field $reply num_partitions]
            assert_equal {int 3} [typed_field $reply proto]
            assert_equal int [lindex [typed_field $reply id] 0]
            assert_equal standalone [lindex [typed_field $reply mode] 1]
            assert_equal master [lindex [typed_field $reply role] 1]
            assert_equal {array {}} [typed_field $reply modules]
        }
    }
    test "HELLO switches the protocol there and back" {
        with_clients c {
            $c HELLO 3
            assert_equal {null3 {}} [$c typed ESVER none]
            assert_equal {int 2} [typed_field [$c typed HELLO 2] proto]
            assert_equal {null {}} [$c typed ESVER none]
            $c HELLO 3
            assert_equal RESET [$c RESET]
            assert_equal {null {}} [$c typed ESVER none]
        }
    }
    test "Other protocol versions are NOPROTO and change nothing" {
        with_clients c {
            foreach v {1 4 0 33} { assert_equal "NOPROTO unsupported protocol version" [$c err HELLO $v] }
            assert_match "ERR Protocol version is not an integer or out of range*" [$c err HELLO abc]
            assert_equal {null {}} [$c typed ESVER none]
        }
    }
    test "HELLO takes SETNAME and AUTH" {
        with_clients c {
            $c HELLO 3 SETNAME me
            assert_equal me [$c CLIENT GETNAME]
            $c HELLO 3 AUTH default whatever SETNAME you
            assert_equal you [$c CLIENT GETNAME]
            assert_match "ERR Syntax error in HELLO option*" [$c err HELLO 3 NONSENSE]
            assert_match "ERR Syntax error in HELLO option*" [$c err HELLO 3 AUTH default]
            assert_match "ERR*" [$c err HELLO 3 SETNAME "with space"]
        }
    }
    test "Nulls and errors have the shape of the protocol" {
        with_clients c {
            assert_equal "\$-1\r\n" [$c raw ESVER none]
            $c HELLO 3
            assert_equal "_\r\n" [$c raw ESVER none]
            assert_equal "#f\r\n" [string range [$c raw ESCAN none - +] [string first "#" [$c raw ESCAN none - +]] [expr {[string first "#" [$c raw ESCAN none - +]] + 3}]]
            assert_match "-ERR unknown command*\r\n" [$c raw NONSENSE]
        }
    }
}

with_server {proto-max-bulk-len 1mb} {
    test "proto-max-bulk-len ends a connection that announces more" {
        assert_equal 1000000 [string length [r ECHO [string repeat x 1000000]]]
        with_clients c {
            $c write "*2\r\n\$4\r\nECHO\r\n\$1048577\r\n"
            assert_match "ERR Protocol error: invalid bulk length*" [lindex [$c read_typed] 1]
            assert {[$c closed]}
        }
    }
}

with_server {maxclients 20} {
    test "Clients beyond maxclients are told and closed, the others go on" {
        set clients {}
        set told 0
        for {set i 0} {$i < 40} {incr i} {
            set c [new_client]
            lappend clients $c
            catch {$c send PING}
        }
        foreach c $clients {
            if {[catch {$c read_typed} reply]} { incr told; continue }
            if {[lindex $reply 0] eq "error"} {
                assert_equal "ERR max number of clients reached" [lindex $reply 1]
                incr told
            } else { assert_equal {simple PONG} $reply }
        }
        assert_equal 20 $told
        foreach c $clients { $c close }
        wait_for "there is room again" {![catch {r PING}] || [catch {srv drop_client}]}
        assert_equal PONG [r PING]
    }
}

with_server {maxclients 10100 -limit "ulimit -Sn 1024"} {
    test "10,000 connections at once: the server raises its own limit" {
        set hard [exec sh -c "ulimit -Hn"]
        if {$hard ne "unlimited" && $hard < 10300} { skip "the hard limit of open files is $hard" }
        # tclsh waits with select(): at most 1,000 sockets a process.
        set helper [file join $::top tests lib many_clients.tcl]
        set pipes {}
        for {set i 0} {$i < 11} {incr i} {
            set p [open |[list [info nameofexecutable] $helper [srv port] 910 2>@1] r+]
            fconfigure $p -buffering line
            lappend pipes $p
        }
        set count 0
        foreach p $pipes {
            set line [gets $p]
            if {![regexp {^open (\d+)$} $line all n]} { fail "a helper says: $line [read $p]" }
            incr count $n
        }
        assert_equal 10010 $count
        assert_range 10010 10012 [info_field [srv default_client] connected_clients clients]
        foreach p $pipes { puts $p append }
        foreach p $pipes { assert_equal "appended 910" [gets $p] }
        assert_equal 10009 [r EPSEQ 0]
        foreach p $pipes { puts $p quit; close $p }
        wait_for "all are gone" {[info_field [srv default_client] connected_clients clients] <= 2}
    }
}

# What goes through all connections looks at a thousand in each turn.
with_server {reply-bytes-max 1mb -limit "ulimit -Sn 4096"} {
    proc resumed {} { return [info_field r resumed_commands stats] }
    proc ids {list} { return [lmap line [split [string trim $list] \n] {regexp {^id=(\d+) } $line all id; set id}] }
    test "CLIENT LIST and CLIENT KILL of very many take several turns, and each connection once" {
        set hard [exec sh -c "ulimit -Hn"]
        if {$hard ne "unlimited" && $hard < 3000} { skip "the hard limit of open files is $hard" }
        set pipes {}
        foreach i {1 2 3} {
            set p [open |[list [info nameofexecutable] [file join $::top tests lib many_clients.tcl] [srv port] 800 2>@1] r+]
            fconfigure $p -buffering line
            lappend pipes $p
        }
        foreach p $pipes { assert_equal "open 800" [gets $p] }
        with_clients {named other} {
            $named CLIENT SETNAME named
            $other HELLO 3
            set before [resumed]
            set ids [ids [$other CLIENT LIST]]
            assert_equal [list 2 2403 $ids] [list [expr {[resumed] - $before}] [llength $ids] [lsort -integer -unique $ids]]
            set some [lrange $ids 0 2000]
            assert_equal $some [ids [r CLIENT LIST ID {*}$some]]
            assert_equal $some [lsort -integer [ids [$other CLIENT LIST ID {*}[lreverse $some] [lindex $ids 7]]]]
            assert_equal [list [$named CLIENT ID]] [ids [r CLIENT LIST NAME named]]
            # All of it, or an error.
            set long [string repeat x 4000]
            $named CLIENT SETINFO LIB-NAME $long
            assert_match "*lib-name=$long*" [r CLIENT LIST ID [$named CLIENT ID]]
            for {set i 0} {$i < 300} {incr i} { lappend more [new_client]; [lindex $more end] CLIENT SETNAME $long }
            assert_equal "TOOLARGE the reply takes more than 1048576 bytes (reply-bytes-max): name some of the connections, with ID or another filter" [r err CLIENT LIST]
            foreach c $more { $c close }
            # A transaction would do it all at once.
            foreach command {{CLIENT LIST} {CLIENT KILL NAME named}} {
                r MULTI
                r {*}$command
                assert_match "*TOOLARGE in MULTI at most 1000 connections are looked at: ask outside of it*" [r typed EXEC]
            }
            # Who goes in the middle is left out, who comes is not in it.
            $other send CLIENT LIST
            foreach p [lrange $pipes 0 0] { puts $p quit; close $p }
            set ids [ids [$other read]]
            assert_equal $ids [lsort -integer -unique $ids]
            wait_for "some to be gone" {[info_field r connected_clients clients] == 1603}
            set before [resumed]
            assert_equal 1602 [r CLIENT KILL TYPE normal]
            assert_equal 1 [expr {[resumed] - $before}]
            assert {[$named closed] && [$other closed]}
        }
        assert_equal 1 [llength [ids [r CLIENT LIST]]]
        foreach p [lrange $pipes 1 end] { catch {close $p} }
    }
}
