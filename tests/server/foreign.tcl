# Commands of Redis for types that Cairn does not have.

with_server {} {
    test "They answer with an error that names Cairn and the type" {
        foreach {command type} {
            {LPUSH k v} "has no lists" {BLPOP k 0} "has no lists" {SADD k v} "has no sets" {ZADD k 1 v} "has no sorted sets"
            {BZPOPMIN k 0} "has no sorted sets" {HSET k f v} "has no hashes" {APPEND k v} "of strings has SET, GET, MSET, MGET and INCR only"
            {strlen a} "of strings has SET, GET, MSET, MGET and INCR only" {SETBIT k 1 1} "has no bitmaps" {PFADD k v} "has no HyperLogLogs"
            {GEOADD k 1 1 m} "has no geospatial sets" {EVAL "return 1" 0} "runs no scripts and functions"
            {FUNCTION LOAD x} "runs no scripts and functions" {script load x} "runs no scripts and functions"
            {SORT k} "does not have this command" {MOVE k 1} "does not have this command"
        } {
            set name [string tolower [lindex $command 0]]
            if {$name in {function script}} { append name "|load" }
            assert_equal "ERR '$name' is a command of Redis that Cairn does not have: it is an event store with streams, and $type" [r err {*}$command]
        }
    }

    test "Their number of arguments is checked as Redis does" {
        foreach {command name} {{LPUSH k} lpush DECR decr {HGET k} hget {EVAL x} eval {SCRIPT LOAD} script|load {STRLEN a b} strlen} {
            assert_equal "ERR wrong number of arguments for '$name' command" [r err {*}$command]
        }
    }

    test "They stand in a transaction, whose other commands run" {
        r MULTI
        r EAPPEND s t
        assert_equal QUEUED [r LPUSH s v]
        assert_equal QUEUED [r SADD s v]
        r SET k v
        set reply [r typed EXEC]
        assert_equal array [lindex $reply 0]
        assert_equal {map error error simple} [lmap e [lindex $reply 1] {expr {[lindex $e 0] eq "array" ? "map" : [lindex $e 0]}}]
        assert_equal {0 v PONG} [list [r ESVER s] [r GET k] [r PING]]
    }

    test "COMMAND and INFO do not list them, and unknown commands stay unknown" {
        set names [r COMMAND LIST]
        foreach name {lpush sadd hset zadd decr eval} { assert {$name ni $names} }
        assert_equal [llength [lsearch -all -inline -not $names *|*]] [r COMMAND COUNT]
        assert_equal "*1\r\n*-1\r\n" [r raw COMMAND INFO lpush]
        assert_equal {} [r COMMAND DOCS lpush]
        assert {![string match *lpush* [r INFO commandstats]]}
        assert_match "ERR unknown command 'LPUSHX2'*" [r err LPUSHX2 k]
        assert_match "ERR unknown subcommand 'NOPE'. Try SCRIPT HELP." [r err SCRIPT NOPE]
        assert_equal {a b} [r COMMAND GETKEYS SUNION a b]
    }
}
