# EVIEW: selections that have a name, and VIEW in the commands that select.

source [file join $::top tests lib faults.tcl]

proc sequences {page} { return [page_sequences $page] }
proc all_of {args} { return [sequences [r EREAD FROM 0 {*}$args]] }
proc view_names {args} {
    set names {}
    set cursor 0
    while 1 {
        lassign [r EVIEW LIST $cursor {*}$args] cursor page
        lappend names {*}$page
        if {$cursor == 0} { return [lsort $names] }
    }
}

with_server {enable-flush yes} {
    test "There is no view until one is set" {
        assert_equal {nullarray {}} [r typed EVIEW GET orders]
        assert_equal 0 [r EVIEW DEL orders]
        assert_equal {} [view_names]
        assert_equal "NOTFOUND view 'orders' does not exist" [r err EREAD FROM 0 VIEW orders]
    }
    test "GET gives a view's words, each value once, in one order" {
        set u [uuid]
        assert_equal OK [r EVIEW SET orders type paid CATEGORY order TYPE created TYPE paid]
        assert_equal {CATEGORY order TYPE created TYPE paid} [r EVIEW GET orders]
        r EVIEW SET all STREAM a* STREAM b AGGREGATE "x \"y\" \\ \x01\xff" CORRELATION [string toupper $u] CAUSATION $u SINCE 5 SINCE 3
        assert_equal [list STREAM b STREAM a* CORRELATION $u CAUSATION $u AGGREGATE "x \"y\" \\ \x01\xff" SINCE 3] [r EVIEW GET all]
        assert_equal {all orders} [view_names]
        assert_equal orders [view_names MATCH o*]
    }
    test "VIEW selects what the view's words select, also with other words beside it" {
        foreach {stream type} {order-1 created order-1 paid order-2 lost cart-1 created cart-1 paid} { r EAPPEND $stream $type }
        foreach where {memory disk} {
            assert_equal {0 1} [all_of VIEW orders]
            assert_equal [sequences [r EREAD FROM 0 CATEGORY order TYPE created TYPE paid]] [all_of view orders]
            assert_equal {0 1} [all_of VIEW orders STREAM order-1 SINCE 1]
            assert_equal {} [all_of VIEW orders STREAM order-2]
            r ESYNC
            srv restart
        }
    }
    test "VIEW also selects in EPSCAN, and not in ESCAN, whose stream has its name already" {
        assert_equal {0 1} [page_sequences [r EPSCAN 0 - + VIEW orders]]
        assert_match "INVALIDARG unexpected string 'VIEW'*" [r err ESCAN order-1 - + VIEW orders]
    }
    test "Several views are alternatives if all of them select by one word, and by the same" {
        r EVIEW SET made TYPE created
        r EVIEW SET settled TYPE paid TYPE lost
        assert_equal {0 1 2 3 4} [all_of VIEW made VIEW settled]
        assert_equal {0 1 2} [all_of VIEW made VIEW settled CATEGORY order]
        assert_equal {0 3} [all_of VIEW made VIEW made]
        r EVIEW SET ofcarts CATEGORY cart
        assert_match "INVALIDARG several views are alternatives only*" [r err EREAD FROM 0 VIEW made VIEW ofcarts]
        assert_match "INVALIDARG several views are alternatives only*" [r err EREAD FROM 0 VIEW orders VIEW made]
    }
    test "A word that stands in the view cannot stand beside it" {
        assert_match "INVALIDARG view 'orders' selects by TYPE already*" [r err EREAD FROM 0 VIEW orders TYPE created]
        assert_match "INVALIDARG view 'made' selects by TYPE already*" [r err EREAD FROM 0 TYPE created VIEW made VIEW settled]
    }
    test "SINCE in a view and SINCE beside it must both hold" {
        wait_for "the clock to move on" {[clock milliseconds] > [field [lindex [field [r EREAD FROM 4] events] 0] recorded]}
        set at [field [r EAPPEND cart-2 late] timestamp]
        r EVIEW SET late SINCE $at
        assert_equal 5 [all_of VIEW late]
        assert_equal 5 [all_of VIEW late SINCE 1]
        assert_equal {} [all_of VIEW late SINCE [expr {$at + 3600000}]]
        assert_equal 5 [all_of VIEW late VIEW late]
    }
    test "Each error names what was expected" {
        foreach {words text} {
            {SET v} "ERR wrong number of arguments for 'eview|set' command"
            {SET v TYPE} "ERR wrong number of arguments for 'eview|set' command"
            {SET v TYPE a CATEGORY} "INVALIDARG unexpected end of input: expected a value for CATEGORY"
            {SET v VIEW orders} "INVALIDARG unexpected string 'VIEW': expected STREAM, CATEGORY, TYPE, CORRELATION, CAUSATION, AGGREGATE, SINCE, or FORCE at the end"
            {SET v TYPE a UNTIL 5} "INVALIDARG unexpected string 'UNTIL': *"
            {SET v TYPE a b c} "INVALIDARG unexpected string 'b': *"
            {SET v FORCE TYPE a} "INVALIDARG unexpected string 'FORCE': *"
            {SET v SINCE 0} "INVALIDARG invalid SINCE: 0 selects everything, a time in ms after 1970 is expected (or STREAM * for a view of everything)"
            {SET v SINCE 0 SINCE 0 FORCE} "INVALIDARG invalid SINCE: 0 selects everything, *"
            {SET v SINCE x} "INVALIDARG invalid SINCE: 'x' is not a time in ms since 1970"
            {SET v CORRELATION 7} "INVALIDARG invalid correlation id: '7' is not a UUID"
            {SET v TYPE ""} "INVALIDARG TYPE cannot be empty"
            {DEL v NOW} "INVALIDARG unexpected string 'NOW': expected FORCE or end of input"
            {LIST x} "ERR invalid cursor"
            {LIST 0 MATCH} "ERR syntax error"
            {NOPE v} "ERR unknown subcommand 'NOPE'. Try EVIEW HELP."
        } {
            assert_match $text [r err EVIEW {*}$words] $words
        }
        foreach bad [list "" [string repeat n 513] "a\nb" "a\x00b"] {
            assert_match "INVALIDARG invalid name of a view: 1 to 512 bytes*" [r err EVIEW SET $bad TYPE a]
            assert_match "NOTFOUND *" [expr {$bad eq "" ? "NOTFOUND x" : [r err EREAD FROM 0 VIEW $bad]}]
        }
        assert_match {*SET <name> <selection>*} [join [r EVIEW HELP]]
    }
    test "FORCE as a value is a value" {
        r EVIEW SET force TYPE FORCE
        assert_equal {TYPE FORCE} [r EVIEW GET force]
        r EVIEW SET force TYPE FORCE FORCE
        assert_equal {TYPE FORCE} [r EVIEW GET force]
        assert_equal 1 [r EVIEW DEL force FORCE]
    }
    test "A view has at most 1,000 values and 64 KiB" {
        r EVIEW SET many {*}[join [lmap i [lsearch -all [lrepeat 1000 x] x] {list TYPE t$i}]]
        assert_equal 2000 [llength [r EVIEW GET many]]
        assert_equal {} [all_of VIEW many]
        assert_match "INVALIDARG too many values: a selection has at most 1000*" [r err EREAD FROM 0 VIEW many CATEGORY order]
        assert_match "INVALIDARG too many values*" [r err EVIEW SET many {*}[lrepeat 1001 TYPE t]]
        set long [string repeat x 400]
        assert_match "TOOLARGE the view takes * bytes, 65536 are allowed" \
            [r err EVIEW SET large {*}[join [lmap i [lsearch -all [lrepeat 170 x] x] {list AGGREGATE $i$long}]]]
        r EVIEW DEL many
    }
    test "Views are there after a restart and after a crash, and SQL shows them" {
        foreach action {restart crash} {
            set all [view_names]
            r EVIEW SET by-$action TYPE created
            srv $action
            assert_equal [lsort [list {*}$all by-$action]] [view_names]
            assert_equal {0 3} [all_of VIEW by-$action]
            r EVIEW DEL by-crash
        }
        r ESYNC
        assert_equal {CATEGORY "order" TYPE "created" TYPE "paid"} [sql_value [srv db] "SELECT selector FROM cairn_views WHERE name = 'orders'"]
        assert_equal [llength [view_names]] [info_field r views_in_memory]
    }
    test "In a transaction a view is part of the frame" {
        r MULTI
        r EVIEW SET tx TYPE lost
        r EREAD FROM 0 VIEW tx FIELDS partition_sequence
        r EVIEW DEL tx
        r EVIEW GET tx
        lassign [r EXEC] set page deleted got
        assert_equal {OK 2 6 1 {}} [list $set [field $page events] [field $page next] $deleted $got]
        r MULTI
        r EVIEW SET tx TYPE lost
        r EVIEW DEL made
        r EAPPEND order-1 t EXPECTED_VERSION 1000
        assert_match "WRONGVER *" [r err EXEC]
        assert_equal {{} {TYPE created}} [list [r EVIEW GET tx] [r EVIEW GET made]]
    }
    test "A wait that selects by a view looks it up again when it is woken" {
        with_clients c {
            r EVIEW SET w TYPE never
            $c send EREAD FROM NEW BLOCK 0 VIEW w
            wait_for "it waits" {[info_field r blocked_clients] == 1}
            r EAPPEND s t
            assert [$c silent]
            r EVIEW DEL w
            r EAPPEND s never
            assert_equal "NOTFOUND view 'w' does not exist" [expr {[catch {$c read} text] ? $text : ""}]
        }
    }
    test "While a subscription uses a view, SET over it and DEL need FORCE" {
        r EVIEW SET used TYPE created
        r EVIEW SET other TYPE created
        with_clients c {
            $c HELLO 3
            $c ESUBSCRIBE * VIEW used VIEW other
            assert_match "INUSE view 'used' is in use by 1*" [r err EVIEW SET used TYPE paid]
            assert_match "INUSE view 'other' is in use by 1*" [r err EVIEW DEL other]
            assert_equal OK [r EVIEW SET used TYPE created]
            assert_equal OK [r EVIEW SET used TYPE paid FORCE]
            assert_equal 1 [r EVIEW DEL other FORCE]
            assert_equal 0 [r EVIEW DEL other]
            assert_match "INUSE *" [r err EVIEW DEL used]
        }
        wait_for "the subscription ends" {![catch {r EVIEW DEL used}]}
        assert_equal {{} {}} [list [r EVIEW GET used] [r EVIEW GET other]]
    }
    test "FLUSHALL keeps views" {
        set all [view_names]
        r FLUSHALL
        assert_equal $all [view_names]
        r EAPPEND order-9 paid
        assert_equal 0 [all_of VIEW orders]
        srv crash
        assert_equal $all [view_names]
        assert_equal 0 [all_of VIEW orders]
        if {[in_postgres]} return
        r BACKUP copy.db
        assert_equal [llength $all] [sql_value [file join [srv dir] copy.db] "SELECT count(*) FROM cairn_views"]
    }
}

with_server {} {
    test "There are 10,000 views at most; LIST gives each once" {
        for {set at 0} {$at < 10000} {incr at 1000} {
            set commands {}
            for {set i $at} {$i < $at + 1000} {incr i} { lappend commands [list EVIEW SET v$i TYPE t$i] }
            pipeline r $commands
        }
        assert_equal "TOOLARGE there are 10000 views, the most that there can be" [r err EVIEW SET more TYPE t]
        assert_equal OK [r EVIEW SET v7 TYPE other]
        assert_equal 10000 [llength [lsort -unique [view_names COUNT 700]]]
        r EVIEW DEL v8
        assert_equal OK [r EVIEW SET more TYPE t]
        assert_equal 10000 [info_field r views_in_memory]
        srv restart
        assert_equal 10000 [info_field r views_in_memory]
        assert_equal {TYPE other} [r EVIEW GET v7]
        assert_equal "" [r EVIEW GET v8]
    }
    test "One selection may name a hundred of them" {
        set words {}
        for {set i 10} {$i < 110} {incr i} { lappend words VIEW v$i }
        assert_equal 0 [field [r EREAD FROM START {*}$words] has_more]
        assert_equal "INVALIDARG too many views: a selection has at most 100" [r err EREAD FROM START {*}$words VIEW v110]
        # The same one again is not one more.
        assert_equal 0 [field [r EREAD FROM START {*}$words VIEW v10] has_more]
    }
}

with_server {} {
    test "All of them take 64 MiB at most" {
        # 120 types of 512 bytes each: 61 KiB and some.
        set words {}
        for {set i 0} {$i < 120} {incr i} { lappend words TYPE [string repeat x 500][format %012d $i] }
        set refused ""
        for {set at 0} {$at < 1200 && $refused eq ""} {incr at 50} {
            set commands {}
            for {set i $at} {$i < $at + 50} {incr i} { lappend commands [list EVIEW SET v$i {*}$words] }
            foreach reply [pipeline r $commands] {
                if {[lindex $reply 0] eq "error"} { set refused [lindex $reply 1] }
            }
        }
        assert_equal "TOOLARGE all views together can take 67108864 bytes" $refused
        r EVIEW DEL v0
        assert_equal OK [r EVIEW SET again {*}$words]
        assert_match "TOOLARGE all views*" [r err EVIEW SET more {*}$words]
    }
}

with_faulty_server {} {
    test "What was not durable when the disk failed is taken back" {
        r EVIEW SET a TYPE one
        r EVIEW SET b TYPE one
        with_clients {c d} {
            fault "match *-journal.d/*\[0-9a-f]\nhold sync"
            $c send EVIEW SET a TYPE two
            assert [$c silent]
            assert_equal {TYPE one} [$d EVIEW GET a]
            no_fault
            assert_equal OK [$c read]
            assert_equal {TYPE two} [$d EVIEW GET a]
        }
        fault "match -journal.d\nfail sync EIO"
        r MULTI
        r EVIEW SET a TYPE three
        r EVIEW SET c TYPE three
        r EVIEW DEL b
        assert_match "IOERR *" [r err EXEC]
        assert_equal {{TYPE two} {TYPE one} {}} [list [r EVIEW GET a] [r EVIEW GET b] [r EVIEW GET c]]
        no_fault
        wait_for "writes go on" {![catch {r EVIEW SET c TYPE four}]}
        srv crash
        assert_equal {{TYPE two} {TYPE one} {TYPE four}} [list [r EVIEW GET a] [r EVIEW GET b] [r EVIEW GET c]]
    }
}
