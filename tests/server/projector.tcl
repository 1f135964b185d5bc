# The projection of docs/commands.md ("A projection, exactly once"), killed over and over, and the server with it: each
# event is counted once. CAIRN_KILLS says how often (make soak: 50).

source -encoding utf-8 [file join $::top tests lib page.tcl]

set ::page docs/commands.md
set kills [expr {[info exists env(CAIRN_KILLS)] ? $env(CAIRN_KILLS) : 6}]
set ::types {created paid sent}

proc checkpoint {} { return [field_or_empty [r ECHECKPOINT GET totals] position] }
proc start_projector {python} {
    return [exec $python -B [file join [srv dir] projector.py] >>[file join [srv dir] said] 2>@1 &]
}
# It may have gone by itself, as its server has.
proc kill_projector {pid} {
    catch {exec kill -9 $pid}
    wait_for "the projector is gone" {[process_state $pid] in {"" Z}}
}
# Appends to several streams, of which only the category `order` is counted; keeps count.
proc append_some {} {
    set commands {}
    for {set i 0} {$i < 150} {incr i} {
        set type [pick $::types]
        if {[rand_below 3] == 0} {
            lappend commands [list EAPPEND user-[rand_below 5] $type]
            continue
        }
        lappend commands [list EAPPEND order-[rand_below 20] $type]
        incr ::expected($type)
    }
    pipeline r $commands
}
proc is_told {said} {
    append_some
    return [string match "*STALE*checkpoint 'totals' stands at*" [read_file $said]]
}
proc totals {} { return [lmap type $::types {r GET total:$type}] }

with_server {} {
    test "Each event is counted exactly once by a projector that is killed $kills times, every third time with the server" {
        set python [python_with_redis]
        write_program projector.py [page_program "### A projection, exactly once" python]
        foreach type $::types { set ::expected($type) 0 }
        set projector [start_projector $python]
        for {set kill 1} {$kill <= $kills} {incr kill} {
            set before [checkpoint]
            append_some
            # In the middle of its work: it has done something, and is hardly through.
            wait_for "the projector gets on" {[checkpoint] ne $before}
            if {$kill % 3 == 0} { srv crash } else { append_some }
            kill_projector $projector
            set projector [start_projector $python]
        }
        append_some
        wait_for "the projector is through" {[checkpoint] == [field [r EREAD FROM NEW] head]}
        assert_equal [lmap type $::types {set ::expected($type)}] [totals]
        kill_projector $projector
    }
    test "Of two projectors one gets on, the other is told that it is STALE and has changed nothing" {
        set python [python_with_redis]
        set pids [list [start_projector $python] [start_projector $python]]
        set said [file join [srv dir] said]
        write_file $said ""
        wait_for "one of them is told" {[is_told $said]}
        foreach pid $pids { kill_projector $pid }
        set projector [start_projector $python]
        wait_for "the projector is through" {[checkpoint] == [field [r EREAD FROM NEW] head]}
        kill_projector $projector
        assert_equal [lmap type $::types {set ::expected($type)}] [totals]
    }
}
