/* Expiry: streams (and strings) with a deadline are deleted when it has passed: when somebody asks
 * for them, and by themselves. The loop decides and the frame says so; nothing that is replayed
 * looks at a clock. The clock is the system's as it is now (model.wall): after a step of it a
 * deadline comes earlier or later than it would have. A turn of the loop takes at most
 * CRON_INTERVAL_MS, so a step is noticed by then.
 *
 * A key is absent when its deadline has passed, whether or not the frame that deletes it can be
 * decided or is durable. Who finds a stream otherwise than by need_stream asks stream_expired. Only
 * readers of the log see its events until then. Loop thread. */
#ifndef SERVER_WAIT_EXPIRY_H
#define SERVER_WAIT_EXPIRY_H

#include "stream/model.h"

struct server;

/* Looking for streams on disk that are due. */
struct expiry {
    struct server *srv;
    struct store_request request;
    bool listing;
    size_t loading; /* how many of `due` are being loaded */
    struct due *due;
    uint64_t generation; /* of the model when asked */
    uint64_t again_ms;   /* monotonic: not before that */
};

/* Whether its deadline has passed. */
static inline bool stream_expired(const struct model *m, const struct stream *s) {
    return UNLIKELY(s->extra != NULL) && s->extra->expires != 0 && s->extra->expires <= m->wall &&
           s->state == STREAM_LIVE;
}
/* Deletes s if it has expired, in a frame of its own (inside EXEC, in the transaction's). true: it
 * has expired, but the store takes no writes: it stays LIVE, and no command may see it. */
bool expiry_check(struct server *srv, struct stream *s);
/* Deletes what has expired, a bounded number. Once a turn. */
void expiry_run(struct server *srv);
/* How long until there is something for it to do; UINT64_MAX: nothing is known to come. */
uint64_t expiry_wait_ms(const struct server *srv);

#endif
