/* Commands: the table's rows, lookup, the checks before a command runs and the books kept after.
 *
 * A command function looks at its arguments and its state and either replies (exactly one top-level
 * reply) or says that it cannot run yet: PARKED. A parked command has changed nothing; its bytes
 * stay in the connection's input, and it is run again from its start when what it waits for is
 * there. */
#ifndef SERVER_COMMAND_COMMAND_H
#define SERVER_COMMAND_COMMAND_H

#include "base/hash.h"
#include "server/client/client.h"

struct info_section;

enum outcome { REPLIED, PARKED };

struct request {
    const struct str *argv; /* views into the input buffer; argv[0] is the name */
    size_t argc;
};

typedef enum outcome command_fn(struct client *c, const struct request *r);
/* Copies the request's keys (views) to keys, unless that is NULL, and says how many there are. */
typedef size_t keys_fn(const struct str *argv, size_t argc, struct str *keys);

enum command_flag {
    CMD_WRITE =
        1 << 0, /* refused when the store is read-only; waits when the applier is far behind */
    CMD_READ = 1 << 1,
    CMD_ADMIN = 1 << 2,
    CMD_FAST = 1 << 3,
    CMD_NO_AUTH = 1 << 4,  /* allowed before AUTH */
    CMD_BLOCKING = 1 << 5, /* may wait for something that others do */
    CMD_NO_MONITOR = 1 << 6,
    CMD_NO_MULTI = 1 << 7,   /* refused between MULTI and EXEC */
    CMD_UNQUEUED = 1 << 8,   /* runs at once between MULTI and EXEC */
    CMD_NO_SLOWLOG = 1 << 9, /* what it runs is logged instead */
    CMD_FREES = 1 << 11,     /* a write that makes room: allowed when the disk is nearly full */
    CMD_EXEC = 1 << 12,      /* runs what was queued: its flags count as well */
    CMD_RESET = 1 << 13,     /* MONITOR sees it when it is over, not before */
    CMD_ABSENT = 1 << 10,    /* Redis has it and Cairn does not: commands/redis/absent.c */
    /* What EXEC can do with it. Each row that can be queued has one of these two, or CMD_READ or
     * CMD_WRITE (command_decided): what those change is in the model, and EXEC takes it back. */
    CMD_OUTSIDE = 1 << 14, /* changes something beside the model (a connection, an option, the log),
                              which nobody takes back: EXEC rehearses the others first */
    CMD_HARMLESS = 1 << 15, /* changes nothing: may be run again, and in vain */
    /* Each row has one of these: as of which frame it reads (stream/settled.h). */
    CMD_SETTLED = 1 << 16, /* the last that is durable: it never waits for somebody else's sync */
    CMD_NEWEST = 1 << 17,  /* the last that is decided: its reply waits for what it tells */
    CMD_NO_DATA = 1 << 18, /* it looks at no stream and no string */
    /* It bounds its reply itself: to a portion, to what fits, or to one value, which was bounded
     * where it was written. All others are held to reply-bytes-max, but for those that write: what
     * they change cannot be taken back, so they see to it before. */
    CMD_BOUNDED = 1 << 19,
    CMD_SUBSCRIBES = 1 << 20, /* allowed on a connection of RESP2 that has subscriptions */
    CMD_PUSHES = 1 << 24,     /* what it replies it may push (client/push.h), outside of EXEC */
    CMD_PUBLISHES = 1 << 25,  /* it waits for its turn (pubsub_has_turn), and EXEC with it */
    /* Each row with keys has one of these: what it does with virtual names (virtual.h). */
    CMD_VIRTUAL = 1 << 21,     /* serves them: its function asks virtual_is */
    CMD_NOT_VIRTUAL = 1 << 22, /* refuses them, and nothing of it is done */
    CMD_FREES_NAME = 1 << 23,  /* takes its name away from a stream: the first key's, or of all */
};

struct command_stats {
    uint64_t calls, usec, rejected, failed;
    uint32_t *histogram; /* of latencies (stats.h), NULL until the first call */
};

struct command {
    const char *name;          /* lower case; of a subcommand: the part after the container */
    command_fn *run;           /* NULL: a container only */
    size_t argc_min, argc_max; /* with the name (and the subcommand's); argc_max 0: any */
    unsigned flags;
    int first_key, last_key, key_step;    /* as Redis' COMMAND says; 0: no keys, or: */
    keys_fn *find_keys;                   /* they stand elsewhere; NULL: not so */
    const char *key_use, *second_key_use; /* what becomes of keys; NULL: as command_key_use says */
    const char *virtual_advice;           /* NOT_VIRTUAL: what to do instead; NULL: the obvious */
    const char *group, *since, *syntax, *summary; /* syntax: the arguments as in the docs */
    struct command *subcommands;                  /* terminated by a NULL name; NULL: none */
    /* OUTSIDE: does, for EXEC's rehearsal, what the outcome of later commands may depend on, in a
     * way that EXEC takes back; no reply. NULL: nothing of it is of that kind. */
    void (*rehearse)(struct client *c, const struct request *r);
    /* filled at start: */
    const struct command *container;
    struct command_stats stats;
    struct hash_node node;
};

/* A family of commands: its rows, its sections of INFO, and names beyond its rows. */
struct command_family {
    const char *name;
    struct command *commands;            /* terminated by a NULL name */
    const struct info_section *sections; /* likewise; NULL: none (server/stats/info.h) */
    void (*init)(void);                  /* NULL: nothing to do */
    /* Commands that answer although no row has them and no list shows them. NULL: none. */
    struct command *(*find)(const struct str *argv, size_t argc);
};
extern const struct command_family command_families[]; /* commands/families.c; NULL name: end */

void commands_init(void);
/* All commands, families in order, subcommands left out. The array is static. */
struct command *const *commands_all(size_t *count);
/* Calls each(command, arg) for every row: each command, then its subcommands. */
void command_each(void (*each)(struct command *cmd, void *arg), void *arg);
/* By name, any case; for a container with its subcommand in argv[1]. Also those that only a
 * family's find knows, which the other functions leave out. NULL: unknown. */
struct command *command_find(const struct str *argv, size_t argc);
struct command *command_find_top(struct str name);
/* "get" or "config|get"; NULL: unknown. */
const struct command *command_find_full(struct str name);
/* Whether the row says what the command reads, what EXEC can do with it, and what it does with
 * virtual names. */
bool command_decided(const struct command *cmd);
bool command_has_keys(const struct command *cmd);
/* See keys_fn; there is room for argc keys. The arguments may be wrong: then there may be none. */
size_t command_keys(const struct command *cmd, const struct str *argv, size_t argc,
                    struct str *keys);
/* What becomes of the i-th key (0: the first): the flags of Redis' key specifications, with a blank
 * between them. Static. */
const char *command_key_use(const struct command *cmd, size_t i);
/* "config|get" or "get". Static buffer. */
const char *command_full_name(const struct command *cmd);
/* Finds and runs the request, with every check before and the statistics after. */
enum outcome command_run(struct client *c, const struct request *r);
/* CLIENT PAUSE: whether what does so (CMD_WRITE, or not) waits for its end. */
bool command_is_paused(const struct server *srv, unsigned flags);
/* For a command whose row does not say that it writes, as it mostly does not, and which will,
 * outside of EXEC: whether it may now. false: it waits until it may, and returns PARKED. */
bool command_may_write(struct client *c);
/* The error for a container without a known subcommand. */
void reply_unknown_subcommand(struct client *c, const struct command *container, struct str sub);
/* Replies the HELP text: `lines` terminated by NULL; a headline is put in front. */
void reply_help(struct client *c, const char *container, const char *const *lines);

#endif
