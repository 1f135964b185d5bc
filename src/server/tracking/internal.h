/* What the files of this room share. */
#ifndef SERVER_TRACKING_INTERNAL_H
#define SERVER_TRACKING_INTERNAL_H

#include "base/buf.h"
#include "server/server.h"
#include "server/tracking/tracking.h"

struct tracked_key {
    struct hash_node node;
    struct list order; /* tracking.order, or tracking.going */
    struct list pairs;
    uint64_t generation;
    uint64_t by; /* going: who has changed it; 0: nobody in particular */
    size_t name_len;
    char name[];
};

struct tracked_pair { /* a connection that has read a key */
    struct hash_node node;
    struct list of_key;
    struct tracked_key *key;
    uint64_t id; /* the connection's, which may be gone */
};

struct tracked_prefix {
    struct hash_node node;
    struct list links;  /* of the connections that named it; who is still to be told first */
    uint64_t round;     /* of telling */
    struct list told;   /* tracking.told: it has keys */
    struct buf keys;    /* that have changed, as bulk strings ... */
    struct tracked_by { /* ... who changed each, and where it ends */
        uint64_t by;
        size_t end;
    } * bys;
    size_t count, cap;
    size_t len;
    char text[];
};

struct tracked_prefix_link {
    struct list of_prefix, of_client;
    struct client *client;
    struct tracked_prefix *prefix;
    uint64_t round; /* the last in which it was told, or had nothing to hear */
};

/* A name that has changed, in frames that are not told of. One for each name: what changes without
 * end is told of once for each time that the first of them is settled. */
struct tracked_change {
    struct hash_node node; /* tracking.changed */
    struct list list_node; /* tracking.changes, by first */
    uint64_t first, last;  /* frames */
    /* The connection of what the first of them changes, and of all behind it (if there are more);
     * 0: of several, or nobody's. */
    uint64_t first_by, rest_by;
    size_t name_len; /* 0: a FLUSHALL, which is all names */
    char name[];
};

struct tracked_prefix *tracked_prefix_find(const struct tracking *t, struct str text);
void tracked_pair_drop(struct tracking *t, struct tracked_pair *pair);
/* One that is in the table, with its pairs; one that is going. */
void tracked_key_drop(struct tracking *t, struct tracked_key *key);
void tracked_key_free(struct tracking *t, struct tracked_key *key);
/* Its connections are told, some in each turn; it is in the table no more. */
void tracked_key_going(struct tracking *t, struct tracked_key *key, uint64_t by);
/* There is one too many: the one that is known longest is going, or is of before a FLUSHALL. */
void tracked_evict(struct tracking *t);
/* What is in the table counts no more. */
void tracked_new_generation(struct tracking *t);
/* The same as tracked_key_going by name, if anybody has read it. */
void tracking_invalidate(struct server *srv, struct str name, uint64_t by);
/* Tells of keys that are going, of more connections than one: whoever reads keys calls it for each
 * connection that is remembered with a key, and so there never are more of them. */
void tracking_keep_up(struct server *srv);
/* The model's on_change. */
void tracking_changed(void *srv, const struct stream_name *name, uint64_t frame);
void tracked_change_drop(struct tracking *t, struct tracked_change *change);

#endif
