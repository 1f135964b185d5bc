# The rows U3, U4 and U7 of bench/compare: following the whole store. They have one side, Cairn, and targets of their own.

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

proc u4_one {} {
    set server [store_to_follow $::follow_events]
    set append [list --mode append -P 16 -t $::seconds --warmup $::warmup]
    set alone [dict get [bench $server {*}$append] requests_per_s]
    set readers {}
    for {set i 0} {$i < 4} {incr i} {
        lappend readers [exec [bench_binary] -p [dict get $server port] --json --mode follow -c 1 --count 1000 \
            -t [expr {$::seconds + $::warmup + 5}] --timeout 120 >/dev/null 2>/dev/null &]
    }
    set beside [dict get [bench $server {*}$append] requests_per_s]
    foreach pid $readers { catch {exec kill $pid} }
    discard $server
    return [dict create alone $alone beside $beside]
}
proc run_u4 {} {
    set run [counted U4 u4_one]
    say ""
    if {[dict get $run void] ne ""} { incr ::missed; say "U4  void: [dict get $run void]"; return }
    foreach name {alone beside} { set $name [dict get $run result $name] }
    set ratio [expr {$beside / $alone}]
    if {$ratio < 0.6} { incr ::missed }
    say [format "U4  appends P=16: %s/s alone, %s/s beside four replays: x %.2f, target 0.60: %s" [rate_text $alone] \
        [rate_text $beside] $ratio [expr {$ratio >= 0.6 ? "reached" : "missed"}]]
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
