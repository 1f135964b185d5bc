/* Pub/sub: connections listen to channels, by name or by pattern, and each message that is
 * published to a channel goes to whoever listens at that moment, once for each name or pattern that
 * fits. Nothing is kept of it: who does not read is disconnected (client/output_limit.h), who comes
 * later has missed it.
 *
 * A message is written for a connection behind its replies so far (client/push.h). A turn of the
 * loop writes ten thousand of them: a message for more goes on in the next turns, to those who
 * listened when it was published, in their order; what is published meanwhile follows behind it.
 * And it sends to a thousand connections: others wait for their turn, and then get at once all that
 * was written for them. Patterns stand under their literal beginnings, so that a message is
 * compared with those few that begin as its channel does. Loop thread. */
#ifndef SERVER_PUBSUB_PUBSUB_H
#define SERVER_PUBSUB_PUBSUB_H

#include "base/buf.h"
#include "base/hash.h"
#include "base/list.h"

struct client;
struct server;
struct channel;
struct ear;
struct publication;

enum channel_kind { CHANNEL_PLAIN, CHANNEL_PATTERN, CHANNEL_SHARD, CHANNEL_KINDS };

/* Channels with this beginning carry the events of streams (docs/pubsub.md); nobody publishes to
 * them. */
#define EVENT_CHANNEL STR("__event__:")

/* Bytes of a channel's name and of a pattern: so to compare the two takes some microseconds, or,
 * when more than literal bytes stands between a pattern's stars, some milliseconds at the most. */
#define PUBSUB_NAME_MAX 2048
/* Elements (str_glob_slow) of all such patterns together: so that one message is compared with all
 * of them in some tenths of a second at the most. */
#define PATTERNS_SLOW_MAX ((size_t)1 << 17)

#define PATTERN_PREFIX_MAX 64

struct patterns {
    struct hash_table prefixes;
    uint32_t lengths[PATTERN_PREFIX_MAX + 1]; /* prefixes of each length */
    size_t shortest, longest;                 /* in use */
    size_t slow;                              /* str_glob_slow of all */
};

/* What a connection listens to. It has one from its first channel to its last. */
struct listening {
    struct client *client; /* NULL: it is gone, and these are taken away by and by */
    struct list ears[CHANNEL_KINDS];
    size_t count[CHANNEL_KINDS];
    uint64_t bytes; /* that are kept for it */
    struct list leaving;
    size_t event_ears;     /* channels and patterns of events */
    struct list of_events; /* event_channels.listeners, if it has some */
};

struct channels { /* some of them, those that a message is for */
    struct channel **list;
    size_t count, cap;
};

/* Every event that becomes settled is a message on the channel of its stream. They are looked at
 * from the log, in order, by as many as a turn can do; nothing is kept of them. */
struct event_channels {
    size_t ears;
    struct list listeners;
    uint64_t sequence;    /* to look at next, while somebody listens */
    uint64_t flush_frame; /* of the last FLUSHALL since; 0: none */
    uint64_t changes;     /* raised when somebody begins to listen: stream_name.deaf */
    bool waits;           /* they could not go on in the last turn: others wait for them */
    struct buf channel, json;
    char source[64];
    uint64_t told; /* events that somebody listened to */
};

/* Work that events, and notifications, do in a turn, whatever was published in it. */
#define PUBSUB_WORK_LEAST 2500

#define NOTES_BYTES_MAX ((size_t)64 << 20)

struct notifications { /* notifications.h */
    struct list list;
    size_t bytes;
    bool waits;     /* as events.waits */
    bool went_last; /* they have told since events have */
};

struct pubsub { /* the server's */
    struct hash_table channels[CHANNEL_KINDS], ears;
    size_t active[CHANNEL_KINDS]; /* channels that somebody listens to */
    struct patterns patterns;
    struct channels found; /* by the running search */
    struct buf message[2]; /* as it is written to connections of RESP2, of RESP3 */
    struct list queue;     /* publications that are not finished */
    uint64_t queue_bytes;  /* of those; part of share.bytes */
    struct ear *next;      /* of the first of them: who gets it next */
    struct list leaving;   /* listenings of connections that are gone */
    size_t work;           /* that is left of this turn */
    size_t noted_work;     /* to compare what is noted with patterns, at the most */
    struct list untold;    /* clients for whom messages were written, longest ago first */
    size_t untold_bytes;   /* those messages */
    size_t connections;    /* of them, to whom this turn may still send */
    struct event_channels events;
    struct notifications notifications;
    uint64_t clients, numbers;
    uint64_t published, delivered;
};

void pubsub_init(struct server *srv);
void pubsub_clear(struct server *srv); /* no connection is left */
/* Once a turn, before connections are flushed. */
void pubsub_run(struct server *srv);
/* Whether there is something to do without anything happening. */
bool pubsub_pending(const struct server *srv);
/* Before connections are flushed: as many of those for whom there are messages as a turn may. */
void pubsub_tell(struct server *srv);
/* The connection's messages leave in this turn. */
void pubsub_tell_now(struct client *c);
void pubsub_told(struct client *c); /* they leave now */
/* The connection goes, or is reset. */
void pubsub_drop(struct client *c);

/* ---- listening ---- */

/* Whether these may be listened to beside all others: PATTERNS_SLOW_MAX. */
bool pubsub_may_compare(const struct server *srv, const struct str *patterns, size_t n);
/* false: it does already. */
bool pubsub_listen(struct client *c, enum channel_kind kind, struct str name);
/* false: it does not. */
bool pubsub_leave(struct client *c, enum channel_kind kind, struct str name);
/* Some name that the connection listens to: valid until it leaves that. false: there is none. */
bool pubsub_first(const struct client *c, enum channel_kind kind, struct str *name);
size_t pubsub_count(const struct client *c, enum channel_kind kind);
uint64_t pubsub_bytes(const struct client *c); /* that are kept for what it listens to */
/* Bytes that would be kept for one more. */
size_t pubsub_bytes_of(struct str name);

/* ---- events ---- */

/* Tells events that have become settled. Once a turn, when connections were flushed. true: some
 * have to be flushed again. */
bool event_channels_run(struct server *srv);
void event_channels_voided(struct server *srv);
void event_channels_emptied(struct server *srv, uint64_t frame); /* by the FLUSHALL of that frame */

/* ---- publishing ---- */

/* Whether a message may be published, or noted to leave later. false: enough was for this turn.
 * Who does not ask fills the queue, and keeps everybody else from publishing. */
bool pubsub_has_turn(const struct server *srv);
/* Returns how many get it: so many now, the others in the next turns. */
size_t pubsub_publish(struct server *srv, enum channel_kind kind, struct str channel,
                      struct str payload);

/* What is noted may all leave in one turn. So this is the most that one turn compares with
 * patterns, but for one message that takes longer. */
#define NOTED_WORK_MAX 100000
/* To compare a message with patterns, at the most. */
size_t pubsub_work(const struct server *srv, enum channel_kind kind, struct str channel);
/* A message that leaves later: its command has noted it. */
struct publication *publication_create(enum channel_kind kind, struct str channel,
                                       struct str payload);
/* It is noted, with what it may take to compare it; and is not any more. */
void publication_noted(struct server *srv, struct publication *p, size_t work);
void publication_unnoted(struct server *srv, struct publication *p);
void publication_destroy(struct publication *p);
size_t publication_bytes(const struct publication *p);
/* Publishes it now, whatever the turn has left, and takes it over. Returns how many get it. */
size_t publication_leaves(struct server *srv, struct publication *p);

/* ---- asking ---- */

/* How many connections listen to exactly this. */
size_t pubsub_listeners(const struct server *srv, enum channel_kind kind, struct str name);
/* Calls each for the channels of some buckets, and returns where to go on; 0: that was all. */
typedef void pubsub_each_fn(struct str name, void *arg);
uint64_t pubsub_scan(struct server *srv, enum channel_kind kind, uint64_t cursor,
                     pubsub_each_fn *each, void *arg);

#endif
