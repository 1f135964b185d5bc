# What is kept for who waits for what others do, maybe for ever (standing-bytes-max): subscriptions,
# and commands that wait.

proc standing {} { return [info_field [srv default_client] mem_clients_standing memory] }
proc waiting_now {} { return [info_field [srv default_client] blocked_clients clients] }
# Subscribes with large selectors until that is refused; how often it was not.
proc fill {c} {
    for {set n 0} {$n < 100} {incr n} {
        if {[catch {$c ESUBSCRIBE none FROM NEW {*}[selecting AGGREGATE 999 $n]} error]} break
    }
    assert_match "TOOLARGE *standing-bytes-max*" $error
    return $n
}
proc catch_read {c} { catch {$c read} reply; return $reply }
# Names of streams, of 200 bytes each.
proc names {n {of ""}} {
    set names {}
    for {set i 0} {$i < $n} {incr i} { lappend names [string range $of$i-[string repeat x 200] 0 199] }
    return $names
}
proc selecting {word n {of ""}} { return [join [lmap name [names $n $of] { list $word $name }]] }
proc wait_on_keys {of} { list XREAD BLOCK 0 STREAMS {*}[names 1000 $of] {*}[lrepeat 1000 $] }

with_server {clients-bytes-max 1mb standing-bytes-max 4mb clients-bytes-timeout 86400 enable-flush yes} {
    set value [string repeat v 2000000]
    test "Commands that wait, and subscriptions, are no reason for others to wait" {
        r XADD large * d $value
        set waiters {}
        foreach of {a b} {
            lappend waiters [new_client]
            [lindex $waiters end] send {*}[wait_on_keys $of]
        }
        lappend waiters [new_client]
        [lindex $waiters end] send EREAD FROM NEW BLOCK 0 {*}[string map {- _} [selecting CATEGORY 999]]
        lappend waiters [new_client]
        [lindex $waiters end] HELLO 3
        [lindex $waiters end] ESUBSCRIBE none FROM NEW {*}[selecting AGGREGATE 999]
        wait_for "them to wait" {[waiting_now] == 3}
        assert_range 1500000 4000000 [standing] "bytes"
        with_clients {lazy c} {
            $lazy send XRANGE large - + ;# of nobody who reads
            $lazy taken
            assert_equal large [lindex [$c XREAD STREAMS large 0] 0 0]
            assert_equal [list large] [$c KEYS *]
            assert_equal 1 [llength [$c XRANGE large - +]]
            assert_equal 1 [llength [$lazy read]]
        }
        r XADD [lindex [names 1 a] 0] * d 1
        assert_equal [lindex [names 1 a] 0] [lindex [[lindex $waiters 0] read] 0 0]
        foreach c $waiters { $c destroy }
        wait_for "them to be gone" {[standing] == 0}
    }
    test "What does not fit is refused, and nothing of it is kept" {
        with_clients {c d e} {
            foreach x {c d e} { [set $x] HELLO 3 }
            set n [fill $c]
            assert_range 3 20 $n "subscriptions"
            set full [standing]
            assert_range 3000000 4194304 $full "bytes"
            assert_equal $n [llength [r ESUBS LIST]]
            assert_match "TOOLARGE *standing-bytes-max*" [$d err ESUB {*}[names 900 d]]
            assert_match "TOOLARGE *standing-bytes-max*" [$d err {*}[wait_on_keys d]]
            assert_match "TOOLARGE *standing-bytes-max*" [$d err EREAD FROM NEW BLOCK 0 {*}[string map {- _} [selecting CATEGORY 999]]]
            assert_match "TOOLARGE *standing-bytes-max*" [$d err ESUBSCRIBE * FROM NEW WINDOW 100000]
            assert_equal [list $full 0] [list [standing] [waiting_now]]
            assert_equal 5 [info_field [srv default_client] refused_waits stats]
            assert_equal PONG [$d PING]
        }
        wait_for "them to be gone" {[standing] == 0}
    }
    test "Who keeps little is never refused, and who lets go makes room" {
        with_clients {c d e} {
            $c HELLO 3
            fill $c
            $d send XREAD BLOCK 0 STREAMS s $
            wait_for "it to wait" {[waiting_now] == 1}
            r XADD s * d 1
            assert_equal s [lindex [$d read] 0 0]
            $d HELLO 3
            assert_equal 36 [string length [field [$d ESUBSCRIBE * FROM NEW WINDOW 100] id]]
            $c EUNSUBSCRIBE *
            $e send {*}[wait_on_keys e]
            wait_for "it to wait" {[waiting_now] == 1}
            $c MULTI ;# what does not wait keeps nothing
            $c {*}[wait_on_keys c]
            assert_equal array [lindex [$c typed EXEC] 0]
        }
        wait_for "them to be gone" {[standing] == 0}
    }
    test "A limit of 0 is none, and a lower one leaves those who wait alone" {
        with_clients {c d} {
            $c send {*}[wait_on_keys c]
            wait_for "it to wait" {[waiting_now] == 1}
            r CONFIG SET standing-bytes-max 1
            assert_match "TOOLARGE *" [$d err {*}[wait_on_keys c]]
            r XADD [lindex [names 2 c] 1] * d 1
            assert_equal [lindex [names 2 c] 1] [lindex [$c read] 0 0]
            r CONFIG SET standing-bytes-max 0
            $d send {*}[wait_on_keys c]
            wait_for "it to wait" {[waiting_now] == 1}
        }
    }
    test "A selection has at most 256 KiB" {
        set long [string repeat x 300]
        set words [join [lmap i [names 900] { list AGGREGATE $long$i }]]
        foreach command {{ESUBSCRIBE *} {EREAD FROM 0} {EPSCAN 0 - +}} {
            assert_equal "TOOLARGE the values of a selection take at most 262144 bytes, together" [r err {*}$command {*}$words]
        }
    }
}

with_server {standing-bytes-max 4mb} {
    test "What a group selects is kept for each who waits in it" {
        r EVIEW SET large {*}[selecting AGGREGATE 200]
        r XGROUP CREATE @view:large g $
        set waiters {}
        for {set i 0} {$i < 200} {incr i} {
            lappend waiters [new_client]
            [lindex $waiters end] send XREADGROUP GROUP g c$i BLOCK 0 STREAMS @view:large >
        }
        wait_for "some to be refused" {[info_field [srv default_client] refused_waits stats] > 0}
        assert_match "TOOLARGE *standing-bytes-max*" [catch_read [lindex $waiters end]]
        assert_range 1 199 [waiting_now] "who wait"
        foreach w $waiters { $w close }
        wait_for "them to be gone" {[waiting_now] == 0 && [standing] == 0}
        r EVIEW DEL large FORCE
    }
    test "One command reads as many views as are made in little time" {
        set keys {}
        for {set i 0} {$i < 40} {incr i} {
            r EVIEW SET many-$i {*}[selecting AGGREGATE 200 $i]
            lappend keys @view:many-$i
        }
        set begin [lrepeat 40 0]
        assert_match "TOOLARGE what the command's virtual streams select by takes more than 1048576 bytes*" [r err XREAD STREAMS {*}$keys {*}$begin]
        assert_equal {} [r XREAD STREAMS {*}[lrange $keys 0 4] {*}[lrange $begin 0 4]]
        for {set i 0} {$i < 40} {incr i} { r EVIEW DEL many-$i }
    }
}
