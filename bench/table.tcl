# The table of bench/compare: a row is measured in interleaved pairs, in its regimes, and said with medians, ratio and
# target. It needs lib.tcl, regime.tcl and the options of compare as globals.

set format "%-3s %-34s %-6s %9s %9s %6s %6s %-7s %13s %13s %9s %11s %11s"
proc head {} {
    lassign [lmap side $::sides {title_of $side}] left right
    say ""
    say [format $::format row what regime "$left /s" "$right /s" ratio target reached \
        "p50/p99 $left" "p50/p99 $right" cores "us server" "us client"]
    say [string repeat - 149]
}

# The sides in the order of this pair, without what is not wanted or not possible.
proc order {pair {needs {}}} {
    set order [expr {$pair % 2 == 0 ? $::sides : [lreverse $::sides]}]
    if {$::only ne ""} { set order $::only }
    if {[llength [missing $needs]] == 0} { return $order }
    return [lsearch -all -inline -not -exact $order cairn]
}

# Which of these commands our server does not know. Asked once for each. Two builds are expected to know the same.
proc missing {needs} {
    if {$::only eq "redis" || $::binary_b ne ""} { return {} }
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

# Calls `measure` (a command prefix; gets the side) in pairs. A dict: for each side the list of results
# that count; pages and syncs of the probes around them; voids, a list of {side why}.
proc in_pairs {name unit measure {needs {}}} {
    set results [dict create pages {} syncs {} voids {}]
    foreach side $::sides { dict set results $side {} }
    for {set i 0} {$i < $::pairs} {incr i} {
        foreach side [order $i $needs] {
            set label [format "%s pair %d %-5s" $name [expr {$i + 1}] $side]
            set run [counted $label [concat $measure $side]]
            if {[dict get $run void] ne ""} {
                dict lappend results voids [list $side [dict get $run void]]
                continue
            }
            foreach probe {pages syncs} { dict lappend results $probe {*}[dict get $run $probe] }
            set r [dict get $run result]
            if {$unit ne ""} {
                set r [with_costs $r $unit]
                note [format "%s %10.0f /s  p50 %8.3f p99 %8.3f ms  cpu %.2f + %.2f us  (%s)" $label \
                    [dict get $r $unit] [expr {[dict get $r p50_us] / 1000}] [expr {[dict get $r p99_us] / 1000}] \
                    [dict get $r server_us] [dict get $r client_us] \
                    [probe_text [dict get $run pages] [dict get $run syncs]]]
            }
            dict lappend results $side $r
        }
    }
    return $results
}

# Of one side: a dict of the medians of what the row shows; empty without results.
proc medians_of {list unit} {
    if {[llength $list] == 0} { return {} }
    set names [list $unit p50_us p99_us server_cpu client_cpu server_us client_us]
    set d [dict create]
    foreach name $names { dict set d $name [median_of $list $name] }
    dict set d rate [dict get $d $unit]
    return $d
}

# yes, no, "no: p99", or - without a target or without one of the sides.
proc verdict_of {left right target p99} {
    if {$left eq "" || $right eq "" || $target <= 0 || [dict get $left rate] <= 0} { return - }
    if {double([dict get $right rate]) / [dict get $left rate] < $target} { return no }
    if {$p99 && [dict get $right p99_us] > [dict get $left p99_us]} { return "no: p99" }
    return yes
}

# One line of the table from the results of both sides, and what else is to be said of them. Without a target (0)
# there is no verdict; two builds have none.
proc say_row {name what regime unit target p99 results} {
    lassign $::sides left right
    if {$::binary_b ne ""} { set target 0 }
    foreach side $::sides {
        set m($side) [medians_of [dict get $results $side] $unit]
        if {$m($side) eq ""} {
            lassign {- - - - -} rate($side) tail($side) cores($side) server($side) client($side)
            continue
        }
        set rate($side) [rate_text [dict get $m($side) rate]]
        set tail($side) "[ms_text [dict get $m($side) p50_us]]/[ms_text [dict get $m($side) p99_us]]"
        set cores($side) [format %.2f [dict get $m($side) server_cpu]]
        foreach who {server client} { set ${who}($side) [format %.2f [dict get $m($side) ${who}_us]] }
    }
    set ratio -
    if {$m($left) ne "" && $m($right) ne "" && [dict get $m($left) rate] > 0} {
        set ratio [format %.2f [expr {double([dict get $m($right) rate]) / [dict get $m($left) rate]}]]
    }
    set reached [verdict_of $m($left) $m($right) $target $p99]
    # A side of which nothing counts.
    foreach void [dict get $results voids] { if {$m([lindex $void 0]) eq ""} { set reached void } }
    if {$reached eq "void" || [string match no* $reached]} { incr ::missed }
    set wanted -
    if {$target > 0} { set wanted [format %.2f $target] }
    say [format $::format $name $what [expr {$regime eq "once" ? "-" : $regime}] $rate($left) $rate($right) \
        $ratio $wanted $reached $tail($left) $tail($right) $cores($left)/$cores($right) \
        $server($left)/$server($right) $client($left)/$client($right)]
    say_cores $target $m($left) $m($right)
    say_mb $results
    say_appends $results
    say_drained $results
    say_short $results
    say_quality $results
    say_probes $results
}

# What the target would take of both programs' processors: the cores, or "" when there are enough. Server and
# generator share the machine; a tenth of it is the kernel's and everybody else's.
proc cores_beyond {target left_rate server_us client_us cores} {
    set needed [expr {$target * $left_rate * ($server_us + $client_us) / 1e6}]
    return [expr {$needed > 0.9 * $cores ? $needed : ""}]
}
proc say_cores {target left right} {
    if {$left eq "" || $right eq "" || $target <= 0} return
    foreach name {server_us client_us} { set $name [dict get $right $name] }
    set needed [cores_beyond $target [dict get $left rate] $server_us $client_us $::cores]
    if {$needed eq ""} return
    say [format "    the target is %s/s, which takes %.2f cores (%.2f us of the server + %.2f us of the generator): above %.1f" \
        [rate_text [expr {$target * [dict get $left rate]}]] $needed $server_us $client_us [expr {0.9 * $::cores}]]
}
set ::cores [exec nproc]

# In steady: what it lacked when it was measured all the same.
proc say_short {results} {
    foreach side $::sides {
        set said [lmap r [dict get $results $side] {
            if {![dict exists $r short] || [dict get $r short] eq ""} continue
            dict get $r short
        }]
        if {[llength $said] == 0} continue
        say "    not steady: [title_of $side] in [llength $said] of [llength [dict get $results $side]] runs, [lindex $said end]"
    }
}

proc say_probes {results} {
    foreach side $::sides {
        set why [lmap void [dict get $results voids] {
            if {[lindex $void 0] ne $side} continue
            lindex $void 1
        }]
        if {[llength $why] == 0} continue
        say "    void: [lindex $why end] ([title_of $side], [llength $why] of $::pairs runs, each tried $::tries times)"
    }
    if {[llength [dict get $results pages]] == 0} return
    set syncs [dict get $results syncs]
    say "    probes: [probe_text [dict get $results pages] $syncs]"
    if {[tcl::mathfunc::max {*}$syncs] > 2 * [tcl::mathfunc::min {*}$syncs]} {
        say "    warning: the syncs moved by more than two: not a quiet machine"
    }
}

# What makes a row doubtful: others that computed meanwhile, a generator at its limit.
proc say_quality {results} {
    set all [concat {*}[lmap side $::sides {dict get $results $side}]]
    if {[llength $all] == 0} return
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
proc of_role {results side role} {
    set list [dict get $results $side]
    if {[llength $list] == 0 || ![dict exists [lindex $list 0] role]} { return {} }
    if {[dict get [lindex $list 0] role] ne $role} { return {} }
    return $list
}

# For reads: the bytes, as our records carry more than those of Redis.
proc say_mb {results} {
    foreach side $::sides {
        set list [of_role $results $side read]
        if {[llength $list] == 0} continue
        set mb [median_of $list mb_in_per_s]
        set size [expr {1e6 * $mb / [median_of $list requests_per_s]}]
        say [format "    %-5s %.0f MB/s, %s events/s, %.0f bytes a reply" $side $mb \
            [rate_text [median_of $list events_per_s]] $size]
    }
}

# For deliveries: what was written meanwhile.
proc say_appends {results} {
    foreach side $::sides {
        set list [of_role $results $side deliver]
        if {[llength $list] == 0} continue
        say [format "    %-5s %s appends/s, p50/p99 of the append %s/%s ms" $side \
            [rate_text [median_of $list write_per_s]] [ms_text [median_of $list write_p50_us]] \
            [ms_text [median_of $list write_p99_us]]]
    }
}

# For backlogs: how much of the time there was any left.
proc say_drained {results} {
    foreach side $::sides {
        set list [of_role $results $side group]
        if {[llength $list] == 0} continue
        set seconds [median_of $list seconds]
        if {$seconds >= 0.5 * $::seconds} continue
        say [format "    note: %s had read the backlog of %s entries after %.2f s" $side \
            [rate_text $::backlog] $seconds]
    }
}

# What there was no more of, on each side: of the machine, the generator, the server's loop; else it waited.
proc bound_by {cores loop client server other} {
    set used [expr {$server + $client + $other}]
    if {$client > 0.92} { return [format "the generator, %.2f cores" $client] }
    if {$loop > 0.92} { return [format "its loop, %.2f cores" $loop] }
    if {$used > 0.92 * $cores} { return [format "the machine, %.2f cores of %d (the loop %.2f)" $used $cores $loop] }
    return [format "waiting, for syncs and round trips (the loop %.2f cores, the generator %.2f)" $loop $client]
}
proc say_bound_by {results} {
    foreach side $::sides {
        set list [dict get $results $side]
        if {[llength $list] == 0} continue
        set figures [lmap name {loop_cpu client_cpu server_cpu other_cpu} {median_of $list $name}]
        say [format "    %-5s is bound by %s" $side [bound_by $::cores {*}$figures]]
    }
}

# A bound of Cairn's own: whether it is kept, and how that is said.
proc bound_verdict {figure way bound value} {
    set kept [expr {$way eq "most" ? $value <= $bound : $value >= $bound}]
    lassign [lmap v [list $value $bound] {
        expr {[string match *_us $figure] ? "[ms_text $v] ms" : "[rate_text $v]/s"}
    }] said wanted
    set name [string map {_us "" events_per_s rate requests_per_s rate} $figure]
    return [list $kept "$name $said, at $way $wanted: [expr {$kept ? "reached" : "missed"}]"]
}
proc say_bounds {bounds results} {
    if {$::binary_b ne "" || [llength [dict get $results cairn]] == 0} return
    foreach {figure way bound} $bounds {
        lassign [bound_verdict $figure $way $bound [median_of [dict get $results cairn] $figure]] kept text
        if {!$kept} { incr ::missed }
        say "    $text"
    }
}

# ---- rows that are pairs of runs of the generator

# name, what, target ratio (0: none), whether p99 must not be higher, rules for the disk, the figure compared, and the
# arguments of the generator for Redis and for Cairn. More, by name:
#   regimes                      {fill steady}; or once: the row has none
#   steady TARGET                another target there
#   fill_conf {name value ...}   the row's fill is --fill-events in all, with these settings of Cairn
#   load ARGUMENTS               what makes it steady, when the row's own work does not; it is applied afterwards
#   redis_conf {name value ...}  other settings of Redis in this row
#   prepare COMMAND              called with the server before the run
#   second 1                     the figures compared are those of the generator's second role
#   needs {COMMAND ...}          without them our server is skipped
#   bounds {FIGURE most|least N ...}   what Cairn's figures must keep by themselves; the row then says what bounds both sides
#   benchmark {REDIS CAIRN}      commands with which redis-benchmark measures the row once more, in fill
set rows {}
proc row {name what target p99 rules unit redis cairn args} {
    set more {regimes {fill steady} fill_conf {} load {} redis_conf {} prepare {} second 0 needs {} bounds - benchmark {}}
    lappend ::rows [dict merge $more [dict create name $name what $what target $target p99 $p99 \
        steady $target rules $rules unit $unit redis $redis cairn $cairn] $args]
}

# A server on which nothing is going on any more: what was written is applied, buffers are given back.
proc settle {server} {
    set port [dict get $server port]
    for {set i 0} {[dict get $server kind] eq "cairn"} {incr i} {
        if {[info_field $port applied_frame] == [info_field $port durable_frame]} break
        if {$i >= 1800} { error "the database does not come after:\n[tail [dict get $server log]]" }
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

# One run of the generator, on a server brought into the regime.
proc measure {row regime side} {
    set kind [kind_of $side]
    set arguments [dict get $row $kind]
    set in_events [expr {$regime eq "fill" && [dict get $row fill_conf] ne ""}]
    set conf {}
    if {$kind eq "redis"} { set conf [dict get $row redis_conf] }
    if {$kind eq "cairn" && $in_events} { set conf [dict get $row fill_conf] }
    set server [start_server $side -rules [dict get $row rules] -conf $conf]
    set short ""
    if {$regime eq "steady"} {
        set load [dict get $row load]
        set short [load_until_steady $server [expr {$load eq "" ? $arguments : $load}]]
        if {$load ne ""} { settle $server }
    }
    set prepare [dict get $row prepare]
    if {$prepare ne ""} { {*}$prepare $server }
    if {$in_events} {
        set length [list -n [requests_for $::fill_events $arguments]]
    } else {
        set length [list -t [expr {$regime eq "steady" ? $::steady_measured : $::seconds}] --warmup $::warmup]
    }
    set r [bench $server {*}$length {*}$arguments]
    discard $server
    if {[dict get $row second]} {
        foreach name {requests_per_s p50_us p99_us} as {write_per_s write_p50_us write_p99_us} {
            dict set r $as [dict get $r $name]
        }
        set r [dict merge $r [dict get $r second]]
    }
    dict set r short $short
    return $r
}

set measured {}
proc run_row {row} {
    dict with row {}
    # Two builds of Cairn: what only tells Redis' side apart is one row.
    if {$::binary_b ne ""} {
        set same [list $name $rules $cairn $prepare]
        if {$same in $::measured} return
        lappend ::measured $same
        regsub {, Redis.*| \((MULTI|P=100)\)$} $what "" what
    }
    foreach regime [regimes_of_row $::regimes $regimes] {
        set results [in_pairs "$name $regime" $unit [list measure $row $regime] $needs]
        say_row $name $what $regime $unit [expr {$regime eq "steady" ? $steady : $target}] $p99 $results
        if {$bounds ne "-"} {
            say_bound_by $results
            say_bounds $bounds $results
        }
        if {$regime eq "fill" && $fill_conf ne ""} {
            say "    fill: $::fill_events events in all; Cairn with $fill_conf"
        }
        say_skipped $needs
        if {$benchmark ne "" && $regime eq "fill"} { run_redis_benchmark $row $results }
    }
}

# P=1 with redis-benchmark too, which tops out earlier than we do: about as long as the others.
proc measure_redis_benchmark {rate commands side} {
    set server [start_server $side]
    set command [lindex $commands [expr {[kind_of $side] eq "cairn"}]]
    set r [redis_benchmark $server [expr {int($rate * $::seconds / 2)}] 1 {*}$command]
    discard $server
    return $r
}
proc run_redis_benchmark {row results} {
    dict with row {}
    set some [concat {*}[lmap side $::sides {dict get $results $side}]]
    if {[llength $some] == 0} return
    set rate [median_of $some requests_per_s]
    set results [in_pairs $name requests_per_s [list measure_redis_benchmark $rate $benchmark] $needs]
    say_row $name "the same with redis-benchmark" fill requests_per_s $target $p99 $results
}
