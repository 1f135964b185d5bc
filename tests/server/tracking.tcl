# Client-side caching: CLIENT TRACKING and what belongs to it. A client that has read a key hears when it changes, once the
# change is durable.

source [file join $::top tests lib faults.tcl]

# The keys of the next message.
proc invalidates {c} {
    lassign [$c push] what keys
    assert_equal invalidate $what
    return $keys
}
# A client of RESP3 that tracks.
proc track {c args} {
    $c HELLO 3
    assert_equal OK [$c CLIENT TRACKING ON {*}$args]
}
proc flags_of {c} { return [dict get [$c CLIENT TRACKINGINFO] flags] }

with_server {enable-flush yes} {
    test "Who has read a key hears once that it has changed" {
        with_clients {c} {
            track $c
            r SET k 1
            assert_equal 1 [$c GET k]
            r SET k 2
            assert_equal k [invalidates $c]
            r SET k 3
            assert [$c silent]
            assert_equal 3 [$c GET k]
            r INCR k
            assert_equal k [invalidates $c]
            assert_equal OK [$c CLIENT TRACKING OFF]
            $c GET k
            r INCR k
            assert [$c silent]
        }
    }

    test "Whatever changes a key is told: of strings, streams, deadlines, names" {
        foreach command {
            {SET t-1 v} {DEL t-1} {SETNX t-1 v} {EXPIREAT t-1 33177117420} {PERSIST t-1} {APPEND t-1 x} {RENAME t-1 t-2} {RENAME t-2 t-1}
            {COPY t-0 t-1 REPLACE} {GETDEL t-1} {XADD t-1 * f v} {EAPPEND t-1 t} {XTRIM t-1 MAXLEN 1} {XGROUP CREATE t-1 g 0}
            {PEXPIREAT t-1 1} {MSET t-1 a t-0 b} {SETEX t-1 1000 v} {GETEX t-1 PERSIST}
        } {
            with_clients {c} {
                track $c
                $c EXISTS t-1
                r SET t-0 v
                r {*}$command
                assert_equal t-1 [invalidates $c]
            }
        }
    }

    test "An erased event changes the stream that it is in" {
        with_clients {c} {
            track $c
            set id [field [r EAPPEND erased t PAYLOAD x] event_id]
            $c ESCAN erased - +
            r EERASE $id
            assert_equal erased [invalidates $c]
        }
    }

    test "A key that expires is told" {
        with_clients {c} {
            track $c
            r SET short v PX 50
            $c GET short
            assert_equal short [invalidates $c]
        }
    }

    test "In MULTI, one message for each key, of reads in it, too" {
        with_clients {c} {
            track $c
            r MSET m-1 1 m-2 2
            $c MULTI
            $c GET m-1
            $c GET m-2
            $c EXEC
            r MULTI
            r INCR m-1
            r INCR m-1
            r INCR m-2
            r EXEC
            assert_equal {m-1 m-2} [lsort [list [invalidates $c] [invalidates $c]]]
            assert [$c silent]
        }
    }

    test "NOLOOP leaves out what the connection does itself" {
        with_clients {c d} {
            track $c
            $c GET own
            assert_equal {OK own} [list [$c SET own 1] [invalidates $c]]
            track $d NOLOOP
            $d GET own
            assert_equal 2 [$d INCR own]
            assert [$d silent]
            $d GET own
            r INCR own
            assert_equal own [invalidates $d]
        }
    }

    # Two changes, of which the second is nobody's: whether the first is durable by then or not.
    test "With NOLOOP one's own key that expires is told once" {
        with_clients {c} {
            track $c BCAST NOLOOP
            $c SET expires-soon v PX 30
            assert_equal expires-soon [invalidates $c]
            r SET something-else v
            assert_equal something-else [invalidates $c]
        }
    }

    test "OPTIN and OPTOUT, with CACHING for the next command or transaction" {
        with_clients {c d} {
            r MSET o-1 a o-2 b o-3 c
            track $c OPTIN
            assert_equal {on optin} [flags_of $c]
            $c GET o-1
            $c CLIENT CACHING YES
            assert_equal {on optin caching-yes} [flags_of $c]
            $c CLIENT CACHING YES
            $c GET o-2
            $c GET o-3
            $c CLIENT CACHING YES
            $c MULTI
            $c GET o-3
            $c EXEC
            track $d OPTOUT
            $d CLIENT CACHING NO
            $d GET o-1
            $d GET o-2
            foreach k {o-1 o-2 o-3} { r SET $k x }
            assert_equal {o-2 o-3 o-2} [list [invalidates $c] [invalidates $c] [invalidates $d]]
            assert {[$c silent] && [$d silent]}
            assert_equal "ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode." [$c err CLIENT CACHING NO]
            assert_equal "ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode." [$d err CLIENT CACHING YES]
            assert_match "ERR CLIENT CACHING can be called only when*" [r err CLIENT CACHING YES]
            assert_equal "ERR syntax error" [$c err CLIENT CACHING MAYBE]
        }
    }

    test "BCAST tells of all keys with a prefix, read or not" {
        with_clients {c d e} {
            track $c BCAST PREFIX order- PREFIX user-
            track $d BCAST
            track $e BCAST PREFIX user- NOLOOP
            r SET user-1 v
            assert_equal {user-1 user-1 user-1} [list [invalidates $c] [invalidates $d] [invalidates $e]]
            r XADD order-1 * f v
            assert_equal {order-1 order-1} [list [invalidates $c] [invalidates $d]]
            r SET other v
            assert_equal other [invalidates $d]
            $e SET user-2 v
            assert_equal {user-2 user-2} [list [invalidates $c] [invalidates $d]]
            assert {[$c silent] && [$e silent]}
            assert_equal {order- user-} [dict get [$c CLIENT TRACKINGINFO] prefixes]
            r MSET user-3 v other-3 v user-4 v
            assert_equal {user-3 user-4} [lsort [invalidates $c]]
            assert_equal {other-3 user-3 user-4} [lsort [invalidates $d]]
        }
        r SET user-1 w
        assert_equal 0 [info_field [srv default_client] tracking_total_prefixes stats]
    }

    test "REDIRECT tells another connection, and hears when it is gone" {
        with_clients {c to} {
            $to HELLO 3
            $c HELLO 3
            assert_equal OK [$c CLIENT TRACKING ON REDIRECT [set id [$to CLIENT ID]]]
            assert_equal $id [$c CLIENT GETREDIR]
            assert_match "*flags=t *redir=$id *" [$c CLIENT INFO]
            $c GET redirected
            r SET redirected v
            assert_equal redirected [invalidates $to]
            assert [$c silent]
            $c GET redirected
            r CLIENT KILL ID $id
            r SET redirected w
            assert_equal [list tracking-redir-broken $id] [$c push]
            assert_equal {on broken_redirect} [flags_of $c]
            assert_match "*flags=tR *" [$c CLIENT INFO]
        }
    }

    test "In RESP2, REDIRECT tells a connection that has subscribed to the channel" {
        with_clients {c to} {
            set id [$to CLIENT ID]
            assert_equal {subscribe __redis__:invalidate 1} [$to SUBSCRIBE __redis__:invalidate]
            assert_equal OK [$c CLIENT TRACKING ON REDIRECT $id]
            $c GET resp2-key
            r SET resp2-key v
            assert_equal {message __redis__:invalidate resp2-key} [$to read]
            $c CLIENT TRACKING OFF
            assert_equal OK [$c CLIENT TRACKING ON BCAST PREFIX resp2- REDIRECT $id]
            r MSET resp2-a v resp2-b v
            assert_equal {message __redis__:invalidate {resp2-a resp2-b}} [$to read]
        }
    }

    test "FLUSHALL tells everybody who tracks that all keys have changed" {
        with_clients {c d} {
            track $c
            track $d BCAST PREFIX x
            r SET f-1 v
            $c GET f-1
            r FLUSHALL
            foreach client {c d} { assert_equal {invalidate {}} [[set $client] push] }
            r SET f-1 w
            assert [$c silent]
            $c GET f-1
            r SET f-1 x
            assert_equal f-1 [invalidates $c]
        }
    }

    test "The table is bounded: what is known longest is told, and forgotten" {
        with_clients {c} {
            r CONFIG SET tracking-table-max-keys 3
            track $c
            foreach k {b-1 b-2 b-3 b-4 b-5} { $c GET $k }
            assert_equal {b-1 b-2} [list [invalidates $c] [invalidates $c]]
            assert_equal {3 3} [list [info_field [srv default_client] tracking_total_keys stats] [info_field [srv default_client] tracking_total_items stats]]
            r CONFIG SET tracking-table-max-keys 1000000
        }
        wait_for "nobody to track" {[info_field [srv default_client] tracking_clients] == 0}
        r SET b-3 v
        wait_for "the table to be empty" {[info_field [srv default_client] tracking_total_keys stats] == 0}
    }

    # In turns: more than one of them tells.
    test "A table that is too large since CONFIG SET tells of what is too much at once" {
        with_clients {c} {
            track $c
            set made 0
            set names [lmap i [split [string repeat x 2500] ""] {string cat too-many- [incr made]}]
            $c MGET {*}$names
            assert_equal 2500 [info_field [srv default_client] tracking_total_keys stats]
            r CONFIG SET tracking-table-max-keys 2
            set told {}
            while {[llength $told] < 2498} { lappend told [lindex [invalidates $c] 0] }
            assert_equal [lsort [lrange $names 0 end-2]] [lsort $told]
            assert [$c silent]
            assert_equal {2 2} [list [info_field [srv default_client] tracking_total_keys stats] [info_field [srv default_client] tracking_total_items stats]]
            r CONFIG SET tracking-table-max-keys 1000000
            r SET [lindex $names end] v
            assert_equal [lindex $names end] [invalidates $c]
        }
    }

    test "After FLUSHALL the table counts nothing, and makes room without telling" {
        with_clients {c} {
            track $c
            set made 0
            set names [lmap i [split [string repeat x 3000] ""] {string cat flushed- [incr made]}]
            $c MGET {*}$names
            r FLUSHALL ASYNC
            assert_equal {0 0} [list [info_field [srv default_client] tracking_total_keys stats] [info_field [srv default_client] tracking_total_items stats]]
            assert_equal {invalidate {}} [$c push]
            r CONFIG SET tracking-table-max-keys 1
            $c GET flushed-1
            $c GET flushed-2
            assert_equal flushed-1 [invalidates $c]
            assert [$c silent]
            r CONFIG SET tracking-table-max-keys 1000000
        }
    }

    test "Many connections hear of one key" {
        set all {}
        for {set i 0} {$i < 60} {incr i} { lappend all many-$i }
        with_clients $all {
            r SET hot v
            foreach c $all { track [set $c]; [set $c] GET hot }
            r SET hot w
            foreach c $all { assert_equal hot [invalidates [set $c]] }
        }
    }

    test "Wrong options are Redis' errors" {
        with_clients {c} {
            $c HELLO 3
            foreach {options error} {
                {FOO} "syntax error" {ON FOO} "syntax error" {ON REDIRECT} "syntax error" {ON PREFIX} "syntax error"
                {ON PREFIX x} "PREFIX option requires BCAST mode to be enabled"
                {ON BCAST OPTIN} "OPTIN and OPTOUT are not compatible with BCAST"
                {ON OPTIN OPTOUT} "You can't specify both OPTIN mode and OPTOUT mode"
                {ON REDIRECT 999999} "The client ID you want redirect to does not exist"
                {ON REDIRECT x} "value is not an integer or out of range"
                {ON BCAST PREFIX ab PREFIX a} "Prefix 'ab' overlaps with another provided prefix 'a'. Prefixes for a single client must not overlap."
            } {
                assert_equal "ERR $error" [$c err CLIENT TRACKING {*}$options]
            }
            assert_equal {flags off redirect -1 prefixes {}} [$c CLIENT TRACKINGINFO]
            $c CLIENT TRACKING ON BCAST PREFIX a
            assert_equal "ERR Prefix 'ab' overlaps with an existing prefix 'a'. Prefixes for a single client must not overlap." \
                [$c err CLIENT TRACKING ON BCAST PREFIX ab]
            assert_match "ERR You can't switch BCAST mode*" [$c err CLIENT TRACKING ON]
            $c CLIENT TRACKING OFF
            $c CLIENT TRACKING ON OPTIN
            assert_match "ERR You can't switch OPTIN/OPTOUT mode*" [$c err CLIENT TRACKING ON OPTOUT]
            $c RESET
            assert_equal {off} [flags_of $c]
        }
    }
}

with_server {} {
    # They stay with a key until it changes.
    test "Of connections that have read a key and are gone only a few are kept" {
        with_clients {stays} {
            track $stays
            $stays GET same
            for {set i 0} {$i < 50} {incr i} {
                with_clients {c} {
                    track $c
                    $c MGET same other
                }
            }
            assert {[info_field r tracking_total_items stats] < 15}
            r SET same 1
            assert_equal same [invalidates $stays]
        }
    }

    test "Keys that have to make room are told as fast as others are read" {
        r CONFIG SET tracking-table-max-keys 10
        with_clients {c} {
            track $c
            set keys {}
            for {set i 0} {$i < 20000} {incr i} { lappend keys key-$i }
            $c MULTI
            $c MGET {*}$keys
            $c write "EXEC\r\nINFO stats\r\n" ;# in one turn
            assert_equal 20000 [llength [lindex [$c read] 0]]
            assert_match "*tracking_total_items:1?\r*" [$c read]
            for {set i 0} {$i < 19990} {incr i} { assert_equal key-$i [invalidates $c] }
        }
    }

    test "A table that may hold less than it does forgets what is too much" {
        r CONFIG SET tracking-table-max-keys 1000
        with_clients {c} {
            track $c
            for {set i 0} {$i < 1000} {incr i} { $c GET key-$i }
            r CONFIG SET tracking-table-max-keys 10
            for {set i 0} {$i < 1000} {incr i} { $c GET other-$i }
            assert_equal 10 [info_field r tracking_total_keys stats]
        }
    }
}

with_server {} {
    # A message for each is more than a turn writes.
    test "Of many that track a prefix each hears of all, in order" {
        set clients {}
        set name [string repeat x 400]
        for {set i 0} {$i < 40} {incr i} { lappend clients [new_client] }
        foreach c $clients { track $c BCAST {*}[expr {$c eq [lindex $clients 0] ? "NOLOOP" : ""}] }
        set keys {}
        for {set i 0} {$i < 3000} {incr i} { lappend keys $name-$i v }
        r MULTI
        r MSET {*}$keys
        r SET last 1
        r EXEC
        r SET behind 1
        foreach c $clients {
            set heard {}
            while {[lindex $heard end] ne "behind"} { lappend heard {*}[invalidates $c] }
            assert_equal [list {*}[dict keys $keys] last behind] $heard
            $c close
        }
    }

    test "While all hold more than clients-bytes-max, who does not read what has changed goes" {
        r CONFIG SET clients-bytes-max 8mb
        with_clients {good deaf} {
            set id [$deaf CLIENT ID]
            track $good BCAST
            track $deaf BCAST
            set name [string repeat x 500]
            for {set i 0} {[r CLIENT LIST ID $id] ne ""} {incr i} {
                set keys {}
                for {set k 0} {$k < 1000} {incr k} { lappend keys $name-$i-$k v }
                r MSET {*}$keys
                set heard 0
                while {$heard < 1000} { incr heard [llength [invalidates $good]] }
            }
            assert {$i < 60}
        }
        r CONFIG SET clients-bytes-max 1gb
    }
}

with_faulty_server {journal-segment-bytes 1mb disk-free-min 0} {
    # Who reads in between reads the old value, and would cache it for ever.
    test "A change is told when it is durable, to all who have read until then" {
        r MSET d-1 old d-2 old
        with_clients {early late writer} {
            track $early
            track $late
            $early GET d-1
            try {
                fault "match -journal.d\nhold sync"
                $writer send SET d-1 new
                $writer taken
                assert_equal old [$late GET d-1]
                assert {[$early silent] && [$late silent]}
            } finally { no_fault }
            assert_equal {d-1 d-1} [list [invalidates $early] [invalidates $late]]
            assert_equal {OK new} [list [$writer read] [$late GET d-1]]
        }
    }

    # The change is older than all tracking, and he reads the old value.
    test "Who is the first to track hears of what was decided before, and is durable later" {
        r MSET first-1 old first-2 old
        with_clients {c writer} {
            $c HELLO 3
            try {
                fault "match -journal.d\nhold sync"
                $writer send SET first-1 new
                $writer taken
                assert_equal OK [$c CLIENT TRACKING ON]
                assert_equal {old old} [$c MGET first-1 first-2]
                assert [$c silent]
            } finally { no_fault }
            assert_equal {invalidate {}} [$c push]
            assert_equal {OK new} [list [$writer read] [$c GET first-1]]
            assert [$c silent]
            r SET first-1 newer
            assert_equal first-1 [invalidates $c]
        }
    }

    test "What is void is told, too" {
        skip unless disk "a sync that fails"
        with_clients {c} {
            track $c
            $c GET d-2
            fault "match -journal.d\nfail sync EIO"
            catch {r SET d-2 lost}
            assert_equal d-2 [invalidates $c]
            no_fault
            wait_for "writes again" {[catch {r SET d-3 v}] == 0}
            assert_equal old [$c GET d-2]
            r SET d-2 new
            assert_equal d-2 [invalidates $c]
        }
    }
}
