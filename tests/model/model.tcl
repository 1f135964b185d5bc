# The naive model: lists and dictionaries in memory. Beside it, in the file of each family, stands for every
# command a procedure that says what the reply must be. A check runs when its reply is read; replies
# come in the order of the commands, so the model is always at the state that the command saw.
#
# What only the server can know (ids, times that it makes) is taken from its replies, and from then
# on must stay the same.
#
#   events.tcl         appending and reading by version (EAPPEND ... EINFO)
#   entries.tcl        the same events by entry id (XADD ... XINFO STREAM)
#   groups.tcl         consumer groups
#   keys.tcl           deleting, renaming, deadlines, SET and GET, ETRUNCATE, EERASE, EDELETE
#   strings.tcl        the commands of strings
#   transactions.tcl   MULTI and EXEC over all of them
#   fault_round.tcl    faults of the disk
#   virtual.tcl        streams that are selections of the log, and their groups
#   subscribers.tcl    EREAD, and subscribers beside the batches
#   named.tcl          checkpoints and views
#   beside.tcl         a second reader, beside whoever writes
#
# A command is {words check}: check is called with the words and the typed reply.

set log {}       ;# events (dicts) by sequence; "" once they are gone
set learned 0    ;# events below it have been read back
set times {}     ;# when each was recorded, by sequence, gone ones too; "" where no reply has told
set streams {}   ;# name -> sequences by version, gone ones too
set heads {}     ;# name -> dict: last (entry id), deleted (id), added, plain, groups (name -> group)
set virtuals {}  ;# name of a virtual stream -> groups
set strings {}   ;# name -> value
set deadlines {} ;# name -> ms since 1970
set ids {}       ;# client-made event id -> sequence
set sent {}      ;# client-made event id -> {options reply} of the EAPPEND that it came with
set repeatable {} ;# {words reply events} of EMAPPENDs whose events all have ids
set made_last 0-0 ;# the highest entry id that the server made
set follow {}    ;# scans to be continued in the next batch
# Changes that a crash may take back: deliveries since the last reply that waited for the disk.
# {name groups} in their order: a stream, and its groups before.
set soft {}

# ---- entry ids ----

proc id_key {id} {
    lassign [split $id -] ms seq
    return [expr {($ms << 64) | ($seq eq "" ? 0 : $seq)}]
}
proc key_id {key} { return [expr {$key >> 64}]-[expr {$key & 0xffffffffffffffff}] }
proc by_id {a b} {
    set a [id_key $a]
    set b [id_key $b]
    return [expr {$a < $b ? -1 : $a > $b}]
}

# ---- keys ----

proc key_type {name} {
    if {[dict exists $::heads $name] || [is_virtual $name]} { return stream }
    return [expr {[dict exists $::strings $name] ? "string" : "none"}]
}
proc key_names {} { return [concat [dict keys $::heads] [dict keys $::strings]] }
proc make_stream {name} {
    if {[dict exists $::heads $name]} return
    dict set ::heads $name [dict create last 0-0 deleted 0-0 added 0 plain 1 groups {}]
    dict set ::streams $name {}
}
proc drop_key {name} {
    if {[dict exists $::heads $name]} {
        foreach sequence [dict get $::streams $name] { event_gone $sequence }
        dict unset ::streams $name
        dict unset ::heads $name
    }
    dict unset ::strings $name
    dict unset ::deadlines $name
}
proc rename_key {from to} {
    if {$from eq $to} return
    drop_key $to
    foreach of {streams heads strings deadlines} {
        upvar #0 $of dict
        if {![dict exists $dict $from]} continue
        dict set dict $to [dict get $dict $from]
        dict unset dict $from
    }
    if {![dict exists $::streams $to]} return
    foreach sequence [dict get $::streams $to] {
        if {[lindex $::log $sequence] eq ""} continue
        lset ::log $sequence [dict replace [lindex $::log $sequence] stream $to]
        note_brought_in $sequence $from
        touch $sequence
    }
}

# ---- streams ----

# The last version; "" when there is none.
proc stream_last {name} {
    if {![dict exists $::streams $name]} { return "" }
    set n [llength [dict get $::streams $name]]
    return [expr {$n == 0 ? "" : $n - 1}]
}
# Sequences of the events that are there, in order.
proc stream_events {name} {
    if {![dict exists $::streams $name]} { return {} }
    set out {}
    foreach sequence [dict get $::streams $name] { if {[lindex $::log $sequence] ne ""} { lappend out $sequence } }
    return $out
}
proc event_field {sequence key} { return [dict get [lindex $::log $sequence] $key] }
proc head {name key} { return [dict get $::heads $name $key] }

# Puts an event at the end of the log. reply: what the server said of it, an entry id at least.
proc model_add {name options reply {given 0}} {
    make_stream $name
    set id [field $reply entry_id]
    set key [id_key $id]
    set last [id_key [head $name last]]
    assert {$key > $last} "entry id $id after [head $name last] in $name"
    if {!$given && $last <= [id_key $::made_last]} {
        assert {$key > [id_key $::made_last]} "entry id $id after $::made_last, which the server made before"
        set ::made_last $id
    }
    set version [llength [dict get $::streams $name]]
    set e [dict merge {type "" payload "" metadata ""} $options]
    dict set e stream $name
    dict set e version $version
    dict set e sequence [llength $::log]
    dict set e entry_id $id
    dict set e key $key
    foreach {key said} {version stream_version event_id event_id timestamp timestamp} {
        if {![dict exists $reply $said]} continue
        if {[dict exists $e $key]} { assert_equal [dict get $e $key] [dict get $reply $said] "$said in $name" }
        dict set e $key [dict get $reply $said]
    }
    if {[dict exists $options event_id]} { dict set ::ids [dict get $options event_id] [llength $::log] }
    dict lappend ::streams $name [llength $::log]
    dict set ::heads $name last $id
    dict set ::heads $name added [expr {[head $name added] + 1}]
    lappend ::log $e
    lappend ::times ""
    hard
}
proc event_gone {sequence} {
    if {[lindex $::log $sequence] ne ""} { touch $sequence }
    lset ::log $sequence ""
}
# Takes away what a stream has below a version. Returns how many events that were.
proc trim_below {name version} {
    set n 0
    foreach sequence [stream_events $name] {
        if {[event_field $sequence version] >= $version} break
        event_gone $sequence
        incr n
    }
    if {$n > 0} { dict set ::heads $name plain 0 }
    return $n
}
# Takes away the oldest n.
proc trim_oldest {name n} {
    if {$n <= 0} return
    foreach sequence [lrange [stream_events $name] 0 [expr {$n - 1}]] { event_gone $sequence }
    dict set ::heads $name plain 0
}
# Whether the event with a client-made id is there.
proc id_is_there {id} { return [expr {[dict exists $::ids $id] && [lindex $::log [dict get $::ids $id]] ne ""}] }

# ---- what a crash may take back ----

# A reply that waited for the disk: all before it is durable.
proc hard {} { set ::soft {} }
# Call it before groups of the stream change by a delivery.
proc soften {name} { lappend ::soft [list $name [groups_of $name]] }

# ---- replies ----

proc expect {wanted reply what} {
    if {[lindex $reply 0] eq "error"} { fail "$what: [lindex $reply 1]" }
    assert_equal $wanted [untyped $reply] $what
}
proc expect_null {reply what} {
    assert {[lindex $reply 0] in {null null3 nullarray}} "$what: expected nothing, got [shorten $reply]"
}
proc expect_error {pattern reply what} {
    assert_match "error $pattern" "[lindex $reply 0] [lindex $reply 1]" $what
}
# For commands on streams: whether the key is a string; then the reply must say so.
proc wrong_type {name reply} {
    if {[key_type $name] ne "string"} { return 0 }
    expect_error WRONGTYPE* $reply "a command on the string $name"
    return 1
}
proc check_refused {pattern words reply} { expect_error $pattern $reply [shorten $words] }
