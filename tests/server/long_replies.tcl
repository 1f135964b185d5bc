# What tells of very many pending entries, consumers or groups is noted at one moment, and written over several turns of the loop, no
# faster than the client reads; what takes very many away does so over several turns.

set ::long [string repeat n 490]

# What takes more than a client that does not read is sent: the system takes some megabytes, and the server keeps two.
proc store_streams {} {
    set commands [list {XGROUP CREATE s g 0 MKSTREAM} {XGROUP CREATE s h 0}]
    for {set i 1} {$i <= 12000} {incr i} { lappend commands [list XADD s $i-0 n $i] }
    foreach consumer {a b} count {5000 7000} {
        lappend commands [list XREADGROUP GROUP g $consumer$::long COUNT $count STREAMS s >]
    }
    # Some that are nobody's.
    lappend commands {XGROUP CREATECONSUMER s g gone} {XCLAIM s g gone 0 3-0 40-0 11000-0} {XGROUP DELCONSUMER s g gone RELEASE}
    pipeline [srv default_client] $commands
    set ::stored(entries) [r DUMP s]
    set commands {}
    for {set i 0} {$i < 14000} {incr i} {
        set name [format %06d $i]$::long
        lappend commands [list XGROUP CREATE s $name 0] [list XGROUP CREATECONSUMER s g $name]
        if {$i < 11900} { lappend commands [list XCLAIM s g $name 0 [expr {$i + 100}]-0 JUSTID] }
    }
    pipeline [srv default_client] $commands
    set ::stored(members) [r DUMP s]
}
proc restore {what} { r RESTORE s 0 $::stored($what) REPLACE }
# Without what goes on with the time.
proc still {command reply} {
    if {[lindex $command 0] eq "XPENDING" && [llength $command] > 3} { return [lmap e $reply { lreplace $e 2 2 [expr {[lindex $e 2] < 0}] }] }
    if {[lindex $command 1] ne "CONSUMERS"} { return $reply }
    return [lmap e $reply { dict replace $e idle 0 inactive 0 }]
}
# Everything that the replies tell of, changed or gone.
proc change_all {c} {
    pipeline $c [list {XACK s g 1-0 2-0 6000-0} [list XCLAIM s g other 0 4-0 5-0 9000-0 11500-0 12000-0] \
        [list XGROUP DELCONSUMER s g a$::long] {XGROUP SETID s h 7} {XADD s 40000-0 n 1} {XREADGROUP GROUP g new STREAMS s >} \
        [list XGROUP DELCONSUMER s g b$::long RELEASE] {XGROUP DESTROY s h} {XGROUP DESTROY s g} {DEL s} {SET s x}]
}
proc output_of {id} {
    regexp {omem=(\d+)} [r CLIENT LIST ID $id] -> bytes
    return $bytes
}

with_server {} {
    test "Prepare" { store_streams }
    foreach {what protocol command} [list \
        entries 2 {XPENDING s g - + 1000000000} entries 3 {XINFO STREAM s FULL COUNT 0} \
        members 3 {XINFO CONSUMERS s g} members 2 {XINFO GROUPS s} members 2 {XPENDING s g}
    ] {
        test "[string map [list $::long ""] [join $command { }]] of very many is of one moment, and not written at once (RESP$protocol)" {
            restore $what
            with_clients {c beside} {
                $c HELLO $protocol
                set id [$c CLIENT ID]
                # In EXEC all of it is written in one turn.
                $c MULTI
                $c {*}$command
                set want [lindex [$c EXEC] 0]
                $c send {*}$command
                $c send PING
                $c taken
                assert_range 0 3000000 [output_of $id] "bytes of the reply that are written"
                change_all $beside
                assert_equal [still $command $want] [still $command [$c read]]
                assert_equal PONG [$c read]
                # And when the client goes in the middle, nothing of it stays.
                restore $what
                $c send {*}$command
                $c taken
            }
            change_all [srv default_client]
        }
    }
    test "What XCLAIM replies of very many is not written at once, and is of that moment" {
        set commands {{DEL s} {XGROUP CREATE s g 0 MKSTREAM}}
        for {set i 1} {$i <= 800} {incr i} { lappend commands [list XADD s $i-0 n [string repeat $i 8000]] }
        for {set i 1} {$i <= 8} {incr i} { lappend commands {XREADGROUP GROUP g ann STREAMS s >} }
        pipeline [srv default_client] $commands
        set want [r XRANGE s - +]
        with_clients {c beside} {
            set id [$c CLIENT ID]
            $c send XCLAIM s g bob 0 {*}[lmap e $want {lindex $e 0}]
            $c taken
            assert_equal 800 [lindex [r XPENDING s g] 0]
            assert_equal [list [list bob 800]] [lindex [r XPENDING s g] 3]
            assert_range 0 3000000 [output_of $id] "bytes of the reply that are written"
            pipeline $beside {{XTRIM s MAXLEN 3} {XGROUP DESTROY s g} {DEL s} {SET s x}}
            assert_equal $want [$c read]
        }
    }
    test "XAUTOCLAIM claims 10000 entries at most, and says where to go on" {
        restore entries
        foreach {next n} {10001-0 10000 0-0 2000} {
            lassign [r XAUTOCLAIM s g me 0 [expr {[info exists cursor] ? $cursor : "0-0"}] COUNT 1000000 JUSTID] cursor ids
            assert_equal [list $next $n] [list $cursor [llength $ids]]
        }
    }
}

with_server {} {
    test "What is pending and gone is looked at in portions, and once" {
        set bytes [resp_command CLIENT REPLY OFF]
        for {set i 1} {$i <= 45010} {incr i} { append bytes [resp_command XADD s $i-0 n x] }
        append bytes [resp_command XGROUP CREATE s g 0] [resp_command XREADGROUP GROUP g ann COUNT 100000 STREAMS s >]
        for {set i 1} {$i <= 45000} {incr i 1000} {
            set ids {}
            for {set k $i} {$k < $i + 1000} {incr k} { lappend ids $k-0 }
            append bytes [resp_command XDEL s {*}$ids]
        }
        [srv default_client] write $bytes[resp_command CLIENT REPLY ON]
        assert_equal OK [[srv default_client] read]
        assert_equal {45010 10} [list [lindex [r XPENDING s g] 0] [r XLEN s]]
        # Behind a removal of its own a transaction looks at one portion, and leaves it for those who come next.
        foreach how {copied there} key {s2 s3} {
            if {$how eq "copied"} { r COPY s $key } else { r RENAME s $key }
            for {set n 1} {$n <= 2} {incr n} {
                assert_equal {1 0} [untyped [lindex [pipeline [srv default_client] [list MULTI "XDEL $key [expr {45000 + $n}]-0" "XTRIM $key MAXLEN 0 ACKED" EXEC]] end]]
            }
            set before [info_field r resumed_commands stats]
            assert_equal 0 [r XTRIM $key MAXLEN 0 ACKED]
            assert_equal {0 8} [list [expr {[info_field r resumed_commands stats] - $before}] [r XLEN $key]]
            if {$how eq "copied"} { r RESTORE s4 0 [r DUMP s] } else { r RENAME s4 s }
        }
        foreach turns {2 0} {
            set before [info_field r resumed_commands stats]
            assert_equal 0 [r XTRIM s MAXLEN 0 ACKED]
            assert_equal $turns [expr {[info_field r resumed_commands stats] - $before}]
        }
        r XACK s g 45003-0
        r MULTI
        r XTRIM s MAXLEN 0 ACKED
        assert_equal 1 [r EXEC]
    }
    test "What is acknowledged behind one that is pending is trimmed in portions" {
        set bytes [resp_command CLIENT REPLY OFF]
        set ids {}
        for {set i 1} {$i <= 25000} {incr i} {
            append bytes [resp_command XADD t $i-0 n x]
            if {$i != 2 && $i <= 24000} { lappend ids $i-0 }
        }
        append bytes [resp_command XGROUP CREATE t g 0] [resp_command XREADGROUP GROUP g ann COUNT 24000 STREAMS t >] [resp_command XACK t g {*}$ids]
        [srv default_client] write $bytes[resp_command CLIENT REPLY ON]
        assert_equal OK [[srv default_client] read]
        # LIMIT is for all portions together.
        assert_equal 10999 [r XTRIM t MAXLEN ~ 0 LIMIT 11000 ACKED]
        set before [info_field r resumed_commands stats]
        assert_equal 12001 [r XTRIM t MAXLEN 2000 ACKED]
        assert_equal {1 2000} [list [expr {[info_field r resumed_commands stats] - $before}] [r XLEN t]]
        assert_equal {2-0 23002-0} [lmap e [r XRANGE t - + COUNT 2] {lindex $e 0}]
        assert_equal 999 [r XTRIM t MAXLEN 10 ACKED]
        srv crash
        assert_equal {2-0 24001-0} [lmap e [r XRANGE t - + COUNT 2] {lindex $e 0}]
    }
    test "A transaction looks at a portion of what is acknowledged, and the next one goes on behind it" {
        set bytes [resp_command CLIENT REPLY OFF]
        for {set i 1} {$i <= 25000} {incr i} { append bytes [resp_command XADD u $i-0 n x] }
        append bytes [resp_command XGROUP CREATE u g 0] [resp_command XREADGROUP GROUP g ann COUNT 25000 STREAMS u >]
        append bytes [resp_command XACK u g 9000-0 15000-0 24000-0]
        [srv default_client] write $bytes[resp_command CLIENT REPLY ON]
        assert_equal OK [[srv default_client] read]
        proc trim_in_exec {args} { return [untyped [lindex [pipeline [srv default_client] [list MULTI {XTRIM u MAXLEN 0 ACKED} {*}$args EXEC]] end]] }
        # One that is taken back has looked at nothing.
        assert_match "WRONGVER*" [trim_in_exec {EAPPEND v t EXPECTED_VERSION 7}]
        set gone {}
        for {set n 0} {$n < 3} {incr n} { lappend gone {*}[trim_in_exec] }
        assert_equal {1 1 1} $gone
        assert_equal {0 24997} [list [trim_in_exec] [r XLEN u]]
        r XACK u g 100-0 24001-0
        assert_equal 2 [expr {[trim_in_exec] + [trim_in_exec] + [trim_in_exec]}]
        pipeline [srv default_client] [list MULTI {XADD u ACKED MAXLEN 10 * n x} EXEC]
        assert_equal 24996 [r XLEN u]
    }
}

# What takes away very much goes over several turns, each with a frame of its own: all of it would not even fit into one frame here.
with_server {journal-segment-bytes 256kb} {
    proc pending {{group g}} { return [lindex [r XPENDING s $group] 0] }
    # 10000 entries, delivered to a consumer of each of two groups.
    proc deliver_all {} {
        r DEL s
        set commands {}
        for {set i 1} {$i <= 10000} {incr i} { lappend commands [list XADD s $i-0 n $i] }
        lappend commands {XGROUP CREATE s g 0} {XGROUP CREATE s h 0}
        foreach group {g h} { lappend commands {*}[lrepeat 5 [list XREADGROUP GROUP $group ann COUNT 2000 STREAMS s >]] }
        pipeline [srv default_client] $commands
        assert_equal {10000 10000} [list [pending g] [pending h]]
    }
    test "A trim takes along very many references" {
        foreach {command reply left} {{XTRIM s MAXLEN 10 DELREF} 9990 10 {XADD s DELREF MAXLEN 5 40000-0 n 1} 40000-0 4 {XTRIM s MINID 9999 DELREF} 9998 2
            {XTRIM s MAXLEN ~ 0 LIMIT 9000 DELREF} 9000 1000} {
            deliver_all
            # What adds nothing trims nothing.
            assert_match "ERR The ID specified in XADD*" [r err XADD s DELREF MAXLEN 5 1-0 n 1]
            assert_equal {10000 10000} [list [pending g] [pending h]]
            # In EXEC it would be one frame.
            if {![in_postgres]} {
                pipeline [srv default_client] [list MULTI $command]
                assert_match "TOOLARGE*" [r err EXEC]
            }
            assert_equal {10000 10000 10000} [list [pending g] [pending h] [r XLEN s]]
            with_clients c {
                $c send {*}$command
                $c send XLEN s
                assert_equal $reply [$c read] $command
                set length [$c read]
            }
            foreach how {{} crash} {
                if {$how ne ""} { srv $how }
                assert_equal [list $left $left $length] [list [pending g] [pending h] [r XLEN s]] $command
                assert_equal $left [llength [lindex [r XREADGROUP GROUP g ann STREAMS s 0] 0 1]]
            }
        }
    }
    # Runs it to where its next step has to wait for the database.
    proc begin_trim {c command} {
        set ::hold [hold_database [srv db]]
        r CONFIG SET pinned-bytes-max [expr {[info_field r pinned_bytes] + 16384}] ;# a step's frame has 60 kB
        set before [info_field r throttled_commands stats]
        $c send {*}$command
        wait_for "the second step to wait" { [info_field r throttled_commands stats] > $before }
        wait_for "the first step to be in the journal" { [r XLEN s] < 10000 }
    }
    proc go_on {} {
        r CONFIG SET pinned-bytes-max 0
        release_database $::hold
    }
    test "A trim that ends between two steps leaves no entry without its references" {
        foreach {end command} {server {XTRIM s MAXLEN 10 DELREF} client {XADD s DELREF MAXLEN 5 40000-0 n 1}} {
            deliver_all
            r ESYNC
            with_clients c {
                set id [$c CLIENT ID]
                begin_trim $c $command
                set length [r XLEN s]
                if {$end eq "server"} {
                    srv kill9
                    release_database $::hold
                    srv start
                } else {
                    assert_equal 1 [r CLIENT KILL ID $id]
                    go_on
                }
            }
            assert_equal [list $length $length $length] [list [pending g] [pending h] [r XLEN s]] $command
            set first [lindex [r XRANGE s - + COUNT 1] 0 0]
            assert_equal [list $first $first] [lmap group {g h} {lindex [r XPENDING s $group - + 1] 0 0}] $command
            assert_equal [expr {$length - 10}] [r XTRIM s MAXLEN 10 DELREF] $command
            assert_equal {10 10} [list [pending g] [pending h]] $command
        }
    }
    test "A trim whose stream goes between two steps says what it has removed" {
        deliver_all
        r ESYNC
        with_clients {c d} {
            begin_trim $c {XTRIM s MAXLEN 0 DELREF}
            set before [info_field r throttled_commands stats]
            $d send DEL s
            wait_for "DEL to wait behind it" { [info_field r throttled_commands stats] > $before }
            go_on
            assert_equal 1 [$d read]
            assert_range 1 9999 [$c read]
        }
    }
    test "More groups refer to one entry than a trim's step takes" {
        r DEL s
        set commands {{XADD s 1-0 n 1} {XADD s 2-0 n 2} {XADD s 3-0 n 3}}
        for {set i 0} {$i < 5000} {incr i} { lappend commands [list XGROUP CREATE s g$i 0] [list XREADGROUP GROUP g$i ann STREAMS s >] }
        pipeline [srv default_client] $commands
        assert_equal 2 [r XTRIM s MAXLEN 1 DELREF]
        foreach how {{} crash} {
            if {$how ne ""} { srv $how }
            foreach i {0 1 2500 4998 4999} { assert_equal {{1 3-0 3-0}} [list [lrange [r XPENDING s g$i] 0 2]] }
        }
    }
    test "An XADD that is repeated takes no references along" {
        deliver_all
        set id [r XADD s IDMP p 1 * n 1]
        assert_equal $id [r XADD s DELREF IDMP p 1 MAXLEN 5 * n 1]
        assert_equal {10000 10000} [list [pending g] [pending h]]
    }
    test "A consumer that has very many goes" {
        deliver_all
        r XREADGROUP GROUP g bob STREAMS s >
        with_clients c {
            $c send XGROUP DELCONSUMER s g ann
            $c send XPENDING s g
            assert_equal 10000 [$c read]
            assert_equal 0 [lindex [$c read] 0]
        }
        assert_equal 10000 [r XGROUP DELCONSUMER s h ann RELEASE]
        foreach how {{} crash} {
            if {$how ne ""} { srv $how }
            assert_equal {0 10000} [list [pending g] [pending h]]
            assert_equal {{1-0 {} -1 1}} [r XPENDING s h - + 1]
            assert_equal {{10000-0 {} -1 1}} [r XPENDING s h 10000 + 1]
        }
        assert_equal {1-0 2-0} [lmap e [lindex [r XREADGROUP GROUP h bob COUNT 2 CLAIM 0 STREAMS s >] 0 1] {lindex $e 0}]
    }
}
