# A reply is of one moment, where one change and one reading (views.tcl) do not show it: several changes under way,
# several commands on one connection, groups, WATCH, who is blocked, deadlines that pass, a disk that fails.

source [file join $::top tests lib views.tcl]
source [file join $::top tests lib clock.tcl]

# Runs body while the syncs of changes are held.
proc while_held {body} {
    hold_syncs
    try { uplevel 1 $body } finally { no_fault }
}
# Sends a change, which has been decided when this returns; its reply comes later.
proc change {c args} {
    $c send {*}$args
    $c taken
}
proc assert_waits {c args} {
    $c send {*}$args
    assert {[$c silent]} "$args did not wait"
}
# Runs the script, which sends a change; its write is over and its sync held when this returns, and what comes then is
# written when release_first has let that go on.
proc alone {script} {
    skip unless journal "a sync of one change, and a write of the next"
    set groups [journal_info journal_groups]
    uplevel 1 $script
    wait_for "it is written" {[journal_info journal_groups] > $groups}
    hold_what_follows
}
proc settled_readings {} { return [lsearch -all -inline -index 0 $::view_readings settled] }
# Those that write nothing, so that a store that is read-only answers them. (DUMP and FULL have times of consumers,
# which the disk need not have.)
proc harmless_readings {} {
    set out {}
    foreach reading $::view_readings {
        set name [lindex $reading 1 0]
        if {$name eq "DUMP" || [lindex $reading 1 end] eq "FULL"} continue
        if {$name in {XINFO XPENDING MEMORY} || [lindex $reading 0] eq "settled"} { lappend out $reading }
    }
    return $out
}
proc expand_readings {readings} {
    return [lmap reading $readings {concat [lindex $reading 0] [lmap words [lrange $reading 1 end] {expand $words}]}]
}
# Runs commands through a client; none may fail.
proc run_all {c commands} {
    foreach reply [pipeline $c [lmap words $commands {expand $words}]] { assert {[lindex $reply 0] ne "error"} $reply }
}
# A transaction, or a command alone.
proc send_all {c commands} {
    foreach words [with_multi [lmap words $commands {expand $words}]] { $c send {*}$words }
    if {[llength $commands] > 1} { foreach one [concat MULTI $commands] { $c read } }
    $c taken
}
proc assert_like {expected got readings what} {
    foreach want $expected have $got reading $readings {
        if {$want ne $have} { fail "$what: [lindex $reading end]: expected [shorten $want 1000], got [shorten $have 1000]" }
    }
}

# ---- two changes under way ----

# Without the ids, times and timelines that servers make.
proc shape {text} {
    regsub -all {(\mtimeline\M\S* \S+ )[0-9a-f]{8}\M} $text {\1U} text
    regsub -all {\m(?![0-9a-f]{8}-0000-4000-8000)[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\M} $text U text
    return [regsub -all {\m1[5-9]\d{11}(-\d+)?\M} $text T]
}
proc shapes {replies} { return [lmap reply $replies {shape $reply}] }

with_faulty_server {enable-flush yes disk-free-min 0} {
    # It does the same at the same time, and its disk is quick: it says what is to be expected.
    set twin [Server new {enable-flush yes}]
    $twin start
    foreach {first second} {
        {{XADD @x MAXLEN 1 9-1 a 9}} {{XADD @x MAXLEN 1 10-1 a 10}}
        {{XADD @x MAXLEN 0 9-1 a 9}} {{XADD @x 10-1 a 10}}
        {{XDEL @x 2-1}} {{XDEL @x 1-1 4-1}}
        {{XTRIM @x MAXLEN 2}} {{XADD @x 9-1 a 9} {XDEL @x 3-1}}
        {{ETRUNCATE @e BEFORE 2}} {{ETRUNCATE @e BEFORE 4}}
        {{EERASE %1}} {{EDELETE @e}}
        {{EERASE %2}} {{EERASE %3}}
        {{EAPPEND @e A EVENT_ID %9 PAYLOAD new}} {{EERASE %9}}
        {{EAPPEND @n A EVENT_ID %9}} {{DEL @n}}
        {{EMAPPEND %8 @e A @n B}} {{ETRUNCATE @e BEFORE 4} {EAPPEND @n A}}
        {{DEL @x}} {{XADD @x 9-1 a 9}}
        {{DEL @x}} {{RENAME @e @x}}
        {{DEL @s} {SET @s 6}} {{DEL @s} {XADD @s 9-1 a 9}}
        {{SET @s 6}} {{SET @s 7}}
        {{SET @x new}} {{DEL @x}}
        {{SET @e new}} {{SET @e newer}}
        {{RENAME @x @n}} {{RENAME @e @x}}
        {{RENAME @x @n}} {{RENAME @n @x}}
        {{RENAME @x @e}} {{XADD @e 9-1 a 9}}
        {{RENAME @s @x}} {{RENAME @x @n}}
        {{XADD @x 9-1 a 9}} {{RENAME @x @n} {XADD @x 10-1 a 10}}
        {{RENAME @x @n}} {{DEL @n}}
        {{COPY @x @e REPLACE}} {{XDEL @e 1-1}}
        {{PEXPIREAT @t 5000000000000}} {{PERSIST @t}}
        {{PEXPIREAT @x 5000000000000}} {{DEL @x}}
        {{MSET @s 1 @t 2}} {{MSET @t 3 @n 4}}
        {{XSETID @x 50-1}} {{XADD @x 60-1 a 6}}
        {{PEXPIREAT @e 1}} {{EAPPEND @e A}}
    } {
        test "Of two changes under way the first is told alone: $first, $second" {
            incr ::views_round
            set ::views_first 0
            set readings [expand_readings [settled_readings]]
            set two [$twin default_client]
            run_all $two $::view_setup
            run_all $two [with_multi $first]
            lassign [read_all $two $readings] middle
            run_all $two [with_multi $second]
            lassign [read_all $two $readings] new
            run_all [srv default_client] $::view_setup
            lassign [read_all [srv default_client] $readings] old
            with_clients {a b reader} {
                while_held {
                    alone { send_all $a $first }
                    send_all $b $second
                    assert_like $old [lindex [read_all $reader $readings] 0] $readings "while both are under way"
                    release_first
                    $a read
                    assert_like [shapes $middle] [shapes [lindex [read_all $reader $readings] 0]] $readings "between the two"
                    assert {[$b silent]}
                }
                $b read
                assert_like [shapes $new] [shapes [lindex [read_all $reader $readings] 0]] $readings "when both are durable"
            }
            foreach c [list $two [srv default_client]] { $c DEL {*}[$c KEYS c$::views_round-*] }
        }
    }
    $twin stop
    $twin destroy
}

# ---- one connection ----

with_faulty_server {enable-flush yes disk-free-min 0} {
    r SET s old
    r EAPPEND e t PAYLOAD 0
    r XADD x 1-1 a 1

    test "A pipeline never goes back in time" {
        with_clients {a b} {
            while_held {
                change $a EAPPEND e t PAYLOAD 1
                assert_equal 0 [$b ESVER e]
                foreach words {{EAPPEND e t EXPECTED_VERSION 77} {ESVER e} {ESCAN e - +} {EPSEQ 0}} { $b send {*}$words }
                assert {[$b silent]} "a reading went ahead of a reply that waits"
            }
            assert_match "WRONGVER*version is 1*" [lindex [$b read_typed] 1]
            assert_equal 1 [$b read]
            assert_equal {0 1} [page_versions [$b read]]
            assert_equal 2 [$b read]
            $a read
        }
    }
    test "A reading that waits makes the ones behind it wait, and they are of its moment or later" {
        with_clients {a b} {
            while_held {
                change $a SET s new
                assert_equal old [$b GET s]
                foreach words {{DUMP s} {GET s} {MGET s n} {TYPE s}} { $b send {*}$words }
                assert {[$b silent]}
            }
            $b read
            assert_equal {new {new {}} string} [list [$b read] [$b read] [$b read]]
            assert_equal OK [$a read]
            r SET s old
        }
    }
    test "Who changed something sees it at once, and hears of it when it is durable" {
        with_clients {a b} {
            while_held {
                foreach words {{SET s new} {GET s} {XADD x MAXLEN 1 2-1 a 2} {XRANGE x - +} {DEL e} {EXISTS e}} { $a send {*}$words }
                assert {[$a silent]}
                assert_equal {old {{1-1 {a 1}}} 1} [list [$b GET s] [$b XRANGE x - +] [$b EXISTS e]]
            }
            assert_equal {OK new 2-1 {{2-1 {a 2}}} 1 0} [lmap i {1 2 3 4 5 6} {$a read}]
        }
    }
    test "Also when it did not want to be told of its change" {
        with_clients {a b} {
            while_held {
                foreach words {{CLIENT REPLY OFF} {SET s silent} {CLIENT REPLY ON} {GET s}} { $a send {*}$words }
                assert {[$a silent]}
                assert_equal new [$b GET s]
            }
            assert_equal {OK silent} [list [$a read] [$a read]]
        }
    }
    test "A transaction of readings is of one moment, one that writes waits for what it read" {
        with_clients {a b c} {
            r SET t old
            foreach one [list $b $c] { $one MULTI; $one GET s; $one GET t; $one EXISTS n }
            $c SET n 1
            while_held {
                change $a MSET s new t new
                assert_equal {silent old 0} [$b EXEC]
                assert_waits $c EXEC
            }
            assert_equal {new new 0 OK} [$c read]
            $a read
            r DEL n
        }
    }
    test "RANDOMKEY of a store of one key" {
        with_clients {a b} {
            r FLUSHALL
            r SET only 1
            while_held {
                change $a SET other 1
                for {set i 0} {$i < 20} {incr i} { assert_equal only [$b RANDOMKEY] }
            }
            $a read
            r DEL other
            foreach words {{RENAME only other} {DEL other} {XADD new 1-1 a 1}} was {only other {}} {
                while_held {
                    change $a {*}$words
                    for {set i 0} {$i < 5} {incr i} { assert_equal $was [$b RANDOMKEY] $words }
                }
                $a read
            }
            assert_equal new [$b RANDOMKEY]
        }
    }
}

# ---- groups, WATCH, who is blocked ----

with_faulty_server {} {
    # Streams with three entries and a group from the beginning.
    proc stream_with_group {key} {
        foreach id {1-1 2-1 3-1} { r XADD $key $id a 1 }
        r XGROUP CREATE $key g 0
        r ESYNC
    }
    # The ids that XREADGROUP or XREAD has delivered.
    proc ids {reply} { return [lmap entry [lindex $reply 0 1] {lindex $entry 0}] }
    proc take {c key consumer args} { return [ids [$c XREADGROUP GROUP g $consumer {*}$args STREAMS $key >]] }

    test "What is trimmed in a frame that is not durable is still delivered" {
        stream_with_group trimmed
        with_clients {a b} {
            while_held {
                change $a XADD trimmed MAXLEN 1 9-1 a 9
                assert_equal {1-1 2-1} [take $b trimmed c COUNT 2]
                assert_equal 3-1 [take $b trimmed c]
                assert_equal {} [take $b trimmed c]
            }
            $a read
            assert_equal 9-1 [take $b trimmed c]
            assert_equal {1-1 2-1 3-1 9-1} [lmap row [r XPENDING trimmed g - + 10] {lindex $row 0}]
            assert_equal {{1-1 {}} {2-1 {}} {3-1 {}} {9-1 {a 9}}} [lindex [r XREADGROUP GROUP g c STREAMS trimmed 0] 0 1]
        }
    }
    test "Another consumer's delivery is not waited for" {
        stream_with_group shared
        with_clients {a b c} {
            while_held {
                assert_equal 1-1 [take $a shared a COUNT 1]
                assert_equal 2-1 [take $b shared b COUNT 1]
                assert_equal 3-1 [take $a shared a]
                assert_equal {} [take $b shared b]
                assert_waits $c XPENDING shared g
            }
            assert_equal {3 1-1 3-1 {{a 2} {b 1}}} [$c read]
        }
    }
    test "A group, and where it was moved to, are waited for" {
        stream_with_group made
        with_clients {a b c} {
            while_held {
                change $a XGROUP CREATE made new 2-1
                assert_waits $b XREADGROUP GROUP new c STREAMS made >
                assert_equal {1-1 2-1 3-1} [take $c made c]
            }
            assert_equal 3-1 [ids [$b read]]
            $a read
            while_held {
                change $a XGROUP SETID made g 1-1
                assert_waits $b XREADGROUP GROUP g c STREAMS made >
            }
            assert_equal {2-1 3-1} [ids [$b read]]
            $a read
            while_held {
                change $a XGROUP DESTROY made g
                assert_waits $b XREADGROUP GROUP g c STREAMS made >
            }
            assert_match NOGROUP* [lindex [$b read_typed] 1]
            assert_equal 1 [$a read]
        }
    }
    foreach words {{XDELEX KEY DELREF IDS 1 1-1} {XTRIM KEY MAXLEN 2 DELREF} {XADD KEY DELREF MAXLEN 3 9-1 a 9}} {
        test "Entries that lost their references are skipped, and the reply waits: $words" {
            set key [lindex $words 0]-referred
            stream_with_group $key
            with_clients {a b} {
                while_held {
                    change $a {*}[string map [list KEY $key] $words]
                    assert_waits $b XREADGROUP GROUP g c COUNT 2 STREAMS $key >
                }
                assert_equal {2-1 3-1} [ids [$b read]]
                $a read
                assert_equal {2 2-1 3-1 {{c 2}}} [r XPENDING $key g]
            }
        }
    }
    test "A consumer's history waits for what others took from it" {
        stream_with_group history
        with_clients {a b} {
            take $b history b COUNT 2
            r ESYNC
            while_held {
                change $a XCLAIM history g a 0 1-1
                assert_waits $b XREADGROUP GROUP g b STREAMS history 0
            }
            assert_equal 2-1 [ids [$b read]]
        }
    }
    test "What is added is delivered when it is durable" {
        stream_with_group added
        with_clients {a b c d} {
            take $b added b
            $c send XREADGROUP GROUP g c BLOCK 0 STREAMS added >
            $d send XREAD BLOCK 0 STREAMS added $
            while_held {
                change $a XADD added 9-1 a 9
                assert_equal {} [take $b added b]
                assert {[$c silent] && [$d silent]}
            }
            assert_equal {9-1 9-1} [list [ids [$c read]] [ids [$d read]]]
            $a read
        }
    }
    test "Blocked readers of a capped stream see what is durable, though it is trimmed already" {
        stream_with_group capped
        r XGROUP SETID capped g $
        with_clients {a b c d} {
            $c send XREADGROUP GROUP g c BLOCK 0 STREAMS capped >
            $d send XREAD BLOCK 0 STREAMS capped $
            assert {[$c silent] && [$d silent]}
            while_held {
                alone { change $a XADD capped MAXLEN 1 10-1 a 1 }
                change $b XADD capped MAXLEN 1 11-1 a 1
                change $b XADD capped MAXLEN 1 12-1 a 1
                assert {[$c silent] && [$d silent]}
                release_first
                assert_equal {10-1 10-1} [list [ids [$c read]] [ids [$d read]]]
                $c send XREADGROUP GROUP g c BLOCK 0 STREAMS capped >
                $d send XREAD BLOCK 0 STREAMS capped 10-1
                assert {[$c silent] && [$d silent]}
            }
            # One after the other, or the last of both.
            foreach one [list $c $d] { assert {[lindex [ids [$one read]] end] in {11-1 12-1}} }
        }
    }
    test "The last entry that BLOCK with \$ begins at is the last that is durable" {
        r XADD dollar 1-1 v 0
        with_clients {a b c} {
            while_held {
                change $a XADD dollar 2-1 v 1
                assert_equal {{1-1 {v 0}}} [$b XRANGE dollar - +]
                assert_waits $b XREAD BLOCK 0 STREAMS dollar $
                assert_waits $c XREAD BLOCK 0 STREAMS unborn dollar $ $
            }
            assert_equal 2-1 [ids [$b read]]
            assert_equal 2-1 [ids [$c read]]
            $a read
        }
    }
    test "A blocked reader gets what is durable under the name that it has still" {
        r XADD renamed 1-1 v 0
        with_clients {a b c} {
            $c send XREAD BLOCK 0 STREAMS renamed $
            assert {[$c silent]}
            while_held {
                alone { change $a XADD renamed 2-1 v 1 }
                change $b RENAME renamed other
                release_first
                assert_equal 2-1 [$a read]
                assert_equal 2-1 [ids [$c read]]
            }
            assert_equal OK [$b read]
        }
    }
    test "Who waits anyway hears of an erasure or of a new name when that is durable, not before" {
        foreach {change what} {{EERASE @} erased {RENAME eget moved} named} {
            set id [field [r EAPPEND eget t PAYLOAD secret] event_id]
            with_clients {a b c} {
                while_held {
                    alone { change $b XADD unrelated * v 1 }
                    change $a {*}[string map [list @ $id] $change]
                    assert_waits $b EGET $id
                    release_first
                    $b read
                    assert {[$b silent]} "told that it is $what"
                    assert_equal {eget secret} [list [field [$c EGET $id] stream_id] [field [$c EGET $id] payload]]
                }
                $a read
                $b read
            }
            r DEL eget moved
        }
    }
    test "A reader that is blocked on a group hears when the group is gone for good" {
        stream_with_group ends
        with_clients {a b c} {
            take $b ends b
            $b send XREADGROUP GROUP g b BLOCK 0 STREAMS ends >
            $b taken
            while_held {
                change $a DEL ends
                assert {[$b silent]}
            }
            assert_match NOGROUP* [lindex [$b read_typed] 1]
        }
    }
    test "WATCH waits for the key's last change, so that no update is lost" {
        r MSET n 1 other 1
        with_clients {a b c} {
            while_held {
                change $a INCR n
                assert_equal OK [$c WATCH other]
                $b send WATCH n
                $b send GET n
                assert {[$b silent]}
            }
            assert_equal {OK 2} [list [$b read] [$b read]]
            $a read
            $b MULTI
            $b SET n 3
            assert_equal OK [$b EXEC]
        }
    }
    test "EXEC that a change has refused waits for the change" {
        with_clients {a b} {
            $b WATCH n
            $b GET n
            $b MULTI
            $b SET n lost
            while_held {
                change $a INCR n
                assert_waits $b EXEC
            }
            assert_equal {} [$b read]
            assert_equal 4 [$a read]
            assert_equal 4 [r GET n]
        }
    }
}

# ---- deadlines ----

with_faulty_server [moved_clock {disk-free-min 0}] {
    set hour 3600000
    # At a deadline: how far the clock has been moved already.
    set moved 0
    proc soon {} { return [expr {[clock milliseconds] + $::moved + $::hour / 2}] }
    proc later {} { clock_ahead [incr ::moved $::hour] }
    # What is said of s and x, which are there or not.
    set of_s {{GET s} {EXISTS s} {TYPE s} {TTL s} {KEYS s} {MGET s}}
    set of_x {{EXISTS x} {XLEN x} {XRANGE x - +} {ESVER x} {XREAD STREAMS x 0}}
    proc answers {c list} { return [lmap words $list {$c {*}$words}] }

    test "Past its deadline a key is absent, whatever waits for the disk" {
        r SET s v PXAT [soon]
        r XADD x 1-1 a 1
        r PEXPIREAT x [soon]
        r SET stays v
        with_clients {a b} {
            while_held {
                change $a SET stays new
                assert_equal {v 1 string} [answers $b [lrange $of_s 0 2]]
                later
                wait_for "s has expired" {[$b EXISTS s] == 0}
                assert_equal {{} 0 none -2 {} {{}}} [answers $b $of_s]
                assert_equal {0 0 {} {} {}} [answers $b $of_x]
                assert_equal {stays v} [list [$b KEYS *] [$b GET stays]]
                # Until it is deleted for good DBSIZE counts it, as in Redis, and the log has its events.
                assert_equal 3 [$b DBSIZE]
                assert_equal x [page_field [$b EPSCAN 0 - +] stream_id]
            }
            $a read
            wait_for "x is deleted" {[page_field [$b EPSCAN 0 - +] stream_id] eq ""}
            assert_equal {1 stays new} [list [$b DBSIZE] [$b KEYS *] [$b GET stays]]
        }
    }
    foreach words {{PERSIST s} {PEXPIREAT s 5000000000000} {SET s v KEEPTTL PXAT 5000000000000} {SET s v}} {
        if {"KEEPTTL" in $words} continue
        test "One that was put off in a frame that is not durable waits for that: [lindex $words 0] [lindex $words 3]" {
            r SET s v PXAT [soon]
            r SET clock v PXAT [soon]
            with_clients {a b c} {
                while_held {
                    change $a {*}$words
                    assert_equal v [$b GET s]
                    later
                    wait_for "the deadline has passed" {[$c EXISTS clock] == 0}
                    assert_waits $b GET s
                    assert_equal new [$c GET stays]
                }
                assert_equal v [$b read]
                $a read
                assert_equal {v 1 string} [answers $b [lrange $of_s 0 2]]
            }
        }
    }
    test "A deadline that is not durable does not take what was there before" {
        r SET s old
        with_clients {a b} {
            while_held {
                change $a SET s new PXAT [soon]
                later
                for {set i 0} {$i < 3} {incr i} { assert_equal {old 1 -1} [answers $b {{GET s} {EXISTS s} {TTL s}}] }
            }
            $a read
            wait_for "s has expired" {[$b GET s] eq ""}
        }
    }
    test "Under a new name that is not applied it is absent past its deadline, too" {
        r SET s v PXAT [soon]
        r ESYNC
        set hold [hold_database [srv db]]
        r RENAME s t
        with_clients {a b} {
            while_held {
                change $a SET stays newest
                later
                wait_for "t has expired" {[$b EXISTS t] == 0}
                assert_equal {{} stays} [list [$b KEYS t] [$b KEYS *]]
            }
            $a read
        }
        release_database $hold
        wait_for "t is gone" {[r DBSIZE] == 1}
        r SET stays new
    }
    test "Keys expire in a store that is read-only" {
        r SET s v PXAT [soon]
        with_clients {a b} {
            fault "match -journal.d\nfail all EIO"
            assert_match IOERR* [$a err SET stays lost]
            assert_equal {v new} [list [$b GET s] [$b GET stays]]
            later
            wait_for "s has expired" {[$b EXISTS s] == 0}
            assert_equal {{} 0 none -2 {} {{}}} [answers $b $of_s]
            no_fault
            wait_for "the store is writable" {[lindex [$a typed SET stays again] 0] ne "error"}
        }
    }
}

# ---- a disk that fails ----

with_faulty_server {enable-flush yes disk-free-min 0} {
    for {set i 0} {$i < [llength $::view_changes]} {incr i 3} {
        set one [lindex $::view_changes $i]
        if {"soft" in $one} continue
        test "What was never durable was never seen, and is not there afterwards: [lindex $one 0]" {
            incr ::views_round
            set ::views_first [expr {[string is integer -strict [set last [r EPSEQ 0]]] ? $last + 1 : 0}]
            run_all [srv default_client] $::view_setup
            r ESYNC
            set readings [expand_readings [harmless_readings]]
            set settled [lsearch -all -inline -index 0 $readings settled]
            lassign [read_all [srv default_client] $readings] before
            lassign [read_all [srv default_client] $settled] settled_before
            with_clients {a b reader waiter} {
                fault "$::journal_syncs\nhold sync\nfail sync EIO"
                try {
                    decide { send_all $a [lindex $one 1] }
                    if {"waits" ni $one} { assert_like $settled_before [lindex [read_all $reader $settled] 0] $settled "while the sync is held" }
                    $waiter send EPSEQ 0
                    $waiter send XINFO STREAM c$::views_round-x
                    fault "match -journal.d\nfail all EIO"
                    assert_match IOERR* [lindex [$a read_typed] 1]
                    assert_like $before [lindex [read_all $reader $readings] 0] $readings "in a store that is read-only"
                    assert_like $before [lindex [read_all $b $readings] 0] $readings "to another reader"
                } finally {
                    no_fault
                    wait_for "the store is writable" {[lindex [r typed SET probe 1] 0] ne "error"}
                    r DEL probe
                }
                assert_like $before [lindex [read_all $reader $readings] 0] $readings "afterwards"
            }
            r DEL {*}[r KEYS c$::views_round-*]
        }
    }
}
