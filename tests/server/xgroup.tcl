# XGROUP: what Valkey's suite does not look at, and what is ours. (redis-compat/suite runs Valkey's own tests.)

proc add_entries {stream n} {
    set commands {}
    for {set i 1} {$i <= $n} {incr i} { lappend commands [list XADD $stream $i-0 n $i] }
    pipeline [srv default_client] $commands
}
# A stream of n entries, delivered to consumer c of group g.
proc delivered {stream n} {
    add_entries $stream $n
    r XGROUP CREATE $stream g 0
    r XREADGROUP GROUP g c STREAMS $stream >
}
# {id owner deliveries} of what is pending in group g.
proc pending {stream args} {
    set list {}
    foreach entry [r XPENDING $stream g - + 1000 {*}$args] {
        lassign $entry id owner idle deliveries
        lappend list [list $id $owner $deliveries]
    }
    return $list
}
proc group_field {stream group name} {
    foreach g [r XINFO GROUPS $stream] {
        if {[dict get $g name] eq $group} { return [dict get $g $name] }
    }
    error "no group $group"
}

with_server {enable-flush yes} {
    test "A group of a stream that EAPPEND filled delivers its events" {
        for {set i 0} {$i < 3} {incr i} { r EAPPEND order-1 created PAYLOAD $i }
        assert_equal OK [r XGROUP CREATE order-1 g 0]
        set entries [lindex [r XREADGROUP GROUP g c STREAMS order-1 >] 0 1]
        assert_equal 3 [llength $entries]
        assert_equal created [dict get [lindex $entries 2 1] type]
        assert_equal 3 [lindex [r XPENDING order-1 g] 0]
    }
    test "Words may be written in any case, options stand in any order" {
        r XADD words 1-0 f v
        r XSETID words 1-0 ENTRIESADDED 9
        assert_equal OK [r xgroup create words g $ EntriesRead 3 mkstream]
        assert_equal 3 [group_field words g entries-read]
        assert_equal OK [r XGROUP setid words g 7-1 entriesread 5]
        assert_equal 7-1 [group_field words g last-delivered-id]
        assert_equal 5 [group_field words g entries-read]
    }
    test "No group has read more than was ever added, so no lag is below 0" {
        proc read_and_lag {group} { return [list [group_field many $group entries-read] [group_field many $group lag]] }
        foreach id {1-0 2-0 3-0} { r XADD many $id f v }
        r XGROUP CREATE many a 3-0 ENTRIESREAD 99
        r XGROUP CREATE many b 0 ENTRIESREAD 9223372036854775807
        r XGROUP CREATE many c 0
        r XGROUP SETID many c 1-0 ENTRIESREAD 4
        foreach how {{} restart} {
            if {$how ne ""} { srv $how }
            assert_equal {{3 0} {3 0} {3 0}} [lmap g {a b c} {read_and_lag $g}]
        }
        # What is added then is ahead of them, not what the number had run ahead.
        r XADD many 4-0 f v
        assert_equal {{3 1} {3 1} {3 1}} [lmap g {a b c} {read_and_lag $g}]
        r XDEL many 2-0 3-0 4-0
        r XSETID many 4-0 ENTRIESADDED 1
        foreach how {{} crash} {
            if {$how ne ""} { srv $how }
            foreach g {a b c} {
                assert_equal 1 [group_field many $g entries-read]
                assert {[group_field many $g lag] in {{} 0}} [group_field many $g lag]
            }
        }
        # In a transaction that fails they have read what they had.
        r MULTI
        r XSETID many 4-0 ENTRIESADDED 5
        r XGROUP SETID many a 4-0 ENTRIESREAD 5
        r XSETID many 4-0 ENTRIESADDED 1
        r EAPPEND many t EXPECTED_VERSION 99
        assert_match "WRONGVER*" [r err EXEC]
        assert_equal 1 [group_field many a entries-read]
    }
    test "SETID takes - and + for the lowest and the highest id, CREATE does not" {
        r XGROUP CREATE ends g 5 MKSTREAM
        r XGROUP SETID ends g +
        assert_equal 18446744073709551615-18446744073709551615 [group_field ends g last-delivered-id]
        r XGROUP SETID ends g -
        assert_equal 0-0 [group_field ends g last-delivered-id]
        assert_equal "ERR Invalid stream ID specified as stream command argument" [r err XGROUP CREATE ends h -]
        assert_equal "ERR Invalid stream ID specified as stream command argument" [r err XGROUP SETID ends g (5]
    }
    test "Every subcommand says what it misses" {
        set no_key "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM option to create an empty stream automatically."
        foreach command {{CREATE nokey g 0} {SETID nokey g 0} {DESTROY nokey g} {CREATECONSUMER nokey g c} {DELCONSUMER nokey g c}} {
            assert_equal $no_key [r err XGROUP {*}$command]
        }
        r XADD missing 1-0 f v
        foreach command {{SETID missing no 0} {CREATECONSUMER missing no c} {DELCONSUMER missing no c}} {
            assert_equal "NOGROUP No such consumer group 'no' for key name 'missing'" [r err XGROUP {*}$command]
        }
        assert_equal 0 [r XGROUP DESTROY missing no]
        assert_equal 0 [r EXISTS nokey]
    }
    test "A string is no stream, for any of the commands about groups" {
        r SET string v
        foreach command {
            {XGROUP CREATE string g 0} {XGROUP CREATE string g 0 MKSTREAM} {XGROUP SETID string g 0} {XGROUP DESTROY string g}
            {XGROUP CREATECONSUMER string g c} {XGROUP DELCONSUMER string g c} {XINFO STREAM string} {XINFO GROUPS string}
            {XINFO CONSUMERS string g} {XACK string g 1-0} {XACKDEL string g IDS 1 1-0} {XNACK string g FAIL IDS 1 1-0}
            {XCLAIM string g c 0 1-0} {XAUTOCLAIM string g c 0 0} {XPENDING string g} {XPENDING string g - + 1}
            {XCFGSET string IDMP-DURATION 5}
        } {
            assert_match "WRONGTYPE *" [r err {*}$command] $command
        }
    }
    test "Names of groups and consumers may hold any bytes, also none, and last" {
        set odd [binary format H* 00ff0d0a27]
        r XADD names 1-0 f v
        foreach name [list "" $odd [string repeat x 512]] {
            assert_equal OK [r XGROUP CREATE names $name 0]
            assert_equal 1 [r XGROUP CREATECONSUMER names $name $name]
        }
        foreach how {crash restart} {
            srv $how
            set names {}
            foreach g [r XINFO GROUPS names] { lappend names [dict get $g name] }
            assert_equal [list "" $odd [string repeat x 512]] $names
            foreach name $names {
                assert_equal $name [dict get [lindex [r XINFO CONSUMERS names $name] 0] name]
            }
        }
    }
    test "Names have at most 512 bytes" {
        set long [string repeat x 513]
        r XGROUP CREATE long g 0 MKSTREAM
        foreach command [list [list XGROUP CREATE long $long 0] [list XGROUP CREATECONSUMER long g $long] \
            [list XREADGROUP GROUP g $long STREAMS long >] [list XCLAIM long g $long 0 1-0] [list XAUTOCLAIM long g $long 0 0]] {
            assert_match "INVALIDARG * name must be at most 512 bytes in length, but got 513" [r err {*}$command]
        }
        assert_equal {} [r XINFO CONSUMERS long g]
    }

    test "DELCONSUMER drops what the consumer has pending" {
        delivered drop 3
        assert_equal 0 [r XGROUP DELCONSUMER drop g nobody]
        assert_equal 3 [r XGROUP DELCONSUMER drop g c]
        assert_equal {} [pending drop]
        assert_equal {} [r XREADGROUP GROUP g d STREAMS drop >]
        r EAPPEND drop-later t     ;# XREADGROUP does not wait for the disk; this does, and what was before it is there
        srv crash
        assert_equal {} [pending drop]
        assert_equal d [dict get [lindex [r XINFO CONSUMERS drop g] 0] name]
    }
    test "DELCONSUMER ... RELEASE hands back what the consumer has pending" {
        delivered release 3
        r XCLAIM release g d 0 2-0
        assert_equal 2 [r XGROUP DELCONSUMER release g c RELEASE]
        assert_equal {{1-0 {} 1} {2-0 d 2} {3-0 {} 1}} [pending release]
        assert_equal 0 [r XGROUP DELCONSUMER release g c RELEASE]
        srv crash
        assert_equal {{1-0 {} 1} {2-0 d 2} {3-0 {} 1}} [pending release]
        srv restart
        assert_equal {{1-0 {} 1} {2-0 d 2} {3-0 {} 1}} [pending release]
        assert_equal {1-0 3-0} [lindex [r XAUTOCLAIM release g e 1000000 0 JUSTID] 1]
        assert_equal {{1-0 e 1} {2-0 d 2} {3-0 e 1}} [pending release]
    }
    test "DELCONSUMER takes no other word" {
        assert_equal "ERR wrong number of arguments for 'xgroup|delconsumer' command" [r err XGROUP DELCONSUMER release g d KEEP]
        assert_equal "ERR wrong number of arguments for 'xgroup|delconsumer' command" [r err XGROUP DELCONSUMER release g d RELEASE x]
        assert_equal d [lindex [pending release] 1 1]
    }
    test "A consumer that comes back after DELCONSUMER has nothing of its predecessor" {
        delivered again 2
        r XGROUP DELCONSUMER again g c
        assert_equal 1 [r XGROUP CREATECONSUMER again g c]
        assert_equal 0 [r XGROUP CREATECONSUMER again g c]
        srv crash
        assert_equal {{name c pending 0}} [lmap c [r XINFO CONSUMERS again g] {lrange $c 0 3}]
    }
    test "A group that is made anew under its old name begins anew" {
        delivered anew 2
        assert_equal 1 [r XGROUP DESTROY anew g]
        r XGROUP CREATE anew g 1-0
        foreach how {{} crash restart} {
            if {$how ne ""} { srv $how }
            assert_equal {} [r XINFO CONSUMERS anew g]
            assert_equal {} [pending anew]
            assert_equal 1-0 [group_field anew g last-delivered-id]
        }
    }
    test "DESTROY ends the waiting of XREADGROUP" {
        r XGROUP CREATE blocked g 0 MKSTREAM
        with_clients c {
            $c send XREADGROUP GROUP g c BLOCK 0 STREAMS blocked >
            wait_for "a blocked client" { [info_field r blocked_clients] == 1 }
            r XGROUP DESTROY blocked g
            assert_error "NOGROUP *" {$c read}
        }
    }
    test "DELCONSUMER does not bring a waiting consumer back" {
        r XGROUP CREATE blocked2 g 0 MKSTREAM
        with_clients c {
            $c send XREADGROUP GROUP g c BLOCK 0 STREAMS blocked2 >
            wait_for "a blocked client" { [info_field r blocked_clients] == 1 }
            assert_equal 0 [r XGROUP DELCONSUMER blocked2 g c]
            assert_equal {} [r XINFO CONSUMERS blocked2 g]
            r XADD blocked2 1-0 f v
            assert_equal {{blocked2 {{1-0 {f v}}}}} [$c read]
            assert_equal {{1-0 c 1}} [pending blocked2]
        }
    }
    test "RELEASE wakes who waits for entries to claim" {
        delivered blocked3 2
        with_clients c {
            $c send XREADGROUP GROUP g d BLOCK 0 CLAIM 1000000 STREAMS blocked3 >
            wait_for "a blocked client" { [info_field r blocked_clients] == 1 }
            r XGROUP DELCONSUMER blocked3 g c RELEASE
            assert_equal {1-0 2-0} [lmap e [lindex [$c read] 0 1] {lindex $e 0}]
            assert_equal {{1-0 d 2} {2-0 d 2}} [pending blocked3]
        }
    }
    test "SETID back lets waiting consumers read again" {
        delivered blocked4 1
        with_clients c {
            $c send XREADGROUP GROUP g d BLOCK 0 STREAMS blocked4 >
            wait_for "a blocked client" { [info_field r blocked_clients] == 1 }
            r XGROUP SETID blocked4 g 0
            assert_equal {{blocked4 {{1-0 {n 1}}}}} [$c read]
        }
    }

    test "In a transaction that fails, groups, consumers and pending entries stay as they were" {
        delivered undo 3
        r XNACK undo g FAIL IDS 1 3-0
        set before [list [pending undo] [lrange [lindex [r XINFO GROUPS undo] 0] 0 end] [r XLEN undo]]
        r MULTI
        r XGROUP CREATE undo h 0
        r XGROUP SETID undo g 1-0 ENTRIESREAD 9
        r XGROUP CREATECONSUMER undo g new
        r XCLAIM undo g d 0 1-0 3-0
        r XACK undo g 2-0
        r XADD undo 9-0 f v
        r XREADGROUP GROUP g e STREAMS undo >
        r XACKDEL undo g IDS 1 9-0
        r XGROUP DELCONSUMER undo g d RELEASE
        r XGROUP DELCONSUMER undo g c
        r XGROUP DESTROY undo g
        r EAPPEND undo t EXPECTED_VERSION 77
        assert_match "WRONGVER *" [r err EXEC]
        assert_equal $before [list [pending undo] [lindex [r XINFO GROUPS undo] 0] [r XLEN undo]]
        srv crash
        assert_equal $before [list [pending undo] [lindex [r XINFO GROUPS undo] 0] [r XLEN undo]]
    }
    test "A transaction does all of it" {
        r MULTI
        r XGROUP CREATE done g 0 MKSTREAM
        r XADD done 1-0 f v
        r XREADGROUP GROUP g c STREAMS done >
        r XACK done g 1-0
        assert_equal {OK 1-0 {{done {{1-0 {f v}}}}} 1} [r EXEC]
        srv crash
        assert_equal {} [pending done]
        assert_equal 1-0 [group_field done g last-delivered-id]
    }
}

# Streams are evicted from the cache and loaded again all the time.
with_server {cache-bytes 1mb enable-flush yes} {
    test "Groups are the same after they left memory and came back" {
        set state {}
        for {set i 0} {$i < 30} {incr i} {
            delivered e-$i 20
            r XACK e-$i g 3-0 5-0
            r XCLAIM e-$i g d 0 7-0 8-0
            r XNACK e-$i g FATAL IDS 2 9-0 1-0
            r XGROUP CREATE e-$i h 10-0 ENTRIESREAD 10
            lappend state [list [pending e-$i] [r XINFO GROUPS e-$i]]
        }
        for {set round 0} {$round < 2} {incr round} {
            set commands {}
            for {set i 0} {$i < 1000} {incr i} { lappend commands [list SET filler-$round-$i [string repeat x 1000]] }
            pipeline [srv default_client] $commands
            r ESYNC
        }
        assert {[info_field r evicted_streams] > 0}
        for {set i 0} {$i < 30} {incr i} {
            assert_equal [lindex $state $i] [list [pending e-$i] [r XINFO GROUPS e-$i]] e-$i
        }
    }
}

# Segments of the journal are small, and so are frames.
with_server {journal-segment-bytes 256kb journal-bytes-max 512kb enable-flush yes} {
    test "What does not fit into a frame of the journal is refused, or done in part" {
        skip unless journal "frames of a MB"
        add_entries big 9000
        r XGROUP CREATE big g 0
        set read 0
        while {[set n [llength [lindex [r XREADGROUP GROUP g c STREAMS big >] 0 1]]] > 0} { incr read $n }
        assert_equal 9000 $read
        pipeline [srv default_client] {MULTI {XGROUP DELCONSUMER big g c RELEASE}}
        assert_match "TOOLARGE *(journal-segment-bytes)" [lindex [r typed EXEC] 1 0 1]
        set ids {}
        for {set i 1} {$i <= 9000} {incr i} { lappend ids $i-0 }
        assert_match "TOOLARGE *" [r err XCLAIM big g d 0 {*}$ids JUSTID]
        assert_match "TOOLARGE *" [r err XNACK big g FAIL IDS 9000 {*}$ids]
        assert_match "TOOLARGE *" [r err XACK big g {*}$ids {*}$ids]
        assert_match "TOOLARGE *" [r err XACKDEL big g IDS 9000 {*}$ids]
        assert_equal 9000 [llength [r XPENDING big g - + 10000 c]]
        set start 0-0
        set claimed 0
        while 1 {
            lassign [r XAUTOCLAIM big g d 0 $start COUNT 100000 JUSTID] start some
            assert {[llength $some] < 9000}
            incr claimed [llength $some]
            if {$start eq "0-0"} break
        }
        assert_equal 9000 $claimed
        assert_equal 9000 [r XGROUP DELCONSUMER big g d]
    }
}
