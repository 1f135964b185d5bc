/* See subscription.h: sending events, and to whom they may be sent. */
#include "server/subscription/internal.h"

#include "base/alloc.h"
#include "server/client/long_reply.h"
#include "server/client/push.h"
#include "server/server.h"
#include "server/wait/blocking.h"

#define BYTES_OF_WORK 1024                /* that are written are like an event that is looked at */
#define SHARED_BYTES  ((size_t)256 << 10) /* larger events are shared by all who are sent them */

/* ---- whether it may be sent something ---- */

bool subscriptions_are_paused(const struct server *srv) {
    return srv->pause.until_ms != 0 && command_is_paused(srv, 0);
}

bool subscription_has_room(const struct subscription *s) {
    const struct client *c = s->client;
    if (UNLIKELY(c->long_reply != NULL) && long_push_is_on(c)) return false;
    size_t unread = client_unread(c) + c->subscriber->open;
    size_t little = MIN(SCARCE_BYTES, c->srv->config.subscription_bytes);
    return LIKELY(unread < little) || unread < subscriber_allowance(c); /* which is no less */
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

bool subscription_may_send(struct subscription *s) {
    if (subscriptions_are_paused(s->srv)) {
        wait_on(s, &s->srv->subscriptions.paused, SUBSCRIPTION_CATCHING_UP);
    } else if (s->sent - s->acked >= s->window) {
        list_remove(&s->queue);
        subscription_set_state(s, SUBSCRIPTION_WAITING_FOR_CREDIT);
    } else if (!subscription_has_room(s)) {
        wait_for_socket(s);
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
    if (UNLIKELY(unread > SCARCE_BYTES || c->long_reply != NULL)) subscriber_holds_much(c);
    if (list_empty(&of->waiting) || unread > subscriber_allowance(c) / 2) return;
    if (UNLIKELY(c->long_reply != NULL)) return;
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

/* Returns the event's cursor. */
static inline uint64_t note_sent(struct subscription *s, const struct event *e) {
    uint64_t cursor = s->wire->counts ? s->sent : e->rec.sequence;
    if (s->window != UINT64_MAX && !s->wire->counts) note_unacked(s, e->rec.sequence);
    s->sent++;
    s->told = s->sent_up_to = e->rec.sequence + 1;
    s->served = ++s->srv->subscriptions.delivered;
    return cursor;
}

/* A message of its own, which goes in portions. */
static void send_shared(struct subscription *s, const struct event *e, struct shared_bytes *body) {
    struct buf head;
    buf_init(&head, 0);
    uint64_t cursor = note_sent(s, e);
    subscription_close_batch(s);
    if (s->batch == 0)
        s->wire->event(&head, s, cursor, STR(""));
    else
        s->wire->events(&head, s, cursor, 1, STR(""));
    s->bytes += head.len + body->len;
    s->srv->subscriptions.delivered_bytes += head.len + body->len;
    long_push(s->client, buf_str(&head), body);
    buf_clear(&head);
    subscriber_holds_much(s->client);
}

/* Above the bound of all it is shared already when it is more than each may have. */
static bool is_to_be_shared(const struct subscription *s, size_t bytes) {
    return bytes > SHARED_BYTES || (bytes > SCARCE_BYTES && is_scarce(s->srv, bytes));
}

/* One that is written already for somebody, or is to be. false: as subscription_send. */
static bool send_large(struct subscription *s, const struct event *e, struct stream_name *name) {
    const struct client *c = s->client;
    struct shared_bytes *body = shared_event_find(s, e, name);
    if (c->long_reply != NULL || c->close_after_reply) {
        wait_for_socket(s);
        return false;
    }
    if (body == NULL) body = shared_event_write(s, e, name);
    if (body == NULL) {
        subscription_set_state(s, SUBSCRIPTION_WAITING_FOR_SOCKET);
        shared_event_wait(s, e, name);
        return false;
    }
    send_shared(s, e, body);
    return true;
}

bool subscription_send(struct subscription *s, const struct event *e, struct stream_name *name) {
    if (UNLIKELY(e->size > SCARCE_BYTES) && shared_event_find(s, e, name) != NULL)
        return send_large(s, e, name);
    struct str body = push_shape_event(s->srv, s->shape, e, name);
    if (UNLIKELY(body.len > SCARCE_BYTES) && is_to_be_shared(s, body.len))
        return send_large(s, e, name);
    uint64_t cursor = note_sent(s, e);
    if (s->batch == 0) {
        struct buf *out = client_push(s->client);
        size_t before = out->len;
        s->wire->event(out, s, cursor, body);
        wrote(s, out->len - before);
        return true;
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
    return true;
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
    if (!subscription_may_send(s) || !subscription_send(s, e, name)) return false;
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
