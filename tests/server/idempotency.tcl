# EVENT_ID: a retry answers as the first time; the same id for anything else is DUPLICATEID.

with_server {} {
    set id [uuid]
    test "A retry with the same id returns the original reply and appends nothing" {
        set first [r EAPPEND acc-1 Paid EVENT_ID $id PAYLOAD 100 METADATA m]
        r EAPPEND acc-1 Other
        foreach i {1 2 3} { assert_equal $first [r EAPPEND acc-1 Paid EVENT_ID $id PAYLOAD 100 METADATA m] }
        assert_equal 1 [r ESVER acc-1]
        assert_equal 1 [r EPSEQ 0]
    }
    test "A retry is answered also when the expected version no longer matches" {
        assert_equal $first [r EAPPEND acc-1 Paid EVENT_ID $id PAYLOAD 100 METADATA m EXPECTED_VERSION empty]
        assert_equal $first [r EAPPEND acc-1 Paid EVENT_ID $id PAYLOAD 100 METADATA m EXPECTED_VERSION 77]
        set id2 [uuid]
        set second [r EAPPEND acc-1 Paid EVENT_ID $id2 EXPECTED_VERSION 1]
        r EAPPEND acc-1 Other
        assert_equal $second [r EAPPEND acc-1 Paid EVENT_ID $id2 EXPECTED_VERSION 1]
        assert_match WRONGVER* [r err EAPPEND acc-1 Paid EVENT_ID [uuid] EXPECTED_VERSION 1]
    }
    test "The same id with other content, or in another stream, is DUPLICATEID" {
        set last [r EPSEQ 0]
        assert_match DUPLICATEID* [r err EAPPEND acc-1 Paid EVENT_ID $id PAYLOAD 101 METADATA m]
        assert_match DUPLICATEID* [r err EAPPEND acc-1 Paid EVENT_ID $id PAYLOAD 100 METADATA n]
        assert_match DUPLICATEID* [r err EAPPEND acc-1 Refunded EVENT_ID $id PAYLOAD 100 METADATA m]
        assert_match DUPLICATEID* [r err EAPPEND acc-2 Paid EVENT_ID $id PAYLOAD 100 METADATA m]
        assert_match DUPLICATEID* [r err EAPPEND acc-1 Paid EVENT_ID $id PAYLOAD 100 METADATA m CORRELATION [uuid]]
        assert_match DUPLICATEID* [r err EMAPPEND [uuid] acc-3 Paid EVENT_ID $id]
        assert_equal $last [r EPSEQ 0]
        assert_equal {} [r ESVER acc-2]
        assert_equal {} [r ESVER acc-3]
    }
    test "An id that the server made cannot be used again" {
        set made [field [r EAPPEND acc-1 Auto PAYLOAD x] event_id]
        set last [r EPSEQ 0]
        assert_match DUPLICATEID* [r err EAPPEND acc-9 Auto EVENT_ID $made PAYLOAD y]
        assert_equal $last [r EPSEQ 0]
    }
    test "Two retries in flight on different connections append once" {
        for {set round 0} {$round < 20} {incr round} {
            set u [uuid]
            with_clients {a b c} {
                foreach x [list $a $b $c] { $x send EAPPEND flight t EVENT_ID $u PAYLOAD $round }
                set replies [lmap x [list $a $b $c] {$x read}]
                assert_equal 1 [llength [lsort -unique $replies]]
            }
        }
        assert_equal 19 [r ESVER flight]
    }
    test "The same id twice in one pipeline appends once" {
        set u [uuid]
        set replies [pipeline [srv default_client] [list [list EAPPEND piped t EVENT_ID $u] [list EAPPEND piped t EVENT_ID $u]]]
        assert_equal [lindex $replies 0] [lindex $replies 1]
        assert_equal 0 [r ESVER piped]
    }

    set group [list [uuid] g-1 A EVENT_ID [uuid] PAYLOAD 1 g-2 B EVENT_ID [uuid] PAYLOAD 2 EXPECTED_VERSION empty g-1 C EVENT_ID [uuid]]
    test "An EMAPPEND is idempotent as a whole" {
        set group_reply [r EMAPPEND {*}$group]
        r EAPPEND g-1 later
        assert_equal $group_reply [r EMAPPEND {*}$group]
        assert_equal 2 [r ESVER g-1]
        assert_equal 0 [r ESVER g-2]
    }
    test "A group that stands in part is an error and appends nothing" {
        set last [r EPSEQ 0]
        lassign $group key s1 t1 k1 id1
        assert_match DUPLICATEID* [r err EMAPPEND $key g-1 A EVENT_ID $id1 PAYLOAD 1 g-4 New EVENT_ID [uuid]]
        assert_match DUPLICATEID* [r err EMAPPEND $key g-4 New EVENT_ID [uuid] g-1 A EVENT_ID $id1 PAYLOAD 1]
        assert_match DUPLICATEID* [r err EMAPPEND {*}[lreplace $group 6 6 changed]]
        assert_match DUPLICATEID* [r err EMAPPEND [uuid] g-5 t EVENT_ID $id1 g-6 t EVENT_ID $id1]
        assert_equal $last [r EPSEQ 0]
        foreach s {g-4 g-5 g-6} { assert_equal {} [r ESVER $s] }
    }
    test "The same new id twice in one group is an error" {
        set u [uuid]
        set last [r EPSEQ 0]
        assert_match DUPLICATEID* [r err EMAPPEND [uuid] h-1 t EVENT_ID $u h-2 t EVENT_ID $u]
        assert_match DUPLICATEID* [r err EMAPPEND [uuid] h-1 t EVENT_ID $u h-1 t EVENT_ID $u]
        assert_equal $last [r EPSEQ 0]
        r EAPPEND h-1 t EVENT_ID $u
        assert_equal 0 [r ESVER h-1]
    }

    foreach {how command} {"a restart" {srv restart} "a kill -9" {srv crash} "a restart after ESYNC" {r ESYNC; srv restart}} {
        test "Retries are recognised after $how" {
            eval $command
            set last [r EPSEQ 0]
            assert_equal $first [r EAPPEND acc-1 Paid EVENT_ID $id PAYLOAD 100 METADATA m]
            assert_equal $group_reply [r EMAPPEND {*}$group]
            assert_match DUPLICATEID* [r err EAPPEND acc-1 Paid EVENT_ID $id PAYLOAD 101 METADATA m]
            assert_match DUPLICATEID* [r err EAPPEND acc-2 Paid EVENT_ID $id PAYLOAD 100 METADATA m]
            assert_match DUPLICATEID* [r err EAPPEND acc-9 Auto EVENT_ID $made PAYLOAD y]
            assert_equal $last [r EPSEQ 0]
        }
    }
}

with_server {cache-bytes 1mb journal-segment-bytes 1mb} {
    test "Ids are recognised when their events left memory long ago" {
        set c [srv default_client]
        set ids {}
        set commands {}
        for {set i 0} {$i < 3000} {incr i} {
            lappend ids [set u [uuid]]
            lappend commands [list EAPPEND cold-[expr {$i % 50}] t EVENT_ID $u PAYLOAD [string repeat $i 200]]
        }
        set replies [pipeline $c $commands]
        r ESYNC
        append_events $c filler 5000 t METADATA [string repeat m 500]
        r ESYNC
        set last [r EPSEQ 0]
        for {set i 0} {$i < 3000} {incr i 37} {
            assert_equal [lindex $replies $i] [$c typed {*}[lindex $commands $i]]
            assert_match DUPLICATEID* [r err EAPPEND other t EVENT_ID [lindex $ids $i]]
        }
        # All at once, in one pipeline.
        assert_equal [lrange $replies 0 499] [pipeline $c [lrange $commands 0 499]]
        assert_equal $last [r EPSEQ 0]
    }
}

proc id_filter {} { return [info_field r id_filter cache] }
proc reads {} { return [info_field r reads store] }

with_server {cache-bytes 2mb} {
    test "New ids cost no reads, also when others are on disk only, before and after a restart" {
        set old {}
        for {set i 0} {$i < 4000} {incr i} { lappend old [uuid] }
        set appends {}
        foreach id $old { lappend appends [list EAPPEND old t EVENT_ID $id PAYLOAD [string repeat x 500]] }
        pipeline [srv default_client] $appends
        assert_equal OK [r ESYNC]
        wait_for "some are evicted" {[r PING] eq "PONG" && [info_field r client_ids_in_memory cache] < 4000}
        foreach restarted {no yes} {
            if {$restarted} { srv restart }
            wait_for "the ids are loaded" {[id_filter] eq "complete"}
            r ESVER new
            set before [reads]
            for {set i 0} {$i < 500} {incr i} { r EAPPEND new t EVENT_ID [uuid] }
            assert_range 0 50 [expr {[reads] - $before}] "reads"
        }
    }
    test "Ids that are on disk only are recognised all the same" {
        foreach at {0 1 1999 3999} {
            set reply [r EAPPEND old t EVENT_ID [lindex $old $at] PAYLOAD [string repeat x 500]]
            assert_equal $at [field $reply stream_version]
            assert_match DUPLICATEID* [r err EAPPEND other t EVENT_ID [lindex $old $at]]
        }
    }
}
