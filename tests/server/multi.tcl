# MULTI, EXEC, DISCARD, WATCH, UNWATCH.

source [file join $::top tests lib faults.tcl]

proc types {stream} {
    lmap e [field [r ESCAN $stream - +] events] {field $e event_name}
}

with_server {} {
    test "Commands between MULTI and EXEC are queued and run in order" {
        assert_equal OK [r MULTI]
        assert_equal QUEUED [r EAPPEND m-1 a]
        assert_equal QUEUED [r EAPPEND m-1 b]
        assert_equal QUEUED [r ESVER m-1]
        assert_equal QUEUED [r PING]
        set reply [r EXEC]
        assert_equal 4 [llength $reply]
        assert_equal {0 1 1 PONG} [list [field [lindex $reply 0] stream_version] [field [lindex $reply 1] stream_version] {*}[lrange $reply 2 3]]
        assert_equal {a b} [types m-1]
    }

    test "A transaction without commands is an empty array" {
        r MULTI
        assert_equal "*0\r\n" [r raw EXEC]
    }

    test "DISCARD forgets the commands" {
        r MULTI
        r EAPPEND m-2 a
        assert_equal OK [r DISCARD]
        assert_equal "" [r ESVER m-2]
        assert_equal "ERR DISCARD without MULTI" [r err DISCARD]
        assert_equal "ERR EXEC without MULTI" [r err EXEC]
    }

    test "MULTI and WATCH are refused between MULTI and EXEC, which then refuses" {
        foreach command {MULTI {WATCH a} {FLUSHALL} ESYNC} {
            r MULTI
            assert_equal "ERR Command not allowed inside a transaction" [r err {*}$command]
            assert_equal "EXECABORT Transaction discarded because of previous errors." [r err EXEC]
        }
        assert_equal PONG [r PING]
    }

    test "A command that cannot be queued makes EXEC refuse" {
        foreach {command error} {
            {NO-SUCH x} "ERR unknown command 'NO-SUCH', with args beginning with: 'x' "
            {EAPPEND} "ERR wrong number of arguments for 'eappend' command"
            {CONFIG NOPE} "ERR unknown subcommand 'NOPE'. Try CONFIG HELP."
        } {
            r MULTI
            r EAPPEND m-3 a
            assert_equal $error [r err {*}$command]
            assert_equal QUEUED [r EAPPEND m-3 b]
            assert_equal "EXECABORT Transaction discarded because of previous errors." [r err EXEC]
            assert_equal "" [r ESVER m-3]
        }
    }

    test "EXEC with a wrong number of arguments says so and ends the transaction" {
        r MULTI
        assert_equal "EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command" [r err EXEC x]
        assert_equal "ERR EXEC without MULTI" [r err EXEC]
    }

    test "Errors of commands stand in the reply, the others are done" {
        r MULTI
        r EAPPEND m-4 a
        r EGET nonsense
        r EAPPEND m-4 b
        set reply [r typed EXEC]
        assert_match "*INVALIDARG*" $reply
        assert_equal {a b} [types m-4]
    }

    test "An append whose expected version fails takes everything back" {
        r EAPPEND m-5 first
        r MULTI
        r EAPPEND m-5 a
        r EAPPEND m-6 b EXPECTED_VERSION empty
        r EAPPEND m-5 c EXPECTED_VERSION 0
        r EAPPEND m-5 d
        assert_match "WRONGVER command 3 of 4 (eappend): current stream version is 1 but expected 0 for partition key * and stream id m-5" [r err EXEC]
        assert_equal first [types m-5]
        assert_equal "" [r ESVER m-6]
        assert_equal 1 [field [r EAPPEND m-5 next EXPECTED_VERSION 0] stream_version]
        assert_equal {first next} [types m-5]
    }

    test "Sequences go on without a gap after a transaction was taken back" {
        set before [r EPSEQ 0]
        r MULTI
        r EAPPEND m-7 a
        r EMAPPEND [uuid] m-8 b m-9 c
        r EAPPEND m-7 d EXPECTED_VERSION 7
        assert_match "WRONGVER command 3 of 3*" [r err EXEC]
        assert_equal $before [r EPSEQ 0]
        assert_equal [expr {$before + 1}] [field [r EAPPEND m-7 a] partition_sequence]
    }

    test "A duplicate id of another event takes everything back" {
        set id [uuid]
        r EAPPEND m-10 a EVENT_ID $id
        r MULTI
        r EAPPEND m-10 b
        r EAPPEND m-10 c EVENT_ID $id
        assert_match "DUPLICATEID command 2 of 2 (eappend): $id*" [r err EXEC]
        assert_equal a [types m-10]
    }

    test "A repeated append inside a transaction is answered with the original" {
        set id [uuid]
        r EAPPEND m-11 a EVENT_ID $id
        r MULTI
        r EAPPEND m-11 a EVENT_ID $id
        r EAPPEND m-11 b
        assert_equal {0 1} [lmap e [r EXEC] {field $e stream_version}]
        assert_equal {a b} [types m-11]
    }

    test "What a transaction appended is there after a crash, as a whole" {
        r MULTI
        for {set i 0} {$i < 100} {incr i} { r EAPPEND m-crash-$i t PAYLOAD $i }
        r EXEC
        srv crash
        for {set i 0} {$i < 100} {incr i} {
            assert_equal $i [field [lindex [field [r ESCAN m-crash-$i - +] events] 0] payload]
        }
    }

    test "A watched stream that changed makes EXEC reply null" {
        foreach command {{EAPPEND w-1 x}} {
            r WATCH w-1 w-2
            r {*}$command
            r MULTI
            r EAPPEND w-3 x
            assert_equal "*-1\r\n" [r raw EXEC]
            assert_equal "" [r ESVER w-3]
        }
        r HELLO 3
        r WATCH w-1
        r EAPPEND w-1 y
        r MULTI
        assert_equal "_\r\n" [r raw EXEC]
        r HELLO 2
    }

    test "A watched stream that did not change lets EXEC run" {
        r WATCH w-1 w-none
        r EAPPEND w-other x
        r MULTI
        r PING
        assert_equal PONG [r EXEC]
    }

    test "Another connection's append is a change, a transaction that was taken back is none" {
        with_clients {other} {
            r WATCH w-4
            $other MULTI
            $other EAPPEND w-4 x
            $other EAPPEND w-4 y EXPECTED_VERSION 9
            assert_match "WRONGVER*" [$other err EXEC]
            r MULTI
            r PING
            assert_equal PONG [r EXEC]
            r WATCH w-4
            $other EAPPEND w-4 x
            r MULTI
            r PING
            assert_equal "*-1\r\n" [r raw EXEC]
        }
    }

    test "A change after a transaction that was taken back is seen" {
        with_clients {other} {
            r EAPPEND w-5 x
            $other MULTI
            $other EAPPEND w-5 x
            $other EAPPEND w-5 y EXPECTED_VERSION 9
            assert_match "WRONGVER*" [$other err EXEC]
            r WATCH w-5
            $other EAPPEND w-5 z
            r MULTI
            r PING
            assert_equal "*-1\r\n" [r raw EXEC]
        }
    }

    test "Watching ends with EXEC, DISCARD, UNWATCH and RESET" {
        foreach {how done} {{r MULTI; r EXEC} 1 {r MULTI; r DISCARD} 1 {r UNWATCH} 1 {r RESET} 1} {
            r WATCH w-1
            r EAPPEND w-1 x
            eval $how
            r MULTI
            r PING
            assert_equal PONG [r EXEC]
        }
    }

    test "CLIENT INFO shows the transaction" {
        assert_match "* flags=N *multi=-1 watch=0*" [r CLIENT INFO]
        r WATCH a b a
        assert_match "*multi=-1 watch=2*" [r CLIENT INFO]
        r EAPPEND a x
        assert_match "*flags=d *" [r CLIENT INFO]
        r UNWATCH
        r MULTI
        r PING
        with_clients {other} {
            set line [lsearch -inline [split [$other CLIENT LIST] \n] "*multi=1 *"]
            assert_match "*flags=x *" $line
        }
        r DISCARD
    }

    test "INFO counts those who watch" {
        r WATCH a b
        assert_equal 1 [info_field r watching_clients]
        assert_equal 2 [info_field r total_watched_keys]
        r UNWATCH
        assert_equal 0 [info_field r watching_clients]
    }

    test "A transaction that parks for loading runs once, from its start" {
        foreach s {p-1 p-2 p-3} { for {set i 0} {$i < 300} {incr i} { r EAPPEND $s t$i } }
        srv restart
        r MULTI
        r EAPPEND p-1 new
        r ESCAN p-1 0 9
        r ESCAN p-1 0 4
        r ESCAN p-2 290 + REV COUNT 2
        r ESCAN p-3 0 + TYPE t7 t8
        r ESCAN p-3 0 + TYPE t9
        r EAPPEND p-2 new
        r ESVER p-2
        set reply [r EXEC]
        set names [lmap i {1 2 3 4 5} {lmap e [field [lindex $reply $i] events] {field $e event_name}}]
        assert_equal {t0 t1 t2 t3 t4 t5 t6 t7 t8 t9} [lindex $names 0]
        assert_equal {t0 t1 t2 t3 t4} [lindex $names 1]
        assert_equal {t299 t298} [lindex $names 2]
        assert_equal {t7 t8} [lindex $names 3]
        assert_equal {t9} [lindex $names 4]
        assert_equal 300 [lindex $reply 7]
        assert_equal {300 300} [list [r ESVER p-1] [r ESVER p-2]]
    }

    test "A range that is read from disk twice has what the transaction added in between" {
        append_events [srv default_client] again-1 5
        foreach rev {{} REV} {
            srv restart
            set n [expr {[r ESVER again-1] + 1}]
            set command [expr {$rev eq "" ? [list ESCAN again-1 - +] : [list ESCAN again-1 + - REV]}]
            srv restart
            r MULTI
            r {*}$command
            r EAPPEND again-1 new
            r {*}$command
            set reply [r EXEC]
            assert_equal [list $n [expr {$n + 1}]] [list [llength [field [lindex $reply 0] events]] [llength [field [lindex $reply 2] events]]] $rev
        }
    }

    test "Statistics count what EXEC ran" {
        r CONFIG RESETSTAT
        r MULTI
        r EAPPEND st-1 a
        r EGET nonsense
        with_clients other { assert {![string match "*cmdstat_eappend*" [$other INFO commandstats]]} }
        r EXEC
        set stats [r INFO commandstats]
        assert_match "*cmdstat_eappend:calls=1,*failed_calls=0*" $stats
        assert_match "*cmdstat_eget:calls=1,*failed_calls=1*" $stats
        assert_match "*cmdstat_exec:calls=1,*failed_calls=0*" $stats
    }
}

with_server {} {
    test "X commands run in transactions, and are taken back with them" {
        r XADD x-1 1-1 f v
        r MULTI
        r XADD x-1 2-1 f w
        r XADD x-1 2-1 f again
        r XLEN x-1
        r XRANGE x-1 - +
        r XTRIM x-1 MAXLEN 1
        r XREAD BLOCK 0 STREAMS x-none 0
        r XREAD BLOCK 0 STREAMS x-1 0
        set reply [r typed EXEC]
        assert_equal array [lindex $reply 0]
        set reply [lindex $reply 1]
        assert_equal {bulk 2-1} [lindex $reply 0]
        assert_match "error*ERR The ID specified in XADD is equal or smaller*" [lindex $reply 1]
        assert_equal {{int 2} {int 1} {nullarray {}}} [list [lindex $reply 2] [lindex $reply 4] [lindex $reply 5]]
        assert_equal {{2-1 {f w}}} [r XRANGE x-1 - +]
        r MULTI
        r XADD x-1 3-1 f x
        r XDEL x-1 2-1
        r XADD x-2 1-1 f x
        r XTRIM x-1 MAXLEN 0
        r EAPPEND x-3 t EXPECTED_VERSION 5
        assert_match "WRONGVER command 5 of 5 (eappend)*" [r err EXEC]
        assert_equal {{{2-1 {f w}}} 0} [list [r XRANGE x-1 - +] [r EXISTS x-2]]
        assert_equal 3-0 [r XADD x-1 3-0 f v]
    }

    test "Ten thousand commands in a transaction" {
        set commands [list MULTI]
        for {set i 0} {$i < 10000} {incr i} { lappend commands [list XADD many * item $i] }
        lappend commands EXEC
        set replies [pipeline [$::srv default_client] $commands]
        assert_equal 10000 [llength [lindex $replies end 1]]
        assert_equal 10000 [r XLEN many]
        srv crash
        assert_equal 10000 [r XLEN many]
    }

    test "A reader that waits is woken by a transaction as a whole" {
        with_clients reader {
            $reader send XREAD BLOCK 0 STREAMS woken 0
            wait_for "the reader to wait" {[info_field r blocked_clients] == 1}
            r MULTI
            r XADD woken 1-1 a b
            r EAPPEND woken-2 t EXPECTED_VERSION 9
            assert_match "WRONGVER*" [r err EXEC]
            assert_equal 1 [info_field r blocked_clients]
            r MULTI
            r XADD woken 1-1 a b
            r XADD woken 1-2 c d
            r EXEC
            assert_equal {{woken {{1-1 {a b}} {1-2 {c d}}}}} [$reader read]
        }
    }

    test "Deleting inside a transaction what a reader waits for" {
        with_clients reader {
            $reader send XREAD BLOCK 0 STREAMS gone 0
            wait_for "the reader to wait" {[info_field r blocked_clients] == 1}
            r MULTI
            r XADD gone 1-1 a b
            r DEL gone
            r EXEC
            r XADD gone 2-1 c d
            assert_equal {{gone {{2-1 {c d}}}}} [$reader read]
        }
    }
}

with_server {cache-bytes 1mb} {
    test "Transfers between accounts, most of them on disk, add up to nothing at any time and after a crash" {
        set accounts 200
        for {set i 0} {$i < $accounts} {incr i} {
            for {set k 0} {$k < 20} {incr k} { lappend filling [list EAPPEND acc-$i t PAYLOAD 0 METADATA [string repeat m 500]] }
        }
        pipeline [$::srv default_client] $filling
        r ESYNC
        proc total {} {
            set sum 0
            for {set start 0} {1} {set start [field $page next]} {
                set page [r EPSCAN 0 $start + COUNT 2000 CATEGORY acc]
                foreach e [field $page events] { incr sum [field $e payload] }
                if {[field $page next] eq ""} { return $sum }
            }
        }
        with_clients {a b c d} {
            for {set round 0} {$round < 60} {incr round} {
                foreach client [list $a $b $c $d] {
                    set from [rand_below $accounts]
                    set to [rand_below $accounts]
                    set n [rand_below 100]
                    # Half of them on a stale version: those must leave nothing.
                    set version [$client ESVER acc-$from]
                    if {rand() < 0.3} { incr version -1 }
                    foreach command [list MULTI [list EAPPEND acc-$to t PAYLOAD $n] [list XADD log-$to * n $n] \
                            [list EAPPEND acc-$from t PAYLOAD -$n EXPECTED_VERSION $version] [list ESCAN acc-$to 0 3] EXEC] {
                        $client write [resp_command {*}$command]
                    }
                }
                set done 0
                foreach client [list $a $b $c $d] {
                    for {set i 0} {$i < 5} {incr i} { $client read_typed }
                    lassign [$client read_typed] type value
                    if {$type eq "array"} { incr done } else { assert_match "WRONGVER command 3 of 4*" $value }
                }
                if {$round % 20 == 0} { assert_equal 0 [total] }
            }
        }
        assert_equal 0 [total]
        srv crash
        assert_equal 0 [total]
    }
}

with_faulty_server {} {
    test "That EXEC fails because a watched stream has changed is told when the change is durable" {
        r EAPPEND w-1 t
        with_clients {watcher writer} {
            $watcher WATCH w-1
            $watcher MULTI
            $watcher EAPPEND w-1 mine
            fault "match -journal.d\nhold sync"
            $writer send EAPPEND w-1 theirs
            $writer taken
            $watcher send EXEC
            assert {[$watcher silent]} "told before it is durable"
            no_fault
            assert_equal 1 [field [$writer read] stream_version]
            assert_equal nullarray [lindex [$watcher read_typed] 0]
        }
    }
}

# ---- commands that act beside the model ----

# Commands that nobody can take back: what shows that one has acted (a script, with $c the client that runs it, $other another one
# that waits, $id the other's number), and what EXEC replies for it.
proc client_field {c name} { regexp " $name=(\\S*)" " [$c CLIENT INFO]" all value; return $value }
proc log_count {text} { regexp -all -- $text [read_file [[set ::srv] log_file]] }
set outside {
    "client caching" {CLIENT CACHING YES} OK {}
    "client kill" {CLIENT KILL ID $id} 1 {$c EXISTS none; llength [split [string trim [r CLIENT LIST]] \n]}
    "client no-evict" {CLIENT NO-EVICT ON} OK {string match *e* [client_field $c flags]}
    "client no-touch" {CLIENT NO-TOUCH ON} OK {string match *T* [client_field $c flags]}
    "client pause" {CLIENT PAUSE 3600000 WRITE} OK {info_field r paused_reason clients}
    "client reply" {CLIENT REPLY ON} OK {}
    "client setinfo" {CLIENT SETINFO LIB-NAME once} OK {client_field $c lib-name}
    "client setname" {CLIENT SETNAME once} OK {client_field $c name}
    "client tracking" {CLIENT TRACKING ON BCAST} OK {string match *t* [client_field $c flags]}
    "client unblock" {CLIENT UNBLOCK $id} 1 {info_field r blocked_clients clients}
    "client unpause" {CLIENT UNPAUSE} OK {info_field r paused_reason clients}
    "auth" {AUTH wrong} {*} {}
    "hello" {HELLO 3 SETNAME once} {*} {client_field $c resp}
    "select" {SELECT 5} OK {client_field $c db}
    "config resetstat" {CONFIG RESETSTAT} OK {expr {[info_field r total_connections_received stats] > 1}}
    "config rewrite" {CONFIG REWRITE} OK {string match *slowlog-max-len* [read_file [srv conf_file]]}
    "config set" {CONFIG SET slowlog-max-len 77} OK {lindex [r CONFIG GET slowlog-max-len] 1}
    "debug" {DEBUG LOG once-and-no-more} OK {log_count once-and-no-more}
    "latency reset" {LATENCY RESET} 0 {}
    "slowlog reset" {SLOWLOG RESET} OK {expr {[r SLOWLOG LEN] > 5}}
    "monitor" {MONITOR} {} {string match *O* [client_field $c flags]}
}
# One way for EXEC to end: queues the commands around ours; what the reply must match ("": ours stands in it).
set endings {
    "a changed stream" {$c WATCH seen; r XADD seen * a b} {} {\*-1}
    "a refused command" {} {catch {$c NO-SUCH}} {-EXECABORT*}
    "an error" {} {$c EAPPEND cold t EXPECTED_VERSION 7} {-WRONGVER*}
    "an error behind a stream that is not in memory" {} {$c ESCAN $cold 0 9; $c EAPPEND cold t EXPECTED_VERSION 7} {-WRONGVER*}
    "success behind a stream that is not in memory" {} {$c ESCAN $cold 0 9; $c XLEN $cold} ""
}

with_server {enable-debug-command yes slowlog-log-slower-than 0} {
    test "Each command that acts beside the model has its row here" {
        set rows {}
        foreach file [glob [file join $::top src commands * rows.c]] {
            foreach line [split [read_file $file] \n] {
                regexp {struct command (\w+)_commands\[\]} $line all table
                regexp {ROW\("([^"]+)",} $line all name
                if {![regexp {[ |]OUTSIDE[, ]} $line]} continue
                lappend rows [expr {$table in {connection admin} ? $name : "$table $name"}]
            }
        }
        assert_equal [lsort [lmap {name - - -} $outside { set name }]] [lsort $rows]
    }
    test "A command that acts beside the model runs once when EXEC has to load, and not at all when it fails" {
        set n 0
        for {set i 0} {$i < 60} {incr i} { append_events [srv default_client] cold-$i 20 }
        srv restart
        foreach {name command reply probe} $outside {
            foreach {ending before queue pattern} $endings {
                # CLIENT PAUSE holds writes back; these may not wait for its end.
                if {$name eq "client unpause" && ($before ne "" || [string match *EAPPEND* $queue])} continue
                with_clients {c other} {
                    set id [$other CLIENT ID]
                    set cold cold-$n
                    if {$name eq "client unblock"} {
                        $other send XREAD BLOCK 0 STREAMS none $
                        wait_for "it waits" {[info_field r blocked_clients clients] == 1}
                    }
                    if {$name eq "client unpause"} { r CLIENT PAUSE 3600000 WRITE }
                    if {$name eq "client caching"} { $c CLIENT TRACKING ON OPTIN }
                    if {$name eq "config rewrite"} { r CONFIG SET slowlog-max-len 101; write_file [srv conf_file] [regsub -all -line {^slowlog-max.*\n} [read_file [srv conf_file]] ""] }
                    if {$name eq "slowlog reset"} { for {set i 0} {$i < 10} {incr i} { r PING } }
                    if {$name eq "config set"} { r CONFIG SET slowlog-max-len 100 }
                    set what "$name, $ending"
                    eval $before
                    set was [eval $probe]
                    set reads [info_field r reads store]
                    $c MULTI
                    $c {*}[subst $command]
                    eval $queue
                    if {$pattern ne ""} {
                        assert_match $pattern [string trimright [$c raw EXEC] \r\n] $what
                        assert_equal $was [eval $probe] $what
                    } elseif {$reply in {"" "*"}} {
                        catch {$c typed EXEC}
                    } else {
                        assert_equal [list $reply 20] [list [lindex [set got [$c EXEC]] 0] [lindex $got 2]] $what
                    }
                    if {[string match *cold* $queue] && [string match *memory* $ending]} {
                        incr n
                        assert {[info_field r reads store] > $reads} $what
                    }
                    if {$pattern eq "" && $probe ne "" && $name ne "monitor"} {
                        assert {[eval $probe] ne $was} $what
                        if {$name eq "debug"} { assert_equal 1 [eval $probe] }
                    }
                    if {[string match "client *pause" $name]} { r CLIENT UNPAUSE }
                }
            }
        }
    }
    test "Replies and effects of such commands keep their order" {
        append_events [srv default_client] cold-order 20
        srv restart
        with_clients c {
            foreach command {{CONFIG SET slowlog-max-len 41} {CONFIG GET slowlog-max-len} {ESCAN cold-order 0 1} {CONFIG SET slowlog-max-len 42}
                {CONFIG GET slowlog-max-len} {CLIENT SETNAME first} {CLIENT GETNAME} {SET order 1} {CLIENT SETNAME second} {CLIENT GETNAME} {GET order}} {
                lappend ordered $command
            }
            $c MULTI
            foreach command $ordered { $c {*}$command }
            set replies [$c EXEC]
            assert_equal {OK {slowlog-max-len 41} OK {slowlog-max-len 42} OK first OK OK second 1} [lreplace $replies 2 2]
        }
    }
    test "An option that EXEC sets decides what becomes of its later commands, and is not set when they fail" {
        append_events [srv default_client] cold-option 20
        srv restart
        with_clients c {
            # The first append is an error because of the option; then the second one's version does not hold.
            set was [r CONFIG GET max-event-bytes]
            $c MULTI
            $c CLIENT SETNAME not-me
            $c CONFIG SET max-event-bytes 10
            $c ESCAN cold-option 0 9
            $c EAPPEND strict t PAYLOAD 12345678901
            $c EAPPEND strict t EXPECTED_VERSION 0
            assert_match "WRONGVER command 5 of 5*" [$c err EXEC]
            assert_equal $was [r CONFIG GET max-event-bytes]
            assert_equal "" [$c CLIENT GETNAME]
            assert_equal "" [r ESVER strict]
            $c MULTI
            $c EAPPEND strict t PAYLOAD 12345678901
            $c EAPPEND strict t EXPECTED_VERSION 0
            assert_equal {0 1} [lmap e [$c EXEC] { field $e stream_version }]
        }
    }
    test "A group skips nothing when EXEC has to load, whatever else looks at the stream" {
        for {set i 1} {$i <= 11} {incr i} { r XADD cold-group $i-1 a b }
        r XGROUP CREATE cold-group g 0
        r XREADGROUP GROUP g c COUNT 4 STREAMS cold-group >
        foreach {position id} {4-1 5-1 0-0 1-1} {
            r XGROUP SETID cold-group g $position
            r ESYNC
            srv restart
            r MULTI
            r XREADGROUP GROUP g c COUNT 1 STREAMS cold-group >
            r XINFO GROUPS cold-group
            r XRANGE cold-group - + COUNT 1
            lassign [r EXEC] delivered groups
            assert_equal $id [lindex $delivered 0 1 0 0] "behind $position"
            assert_equal $id [field [lindex $groups 0] last-delivered-id]
        }
    }
    test "Errors in an EXEC that has to load are counted once" {
        append_events [srv default_client] cold-errors 20
        r SET text x
        srv restart
        r MULTI
        r INCR text
        r ESCAN cold-errors 0 9
        r XLEN text
        catch {r EXEC}
        assert_equal count=1 [info_field r errorstat_WRONGTYPE errorstats]
        assert_equal count=1 [info_field r errorstat_ERR errorstats]
    }
}
