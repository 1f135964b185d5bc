/* See absent.h. The names, arities and key positions are those that Valkey 8.1's COMMAND tells. */
#include "commands/redis/absent.h"

#include "base/alloc.h"

enum type {
    LISTS,
    SETS,
    SORTED_SETS,
    HASHES,
    BITMAPS,
    HYPERLOGLOGS,
    GEO,
    SCRIPTS,
    REPLICAS,
    SNAPSHOTS,
    USERS,
    MODULES,
    OTHERS,
};

/* What there is instead stands behind it. */
static const char *const types[] = {
    [LISTS] = "has no lists: a queue is a stream with a group (XADD, XREADGROUP, XACK)",
    [SETS] = "has no sets: let each member be a key (SET, EXISTS, SCAN MATCH), or ask SQL",
    [SORTED_SETS] =
        "has no sorted sets: a stream is in the order of time (XRANGE); for others make "
        "a read model",
    [HASHES] = "has no hashes: let each field be a key (MSET, MGET), or keep JSON in a string",
    [BITMAPS] = "has no bitmaps: SETRANGE and GETRANGE have the bytes of a string",
    [HYPERLOGLOGS] = "has no HyperLogLogs: count in a read model, or in SQL",
    [GEO] = "has no geospatial sets: make a read model",
    [SCRIPTS] =
        "runs no scripts and functions: MULTI and EXEC with WATCH, or SET with NX and IFEQ, "
        "change keys under a condition",
    [REPLICAS] = "has no replicas yet: BACKUP copies the store, EREAD and ESUBSCRIBE follow it",
    [SNAPSHOTS] = "needs no snapshots: what is acknowledged is on disk, and BACKUP makes copies",
    [USERS] = "has one user, default",
    [MODULES] = "loads no modules",
    [OTHERS] = "does not have this command",
};

struct row {
    const char *name; /* lower case; with its subcommand, as `script|load` */
    uint8_t type;
    int8_t arity; /* as Redis says it: negative: at least */
    int8_t first_key, last_key, key_step;
};

/* clang-format off */
static const struct row rows[] = {
    /* list */
    {"blmove", LISTS, 6, 1, 2, 1},
    {"blmpop", LISTS, -5, 0, 0, 0},
    {"blpop", LISTS, -3, 1, -2, 1},
    {"brpop", LISTS, -3, 1, -2, 1},
    {"brpoplpush", LISTS, 4, 1, 2, 1},
    {"lindex", LISTS, 3, 1, 1, 1},
    {"linsert", LISTS, 5, 1, 1, 1},
    {"llen", LISTS, 2, 1, 1, 1},
    {"lmove", LISTS, 5, 1, 2, 1},
    {"lmpop", LISTS, -4, 0, 0, 0},
    {"lpop", LISTS, -2, 1, 1, 1},
    {"lpos", LISTS, -3, 1, 1, 1},
    {"lpush", LISTS, -3, 1, 1, 1},
    {"lpushx", LISTS, -3, 1, 1, 1},
    {"lrange", LISTS, 4, 1, 1, 1},
    {"lrem", LISTS, 4, 1, 1, 1},
    {"lset", LISTS, 4, 1, 1, 1},
    {"ltrim", LISTS, 4, 1, 1, 1},
    {"rpop", LISTS, -2, 1, 1, 1},
    {"rpoplpush", LISTS, 3, 1, 2, 1},
    {"rpush", LISTS, -3, 1, 1, 1},
    {"rpushx", LISTS, -3, 1, 1, 1},
    /* set */
    {"sadd", SETS, -3, 1, 1, 1},
    {"scard", SETS, 2, 1, 1, 1},
    {"sdiff", SETS, -2, 1, -1, 1},
    {"sdiffstore", SETS, -3, 1, -1, 1},
    {"sinter", SETS, -2, 1, -1, 1},
    {"sintercard", SETS, -3, 0, 0, 0},
    {"sinterstore", SETS, -3, 1, -1, 1},
    {"sismember", SETS, 3, 1, 1, 1},
    {"smembers", SETS, 2, 1, 1, 1},
    {"smismember", SETS, -3, 1, 1, 1},
    {"smove", SETS, 4, 1, 2, 1},
    {"spop", SETS, -2, 1, 1, 1},
    {"srandmember", SETS, -2, 1, 1, 1},
    {"srem", SETS, -3, 1, 1, 1},
    {"sscan", SETS, -3, 1, 1, 1},
    {"sunion", SETS, -2, 1, -1, 1},
    {"sunionstore", SETS, -3, 1, -1, 1},
    /* sorted-set */
    {"bzmpop", SORTED_SETS, -5, 0, 0, 0},
    {"bzpopmax", SORTED_SETS, -3, 1, -2, 1},
    {"bzpopmin", SORTED_SETS, -3, 1, -2, 1},
    {"zadd", SORTED_SETS, -4, 1, 1, 1},
    {"zcard", SORTED_SETS, 2, 1, 1, 1},
    {"zcount", SORTED_SETS, 4, 1, 1, 1},
    {"zdiff", SORTED_SETS, -3, 0, 0, 0},
    {"zdiffstore", SORTED_SETS, -4, 1, 1, 1},
    {"zincrby", SORTED_SETS, 4, 1, 1, 1},
    {"zinter", SORTED_SETS, -3, 0, 0, 0},
    {"zintercard", SORTED_SETS, -3, 0, 0, 0},
    {"zinterstore", SORTED_SETS, -4, 1, 1, 1},
    {"zlexcount", SORTED_SETS, 4, 1, 1, 1},
    {"zmpop", SORTED_SETS, -4, 0, 0, 0},
    {"zmscore", SORTED_SETS, -3, 1, 1, 1},
    {"zpopmax", SORTED_SETS, -2, 1, 1, 1},
    {"zpopmin", SORTED_SETS, -2, 1, 1, 1},
    {"zrandmember", SORTED_SETS, -2, 1, 1, 1},
    {"zrange", SORTED_SETS, -4, 1, 1, 1},
    {"zrangebylex", SORTED_SETS, -4, 1, 1, 1},
    {"zrangebyscore", SORTED_SETS, -4, 1, 1, 1},
    {"zrangestore", SORTED_SETS, -5, 1, 2, 1},
    {"zrank", SORTED_SETS, -3, 1, 1, 1},
    {"zrem", SORTED_SETS, -3, 1, 1, 1},
    {"zremrangebylex", SORTED_SETS, 4, 1, 1, 1},
    {"zremrangebyrank", SORTED_SETS, 4, 1, 1, 1},
    {"zremrangebyscore", SORTED_SETS, 4, 1, 1, 1},
    {"zrevrange", SORTED_SETS, -4, 1, 1, 1},
    {"zrevrangebylex", SORTED_SETS, -4, 1, 1, 1},
    {"zrevrangebyscore", SORTED_SETS, -4, 1, 1, 1},
    {"zrevrank", SORTED_SETS, -3, 1, 1, 1},
    {"zscan", SORTED_SETS, -3, 1, 1, 1},
    {"zscore", SORTED_SETS, 3, 1, 1, 1},
    {"zunion", SORTED_SETS, -3, 0, 0, 0},
    {"zunionstore", SORTED_SETS, -4, 1, 1, 1},
    /* hash */
    {"hdel", HASHES, -3, 1, 1, 1},
    {"hexists", HASHES, 3, 1, 1, 1},
    {"hget", HASHES, 3, 1, 1, 1},
    {"hgetall", HASHES, 2, 1, 1, 1},
    {"hincrby", HASHES, 4, 1, 1, 1},
    {"hincrbyfloat", HASHES, 4, 1, 1, 1},
    {"hkeys", HASHES, 2, 1, 1, 1},
    {"hlen", HASHES, 2, 1, 1, 1},
    {"hmget", HASHES, -3, 1, 1, 1},
    {"hmset", HASHES, -4, 1, 1, 1},
    {"hrandfield", HASHES, -2, 1, 1, 1},
    {"hscan", HASHES, -3, 1, 1, 1},
    {"hset", HASHES, -4, 1, 1, 1},
    {"hsetnx", HASHES, 4, 1, 1, 1},
    {"hstrlen", HASHES, 3, 1, 1, 1},
    {"hvals", HASHES, 2, 1, 1, 1},
    /* bitmap */
    {"bitcount", BITMAPS, -2, 1, 1, 1},
    {"bitfield", BITMAPS, -2, 1, 1, 1},
    {"bitfield_ro", BITMAPS, -2, 1, 1, 1},
    {"bitop", BITMAPS, -4, 2, -1, 1},
    {"bitpos", BITMAPS, -3, 1, 1, 1},
    {"getbit", BITMAPS, 3, 1, 1, 1},
    {"setbit", BITMAPS, 4, 1, 1, 1},
    /* hyperloglog */
    {"pfadd", HYPERLOGLOGS, -2, 1, 1, 1},
    {"pfcount", HYPERLOGLOGS, -2, 1, -1, 1},
    {"pfdebug", HYPERLOGLOGS, 3, 2, 2, 1},
    {"pfmerge", HYPERLOGLOGS, -2, 1, -1, 1},
    {"pfselftest", HYPERLOGLOGS, 1, 0, 0, 0},
    /* geo */
    {"geoadd", GEO, -5, 1, 1, 1},
    {"geodist", GEO, -4, 1, 1, 1},
    {"geohash", GEO, -2, 1, 1, 1},
    {"geopos", GEO, -2, 1, 1, 1},
    {"georadius", GEO, -6, 1, 1, 1},
    {"georadius_ro", GEO, -6, 1, 1, 1},
    {"georadiusbymember", GEO, -5, 1, 1, 1},
    {"georadiusbymember_ro", GEO, -5, 1, 1, 1},
    {"geosearch", GEO, -7, 1, 1, 1},
    {"geosearchstore", GEO, -8, 1, 2, 1},
    /* scripting */
    {"eval", SCRIPTS, -3, 0, 0, 0},
    {"eval_ro", SCRIPTS, -3, 0, 0, 0},
    {"evalsha", SCRIPTS, -3, 0, 0, 0},
    {"evalsha_ro", SCRIPTS, -3, 0, 0, 0},
    {"fcall", SCRIPTS, -3, 0, 0, 0},
    {"fcall_ro", SCRIPTS, -3, 0, 0, 0},
    {"function|delete", SCRIPTS, 3, 0, 0, 0},
    {"function|dump", SCRIPTS, 2, 0, 0, 0},
    {"function|kill", SCRIPTS, 2, 0, 0, 0},
    {"function|list", SCRIPTS, -2, 0, 0, 0},
    {"function|load", SCRIPTS, -3, 0, 0, 0},
    {"function|restore", SCRIPTS, -3, 0, 0, 0},
    {"function|stats", SCRIPTS, 2, 0, 0, 0},
    {"script|debug", SCRIPTS, 3, 0, 0, 0},
    {"script|exists", SCRIPTS, -3, 0, 0, 0},
    {"script|kill", SCRIPTS, 2, 0, 0, 0},
    {"script|load", SCRIPTS, 3, 0, 0, 0},
    {"script|show", SCRIPTS, 3, 0, 0, 0},
    /* server */
    {"acl|cat", USERS, -2, 0, 0, 0},
    {"acl|deluser", USERS, -3, 0, 0, 0},
    {"acl|dryrun", USERS, -4, 0, 0, 0},
    {"acl|genpass", USERS, -2, 0, 0, 0},
    {"acl|getuser", USERS, 3, 0, 0, 0},
    {"acl|list", USERS, 2, 0, 0, 0},
    {"acl|load", USERS, 2, 0, 0, 0},
    {"acl|log", USERS, -2, 0, 0, 0},
    {"acl|save", USERS, 2, 0, 0, 0},
    {"acl|setuser", USERS, -3, 0, 0, 0},
    {"acl|users", USERS, 2, 0, 0, 0},
    {"bgrewriteaof", SNAPSHOTS, 1, 0, 0, 0},
    {"failover", REPLICAS, -1, 0, 0, 0},
    {"module|load", MODULES, -3, 0, 0, 0},
    {"module|loadex", MODULES, -3, 0, 0, 0},
    {"module|unload", MODULES, 3, 0, 0, 0},
    {"psync", REPLICAS, -3, 0, 0, 0},
    {"replicaof", REPLICAS, 3, 0, 0, 0},
    {"slaveof", REPLICAS, 3, 0, 0, 0},
    {"swapdb", OTHERS, 3, 0, 0, 0},
    {"sync", REPLICAS, 1, 0, 0, 0},
    /* generic */
    {"migrate", OTHERS, -6, 3, 3, 1},
    {"move", OTHERS, 3, 1, 1, 1},
    {"restore-asking", OTHERS, -4, 1, 1, 1},
    {"sort", OTHERS, -2, 1, 1, 1},
    {"sort_ro", OTHERS, -2, 1, 1, 1},
};
/* clang-format on */

static struct command commands[ARRAY_LEN(rows)];
static struct hash_table by_name;

/* Any of them, with any arguments. */
static enum outcome cmd_absent(struct client *c, const struct request *r) {
    const struct command *cmd = absent_find(r->argv, r->argc);
    reply_error(c,
                "ERR '%s' is a command of Redis that Cairn does not have: it is an event store "
                "with streams, and %s",
                cmd->name, types[rows[cmd - commands].type]);
    return REPLIED;
}

void absent_init(void) {
    hash_init(&by_name);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct row *row = &rows[i];
        size_t arity = (size_t)(row->arity < 0 ? -row->arity : row->arity);
        commands[i] = (struct command){
            .name = row->name,
            .run = cmd_absent,
            .argc_min = arity,
            .argc_max = row->arity < 0 ? 0 : arity,
            .flags = CMD_ABSENT | CMD_NO_DATA,
            .first_key = row->first_key,
            .last_key = row->last_key,
            .key_step = row->key_step,
        };
        hash_insert(&by_name, &commands[i].node, hash_bytes(row->name, strlen(row->name)));
    }
}

static struct command *find(const char *name, size_t len) {
    uint64_t hash = hash_bytes(name, len);
    for (struct hash_node *n = hash_first(&by_name, hash); n != NULL; n = hash_next(&by_name, n)) {
        struct command *cmd = CONTAINER_OF(n, struct command, node);
        if (str_eq(str_c(cmd->name), str_of(name, len))) return cmd;
    }
    return NULL;
}

struct command *absent_find(const struct str *argv, size_t argc) {
    char name[64];
    size_t len = 0;
    for (size_t word = 0; word < MIN(argc, (size_t)2); word++) {
        if (argv[word].len + 2 > sizeof name - len) return NULL;
        if (word > 0) name[len++] = '|';
        for (size_t i = 0; i < argv[word].len; i++) {
            char ch = argv[word].ptr[i];
            name[len++] = ch >= 'A' && ch <= 'Z' ? (char)(ch | 0x20) : ch;
        }
        struct command *cmd = find(name, len);
        if (cmd != NULL) return cmd;
    }
    return NULL;
}
