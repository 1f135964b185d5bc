# EPSCAN: the whole store in order, with every filter, by pages.

with_server {} {
    # The model: what was appended, as dicts in sequence order.
    set model {}
    expr {srand(7)}
    set corrs {}; set causes {}
    for {set i 0} {$i < 4} {incr i} { lappend corrs [uuid]; lappend causes [uuid] }
    set commands {}
    for {set i 0} {$i < 600} {incr i} {
        set e [dict create seq $i stream [pick {order-1 order-2 user-1 user_x-9 plain}] type [pick {order.created order.paid user.created x}]]
        set cmd [list EAPPEND [dict get $e stream] [dict get $e type] PAYLOAD $i]
        if {[rand_below 3] == 0} { dict set e correlation [pick $corrs]; lappend cmd CORRELATION [dict get $e correlation] }
        if {[rand_below 5] == 0} { dict set e causation [pick $causes]; lappend cmd CAUSATION [dict get $e causation] }
        if {[rand_below 4] == 0} { dict set e aggregate agg-[rand_below 3]; lappend cmd AGGREGATE [dict get $e aggregate] }
        lappend model $e
        lappend commands $cmd
    }
    pipeline [srv default_client] $commands

    # Sequences that the model finds: condition is an expr over $e.
    proc expected {condition {first 0} {last 599}} {
        set out {}
        foreach e $::model {
            if {[dict get $e seq] < $first || [dict get $e seq] > $last} continue
            if $condition { lappend out [dict get $e seq] }
        }
        return $out
    }
    proc is {e name value} { expr {[dict exists $e $name] && [dict get $e $name] eq $value} }
    # Follows a scan to its end; returns the sequences.
    proc follow_log {start end args} {
        set found {}
        set rev [expr {"REV" in $args}]
        for {set pages 0} {$pages < 2000} {incr pages} {
            set page [r EPSCAN 0 $start $end {*}$args]
            lappend found {*}[page_sequences $page]
            set next [field $page next]
            if {![field $page has_more]} {
                assert_equal "" $next "next at the end"
                return $found
            }
            if {$rev} { set end $next } else { set start $next }
        }
        fail "the scan does not end"
    }

    foreach {state prepare} {"hot" {} "applied" {r ESYNC} "cold" {srv restart}} {
        test "Plain ranges are inclusive and exact ($state)" {
            eval $prepare
            assert_equal {0 1 2} [page_sequences [r EPSCAN 0 - 2]]
            assert_equal {5 6 7} [page_sequences [r EPSCAN 0 5 7]]
            assert_equal {599} [page_sequences [r EPSCAN 0 599 +]]
            assert_equal {7 6 5} [page_sequences [r EPSCAN 0 5 7 REV]]
            assert_equal {599 598} [page_sequences [r EPSCAN 0 - + REV COUNT 2]]
            assert_equal 100 [llength [field [r EPSCAN 0 - +] events]]
            foreach {start end count more} {- + 599 1 - + 600 0 - + 601 0 0 99 100 0 0 100 100 1 590 + 10 0 590 + 9 1 600 + 5 0} {
                assert_equal $more [field [r EPSCAN 0 $start $end COUNT $count] has_more] "$start $end $count"
                assert_equal $more [field [r EPSCAN 0 $start $end COUNT $count REV] has_more] "$start $end $count REV"
            }
            assert_equal [expected 1 400] [follow_log 400 + COUNT 89]
            assert_equal [lreverse [expected 1 400]] [follow_log 400 + COUNT 89 REV]
            assert_equal {1 597} [list [field [r EPSCAN 0 - + COUNT 1] next] [field [r EPSCAN 0 - + REV COUNT 2] next]]
            assert_equal {} [field [r EPSCAN 0 600 +] events]
            assert_equal {} [field [r EPSCAN 0 9 5] events]
            assert_equal 0 [field [r EPSCAN 0 9 5] has_more]
        }
        test "Every filter finds what the model finds ($state)" {
            set corr [lindex $corrs 1]; set caus [lindex $causes 2]
            foreach {filter condition} [list \
                {TYPE order.paid} {[is $e type order.paid]} \
                {TYPE order.*} {[string match order.* [dict get $e type]]} \
                {TYPE *.created} {[string match *.created [dict get $e type]]} \
                {STREAM order-1} {[is $e stream order-1]} \
                {STREAM order-*} {[string match order-* [dict get $e stream]]} \
                {STREAM *-?} {[string match *-? [dict get $e stream]]} \
                {CATEGORY order} {[string match order-* [dict get $e stream]]} \
                {CATEGORY user} {[is $e stream user-1]} \
                {CATEGORY user_x} {[is $e stream user_x-9]} \
                {CATEGORY plain} {[is $e stream plain]} \
                {CATEGORY ord} 0 \
                [list CORRELATION $corr] "\[is \$e correlation $corr\]" \
                [list CAUSATION $caus] "\[is \$e causation $caus\]" \
                {AGGREGATE agg-2} {[is $e aggregate agg-2]} \
                {AGGREGATE agg} 0 \
                [list CORRELATION [uuid]] 0 \
                {TYPE none} 0 \
                [list CORRELATION $corr TYPE order.*] "\[is \$e correlation $corr\] && \[string match order.* \[dict get \$e type\]\]" \
                {AGGREGATE agg-1 CATEGORY order TYPE x} {[is $e aggregate agg-1] && [string match order-* [dict get $e stream]] && [is $e type x]} \
                [list CAUSATION $caus CORRELATION $corr] "\[is \$e causation $caus\] && \[is \$e correlation $corr\]" \
            ] {
                set want [expected $condition]
                assert_equal $want [follow_log - + {*}$filter COUNT 1000] "$filter"
                assert_equal $want [follow_log - + COUNT 7 {*}$filter] "$filter COUNT 7"
                assert_equal [lreverse $want] [follow_log - + {*}$filter REV COUNT 50] "$filter REV"
                assert_equal [expected $condition 150 377] [follow_log 150 377 {*}$filter COUNT 20] "$filter 150 377"
                assert_equal [lreverse [expected $condition 150 377]] [follow_log 150 377 {*}$filter COUNT 20 REV] "$filter 150 377 REV"
            }
        }
    }
    test "SINCE and UNTIL bound the store by recorded" {
        after 5
        set a [r EAPPEND late t]
        after 5
        set b [r EAPPEND late t]
        set ra [field [r EGET [field $a event_id]] recorded]
        set rb [field [r EGET [field $b event_id]] recorded]
        assert_equal {600} [follow_log - + SINCE $ra UNTIL [expr {$rb - 1}]]
        assert_equal {601} [follow_log - + SINCE $rb]
        assert_equal {601 600} [follow_log - + SINCE $ra REV COUNT 1]
        assert_equal 600 [llength [follow_log - + UNTIL [expr {$ra - 1}] COUNT 500]]
        assert_equal {} [follow_log - + UNTIL 1000]
    }
    test "The events are the same maps as ESCAN's" {
        foreach e [field [r EPSCAN 0 100 140] events] {
            set v [field $e stream_version]
            assert_equal [list $e] [field [r ESCAN [field $e stream_id] $v $v] events]
            assert_equal $e [r EGET [field $e event_id]]
        }
    }
    test "The partition is 0 or any key; others do not exist" {
        assert_equal {3} [page_sequences [r EPSCAN [uuid] 3 3]]
        assert_match CLUSTERDOWN* [r err EPSCAN 1 - +]
        assert_match CLUSTERDOWN* [r err EPSCAN 65535 - +]
        assert_match INVALIDARG* [r err EPSCAN 65536 - +]
        assert_match INVALIDARG* [r err EPSCAN nonsense - +]
    }
    test "Bad arguments are INVALIDARG" {
        assert_match "INVALIDARG start sequence cannot be '+'*" [r err EPSCAN 0 + +]
        assert_match "INVALIDARG end sequence cannot be '-'*" [r err EPSCAN 0 - -]
        foreach args {{0 x +} {0 - x} {0 - + COUNT} {0 - + COUNT x} {0 - + NOPE} {0 - + CORRELATION x} {0 - + CAUSATION 1}
            {0 - + STREAM} {0 - + CATEGORY} {0 - + AGGREGATE} {0 - + SINCE now} {0 - + COUNT 1 COUNT 1}} {
            assert_match INVALIDARG* [r err EPSCAN {*}$args] $args
        }
    }
}

with_server {} {
    test "An empty store scans as an empty page" {
        set page [r EPSCAN 0 - +]
        assert_equal {} [field $page events]
        assert_equal 0 [field $page has_more]
        assert_equal {} [field [r EPSCAN 0 - + REV TYPE x CORRELATION [uuid]] events]
    }
    test "A filter without hits over a large store still makes progress" {
        set c [srv default_client]
        foreach i {1 2 3} { append_events $c n-$i 20000 }
        set start 0
        set pages 0
        while {1} {
            set page [$c EPSCAN 0 $start + TYPE nothing* COUNT 10]
            incr pages
            assert_equal {} [field $page events]
            if {![field $page has_more]} break
            assert {[field $page next] > $start} "next [field $page next] after $start"
            set start [field $page next]
            assert {$pages < 1000}
        }
        r EAPPEND n-4 nothing.new
        assert_equal {60000} [follow_log - + TYPE nothing* COUNT 10]
    }
    test "A filtered scan of much does not hold up others" {
        with_clients {a b} {
            $a send EPSCAN 0 - + TYPE nothing* COUNT 10000
            $b PING
            $a read
        }
    }
}
