# The benchmarks' judgement: regimes, void measurements, verdicts. What decides is tried in a second interpreter,
# as it has procedures of the same names as the harness; the probes are the real ones of cairn-bench.

proc in_bench {script} { return [$::bench eval $script] }
set bench [interp create]
foreach part {lib regime table} { in_bench [list source [file join $::top bench $part.tcl]] }
in_bench {
    proc note {text} { lappend ::notes $text }
    proc say {text} { lappend ::said $text }
    proc wait_quiet {args} {}
    proc sync_probe {} { return [lindex $::sync_times 0] }
    proc page_probe {} { set ::page_times [lassign $::page_times first]; return $first }
    set sync_times 100
    set missed 0
    set pairs 1
    set only ""
    set backlog 1
    set seconds 1
    # A measurement: counts its calls; as discard does, it looks at the memory before it is given back.
    proc measured {side} {
        lappend ::pages [page_probe]
        return [dict create requests_per_s [incr ::rate 1000] p50_us 1000 p99_us 2000 server_cpu 0.5 client_cpu 0.5 other_cpu 0]
    }
    proc fresh {page_times} {
        set ::page_times $page_times
        set ::rate 0
        lassign {{} {}} ::said ::notes
        set ::missed 0
    }
}

test "The page probe says what a page costs" {
    set binary [in_bench bench_binary]
    assert_regexp {^16384 pages: [0-9.]+ us a page, [0-9.]+ by the clock$} [exec $binary --page-probe]
    set json {^\{"pages":([0-9]+),"us_a_page":([0-9.]+),"wall_us_a_page":([0-9.]+)\}$}
    set out [exec $binary --page-probe --json -n 8]
    assert_regexp $json $out
    regexp $json $out -> pages us wall
    assert_equal 2048 $pages
    # Clearing 4096 bytes takes longer than 20 ns, and a second is no page fault.
    assert {$us > 0.02 && $us < 1e6}
    # By the clock it cannot take less, but for the moments between reading the one and the other.
    assert {$wall > 0.9 * $us}
    assert {[catch {exec $binary --page-probe -n 9999999 2>@1} out]}
    assert_match "*-n is in MB*" $out
}

test "--regime takes fill, steady and both" {
    foreach {word list} {fill fill  steady steady  both {fill steady}} {
        assert_equal $list [in_bench [list parse_regime $word]]
    }
    foreach word {"" once Fill "fill steady"} {
        assert_error "--regime is fill, steady or both*" {in_bench [list parse_regime $word]}
    }
}

test "A row is measured in those of its regimes that are wanted, and once when it has none" {
    foreach {wanted row expected} {
        {fill}        {fill steady} {fill}
        {steady}      {fill steady} {steady}
        {fill steady} {fill steady} {fill steady}
        {fill steady} {fill}        {fill}
        {steady}      {fill}        {}
        {steady}      once          once
        {fill steady} once          once
    } {
        assert_equal $expected [in_bench [list regimes_of_row $wanted $row]] "$row when $wanted"
    }
}

test "A fill in events is as many requests as they take" {
    foreach {arguments expected} {
        {--mode mappend}        30
        {--mode xadd-multi}     30
        {--mode xadd -P 100}    3000
        {-c 8 --mode append}    3000
    } {
        assert_equal $expected [in_bench [list requests_for 3000 $arguments]]
    }
}

test "Load goes on until time, cache and journal say that it is steady, and not for ever" {
    foreach {kind loaded recycled full room next why} {
        cairn 50  9 1 ""       more   ""
        cairn 60  4 1 ""       steady ""
        cairn 60  3 1 ""       more   ""
        cairn 60  4 0 ""       more   ""
        cairn 230 3 0 ""       more   ""
        cairn 240 3 1 ""       short  "*3 of 4 segments used again"
        cairn 240 3 0 ""       short  "*the cache is not full, 3 of 4 segments used again"
        cairn 240 9 1 ""       steady ""
        redis 50  0 0 ""       more   ""
        redis 60  0 0 ""       steady ""
        redis 20  0 0 "memory" short  "after 20 s of load: no room for more (memory)"
        cairn 60  9 1 "disk"   short  "*no room*"
    } {
        set state [list kind $kind recycled $recycled full $full room $room]
        lassign [in_bench [list steady_step $loaded 60 $state]] got_next got_why
        assert_equal $next $got_next "$kind after $loaded s, $recycled segments, full $full"
        assert_match $why $got_why
    }
}

test "Segments that were used again are counted from the journal's files" {
    set dir [file join $::work_dir journal]
    file mkdir $dir
    assert_equal 0 [in_bench [list segments_recycled $dir]]
    proc segment {number generation} {
        set f [open [file join $::dir_of_segments seg-[format %016x $number]] wb]
        puts -nonewline $f [binary format a8x32w "cairnseg" $generation]
        close $f
    }
    set ::dir_of_segments $dir
    segment 0 1
    segment 1 2
    assert_equal 0 [in_bench [list segments_recycled $dir]] "two files, begun once each"
    segment 0 3
    segment 1 7
    assert_equal 5 [in_bench [list segments_recycled $dir]] "two files, seven beginnings"
    # A spare that was never begun is zeros.
    write_file [file join $dir seg-000000000000000b] [string repeat \0 4096]
    assert_equal 0 [in_bench [list segments_recycled $dir]] "twelve files were made"
    segment 11 17
    assert_equal 5 [in_bench [list segments_recycled $dir]]
    write_file [file join $dir seg-0000000000000100.tmp] x
    assert_equal 5 [in_bench [list segments_recycled $dir]]
}

test "The segments of a real journal are counted, and a small cache is full" {
    # Such a cache lets little wait for the database, so few segments are enough, again and again.
    with_server {cache-bytes 1mb journal-segment-bytes 1mb} {
        set kind [list kind cairn port [srv port] dir [srv dir] pid [srv pid]]
        in_bench [list set work $::work_dir]
        set state [in_bench [list steady_state $kind]]
        assert_equal {0 0} [list [dict get $state recycled] [dict get $state full]]
        exec [in_bench bench_binary] -p [srv port] -P 16 -n 40000 -d 1000
        set state [in_bench [list steady_state $kind]]
        assert_range 4 100 [dict get $state recycled]
        assert_equal 1 [dict get $state full]
    }
}

test "A measurement beside slow memory is void" {
    foreach {pages expected} {
        {1.4 2.9}       ""
        {1.4 3.0}       ""
        {1.4 3.1}       "page probe 3.1 us"
        {11.2 1.4 4.0}  "page probe 11.2 us"
    } {
        assert_equal $expected [in_bench [list void_text $pages]]
    }
}

test "A void measurement is thrown away and repeated, a few times" {
    # before, and while its server is there
    in_bench {fresh {1.0 1.0}}
    set run [in_bench {counted C1 {measured cairn}}]
    assert_equal {1.0 1.0} [dict get $run pages]
    assert_equal 1000 [dict get $run result requests_per_s]

    in_bench {fresh {1.0 9.0 1.5 2.0}}
    set run [in_bench {counted C1 {measured cairn}}]
    assert_equal 2000 [dict get $run result requests_per_s] "the second run"
    assert_equal {1.5 2.0} [dict get $run pages] "only of the run that counts"
    assert_equal {{C1: void, page probe 9.0 us (try 1 of 3)}} [in_bench {set notes}]

    # Where memory is slow before it, nothing is run.
    in_bench {fresh {9.0 1.0 1.0}}
    assert_equal 1000 [dict get [in_bench {counted C1 {measured cairn}}] result requests_per_s]

    in_bench {fresh {9.0 1.0 8.0 7.0 1.0 1.0}}
    set run [in_bench {counted C1 {measured cairn}}]
    assert_equal "page probe 7.0 us" [dict get $run void]
    assert {![dict exists $run result]}
}

test "A row of which one side is void says so, and is missed" {
    in_bench {fresh {1.0 1.0 9.0 9.0 9.0}}
    in_bench {say_row C1 append fill requests_per_s 1.25 1 [in_pairs C1 requests_per_s measured]}
    set said [in_bench {set said}]
    assert_match "C1 *append *fill *1000 *- *- *1.25 void *" [lindex $said 0]
    assert_match "*void: page probe 9.0 us (Cairn, 1 of 1 runs, each tried 3 times)*" $said
    assert_equal 1 [in_bench {set missed}]
}

test "A row says processor time for each request, and the cores that its target would take" {
    in_bench {fresh {1.0 1.0 1.0 1.0}}
    in_bench {set cores 2; say_row C1 append steady requests_per_s 1.25 1 [in_pairs C1 requests_per_s measured]}
    set said [in_bench {set said}]
    # 0.5 cores at 1000/s and at 2000/s
    assert_match "C1 *append *steady *1000 *2000 *2.00 *1.25 yes *0.50/0.50 *500.00/250.00 500.00/250.00" [lindex $said 0]
    assert_equal 2 [llength $said] "the line and the probes"
    foreach {target left server client cores expected} {
        1.25 88000 9.0 4.0 2 ""
        1.25 88000 12.0 5.0 2 1.87
        1.25 88000 12.0 5.0 4 ""
    } {
        set needed [in_bench [list cores_beyond $target $left $server $client $cores]]
        assert_equal $expected [expr {$needed eq "" ? "" : [format %.2f $needed]}]
    }
    in_bench {fresh {1.0 1.0 1.0 1.0}}
    in_bench {say_row C1 append fill requests_per_s 4 0 [in_pairs C1 requests_per_s measured]}
    assert_match "*the target is 4000/s, which takes 2.00 cores (250.00 us of the server + 250.00 us of the generator): above 1.8*" \
        [in_bench {set said}]
}

test "A verdict wants the ratio, and the p99 where it is said" {
    foreach {left right target p99 expected} {
        {rate 100 p99_us 5} {rate 125 p99_us 5} 1.25 1 yes
        {rate 100 p99_us 5} {rate 124 p99_us 5} 1.25 1 no
        {rate 100 p99_us 5} {rate 125 p99_us 6} 1.25 1 "no: p99"
        {rate 100 p99_us 5} {rate 125 p99_us 6} 1.25 0 yes
        {rate 100 p99_us 5} {rate 125 p99_us 6} 0    1 -
        {}                  {rate 125 p99_us 6} 1.25 1 -
    } {
        assert_equal $expected [in_bench [list verdict_of $left $right $target $p99]]
    }
}

test "A row says what there was no more of" {
    foreach {cores loop client server other expected} {
        2 0.95 0.50 1.10 0.1 "its loop, 0.95 cores"
        2 0.95 0.97 1.00 0.1 "the generator, 0.97 cores"
        2 0.80 0.60 1.20 0.1 "the machine, 1.90 cores of 2 (the loop 0.80)"
        4 0.80 0.60 1.20 0.1 "waiting, for syncs and round trips (the loop 0.80 cores, the generator 0.60)"
    } {
        assert_equal $expected [in_bench [list bound_by $cores $loop $client $server $other]]
    }
}

test "A bound of Cairn's own is kept or not, and said in its unit" {
    foreach {figure way bound value expected} {
        p99_us most 3000 2900             {1 "p99 2.90 ms, at most 3.00 ms: reached"}
        p99_us most 3000 3100             {0 "p99 3.10 ms, at most 3.00 ms: missed"}
        events_per_s least 90000 90000    {1 "rate 90.0k/s, at least 90.0k/s: reached"}
        events_per_s least 90000 1.2e6    {1 "rate 1.20M/s, at least 90.0k/s: reached"}
        requests_per_s least 90000 123    {0 "rate 123/s, at least 90.0k/s: missed"}
    } {
        assert_equal [list {*}$expected] [in_bench [list bound_verdict $figure $way $bound $value]]
    }
}

test "A shape of U2 sends a hundred events at once, or 4 MB" {
    in_bench [list source [file join $::top bench subscriptions.tcl]]
    foreach {size expected text} {1024 100 "1 KB" 4096 100 "4 KB" 262144 16 "256 KB" 524288 8 "512 KB" 1048576 4 "1 MB"} {
        assert_equal $expected [in_bench [list shape_depth $size]]
        assert_equal $text [in_bench [list size_text $size]]
    }
    in_bench {set rows {}; define_deliveries}
    assert_equal 36 [llength [in_bench {set rows}]]
    assert_error "a shape is like*" {in_bench {shape_row 1p 1024 1 {}}}
}
