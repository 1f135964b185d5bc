# The table of bench/compare: a row is measured in interleaved pairs, and said with medians, ratio and target.
# It needs lib.tcl and the options of compare as globals.

set format "%-3s %-34s %9s %9s %6s %6s %-7s %13s %13s %11s"
proc head {} {
    say ""
    say [format $::format row what "Redis /s" "Cairn /s" ratio target reached \
        "p50/p99 Redis" "p50/p99 Cairn" "server CPU"]
    say [string repeat - 120]
}

proc kinds {pair {needs {}}} {
    set order [expr {$pair % 2 == 0 ? {redis cairn} : {cairn redis}}]
    if {$::only ne ""} { set order $::only }
    if {[llength [missing $needs]] == 0} { return $order }
    return [lsearch -all -inline -not -exact $order cairn]
}

# Which of these commands our server does not know. Asked once for each.
proc missing {needs} {
    if {$::only eq "redis"} { return {} }
    set unasked [lmap name $needs { if {[dict exists $::known $name]} continue; set name }]
    if {[llength $unasked] > 0} {
        set server [start_cairn]
        foreach name $unasked {
            set answer [ask [dict get $server port] $name]
            dict set ::known $name [expr {![string match -nocase "*unknown command*" $answer]}]
        }
        discard $server
    }
    return [lmap name $needs { if {[dict get $::known $name]} continue; set name }]
}
set known {}

# Loudly: a row that could not be measured is a target missed.
proc say_skipped {needs} {
    set missing [missing $needs]
    if {[llength $missing] == 0} return
    incr ::missed
    say "    SKIPPED for Cairn, which answers \"unknown command\" to [join $missing {, }]"
}

# Fills the results of both kinds by calling `measure` (a command prefix; gets kind) in pairs.
proc in_pairs {name unit measure {needs {}}} {
    set results [dict create redis {} cairn {}]
    set before [sync_probe]
    for {set i 0} {$i < $::pairs} {incr i} {
        foreach kind [kinds $i $needs] {
            wait_quiet
            set r [{*}$measure $kind]
            dict lappend results $kind $r
            note [format "%s pair %d %-5s %10.0f /s  p50 %8.3f p99 %8.3f ms" $name [expr {$i + 1}] $kind \
                [dict get $r $unit] [expr {[dict get $r p50_us] / 1000}] \
                [expr {[dict get $r p99_us] / 1000}]]
        }
    }
    set after [sync_probe]
    dict set results probe [list $before $after]
    return $results
}

# One line of the table from the results of both sides. Without a target (0) there is no verdict.
proc say_row {name what unit target p99 results} {
    foreach kind {redis cairn} {
        set list [dict get $results $kind]
        if {[llength $list] == 0} {
            lassign {0 - -} rate($kind) text($kind) tail($kind)
            set cpu($kind) -
            continue
        }
        set rate($kind) [median_of $list $unit]
        set text($kind) [rate_text $rate($kind)]
        set p99us($kind) [median_of $list p99_us]
        set tail($kind) "[ms_text [median_of $list p50_us]]/[ms_text $p99us($kind)]"
        set cpu($kind) -
        if {[dict exists [lindex $list 0] server_cpu]} {
            set cpu($kind) [format %.2f [median_of $list server_cpu]]
        }
    }
    set ratio -
    set reached -
    if {$rate(redis) > 0 && $rate(cairn) > 0} {
        set r [expr {$rate(cairn) / $rate(redis)}]
        set ratio [format %.2f $r]
        if {$target > 0} {
            set reached yes
            if {$p99 && $p99us(cairn) > $p99us(redis)} { set reached "no: p99" }
            if {$r < $target} { set reached no }
            if {$reached ne "yes"} { incr ::missed }
        }
    }
    set wanted -
    if {$target > 0} { set wanted [format %.2f $target] }
    say [format $::format $name $what $text(redis) $text(cairn) $ratio $wanted $reached \
        $tail(redis) $tail(cairn) $cpu(redis)/$cpu(cairn)]
    say_mb $results
    say_appends $results
    say_drained $results
    say_quality $results
    lassign [dict get $results probe] before after
    if {$before > 2 * $after || $after > 2 * $before} {
        say "    warning: a sync took $before us before and $after us after this row: not a quiet machine"
    }
}

# What makes a row doubtful: others that computed meanwhile, a generator at its limit.
proc say_quality {results} {
    set all [concat [dict get $results redis] [dict get $results cairn]]
    if {![dict exists [lindex $all 0] other_cpu]} return
    set other [median_of $all other_cpu]
    if {$other > 0.3} {
        say [format "    warning: others (kernel threads too) used %.2f cores meanwhile" $other]
    }
    foreach r $all {
        if {[dict get $r client_cpu] < 0.92} continue
        say "    warning: the generator was at its limit"
        return
    }
}

# The results of one side when they are those of this role of the generator, else none.
proc of_role {results kind role} {
    set list [dict get $results $kind]
    if {[llength $list] == 0 || ![dict exists [lindex $list 0] role]} { return {} }
    if {[dict get [lindex $list 0] role] ne $role} { return {} }
    return $list
}

# For reads: the bytes, as our records carry more than those of Redis.
proc say_mb {results} {
    foreach kind {redis cairn} {
        set list [of_role $results $kind read]
        if {[llength $list] == 0} continue
        set mb [median_of $list mb_in_per_s]
        set size [expr {1e6 * $mb / [median_of $list requests_per_s]}]
        say [format "    %-5s %.0f MB/s, %s events/s, %.0f bytes a reply" $kind $mb \
            [rate_text [median_of $list events_per_s]] $size]
    }
}

# For deliveries: what was written meanwhile.
proc say_appends {results} {
    foreach kind {redis cairn} {
        set list [of_role $results $kind deliver]
        if {[llength $list] == 0} continue
        say [format "    %-5s %s appends/s, p50/p99 of the append %s/%s ms" $kind \
            [rate_text [median_of $list write_per_s]] [ms_text [median_of $list write_p50_us]] \
            [ms_text [median_of $list write_p99_us]]]
    }
}

# For backlogs: how much of the time there was any left.
proc say_drained {results} {
    foreach kind {redis cairn} {
        set list [of_role $results $kind group]
        if {[llength $list] == 0} continue
        set seconds [median_of $list seconds]
        if {$seconds >= 0.5 * $::seconds} continue
        say [format "    note: %s had read the backlog of %s entries after %.2f s" $kind \
            [rate_text $::backlog] $seconds]
    }
}

# ---- rows that are pairs of runs of the generator

# name, what, target ratio (0: none), whether p99 must not be higher, rules for the disk, the figure compared, and the
# arguments of the generator for Redis and for Cairn. More, by name:
#   redis_conf {name value ...}  other settings of Redis in this row
#   prepare COMMAND              called with the server before the run
#   second 1                     the figures compared are those of the generator's second role
#   needs {COMMAND ...}          without them our server is skipped
#   benchmark {REDIS CAIRN}      commands with which redis-benchmark measures the row once more
set rows {}
proc row {name what target p99 rules unit redis cairn args} {
    set more {redis_conf {} prepare {} second 0 needs {} benchmark {}}
    lappend ::rows [dict merge $more [dict create name $name what $what target $target p99 $p99 \
        rules $rules unit $unit redis $redis cairn $cairn] $args]
}

# A server on which nothing is going on any more: what was written is applied, buffers are given back.
proc settle {server} {
    set port [dict get $server port]
    for {set i 0} {[dict get $server kind] eq "cairn"} {incr i} {
        if {[info_field $port applied_frame] == [info_field $port durable_frame]} break
        if {$i >= 600} { error "the database does not come after:\n[tail [dict get $server log]]" }
        after 100
    }
    after 1000
    wait_quiet
}

# What readers find: a million events in 10,000 streams, in memory and applied. modes: the generator's
# mode for each kind of server, as that says how it writes.
proc write_pages {modes server} {
    bench $server --mode [dict get $modes [dict get $server kind]] --prefill 1000000 -n 1
    settle $server
}

proc measure {row kind} {
    set conf {}
    if {$kind eq "redis"} { set conf [dict get $row redis_conf] }
    set server [start_server $kind -rules [dict get $row rules] -conf $conf]
    set prepare [dict get $row prepare]
    if {$prepare ne ""} { {*}$prepare $server }
    set r [bench $server -t $::seconds --warmup $::warmup {*}[dict get $row $kind]]
    discard $server
    if {[dict get $row second]} {
        foreach name {requests_per_s p50_us p99_us} as {write_per_s write_p50_us write_p99_us} {
            dict set r $as [dict get $r $name]
        }
        set r [dict merge $r [dict get $r second]]
    }
    return $r
}

proc run_row {row} {
    dict with row {}
    set results [in_pairs $name $unit [list measure $row] $needs]
    say_row $name $what $unit $target $p99 $results
    say_skipped $needs
    if {$benchmark ne ""} { run_redis_benchmark $row $results }
}

# P=1 with redis-benchmark too, which tops out earlier than we do: about as long as the others.
proc measure_redis_benchmark {rate commands kind} {
    set server [start_server $kind]
    set command [lindex $commands [expr {$kind eq "cairn"}]]
    set r [redis_benchmark $server [expr {int($rate * $::seconds / 2)}] 1 {*}$command]
    discard $server
    return $r
}
proc run_redis_benchmark {row results} {
    dict with row {}
    set some [concat [dict get $results redis] [dict get $results cairn]]
    if {[llength $some] == 0} return
    set rate [median_of $some requests_per_s]
    set results [in_pairs $name requests_per_s [list measure_redis_benchmark $rate $benchmark] $needs]
    say_row $name "the same with redis-benchmark" requests_per_s $target $p99 $results
}
