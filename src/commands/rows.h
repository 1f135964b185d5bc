/* What the files of the command table share: see table.c. Nobody else includes this. */
#ifndef COMMANDS_ROWS_H
#define COMMANDS_ROWS_H

#include "commands/commands.h"

#define WRITE  CMD_WRITE
#define READ   CMD_READ
#define FAST   CMD_FAST
#define NOAUTH CMD_NO_AUTH
#define FREES  CMD_FREES
#define ALONE  CMD_NO_MULTI
/* Not shown to MONITOR, as with Redis: their arguments may be secret. */
#define ADMIN (CMD_ADMIN | CMD_NO_MONITOR)

#define ROW(n, fn, min, max, fl, grp, syn, sum)                                                    \
    {                                                                                              \
        .name = n, .run = fn, .argc_min = min, .argc_max = max, .flags = fl, .group = grp,         \
        .since = "0.1.0", .syntax = syn, .summary = sum                                            \
    }
/* Keys at argc first..last (negative: from the end), every step-th. */
#define KEYS_ROW(n, fn, min, max, fl, first, last, step, grp, syn, sum)                            \
    {                                                                                              \
        .name = n, .run = fn, .argc_min = min, .argc_max = max, .flags = fl, .group = grp,         \
        .since = "0.1.0", .syntax = syn, .summary = sum, .first_key = first, .last_key = last,     \
        .key_step = step                                                                           \
    }
/* One key: the first argument; of a subcommand. */
#define KEY_ROW(n, fn, min, max, fl, grp, syn, sum)                                                \
    KEYS_ROW(n, fn, min, max, fl, 1, 1, 1, grp, syn, sum)
#define SUB_KEY_ROW(n, fn, min, max, fl, grp, syn, sum)                                            \
    KEYS_ROW(n, fn, min, max, fl, 2, 2, 1, grp, syn, sum)
/* Keys at places that `find` knows (server/command/keys.c). */
#define FIND_KEYS_ROW(n, fn, min, max, fl, find, grp, syn, sum)                                    \
    {                                                                                              \
        .name = n, .run = fn, .argc_min = min, .argc_max = max, .flags = fl, .group = grp,         \
        .since = "0.1.0", .syntax = syn, .summary = sum, .find_keys = find                         \
    }
#define CONTAINER(n, fl, grp, sum, subs)                                                           \
    {                                                                                              \
        .name = n, .argc_min = 2, .flags = fl, .group = grp, .since = "0.1.0", .syntax = "",       \
        .summary = sum, .subcommands = subs                                                        \
    }
#define END                                                                                        \
    { .name = NULL }

/* subcommands.c */
extern struct command client_commands[], config_commands[], command_commands[], slowlog_commands[],
    latency_commands[], memory_commands[], object_commands[], function_commands[],
    script_commands[], acl_commands[], xgroup_commands[], xinfo_commands[];

#endif
