# Timelines: consumers hear of it when the store that they read is not the one that they have read: restored, emptied, without its
# end. A position is right as far as the histories are the same, and no further.

source [file join $::top tests lib faults.tcl]
set journal "match -journal.d"

proc timeline_of {c} {
    set told [field [$c EREAD FROM NEW] timeline]
    assert_regexp {^[0-9a-f]{8}$} $told
    assert_equal $told [info_field $c timeline store]
    return $told
}
proc timeline {} { return [timeline_of [srv default_client]] }
# What is read from a position, as sequences.
proc sequences_from {c position} {
    return [lmap e [field [$c EREAD FROM $position COUNT 1000 FIELDS partition_sequence] events] {lindex $e 0}]
}
proc count_to {from to} {
    set out {}
    for {set i $from} {$i < $to} {incr i} { lappend out $i }
    return $out
}
# A client is told that what it has read is the same only up to a position, and where to go on; that works.
proc assert_same_up_to {c position up_to why} {
    set now [timeline_of $c]
    set told [$c err EREAD FROM $position]
    assert_match "TIMELINE position [string map {@ " of timeline "} $position] is not in this store: *$why*only up to position $up_to. *" $told
    assert_match "*go on FROM $up_to@$now" $told
    $c EREAD FROM $up_to@$now
}
proc assert_unknown {c position} {
    assert_match "TIMELINE this store has never been on timeline [lindex [split $position @] 1], it is on [timeline_of $c]: *" \
        [$c err EREAD FROM $position]
}
# Runs body with a server, `other`, and its client `c`, on a copy of these files. Can be nested.
proc with_copy {files options body} {
    upvar 1 other other c c
    set outer [list [expr {[info exists other] ? $other : ""}] [expr {[info exists c] ? $c : ""}]]
    set copy [Server new $options]
    foreach file $files { file copy $file [file join [$copy dir] [file tail $file]] }
    try {
        $copy start
        set other $copy
        set c [$copy client]
        uplevel 1 $body
        $c close
        assert_equal "exit 0" [$copy stop]
    } finally {
        $copy destroy
        lassign $outer other c
    }
}
# As BACKUP leaves it, under the store's name.
proc with_restored {backup body} {
    set dir [file join $::work_dir restored[incr ::restored]]
    file mkdir $dir
    file copy $backup [file join $dir cairn.db]
    uplevel 1 [list with_copy [list [file join $dir cairn.db]] {} $body]
}

with_server {} {
    test "A new store is on one timeline, which its id begins with; restarts and kills stay on it" {
        set first [timeline]
        assert_equal $first [string range [info_field r store_id store] 0 7]
        append_events [srv default_client] s 5
        foreach how {restart crash restart} {
            srv $how
            assert_equal $first [timeline]
            assert_equal {3 4} [sequences_from [srv default_client] 3@$first]
            assert_equal {} [sequences_from [srv default_client] 5@$first]
        }
        r ESYNC
        assert_equal [list [list $first 0 {} first]] [sql [srv db] "SELECT timeline, began, ended, reason FROM cairn_timelines"]
        assert_equal $first [sql_value [srv db] "SELECT timeline FROM cairn_status"]
    }
    test "A timeline is eight hexadecimal digits behind an @" {
        set t [timeline]
        assert_equal {4} [sequences_from [srv default_client] 4@[string toupper $t]]
        foreach wrong {4@ 4@1 @ 4@0123456789 4@0123456g @01234567 x@01234567 4@@01234567 4@01234567@ -1@01234567} {
            assert_match "INVALIDARG invalid FROM: expected a*, got '$wrong'" [r err EREAD FROM $wrong] $wrong
        }
        assert_match "INVALIDARG position 6 is beyond the head, 5" [r err EREAD FROM 6@$t]
        assert_unknown [srv default_client] 0@[string map {0 1 1 2 2 3 3 4 4 5 5 6 6 7 7 8 8 9 9 a a b b c c d d e e f f 0} $t]
    }
}

with_server {} {
    test "Beside a restored backup who has read no further goes on, and who has read further is told" {
        skip unless backup "a file to restore"
        append_events [srv default_client] s 150
        set old [timeline]
        set backup [file join [srv dir] backup-150.db]
        r BACKUP $backup
        append_events [srv default_client] s 100
        assert_equal $old [timeline]
        with_restored $backup {
            set new [timeline_of $c]
            assert {$new ne $old}
            append_events $c s 100
            assert_equal [count_to 140 250] [sequences_from $c 140@$old]
            assert_equal [count_to 150 250] [sequences_from $c 150@$old]
            assert_same_up_to $c 151@$old 150 "restored from a backup"
            assert_same_up_to $c 200@$old 150 "restored from a backup"
            assert_equal [count_to 200 250] [sequences_from $c 200@$new]
            assert_equal [count_to 200 250] [sequences_from $c 200] ;# who says nothing of timelines is not told
            assert_unknown [srv default_client] 10@$new
            # So are those who are pushed to.
            assert_equal [$c err EREAD FROM 200@$old] [$c err ESUBSCRIBE * FROM 200@$old]
            $c HELLO 3
            set reply [$c ESUBSCRIBE * FROM 149@$old FIELDS partition_sequence]
            assert_equal [list from 149 head 250 timeline $new] [lrange $reply 2 end]
            assert_equal {149 150 151} [lmap i {1 2 3} {lindex [$c push] 3}]
            $c EUNSUBSCRIBE *
            # Nor does a stop change it.
            $c close
            $other restart
            set c [$other client]
            assert_equal $new [timeline_of $c]
            assert_same_up_to $c 200@$old 150 "restored from a backup"
        }
    }
    test "Each restoration of one backup is on a timeline of its own" {
        skip unless backup "a file to restore"
        set backup [file join [srv dir] backup-150.db]
        set seen [timeline]
        foreach round {1 2} {
            with_restored $backup {
                set new [timeline_of $c]
                assert {$new ni $seen}
                append_events $c s 10
                foreach t [lrange $seen 1 end] { assert_unknown $c 150@$t }
                lappend seen $new
            }
        }
    }
    test "Of a chain of ancestors each is right up to where the first of its successors began" {
        skip unless backup "a file to restore"
        set first [timeline]
        append_events [srv default_client] s 10
        r BACKUP one.db
        with_restored [file join [srv dir] one.db] {
            set second [timeline_of $c]
            append_events $c s 20
            $c BACKUP two.db
            append_events $c s 50
            with_copy [list [file join [$other dir] two.db]] {store sqlite:two.db} {
                set third [timeline_of $c]
                append_events $c s 30
                $c BACKUP three.db
                append_events $c s 1
                with_copy [list [file join [$other dir] three.db]] {store sqlite:three.db} {
                    append_events $c s 300
                    foreach {t end} [list $first 260 $second 280 $third 310] {
                        assert_equal [count_to $end 610] [sequences_from $c $end@$t]
                        assert_same_up_to $c [expr {$end + 1}]@$t $end "restored from a backup"
                        assert_same_up_to $c 311@$t $end "restored from a backup"
                    }
                    assert_equal [list $first $second $third [timeline_of $c]] \
                        [split [exec sqlite3 [file join [$other dir] three.db] "SELECT timeline FROM cairn_timelines"] \n]
                }
            }
        }
    }
    test "A copy of the files is the same store, unless it is started with --new-timeline" {
        skip unless sqlite "its files"
        set old [timeline]
        set head [field [r EREAD FROM NEW] head]
        srv kill9
        set files [glob [srv db] [srv db]-*]
        with_copy $files {} { assert_equal $old [timeline_of $c] }
        with_copy $files {-args --new-timeline} {
            set new [timeline_of $c]
            assert_match "*timeline $new begins at position $head: --new-timeline*" [$other new_log]
            append_events $c s 5
            assert_equal [count_to $head [expr {$head + 5}]] [sequences_from $c $head@$old]
            assert_same_up_to $c [expr {$head + 1}]@$old $head "a copy"
        }
        lassign [refused_start [list -dir [srv dir] -args {--apply-only --new-timeline}]] how log
        assert_equal "exit 1" $how
        assert_match "*leave out --new-timeline, or --apply-only*" $log
        srv start
        assert_equal $old [timeline]
    }
    test "A store that is started without its journal, which was given up, is on a new timeline" {
        set old [timeline]
        set hold [hold_database [srv db]]
        append_events [srv default_client] lost 7
        set head [field [r EREAD FROM NEW] head]
        srv kill9
        release_database $hold
        file rename [srv db]-journal.d [file join [srv dir] given-up]
        exec sqlite3 [srv db] "UPDATE store SET journal_open = 0"
        # Not even when it is opened in another way first.
        lassign [refused_start [list -dir [srv dir] -args --apply-only]] how log
        assert_equal "exit 0" $how
        srv start
        set end [field [r EREAD FROM NEW] head]
        assert {$end < $head}
        append_events [srv default_client] other 20
        assert_same_up_to [srv default_client] $head@$old $end "started without its journal"
        set new [timeline]
        srv crash
        assert_equal $new [timeline]
    }
    test "A database that is made again from its whole journal knows the timelines of before" {
        skip unless journal "its files"
        set other [Server new {}]
        $other start
        set c [$other client]
        set old [timeline_of $c]
        append_events $c s 5
        $c close
        $other kill9
        file delete {*}[glob [$other db] [$other db]-wal [$other db]-shm]
        $other start
        set c [$other client]
        assert_equal {4} [sequences_from $c 4@$old]
        append_events $c s 5
        assert_equal [count_to 5 10] [sequences_from $c 5@$old]
        assert_same_up_to $c 6@$old 5 "rebuilt from its journal"
        $c close
        $other destroy
    }
}

with_server {} {
    test "A checkpoint has the timeline on which it was set, and goes with the store" {
        skip unless backup "a file to restore"
        append_events [srv default_client] s 20
        set old [timeline]
        r ECHECKPOINT SET billing 15
        r ECHECKPOINT SET mail 20@$old
        r BACKUP checkpoints.db
        with_restored [file join [srv dir] checkpoints.db] {
            set new [timeline_of $c]
            append_events $c s 5
            assert_equal [list 15 $old] [lmap f {position timeline} {field [$c ECHECKPOINT GET billing] $f}]
            assert_equal {15 16} [lmap e [field [$c EREAD FROM CHECKPOINT billing COUNT 2] events] {field $e partition_sequence}]
            assert_match "TIMELINE position 21 of timeline $old is not in this store: *" [$c err ECHECKPOINT SET mail 21@$old]
            assert_equal OK [$c ECHECKPOINT SET mail 20@$old IF 20]
            assert_equal $new [field [$c ECHECKPOINT GET mail] timeline]
            assert_equal OK [$c ECHECKPOINT SET mail 25]
            assert_equal [list billing 15 $old mail 25 $new] [concat {*}[lmap one [lindex [$c ECHECKPOINT LIST 0] 1] {
                lmap f {name position timeline} {field $one $f} }]]
            $c ESYNC
            assert_equal [list [list billing 15 $old] [list mail 25 $new]] \
                [sql [$other db] "SELECT name, position, timeline FROM cairn_checkpoints ORDER BY name"]
        }
    }
    test "A checkpoint beyond the end of its timeline is TIMELINE until it is set anew" {
        skip unless backup "what the last test made"
        # A store whose parts are of different times: no server makes one.
        set old [timeline]
        srv stop
        exec sqlite3 [srv db] "INSERT INTO timelines (id, began, created, reason) VALUES ('0badcafe', 17, 1, 'restored')"
        srv start
        assert_equal 15 [field [r ECHECKPOINT GET billing] position]
        set text "TIMELINE position 20 of timeline $old is not in this store: *only up to position 17.*"
        foreach words {{ECHECKPOINT GET mail} {ECHECKPOINT WAIT mail 5 1} {EREAD FROM CHECKPOINT mail} {ESUBSCRIBE * FROM CHECKPOINT mail}} {
            assert_match $text [r err {*}$words] $words
        }
        assert_equal OK [r ECHECKPOINT SET mail 17 IF 20]
        assert_equal {17 0badcafe} [lmap f {position timeline} {field [r ECHECKPOINT GET mail] $f}]
        assert_equal 1 [r ECHECKPOINT WAIT mail 16 1]
        srv restart
        assert_equal {17 0badcafe} [lmap f {position timeline} {field [r ECHECKPOINT GET mail] $f}]
    }
}

with_server {enable-flush yes} {
    test "FLUSHALL begins a timeline at 0: who had read something is told, who had read nothing goes on" {
        set c [srv default_client]
        append_events $c s 10
        set old [timeline]
        r FLUSHALL
        set new [timeline]
        assert {$old ne $new}
        assert_equal {} [sequences_from $c 0@$old]
        append_events $c s 20
        foreach how {running restart crash} {
            if {$how ne "running"} { srv $how }
            set c [srv default_client]
            assert_equal $new [timeline]
            assert_equal [count_to 0 20] [sequences_from $c 0@$old]
            assert_same_up_to $c 1@$old 0 "FLUSHALL emptied it"
            assert_equal [count_to 15 20] [sequences_from $c 15@$new]
        }
    }
    test "A FLUSHALL that only the journal has is one after a kill" {
        set old [timeline]
        set hold [hold_database [srv db]]
        r FLUSHALL
        set new [timeline]
        append_events [srv default_client] s 3
        srv kill9
        release_database $hold
        srv start
        assert_equal $new [timeline]
        assert_equal {0 1 2} [sequences_from [srv default_client] 0@$new]
        assert_same_up_to [srv default_client] 3@$old 0 "FLUSHALL emptied it"
    }
    test "A backup of before a FLUSHALL is right where the histories were the same" {
        skip unless backup "a file to restore"
        set t [timeline]
        r BACKUP before.db
        r FLUSHALL
        append_events [srv default_client] s 9
        with_restored [file join [srv dir] before.db] {
            assert_unknown $c 2@[timeline]
            assert_equal {2} [sequences_from $c 2@$t]
        }
        assert_same_up_to [srv default_client] 2@$t 0 "FLUSHALL emptied it"
    }
}

with_faulty_server {enable-flush yes} {
    test "A FLUSHALL that a void takes back leaves the store on its timeline" {
        append_events [srv default_client] s 10
        set old [timeline]
        with_clients {c d} {
            fault "$journal\nhold sync\nfail sync EIO"
            $c send FLUSHALL
            $c taken
            $d send EREAD FROM 5@$old
            fault "$journal\nfail sync EIO\nfail write EIO"
            assert_match "IOERR outcome unknown*" [lindex [$c read_typed] 1]
            $d read_typed
        }
        assert_equal $old [timeline]
        assert_equal {9} [sequences_from [srv default_client] 9@$old]
        no_fault
        wait_for "appends are taken again" {[lindex [r typed EAPPEND s t EVENT_ID 00000000-0000-4000-8000-000000000001] 0] ne "error"}
        assert_equal {9 10} [sequences_from [srv default_client] 9@$old]
        srv restart
        assert_equal $old [timeline]
    }
}

with_faulty_server {durability "interval 1"} {
    test "With durability interval a clean stop stays on the timeline" {
        set old [timeline]
        append_events [srv default_client] s 10
        srv restart
        assert_equal $old [timeline]
    }
    test "With durability interval a kill begins a timeline, at what was found" {
        set old [timeline]
        r WAITAOF 1 0 0
        fault "$journal\nhold sync"
        # The journal's thread stands in a sync; nothing of what comes then is written.
        r EAPPEND s t
        wait_for "a sync is held" {[lindex [fault_counts 1] 0] > 0}
        append_events [srv default_client] s 10
        assert_equal 21 [field [r EREAD FROM NEW] head]
        assert_equal {20} [sequences_from [srv default_client] 20@$old] ;# so they were told
        srv kill9
        no_fault
        srv start
        set found [field [r EREAD FROM NEW] head]
        assert {$found >= 10 && $found < 21}
        append_events [srv default_client] s 20
        assert_equal [count_to $found [expr {$found + 20}]] [sequences_from [srv default_client] $found@$old]
        assert_same_up_to [srv default_client] 21@$old $found "lost its end in a crash"
        assert_equal $found [sql_value [srv db] "SELECT ended FROM cairn_timelines WHERE timeline = '$old'"]
    }
    test "A kill with durability interval is remembered over --apply-only, and by a server with another durability" {
        foreach durability {journal backend} {
            set old [timeline]
            r WAITAOF 1 0 0
            set head [field [r EREAD FROM NEW] head]
            srv kill9
            srv option -args --apply-only
            srv spawn
            srv expect_end
            assert_equal "exit 0" [srv wait_end]
            srv option -args [list --durability $durability]
            srv start
            set new [timeline]
            assert {$new ne $old}
            assert_same_up_to [srv default_client] [expr {$head + 1}]@$old $head "lost its end in a crash"
            srv crash
            assert_equal $new [timeline] ;# which loses nothing
            srv option -args {}
            srv restart
            assert_equal $new [timeline]
        }
    }
    test "With durability interval what a void takes back was told: a timeline begins, in the server that runs" {
        r WAITAOF 1 0 0
        set old [timeline]
        set head [field [r EREAD FROM NEW] head]
        with_clients {waits before pushed} {
            $pushed HELLO 3
            set id [field [$pushed ESUBSCRIBE * FROM $head@$old FIELDS partition_sequence] id]
            assert_equal [list caughtup $id $head] [$pushed push]
            fault "$journal\nhold sync\nhold write\nfail sync EIO\nfail write EIO"
            append_events [srv default_client] s 3
            $waits send EREAD FROM [expr {$head + 3}]@$old BLOCK 0
            assert [$waits silent]
            assert_equal [list $head [expr {$head + 1}]] [lmap i {1 2} {lindex [$pushed push] 3}]
            fault "$journal\nfail sync EIO\nfail write EIO"
            assert_error "TIMELINE the history of the store has changed while this waited*" {$waits read}
            assert_equal $head [field [r EREAD FROM NEW] head]
            set new [timeline]
            assert_same_up_to [srv default_client] [expr {$head + 3}]@$old $head "the disk refused its end"
            assert_equal {} [sequences_from $before $head@$old]
            set push [$pushed push]
            while {[lindex $push 0] eq "event"} { set push [$pushed push] }
            assert_equal [list end $id timeline] $push
            $pushed ESUBSCRIBE * FROM $head@$old
            assert_match "TIMELINE *" [$pushed err ESUBSCRIBE * FROM [expr {$head + 1}]@$old]
        }
        no_fault
        wait_for "appends are taken again" {[lindex [r typed EAPPEND s t] 0] ne "error"}
        assert_equal $new [timeline]
        r WAITAOF 1 0 0
        r ESYNC
        assert_equal [list [list $head void]] [sql [srv db] "SELECT began, reason FROM cairn_timelines WHERE timeline = '$new'"]
        srv kill9
        srv start
        assert_same_up_to [srv default_client] [expr {$head + 3}]@$old $head "the disk refused its end"
        assert_equal [list $head] [sequences_from [srv default_client] $head@$new]
    }
}

# --- random histories, against a model that keeps them whole ----------------------------------------

# told($t): what was ever read on timeline t, at its longest; line: the timelines that the store has been on; now: its events.
proc common_length {a b} {
    set n 0
    foreach x $a y $b {
        if {$x ne $y || $x eq ""} { break }
        incr n
    }
    return $n
}
proc payloads_from {position} {
    return [lmap e [field [r EREAD FROM $position COUNT 10000 FIELDS payload] events] {lindex $e 0}]
}
# A new timeline must have begun, which nobody has seen.
proc begun {} {
    upvar 1 told told line line now now
    set t [timeline]
    if {[info exists told($t)]} { fail "$t is not new" }
    lappend line $t
    set told($t) $now
}

with_server {enable-flush yes} {
    test "Whatever happens to a store, a position is right exactly as far as the histories are the same" {
        skip unless backup "a file to restore"
        set now {}
        set line [list [timeline]]
        set told([timeline]) {}
        set backups {}
        set made 0
        for {set step 0} {$step < 60} {incr step} {
            set did [pick {append append append append backup backup restore restore flush kill copy}]
            switch $did {
                append {
                    for {set n [expr {1 + [rand_below 20]}]} {$n > 0} {incr n -1} {
                        r EAPPEND s-[rand_below 3] t PAYLOAD e[incr made]
                        lappend now e$made
                    }
                    set told([lindex $line end]) $now
                }
                backup {
                    set file [file join [srv dir] backup-$step.db]
                    r BACKUP $file
                    lappend backups [list $file $now $line]
                }
                restore {
                    if {$backups eq ""} continue
                    lassign [pick $backups] file now line
                    srv stop
                    file delete -force {*}[glob [srv db]*]
                    file copy $file [srv db]
                    srv start
                    begun
                }
                flush {
                    r FLUSHALL
                    set now {}
                    begun
                }
                kill { srv crash }
                copy {
                    srv [pick {stop kill9}]
                    srv option -args --new-timeline
                    srv start
                    srv unset_option -args
                    begun
                }
            }
            assert_equal [lindex $line end] [timeline] "$step: $did"
            foreach t [array names told] {
                set length [llength $told($t)]
                set same [expr {$t eq [lindex $line end] ? $length : [common_length $told($t) $now]}]
                foreach n [lsort -unique -integer [list 0 $same [expr {min($same + 1, $length)}] $length [rand_below [expr {$length + 1}]]]] {
                    set what "$step: $did: $n@$t, of $length the same up to $same, on $line"
                    if {$t in $line && $n <= $same} {
                        assert_equal [lrange $now $n end] [payloads_from $n@$t] $what
                    } else {
                        assert_match "TIMELINE *" [r err EREAD FROM $n@$t] $what
                    }
                }
            }
        }
    }
}
