# Reading virtual streams in MULTI: EXEC is of one moment, and takes as many turns of the loop as it must.

proc entry_ids {entries} { return [lmap e $entries {lindex $e 0}] }
proc stream_names {entries} { return [lmap e $entries {dict get [lindex $e 1] @stream}] }
proc append_many {n {stream many}} {
    set bytes [resp_command CLIENT REPLY OFF]
    append bytes [string repeat [resp_command EMAPPEND * {*}[concat {*}[lrepeat 1000 [list EVENT $stream t]]]] [expr {$n / 1000}]]
    [srv default_client] write $bytes[resp_command CLIENT REPLY ON]
    assert_equal OK [[srv default_client] read]
}
# The replies of the commands, in one transaction.
proc exec_all {c args} { return [lindex [pipeline $c [list MULTI {*}$args EXEC]] end 1] }
proc exec_values {c args} { return [lmap reply [exec_all $c {*}$args] {untyped $reply}] }
proc runs {} { return [info_field [srv default_client] resumed_commands stats] }

# A turn looks at 20,000 events. Everything is in memory.
with_server {cache-bytes 256mb apply-delay-ms 60000} {
    r EAPPEND rare-1 rare
    append_many 60000
    r XADD rare-2 * type rare

    test "A command in MULTI that looks for long does so over several turns" {
        r XGROUP CREATE @type:rare g 0
        foreach {command turns} {
            {XREAD STREAMS @type:none 0} 2
            {XREAD STREAMS @type:r* +} 0
            {XREAD STREAMS @type:no* +} 2
            {XRANGE @type:rare - +} 2
            {XREVRANGE @type:rare + -} 2
            {XLEN @type:rare} 2
            {XINFO STREAM @type:rare} 2
            {XINFO STREAM @type:rare FULL} 5
        } {
            set alone [r {*}$command]
            set before [runs]
            assert_equal [list $alone PONG] [exec_values [srv default_client] $command PING] $command
            # (A pattern counts for more than one event.)
            set took [expr {[runs] - $before}]
            # What is in the database is counted there, in one look.
            if {![in_journal] && [lindex $command 0] in {XLEN XINFO}} { set turns 1 }
            if {$took < $turns} { fail "$command took $took turns" }
        }
        assert_equal {rare-1 rare-2} [stream_names [lindex [exec_values [srv default_client] {XRANGE @type:rare - +}] 0]]
        assert_equal {rare-2 rare-1} [stream_names [lindex [exec_values [srv default_client] {XREVRANGE @type:rare + -}] 0]]
    }
    test "So does a group, and nothing is delivered twice" {
        set before [runs]
        set replies [exec_values [srv default_client] {XREADGROUP GROUP g w COUNT 1 STREAMS @type:rare >} {XREADGROUP GROUP g w STREAMS @type:rare >} {XPENDING @type:rare g}]
        assert {[runs] - $before >= 2}
        assert_equal {rare-1 rare-2} [concat [stream_names [lindex $replies 0 0 1]] [stream_names [lindex $replies 1 0 1]]]
        assert_equal 2 [lindex $replies 2 0]
        assert_equal {{}} [exec_values [srv default_client] {XREADGROUP GROUP g w STREAMS @type:rare >}]
        r XGROUP SETID @type:rare g 0
        assert_equal {rare-1} [stream_names [lindex [exec_values [srv default_client] {XREADGROUP GROUP g w COUNT 1 STREAMS @type:rare >}] 0 0 1]]
    }
    test "A plain range takes several turns too, however far apart lies what it finds" {
        foreach {command names} {{XRANGE @type:rare - +} {rare-1 rare-2} {XREVRANGE @type:rare + - COUNT 2} {rare-2 rare-1}} {
            set before [runs]
            assert_equal $names [stream_names [r {*}$command]]
            assert {[runs] - $before >= 2}
        }
    }
    test "What commands have found is not looked for again, while those behind them look" {
        set commands {}
        foreach n {1 2 3 4 5 6 7 8} {
            lappend commands {XREAD STREAMS @type:r* 0} {XREAD COUNT 1 STREAMS @type:rar* +} {XRANGE @type:rare - + COUNT 1} {XREVRANGE @type:rare + -} {XINFO STREAM @type:rare}
            lappend commands "XREAD STREAMS @type:no-$n* 0"
        }
        set before [runs]
        set replies [exec_values [srv default_client] {*}$commands]
        set took [expr {[runs] - $before}]
        foreach {read last range reverse info none} $replies {
            assert_equal {rare-1 rare-2 rare-1 {rare-2 rare-1} 2 {}} [list [lindex [stream_names [lindex $read 0 1]] 0] [stream_names [lindex $last 0 1]] [stream_names $range] \
                [stream_names $reverse] [dict get $info length] $none]
        }
        if {$took > 300} { fail "it took $took turns" }
    }
    test "Very much that the transaction has appended itself is looked at with it" {
        set many [list EMAPPEND * {*}[concat {*}[lrepeat 1000 [list EVENT own t]]]]
        set replies [exec_values [srv default_client] {*}[lrepeat 30 $many] {XADD rare-9 * type rare} {XREAD STREAMS @type:none 0} {XREVRANGE @type:rare + - COUNT 1} {XREAD STREAMS @type:r* +} {XLEN @category:own}]
        assert_equal {{} rare-9 rare-9 30000} [list [lindex $replies 31] [stream_names [lindex $replies 32]] [stream_names [lindex $replies 33 0 1]] [lindex $replies 34]]
        pipeline [srv default_client] {{DEL own} {DEL rare-9} ESYNC}
    }
    test "CLIENT UNBLOCK does not end it, and many commands share what a turn looks at" {
        with_clients {a b} {
            set id [$a CLIENT ID]
            foreach command {MULTI {XLEN @type:rare} {XRANGE @type:rare - +} {XLEN @type:none} {XREAD STREAMS @type:rare 0} EXEC} { $a send {*}$command }
            foreach n {1 2 3} { assert {[$b CLIENT UNBLOCK $id] == 0} }
            foreach n {1 2 3 4 5} { $a read }
            lassign [$a read] length range none read
            assert_equal {2 {rare-1 rare-2} 0 rare-1} [list $length [stream_names $range] $none [lindex [stream_names [lindex $read 0 1]] 0]]
        }
    }
    test "What the transaction appends is seen by what stands behind it" {
        assert_equal {2 3 3} [lmap reply [exec_values [srv default_client] {XLEN @type:rare} {EAPPEND rare-3 rare} {XLEN @type:rare} {XRANGE @type:rare - +}] n {0 1 2 3} {
            switch $n { 1 continue 3 {llength $reply} default {string cat $reply} }
        }]
    }
    test "Behind what it removes or renames, a transaction looks at all at once, up to a limit" {
        r XADD other * a b
        set behind {{XREAD STREAMS @type:none 0} {XREAD STREAMS @type:none* +} {XRANGE @type:rare - +} {XREVRANGE @stream:rare-* + -} {XINFO STREAM @type:none}
            {XREADGROUP GROUP g w STREAMS @type:none >}}
        r XGROUP CREATE @type:none g 0
        foreach change {{DEL other} {RENAME many more}} {
            foreach command $behind {
                foreach reply [exec_all [srv default_client] $change $command] { assert {[lindex $reply 0] ne "error"} "$change $command" }
                if {$change eq "DEL other"} { r XADD other * a b } else { r RENAME more many }
            }
        }
        append_many 145000
        foreach command $behind {
            set replies [exec_all [srv default_client] {DEL other} $command]
            assert_equal error [lindex $replies 1 0] $command
            assert_match "TOOLARGE the transaction removes or renames, and then reads a virtual stream for which more than 200000 events*" [lindex $replies 1 1]
            # Before it, all is well.
            set replies [exec_all [srv default_client] $command {DEL other}]
            assert {[lindex $replies 0 0] ne "error"} $command
            r XADD other * a b
        }
    }
    test "What others rename while a transaction looks is of its moment" {
        r XADD first-1 * type x
        append_many 45000
        r XADD second-1 * type x
        with_clients {a b} {
            foreach {there back} {{RENAME first-1 third-1} {RENAME third-1 first-1} {RENAME second-1 first-2} {RENAME first-2 second-1}} {
                foreach rename [list $there $back] {
                    foreach command {MULTI {XRANGE @stream:first-* - +} {XREVRANGE @stream:second-* + -} {XRANGE @stream:third-* - +} EXEC} { $a send {*}$command }
                    $b send {*}$rename
                    foreach n {1 2 3 4} { $a read }
                    assert_equal 2 [tcl::mathop::+ {*}[lmap entries [$a read] {llength $entries}]] $rename
                    $b read
                }
            }
        }
    }
}

with_server {} {
    test "A transaction that reads is of one moment, whatever is added and removed while it looks" {
        # Each change adds one to a-1 and to b-1, and removes one from each.
        pipeline [srv default_client] {{XADD a-1 * type a} {XADD b-1 * type b}}
        append_many 45000
        with_clients {a b} {
            for {set n 0} {$n < 12} {incr n} {
                foreach command {MULTI {XRANGE @type:a - +} {XLEN @type:b} {XREVRANGE @category:b + -} {XLEN @stream:a-*} EXEC} { $a send {*}$command }
                for {set k 0} {$k < 5} {incr k} {
                    pipeline $b [list MULTI {XADD a-1 * type a} {XADD b-1 * type b} {XTRIM a-1 MAXLEN 1} {XTRIM b-1 MAXLEN 1} EXEC]
                }
                foreach i {1 2 3 4 5} { $a read }
                lassign [$a read] as bs b_range a_count
                assert_equal {1 1} [list [llength $as] [llength $b_range]] "round $n"
            }
        }
    }
    test "What a transaction has looked at on disk and in memory is whole" {
        srv restart
        r EAPPEND rare-1 rare
        append_many 25000
        r EAPPEND rare-1 rare
        foreach {command n} {{XRANGE @type:rare - +} 2 {XREVRANGE @type:rare + -} 2 {XRANGE @type:a - +} 1 {XREVRANGE @type:b + -} 1} {
            assert_equal [list $n] [lmap entries [exec_values [srv default_client] $command] {llength $entries}] $command
            assert_equal $n [llength [r {*}$command]] $command
        }
        assert_equal {2 1} [exec_values [srv default_client] {XLEN @type:rare} {XLEN @type:a}]
    }
}

with_server {cache-bytes 1mb} {
    test "So it is when events leave memory meanwhile" {
        set names {}
        for {set i 0} {$i < 30} {incr i} {
            r XADD rare-$i * type rare
            append_many 1000
            lappend names rare-$i
        }
        foreach {command want} [list {XRANGE @type:rare - +} $names {XREVRANGE @type:rare + -} [lreverse $names] {XRANGE @stream:rare-* - + COUNT 7} [lrange $names 0 6]] {
            with_clients {a b} {
                foreach word [list MULTI $command EXEC] { $a send {*}$word }
                $b send {*}$command
                append_many 3000
                foreach i {1 2} { $a read }
                assert_equal $want [stream_names [lindex [$a read] 0]] $command
                assert_equal $want [stream_names [$b read]] $command
            }
        }
    }
}

with_server {cache-bytes 1mb} {
    test "Groups in which somebody waits are counted, and leave memory when nothing else is left to go" {
        r XGROUP CREATE @all g 0
        append_many 30000
        with_clients {a} {
            set pending 0
            while {[set got [lindex [r XREADGROUP GROUP g w COUNT 10000 STREAMS @all >] 0 1]] ne ""} { incr pending [llength $got] }
            assert_equal 30000 $pending
            $a send XREADGROUP GROUP g w BLOCK 0 STREAMS @all >
            wait_for "the group to wait" {[info_field [srv default_client] virtual_groups_waiting subscriptions] == 1}
            assert_equal 1 [info_field r virtual_groups subscriptions]
            # 30,000 entries are pending.
            assert {[info_field r virtual_groups_waiting_bytes subscriptions] > 30000 * 32}
            r CONFIG SET standing-bytes-max 900kb
            assert_match "TOOLARGE *standing-bytes-max*" [r err EREAD FROM NEW BLOCK 0 {*}[concat {*}[lmap i [lrepeat 900 x] {list AGGREGATE [string repeat [incr k] 9]}]]]
            r CONFIG SET standing-bytes-max 0
            r ESYNC
            wait_for "the group to leave memory" {[info_field [srv default_client] used_memory_dataset memory] < 1000000}
            r EAPPEND late-1 t
            assert_equal late-1 [stream_names [lindex [$a read] 0 1]]
            assert_equal 30001 [lindex [r XPENDING @all g] 0]
        }
        wait_for "nobody to wait" {[info_field [srv default_client] virtual_groups_waiting subscriptions] == 0}
        assert_equal 0 [info_field r virtual_groups_waiting_bytes subscriptions]
    }
}
