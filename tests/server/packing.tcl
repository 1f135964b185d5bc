# Events of a stream that are read again are moved beside each other in memory: nobody may notice.

proc packed {} { return [info_field [srv default_client] packed_events cache] }

# Appends to the streams in turn, so that no two events of one lie side by side: EAPPEND with a client's id, EAPPEND, XADD.
proc scatter {streams rounds} {
    set commands {}
    set payload [string repeat p 100]
    for {set i 0} {$i < $rounds} {incr i} {
        for {set s 0} {$s < $streams} {incr s} {
            switch [expr {$i % 3}] {
                0 { lappend commands [list EAPPEND pk-$s t PAYLOAD $i-$payload EVENT_ID [uuid]] }
                1 { lappend commands [list EAPPEND pk-$s t PAYLOAD $i-$payload METADATA m] }
                2 { lappend commands [list XADD pk-$s * type t d $i-$payload] }
            }
        }
    }
    foreach reply [pipeline [srv default_client] $commands] {
        if {[lindex $reply 0] eq "error"} { fail [lindex $reply 1] }
    }
    r ESYNC
}

# What all ways of reading say.
proc all_reads {streams} {
    set all {}
    for {set s 0} {$s < $streams} {incr s} {
        lappend all [r XRANGE pk-$s - +] [r XREVRANGE pk-$s + - COUNT 50]
        if {$s % 4 == 0} { lappend all [r ESCAN pk-$s - + COUNT 1000] [r ESCAN pk-$s 20 80 REV COUNT 60] }
    }
    lappend all [snapshot [srv default_client]]
    foreach e [field [r ESCAN pk-0 - + COUNT 1000] events] { lappend all [r EGET [field $e event_id]] }
    return $all
}

with_server {} {
    test "Ranges that are read again are packed, and read as before" {
        scatter 24 90
        for {set s 0} {$s < 24} {incr s} { r XRANGE pk-$s - + }
        # A sanitizer's build packs at once.
        if {![info exists ::env(SANITIZED)]} { assert_equal 0 [packed] "after reading once" }
        set first [all_reads 24]
        for {set i 0} {$i < 2} {incr i} { assert_equal $first [all_reads 24] "reading round $i" }
        assert {[packed] >= 24 * 80} "only [packed] events were packed"
    }
    test "What is packed is not packed again" {
        set before [packed]
        all_reads 24
        assert_equal $before [packed]
    }
    test "A repeated append finds its packed event" {
        set e [lindex [field [r ESCAN pk-3 - + COUNT 4] events] 0]
        set again [r EAPPEND pk-3 t PAYLOAD [field $e payload] EVENT_ID [field $e event_id]]
        assert_equal [field $e stream_version] [field $again stream_version]
        assert_match DUPLICATEID* [r err EAPPEND pk-3 t PAYLOAD other EVENT_ID [field $e event_id]]
    }
    test "Packed events are removed, trimmed, erased, renamed and copied as others" {
        set entries [r XRANGE pk-4 - +]
        foreach i {3 17 40 41 88} { assert_equal 1 [r XDEL pk-4 [lindex $entries $i 0]] }
        assert_equal 85 [llength [r XRANGE pk-4 - +]]
        assert_equal 20 [r XTRIM pk-5 MAXLEN 70]
        assert_equal 70 [llength [r XRANGE pk-5 - +]]
        r EERASE [field [lindex [field [r ESCAN pk-6 33 33] events] 0] event_id]
        assert_equal "" [field [lindex [field [r ESCAN pk-6 33 33] events] 0] payload]
        set moved [r XRANGE pk-7 - +]
        r RENAME pk-7 pk-moved
        assert_equal $moved [r XRANGE pk-moved - +]
        r RENAME pk-moved pk-7
        r COPY pk-8 pk-copy
        assert_equal [page_field [r ESCAN pk-8 - + COUNT 200] payload] [page_field [r ESCAN pk-copy - + COUNT 200] payload]
        r DEL pk-9
        r MULTI
        r XADD pk-10 * d x
        r XDEL pk-10 [lindex [r XRANGE pk-11 - + COUNT 1] 0 0]
        r EXEC
        r ESYNC
        set now [all_reads 24]
        for {set i 0} {$i < 2} {incr i} { assert_equal $now [all_reads 24] "reading round $i" }
    }
    test "The database and a restart know nothing of it" {
        set now [all_reads 24]
        srv restart
        assert_equal $now [all_reads 24]
        srv crash
        assert_equal $now [all_reads 24]
    }
}

with_server {cache-bytes 2mb} {
    test "Packed events leave a full cache, which stays within its size" {
        scatter 24 90
        for {set i 0} {$i < 4} {incr i} {
            for {set s 0} {$s < 24} {incr s} { r XRANGE pk-$s - + }
        }
        assert {[packed] > 0}
        set first [all_reads 24]
        append_events [srv default_client] filler 6000 t METADATA [string repeat f 400]
        r ESYNC
        assert {[info_field [srv default_client] evicted_events cache] > 3000}
        wait_for "the cache to be within its size" { [info_field [srv default_client] memory_bytes cache] <= 2 * 1048576 }
        assert_equal [lrange $first 0 59] [lrange [all_reads 24] 0 59]
    }
}
