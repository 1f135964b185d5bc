# The row S6 of bench/compare: pub/sub and strings on both sides, and channels of events, which Redis has not.

foreach depth {1 16} {
    set load "--mode publish --streams 1 --readers 50 -c 60 -P $depth"
    row S6 "PUBLISH to 50 subscribers, P=$depth" 1.0 0 "" events_per_s $load $load \
        regimes once second 1 needs PUBLISH
}
set load {--mode raw {PUBLISH {stream} {payload}}}
row S6 "PUBLISH beside 10000 patterns, P=1" 1.0 0 "" requests_per_s $load $load \
    regimes once needs PUBLISH prepare hold_patterns
set load {-P 16 --mode raw {SET {stream} {payload}}}
row S6 "SET, c=50 P=16" 1.0 0 "" requests_per_s $load $load needs SET
set load {-P 16 --mode raw {GET {stream}}}
row S6 "GET, c=50 P=16" 1.0 0 "" requests_per_s $load $load regimes once needs GET prepare write_strings
# What Redis does beside it is no durable event, and a fourth of the bytes.
set load {--readers 1000 -c 1100 --rate 1000 --streams 1}
row S6 "1000 events/s to 1000; Redis: PUBLISH" 0 0 "" events_per_s "--mode publish $load" "--mode events $load" \
    regimes once second 1 needs {EAPPEND SUBSCRIBE} bounds {p99_us most 50000}

# A connection that listens to 10,000 patterns, of which none fits; it goes with the server.
proc hold_patterns {server} {
    if {[info exists ::patterns_held]} { close $::patterns_held }
    set ::patterns_held [socket 127.0.0.1 [dict get $server port]]
    fconfigure $::patterns_held -translation binary -buffering full
    for {set i 0} {$i < 10000} {incr i 100} {
        set names {}
        for {set k $i} {$k < $i + 100} {incr k} { lappend names other-$k:* }
        puts $::patterns_held "PSUBSCRIBE $names\r"
    }
    flush $::patterns_held
    for {set i 0} {[ask [dict get $server port] "PUBSUB NUMPAT"] ne ":10000"} {incr i} {
        if {$i >= 1000} { error "S6: no 10000 patterns:\n[tail [dict get $server log]]" }
        after 10
    }
}
proc write_strings {server} {
    bench $server --in-turn -n 10000 --mode raw {SET {stream} {payload}}
    settle $server
}

# ---- appends, and the same beside a connection that listens to all events

proc s6_one {side} {
    set server [start_server $side]
    set load [expr {$side eq "alone" ? {--mode append -c 50} : {--mode events --readers 1 -c 51}}]
    set r [bench $server -P 16 -t $::seconds --warmup $::warmup {*}$load]
    discard $server
    return $r
}
proc run_s6 {} {
    if {$::only ni {"" cairn}} return
    lassign [list $::sides $::only] sides only
    set ::only ""
    if {$::binary_b eq ""} { set ::sides {alone listened} }
    say ""
    head
    set results [in_pairs "S6 append" requests_per_s s6_one]
    say_row S6 "append P=16, 1 listens to all events" fill requests_per_s 0.8 0 $results
    say_bound_by $results
    lassign [list $sides $only] ::sides ::only
}
