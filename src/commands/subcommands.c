/* The rows of subcommands: see table.c. */
#include "commands/rows.h"

struct command client_commands[] = {
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

struct command config_commands[] = {
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

struct command command_commands[] = {
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

struct command slowlog_commands[] = {
    ROW("get", cmd_slowlog_get, 2, 3, ADMIN, "server", "[count]",
        "Returns entries of the slow log."),
    ROW("help", cmd_slowlog_help, 2, 2, 0, "server", "", "Returns the subcommands of SLOWLOG."),
    ROW("len", cmd_slowlog_len, 2, 2, ADMIN, "server", "",
        "Returns the number of entries in the slow log."),
    ROW("reset", cmd_slowlog_reset, 2, 2, ADMIN, "server", "", "Empties the slow log."),
    END,
};

struct command latency_commands[] = {
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

struct command memory_commands[] = {
    ROW("doctor", cmd_memory_doctor, 2, 2, 0, "server", "", "Points to the figures on memory."),
    ROW("help", cmd_memory_help, 2, 2, 0, "server", "", "Returns the subcommands of MEMORY."),
    SUB_KEY_ROW("usage", cmd_memory_usage, 3, 5, READ, "server", "stream [SAMPLES count]",
                "Estimates the memory that a stream takes now."),
    END,
};

struct command object_commands[] = {
    SUB_KEY_ROW("encoding", cmd_object, 3, 3, READ, "generic", "key",
                "Returns how Redis would keep the value."),
    SUB_KEY_ROW("freq", cmd_object, 3, 3, READ, "generic", "key",
                "Replies an error: access frequency is not tracked."),
    ROW("help", cmd_object_help, 2, 2, 0, "generic", "", "Returns the subcommands of OBJECT."),
    SUB_KEY_ROW("idletime", cmd_object, 3, 3, READ, "generic", "key",
                "Returns 0: idle time is not tracked."),
    SUB_KEY_ROW("refcount", cmd_object, 3, 3, READ, "generic", "key",
                "Returns 1: nothing is shared."),
    END,
};

struct command function_commands[] = {
    ROW("flush", cmd_function_flush, 2, 3, 0, "scripting", "[ASYNC | SYNC]",
        "Does nothing: there are no functions."),
    ROW("help", cmd_flush_help, 2, 2, 0, "scripting", "", "Returns the subcommands of FUNCTION."),
    END,
};

struct command script_commands[] = {
    ROW("flush", cmd_script_flush, 2, 3, 0, "scripting", "[ASYNC | SYNC]",
        "Does nothing: there are no scripts."),
    ROW("help", cmd_flush_help, 2, 2, 0, "scripting", "", "Returns the subcommands of SCRIPT."),
    END,
};

struct command acl_commands[] = {
    ROW("help", cmd_acl_help, 2, 2, 0, "server", "", "Returns the subcommands of ACL."),
    ROW("whoami", cmd_acl_whoami, 2, 2, FAST, "server", "", "Returns the user: default."),
    END,
};

struct command xgroup_commands[] = {
    SUB_KEY_ROW("create", cmd_xgroup_create, 5, 0, WRITE, "stream",
                "key group <id | $> [MKSTREAM] [ENTRIESREAD entries-read]",
                "Creates a consumer group."),
    SUB_KEY_ROW("createconsumer", cmd_xgroup_createconsumer, 5, 5, WRITE, "stream",
                "key group consumer", "Creates a consumer in a group."),
    SUB_KEY_ROW("delconsumer", cmd_xgroup_delconsumer, 5, 6, WRITE | FREES, "stream",
                "key group consumer [RELEASE]",
                "Deletes a consumer; what it has pending is dropped, or handed back."),
    SUB_KEY_ROW("destroy", cmd_xgroup_destroy, 4, 4, WRITE | FREES, "stream", "key group",
                "Deletes a consumer group."),
    ROW("help", cmd_xgroup_help, 2, 2, 0, "stream", "", "Returns the subcommands of XGROUP."),
    SUB_KEY_ROW("setid", cmd_xgroup_setid, 5, 0, WRITE, "stream",
                "key group <id | $> [ENTRIESREAD entries-read]",
                "Sets the id of the last entry that was delivered in a group."),
    END,
};

struct command xinfo_commands[] = {
    SUB_KEY_ROW("consumers", cmd_xinfo_consumers, 4, 4, READ, "stream", "key group",
                "Describes the consumers of a group."),
    SUB_KEY_ROW("groups", cmd_xinfo_groups, 3, 3, READ, "stream", "key",
                "Describes the consumer groups of a stream."),
    ROW("help", cmd_xinfo_help, 2, 2, 0, "stream", "", "Returns the subcommands of XINFO."),
    SUB_KEY_ROW("stream", cmd_xinfo_stream, 3, 0, READ, "stream", "key [FULL [COUNT count]]",
                "Describes a stream."),
    END,
};
