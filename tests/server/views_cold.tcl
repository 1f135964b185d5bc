# The table of views.tcl again: with streams that are on disk only, so that changes and readings load them; and with
# the other kinds of durability.

source [file join $::top tests lib views.tcl]

# Some of the changes: every n-th, from the one that many.
proc some_changes {from n} {
    set some {}
    for {set i $from} {$i < [llength $::view_changes]} {incr i $n} { lappend some [lindex $::view_changes $i] }
    return $some
}

set options {enable-flush yes disk-free-min 0 cache-bytes 1mb journal-segment-bytes 1mb}
with_faulty_server $options {
    foreach change $::view_changes {
        test "On disk only, beside an undurable [lindex $change 0]" {
            views_round $::view_setup $change $::view_readings {afresh {srv restart}}
        }
    }
    drop_readers
}
with_faulty_server $options {
    append_events [srv default_client] filling 100 t METADATA [string repeat m 30000]
    r ESYNC
    foreach change [some_changes 0 3] {
        # Beside a FLUSHALL all reading waits for the disk, also what fills the cache here.
        if {[string match *FLUSHALL* $change]} continue
        # The change has filled the cache: what it left behind is not evicted before it is durable.
        test "In a small cache, beside an undurable [lindex $change 0]" {
            views_round $::view_setup $change $::view_readings {meanwhile {scan_all [srv default_client] filling}}
        }
    }
    drop_readers
}
with_faulty_server [dict merge $options {durability backend}] {
    set ::held_syncs $::database_syncs
    foreach change [some_changes 1 3] {
        test "Durability backend, beside an undurable [lindex $change 0]" { views_round $::view_setup $change $::view_readings }
    }
    drop_readers
    set ::held_syncs $::journal_syncs
}
with_faulty_server [dict merge $options {durability {interval 20}}] {
    # Lists of keys wait for a FLUSHALL, those of checkpoints for their changes; ECHECKPOINT WAIT tells of the disk; which key
    # RANDOMKEY picks is not known before.
    set readings {}
    foreach reading $::view_readings {
        if {![regexp {^(RANDOMKEY|ECHECKPOINT (LIST|WAIT))} [lindex $reading 1]]} { lappend readings $reading }
    }
    foreach change [lsearch -all -inline -not -regexp -index 0 [some_changes 2 3] {^FLUSH}] {
        test "Durability interval, beside an undurable [lindex $change 0]" {
            views_round $::view_setup $change $readings {durable 0}
        }
    }
    drop_readers
}
