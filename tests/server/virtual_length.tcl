# How many events a virtual stream has: of one moment, whatever others do meanwhile, and known at once
# where it goes by names.

proc runs {} { return [info_field [srv default_client] resumed_commands stats] }
proc exec_values {c args} { return [lmap reply [lindex [pipeline $c [list MULTI {*}$args EXEC]] end 1] {untyped $reply}] }
# Checks the count of each, in MULTI too, against what there is to read.
proc check_lengths {names {what ""}} {
    foreach name $names {
        set there [llength [r XRANGE $name - +]]
        assert_equal [list $there $there] [list [r XLEN $name] [dict get [r XINFO STREAM $name] length]] "$name $what"
        set replies [exec_values [srv default_client] [list XLEN $name] [list XRANGE $name - +]]
        assert_equal [list $there $there] [list [lindex $replies 0] [llength [lindex $replies 1]]] "$name $what, in MULTI"
    }
}
set names {@all @category:one @category:two @category:single @stream:one-* @stream:*e* @stream:dlq:* @view:both @view:some @type:t}

with_server {} {
    r EVIEW SET both CATEGORY one CATEGORY two
    r EVIEW SET some CATEGORY one TYPE t TYPE u
    for {set i 0} {$i < 5} {incr i} {
        foreach s {one-1 one-2 two-1 two-2 single dlq:one-1} { r XADD $s $i-1 type [expr {$i % 2 ? "t" : "u"}] }
    }
    test "Once it was counted, the length is known at once, whatever was done since" {
        check_lengths $names
        foreach command {
            {XADD one-1 * type t} {EAPPEND two-1 u} {XDEL one-2 1-1 2-1} {XTRIM one-2 MAXLEN 1} {DEL two-2} {RENAME two-1 one-3} {XADD single MAXLEN 2 * type t}
            {RENAME one-1 dlq:one-2} {RENAME dlq:one-1 one-1} {EDELETE single} {SET single 5} {DEL single} {XADD single * type t} {COPY single other}
            {XDEL one-2 4-1} {XADD one-2 * type u} {ETRUNCATE one-1 BEFORE 3} {RENAME one-2 one-1} {PEXPIREAT dlq:one-2 1}
        } {
            catch { r {*}$command }
            set before [runs]
            foreach name {@all @category:one @category:two @category:single @stream:one-* @view:both} { r XLEN $name }
            assert_equal $before [runs] $command
            check_lengths $names $command
        }
        srv restart
        check_lengths $names restarted
    }
    test "What the transaction itself appends, removes, deletes and renames is counted as it stands" {
        foreach name {@all @category:one @category:two @view:both} { r XLEN $name }
        set replies [exec_values [srv default_client] {XADD two-9 * a b} {XADD two-9 * a b} {XLEN @category:two} {RENAME two-9 one-9} {XLEN @category:two} {XLEN @category:one} {XRANGE @category:one - +} \
            {XTRIM one-9 MAXLEN 1} {XLEN @category:one} {XRANGE @category:one - +} {DEL one-1} {XLEN @category:one} {XRANGE @category:one - +} {XLEN @all} {XRANGE @all - +} {XLEN @category:nine}]
        assert_equal {2 0} [list [lindex $replies 2] [lindex $replies 4]]
        foreach {length range} {5 6 8 9 11 12 13 14} { assert_equal [llength [lindex $replies $range]] [lindex $replies $length] $length }
        # Of none that was counted before: the transaction runs more than once.
        set replies [exec_values [srv default_client] {XADD new-1 * a b} {XLEN @category:new} {XADD new-1 * a b} {XLEN @stream:new*} {RENAME new-1 newer-1} {XLEN @category:newer} {XLEN @category:new}]
        assert_equal {1 2 2 0} [list [lindex $replies 1] [lindex $replies 3] [lindex $replies 5] [lindex $replies 6]]
        check_lengths $names
    }
    test "What is not done is not counted" {
        set there [r XLEN @all]
        r MULTI
        r XADD one-9 * a b
        r XLEN @category:fresh
        r EAPPEND one-9 t EXPECTED_VERSION 700
        assert_match "WRONGVER*" [r err EXEC]
        assert_equal $there [r XLEN @all]
        check_lengths $names
    }
}

with_server {apply-delay-ms 60000 enable-flush yes} {
    for {set i 0} {$i < 5} {incr i} { foreach s {a-1 b-1} { r XADD $s * type t } }
    r EVIEW SET v CATEGORY a TYPE t
    r ESYNC
    test "A name that the database does not know yet counts, in MULTI too" {
        set names {@category:a @category:b @stream:a-* @view:v}
        foreach command {{RENAME b-1 a-2} {RENAME a-1 b-1} {XADD a-2 * type t} {XTRIM a-2 MAXLEN 2} {DEL b-1} {RENAME a-2 b-2} {FLUSHALL} {XADD a-1 * type t} {RENAME a-1 a-2}} {
            r {*}$command
            check_lengths $names $command
        }
    }
}

with_server {} {
    # At each moment ten of `trim`, five of `one-`.
    foreach i {1 2 3 4 5} { r XADD one-1 * a b; r XADD two-2 * a b }
    for {set i 0} {$i < 10} {incr i} { r XADD trim * a b }
    set there {{RENAME one-1 two-1} {RENAME two-2 one-2}}
    set back {{RENAME one-2 two-2} {RENAME two-1 one-1}}
    proc changes {n} {
        set out ""
        for {set i 0} {$i < $n} {incr i} {
            foreach words [list MULTI {XADD trim * a b} {XTRIM trim MAXLEN 10} {*}[expr {$i % 2 ? $::back : $::there}] EXEC] { append out [resp_command {*}$words] }
        }
        return $out
    }
    test "A count is of one moment, whatever is removed and renamed meanwhile" {
        with_clients {writer c} {
            for {set round 0} {$round < 40} {incr round} {
                $writer write [changes 10]
                foreach name {@category:trim @stream:one-* @category:trim} { $c send XLEN $name }
                $c send XINFO STREAM @stream:one-*
                assert_equal {10 5 10} [lmap i {1 2 3} {$c read}] "round $round"
                assert_equal 5 [dict get [$c read] length]
                for {set i 0} {$i < 60} {incr i} { $writer read }
            }
        }
    }
    test "So it is when it is counted for the first time" {
        with_clients {writer c} {
            for {set round 0} {$round < 40} {incr round} {
                $writer write [changes 10]
                foreach name [list @stream:trim[string repeat * [expr {$round + 1}]] @stream:one-?[string repeat * $round]] { $c send XLEN $name }
                assert_equal {10 5} [lmap i {1 2} {$c read}] "round $round"
                for {set i 0} {$i < 60} {incr i} { $writer read }
            }
        }
    }
}
with_server {} {
    test "Thousands of categories are counted, and each is exact" {
        set commands {}
        for {set i 0} {$i < 1200} {incr i} { lappend commands [list XADD c$i-1 * a b] }
        pipeline [srv default_client] $commands
        with_clients c {
            foreach round {1 2} {
                set lengths [lmap reply [pipeline $c [lmap i [lrange [lsort -integer [lmap k [lrepeat 1200 0] {incr n$round}]] 0 end] {list XLEN @category:c[expr {$i - 1}]}]] {lindex $reply 1}]
                assert_equal [lrepeat 1200 $round] $lengths "round $round"
                pipeline $c $commands
            }
        }
        set commands {}
        for {set i 0} {$i < 1200} {incr i} { lappend commands [list XADD c$i-2 * a b] [list XLEN @category:c$i] }
        assert_equal {4} [lsort -unique [lmap {- reply} [exec_values [srv default_client] {*}$commands] {set reply}]]
    }
}

with_server {apply-delay-ms 60000} {
    test "Who waits in EXEC to count is one of the blocked clients, and afterwards none" {
        foreach i {1 2 3} {
            r XADD fresh-$i * a b
            assert_equal 1 [lindex [exec_values [srv default_client] "XLEN @category:fresh" PING "XLEN @stream:fresh-$i*"] 2]
            assert_equal 0 [info_field r blocked_clients clients]
        }
    }
}

with_server {apply-delay-ms 60000 enable-flush yes} {
    test "What was removed before EXEC is not counted, whatever else is counted with it" {
        pipeline [srv default_client] [lrepeat 10 {XADD d-1 1-* type t}]
        r XADD big-1 * type u
        r XADD big-2 * type u
        r ESYNC
        # There is a tally for `big`, which has not been asked for yet: who wanted it is gone.
        r XADD big-1 * type u
        set held [hold_database [srv db]]
        with_clients gone {
            set id [$gone CLIENT ID]
            $gone send XLEN @category:big
            $gone taken
            assert_equal 1 [r CLIENT KILL ID $id]
        }
        release_database $held
        r ESYNC
        r XDEL d-1 1-0 1-1 1-2
        assert_equal {3 7} [exec_values [srv default_client] {XLEN @category:big} {XLEN @category:d}]
        # Of two that are counted event by event, the first one's page stands when the second one's turn comes.
        r XDEL d-1 1-3
        assert_equal {3 6} [exec_values [srv default_client] {XLEN @type:u*} {XLEN @type:t*}]
        # Nor when it waits for something else before.
        r XADD d-1 1-* type t
        r FLUSHALL
        pipeline [srv default_client] [lrepeat 10 {XADD d-1 2-* type t}]
        r XDEL d-1 2-0 2-1
        assert_equal {8 8} [exec_values [srv default_client] {XLEN @type:t*} {XLEN @category:d}]
    }
}
