# Whatever is asked, a reply is bounded: XREAD and its like reply a portion, others all of it or an error; long ones are made while
# others are served; and what all connections hold is bounded, too.

source [file join $::top tests lib faults.tcl]

set ::block [string repeat 0123456789abcdef 6400] ;# 100 KB

# `n` entries of 100 KB in the stream, each with its number.
proc add_blocks {stream n} {
    set c [srv default_client]
    for {set i 0} {$i < $n} {incr i} { $c send XADD $stream [expr {$i + 1}]-0 n $i d $::block }
    for {set i 0} {$i < $n} {incr i} { $c read }
}
proc numbers {entries} { return [lmap e $entries {lindex $e 1 1}] }
proc count_to {n} {
    set list {}
    for {set i 0} {$i < $n} {incr i} { lappend list $i }
    return $list
}
# How long the replies are to the command when each goes on behind the one before; {} at its place is the last id, then.
proc portions {command {last 0}} {
    set sizes {}
    while {1} {
        set reply [r {*}[string map [list LAST $last] $command]]
        if {$reply eq ""} { return $sizes }
        set entries [lindex $reply 0 1]
        if {[llength $entries] == 0} { return $sizes }
        foreach e $entries {
            if {[lindex $e 1] ne ""} { lappend ::seen [lindex $e 1 1] }
        }
        set last [lindex $entries end 0]
        lappend sizes [llength $entries]
    }
}
proc reads {} { return [info_field [srv default_client] reads store] }

# 8 MB are 81 to 83 of the blocks.
proc check_portions {sizes n} {
    assert_equal [count_to $n] $::seen
    foreach size [lrange $sizes 0 end-1] { assert_range 75 84 $size "entries in a portion" }
    assert_range 0 84 [lindex [concat 0 $sizes] end] "entries in the last portion"
}

with_server {cache-bytes 4mb} {
    foreach state {"on disk" "just added"} {
        foreach {how command} {
            "" {XREAD STREAMS big LAST}
            " with a huge COUNT" {XREAD COUNT 1000000000 STREAMS big LAST}
            " with a huge MAXSIZE" {XREAD MAXSIZE 1000000000000 STREAMS big LAST}
        } {
            test "XREAD$how replies portions of 8 MB ($state)" {
                if {[r EXISTS big] == 0} { add_blocks big 200 }
                if {$state eq "on disk"} { r ESYNC; srv restart }
                set ::seen {}
                set before [reads]
                check_portions [portions $command] 200
                assert_range 0 25 [expr {[reads] - $before}] "reads of the database"
            }
        }
        foreach {how command} {
            "" {XREADGROUP GROUP g ann STREAMS big >}
            " with a huge COUNT" {XREADGROUP GROUP g ann COUNT 1000000000 STREAMS big >}
            " without acknowledgements" {XREADGROUP GROUP g ann NOACK STREAMS big >}
            " of idle entries first" {XREADGROUP GROUP g ann CLAIM 3600000 STREAMS big >}
        } {
            test "XREADGROUP$how delivers portions of 8 MB ($state)" {
                r XGROUP CREATE big g 0
                set ::seen {}
                check_portions [portions $command] 200
                set ::seen {}
                check_portions [portions {XREADGROUP GROUP g ann STREAMS big LAST}] [expr {[string match *NOACK* $command] ? 0 : 200}]
                r XGROUP DESTROY big g
            }
        }
    }
    test "What is claimed comes in portions of 8 MB, and goes on" {
        r XGROUP CREATE big g 0
        portions {XREADGROUP GROUP g ann STREAMS big >}
        set ::seen {}
        set sizes {}
        for {set cursor 0-0} {1} {} {
            lassign [r XAUTOCLAIM big g bob 0 $cursor COUNT 1000000] cursor entries
            lappend ::seen {*}[numbers $entries]
            lappend sizes [llength $entries]
            if {$cursor eq "0-0"} break
        }
        check_portions $sizes 200
        set ::seen [numbers [lindex [r XREADGROUP GROUP g cid CLAIM 0 COUNT 1000000 STREAMS big >] 0 1]]
        assert_range 75 84 [llength $::seen]
        assert_equal [count_to [llength $::seen]] $::seen
    }
    test "Many streams share a portion" {
        r CONFIG SET cache-bytes 4mb
        set keys {}
        for {set k 0} {$k < 30} {incr k} {
            lappend keys part-$k
            add_blocks part-$k 10
        }
        r ESYNC
        srv restart
        foreach round {cold again} {
            array unset last
            foreach key $keys { set last($key) 0 }
            array unset got
            while {[set reply [r XREAD STREAMS {*}$keys {*}[lmap key $keys {set last($key)}]]] ne ""} {
                set n 0
                foreach part $reply {
                    lassign $part key entries
                    lappend got($key) {*}[numbers $entries]
                    set last($key) [lindex $entries end 0]
                    incr n [llength $entries]
                }
                assert_range 1 84 $n "entries in a portion"
            }
            foreach key $keys { assert_equal [count_to 10] $got($key) $round }
        }
    }
    test "An entry that is larger than a portion comes alone" {
        r CONFIG SET max-event-bytes 32mb
        r XADD huge 1-0 d [string repeat x 20000000]
        r XADD huge 2-0 d [string repeat y 20000000]
        r ESYNC
        srv restart
        set reply [r XREAD STREAMS huge 0]
        assert_equal 1 [llength [lindex $reply 0 1]]
        assert_equal 20000000 [string length [lindex $reply 0 1 0 1 1]]
        assert_equal 2-0 [lindex [r XREAD STREAMS huge 1] 0 1 0 0]
    }
    test "Without COUNT a portion has 10000 entries, with it as many as are asked for" {
        set commands {}
        for {set i 1} {$i <= 25000} {incr i} { lappend commands [list XADD small $i-0 n $i] }
        pipeline [srv default_client] $commands
        assert_equal {10000 10000 5000} [portions {XREAD STREAMS small LAST}]
        assert_equal {20000 5000} [portions {XREAD COUNT 20000 STREAMS small LAST}]
        r XGROUP CREATE small g 0
        assert_equal {10000 10000 5000} [portions {XREADGROUP GROUP g ann STREAMS small >}]
        assert_equal {10000 10000 5000} [portions {XREADGROUP GROUP g ann STREAMS small LAST}]
        assert_equal {10000 10000 5000} [portions {XREAD MAXSIZE 1000000000 STREAMS small LAST}]
        assert_equal {12000 12000 1000} [portions {XREAD MAXCOUNT 12000 STREAMS small LAST}]
    }
}

# The error, whole, before any other byte; and nothing behind it.
proc assert_too_long {args} {
    lassign [r typed {*}$args] type text
    assert_equal error $type $args
    assert_match "TOOLARGE *reply takes more than 1048576 bytes (reply-bytes-max): *" $text $args
    assert_regexp {COUNT|JUSTID|XPENDING|XGROUP STATS} $text
    assert_equal PONG [r PING]
}

with_server {reply-bytes-max 1mb cache-bytes 16mb enable-debug-command yes} {
    test "Prepare" {
        add_blocks s 30
        r SET value $::block
        r XADD few * n 1
        set commands {}
        for {set i 1} {$i <= 30000} {incr i} { lappend commands [list XADD tiny $i-0 n $i] }
        pipeline [srv default_client] $commands
        r XGROUP CREATE tiny g 0
        r XGROUP CREATE s g 0
        portions {XREADGROUP GROUP g ann STREAMS tiny >}
        portions {XREADGROUP GROUP g ann STREAMS s >}
        set commands {}
        for {set i 0} {$i < 2500} {incr i} {
            set name [format %05d $i][string repeat n 480]
            lappend commands [list SET $name 1] [list XGROUP CREATECONSUMER tiny g $name] [list XGROUP CREATE s $name 0]
        }
        pipeline [srv default_client] $commands
    }
    foreach state {"just added" "on disk"} {
        foreach command {
            {XRANGE s - +}
            {XRANGE s - + COUNT 1000000000}
            {XREVRANGE s + - COUNT 11}
            {XRANGE tiny - +}
            {XINFO STREAM s FULL COUNT 0}
            {XINFO STREAM tiny FULL COUNT 0}
            {XINFO GROUPS s}
            {XINFO CONSUMERS tiny g}
            {XPENDING tiny g - + 1000000000}
            {KEYS *}
            {KEYS *n}
            {MGET value value value value value value value value value value value}
        } {
            test "[join $command { }]: an error instead of a reply that is too long ($state)" {
                if {$state eq "on disk" && [lindex $command 1] eq "s" && [llength $command] == 4} { r ESYNC; srv restart }
                assert_too_long {*}$command
            }
        }
        test "XCLAIM takes all or nothing ($state)" {
            set ids [lmap n [count_to 11] {string cat [expr {$n + 1}] -0}]
            assert_too_long XCLAIM s g bob 0 {*}$ids
            assert_equal {} [r XPENDING s g - + 10 bob]
            assert_equal 11 [llength [r XCLAIM s g bob 0 {*}$ids JUSTID]]
            assert_equal 3 [llength [r XCLAIM s g ann 0 {*}[lrange $ids 0 2]]]
            r XCLAIM s g ann 0 {*}$ids JUSTID
        }
        test "EXEC is taken back when its replies together are too long ($state)" {
            set before [r XLEN s]
            pipeline [srv default_client] {MULTI {XADD s 1000-0 d last} {XRANGE s - + COUNT 9} {XRANGE s - + COUNT 9}}
            assert_match "TOOLARGE with command 3 of 3 (xrange) the reply takes more than 1048576 bytes*COUNT*" [r err EXEC]
            assert_equal $before [r XLEN s]
            pipeline [srv default_client] {MULTI {CONFIG GET port} {XRANGE s - + COUNT 9} {GET value} {GET value} {CONFIG GET port}}
            assert_match "TOOLARGE with command *" [r err EXEC]
            pipeline [srv default_client] {MULTI {XRANGE s - + COUNT 9} {CONFIG GET port}}
            assert_equal 9 [llength [lindex [r EXEC] 0]]
        }
    }
    test "What is within the limit is replied whole" {
        assert_equal [count_to 9] [numbers [r XRANGE s - + COUNT 9]]
        assert_equal 9 [llength [r XREVRANGE s + - COUNT 9]]
        assert_equal 3000 [llength [r XRANGE tiny - + COUNT 3000]]
        assert_equal 1000 [llength [r XPENDING tiny g - + 1000]]
        assert_equal 10 [llength [r KEYS 0000?*]]
        assert_equal 1 [llength [field [r XINFO STREAM few FULL COUNT 0] entries]]
    }
    test "One value is bounded where it was written, and is always replied" {
        set large [string repeat x 3000000]
        r SET large $large
        assert_equal $large [r GET large]
        r RESTORE copy 0 [r DUMP large]
        assert_equal $large [r GET copy]
        r EAPPEND one t PAYLOAD $large
        set event [lindex [field [r ESCAN one - +] events] 0]
        assert_equal $large [field $event payload]
        assert_equal $event [r EGET [field $event event_id]]
        assert_equal 1 [llength [r XRANGE one - +]]
        assert_equal 1 [llength [r XREAD STREAMS one 0]]
        r EAPPEND one t PAYLOAD $large
        assert_too_long XRANGE one - +
        assert_equal 1 [llength [r XRANGE one - + COUNT 1]]
        assert_equal 1 [llength [r XREVRANGE one + - COUNT 1]]
    }
    test "SCAN with a huge COUNT replies a page, and goes on" {
        r CONFIG SET reply-bytes-max 128mb
        set names {}
        set cursor 0
        while {1} {
            lassign [r SCAN $cursor COUNT 1000000000000] cursor page
            lappend names {*}$page
            if {$cursor eq "0"} break
        }
        assert_equal [r DBSIZE] [llength [lsort -unique $names]]
    }
}

# ---- long replies: made in portions, of one moment ----

# Asks for everything in `s` and does not read; returns when the reply is being made.
proc ask_for_all {c args} {
    set before [info_field [srv default_client] events_read stats]
    $c send XRANGE s - + {*}$args
    wait_for "the reply to be begun" { [info_field [srv default_client] events_read stats] > $before }
}

with_faulty_server {cache-bytes 64mb enable-flush yes} {
    foreach state {"in memory" "on disk"} {
        foreach {what change} {
            "nothing" {}
            "a trim" {r XTRIM s MAXLEN 1}
            "single entries that go" {r XDEL s 60-0 120-0 119-0}
            "a deletion" {r DEL s}
            "another stream of the name" {r DEL s; r XADD s 1-0 other one}
            "a new name" {r RENAME s t; r DEL t}
            "a flush" {r FLUSHALL}
            "a void" {
                fault "match -journal.d\nfail sync EIO"
                assert_match "IOERR*" [r err XADD s * d void]
                no_fault
                wait_for "the disk to work again" { ![catch {r XADD other * d d}] }
            }
        } {
            test "A long reply shows the moment of its beginning, whatever comes in between ($state): $what" {
                r DEL s
                add_blocks s 120
                r ESYNC
                if {$state eq "on disk"} { srv restart }
                with_clients reader {
                    ask_for_all $reader
                    # It is not read yet: what the connection holds is bounded all the same, and others are served.
                    assert_range 0 6000000 [info_field r mem_clients_normal memory] "bytes"
                    eval $change
                    r ESYNC
                    assert_equal PONG [r PING]
                    set entries [$reader read]
                    assert_equal [count_to 120] [numbers $entries]
                    foreach e $entries { assert {[lindex $e 1 3] eq $::block} "a block is as it was" }
                    assert_equal PONG [$reader PING]
                }
            }
        }
    }
    test "So does a long reply of a virtual stream: it has the names that streams had then" {
        foreach stream {s t} { r DEL $stream; add_blocks $stream 60 }
        proc ask_for_all_of_log {c args} {
            set before [info_field [srv default_client] events_read stats]
            $c send {*}$args
            wait_for "the reply to be begun" { [info_field [srv default_client] events_read stats] > $before }
        }
        foreach words {{XRANGE @stream:[st] - +} {XREVRANGE @stream:[st] + - COUNT 100000}} {
            with_clients reader {
                ask_for_all_of_log $reader {*}$words
                assert_range 0 6000000 [info_field r mem_clients_normal memory] "bytes"
                # Renamed before, and then.
                r RENAME t u
                r RENAME s r
                r RENAME u t
                assert_equal [concat [lrepeat 60 s] [lrepeat 60 t]] [lsort [lmap e [$reader read] {dict get [lindex $e 1] @stream}]] $words
            }
            r RENAME r s
        }
    }
    test "What stands behind a long reply is answered behind it" {
        r DEL s
        add_blocks s 100
        with_clients reader {
            $reader send PING one
            $reader send XREVRANGE s + -
            $reader send PING two
            $reader send XRANGE s 5 6
            assert_equal one [$reader read]
            assert_equal [lreverse [count_to 100]] [numbers [$reader read]]
            assert_equal two [$reader read]
            assert_equal {4 5} [numbers [$reader read]]
        }
    }
    test "A long reply that is not wanted, or is part of a transaction" {
        with_clients reader {
            $reader send CLIENT REPLY SKIP
            $reader send XRANGE s - +
            assert_equal PONG [$reader PING]
            pipeline $reader {MULTI {XRANGE s - +} PING}
            set reply [$reader EXEC]
            assert_equal [count_to 100] [numbers [lindex $reply 0]]
            assert_equal PONG [lindex $reply 1]
        }
    }
    test "A client that sends no more gets the whole of it" {
        with_clients reader {
            $reader send XRANGE s - +
            $reader half_close
            assert_equal [count_to 100] [numbers [$reader read]]
            assert [$reader closed]
        }
    }
    test "A long reply behind an append waits for it, and is void with it" {
        with_clients writer {
            fault "match -journal.d\nhold sync"
            $writer send XADD s 1000-0 n 100 d $::block
            $writer send XRANGE s - +
            assert [$writer silent]
            no_fault
            assert_equal 1000-0 [$writer read]
            assert_equal [count_to 101] [numbers [$writer read]]
            fault "match -journal.d\nhold sync\nfail sync EIO"
            $writer send XADD s 1001-0 n 101 d $::block
            ask_for_all $writer
            $writer send PING
            assert [$writer silent]
            fault "match -journal.d\nfail sync EIO\nfail write EIO"
            assert_match "IOERR*" [lindex [$writer read_typed] 1]
            assert_match "IOERR*" [lindex [$writer read_typed] 1]
            assert_equal PONG [$writer read]
            no_fault
            wait_for "the disk to work again" { ![catch {r XADD other * d d}] }
            assert_equal [count_to 101] [numbers [$writer XRANGE s - +]]
        }
    }
    test "A client that goes away while its reply is made leaves nothing behind" {
        set connections [info_field r connected_clients clients]
        for {set i 0} {$i < 10} {incr i} {
            set reader [new_client]
            ask_for_all $reader
            if {$i % 2} { $reader bytes 100000 }
            $reader destroy
        }
        wait_for "the connections to be closed" { [info_field r connected_clients clients] == $connections }
        assert_range 0 2000000 [info_field r mem_clients_normal memory] "bytes"
        assert_equal [count_to 101] [numbers [r XRANGE s - +]]
        r DEL s
        assert_equal {} [r XRANGE s - +]
    }
    test "A stream that is trimmed without end is read all the same" {
        r CONFIG SET cache-bytes 1mb
        add_blocks s 300
        r ESYNC
        srv restart
        # Each page is a while on its way; meanwhile what it begins with goes.
        set before [reads]
        with_clients reader {
            $reader send XRANGE s - +
            for {set left 290} {$left > 20} {incr left -10} { r XTRIM s MAXLEN $left }
            set told [numbers [$reader read]]
            assert_range 20 300 [llength $told]
            assert_equal [lrange [count_to 300] [expr {300 - [llength $told]}] end] $told
            assert_range 0 20 [expr {[reads] - $before}] "reads of the database"
            assert_equal PONG [$reader PING]
        }
    }
}

# ---- what all connections hold ----

proc held {} { return [info_field [srv default_client] mem_clients_held memory] }
proc calls {command} {
    regexp "cmdstat_$command:calls=(\\d+)" [[srv default_client] INFO commandstats] all n
    return [expr {[info exists n] ? $n : 0}]
}
proc stopped {} { return [info_field [srv default_client] stopped_clients clients] }

with_server {clients-bytes-max 8mb clients-bytes-timeout 86400} {
    test "Above the limit, each that comes and does not read gets a small portion" {
        set line [string range $::block 0 9999]
        for {set i 0} {$i < 1000} {incr i} { r XADD many * d $line; r EAPPEND many-events t PAYLOAD $line }
        r XGROUP CREATE many g 0
        with_clients {first} {
            $first write [string repeat [resp_command XREAD STREAMS many 0] 4]
            wait_for "the first to be stopped" { [stopped] == 1 }
            set late {}
            foreach command {
                {XREAD STREAMS many 0} {XREADGROUP GROUP g c NOACK STREAMS many >} {EPSCAN 0 - + COUNT 1000}
                {ESCAN many-events - + COUNT 1000}
            } {
                for {set i 1} {$i <= 10} {incr i} {
                    lappend late [new_client]
                    [lindex $late end] write [resp_command {*}$command]
                }
            }
            wait_for "all to be run" { [calls escan] >= 10 && [calls epscan] >= 10 && [calls xread] >= 11 && [calls xreadgroup] >= 10 }
            assert_range 8000000 24000000 [held] "bytes"
            foreach c $late { $c destroy }
        }
        r DEL many many-events
    }
    test "Whoever leaves most unread is stopped, others are served, and reading sets it free" {
        with_clients {greedy modest} {
            set commands ""
            for {set i 0} {$i < 400} {incr i} { append commands [resp_command ECHO $i$::block] }
            $greedy write $commands
            wait_for "the greedy one to be stopped" { [stopped] == 1 }
            assert_range 8000000 20000000 [held] "bytes"
            assert_equal OK [$modest SET k v]
            assert_equal $::block [$modest ECHO $::block]
            for {set i 0} {$i < 400} {incr i} { assert {[$greedy read] eq "$i$::block"} "reply $i" }
            assert_equal 0 [stopped]
            assert_equal PONG [$greedy PING]
        }
    }
    test "The largest are stopped, not who came last" {
        with_clients {large1 large2 small} {
            set commands ""
            for {set i 0} {$i < 400} {incr i} { append commands [resp_command ECHO $::block] }
            $large1 write $commands
            wait_for "the first to be stopped" { [stopped] == 1 }
            $small write [string repeat [resp_command ECHO [string range $::block 0 9999]] 10]
            for {set i 0} {$i < 10} {incr i} { $small read }
            $large2 write $commands
            wait_for "the second to be stopped" { [stopped] == 2 }
            assert_equal PONG [$small PING]
            for {set i 0} {$i < 400} {incr i} {
                foreach c [list $large1 $large2] { assert {[$c read] eq $::block} "reply $i" }
            }
            assert_equal 0 [stopped]
        }
    }
    test "Requests that are half received do not stop each other for ever" {
        set value [string repeat $::block 60] ;# 6 MB
        set command [resp_command SET v $value]
        with_clients {a b stalled} {
            $stalled write [string range $command 0 5000000]
            foreach c [list $a $b] { $c write [string range $command 0 4000000] }
            $b taken
            foreach c [list $a $b] { $c write [string range $command 4000001 end] }
            foreach c [list $a $b] { assert_equal OK [$c read] }
            $stalled write [string range $command 5000001 end]
            assert_equal OK [$stalled read]
            assert_equal 6144000 [string length [r GET v]]
            assert_equal 0 [stopped]
        }
    }
    test "Who was stopped may go, or send no more" {
        r SET block $::block
        set commands ""
        for {set i 0} {$i < 400} {incr i} { append commands [resp_command GET block] }
        with_clients {gone ending} {
            $gone write $commands
            wait_for "it to be stopped" { [stopped] == 1 }
            $gone destroy
            wait_for "it to be gone" { [stopped] == 0 }
            $ending write $commands
            wait_for "it to be stopped" { [stopped] == 1 }
            $ending half_close
            for {set i 0} {$i < 400} {incr i} { assert {[$ending read] eq $::block} "reply $i" }
            assert [$ending closed]
        }
    }
    test "A limit that is raised, or taken away, sets everybody free" {
        set commands ""
        for {set i 0} {$i < 300} {incr i} { append commands [resp_command GET block] }
        foreach limit {64mb 0} {
            r CONFIG SET clients-bytes-max 8mb
            with_clients waiting {
                $waiting write $commands
                wait_for "it to be stopped" { [stopped] == 1 }
                r CONFIG SET clients-bytes-max $limit
                wait_for "it to go on" { [stopped] == 0 }
                for {set i 0} {$i < 300} {incr i} { assert {[$waiting read] eq $::block} "reply $i" }
            }
        }
    }
}

with_server {clients-bytes-max 8mb cache-bytes 4mb clients-bytes-timeout 86400} {
    # The number of the reader who has something to read.
    proc served {} {
        foreach line [split [r CLIENT LIST] \n] {
            if {[regexp {name=reader-(\d+)- .* oll=\d+ omem=[1-9]} $line all i]} { return $i }
        }
    }
    test "However many ask for long ranges and do not read, all hold the limit and one reply" {
        add_blocks big 200 ;# 20 MB
        r SET value [string repeat $::block 20]
        r XADD tiny 7-0 n 7
        r ESYNC
        srv restart
        set readers [lmap i [count_to 24] {new_client}]
        foreach i [count_to 24] reader $readers {
            $reader CLIENT SETNAME reader-$i-
            $reader send XRANGE big - +
        }
        wait_for "one to be served, others to wait" { [stopped] == 24 && [served] ne "" }
        set most [held]
        assert_equal PONG [r PING]
        assert_equal OK [r SET k v]
        assert_equal {{7-0 {n 7}}} [r XRANGE tiny - +]
        while {[llength $readers] > 0} {
            wait_for "one to be served" { [served] ne "" }
            set reader [lindex $readers [served]]
            assert_equal [count_to 200] [numbers [$reader read]]
            set most [expr {max($most, [held])}]
            $reader CLIENT SETNAME done
            if {[incr done] == 24} break
        }
        foreach reader $readers { $reader destroy }
        assert {$most > 2000000 && $most <= 40000000} "$most bytes" ;# the most that was seen, not the most that there was
        wait_for "nothing to be held" { [held] < 2000000 }
        assert_equal 0 [stopped]
        assert_equal 0 [info_field r evicted_clients stats]
    }
    # Of which little has left, and which is not read.
    proc leave_unread {c} {
        $c send XRANGE big - +
        wait_for "the reply to be kept" { [held] > 10000000 }
    }
    test "A reply for which there is no room is made when there is" {
        foreach command {{GET value} {MGET value value k} {XRANGE big 1 20} {EXEC}} {
            with_clients {greedy a b} {
                leave_unread $greedy
                foreach c {a b} {
                    if {$command eq "EXEC"} {
                        [set $c] MULTI
                        [set $c] SET done-$c yes
                        [set $c] GET value
                    }
                    [set $c] send {*}$command
                }
                assert [$a silent]
                assert [$b silent]
                assert_range 0 40000000 [held] "bytes"
                assert_equal 0 [r EXISTS done-a done-b]
                assert_equal [count_to 200] [numbers [$greedy read]]
                foreach c {a b} { assert_range 2000000 4100000 [string length [[set $c] read]] "bytes of the reply to $command" }
            }
            wait_for "nothing to be held" { [held] < 2000000 }
        }
        assert_equal 2 [r DEL done-a done-b]
    }
    test "A write whose reply has no room has not happened until there is" {
        r XADD entries 1-0 d [string repeat $::block 3]
        r XGROUP CREATE entries g 0
        foreach {command before after} {
            {XREADGROUP GROUP g alice STREAMS entries >} {} {alice 1}
            {XCLAIM entries g bob 0 1-0} {alice 1} {bob 1}
            {XAUTOCLAIM entries g carol 0 0} {bob 1} {carol 1}
        } {
            with_clients {greedy c} {
                leave_unread $greedy
                $c send {*}$command
                assert [$c silent]
                assert_equal $before [join [lindex [r XPENDING entries g] 3]]
                assert_equal [count_to 200] [numbers [$greedy read]]
                assert_range 300000 400000 [string length [$c read]] "bytes"
                assert_equal $after [join [lindex [r XPENDING entries g] 3]]
            }
        }
        r DEL entries
    }
    test "Of what is removed by id only the heads are held" {
        with_clients {greedy c} {
            r XGROUP CREATE big g 0
            r XREADGROUP GROUP g consumer NOACK COUNT 1 STREAMS big >
            leave_unread $greedy
            assert_equal 60 [r XDEL big {*}[lmap i [count_to 60] {string cat [expr {$i + 101}] -0}]]
            assert_equal [lrepeat 30 1] [r XDELEX big IDS 30 {*}[lmap i [count_to 30] {string cat [expr {$i + 171}] -0}]]
            assert_equal [count_to 200] [numbers [$greedy read]]
        }
        assert_equal 110 [r XLEN big]
        add_blocks big2 200
        r ESYNC
        srv restart
    }
    test "Who reads nothing while others wait for room is closed, and nobody else" {
        r CONFIG SET clients-bytes-timeout 1
        with_clients {silent other} {
            $silent send XRANGE big2 - +
            wait_for "the reply to be kept" { [held] > 10000000 }
            set begun [info_field r uptime_in_seconds server]
            wait_for "its time to pass" { [info_field r uptime_in_seconds server] > $begun + 2 }
            assert_equal 0 [info_field r evicted_clients stats]
            $other send XRANGE big2 - +
            assert_equal [count_to 200] [numbers [$other read]]
            assert_equal 1 [info_field r evicted_clients stats]
            assert [$silent closed]
            assert_equal PONG [$other PING]
        }
        r CONFIG SET clients-bytes-timeout 86400
    }
    test "A monitor that does not read and was stopped gets no more" {
        with_clients monitor {
            assert_equal OK [$monitor MONITOR]
            for {set i 0} {$i < 400} {incr i} { r ECHO $::block }
            assert {[stopped] >= 1}
            assert_range 8000000 40000000 [held] "bytes"
        }
    }
}

# A large event is there once for all who are replied it, however many do not read.
with_server {clients-bytes-max 16mb clients-bytes-timeout 86400} {
    set large [string repeat x 7000000]
    proc held {} { return [info_field r mem_clients_held memory] }
    foreach how {XREAD XREADGROUP} {
        test "Many who wait with $how for the same large entry, and do not read it, hold it once, and nobody waits for them" {
            set key large-$how
            r XADD $key 1-0 n 1
            set dead {}
            for {set i 0} {$i < 20} {incr i} {
                lappend dead [set c [new_client]]
                if {$how eq "XREAD"} {
                    $c send XREAD BLOCK 0 STREAMS $key $
                } else {
                    r XGROUP CREATE $key g$i $
                    $c send XREADGROUP GROUP g$i c BLOCK 0 STREAMS $key >
                }
            }
            wait_for "them to wait" { [info_field r blocked_clients clients] == 20 }
            r XADD $key 2-0 p $large
            wait_for "them to be served" { [info_field r blocked_clients clients] == 0 && [info_field r stopped_clients clients] == 0 }
            assert_range 7000000 20000000 [held] "bytes"
            with_clients {c d} {
                assert_equal 7000000 [string length [lindex [$c XREAD COUNT 1 STREAMS $key 1-0] 0 1 0 1 1]]
                assert_equal 7000000 [string length [lindex [$c XRANGE $key 2-0 +] 0 1 1]]
                $c XADD other-$how 1-0 p $large
                assert_equal 7000000 [string length [lindex [$d XREAD STREAMS other-$how 0] 0 1 0 1 1]]
            }
            foreach c $dead {
                assert_equal [list $key 2-0 7000000] [apply {reply { list [lindex $reply 0 0] [lindex $reply 0 1 0 0] [string length [lindex $reply 0 1 0 1 1]] }} [$c read]]
                assert_equal PONG [$c PING]
                $c close
            }
            wait_for "it to go" { [held] < 2000000 }
            assert_equal 0 [info_field r evicted_clients stats]
        }
    }
    test "A long reply with a large entry in its middle is whole, and as of its moment" {
        r XADD mixed 1-0 n 1
        r XADD mixed 2-0 p $large
        r XADD mixed 3-0 p $large
        r XADD mixed 4-0 n 4
        with_clients {c d} {
            $c send XRANGE mixed - +
            $d HELLO 3
            $d send XRANGE mixed - +
            wait_for "both to be made" { [held] > 14000000 }
            r XTRIM mixed MAXLEN 0
            foreach k {c d} { assert_equal {1-0 1 2-0 7000000 3-0 7000000 4-0 1} [concat {*}[lmap e [[set $k] read] {list [lindex $e 0] [string length [lindex $e 1 1]]}]] }
            $c send XRANGE mixed - +
            assert_equal {} [$c read]
        }
    }
    test "Who reads nothing of a large entry while others wait for room is closed" {
        r CONFIG SET clients-bytes-timeout 1
        foreach i {1 2 3} { r XADD much-$i 1-0 p $large }
        with_clients {a b c} {
            foreach k {a b} i {1 2} { [set $k] send XRANGE much-$i - + }
            wait_for "both to be made" { [held] > 14000000 }
            $c send XRANGE much-3 - +
            assert_equal 7000000 [string length [lindex [$c read] 0 1 1]]
            assert_range 0 2 [info_field r evicted_clients stats]
        }
    }
}
