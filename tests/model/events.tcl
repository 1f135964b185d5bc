# The family of events by version: EAPPEND EMAPPEND ESCAN EPSCAN EGET ESVER EPSEQ EINFO.

set types {order.created order.paid order.shipped user.created user.deleted x "t t" ""}
for {set i 0} {$i < 5} {incr i} { lappend correlations [uuid]; lappend causations [uuid]; lappend aggregates agg-$i }

# ---- random commands ----

proc random_options {} {
    set o [dict create type [pick $::types]]
    if {[rand_below 8] != 0} {
        dict set o payload [switch [rand_below 10] {
            0 { string repeat [format %c [rand_below 256]] [rand_below 30000] }
            1 { set x "" }
            default { string repeat "payload [rand_below 1000] " [rand_below 8] }
        }]
    }
    if {[rand_below 3] == 0} { dict set o metadata [string repeat "m[rand_below 100]" [rand_below 20]] }
    if {[rand_below 4] == 0} { dict set o timestamp [rand_below 2000000000000] }
    if {[rand_below 4] == 0} { dict set o correlation [pick $::correlations] }
    if {[rand_below 5] == 0} { dict set o causation [pick $::causations] }
    if {[rand_below 5] == 0} { dict set o aggregate [pick $::aggregates] }
    if {[rand_below 8] == 0} { dict set o partition_key [uuid] }
    if {[rand_below 3] == 0} { dict set o event_id [uuid] }
    return $o
}
proc random_expected {name} {
    switch [rand_below 8] {
        0 { return exists }
        1 { return empty }
        2 { return [rand_below 20] }
        3 { return any }
        4 - 5 {
            set last [stream_last $name]
            return [expr {$last eq "" ? "empty" : $last}]
        }
        default { return "" }
    }
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
proc append_command {name options expected} {
    set words [list EAPPEND $name [dict get $options type] {*}[option_words $options]]
    if {$expected ne ""} { lappend words EXPECTED_VERSION $expected }
    return [list $words [list check_append $name $options $expected]]
}
proc random_append {} {
    set name [random_name]
    return [append_command $name [random_options] [random_expected $name]]
}
# An id that is known: the same content, or other content, or another stream.
proc repeat_command {} {
    if {[dict size $::sent] == 0} { return [random_append] }
    set id [pick [dict keys $::sent]]
    set options [lindex [dict get $::sent $id] 0]
    set name [expr {[id_is_there $id] ? [event_field [dict get $::ids $id] stream] : [random_name]}]
    switch [rand_below 4] {
        0 { dict set options payload "something else [rand_below 1000000]" }
        1 { set name [random_name] }
    }
    return [append_command $name $options [random_expected $name]]
}
proc group_command {} {
    if {[llength $::repeatable] && [rand_below 5] == 0} {
        lassign [pick $::repeatable] words map events
        return [list $words [list check_group $events]]
    }
    set words [list EMAPPEND [uuid]]
    set word [pick {{} EVENT}]
    set events {}
    set all_ids [expr {[rand_below 3] == 0}]
    for {set n [expr {1 + [rand_below 6]}]} {$n > 0} {incr n -1} {
        set name [random_name]
        set options [dict remove [random_options] partition_key event_id]
        if {$all_ids} { dict set options event_id [uuid] }
        set expected [expr {[rand_below 3] ? "" : [random_expected $name]}]
        lappend events [list $name $options $expected]
        lappend words {*}$word $name [dict get $options type] {*}[option_words $options]
        if {$expected ne ""} { lappend words EXPECTED_VERSION $expected }
    }
    return [list $words [list check_group $events]]
}
proc random_filters {log fresh} {
    set f [dict create]
    if {[rand_below 2]} {
        set patterns [list [pick {order.created order.paid x order.* *.created user.* ? none "t t"}]]
        if {[rand_below 3] == 0} { lappend patterns [pick {order.shipped user.* x}] }
        dict set f type $patterns
    }
    if {$log && [rand_below 4] == 0} { dict set f stream [pick {order-1 order-* *-1 user* new-*}] }
    if {$log && [rand_below 4] == 0} { dict set f category [pick {order user new plain nothing}] }
    if {[rand_below 4] == 0} { dict set f correlation [pick $::correlations] }
    if {[rand_below 6] == 0} { dict set f causation [pick $::causations] }
    if {[rand_below 6] == 0} { dict set f aggregate [pick $::aggregates] }
    foreach bound {since until} {
        if {$fresh || $::learned == 0 || [rand_below 6]} continue
        set e [lindex $::log [rand_below $::learned]]
        if {$e ne ""} { dict set f $bound [dict get $e recorded] }
    }
    return $f
}
# fresh: appends of this batch came before, whose times are not known yet.
proc random_scan {fresh} {
    set log [rand_below 2]
    set name [expr {$log ? "" : [random_name]}]
    set size [expr {$log ? [llength $::log] : ([stream_last $name] eq "" ? 0 : [stream_last $name] + 1)}]
    set a [rand_below [expr {$size + 5}]]
    set b [rand_below [expr {$size + 5}]]
    if {$a > $b && [rand_below 10]} { lassign [list $b $a] a b }
    set start [expr {[rand_below 3] ? $a : "-"}]
    set end [expr {[rand_below 3] ? $b : "+"}]
    set filters [expr {[rand_below 2] ? [random_filters $log $fresh] : [dict create]}]
    return [scan_command $name $start $end [expr {[rand_below 3] == 0}] [pick {1 2 3 10 50 100 1000}] $filters]
}
proc random_get {} {
    set known [dict keys $::ids]
    switch [rand_below 4] {
        0 { return [list [list EGET [uuid]] [list check_get ""]] }
        1 - 2 { if {[llength $known]} { set id [pick $known]; return [list [list EGET $id] [list check_get_id $id]] } }
    }
    for {set try 0} {$try < 5 && [llength $::log]} {incr try} {
        set e [lindex $::log [rand_below [llength $::log]]]
        if {$e eq "" || ![dict exists $e event_id]} continue
        return [list [list EGET [dict get $e event_id]] [list check_get [dict get $e sequence]]]
    }
    return [list {EPSEQ 0} check_sequence]
}
proc random_refused {} {
    return [pick [list \
        [list [list EAPPEND [random_name] t EXPECTED_VERSION nonsense] {check_refused INVALIDARG*}] \
        [list [list EAPPEND "" t] {check_refused INVALIDARG*}] \
        [list [list EMAPPEND [uuid] order-1 t order-2] {check_refused INVALIDARG*}] \
        [list [list EMAPPEND [uuid] order-1 t EVENT_ID nonsense] {check_refused INVALIDARG*}] \
        [list [list EMAPPEND * EVENT order-1 t misspelt option] {check_refused INVALIDARG*}] \
        [list [list ESCAN order-1 + -] {check_refused INVALIDARG*}] \
        [list [list EGET nonsense] {check_refused INVALIDARG*}]]]
}
proc random_event_write {} {
    switch [rand_below 9] {
        0 { return [repeat_command] }
        1 - 2 - 3 { return [group_command] }
    }
    return [random_append]
}
proc random_event_read {fresh} {
    switch [rand_below 11] {
        0 { set name [random_name]; return [list [list ESVER $name] [list check_version $name]] }
        1 { return [list {EPSEQ 0} check_sequence] }
        2 - 3 { return [random_get] }
        4 { set name [random_name]; return [list [list EINFO $name] [list check_info $name]] }
        5 { return [random_refused] }
    }
    return [random_scan $fresh]
}

# ---- appending ----

proc expectation_holds {expected last} {
    switch -nocase -- $expected {
        "" - any { return 1 }
        exists { return [expr {$last ne ""}] }
        empty { return [expr {$last eq ""}] }
        default { return [expr {$last ne "" && $last == $expected}] }
    }
}
proc wrong_version_text {name last expected} {
    set current [expr {$last eq "" ? "empty" : $last}]
    return "current stream version is $current but expected [string tolower $expected] for partition key K and stream id $name"
}
proc check_wrong_version {reply name last expected} {
    set text [regsub {key [0-9a-f-]{36} and} [lindex $reply 1] {key K and}]
    assert_equal "WRONGVER [wrong_version_text $name $last $expected]" $text
}

# EAPPEND: name, options, expected version ("" none).
proc check_append {name options expected words reply} {
    if {[wrong_type $name $reply]} return
    set last [stream_last $name]
    set id [field_or_empty $options event_id]
    if {$id ne "" && [id_is_there $id]} {
        if {[dict exists $::sent $id] && [lindex [dict get $::sent $id] 0] eq $options && [event_field [dict get $::ids $id] stream] eq $name} {
            lassign [dict get $::sent $id] options first first_name
            # Without a partition key of the producer's it is that of the name, which was another one
            # when the stream was renamed since.
            if {$first_name ne $name && [lindex $reply 0] ne "error"} { dict set first partition_key [field [untyped $reply] partition_key] }
            expect $first $reply "repeated EAPPEND"
        } else {
            expect_error DUPLICATEID* $reply "EAPPEND of other content"
        }
        return
    }
    if {![expectation_holds $expected $last]} {
        check_wrong_version $reply $name $last $expected
        return
    }
    if {[lindex $reply 0] eq "error"} { fail [lindex $reply 1] }
    set map [untyped $reply]
    assert_equal [llength $::log] [field $map partition_sequence] "sequence"
    model_add $name $options $map
    if {$id ne ""} { dict set ::sent $id [list $options $map $name] }
}

# An EMAPPEND of which some ids are there: repeated as a whole, or refused.
proc check_repeated_group {events words reply} {
    set same 1
    set sequence ""
    foreach event $events {
        lassign $event name options
        set id [field_or_empty $options event_id]
        if {$id eq "" || ![id_is_there $id]} { set same 0; break }
        set at [dict get $::ids $id]
        if {[event_field $at stream] ne $name || ($sequence ne "" && $at != $sequence + 1)} { set same 0; break }
        set sequence $at
    }
    if {$same} {
        foreach known $::repeatable {
            if {[lindex $known 0] ne $words} continue
            if {[dict get [lindex $known 1] last_partition_sequence] != $sequence} continue
            expect [lindex $known 1] $reply "repeated EMAPPEND"
            return
        }
    }
    expect_error DUPLICATEID* $reply "EMAPPEND with an id that is there"
}
# EMAPPEND: events is a list of {name options expected}.
proc check_group {events words reply} {
    foreach event $events { if {[wrong_type [lindex $event 0] $reply]} return }
    set with_id 0
    foreach event $events {
        set id [field_or_empty [lindex $event 1] event_id]
        if {$id eq ""} continue
        incr with_id
        if {[id_is_there $id]} { tailcall check_repeated_group $events $words $reply }
    }
    # Expected versions, as they stand inside the group.
    set count [dict create]
    foreach event $events {
        lassign $event name options expected
        if {![dict exists $count $name]} { dict set count $name [stream_last $name] }
        set last [dict get $count $name]
        if {![expectation_holds $expected $last]} {
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
        model_add $name $options $e
    }
    note_frame $sequence
    if {$with_id == [llength $events]} { lappend ::repeatable [list $words $map $events] }
}

# ---- reading ----

# One event as the server sends it against the model's.
proc check_event {e} {
    set sequence [field $e partition_sequence]
    if {$sequence >= [llength $::log]} { fail "sequence $sequence is beyond the end" }
    set m [lindex $::log $sequence]
    if {$m eq ""} { fail "sequence $sequence is gone, and came: [shorten $e]" }
    foreach {name key} {stream_version version stream_id stream event_name type payload payload metadata metadata entry_id entry_id} {
        if {[field $e $name] ne [dict get $m $key]} { fail "sequence $sequence: $name is [shorten [field $e $name]], expected [shorten [dict get $m $key]]" }
    }
    foreach {name key} {correlation_id correlation causation_id causation aggregate_id aggregate erased erased} {
        set want [field_or_empty $m $key]
        set got [field_or_empty $e $name]
        if {$want ne $got} { fail "sequence $sequence: $name is $got, expected $want" }
    }
    # Of a renamed stream's events, the partition key is that of the new name, if the producer gave none.
    foreach name {event_id timestamp recorded transaction_id} {
        if {[dict exists $m $name]} {
            if {[dict get $m $name] ne [field $e $name]} { fail "sequence $sequence: $name was [dict get $m $name], is [field $e $name]" }
        } else {
            dict set m $name [field $e $name]
            lset ::log $sequence $m
        }
    }
    note_time $sequence [dict get $m recorded]
    if {[dict exists $m partition_key]} { assert_equal [dict get $m partition_key] [field $e partition_key] "sequence $sequence: partition key" }
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
# Positions from first to last (of the log, or versions of a stream) whose events are there and pass.
proc wanted_positions {name first last filters} {
    set wanted {}
    if {$last < $first} { return {} }
    if {$name ne ""} { set all [dict get $::streams $name] }
    for {set i $first} {$i <= $last} {incr i} {
        set e [lindex $::log [expr {$name eq "" ? $i : [lindex $all $i]}]]
        if {$e ne "" && ([dict size $filters] == 0 || [passes $e $filters])} { lappend wanted $i }
    }
    return $wanted
}

# ESCAN and EPSCAN. name "": the log.
proc check_scan {name start end reverse count filters words reply} {
    if {$name ne "" && [wrong_type $name $reply]} return
    if {[lindex $reply 0] eq "error"} { fail [lindex $reply 1] }
    set map [untyped $reply]
    set last [stream_last $name]
    set size [expr {$name eq "" ? [llength $::log] : ($last eq "" ? 0 : $last + 1)}]
    # With REV the bounds may come in either order.
    if {$reverse && $start ne "-" && $end ne "+" && $start > $end} { lassign [list $end $start] start end }
    set first [expr {$start eq "-" ? 0 : $start}]
    set last [expr {$end eq "+" || $end >= $size ? $size - 1 : $end}]
    set wanted [wanted_positions $name $first $last $filters]
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
    if {[dict size $filters] == 0} { assert_equal [expr {[llength $wanted] > $n}] $more "has_more, after $n of [llength $wanted]" }
    if {!$more} {
        # A page may be shorter than COUNT only by a limit on its bytes.
        assert_equal [llength $wanted] $n "events of a scan that is at its end"
        return
    }
    set next [field $map next]
    if {$next eq ""} { fail "has_more without next" }
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
    if {[wrong_type $name $reply]} return
    set last [stream_last $name]
    if {$last eq ""} { expect_null $reply "ESVER $name" } else { expect $last $reply "ESVER $name" }
}
proc check_sequence {words reply} {
    set n [llength $::log]
    if {$n == 0} { expect_null $reply EPSEQ } else { expect [expr {$n - 1}] $reply EPSEQ }
}
proc check_get {sequence words reply} {
    if {$sequence eq "" || [lindex $::log $sequence] eq ""} {
        expect_null $reply "EGET of nothing"
        return
    }
    set e [untyped $reply]
    if {$e eq ""} { fail "EGET finds nothing at sequence $sequence" }
    assert_equal $sequence [field $e partition_sequence] "EGET"
    check_event $e
}
proc check_get_id {id words reply} { check_get [dict get $::ids $id] $words $reply }
proc check_info {name words reply} {
    if {[wrong_type $name $reply]} return
    if {[key_type $name] eq "none"} {
        expect_null $reply "EINFO of nothing"
        return
    }
    set map [untyped $reply]
    assert_equal [stream_last $name] [field $map stream_version] "EINFO $name"
    assert_equal [llength [stream_events $name]] [field $map events] "EINFO $name: events"
    assert_equal [head $name last] [field $map last_entry_id] "EINFO $name: last entry id"
}

# ---- the times and ids that the server made ----

# Reads back what the last batch appended: its times are known from then on.
proc learn {c} {
    while {$::learned < [llength $::log]} {
        set command [scan_command "" $::learned + 0 1000 {}]
        $c send {*}[lindex $command 0]
        set reply [$c read_typed]
        {*}[lindex $command 1] [lindex $command 0] $reply
        set ::follow {}
        set map [untyped $reply]
        set ::learned [expr {[field $map has_more] ? [field $map next] : [llength $::log]}]
    }
}
