# The keyspace: DEL UNLINK EXISTS TYPE TOUCH RENAME RENAMENX KEYS SCAN RANDOMKEY DBSIZE OBJECT.

proc scan_keys {args} {
    set cursor 0
    set found {}
    for {set i 0} {$i < 10000} {incr i} {
        lassign [r SCAN $cursor {*}$args] cursor page
        lappend found {*}$page
        if {$cursor == 0} { return [lsort $found] }
    }
    fail "SCAN does not end"
}
proc streams {args} {
    set cursor 0
    set found {}
    while 1 {
        lassign [r ESTREAMS $cursor {*}$args] cursor page
        lappend found {*}$page
        if {$cursor == 0} { return [lsort $found] }
    }
}

with_server {} {
    test "DEL deletes streams and strings, and says how many" {
        r EAPPEND d-1 t
        r EAPPEND d-2 t
        r SET d-3 v
        assert_equal 3 [r EXISTS d-1 d-2 d-3 none]
        assert_equal 2 [r EXISTS d-1 d-1 none]
        assert_equal 3 [r DBSIZE]
        assert_equal 2 [r DEL d-1 d-3 d-1 none]
        assert_equal 1 [r UNLINK d-2]
        assert_equal 0 [r DEL d-1 d-2 d-3]
        assert_equal 0 [r EXISTS d-1 d-2 d-3]
        assert_equal 0 [r DBSIZE]
        assert_equal {} [page_versions [r ESCAN d-1 - +]]
        assert_equal "" [r ESVER d-1]
    }

    test "A stream of a deleted one's name starts at version 0" {
        append_events r again 3
        r DEL again
        assert_equal 0 [field [r EAPPEND again other] stream_version]
        assert_equal 0 [page_versions [r ESCAN again - +]]
        srv crash
        assert_equal 0 [page_versions [r ESCAN again - +]]
        r ESYNC
        srv restart
        assert_equal {0 other} [list [r ESVER again] [field [lindex [field [r ESCAN again - +] events] 0] event_name]]
    }

    test "What was deleted is not found in the log, nor by its id" {
        set id [field [r EAPPEND log-1 t] event_id]
        set sequence [r EPSEQ 0]
        r DEL log-1
        assert_equal "" [r EGET $id]
        assert_equal {} [page_sequences [r EPSCAN 0 $sequence +]]
        srv restart
        assert_equal "" [r EGET $id]
        assert_equal {} [page_sequences [r EPSCAN 0 $sequence +]]
    }

    test "TYPE says stream, string or none" {
        r EAPPEND t-1 x
        r SET t-2 x
        assert_equal {stream string none} [list [r TYPE t-1] [r TYPE t-2] [r TYPE t-3]]
        assert_equal {simple stream} [r typed TYPE t-1]
        assert_equal 2 [r TOUCH t-1 t-2 t-3]
    }

    test "RENAME gives a stream another name, with its events and versions" {
        append_events r old 3
        assert_equal OK [r RENAME old new]
        assert_equal {0 1} [list [r EXISTS old] [r EXISTS new]]
        assert_equal {0 1 2} [page_versions [r ESCAN new - +]]
        assert_equal new [field [lindex [field [r ESCAN new - +] events] 0] stream_id]
        assert_equal 3 [field [r EAPPEND new t] stream_version]
        assert_equal 0 [field [r EAPPEND old t] stream_version]
        srv crash
        assert_equal {0 1 2 3} [page_versions [r ESCAN new - +]]
        assert_equal 0 [r ESVER old]
        r ESYNC
        srv restart
        assert_equal {0 1 2 3} [page_versions [r ESCAN new - +]]
        assert_equal new [field [r EINFO new] stream_id]
    }

    test "Events that were read from disk before RENAME bear the new name" {
        append_events r cold 3
        srv restart
        r ESCAN cold - +
        assert_equal OK [r RENAME cold warm]
        assert_equal {warm warm warm} [lmap e [field [r ESCAN warm - +] events] {field $e stream_id}]
        r ESYNC
        set last [lrange [field [r EPSCAN 0 - + REV COUNT 3] events] 0 end]
        assert_equal {warm warm warm} [lmap e $last {field $e stream_id}]
        assert_equal warm [field [r EGET [field [lindex $last 0] event_id]] stream_id]
    }

    test "RENAME overwrites, RENAMENX does not" {
        r SET a 1
        r SET b 2
        assert_equal 0 [r RENAMENX a b]
        assert_equal OK [r RENAME a b]
        assert_equal {1 {}} [list [r GET b] [r GET a]]
        assert_equal 1 [r RENAMENX b c]
        assert_equal OK [r RENAME c c]
        assert_equal 0 [r RENAMENX c c]
        assert_equal "ERR no such key" [r err RENAME none c]
        assert_equal "ERR no such key" [r err RENAMENX none none]
        append_events r over 2
        assert_equal OK [r RENAME c over]
        assert_equal {string {} 1} [list [r TYPE over] [r GET c] [r GET over]]
        assert_match "INVALIDARG*" [r err RENAME over [string repeat x 513]]
    }

    test "OBJECT says how Redis would keep a value" {
        r SET o 12
        assert_equal int [r OBJECT ENCODING o]
        r SET o 012
        assert_equal embstr [r OBJECT ENCODING o]
        r EAPPEND stream t
        r SET o [string repeat x 45]
        assert_equal raw [r OBJECT ENCODING o]
        assert_equal {stream 1 0} [list [r OBJECT ENCODING stream] [r OBJECT REFCOUNT stream] [r OBJECT IDLETIME stream]]
        assert_match "ERR An LFU maxmemory policy is not selected*" [r err OBJECT FREQ stream]
        assert_equal "" [r OBJECT ENCODING none]
        assert_match "*ENCODING <key>*" [r OBJECT HELP]
    }

    test "Names that cannot be a stream's are absent to those who look" {
        foreach name [list "" [string repeat x 513] "a\nb" "a\0b" [string repeat y 70000]] {
            assert_equal {0 none 0 {} -2} [list [r EXISTS $name] [r TYPE $name] [r DEL $name] [r GET $name] [r TTL $name]]
            assert_match "INVALIDARG*" [r err SET $name v]
            r WATCH $name
            r MULTI
            r EXISTS $name
            assert_equal 0 [r EXEC]
        }
    }
}

with_server {} {
    test "KEYS and SCAN list all keys, those on disk and those that are not applied yet" {
        for {set i 0} {$i < 250} {incr i} { r EAPPEND k-$i t }
        for {set i 0} {$i < 30} {incr i} { r SET str-$i v }
        r ESYNC
        for {set i 250} {$i < 300} {incr i} { r EAPPEND k-$i t }
        set all {}
        for {set i 0} {$i < 300} {incr i} { lappend all k-$i }
        for {set i 0} {$i < 30} {incr i} { lappend all str-$i }
        set all [lsort $all]
        assert_equal $all [lsort [r KEYS *]]
        assert_equal $all [scan_keys]
        assert_equal $all [scan_keys COUNT 7]
        assert_equal $all [scan_keys COUNT 1000]
        assert_equal [lsort {k-29 k-290 k-291 k-292 k-293 k-294 k-295 k-296 k-297 k-298 k-299}] [scan_keys MATCH k-29* COUNT 3]
        assert_equal 30 [llength [scan_keys TYPE string]]
        assert_equal 300 [llength [scan_keys TYPE stream COUNT 20]]
        assert_equal {} [scan_keys TYPE hash]
        assert_equal {} [r KEYS nothing*]
        assert_equal 300 [llength [streams]]
        assert_equal 330 [r DBSIZE]
    }

    test "What was deleted or renamed is not listed, whether that is applied or not" {
        r DEL k-0 k-299 str-0
        r RENAME k-1 other-1
        r RENAME k-298 other-298
        r RENAME str-1 other-str
        foreach round {memory disk restarted} {
            set keys [scan_keys COUNT 9]
            assert_equal 327 [llength $keys]
            assert_equal $keys [lsort -unique $keys]
            assert_equal $keys [lsort [r KEYS *]]
            assert_equal {other-1 other-298 other-str} [scan_keys MATCH other-* COUNT 5]
            assert_equal {other-1 other-298} [streams MATCH other-*]
            assert_equal {} [r KEYS k-1]
            if {$round eq "memory"} { r ESYNC }
            if {$round eq "disk"} { srv restart }
        }
    }

    test "A renamed stream's events bear its new name at once, also those that are on disk" {
        set id [field [r EAPPEND early-1 t] event_id]
        set sequence [field [r EAPPEND early-1 t] partition_sequence]
        srv restart
        set hold [hold_database [srv db]]
        r RENAME early-1 late-1
        assert_equal late-1 [field [r EGET $id] stream_id]
        assert_equal {late-1 late-1} [lmap e [field [r EPSCAN 0 [expr {$sequence - 1}] +] events] {field $e stream_id}]
        # The database is looked through for names once it knows them.
        with_clients c {
            $c send EPSCAN 0 - + STREAM late-*
            $c taken
            release_database $hold
            assert_equal 2 [llength [field [$c read] events]]
        }
        assert_equal {} [field [r EPSCAN 0 - + STREAM early-*] events]
        r DEL late-1
    }

    test "Keys of a transaction are listed inside it" {
        r MULTI
        r SET tr-1 x
        r DEL k-2
        r RENAME k-3 tr-3
        r KEYS tr-*
        r KEYS k-2
        r SCAN 0 MATCH tr-* COUNT 1000
        set reply [r EXEC]
        assert_equal {tr-1 tr-3} [lsort [lindex $reply 3]]
        assert_equal {} [lindex $reply 4]
        assert_equal {tr-1 tr-3} [lsort [lindex $reply 5 1]]
        r DEL tr-1 tr-3
    }

    test "SCAN's mistakes are Redis' errors" {
        assert_equal "ERR invalid cursor" [r err SCAN x]
        assert_equal "ERR invalid cursor" [r err SCAN -1]
        assert_equal "ERR syntax error" [r err SCAN 0 COUNT]
        assert_equal "ERR syntax error" [r err SCAN 0 COUNT 0]
        assert_equal "ERR value is not an integer or out of range" [r err SCAN 0 COUNT x]
        assert_equal "ERR unknown type name 'x'" [r err SCAN 0 TYPE x]
        assert_equal "ERR NOVALUES option can only be used in HSCAN" [r err SCAN 0 NOVALUES]
    }

    test "RANDOMKEY finds every key, in memory and on disk" {
        r DEL {*}[r KEYS *]
        assert_equal "" [r RANDOMKEY]
        r SET one 1
        r EAPPEND two t
        r SET three 3
        foreach round {memory disk} {
            set seen {}
            for {set i 0} {$i < 200} {incr i} { dict set seen [r RANDOMKEY] 1 }
            assert_equal {one three two} [lsort [dict keys $seen]]
            srv restart
        }
    }

    test "A million deletions in one command are refused rather than split" {
        set names [lrepeat 900000 x]
        set before [r DBSIZE]
        catch {r DEL {*}$names} reply
        assert {[string match "TOOLARGE*" $reply] || $reply == 0}
        assert_equal $before [r DBSIZE]
    }
}

with_server {} {
    # Pages end at 8 MB or so. The events lie side by side in memory: then nobody looks at each for its size.
    test "A page of a renamed stream ends at as many bytes as before" {
        append_events [srv default_client] large 4500 t METADATA [string repeat x 2500]
        set before [llength [field [r ESCAN large - + COUNT 10000] events]]
        assert_range 2000 4000 $before "events in a page"
        r RENAME large renamed
        set page [r ESCAN renamed - + COUNT 10000]
        assert_equal $before [llength [field $page events]]
        assert_equal 1 [field $page has_more]
    }
}

with_server {} {
    test "Pages are right beside thousands of names that are not applied, many of them new names of older ones" {
        foreach state {applied "not applied"} {
            expr {srand(7)}
            set hold ""
            if {$state eq "not applied"} { set hold [hold_database [srv db]] }
            set commands {}
            for {set i 0} {$i < 3000} {incr i} { lappend commands [list SET $state-$i v] }
            pipeline [srv default_client] $commands
            if {$state eq "applied"} { r ESYNC }
        }
        set expected [r KEYS *]
        set commands {}
        for {set i 0} {$i < 2500} {incr i} {
            set at [expr {int(rand() * 6000)}]
            set to new-$i
            lappend commands [list RENAME [lindex $expected $at] $to]
            lset expected $at $to
        }
        for {set i 0} {$i < 300} {incr i} { # one of them over and over
            lappend commands [list RENAME [lindex $expected 4000] again-$i]
            lset expected 4000 again-$i
        }
        for {set i 0} {$i < 300} {incr i} {
            lappend commands [list DEL [lindex $expected $i]]
        }
        pipeline [srv default_client] $commands
        set expected [lsort [lrange $expected 300 end]]
        foreach state {"not applied" applied} {
            assert {$expected eq [lsort [r KEYS *]]} $state
            foreach count {100 999 100000} { assert {$expected eq [scan_keys COUNT $count]} "$count, $state" }
            set new [lsearch -all -inline $expected new-*]
            assert {$new eq [scan_keys MATCH new-* COUNT 200]} $state
            assert_equal again-299 [scan_keys MATCH again-* COUNT 1000]
            if {$hold ne ""} { release_database $hold }
            set hold ""
            r ESYNC
        }
    }
}
