/* See subscription.h: sending events, and to whom they may be sent. */
#include "server/subscription/internal.h"

#include "base/alloc.h"
#include "server/client/push.h"
#include "server/client/share.h"
#include "server/server.h"
#include "server/wait/blocking.h"

#define SCARCE_BYTES  ((size_t)16 << 10) /* that a connection may leave unread all the same */
#define TURN_MS       5000 /* for somebody who was sent a large event above the bound to take it */
#define SHAPE_KEEP    ((size_t)64 << 10) /* of the buffer of a shape */
#define BYTES_OF_WORK 1024               /* that are written are like an event that is looked at */
#define SHAPE_HOW_MAX 64

/* ---- shapes: an event is written once for all who want it alike ---- */

struct push_shape {
    struct hash_node node; /* subscriptions.shapes */
    unsigned refs;
    push_event_fn *put;
    size_t size;
    char how[SHAPE_HOW_MAX];
    struct buf event; /* that was written last */
    uint64_t sequence, turn;
};

struct push_shape *push_shape_get(struct server *srv, push_event_fn *put, const void *how,
                                  size_t size) {
    struct hash_table *t = &srv->subscriptions.shapes;
    uint64_t hash = hash_bytes(how, size);
    assert(size <= SHAPE_HOW_MAX);
    for (struct hash_node *n = hash_first(t, hash); n != NULL; n = hash_next(t, n)) {
        struct push_shape *shape = CONTAINER_OF(n, struct push_shape, node);
        if (shape->put != put || shape->size != size || memcmp(shape->how, how, size) != 0)
            continue;
        shape->refs++;
        return shape;
    }
    struct push_shape *shape = xcalloc(1, sizeof *shape);
    shape->refs = 1;
    shape->put = put;
    shape->size = size;
    shape->turn = UINT64_MAX;
    memcpy(shape->how, how, size);
    buf_init(&shape->event, 0);
    hash_insert(t, &shape->node, hash);
    return shape;
}

void push_shape_unref(struct server *srv, struct push_shape *shape) {
    assert(shape->refs > 0);
    if (--shape->refs > 0) return;
    hash_remove(&srv->subscriptions.shapes, &shape->node);
    buf_clear(&shape->event);
    free(shape);
}

/* Within a turn of the loop no event and no name changes while events are sent. */
struct str push_shape_event(struct server *srv, struct push_shape *shape, const struct event *e,
                            const struct stream_name *name) {
    uint64_t turn = srv->subscriptions.turn;
    if (shape->turn != turn || shape->sequence != e->rec.sequence) {
        if (shape->event.cap > SHAPE_KEEP) buf_clear(&shape->event);
        buf_reset(&shape->event);
        shape->put(&shape->event, shape->how, e, name);
        shape->turn = turn;
        shape->sequence = e->rec.sequence;
    }
    return buf_str(&shape->event);
}

/* ---- whether it may be sent something ---- */

bool subscriptions_are_paused(const struct server *srv) {
    return command_is_paused(srv, 0);
}

/* Whether all connections together hold too much, with so many bytes more. */
static bool is_scarce(const struct server *srv, size_t bytes) {
    const struct subscriptions *subs = &srv->subscriptions;
    return subs->bytes + subs->open_bytes + bytes > srv->config.subscriptions_bytes_max ||
           share_is_over(srv);
}

/* Everybody may have little, whatever the others hold: nobody waits for somebody else to read. */
size_t subscriber_allowance(const struct client *c) {
    size_t most = c->srv->config.subscription_bytes;
    return is_scarce(c->srv, 0) ? MIN(most, SCARCE_BYTES) : most;
}

bool subscription_has_room(const struct subscription *s) {
    const struct client *c = s->client;
    return client_unread(c) + c->subscriber->open < subscriber_allowance(c);
}

/* Above the bound of all, large events are sent to one connection at a time: it has its turn until
 * it has taken that, or some seconds. */
bool subscriptions_turn_is_free(struct server *srv) {
    const struct subscriptions *subs = &srv->subscriptions;
    if (!is_scarce(srv, 0) || subs->turn_of == 0) return true;
    const struct client *c = server_client_by_id(srv, subs->turn_of);
    return c == NULL || client_unread(c) < SCARCE_BYTES ||
           srv->clock.now_ms - subs->turn_ms > TURN_MS;
}

static bool takes_turn(struct subscription *s) {
    struct subscriptions *subs = &s->srv->subscriptions;
    if (!subscriptions_turn_is_free(s->srv)) return false;
    subs->turn_of = s->client->id;
    subs->turn_ms = s->srv->clock.now_ms;
    return true;
}

static void wait_on(struct subscription *s, struct list *where, enum subscription_state state) {
    subscription_set_state(s, state);
    list_remove(&s->queue);
    list_append(where, &s->queue);
}

/* Behind those that were sent nothing for longer: they are woken together, and the first may fill
 * what room there is. */
static void wait_for_socket(struct subscription *s) {
    struct list *waiting = &s->client->subscriber->waiting, *before;
    subscription_set_state(s, SUBSCRIPTION_WAITING_FOR_SOCKET);
    list_remove(&s->queue);
    before = waiting->prev;
    while (before != waiting && LIST_ENTRY(before, struct subscription, queue)->served > s->served)
        before = before->prev;
    list_insert_between(&s->queue, before, before->next);
}

bool subscription_may_send(struct subscription *s, size_t bytes) {
    bool large = bytes > SCARCE_BYTES && is_scarce(s->srv, bytes);
    if (subscriptions_are_paused(s->srv)) {
        wait_on(s, &s->srv->subscriptions.paused, SUBSCRIPTION_CATCHING_UP);
    } else if (s->sent - s->acked >= s->window) {
        list_remove(&s->queue);
        subscription_set_state(s, SUBSCRIPTION_WAITING_FOR_CREDIT);
    } else if (!subscription_has_room(s)) {
        wait_for_socket(s);
    } else if (UNLIKELY(large) && !takes_turn(s)) {
        wait_on(s, &s->srv->subscriptions.for_turn, SUBSCRIPTION_WAITING_FOR_SOCKET);
    } else {
        return true;
    }
    return false;
}

/* What it may leave unread may be less by now than when it began to wait. */
void subscriptions_flushed(struct client *c) {
    struct subscriber *of = c->subscriber;
    uint64_t unread = client_unread(c);
    c->srv->subscriptions.bytes += unread - of->counted;
    of->counted = unread;
    if (list_empty(&of->waiting) || unread > subscriber_allowance(c) / 2) return;
    while (!list_empty(&of->waiting))
        subscription_make_ready(LIST_ENTRY(of->waiting.next, struct subscription, queue));
}

/* ---- sending ---- */

void subscriber_wrote(struct client *c, size_t bytes) {
    c->subscriber->counted += bytes;
    c->srv->subscriptions.bytes += bytes;
    client_wrote(c);
}

static void wrote(struct subscription *s, size_t bytes) {
    struct subscriptions *subs = &s->srv->subscriptions;
    size_t work = bytes / BYTES_OF_WORK;
    s->bytes += bytes;
    subs->delivered_bytes += bytes;
    subs->work -= MIN(subs->work, work);
    subscriber_wrote(s->client, bytes);
}

static const struct subscription_stream *find_stream(const struct subscription *s,
                                                     struct str name) {
    size_t low = 0, high = s->stream_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = str_cmp(s->streams[middle].name, name);
        if (order == 0) return &s->streams[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

bool subscription_wants(const struct subscription *s, const struct event *e,
                        const struct stream_name *name) {
    if (s->stream_count == 0) return true;
    const struct subscription_stream *of = find_stream(s, stream_name_str(name));
    return of != NULL && e->rec.version >= of->version && e->rec.sequence >= of->sequence;
}

/* Notes the sequence, to find out later how many events an acknowledgement means. */
static void note_unacked(struct subscription *s, uint64_t sequence) {
    if (s->sent - s->acked == s->unacked_cap) {
        size_t cap = MAX(s->unacked_cap * 2, (size_t)RING_LEAST);
        uint64_t *ring = xmalloc(cap * sizeof *ring);
        for (uint64_t i = s->acked; i < s->sent; i++)
            ring[i & (cap - 1)] = s->unacked[i & (s->unacked_cap - 1)];
        free(s->unacked);
        s->unacked = ring;
        s->unacked_cap = cap;
    }
    s->unacked[s->sent & (s->unacked_cap - 1)] = sequence;
}

void subscription_close_batch(struct subscription *s) {
    list_remove(&s->open);
    if (s->body_count == 0) return;
    struct buf *out = client_push(s->client);
    size_t before = out->len;
    s->wire->events(out, s, s->body_cursor, s->body_count, buf_str(&s->bodies));
    wrote(s, out->len - before);
    s->client->subscriber->open -= s->bodies.len;
    s->srv->subscriptions.open_bytes -= s->bodies.len;
    s->body_count = 0;
    buf_clear(&s->bodies);
}

void subscription_send(struct subscription *s, const struct event *e,
                       const struct stream_name *name) {
    struct str body = push_shape_event(s->srv, s->shape, e, name);
    uint64_t cursor = s->wire->counts ? s->sent : e->rec.sequence;
    if (s->window != UINT64_MAX && !s->wire->counts) note_unacked(s, e->rec.sequence);
    s->sent++;
    s->told = s->sent_up_to = e->rec.sequence + 1;
    s->served = ++s->srv->subscriptions.delivered;
    if (s->batch == 0) {
        struct buf *out = client_push(s->client);
        size_t before = out->len;
        s->wire->event(out, s, cursor, body);
        wrote(s, out->len - before);
        return;
    }
    buf_put_str(&s->bodies, body);
    s->client->subscriber->open += body.len;
    s->srv->subscriptions.open_bytes += body.len;
    s->body_count++;
    s->body_cursor = cursor;
    if (s->body_count >= s->batch)
        subscription_close_batch(s);
    else if (!list_linked(&s->open))
        list_append(&s->srv->subscriptions.open, &s->open);
}

void subscription_notify(struct subscription *s, enum subscription_notice notice,
                         uint64_t position) {
    if (s->wire->notice == NULL) return;
    struct buf *out = client_push(s->client);
    size_t before;
    subscription_close_batch(s);
    before = out->len;
    s->wire->notice(out, s, notice, position);
    s->told = position;
    wrote(s, out->len - before);
}

/* ---- live ---- */

bool subscription_tell(struct live_follower *f, struct event *e, struct stream_name *name) {
    struct subscription *s = CONTAINER_OF(f, struct subscription, follower);
    if (!subscription_wants(s, e, name)) return true;
    s->position = e->rec.sequence;
    if (!subscription_may_send(s, e->size)) return false;
    subscription_send(s, e, name);
    if (LIKELY(!s->has_since)) return true;
    s->position++; /* it changes its selector, and goes on with that */
    subscription_set_state(s, SUBSCRIPTION_CATCHING_UP);
    list_append(&s->srv->subscriptions.ready, &s->queue);
    return false;
}

void subscription_lost(struct live_follower *f, uint64_t position) {
    struct subscription *s = CONTAINER_OF(f, struct subscription, follower);
    s->position = MAX(position, s->first);
    subscription_make_ready(s);
}
