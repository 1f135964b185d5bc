/* What MULTI and WATCH keep for a connection: the queue of commands, the streams that must not
 * change. A connection has one from its first WATCH or MULTI until EXEC, DISCARD, UNWATCH or RESET.
 *
 * A watched stream is pinned; it has changed when it is another one than it was (its number, 0 for
 * none) or when a later frame changed it. So evicting is no change, and nobody has to be told of
 * changes. Loop thread. */
#ifndef SERVER_CLIENT_TRANSACTION_H
#define SERVER_CLIENT_TRANSACTION_H

#include "server/command/command.h"

/* A copy of a request. */
struct queued {
    struct command *cmd;
    struct request request;
    uint64_t usec; /* EXEC's: how long it ran, and whether it replied an error */
    bool failed;
    uint64_t reply_at; /* where its reply begins in client->out */
    /* CMD_OUTSIDE: it has run, and replied this; it is not run again. NULL: not yet. */
    char *reply;
    size_t reply_len;
    struct str argv[]; /* then their bytes */
};

struct watch {
    struct hash_node node; /* transaction.by_name */
    struct list all;       /* transaction.watches */
    struct stream *stream; /* pinned; NULL: all streams were dropped since, and it was not there */
    uint64_t number, changed_frame;
    struct str name; /* behind the struct */
};

struct transaction {
    bool open;    /* MULTI was said */
    bool failed;  /* a command could not be queued: EXEC refuses */
    bool touched; /* a watched stream has changed for certain */
    struct queued **queue;
    size_t count, cap;
    size_t bytes;   /* memory of the queue */
    unsigned flags; /* enum command_flag, of all queued commands */
    struct list watches;
    struct hash_table by_name;
};

static inline size_t transaction_watch_count(const struct client *c) {
    return c->transaction != NULL ? c->transaction->by_name.count : 0;
}
/* The connection's; created when it has none. */
struct transaction *transaction_of(struct client *c);
static inline bool transaction_open(const struct client *c) {
    return c->transaction != NULL && c->transaction->open;
}
/* Forgets all of it. */
void transaction_clear(struct client *c);
/* A command could not be queued: forgets the queue; EXEC will refuse. No effect outside MULTI. */
void transaction_fail(struct client *c);
/* false: it would be larger than a frame can be. */
bool transaction_queue(struct client *c, struct command *cmd, const struct request *r);

/* s: what need_stream says. */
void transaction_watch(struct client *c, struct str name, struct stream *s);
void transaction_unwatch(struct client *c);
/* Whether a watched stream has changed, as far as memory knows. */
bool transaction_is_touched(const struct client *c);
/* The frame that says so: the reply waits for it. */
uint64_t transaction_touched_by(const struct client *c);
/* The model is about to drop its streams (FLUSHALL, a void): gives back the pins. Streams that were
 * there count as changed. */
void transaction_streams_dropped(struct client *c);

#endif
