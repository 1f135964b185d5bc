# Every reading beside every change that is not durable yet. Each reply is the store of one moment, and
# who only reads never waits for somebody else's sync: see lib/views.tcl for what is expected, and
# lib/view_table.tcl for the readings and changes.

source [file join $::top tests lib views.tcl]

# The full names of the commands in a list of transactions.
proc names_in {lists containers} {
    set names {}
    foreach list $lists {
        foreach words $list {
            lassign $words name sub
            set name [string tolower $name]
            if {$name in $containers} { append name | [string tolower $sub] }
            lappend names $name
        }
    }
    return [lsort -unique $names]
}

with_server {} {
    test "Every command that reads or writes has a line in these tables" {
        set containers {}
        foreach row [r COMMAND] {
            lassign $row name arity flags
            set rows($name) $flags
            foreach sub [lindex $row 9] { set rows([lindex $sub 0]) [lindex $sub 2] }
            if {[llength [lindex $row 9]]} { lappend containers $name }
        }
        set reading [names_in [lmap reading $::view_readings {lrange $reading 1 end}] $containers]
        set changing [names_in [lmap change $::view_changes {lindex $change 1}] $containers]
        foreach name [lsort [array names rows]] {
            if {"readonly" in $rows($name)} { assert {$name in $reading} "no reading of $name" }
            if {"write" in $rows($name)} { assert {$name in $changing} "no change by $name" }
        }
    }
}

set options {enable-flush yes disk-free-min 0}
with_faulty_server $options {
    foreach change $::view_changes {
        test "Beside an undurable [lindex $change 0]" { views_round $::view_setup $change $::view_readings }
    }
    drop_readers
}
