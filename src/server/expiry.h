/* Expiry: streams (and strings) with a deadline are deleted when it has passed: when somebody asks
 * for them, and by themselves. The loop decides and the frame says so; nothing that is replayed
 * looks at a clock. The clock is the store's, which never goes back (model.recorded). Loop thread.
 */
#ifndef SERVER_EXPIRY_H
#define SERVER_EXPIRY_H

#include "stream/model.h"

struct server;

/* Whether its deadline has passed. */
static inline bool stream_expired(const struct model *m, const struct stream *s) {
    return UNLIKELY(s->extra != NULL) && s->extra->expires != 0 &&
           s->extra->expires <= m->recorded && s->state == STREAM_LIVE;
}
/* Deletes s if it has expired, in a frame of its own (inside EXEC, in the transaction's). No effect
 * while the store takes no writes. */
void expiry_check(struct server *srv, struct stream *s);
/* Deletes what has expired, a bounded number. Once a turn. */
void expiry_run(struct server *srv);
/* When there is something to delete, ms on the store's clock; 0: never. */
uint64_t expiry_next(const struct server *srv);
/* The model is about to drop its streams. */
void expiry_streams_dropped(struct server *srv);

#endif
