/* KEYS: the names of all that exist, as of one moment, found over several turns of the loop while
 * others are served. The backend has listed what matches, as of its snapshot. What the frames
 * between that and the moment changed is taken from their records, which stay in memory as long as
 * the listing is not released: so nothing is asked that a later frame may have changed already.
 * Loop thread. */
#ifndef SERVER_WAIT_KEY_WALK_H
#define SERVER_WAIT_KEY_WALK_H

#include "server/client/client.h"
#include "server/client/reply_text.h"

struct key_walk;

struct key_walk_of {
    struct str pattern;             /* of names; borrowed */
    const struct stream_list *list; /* all of it, or the walk is too long; borrowed */
    size_t bytes_max;               /* of the text */
    void (*done)(void *arg);        /* on a later turn; NULL: never called */
    void *arg;
};

/* As of c's view, now; of its EXEC also what that has changed. */
struct key_walk *key_walk_create(struct client *c, const struct key_walk_of *of);
void key_walk_destroy(struct key_walk *w); /* also in the middle; NULL is fine */
/* A first slice. true: that was all. Else it goes on with each turn, until done. */
bool key_walk_start(struct key_walk *w);
void key_walk_finish(struct key_walk *w); /* all of it, now */
/* What it has found, when it is finished: bulk strings, the caller's to take. */
struct reply_text *key_walk_text(struct key_walk *w);
size_t key_walk_count(const struct key_walk *w);
bool key_walk_too_long(const struct key_walk *w);
uint64_t key_walk_frame(const struct key_walk *w); /* the moment: after this one */
size_t key_walk_bytes(const struct key_walk *w);   /* what it holds */

/* Frees a list, which is empty then: a large one over several turns. */
void stream_list_discard(struct server *srv, struct stream_list *list);

struct key_walks {        /* the server's */
    struct list running;  /* those that go on with the next turn, in the order of their turns */
    struct list discards; /* lists that are being freed */
    bool held;            /* DEBUG HOLD-KEYS: none goes on */
};
void key_walks_init(struct server *srv);
void key_walks_run(struct server *srv); /* once a turn */
static inline bool key_walks_pending(const struct key_walks *all) {
    return (!list_empty(&all->running) && !all->held) || !list_empty(&all->discards);
}
void key_walks_clear(struct server *srv);

#endif
