/* See blocking.h: commands that wait for events of a selector. Who is concerned is found by
 * stream/live.h, which looks at each event once. */
#include "server/wait/internal.h"

#include "base/alloc.h"
#include "server/wait/need.h"

#define LOOKS_A_TURN (LIVE_LOOKS_A_TURN / 5 * 4) /* subscriptions that catch up have the rest */
#define WOKEN_A_TURN 64                          /* commands: each may compose a page */

struct live *blocking_live(const struct server *srv) {
    return &srv->blocking->live;
}

bool blocking_listened(const struct client *c, uint64_t *from) {
    const struct blocked *w = c->wait.blocked;
    if (w == NULL || !w->listens) return false;
    *from = live_looked_up_to(&c->srv->blocking->live, &w->live);
    return true;
}

size_t blocking_bytes(const struct client *c) {
    const struct blocked *w = c->wait.blocked;
    return w != NULL ? sizeof *w + w->link_count * sizeof *w->links + live_watcher_bytes(&w->live)
                     : 0;
}

bool blocking_emptied(const struct client *c) {
    const struct blocked *w = c->wait.blocked;
    return w != NULL && w->listens && w->live.emptied;
}

bool blocking_may_listen(const struct client *c, const struct selector *selector) {
    return live_has_room(&c->srv->blocking->live, selector);
}

void blocking_log_emptied(struct server *srv) {
    live_emptied(&srv->blocking->live);
}

void blocking_listen(struct client *c, struct selector *selector, uint64_t from,
                     uint64_t timeout_ms) {
    struct server *srv = c->srv;
    struct blocked *w = blocked_of(c);
    if (c->need != NULL) need_finish(c); /* nothing stays pinned while it waits */
    live_unwatch(&srv->blocking->live, &w->live);
    w->live.from = from;
    live_watch(&srv->blocking->live, &srv->model, selector, &w->live);
    if (!w->listens) blocked_begin(c, w, timeout_ms);
    w->listens = true;
    blocked_park(c, w);
}

void blocking_serve_live(struct server *srv) {
    struct live *l = &srv->blocking->live;
    live_look(l, &srv->model, LOOKS_A_TURN);
    for (size_t n = 0; n < WOKEN_A_TURN && !list_empty(&l->woken); n++) {
        struct live_watcher *woken = LIST_ENTRY(l->woken.next, struct live_watcher, node);
        list_remove(&woken->node);
        blocked_run(CONTAINER_OF(woken, struct blocked, live)->client);
    }
}
