# The crash test's producers: coroutines that send pipelines of random appends until their
# connection breaks, and note what was acknowledged, what was refused, and what got no reply.
#
# A command is {requests tags retriable note}: what is sent (several requests for a transaction, whose last
# reply counts), the tags of the events that it adds in their order, whether it may be sent again, and for
# a command that adds none a script that is run with its reply, or with "" when none came.

set next_tag 0
set acked {}           ;# of this round: tag, reply fields, in pairs
set refused {}         ;# tags that must not be there
set unknown {}         ;# commands with ids whose reply never came: sent again next round
array set trimmed_tags {} ;# tag -> k: it went to trim-k
set next_id 0          ;# of the entries whose ids the producer makes
set entry_streams {x-0 x-1 x-2 x-3} ;# those that groups read, each ...
set group_streams [concat $entry_streams @category:x] ;# ... and all of them as one

proc new_tag {} { return t[incr ::next_tag] }

proc make_append {client stream} {
    set tag [new_tag]
    switch [rand_below 3] {
        0 { return [list [list [list EAPPEND $stream plain PAYLOAD $tag]] [list $tag] 0] }
        1 {
            set words [list EAPPEND $stream with.id PAYLOAD $tag EVENT_ID [uuid]]
            if {[rand_below 3] == 0} { lappend words METADATA [string repeat m [rand_below 3000]] }
            return [list [list $words] [list $tag] 1]
        }
        2 {
            # Expected versions on shared streams: often wrong, which is an answer too.
            set expected [pick {empty exists 0 7}]
            return [list [list [list EAPPEND $stream guess PAYLOAD $tag EXPECTED_VERSION $expected]] [list $tag] 0]
        }
    }
}
proc make_group {client shared} {
    set group g[incr ::next_tag]
    set ids [rand_below 2]
    set n [expr {2 + [rand_below 5]}]
    set words [list EMAPPEND [uuid]]
    set tags {}
    for {set i 0} {$i < $n} {incr i} {
        set tag $group.$i.$n
        lappend tags $tag
        lappend words [pick [concat $shared own-$client g-[rand_below 50]]] grouped PAYLOAD $tag
        if {$ids} { lappend words EVENT_ID [uuid] }
    }
    return [list [list $words] $tags $ids]
}
proc make_entry {client} {
    set tag [new_tag]
    set stream [pick $::entry_streams]
    set retriable 0
    switch [rand_below 8] {
        0 - 1 - 2 { set words [list XADD $stream * tag $tag filling [string repeat f [rand_below 300]]] }
        3 - 4 { set words [list XADD $stream IDMP p-$client [uuid] * tag $tag]; set retriable 1 }
        5 - 6 {
            set k [rand_below 2]
            set ::trimmed_tags($tag) $k
            set words [list XADD trim-$k MAXLEN [pick {= ~}] [pick {100 150 300}] * tag $tag]
        }
        7 { set words [list XADD ids-$client 7-[incr ::next_id] tag $tag] }
    }
    return [list [list $words] [list $tag] $retriable]
}
# Entries and events, one of them now and then with an expected version that does not hold.
proc make_transaction {client shared} {
    set name m[incr ::next_tag]
    set n [expr {1 + [rand_below 5]}]
    set tags {}
    set requests MULTI
    for {set i 0} {$i < $n} {incr i} {
        set tag $name.$i.$n
        lappend tags $tag
        switch [rand_below 5] {
            0 { lappend requests [list EAPPEND [pick $shared] mixed PAYLOAD $tag] }
            1 { lappend requests [list EAPPEND [pick $::entry_streams] mixed PAYLOAD $tag EXPECTED_VERSION [pick {any any exists 3}]] }
            default { lappend requests [list XADD [pick $::entry_streams] * tag $tag] }
        }
    }
    lappend requests EXEC
    return [list $requests $tags 0]
}
# Groups come and go. Each name is made once and destroyed at most once, after a check has seen it.
proc make_group_change {} {
    if {[rand_below 2] && [llength $::destroyable]} {
        lassign [lindex $::destroyable 0] stream group
        set ::destroyable [lrange $::destroyable 1 end]
        return [list [list [list XGROUP DESTROY $stream $group]] {} 0 [list note_group $stream $group 0]]
    }
    set stream [pick $::entry_streams]
    set group passing-[incr ::next_tag]
    return [list [list [list XGROUP CREATE $stream $group [pick {0 \$}]]] {} 0 [list note_group $stream $group 1]]
}
proc make_command {client} {
    set shared [list s-[rand_below 5] s-[rand_below 200]]
    switch [rand_below 20] {
        0 - 1 - 2 - 3 - 4 - 5 { return [make_append $client [pick [concat own-$client $shared]]] }
        6 - 7 - 8 - 9 { return [make_group $client $shared] }
        10 { return [make_append $client [pick $::entry_streams]] }
        11 - 12 - 13 { return [make_transaction $client $shared] }
        14 { if {[rand_below 4] == 0} { return [make_group_change] } }
    }
    return [make_entry $client]
}

proc remember_one {tag reply} {
    lassign $reply type value
    # XADD replies an id, EAPPEND a map.
    lappend ::acked $tag [expr {$type eq "bulk" ? [list entry_id $value] : [untyped $reply]}]
}
proc remember_group {tags map} {
    set seq [field $map first_partition_sequence]
    if {[llength [field $map events]] != [llength $tags]} { fail "an EMAPPEND of [llength $tags] answered [shorten $map]" }
    foreach tag $tags e [field $map events] {
        lappend ::acked $tag [dict merge $e [list partition_sequence $seq]]
        incr seq
    }
}
proc remember {command reply} {
    lassign $command requests tags retriable note
    lassign $reply type value
    if {$type eq "error"} {
        if {![string match WRONGVER* $value]} { lappend ::complaints "[shorten $requests]: $value" }
        lappend ::refused {*}$tags
    } elseif {$note ne ""} {
        {*}$note $reply
    } elseif {[lindex $requests end] eq "EXEC"} {
        if {[llength $value] != [llength $tags]} { fail "a transaction of [llength $tags] answered [shorten $reply]" }
        foreach tag $tags one $value {
            if {[lindex $one 0] eq "error"} { fail "in a transaction: [shorten $requests]: $one" }
            remember_one $tag $one
        }
    } elseif {[llength $tags] > 1} {
        remember_group $tags [untyped $reply]
    } else {
        remember_one [lindex $tags 0] $reply
    }
}

# One client, as a coroutine: pipelines of 1 to 12 commands until the connection breaks.
proc writer {client} {
    set c [$::s client]
    set flight {}
    try {
        set retries {}
        while {1} {
            set batch {}
            if {$client == 0} { set retries $::unknown; set ::unknown {} }
            foreach command $retries { lappend batch $command }
            set retries {}
            for {set n [expr {1 + [rand_below 12]}]} {$n > 0} {incr n -1} { lappend batch [make_command $client] }
            set flight $batch
            set out ""
            foreach command $batch { foreach words [lindex $command 0] { append out [resp_command {*}$words] } }
            $c write $out
            foreach command $batch {
                foreach words [lindex $command 0] { set reply [$c read_typed] }
                set flight [lrange $flight 1 end]
                remember $command $reply
            }
        }
    } on error {message options} {
        client_over $message $options
        foreach command $flight {
            lassign $command requests tags retriable note
            if {$retriable} { lappend ::unknown $command }
            if {$note ne ""} { {*}$note "" }
        }
    }
    catch {$c destroy}
    incr ::running -1
}
# The kill ends every client with a broken connection; any other end is to be told.
proc client_over {message options} {
    if {[lindex [dict get $options -errorcode] 0] ni {CLIENT POSIX NONE}} {
        lappend ::complaints "$message\n[test_place [dict get $options -errorinfo]]"
    }
}
