/* How a row of the command table is written: for the rows.c of each family. Nobody else includes
 * this. */
#ifndef COMMANDS_ROWS_H
#define COMMANDS_ROWS_H

#include "server/command/command.h"

/* A row says what it reads, and what EXEC can do with it (server/command/command.h); else the
 * server does not start. WRITE, SETTLED and REPORT read streams and strings and change no more than
 * those: SETTLED as of the last durable frame, the others the newest. */
#define WRITE   (CMD_WRITE | CMD_NEWEST)
#define SETTLED (CMD_READ | CMD_SETTLED)
#define REPORT  (CMD_READ | CMD_NEWEST)
#define NEWEST  CMD_NEWEST
/* These look at no stream and no string. */
#define NO_DATA  CMD_NO_DATA
#define OUTSIDE  (CMD_OUTSIDE | CMD_NO_DATA)
#define HARMLESS (CMD_HARMLESS | CMD_NO_DATA)
#define FAST     CMD_FAST
#define NOAUTH   CMD_NO_AUTH
#define FREES    CMD_FREES
#define BOUNDED  CMD_BOUNDED
#define ALONE    CMD_NO_MULTI
/* A row with keys says what it does with virtual names (server/command/virtual.h): serves or
 * refuses them. REMOVES refuses them too, but takes the name of a stream that has such a one. */
#define VIRTUAL    CMD_VIRTUAL
#define NO_VIRTUAL CMD_NOT_VIRTUAL
#define REMOVES    (CMD_NOT_VIRTUAL | CMD_FREES_NAME)
/* Not shown to MONITOR, as with Redis: their arguments may be secret. */
#define ADMIN (CMD_ADMIN | CMD_NO_MONITOR | CMD_NO_DATA)

/* Further fields of struct command may stand behind the summary: .key_use = "RW delete". */
#define ROW(n, fn, min, max, fl, grp, syn, sum, ...)                                               \
    {                                                                                              \
        .name = n, .run = fn, .argc_min = min, .argc_max = max, .flags = fl, .group = grp,         \
        .since = "0.1.0", .syntax = syn, .summary = sum, ##__VA_ARGS__                             \
    }
/* Keys at argc first..last (negative: from the end), every step-th. */
#define KEYS_ROW(n, fn, min, max, fl, first, last, step, grp, syn, sum, ...)                       \
    {                                                                                              \
        .name = n, .run = fn, .argc_min = min, .argc_max = max, .flags = fl, .group = grp,         \
        .since = "0.1.0", .syntax = syn, .summary = sum, .first_key = first, .last_key = last,     \
        .key_step = step, ##__VA_ARGS__                                                            \
    }
/* One key: the first argument; of a subcommand. */
#define KEY_ROW(n, fn, min, max, fl, grp, syn, sum, ...)                                           \
    KEYS_ROW(n, fn, min, max, fl, 1, 1, 1, grp, syn, sum, ##__VA_ARGS__)
#define SUB_KEY_ROW(n, fn, min, max, fl, grp, syn, sum, ...)                                       \
    KEYS_ROW(n, fn, min, max, fl, 2, 2, 1, grp, syn, sum, ##__VA_ARGS__)
/* Keys at places that `find` knows (server/command/keys.c). */
#define FIND_KEYS_ROW(n, fn, min, max, fl, find, grp, syn, sum, ...)                               \
    {                                                                                              \
        .name = n, .run = fn, .argc_min = min, .argc_max = max, .flags = fl, .group = grp,         \
        .since = "0.1.0", .syntax = syn, .summary = sum, .find_keys = find, ##__VA_ARGS__          \
    }
#define CONTAINER(n, fl, grp, sum, subs)                                                           \
    {                                                                                              \
        .name = n, .argc_min = 2, .flags = fl, .group = grp, .since = "0.1.0", .syntax = "",       \
        .summary = sum, .subcommands = subs                                                        \
    }
#define END                                                                                        \
    { .name = NULL }

#endif
