# Many clients at once over a tiny cache: whatever was acknowledged before a read began is in it, and
# no read ever shows a gap, a repetition or something else than what was appended. The applier is
# held up now and then, so that reads are put together from SQLite and memory in every proportion.

# Writer i owns the stream own-i, whose version v has the payload "i:v:" and filling, and the
# correlation id $corr($i); it also writes to shared streams.
proc writer {i} {
    set c [new_client]
    try {
        set version -1
        while {!$::stopping} {
            set commands {}
            set kinds {}
            for {set n [expr {1 + [rand_below 20]}]} {$n > 0} {incr n -1} {
                if {[rand_below 4] == 0} {
                    lappend commands [list EAPPEND shared-[rand_below 40] other PAYLOAD x[string repeat y [rand_below 2000]]]
                    lappend kinds shared
                } else {
                    incr version
                    lappend commands [list EAPPEND own-$i mine PAYLOAD "$i:$version:[string repeat f [rand_below 600]]" CORRELATION $::corr($i) EVENT_ID [uuid] EXPECTED_VERSION [expr {$version == 0 ? "empty" : $version - 1}]]
                    lappend kinds own
                }
            }
            set at [expr {[info exists ::acked(own-$i)] ? $::acked(own-$i) : -1}]
            foreach reply [pipeline $c $commands] kind $kinds command $commands {
                if {[lindex $reply 0] eq "error"} { fail "[shorten $command]: [lindex $reply 1]" }
                set map [untyped $reply]
                if {$kind eq "own"} {
                    assert_equal [incr at] [field $map stream_version]
                    set ::acked(own-$i) $at
                    if {[rand_below 30] == 0} { lappend ::repeatable $command $map }
                }
                if {[field $map partition_sequence] > $::acked(log)} { set ::acked(log) [field $map partition_sequence] }
            }
            incr ::done(appends) [llength $commands]
            # A repetition of something old is answered as it was.
            if {[llength $::repeatable] && [rand_below 5] == 0} {
                set k [expr {[rand_below [expr {[llength $::repeatable] / 2}]] * 2}]
                lassign [lrange $::repeatable $k $k+1] command map
                $c send {*}$command
                assert_equal $map [$c read] "repeated: [shorten $command]"
                incr ::done(repeats)
            }
        }
    } on error {message options} { trouble $message $options } finally { $c destroy; incr ::running -1 }
}
proc trouble {message options} {
    lappend ::troubles "$message\n[test_place [dict get $options -errorinfo]]"
    set ::stopping 1
}

# One page of an own stream: contiguous from where it must begin, the right bytes, and up to date.
proc check_page {i page first step before} {
    set expected $first
    foreach e [field $page events] {
        if {[field $e stream_version] != $expected} { fail "own-$i: version [field $e stream_version] where $expected was expected" }
        if {![string match "$i:$expected:*" [field $e payload]]} { fail "own-$i: version $expected has the payload [shorten [field $e payload]]" }
        incr expected $step
    }
    if {$step > 0 && ![field $page has_more] && $expected <= $before} {
        fail "own-$i: a read from $first ended before $expected, $before was acknowledged before it began"
    }
}
proc reader {kind} {
    set c [new_client]
    set position 0
    try {
        while {!$::stopping} {
            set i [rand_below $::writers]
            if {![info exists ::acked(own-$i)]} { $c PING; continue }
            set before $::acked(own-$i)
            switch $kind {
                forward {
                    set start [rand_below [expr {$before + 1}]]
                    check_page $i [$c ESCAN own-$i $start + COUNT [pick {1 10 200}]] $start 1 $before
                }
                reverse {
                    set page [$c ESCAN own-$i - + REV COUNT [pick {1 10 100}]]
                    set first [field [lindex [field $page events] 0] stream_version]
                    if {$first < $before} { fail "own-$i: the last version is $first, $before was acknowledged" }
                    check_page $i $page $first -1 $before
                    set from [rand_below [expr {$before + 1}]]
                    check_page $i [$c ESCAN own-$i 0 $from REV COUNT 50] $from -1 $before
                }
                filter {
                    # The log by correlation: only and all of the writer's own.
                    set page [$c EPSCAN 0 - + CORRELATION $::corr($i) COUNT 100 REV]
                    set events [field $page events]
                    if {[llength $events] || ![field $page has_more]} {
                        set first [field [lindex $events 0] stream_version]
                        if {$first < $before} { fail "correlation $i: the last version is $first, $before was acknowledged" }
                        check_page $i $page $first -1 $before
                    }
                    # A page ends by its limits; the next one goes on without a gap.
                    set page [$c EPSCAN 0 0 + CORRELATION $::corr($i) COUNT 40]
                    check_page $i $page 0 1 -1
                }
                log {
                    set before $::acked(log)
                    set page [$c EPSCAN 0 $position + COUNT 300]
                    foreach e [field $page events] {
                        if {[field $e partition_sequence] != $position} { fail "sequence [field $e partition_sequence] where $position was expected" }
                        incr position
                    }
                    if {![field $page has_more] && $position <= $before} { fail "the log ended before $position, $before was acknowledged" }
                    if {![field $page has_more]} { set position [rand_below [expr {$position + 1}]] }
                }
                head {
                    assert {[$c ESVER own-$i] >= $before}
                    set before $::acked(log)
                    assert {[$c EPSEQ 0] >= $before} "EPSEQ"
                    if {[llength $::repeatable]} {
                        set map [lindex $::repeatable [expr {[rand_below [expr {[llength $::repeatable] / 2}]] * 2 + 1}]]
                        set e [$c EGET [field $map event_id]]
                        assert_equal [field $map partition_sequence] [field $e partition_sequence] "EGET"
                    }
                }
            }
            incr ::done($kind)
        }
    } on error {message options} { trouble "$kind: $message" $options } finally { $c destroy; incr ::running -1 }
}

foreach {how options} {
    "SQLite and a tiny cache" {cache-bytes 1mb journal-segment-bytes 1mb apply-delay-ms 5}
    "long apply delays" {cache-bytes 4mb apply-delay-ms 400}
    "durability backend" {cache-bytes 1mb durability backend}
    "the memory store" {store memory: cache-bytes 2mb}
} {
    with_server $options {
        test "Reads beside appends are gapless, right and up to date: $how" {
            set writers 5
            set stopping 0
            set troubles {}
            set repeatable {}
            array unset acked
            array unset done
            array set acked {log -1}
            array set done {appends 0 repeats 0 forward 0 reverse 0 filter 0 log 0 head 0}
            set running 0
            for {set i 0} {$i < $writers} {incr i} { set corr($i) [uuid]; incr running; coroutine writer-$i writer $i }
            foreach kind {forward forward reverse filter log log head} { coroutine reader-[incr running] reader $kind }
            # For some seconds, and until everybody has had a turn.
            set until [expr {[clock milliseconds] + 3500}]
            set end [expr {[clock milliseconds] + [patience]}]
            while {!$stopping && ([clock milliseconds] < $until || (0 in [dict values [array get done]] && [clock milliseconds] < $end))} {
                if {[string match "SQLite*" $how]} { set hold [hold_database [srv db]] }
                set tick 0; after [rand_below 200] {set tick 1}; vwait tick
                if {[info exists hold]} { release_database $hold; unset hold }
                set tick 0; after [rand_below 200] {set tick 1}; vwait tick
            }
            set stopping 1
            set late [after [patience] {lappend troubles "clients are still waiting"; set running 0}]
            while {$running > 0} { vwait running }
            after cancel $late
            if {[llength $troubles]} { fail [lindex $troubles 0] }
            foreach kind {appends repeats forward reverse filter log head} { assert {$done($kind) > 0} "no $kind was done: [array get done]" }
            # And everything once more, at rest.
            for {set i 0} {$i < $writers} {incr i} {
                set v 0
                foreach e [scan_all [srv default_client] own-$i] {
                    if {![string match "$i:$v:*" [field $e payload]]} { fail "own-$i version $v: [shorten [field $e payload]]" }
                    incr v
                }
                assert_equal [expr {$v - 1}] $acked(own-$i)
            }
        }
    }
}
