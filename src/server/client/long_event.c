/* See long_event.h. */
#include "server/client/long_event.h"

#include "base/alloc.h"
#include "server/client/event_key.h"
#include "server/client/share.h"
#include "server/server.h"

struct long_event {
    struct hash_node node; /* server.long_events */
    struct server *srv;
    unsigned refs;
    struct event *event;  /* a reference, until it is written */
    size_t size;          /* of that */
    struct buf text;      /* once it is written */
    struct event_key key; /* whose name is a reference */
    reply_event_fn *put;
    int resp;
};

static struct long_event *find(const struct client *c, const struct event_key *key,
                               reply_event_fn *put) {
    const struct hash_table *t = &c->srv->long_events;
    uint64_t hash = hash_u64(key->sequence);
    for (struct hash_node *n = hash_first(t, hash); n != NULL; n = hash_next(t, n)) {
        struct long_event *x = CONTAINER_OF(n, struct long_event, node);
        if (x->put == put && x->resp == c->resp && event_key_eq(&x->key, key)) return x;
    }
    return NULL;
}

struct long_event *long_event_take(struct client *c, struct event *e, reply_event_fn *put,
                                   struct stream_name *name) {
    struct event_key key = event_key_of(e, name, c->srv->subscriptions.flushes);
    struct long_event *x = find(c, &key, put);
    if (x == NULL) {
        x = xcalloc(1, sizeof *x);
        x->srv = c->srv;
        x->event = event_ref(e);
        x->size = e->size;
        x->key = key;
        stream_name_ref(name);
        x->put = put;
        x->resp = c->resp;
        buf_init(&x->text, 0);
        hash_insert(&c->srv->long_events, &x->node, hash_u64(key.sequence));
        share_add_common(c->srv, x->size);
    }
    x->refs++;
    return x;
}

void long_event_drop(struct long_event *x) {
    struct server *srv = x->srv;
    if (--x->refs > 0) return;
    share_add_common(srv, -(uint64_t)(x->event != NULL ? x->size : x->text.len));
    if (x->event != NULL) model_release(&srv->model, x->event);
    hash_remove(&srv->long_events, &x->node);
    stream_name_unref(x->key.name);
    buf_clear(&x->text);
    free(x);
}

size_t long_event_size(const struct long_event *x) {
    return x->size;
}

bool long_event_is_new(const struct long_event *x) {
    return x->refs == 1;
}

/* What writes replies does so to c->out. */
static void write_it(struct long_event *x, struct client *c) {
    struct buf out = c->out;
    buf_init(&c->out, 0);
    x->put(c, x->event, x->key.name);
    x->text = c->out;
    c->out = out;
    buf_fit(&x->text);
    share_add_common(x->srv, (uint64_t)x->text.len - x->size);
    model_release(&x->srv->model, x->event);
    x->event = NULL;
}

bool long_event_put(struct long_event *x, struct client *c, size_t *at, size_t most) {
    if (x->event != NULL) write_it(x, c);
    size_t n = MIN(x->text.len - *at, most);
    buf_put(&c->out, x->text.data + *at, n);
    *at += n;
    return *at < x->text.len;
}
