# ESCAN: ranges, pages, order and filters of one stream.

# Follows a filtered scan to its end; returns the versions. Checks that it ends and progresses.
proc follow {stream start end args} {
    set versions {}
    for {set pages 0} {$pages < 500} {incr pages} {
        set page [r ESCAN $stream $start $end {*}$args]
        lappend versions {*}[page_versions $page]
        set next [field $page next]
        if {![field $page has_more]} {
            assert_equal "" $next "next at the end"
            return $versions
        }
        if {"REV" in $args} {
            assert {$end eq "+" || $next <= $end} "next $next beyond $end"
            set end $next
        } else {
            assert {$start eq "-" || $next >= $start} "next $next before $start"
            set start $next
        }
    }
    fail "the scan does not end"
}

with_server {} {
    append_events [srv default_client] s 250
    append_events [srv default_client] other 3

    test "The reply is has_more, events and next; each event is the map of the specification" {
        with_clients c {
            $c HELLO 3
            set id [uuid]; set corr [uuid]; set caus [uuid]
            $c EAPPEND full Typed EVENT_ID $id TIMESTAMP 5 PAYLOAD p METADATA m CORRELATION $corr CAUSATION $caus AGGREGATE a-1
            set page [$c typed ESCAN full - +]
            assert_equal map [lindex $page 0]
            assert_equal {has_more events next} [typed_keys $page]
            assert_equal null3 [lindex [typed_field $page next] 0]
            assert_equal {bool 0} [typed_field $page has_more]
            assert_equal array [lindex [typed_field $page events] 0]
            set e [lindex [typed_field $page events] 1 0]
            assert_equal map [lindex $e 0]
            assert_equal [concat {event_id partition_key partition_id transaction_id partition_sequence stream_version} \
                {timestamp stream_id event_name metadata payload entry_id correlation_id causation_id aggregate_id recorded}] [typed_keys $e]
            foreach {k v} [lindex $e 1] { assert_equal simple [lindex $k 0] }
            foreach {name value} [list event_id [list simple $id] partition_id {int 0} stream_version {int 0} \
                timestamp {int 5} stream_id {bulk full} event_name {bulk Typed} metadata {bulk m} payload {bulk p}] {
                assert_equal $value [typed_field $e $name] $name
            }
            assert_equal $corr [lindex [typed_field $e correlation_id] 1]
            assert_equal $caus [lindex [typed_field $e causation_id] 1]
            assert_equal a-1 [lindex [typed_field $e aggregate_id] 1]
            assert_regexp $::uuid_pattern [lindex [typed_field $e transaction_id] 1]
            assert_regexp $::entry_id_pattern [lindex [typed_field $e entry_id] 1]
            assert_equal int [lindex [typed_field $e recorded] 0]
            # An event without the options has only ours that are always present.
            $c EAPPEND full Bare
            set e [lindex [typed_field [$c typed ESCAN full 1 1] events] 1 0]
            assert_equal {metadata payload entry_id recorded} [lrange [typed_keys $e] 9 end]
        }
    }
    test "In RESP2 maps are flat arrays and has_more is an integer" {
        set page [r typed ESCAN s 0 0]
        assert_equal array [lindex $page 0]
        assert_equal {int 0} [typed_field $page has_more]
        assert_equal array [lindex [typed_field $page events] 1 0 0]
        assert_equal null [lindex [typed_field $page next] 0]
        assert_equal {int 1} [typed_field [r typed ESCAN s 0 + COUNT 1] next]
    }
    test "Every page that is not the last names the next one, with and without a filter" {
        set all {}
        for {set i 0} {$i < 250} {incr i} { lappend all $i }
        foreach filter {{} {TYPE t} {SINCE 1}} {
            assert_equal $all [follow s - + COUNT 7 {*}$filter] $filter
            assert_equal [lreverse $all] [follow s - + COUNT 7 REV {*}$filter] "REV $filter"
            assert_equal [lrange $all 10 40] [follow s 10 40 COUNT 31 {*}$filter] $filter
        }
        assert_equal {1 5} [list [field [r ESCAN s 0 + COUNT 1] next] [field [r ESCAN s 0 7 REV COUNT 2] next]]
    }
    test "Bounds are inclusive and COUNT defaults to 100" {
        set page [r ESCAN s - +]
        assert_equal 100 [llength [field $page events]]
        assert_equal 1 [field $page has_more]
        assert_equal {7 8 9} [page_versions [r ESCAN s 7 9]]
        assert_equal {0} [page_versions [r ESCAN s - 0]]
        assert_equal {249} [page_versions [r ESCAN s 249 +]]
        assert_equal {248 249} [page_versions [r ESCAN s 248 9999]]
        assert_equal {5 6 7} [page_versions [r ESCAN s 5 + COUNT 3]]
        assert_equal 250 [llength [field [r ESCAN s - + COUNT 10000] events]]
        assert_equal {s/5 s/6} [page_field [r ESCAN s 5 6] payload]
    }
    test "has_more is exact" {
        foreach {start end count more} {
            - + 249 1   - + 250 0   - + 251 0   0 99 100 0   0 100 100 1   0 99 99 1   240 + 10 0   240 + 9 1
            249 249 1 0   249 + 1 0   250 + 1 0   300 400 5 0   10 20 11 0   10 20 10 1   0 18446744073709551615 250 0
        } {
            assert_equal $more [field [r ESCAN s $start $end COUNT $count] has_more] "$start $end COUNT $count"
        }
    }
    test "Reversed, has_more is as exact" {
        foreach {start end count more} {
            - + 249 1   - + 250 0   - + 251 0   0 99 100 0   0 99 99 1   1 99 99 0   240 + 10 0   0 0 1 0  240 + 9 1
        } {
            assert_equal $more [field [r ESCAN s $start $end REV COUNT $count] has_more] "$start $end REV COUNT $count"
        }
    }
    test "REV returns the same range backwards" {
        assert_equal {249 248 247} [page_versions [r ESCAN s - + REV COUNT 3]]
        assert_equal {7 6 5 4 3} [page_versions [r ESCAN s 3 7 REV]]
        assert_equal {0} [page_versions [r ESCAN s 0 0 REV]]
        # The bounds of a reversed range may come in either order, as XREVRANGE has them.
        assert_equal {7 6 5 4 3} [page_versions [r ESCAN s 7 3 REV]]
        assert_equal {249 248} [page_versions [r ESCAN s + - REV COUNT 2]]
        assert_equal {3 2 1 0} [page_versions [r ESCAN s 3 - REV]]
        assert_equal {249 248 247} [page_versions [r ESCAN s + 247 REV]]
        assert_equal {249 248} [page_versions [r ESCAN s 248 99999 COUNT 10 REV]]
        assert_equal [lreverse [page_versions [r ESCAN s - + COUNT 1000]]] [page_versions [r ESCAN s - + REV COUNT 1000]]
    }
    test "What is not there is an empty page, at once" {
        foreach args {{none - +} {none 5 9 REV} {s 250 +} {s 9 5} {s 100000 200000}} {
            set page [r ESCAN {*}$args]
            assert_equal {} [field $page events] $args
            assert_equal 0 [field $page has_more] $args
        }
    }
    test "Bad arguments are INVALIDARG" {
        assert_match "INVALIDARG start version cannot be '+'*" [r err ESCAN s + +]
        assert_match "INVALIDARG end version cannot be '-'*" [r err ESCAN s - -]
        foreach args {{s x +} {s - x} {s - + COUNT} {s - + COUNT x} {s - + COUNT -1} {s - + NOPE} {s - + COUNT 1 COUNT 2}
            {s -1 +} {s 1.0 +} {s - + TYPE} {s - + SINCE x} {s - + UNTIL} {{} - +} {s - + CORRELATION x} {s - + CAUSATION 1}
            {s - + AGGREGATE} {s - + AGGREGATE {}} {s - + STREAM s} {s - + CATEGORY s}} {
            assert_match INVALIDARG* [r err ESCAN {*}$args] $args
        }
        foreach args {{} {s} {s -}} { assert_regexp {^(ERR|INVALIDARG) } [r err ESCAN {*}$args] }
    }
    test "PARTITION_KEY is accepted" {
        set key [field [lindex [field [r ESCAN s 0 0] events] 0] partition_key]
        assert_equal {0 1} [page_versions [r ESCAN s 0 1 PARTITION_KEY $key COUNT 2]]
        assert_match INVALIDARG* [r err ESCAN s 0 1 PARTITION_KEY nonsense]
    }
    test "TYPE filters by exact name and by glob" {
        foreach t {order.created order.paid item.created order.shipped plain} { lappend types $t }
        for {set i 0} {$i < 60} {incr i} { r EAPPEND typed [lindex $types [expr {$i % 5}]] }
        foreach {pattern expected} {order.paid {1} order.* {0 1 3} *.created {0 2} * {0 1 2 3 4} none {} or?er.paid {1} {[op]*} {0 1 3 4}} {
            set want {}
            for {set i 0} {$i < 60} {incr i} { if {$i % 5 in $expected} { lappend want $i } }
            assert_equal $want [follow typed - + TYPE $pattern] "TYPE $pattern"
            assert_equal $want [follow typed - + TYPE $pattern COUNT 3] "TYPE $pattern COUNT 3"
            assert_equal [lreverse $want] [follow typed - + TYPE $pattern REV COUNT 4] "TYPE $pattern REV"
            assert_equal [lsearch -all -inline -regexp $want {^[23].$}] [follow typed 20 39 TYPE $pattern COUNT 2] "20 39 TYPE $pattern"
        }
    }
    test "TYPE takes several patterns, and any of them is enough" {
        set want {}
        for {set i 0} {$i < 60} {incr i} { if {$i % 5 in {1 2 4}} { lappend want $i } }
        assert_equal $want [follow typed - + TYPE order.paid plain item.*]
        assert_equal $want [follow typed - + TYPE order.paid plain item.* COUNT 4]
        assert_equal $want [follow typed - + COUNT 100 TYPE item.* TYPE order.paid plain]
    }
    test "A filtered page is full when there is enough, and says so" {
        set page [r ESCAN typed - + TYPE plain COUNT 5]
        assert_equal {4 9 14 19 24} [page_versions $page]
        assert_equal 1 [field $page has_more]
        set page [r ESCAN typed - + TYPE plain COUNT 12]
        assert_equal 12 [llength [field $page events]]
    }
    test "CORRELATION, CAUSATION and AGGREGATE filter one stream, in memory, on disk and over both" {
        for {set i 0} {$i < 4} {incr i} { lappend ids [uuid] }
        set commands {}
        # The same values are in other streams, before, in between and behind.
        foreach {stream n} {v-1 40 v-2 100 v-1 100 v-2 50 v-1 210} {
            for {set i 0} {$i < $n} {incr i} {
                set cmd [list EAPPEND $stream t]
                foreach {name part} {CORRELATION 50 CAUSATION 3 AGGREGATE 7} {
                    if {[rand_below $part] == 0} {
                        set value [expr {$name eq "AGGREGATE" ? "agg-[rand_below 3]" : [pick $ids]}]
                        lappend cmd $name $value
                        if {$stream eq "v-1"} { dict lappend in_it "$name $value" [llength [lsearch -all $commands {EAPPEND v-1 *}]] }
                    }
                }
                lappend commands $cmd
            }
        }
        pipeline [srv default_client] [lrange $commands 0 459]
        r ESYNC
        pipeline [srv default_client] [lrange $commands 460 end]
        foreach restarted {0 1} {
            if {$restarted} { srv restart }
            dict for {filter want} $in_it {
                assert_equal $want [follow v-1 - + {*}$filter COUNT 1000] $filter
                assert_equal $want [follow v-1 - + COUNT 7 {*}$filter] "$filter COUNT 7"
                assert_equal [lreverse $want] [follow v-1 - + {*}$filter REV COUNT 9] "$filter REV"
                assert_equal [lmap v $want {expr {$v < 30 || $v > 320 ? [continue] : $v}}] [follow v-1 30 320 {*}$filter COUNT 20] "$filter 30 320"
            }
            assert_equal {} [follow v-1 - + CORRELATION [uuid]]
            assert_equal {} [follow v-1 - + AGGREGATE agg]
        }
        set two [list CORRELATION [lindex $ids 0] CAUSATION [lindex $ids 1]]
        # An id may have been drawn for no event of this stream.
        lassign [lmap one [list [lrange $two 0 1] [lrange $two 2 3]] {expr {[dict exists $in_it $one] ? [dict get $in_it $one] : {}}}] a b
        assert_equal [lmap v $a {expr {$v in $b ? $v : [continue]}}] [follow v-1 - + {*}$two]
    }
    test "So many or so long patterns that one event would take long are refused" {
        set long [lmap i [lrepeat 200 ?] {string cat [string repeat a 400] [incr at] *}]
        foreach patterns [list $long [lmap i [lrepeat 40 ?] {string cat [string repeat *a 250] [incr at]}]] {
            foreach command {{ESCAN work - +} {EPSCAN 0 - +} {EREAD FROM 0}} {
                if {[lindex $command 0] eq "EREAD"} { set patterns [join [lmap p $patterns {list $p TYPE}]]; set patterns [lrange $patterns 0 end-1] }
                assert_match "INVALIDARG TYPE takes at most 1000 patterns, of 65536 bytes together, *" [r err {*}$command TYPE {*}$patterns]
            }
        }
        foreach command {{ESCAN work - +} {EPSCAN 0 - +}} {
            assert_equal "INVALIDARG too many values: a selection has at most 1000" [r err {*}$command TYPE {*}[lrepeat 1001 no]]
        }
        set long *\[[string repeat a 2046]]
        foreach command {{EPSCAN 0 - + STREAM} {EREAD FROM 0 STREAM} {SCAN 0 MATCH} {ESTREAMS 0 MATCH} KEYS} {
            assert_equal "INVALIDARG a pattern has at most 2048 bytes, but got 2049" [r err {*}$command $long]
        }
        assert_equal {} [r KEYS [string range $long 1 end]]
    }
    test "A page with many or long patterns looks at fewer events" {
        set type [string repeat a 500]
        append_events [srv default_client] work 300 $type
        foreach patterns [list [lmap i [lrepeat 1000 ?] {string cat no [incr n] *}] [list [string repeat *a 250]b] *aaaaaaaaaaaab] {
            set page [r ESCAN work - + TYPE {*}$patterns]
            assert_equal {1 {}} [list [field $page has_more] [field $page events]]
            assert {[field $page next] > 0 && [field $page next] < 200} "next [field $page next]"
            assert_equal {} [follow work - + TYPE {*}$patterns]
            assert_equal {0 {}} [list [field [r ESCAN work 299 + TYPE {*}$patterns] has_more] [field [r ESCAN work - + TYPE none] next]]
        }
    }
    test "SINCE and UNTIL filter on recorded, inclusively" {
        r EAPPEND timed a TIMESTAMP 1
        after 20
        r EAPPEND timed b TIMESTAMP 4000000000000
        after 20
        r EAPPEND timed c
        lassign [page_field [r ESCAN timed - +] recorded] ra rb rc
        assert {$ra < $rb && $rb < $rc}
        assert_equal {1 2} [follow timed - + SINCE $rb]
        assert_equal {0 1} [follow timed - + UNTIL $rb]
        assert_equal {1} [follow timed - + SINCE $rb UNTIL $rb]
        assert_equal {1} [follow timed - + SINCE [expr {$ra + 1}] UNTIL [expr {$rc - 1}]]
        assert_equal {} [follow timed - + SINCE [expr {$rc + 1}]]
        assert_equal {2 1} [follow timed - + SINCE $rb REV]
        assert_equal {1} [follow timed - + SINCE $rb TYPE b]
    }
    test "Everything is the same after it was applied, and after a restart" {
        set forward [scan_all [srv default_client] s 33]
        set typed [r ESCAN typed 3 40 TYPE *.created COUNT 7]
        set reverse [r ESCAN typed - + REV COUNT 20]
        r ESYNC
        assert_equal $forward [scan_all [srv default_client] s 33]
        srv restart
        assert_equal $forward [scan_all [srv default_client] s 71]
        assert_equal $reverse [r ESCAN typed - + REV COUNT 20]
        assert_equal [dict get $typed events] [dict get [r ESCAN typed 3 40 TYPE *.created COUNT 7] events]
        assert_equal {order.paid} [lsort -unique [lmap v [follow typed - + TYPE order.paid COUNT 2] {
            field [lindex [field [r ESCAN typed $v $v] events] 0] event_name }]]
        assert_equal 1 [field [r ESCAN s - + COUNT 249] has_more]
        assert_equal 0 [field [r ESCAN s - + COUNT 250] has_more]
        r EAPPEND s more
        assert_equal {249 250} [page_versions [r ESCAN s 249 +]]
        assert_equal {250 249 248} [page_versions [r ESCAN s - + REV COUNT 3]]
    }
    test "A connection sees its own pipelined appends" {
        set replies [pipeline [srv default_client] {{EAPPEND own t} {ESCAN own - +} {EAPPEND own t} {ESCAN own - +} {ESVER own}}]
        assert_equal {0} [page_versions [untyped [lindex $replies 1]]]
        assert_equal {0 1} [page_versions [untyped [lindex $replies 3]]]
        assert_equal {int 1} [lindex $replies 4]
    }
}

with_server {cache-bytes 1mb journal-segment-bytes 1mb} {
    test "A stream larger than the cache reads whole, in both directions" {
        set c [srv default_client]
        foreach part {1 2 3 4} { append_events $c large 1500 t METADATA [string repeat m 400] }
        append_events $c filler 4000 t METADATA [string repeat m 400]
        r ESYNC
        set events [scan_all $c large 700]
        set versions {}
        for {set i 0} {$i < 6000} {incr i} { lappend versions $i }
        assert_equal $versions [lmap e $events {field $e stream_version}]
        assert_equal large/[expr {5000 % 1500}] [field [lindex $events 5000] payload]
        set page [r ESCAN large - + REV COUNT 5000]
        assert_equal [lrange [lreverse $versions] 0 4999] [page_versions $page]
        assert_equal 1 [field $page has_more]
        # Appends go on at the end of a stream that was evicted.
        assert_equal 6000 [field [r EAPPEND large t] stream_version]
        assert_equal {5998 5999 6000} [page_versions [r ESCAN large 5998 +]]
    }
}
