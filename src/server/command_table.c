/* THE command table. A row says all there is to say about a command: dispatch, arity and keys,
 * COMMAND and COMMAND DOCS, redis-cli's hints and the docs' index come from it. The syntax is
 * written as in Redis' docs: UPPER CASE words are typed as they stand, lower case ones are values;
 * [optional], <one | of | these>, `...` repeats what stands before it. To add a command: declare
 * its function in commands.h, add a row here. Argument counts include the command's name (and the
 * subcommand's). */
#include "server/commands.h"

#define WRITE  CMD_WRITE
#define READ   CMD_READ
#define FAST   CMD_FAST
#define NOAUTH CMD_NO_AUTH
/* Not shown to MONITOR, as with Redis: their arguments may be secret. */
#define ADMIN (CMD_ADMIN | CMD_NO_MONITOR)

#define ROW(n, fn, min, max, fl, grp, syn, sum)                                                    \
    {                                                                                              \
        .name = n, .run = fn, .argc_min = min, .argc_max = max, .flags = fl, .group = grp,         \
        .since = "0.1.0", .syntax = syn, .summary = sum                                            \
    }
/* One stream, the first argument. */
#define STREAM_ROW(n, fn, min, max, fl, grp, syn, sum)                                             \
    {                                                                                              \
        .name = n, .run = fn, .argc_min = min, .argc_max = max, .flags = fl, .group = grp,         \
        .since = "0.1.0", .syntax = syn, .summary = sum, .first_key = 1, .last_key = 1,            \
        .key_step = 1                                                                              \
    }
#define CONTAINER(n, fl, grp, sum, subs)                                                           \
    {                                                                                              \
        .name = n, .argc_min = 2, .flags = fl, .group = grp, .since = "0.1.0", .syntax = "",       \
        .summary = sum, .subcommands = subs                                                        \
    }
#define END                                                                                        \
    { .name = NULL }

#define EVENT_OPTIONS                                                                              \
    " [EXPECTED_VERSION <version | ANY | EXISTS | EMPTY>] [TIMESTAMP milliseconds]"                \
    " [CORRELATION uuid] [CAUSATION uuid] [AGGREGATE id] [PAYLOAD payload] [METADATA metadata]"
#define EAPPEND_OPTIONS  " [EVENT_ID event-id] [PARTITION_KEY uuid]" EVENT_OPTIONS
#define EMAPPEND_OPTIONS " [EVENT_ID event-id]" EVENT_OPTIONS

static struct command client_commands[] = {
    ROW("caching", cmd_client_caching, 3, 3, 0, "connection", "<YES | NO>",
        "Refuses: there is no client tracking."),
    ROW("capa", cmd_client_capa, 3, 0, FAST, "connection", "capability [capability ...]",
        "Notes what the client is capable of; none of it changes anything here."),
    ROW("getname", cmd_client_getname, 2, 2, FAST, "connection", "",
        "Returns the name of the connection."),
    ROW("getredir", cmd_client_getredir, 2, 2, FAST, "connection", "",
        "Returns the connection that tracking notifications are redirected to: none."),
    ROW("help", cmd_client_help, 2, 2, 0, "connection", "", "Returns the subcommands of CLIENT."),
    ROW("id", cmd_client_id, 2, 2, FAST, "connection", "", "Returns the number of the connection."),
    ROW("import-source", cmd_client_import_source, 3, 3, 0, "connection", "<ON | OFF>",
        "Marks the connection as one that imports data; changes nothing here."),
    ROW("info", cmd_client_info, 2, 2, 0, "connection", "", "Describes the connection."),
    ROW("kill", cmd_client_kill, 3, 0, ADMIN, "connection",
        "<address | [ID client-id] [TYPE <NORMAL | MASTER | REPLICA | PUBSUB>] [USER username] "
        "[ADDR address] [LADDR address] [SKIPME <YES | NO>] [MAXAGE seconds] [NAME name] "
        "[LIB-NAME name] [LIB-VER version]>",
        "Closes connections."),
    ROW("list", cmd_client_list, 2, 0, ADMIN, "connection",
        "[TYPE <NORMAL | MASTER | REPLICA | PUBSUB>] [ID client-id [client-id ...]] "
        "[USER username] [ADDR address] [LADDR address] [SKIPME <YES | NO>] [MAXAGE seconds] "
        "[NAME name] [LIB-NAME name] [LIB-VER version]",
        "Describes the open connections."),
    ROW("no-evict", cmd_client_no_evict, 3, 3, ADMIN, "connection", "<ON | OFF>",
        "Sets the connection's no-evict mode."),
    ROW("no-touch", cmd_client_no_touch, 3, 3, FAST, "connection", "<ON | OFF>",
        "Sets the connection's no-touch mode."),
    ROW("pause", cmd_client_pause, 3, 4, ADMIN, "connection", "timeout [WRITE | ALL]",
        "Makes the commands of clients wait for a time."),
    ROW("reply", cmd_client_reply, 3, 3, 0, "connection", "<ON | OFF | SKIP>",
        "Says whether the connection wants replies."),
    ROW("setinfo", cmd_client_setinfo, 4, 4, FAST, "connection",
        "<LIB-NAME libname | LIB-VER libver>", "Names the client library of the connection."),
    ROW("setname", cmd_client_setname, 3, 3, FAST, "connection", "connection-name",
        "Names the connection."),
    ROW("tracking", cmd_client_tracking, 3, 0, 0, "connection",
        "<ON | OFF> [REDIRECT client-id] [PREFIX prefix [PREFIX prefix ...]] [BCAST] [OPTIN] "
        "[OPTOUT] [NOLOOP]",
        "Client-side caching: only OFF is taken."),
    ROW("trackinginfo", cmd_client_trackinginfo, 2, 2, 0, "connection", "",
        "Describes the connection's client-side caching: off."),
    ROW("unblock", cmd_client_unblock, 3, 4, ADMIN, "connection", "client-id [TIMEOUT | ERROR]",
        "Ends another connection's waiting."),
    ROW("unpause", cmd_client_unpause, 2, 2, ADMIN, "connection", "", "Ends CLIENT PAUSE."),
    END,
};

static struct command config_commands[] = {
    ROW("get", cmd_config_get, 3, 0, ADMIN, "server", "parameter [parameter ...]",
        "Returns the values of options."),
    ROW("help", cmd_config_help, 2, 2, 0, "server", "", "Returns the subcommands of CONFIG."),
    ROW("resetstat", cmd_config_resetstat, 2, 2, ADMIN, "server", "",
        "Sets the statistics to zero."),
    ROW("rewrite", cmd_config_rewrite, 2, 2, ADMIN, "server", "",
        "Writes the options as they are to the option file."),
    ROW("set", cmd_config_set, 4, 0, ADMIN, "server", "parameter value [parameter value ...]",
        "Sets options: all of them or none."),
    END,
};

static struct command command_commands[] = {
    ROW("count", cmd_command_count, 2, 2, 0, "server", "", "Returns the number of commands."),
    ROW("docs", cmd_command_docs, 2, 0, 0, "server", "[command-name [command-name ...]]",
        "Returns the documentation of commands."),
    ROW("getkeys", cmd_command_getkeys, 3, 0, 0, "server", "command [arg [arg ...]]",
        "Returns the streams that a command names."),
    ROW("getkeysandflags", cmd_command_getkeysandflags, 3, 0, 0, "server",
        "command [arg [arg ...]]",
        "Returns the streams that a command names, and what it does to them."),
    ROW("help", cmd_command_help, 2, 2, 0, "server", "", "Returns the subcommands of COMMAND."),
    ROW("info", cmd_command_info, 2, 0, 0, "server", "[command-name [command-name ...]]",
        "Describes commands."),
    ROW("list", cmd_command_list, 2, 5, 0, "server",
        "[FILTERBY <MODULE module-name | ACLCAT category | PATTERN pattern>]",
        "Returns the names of commands."),
    END,
};

static struct command slowlog_commands[] = {
    ROW("get", cmd_slowlog_get, 2, 3, ADMIN, "server", "[count]",
        "Returns entries of the slow log."),
    ROW("help", cmd_slowlog_help, 2, 2, 0, "server", "", "Returns the subcommands of SLOWLOG."),
    ROW("len", cmd_slowlog_len, 2, 2, ADMIN, "server", "",
        "Returns the number of entries in the slow log."),
    ROW("reset", cmd_slowlog_reset, 2, 2, ADMIN, "server", "", "Empties the slow log."),
    END,
};

static struct command latency_commands[] = {
    ROW("doctor", cmd_latency_doctor, 2, 2, ADMIN, "server", "",
        "Says that latency events are not sampled."),
    ROW("help", cmd_latency_help, 2, 2, 0, "server", "", "Returns the subcommands of LATENCY."),
    ROW("histogram", cmd_latency_histogram, 2, 0, ADMIN, "server", "[command [command ...]]",
        "Returns how long commands took, cumulated by powers of two."),
    ROW("history", cmd_latency_history, 3, 3, ADMIN, "server", "event",
        "Returns an event's samples: none are taken."),
    ROW("latest", cmd_latency_latest, 2, 2, ADMIN, "server", "",
        "Returns the latest samples: none are taken."),
    ROW("reset", cmd_latency_reset, 2, 0, ADMIN, "server", "[event [event ...]]",
        "Drops samples: there are none."),
    END,
};

static struct command memory_commands[] = {
    ROW("doctor", cmd_memory_doctor, 2, 2, 0, "server", "", "Points to the figures on memory."),
    ROW("help", cmd_memory_help, 2, 2, 0, "server", "", "Returns the subcommands of MEMORY."),
    {.name = "usage",
     .run = cmd_memory_usage,
     .argc_min = 3,
     .argc_max = 5,
     .flags = READ,
     .group = "server",
     .since = "0.1.0",
     .syntax = "stream [SAMPLES count]",
     .summary = "Estimates the memory that a stream takes now.",
     .first_key = 2,
     .last_key = 2,
     .key_step = 1},
    END,
};

static struct command function_commands[] = {
    ROW("flush", cmd_function_flush, 2, 3, 0, "scripting", "[ASYNC | SYNC]",
        "Does nothing: there are no functions."),
    ROW("help", cmd_flush_help, 2, 2, 0, "scripting", "", "Returns the subcommands of FUNCTION."),
    END,
};
static struct command script_commands[] = {
    ROW("flush", cmd_script_flush, 2, 3, 0, "scripting", "[ASYNC | SYNC]",
        "Does nothing: there are no scripts."),
    ROW("help", cmd_flush_help, 2, 2, 0, "scripting", "", "Returns the subcommands of SCRIPT."),
    END,
};
static struct command acl_commands[] = {
    ROW("help", cmd_acl_help, 2, 2, 0, "server", "", "Returns the subcommands of ACL."),
    ROW("whoami", cmd_acl_whoami, 2, 2, FAST, "server", "", "Returns the user: default."),
    END,
};

struct command command_table[] = {
    /* Events */
    STREAM_ROW("eappend", cmd_eappend, 3, 0, WRITE, "event", "stream type" EAPPEND_OPTIONS,
               "Appends an event to a stream."),
    ROW("emappend", cmd_emappend, 4, 0, WRITE, "event",
        "partition-key stream type" EMAPPEND_OPTIONS " [stream type" EMAPPEND_OPTIONS " ...]",
        "Appends events to one or more streams: all of them or none."),
    ROW("eget", cmd_eget, 2, 2, READ, "event", "event-id", "Returns an event by its id."),
    STREAM_ROW("escan", cmd_escan, 4, 0, READ, "event",
               "stream start end [PARTITION_KEY uuid] [REV] [COUNT count] "
               "[TYPE pattern [pattern ...]] [SINCE milliseconds] [UNTIL milliseconds]",
               "Returns the events of a stream in a range of versions."),
    ROW("epscan", cmd_epscan, 4, 0, READ, "event",
        "partition start end [REV] [COUNT count] [TYPE pattern [pattern ...]] "
        "[SINCE milliseconds] [UNTIL milliseconds] [STREAM pattern] [CATEGORY category] "
        "[CORRELATION uuid] [CAUSATION uuid] [AGGREGATE id]",
        "Returns the events of the store in a range of sequences."),
    STREAM_ROW("esver", cmd_esver, 2, 4, READ | FAST, "event", "stream [PARTITION_KEY uuid]",
               "Returns the last version of a stream."),
    ROW("epseq", cmd_epseq, 2, 2, READ | FAST, "event", "partition",
        "Returns the last sequence of the store."),
    ROW("estreams", cmd_estreams, 2, 0, READ, "event",
        "cursor [MATCH pattern] [CATEGORY category] [COUNT count]", "Iterates over the streams."),
    STREAM_ROW("einfo", cmd_einfo, 2, 2, READ, "event", "stream", "Describes a stream."),
    ROW("esync", cmd_esync, 1, 2, CMD_BLOCKING, "event", "[timeout]",
        "Waits until everything so far is in the store."),

    /* The store */
    ROW("backup", cmd_backup, 2, 2, ADMIN | CMD_BLOCKING, "server", "path",
        "Writes a consistent copy of the store to a new file."),
    ROW("flushall", cmd_flushall, 1, 2, WRITE, "server", "[ASYNC | SYNC]",
        "Erases every event, if enable-flush allows."),
    ROW("flushdb", cmd_flushall, 1, 2, WRITE, "server", "[ASYNC | SYNC]",
        "Erases every event, if enable-flush allows."),
    ROW("shutdown", cmd_shutdown, 1, 0, ADMIN, "server", "[NOSAVE | SAVE] [NOW] [FORCE] [ABORT]",
        "Stops the server after everything is in the store."),
    ROW("waitaof", cmd_waitaof, 4, 4, CMD_BLOCKING, "generic", "numlocal numreplicas timeout",
        "Waits until the connection's appends are durable."),

    /* The connection */
    ROW("auth", cmd_auth, 2, 0, FAST | NOAUTH, "connection", "[username] password",
        "Authenticates the connection."),
    CONTAINER("client", 0, "connection", "Commands about connections.", client_commands),
    ROW("echo", cmd_echo, 2, 2, FAST, "connection", "message", "Returns the message."),
    ROW("hello", cmd_hello, 1, 0, FAST | NOAUTH, "connection",
        "[protover [AUTH username password] [SETNAME clientname]]",
        "Chooses the protocol and describes the server."),
    ROW("ping", cmd_ping, 1, 2, FAST, "connection", "[message]", "Shows that the server answers."),
    ROW("quit", cmd_quit, 1, 0, FAST | NOAUTH, "connection", "", "Closes the connection."),
    ROW("reset", cmd_reset, 1, 1, FAST | NOAUTH, "connection", "",
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
    STREAM_ROW("get", cmd_get, 2, 2, READ | FAST, "string", "key",
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
