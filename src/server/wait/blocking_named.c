/* See blocking.h: commands that wait for a checkpoint. Who is concerned is found by
 * stream/named.h: nobody else is run. */
#include "server/wait/internal.h"

#include "server/wait/need.h"

#define WOKEN_A_TURN 256 /* commands: each replies a number */

void blocking_watch(struct client *c, struct named *n, uint64_t sequence, uint64_t timeout_ms) {
    struct blocked *w = blocked_of(c);
    named_unwatch(&w->named);
    named_watch(&c->srv->model, n, sequence, &w->named); /* which pins it */
    if (c->need != NULL) need_finish(c);
    if (!w->on_checkpoint) blocked_begin(c, w, timeout_ms);
    w->on_checkpoint = true;
    blocked_park(c, w, true);
}

bool blocking_named_due(const struct server *srv) {
    const struct named_values *v = &srv->model.named;
    return !list_empty(&v->woken) || named_unsettled(v, store_durable(srv->store));
}

void blocking_serve_named(struct server *srv) {
    struct list *woken = &srv->model.named.woken;
    named_settle(&srv->model);
    for (size_t n = 0; n < WOKEN_A_TURN && !list_empty(woken); n++) {
        struct named_watcher *w = LIST_ENTRY(woken->next, struct named_watcher, node);
        list_remove(&w->node);
        blocked_run(CONTAINER_OF(w, struct blocked, named)->client);
    }
}
