# The crash test's projectors and subscribers: coroutines that read the log and keep how far they are at the server, until
# their connection breaks.
#
#   projectors    two with one checkpoint, by mistake: each writes its read model (an entry for each event) and moves the
#                 checkpoint in one transaction. Whoever is late is told STALE, and has changed nothing.
#   subscriber    is pushed events, and acknowledges some of them; EACK moves its checkpoint

set projected {s-* x-*} ;# the streams that they read
set checkpoint_acked 0  ;# where the projectors' checkpoint stood, as of the last acknowledged transaction
set checkpoint_sent 0   ;# and where one without a reply may have moved it
set eacked 0            ;# the subscriber's: acknowledged by the server
set eack_sent 0         ;# and sent
set pushed {}           ;# of this round: cursors that were pushed
set pushed_from ""      ;# of this round: where it began; "" it did not
set projections 0

proc is_projected {stream} {
    foreach pattern $::projected { if {[string match $pattern $stream]} { return 1 } }
    return 0
}
proc selector_words {} { return [concat {*}[lmap pattern $::projected {list STREAM $pattern}]] }

# One page, and the transaction for it. Returns where the checkpoint is now.
proc project_page {c at} {
    set page [$c EREAD FROM [expr {$at eq "" ? "START" : $at}] BLOCK 20 COUNT [pick {1 5 50}] {*}[selector_words] FIELDS partition_sequence]
    set next [field $page next]
    if {$next eq $at} { return $at }
    set out [resp_command MULTI]
    set tags {}
    foreach e [field $page events] {
        set tag [new_tag]
        lappend tags $tag
        append out [resp_command XADD model * tag $tag of [lindex $e 0]]
    }
    append out [resp_command ECHECKPOINT SET projector $next IF [expr {$at eq "" ? "NONE" : $at}]] [resp_command EXEC]
    set ::checkpoint_sent [expr {max($::checkpoint_sent, $next)}]
    $c write $out
    for {set i 0} {$i < [llength $tags] + 3} {incr i} { set reply [$c read_typed] }
    if {[lindex $reply 0] eq "error"} {
        if {![string match "STALE *" [lindex $reply 1]]} { fail "a projector's transaction: [lindex $reply 1]" }
        lappend ::refused {*}$tags
        return [checkpoint_position $c projector]
    }
    foreach tag $tags entry [lrange [untyped $reply] 0 end-1] { lappend ::acked $tag [list entry_id $entry] }
    incr ::projections
    set ::checkpoint_acked $next
    return $next
}
proc checkpoint_position {c name} {
    set map [$c ECHECKPOINT GET $name]
    return [expr {$map eq "" ? "" : [field $map position]}]
}
proc projector {} {
    set c [$::s client]
    try {
        set at [checkpoint_position $c projector]
        while {1} { set at [project_page $c $at] }
    } on error {message options} { client_over $message $options }
    catch {$c destroy}
    incr ::running -1
}

proc subscriber {} {
    set c [$::s client]
    try {
        $c HELLO 3
        set reply [$c ESUBSCRIBE * FROM CHECKPOINT subscriber ELSE START CHECKPOINT subscriber WINDOW [pick {1 10 200}] \
            BATCH [pick {1 20}] CATEGORY x FIELDS partition_sequence]
        set id [field $reply id]
        set ::pushed_from [field $reply from]
        while {1} {
            set rest [lassign [$c push] kind of]
            if {$kind eq "end"} { fail "the subscription ended: $rest" }
            if {$kind ne "events"} continue
            set cursors [concat {*}[lindex $rest 1]]
            lappend ::pushed {*}$cursors
            # Some of it, and the rest.
            foreach cursor [lsort -integer -unique [list [pick $cursors] [lindex $cursors end]]] {
                set ::eack_sent [expr {$cursor + 1}]
                $c EACK $id $cursor
                set ::eacked [expr {$cursor + 1}]
            }
        }
    } on error {message options} { client_over $message $options }
    catch {$c destroy}
    incr ::running -1
}

# ---- after a restart ----

set modelled {} ;# sequences of the events that the read model has, in its order
set source_of {} ;# sequence -> stream, of what they read
# From the log, in order (verify.tcl).
proc note_projected {sequence stream payload} {
    if {[is_projected $stream]} { dict set ::source_of $sequence $stream }
    if {$stream eq "model"} {
        if {![regexp {"of":"(\d+)"} $payload all of]} { fail "the read model has $payload" }
        lappend ::modelled $of
    }
}
proc verify_projection {c} {
    set at [checkpoint_position $c projector]
    if {$at eq ""} { set at 0 }
    if {$at < $::checkpoint_acked || $at > max($::checkpoint_acked, $::checkpoint_sent)} {
        fail "the projectors' checkpoint stands at $at; acknowledged was $::checkpoint_acked, sent $::checkpoint_sent"
    }
    set wanted [lmap sequence [dict keys $::source_of] {if {$sequence >= $at} continue; set sequence}]
    if {$wanted ne $::modelled} {
        set i 0
        while {[lindex $wanted $i] eq [lindex $::modelled $i]} { incr i }
        fail "the read model is not the log below $at, once each: event $i of it is [lindex $::modelled $i], should be [lindex $wanted $i]"
    }
    set ::checkpoint_acked [set ::checkpoint_sent $at]
}
proc verify_subscriber {c} {
    set at [checkpoint_position $c subscriber]
    if {$at eq ""} { set at 0 }
    if {$at < $::eacked} { fail "the subscriber's checkpoint stands at $at; acknowledged was $::eacked" }
    set selected [lmap {sequence stream} $::source_of {if {![string match x-* $stream]} continue; set sequence}]
    # The server itself moves it over what is not for the subscriber.
    foreach sequence $selected {
        if {$sequence >= $::eack_sent && $sequence < $at} { fail "the subscriber's checkpoint stands at $at, beyond $sequence, which it has not acknowledged" }
    }
    if {$::pushed_from ne ""} {
        set from $::pushed_from
        set wanted [lrange [lmap sequence $selected {if {$sequence < $from} continue; set sequence}] 0 [expr {[llength $::pushed] - 1}]]
        if {$wanted ne $::pushed} { fail "from $from on was pushed $::pushed, should be $wanted" }
    }
    set ::pushed {}
    set ::pushed_from ""
    set ::eacked [set ::eack_sent $at]
}
