# Commands of Redis that Cairn does not have, or that have nothing to tell here.

# COMMAND LIST of redis-server 7.0, without the names of containers.
set redis_commands {
    acl|cat acl|deluser acl|dryrun acl|genpass acl|getuser acl|help acl|list acl|load acl|log acl|save acl|setuser acl|users
    acl|whoami append asking auth bgrewriteaof bgsave bitcount bitfield bitfield_ro bitop bitpos blmove blmpop blpop brpop
    brpoplpush bzmpop bzpopmax bzpopmin client|caching client|getname client|getredir client|help client|id client|info
    client|kill client|list client|no-evict client|pause client|reply client|setname client|tracking client|trackinginfo
    client|unblock client|unpause cluster|addslots cluster|addslotsrange cluster|bumpepoch cluster|count-failure-reports
    cluster|countkeysinslot cluster|delslots cluster|delslotsrange cluster|failover cluster|flushslots cluster|forget
    cluster|getkeysinslot cluster|help cluster|info cluster|keyslot cluster|links cluster|meet cluster|myid cluster|nodes
    cluster|replicas cluster|replicate cluster|reset cluster|saveconfig cluster|set-config-epoch cluster|setslot cluster|shards
    cluster|slaves cluster|slots command command|count command|docs command|getkeys command|getkeysandflags command|help
    command|info command|list config|get config|help config|resetstat config|rewrite config|set copy dbsize debug decr decrby
    del discard dump echo eval eval_ro evalsha evalsha_ro exec exists expire expireat expiretime failover fcall fcall_ro
    flushall flushdb function|delete function|dump function|flush function|help function|kill function|list function|load
    function|restore function|stats geoadd geodist geohash geopos georadius georadius_ro georadiusbymember georadiusbymember_ro
    geosearch geosearchstore get getbit getdel getex getrange getset hdel hello hexists hget hgetall hincrby hincrbyfloat hkeys
    hlen hmget hmset hrandfield hscan hset hsetnx hstrlen hvals incr incrby incrbyfloat info keys lastsave latency|doctor
    latency|graph latency|help latency|histogram latency|history latency|latest latency|reset lcs lindex linsert llen lmove
    lmpop lolwut lpop lpos lpush lpushx lrange lrem lset ltrim memory|doctor memory|help memory|malloc-stats memory|purge
    memory|stats memory|usage mget migrate module|help module|list module|load module|loadex module|unload monitor move mset
    msetnx multi object|encoding object|freq object|help object|idletime object|refcount persist pexpire pexpireat pexpiretime
    pfadd pfcount pfdebug pfmerge pfselftest ping psetex psubscribe psync pttl publish pubsub|channels pubsub|help pubsub|numpat
    pubsub|numsub pubsub|shardchannels pubsub|shardnumsub punsubscribe quit randomkey readonly readwrite rename renamenx
    replconf replicaof reset restore restore-asking role rpop rpoplpush rpush rpushx sadd save scan scard script|debug
    script|exists script|flush script|help script|kill script|load sdiff sdiffstore select set setbit setex setnx setrange
    shutdown sinter sintercard sinterstore sismember slaveof slowlog|get slowlog|help slowlog|len slowlog|reset smembers
    smismember smove sort sort_ro spop spublish srandmember srem sscan ssubscribe strlen subscribe substr sunion sunionstore
    sunsubscribe swapdb sync time touch ttl type unlink unsubscribe unwatch wait watch xack xadd xautoclaim xclaim xdel
    xgroup|create xgroup|createconsumer xgroup|delconsumer xgroup|destroy xgroup|help xgroup|setid xinfo|consumers xinfo|groups
    xinfo|help xinfo|stream xlen xpending xrange xread xreadgroup xrevrange xsetid xtrim zadd zcard zcount zdiff zdiffstore
    zincrby zinter zintercard zinterstore zlexcount zmpop zmscore zpopmax zpopmin zrandmember zrange zrangebylex zrangebyscore
    zrangestore zrank zrem zremrangebylex zremrangebyrank zremrangebyscore zrevrange zrevrangebylex zrevrangebyscore zrevrank
    zscan zscore zunion zunionstore
}

with_server {} {
    test "They answer with an error that names Cairn and the type" {
        foreach {command type} {
            {LPUSH k v} "has no lists: *XREADGROUP*" {BLPOP k 0} "has no lists: *" {SADD k v} "has no sets: *" {ZADD k 1 v} "has no sorted sets: *"
            {BZPOPMIN k 0} "has no sorted sets: *" {HSET k f v} "has no hashes: *MSET*" {SETBIT k 1 1} "has no bitmaps: *SETRANGE*"
            {PFADD k v} "has no HyperLogLogs: *" {GEOADD k 1 1 m} "has no geospatial sets: *" {EVAL "return 1" 0} "runs no scripts and functions: *IFEQ*"
            {FUNCTION LOAD x} "runs no scripts and functions: *" {script load x} "runs no scripts and functions: *"
            {SORT k} "does not have this command" {MOVE k 1} "does not have this command"
            {SYNC} "has no replicas yet: *BACKUP*" {PSYNC ? -1} "has no replicas yet: *"
            {BGREWRITEAOF} "needs no snapshots: what is acknowledged is on disk, and BACKUP makes copies"
            {MODULE LOAD x} "loads no modules" {ACL LIST} "has one user, default"
        } {
            set name [string tolower [lindex $command 0]]
            if {$name in {function script module}} { append name "|load" }
            if {$name eq "acl"} { append name "|list" }
            assert_match "ERR '$name' is a command of Redis that Cairn does not have: it is an event store with streams, and $type" [r err {*}$command]
        }
    }

    test "Every command of Redis is here, or says that it is not" {
        # (COMMAND GETKEYS looks a command up without running it.)
        foreach name $::redis_commands {
            set reply [lindex [r typed COMMAND GETKEYS {*}[split $name |]] 1]
            assert {$reply ne "ERR Invalid command specified"} $name
        }
        assert_equal "ERR Invalid command specified" [r err COMMAND GETKEYS nosuch]
    }

    test "There are no modules, and this is no cluster" {
        assert_equal "*0\r\n" [r raw MODULE LIST]
        assert {[llength [r MODULE HELP]] > 2}
        assert_match "ERR unknown subcommand 'NOPE'. Try MODULE HELP." [r err MODULE NOPE]
        foreach command {ASKING READONLY READWRITE {CLUSTER INFO}} {
            assert_equal "ERR This instance has cluster support disabled" [r err {*}$command]
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
        foreach name {lpush sadd hset zadd setbit eval} { assert {$name ni $names} }
        assert_equal [llength [lsearch -all -inline -not $names *|*]] [r COMMAND COUNT]
        assert_equal "*1\r\n*-1\r\n" [r raw COMMAND INFO lpush]
        assert_equal {} [r COMMAND DOCS lpush]
        assert {![string match *lpush* [r INFO commandstats]]}
        assert_match "ERR unknown command 'LPUSHX2'*" [r err LPUSHX2 k]
        assert_match "ERR unknown subcommand 'NOPE'. Try SCRIPT HELP." [r err SCRIPT NOPE]
        assert_equal {a b} [r COMMAND GETKEYS SUNION a b]
    }
}
