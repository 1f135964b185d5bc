/* The rows of the store, the options, what the server tells about itself. */
#include "commands/rows.h"

#include "commands/admin/family.h"
#include "commands/families.h"

static struct command config_commands[] = {
    ROW("get", cmd_config_get, 3, 0, ADMIN | HARMLESS, "server", "parameter [parameter ...]",
        "Returns the values of options."),
    ROW("help", cmd_config_help, 2, 2, HARMLESS, "server", "",
        "Returns the subcommands of CONFIG."),
    ROW("resetstat", cmd_config_resetstat, 2, 2, ADMIN | OUTSIDE, "server", "",
        "Sets the statistics to zero."),
    ROW("rewrite", cmd_config_rewrite, 2, 2, ADMIN | OUTSIDE, "server", "",
        "Writes the options as they are to the option file."),
    ROW("set", cmd_config_set, 4, 0, ADMIN | OUTSIDE, "server",
        "parameter value [parameter value ...]", "Sets options: all of them or none.",
        .rehearse = config_set_rehearse),
    END,
};

static struct command command_commands[] = {
    ROW("count", cmd_command_count, 2, 2, HARMLESS, "server", "",
        "Returns the number of commands."),
    ROW("docs", cmd_command_docs, 2, 0, HARMLESS, "server", "[command-name [command-name ...]]",
        "Returns the documentation of commands."),
    ROW("getkeys", cmd_command_getkeys, 3, 0, HARMLESS, "server", "command [arg [arg ...]]",
        "Returns the streams that a command names."),
    ROW("getkeysandflags", cmd_command_getkeysandflags, 3, 0, HARMLESS, "server",
        "command [arg [arg ...]]",
        "Returns the streams that a command names, and what it does to them."),
    ROW("help", cmd_command_help, 2, 2, HARMLESS, "server", "",
        "Returns the subcommands of COMMAND."),
    ROW("info", cmd_command_info, 2, 0, HARMLESS, "server", "[command-name [command-name ...]]",
        "Describes commands."),
    ROW("list", cmd_command_list, 2, 5, HARMLESS, "server",
        "[FILTERBY <MODULE module-name | ACLCAT category | PATTERN pattern>]",
        "Returns the names of commands."),
    END,
};

static struct command slowlog_commands[] = {
    ROW("get", cmd_slowlog_get, 2, 3, ADMIN | HARMLESS, "server", "[count]",
        "Returns entries of the slow log."),
    ROW("help", cmd_slowlog_help, 2, 2, HARMLESS, "server", "",
        "Returns the subcommands of SLOWLOG."),
    ROW("len", cmd_slowlog_len, 2, 2, ADMIN | HARMLESS, "server", "",
        "Returns the number of entries in the slow log."),
    ROW("reset", cmd_slowlog_reset, 2, 2, ADMIN | OUTSIDE, "server", "", "Empties the slow log."),
    END,
};

static struct command latency_commands[] = {
    ROW("doctor", cmd_latency_doctor, 2, 2, ADMIN | HARMLESS, "server", "",
        "Says that latency events are not sampled."),
    ROW("help", cmd_latency_help, 2, 2, HARMLESS, "server", "",
        "Returns the subcommands of LATENCY."),
    ROW("histogram", cmd_latency_histogram, 2, 0, ADMIN | HARMLESS, "server",
        "[command [command ...]]", "Returns how long commands took, cumulated by powers of two."),
    ROW("history", cmd_latency_history, 3, 3, ADMIN | HARMLESS, "server", "event",
        "Returns an event's samples: none are taken."),
    ROW("latest", cmd_latency_latest, 2, 2, ADMIN | HARMLESS, "server", "",
        "Returns the latest samples: none are taken."),
    ROW("reset", cmd_latency_reset, 2, 0, ADMIN | HARMLESS, "server", "[event [event ...]]",
        "Drops samples: there are none."),
    END,
};

static struct command memory_commands[] = {
    ROW("doctor", cmd_memory_doctor, 2, 2, HARMLESS, "server", "",
        "Points to the figures on memory."),
    ROW("help", cmd_memory_help, 2, 2, HARMLESS, "server", "",
        "Returns the subcommands of MEMORY."),
    SUB_KEY_ROW("usage", cmd_memory_usage, 3, 5, REPORT | VIRTUAL, "server",
                "stream [SAMPLES count]", "Estimates the memory that a stream takes now.",
                .key_use = "RO"),
    END,
};

struct command admin_commands[] = {
    ROW("esync", cmd_esync, 1, 2, NO_DATA | CMD_BLOCKING | ALONE, "event", "[timeout]",
        "Waits until everything so far is in the store."),
    ROW("backup", cmd_backup, 2, 2, ADMIN | CMD_BLOCKING | ALONE, "server", "name",
        "Writes a consistent copy of the store to a new file."),
    ROW("flushall", cmd_flushall, 1, 2, WRITE | ALONE, "server", "[ASYNC | SYNC]",
        "Erases every event, if enable-flush allows."),
    ROW("flushdb", cmd_flushall, 1, 2, WRITE | ALONE, "server", "[ASYNC | SYNC]",
        "Erases every event, if enable-flush allows."),
    ROW("shutdown", cmd_shutdown, 1, 0, ADMIN | ALONE, "server",
        "[NOSAVE | SAVE] [NOW] [FORCE] [ABORT]",
        "Stops the server after everything is in the store."),
    ROW("waitaof", cmd_waitaof, 4, 4, CMD_BLOCKING | HARMLESS, "generic",
        "numlocal numreplicas timeout", "Waits until the connection's appends are durable."),
    {.name = "command",
     .run = cmd_command,
     .argc_min = 1,
     .argc_max = 0,
     .flags = HARMLESS,
     .group = "server",
     .since = "0.1.0",
     .syntax = "",
     .summary = "Describes all commands.",
     .subcommands = command_commands},
    CONTAINER("config", 0, "server", "Commands about options.", config_commands),
    ROW("debug", cmd_debug, 2, 0, ADMIN | OUTSIDE, "server", "subcommand [arg [arg ...]]",
        "Helps tests, if enable-debug-command allows."),
    ROW("info", cmd_info, 1, 0, HARMLESS, "server", "[section [section ...]]",
        "Returns what the server knows about itself."),
    CONTAINER("latency", 0, "server", "Commands about latency.", latency_commands),
    CONTAINER("memory", 0, "server", "Commands about memory.", memory_commands),
    ROW("monitor", cmd_monitor, 1, 1, ADMIN | OUTSIDE, "server", "",
        "Shows every command as it runs."),
    CONTAINER("slowlog", 0, "server", "Commands about the slow log.", slowlog_commands),
    ROW("wait", cmd_wait, 3, 3, CMD_BLOCKING | HARMLESS, "generic", "numreplicas timeout",
        "Returns the number of replicas: none."),
    END,
};
