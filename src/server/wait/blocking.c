/* See blocking.h: a command's side, and deadlines. The registry is in blocking_keys.c, serving
 * those who wait in blocking_serve.c, waiting for events of a selector in blocking_live.c, for a
 * checkpoint in blocking_named.c, what commands have looked at that look for long in
 * blocking_progress.c, and for the next one
 * of the same connection in blocking_remembered.c. */
#include "server/wait/internal.h"

#include "base/alloc.h"
#include "server/wait/need.h"

/* What is kept for each key of a command: others may wait for the same. */
#define BYTES_A_KEY                                                                                \
    (sizeof(struct blocked_link) + sizeof(struct blocked_key) + sizeof(struct blocked_set) +       \
     sizeof(struct entry_id) + sizeof(uint64_t))

void blocking_init(struct server *srv) {
    srv->blocking = xcalloc(1, sizeof *srv->blocking);
    hash_init(&srv->blocking->keys);
    hash_init(&srv->blocking->sets);
    list_init(&srv->blocking->ready);
    list_init(&srv->blocking->scanning);
    list_init(&srv->blocking->at_head);
    list_init(&srv->blocking->pausing);
    live_init(&srv->blocking->live);
}

void blocking_clear(struct server *srv) {
    assert(srv->blocking->keys.count == 0);
    hash_clear(&srv->blocking->keys);
    hash_clear(&srv->blocking->sets);
    live_clear(&srv->blocking->live);
    heap_clear(&srv->blocking->due);
    heap_clear(&srv->blocking->looks);
    free(srv->blocking);
    srv->blocking = NULL;
}

uint64_t blocking_keys(const struct server *srv) {
    return srv->blocking->keys.count;
}

uint64_t blocking_keys_on_nokey(const struct server *srv) {
    return srv->blocking->keys_on_nokey;
}

/* ---- deadlines ---- */

uint64_t blocking_claimable_at(const struct server *srv, uint64_t delivered_ms, uint64_t min_idle) {
    uint64_t now = srv->model.wall, at;
    if (__builtin_add_overflow(delivered_ms, min_idle, &at)) at = UINT64_MAX;
    return MAX(at, now + 1);
}

static void set_due(struct heap *h, struct heap_node *n, uint64_t at) {
    if (at == 0)
        heap_remove(h, n);
    else if (!heap_contains(n) || at != n->key)
        heap_set(h, n, at);
}

void blocking_check_deadlines(struct server *srv) {
    struct heap *due = &srv->blocking->due, *looks = &srv->blocking->looks;
    for (struct heap_node *n; (n = heap_first(due)) != NULL && n->key <= srv->clock.now_ms;) {
        struct blocked *w = CONTAINER_OF(n, struct blocked, due);
        heap_remove(due, n);
        w->client->wait.timed_out = true;
        client_resume(w->client);
    }
    for (struct heap_node *n; (n = heap_first(looks)) != NULL && n->key <= srv->model.wall;) {
        heap_remove(looks, n);
        client_resume(CONTAINER_OF(n, struct blocked, look)->client);
    }
}

/* ---- a command's side ---- */

struct blocked *blocked_of(struct client *c) {
    if (c->wait.blocked == NULL) {
        c->wait.blocked = xcalloc(1, sizeof *c->wait.blocked);
        c->wait.blocked->client = c;
    }
    return c->wait.blocked;
}

const struct entry_id *blocking_kept_ids(const struct client *c) {
    return c->wait.blocked != NULL ? c->wait.blocked->ids : NULL;
}

struct entry_id *blocking_keep_ids(struct client *c, size_t n) {
    struct blocked *w = blocked_of(c);
    if (w->ids == NULL) w->ids = xcalloc(n, sizeof *w->ids);
    return w->ids;
}

bool blocking_has_waited(const struct client *c) {
    return c->wait.blocked != NULL && c->wait.blocked->links != NULL;
}

/* The first event of the log that nobody has been shown: what is visible now, the command that
 * begins to wait has just looked at. */
static uint64_t first_invisible(const struct model *m) {
    uint64_t settled = model_settled(m), low = m->log.first, high = m->next_sequence;
    while (low < high) { /* frames ascend */
        uint64_t mid = low + (high - low) / 2;
        if (model_event(m, mid)->frame <= settled)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

void blocked_link(struct client *c, struct blocked *w, const struct blocking_on *on,
                  enum set_kind kind) {
    struct blocking *b = c->srv->blocking;
    if (b->plain_keys == 0) {
        b->sequence = first_invisible(&c->srv->model);
        b->generation = c->srv->model.generation;
    }
    w->links = xcalloc(on->n, sizeof *w->links);
    w->link_count = on->n;
    struct str group = kind == SET_GROUP ? on->group : STR("");
    for (size_t i = 0; i < on->n; i++) {
        struct blocked_link *link = &w->links[i];
        link->set = blocked_set_get(b, blocked_key_get(b, on->keys[i]), kind, group);
        link->client = c;
        if (on->after != NULL) link->after = on->after[i];
        w->key_bytes += BYTES_A_KEY + on->keys[i].len + group.len;
        list_init(&link->node);
        list_init(&link->later);
        list_append(&link->set->waiters, &link->node);
        link->set->links++;
        link->set->claimers += on->claims;
        link->set->hurried += on->hurries;
        link->selects = on->selectors != NULL && on->selectors[i] != NULL;
        link->set->key->links++;
    }
}

static void begin(struct client *c, struct blocked *w, const struct blocking_on *on,
                  enum set_kind kind) {
    w->claims = on->claims;
    w->in_group = kind == SET_GROUP;
    w->min_idle = on->min_idle;
    w->hurries = on->hurries;
    blocked_link(c, w, on, kind);
    if (on->selectors != NULL && kind == SET_ENTRIES) blocked_make_watches(w, on->n);
    /* (What came before, without an end, was looking.) */
    if (!w->began || w->deadline_ms == 0) blocked_begin(c, w, on->timeout_ms);
}

void blocked_begin(struct client *c, struct blocked *w, uint64_t timeout_ms) {
    /* The clock's reading is rounded down; nobody is to wait less than what was asked for. */
    w->deadline_ms = timeout_ms > 0 ? c->srv->clock.now_ms + timeout_ms + 1 : 0;
    w->began = true;
    c->wait.set = true;
    c->wait.deadline_ms = 0;
    c->wait.timed_out = c->wait.unblocked = c->wait.unblocked_error = false;
}

void blocked_park(struct client *c, struct blocked *w, bool time_runs) {
    w->time_stands = !time_runs;
    set_due(&c->srv->blocking->due, &w->due, time_runs ? w->deadline_ms : 0);
    if (c->half_closed) blocking_end_of_input(c);
    c->park = PARK_WAIT;
    c->srv->stats.blocked_clients++;
}

bool blocking_is_waiting(const struct client *c) {
    const struct blocked *w = c->wait.blocked;
    return w != NULL && (w->links != NULL || w->listens || w->on_checkpoint);
}

void blocking_give_up(struct client *c) {
    assert(c->park == PARK_WAIT);
    c->park = PARK_NONE;
    c->srv->stats.blocked_clients--;
    blocking_finish(c);
}

void blocking_end_of_input(struct client *c) {
    struct blocked *w = c->wait.blocked;
    if (!blocking_is_waiting(c) || w->hurries || w->time_stands) return;
    uint64_t now = MAX(c->srv->clock.now_ms, UINT64_C(1));
    bool over = w->deadline_ms == 0 || w->in_group;
    w->deadline_ms = over ? now : MIN(w->deadline_ms, now + HALF_CLOSED_WAIT_MS);
    set_due(&c->srv->blocking->due, &w->due, w->deadline_ms);
}

static void wait_for(struct client *c, const struct blocking_on *on, enum set_kind kind) {
    struct blocked *w = blocked_of(c);
    if (c->need != NULL) need_finish(c); /* nothing stays pinned while it waits */
    if (w->links == NULL) begin(c, w, on, kind);
    set_due(&c->srv->blocking->looks, &w->look, on->recheck_at);
    for (size_t i = 0; w->claims && i < w->link_count; i++) {
        list_remove(&w->links[i].later);
        struct blocked_set *set = w->links[i].set;
        set->told_at = MAX(set->told_at, c->srv->model.wall);
        if (on->recheck_at == 0) list_append(&set->unlooking, &w->links[i].later);
    }
    for (size_t i = 0; on->selectors != NULL && i < on->n; i++) {
        if (on->selectors[i] == NULL) continue;
        if (kind == SET_GROUP) {
            blocked_scan_select(c->srv, w->links[i].set, on->selectors[i]);
            blocked_scan(c->srv, w->links[i].set);
        } else {
            blocked_watch(w, i, on->selectors[i], on->looked[i]);
        }
    }
    blocked_park(c, w, true);
}

size_t blocking_looks_left(const struct client *c) {
    return c->srv->blocking->looks_left;
}

void blocking_looked_at(struct client *c, size_t events) {
    struct blocking *b = c->srv->blocking;
    b->looks_left -= MIN(b->looks_left, events);
}

void blocking_wait_for(struct client *c, const struct blocking_on *on) {
    wait_for(c, on, on->group.ptr != NULL ? SET_GROUP : SET_ENTRIES);
}

void blocking_wait(struct client *c, const struct str *keys, size_t n, uint64_t timeout_ms) {
    wait_for(c, &(struct blocking_on){.keys = keys, .n = n, .timeout_ms = timeout_ms}, SET_NOTHING);
}

bool blocking_over(const struct client *c) {
    return c->srv->exec.client != c && c->wait.set && (c->wait.timed_out || c->wait.unblocked);
}

void blocking_reply_over(struct client *c) {
    if (c->wait.unblocked_error)
        reply_error(c, "UNBLOCKED client unblocked via CLIENT UNBLOCK");
    else
        resp_put_null_array(&c->out, c->resp);
}

void blocking_finish(struct client *c) {
    struct blocked *w = c->wait.blocked;
    if (w == NULL) return;
    struct blocking *b = c->srv->blocking;
    c->wait.blocked = NULL;
    heap_remove(&b->due, &w->due);
    heap_remove(&b->looks, &w->look);
    list_remove(&w->pausing);
    named_unwatch(&w->named);
    for (size_t i = 0; i < w->watch_count; i++) live_unwatch(&b->live, &w->watches[i].live);
    for (size_t i = 0; i < w->link_count; i++)
        blocked_unlink(c->srv, &w->links[i], w->claims, w->hurries);
    blocked_progress_clear(w);
    free(w->links);
    free(w->watches);
    free(w->ids);
    free(w);
}
