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
    *from = live_looked_up_to(&c->srv->blocking->live, &w->watches[0].live);
    return true;
}

size_t blocking_bytes(const struct client *c) {
    const struct blocked *w = c->wait.blocked;
    if (w == NULL) return 0;
    size_t bytes = sizeof *w + w->key_bytes + w->progress_bytes;
    for (size_t i = 0; i < w->command_count; i++) bytes += w->commands[i].selector_bytes;
    for (size_t i = 0; i < w->watch_count; i++)
        bytes += sizeof w->watches[i] + live_watcher_bytes(&w->watches[i].live);
    return bytes;
}

uint64_t blocking_looked(const struct client *c, size_t i) {
    const struct blocked *w = c->wait.blocked;
    if (w == NULL || i >= w->watch_count || w->watches[i].live.emptied) return 0;
    return live_looked_up_to(&c->srv->blocking->live, &w->watches[i].live);
}

void blocked_make_watches(struct blocked *w, size_t n) {
    if (w->watches != NULL) return;
    w->watches = xcalloc(n, sizeof *w->watches);
    w->watch_count = n;
    for (size_t i = 0; i < n; i++) {
        list_init(&w->watches[i].live.node);
        w->watches[i].of = w;
    }
}

void blocked_unwatch(struct blocked *w, size_t i) {
    struct live_watcher *live = &w->watches[i].live;
    live_unwatch(&w->client->srv->blocking->live, live);
    live->from = 0;
    live->emptied = false;
}

void blocked_watch(struct blocked *w, size_t i, struct selector *selector, uint64_t from) {
    struct server *srv = w->client->srv;
    struct live_watcher *live = &w->watches[i].live;
    live_unwatch(&srv->blocking->live, live);
    live->from = from;
    live->emptied = false;
    live_watch(&srv->blocking->live, &srv->model, selector, live);
}

bool blocking_emptied(const struct client *c) {
    const struct blocked *w = c->wait.blocked;
    return w != NULL &&
           ((w->listens && w->watches[0].live.emptied) || (w->on_checkpoint && w->named.emptied));
}

void blocking_reply_emptied(struct client *c) {
    reply_error(c, "TIMELINE the history of the store has changed while this waited: FLUSHALL "
                   "emptied it, or the disk refused its end (durability interval). Ask again, "
                   "with the timeline behind the position (position@timeline), or FROM START");
}

bool blocking_may_listen(const struct client *c, const struct selector *selector,
                         size_t *promised) {
    return live_has_room(&c->srv->blocking->live, selector, promised);
}

void blocking_log_emptied(struct server *srv) {
    live_emptied(&srv->blocking->live);
    named_emptied(&srv->model);
}

/* It waits for no entries of them: they are selections. */
static void heed(struct client *c, struct blocked *w, struct selector *selector,
                 const struct str *views, size_t n) {
    struct selector **selectors = xcalloc(n, sizeof *selectors);
    for (size_t i = 0; i < n; i++) selectors[i] = selector;
    blocked_link(c, w, &(struct blocking_on){.keys = views, .n = n, .selectors = selectors},
                 SET_ENTRIES);
    free(selectors);
}

void blocking_listen(struct client *c, struct selector *selector, uint64_t from,
                     uint64_t timeout_ms, const struct str *views, size_t view_count) {
    struct blocked *w = blocked_of(c);
    if (c->need != NULL) need_finish(c); /* nothing stays pinned while it waits */
    if (view_count > 0 && w->links == NULL) heed(c, w, selector, views, view_count);
    blocked_make_watches(w, 1);
    blocked_watch(w, 0, selector, from);
    if (!w->listens) blocked_begin(c, w, timeout_ms);
    w->listens = true;
    blocked_park(c, w, true);
}

void blocking_serve_live(struct server *srv) {
    struct live *l = &srv->blocking->live;
    live_look(l, &srv->model, LOOKS_A_TURN);
    for (size_t n = 0; n < WOKEN_A_TURN && !list_empty(&l->woken); n++) {
        struct live_watcher *woken = LIST_ENTRY(l->woken.next, struct live_watcher, node);
        list_remove(&woken->node);
        struct blocked_watch *watch = CONTAINER_OF(woken, struct blocked_watch, live);
        if (watch->of != NULL)
            blocked_run(watch->of->client);
        else
            blocked_scan_woken(srv, watch->set);
    }
}
