# XACK, XACKDEL, XNACK: what Valkey's suite does not look at (it knows the first one only).

proc add_entries {stream n} {
    set commands {}
    for {set i 1} {$i <= $n} {incr i} { lappend commands [list XADD $stream $i-0 n $i] }
    pipeline [srv default_client] $commands
}
# A stream of n entries, delivered to consumer c of the groups.
proc delivered {stream n {groups g}} {
    add_entries $stream $n
    foreach g $groups {
        r XGROUP CREATE $stream $g 0
        r XREADGROUP GROUP $g c STREAMS $stream >
    }
}
# {id owner deliveries} of what is pending in a group.
proc pending {stream {group g}} {
    set list {}
    foreach entry [r XPENDING $stream $group - + 1000] {
        lassign $entry id owner idle deliveries
        lappend list [list $id $owner $deliveries]
    }
    return $list
}
proc ids {stream} { return [lmap entry [r XRANGE $stream - +] {lindex $entry 0}] }

with_server {enable-flush yes} {
    test "What was acknowledged stays so after kill -9" {
        delivered durable 5
        assert_equal 2 [r XACK durable g 2-0 4-0]
        srv crash
        assert_equal {{1-0 c 1} {3-0 c 1} {5-0 c 1}} [pending durable]
        assert_equal 0 [r XACK durable g 2-0 4-0]
        srv restart
        assert_equal {{1-0 c 1} {3-0 c 1} {5-0 c 1}} [pending durable]
    }
    test "XACK counts an entry once, takes ids without sequence and entries that are gone" {
        delivered counts 4
        r XDEL counts 3-0
        assert_equal 1 [r XACK counts g 1 1-0 1]
        assert_equal 1 [r XACK counts g 3-0]
        assert_equal {{2-0 c 1} {4-0 c 1}} [pending counts]
    }
    test "XACK looks at all ids before it acknowledges one" {
        assert_equal "ERR Invalid stream ID specified as stream command argument" [r err XACK counts g 2-0 4-0 nonsense]
        assert_equal {{2-0 c 1} {4-0 c 1}} [pending counts]
        # ... but at none of them where there is no group.
        assert_equal 0 [r XACK counts nogroup nonsense]
        assert_equal 0 [r XACK nokey g nonsense]
    }
    test "Events of EAPPEND are acknowledged by their entry ids" {
        set id [field [r EAPPEND order-1 created] entry_id]
        r XGROUP CREATE order-1 g 0
        r XREADGROUP GROUP g c STREAMS order-1 >
        assert_equal 1 [r XACK order-1 g $id]
        assert_equal {} [pending order-1]
    }

    # ---- XACKDEL ----

    test "XACKDEL acknowledges and removes, and says so for each id" {
        delivered ackdel 4
        assert_equal {1 -1 -1 1} [r XACKDEL ackdel g IDS 4 1-0 9-0 1-0 3-0]
        assert_equal {2-0 4-0} [ids ackdel]
        assert_equal {{2-0 c 1} {4-0 c 1}} [pending ackdel]
        srv crash
        assert_equal {2-0 4-0} [ids ackdel]
        assert_equal {{2-0 c 1} {4-0 c 1}} [pending ackdel]
        assert_equal 3-0 [dict get [r XINFO STREAM ackdel] max-deleted-entry-id]
    }
    test "XACKDEL leaves entries alone that are not pending in the group" {
        add_entries undelivered 2
        r XGROUP CREATE undelivered g 0
        assert_equal {-1 -1} [r XACKDEL undelivered g IDS 2 1-0 2-0]
        assert_equal {1-0 2-0} [ids undelivered]
    }
    test "XACKDEL of a key or group that there is not is -1 for each id" {
        assert_equal {-1 -1} [r XACKDEL nokey g IDS 2 1-0 2-0]
        assert_equal {-1} [r XACKDEL undelivered nogroup IDS 1 1-0]
    }
    test "KEEPREF, which is what happens without a word, leaves the other groups' references" {
        foreach words {{} KEEPREF} {
            delivered keep$words 2 {g h}
            assert_equal {1 1} [r XACKDEL keep$words g {*}$words IDS 2 1-0 2-0]
            assert_equal 0 [r XLEN keep$words]
            assert_equal {} [pending keep$words g]
            assert_equal {{1-0 c 1} {2-0 c 1}} [pending keep$words h]
            # The other group can do it too, though the entries are gone.
            assert_equal {1 1} [r XACKDEL keep$words h {*}$words IDS 2 1-0 2-0]
            assert_equal {} [pending keep$words h]
        }
    }
    test "DELREF takes the entries out of all groups" {
        delivered delref 3 {g h}
        assert_equal {1 1} [r XACKDEL delref g DELREF IDS 2 1-0 2-0]
        assert_equal {3-0} [ids delref]
        assert_equal {{3-0 c 1}} [pending delref h]
        assert_equal {-1} [r XACKDEL delref h DELREF IDS 1 1-0]
        srv crash
        assert_equal {{3-0 c 1}} [pending delref h]
    }
    test "DELREF takes references out that lead to nothing" {
        delivered dangling 2 {g h}
        r XDEL dangling 1-0
        assert_equal {1} [r XACKDEL dangling g DELREF IDS 1 1-0]
        assert_equal {{2-0 c 1}} [pending dangling h]
    }
    test "ACKED removes an entry when the last group has acknowledged it" {
        delivered acked 2 {g h}
        assert_equal {2 2} [r XACKDEL acked g ACKED IDS 2 1-0 2-0]
        assert_equal 2 [r XLEN acked]
        assert_equal {1 1} [r XACKDEL acked h ACKED IDS 2 1-0 2-0]
        assert_equal 0 [r XLEN acked]
    }
    test "ACKED waits for groups that have not read so far" {
        delivered behind 2
        r XGROUP CREATE behind late 1-0
        assert_equal {1 2} [r XACKDEL behind g ACKED IDS 2 1-0 2-0]
        assert_equal {2-0} [ids behind]
    }
    test "The options of XACKDEL stand on either side of the ids, and are checked" {
        delivered order 3
        assert_equal {1} [r xackdel order g ids 1 1-0 acked]
        assert_equal {1} [r XACKDEL order g DelRef IDS 1 2-0]
        foreach {words error} {
            {IDS 0 3-0} "ERR Number of IDs must be a positive integer"
            {IDS x 3-0} "ERR Number of IDs must be a positive integer"
            {IDS -1 3-0} "ERR Number of IDs must be a positive integer"
            {IDS 2 3-0} "ERR The `numids` parameter must match the number of arguments"
            {IDS 99999999999 3-0} "ERR The `numids` parameter must match the number of arguments"
            {IDS 1 3-0 4-0} "ERR syntax error"
            {IDS 1 3-0 IDS} "ERR syntax error"
            {KEEPREF DELREF IDS 1 3-0} "ERR syntax error"
            {KEEPREF KEEPREF KEEPREF} "ERR syntax error"
            {IDS 1 x-0} "ERR Invalid stream ID specified as stream command argument"
        } {
            assert_equal $error [r err XACKDEL order g {*}$words] $words
        }
        assert_equal {{3-0 c 1}} [pending order]
    }
    test "Hundreds of ids at once" {
        delivered many 700
        set some {}
        for {set i 700} {$i > 0} {incr i -2} { lappend some $i-0 }
        assert_equal [lrepeat 350 1] [r XACKDEL many g IDS 350 {*}$some]
        assert_equal 350 [r XLEN many]
        assert_equal 350 [lindex [r XPENDING many g] 0]
        assert_equal 350 [r XACK many g {*}[lmap e [pending many] {lindex $e 0}]]
        assert_equal {0 {} {} {}} [r XPENDING many g]
    }

    # ---- XNACK ----

    test "XNACK takes an entry from its owner, who stays" {
        delivered nack 3
        assert_equal 2 [r XNACK nack g FAIL IDS 2 3-0 1-0]
        assert_equal {{1-0 {} -1 1}} [r XPENDING nack g - + 1]
        assert_equal {{1-0 {} 1} {2-0 c 1} {3-0 {} 1}} [pending nack]
        assert_equal {3 1-0 3-0 {{c 1}}} [r XPENDING nack g]
        assert_equal {{2-0 {n 2}}} [lindex [r XREADGROUP GROUP g c STREAMS nack 0] 0 1]
        assert_equal {} [r XREADGROUP GROUP g d STREAMS nack >]
        assert_equal {c 1} [list [dict get [lindex [r XINFO CONSUMERS nack g] 0] name] [dict get [lindex [r XINFO CONSUMERS nack g] 0] pending]]
    }
    test "What was handed back is claimed in the order in which it was, also after a crash and a restart" {
        foreach how {{} crash restart} {
            delivered line-$how 5
            r XNACK line-$how g FAIL IDS 3 4-0 2-0 5-0
            r XNACK line-$how g FAIL IDS 1 4-0
            if {$how ne ""} { srv $how }
            set order {}
            for {set i 0} {$i < 3} {incr i} {
                lappend order [lindex [r XREADGROUP GROUP g d COUNT 1 CLAIM 1000000 STREAMS line-$how >] 0 1 0 0]
            }
            assert_equal {2-0 5-0 4-0} $order $how
        }
    }
    test "The mode says what becomes of the delivery count" {
        delivered modes 1
        r XCLAIM modes g c 0 1-0 RETRYCOUNT 5
        foreach {mode count} {FAIL 5 SILENT 4 silent 3 FATAL 9223372036854775807 FAIL 9223372036854775807} {
            assert_equal 1 [r XNACK modes g $mode IDS 1 1-0]
            assert_equal [list [list 1-0 {} $count]] [pending modes] $mode
        }
        srv crash
        assert_equal {{1-0 {} 9223372036854775807}} [pending modes]
        r XNACK modes g FAIL IDS 1 1-0 RETRYCOUNT 1
        foreach expected {0 0} {
            r XNACK modes g SILENT IDS 1 1-0
            assert_equal [list [list 1-0 {} $expected]] [pending modes]
        }
    }
    test "RETRYCOUNT goes before the mode" {
        delivered retry 1
        foreach {mode count} {FATAL 42 SILENT 10 FAIL 0 FAIL 9223372036854775807} {
            assert_equal 1 [r XNACK retry g $mode IDS 1 1-0 RETRYCOUNT $count]
            assert_equal [list [list 1-0 {} $count]] [pending retry]
        }
    }
    test "XNACK counts each id that is pending, as often as it stands" {
        delivered twice 2
        assert_equal 3 [r XNACK twice g SILENT IDS 5 1-0 7-0 1-0 2-0 8]
        assert_equal {{1-0 {} 0} {2-0 {} 0}} [pending twice]
        assert_equal 0 [r XNACK twice g FAIL IDS 1 3-0]
    }
    test "FORCE makes entries pending that are not, if they exist" {
        add_entries force 3
        r XGROUP CREATE force g 0
        assert_equal 1 [r XNACK force g FAIL IDS 2 1-0 9-0 FORCE]
        assert_equal 1 [r XNACK force g FATAL FORCE IDS 1 2-0]
        assert_equal 1 [r XNACK force g SILENT RETRYCOUNT 7 IDS 1 3-0 FORCE]
        set all {{1-0 {} 0} {2-0 {} 9223372036854775807} {3-0 {} 7}}
        assert_equal $all [pending force]
        # Those that are pending already are handed back as always.
        assert_equal 2 [r XNACK force g FAIL IDS 2 1-0 2-0 FORCE]
        assert_equal $all [pending force]
        srv crash
        assert_equal $all [pending force]
        assert_equal {1-0 2-0 3-0} [lsort [r XCLAIM force g c 1000000 1-0 2-0 3-0 JUSTID]]
    }
    test "Entries that were handed back and are gone are dropped by those who claim them" {
        delivered ghosts 3
        r XNACK ghosts g FAIL IDS 2 1-0 3-0
        r XDEL ghosts 1-0 3-0
        assert_equal {{1-0 {} 1} {2-0 c 1} {3-0 {} 1}} [pending ghosts]
        assert_equal 1 [r XNACK ghosts g FAIL IDS 1 1-0]
        assert_equal {} [r XCLAIM ghosts g d 0 1-0]
        assert_equal {0-0 {{2-0 {n 2}}} 3-0} [r XAUTOCLAIM ghosts g d 0 0]
        assert_equal {{2-0 d 2}} [pending ghosts]
    }
    test "XNACK wakes who waits for entries to claim" {
        delivered wake 2
        with_clients c {
            $c send XREADGROUP GROUP g d BLOCK 0 CLAIM 1000000 STREAMS wake >
            wait_for "a blocked client" { [info_field r blocked_clients] == 1 }
            r XNACK wake g FAIL IDS 2 2-0 1-0
            assert_equal {2-0 1-0} [lmap e [lindex [$c read] 0 1] {lindex $e 0}]
        }
    }
    test "XNACK says what is wrong" {
        delivered wrong 2
        foreach {words error} {
            {BADMODE IDS 1 1-0} "ERR mode must be SILENT, FAIL, or FATAL"
            {FAIL FATAL IDS 1 1-0} "ERR Unrecognized XNACK option 'FATAL'"
            {FAIL BAD IDS 1 1-0} "ERR Unrecognized XNACK option 'BAD'"
            {FAIL IDS 1 1-0 BAD} "ERR Unrecognized XNACK option 'BAD'"
            {FAIL IDS 1 1-0 2-0} "ERR Unrecognized XNACK option '2-0'"
            {FAIL IDS 1 1-0 RETRYCOUNT} "ERR Unrecognized XNACK option 'RETRYCOUNT'"
            {FAIL FORCE RETRYCOUNT 5} "ERR syntax error, expected IDS keyword"
            {FAIL IDS x 1-0} "ERR numids must be a positive integer"
            {FAIL IDS 0 1-0} "ERR numids must be a positive integer"
            {FAIL IDS -1 1-0} "ERR numids must be a positive integer"
            {FAIL IDS 2 1-0} "ERR number of IDs doesn't match numids"
            {FAIL IDS 99999999999 1-0} "ERR number of IDs doesn't match numids"
            {FAIL IDS 1 nonsense} "ERR Invalid stream ID specified as stream command argument"
            {FAIL IDS 1 1-0 RETRYCOUNT x} "ERR value is not an integer or out of range"
            {FAIL IDS 1 1-0 RETRYCOUNT 99999999999999999999} "ERR value is not an integer or out of range"
            {FAIL IDS 1 1-0 RETRYCOUNT -1} "ERR Invalid RETRYCOUNT value, must be >= 0"
        } {
            assert_equal $error [r err XNACK wrong g {*}$words] $words
        }
        assert_equal "ERR wrong number of arguments for 'xnack' command" [r err XNACK wrong g FAIL RETRYCOUNT]
        assert_equal "NOGROUP No such key 'wrong' or consumer group 'no'" [r err XNACK wrong no FAIL IDS 1 1-0]
        assert_equal "NOGROUP No such key 'nokey' or consumer group 'g'" [r err XNACK nokey g FAIL IDS 1 1-0]
        assert_equal {{1-0 c 1} {2-0 c 1}} [pending wrong]
    }
    test "SQL shows whose the pending entries are, and that some are nobody's" {
        delivered sql 2
        r XNACK sql g FATAL IDS 1 2-0
        r ESYNC
        assert_equal {{1-0 c 1 0} {2-0 {} 4294967295 1}} [sql [srv db] \
            "SELECT entry_id, consumer, deliveries, CASE WHEN delivered IS NULL THEN 1 ELSE 0 END FROM cairn_pending WHERE stream = 'sql' ORDER BY 1"]
    }
}

with_server {protected-streams "kept-*" enable-flush yes} {
    test "XACKDEL takes nothing away from a protected stream" {
        delivered kept-1 1
        assert_match "PROTECTED *" [r err XACKDEL kept-1 g IDS 1 1-0]
        assert_equal {{1-0 c 1}} [pending kept-1]
        assert_equal 1 [r XACK kept-1 g 1-0]
    }
    test "XACKDEL on a protected stream replies PROTECTED, once, whether there is the stream or not" {
        delivered kept-2 1
        set commands {}
        foreach name {kept-2 kept-none} {
            lappend commands [list XACKDEL $name g IDS 1 1-0] [list XACKDEL $name nogroup DELREF IDS 1 1-0] {PING}
        }
        set kinds [lmap reply [pipeline [srv default_client] $commands] {lindex [untyped $reply] 0}]
        assert_equal {PROTECTED PROTECTED PONG PROTECTED PROTECTED PONG} $kinds
        assert_equal {{1-0 c 1}} [pending kept-2]
    }
}
