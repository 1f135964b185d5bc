# The families of what has a name of its own: checkpoints (ECHECKPOINT SET GET DEL WAIT LIST, EREAD FROM CHECKPOINT) and
# views (EVIEW SET GET DEL LIST, VIEW in EREAD and of subscribers).

set checkpoints {} ;# name -> position
set views {}       ;# name -> selector (subscribers.tcl)
set timeline ""    ;# of the store: the same over restarts and crashes

set checkpoint_names {cp-0 cp-1 cp-2 cp-3 "cp 4" x-0}
set view_names {v-0 v-1 v-2 v-3}

# ---- checkpoints ----

proc checkpoint_at {name} { return [field_or_empty $::checkpoints $name] }
# Of the log as it is, whatever is appended before it comes.
proc random_position {} {
    set end [llength $::log]
    if {[rand_below 12] == 0} { return [expr {$end + 1000}] }
    return [rand_below [expr {$end + 1}]]
}
proc random_checkpoint_set {} {
    set name [pick $::checkpoint_names]
    set position [random_position]
    set given $position
    if {$::timeline ne "" && [rand_below 4] == 0} { append given @$::timeline }
    set if ""
    if {[rand_below 2]} {
        set at [checkpoint_at $name]
        set if [pick [list NONE $at $at $at [rand_below 100]]]
        if {$if eq ""} { set if NONE }
    }
    set words [list ECHECKPOINT SET $name $given]
    if {$if ne ""} { lappend words IF $if }
    return [list $words [list check_checkpoint_set $name $position $if]]
}
proc random_checkpoint_write {} {
    if {[rand_below 6]} { return [random_checkpoint_set] }
    set name [pick $::checkpoint_names]
    return [list [list ECHECKPOINT DEL $name] [list check_checkpoint_del $name]]
}
proc checkpoint_get {name} { return [list [list ECHECKPOINT GET $name] [list check_checkpoint_get $name]] }
proc random_checkpoint_read {} {
    set name [pick $::checkpoint_names]
    switch [rand_below 4] {
        0 {
            set sequence [rand_below [expr {[llength $::log] + 2}]]
            return [list [list ECHECKPOINT WAIT $name $sequence 1] [list check_checkpoint_wait $name $sequence]]
        }
        1 {
            set else [pick {"" START}]
            set words [list EREAD FROM CHECKPOINT $name]
            if {$else ne ""} { lappend words ELSE $else }
            return [list [list {*}$words COUNT 5] [list check_eread_checkpoint $name $else]]
        }
    }
    return [checkpoint_get $name]
}

proc condition_holds {if at} { return [expr {$if eq "" || ($if eq "NONE" ? $at eq "" : $if eq $at)}] }
proc stale_text {name at} {
    if {$at eq ""} { return "checkpoint '$name' does not exist" }
    return "checkpoint '$name' stands at $at"
}
proc check_checkpoint_set {name position if words reply} {
    set end [llength $::log]
    if {$position > $end} { expect_error "INVALIDARG position $position is beyond the head, $end" $reply [shorten $words]; return }
    set at [checkpoint_at $name]
    if {![condition_holds $if $at]} { expect_error "STALE [stale_text $name $at]" $reply [shorten $words]; return }
    expect OK $reply [shorten $words]
    dict set ::checkpoints $name $position
    hard
}
proc check_checkpoint_del {name words reply} {
    set there [dict exists $::checkpoints $name]
    expect $there $reply [shorten $words]
    dict unset ::checkpoints $name
    if {$there} hard
}
proc check_checkpoint_map {name map} {
    if {$::timeline eq ""} { set ::timeline [field $map timeline] }
    set at [checkpoint_at $name]
    assert_equal [list $at $::timeline [expr {[llength $::log] - $at}]] [list [field $map position] [field $map timeline] [field $map behind]] "checkpoint $name"
}
proc check_checkpoint_get {name words reply} {
    if {[checkpoint_at $name] eq ""} { expect_null $reply [shorten $words]; return }
    if {[lindex $reply 0] eq "error"} { fail "[shorten $words]: [lindex $reply 1]" }
    if {[untyped $reply] eq ""} { fail "the checkpoint $name is not there" }
    check_checkpoint_map $name [untyped $reply]
}
proc check_checkpoint_wait {name sequence words reply} {
    set at [checkpoint_at $name]
    expect [expr {$at ne "" && $at > $sequence}] $reply [shorten $words]
}
proc check_eread_checkpoint {name else words reply} {
    set at [checkpoint_at $name]
    if {$at eq "" && $else eq ""} { expect_error NOTFOUND* $reply [shorten $words]; return }
    check_eread [expr {$at eq "" ? 0 : $at}] 5 {} {} {} $words $reply
}

# ---- views ----

proc random_view_write {} {
    set name [pick $::view_names]
    set force [expr {[rand_below 2] ? "FORCE" : ""}]
    if {[rand_below 4] == 0} { return [list [list EVIEW DEL $name {*}$force] [list check_view_del $name $force]] }
    lassign [random_selector 1] words selector
    if {[llength $words] == 0} { set words {TYPE x}; set selector {type x} }
    return [list [list EVIEW SET $name {*}$words {*}$force] [list check_view_set $name $selector $force]]
}
proc random_view_read {} {
    set name [pick $::view_names]
    if {[rand_below 3] == 0} { return [list [list EVIEW GET $name] [list check_view_get $name]] }
    set from [expr {max(0, [llength $::log] - [rand_below 60])}]
    return [eread_view $from $name [expr {[rand_below 3] ? "" : [pick {order x nothing}]}]]
}
proc eread_view {from name category} {
    set words [list EREAD FROM $from COUNT 20 VIEW $name]
    if {$category ne ""} { lappend words CATEGORY $category }
    return [list $words [list check_eread_view $from $name $category]]
}
# Whether a subscriber reads by it, or there is a group on it.
proc view_is_used {name} {
    if {[dict size [groups_of @view:$name]]} { return 1 }
    dict for {n subscriber} $::subscribers { if {[dict get $subscriber view] eq $name} { return 1 } }
    return 0
}
proc same_selector {a b} {
    if {[lsort [dict keys $a]] ne [lsort [dict keys $b]]} { return 0 }
    dict for {kind values} $a { if {[lsort -unique $values] ne [lsort -unique [dict get $b $kind]]} { return 0 } }
    return 1
}
proc check_view_set {name selector force words reply} {
    set there [dict exists $::views $name]
    if {$there && $force eq "" && [view_is_used $name] && ![same_selector [dict get $::views $name] $selector]} {
        expect_error INUSE* $reply [shorten $words]
        return
    }
    expect OK $reply [shorten $words]
    if {$there && [same_selector [dict get $::views $name] $selector]} return
    if {$there} { note_view_change @view:$name $selector }
    dict set ::views $name $selector
    hard
}
proc check_view_del {name force words reply} {
    set there [dict exists $::views $name]
    if {$there && $force eq "" && [view_is_used $name]} { expect_error INUSE* $reply [shorten $words]; return }
    expect $there $reply [shorten $words]
    dict unset ::views $name
    dict unset ::virtuals @view:$name
    if {$there} hard
}
proc check_view_get {name words reply} {
    if {![dict exists $::views $name]} { expect_null $reply [shorten $words]; return }
    set said [dict create]
    foreach {kind value} [untyped $reply] { dict lappend said [string tolower $kind] $value }
    if {![same_selector $said [dict get $::views $name]]} { fail "[shorten $words]: $said, expected [dict get $::views $name]" }
}
proc check_eread_view {from name category words reply} {
    if {![dict exists $::views $name]} { expect_error "NOTFOUND view '$name' does not exist" $reply [shorten $words]; return }
    set selector [dict get $::views $name]
    if {$category ne ""} {
        if {[dict exists $selector category]} { expect_error INVALIDARG* $reply [shorten $words]; return }
        dict set selector category [list $category]
    }
    check_eread $from 20 {} $selector {} $words $reply
    # It goes on as another command would, which may find the view changed.
    if {[dict size $selector] && [llength $::follow] && [lindex $::follow end 0 0] eq "EREAD"} { set ::follow [lrange $::follow 0 end-1] }
}

# ---- all of them ----

proc random_named_write {} {
    set kinds {}
    foreach {family command} {checkpoints random_checkpoint_write views random_view_write} { if {$family in $::opt(families)} { lappend kinds $command } }
    return [[pick $kinds]]
}
proc list_all {c command} {
    set found {}
    set cursor 0
    while {1} {
        lassign [$c $command LIST $cursor COUNT [pick {1 2 100}]] cursor page
        lappend found {*}$page
        if {$cursor eq "0"} { return $found }
    }
}
proc check_names {c} {
    if {"checkpoints" in $::opt(families)} {
        set found {}
        foreach map [list_all $c ECHECKPOINT] {
            set name [field $map name]
            # (Those of subscribers the server may move.)
            if {[string match subscriber-* $name]} continue
            lappend found $name
            if {![dict exists $::checkpoints $name]} { fail "there is a checkpoint $name" }
            check_checkpoint_map $name $map
        }
        assert_equal [lsort [dict keys $::checkpoints]] [lsort $found] "ECHECKPOINT LIST"
    }
    if {"views" in $::opt(families)} { assert_equal [lsort [dict keys $::views]] [lsort [list_all $c EVIEW]] "EVIEW LIST" }
}
