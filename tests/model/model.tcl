# The naive model: lists and dictionaries in memory, and for every command a procedure that says
# what the reply must be. A check runs when its reply is read; replies come in the order of the
# commands, so the model is always at the state that the command saw.
#
# What only the server can know (ids, times that it makes) is taken from its replies, and from then
# on must stay the same.

set log {}             ;# events (dicts) by sequence
set streams [dict create] ;# name -> list of sequences
set ids [dict create]  ;# client-made event id -> sequence
set sent [dict create] ;# client-made event id -> {words reply} of the command that it came with
set made {}            ;# event ids that the server made
set groups {}          ;# {words reply} of EMAPPENDs whose events all have ids
set entry_last {0 0}
set learned 0          ;# events below it have been read back
set dirty 0            ;# appends in the current batch
set follow {}          ;# scans to be continued in the next batch

proc stream_last {name} {
    if {![dict exists $::streams $name]} { return "" }
    return [expr {[llength [dict get $::streams $name]] - 1}]
}

proc expectation_holds {expected last} {
    switch -nocase -- $expected {
        any { return 1 }
        exists { return [expr {$last ne ""}] }
        empty { return [expr {$last eq ""}] }
        default { return [expr {$last ne "" && $last == $expected}] }
    }
}

proc check_wrong_version {reply name last expected} {
    set c [expr {$last eq "" ? "empty" : $last}]
    set text [regsub {key [0-9a-f-]{36} and} [lindex $reply 1] {key K and}]
    assert_equal "WRONGVER current stream version is $c but expected [string tolower $expected] for partition key K and stream id $name" $text
}

# Puts one event into the model.
proc model_add {name options version sequence reply} {
    assert_equal $version [field $reply stream_version] "version in $name"
    set e [dict merge {type "" payload "" metadata ""} $options]
    dict set e stream $name
    dict set e version $version
    dict set e sequence $sequence
    dict set e event_id [field $reply event_id]
    dict set e timestamp [field $reply timestamp]
    dict set e entry_id [field $reply entry_id]
    if {[dict exists $options timestamp]} { assert_equal [dict get $options timestamp] [field $reply timestamp] "timestamp" }
    lassign [split [field $reply entry_id] -] ms seq
    lassign $::entry_last lms lseq
    assert {$ms > $lms || ($ms == $lms && $seq > $lseq)} "entry id $ms-$seq after $lms-$lseq"
    set ::entry_last [list $ms $seq]
    if {[dict exists $options event_id]} {
        assert_equal [dict get $options event_id] [field $reply event_id] "event id"
        dict set ::ids [dict get $options event_id] $sequence
    } else {
        lappend ::made [field $reply event_id]
    }
    lappend ::log $e
    dict lappend ::streams $name $sequence
    set ::dirty 1
}

# The words of one event's options, in random order.
proc option_words {options} {
    set pairs {}
    dict for {key value} $options {
        if {$key ne "type"} { lappend pairs [list [rand_below 1000] [string toupper $key] $value] }
    }
    set words {}
    foreach pair [lsort $pairs] { lappend words [lindex $pair 1] [lindex $pair 2] }
    return $words
}

# EAPPEND: name, options, expected version ("" none).
proc check_append {name options expected words reply} {
    set last [stream_last $name]
    set id [field_or_empty $options event_id]
    if {$id ne "" && [dict exists $::ids $id]} {
        if {[dict exists $::sent $id] && [lindex [dict get $::sent $id] 0] eq [list $name $options]} {
            assert_equal [lindex [dict get $::sent $id] 1] [untyped $reply] "repeated EAPPEND"
        } else {
            assert_match "error DUPLICATEID*" "[lindex $reply 0] [lindex $reply 1]"
        }
        return
    }
    if {$expected ne "" && ![expectation_holds $expected $last]} {
        check_wrong_version $reply $name $last $expected
        return
    }
    set map [untyped $reply]
    if {[lindex $reply 0] eq "error"} { fail [lindex $reply 1] }
    assert_equal [llength $::log] [field $map partition_sequence] "sequence"
    model_add $name $options [expr {$last eq "" ? 0 : $last + 1}] [llength $::log] $map
    if {$id ne ""} { dict set ::sent $id [list [list $name $options] $map] }
}

# EMAPPEND: events is a list of {name options expected}.
proc check_group {events words reply} {
    set have 0
    set with_id 0
    foreach event $events {
        set options [lindex $event 1]
        if {![dict exists $options event_id]} continue
        incr with_id
        if {[dict exists $::ids [dict get $options event_id]]} { incr have }
    }
    if {$have > 0} {
        foreach known $::groups {
            if {[lindex $known 0] eq $words} {
                assert_equal [lindex $known 1] [untyped $reply] "repeated EMAPPEND"
                return
            }
        }
        assert_match "error DUPLICATEID*" "[lindex $reply 0] [lindex $reply 1]"
        return
    }
    # Expected versions, as they stand inside the group.
    set count [dict create]
    foreach event $events {
        lassign $event name options expected
        if {![dict exists $count $name]} { dict set count $name [stream_last $name] }
        set last [dict get $count $name]
        if {$expected ne "" && ![expectation_holds $expected $last]} {
            check_wrong_version $reply $name $last $expected
            return
        }
        dict set count $name [expr {$last eq "" ? 0 : $last + 1}]
    }
    if {[lindex $reply 0] eq "error"} { fail [lindex $reply 1] }
    set map [untyped $reply]
    set sequence [llength $::log]
    assert_equal $sequence [field $map first_partition_sequence] "first sequence"
    assert_equal [expr {$sequence + [llength $events] - 1}] [field $map last_partition_sequence] "last sequence"
    assert_equal [llength $events] [llength [field $map events]]
    foreach event $events e [field $map events] {
        lassign $event name options
        assert_equal $name [field $e stream_id]
        set last [stream_last $name]
        model_add $name $options [expr {$last eq "" ? 0 : $last + 1}] [llength $::log] $e
        set tail [expr {[llength $::log] - 1}]
        lset ::log $tail [dict replace [lindex $::log $tail] group $sequence]
    }
    if {$with_id == [llength $events]} { lappend ::groups [list $words $map] }
}

# One event as the server sends it against the model's.
proc check_event {e} {
    set sequence [field $e partition_sequence]
    if {$sequence >= [llength $::log]} { fail "sequence $sequence is beyond the end" }
    set m [lindex $::log $sequence]
    foreach {name key} {event_id event_id stream_version version stream_id stream event_name type payload payload metadata metadata
        timestamp timestamp entry_id entry_id} {
        if {[field $e $name] ne [dict get $m $key]} { fail "sequence $sequence: $name is [shorten [field $e $name]], expected [shorten [dict get $m $key]]" }
    }
    foreach {name key} {correlation_id correlation causation_id causation aggregate_id aggregate} {
        set want [field_or_empty $m $key]
        set got [field_or_empty $e $name]
        if {$want ne $got} { fail "sequence $sequence: $name is $got, expected $want" }
    }
    foreach name {recorded transaction_id partition_key} {
        if {[dict exists $m $name]} {
            if {[dict get $m $name] ne [field $e $name]} { fail "sequence $sequence: $name was [dict get $m $name], is [field $e $name]" }
        } else {
            dict set m $name [field $e $name]
            lset ::log $sequence $m
        }
    }
}

# Whether a model's event passes the filters (a dict of lower-case keyword -> value).
proc passes {e filters} {
    dict for {key value} $filters {
        switch $key {
            type { if {![string match [lindex $value 0] [dict get $e type]] && ![string match [lindex $value end] [dict get $e type]]} { return 0 } }
            stream { if {![string match $value [dict get $e stream]]} { return 0 } }
            category { if {[lindex [split [dict get $e stream] -] 0] ne $value} { return 0 } }
            since { if {[dict get $e recorded] < $value} { return 0 } }
            until { if {[dict get $e recorded] > $value} { return 0 } }
            default { if {![dict exists $e $key] || [dict get $e $key] ne $value} { return 0 } }
        }
    }
    return 1
}

# ESCAN and EPSCAN. name "": the log.
proc check_scan {name start end reverse count filters words reply} {
    set map [untyped $reply]
    if {[lindex $reply 0] eq "error"} { fail [lindex $reply 1] }
    set all [expr {$name eq "" ? "log" : ([dict exists $::streams $name] ? [dict get $::streams $name] : {})}]
    set size [expr {$name eq "" ? [llength $::log] : [llength $all]}]
    # With REV the bounds may come in either order.
    if {$reverse && $start ne "-" && $end ne "+" && $start > $end} { lassign [list $end $start] start end }
    set first [expr {$start eq "-" ? 0 : $start}]
    set last [expr {$end eq "+" || $end >= $size ? $size - 1 : $end}]
    set wanted {}
    for {set i $first} {$i <= $last} {incr i} {
        set sequence [expr {$name eq "" ? $i : [lindex $all $i]}]
        if {[dict size $filters] == 0 || [passes [lindex $::log $sequence] $filters]} { lappend wanted $i }
    }
    if {$reverse} { set wanted [lreverse $wanted] }
    set got {}
    foreach e [field $map events] {
        check_event $e
        if {$name ne "" && [field $e stream_id] ne $name} { fail "an event of [field $e stream_id] in $name" }
        lappend got [field $e [expr {$name eq "" ? "partition_sequence" : "stream_version"}]]
    }
    set n [llength $got]
    assert {$n <= $count} "$n events, COUNT $count"
    assert_equal [lrange $wanted 0 [expr {$n - 1}]] $got "positions"
    set more [field $map has_more]
    if {[dict size $filters] == 0} {
        assert_equal [expr {[llength $wanted] > $count}] $more "has_more of [llength $wanted] with COUNT $count"
        # A page may be shorter than COUNT only by a limit on its bytes.
        if {!$more} { assert_equal [llength $wanted] $n }
    } elseif {!$more} {
        assert_equal [llength $wanted] $n "events of a filtered scan that is at its end"
    }
    if {!$more} return
    if {[dict exists $map next] && [dict get $map next] ne ""} {
        set next [dict get $map next]
    } else {
        if {$n == 0} { fail "has_more without an event or next" }
        set next [expr {[lindex $got end] + ($reverse ? -1 : 1)}]
    }
    # Everything before `next` has been delivered.
    set rest [lrange $wanted $n end]
    foreach i $rest {
        if {$reverse ? $i > $next : $i < $next} { fail "next $next skips $i" }
    }
    if {$reverse} { set end $next } else { set start $next }
    lappend ::follow [scan_command $name $start $end $reverse $count $filters]
}

# {words check}
proc scan_command {name start end reverse count filters} {
    set words [expr {$name eq "" ? [list EPSCAN 0 $start $end] : [list ESCAN $name $start $end]}]
    if {$reverse} { lappend words REV }
    dict for {key value} $filters {
        # TYPE takes several patterns.
        if {$key eq "type"} { lappend words TYPE {*}$value } else { lappend words [string toupper $key] $value }
    }
    lappend words COUNT $count
    return [list $words [list check_scan $name $start $end $reverse $count $filters]]
}

proc check_version {name words reply} {
    set last [stream_last $name]
    assert_equal $last [lindex $reply 1] "ESVER $name"
    assert {[lindex $reply 0] in {int null null3}}
}
proc check_sequence {words reply} {
    set n [llength $::log]
    assert_equal [expr {$n == 0 ? "" : $n - 1}] [lindex $reply 1] "EPSEQ"
}
proc check_size {words reply} { assert_equal [dict size $::streams] [lindex $reply 1] "DBSIZE" }
proc check_get {sequence words reply} {
    if {$sequence eq ""} {
        assert {[lindex $reply 0] in {null null3}} "EGET of nothing: $reply"
    } else {
        set e [untyped $reply]
        if {$e eq ""} { fail "EGET finds nothing at sequence $sequence" }
        assert_equal $sequence [field $e partition_sequence] "EGET"
        check_event $e
    }
}
proc check_info {name words reply} {
    if {![dict exists $::streams $name]} {
        assert {[lindex $reply 0] in {null null3 nullarray error}} "EINFO of nothing: $reply"
        return
    }
    set values [untyped $reply]
    set last [lindex $::log [lindex [dict get $::streams $name] end]]
    assert {[dict get $last version] in $values || [dict get $last version] + 1 in $values} "EINFO $name: $values"
    assert {[dict get $last entry_id] in $values} "EINFO $name names its last entry id: $values"
}
proc check_refused {pattern words reply} {
    assert_match "error $pattern" "[lindex $reply 0] [lindex $reply 1]" [shorten $words]
}
