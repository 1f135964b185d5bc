# In which state a server is measured, and whether a measurement counts.
#
# Two regimes. *fill*: the first five seconds of a fresh server, while its memory still grows. *steady*: after
# at least a minute of the row's load, with the cache full and the journal's segments in use again. The
# same server may be twice as quick in the one as in the other, so a figure without its regime says little.
#
# Every measurement stands between two looks at the machine (probes of memory and disk). When memory
# that was touched for the first time cost too much, the host was still handing it out, and the
# measurement is about the host: it is void, thrown away and repeated.
#
# What decides here is pure, and tested by tests/lib/selftest/bench.tcl; it needs lib.tcl for the rest.

set ::page_us_max 3.0        ;# above it a run is void
set ::tries 3                ;# of each measurement
set ::segments_wanted 4      ;# used again before a journal counts as steady
set ::steady_patience 4      ;# times --steady-seconds, then it is measured as it is

# ---- which regimes a row is measured in

proc parse_regime {word} {
    if {$word in {fill steady}} { return [list $word] }
    if {$word eq "both"} { return {fill steady} }
    error "--regime is fill, steady or both, not \"$word\""
}
# Those of the wanted ones that mean something for the row. `once`: it has none, and is measured whichever is wanted.
proc regimes_of_row {wanted row} {
    if {$row eq "once"} { return once }
    return [lmap regime $wanted { if {$regime ni $row} continue; set regime }]
}

# ---- fill: how much, where it is said in events and not in seconds

# The generator's -n: a request of xadd-multi and mappend has 100 events, any other has one.
proc requests_for {events arguments} {
    set mode [lindex $arguments [lsearch -exact $arguments --mode]+1]
    return [expr {$mode in {mappend xadd-multi} ? $events / 100 : $events}]
}

# ---- steady: when it is

# What comes next after `loaded` seconds of load: {more ""}, {steady ""}, or {short WHY}: it is not steady, and further
# load does not help. state: kind, recycled (segments), full (the cache), room ("", or what there is none of).
proc steady_step {loaded wanted state} {
    if {[dict get $state room] ne ""} {
        return [list short "after $loaded s of load: no room for more ([dict get $state room])"]
    }
    if {$loaded < $wanted} { return {more ""} }
    if {[dict get $state kind] eq "redis"} { return {steady ""} }
    set lacks {}
    if {![dict get $state full]} { lappend lacks "the cache is not full" }
    if {[dict get $state recycled] < $::segments_wanted} {
        lappend lacks "[dict get $state recycled] of $::segments_wanted segments used again"
    }
    if {[llength $lacks] == 0} { return {steady ""} }
    if {$loaded < $::steady_patience * $wanted} { return {more ""} }
    return [list short "after $loaded s of load: [join $lacks {, }]"]
}

# How often a segment was used again, from the names (numbers of files, from 0) and the generations in their headers:
# each begun segment has a new generation, from 1. At least so often: spare files have not been used yet.
proc segments_recycled {dir} {
    set made 0
    set begun 0
    foreach path [glob -nocomplain -directory $dir seg-*] {
        if {![regexp {^seg-([0-9a-f]{16})$} [file tail $path] -> number]} continue
        set made [expr {max($made, "0x$number" + 1)}]
        # One that is being taken away or not written yet counts for nothing.
        if {[catch {set f [open $path rb]}]} continue
        if {[binary scan [read $f 48] a8x32w magic generation] == 2 && $magic ne [string repeat \0 8]} {
            set begun [expr {max($begun, $generation)}]
        }
        close $f
    }
    return [expr {max(0, $begun - $made)}]
}

proc steady_state {server} {
    set kind [dict get $server kind]
    set state [dict create kind $kind recycled 0 full 0 room ""]
    if {$kind eq "cairn"} {
        dict set state recycled [segments_recycled [file join [dict get $server dir] cairn.db-journal.d]]
        # Full is when something had to go: it is kept somewhat below its bound.
        dict set state full [expr {[info_field [dict get $server port] evictions] > 0}]
    }
    # Redis keeps everything, and the kernel the files of both: the machine is not to be driven to its end.
    regexp {MemTotal:\s+(\d+) kB} [read_file /proc/meminfo] -> total_kb
    if {[memory_mb $server] * 1024 > $total_kb / 4} { dict set state room "memory: a fourth of the machine's" }
    set free [lindex [split [exec df --output=avail -B1M $::work] \n] 1]
    if {$free < 4096} { dict set state room "disk: $free MB free" }
    return $state
}

# Loads the server until it is steady. Returns "", or what it lacks.
proc load_until_steady {server arguments} {
    set loaded 0
    while 1 {
        set piece [expr {max(1, min(10, $::steady_seconds - $loaded))}]
        bench $server -t $piece {*}$arguments
        incr loaded $piece
        lassign [steady_step $loaded $::steady_seconds [steady_state $server]] next why
        if {$next ne "more"} { return $why }
    }
}

# ---- whether a measurement counts

# "", or why it does not; pages: us a page, of all probes around it.
proc void_text {pages} {
    set worst [tcl::mathfunc::max {*}$pages]
    if {$worst <= $::page_us_max} { return "" }
    return [format "page probe %.1f us" $worst]
}

# us for the first touch of a page.
proc page_probe {} {
    set out [exec [bench_binary] --page-probe --json]
    if {![regexp {"us_a_page":([0-9.]+)} $out -> us]} { error "cairn-bench --page-probe said: $out" }
    return $us
}

# Runs `measure` (a command prefix) between probes; it adds the page probes taken while its server still
# has its memory to ::pages (discard does), as memory that was just given back is cheap. A dict: pages, syncs,
# void (""), and, if not void, result.
proc probed {measure} {
    set ::pages [list [page_probe]]
    set syncs [list [sync_probe]]
    # A minute of load for a figure that does not count is not worth it.
    if {[void_text $::pages] eq ""} { set result [uplevel #0 $measure] }
    lappend syncs [sync_probe]
    set run [dict create pages $::pages syncs $syncs void [void_text $::pages]]
    if {[dict get $run void] eq ""} { dict set run result $result }
    return $run
}
proc probe_text {pages syncs} {
    return "a page [range_text $pages %.1f] us, a sync [range_text $syncs %.0f] us"
}
proc range_text {values form} {
    set low [format $form [tcl::mathfunc::min {*}$values]]
    set high [format $form [tcl::mathfunc::max {*}$values]]
    if {$low eq $high} { return $low }
    return $low-$high
}

# Repeats a measurement until one counts, or the tries are used up. The dict of the last; pages and syncs are of all that
# counted, or of the last.
proc counted {name measure} {
    for {set try 1} {$try <= $::tries} {incr try} {
        wait_quiet
        set run [probed $measure]
        if {[dict get $run void] eq ""} break
        note "$name: void, [dict get $run void] (try $try of $::tries)"
    }
    return $run
}
