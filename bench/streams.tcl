# The rows S1 to S8 of bench/compare: the X commands on both sides, the same bytes to both.

set write {--mode xadd}
row S1 "XADD, c=50 P=1" 1.25 0 "" requests_per_s $write $write needs XADD \
    benchmark [lrepeat 2 [list XADD s:__rand_int__ * d $payload]]
row S1 "XADD, c=50 P=16" 2.0 0 "" requests_per_s "$write -P 16" "$write -P 16" needs XADD
row S2 "XADD, c=50 P=16, Redis everysec" 1.5 0 "" requests_per_s "$write -P 16" "$write -P 16" \
    needs XADD redis_conf {appendfsync everysec}

# One old stream, one group; a page is an XREADGROUP and the XACK of all that it brought. Little warm-up: it
# takes from the backlog.
# What makes the server steady is written to other streams; the backlog is the newest after that. Rows without a target are
# measured in fill only.
set other_streams {--mode xadd -P 16}
set group_needs {XADD XGROUP XREADGROUP XACK}
foreach {consumers count target} {8 10 2.5  8 1 0  8 100 0  1 1 0  1 10 0  1 100 0} {
    set load "--mode xgroup -c $consumers --count $count --warmup 0.1"
    set what "XREADGROUP $count + XACK, [expr {$consumers == 1 ? "1 consumer" : "$consumers consumers"}]"
    row S3 $what $target 0 "" events_per_s $load $load needs $group_needs prepare write_backlog \
        load $other_streams regimes [expr {$target > 0 ? {fill steady} : {fill}}]
}
set load {--mode xgroup -c 50 --count 1 --warmup 0.1}
row S4 "XREADGROUP 1 + XACK, c=50" 2.0 0 "" requests_per_s $load $load \
    needs $group_needs prepare write_backlog load $other_streams

foreach {writers what} {1 "1 writer" 10 "10 writers"} {
    set load "--mode xfanout --readers 100 -c [expr {100 + $writers}]"
    row S5 "deliver to 100 XREAD, $what" 1.2 1 "" events_per_s $load $load \
        needs {XADD XREAD} second 1 load $other_streams
}
set load {--mode xrange}
row S8 "XRANGE 100 entries, c=50 P=1" 3.0 0 "" requests_per_s $load $load \
    regimes once needs {XADD XRANGE} prepare {write_pages {redis xrange cairn xrange}}

# What the consumers find: entries long written, in the stream that the generator reads.
proc write_backlog {server} {
    bench $server --mode xadd --streams 1 -P 100 -n $::backlog --timeout 120
    settle $server
}

# ---- S7: what a pending entry takes in memory

# used_memory (of the allocator) and resident bytes.
proc memory_of {server} {
    return [list [info_field [dict get $server port] used_memory] [expr {[memory_mb $server] * 1048576}]]
}

# The entries are there and the group has begun before the first look, so only what is pending is between the two.
# ids: how they follow each other, as a radix tree of ids is much smaller when they are dense.
proc s7_one {ids side} {
    set server [start_server $side]
    set entries [list -c 1 -P 100 -n [expr {$::pending + 1}] --timeout 120]
    switch $ids {
        dense { bench $server --mode xadd --streams 1 {*}$entries }
        sparse { bench $server --mode raw {*}$entries "XADD s:0 1{n}-0 d {payload}" }
    }
    set consumer {--mode xgroup -c 1 --no-ack}
    bench $server {*}$consumer --count 1 -n 1
    settle $server
    lassign [memory_of $server] used_before resident_before
    set delivered [dict get [bench $server {*}$consumer --count 100] events]
    settle $server
    lassign [memory_of $server] used resident
    discard $server
    if {$delivered != $::pending} { error "S7: $side delivered $delivered entries of $::pending" }
    set each [lmap grown [list [expr {$used - $used_before}] [expr {$resident - $resident_before}]] {
        expr {double($grown) / $delivered}
    }]
    note [format "S7 %-5s %s ids: %.1f bytes used, %.1f resident, for each pending entry" $side $ids {*}$each]
    return [dict create used [lindex $each 0] resident [lindex $each 1]]
}

proc say_s7 {what name target results} {
    lassign $::sides left right
    foreach side $::sides {
        set bytes($side) 0
        set text($side) -
        set list [dict get $results $side]
        if {[llength $list] == 0} continue
        set bytes($side) [median_of $list $name]
        set text($side) [format "%.1f B" $bytes($side)]
    }
    set ratio -
    set wanted -
    set reached -
    if {$text($left) ne "-" && $text($right) ne "-" && $bytes($left) > 0} {
        set ratio [format %.2f [expr {$bytes($right) / $bytes($left)}]]
    }
    if {$target > 0} { set wanted "<=$target" }
    if {$target > 0 && $text($right) ne "-"} {
        set reached [expr {$bytes($right) <= $target ? "yes" : "no"}]
        if {$reached eq "no"} { incr ::missed }
    }
    say [format $::format S7 $what - $text($left) $text($right) $ratio $wanted $reached - - - - -]
}

# Memory, not speed: neither regimes nor processor time.
proc run_s7 {} {
    set needs $::group_needs
    foreach {ids what} {sparse "one id a ms" dense "many ids a ms"} {
        set results [in_pairs "S7 $what" "" [list s7_one $ids] $needs]
        say_s7 "a pending entry, $what" used 64 $results
        say_s7 "the same, resident" resident 0 $results
        say_probes $results
    }
    say_skipped $needs
}
