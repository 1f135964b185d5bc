/* See applied.h. The connection waits on srv->waiting, which every apply runs again. */
#include "server/wait/applied.h"

#include "server/server.h"

enum outcome wait_for_apply(struct client *c) {
    c->park = PARK_WAIT;
    c->srv->stats.blocked_clients++;
    list_append(&c->srv->waiting, &c->parked);
    return PARKED;
}

bool frame_is_applied(struct client *c, uint64_t frame) {
    struct server *srv = c->srv;
    if (!c->wait.set) {
        c->wait.set = true;
        c->wait.frame = frame;
        c->wait.gives_up = false;
        c->wait.timed_out = c->wait.unblocked = c->wait.unblocked_error = false;
        if (store_writable(srv->store)) model_submit(&srv->model);
        store_flush(srv->store);
    }
    return store_applied(srv->store) >= c->wait.frame;
}

bool all_is_applied(struct client *c) {
    return frame_is_applied(c, c->srv->model.decided);
}

bool apply_is_possible_or_reply(struct client *c) {
    const char *why = store_stuck(c->srv->store);
    if (why != NULL) reply_error(c, "IOERR %s", why);
    return why == NULL;
}

/* Not for what was decided after it: that may be undurable. (There may have been another since it
 * began to wait.) */
bool flush_is_applied(struct client *c) {
    struct model *m = &c->srv->model;
    if (m->flushed.frame == 0) return true;
    frame_is_applied(c, m->flushed.frame);
    return store_applied(m->store) >= m->flushed.frame;
}
