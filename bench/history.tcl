# The H rows of bench/long: finding a few events among very many. A store of --history events (ten millions) has, evenly
# spread, ten events of each thing that a selector can name; everything else is of one category and one type.

# What is looked for, and how many there are. `wide` has a hundred streams, `order` one; all events but a few are of `all`.
set ::looked_for {
    "correlation"                     {CORRELATION 0b0e7c5a-6c1f-5d0e-9b7a-2f1d4c3b2a19}
    "causation"                       {CAUSATION 0b0e7c5a-6c1f-5d0e-9b7a-2f1d4c3b2a20}
    "aggregate"                       {AGGREGATE rare}
    "type"                            {TYPE rare}
    "types, a glob"                   {TYPE ra*}
    "stream"                          {STREAM order-1}
    "stream without a dash"           {STREAM needle}
    "category of one stream"          {CATEGORY order}
    "category of 100 streams"         {CATEGORY wide}
    "streams, a glob"                 {STREAM wide-*}
    "category and type"               {CATEGORY all TYPE rare}
}

# All pages of a selector: how many events, and in how many ms.
proc find_all {s selector} {
    set position 0
    set found 0
    set begin [clock microseconds]
    while 1 {
        puts -nonewline $s [request EREAD FROM $position FIELDS partition_sequence {*}$selector]
        flush $s
        array set page [read_reply $s]
        incr found [llength $page(events)]
        set position $page(next)
        if {!$page(has_more)} break
    }
    return [list $found [expr {([clock microseconds] - $begin) / 1000.0}]]
}
# One reply of RESP2, arrays as lists; an error is one of ours.
proc read_reply {s} {
    set line [string trimright [gets $s] "\r"]
    set rest [string range $line 1 end]
    switch -- [string index $line 0] {
        : - + { return $rest }
        $ { return [string range [read $s [expr {$rest + 2}]] 0 end-2] }
        * {
            set list {}
            for {set i 0} {$i < $rest} {incr i} { lappend list [read_reply $s] }
            return $list
        }
        default { error "the server said: $line" }
    }
}

# Appends them, one after the other.
proc append_each {server events} {
    set s [socket 127.0.0.1 [dict get $server port]]
    fconfigure $s -translation binary
    foreach event $events {
        puts -nonewline $s [request EAPPEND {*}$event]
        flush $s
        read_reply $s
    }
    close $s
}
# One of each thing.
proc append_rare {server round} {
    set correlation [lindex $::looked_for 1 1]
    set causation [lindex $::looked_for 3 1]
    append_each $server [list [list order-1 rare CORRELATION $correlation] [list needle rare CAUSATION $causation] \
        {all-s:0001 rare AGGREGATE rare} [list wide-$round t]]
}

# A store, closed: its directory.
proc history_store {events} {
    set server [start_cairn]
    append_each $server [lmap i [lrepeat 90 x] {list wide-[expr {[incr n] + 9}] t}]
    for {set round 0} {$round < 10} {incr round} {
        bench $server --mode mappend --prefix all-s: --spread --batch 100 -c 8 -n [expr {$events / 1000}] --timeout 600
        append_rare $server $round
    }
    stop_server $server TERM
    return [dict get $server dir]
}

proc run_H1 {} {
    set dir [history_store $::history]
    say "H1  EREAD of ten events among [rate_text $::history] (30 of the type; of \"wide\" 90 more at the beginning)"
    say [format "    %-28s %8s %10s %10s" "" events "cold ms" "warm ms"]
    foreach {what selector} $::looked_for {
        drop_cache $dir
        set server [start_cairn -dir $dir]
        set s [socket 127.0.0.1 [dict get $server port]]
        fconfigure $s -translation binary
        lassign [find_all $s $selector] found cold
        set warm [median [lmap i {1 2 3 4 5} {lindex [find_all $s $selector] 1}]]
        close $s
        stop_server $server TERM
        say [format "    %-28s %8d %10.2f %10.2f: %s" $what $found $cold $warm [verdict [expr {$cold < 1000}]]]
    }
    file delete -force $dir
}
