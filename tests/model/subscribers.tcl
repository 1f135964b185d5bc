# The family of subscribers: EREAD, and ESUBSCRIBE on connections of their own, beside the batches of the others.
#
# A subscriber is looked at now and then, when a batch is done. Then what was pushed to it since must be, in order of
# sequence and each once, what its words select beyond its position, and nothing that is not durable. In between it
# reads nothing: it falls behind, and gets what it missed from memory or from disk. What was renamed, erased or removed
# meanwhile (`touched`) may have been sent before that, or as it is now.
#
# A subscriber is a dict: client, resp, id, words (of ESUBSCRIBE, FROM left out), selector, next (the position up to
# which it was told), since (the batch before which it was looked at last), began (the one before which it subscribed),
# begun (at which position), fields ("": maps), window ("": none), unacked (cursors), view ("": none), checkpoint ("":
# none), acked (where that stands at least; "": nothing was acknowledged).

set subscriber_count 4
set subscribers {}      ;# number -> subscriber
set touched {}          ;# sequence -> the last batch that changed what is there already
set inside {}           ;# sequence -> 1: the one before is of the same frame
set flushed 0           ;# the log is another one: subscriptions have ended
set pushed_events 0
set subscribed_again 0

proc touch {sequence} { dict set ::touched $sequence $::batches }
# A frame is done, whose events begin with this one: nobody sees how they were within it.
proc note_frame {first} {
    for {set s $first} {$s < [llength $::log]} {incr s} {
        if {$s > $first} { dict set ::inside $s 1 }
        dict unset ::touched $s
    }
}

# ---- selecting ----

# {words selector}. A selector is a dict: kind -> values, any of which will do.
proc random_selector {fresh} {
    set selector [dict create]
    foreach {kind share values} {stream 3 {order-1 order-* x-* *-1 user* new-* dlq:*} category 4 {order x user plain nothing dlq:order}
            type 3 {order.created order.paid x order.* *.created user.* none} aggregate 12 {agg-0 agg-1}} {
        if {[rand_below $share]} continue
        dict set selector $kind [list [pick $values]]
        if {[rand_below 3] == 0} { dict lappend selector $kind [pick $values] }
    }
    if {[rand_below 10] == 0} { dict set selector correlation [list [pick $::correlations]] }
    if {[rand_below 15] == 0} { dict set selector causation [list [pick $::causations]] }
    if {!$fresh && $::learned && [rand_below 8] == 0} {
        set ms [lindex $::times [rand_below $::learned]]
        if {$ms ne ""} { dict set selector since [list $ms] }
    }
    set words {}
    dict for {kind values} $selector { foreach value $values { lappend words [string toupper $kind] $value } }
    return [list $words $selector]
}
proc selector_takes {selector e} {
    dict for {kind values} $selector {
        switch $kind {
            stream - type { if {![any_matches $values [dict get $e $kind]]} { return 0 } }
            category { if {[lindex [split [dict get $e stream] -] 0] ni $values} { return 0 } }
            since { if {[dict exists $e recorded] && [dict get $e recorded] < [lindex $values 0]} { return 0 } }
            default { if {![dict exists $e $kind] || [dict get $e $kind] ni $values} { return 0 } }
        }
    }
    return 1
}
proc any_matches {patterns text} {
    foreach pattern $patterns { if {[string match $pattern $text]} { return 1 } }
    return 0
}
# Positions in [from, to) that are selected.
proc selected_between {selector from to} {
    set out {}
    for {set s $from} {$s < $to} {incr s} {
        set e [lindex $::log $s]
        if {$e ne "" && [selector_takes $selector $e]} { lappend out $s }
    }
    return $out
}

# ---- fields ----

proc random_chosen {} {
    set all {event_name payload stream_id stream_version metadata entry_id erased correlation_id aggregate_id}
    set chosen partition_sequence
    for {set n [rand_below 4]} {$n > 0} {incr n -1} {
        set field [pick $all]
        if {$field ni $chosen} { lappend chosen $field }
    }
    return $chosen
}
# What an event is, when these fields of it are asked for.
proc chosen_of {e fields} {
    set out {}
    foreach field $fields {
        set key [dict get {partition_sequence sequence event_name type payload payload stream_id stream stream_version version metadata metadata
            entry_id entry_id erased erased correlation_id correlation aggregate_id aggregate} $field]
        lappend out [field_or_empty $e $key]
    }
    return $out
}
proc check_chosen {e fields} {
    if {[llength $fields] == 0} { check_event $e; return [field $e partition_sequence] }
    set sequence [lindex $e 0]
    set m [lindex $::log $sequence]
    if {$m eq ""} { fail "sequence $sequence is not there, and came: [shorten $e]" }
    assert_equal [chosen_of $m $fields] $e "fields of sequence $sequence"
    return $sequence
}

# ---- EREAD ----

proc random_eread {fresh} {
    lassign [random_selector $fresh] words selector
    if {[rand_below 3] == 0} { set words {}; set selector [dict create] }
    set end [llength $::log]
    set from [expr {[rand_below 3] ? max(0, $end - [rand_below 40]) : [rand_below [expr {$end + 3}]]}]
    return [eread_command $from [pick {1 2 10 50 200}] $words $selector [expr {[rand_below 2] ? [random_chosen] : ""}]]
}
proc eread_command {from count words selector fields} {
    set all [list EREAD FROM $from COUNT $count {*}$words]
    if {[llength $fields]} { lappend all FIELDS [join $fields ,] }
    if {[rand_below 10] == 0} { lappend all BLOCK 1 }
    return [list $all [list check_eread $from $count $words $selector $fields]]
}
proc check_eread {from count given selector fields words reply} {
    set end [llength $::log]
    if {$from > $end} { expect_error "INVALIDARG position $from is beyond the head*" $reply [shorten $words]; return }
    if {[lindex $reply 0] eq "error"} { fail "[shorten $words]: [lindex $reply 1]" }
    set map [untyped $reply]
    assert_equal $end [field $map head] "[shorten $words]: head"
    set got [lmap e [field $map events] {check_chosen $e $fields}]
    set next [field $map next]
    set more [field $map has_more]
    if {[llength $got] > $count} { fail "[shorten $words]: [llength $got] events" }
    if {!$more} { assert_equal $end $next "[shorten $words]: next, at the end" }
    if {$next < $from || $next > $end} { fail "[shorten $words]: next is $next" }
    assert_equal [selected_between $selector $from $next] $got "[shorten $words]: up to $next"
    if {$more} { lappend ::follow [eread_command $next $count $given $selector $fields] }
}

# ---- subscribing ----

# All of them, from where they were, or anew.
proc subscribe_all {} {
    if {"subscribers" ni $::opt(families)} return
    for {set n 0} {$n < $::subscriber_count} {incr n} {
        if {[dict exists $::subscribers $n]} { subscribe_again $n } else { subscribe_anew $n }
    }
}
proc lose_subscribers {} { dict for {n subscriber} $::subscribers { catch {[dict get $subscriber client] destroy} } }

# The pattern is one more STREAM, which cannot stand beside that of a view.
proc random_usable_view {} {
    set names [lmap name [dict keys $::views] {if {[dict exists $::views $name stream]} continue; set name}]
    return [expr {[llength $names] ? [pick $names] : ""}]
}
proc subscribe_anew {n} {
    set words {}
    set selector [dict create]
    if {[rand_below 2]} { lassign [random_selector 0] words selector }
    set pattern [pick {* * * * order-* x-* x-1}]
    if {$pattern ne "*" || [dict exists $selector stream]} { dict lappend selector stream $pattern }
    set subscriber [dict create resp [pick {3 3 2}] selector $selector fields "" window "" view "" checkpoint "" client "" id "" timeline "" next 0 acked "" \
        unacked {} since 0 began 0 begun 0]
    set view [expr {[rand_below 3] ? "" : [random_usable_view]}]
    if {$view ne ""} {
        set pattern *
        set words [list VIEW $view]
        dict set subscriber view $view
        dict set subscriber selector [dict get $::views $view]
    }
    set words [list $pattern {*}$words]
    if {[rand_below 3]} {
        dict set subscriber fields [random_chosen]
        lappend words FIELDS [join [dict get $subscriber fields] ,]
    }
    if {[rand_below 2]} {
        dict set subscriber window [pick {1 3 20 1000 1000}]
        lappend words WINDOW [dict get $subscriber window]
    }
    if {[rand_below 3] == 0} { lappend words BATCH [pick {1 2 7 100}] }
    if {[rand_below 3] == 0} {
        dict set subscriber checkpoint subscriber-$n-[incr ::token]
        lappend words CHECKPOINT [dict get $subscriber checkpoint]
    }
    dict set subscriber words $words
    set end [llength $::log]
    switch [rand_below 5] {
        0 { set from START; set next 0 }
        1 { set from NEW; set next $end }
        2 { set next [expr {$end ? [rand_below $end] : 0}]; set from $next }
        3 {
            set at [expr {$end ? [rand_below $end] : 0}]
            set ms [lindex $::times $at]
            if {$ms eq ""} { set ms 0 }
            set next 0
            while {$next < $end && ([lindex $::times $next] eq "" || [lindex $::times $next] < $ms)} { incr next }
            # It reads from the beginning, and selects.
            subscribe_from_time $n $subscriber $ms $next
            return
        }
        4 { set next [expr {max(0, $end - [rand_below 50])}]; set from $next }
    }
    dict set ::subscribers $n $subscriber
    subscribe_from $n $from $next
}
proc subscribe_from_time {n subscriber ms next} {
    dict set ::subscribers $n $subscriber
    subscribe_from $n [list TIME $ms] ""
    dict set ::subscribers $n next $next
}
# As after a lost connection: from behind the last that it was told.
proc subscribe_again {n} {
    set subscriber [dict get $::subscribers $n]
    incr ::subscribed_again
    set checkpoint [dict get $subscriber checkpoint]
    set view [dict get $subscriber view]
    if {$view ne "" && (![dict exists $::views $view] || ![same_selector [dict get $::views $view] [dict get $subscriber selector]])} {
        subscribe_anew $n
        return
    }
    set acked [dict get $subscriber acked]
    if {$acked ne "" && [rand_below 2]} {
        # What it has acknowledged is there; the server may have moved on over what is not for it. (Where it began, last
        # time, all before was behind it.)
        set begun [dict get $subscriber begun]
        set from [subscribe_from $n [list CHECKPOINT $checkpoint ELSE START] ""]
        if {$from < $acked} { fail "the checkpoint $checkpoint stands at $from, acknowledged was up to $acked" }
        set passed [lmap s [selected_between [dict get $subscriber selector] [expr {max($acked, $begun)}] $from] {if {[was_touched $s [dict get $subscriber began]]} continue; set s}]
        assert_equal {} $passed "the checkpoint $checkpoint stands at $from, acknowledged was up to $acked, and between"
        dict set ::subscribers $n next $from
    } else {
        set next [dict get $subscriber next]
        subscribe_from $n $next@[dict get $subscriber timeline] $next
    }
}
# Returns where it begins. wanted: where that must be.
proc subscribe_from {n from wanted} {
    set c [$::s client]
    dict with ::subscribers $n {
        set client $c
        if {$resp == 3} { $c HELLO 3 }
        set reply [$c ESUBSCRIBE {*}$words FROM {*}$from]
        set id [field $reply id]
        if {$timeline ne ""} { assert_equal $timeline [field $reply timeline] "the timeline" }
        set timeline [field $reply timeline]
        assert_equal [llength $::log] [field $reply head] "the head of a subscription"
        if {$wanted ne ""} { assert_equal $wanted [field $reply from] "FROM $from" }
        set next [set begun [field $reply from]]
        set unacked {}
        set began $::batches
        set since $::batches
        return $next
    }
}

# ---- being told ----

proc was_touched {sequence since} { return [expr {[dict exists $::touched $sequence] && [dict get $::touched $sequence] >= $since}] }
# Everything in [next, to) that had to come has come.
proc nothing_missing {n to what} {
    set subscriber [dict get $::subscribers $n]
    set since [dict get $subscriber since]
    set missing [lmap s [selected_between [dict get $subscriber selector] [dict get $subscriber next] $to] {if {[was_touched $s $since]} continue; set s}]
    if {[llength $missing]} { fail "subscriber $n ([dict get $subscriber words]) at [dict get $subscriber next]: $what, and these have not come: $missing" }
}
proc event_came {n e} {
    set subscriber [dict get $::subscribers $n]
    set fields [dict get $subscriber fields]
    set s [expr {[llength $fields] ? [lindex $e 0] : [field $e partition_sequence]}]
    if {$s >= [llength $::log]} { fail "subscriber $n was told of $s, which is not durable" }
    if {$s < [dict get $subscriber next]} { fail "subscriber $n was told of $s, and was at [dict get $subscriber next]" }
    nothing_missing $n $s "$s came"
    if {![was_touched $s [dict get $subscriber since]]} {
        check_chosen $e $fields
        if {![selector_takes [dict get $subscriber selector] [lindex $::log $s]]} { fail "subscriber $n ([dict get $subscriber words]) was told of $s" }
    }
    dict set ::subscribers $n next [expr {$s + 1}]
    if {[dict get $subscriber window] ne "" || [dict get $subscriber checkpoint] ne ""} { dict with ::subscribers $n { lappend unacked $s } }
    incr ::pushed_events
    return $s
}
proc position_came {n what position} {
    if {$position > [llength $::log]} { fail "subscriber $n: $what $position, the head is [llength $::log]" }
    # (A window, or a page, ends anywhere.)
    if {$what eq "caughtup" && [dict exists $::inside $position]} { fail "subscriber $n: $what $position is inside a frame" }
    nothing_missing $n $position "$what $position"
    if {$position < [dict get $::subscribers $n next]} { fail "subscriber $n: $what $position, and was at [dict get $::subscribers $n next]" }
    dict set ::subscribers $n next $position
}
proc message_came {n message} {
    set rest [lassign $message kind id]
    assert_equal [dict get $::subscribers $n id] $id "the subscription of a message"
    switch $kind {
        event {
            lassign $rest cursor e
            assert_equal $cursor [event_came $n $e] "the cursor"
        }
        events {
            lassign $rest cursor events
            foreach e $events { set last [event_came $n $e] }
            assert_equal $cursor $last "the cursor of a batch"
        }
        caughtup - behind { position_came $n $kind [lindex $rest 0] }
        position { position_came $n position [expr {[lindex $rest 0] + 1}] }
        end {
            if {!$::flushed || $rest ne "flushed"} { fail "subscriber $n: $message" }
            dict set ::subscribers $n id ""
        }
        default { fail "subscriber $n: $message" }
    }
}
# Sends commands of a subscriber, and takes all that was pushed before the last one's reply.
proc talk {n commands} {
    set subscriber [dict get $::subscribers $n]
    set c [dict get $subscriber client]
    foreach words [concat $commands PING] { $c send {*}$words }
    if {[dict get $subscriber resp] == 3} {
        foreach words $commands { assert_equal OK [$c read] $words }
        assert_equal PONG [$c read]
        foreach message [$c pushed] { message_came $n $message }
        return
    }
    set replies {}
    while {[string tolower [lindex [set message [$c read]] 0]] ne "pong"} {
        if {$message eq "OK"} { lappend replies $message } else { message_came $n $message }
    }
    assert_equal [llength $commands] [llength $replies] "replies to $commands"
}
# Until it was told of all that there is, or has as much as its window allows.
proc look_at_subscriber {n} {
    for {set until [expr {[clock milliseconds] + [patience]}]} {1} {} {
        foreach info [[lindex $::clients 0] ESUBS LIST] { if {[field $info id] eq [dict get $::subscribers $n id]} break }
        talk $n {}
        set state [field $info state]
        if {$state in {live waiting-for-credit} && ($state ne "live" || [field $info position] == [llength $::log])} break
        if {[clock milliseconds] > $until} { fail "subscriber $n stays at $info" }
    }
    dict with ::subscribers $n {
        if {$state eq "live"} {
            nothing_missing $n [llength $::log] "it is live"
            set next [llength $::log]
        } else {
            assert_equal $window [llength $unacked] "subscriber $n waits for credit, with these unacknowledged: $unacked"
        }
        set since $::batches
    }
}
# Some of what it has, now and then what it was never sent, or nothing new.
proc acknowledge {n} {
    set subscriber [dict get $::subscribers $n]
    set unacked [dict get $subscriber unacked]
    if {[llength $unacked] == 0} return
    set upto [lindex $unacked [rand_below [llength $unacked]]]
    set cursor $upto
    switch [rand_below 8] {
        0 { set upto [lindex $unacked end]; set cursor 18446744073709551615 }
        1 { set cursor [expr {[lindex $unacked 0] - 1}]; set upto -1; if {$cursor < 0} return }
    }
    talk $n [list [list EACK [dict get $subscriber id] $cursor]]
    dict with ::subscribers $n {
        set unacked [lmap s $unacked {if {$s <= $upto} continue; set s}]
        if {$checkpoint ne "" && $upto >= 0} { set acked [expr {$upto + 1}] }
    }
}
# Beside a batch that is not durable.
proc subscribers_know_no_more {} {
    if {"subscribers" in $::opt(families) && [rand_below 2]} { talk [rand_below $::subscriber_count] {} }
}
proc look_at_subscribers {} {
    if {"subscribers" ni $::opt(families)} return
    set n [rand_below $::subscriber_count]
    switch [rand_below 8] {
        0 - 1 - 2 - 3 - 4 {}
        5 {
            look_at_subscriber $n
            if {[rand_below 3] == 0} {
                talk $n [list [list EUNSUBSCRIBE [dict get $::subscribers $n id]]]
                [dict get $::subscribers $n client] destroy
                if {[rand_below 3]} { subscribe_again $n } else { subscribe_anew $n }
            }
        }
        6 - 7 {
            look_at_subscriber $n
            acknowledge $n
        }
    }
}
# After FLUSHALL, when the model has the old log still.
proc subscribers_end {} {
    set ::flushed 1
    foreach n [dict keys $::subscribers] {
        talk $n {}
        assert_equal "" [dict get $::subscribers $n id] "the id of subscriber $n, which has not ended"
        [dict get $::subscribers $n client] destroy
    }
    set ::flushed 0
    set ::subscribers {}
}
proc check_subscribers {} {
    if {"subscribers" ni $::opt(families)} return
    dict for {n subscriber} $::subscribers {
        look_at_subscriber $n
        while {[llength [dict get $::subscribers $n unacked]]} {
            acknowledge $n
            look_at_subscriber $n
        }
    }
}
