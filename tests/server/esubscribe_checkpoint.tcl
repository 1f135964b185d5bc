# ESUBSCRIBE … CHECKPOINT: what is acknowledged is kept by the server.

source [file join $::top tests lib faults.tcl]

proc subscribe {c args} {
    $c HELLO 3
    uplevel 1 [list set id [field [$c ESUBSCRIBE {*}$args FIELDS partition_sequence] id]]
}
proc cursors {c n} {
    set got {}
    while {[llength $got] < $n} {
        set push [$c push]
        if {[lindex $push 0] eq "event"} { lappend got [lindex $push 2] }
    }
    return $got
}
proc next_of {c kind} {
    while 1 {
        set push [$c push]
        if {[lindex $push 0] eq $kind} { return $push }
    }
}
proc position {name} { return [field [r ECHECKPOINT GET $name] position] }

set journal "match -journal.d"
with_faulty_server {journal-segment-bytes 1mb disk-free-min 0 enable-flush yes} {
    append_events [srv default_client] s 10
    test "EACK n sets it to n + 1, and the next event from there is n + 1" {
        with_clients c {
            subscribe $c * FROM CHECKPOINT p ELSE START CHECKPOINT p WINDOW 3
            assert_equal {0 1 2} [cursors $c 3]
            assert_equal "" [r ECHECKPOINT GET p]
            assert_equal OK [$c EACK $id 1]
            assert_equal [list 2 [info_field r timeline store]] [list [position p] [field [r ECHECKPOINT GET p] timeline]]
            assert_equal {3 4} [cursors $c 2]
            assert_equal OK [$c EACK $id 0]
            assert_equal 2 [position p]
            assert_equal OK [$c EACK $id 18446744073709551615]
            assert_equal 5 [position p]
        }
        srv crash
        assert_equal 1 [r ECHECKPOINT WAIT p 4 1]
        assert_equal 0 [r ECHECKPOINT WAIT p 5 1]
        with_clients c {
            subscribe $c * FROM CHECKPOINT p CHECKPOINT p
            assert_equal {5 6 7 8 9} [cursors $c 5]
            assert_equal 5 [position p]
            assert_equal OK [$c EACK $id 9]
            assert_equal 10 [position p]
        }
    }
    test "The newer subscription takes it over; the older one ends, and its EACK is STALE" {
        with_clients {c d} {
            subscribe $c * FROM 0 CHECKPOINT q
            set first $id
            assert_equal 0 [lindex [cursors $c 10] 0]
            subscribe $d * FROM 0 CHECKPOINT q
            assert_equal [list end $first taken-over] [next_of $c end]
            assert_match "STALE *" [$c err EACK $first 3]
            assert_equal "" [r ECHECKPOINT GET q]
            cursors $d 4
            assert_equal OK [$d EACK $id 3]
            assert_equal 4 [position q]
            subscribe $d * FROM 0 CHECKPOINT other
            assert_equal OK [$d EACK $id 0]
            $d EUNSUBSCRIBE *
            subscribe $c * CHECKPOINT q
            assert_equal 1 [llength [r ESUBS LIST]]
        }
    }
    test "It is acknowledged when it is durable, and what is void is not" {
        with_clients {c} {
            subscribe $c * FROM 0 CHECKPOINT v
            assert_equal 10 [llength [cursors $c 10]]
            fault "$journal\nhold sync\nfail sync EIO"
            $c send EACK $id 4
            $c taken
            assert_equal "" [r ECHECKPOINT GET v]
            fault "$journal\nfail sync EIO"
            assert_error "IOERR *" {$c read}
            assert_match "IOERR *" [$c err EACK $id 4]
            no_fault
            wait_for "it is taken" {![catch {$c EACK $id 4}]}
            assert_equal 5 [position v]
        }
    }
    test "Not in a transaction, and no name that is none" {
        with_clients {c} {
            subscribe $c * FROM 0 CHECKPOINT t
            cursors $c 10
            $c MULTI
            $c EACK $id 4
            assert_match "*EACK of a subscription with CHECKPOINT cannot be in a transaction*" [lindex [$c typed EXEC] 1]
            assert_match "INVALIDARG invalid name of a checkpoint*" [$c err ESUBSCRIBE * CHECKPOINT ""]
            assert_match "INVALIDARG *CHECKPOINT already specified" [$c err ESUBSCRIBE * CHECKPOINT a CHECKPOINT b]
        }
    }
    test "The server moves it over what is not for the subscriber, and over nothing that is" {
        with_clients {c d} {
            set head [field [r EREAD FROM NEW] head]
            subscribe $c rare FROM $head CHECKPOINT rare
            subscribe $d s FROM $head CHECKPOINT often
            append_events [srv default_client] s 5
            cursors $d 5
            wait_for "it to be moved" {[r ECHECKPOINT GET rare] ne ""}
            assert_equal [expr {$head + 5}] [position rare]
            assert_equal "" [r ECHECKPOINT GET often]
        }
    }
    test "EACK of a message `position` moves it there at once, and the server goes on from there" {
        with_clients c {
            set head [field [r EREAD FROM NEW] head]
            subscribe $c seldom FROM $head CHECKPOINT seldom
            append_events [srv default_client] s 5
            set cursor -1
            while {$cursor < $head + 4} { set cursor [lindex [next_of $c position] 2] }
            $c EACK $id $cursor
            assert_equal [expr {$head + 5}] [position seldom]
            $c EACK $id [expr {$cursor + 100}]
            assert_equal [expr {$head + 5}] [position seldom]
            r EAPPEND seldom t
            $c EACK $id [cursors $c 1]
            assert_equal [expr {$head + 6}] [position seldom]
        }
    }
    test "What somebody else sets or deletes stands, until it is acknowledged further on" {
        with_clients {c d control} {
            set head [field [r EREAD FROM NEW] head]
            subscribe $c rewound FROM $head CHECKPOINT rewound
            set first $id
            subscribe $d deleted FROM $head CHECKPOINT deleted
            subscribe $control other FROM $head CHECKPOINT control
            append_events [srv default_client] s 1
            foreach name {rewound deleted control} {
                wait_for "$name to be moved" {[r ECHECKPOINT GET $name] ne ""}
            }
            r ECHECKPOINT SET rewound 2
            assert_equal 1 [r ECHECKPOINT DEL deleted]
            append_events [srv default_client] s 1
            wait_for "the other one to be moved again" {[position control] == $head + 2}
            append_events [srv default_client] s 1
            foreach x {c d} { ;# hear of it after they would have been moved
                while {[lindex [next_of [set $x] position] 2] < $head + 2} {} ;# the cursor
            }
            assert_equal [list 2 ""] [list [position rewound] [r ECHECKPOINT GET deleted]]
            append_events [srv default_client] rewound 1
            cursors $c 1
            assert_equal OK [$c EACK $first [expr {$head + 3}]]
            assert_equal [expr {$head + 4}] [position rewound]
            append_events [srv default_client] s 1
            wait_for "it to be moved again" {[position rewound] == $head + 5}
        }
    }
    test "CLIENT PAUSE WRITE holds what moves it, and nothing else" {
        with_clients {c d quiet} {
            set head [field [r EREAD FROM NEW] head]
            subscribe $quiet nothing FROM $head CHECKPOINT quiet
            set made [clock milliseconds]
            subscribe $d * FROM $head
            set plain $id
            subscribe $c * FROM $head CHECKPOINT paused
            append_events [srv default_client] s 1
            cursors $c 1
            cursors $d 1
            r CLIENT PAUSE 3600000 WRITE
            assert_equal OK [$d EACK $plain $head]
            $c send EACK $id $head
            wait_for "it to wait" {[info_field [srv default_client] blocked_clients] == 1}
            assert_equal [list "" ""] [list [r ECHECKPOINT GET paused] [r ECHECKPOINT GET quiet]]
            wait_for "it to be due" {[clock milliseconds] > $made + 12000}
            assert_equal "" [r ECHECKPOINT GET quiet]
            r CLIENT UNPAUSE
            assert_equal OK [$c read]
            assert_equal [expr {$head + 1}] [position paused]
            wait_for "the other one to be moved" {[r ECHECKPOINT GET quiet] ne ""}
        }
    }
    test "FLUSHALL takes it along" {
        with_clients {c} {
            subscribe $c * FROM 0 CHECKPOINT f
            cursors $c 3
            $c EACK $id 2
            r FLUSHALL
            assert_equal flushed [lindex [next_of $c end] 2]
            assert_equal "" [r ECHECKPOINT GET f]
            assert_equal "NOTFOUND subscription not found" [$c err EACK $id 2]
        }
    }
}
