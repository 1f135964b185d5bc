/* THE command table. A row says all there is to say about a command: dispatch, arity and keys,
 * COMMAND and COMMAND DOCS, redis-cli's hints and the docs' index come from it. The syntax is
 * written as in Redis' docs: UPPER CASE words are typed as they stand, lower case ones are values;
 * [optional], <one | of | these>, `...` repeats what stands before it. To add a command: declare
 * its function in commands.h, add a row here. Argument counts include the command's name (and the
 * subcommand's). The rows of subcommands are in command_subcommands.c. */
#include "server/command_rows.h"

#define EVENT_OPTIONS                                                                              \
    " [EXPECTED_VERSION <version | ANY | EXISTS | EMPTY>] [TIMESTAMP milliseconds]"                \
    " [CORRELATION uuid] [CAUSATION uuid] [AGGREGATE id] [PAYLOAD payload] [METADATA metadata]"
#define EAPPEND_OPTIONS  " [EVENT_ID event-id] [PARTITION_KEY uuid]" EVENT_OPTIONS
#define EMAPPEND_OPTIONS " [EVENT_ID event-id]" EVENT_OPTIONS

struct command command_table[] = {
    /* Events */
    KEY_ROW("eappend", cmd_eappend, 3, 0, WRITE, "event", "stream type" EAPPEND_OPTIONS,
            "Appends an event to a stream."),
    FIND_KEYS_ROW("emappend", cmd_emappend, 4, 0, WRITE, keys_of_emappend, "event",
                  "partition-key stream type" EMAPPEND_OPTIONS " [stream type" EMAPPEND_OPTIONS
                  " ...]",
                  "Appends events to one or more streams: all of them or none."),
    ROW("eget", cmd_eget, 2, 2, READ, "event", "event-id", "Returns an event by its id."),
    KEY_ROW("escan", cmd_escan, 4, 0, READ, "event",
            "stream start end [PARTITION_KEY uuid] [REV] [COUNT count] "
            "[TYPE pattern [pattern ...]] [SINCE milliseconds] [UNTIL milliseconds]",
            "Returns the events of a stream in a range of versions."),
    ROW("epscan", cmd_epscan, 4, 0, READ, "event",
        "partition start end [REV] [COUNT count] [TYPE pattern [pattern ...]] "
        "[SINCE milliseconds] [UNTIL milliseconds] [STREAM pattern] [CATEGORY category] "
        "[CORRELATION uuid] [CAUSATION uuid] [AGGREGATE id]",
        "Returns the events of the store in a range of sequences."),
    KEY_ROW("esver", cmd_esver, 2, 4, READ | FAST, "event", "stream [PARTITION_KEY uuid]",
            "Returns the last version of a stream."),
    ROW("epseq", cmd_epseq, 2, 2, READ | FAST, "event", "partition",
        "Returns the last sequence of the store."),
    ROW("estreams", cmd_estreams, 2, 0, READ, "event",
        "cursor [MATCH pattern] [CATEGORY category] [COUNT count]", "Iterates over the streams."),
    KEY_ROW("einfo", cmd_einfo, 2, 2, READ, "event", "stream", "Describes a stream."),
    ROW("esync", cmd_esync, 1, 2, CMD_BLOCKING | ALONE, "event", "[timeout]",
        "Waits until everything so far is in the store."),

    /* Streams, as Redis clients see them */
    KEY_ROW("xadd", cmd_xadd, 5, 0, WRITE | FAST, "stream",
            "key [NOMKSTREAM] [<KEEPREF | DELREF | ACKED>] "
            "[<IDMPAUTO producer-id | IDMP producer-id idempotent-id>] "
            "[<MAXLEN | MINID> [= | ~] threshold [LIMIT count]] <* | id> "
            "field value [field value ...]",
            "Adds an entry to a stream."),
    KEY_ROW("xdel", cmd_xdel, 3, 0, WRITE | FAST, "stream", "key id [id ...]",
            "Removes entries from a stream."),
    KEY_ROW("xdelex", cmd_xdelex, 5, 0, WRITE | FAST, "stream",
            "key [<KEEPREF | DELREF | ACKED>] IDS numids id [id ...]",
            "Removes entries from a stream, and says what becomes of references to them."),
    KEY_ROW("xlen", cmd_xlen, 2, 2, READ | FAST, "stream", "key",
            "Returns the number of entries in a stream."),
    KEY_ROW("xrange", cmd_xrange, 4, 0, READ, "stream", "key start end [COUNT count]",
            "Returns the entries of a stream in a range of ids."),
    FIND_KEYS_ROW("xread", cmd_xread, 4, 0, READ | CMD_BLOCKING, keys_of_xread, "stream",
                  "[COUNT count] [MAXCOUNT count] [MAXSIZE bytes] [BLOCK milliseconds] "
                  "STREAMS key [key ...] id [id ...]",
                  "Returns the entries of streams beyond the ids given, or waits for some."),
    FIND_KEYS_ROW("xreadgroup", cmd_xreadgroup, 7, 0, WRITE | CMD_BLOCKING, keys_of_xread, "stream",
                  "GROUP group consumer [COUNT count] [MAXCOUNT count] [MAXSIZE bytes] "
                  "[BLOCK milliseconds] [CLAIM min-idle-time] [NOACK] STREAMS key [key ...] "
                  "id [id ...]",
                  "Delivers entries of streams to a consumer of a group, or waits for some."),
    KEY_ROW("xrevrange", cmd_xrevrange, 4, 0, READ, "stream", "key end start [COUNT count]",
            "Returns the entries of a stream in a range of ids, the last first."),
    KEY_ROW("xsetid", cmd_xsetid, 3, 0, WRITE | FAST, "stream",
            "key last-id [ENTRIESADDED entries-added] [MAXDELETEDID max-deleted-id]",
            "Sets the last id of a stream."),
    KEY_ROW("xtrim", cmd_xtrim, 4, 0, WRITE, "stream",
            "key <MAXLEN | MINID> [= | ~] threshold [LIMIT count] [<KEEPREF | DELREF | ACKED>]",
            "Removes the oldest entries of a stream."),

    /* The store */
    ROW("backup", cmd_backup, 2, 2, ADMIN | CMD_BLOCKING | ALONE, "server", "path",
        "Writes a consistent copy of the store to a new file."),
    ROW("flushall", cmd_flushall, 1, 2, WRITE | ALONE, "server", "[ASYNC | SYNC]",
        "Erases every event, if enable-flush allows."),
    ROW("flushdb", cmd_flushall, 1, 2, WRITE | ALONE, "server", "[ASYNC | SYNC]",
        "Erases every event, if enable-flush allows."),
    ROW("shutdown", cmd_shutdown, 1, 0, ADMIN | ALONE, "server",
        "[NOSAVE | SAVE] [NOW] [FORCE] [ABORT]",
        "Stops the server after everything is in the store."),
    ROW("waitaof", cmd_waitaof, 4, 4, CMD_BLOCKING, "generic", "numlocal numreplicas timeout",
        "Waits until the connection's appends are durable."),

    /* Transactions */
    ROW("discard", cmd_discard, 1, 1, FAST | CMD_UNQUEUED, "transactions", "",
        "Forgets the commands since MULTI."),
    ROW("exec", cmd_exec, 1, 1, CMD_UNQUEUED | CMD_NO_SLOWLOG, "transactions", "",
        "Runs the commands since MULTI: all of them in one frame, or none."),
    ROW("multi", cmd_multi, 1, 1, FAST | ALONE, "transactions", "",
        "Makes the connection's commands wait for EXEC."),
    ROW("unwatch", cmd_unwatch, 1, 1, FAST, "transactions", "", "Forgets what WATCH said."),
    KEYS_ROW("watch", cmd_watch, 2, 0, FAST | ALONE, 1, -1, 1, "transactions", "key [key ...]",
             "Lets the next EXEC fail if one of the streams changes before it."),

    /* The connection */
    ROW("auth", cmd_auth, 2, 0, FAST | NOAUTH, "connection", "[username] password",
        "Authenticates the connection."),
    CONTAINER("client", 0, "connection", "Commands about connections.", client_commands),
    ROW("echo", cmd_echo, 2, 2, FAST, "connection", "message", "Returns the message."),
    ROW("hello", cmd_hello, 1, 0, FAST | NOAUTH, "connection",
        "[protover [AUTH username password] [SETNAME clientname]]",
        "Chooses the protocol and describes the server."),
    ROW("ping", cmd_ping, 1, 2, FAST, "connection", "[message]", "Shows that the server answers."),
    ROW("quit", cmd_quit, 1, 0, FAST | NOAUTH | CMD_UNQUEUED, "connection", "",
        "Closes the connection."),
    ROW("reset", cmd_reset, 1, 1, FAST | NOAUTH | CMD_UNQUEUED, "connection", "",
        "Returns the connection to its first state."),
    ROW("select", cmd_select, 2, 2, FAST, "connection", "index",
        "Chooses a database; all of them are the one store."),

    /* The server */
    CONTAINER("acl", 0, "server", "Commands about users.", acl_commands),
    ROW("cluster", cmd_cluster, 2, 0, 0, "cluster", "subcommand [arg [arg ...]]",
        "Says that this is no cluster."),
    {.name = "command",
     .run = cmd_command,
     .argc_min = 1,
     .argc_max = 0,
     .group = "server",
     .since = "0.1.0",
     .syntax = "",
     .summary = "Describes all commands.",
     .subcommands = command_commands},
    CONTAINER("config", 0, "server", "Commands about options.", config_commands),
    ROW("dbsize", cmd_dbsize, 1, 1, READ | FAST, "server", "", "Returns the number of streams."),
    ROW("debug", cmd_debug, 2, 0, ADMIN, "server", "subcommand [arg [arg ...]]",
        "Helps tests, if enable-debug-command allows."),
    CONTAINER("function", 0, "scripting", "Commands about functions.", function_commands),
    KEY_ROW("get", cmd_get, 2, 2, READ | FAST, "string", "key",
            "Returns null: there are no strings."),
    ROW("info", cmd_info, 1, 0, 0, "server", "[section [section ...]]",
        "Returns what the server knows about itself."),
    CONTAINER("latency", 0, "server", "Commands about latency.", latency_commands),
    ROW("lolwut", cmd_lolwut, 1, 0, FAST, "server", "[VERSION version]", "Returns the version."),
    CONTAINER("memory", 0, "server", "Commands about memory.", memory_commands),
    ROW("monitor", cmd_monitor, 1, 1, ADMIN, "server", "", "Shows every command as it runs."),
    CONTAINER("script", 0, "scripting", "Commands about scripts.", script_commands),
    CONTAINER("slowlog", 0, "server", "Commands about the slow log.", slowlog_commands),
    ROW("time", cmd_time, 1, 1, FAST, "server", "", "Returns the server's time."),
    ROW("wait", cmd_wait, 3, 3, CMD_BLOCKING, "generic", "numreplicas timeout",
        "Returns the number of replicas: none."),
    END,
};
