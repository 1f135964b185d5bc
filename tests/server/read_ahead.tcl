# Reading ahead: who goes on where his page ended finds the next one read, and sees all that happened since.

source [file join $::top tests lib faults.tcl]

proc ahead {what} { info_field r $what store }
proc page_commands {kind stream first n} {
    set last [expr {$first + 3 * $n - 1}]
    lassign [list $first [expr {$first + $n}] [expr {$first + 2 * $n}]] a b c
    switch $kind {
        eread { return [lmap at [list $a $b $c] {list EREAD FROM $at COUNT $n FIELDS partition_sequence,stream_id,payload,event_name}] }
        "eread of types" { return [lmap at [list $a $b $c] {list EREAD FROM $at COUNT $n TYPE t TYPE u* UNTIL 9999999999999}] }
        "eread of a name" { return [lmap at [list $a $b $c] {list EREAD FROM $at COUNT $n STREAM s-*}] }
        epscan { return [lmap at [list $a $b $c] {list EPSCAN 0 $at + COUNT $n}] }
        "epscan back" {
            return [lmap at [list $last [expr {$last - $n}] [expr {$last - 2 * $n}]] {list EPSCAN 0 - $at REV COUNT $n}]
        }
        escan { return [lmap at [list 0 $n [expr {2 * $n}]] {list ESCAN $stream $at + COUNT $n}] }
        "escan back" { return [lmap at [list [expr {3 * $n - 1}] [expr {2 * $n - 1}] [expr {$n - 1}]] {list ESCAN $stream - $at REV COUNT $n}] }
    }
}
# Whether more pages than that were read ahead ("used": and asked for), when the script has run.
proc read_ahead_after {more script {used ""}} {
    set what pages_read_ahead[expr {$used eq "" ? "" : "_used"}]
    uplevel 1 $script
    return [expr {[ahead $what] > $more}]
}
# Streams of 30 events each, whose sequences are neighbours; all on disk.
proc cold_streams {names} {
    set commands {}
    foreach name $names { for {set i 0} {$i < 30} {incr i} { lappend commands [list EAPPEND $name t PAYLOAD $name/$i] } }
    pipeline [srv default_client] $commands
    r ESYNC
    srv restart
}
# The third page, with the change between the second and it, all sent in one write.
proc third_page {c commands change} {
    lassign $commands first second third
    set all [list $first $second {*}$change $third]
    set out ""
    foreach command $all { append out [resp_command {*}$command] }
    $c write $out
    for {set i 1} {$i < [llength $all]} {incr i} {
        set reply [$c read_typed]
        if {[lindex $reply 0] eq "error"} { fail "[lindex $all $i-1]: $reply" }
    }
    return [$c read]
}

# A page of what is selected may end before it is full. There is what there is up to its end, and nothing was left out.
proc assert_page_begins {expected got what} {
    set next [field $got next]
    set there {}
    foreach e [field $expected events] { if {[field $e partition_sequence] < $next} { lappend there $e } }
    assert_equal $there [field $got events] $what
    assert_equal [field $expected head] [field $got head] $what
}

with_server {} {
    test "Who goes on where his page ended has the next page read ahead" {
        cold_streams {one}
        wait_for "a page that was read ahead is used" {[read_ahead_after 0 {
            foreach command [page_commands eread one 0 10] { r {*}$command }
        } used]}
        wait_for "nothing is kept of it" {[ahead read_ahead_bytes] == 0}
    }
    test "Who reads elsewhere, or once, has none" {
        cold_streams {two}
        for {set i 0} {$i < 3} {incr i} { foreach at {0 20 5 17} { r EREAD FROM $at COUNT 5 } }
        foreach count {5 6 7} at {0 5 11} { r EREAD FROM $at COUNT $count }
        r ESCAN two 0 + COUNT 10
        assert_equal 0 [ahead pages_read_ahead]
    }
}

with_server {enable-flush yes} {
    set changes {
        nothing {}
        removal {{XDEL $stream $id} {XDEL $stream $other}}
        trim {{XTRIM $stream MINID $id}}
        erasure {{EERASE $event} {EERASE $another}}
        deletion {{DEL $stream}}
        rename {{RENAME $stream away-$stream}}
        "other name" {{RENAME $stream x$stream} {EAPPEND $stream new}}
        appends {{EAPPEND $stream u} {EAPPEND $stream t}}
    }
    set kinds {eread "eread of types" "eread of a name" epscan "epscan back" escan "escan back"}
    set names {}
    set rounds 3
    foreach {change commands} $changes { foreach kind $kinds { for {set i 0} {$i < $rounds} {incr i} { lappend names s-[llength $names] } } }
    cold_streams $names
    set number 0
    set used 0
    foreach {change commands} $changes {
        test "A page that was read ahead shows what happened since: $change" {
            foreach kind $kinds {
                for {set i 0} {$i < $rounds} {incr i} {
                    set stream s-$number
                    set first [expr {30 * $number}]
                    incr number
                    # One of the third page, forward and backward.
                    set there [r EPSCAN 0 $first [expr {$first + 29}]]
                    foreach at {2 24} id_name {other id} event_name {another event} {
                        set $id_name [lindex [page_field $there entry_id] $at]
                        set $event_name [lindex [page_field $there event_id] $at]
                    }
                    set pages [page_commands $kind $stream $first 10]
                    with_clients {c d} {
                        set got [third_page $c $pages [subst $commands]]
                        set expected [$d {*}[lindex $pages 2]]
                        if {[string match "eread of*" $kind]} {
                            assert_page_begins $expected $got "$kind of $stream"
                        } else {
                            assert_equal $expected $got "$kind of $stream"
                        }
                    }
                }
            }
        }
    }
    test "Pages were read ahead, and used" { assert_range 1 [ahead pages_read_ahead] [ahead pages_read_ahead_used] }
    test "A page of before a FLUSHALL is none of after it" {
        for {set i 0} {$i < 3} {incr i} {
            cold_streams {f-0 f-1}
            with_clients c {
                assert_equal {} [field [third_page $c [lmap command [page_commands epscan f-0 0 10] {set command}] {FLUSHALL}] events]
                $c EAPPEND f-0 t
            }
            r FLUSHALL
        }
    }
}

with_faulty_server {} {
    test "A page that was read ahead knows nothing of what became void" {
        cold_streams {v-0 v-1}
        with_clients c {
            lassign [page_commands epscan v-0 0 10] first second third
            set at [$c {*}$third]
            $c {*}$first
            $c {*}$second
            fault "match -journal.d\nfail sync EIO"
            assert_match IOERR* [$c err DEL v-0]
            no_fault
            assert_equal $at [$c {*}$third]
            wait_for "it takes writes again" {![catch {$c EAPPEND v-1 t}]}
            assert_equal $at [$c {*}$third]
        }
    }
}

with_server {cache-bytes 8mb} {
    test "Clients that go leave nothing of what was read ahead for them" {
        cold_streams [lmap i {1 2 3 4 5 6 7 8} {string cat g-$i}]
        wait_for "pages were read ahead for those who went" {[read_ahead_after 9 {
            for {set i 0} {$i < 20} {incr i} {
                set c [new_client]
                set out ""
                foreach command [lrange [page_commands eread g 0 50] 0 1] { append out [resp_command {*}$command] }
                $c write $out
                if {$i % 2} { $c read; $c read }
                $c close
            }
        }]}
        wait_for "nothing is left" {[ahead read_ahead_bytes] == 0 && [info_field r mem_clients_held memory] < 1048576}
    }
    test "What is read ahead takes an eighth of the cache at most, and what clients may hold, too" {
        set commands {}
        for {set i 0} {$i < 60} {incr i} { lappend commands [list EAPPEND large t PAYLOAD [string repeat x 50000]] }
        pipeline [srv default_client] $commands
        r ESYNC
        srv restart
        set clients {}
        for {set i 0} {$i < 20} {incr i} { lappend clients [new_client] }
        set from [expr {[r EPSEQ 0] - 59}]
        set before [ahead pages_read_ahead]
        wait_for "pages were read ahead" {[read_ahead_after [expr {$before + 10}] {
            foreach c $clients { foreach at {0 5 10} { $c EREAD FROM [expr {$from + $at}] COUNT 5 } }
            assert_range 0 [expr {1048576 + 300000}] [ahead read_ahead_bytes]
        }]}
        r CONFIG SET clients-bytes-max 300000
        wait_for "others have gone" {[ahead read_ahead_bytes] == 0}
        set before [ahead pages_read_ahead]
        foreach c $clients { foreach at {0 5 10} { $c EREAD FROM [expr {$from + $at}] COUNT 5 } }
        assert_equal $before [ahead pages_read_ahead]
        foreach c $clients { $c close }
    }
}
