# The family of entries: XADD XLEN XRANGE XREVRANGE XREAD XDEL XTRIM XSETID XINFO STREAM.

# ---- random commands ----

proc random_entry_name {} {
    if {[rand_below 4] == 0} { return [random_name] }
    return x-[rand_below 5]
}
# An id of the stream, or near one; or "-" or "+" where `ends` says so.
proc random_id {name} {
    if {[is_virtual $name]} { return [random_log_id] }
    set all [stream_events $name]
    if {[llength $all] == 0 || [rand_below 8] == 0} { return [pick {0 0-1 5-5 18446744073709551615}] }
    set key [event_field [pick $all] key]
    switch [rand_below 6] {
        0 { return [key_id [expr {$key + 1}]] }
        1 { return [key_id [expr {$key - 1}]] }
        2 { return [expr {$key >> 64}] }
    }
    return [key_id $key]
}
proc random_bound {name end} {
    switch [rand_below 5] {
        0 { return $end }
        1 { return ([random_id $name] }
    }
    return [random_id $name]
}
proc random_fields {} {
    set fields {}
    for {set n [expr {1 + [rand_below 4]}]} {$n > 0} {incr n -1} {
        lappend fields [pick {type a b "a b" \" "" id \\}] [pick [list [rand_below 1000] "" order.created "two words" "q\"\\\n\t\x01" [string repeat long [rand_below 400]] \xc3\xa4]]
    }
    return $fields
}
proc random_xadd {} {
    set name [random_entry_name]
    set words [list XADD $name]
    set options {}
    if {[rand_below 12] == 0} { lappend words NOMKSTREAM; dict set options no_create 1 }
    switch [rand_below 12] {
        0 { set n [rand_below 30]; lappend words MAXLEN {*}[pick {{} =}] $n; dict set options max_len $n }
        1 { set id [random_id $name]; lappend words MINID $id; dict set options min_id $id }
    }
    set id *
    if {[rand_below 8] == 0} {
        lassign [split [expr {[dict exists $::heads $name] ? [head $name last] : "0-0"}] -] ms seq
        set id [pick [list $ms-[expr {$seq + 1 + [rand_below 3]}] [expr {$ms + 1}]-0 [expr {$ms + 1}] $ms-* [expr {$ms + 2}]-* $ms-$seq 0-0 0-1 1-* [random_id $name]]]
        # The end of all ids would end the stream: not here.
        if {[string match 18446744073709551615* $id]} { set id 5-5 }
    }
    set fields [random_fields]
    return [list [list {*}$words $id {*}$fields] [list check_xadd $name $options $id $fields]]
}
proc random_range {} {
    set name [random_entry_name]
    set from [random_bound $name -]
    set to [random_bound $name +]
    set count [pick {"" "" 1 2 10 100}]
    set reverse [rand_below 2]
    set words [expr {$reverse ? [list XREVRANGE $name $to $from] : [list XRANGE $name $from $to]}]
    if {$count ne ""} { lappend words COUNT $count }
    return [list $words [list check_range $name $from $to $count $reverse]]
}
proc random_xread {{from random_entry_name}} {
    set names {}
    for {set n [expr {1 + [rand_below 3]}]} {$n > 0} {incr n -1} {
        set name [$from]
        if {$name ni $names} { lappend names $name }
    }
    set ids [lmap name $names {pick [list 0 \$ + [random_id $name] [random_id $name]]}]
    set count [pick {"" 1 3 50}]
    set words XREAD
    if {$count ne ""} { lappend words COUNT $count }
    if {[rand_below 10] == 0} { lappend words BLOCK 1 }
    return [list [list {*}$words STREAMS {*}$names {*}$ids] [list check_xread $names $ids $count]]
}
proc random_xdel {} {
    set name [random_entry_name]
    set ids {}
    for {set n [expr {1 + [rand_below 4]}]} {$n > 0} {incr n -1} { lappend ids [random_id $name] }
    return [list [list XDEL $name {*}$ids] [list check_xdel $name $ids]]
}
proc random_xtrim {} {
    set name [random_entry_name]
    if {[rand_below 3] == 0} {
        set id [random_id $name]
        return [list [list XTRIM $name MINID $id] [list check_xtrim $name min_id $id 0]]
    }
    set n [rand_below [expr {[llength [stream_events $name]] + 5}]]
    if {[rand_below 3]} { set n [expr {max($n, [llength [stream_events $name]] - 20)}] }
    set about [rand_below 2]
    return [list [list XTRIM $name MAXLEN [expr {$about ? "~" : "="}] $n] [list check_xtrim $name max_len $n $about]]
}
proc random_xsetid {} {
    set name [random_entry_name]
    set id [pick [list [random_id $name] [key_id [expr {([id_key [random_id $name]] + (1 << 65)) % (1 << 127)}]]]]
    if {[string match 18446744073709551615* $id]} { set id 7-7 }
    return [list [list XSETID $name $id] [list check_xsetid $name $id]]
}
proc random_entry_write {} {
    switch [rand_below 14] {
        0 { return [random_xdel] }
        1 { return [random_xtrim] }
        2 { return [expr {[rand_below 4] ? [random_xadd] : [random_xsetid]}] }
    }
    return [random_xadd]
}
proc random_entry_read {} {
    switch [rand_below 6] {
        0 - 1 { return [random_xread] }
        2 { set name [random_entry_name]; return [list [list XLEN $name] [list check_xlen $name]] }
        3 { set name [random_entry_name]; return [list [list XINFO STREAM $name] [list check_stream_info $name]] }
    }
    return [random_range]
}

# ---- what an event is as an entry ----

proc json_string {text} {
    set out ""
    foreach char [split [encoding convertfrom utf-8 $text] ""] {
        switch -- $char {
            \" { append out {\"} }
            \\ { append out {\\} }
            \n { append out {\n} }
            \t { append out {\t} }
            default { append out [expr {$char < " " ? [format {\u%04x} [scan $char %c]] : $char}] }
        }
    }
    return \"[encoding convertto utf-8 $out]\"
}
proc json_object {fields} {
    return "{[join [lmap {name value} $fields {string cat [json_string $name] : [json_string $value]}] ,]}"
}
# {id fields}
proc entry_of {sequence} {
    set e [lindex $::log $sequence]
    if {[dict exists $e fields]} { return [list [dict get $e entry_id] [dict get $e fields]] }
    set fields [list event_id [dict get $e event_id] type [dict get $e type] version [dict get $e version] payload [dict get $e payload]]
    if {[dict get $e metadata] ne ""} { lappend fields metadata [dict get $e metadata] }
    foreach key {correlation causation aggregate} { if {[dict exists $e $key]} { lappend fields ${key}_id [dict get $e $key] } }
    return [list [dict get $e entry_id] $fields]
}
# The event's id and the entry that it is, under that name.
proc id_in {name sequence} {
    if {[is_virtual $name]} { return [lindex $::times $sequence]-$sequence }
    return [event_field $sequence entry_id]
}
proc entry_in {name sequence} {
    lassign [entry_of $sequence] id fields
    if {![is_virtual $name]} { return [list $id $fields] }
    return [list [id_in $name $sequence] [list @stream [event_field $sequence stream] @id $id {*}$fields]]
}
proc check_entries {name sequences reply what} {
    if {[lindex $reply 0] eq "error"} { fail "$what: [lindex $reply 1]" }
    set got [untyped $reply]
    if {[is_virtual $name]} { foreach entry $got { note_log_id [lindex $entry 0] } }
    assert_equal [lmap s $sequences {id_in $name $s}] [lmap entry $got {lindex $entry 0}] "$what: ids"
    foreach s $sequences entry $got {
        set want [entry_in $name $s]
        if {$want ne $entry} { fail "$what: expected [shorten $want], got [shorten $entry]" }
    }
}
# Sequences of what is there under a name.
proc events_in {name} { return [expr {[is_virtual $name] ? [selected $name] : [stream_events $name]}] }
# Sequences of the stream's entries that are beyond a key.
proc entries_beyond {name key {count ""}} {
    set out {}
    foreach s [stream_events $name] {
        if {[event_field $s key] <= $key} continue
        lappend out $s
        if {$count ne "" && [llength $out] == $count} break
    }
    return $out
}

# ---- checks ----

# The id that an explicit one stands for; "" when it is refused.
proc given_id {id last} {
    lassign [split $id -] ms seq
    lassign [split $last -] last_ms last_seq
    if {$seq ne "*"} {
        set id $ms-[expr {$seq eq "" ? 0 : $seq}]
        return [expr {[id_key $id] > [id_key $last] ? $id : ""}]
    }
    if {$ms < $last_ms} { return "" }
    return $ms-[expr {$ms == $last_ms ? $last_seq + 1 : 0}]
}
proc check_xadd {name options id fields words reply} {
    # 0-0 is refused before anything is looked at.
    if {$id in {0 0-0}} { expect_error "ERR *" $reply "XADD of 0-0"; return }
    if {[wrong_type $name $reply]} return
    if {[key_type $name] eq "none" && [dict exists $options no_create]} { expect_null $reply "XADD NOMKSTREAM"; return }
    if {$id ne "*"} {
        set last [expr {[dict exists $::heads $name] ? [head $name last] : "0-0"}]
        set id [given_id $id $last]
        if {$id eq ""} { expect_error "ERR The ID specified in XADD is equal or smaller*" $reply "XADD behind $last"; return }
        expect $id $reply "XADD $name"
    }
    if {[lindex $reply 0] ne "bulk"} { fail "XADD $name: $reply" }
    set type ""
    foreach {field value} $fields { if {$field eq "type"} { set type $value; break } }
    if {[string length $type] > 512} { set type "" }
    set event [dict create type $type payload [json_object $fields] fields $fields]
    model_add $name $event [dict create entry_id [lindex $reply 1]] [expr {$id ne "*"}]
    if {[dict exists $options max_len]} { trim_oldest $name [expr {[llength [stream_events $name]] - [dict get $options max_len]}] }
    if {[dict exists $options min_id]} { trim_before $name [dict get $options min_id] }
    note_frame [expr {[llength $::log] - 1}]
}
# Takes away what is before an id; returns how many.
proc trim_before {name id} {
    set n 0
    foreach s [stream_events $name] { if {[event_field $s key] < [id_key $id]} { incr n } }
    trim_oldest $name $n
    return $n
}
proc check_xlen {name words reply} {
    if {[wrong_type $name $reply]} return
    expect [llength [events_in $name]] $reply "XLEN $name"
}
# The key of a range's bound, its end included.
proc bound_key {bound end} {
    if {$bound in {- +}} { return [expr {$bound eq "-" ? 0 : (1 << 128)}] }
    set id [string trimleft $bound (]
    set key [id_key $id]
    if {$end && [string first - $id] < 0} { incr key [expr {(1 << 64) - 1}] }
    if {[string index $bound 0] eq "("} { incr key [expr {$end ? -1 : 1}] }
    return $key
}
proc check_range {name from to count reverse words reply} {
    set low [bound_key $from 0]
    set high [bound_key $to 1]
    # A bound that excludes the first or the last id there is.
    if {$high < 0 || $low >= (1 << 128)} { expect_error "ERR invalid *" $reply [shorten $words]; return }
    if {[wrong_type $name $reply]} return
    set wanted {}
    if {[is_virtual $name]} {
        set wanted [log_range $name $low $high]
    } else {
        foreach s [stream_events $name] {
            set key [event_field $s key]
            if {$key >= $low && $key <= $high} { lappend wanted $s }
        }
    }
    if {$reverse} { set wanted [lreverse $wanted] }
    if {$count ne ""} { set wanted [lrange $wanted 0 [expr {$count - 1}]] }
    check_entries $name $wanted $reply [shorten $words]
}
# Pairs {name reply} of what XREAD and XREADGROUP serve, whichever the protocol.
proc served {reply} {
    lassign $reply type value
    if {$type eq "error"} { fail $value }
    if {$type in {null null3 nullarray}} { return {} }
    if {$type eq "map"} { return [lmap {name entries} $value {list [lindex $name 1] $entries}] }
    return [lmap pair $value {list [lindex $pair 1 0 1] [lindex $pair 1 1]}]
}
proc check_xread {names ids count words reply} {
    set wanted {}
    foreach name $names id $ids {
        if {[wrong_type $name $reply]} return
        if {[key_type $name] eq "none" || $id eq "\$"} continue
        if {[is_virtual $name]} {
            set found [log_beyond $name $id $count]
            if {[llength $found]} { lappend wanted $name $found }
            continue
        }
        set last [id_key [head $name last]]
        switch -- $id {
            + {
                if {$last == 0} { expect_error "ERR the stream last element ID is 0-0" $reply "XREAD +"; return }
                set found [lrange [entries_beyond $name 0] end end]
            }
            default { set found [entries_beyond $name [id_key $id] $count] }
        }
        if {[llength $found]} { lappend wanted $name $found }
    }
    set got [served $reply]
    if {[llength $got]} {
        # What has come need not wait for what is found further on in the log.
        foreach name $names { if {[is_virtual $name] && $name ni [lmap pair $got {lindex $pair 0}]} { dict unset wanted $name } }
    }
    assert_equal [dict keys $wanted] [lmap pair $got {lindex $pair 0}] "XREAD's keys"
    foreach pair $got {
        lassign $pair name entries
        set found [dict get $wanted $name]
        # Of a virtual stream perhaps what is in memory, and the rest next time.
        if {[is_virtual $name]} { set found [lrange $found 0 [expr {[llength [lindex $entries 1]] - 1}]] }
        check_entries $name $found $entries "XREAD $name"
    }
}
proc check_xdel {name ids words reply} {
    if {[wrong_type $name $reply]} return
    set n 0
    foreach id $ids {
        set key [id_key $id]
        foreach s [stream_events $name] {
            if {[event_field $s key] != $key} continue
            event_gone $s
            incr n
            if {$key > [id_key [head $name deleted]]} { dict set ::heads $name deleted [key_id $key] }
            dict set ::heads $name plain 0
            break
        }
    }
    expect $n $reply "XDEL $name $ids"
    if {$n > 0} hard
}
proc check_xtrim {name how value about words reply} {
    if {[wrong_type $name $reply]} return
    if {$how eq "max_len"} {
        set n [expr {max(0, [llength [stream_events $name]] - $value)}]
        # About: whole nodes; the server says how many that were.
        if {$about && [lindex $reply 0] eq "int"} {
            assert_range 0 $n [lindex $reply 1] "XTRIM ~ $value"
            set n [lindex $reply 1]
        }
        trim_oldest $name $n
    } else {
        set n [trim_before $name $value]
    }
    expect $n $reply [shorten $words]
    if {$n > 0} hard
}
proc check_xsetid {name id words reply} {
    if {[wrong_type $name $reply]} return
    if {[key_type $name] eq "none"} { expect_error "ERR no such key" $reply XSETID; return }
    set key [id_key $id]
    set last [lindex [stream_events $name] end]
    if {$key < [id_key [head $name deleted]] || ($last ne "" && $key < [event_field $last key])} {
        expect_error "ERR The ID specified in XSETID is smaller*" $reply "XSETID $name $id"
        return
    }
    expect OK $reply "XSETID $name $id"
    dict set ::heads $name last [key_id $key]
    dict set ::heads $name plain 0
    hard
}
proc check_stream_info {name words reply} {
    if {[wrong_type $name $reply]} return
    if {[key_type $name] eq "none"} { expect_error "ERR no such key" $reply "XINFO STREAM"; return }
    if {[lindex $reply 0] eq "error"} { fail [lindex $reply 1] }
    set info [untyped $reply]
    set all [stream_events $name]
    foreach {field want} [list length [llength $all] last-generated-id [head $name last] max-deleted-entry-id [head $name deleted] \
            entries-added [head $name added] groups [dict size [head $name groups]] \
            recorded-first-entry-id [expr {[llength $all] ? [event_field [lindex $all 0] entry_id] : "0-0"}]] {
        assert_equal $want [field $info $field] "XINFO STREAM $name: $field"
    }
    foreach {field at} {first-entry 0 last-entry end} {
        assert_equal [expr {[llength $all] ? [entry_of [lindex $all $at]] : ""}] [field $info $field] "XINFO STREAM $name: $field"
    }
}
