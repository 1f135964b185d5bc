# From history on disk to what comes, a thousand times over: appends race, and memory drops what was just read. And from
# one start of the server to the next.

set ::big [string repeat x 2000]
set ::rare {} ;# sequences of the events that are wanted: two of fifty
set ::head 0

# One write of 50 appends; their replies are not read.
proc send_appends {writer} {
    set out ""
    for {set i 0} {$i < 50} {incr i} {
        set wanted [expr {$i in {20 49}}]
        if {$wanted} { lappend ::rare $::head }
        append out [resp_command EAPPEND [expr {$wanted ? "rare-[rand_below 5]" : "filler-[rand_below 3]"}] t METADATA $::big]
        incr ::head
    }
    $writer write $out
}
proc take_replies {writer} { for {set i 0} {$i < 50} {incr i} { $writer read } }
proc rare_from {position} { return [lmap s $::rare {if {$s < $position} continue; set s}] }
# Mostly where memory begins: a megabyte holds a few hundred.
proc random_begin {} { return [expr {[rand_below 4] ? max(0, $::head - [rand_below 1000]) : [rand_below $::head]}] }

with_server {cache-bytes 1mb apply-delay-ms 0} {
    with_clients writer {
        for {set i 0} {$i < 30} {incr i} { send_appends $writer; take_replies $writer }
        test "Subscriptions miss nothing and repeat nothing where they turn live" {
            set readers [lmap i {1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16} {new_client}]
            foreach c $readers { $c HELLO 3 }
            for {set round 0} {$round < 65} {incr round} {
                set begins [lmap c $readers {random_begin}]
                send_appends $writer
                foreach c $readers begin $begins {
                    $c write [resp_command ESUBSCRIBE rare-* FROM $begin FIELDS partition_sequence BATCH [pick {1 5 100}]]
                }
                take_replies $writer
                foreach c $readers begin $begins {
                    $c read
                    set got {}
                    while {[lindex $got end] != [lindex $::rare end]} {
                        set rest [lassign [$c push] kind]
                        if {$kind eq "events"} { lappend got {*}[concat {*}[lindex $rest 2]] }
                    }
                    assert_equal [rare_from $begin] $got "round $round, from $begin"
                    $c EUNSUBSCRIBE *
                    $c pushed
                }
            }
            foreach c $readers { $c close }
            assert {[info_field [srv default_client] evicted_events cache] > 500}
        }
        test "Groups on a virtual stream do not, either" {
            set readers [lmap i {1 2 3 4} {new_client}]
            for {set round 0} {$round < 50} {incr round} {
                foreach c $readers {
                    set from($c) [random_begin]
                    r XGROUP CREATE @stream:rare-* $c 0
                    r XGROUP SETID @stream:rare-* $c [expr {$from($c) > 0 ? [field [lindex [field [r EREAD FROM [expr {$from($c) - 1}] COUNT 1] events] 0] recorded] : 0}]-[expr {max(0, $from($c) - 1)}]
                    set given($c) {}
                }
                send_appends $writer
                foreach c $readers { $c send XREADGROUP GROUP $c w COUNT [pick {1 7 1000}] BLOCK 10 STREAMS @stream:rare-* > }
                take_replies $writer
                set busy $readers
                while {[llength $busy]} {
                    set more {}
                    foreach c $busy {
                        foreach entry [lindex [$c read] 0 1] { lappend given($c) [lindex [split [lindex $entry 0] -] 1] }
                        if {[lindex $given($c) end] == [lindex $::rare end]} continue
                        lappend more $c
                        $c send XREADGROUP GROUP $c w COUNT [pick {7 1000}] BLOCK 10 STREAMS @stream:rare-* >
                    }
                    set busy $more
                }
                foreach c $readers {
                    assert_equal [rare_from $from($c)] $given($c) "round $round, from $from($c)"
                    r XGROUP DESTROY @stream:rare-* $c
                }
            }
            foreach c $readers { $c close }
        }
    }
}

# Each way to read: where it goes on once everything up to n is handled (before the restart), and what comes there (behind
# it). `c` is a connection of its own, in RESP3.
set ways {
    "EREAD, its next kept elsewhere" {
        set next [field [$c EREAD FROM $n FIELDS partition_sequence] next]
    } { concat {*}[field [$c EREAD FROM $next FIELDS partition_sequence] events] }
    "EREAD, its next in a checkpoint" {
        $c ECHECKPOINT SET way [field [$c EREAD FROM $n] next]
        assert_equal {1 0} [list [$c ECHECKPOINT WAIT way $n 1] [$c ECHECKPOINT WAIT way [expr {$n + 1}] 1]]
    } { concat {*}[field [$c EREAD FROM CHECKPOINT way FIELDS partition_sequence] events] }
    "EREAD by time and type, its next in a checkpoint" {
        $c ECHECKPOINT SET way [field [$c EREAD FROM TIME 1 TYPE never] next]
    } { concat {*}[field [$c EREAD FROM CHECKPOINT way FIELDS partition_sequence] events] }
    "ESUBSCRIBE, the cursor kept elsewhere" {
        $c ESUBSCRIBE * FROM $n FIELDS partition_sequence
        set cursor [lindex [$c push] 2]
    } { $c ESUBSCRIBE * FROM [expr {$cursor + 1}] FIELDS partition_sequence; list [lindex [$c push] 3] [lindex [$c push] 3] }
    "ESUBSCRIBE, of what is not for it the position kept elsewhere" {
        $c ESUBSCRIBE * FROM 0 TYPE never
        set position [lindex [$c push] 2]
    } { $c ESUBSCRIBE * FROM $position FIELDS partition_sequence; list [lindex [$c push] 3] [lindex [$c push] 3] }
    "ESUBSCRIBE with CHECKPOINT and EACK" {
        $c EACK [field [$c ESUBSCRIBE * FROM $n CHECKPOINT eacked FIELDS partition_sequence] id] [lindex [$c push] 2]
        assert_equal {1 0} [list [$c ECHECKPOINT WAIT eacked $n 1] [$c ECHECKPOINT WAIT eacked [expr {$n + 1}] 1]]
    } { $c ESUBSCRIBE * FROM CHECKPOINT eacked FIELDS partition_sequence; list [lindex [$c push] 3] [lindex [$c push] 3] }
    "A group on a virtual stream" {
        while {[set got [$c XREADGROUP GROUP way w NOACK STREAMS @all >]] ne ""} { set last [lindex $got 1 end 0] }
        assert_equal $n [lindex [split $last -] 1]
    } { lmap entry [lindex [$c XREADGROUP GROUP way w STREAMS @all >] 1] { lindex [split [lindex $entry 0] -] 1 } }
    "XREAD on a virtual stream, the id kept elsewhere" {
        set last [lindex [$c XREVRANGE @all + - COUNT 1] 0 0]
    } { lmap entry [lindex [$c XREAD STREAMS @all $last] 1] { lindex [split [lindex $entry 0] -] 1 } }
    "XREAD from `$`, taken as the id that it is" {
        set last [field [$c XINFO STREAM @all] last-generated-id]
    } { lmap entry [lindex [$c XREAD STREAMS @all $last] 1] { lindex [split [lindex $entry 0] -] 1 } }
}
foreach end {restart crash} {
    with_server {} {
        append_events [srv default_client] s 3
        r XGROUP CREATE @all way 0
        foreach {way before behind} $ways {
            test "Who has handled n goes on with n + 1 after a $end: $way" {
                set n [field [r EAPPEND s t] partition_sequence]
                # A delivery waits for nothing. What was decided is in the journal, or on its way to PostgreSQL.
                with_clients c { $c HELLO 3; eval $before; if {![in_journal]} { $c WAITAOF 1 0 0 } }
                srv $end
                set appended [lmap i {1 2} {field [r EAPPEND s t] partition_sequence}]
                assert_equal [list [expr {$n + 1}] [expr {$n + 2}]] $appended
                with_clients c { $c HELLO 3; assert_equal $appended [eval $behind] }
            }
        }
    }
}
