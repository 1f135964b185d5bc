/* See long_reply.h. */
#include "server/client/long_reply.h"

#include "base/alloc.h"
#include "server/client/long_event.h"
#include "server/client/push.h"
#include "server/client/share.h"
#include "server/server.h"

#define PORTION_BYTES ((size_t)256 << 10) /* of one connection, in one go */
#define TURN_BYTES    ((size_t)2 << 20)   /* of all of them, in one turn: some milliseconds */
#define SCARCE_BYTES  ((size_t)16 << 10)  /* of a large event, while all hold too much */

struct long_reply {
    struct list node; /* server.long_replies; not while its client does not read */
    bool is_push;
    struct client *client;
    reply_event_fn *put;
    size_t at, count;
    size_t bytes;           /* of those from `at` on, with their places here */
    struct reply_text text; /* behind the events, or in place of them */
    /* Where the stream was called otherwise than when the event was made: a reference; else NULL.
     * NULL: none was. */
    struct stream_name **names;
    /* Of the large ones among the events, a reference each. NULL: there is none. */
    struct long_event **large;
    size_t large_at;        /* what has been written of the first, when that is one */
    size_t large_bytes;     /* of those from `at` on, which are not in `bytes` */
    size_t new_bytes;       /* of those that no other reply had when this one began */
    struct event *events[]; /* those from `at` on: a reference each; NULL: see `large` */
};

/* One whose client does not read waits: its output is bounded. A push comes behind the replies that
 * were there when it began. */
static size_t room_for_more(const struct long_reply *l) {
    const struct client *c = l->client;
    bool large = l->at < l->count && l->events[l->at] == NULL;
    size_t most = l->is_push                       ? subscriptions_push_bytes(c->srv)
                  : large && share_is_over(c->srv) ? SCARCE_BYTES
                                                   : LONG_REPLY_BYTES;
    if (l->is_push && c->gate_count > 0) return 0;
    return most - MIN(most, client_out_pending(c));
}

static struct stream_name *name_of(const struct long_reply *l, size_t i) {
    bool other = l->names != NULL && l->names[i] != NULL;
    return other ? l->names[i] : l->events[i]->name;
}

/* The first of what is left is not needed any more. */
static void pass_one(struct long_reply *l) {
    size_t i = l->at++;
    l->bytes -= sizeof *l->events;
    if (l->names != NULL) {
        l->bytes -= sizeof *l->names;
        if (l->names[i] != NULL) stream_name_unref(l->names[i]);
    }
    if (l->large != NULL) l->bytes -= sizeof *l->large;
    if (l->events[i] == NULL) {
        l->large_at = 0;
        l->large_bytes -= long_event_size(l->large[i]);
        long_event_drop(l->large[i]);
    } else {
        l->bytes -= l->events[i]->size;
        model_release(&l->client->srv->model, l->events[i]);
    }
}

/* The first of what is left, or a part of it. false: there is more of it. */
static bool put_one(struct long_reply *l, size_t most) {
    struct client *c = l->client;
    if (l->events[l->at] == NULL) {
        if (long_event_put(l->large[l->at], c, &l->large_at, most)) return false;
    } else {
        event_fetch_ahead(l->events, l->count, l->at);
        l->put(c, l->events[l->at], name_of(l, l->at));
    }
    pass_one(l);
    return true;
}

static bool make_push_portion(struct long_reply *l) {
    struct client *c = l->client;
    uint64_t end = client_out_offset(c) + MIN(room_for_more(l), PORTION_BYTES);
    while (client_out_offset(c) < end)
        if (!reply_text_take(&l->text, c, end - client_out_offset(c))) break;
    return !list_empty(&l->text.pieces);
}

/* false: that was the last of it. */
static bool make_portion(struct long_reply *l) {
    struct client *c = l->client;
    uint64_t end = client_out_offset(c) + PORTION_BYTES;
    if (l->is_push) return make_push_portion(l);
    if (l->at == l->count) {
        reply_text_take(&l->text, c, PORTION_BYTES);
        l->bytes = l->text.bytes;
        return !list_empty(&l->text.pieces);
    }
    while (l->at < l->count && client_out_offset(c) < end)
        if (!put_one(l, MIN(room_for_more(l), end - client_out_offset(c)))) break;
    return l->at < l->count || !list_empty(&l->text.pieces);
}

bool long_reply_suits(const struct client *c, size_t bytes) {
    size_t least = UNLIKELY(share_is_over(c->srv)) ? LONG_EVENT_LEAST : LONG_REPLY_BYTES;
    return bytes > least && c->srv->exec.client != c && !c->is_monitor && c->reply_mode == REPLY_ON;
}

static struct long_reply *create(struct client *c, size_t n) {
    assert(c->long_reply == NULL);
    struct long_reply *l = xmalloc(sizeof *l + n * sizeof *l->events);
    *l = (struct long_reply){.client = c, .count = n};
    reply_text_init(&l->text);
    list_init(&l->node);
    list_append(&c->srv->long_replies, &l->node);
    c->long_reply = l;
    c->held |= HELD_LONG_REPLY;
    return l;
}

static void note_name(struct long_reply *l, size_t i, uint64_t view) {
    const struct event *e = l->events[i];
    struct stream_name *name = model_name_at(&l->client->srv->model, e, view);
    if (LIKELY(name == e->name)) return;
    if (l->names == NULL) {
        l->names = xcalloc(l->count, sizeof *l->names);
        l->bytes += l->count * sizeof *l->names;
    }
    l->names[i] = stream_name_ref(name);
}

static void take_large(struct long_reply *l, size_t i, struct event *e, uint64_t view) {
    struct client *c = l->client;
    struct stream_name *name = view != 0 ? model_name_at(&c->srv->model, e, view) : e->name;
    if (l->large == NULL) {
        l->large = xcalloc(l->count, sizeof *l->large);
        l->bytes += l->count * sizeof *l->large;
    }
    l->events[i] = NULL;
    l->large[i] = long_event_take(c, e, l->put, name);
    l->large_bytes += e->size;
    if (long_event_is_new(l->large[i])) l->new_bytes += e->size;
}

void long_reply(struct client *c, struct event *const *events, size_t n, reply_event_fn *put,
                uint64_t view) {
    struct long_reply *l = create(c, n);
    l->put = put;
    for (size_t i = 0; i < n; i++) {
        event_fetch_ahead(events, n, i);
        l->bytes += sizeof *l->events;
        if (UNLIKELY(events[i]->size > LONG_EVENT_LEAST)) {
            take_large(l, i, events[i], view);
            continue;
        }
        l->events[i] = event_ref(events[i]);
        l->bytes += events[i]->size;
        if (view != 0) note_name(l, i, view);
    }
}

static void take_text(struct long_reply *l, struct reply_text *t) {
    list_splice(&l->text.pieces, &t->pieces);
    l->text.bytes = t->bytes;
    l->bytes += t->bytes;
    t->bytes = 0;
}

void long_reply_before(struct client *c, struct event *const *events, size_t n, reply_event_fn *put,
                       uint64_t view, struct reply_text *behind) {
    long_reply(c, events, n, put, view);
    take_text(c->long_reply, behind);
}

void reply_text_send(struct client *c, struct reply_text *t) {
    bool suits = long_reply_suits(c, t->bytes), more = reply_text_take(t, c, PORTION_BYTES);
    while (more && !suits) more = reply_text_take(t, c, PORTION_BYTES);
    if (more) take_text(create(c, 0), t);
}

void long_push(struct client *c, struct str head, struct shared_bytes *rest) {
    client_merge_pushes(c); /* they came before it */
    struct long_reply *l = create(c, 0);
    l->is_push = true;
    reply_text_raw(&l->text, head.ptr, head.len);
    reply_text_shared(&l->text, rest);
}

bool long_push_is_on(const struct client *c) {
    return c->long_reply != NULL && c->long_reply->is_push;
}

void long_reply_void(struct client *c) {
    if (!long_push_is_on(c)) long_reply_drop(c);
}

void long_reply_drop(struct client *c) {
    struct long_reply *l = c->long_reply;
    if (l == NULL) return;
    c->long_reply = NULL;
    c->held &= ~(unsigned)HELD_LONG_REPLY;
    while (l->at < l->count) pass_one(l);
    reply_text_clear(&l->text);
    free(l->names);
    free(l->large);
    list_remove(&l->node);
    free(l);
}

size_t long_reply_bytes(const struct client *c) {
    return c->long_reply != NULL ? c->long_reply->bytes : 0;
}

void long_reply_flushed(struct client *c) {
    struct long_reply *l = c->long_reply;
    if (!list_linked(&l->node) && room_for_more(l) > 0)
        list_append(&c->srv->long_replies, &l->node);
}

size_t long_reply_shared(const struct client *c) {
    return c->long_reply != NULL ? c->long_reply->large_bytes : 0;
}

size_t long_reply_new(const struct client *c) {
    return c->long_reply != NULL ? c->long_reply->new_bytes : 0;
}

void long_replies_run(struct server *srv) {
    size_t left = TURN_BYTES;
    struct list seen;
    list_init(&seen);
    while (left > 0 && !list_empty(&srv->long_replies)) {
        struct long_reply *l = LIST_ENTRY(srv->long_replies.next, struct long_reply, node);
        struct client *c = l->client;
        list_remove(&l->node);
        if (room_for_more(l) == 0) continue; /* long_reply_flushed */
        list_append(&seen, &l->node);
        left -= MIN(left, PORTION_BYTES);
        bool more = make_portion(l);
        client_wrote(c);
        if (more) continue;
        long_reply_drop(c);
        if (c->park == PARK_NONE) client_resume(c); /* beside a push a command may wait */
    }
    list_splice(&srv->long_replies, &seen); /* behind those whose turn is next */
}
