# @view:NAME in the X commands: what the view of that name selects (EVIEW), and its groups.

source [file join $::top tests lib faults.tcl]

proc entry_fields {entries name} { return [lmap e $entries {dict get [lindex $e 1] $name}] }
proc entries_of {reply} { return [lindex $reply 0 1] }
proc sequences_of {entries} { return [lmap e $entries {lindex [split [lindex $e 0] -] 1}] }
proc stream_names {entries} { return [entry_fields $entries @stream] }
proc blocked {} { return [info_field [srv default_client] blocked_clients] }
proc group_read {key args} { return [sequences_of [entries_of [r XREADGROUP GROUP g w {*}$args STREAMS $key >]]] }
proc history {key} { return [sequences_of [entries_of [r XREADGROUP GROUP g w STREAMS $key 0]]] }
proc pending_count {key} { return [lindex [r XPENDING $key g] 0] }
proc group_names {key} { return [lsort [lmap g [r XINFO GROUPS $key] {dict get $g name}]] }
proc append_all {args} { foreach {stream type} $args { r EAPPEND $stream $type } }
proc error_of {client} { return [expr {[catch {$client read} text] ? $text : "no error: $text"}] }

with_server {} {
    append_all order-1 created order-1 paid cart-1 created order-2 created user-1 created

    test "@view:NAME has what the view selects, before and behind the database" {
        r EVIEW SET sales CATEGORY order TYPE created
        foreach where {memory disk} {
            assert_equal {0 3} [sequences_of [r XRANGE @view:sales - +]]
            assert_equal {3 0} [sequences_of [r XREVRANGE @view:sales + -]]
            assert_equal {order-1 order-2} [stream_names [entries_of [r XREAD STREAMS @view:sales 0]]]
            assert_equal 3 [sequences_of [entries_of [r XREAD STREAMS @view:sales +]]]
            assert_equal {2 2 0} [list [r XLEN @view:sales] {*}[lmap k {length groups} {dict get [r XINFO STREAM @view:sales] $k}]]
            assert_equal {stream 1 -1 -1 stream} [list [r TYPE @view:sales] [r EXISTS @view:sales] [r TTL @view:sales] \
                [r EXPIRETIME @view:sales] [r OBJECT ENCODING @view:sales]]
            r ESYNC
            srv restart
        }
        assert_equal 0 [sequences_of [r XRANGE @view:sales - + COUNT 1]]
        assert_equal {@view:sales @category:cart} [lmap one [r XREAD STREAMS @view:sales @type:none @category:cart 0 0 0] {lindex $one 0}]
    }
    test "SINCE, correlations and names with anything in them work as in the view" {
        set at [lindex [split [lindex [r XREVRANGE @all + - COUNT 1] 0 0] -] 0]
        wait_for "the clock to move on" {[clock milliseconds] > $at}
        set id [uuid]
        r EAPPEND order-9 created CORRELATION $id
        set at [lindex [split [lindex [r XREVRANGE @all + - COUNT 1] 0 0] -] 0]
        r EVIEW SET late SINCE $at
        r EVIEW SET case CORRELATION $id
        set odd "with: blank \"*\" \xff"
        r EVIEW SET $odd STREAM order-? TYPE paid
        assert_equal {5 5 1} [lmap view [list late case $odd] {sequences_of [r XRANGE @view:$view - +]}]
        set long [string repeat v 506]
        r EVIEW SET $long CATEGORY user
        assert_equal 4 [sequences_of [r XRANGE @view:$long - +]]
        r XGROUP CREATE @view:$long g 0
        assert_match "INUSE *" [r err EVIEW DEL $long]
        assert_equal 1 [r EVIEW DEL $long FORCE]
        r EVIEW SET v$long CATEGORY user ;# too long for a virtual stream: a view all the same
        assert_match "VIRTUAL unknown*" [r err XRANGE @view:v$long - +]
        assert_equal OK [r EVIEW SET v$long CATEGORY cart]
        assert_equal 1 [r EVIEW DEL v$long]
    }
    test "A view that does not exist is NOTFOUND, and no key" {
        foreach command {
            {XREAD STREAMS @ 0} {XREAD BLOCK 0 STREAMS @category:order @ 0 $} {XRANGE @ - +} {XREVRANGE @ + -} {XLEN @} {XINFO STREAM @} {XINFO STREAM @ FULL}
            {XINFO GROUPS @} {XINFO CONSUMERS @ g} {XGROUP CREATE @ g 0 MKSTREAM} {XGROUP CREATECONSUMER @ g c} {XGROUP SETID @ g 0}
            {XGROUP STATS @ g} {XGROUP DESTROY @ g} {XGROUP DELCONSUMER @ g c} {XREADGROUP GROUP g c STREAMS @ >} {XREADGROUP GROUP g c BLOCK 0 STREAMS @ >}
            {XPENDING @ g} {XACK @ g 1-1} {XNACK @ g FAIL IDS 1 1-1} {XCLAIM @ g c 0 1-1} {XAUTOCLAIM @ g c 0 0}
        } {
            set words [lmap word $command {expr {$word eq "@" ? "@view:none" : $word}}]
            assert_equal "NOTFOUND view 'none' does not exist" [r err {*}$words] $words
        }
        assert_equal {none 0 -2 -2 {} {}} [list [r TYPE @view:none] [r EXISTS @view:none] [r TTL @view:none] [r EXPIRETIME @view:none] \
            [r OBJECT ENCODING @view:none] [r MEMORY USAGE @view:none]]
        assert_equal 2 [r EXISTS @view:none @view:sales @all]
        assert_match "VIRTUAL change*" [r err XADD @view:none * a b]
        assert_equal 0 [r EVIEW DEL none FORCE]
    }
    test "Dead letters are in no view but one whose STREAM begins with dlq:" {
        r XADD dlq:order-1 1-1 type dead
        r EVIEW SET dead TYPE dead
        r EVIEW SET letters STREAM dlq:*
        r EVIEW SET any STREAM * TYPE dead
        assert_equal {{} 6 {}} [lmap view {dead letters any} {sequences_of [r XRANGE @view:$view - +]}]
        assert_equal 6 [page_sequences [r EREAD FROM 0 VIEW dead]]
    }
    test "A view sees the names that streams have now" {
        r EVIEW SET named CATEGORY named
        r XGROUP CREATE @view:named g $
        append_all named-1 t named-2 t
        assert_equal 7 [group_read @view:named COUNT 1]
        r RENAME named-2 away-2
        assert_equal {} [group_read @view:named]
        assert_equal 7 [history @view:named]
        assert_equal named-1 [stream_names [r XRANGE @view:named - +]]
    }
}

# ---- groups ----

with_server {enable-flush yes} {
    append_all order-1 a cart-1 a order-2 b cart-2 b order-3 c

    test "A group uses the view: SET over it and DEL need FORCE, also when it is not in memory" {
        r EVIEW SET v CATEGORY order
        r EVIEW SET other CATEGORY cart
        r XGROUP CREATE @view:v g 0
        r XGROUP CREATE @view:v h $
        foreach how {none restart crash} {
            if {$how ne "none"} { srv $how }
            assert_equal "INUSE view 'v' is in use by 0 subscriptions (ESUBS LIST) and 2 groups (XINFO GROUPS @view:v). Add FORCE" \
                [r err EVIEW SET v CATEGORY cart]
            assert_match "INUSE view 'v' is in use by 0 subscriptions*2 groups*" [r err EVIEW DEL v]
            assert_equal OK [r EVIEW SET v CATEGORY order CATEGORY order]
            assert_equal {CATEGORY order} [r EVIEW GET v]
            assert_equal OK [r EVIEW SET other CATEGORY $how FORCE]
        }
        with_clients c {
            $c HELLO 3
            $c ESUBSCRIBE * VIEW v
            r XGROUP DESTROY @view:v h
            assert_match "INUSE view 'v' is in use by 1 subscription (ESUBS LIST) and 1 group (XINFO*" [r err EVIEW DEL v]
        }
        assert_equal 0 [pending_count @view:v]
        r ESYNC
        assert_equal g [sql [srv db] "SELECT name FROM cairn_groups WHERE stream = '@view:v'"]
    }
    test "BACKUP has the view with its groups" {
        assert_equal {0 2} [group_read @view:v COUNT 2]
        r XACK @view:v g [lindex [r XRANGE @view:v - + COUNT 1] 0 0]
        skip unless backup "a file with them"
        r BACKUP copy.db
        set copy [file join [srv dir] copy.db]
        with_server [list store sqlite:$copy] {
            assert_match "INUSE *1 group *" [r err EVIEW DEL v]
            assert_equal {1 2} [list [pending_count @view:v] [history @view:v]]
            assert_equal 4 [group_read @view:v]
        }
        assert_equal {1 2} [list [pending_count @view:v] [history @view:v]]
    }
    test "SET with FORCE changes what its groups are given from then on; what is pending stays" {
        append_all order-4 d cart-4 d user-4 d order-5 d
        # The group was given 0 and 2; 4 and 5 are selected, and nobody has asked for them.
        assert_equal OK [r EVIEW SET v CATEGORY cart CATEGORY user FORCE]
        assert_equal {1 2} [list [pending_count @view:v] [history @view:v]]
        assert_equal {1 3 6 7} [sequences_of [r XRANGE @view:v - +]]
        assert_equal {3 6} [group_read @view:v COUNT 2]
        assert_equal {2 3 6} [history @view:v]
        assert_equal order-2 [lindex [stream_names [entries_of [r XREADGROUP GROUP g w STREAMS @view:v 0]]] 0]
        # FORCE of XCLAIM asks for what is selected now.
        set ids [lmap e [r XRANGE @all - +] {lindex $e 0}]
        assert_equal {} [r XCLAIM @view:v g w 0 [lindex $ids 5] FORCE]
        assert_equal 7 [sequences_of [r XCLAIM @view:v g w 0 [lindex $ids 7] FORCE]]
        assert_equal 7 [group_read @view:v]
    }
    test "What a group has passed by does not come when the view selects it later" {
        r EVIEW SET v TYPE rare FORCE
        assert_equal {} [group_read @view:v]
        set last [dict get [r XINFO STREAM @all] last-generated-id]
        assert_equal $last [dict get [lindex [r XINFO GROUPS @view:v] 0] last-delivered-id]
        r EVIEW SET v CATEGORY order FORCE
        assert_equal $last [dict get [lindex [r XINFO GROUPS @view:v] 0] last-delivered-id]
        srv crash ;# it was written in the frame of the view
        assert_equal {} [group_read @view:v]
        append_all order-6 e
        assert_equal 9 [group_read @view:v]
        r XGROUP SETID @view:v g 0
        assert_equal {0 2 4 5 8 9} [group_read @view:v]
    }
    test "DEL with FORCE drops its groups, in one frame, for good" {
        r XGROUP CREATE @view:v h 0
        r ESYNC
        srv restart
        assert_equal 1 [r EVIEW DEL v FORCE]
        assert_equal "NOTFOUND view 'v' does not exist" [r err XREADGROUP GROUP g w STREAMS @view:v >]
        r EVIEW SET v CATEGORY order
        foreach how {none restart crash} {
            if {$how ne "none"} { srv $how }
            assert_equal {} [r XINFO GROUPS @view:v]
            assert_match "NOGROUP *" [r err XREADGROUP GROUP g w STREAMS @view:v >]
            assert_equal OK [r EVIEW SET v CATEGORY $how]
        }
        r ESYNC
        assert_equal {0 0} [list [sql_value [srv db] "SELECT count(*) FROM cairn_groups"] [sql_value [srv db] "SELECT count(*) FROM cairn_pending"]]
    }
    test "A view is set and read in one transaction" {
        r MULTI
        r EVIEW SET tx CATEGORY order
        r EAPPEND order-7 f
        r XLEN @view:tx
        r XRANGE @view:tx - + COUNT 1
        r XGROUP CREATE @view:tx g 0
        r XREADGROUP GROUP g w COUNT 2 STREAMS @view:tx >
        r EVIEW SET tx CATEGORY cart
        r EVIEW SET tx CATEGORY cart FORCE
        r XREADGROUP GROUP g w STREAMS @view:tx >
        r EXISTS @view:tx
        lassign [r EXEC] set appended len first created read refused forced rest exists
        assert_equal {OK 7 0 OK {0 2} OK {3 6} 1} [list $set $len [sequences_of $first] $created [sequences_of [entries_of $read]] $forced \
            [sequences_of [entries_of $rest]] $exists]
        assert_match "INUSE *" $refused
        assert_equal {0 2 3 6} [history @view:tx]
        r MULTI
        r EVIEW DEL tx FORCE
        r XLEN @view:tx
        r XGROUP CREATE @view:tx h 0
        r EVIEW SET tx CATEGORY order
        r XINFO GROUPS @view:tx
        lassign [r EXEC] deleted len created set groups
        assert_equal {1 OK {}} [list $deleted $set $groups]
        foreach error [list $len $created] { assert_equal "NOTFOUND view 'tx' does not exist" $error }
    }
    test "A transaction that fails leaves the view, its groups and where they are" {
        r XGROUP CREATE @view:tx g 0
        assert_equal {0 2} [group_read @view:tx COUNT 2]
        foreach changes {
            {{EVIEW DEL tx FORCE}}
            {{EVIEW SET tx CATEGORY cart FORCE} {XREADGROUP GROUP g w STREAMS @view:tx >}}
            {{EVIEW DEL tx FORCE} {EVIEW SET tx CATEGORY cart} {XGROUP CREATE @view:tx g 0} {XREADGROUP GROUP g w STREAMS @view:tx >}}
        } {
            r MULTI
            foreach change $changes { r {*}$change }
            r EAPPEND order-1 t EXPECTED_VERSION 1000
            assert_match "WRONGVER *" [r err EXEC]
            assert_equal {{CATEGORY order} g {0 2}} [list [r EVIEW GET tx] [group_names @view:tx] [history @view:tx]]
            assert_match "INUSE *1 group *" [r err EVIEW DEL tx]
        }
        assert_equal {4 5} [group_read @view:tx COUNT 2]
    }
    test "FLUSHALL keeps views and drops their groups" {
        r FLUSHALL
        assert_equal {} [r XINFO GROUPS @view:tx]
        assert_equal {} [r XRANGE @view:tx - +]
        assert_equal OK [r EVIEW SET tx CATEGORY cart]
        append_all cart-1 a order-1 a
        assert_equal 0 [sequences_of [r XRANGE @view:tx - +]]
        srv crash
        assert_equal {} [r XINFO GROUPS @view:tx]
        assert_equal 1 [r EVIEW DEL tx]
    }
}

with_server {enable-flush yes} {
    test "Whether a view has groups is told without loading what they have" {
        proc dataset {} { return [info_field [srv default_client] used_memory_dataset] }
        pipeline r [lrepeat 5000 {XADD order-1 * f x}]
        r EVIEW SET v CATEGORY order
        r EVIEW SET other CATEGORY order
        foreach g {g h} {
            r XGROUP CREATE @view:v $g 0
            r XREADGROUP GROUP $g w COUNT 5000 STREAMS @view:v >
        }
        srv restart
        set before [dataset]
        assert_match "INUSE *0 subscriptions*2 groups*" [r err EVIEW DEL v]
        assert_match "INUSE *2 groups*" [r err EVIEW SET v CATEGORY cart]
        assert_equal OK [r EVIEW SET v CATEGORY order]
        assert_equal {OK 1} [list [r EVIEW SET other CATEGORY cart] [r EVIEW DEL other]]
        r MULTI
        r EVIEW SET v CATEGORY cart FORCE
        r EVIEW DEL v
        assert_match {array {{simple OK} {error {INUSE *2 groups*}}}} [r typed EXEC]
        assert_range -100000 50000 [expr {[dataset] - $before}]
        assert_equal 5000 [lindex [r XPENDING @view:v g] 0]
        assert_range 200000 100000000 [expr {[dataset] - $before}]
        assert_match "INUSE *2 groups*" [r err EVIEW DEL v]
        assert_equal 1 [r EVIEW DEL v FORCE]
        r EVIEW SET v CATEGORY order
        assert_equal {} [r XINFO GROUPS @view:v]
    }

    test "A FLUSHALL that is not applied yet is known to whoever asks for groups" {
        r XGROUP CREATE @view:v g 0
        srv restart
        set held [hold_database [srv db]]
        r FLUSHALL
        assert_equal OK [r EVIEW SET v CATEGORY cart]
        assert_equal 1 [r EVIEW DEL v]
        release_database $held
    }
}

with_server {} {
    test "Groups on views count among the thousand of virtual streams, and go with their view" {
        r EVIEW SET v CATEGORY order
        r EVIEW SET w CATEGORY order
        pipeline r [lmap i [lsearch -all [lrepeat 600 x] x] {list XGROUP CREATE @view:v g$i 0}]
        pipeline r [lmap i [lsearch -all [lrepeat 400 x] x] {list XGROUP CREATE @view:w g$i 0}]
        assert_match "TOOLARGE virtual streams have at most 1000 groups*" [r err XGROUP CREATE @all g 0]
        assert_match "INUSE *600 groups*" [r err EVIEW DEL v]
        r MULTI
        r EVIEW DEL v FORCE
        r EAPPEND order-1 t EXPECTED_VERSION 1000
        assert_match "WRONGVER *" [r err EXEC]
        assert_match "TOOLARGE *" [r err XGROUP CREATE @all g 0]
        assert_equal OK [r EVIEW SET v CATEGORY cart FORCE]
        assert_equal 1 [r EVIEW DEL v FORCE]
        set made 0
        while {[catch {r XGROUP CREATE @all g[incr made] 0} error] == 0} {}
        assert_equal 601 $made
        srv restart
        assert_match "TOOLARGE *" [r err XGROUP CREATE @all g 0]
        r EVIEW DEL w FORCE
        srv crash
        assert_equal OK [r XGROUP CREATE @all g 0]
    }
}

# ---- who waits ----

with_server {} {
    append_all order-1 a cart-1 a

    test "Who waits goes on with the new selection, whatever he waits with" {
        r EVIEW SET v CATEGORY order
        r XGROUP CREATE @view:v g $
        r XGROUP CREATE @view:v h $
        with_clients {read group two claims page} {
            $read send XREAD BLOCK 0 STREAMS @view:v $
            $group send XREADGROUP GROUP g a BLOCK 0 STREAMS @view:v >
            $two send XREADGROUP GROUP g b BLOCK 0 STREAMS @category:other @view:v > > 
            assert_error "NOGROUP*" {$two read}
            $two send XREADGROUP GROUP g b BLOCK 0 STREAMS @view:v >
            $claims send XREADGROUP GROUP h a BLOCK 0 CLAIM 3600000 STREAMS @view:v >
            $page send EREAD FROM NEW BLOCK 0 VIEW v FIELDS partition_sequence
            wait_for "all to wait" {[blocked] == 5}
            r EVIEW SET v CATEGORY cart FORCE
            append_all order-2 a
            foreach c {read group two claims page} { assert [[set $c] silent] $c }
            append_all cart-2 a
            assert_equal 3 [sequences_of [entries_of [$read read]]]
            assert_equal 3 [sequences_of [entries_of [$claims read]]]
            assert_equal {3 4} [lmap k {events next} {field [$page read] $k; break}][list 3 4]
            # Of a group, who came first.
            assert_equal 3 [sequences_of [entries_of [$group read]]]
            assert [$two silent]
            append_all order-3 a cart-3 a
            assert_equal 5 [sequences_of [entries_of [$two read]]]
        }
    }
    test "XREAD begins at its id again: what the view did not select before is given, too" {
        with_clients c {
            $c send XREAD BLOCK 0 STREAMS @view:v order-1 $ $
            wait_for "it to wait" {[blocked] == 1}
            append_all user-1 a
            assert [$c silent]
            r EVIEW SET v CATEGORY user FORCE
            assert_equal user-1 [stream_names [entries_of [$c read]]]
        }
    }
    test "What another consumer has looked at by the new selection is not passed over by the old one" {
        r EVIEW SET v CATEGORY order FORCE
        r XGROUP SETID @view:v g $
        with_clients c {
            $c send XREADGROUP GROUP g a BLOCK 0 STREAMS @view:v >
            wait_for "it to wait" {[blocked] == 1}
            # In one frame's wake: the change, who looks by it, and an event for each of both selections.
            pipeline r {{EVIEW SET v CATEGORY cart FORCE} {XREADGROUP GROUP g b STREAMS @view:v >} {EAPPEND cart-4 a} {EAPPEND order-4 a}}
            assert_equal cart-4 [stream_names [entries_of [$c read]]]
        }
    }
    test "When the view is deleted, who waits is told" {
        foreach group {g h} { r XGROUP SETID @view:v $group $ }
        with_clients {read group claims page} {
            $read send XREAD BLOCK 0 STREAMS order-1 @view:v $ $
            $group send XREADGROUP GROUP g a BLOCK 0 STREAMS @view:v >
            $claims send XREADGROUP GROUP h a BLOCK 0 CLAIM 3600000 STREAMS @view:v >
            $page send EREAD FROM NEW BLOCK 0 VIEW v
            wait_for "all to wait" {[blocked] == 4}
            assert_equal 1 [r EVIEW DEL v FORCE]
            foreach c {read group claims page} { assert_equal "NOTFOUND view 'v' does not exist" [error_of [set $c]] $c }
        }
        wait_for "nobody to wait" {[blocked] == 0}
    }
    test "A view that only somebody who waits reads by needs no FORCE" {
        r EVIEW SET v CATEGORY order
        with_clients {c d} {
            $c send XREAD BLOCK 0 STREAMS @view:v $
            $d send EREAD FROM NEW BLOCK 0 VIEW v FIELDS stream_id
            wait_for "both to wait" {[blocked] == 2}
            assert_equal OK [r EVIEW SET v CATEGORY user]
            append_all order-9 a user-9 a
            assert_equal user-9 [stream_names [entries_of [$c read]]]
            assert_equal user-9 [field [$d read] events]
        }
        assert_equal 1 [r EVIEW DEL v]
    }
    test "A view that is deleted and made again in one transaction has waiters who go on, and none in its groups" {
        r EVIEW SET v CATEGORY order
        r XGROUP CREATE @view:v g $
        with_clients {c d} {
            $c send XREAD BLOCK 0 STREAMS @view:v $
            $d send XREADGROUP GROUP g a BLOCK 0 STREAMS @view:v >
            wait_for "both to wait" {[blocked] == 2}
            r MULTI
            r EVIEW DEL v FORCE
            r EVIEW SET v CATEGORY cart
            r EXEC
            assert_match "NOGROUP *" [error_of $d]
            append_all order-10 a cart-10 a
            assert_equal cart-10 [stream_names [entries_of [$c read]]]
        }
    }
}

# The view changes all the time, while consumers wait, read from disk and from memory. What is appended between the last change and
# the next is given by the selection of then, once.
with_server {cache-bytes 1mb} {
    test "However often a view changes, its group is given each event that it selects, once, and no other" {
        set payload [string repeat x 600]
        for {set i 0} {$i < 3000} {incr i 100} {
            set commands {}
            for {set k $i} {$k < $i + 100} {incr k} { lappend commands [list EAPPEND old-[expr {$k % 5}] t PAYLOAD $payload] }
            pipeline r $commands
        }
        r ESYNC
        r EVIEW SET v CATEGORY none
        r XGROUP CREATE @view:v g 0
        set want {}
        set got {}
        with_clients {a b c} {
            for {set round 0} {$round < 40} {incr round} {
                # What waits when the view changes goes on with what it selects then.
                foreach one {a b c} { [set $one] send XREADGROUP GROUP g $one BLOCK 50 COUNT 7 STREAMS @view:v > }
                set chosen [lindex {red green} [expr {$round % 2}]]
                r EVIEW SET v CATEGORY $chosen FORCE
                set commands {}
                for {set k 0} {$k < 30} {incr k} {
                    lappend commands [list EAPPEND [pick {red green blue}]-$k t PAYLOAD $payload]
                }
                foreach reply [pipeline r $commands] command $commands {
                    if {[string match $chosen-* [lindex $command 1]]} { lappend want [field [untyped $reply] partition_sequence] }
                }
                foreach one {a b c} { lappend got {*}[sequences_of [entries_of [[set $one] read]]] }
                # All of it, before the view changes again.
                while {[set more [group_read @view:v]] ne ""} { lappend got {*}$more }
            }
            assert_equal $want [lsort -integer $got]
        }
        r EVIEW DEL v FORCE
    }
    test "A view that changes while a group looks through a long history is looked for from where it was, by the new selection" {
        r EVIEW SET v TYPE never
        r XGROUP CREATE @view:v g 0
        with_clients {a b} {
            $a send XREADGROUP GROUP g a BLOCK 0 COUNT 1 STREAMS @view:v >
            $b send XREAD BLOCK 0 COUNT 1 STREAMS @view:v 0
            for {set i 0} {$i < 20} {incr i} { r EVIEW SET v TYPE never$i FORCE }
            r EVIEW SET v CATEGORY new FORCE
            append_all new-1 t
            assert_equal new-1 [stream_names [entries_of [$a read]]]
            assert_equal new-1 [stream_names [entries_of [$b read]]]
        }
        assert_equal {} [group_read @view:v]
    }
}

# ---- a disk that is slow, or fails ----

set journal "match -journal.d"
with_faulty_server {journal-segment-bytes 1mb disk-free-min 0} {
    append_all order-1 a cart-1 a order-2 a
    r EVIEW SET v CATEGORY order
    r XGROUP CREATE @view:v g 0
    r XGROUP CREATE @view:v h $

    test "A change of a view is told when it is durable, not before" {
        with_clients {setter reads group waits} {
            $waits send XREAD BLOCK 0 STREAMS @view:v $
            wait_for "it to wait" {[blocked] == 1}
            fault "$journal\nhold sync"
            $setter send EVIEW SET v CATEGORY cart FORCE
            $setter taken
            assert_equal {0 2} [sequences_of [$reads XRANGE @view:v - +]]
            $group send XREADGROUP GROUP g w STREAMS @view:v >
            assert [$group silent]
            $setter send XRANGE @view:v - +
            assert [$setter silent]
            assert [$waits silent]
            no_fault
            assert_equal OK [$setter read]
            assert_equal 1 [sequences_of [$setter read]]
            assert_equal 1 [sequences_of [entries_of [$group read]]]
            append_all order-3 a cart-3 a
            assert_equal 4 [sequences_of [entries_of [$waits read]]]
        }
        assert_equal 4 [group_read @view:v]
    }
    test "A sync that fails takes back what FORCE did: the view, its groups, their positions; who waits goes on" {
        r EVIEW SET v CATEGORY order FORCE
        append_all order-4 a
        r XGROUP SETID @view:v g $
        append_all order-4 a
        assert_equal 6 [group_read @view:v]
        foreach change {{EVIEW SET v CATEGORY cart FORCE} {EVIEW DEL v FORCE}} {
            with_clients {read group page} {
                r XGROUP SETID @view:v h $
                $read send XREAD BLOCK 0 STREAMS @view:v $
                $group send XREADGROUP GROUP h a BLOCK 0 STREAMS @view:v >
                $page send EREAD FROM NEW BLOCK 0 VIEW v FIELDS stream_id
                wait_for "all to wait" {[blocked] == 3}
                fault "$journal\nfail sync EIO"
                assert_match "IOERR *" [r err {*}$change]
                no_fault
                wait_for "writes go on" {![catch {r EAPPEND user-1 t}]}
                assert_equal {{CATEGORY order} {g h}} [list [r EVIEW GET v] [group_names @view:v]]
                assert_match "INUSE *2 groups*" [r err EVIEW DEL v]
                append_all cart-5 t order-5 t
                assert_equal order-5 [stream_names [entries_of [$read read]]]
                assert_equal order-5 [stream_names [entries_of [$group read]]]
                assert_equal order-5 [field [$page read] events]
            }
            assert_equal order-5 [lindex [stream_names [entries_of [r XREADGROUP GROUP g w STREAMS @view:v >]]] end]
        }
        srv crash
        assert_equal {{CATEGORY order} {g h}} [list [r EVIEW GET v] [group_names @view:v]]
    }
}
