# The U rows of bench/compare. U1, U2 and U5: events on their way to those who wait for them, beside Redis' XREAD BLOCK;
# whoever receives checks that he gets each event once, and whole. U6: a consumer group of a category, beside one of a
# stream, of both servers. U3, U4 and U7: following the whole store; they have one side, Cairn, and targets of their own.

# ---- U1, U2, U5

set shapes {1p_1c 1p_2c 2p_2c 4p_4c 1p_4c 4p_1c}
set sizes {1024 4096 262144 524288 1048576}

proc size_text {bytes} {
    return [expr {$bytes >= 1048576 ? "[expr {$bytes / 1048576}] MB" : "[expr {$bytes / 1024}] KB"}]
}
# Requests that a producer sends in one write: a hundred, or what 4 MB take.
proc shape_depth {size} { return [expr {max(1, min(100, 4 * 1048576 / $size))}] }

proc delivery_row {name what redis cairn bounds} {
    row $name $what 0 0 "" events_per_s "--mode xfanout $redis" "--mode push $cairn" second 1 regimes once \
        needs {EAPPEND ESUBSCRIBE} bounds $bounds
}
# p producers append to one stream, c consumers get all of it.
proc shape_row {shape size depth bounds} {
    if {[scan $shape %dp_%dc p c] != 2} { error "a shape is like 1p_4c, not $shape" }
    set load "--readers $c -c [expr {$p + $c}] -P $depth -d $size --streams 1"
    delivery_row U2 "$shape [size_text $size], P=$depth" $load $load $bounds
}
# After the options are known.
proc define_deliveries {} {
    set one {--readers 1 -c 51}
    delivery_row U1 "append to 1 subscriber, c=50 P=1" $one $one {p50_us most 1000 p99_us most 3000}
    foreach shape $::shapes {
        foreach size $::sizes {
            set bounds [expr {$shape eq "1p_1c" && $size == 1024 ? "events_per_s least 90000" : ""}]
            shape_row $shape $size [shape_depth $size] $bounds
        }
    }
    shape_row 1p_1c 1024 1 {}
    row U2 "write 1000, one after the other" 0 0 "" requests_per_s {--mode xadd -c 1 --streams 1 -n 1000 --warmup 0} \
        {--mode append -c 1 --streams 1 -n 1000 --warmup 0} regimes once bounds {}
    row U2 "read 1000, one after the other" 0 0 "" requests_per_s \
        {-c 1 -n 1000 --warmup 0 --mode raw {XRANGE s:0 1{n}-0 1{n}-0}} {--mode follow -c 1 --count 1 -n 1000 --warmup 0} \
        regimes once needs EREAD bounds {} prepare write_thousand
    row U2 "10 producers, one stream" 0 0 "" requests_per_s {--mode xadd -c 10 --streams 1} \
        {--mode append -c 10 --streams 1} regimes once bounds {}
    set thousand {--readers 1000 -c 1100 --rate 1000 --streams 1}
    delivery_row U5 "1000 events/s to 1000 subscribers" $thousand $thousand {p99_us most 50000}
}
proc write_thousand {server} {
    if {[dict get $server kind] eq "redis"} {
        bench $server --mode raw -c 1 -n 1000 "XADD s:0 1{n}-0 d {payload}"
    } else {
        bench $server --mode append -c 1 --streams 1 -n 1000
    }
}

# ---- U6: a group of a category of 10,000 streams, beside one of a stream

set u6_consumers {--mode xgroup -c 8 --count 10 --warmup 0.1}
proc u6_one {side} {
    set server [start_server [expr {$side eq "redis" ? "redis" : "cairn"}]]
    switch $side {
        redis { bench $server --mode xadd --streams 1 -P 100 -n $::backlog --timeout 120 }
        stream { bench $server --mode append --streams 1 -P 100 -n $::backlog --timeout 120 }
        category { bench $server --mode append --prefix x- -P 100 -n $::backlog --timeout 120 }
    }
    settle $server
    set of [expr {$side eq "category" ? {--stream @category:x} : ""}]
    set r [bench $server {*}$::u6_consumers -t $::seconds {*}$of]
    discard $server
    return [with_costs $r events_per_s]
}
proc run_u6 {} {
    set sides {redis stream category}
    foreach name {pages syncs voids} { set $name {} }
    foreach side $sides { set got($side) {} }
    for {set i 0} {$i < $::pairs} {incr i} {
        foreach side [expr {$i % 2 == 0 ? $sides : [lreverse $sides]}] {
            if {$::only eq "cairn" && $side eq "redis"} continue
            set run [counted "U6 $side" [list u6_one $side]]
            if {[dict get $run void] ne ""} { lappend voids "$side: [dict get $run void]"; continue }
            foreach probe {pages syncs} { lappend $probe {*}[dict get $run $probe] }
            set r [dict get $run result]
            note [format "U6 pair %d %-8s %10.0f /s" [expr {$i + 1}] $side [dict get $r events_per_s]]
            lappend got($side) $r
        }
    }
    say ""
    say "U6  XREADGROUP 10 + XACK, 8 consumers, a backlog of [rate_text $::backlog]; of 10000 streams of a category, and of one stream"
    foreach side $sides {
        if {[llength $got($side)] == 0} continue
        set figures [lmap name {loop_cpu client_cpu server_cpu other_cpu} {median_of $got($side) $name}]
        set rate($side) [median_of $got($side) events_per_s]
        say [format "    %-8s %s/s, p50/p99 of a page and its XACK %s/%s ms, %.2f us of the server an entry; bound by %s" $side \
            [rate_text $rate($side)] [ms_text [median_of $got($side) p50_us]] [ms_text [median_of $got($side) p99_us]] \
            [median_of $got($side) server_us] [bound_by $::cores {*}$figures]]
    }
    foreach void $voids { say "    void: $void" }
    set ratio [expr {[info exists rate(stream)] && [info exists rate(category)] ? $rate(category) / $rate(stream) : 0}]
    if {$ratio < 0.8} { incr ::missed }
    say [format "    category / stream %.2f, target 0.80: %s" $ratio [expr {$ratio >= 0.8 ? "reached" : "missed"}]]
    if {[llength $pages] > 0} { say "    probes: [probe_text $pages $syncs]" }
}

# ---- U3, U4, U7


# A store of that many events, applied; its server. Pages of 1000 divide it.
proc store_to_follow {events args} {
    set server [start_cairn {*}$args]
    bench $server --mode mappend --spread --batch 100 -c 8 -n [expr {$events / 100}] --timeout 600
    settle $server
    return $server
}
proc say_u {name what rate target} {
    set reached [expr {$rate >= $target ? "reached" : "missed"}]
    if {$reached eq "missed"} { incr ::missed }
    say [format "%-3s %-60s %s/s, target %s: %s" $name $what [rate_text $rate] [rate_text $target] $reached]
}
set follow {--mode follow -c 1 --count 1000 --timeout 120}

# ---- U3: catching up, one client; from memory, and after a start with an empty page cache

proc u3_one {} {
    set server [store_to_follow $::follow_events -conf {cache-bytes 2gb}]
    set hot [dict get [bench $server {*}$::follow] events_per_s]
    set dir [dict get $server dir]
    stop_server $server TERM
    set how [drop_cache $dir]
    set server [start_cairn -dir $dir]
    set cold [dict get [bench $server {*}$::follow] events_per_s]
    discard $server
    return [dict create hot $hot cold $cold how $how]
}
proc run_u3 {} {
    set run [counted U3 u3_one]
    say ""
    if {[dict get $run void] ne ""} { incr ::missed; say "U3  void: [dict get $run void]"; return }
    say_u U3 "EREAD of $::follow_events events with FIELDS, from memory" [dict get $run result hot] 1500000
    say_u U3 "the same from the database, [dict get $run result how]" [dict get $run result cold] 600000
    say "    probes: [probe_text [dict get $run pages] [dict get $run syncs]]"
}

# ---- U4: appends, without and with four replays of everything

# A client that begins again when it has read all that was there before the appends, as long as the file $1 is there; it
# writes a line a replay to $4. It must not read to the head: as that moves, there is no last page, only an error behind it.
set u4_replays {
    while [ -e "$1" ]; do
        "$2" -p "$3" --json --mode follow -c 1 --count 1000 -n "$5" --timeout 120 >>"$4" || exit 1
    done
}

proc u4_start {server running} {
    write_file $running ""
    return [lmap i {1 2 3 4} {
        exec sh -c $::u4_replays sh $running [bench_binary] [dict get $server port] $running.$i [expr {$::follow_events / 1000}] 2>@stderr &
    }]
}
# Each has ended the replay that it was at: what the machine is asked for next is not for them. Returns how many there were.
proc u4_stop {pids running} {
    file delete $running
    foreach pid $pids {
        for {set i 0} {![process_gone $pid]} {incr i} {
            if {$i >= 6000} { error "U4: a replay does not end" }
            after 10
        }
    }
    return [llength [split [string trim [exec cat {*}[lmap i {1 2 3 4} {set _ $running.$i}]]] \n]]
}
proc u4_one {} {
    set server [store_to_follow $::follow_events]
    set append [list --mode append -P 16 -t $::seconds --warmup $::warmup]
    set alone [dict get [bench $server {*}$append] requests_per_s]
    set running [file join [dict get $server dir] replaying]
    set pids [u4_start $server $running]
    set beside [dict get [bench $server {*}$append] requests_per_s]
    set replays [u4_stop $pids $running]
    discard $server
    return [dict create alone $alone beside $beside replays $replays]
}
proc run_u4 {} {
    set run [counted U4 u4_one]
    say ""
    if {[dict get $run void] ne ""} { incr ::missed; say "U4  void: [dict get $run void]"; return }
    foreach name {alone beside replays} { set $name [dict get $run result $name] }
    set ratio [expr {$beside / $alone}]
    if {$ratio < 0.6} { incr ::missed }
    say [format "U4  appends P=16: %s/s alone, %s/s beside four replays (%d in all): x %.2f, target 0.60: %s" \
        [rate_text $alone] [rate_text $beside] $replays $ratio [expr {$ratio >= 0.6 ? "reached" : "missed"}]]
    say "    probes: [probe_text [dict get $run pages] [dict get $run syncs]]"
}

# ---- U7: the whole store through a client library: EREAD with FIELDS beside EPSCAN's maps

set u7_program {
import sys, time, redis
r = redis.Redis(port=int(sys.argv[1]))
def follow(command, start, *more):
    begin, n, position = time.time(), 0, start
    while position is not None:
        page = r.execute_command(*command(position), *more)
        if not isinstance(page, dict): page = dict(zip(page[::2], page[1::2]))
        n += len(page[b"events"])
        position = page[b"next"] if page[b"has_more"] else None
    return n / (time.time() - begin)
maps = follow(lambda p: ("EPSCAN", 0, p, "+", "COUNT", 1000), 0)
lean = follow(lambda p: ("EREAD", "FROM", p, "COUNT", 1000), 0, "FIELDS", "partition_sequence,stream_id,event_name,payload")
print(maps, lean)
}
proc u7_one {} {
    set server [store_to_follow [expr {$::follow_events / 10}]]
    set out [exec python3 -c $::u7_program [dict get $server port]]
    discard $server
    return $out
}
proc run_u7 {} {
    say ""
    if {[catch {exec python3 -c "import redis"}]} {
        incr ::missed
        say "U7  SKIPPED: python3 has no redis"
        return
    }
    set run [counted U7 u7_one]
    if {[dict get $run void] ne ""} { incr ::missed; say "U7  void: [dict get $run void]"; return }
    lassign [dict get $run result] maps lean
    set ratio [expr {$lean / $maps}]
    if {$ratio < 2} { incr ::missed }
    say [format "U7  redis-py: %s events/s by EREAD with FIELDS, %s/s by EPSCAN: x %.2f, target 2.00: %s" [rate_text $lean] \
        [rate_text $maps] $ratio [expr {$ratio >= 2 ? "reached" : "missed"}]]
    say "    probes: [probe_text [dict get $run pages] [dict get $run syncs]]"
}
