/* Writing an event once for all who want it alike. Small ones go from the shape's buffer to each
 * connection. A large one is shared: the connections have references, and send portions of it
 * (server/client/long_reply.h), so that however many do not read, it is there once. It is found
 * again as long as somebody has it before him. Who wants one for which there is no room waits at a
 * shared_event that is not written yet, with all others who want the same. */
#include "server/subscription/internal.h"

#include "base/alloc.h"
#include "server/client/event_key.h"
#include "server/client/reply_text.h"

#define SHAPE_KEEP ((size_t)64 << 10) /* of the buffer of a shape */

/* ---- shapes ---- */

struct push_shape *push_shape_get(struct server *srv, push_event_fn *put, const void *how,
                                  size_t size) {
    struct hash_table *t = &srv->subscriptions.shapes;
    uint64_t hash = hash_bytes(how, size);
    assert(size <= PUSH_HOW_MAX);
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

void push_shape_write(struct server *srv, struct push_shape *shape, const struct event *e,
                      const struct stream_name *name) {
    if (shape->event.cap > SHAPE_KEEP) buf_clear(&shape->event);
    buf_reset(&shape->event);
    shape->put(&shape->event, shape->how, e, name);
    shape->turn = srv->subscriptions.turn;
    shape->sequence = e->rec.sequence;
}

/* ---- what is shared ---- */

struct shared_event {
    struct hash_node node; /* subscriptions.shared */
    struct shared_bytes bytes;
    bool written;
    struct server *srv;
    struct list order;   /* subscriptions.for_room, while it is not written */
    struct list waiting; /* subscriptions, likewise */
    /* Which: references of the shape and the name. */
    struct push_shape *shape;
    struct event_key key;
};

static uint64_t hash_of(const struct push_shape *shape, uint64_t sequence) {
    return hash_u64(sequence ^ shape->node.hash);
}

static struct shared_event *find(const struct subscription *s, const struct event *e,
                                 const struct stream_name *name) {
    const struct subscriptions *subs = &s->srv->subscriptions;
    struct event_key key = event_key_of(e, name, subs->flushes);
    uint64_t hash = hash_of(s->shape, key.sequence);
    for (struct hash_node *n = hash_first(&subs->shared, hash); n != NULL;
         n = hash_next(&subs->shared, n)) {
        struct shared_event *x = CONTAINER_OF(n, struct shared_event, node);
        if (x->shape == s->shape && event_key_eq(&x->key, &key)) return x;
    }
    return NULL;
}

static void drop(struct shared_event *x) {
    struct subscriptions *subs = &x->srv->subscriptions;
    assert(list_empty(&x->waiting));
    if (subs->beyond == x) subs->beyond = NULL;
    hash_remove(&subs->shared, &x->node);
    list_remove(&x->order);
    push_shape_unref(x->srv, x->shape);
    stream_name_unref(x->key.name);
    free(x);
}

static struct shared_event *create(struct subscription *s, const struct event *e,
                                   struct stream_name *name) {
    struct shared_event *x = xcalloc(1, sizeof *x);
    x->srv = s->srv;
    x->shape = s->shape;
    x->shape->refs++;
    x->key = event_key_of(e, name, s->srv->subscriptions.flushes);
    stream_name_ref(name);
    list_init(&x->order);
    list_init(&x->waiting);
    hash_insert(&s->srv->subscriptions.shared, &x->node, hash_of(s->shape, x->key.sequence));
    return x;
}

static void count(struct server *srv, uint64_t more) {
    srv->subscriptions.shared_bytes += more;
    share_add_common(srv, more);
}

/* Everybody has sent it. */
static void unused(struct shared_bytes *b) {
    struct shared_event *x = CONTAINER_OF(b, struct shared_event, bytes);
    count(x->srv, -(uint64_t)b->len);
    free((char *)b->data);
    drop(x);
}

struct shared_bytes *shared_event_find(const struct subscription *s, const struct event *e,
                                       const struct stream_name *name) {
    struct shared_event *x = find(s, e, name);
    return x != NULL && x->written ? &x->bytes : NULL;
}

static void wake(struct shared_event *x) {
    list_remove(&x->order);
    while (!list_empty(&x->waiting)) {
        struct subscription *s = LIST_ENTRY(x->waiting.next, struct subscription, queue);
        s->waits_for = NULL;
        subscription_make_ready(s);
    }
}

struct shared_bytes *shared_event_write(struct subscription *s, const struct event *e,
                                        struct stream_name *name) {
    struct server *srv = s->srv;
    struct buf *out = &s->shape->event;
    size_t len = push_shape_event(srv, s->shape, e, name).len;
    if (!subscriptions_have_room(srv, len)) return NULL;
    struct shared_event *x = find(s, e, name);
    if (x == NULL) x = create(s, e, name);
    buf_fit(out);
    x->bytes = (struct shared_bytes){.data = out->data, .len = len, .unused = unused};
    x->written = true;
    buf_init(out, 0);
    s->shape->turn = UINT64_MAX;
    if (is_scarce(srv, len)) srv->subscriptions.beyond = x;
    count(srv, len);
    wake(x);
    return &x->bytes;
}

void shared_event_wait(struct subscription *s, const struct event *e, struct stream_name *name) {
    struct shared_event *x = find(s, e, name);
    if (x == NULL) x = create(s, e, name);
    assert(!x->written);
    x->bytes.len = push_shape_event(s->srv, s->shape, e, name).len;
    list_remove(&s->queue);
    list_append(&x->waiting, &s->queue);
    s->waits_for = x;
    if (!list_linked(&x->order)) list_append(&s->srv->subscriptions.for_room, &x->order);
}

void shared_event_leave(struct subscription *s) {
    struct shared_event *x = s->waits_for;
    s->waits_for = NULL;
    list_remove(&s->queue);
    if (list_empty(&x->waiting)) drop(x);
}

bool shared_events_can_go_on(const struct server *srv) {
    const struct list *waiting = &srv->subscriptions.for_room;
    if (LIKELY(list_empty(waiting))) return false;
    const struct shared_event *x = LIST_ENTRY(waiting->next, struct shared_event, order);
    return subscriptions_have_room(srv, x->bytes.len);
}

void shared_events_go_on(struct server *srv) {
    if (!shared_events_can_go_on(srv)) return;
    struct shared_event *x =
        LIST_ENTRY(srv->subscriptions.for_room.next, struct shared_event, order);
    wake(x);
    drop(x);
}
