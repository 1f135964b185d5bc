/* The rows of the X commands: streams as Redis has them, groups. */
#include "commands/rows.h"

#include "commands/families.h"
#include "commands/stream/family.h"

static struct command xgroup_commands[] = {
    SUB_KEY_ROW("create", cmd_xgroup_create, 5, 0, WRITE | VIRTUAL, "stream",
                "key group <id | $> [MKSTREAM] [ENTRIESREAD entries-read]",
                "Creates a consumer group."),
    SUB_KEY_ROW("createconsumer", cmd_xgroup_createconsumer, 5, 5, WRITE | VIRTUAL, "stream",
                "key group consumer", "Creates a consumer in a group."),
    SUB_KEY_ROW("delconsumer", cmd_xgroup_delconsumer, 5, 6, WRITE | FREES | VIRTUAL, "stream",
                "key group consumer [RELEASE]",
                "Deletes a consumer; what it has pending is dropped, or handed back.",
                .key_use = "RW delete"),
    SUB_KEY_ROW("destroy", cmd_xgroup_destroy, 4, 4, WRITE | FREES | VIRTUAL, "stream", "key group",
                "Deletes a consumer group.", .key_use = "RW delete"),
    ROW("help", cmd_xgroup_help, 2, 2, HARMLESS, "stream", "",
        "Returns the subcommands of XGROUP."),
    SUB_KEY_ROW("setid", cmd_xgroup_setid, 5, 0, WRITE | VIRTUAL, "stream",
                "key group <id | $ | TIME milliseconds> [ENTRIESREAD entries-read]",
                "Sets the id of the last entry that was delivered in a group.",
                .key_use = "RW update"),
    SUB_KEY_ROW("stats", cmd_xgroup_stats, 3, 4, REPORT | VIRTUAL, "stream", "key [group]",
                "Returns how far a group is behind, and what it has pending for how long."),
    END,
};

static struct command xinfo_commands[] = {
    SUB_KEY_ROW("consumers", cmd_xinfo_consumers, 4, 4, REPORT | VIRTUAL, "stream", "key group",
                "Describes the consumers of a group."),
    SUB_KEY_ROW("groups", cmd_xinfo_groups, 3, 3, REPORT | VIRTUAL, "stream", "key",
                "Describes the consumer groups of a stream."),
    ROW("help", cmd_xinfo_help, 2, 2, HARMLESS, "stream", "", "Returns the subcommands of XINFO."),
    SUB_KEY_ROW("stream", cmd_xinfo_stream, 3, 0, REPORT | VIRTUAL, "stream",
                "key [FULL [COUNT count]]", "Describes a stream."),
    END,
};

struct command stream_commands[] = {
    KEY_ROW("xack", cmd_xack, 4, 0, WRITE | FAST | FREES | VIRTUAL, "stream",
            "key group id [id ...]",
            "Acknowledges entries: the group's consumers have dealt with them.",
            .key_use = "RW update"),
    KEY_ROW("xackdel", cmd_xackdel, 6, 0, WRITE | FAST | FREES | NO_VIRTUAL, "stream",
            "key group [<KEEPREF | DELREF | ACKED>] IDS numids id [id ...]",
            "Acknowledges entries and removes them from the stream.", .key_use = "RW delete"),
    KEY_ROW("xadd", cmd_xadd, 5, 0, WRITE | FAST | NO_VIRTUAL, "stream",
            "key [NOMKSTREAM] [<KEEPREF | DELREF | ACKED>] "
            "[<IDMPAUTO producer-id | IDMP producer-id idempotent-id>] "
            "[<MAXLEN | MINID> [= | ~] threshold [LIMIT count]] <* | id> "
            "field value [field value ...]",
            "Adds an entry to a stream.", .key_use = "RW update"),
    KEY_ROW("xautoclaim", cmd_xautoclaim, 6, 0, WRITE | FAST | VIRTUAL, "stream",
            "key group consumer min-idle-time start [COUNT count] [JUSTID]",
            "Gives a consumer entries that others have had for too long, page by page.",
            .key_use = "RW delete"),
    KEY_ROW("xcfgset", cmd_xcfgset, 2, 0, WRITE | FAST | NO_VIRTUAL, "stream",
            "key [IDMP-DURATION seconds] [IDMP-MAXSIZE count]",
            "Sets how far XADD IDMP looks back in a stream.", .key_use = "RW update"),
    KEY_ROW("xclaim", cmd_xclaim, 6, 0, WRITE | FAST | VIRTUAL, "stream",
            "key group consumer min-idle-time id [id ...] [IDLE milliseconds] "
            "[TIME unix-time-milliseconds] [RETRYCOUNT count] [FORCE] [JUSTID] [LASTID id]",
            "Gives a consumer entries that others have had for too long.", .key_use = "RW update"),
    KEY_ROW("xdel", cmd_xdel, 3, 0, WRITE | FAST | FREES | NO_VIRTUAL, "stream", "key id [id ...]",
            "Removes entries from a stream.", .key_use = "RW delete"),
    KEY_ROW("xdelex", cmd_xdelex, 5, 0, WRITE | FAST | FREES | NO_VIRTUAL, "stream",
            "key [<KEEPREF | DELREF | ACKED>] IDS numids id [id ...]",
            "Removes entries from a stream, and says what becomes of references to them.",
            .key_use = "RW delete"),
    CONTAINER("xgroup", 0, "stream", "Commands about consumer groups.", xgroup_commands),
    CONTAINER("xinfo", 0, "stream", "Commands that describe streams and their groups.",
              xinfo_commands),
    KEY_ROW("xlen", cmd_xlen, 2, 2, SETTLED | FAST | VIRTUAL, "stream", "key",
            "Returns the number of entries in a stream.", .key_use = "RO"),
    KEY_ROW("xnack", cmd_xnack, 7, 0, WRITE | FAST | VIRTUAL, "stream",
            "key group <SILENT | FAIL | FATAL> IDS numids id [id ...] [RETRYCOUNT count] [FORCE]",
            "Hands entries back to the group without acknowledging them.", .key_use = "RW update"),
    KEY_ROW("xpending", cmd_xpending, 3, 0, REPORT | VIRTUAL, "stream",
            "key group [[IDLE min-idle-time] start end count [consumer]]",
            "Returns what a group's consumers have not acknowledged."),
    KEY_ROW("xrange", cmd_xrange, 4, 0, SETTLED | BOUNDED | VIRTUAL, "stream",
            "key start end [COUNT count]", "Returns the entries of a stream in a range of ids."),
    FIND_KEYS_ROW("xread", cmd_xread, 4, 0, SETTLED | BOUNDED | CMD_BLOCKING | VIRTUAL,
                  keys_of_xread, "stream",
                  "[COUNT count] [MAXCOUNT count] [MAXSIZE bytes] [BLOCK milliseconds] "
                  "STREAMS key [key ...] id [id ...]",
                  "Returns the entries of streams beyond the ids given, or waits for some."),
    FIND_KEYS_ROW("xreadgroup", cmd_xreadgroup, 7, 0, WRITE | CMD_BLOCKING | VIRTUAL, keys_of_xread,
                  "stream",
                  "GROUP group consumer [COUNT count] [MAXCOUNT count] [MAXSIZE bytes] "
                  "[BLOCK milliseconds] [CLAIM min-idle-time] [NOACK] STREAMS key [key ...] "
                  "id [id ...]",
                  "Delivers entries of streams to a consumer of a group, or waits for some.",
                  .key_use = "RO access"),
    KEY_ROW("xrevrange", cmd_xrevrange, 4, 0, SETTLED | BOUNDED | VIRTUAL, "stream",
            "key end start [COUNT count]",
            "Returns the entries of a stream in a range of ids, the last first."),
    KEY_ROW("xsetid", cmd_xsetid, 3, 0, WRITE | FAST | NO_VIRTUAL, "stream",
            "key last-id [ENTRIESADDED entries-added] [MAXDELETEDID max-deleted-id]",
            "Sets the last id of a stream.", .key_use = "RW update"),
    KEY_ROW("xtrim", cmd_xtrim, 4, 0, WRITE | FREES | NO_VIRTUAL, "stream",
            "key <MAXLEN | MINID> [= | ~] threshold [LIMIT count] [<KEEPREF | DELREF | ACKED>]",
            "Removes the oldest entries of a stream.", .key_use = "RW delete"),
    END,
};
