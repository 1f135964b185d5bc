# EREAD: the log from a position on, in pages, waiting for what is not there yet; selectors.

source [file join $::top tests lib faults.tcl]

proc timeline {} { return [info_field r timeline store] }
proc eread {c args} { return [$c EREAD {*}$args FIELDS partition_sequence] }
# The sequences of a page.
proc sequences {page} { return [lmap e [field $page events] {lindex $e 0}] }
# All pages from `from` on, by `next`; at most `most` of them.
proc eread_all {c from args} {
    set got {}
    while 1 {
        set page [eread $c FROM $from {*}$args]
        lappend got {*}[sequences $page]
        if {![field $page has_more]} { return $got }
        set next [field $page next]
        if {$next < $from} { fail "next went back from $from to $next" }
        set from $next
    }
}

with_server {} {
    test "An empty store has an empty page; its position is the head" {
        assert_equal [list events {} next 0 head 0 has_more 0 timeline [timeline]] [r EREAD FROM START]
        assert_equal [list events {} next 0 head 0 has_more 0 timeline [timeline]] [r EREAD FROM NEW]
        assert_equal [list events {} next 0 head 0 has_more 0 timeline [timeline]] [r EREAD FROM 0]
        assert_equal [list events {} next 0 head 0 has_more 0 timeline [timeline]] [r EREAD FROM TIME 5]
    }
    test "Pages follow each other by `next` until the head, and NEW is behind it" {
        foreach i {1 2 3 4 5} { r EAPPEND order-$i [expr {$i % 2 ? "created" : "paid"}] }
        set page [eread r FROM START COUNT 2]
        assert_equal {{0 1} 2 5 1} [list [sequences $page] [field $page next] [field $page head] [field $page has_more]]
        assert_equal {2 3} [sequences [eread r COUNT 2 FROM 2]]
        assert_equal {0 1 2 3 4} [eread_all r 0 COUNT 2]
        assert_equal {{} 5 5 0} [list {*}[lmap k {events next head has_more} {field [r EREAD FROM NEW] $k}]]
        assert_equal {event_id partition_key} [lrange [typed_keys [lindex [typed_field [r typed EREAD FROM 4] events] 1 0]] 0 1]
    }
    test "`next` moves over what the selector leaves out" {
        set page [eread r FROM 0 TYPE none]
        assert_equal {{} 5} [list [sequences $page] [field $page next]]
        set page [eread r FROM 0 TYPE paid COUNT 1]
        assert_equal 1 [sequences $page]
        assert_equal 3 [field $page next]
    }
    test "Repeats of a word are alternatives, words must all hold" {
        set a [uuid]; set b [uuid]
        r EAPPEND cart-1 created CORRELATION $a AGGREGATE x
        r EAPPEND cart-2 paid CORRELATION $b AGGREGATE y
        r EAPPEND user paid CORRELATION $a CAUSATION $b AGGREGATE y
        foreach where {memory disk} {
            assert_equal {5 6} [sequences [eread r FROM 0 CATEGORY cart]]
            assert_equal {7} [sequences [eread r FROM 0 CATEGORY user]]
            assert_equal {1 3 6} [sequences [eread r FROM 0 CATEGORY cart CATEGORY order TYPE paid]]
            assert_equal {0 1 5} [sequences [eread r FROM 0 STREAM *-1 STREAM order-2]]
            assert_equal {5 6 7} [sequences [eread r FROM 0 CORRELATION $a CORRELATION $b]]
            assert_equal {5 7} [sequences [eread r FROM 0 correlation $a]]
            assert_equal {7} [sequences [eread r FROM 0 CAUSATION $a CAUSATION $b]]
            assert_equal {5 6 7} [sequences [eread r FROM 0 AGGREGATE y AGGREGATE x AGGREGATE y]]
            assert_equal {6 7} [sequences [eread r FROM 0 TYPE p* CORRELATION $a AGGREGATE y CORRELATION $b]]
            assert_equal {6} [sequences [eread r FROM 0 TYPE p* CORRELATION $a AGGREGATE y CORRELATION $b STREAM c*]]
            assert_equal [sequences [eread r FROM 0 TYPE paid]] \
                [lmap e [field [r EPSCAN 0 - + TYPE paid TYPE none STREAM * CATEGORY user CATEGORY cart CATEGORY order] events] {
                    field $e partition_sequence
                }]
            r ESYNC
            srv restart
        }
    }
    test "FROM TIME begins with the first event recorded then or later, and SINCE holds besides" {
        set last [field [lindex [field [r EREAD FROM 7] events] 0] timestamp]
        wait_for "the clock to move on" {[clock milliseconds] > $last}
        r EAPPEND late t
        set at [field [lindex [field [r EREAD FROM 8] events] 0] timestamp]
        assert_equal 8 [sequences [eread r FROM TIME $at]]
        assert_equal 8 [sequences [eread r FROM TIME $at SINCE 5]]
        assert_equal {} [sequences [eread r FROM TIME 5 SINCE [expr {$at + 3600000}]]]
        assert_equal 9 [field [eread r FROM TIME [expr {$at + 3600000}]] next]
    }
    test "Each error names what was expected" {
        foreach {words text} {
            {COUNT 1} {*end of input: expected FROM and START, NEW, TIME, CHECKPOINT or a position}
            {FROM} {ERR wrong number of arguments*}
            {COUNT 1 FROM} {*end of input: expected START, NEW, TIME, CHECKPOINT or a position behind FROM}
            {FROM x} {*expected START, NEW, TIME milliseconds, CHECKPOINT name or a position, got 'x'}
            {FROM -1} {*expected START, NEW, TIME milliseconds, CHECKPOINT name or a position, got '-1'}
            {FROM TIME} {*expected milliseconds behind FROM TIME}
            {FROM TIME x} {*invalid FROM TIME: 'x' is not a time in ms since 1970}
            {FROM 99} {*position 99 is beyond the head, 9}
            {FROM 0 FROM 1} {*FROM already specified}
            {FROM 0 COUNT 0} {*COUNT must be at least 1}
            {FROM 0 COUNT 1 COUNT 1} {*COUNT already specified}
            {FROM 0 BLOCK 1 BLOCK 1} {*BLOCK already specified}
            {FROM 0 BLOCK x} {*invalid BLOCK: 'x' is not a number}
            {FROM 0 FIELDS nope} {*unknown field 'nope'*}
            {FROM 0 TYPE} {*end of input: expected a value for TYPE}
            {FROM 0 TYPE ""} {*TYPE cannot be empty}
            {FROM 0 CATEGORY order-1} {INVALIDARG a category has no '-'*}
            {FROM 0 TYPE a b} {*unexpected string 'b': expected FROM, COUNT, BLOCK, FIELDS, STREAM, CATEGORY, TYPE, *}
            {FROM 0 CORRELATION 7} {*invalid correlation id: '7' is not a UUID}
            {FROM 0 UNTIL 0} {*invalid UNTIL: 0 selects nothing, a time in ms after 1970 is expected}
        } {
            assert_match $text [r err EREAD {*}$words] $words
        }
        set many [lrepeat 1001 TYPE t]
        assert_match "INVALIDARG too many values: a selection has at most 1000" [r err EREAD FROM 0 {*}$many]
        assert_match "INVALIDARG too many values: a selection has at most 1000" [r err EPSCAN 0 - + TYPE {*}[lrepeat 1001 t]]
        assert_equal 9 [field [r EREAD FROM 0 {*}[lrange $many 2 end]] next]
    }
}

with_server {} {
    test "BLOCK waits only while nothing matches, and is woken by the first that does" {
        r EAPPEND a-1 one
        with_clients {c d} {
            assert_equal 0 [sequences [eread $c FROM START BLOCK 0]]
            $c send EREAD FROM START BLOCK 0 TYPE two FIELDS partition_sequence
            $d send EREAD FROM NEW BLOCK 0 FIELDS partition_sequence
            wait_for "both to wait" {[info_field [srv default_client] blocked_clients] == 2}
            r EAPPEND a-1 three
            assert_equal {1} [sequences [$d read]]
            assert [$c silent]
            r EAPPEND b-1 two
            set page [$c read]
            assert_equal {2 3 3} [list [sequences $page] [field $page next] [field $page head]]
        }
    }
    test "At BLOCK's end there is an empty page with the new `next`" {
        with_clients c {
            $c send EREAD FROM 0 BLOCK 1 TYPE never
            set page [$c read]
            assert_equal {{} 3 0} [list [field $page events] [field $page next] [field $page has_more]]
        }
    }
    test "CLIENT UNBLOCK ends the wait, with ERROR as an error" {
        with_clients c {
            set id [$c CLIENT ID]
            $c send EREAD FROM NEW BLOCK 0
            wait_for "it to wait" {[info_field [srv default_client] blocked_clients] == 1}
            assert_equal 1 [r CLIENT UNBLOCK $id]
            assert_equal [list events {} next 3 head 3 has_more 0 timeline [timeline]] [$c read]
            $c send EREAD FROM NEW BLOCK 0
            wait_for "it to wait" {[info_field [srv default_client] blocked_clients] == 1}
            r CLIENT UNBLOCK $id ERROR
            assert_error "UNBLOCKED *" {$c read}
        }
    }
    test "In MULTI it does not wait, and sees what the transaction appended" {
        r MULTI
        r EREAD FROM NEW BLOCK 0 FIELDS partition_sequence
        r EAPPEND m t
        r EREAD FROM 3 BLOCK 0 FIELDS partition_sequence
        set replies [r EXEC]
        assert_equal {{} 3} [list [sequences [lindex $replies 0]] [sequences [lindex $replies 2]]]
    }
    test "A connection reads what it has just appended, in one pipeline" {
        set replies [pipeline [srv default_client] {{EAPPEND m t} {EREAD FROM 4 BLOCK 0 FIELDS partition_sequence}}]
        assert_equal {array {{array {{int 4}}}}} [typed_field [lindex $replies 1] events]
    }
    test "Who waits behind a removal or a rename hears of what comes later, under the name that it has" {
        with_clients {c d} {
            $c send EREAD FROM NEW BLOCK 0 STREAM moved-* FIELDS stream_id,partition_sequence
            wait_for "it to wait" {[info_field [srv default_client] blocked_clients] == 1}
            r EAPPEND here-1 t
            r RENAME here-1 moved-1
            assert [$c silent]
            r EAPPEND moved-1 t
            assert_equal {{moved-1 6}} [field [$c read] events]
        }
    }
}

with_server {enable-flush yes} {
    test "FLUSHALL ends a wait: the position is beyond the new head" {
        append_events [srv default_client] s 7
        with_clients c {
            $c send EREAD FROM NEW BLOCK 0
            wait_for "it to wait" {[info_field [srv default_client] blocked_clients] == 1}
            r FLUSHALL
            assert_error "TIMELINE the history of the store has changed while this waited: FLUSHALL*" {$c read}
        }
    }
    test "FLUSHALL ends a wait also when there are as many events as before at once" {
        foreach n {0 3 7 9} {
            append_events [srv default_client] s 7
            with_clients {all one} {
                $all send EREAD FROM NEW BLOCK 0
                $one send EREAD FROM 0 BLOCK 0 STREAM t
                wait_for "both to wait" {[info_field [srv default_client] blocked_clients] == 2}
                pipeline [srv default_client] [list FLUSHALL {*}[lrepeat $n {EAPPEND t t}]]
                foreach c {all one} { assert_error "TIMELINE the history of the store has changed while this waited: FLUSHALL*" {[set $c] read} }
            }
            r FLUSHALL
        }
    }
}

with_server {} {
    test "Patterns that would hold up every append are refused to who would wait" {
        set heavy [lmap i [lrepeat 20 ?] {string cat [string repeat *a 100] [incr n]}]
        set words [join [lmap p $heavy {list TYPE $p}]]
        assert_equal {} [field [r EREAD FROM NEW {*}$words] events]
        assert_match "INVALIDARG too many or too long patterns to wait for*" [r err EREAD FROM NEW BLOCK 1 {*}$words]
        assert_equal {} [field [r EREAD FROM NEW BLOCK 1 {*}[join [lmap i [lrepeat 1000 ?] {list STREAM order-[incr at]*}]]] events]
    }
}

with_server {} {
    test "What is kept for a wait is in the account of its connection" {
        set words [join [lmap i [lrepeat 1000 ?] {list CORRELATION [uuid]}]]
        with_clients c {
            set id [$c CLIENT ID]
            regexp { tot-mem=(\d+)} [r CLIENT LIST ID $id] all before
            $c send EREAD FROM NEW BLOCK 0 {*}$words
            wait_for "it to wait" {[info_field [srv default_client] blocked_clients] == 1}
            regexp { tot-mem=(\d+)} [r CLIENT LIST ID $id] all waiting
            assert {$waiting - $before > 1000 * 32} "$before, then $waiting"
            assert {[info_field [srv default_client] mem_clients_standing memory] > 1000 * 32}
        }
    }
}

# Many who wait with different selectors: each is woken by exactly what the same selector finds by reading.
with_server {} {
    test "Every selector is woken by what it selects, and by nothing else" {
        set ids [lmap i {1 2 3} {uuid}]
        set streams {order-1 order-2 cart-1 cart user-1 ord}
        set types {order.created order.paid cart.created x ""}
        set choices [list STREAM {order-1 order-* *-1 c?rt ord* "" nobody} CATEGORY {order cart user ord} \
            TYPE {order.created order.* *.created x o* \\x [a-o]*} CORRELATION $ids CAUSATION $ids AGGREGATE {a b}]
        set waiting {}
        for {set i 0} {$i < 120} {incr i} {
            set words {}
            foreach {word values} $choices {
                set times [pick {0 0 0 1 1 2 3}]
                if {[llength $words] > 6} { set times 0 }
                while {[incr times -1] >= 0} {
                    set value [pick $values]
                    if {$value ne ""} { lappend words $word $value }
                }
            }
            set c [new_client]
            $c send EREAD FROM 0 BLOCK 0 COUNT 1 {*}$words FIELDS partition_sequence
            lappend waiting [list $c $words]
        }
        wait_for "all to wait" {[info_field [srv default_client] blocked_clients] == 120}
        set commands {}
        for {set i 0} {$i < 60} {incr i} {
            set command [list EAPPEND [pick $streams] [pick $types]]
            foreach word {CORRELATION CAUSATION} { if {rand() < 0.4} { lappend command $word [pick $ids] } }
            if {rand() < 0.4} { lappend command AGGREGATE [pick {a b c}] }
            lappend commands $command
        }
        pipeline [srv default_client] $commands
        foreach one $waiting {
            lassign $one c words
            set first [lindex [sequences [eread r FROM 0 COUNT 1 {*}$words]] 0]
            if {$first eq ""} {
                assert [$c silent] $words
            } else {
                assert_equal $first [sequences [$c read]] $words
            }
            $c close
        }
        wait_for "all to be gone" {[info_field [srv default_client] blocked_clients] == 0}
    }
}

with_server {} {
    test "Who has closed his half hears the end of a wait without an end" {
        with_clients c {
            $c send EREAD FROM NEW BLOCK 0
            $c half_close
            assert_equal [list [list events {} next 0 head 0 has_more 0 timeline [timeline]]] [$c rest]
        }
    }
}

# What is decided and not durable is not told; what is taken back is never told.
set journal "match -journal.d"
with_faulty_server {journal-segment-bytes 1mb disk-free-min 0} {
    append_events [srv default_client] before 50
    test "Who waits is woken when the event is durable, not before" {
        with_clients {waiting writer} {
            $waiting send EREAD FROM 50 BLOCK 0 TYPE t FIELDS partition_sequence
            $waiting taken
            fault "$journal\nhold sync"
            $writer send EAPPEND held t
            $writer taken
            assert [$waiting silent]
            no_fault
            assert_equal 50 [sequences [$waiting read]]
            $writer read
        }
    }
    test "Over a failed sync a wait goes on, and gets what is acknowledged, once" {
        with_clients {waiting} {
            set head [field [r EREAD FROM NEW] head]
            $waiting send EREAD FROM NEW BLOCK 0 FIELDS stream_id,partition_sequence
            wait_for "it to wait" {[info_field [srv default_client] blocked_clients] == 1}
            fault "$journal\nfail sync EIO"
            assert_match "IOERR*" [r err EAPPEND lost t]
            assert [$waiting silent]
            no_fault
            wait_for "writes again" {[catch {r EAPPEND kept t}] == 0}
            assert_equal [list [list kept $head]] [field [$waiting read] events]
        }
    }
}

# A server of its own: the two appends are to be two batches.
with_faulty_server {journal-segment-bytes 1mb disk-free-min 0} {
    append_events [srv default_client] before 50
    test "Who waits behind what is undurable, and partly taken back then, waits on from what is left" {
        with_clients {a b} {
            set head [field [r EREAD FROM NEW] head]
            fault "$journal\nhold sync"
            $a send EAPPEND mine t
            $a taken
            $b send EAPPEND theirs t
            $b taken
            $a send EREAD FROM NEW BLOCK 0 TYPE u FIELDS partition_sequence
            $a taken
            fault "$journal\nfail write EIO\nfail sync EIO"
            foreach c {a b} last {mine theirs} { catch {[set $c] read} $last }
            no_fault
            set split [string match IOERR* $theirs] ;# else both were in one batch
            assert [$a silent]
            wait_for "writes" {[catch {r EAPPEND mine u} appended] == 0}
            assert_equal [field $appended partition_sequence] [sequences [$a read]]
            if {!$split} { skip "both appends were in one batch" }
        }
    }
}
