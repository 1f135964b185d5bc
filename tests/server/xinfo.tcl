# XINFO and XCFGSET: what Valkey's suite does not look at, and what is ours.

proc add_entries {stream n} {
    set commands {}
    for {set i 1} {$i <= $n} {incr i} { lappend commands [list XADD $stream $i-0 n $i] }
    pipeline [srv default_client] $commands
}
proc delivered {stream n} {
    add_entries $stream $n
    r XGROUP CREATE $stream g 0
    r XREADGROUP GROUP g c STREAMS $stream >
}
proc stream_field {stream name} { return [dict get [r XINFO STREAM $stream] $name] }
proc group_field {stream group name} {
    foreach g [r XINFO GROUPS $stream] {
        if {[dict get $g name] eq $group} { return [dict get $g $name] }
    }
    error "no group $group"
}

with_server {enable-flush yes stream-node-max-entries 10} {
    test "XINFO STREAM has Valkey's fields in Valkey's order" {
        add_entries fields 2
        foreach how {{} restart} {
            if {$how ne ""} { srv $how }
            assert_equal [list {*}{
                length 2 radix-tree-keys 1 radix-tree-nodes 2 last-generated-id 2-0 max-deleted-entry-id 0-0 entries-added 2
                recorded-first-entry-id 1-0 groups 0 first-entry {1-0 {n 1}} last-entry {2-0 {n 2}}
            }] [r XINFO STREAM fields]
        }
        with_clients c {
            $c HELLO 3
            assert_match "%10\r\n\$6\r\nlength\r\n:2\r\n*" [$c raw XINFO STREAM fields]
            assert_match "%9\r\n\$6\r\nlength\r\n:2\r\n*" [$c raw XINFO STREAM fields FULL]
        }
    }
    test "An empty stream has no entries, and nulls for them" {
        r XGROUP CREATE empty g 0 MKSTREAM
        assert_equal {0 0 1 0-0 0-0 0 0-0 1 {} {}} [dict values [r XINFO STREAM empty]]
        assert_match "*first-entry\r\n\$-1\r\n*last-entry\r\n\$-1\r\n" [r raw XINFO STREAM empty]
        r XADD empty 7-0 f v
        r XDEL empty 7-0
        assert_equal {0 0 1 7-0 7-0 1 0-0 1 {} {}} [dict values [r XINFO STREAM empty]]
        srv crash
        assert_equal {0 0 1 7-0 7-0 1 0-0 1 {} {}} [dict values [r XINFO STREAM empty]]
    }
    test "The first and the last entry are those that exist" {
        add_entries edges 9
        r XDEL edges 1-0 2-0 5-0 8-0 9-0
        foreach how {{} restart} {
            if {$how ne ""} { srv $how }
            assert_equal {3-0 {n 3}} [stream_field edges first-entry]
            assert_equal {7-0 {n 7}} [stream_field edges last-entry]
            assert_equal 3-0 [stream_field edges recorded-first-entry-id]
            assert_equal {4 9-0 9-0 9} [list [stream_field edges length] [stream_field edges last-generated-id] \
                [stream_field edges max-deleted-entry-id] [stream_field edges entries-added]]
        }
    }
    test "radix-tree-keys counts the nodes of stream-node-max-entries entries that hold something" {
        foreach {n keys} {1 1 10 1 11 2 95 10} {
            add_entries nodes-$n $n
            assert_equal $keys [stream_field nodes-$n radix-tree-keys] $n
        }
        for {set i 21} {$i <= 30} {incr i} { r XDEL nodes-95 $i-0 }
        assert_equal 9 [stream_field nodes-95 radix-tree-keys]
        for {set i 31} {$i <= 39} {incr i} { r XDEL nodes-95 $i-0 }
        assert_equal 9 [stream_field nodes-95 radix-tree-keys]
        r XTRIM nodes-95 MAXLEN 5
        assert_equal 1 [stream_field nodes-95 radix-tree-keys]
        r XTRIM nodes-95 MAXLEN 0
        assert_equal {0 1} [list [stream_field nodes-95 radix-tree-keys] [stream_field nodes-95 radix-tree-nodes]]
        r CONFIG SET stream-node-max-entries 0
        assert_equal 1 [stream_field nodes-11 radix-tree-keys]
        r CONFIG SET stream-node-max-entries 10
    }
    test "XINFO STREAM of a stream of events" {
        set id [field [r EAPPEND order-1 created PAYLOAD p] entry_id]
        assert_equal {1 1} [list [stream_field order-1 length] [stream_field order-1 entries-added]]
        assert_equal $id [stream_field order-1 last-generated-id]
        assert_equal created [dict get [lindex [stream_field order-1 first-entry] 1] type]
    }

    test "FULL shows so many entries, pending entries of the group and of each consumer" {
        delivered full 15
        r XCLAIM full g d 0 3-0 12-0
        set reply [r XINFO STREAM full FULL]
        assert_equal 18 [llength $reply]
        assert_equal 10 [llength [dict get $reply entries]]
        set group [lindex [dict get $reply groups] 0]
        assert_equal {name last-delivered-id entries-read lag pel-count pending consumers} [dict keys $group]
        assert_equal {15-0 15 0 15} [list [dict get $group last-delivered-id] [dict get $group entries-read] [dict get $group lag] [dict get $group pel-count]]
        assert_equal 10 [llength [dict get $group pending]]
        assert_equal {3-0 d} [lrange [lindex [dict get $group pending] 2] 0 1]
        set consumers [dict get $group consumers]
        assert_equal {c d} [lmap k $consumers {dict get $k name}]
        assert_equal {13 2} [lmap k $consumers {dict get $k pel-count}]
        assert_equal {10 2} [lmap k $consumers {llength [dict get $k pending]}]
        assert_equal {3-0 12-0} [lmap e [dict get [lindex $consumers 1] pending] {lindex $e 0}]
        foreach {count n} {1 1 12 12 0 15 -5 10} {
            set reply [r XINFO STREAM full FULL COUNT $count]
            assert_equal $n [llength [dict get $reply entries]] $count
            assert_equal $n [llength [dict get [lindex [dict get $reply groups] 0] pending]] $count
        }
    }
    test "FULL names entries that were handed back: their number, no owner, no time" {
        r XNACK full g FATAL IDS 2 1-0 3-0
        set group [lindex [dict get [r XINFO STREAM full FULL] groups] 0]
        assert_equal 2 [dict get $group nacked-count]
        assert_equal {1-0 {} 0 9223372036854775807} [lindex [dict get $group pending] 0]
        r XACK full g 1-0 3-0
        assert {![dict exists [lindex [dict get [r XINFO STREAM full FULL] groups] 0] nacked-count]}
    }
    test "Times in FULL are ms since 1970, and survive a clean restart" {
        set group [lindex [dict get [r XINFO STREAM full FULL] groups] 0]
        set consumer [lindex [dict get $group consumers] 1]
        assert_range [expr {[clock milliseconds] - 3600000}] [clock milliseconds] [dict get $consumer active-time]
        assert_equal [dict get $consumer active-time] [lindex [dict get $consumer pending] 0 1]
        srv restart
        assert_equal $group [lindex [dict get [r XINFO STREAM full FULL] groups] 0]
    }

    test "XGROUP STATS has the exact backlog" {
        add_entries backlog 20
        r XGROUP CREATE backlog a 0
        r XGROUP CREATE backlog b 5
        r XGROUP CREATE backlog c $
        r XGROUP CREATE backlog d 99
        proc backlogs {} { return [lmap g [r XGROUP STATS backlog] {dict get $g backlog}] }
        assert_equal {20 15 0 0} [backlogs]
        r XDEL backlog 3-0 7-0 8-0 20-0
        assert_equal {16 12 0 0} [backlogs]
        # (Redis' lag does not know after entries were deleted.)
        assert_equal {} [group_field backlog b lag]
        r XREADGROUP GROUP a x COUNT 5 STREAMS backlog >
        assert_equal {11 12 0 0} [backlogs]
        r XADD backlog 21-0 f v
        assert_equal {12 13 1 0} [backlogs]
        r XTRIM backlog MAXLEN 6
        assert_equal {6 6 1 0} [backlogs]
        srv restart
        assert_equal {6 6 1 0} [backlogs]
        r XSETID backlog 200-0
        r XGROUP SETID backlog c 150-0
        r XADD backlog 201-0 f v
        assert_equal {7 7 1 1} [backlogs]
    }
    test "Groups and consumers are told in order of their names, whatever order they were made and destroyed in" {
        foreach name {m z c a q b} { r XGROUP CREATE ordered $name 0 MKSTREAM }
        r XGROUP DESTROY ordered c
        assert_equal {a b m q z} [lmap g [r XGROUP STATS ordered] {dict get $g name}]
        r XGROUP DESTROY ordered b
        r XGROUP CREATE ordered d 0
        assert_equal {a d m q z} [lmap g [r XINFO GROUPS ordered] {dict get $g name}]
        r XGROUP DESTROY ordered a
        r XGROUP CREATE ordered b 0
        assert_equal {b d m q z} [lmap g [dict get [r XINFO STREAM ordered FULL] groups] {dict get $g name}]
        foreach name {y k x a} { r XGROUP CREATECONSUMER ordered b $name }
        r XGROUP DELCONSUMER ordered b k
        assert_equal {a x y} [lmap c [r XINFO CONSUMERS ordered b] {dict get $c name}]
    }
    test "XGROUP STATS of a group is a map, of all of them an array of maps" {
        delivered stats 3
        r XGROUP CREATE stats h 1-0
        r XACK stats g 1-0
        assert_equal {name consumers backlog backlog-oldest-ms pending pending-oldest-ms handed-back} [dict keys [r XGROUP STATS stats g]]
        assert_equal {g h} [lmap g [r XGROUP STATS stats] {dict get $g name}]
        proc stats {group} {
            set g [r XGROUP STATS stats $group]
            assert_equal [dict get $g backlog] [expr {[dict get $g backlog-oldest-ms] eq "" ? 0 : [dict get $g backlog]}]
            return [lmap f {consumers backlog pending handed-back} {dict get $g $f}]
        }
        assert_equal {{1 0 2 0} {0 2 0 0}} [list [stats g] [stats h]]
        r XNACK stats g FAIL IDS 1 2-0
        assert_equal {1 0 2 1} [stats g]
        srv restart
        assert_equal {{1 0 2 1} {0 2 0 0}} [list [stats g] [stats h]]
        r XGROUP CREATE none-yet g 0 MKSTREAM
        assert_equal {none-yet {}} [list none-yet [dict get [r XGROUP STATS none-yet g] backlog-oldest-ms]]
        r XADD nogroups 1-0 f v
        assert_equal {} [r XGROUP STATS nogroups]
    }
    test "XGROUP STATS says for how long something has waited" {
        r XADD ages * f v
        r XGROUP CREATE ages g 0
        assert_range 0 3600000 [dict get [r XGROUP STATS ages g] backlog-oldest-ms]
        assert_equal {} [dict get [r XGROUP STATS ages g] pending-oldest-ms]
        set id [lindex [r XREADGROUP GROUP g c STREAMS ages >] 0 1 0 0]
        assert_equal {} [dict get [r XGROUP STATS ages g] backlog-oldest-ms]
        r XCLAIM ages g c 0 $id IDLE 7200000
        assert_range 7200000 10800000 [dict get [r XGROUP STATS ages g] pending-oldest-ms]
        r XNACK ages g FAIL IDS 1 $id
        assert_equal {} [dict get [r XGROUP STATS ages g] pending-oldest-ms]
    }
    test "XGROUP STATS is in XGROUP HELP, COMMAND DOCS and COMMAND GETKEYS" {
        assert {"STATS <key> \[<groupname>\]" in [r XGROUP HELP]}
        assert {"xgroup|stats" in [r COMMAND LIST]}
        set docs [dict get [r COMMAND DOCS xgroup|stats] xgroup|stats arguments]
        assert_equal {key group} [lmap a $docs {dict get $a name}]
        assert_equal jobs [r COMMAND GETKEYS XGROUP STATS jobs workers]
        assert_equal jobs [r COMMAND GETKEYS XGROUP STATS jobs]
    }
    test "lag is exact as long as nothing was deleted ahead of the group" {
        add_entries lag 10
        r XGROUP CREATE lag g 0
        assert_equal {{} 10} [list [group_field lag g entries-read] [group_field lag g lag]]
        r XREADGROUP GROUP g c COUNT 4 STREAMS lag >
        assert_equal {4 6} [list [group_field lag g entries-read] [group_field lag g lag]]
        srv restart
        assert_equal {4 6} [list [group_field lag g entries-read] [group_field lag g lag]]
        r XDEL lag 8-0
        assert_equal {4 {}} [list [group_field lag g entries-read] [group_field lag g lag]]
        r XREADGROUP GROUP g c STREAMS lag >
        assert_equal 0 [group_field lag g lag]
    }
    test "XINFO CONSUMERS tells when a consumer asked, and when it got something" {
        r XGROUP CREATE seen g 0 MKSTREAM
        r XGROUP CREATECONSUMER seen g c
        assert_equal {name pending idle inactive} [dict keys [lindex [r XINFO CONSUMERS seen g] 0]]
        assert_equal -1 [dict get [lindex [r XINFO CONSUMERS seen g] 0] inactive]
        r XADD seen 1-0 f v
        r XREADGROUP GROUP g c STREAMS seen >
        srv restart
        set c [lindex [r XINFO CONSUMERS seen g] 0]
        assert_equal 1 [dict get $c pending]
        assert_range 0 1000000 [dict get $c idle]
        assert_range 0 1000000 [dict get $c inactive]
    }
    test "XINFO says what is wrong" {
        foreach {command error} {
            {XINFO STREAM nokey} "ERR no such key"
            {XINFO STREAM nokey BAD} "ERR no such key"
            {XINFO GROUPS nokey} "ERR no such key"
            {XINFO CONSUMERS nokey g} "ERR no such key"
            {XINFO CONSUMERS seen no} "NOGROUP No such consumer group 'no' for key name 'seen'"
            {XINFO STREAM seen BAD} "ERR unknown subcommand or wrong number of arguments for 'STREAM'. Try XINFO HELP."
            {XINFO stream seen FULL COUNT} "ERR unknown subcommand or wrong number of arguments for 'stream'. Try XINFO HELP."
            {XINFO STREAM seen FULL COUNT x} "ERR value is not an integer or out of range"
            {XGROUP STATS nokey} "ERR no such key"
            {XGROUP STATS nokey g} "ERR no such key"
            {XGROUP STATS seen no} "NOGROUP No such consumer group 'no' for key name 'seen'"
            {XGROUP STATS seen g x} "ERR wrong number of arguments for 'xgroup|stats' command"
            {XINFO GROUPS seen x} "ERR wrong number of arguments for 'xinfo|groups' command"
            {XINFO NOPE seen} "ERR unknown subcommand 'NOPE'. Try XINFO HELP."
            {XGROUP CREATE seen h 0 BAD} "ERR unknown subcommand or wrong number of arguments for 'CREATE'. Try XGROUP HELP."
            {XGROUP SETID seen g 0 MKSTREAM} "ERR unknown subcommand or wrong number of arguments for 'SETID'. Try XGROUP HELP."
            {XGROUP CREATE seen h 0 ENTRIESREAD -2} "ERR value for ENTRIESREAD must be positive or -1"
            {XGROUP CREATE seen g 0} "BUSYGROUP Consumer Group name already exists"
        } {
            assert_equal $error [r err {*}$command] $command
        }
    }

    # ---- XCFGSET ----

    test "What XADD IDMP remembers is shown as soon as it is used" {
        r XADD idmp 1-0 f v
        assert {![dict exists [r XINFO STREAM idmp] idmp-duration]}
        r XADD idmp IDMP p 1 * f v
        r XADD idmp IDMP p 1 * f v
        r XADD idmp IDMP q 1 * f v
        proc idmp {} { return [dict values [dict filter [r XINFO STREAM idmp] key idmp-* pids-* iids-*]] }
        assert_equal {100 100 2 2 2 1} [idmp]
        assert_equal {idmp-duration idmp-maxsize pids-tracked iids-tracked iids-added iids-duplicates groups} \
            [lrange [dict keys [r XINFO STREAM idmp]] 7 13]
        assert_equal 2 [dict get [r XINFO STREAM idmp FULL] pids-tracked]
    }
    test "XCFGSET sets the window of a stream, for good" {
        assert_equal OK [r XCFGSET idmp IDMP-DURATION 172800]
        assert_equal {172800 100 0 0 2 1} [idmp]
        assert_equal OK [r xcfgset idmp idmp-maxsize 5000 IDMP-DURATION 60]
        srv crash
        assert_equal {60 5000} [lrange [idmp] 0 1]
        srv restart
        assert_equal {60 5000} [lrange [idmp] 0 1]
    }
    test "What was added is forgotten when XCFGSET changes something, and only then" {
        set first [r XADD window IDMP p 1 * f v]
        r XCFGSET window IDMP-DURATION 100 IDMP-MAXSIZE 100
        assert_equal $first [r XADD window IDMP p 1 * f v]
        r XCFGSET window IDMP-MAXSIZE 50
        set second [r XADD window IDMP p 1 * f v]
        assert {$second ne $first}
        r XCFGSET window IDMP-MAXSIZE 50
        srv crash
        assert_equal $second [r XADD window IDMP p 1 * f v]
        assert_equal 2 [r XLEN window]
    }
    test "What is set with XCFGSET does not follow the configuration, what is not does" {
        r XADD own IDMP p 1 * f v
        r XCFGSET own IDMP-DURATION 100
        r CONFIG SET stream-idmp-duration 500
        r CONFIG SET stream-idmp-maxsize 500
        assert_equal {100 500} [list [stream_field own idmp-duration] [stream_field own idmp-maxsize]]
        r CONFIG SET stream-idmp-duration 100
        r CONFIG SET stream-idmp-maxsize 100
    }
    test "XCFGSET in a transaction that fails changes nothing" {
        set id [r XADD undo IDMP p 1 * f v]
        r MULTI
        r XCFGSET undo IDMP-MAXSIZE 7
        r XADD undo IDMP p 1 * f w
        r EAPPEND undo t EXPECTED_VERSION 77
        assert_match "WRONGVER *" [r err EXEC]
        assert_equal 100 [stream_field undo idmp-maxsize]
        assert_equal $id [r XADD undo IDMP p 1 * f v]
    }
    test "XCFGSET says what is wrong" {
        foreach {words error} {
            {} "ERR At least one parameter (IDMP-DURATION or IDMP-MAXSIZE) is required"
            {IDMP-DURATION} "ERR syntax error"
            {BAD 5} "ERR syntax error"
            {IDMP-DURATION 0} "ERR IDMP-DURATION must be between 1 and 31536000 seconds"
            {IDMP-DURATION -100} "ERR IDMP-DURATION must be between 1 and 31536000 seconds"
            {IDMP-MAXSIZE 0} "ERR IDMP-MAXSIZE must be between 1 and 10000000 entries"
            {IDMP-MAXSIZE 10000001} "ERR IDMP-MAXSIZE must be between 1 and 10000000 entries"
            {IDMP-DURATION 000} "ERR value is not an integer or out of range"
            {IDMP-DURATION 3.14} "ERR value is not an integer or out of range"
            {IDMP-DURATION IDMP-DURATION IDMP-DURATION} "ERR value is not an integer or out of range"
        } {
            assert_equal $error [r err XCFGSET own {*}$words] $words
        }
        assert_equal "ERR no such key" [r err XCFGSET nokey IDMP-DURATION 5]
    }
}

# Longer than what is written in one turn: the entries follow over several, what is behind them is of the first.
with_server {} {
    foreach protocol {2 3} {
        test "XINFO STREAM FULL of a large stream is of one moment, whatever becomes of it meanwhile (RESP$protocol)" {
            set commands [list {DEL large}]
            for {set i 1} {$i <= 300} {incr i} { lappend commands [list XADD large $i-1 field [string repeat [expr {$i % 10}] 20000]] }
            lappend commands {XGROUP CREATE large g 0} {XREADGROUP GROUP g one COUNT 7 STREAMS large >} {XGROUP CREATE large h 5-1}
            pipeline [srv default_client] $commands
            with_clients {c beside} {
                $c HELLO $protocol
                # In EXEC all of it is written in one turn.
                $c MULTI
                $c XINFO STREAM large FULL COUNT 0
                set want [lindex [$c EXEC] 0]
                assert_equal 300 [llength [field $want entries]]
                assert_equal {g h} [lmap g [field $want groups] {field $g name}]
                $c send XINFO STREAM large FULL COUNT 0
                $c send PING
                $c taken
                pipeline $beside {{XGROUP DESTROY large g} {XADD large 1000-1 a b} {DEL large} {SET large x}}
                assert_equal $want [$c read]
                assert_equal PONG [$c read]
            }
        }
    }
}
