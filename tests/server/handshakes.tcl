# What the usual client libraries send when they connect, and what they need to hear
# (byte level where they are picky). One test per library family.

# Sends the commands in one packet; fails when a reply is an error, except where marked `?`:
# then only a well-formed error with a code word is allowed.
proc handshake {commands} {
    with_clients c {
        set out ""
        foreach cmd $commands { append out [resp_command {*}[expr {[lindex $cmd 0] eq "?" ? [lrange $cmd 1 end] : $cmd}]] }
        $c write $out
        set replies {}
        foreach cmd $commands {
            set reply [$c read_typed]
            if {[lindex $reply 0] eq "error"} {
                if {[lindex $cmd 0] ne "?"} { fail "$cmd: [lindex $reply 1]" }
                assert_regexp {^[A-Z]+ } [lindex $reply 1]
            }
            lappend replies $reply
        }
        assert_equal PONG [$c PING]
        # The library works: an append and a read.
        $c EAPPEND handshake t PAYLOAD x
        $c ESVER handshake
        return $replies
    }
}

with_server {} {
    test "redis-py 5 and 6" {
        foreach reply [handshake {{CLIENT SETINFO LIB-NAME redis-py} {CLIENT SETINFO LIB-VER 5.0.8}}] {
            assert_equal {simple OK} $reply
        }
        handshake {{CLIENT SETNAME n} {CLIENT SETINFO LIB-NAME redis-py} {CLIENT SETINFO LIB-VER 6.4.0} {SELECT 3}}
    }
    test "redis-py 7 and 8: HELLO 3 whose proto is 3" {
        set replies [handshake {{HELLO 3} {? CLIENT MAINT_NOTIFICATIONS ON moving-endpoint-type none}
            {CLIENT SETINFO LIB-NAME redis-py} {CLIENT SETINFO LIB-VER 8.1.0} {SELECT 1}}]
        assert_equal {int 3} [typed_field [lindex $replies 0] proto]
        assert_equal {error {ERR unknown subcommand 'MAINT_NOTIFICATIONS'. Try CLIENT HELP.}} [lindex $replies 1]
    }
    test "ioredis 5 and 6, iovalkey: lower case, and INFO that says it is loaded" {
        foreach commands {
            {{client SETINFO LIB-NAME ioredis} {client SETINFO LIB-VER 5.11.1} {info}}
            {{hello 3} {client SETINFO LIB-NAME ioredis} {client SETINFO LIB-VER 6.0.0} {select 2} {client setname n} {info}}
            {{select 1} {info} {client setname n}}
        } {
            set info [lindex [handshake $commands] end]
            if {[lindex $commands end] ne "info"} continue
            set info [lindex $info 1]
            assert_match "*loading:0*" $info
            assert_match "*redis_version:*" $info
            assert_match "*role:master*" $info
        }
    }
    test "INFO and HELLO tell the version of redis-version, DUMP stays as it is" {
        r SET versioned v
        set dump [r DUMP versioned]
        foreach version {8.4.0 7.2.4} {
            r CONFIG SET redis-version $version
            assert_match "*\nredis_version:$version\r\n*" [r INFO server]
            assert_match "*\ncairn_version:*" [r INFO server]
            with_clients c {
                assert_equal $version [field [$c HELLO 2] version]
                assert_equal $version [field [$c HELLO 3] version]
            }
            assert_equal $dump [r DUMP versioned]
        }
        assert_match "*CONFIG SET failed*a version such as 7.2.4*" [r err CONFIG SET redis-version 8]
    }
    test "Redis' maps have Redis' fields and no others: strict clients refuse more" {
        # go-redis before 9.19 does, for all that XINFO tells.
        r XADD maps 1-1 f v
        r XADD maps 1-2 f v
        r XGROUP CREATE maps g 0
        r XREADGROUP GROUP g c COUNT 1 STREAMS maps >
        set stream {length radix-tree-keys radix-tree-nodes last-generated-id max-deleted-entry-id entries-added recorded-first-entry-id}
        foreach proto {2 3} {
            with_clients c {
                set hello [$c HELLO $proto]
                # (The last two are those that clients of SierraDB ask for.)
                assert_equal {server version proto id mode role modules peer_id num_partitions} [dict keys $hello]
                assert_equal [concat $stream {groups first-entry last-entry}] [dict keys [$c XINFO STREAM maps]]
                set full [$c XINFO STREAM maps FULL]
                assert_equal [concat $stream {entries groups}] [dict keys $full]
                set group [lindex [dict get $full groups] 0]
                assert_equal {name last-delivered-id entries-read lag pel-count pending consumers} [dict keys $group]
                assert_equal {name seen-time active-time pel-count pending} [dict keys [lindex [dict get $group consumers] 0]]
                assert_equal {name consumers pending last-delivered-id entries-read lag} [dict keys [lindex [$c XINFO GROUPS maps] 0]]
                assert_equal {name pending idle inactive} [dict keys [lindex [$c XINFO CONSUMERS maps g] 0]]
                assert_equal {flags redirect prefixes} [dict keys [$c CLIENT TRACKINGINFO]]
                assert_equal {calls histogram_usec} [dict keys [dict get [$c LATENCY HISTOGRAM xadd] xadd]]
                assert_equal {summary since group arguments} [dict keys [dict get [$c COMMAND DOCS xread] xread]]
                assert_equal {flags begin_search find_keys} [dict keys [lindex [$c COMMAND INFO xadd] 0 8 0]]
            }
        }
    }
    test "The text for an unknown command is what ioredis and lettuce decide by" {
        assert_equal "-ERR unknown command 'HELLOX', with args beginning with: '3' 'a b' \r\n" [r raw HELLOX 3 "a b"]
        assert_equal "-ERR unknown command 'x', with args beginning with: \r\n" [r raw x]
    }
    test "node-redis 4, 5, 6" {
        handshake {{CLIENT SETINFO LIB-NAME node-redis} {CLIENT SETINFO LIB-VER 4.7.1} {CLIENT SETNAME n} {SELECT 1}}
        handshake {{HELLO 3 SETNAME n} {CLIENT SETINFO LIB-NAME node-redis} {CLIENT SETINFO LIB-VER 6.3.1}
            {? CLIENT MAINT_NOTIFICATIONS ON moving-endpoint-type external-ip}}
        with_clients c { assert_equal "+OK\r\n" [$c raw QUIT] }
    }
    test "go-redis 9" {
        handshake {{HELLO 3} {? CLIENT MAINT_NOTIFICATIONS ON} {CLIENT SETINFO LIB-NAME go-redis(,go1.22)} {CLIENT SETINFO LIB-VER 9.7.0} {SELECT 2} {CLIENT SETNAME n}}
        handshake {{HELLO 3 SETNAME n}}
        # It answers the same however often it is asked.
        set replies [handshake {{? CLIENT MAINT_NOTIFICATIONS ON} {? CLIENT MAINT_NOTIFICATIONS ON}}]
        assert_equal [lindex $replies 0] [lindex $replies 1]
    }
    test "jedis and lettuce: id an integer, mode, version and role strings" {
        handshake {{CLIENT SETINFO LIB-NAME jedis} {CLIENT SETINFO LIB-VER 5.2.0}}
        set hello [lindex [handshake {{HELLO 3} {CLIENT SETINFO lib-name Lettuce} {CLIENT SETINFO lib-ver 6.3.0} {SELECT 0} {? CLIENT MAINT_NOTIFICATIONS on}}] 0]
        assert_equal int [lindex [typed_field $hello id] 0]
        foreach name {mode version role} { assert {[lindex [typed_field $hello $name] 0] in {bulk simple}} $name }
        handshake {{HELLO 3 SETNAME lettuce-name}}
    }
    test "redis-rs, with and without RESP3" {
        handshake {{CLIENT SETINFO LIB-NAME redis-rs} {CLIENT SETINFO LIB-VER 1.6.0}}
        handshake {{HELLO 3} {SELECT 1} {CLIENT SETINFO LIB-NAME redis-rs} {CLIENT SETINFO LIB-VER 1.6.0}}
    }
    test "StackExchange.Redis: a long list of questions, and a tracer that must come back" {
        set tracer [binary format H* 00ff0d0a8081c3280102030405060708]
        set replies [handshake [list {HELLO 3} {CLIENT SETNAME n} {CLIENT SETINFO lib-name SE.Redis} {CLIENT SETINFO lib-ver 3.1}             {CLIENT ID} {CONFIG GET timeout} {CONFIG GET replica-read-only} {CONFIG GET databases} {? SENTINEL MASTERS}             {INFO replication} {INFO server} {? CLUSTER NODES} {? GET __Booksleeve_TieBreak} [list ECHO $tracer]]]
        assert_equal int [lindex $replies 4 0]
        assert_equal [list bulk $tracer] [lindex $replies end]
        assert_match "*role:master*" [lindex $replies 9 1]
    }
    test "ruby: redis-rb and redis-client" {
        handshake {{SELECT 1} {CLIENT SETNAME n}}
        handshake {{HELLO 3} {SELECT 2} {CLIENT SETNAME n} {CLIENT SETINFO LIB-NAME redis-rb} {CLIENT SETINFO LIB-VER 6.0}}
    }
    test "phpredis checks a reused connection with ECHO" {
        assert_equal {bulk phpredis:5f1a} [lindex [handshake {{ECHO phpredis:5f1a}}] 0]
    }
    test "redis-benchmark reads two options" {
        foreach reply [handshake {{CONFIG GET save} {CONFIG GET appendonly}}] {
            assert_equal array [lindex $reply 0]
            assert_equal 2 [llength [lindex $reply 1]]
        }
    }
    test "CONFIG GET of the names that libraries ask for" {
        foreach name {save appendonly timeout databases replica-read-only maxclients} {
            assert_equal $name [lindex [r CONFIG GET $name] 0]
        }
        assert_equal {array {}} [r typed CONFIG GET no-such-option]
    }
    test "CLUSTER and SENTINEL are declined in the words of a standalone server" {
        assert_equal "ERR This instance has cluster support disabled" [r err CLUSTER NODES]
        assert_equal "ERR This instance has cluster support disabled" [r err CLUSTER SLOTS]
        assert_match "ERR unknown command 'SENTINEL'*" [r err SENTINEL MASTERS]
    }
    test "redis-cli one-shot, -3, -n, and --pipe" {
        if {[auto_execok redis-cli] eq ""} { skip "no redis-cli" }
        set cli [list redis-cli -p [srv port]]
        assert_equal PONG [exec {*}$cli PING]
        assert_match "*stream_version*0*" [exec {*}$cli -3 EAPPEND cli-1 t]
        assert_equal PONG [exec {*}$cli -n 2 PING]
        assert_match "*errors: 0, replies: 2*" [exec {*}$cli --pipe << [resp_command EAPPEND cli-1 t][resp_command EAPPEND cli-1 t]]
        assert_equal 2 [exec {*}$cli ESVER cli-1]
        assert_match "*PING*" [string toupper [exec {*}$cli COMMAND DOCS PING]]
    }
    test "redis-benchmark runs its load" {
        if {[auto_execok redis-benchmark] eq ""} { skip "no redis-benchmark" }
        set out [exec redis-benchmark -p [srv port] -n 2000 -c 20 -P 4 -r 100 -q EAPPEND s:__rand_int__ t PAYLOAD xxx 2>@1]
        assert_match "*requests per second*" $out
        assert_match "*requests per second*" [exec redis-benchmark -p [srv port] -n 1000 -c 10 -q -t ping 2>@1]
        assert {![string match *WARNING* $out]} $out
    }
}

with_server {requirepass pw} {
    test "Handshakes with user, password, name and database" {
        foreach commands {
            {{AUTH default pw} {CLIENT SETNAME n} {CLIENT SETINFO LIB-NAME redis-py} {SELECT 3}}
            {{HELLO 3 AUTH default pw} {CLIENT SETNAME n} {SELECT 1}}
            {{hello 3 AUTH default pw} {select 1} {client setname n} {info}}
            {{HELLO 3 AUTH default pw SETNAME n} {SELECT 1}}
            {{AUTH pw} {SELECT 1} {CLIENT SETNAME n}}
            {{AUTH pw} {HELLO 3} {CLIENT SETNAME n}}
        } {
            handshake $commands
        }
    }
    test "Wrong credentials say WRONGPASS or NOAUTH, which libraries look for" {
        with_clients c {
            assert_match "NOAUTH Authentication required.*" [$c err PING]
            assert_match "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> option can be used*" [$c err HELLO 3]
            assert_match "WRONGPASS invalid username-password pair or user is disabled.*" [$c err AUTH default nope]
        }
    }
}
