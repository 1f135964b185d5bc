# The crash test's consumers: coroutines that read and acknowledge in groups until their
# connection breaks.
#
#   shared   three consumers, on the streams and on the virtual stream that has all of them, that also read what they have pending again and claim each other's
#   work     one consumer a stream, which for each entry adds one to another stream in the same
#            transaction as its XACK: exactly once, whatever happens

set group_names {shared work}
array set finished {}    ;# "stream group" -> dict: ids that were acknowledged, as of the last check
array set acked_ids {}   ;# the same, of this round
array set maybe_ids {}   ;# of this round: the XACK got no reply
array set delivered {}   ;# of this round: dict of the ids that came by `>`
array set group_known {} ;# "stream group" -> 1 it was made, 0 destroyed, ? no reply came
set destroyable {}       ;# {stream group}, seen by a check

proc note_group {stream group there reply} {
    set ::group_known([list $stream $group]) [expr {$reply eq "" ? "?" : $there}]
}
proc forget_round {} {
    foreach name {acked_ids maybe_ids delivered} {
        upvar #0 $name of
        foreach stream $::group_streams {
            foreach group $::group_names { set of([list $stream $group]) [dict create] }
        }
    }
}
proc make_groups {c} {
    foreach stream $::group_streams {
        foreach group $::group_names {
            $c XGROUP CREATE $stream $group 0 MKSTREAM
            set ::finished([list $stream $group]) [dict create]
        }
    }
    forget_round
}

# Notes what a reply of XREADGROUP brought; returns {stream ids} pairs.
proc note_delivery {group reply new} {
    set out {}
    foreach source $reply {
        lassign $source stream entries
        set key [list $stream $group]
        set ids [lmap entry $entries {lindex $entry 0}]
        foreach id $ids {
            if {[dict exists $::finished($key) $id]} { fail "$stream $id was acknowledged in $group, and came again" }
            if {!$new} continue
            if {[dict exists $::delivered($key) $id]} { fail "$stream $id was delivered to $group as new twice" }
            dict set ::delivered($key) $id 1
        }
        lappend out $stream $ids
    }
    return $out
}
proc read_new {c group name streams} {
    set ids [lmap stream $streams {string cat ">"}]
    set reply [$c XREADGROUP GROUP $group $name COUNT [pick {1 5 50}] BLOCK 20 STREAMS {*}$streams {*}$ids]
    return [note_delivery $group $reply 1]
}
proc read_pending {c group name streams} {
    set ids [lmap stream $streams {string cat 0}]
    return [note_delivery $group [$c XREADGROUP GROUP $group $name COUNT 50 STREAMS {*}$streams {*}$ids] 0]
}
proc claim {c group name stream} {
    lassign [$c XAUTOCLAIM $stream $group $name 0 0 COUNT 10] cursor entries
    return [note_delivery $group [list [list $stream $entries]] 0]
}

# {words key ids} of the XACKs for what was delivered; a part of it stays pending.
proc make_acks {group got} {
    set acks {}
    foreach {stream ids} $got {
        set key [list $stream $group]
        switch [rand_below 5] {
            0 {}
            1 { if {[llength $ids]} { lappend acks [list [list XACK $stream $group {*}$ids] $key $ids] } }
            default {
                foreach id $ids {
                    if {[rand_below 10]} { lappend acks [list [list XACK $stream $group $id] $key [list $id]] }
                }
            }
        }
    }
    return $acks
}
proc consumer {name} {
    set c [$::s client]
    set flight {}
    try {
        while {1} {
            switch [rand_below 8] {
                0 { set got [read_pending $c shared $name $::group_streams] }
                1 { set got [claim $c shared $name [pick $::group_streams]] }
                2 { set got [read_new $c shared $name [list [pick $::group_streams]]] }
                default { set got [read_new $c shared $name $::group_streams] }
            }
            set flight [make_acks shared $got]
            set out ""
            foreach ack $flight { append out [resp_command {*}[lindex $ack 0]] }
            $c write $out
            while {[llength $flight]} {
                lassign [lindex $flight 0] words key ids
                set reply [$c read_typed]
                set flight [lrange $flight 1 end]
                if {[lindex $reply 0] ne "int"} { fail "[shorten $words]: $reply" }
                # 0: another consumer had claimed and acknowledged it; either way it is done with.
                foreach id $ids { dict set ::acked_ids($key) $id 1 }
            }
        }
    } on error {message options} {
        client_over $message $options
        foreach ack $flight {
            foreach id [lindex $ack 2] { dict set ::maybe_ids([lindex $ack 1]) $id 1 }
        }
    }
    catch {$c destroy}
    incr ::running -1
}

# Reads one stream; the pending entries of earlier rounds first.
proc worker {stream} {
    set c [$::s client]
    set key [list $stream work]
    set flight {}
    set old 1
    try {
        while {1} {
            set got [expr {$old ? [read_pending $c work worker [list $stream]] : [read_new $c work worker [list $stream]]}]
            if {$old && [lindex $got 1] eq ""} { set old 0 }
            set out ""
            foreach id [lindex $got 1] {
                set tag [new_tag]
                lappend flight $id $tag
                append out [resp_command MULTI] [resp_command XACK $stream work $id] \
                    [resp_command XADD out-$stream * tag $tag source $id] [resp_command EXEC]
            }
            $c write $out
            while {[llength $flight]} {
                lassign $flight id tag
                for {set i 0} {$i < 4} {incr i} { set reply [$c read_typed] }
                set flight [lrange $flight 2 end]
                lassign [untyped $reply] count entry
                if {$count ne "1"} { fail "the worker's transaction for $stream $id answered [shorten $reply]" }
                dict set ::acked_ids($key) $id 1
                lappend ::acked $tag [list entry_id $entry]
            }
        }
    } on error {message options} {
        client_over $message $options
        foreach {id tag} $flight { dict set ::maybe_ids($key) $id 1 }
    }
    catch {$c destroy}
    incr ::running -1
}
