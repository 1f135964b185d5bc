# ECHECKPOINT: how far consumers have got, held by the server.

source [file join $::top tests lib faults.tcl]

proc position {name {c r}} { return [field_or_empty [$c ECHECKPOINT GET $name] position] }
proc blocked {} { return [info_field [srv default_client] blocked_clients] }
proc range_of {n} {
    set out {}
    for {set i 0} {$i < $n} {incr i} { lappend out $i }
    return $out
}
# All names, page by page.
proc names {c args} {
    set names {}
    set cursor 0
    while 1 {
        lassign [$c ECHECKPOINT LIST $cursor {*}$args] cursor page
        foreach one $page { lappend names [field $one name] }
        if {$cursor == 0} { return $names }
    }
}

with_server {} {
    test "There is no checkpoint until one is set" {
        assert_equal {null {}} [r typed ECHECKPOINT GET billing]
        assert_equal 0 [r ECHECKPOINT DEL billing]
        assert_equal {} [names r]
        assert_equal OK [r ECHECKPOINT SET billing 0]
        assert_equal [list position 0 timeline [info_field r timeline store] updated behind 0] [lreplace [r ECHECKPOINT GET billing] 5 5]
    }
    test "A checkpoint says where to go on, when it was set, and how far it is behind" {
        append_events r order-1 5
        set before [clock milliseconds]
        r ECHECKPOINT SET billing 3
        set c [r ECHECKPOINT GET billing]
        assert_equal {position timeline updated behind} [dict keys $c]
        assert_equal {3 2} [list [field $c position] [field $c behind]]
        assert_range $before [clock milliseconds] [field $c updated]
        assert_equal {3 4} [page_sequences [r EREAD FROM CHECKPOINT billing]]
    }
    test "SET goes forward and backward, and to the head at most" {
        r ECHECKPOINT SET billing 5
        r ECHECKPOINT SET billing 1
        assert_equal 1 [position billing]
        assert_equal "INVALIDARG position 6 is beyond the head, 5" [r err ECHECKPOINT SET billing 6]
        assert_equal 1 [position billing]
    }
    test "IF compares where it stands, NONE says that there is none" {
        assert_equal "STALE checkpoint 'billing' stands at 1" [r err ECHECKPOINT SET billing 2 IF 0]
        assert_equal "STALE checkpoint 'billing' stands at 1" [r err ECHECKPOINT SET billing 2 IF NONE]
        assert_equal "STALE checkpoint 'mail' does not exist" [r err ECHECKPOINT SET mail 2 IF 0]
        assert_equal OK [r ECHECKPOINT SET mail 2 if none]
        assert_equal OK [r ECHECKPOINT SET billing 2 IF 1]
        assert_equal {2 2} [list [position billing] [position mail]]
    }
    test "DEL forgets it" {
        assert_equal 1 [r ECHECKPOINT DEL mail]
        assert_equal "" [position mail]
        assert_equal OK [r ECHECKPOINT SET mail 4 IF NONE]
    }
    test "Names have up to 512 bytes, and nothing to do with keys" {
        r SET billing text
        set long [string repeat n 512]
        r ECHECKPOINT SET $long 1
        r ECHECKPOINT SET "a b\x01\xff'\"" 2
        assert_equal {1 2} [list [position $long] [position "a b\x01\xff'\""]]
        assert_equal {billing order-1} [lsort [r KEYS *]]
        foreach bad [list "" [string repeat n 513] "a\nb" "a\rb" "a\x00b"] {
            foreach command {{SET @ 1} {GET @} {DEL @} {WAIT @ 0 1}} {
                assert_match "INVALIDARG invalid name of a checkpoint: 1 to 512 bytes*" \
                    [r err ECHECKPOINT {*}[lmap word $command {expr {$word eq "@" ? $bad : $word}}]]
            }
        }
    }
    test "Each error names what was expected" {
        foreach {words text} {
            {SET a} "ERR wrong number of arguments for 'echeckpoint|set' command"
            {SET a x} "INVALIDARG invalid position: 'x' is not a number (or one with @ and the 8 hexadecimal digits of a timeline)"
            {SET a -1} "INVALIDARG invalid position: '-1' is not a number (or one with @ and the 8 hexadecimal digits of a timeline)"
            {SET a 5@zz} "INVALIDARG invalid position: '5@zz' is not a number (or one with @ and the 8 hexadecimal digits of a timeline)"
            {SET a 1 IFF 2} "INVALIDARG unexpected string 'IFF': expected IF or end of input"
            {SET a 1 IF} "INVALIDARG unexpected end of input: expected a position or NONE behind IF"
            {SET a 1 IF some} "INVALIDARG invalid IF: 'some' is not a number"
            {WAIT a x 1} "INVALIDARG invalid sequence: 'x' is not a number"
            {WAIT a 1 x} "INVALIDARG invalid timeout: 'x' is not a number"
            {LIST x} "ERR invalid cursor"
            {LIST 0 MATCH} "ERR syntax error"
            {LIST 0 SORT x} "ERR syntax error"
            {LIST 0 COUNT 0} "INVALIDARG COUNT must be at least 1"
            {NOPE a} "ERR unknown subcommand 'NOPE'. Try ECHECKPOINT HELP."
        } {
            assert_equal $text [r err ECHECKPOINT {*}$words] $words
        }
        assert_match {*SET <name> <position\[@timeline\]>*} [join [r ECHECKPOINT HELP]]
    }
    test "Checkpoints are there after a restart and after a crash, as they were answered" {
        set all [lsort [names r]]
        foreach action {restart crash} {
            r ECHECKPOINT SET billing 4
            srv $action
            assert_equal {4 4} [list [position billing] [position mail]]
            assert_equal $all [lsort [names r]]
            r ECHECKPOINT SET billing 1
            assert_equal 1 [position billing]
        }
    }
    test "SQL shows them" {
        r ECHECKPOINT SET mail 3
        r ESYNC
        assert_equal {{mail 3 2}} [sql [srv db] "SELECT name, position, behind FROM cairn_checkpoints WHERE name = 'mail'"]
        assert_equal [field [r ECHECKPOINT GET mail] updated] [sql_value [srv db] "SELECT updated FROM cairn_checkpoints WHERE name = 'mail'"]
    }
    test "INFO says how many are in memory" {
        assert_range 1 10 [info_field r checkpoints_in_memory]
    }
}

with_server {} {
    test "LIST gives every checkpoint once, in pages, whatever is set and deleted meanwhile" {
        append_events r s 10
        pipeline r [lmap i [range_of 500] {list ECHECKPOINT SET c-$i [expr {$i % 10}]}]
        set seen {}
        set cursor 0
        set pages 0
        while 1 {
            lassign [r ECHECKPOINT LIST $cursor COUNT 30] cursor page
            assert {[llength $page] <= 30}
            foreach one $page {
                if {[string match c-* [field $one name]]} { lappend seen [field $one name] }
            }
            incr pages
            r ECHECKPOINT SET c-$pages 10
            r ECHECKPOINT SET new-$pages 1
            r ECHECKPOINT DEL c-[expr {499 - $pages}]
            if {$cursor == 0} break
        }
        assert_equal [llength $seen] [llength [lsort -unique $seen]]
        for {set i 0} {$i < 499 - $pages} {incr i} { assert {"c-$i" in $seen} "c-$i" }
    }
    test "LIST shows what a checkpoint is now, with MATCH only those whose names match" {
        r ECHECKPOINT SET c-77 9
        r ECHECKPOINT DEL c-78
        lassign [r ECHECKPOINT LIST 0 MATCH {c-7[78]} COUNT 10000] cursor page
        assert_equal 0 $cursor
        assert_equal {c-77 9 1} [list [field [lindex $page 0] name] [field [lindex $page 0] position] [field [lindex $page 0] behind]]
        assert_equal 1 [llength $page]
        assert_equal {name position timeline updated behind} [dict keys [lindex $page 0]]
    }
    test "LIST is refused in a transaction" {
        r MULTI
        assert_equal "ERR Command not allowed inside a transaction" [r err ECHECKPOINT LIST 0]
        r err EXEC
    }
}

with_server {} {
    test "In a transaction a checkpoint and what it stands for are there together, or neither" {
        append_events r order-1 5
        r MULTI
        r SET model 5
        r EAPPEND done-1 t
        r XADD done-2 * a 1
        r ECHECKPOINT SET projector 5 IF NONE
        r ECHECKPOINT GET projector
        set replies [r EXEC]
        assert_equal {OK {position 5 behind 2}} [list [lindex $replies 3] [lreplace [lindex $replies 4] 2 5]]
        srv crash
        assert_equal {5 5 0 1} [list [r GET model] [position projector] [r ESVER done-1] [r XLEN done-2]]
    }
    test "STALE takes the transaction back" {
        foreach {condition text} {4 "stands at 5" NONE "stands at 5"} {
            r MULTI
            r SET model 6
            r EAPPEND done-1 t
            r ECHECKPOINT SET other 1
            r ECHECKPOINT SET projector 6 IF $condition
            r SET never 1
            assert_equal "STALE command 4 of 5 (echeckpoint|set): checkpoint 'projector' $text" [r err EXEC]
            assert_equal {5 5 0 {} {}} [list [r GET model] [position projector] [r ESVER done-1] [position other] [r GET never]]
        }
    }
    test "A transaction that is taken back leaves checkpoints as they were" {
        r ECHECKPOINT SET a 1
        r MULTI
        r ECHECKPOINT SET a 2
        r ECHECKPOINT DEL projector
        r ECHECKPOINT SET b 3
        r ECHECKPOINT SET a 4
        r ECHECKPOINT SET b 3 IF 7
        assert_match "STALE *" [r err EXEC]
        assert_equal {1 5 {}} [list [position a] [position projector] [position b]]
    }
    test "A position may lie behind what the same transaction appends" {
        set head [field [r EREAD FROM NEW] head]
        r MULTI
        r EAPPEND done-1 t
        r ECHECKPOINT SET a [expr {$head + 1}]
        assert_equal OK [lindex [r EXEC] 1]
        assert_equal 0 [field [r ECHECKPOINT GET a] behind]
    }
    test "In a transaction WAIT does not wait; what it tells is durable with the transaction" {
        r MULTI
        r ECHECKPOINT WAIT a 0 0
        r ECHECKPOINT WAIT a 1000 0
        r ECHECKPOINT SET b 3
        r ECHECKPOINT WAIT b 0 0
        assert_equal {1 0 OK 1} [r EXEC]
        assert_equal 1 [r ECHECKPOINT WAIT b 0 0]
    }
}

with_server {enable-flush yes} {
    test "EREAD begins at a checkpoint, or where ELSE says" {
        append_events r s 6
        r ECHECKPOINT SET a 4
        assert_equal {4 5} [page_sequences [r EREAD FROM CHECKPOINT a]]
        assert_equal {4} [page_sequences [r EREAD COUNT 1 FROM checkpoint a else START]]
        assert_equal {0 1} [page_sequences [r EREAD FROM CHECKPOINT none ELSE START COUNT 2]]
        assert_equal {2} [page_sequences [r EREAD FROM CHECKPOINT none ELSE 2 COUNT 1]]
        assert_equal {} [page_sequences [r EREAD FROM CHECKPOINT none ELSE NEW]]
        assert_equal "NOTFOUND checkpoint 'none' does not exist; ELSE says where to begin then" [r err EREAD FROM CHECKPOINT none]
        foreach {words text} {
            {} {*expected a name behind FROM CHECKPOINT}
            {a ELSE} {*expected START, NEW or a position behind ELSE}
            {a ELSE TIME 5} {*expected START, NEW or a position behind ELSE}
            {""} {*invalid name of a checkpoint*}
            {none ELSE 99} {*position 99 is beyond the head, 6}
        } { assert_match $text [r err EREAD FROM CHECKPOINT {*}$words] }
        with_clients c {
            $c HELLO 3
            assert_equal 4 [field [$c ESUBSCRIBE * FROM CHECKPOINT a] from]
            assert_equal 2 [field [$c ESUBSCRIBE * FROM CHECKPOINT none ELSE 2 BATCH 1] from]
        }
    }
    test "A wait that began at a checkpoint goes on from where it looked" {
        with_clients c {
            r ECHECKPOINT SET a 6
            $c send EREAD FROM CHECKPOINT a BLOCK 0 TYPE wanted
            wait_for "it waits" {[blocked] == 1}
            r ECHECKPOINT SET a 0
            r ECHECKPOINT DEL a
            r EAPPEND s other
            r EAPPEND s wanted
            assert_equal {7} [page_sequences [$c read]]
        }
    }
    test "A position is off by none: append n, wait for n, go on with n + 1" {
        set n [field [r EAPPEND order-7 t] partition_sequence]
        r ECHECKPOINT SET a $n
        assert_equal 0 [r ECHECKPOINT WAIT a $n 1]
        r ECHECKPOINT SET a [field [r EREAD FROM CHECKPOINT a] next]
        assert_equal 1 [r ECHECKPOINT WAIT a $n 0]
        srv crash
        assert_equal 1 [r ECHECKPOINT WAIT a $n 0]
        r EAPPEND order-7 t
        assert_equal [expr {$n + 1}] [page_sequences [r EREAD FROM CHECKPOINT a]]
    }
    test "FLUSHALL drops checkpoints" {
        r ECHECKPOINT SET b 1
        r FLUSHALL
        assert_equal {{} {}} [list [position a] [position b]]
        assert_equal {} [names r]
        assert_equal "STALE checkpoint 'a' does not exist" [r err ECHECKPOINT SET a 0 IF 1]
        r ECHECKPOINT SET b 0
        srv crash
        assert_equal {{} 0} [list [position a] [position b]]
        assert_equal b [names r]
    }
    test "FLUSHALL ends WAIT: what it waits for was of another history" {
        with_clients {c d} {
            $c send ECHECKPOINT WAIT b 7 0
            $d send ECHECKPOINT WAIT none 3 3600000
            wait_for "both wait" {[blocked] == 2}
            r FLUSHALL
            foreach waiting [list $c $d] {
                assert_match "TIMELINE the history of the store has changed while this waited: FLUSHALL *" [lindex [$waiting read_typed] 1]
            }
            assert_equal 0 [r ECHECKPOINT WAIT b 7 1]
        }
        r ECHECKPOINT SET b 0
    }
    test "A backup has them" {
        skip unless backup "a file with them"
        append_events r s 3
        r ECHECKPOINT SET a 2
        r BACKUP copy.db
        assert_equal {{a 2} {b 0}} [sql [file join [srv dir] copy.db] "SELECT name, position FROM cairn_checkpoints ORDER BY name"]
    }
}

with_server {} {
    test "WAIT ends when the checkpoint is beyond, or with 0 when the time is up" {
        append_events r s 20
        r ECHECKPOINT SET a 5
        assert_equal 1 [r ECHECKPOINT WAIT a 4 0]
        assert_equal 0 [r ECHECKPOINT WAIT a 5 1]
        assert_equal 0 [r ECHECKPOINT WAIT none 0 1]
        with_clients {c d e f} {
            $c send ECHECKPOINT WAIT a 5 0
            $d send ECHECKPOINT WAIT a 9 3600000
            $e send ECHECKPOINT WAIT a 10 0
            $f send ECHECKPOINT WAIT none 3 0
            wait_for "all wait" {[blocked] == 4}
            r ECHECKPOINT SET a 6
            assert_equal 1 [$c read]
            r ECHECKPOINT SET a 3
            r ECHECKPOINT DEL a
            assert [$d silent]
            r ECHECKPOINT SET a 10
            assert_equal 1 [$d read]
            assert [$e silent]
            r ECHECKPOINT SET none 4
            assert_equal 1 [$f read]
            r ECHECKPOINT SET a 11
            assert_equal 1 [$e read]
        }
    }
    test "CLIENT UNBLOCK ends the wait, with ERROR as an error; a client that goes waits no more" {
        with_clients {c d} {
            set id [$c CLIENT ID]
            foreach {how reply} {TIMEOUT 0 ERROR "UNBLOCKED client unblocked via CLIENT UNBLOCK"} {
                $c send ECHECKPOINT WAIT a 999 0
                wait_for "it waits" {[blocked] == 1}
                r CLIENT UNBLOCK $id $how
                assert_equal $reply [expr {$how eq "ERROR" ? [catch {$c read} text] ? $text : "" : [$c read]}]
            }
            $d send ECHECKPOINT WAIT a 999 0
            wait_for "it waits" {[blocked] == 1}
            $d close
            wait_for "it is gone" {[blocked] == 0}
            r ECHECKPOINT SET a 12
        }
    }
    test "Of many who wait for one checkpoint only those are run whose turn has come" {
        set waiters [lmap i [range_of 20] {new_client}]
        foreach i [range_of 20] c $waiters { $c send ECHECKPOINT WAIT b $i 0 }
        wait_for "all wait" {[blocked] == 20}
        set resumed [info_field r resumed_commands]
        foreach {position woken} {0 0 5 5 2 0 5 0 7 2} {
            r ECHECKPOINT SET b $position
            foreach c [lrange $waiters 0 $woken-1] { assert_equal 1 [$c read] }
            set waiters [lrange $waiters $woken end]
        }
        assert_equal {13 7} [list [blocked] [expr {[info_field r resumed_commands] - $resumed}]]
        r ECHECKPOINT SET b 20
        foreach c $waiters { assert_equal 1 [$c read] }
    }
}

with_faulty_server {} {
    test "WAIT is not told of what is not durable, and GET neither" {
        append_events r s 5
        r ECHECKPOINT SET a 1
        with_clients {writer c d} {
            $c send ECHECKPOINT WAIT a 3 0
            wait_for "it waits" {[blocked] == 1}
            fault "match *-journal.d/*\[0-9a-f]\nhold sync"
            $writer send ECHECKPOINT SET a 5
            assert [$writer silent]
            assert [$c silent]
            assert_equal 1 [position a $d]
            assert_equal 0 [$d ECHECKPOINT WAIT a 1 1]
            no_fault
            assert_equal OK [$writer read]
            assert_equal 1 [$c read]
            assert_equal 5 [position a $d]
        }
    }
    test "What was not durable when the disk failed is taken back" {
        r ECHECKPOINT SET a 2
        with_clients c {
            $c send ECHECKPOINT WAIT a 2 0
            wait_for "it waits" {[blocked] == 1}
            fault "match -journal.d\nfail sync EIO"
            assert_match "IOERR *" [r err ECHECKPOINT SET a 4]
            assert_equal 2 [position a]
            assert [$c silent]
            no_fault
            wait_for "writes go on" {![catch {r ECHECKPOINT SET a 3 IF 2}]}
            assert_equal 1 [$c read]
        }
        srv crash
        assert_equal 3 [position a]
    }
}

with_server {cache-bytes 1mb} {
    test "Many more checkpoints than fit in memory are found, listed and compared" {
        set n 20000
        for {set at 0} {$at < $n} {incr at 1000} {
            pipeline r [lmap i [range_of 1000] {list ECHECKPOINT SET consumer-[expr {$at + $i}] 0}]
        }
        r ESYNC
        wait_for "most have left memory" {[info_field r checkpoints_in_memory] < 10000}
        foreach i {0 1 777 19999} {
            assert_equal 0 [position consumer-$i]
            assert_match "STALE *" [r err ECHECKPOINT SET consumer-$i 0 IF NONE]
        }
        assert_equal "" [position consumer-20000]
        assert_equal $n [llength [lsort -unique [names r COUNT 5000]]]
        srv restart
        assert_equal 0 [info_field r checkpoints_in_memory]
        assert_equal 0 [position consumer-777]
        assert_equal 1 [info_field r checkpoints_in_memory]
    }
}
