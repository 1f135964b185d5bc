/* See pubsub.h: messages to those who listen. */
#include "server/pubsub/internal.h"

#include "base/alloc.h"
#include "proto/resp.h"
#include "server/client/push.h"
#include "server/client/share.h"
#include "server/server.h"

/* What a turn of the loop may do: so many messages, each for one connection, or as many KiB. To
 * send them is a system call for a connection, and costs more than ten messages do. So a turn sends
 * to no more than so many connections; the others are told in the next ones, together with what is
 * published for them until then. */
#define WORK_A_TURN        10000
#define BYTES_OF_WORK      1024
#define CONNECTIONS_A_TURN 1000
#define UNTOLD_MAX         ((size_t)16 << 20) /* bytes: above it nothing is published */

struct publication {
    struct list node; /* pubsub.queue */
    enum channel_kind kind;
    struct str channel, payload;
    struct channel **targets;
    size_t target_count, at;
    size_t work;     /* part of pubsub.noted_work */
    bool begun;      /* the target at `at` */
    uint64_t number; /* pubsub.numbers: who has begun to listen later does not get it */
};

/* ---- as it is written ---- */

static void put_message(struct buf *out, int resp, const struct channel *ch,
                        const struct publication *p) {
    bool pattern = ch->kind == CHANNEL_PATTERN;
    buf_reset(out);
    resp_put_push(out, resp, pattern ? 4 : 3);
    resp_put_bulk(out, pattern                    ? STR("pmessage")
                       : p->kind == CHANNEL_SHARD ? STR("smessage")
                                                  : STR("message"));
    if (pattern) resp_put_bulk(out, ch->name);
    resp_put_bulk(out, p->channel);
    resp_put_bulk(out, p->payload);
}

static void forget_written(struct pubsub *ps) {
    for (size_t i = 0; i < ARRAY_LEN(ps->message); i++) {
        if (ps->message[i].cap > 65536) buf_clear(&ps->message[i]);
        buf_reset(&ps->message[i]);
    }
}

static struct str written(struct pubsub *ps, int resp, const struct channel *ch,
                          const struct publication *p) {
    struct buf *b = &ps->message[resp == 3];
    if (b->len == 0) put_message(b, resp, ch, p);
    return buf_str(b);
}

/* ---- sending ---- */

/* Who is flushed in this turn anyway gets it then. */
static void note_untold(struct pubsub *ps, struct client *c, size_t bytes) {
    if (list_linked(&c->flush)) return;
    if (!list_linked(&c->untold)) list_append(&ps->untold, &c->untold);
    c->untold_bytes += bytes;
    ps->untold_bytes += bytes;
}

void pubsub_told(struct client *c) {
    if (LIKELY(!list_linked(&c->untold))) return;
    list_remove(&c->untold);
    c->srv->pubsub.untold_bytes -= c->untold_bytes;
    c->untold_bytes = 0;
}

void pubsub_tell_now(struct client *c) {
    if (LIKELY(!list_linked(&c->untold))) return;
    pubsub_told(c);
    client_wrote(c);
}

void pubsub_tell(struct server *srv) {
    struct pubsub *ps = &srv->pubsub;
    for (; ps->connections > 0 && !list_empty(&ps->untold); ps->connections--)
        pubsub_tell_now(LIST_ENTRY(ps->untold.next, struct client, untold));
}

static void send_to(struct pubsub *ps, const struct ear *e, const struct publication *p) {
    struct client *c = e->listening->client;
    if (UNLIKELY(c == NULL)) return; /* it is gone */
    struct str message = written(ps, c->resp, e->channel, p);
    publish_worked(ps, 1 + message.len / BYTES_OF_WORK);
    ps->delivered++;
    buf_put_str(client_message(c), message);
    note_untold(ps, c, message.len);
}

/* false: that was enough for this turn; *next is who gets it next. */
static bool go_on(struct pubsub *ps, struct publication *p, struct ear **next) {
    forget_written(ps); /* it may be of another publication by now */
    for (; p->at < p->target_count; p->at++, p->begun = false) {
        if (!p->begun) {
            forget_written(ps);
            *next = channel_first(p->targets[p->at]);
            p->begun = true;
        }
        while (*next != NULL && (*next)->number <= p->number) {
            if (ps->work == 0) return false;
            send_to(ps, *next, p);
            *next = ear_next(*next);
        }
    }
    *next = NULL;
    return true;
}

void publish_skips(struct pubsub *ps, struct ear *e) {
    if (ps->next == e) ps->next = ear_next(e);
}

void publish_find(struct pubsub *ps, enum channel_kind kind, struct str channel) {
    struct channel *ch = channel_find(ps, kind, channel);
    ps->found.count = 0;
    if (ch != NULL && ch->count > 0) channels_add(&ps->found, ch);
    if (kind == CHANNEL_PLAIN)
        publish_worked(ps, patterns_find(&ps->patterns, channel, 0, &ps->found));
}

static size_t count_receivers(const struct channels *found) {
    size_t n = 0;
    for (size_t i = 0; i < found->count; i++) n += found->list[i]->count;
    return n;
}

/* ---- those that are not finished ---- */

struct publication *publication_create(enum channel_kind kind, struct str channel,
                                       struct str payload) {
    struct publication *p = xcalloc(1, sizeof *p + channel.len + payload.len + 1);
    char *bytes = (char *)(p + 1);
    p->kind = kind;
    if (channel.len > 0) memcpy(bytes, channel.ptr, channel.len);
    if (payload.len > 0) memcpy(bytes + channel.len, payload.ptr, payload.len);
    p->channel = str_of(bytes, channel.len);
    p->payload = str_of(bytes + channel.len, payload.len);
    return p;
}

size_t pubsub_work(const struct server *srv, enum channel_kind kind, struct str channel) {
    return kind == CHANNEL_PLAIN ? patterns_work(&srv->pubsub.patterns, channel) : 0;
}

void publication_noted(struct server *srv, struct publication *p, size_t work) {
    p->work = work;
    srv->pubsub.noted_work += work;
}

void publication_unnoted(struct server *srv, struct publication *p) {
    srv->pubsub.noted_work -= p->work;
    p->work = 0;
}

void publication_destroy(struct publication *p) {
    assert(p->targets == NULL);
    free(p);
}

size_t publication_bytes(const struct publication *p) {
    return sizeof *p + p->channel.len + p->payload.len;
}

static void count_in_queue(struct server *srv, uint64_t more) {
    srv->pubsub.queue_bytes += more;
    share_add_common(srv, more);
}

static uint64_t bytes_in_queue(const struct publication *p) {
    return publication_bytes(p) + p->target_count * sizeof *p->targets;
}

/* Its targets stay there until it is finished. */
static void put_in_queue(struct server *srv, struct publication *p,
                         struct channel *const *targets) {
    p->targets = xmalloc(p->target_count * sizeof *p->targets);
    memcpy(p->targets, targets, p->target_count * sizeof *p->targets);
    for (size_t i = 0; i < p->target_count; i++) p->targets[i]->refs++;
    list_append(&srv->pubsub.queue, &p->node);
    count_in_queue(srv, bytes_in_queue(p));
}

static void finish(struct server *srv, struct publication *p) {
    struct pubsub *ps = &srv->pubsub;
    list_remove(&p->node);
    count_in_queue(srv, -bytes_in_queue(p));
    for (size_t i = 0; i < p->target_count; i++) channel_unref(ps, p->targets[i]);
    free(p->targets);
    p->targets = NULL;
    publication_destroy(p);
}

void publish_clear(struct server *srv) {
    struct pubsub *ps = &srv->pubsub;
    while (!list_empty(&ps->queue))
        finish(srv, LIST_ENTRY(ps->queue.next, struct publication, node));
    ps->next = NULL;
}

bool publish_is_behind(const struct pubsub *ps) {
    return ps->untold_bytes > UNTOLD_MAX;
}

void publish_run(struct server *srv) {
    struct pubsub *ps = &srv->pubsub;
    ps->work = publish_is_behind(ps) ? 0 : WORK_A_TURN;
    ps->connections = CONNECTIONS_A_TURN;
    while (UNLIKELY(!list_empty(&ps->queue))) {
        struct publication *p = LIST_ENTRY(ps->queue.next, struct publication, node);
        if (!go_on(ps, p, &ps->next)) return;
        finish(srv, p);
    }
}

/* ---- publishing ---- */

bool pubsub_has_turn(const struct server *srv) {
    const struct pubsub *ps = &srv->pubsub;
    bool others_wait = ps->events.waits || ps->notifications.waits;
    return ps->work > 0 && list_empty(&ps->queue) && !others_wait;
}

void publish_worked(struct pubsub *ps, size_t work) {
    ps->work -= MIN(ps->work, work);
}

/* Begins it, for all of ps->found, as far as the turn goes; false: it has to be put in the queue.
 */
static bool begin(struct pubsub *ps, struct publication *p) {
    p->targets = ps->found.list;
    p->target_count = ps->found.count;
    p->number = ps->numbers;
    ps->published++;
    return p->target_count == 0 || (list_empty(&ps->queue) && go_on(ps, p, &ps->next));
}

void publish_to_found(struct server *srv, enum channel_kind kind, struct str channel,
                      struct str payload) {
    struct publication at_once = {.kind = kind, .channel = channel, .payload = payload};
    if (LIKELY(begin(&srv->pubsub, &at_once))) return;
    struct publication *p = publication_create(kind, channel, payload);
    p->target_count = at_once.target_count;
    p->at = at_once.at;
    p->begun = at_once.begun;
    p->number = at_once.number;
    put_in_queue(srv, p, at_once.targets);
}

size_t pubsub_publish(struct server *srv, enum channel_kind kind, struct str channel,
                      struct str payload) {
    struct pubsub *ps = &srv->pubsub;
    publish_find(ps, kind, channel);
    publish_to_found(srv, kind, channel, payload);
    return count_receivers(&ps->found);
}

size_t publication_leaves(struct server *srv, struct publication *p) {
    struct pubsub *ps = &srv->pubsub;
    publish_find(ps, p->kind, p->channel);
    bool done = begin(ps, p);
    size_t receivers = count_receivers(&ps->found);
    struct channel **targets = p->targets;
    p->targets = NULL;
    if (done)
        publication_destroy(p);
    else
        put_in_queue(srv, p, targets);
    return receivers;
}
