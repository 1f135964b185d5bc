# EGET, ESVER, EPSEQ, ESTREAMS, EINFO, ESYNC.

# All names by following the cursor.
proc all_streams {args} {
    set names {}
    set cursor 0
    for {set i 0} {$i < 5000} {incr i} {
        lassign [r ESTREAMS $cursor {*}$args] cursor page
        lappend names {*}$page
        if {$cursor eq "0"} { return $names }
    }
    fail "ESTREAMS does not end"
}

with_server {} {
    test "An empty store: no versions, no sequence, no streams" {
        assert_equal {null {}} [r typed ESVER s]
        assert_equal {null {}} [r typed EPSEQ 0]
        assert_equal {null {}} [r typed EGET [uuid]]
        assert_equal {} [all_streams]
        assert_equal 0 [lindex [r ESTREAMS 0] 0]
        with_clients c {
            $c HELLO 3
            assert_equal {null3 {}} [$c typed ESVER s]
            assert_equal {null3 {}} [$c typed EPSEQ 0]
            assert_equal {null3 {}} [$c typed EGET [uuid]]
        }
    }
    test "ESVER is the last version, EPSEQ the last sequence" {
        append_events [srv default_client] a 3
        append_events [srv default_client] b 2
        assert_equal {int 2} [r typed ESVER a]
        assert_equal {int 1} [r typed ESVER b]
        assert_equal {int 4} [r typed EPSEQ 0]
        assert_equal {int 4} [r typed EPSEQ [uuid]]
        assert_match CLUSTERDOWN* [r err EPSEQ 1]
        assert_match INVALIDARG* [r err EPSEQ x]
        set key [field [r EAPPEND a t] partition_key]
        assert_equal 3 [r ESVER a PARTITION_KEY $key]
        assert_match INVALIDARG* [r err ESVER a PARTITION_KEY x]
        assert_regexp {^(ERR|INVALIDARG) } [r err ESVER]
        assert_regexp {^(ERR|INVALIDARG) } [r err ESVER a b c d]
    }
    foreach {state prepare} {"hot" {} "applied" {r ESYNC} "after a restart" {srv restart} "after a kill" {srv crash}} {
        test "EGET finds ids of the server's and of clients ($state)" {
            eval $prepare
            set mine [uuid]
            set made [field [r EAPPEND get-1 t PAYLOAD made] event_id]
            r EAPPEND get-1 t PAYLOAD mine EVENT_ID $mine
            assert_equal made [field [r EGET $made] payload]
            assert_equal mine [field [r EGET [string toupper $mine]] payload]
            set page [r ESCAN get-1 - + REV COUNT 2]
            assert_equal [lindex [field $page events] 0] [r EGET $mine]
            assert_equal [lindex [field $page events] 1] [r EGET $made]
            foreach e [field [r EPSCAN 0 - + COUNT 1000] events] { assert_equal $e [r EGET [field $e event_id]] }
            # Near misses of a server's id.
            assert_equal {} [r EGET [string replace $made 0 0 f]]
            assert_equal {} [r EGET [string replace $made 35 35 [expr {[string index $made 35] eq "0" ? 1 : 0}]]]
            assert_match INVALIDARG* [r err EGET nonsense]
        }
    }
    test "ESTREAMS lists every stream once, whatever the page" {
        set names {}
        set commands {}
        for {set i 0} {$i < 700} {incr i} {
            set name [pick {order user x}]-$i
            lappend names $name
            lappend commands [list EAPPEND $name t]
        }
        pipeline [srv default_client] $commands
        lappend names a b get-1
        set names [lsort $names]
        foreach args {{} {COUNT 1000} {COUNT 7}} { assert_equal $names [lsort [all_streams {*}$args]] $args }
        assert_equal [lsearch -all -inline -glob $names order-*] [lsort [all_streams CATEGORY order]]
        assert_equal [lsearch -all -inline -glob $names order-*] [lsort [all_streams MATCH order-* COUNT 50]]
        assert_equal [lsearch -all -inline -glob $names *-1?] [lsort [all_streams MATCH *-1?]]
        assert_equal {a} [all_streams MATCH a]
        assert_equal {} [all_streams MATCH nothing*]
        assert_equal [lsearch -all -inline -glob $names user-*9] [lsort [all_streams CATEGORY user MATCH *9]]
        r ESYNC
        assert_equal $names [lsort [all_streams COUNT 50]]
        srv restart
        assert_equal $names [lsort [all_streams COUNT 50]]
        r EAPPEND zz-new t
        assert_equal [lsort [concat $names zz-new]] [lsort [all_streams COUNT 100]]
    }
    test "ESTREAMS answers as SCAN does" {
        set reply [r typed ESTREAMS 0 COUNT 5]
        assert_equal array [lindex $reply 0]
        assert_equal 2 [llength [lindex $reply 1]]
        assert_equal array [lindex $reply 1 1 0]
        assert_regexp {^\d+$} [lindex $reply 1 0 1]
        foreach args {{x} {} {0 COUNT} {0 COUNT x} {0 NOPE} {0 MATCH}} {
            assert_regexp {^(ERR|INVALIDARG) } [r err ESTREAMS {*}$args] $args
        }
    }
    test "DBSIZE counts the streams" {
        assert_equal [llength [all_streams COUNT 1000]] [r DBSIZE]
        r EAPPEND one-more t
        assert_equal [llength [all_streams COUNT 1000]] [r DBSIZE]
    }
    test "EINFO tells about a stream" {
        set last [r EAPPEND a info.type]
        with_clients c {
            $c HELLO 3
            assert_equal map [lindex [$c typed EINFO a] 0]
        }
        set info [r EINFO a]
        assert_equal 0 [expr {[llength $info] % 2}]
        assert {[field $last stream_version] in $info || [field $last stream_version] + 1 in $info} "EINFO: $info"
        assert {[field $last entry_id] in $info} "the last entry id is in EINFO: $info"
        set cold $info
        srv restart
        assert_equal $cold [r EINFO a]
        # Of a stream that is not there: null or an error, no invention.
        set none [r typed EINFO nowhere]
        assert {[lindex $none 0] in {null null3 nullarray error}} "EINFO of nothing: $none"
        assert_equal {} [r ESVER nowhere]
    }
    test "ESYNC answers when everything is in the backend" {
        append_events [srv default_client] sync 500
        assert_equal OK [r ESYNC]
        assert_equal 500 [sql_value [srv db] "SELECT count(*) FROM cairn_events WHERE stream = 'sync'"]
        assert_equal OK [r ESYNC]
        assert_equal OK [r ESYNC]
        assert_regexp {^(ERR|INVALIDARG) } [r err ESYNC x]
        assert_regexp {^(ERR|INVALIDARG) } [r err ESYNC -1]
    }
    test "ESYNC of many connections at once" {
        set clients {}
        for {set i 0} {$i < 30} {incr i} { lappend clients [new_client] }
        foreach c $clients {
            $c send EAPPEND many t
            $c send ESYNC
        }
        foreach c $clients {
            $c read
            assert_equal OK [$c read]
            $c close
        }
    }
}

with_server {store memory:} {
    test "The memory store answers the same commands" {
        append_events [srv default_client] m 150
        set id [uuid]
        r EAPPEND m t EVENT_ID $id
        assert_equal 150 [r ESVER m]
        assert_equal 150 [field [r EGET $id] stream_version]
        assert_equal 151 [llength [scan_all [srv default_client] m 40]]
        assert_equal {m} [all_streams]
        assert_equal OK [r ESYNC]
        assert_equal 151 [llength [log_scan_all [srv default_client] 40]]
    }
}
