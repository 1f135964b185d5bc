/* See subscription.h: making subscriptions and ending them, their states, acknowledging. */
#include "server/subscription/internal.h"

#include "base/alloc.h"
#include "server/client/push.h"
#include "server/server.h"
#include "server/wait/blocking.h"
#include "stream/read.h"

#define ENDED_A_TURN 1000
#define RING_KEEP    1024 /* unacknowledged events that there stays room for */

void subscriptions_init(struct server *srv) {
    struct subscriptions *subs = &srv->subscriptions;
    hash_init(&subs->by_id);
    hash_init(&subs->shapes);
    hash_init(&subs->by_checkpoint);
    hash_init(&subs->taken);
    list_init(&subs->taken_order);
    list_init(&subs->all);
    list_init(&subs->walks);
    list_init(&subs->ready);
    list_init(&subs->paused);
    list_init(&subs->for_reader);
    list_init(&subs->halted);
    list_init(&subs->for_room);
    list_init(&subs->holders);
    hash_init(&subs->shared);
    list_init(&subs->open);
    list_init(&subs->due);
    list_init(&subs->kept);
    struct live *l = blocking_live(srv);
    l->tell = subscription_tell;
    l->lost = subscription_lost;
}

void subscriptions_clear(struct server *srv) {
    struct subscriptions *subs = &srv->subscriptions;
    assert(subs->count == 0);
    hash_clear(&subs->by_id);
    assert(subs->shared.count == 0);
    hash_clear(&subs->shared);
    hash_clear(&subs->shapes);
    subscriptions_forget_taken(subs);
    heap_clear(&subs->announce);
}

/* ---- states ---- */

const char *subscription_state_name(enum subscription_state state) {
    static const char *const names[SUBSCRIPTION_STATES] = {
        [SUBSCRIPTION_CATCHING_UP] = "catching-up",
        [SUBSCRIPTION_LIVE] = "live",
        [SUBSCRIPTION_WAITING_FOR_CREDIT] = "waiting-for-credit",
        [SUBSCRIPTION_WAITING_FOR_SOCKET] = "waiting-for-socket",
    };
    return names[state];
}

void subscription_set_state(struct subscription *s, enum subscription_state state) {
    uint64_t *states = s->srv->subscriptions.states;
    states[s->state]--;
    states[state]++;
    s->state = state;
}

void subscription_make_ready(struct subscription *s) {
    assert(!live_follows(&s->follower));
    subscription_set_state(s, SUBSCRIPTION_CATCHING_UP);
    if (UNLIKELY(s->waits_for != NULL)) shared_event_leave(s);
    list_remove(&s->queue);
    list_append(&s->srv->subscriptions.ready, &s->queue);
}

uint64_t subscription_position(const struct subscription *s) {
    if (!live_follows(&s->follower)) return s->position;
    return live_position(blocking_live(s->srv), &s->follower);
}

uint64_t subscription_in_flight(const struct subscription *s) {
    return s->window != UINT64_MAX ? s->sent - s->acked : 0;
}

size_t subscriptions_of(const struct client *c) {
    return c->subscriber != NULL ? c->subscriber->count : 0;
}

uint64_t subscriptions_bytes(const struct client *c) {
    return c->subscriber != NULL ? c->subscriber->kept : 0;
}

/* ---- a way through all of them ---- */

static struct subscription *next_of_all(const struct subscription *s) {
    const struct list *all = &s->srv->subscriptions.all;
    return s->all.next != all ? LIST_ENTRY(s->all.next, struct subscription, all) : NULL;
}

void subscription_walk_begin(struct subscription_walk *w, struct server *srv) {
    struct subscriptions *subs = &srv->subscriptions;
    list_init(&w->node);
    list_append(&subs->walks, &w->node);
    w->end = subs->made;
    w->next = !list_empty(&subs->all) ? LIST_ENTRY(subs->all.next, struct subscription, all) : NULL;
}

const struct subscription *subscription_walk_next(struct subscription_walk *w) {
    struct subscription *s = w->next;
    if (s != NULL && s->number >= w->end) s = NULL;
    w->next = s != NULL ? next_of_all(s) : NULL;
    return s;
}

void subscription_walk_end(struct subscription_walk *w) {
    list_remove(&w->node);
}

static void leave_walks(struct subscription *s) {
    LIST_FOR_EACH (it, &s->srv->subscriptions.walks) {
        struct subscription_walk *w = LIST_ENTRY(it, struct subscription_walk, node);
        if (w->next == s) w->next = next_of_all(s);
    }
}

/* ---- making and ending ---- */

static void copy_streams(struct subscription *s, const struct subscription_stream *from, size_t n) {
    if (n == 0) return;
    s->streams = xcalloc(n, sizeof *s->streams);
    s->stream_count = n;
    for (size_t i = 0; i < n; i++) {
        s->streams[i] = from[i];
        s->streams[i].name = str_of(str_dup(from[i].name), from[i].name.len);
    }
}

static struct subscriber *subscriber_of(struct client *c) {
    if (c->subscriber == NULL) {
        c->subscriber = xcalloc(1, sizeof *c->subscriber);
        list_init(&c->subscriber->subscriptions);
        list_init(&c->subscriber->waiting);
    }
    return c->subscriber;
}

static void register_it(struct subscription *s) {
    struct subscriptions *subs = &s->srv->subscriptions;
    struct subscriber *of = subscriber_of(s->client);
    uuid_v4(&s->id);
    s->head_len = s->wire->head(s->head, s);
    assert(s->head_len <= sizeof s->head);
    hash_insert(&subs->by_id, &s->by_id, hash_bytes(&s->id, sizeof s->id));
    list_append(&subs->all, &s->all);
    list_append(&of->subscriptions, &s->of_client);
    of->count++;
    subs->count++;
    s->number = subs->made++;
    subs->states[s->state]++;
    if (s->wire->notice != NULL) list_append(&subs->due, &s->due);
}

/* Room for the sequences of a whole window: whoever has it can leave so many events unacknowledged.
 */
static size_t ring_bytes(const struct subscription_wish *w) {
    size_t cap = RING_LEAST;
    if (w->window == UINT64_MAX || w->wire->counts) return 0;
    while (cap < w->window) cap *= 2;
    return cap * sizeof(uint64_t);
}

/* All that is kept for it from now on, at the most; equal selectors, which share some of it, count
 * each for itself. */
static size_t bytes_for(const struct subscription_wish *w) {
    size_t bytes = sizeof(struct subscription) + w->name.len + ring_bytes(w) +
                   live_bytes_of(w->selector) + w->view_count * sizeof *w->views;
    if (w->has_since && w->then != NULL) bytes += w->then->size;
    for (size_t i = 0; i < w->stream_count; i++)
        bytes += sizeof *w->streams + w->streams[i].name.len;
    return bytes;
}

static void unuse_views(struct server *srv, struct named **views, size_t n) {
    for (size_t i = 0; i < n; i++) named_view_unuse(&srv->model, views[i]);
    free(views);
}

struct subscription *subscription_create_or_reply(struct client *c,
                                                  const struct subscription_wish *w) {
    struct server *srv = c->srv;
    size_t kept = bytes_for(w);
    if (!standing_allows_or_reply(c, kept)) {
        push_shape_unref(srv, w->shape);
        unuse_views(srv, w->views, w->view_count);
        return NULL;
    }
    struct subscription *s = xcalloc(1, sizeof *s);
    s->srv = srv;
    s->client = c;
    s->wire = w->wire;
    s->shape = w->shape;
    s->lean = w->lean;
    s->selector = w->selector != NULL ? selector_ref(w->selector) : NULL;
    s->has_since = w->has_since;
    s->then = w->has_since && w->then != NULL ? selector_ref(w->then) : NULL;
    s->views = w->views;
    s->view_count = w->view_count;
    s->target = live_hold(blocking_live(srv), s->selector);
    s->position = s->told = w->position;
    if (w->position > model_visible_end(&srv->model, NULL, c->view)) s->first = w->position;
    s->told_ms = srv->clock.now_ms;
    s->window = w->window;
    s->batch = w->batch;
    s->flushes = srv->subscriptions.flushes;
    s->name = w->name.len > 0 ? str_dup(w->name) : NULL;
    list_init(&s->queue);
    list_init(&s->due);
    list_init(&s->open);
    buf_init(&s->bodies, 0);
    register_it(s);
    if (w->checkpoint != NULL) subscription_take_checkpoint(s, w->checkpoint);
    s->kept = kept;
    c->subscriber->kept += kept;
    standing_count(c);
    copy_streams(s, w->streams, w->stream_count);
    /* Its reply, and what that says, may have to wait for the disk; what stands before it, too. */
    if (c->view == VIEW_NEWEST)
        heap_set(&srv->subscriptions.announce, &s->announce, srv->model.decided);
    else
        subscription_make_ready(s);
    return s;
}

void subscription_destroy(struct subscription *s) {
    struct subscriptions *subs = &s->srv->subscriptions;
    struct subscriber *of = s->client->subscriber;
    struct live *l = blocking_live(s->srv);
    subscription_give_up_reading(s);
    subscription_leave_checkpoint(s);
    live_unfollow(l, &s->follower);
    live_drop(l, s->target);
    heap_remove(&subs->announce, &s->announce);
    hash_remove(&subs->by_id, &s->by_id);
    leave_walks(s);
    list_remove(&s->all);
    list_remove(&s->of_client);
    if (s->waits_for != NULL) shared_event_leave(s);
    list_remove(&s->queue);
    list_remove(&s->due);
    list_remove(&s->open);
    subs->count--;
    subs->states[s->state]--;
    of->open -= s->bodies.len;
    subs->open_bytes -= s->bodies.len;
    push_shape_unref(s->srv, s->shape);
    selector_unref(s->selector);
    selector_unref(s->then);
    unuse_views(s->srv, s->views, s->view_count);
    for (size_t i = 0; i < s->stream_count; i++) free((char *)s->streams[i].name.ptr);
    free(s->streams);
    free(s->unacked);
    buf_clear(&s->bodies);
    free(s->name);
    of->kept -= s->kept;
    if (--of->count == 0) {
        subs->bytes -= of->counted;
        s->client->subscriber = NULL;
        free(of);
    }
    free(s);
}

void subscription_end(struct subscription *s, const char *reason) {
    struct client *c = s->client;
    subscription_close_batch(s);
    if (s->wire->end != NULL) {
        struct buf *out = client_push(c);
        size_t before = out->len;
        s->wire->end(out, s, reason);
        subscriber_wrote(c, out->len - before);
    } else {
        c->close_after_reply = true;
        client_wrote(c);
    }
    subscription_destroy(s);
}

void subscriptions_drop(struct client *c) {
    for (size_t n = subscriptions_of(c); n > 0; n--)
        subscription_destroy(
            LIST_ENTRY(c->subscriber->subscriptions.next, struct subscription, of_client));
}

struct subscription *subscription_find(const struct client *c, const struct uuid *id) {
    const struct hash_table *t = &c->srv->subscriptions.by_id;
    uint64_t hash = hash_bytes(id, sizeof *id);
    for (struct hash_node *n = hash_first(t, hash); n != NULL; n = hash_next(t, n)) {
        struct subscription *s = CONTAINER_OF(n, struct subscription, by_id);
        if (uuid_eq(&s->id, id)) return s->client == c ? s : NULL;
    }
    return NULL;
}

void subscription_found(struct subscription *s) {
    struct live *l = blocking_live(s->srv);
    struct live_target *before = s->target;
    assert(!live_follows(&s->follower));
    selector_unref(s->selector);
    s->selector = s->then;
    s->then = NULL;
    s->has_since = false;
    s->target = live_hold(l, s->selector);
    live_drop(l, before);
}

/* ---- acknowledging ---- */

static uint64_t acknowledged_by(const struct subscription *s, uint64_t cursor) {
    uint64_t acked = s->acked;
    if (s->wire->counts) return MAX(acked, cursor < s->sent ? cursor + 1 : s->sent);
    if (s->unacked == NULL) return acked;
    while (acked < s->sent && s->unacked[acked & (s->unacked_cap - 1)] <= cursor) acked++;
    return acked;
}

static void drop_ring(struct subscription *s) {
    free(s->unacked);
    s->unacked = NULL;
    s->unacked_cap = 0;
}

void subscription_acknowledge(struct subscription *s, uint64_t cursor) {
    s->acked = acknowledged_by(s, cursor);
    if (s->acked == s->sent && s->unacked_cap > RING_KEEP) drop_ring(s);
    if (s->state == SUBSCRIPTION_WAITING_FOR_CREDIT && s->sent - s->acked < s->window)
        subscription_make_ready(s);
}

/* ---- what happens to the store ---- */

/* Those whose reply is void were never there for the subscriber. */
static void drop_void(struct subscriptions *subs, uint64_t durable) {
    for (size_t i = 0; i < subs->announce.count;) {
        struct heap_node *n = subs->announce.nodes[i];
        if (n->key <= durable) {
            i++;
            continue;
        }
        subscription_destroy(CONTAINER_OF(n, struct subscription, announce));
        i = 0; /* the heap has moved */
    }
}

void subscriptions_voided(struct server *srv, bool was_told) {
    struct subscriptions *subs = &srv->subscriptions;
    uint64_t durable = store_durable(srv->store), end = srv->model.next_sequence;
    drop_void(subs, durable);
    if (was_told) { /* the store is on another timeline than the one that they were told */
        subs->flushes++;
        subs->flush_frame = 0;
        subs->rewound = true;
        return;
    }
    LIST_FOR_EACH (it, &subs->all) {
        struct subscription *s = LIST_ENTRY(it, struct subscription, all);
        bool elsewhere = s->flushes != subs->flushes; /* its positions are of before the FLUSHALL */
        if (!elsewhere) s->position = MAX(s->first, MIN(s->position, end));
        if (s->checkpoint != NULL) subscription_checkpoint_voided(s, durable);
    }
    if (subs->flush_frame == 0 || subs->flush_frame <= durable) return;
    subs->flush_frame = 0;
    subs->flushes--;
    while (!list_empty(&subs->halted))
        subscription_make_ready(LIST_ENTRY(subs->halted.next, struct subscription, queue));
}

/* Those of before the FLUSHALL, or the void, end, the oldest first. */
static void end_flushed(struct server *srv) {
    struct subscriptions *subs = &srv->subscriptions;
    const char *reason = subs->rewound ? "timeline" : "flushed";
    for (int n = 0; n < ENDED_A_TURN; n++) {
        struct subscription *s = LIST_ENTRY(subs->all.next, struct subscription, all);
        if (list_empty(&subs->all) || s->flushes == subs->flushes) {
            subs->flush_frame = 0;
            subs->rewound = false;
            return;
        }
        subscription_end(s, reason);
    }
}

/* ---- turns ---- */

static void announce(struct server *srv) {
    struct subscriptions *subs = &srv->subscriptions;
    uint64_t settled = model_settled(&srv->model);
    for (struct heap_node *n; (n = heap_first(&subs->announce)) != NULL && n->key <= settled;) {
        heap_remove(&subs->announce, n);
        subscription_make_ready(CONTAINER_OF(n, struct subscription, announce));
    }
}

static bool flush_is_settled(const struct server *srv) {
    uint64_t frame = srv->subscriptions.flush_frame;
    if (UNLIKELY(srv->subscriptions.rewound)) return true;
    return frame != 0 && frame <= model_settled(&srv->model);
}

void subscriptions_emptied(struct server *srv) {
    while (flush_is_settled(srv)) end_flushed(srv); /* of the last time */
    srv->subscriptions.flushes++;
    srv->subscriptions.flush_frame = srv->model.flushed.frame;
}

void subscriptions_run(struct server *srv) {
    struct subscriptions *subs = &srv->subscriptions;
    if (LIKELY(subs->count == 0 && subs->flush_frame == 0 && !subs->rewound)) return;
    const struct live *l = blocking_live(srv);
    size_t looked = l->watchers + l->followers > 0 ? l->work : 0;
    /* One event that is told to very many takes more than its portion: those who catch up go on. */
    subs->work = LIVE_LOOKS_A_TURN - MIN(looked, LIVE_LOOKS_A_TURN / 5 * 4);
    while (!list_empty(&subs->open))
        subscription_close_batch(LIST_ENTRY(subs->open.next, struct subscription, open));
    if (UNLIKELY(flush_is_settled(srv))) end_flushed(srv);
    announce(srv);
    subscriptions_wake(srv);
    struct list now; /* each once */
    list_init(&now);
    list_splice(&now, &subs->ready);
    while (!list_empty(&now) && subs->work > 0) {
        struct subscription *s = LIST_ENTRY(now.next, struct subscription, queue);
        list_remove(&s->queue);
        subscription_go_on(s);
    }
    list_splice(&now, &subs->ready); /* those whose turn did not come are the first */
    list_splice(&subs->ready, &now);
    subs->turn++;
}

bool subscriptions_pending(const struct server *srv) {
    return !list_empty(&srv->subscriptions.ready) || flush_is_settled(srv) ||
           shared_events_can_go_on(srv);
}

/* Nothing for it lies before its position: it hears so once a second, when that has moved. Of many
 * some hear of it each time: it must not cost more than events do. */
void subscriptions_cron(struct server *srv) {
    enum { EVERY_MS = 1000, TOLD_A_TIME = 100, LOOKED_AT = 2000 };
    struct subscriptions *subs = &srv->subscriptions;
    uint64_t now = srv->clock.now_ms;
    subscriptions_drop_pages(srv);
    subscriptions_make_room(srv);
    if (subscriptions_are_paused(srv)) return;
    int told = 0;
    for (int n = 0; n < LOOKED_AT && told < TOLD_A_TIME && !list_empty(&subs->due); n++) {
        struct subscription *s = LIST_ENTRY(subs->due.next, struct subscription, due);
        if (now < s->told_ms + EVERY_MS) return;
        s->told_ms = now;
        list_remove(&s->due);
        list_append(&subs->due, &s->due);
        bool waits = s->state == SUBSCRIPTION_WAITING_FOR_CREDIT ||
                     s->state == SUBSCRIPTION_WAITING_FOR_SOCKET;
        uint64_t position = subscription_position(s);
        if (s->flushes != subs->flushes || heap_contains(&s->announce)) continue;
        if (s->checkpoint != NULL) told += subscription_move_over(s, position);
        if (waits || position <= s->told) continue;
        if (client_unread(s->client) >= subscriber_allowance(s->client)) continue;
        subscription_notify(s, NOTICE_POSITION, position);
        told++;
    }
}
