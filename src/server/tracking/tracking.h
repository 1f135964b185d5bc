/* Client-side caching: connections that are told when what they have read changes (CLIENT
 * TRACKING).
 *
 * A connection that reads keys is remembered with each of them; in the mode BCAST it names prefixes
 * instead. What changes is noted in the frame that changes it, and told once that frame is settled:
 * whoever reads before reads the old value, and must hear of the new one. What is void is told,
 * too. A key that is told of is forgotten, until it is read again.
 *
 * The model calls back for every change as long as anybody tracks, and never else. In one turn a
 * bounded amount is sent: what changes meanwhile waits. Ids of connections that are gone stay in
 * the table until their key changes, others read it, or it has to make room
 * (tracking-table-max-keys): of a key no more than of those that are there. Names of virtual
 * streams are not remembered: what they select changes with nearly every append. Loop thread. */
#ifndef SERVER_TRACKING_TRACKING_H
#define SERVER_TRACKING_TRACKING_H

#include "base/hash.h"
#include "base/list.h"
#include "base/str.h"

struct client;
struct command;
struct request;
struct server;

enum tracking_mode {
    TRACKING_BCAST = 1 << 0,
    TRACKING_OPTIN = 1 << 1,
    TRACKING_OPTOUT = 1 << 2,
    TRACKING_NOLOOP = 1 << 3,
};

struct tracker { /* of a connection that tracks */
    unsigned mode;
    uint64_t redirect;    /* the connection that is told instead; 0: itself */
    bool caching;         /* CLIENT CACHING was said for the next command */
    bool caching_is_new;  /* just now */
    bool redirect_broken; /* that connection is gone, which has been told */
    struct client *client;
    struct list all;      /* tracking.trackers */
    uint64_t generation;  /* of the table when it was last told of all keys */
    struct list prefixes; /* struct tracked_prefix_link, BCAST */
    size_t prefix_count;
};

struct tracking { /* the server's */
    size_t clients;
    uint64_t by; /* the connection whose command runs; 0: nobody's */
    struct hash_table keys, pairs, prefixes, changed;
    struct list trackers;
    uint64_t generation;          /* a FLUSHALL begins a new one: keys of before count no more */
    size_t live_keys, live_pairs; /* of this generation; keys without those of `going` */
    struct list order;            /* struct tracked_key, the longest known first */
    struct list changes;          /* struct tracked_change, by frame */
    struct list going;            /* struct tracked_key whose connections are being told */
    struct list told;             /* struct tracked_prefix with keys to tell */
    struct tracked_full { /* connections that do not read: closed at the end of the telling */
        uint64_t *ids;
        size_t count, cap;
    } full;
    uint32_t *prefix_lengths; /* how many prefixes of each length; of STREAM_NAME_MAX + 1 */
};

void tracking_init(struct server *srv);
void tracking_clear(struct server *srv);

/* Begins, or goes on with other options; the caller has checked them. prefixes: BCAST. */
void tracking_begin(struct client *c, unsigned mode, uint64_t redirect, const struct str *prefixes,
                    size_t prefix_count);
void tracking_end(struct client *c); /* no effect, if it does not track */
/* The i-th of its prefixes. */
struct str tracking_prefix(const struct tracker *t, size_t i);

/* While anybody tracks: a command is about to run, and has run; or has parked. */
void tracking_before(struct client *c);
void tracking_after(struct client *c, const struct command *cmd, const struct request *r,
                    bool replied);
/* It has read its keys (a command of EXEC, too). */
void tracking_remember(struct client *c, const struct command *cmd, const struct request *r);
/* FLUSHALL, in that frame. */
void tracking_flushed(struct server *srv, uint64_t frame);
/* What was not durable is void. */
void tracking_voided(struct server *srv);

/* Tells of what is settled by now, a bounded amount. Once a turn. */
void tracking_run(struct server *srv);
/* There is more to tell at once. */
bool tracking_pending(const struct server *srv);
/* For INFO: keys, connections of keys, prefixes. */
void tracking_count(const struct server *srv, uint64_t *keys, uint64_t *items, uint64_t *prefixes);

#endif
