# The crash test's writers of strings, and who listens to what happens: coroutines, until their connection breaks.
#
#   keeper     sends pipelines of random commands on strings of its own, and knows after each what they should be: value and
#              deadline. After a kill they are what they were after some command, the same one for all of them: the last
#              that was answered, or one that was sent since.
#   listener   is told of events (__event__:*) and of keys (__keyspace@0__:*). What it was told is there after a kill.

set keepers 2
array set kept {}      ;# keeper -> its strings as they were found last: key -> {value deadline}; deadline "": none
array set states {}    ;# of this round: keeper -> the same after each command, the first before any
array set answered {}  ;# keeper -> how many of them were answered
array set wanted {}    ;# keeper -> what each replies
array set counted {}   ;# keeper -> its counter, as it was found last
set told_events {}     ;# of this round: sequence stream id, of each
set told_keys {}       ;# of this round: {key event} of each
set told_all 0         ;# of what was told, all rounds together
set string_commands 0

proc keeper_keys {keeper} { return [lmap k {a b c d} {string cat str-$keeper-$k}] }
# Deadlines are far ahead, or so near that they may be over at any time.
proc far_deadline {} { return [expr {4102444800000 + [rand_below 1000000]}] }

# {words reply strings}: what the strings are after it.
proc make_string_command {keeper strings} {
    set key [pick [keeper_keys $keeper]]
    set there [dict exists $strings $key]
    lassign [expr {$there ? [dict get $strings $key] : {"" ""}}] value until
    set new [string repeat [pick {a b 7}] [pick {0 1 10 200 3000}]]
    set number [regexp {^-?(0|[1-9][0-9]{0,14})$} $value]
    switch [rand_below 12] {
        0 { return [list [list SET $key $new] OK [dict replace $strings $key [list $new ""]]] }
        1 {
            set ms [far_deadline]
            return [list [list SET $key $new PXAT $ms] OK [dict replace $strings $key [list $new $ms]]]
        }
        2 {
            set n [expr {$there ? [string length $value] : 0}]
            if {$n > 20000} { return [list [list DEL $key] 1 [dict remove $strings $key]] }
            return [list [list APPEND $key $new] [expr {$n + [string length $new]}] [dict replace $strings $key [list $value$new $until]]]
        }
        3 {
            if {$there && !$number} { return [list [list SET $key 5 KEEPTTL] OK [dict replace $strings $key [list 5 $until]]] }
            set sum [expr {($there ? $value : 0) + 7}]
            return [list [list INCRBY $key 7] $sum [dict replace $strings $key [list $sum $until]]]
        }
        4 { return [list [list GETDEL $key] $value [dict remove $strings $key]] }
        5 { return [list [list GETSET $key $new] $value [dict replace $strings $key [list $new ""]]] }
        6 { return [list [list SETNX $key $new] [expr {!$there}] [expr {$there ? $strings : [dict replace $strings $key [list $new ""]]}]] }
        7 {
            set ms [far_deadline]
            return [list [list PEXPIREAT $key $ms] $there [expr {$there ? [dict replace $strings $key [list $value $ms]] : $strings}]]
        }
        8 {
            set other [pick [keeper_keys $keeper]]
            set strings [dict replace $strings $key [list $new ""]]
            return [list [list MSET $key $new $other 1] OK [dict replace $strings $other [list 1 ""]]]
        }
        9 {
            set other [pick [keeper_keys $keeper]]
            if {!$there || $other eq $key} { return [list [list PERSIST $key] [expr {$until ne ""}] [expr {$there ? [dict replace $strings $key [list $value ""]] : $strings}]] }
            return [list [list RENAME $key $other] OK [dict remove [dict replace $strings $other [list $value $until]] $key]]
        }
        10 {
            set long [string range $value[string repeat \0 5] 0 4]
            if {$value eq ""} { set long [string repeat \0 5] }
            set now ${long}xyz[string range $value 8 end]
            return [list [list SETRANGE $key 5 xyz] [string length $now] [dict replace $strings $key [list $now $until]]]
        }
        11 { return [list [list SET $key $new NX GET] $value [expr {$there ? $strings : [dict replace $strings $key [list $new ""]]}]] }
    }
}

proc keeper {keeper} {
    set c [$::s client]
    try {
        while {1} {
            set out ""
            set n [expr {1 + [rand_below 10]}]
            for {set i 0} {$i < $n} {incr i} {
                lassign [make_string_command $keeper [lindex $::states($keeper) end]] words reply strings
                append out [resp_command {*}$words]
                lappend ::states($keeper) $strings
                lappend ::wanted($keeper) [list $words $reply]
            }
            # Not among the states: a counter, one whose deadline is near, and one that is there for good.
            append out [resp_command INCR count-$keeper] \
                [resp_command SET brief-$keeper x PXAT [expr {[clock milliseconds] + [rand_below 100]}]] \
                [resp_command SET once-$keeper-[incr ::next_tag] x]
            $c write $out
            for {set i 0} {$i < $n} {incr i} {
                set reply [$c read_typed]
                lassign [lindex $::wanted($keeper) $::answered($keeper)] words should
                if {[lindex $reply 0] eq "error"} { fail "[shorten $words]: [lindex $reply 1]" }
                assert_equal $should [untyped $reply] [shorten $words]
                incr ::answered($keeper)
                incr ::string_commands
            }
            set ::counted($keeper) [$c read]
            foreach what {brief once} { assert_equal OK [$c read] $what }
        }
    } on error {message options} { client_over $message $options }
    catch {$c destroy}
    incr ::running -1
}
proc start_keepers {} {
    for {set keeper 0} {$keeper < $::keepers} {incr keeper} {
        if {![info exists ::kept($keeper)]} { array set ::kept [list $keeper {}]; array set ::counted [list $keeper 0] }
        array set ::states [list $keeper [list $::kept($keeper)]]
        array set ::wanted [list $keeper {}]
        array set ::answered [list $keeper 0]
        coroutine keeper-$::round-$keeper keeper $keeper
    }
}

proc listener {} {
    set c [$::s client]
    try {
        $c HELLO 3
        foreach pattern {__event__:* __keyspace@0__:*} {
            $c send PSUBSCRIBE $pattern
            $c push
        }
        while {1} {
            lassign [$c push] kind pattern channel message
            if {$pattern eq "__event__:*"} {
                foreach name {sequence stream entryid} { regexp "\"$name\":\"(\[^\"]*)\"" $message all $name }
                lappend ::told_events $sequence $stream $entryid
            } else {
                lappend ::told_keys [list [string range $channel 15 end] $message]
            }
            incr ::told_all
        }
    } on error {message options} { client_over $message $options }
    catch {$c destroy}
    incr ::running -1
}

# ---- after a restart ----

proc found_strings {c keeper} {
    set found {}
    foreach key [keeper_keys $keeper] {
        set until [$c PEXPIRETIME $key]
        if {$until == -2} continue
        dict set found $key [list [$c GET $key] [expr {$until == -1 ? "" : $until}]]
    }
    return $found
}
proc same_strings {a b} {
    if {[dict size $a] != [dict size $b]} { return 0 }
    dict for {key of} $a { if {![dict exists $b $key] || [dict get $b $key] ne $of} { return 0 } }
    return 1
}
proc verify_strings {c} {
    for {set keeper 0} {$keeper < $::keepers} {incr keeper} {
        set found [found_strings $c $keeper]
        set allowed [lrange $::states($keeper) $::answered($keeper) end]
        set fits 0
        foreach state $allowed { if {[same_strings $state $found]} { set fits 1; break } }
        if {!$fits} {
            fail "the strings of keeper $keeper are [shorten $found 400]; answered were $::answered($keeper) commands, after which they were\
                [shorten [lindex $allowed 0] 400]; sent since: [shorten [lrange $::wanted($keeper) $::answered($keeper) end] 600]"
        }
        array set ::kept [list $keeper $found]
        # (A deadline may have been set up to a tenth of a second before the kill.)
        wait_for "brief-$keeper to expire" {[$c EXISTS brief-$keeper] == 0}
        verify_counter $c $keeper
    }
}
# Each INCR that was told of is among those that are there.
proc verify_counter {c keeper} {
    set now [$c GET count-$keeper]
    if {$now eq ""} { set now 0 }
    if {$now < $::counted($keeper)} { fail "count-$keeper is $now, $::counted($keeper) was acknowledged" }
    set told [llength [lsearch -all -exact $::told_keys [list count-$keeper incrby]]]
    set begun [expr {[info exists ::counter_at($keeper)] ? $::counter_at($keeper) : 0}]
    if {$told > $now - $begun} { fail "count-$keeper went from $begun to $now, but $told changes were told" }
    array set ::counter_at [list $keeper $now]
    array set ::counted [list $keeper $now]
}
proc verify_told {c} {
    set last -1
    foreach {sequence stream id} $::told_events {
        if {$sequence <= $last} { fail "event $sequence was told after $last" }
        set last $sequence
        if {$sequence >= $::checked} { fail "event $sequence of $stream was told; the log ends at $::checked" }
        if {[is_trimmed $stream] && ![info exists ::at_sequence($sequence)]} continue
        if {![info exists ::at_sequence($sequence)]} { fail "event $sequence of $stream was told, and is not there" }
        assert_equal $::at_sequence($sequence) [list $stream $id] "event $sequence, as it was told"
    }
    set once {}
    foreach one $::told_keys { if {[string match once-* [lindex $one 0]]} { lappend once [lindex $one 0] } }
    if {[llength $once] > 0} { assert_equal [llength [lsort -unique $once]] [$c EXISTS {*}[lsort -unique $once]] "keys that were told of: $once" }
    if {[llength $once] > 0} { $c DEL {*}$once }
    set ::told_events {}
    set ::told_keys {}
    array unset ::at_sequence
}
