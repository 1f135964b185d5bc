# XREAD of several virtual streams: each that has entries is in the reply, however far one has to look.

proc stream_names {entries} { return [lmap e $entries {dict get [lindex $e 1] @stream}] }
proc keys_of {reply} { return [lmap one $reply {lindex $one 0}] }
proc append_many {n {stream many}} {
    set bytes [resp_command CLIENT REPLY OFF]
    append bytes [string repeat [resp_command EMAPPEND * {*}[concat {*}[lrepeat 1000 [list EVENT $stream t]]]] [expr {$n / 1000}]]
    [srv default_client] write $bytes[resp_command CLIENT REPLY ON]
    assert_equal OK [[srv default_client] read]
}

# A turn looks at 20,000 events. Everything is in memory.
with_server {cache-bytes 256mb} {
    r EAPPEND rare-1 rare
    append_many 60000
    r EAPPEND rare-2 rare
    append_many 1000
    r XADD plain 1-1 a b
    set first [lindex [r XRANGE @type:rare - + COUNT 1] 0 0]

    test "One that has many entries does not keep one that has few from being heard" {
        foreach {streams keys} {
            {@type:t @type:rare 0 $first} {@type:t @type:rare}
            {@type:rare @type:t $first 0} {@type:rare @type:t}
            {@type:t @type:none @stream:rare-* @all plain 0 0 $first 0 0} {@type:t @stream:rare-* @all plain}
            {plain @type:rare 0 $first} {plain @type:rare}
            {plain @type:none 0 0} plain
            {@type:rare @type:t + 0} {@type:rare @type:t}
        } {
            set command [list XREAD COUNT 2 {*}[expr {rand() < 0.5 ? "BLOCK 1" : ""}] STREAMS {*}[subst $streams]]
            set reply [r {*}$command]
            assert_equal $keys [keys_of $reply] $command
            foreach one $reply {
                lassign $one key entries
                if {$key in {@type:rare @stream:rare-*}} { assert_equal rare-2 [stream_names $entries] $command }
                if {$key in {@type:t @all}} { assert_equal 2 [llength $entries] $command }
            }
            assert_equal $reply [untyped [lindex [pipeline [srv default_client] [list MULTI $command EXEC]] end 1 0]] "in MULTI: $command"
        }
    }
    test "Who has entries in all of them gets on in all of them" {
        lassign {0 0} all rare
        set got {}
        for {set i 0} {$i < 3} {incr i} {
            foreach one [r XREAD COUNT 1 STREAMS @type:t @type:rare $all $rare] {
                lassign $one key entries
                set [expr {$key eq "@type:t" ? "all" : "rare"}] [lindex $entries end 0]
                lappend got {*}[stream_names $entries]
            }
        }
        assert_equal {many rare-1 many rare-2 many} $got
    }
    test "What was looked through in vain is not looked through again by the next command" {
        set runs {info_field [srv default_client] resumed_commands stats}
        with_clients {c other} {
            foreach {streams words} {{@type:t @type:none 0 0} {} {@type:t @type:none 0 0} {BLOCK 0} {@type:none 0} {} {@type:none 0} {BLOCK 1}} {
                set took {}
                foreach reader [list $other $c $c $c] {
                    set before [eval $runs]
                    $reader XREAD COUNT 1 {*}$words STREAMS {*}$streams
                    lappend took [expr {[eval $runs] - $before}]
                }
                assert {[lindex $took 3] <= 1} "$streams: $took"
            }
            # What comes is seen all the same, and a stream that gets the name.
            set before [lindex [$c XREAD COUNT 1 STREAMS @type:t @category:brought 0 0] 0]
            assert_equal {} [$c XREAD STREAMS @category:brought @type:soon 0 0]
            r EAPPEND brought-1 soon
            assert_equal {@category:brought @type:soon} [keys_of [$c XREAD STREAMS @category:brought @type:soon 0 0]]
            r DEL brought-1
            assert_equal {} [$c XREAD STREAMS @category:brought @type:soon 0 0]
            r RENAME rare-1 brought-2
            assert_equal {brought-2} [stream_names [lindex [$c XREAD STREAMS @category:brought 0] 0 1]]
            r RENAME brought-2 rare-1
            assert_equal {} [$c XREAD STREAMS @category:brought 0]
        }
    }
    test "The last entry is one, and the last one, when more comes while one looks" {
        with_clients {a reader informed} {
            for {set n 3} {$n < 15} {incr n} {
                # Others use up what may be looked at in a turn.
                for {set i 0} {$i < 4} {incr i} { $a send XREVRANGE @stream:nope* + - }
                $a taken
                $reader send XREAD STREAMS @type:rare @type:t @type:none + + 0
                $informed send XINFO STREAM @type:rare
                $reader taken
                pipeline [srv default_client] [list MULTI "EAPPEND rare-$n rare" {EAPPEND many t} EXEC]
                set reply [$reader read]
                assert_equal {@type:rare @type:t} [keys_of $reply]
                lassign [lmap one $reply {lindex $one 1}] rare t
                assert_equal {1 1} [list [llength $rare] [llength $t]] "round $n"
                # Both of one moment.
                set name [lindex [stream_names $rare] 0]
                set behind [expr {[lindex [split [lindex $t 0 0] -] 1] - [lindex [split [lindex $rare 0 0] -] 1]}]
                assert_equal [expr {$n == 3 && $name eq "rare-2" ? 1000 : 1}] $behind "round $n: $name"
                set info [$informed read]
                assert_equal rare-[dict get $info length] [dict get [lindex [dict get $info last-entry] 1] @stream] "round $n"
                for {set i 0} {$i < 4} {incr i} { $a read }
            }
        }
        for {set n 3} {$n < 15} {incr n} { r DEL rare-$n }
    }
    test "The time of BLOCK begins when everything has been looked through" {
        with_clients {a b reader} {
            # Others use up what may be looked at in a turn.
            foreach c [list $a $b] {
                for {set i 0} {$i < 20} {incr i} { $c send XREVRANGE @stream:nope* + - }
                $c send PING
            }
            $reader send XREAD BLOCK 1 STREAMS @type:rare $first
            assert_equal {rare-2} [stream_names [lindex [$reader read] 0 1]]
            $reader send XREAD BLOCK 1 STREAMS @type:rare $
            assert_equal {} [$reader read]
            foreach c [list $a $b] { for {set i 0} {$i < 20} {incr i} { $c read }; assert_equal PONG [$c read] }
        }
    }
    test "Who has closed his half while it is looked for him gets what there is" {
        with_clients reader {
            $reader send XREAD BLOCK 0 STREAMS @type:rare $first
            $reader half_close
            assert_equal {rare-2} [stream_names [lindex [$reader read] 0 1]]
        }
    }
    test "What comes in one transaction for several of them comes in one reply" {
        with_clients reader {
            $reader send XREAD BLOCK 0 STREAMS @type:one @type:two @type:none $ $ $
            $reader taken
            r MULTI
            r EAPPEND x-1 one
            r EAPPEND x-2 two
            r EXEC
            assert_equal {@type:one @type:two} [keys_of [$reader read]]
        }
    }
    test "Very many keys: each says its last entry" {
        set keys [concat [lrepeat 2400 @stream:*m*a*n*y*] @type:none @type:rare]
        set n [llength $keys]
        with_clients {reader other} {
            $reader write [string repeat [resp_command XREAD COUNT 1 STREAMS {*}$keys {*}[lrepeat $n +]] 3]
            $other send PING
            assert_equal PONG [$other read]
            for {set i 0} {$i < 3} {incr i} {
                set reply [$reader read]
                assert_equal [concat [lrepeat 2400 @stream:*m*a*n*y*] @type:rare] [keys_of $reply]
                assert_equal {rare-2} [stream_names [lindex $reply end 1]]
                assert_equal {many} [lsort -unique [concat {*}[lmap one [lrange $reply 0 end-1] {stream_names [lindex $one 1]}]]]
            }
        }
    }
}
