/* The pending entries of a consumer group: nodes from a pool, an index by id over all and one for
 * each consumer, one by time over the owned entries, and the list of the unowned. */
#include "stream/group/pending.h"

#include "base/alloc.h"

/* A consumer that owns entries. Its number is the node's hash: numbers are the caller's, nobody
 * can aim them at one bucket, and so equal hashes are equal numbers. */
struct pending_consumer {
    struct hash_node node;
    struct pending_order order;
};

void pending_init(struct pending *p) {
    *p = (struct pending){
        .idle.by_time = true, .removed_first = UINT32_MAX, .removed_behind = UINT32_MAX};
}

size_t pending_bytes(const struct pending *p) {
    return p->pool.bytes + hash_bytes_used(&p->consumers);
}

/* ---- Consumers ---- */

static struct pending_consumer *consumer_find(const struct pending *p, uint32_t number) {
    struct hash_node *n = hash_first(&p->consumers, number);
    return n != NULL ? CONTAINER_OF(n, struct pending_consumer, node) : NULL;
}

static struct pending_consumer *consumer_create(struct pending *p, uint32_t number) {
    struct pending_consumer *c = xcalloc(1, sizeof *c);
    hash_insert(&p->consumers, &c->node, number);
    p->pool.bytes += sizeof *c;
    return c;
}

static void consumer_destroy(struct pending *p, struct pending_consumer *c) {
    pending_order_clear(&c->order, &p->pool);
    hash_remove(&p->consumers, &c->node);
    p->pool.bytes -= sizeof *c;
    free(c);
}

/* The index of a consumer or of all; NULL if the consumer has no entries. */
static const struct pending_order *consumer_order(const struct pending *p, uint32_t consumer) {
    assert(consumer != PENDING_UNOWNED); /* those have no index */
    if (consumer == PENDING_ALL) return &p->all;
    const struct pending_consumer *c = consumer_find(p, consumer);
    return c != NULL ? &c->order : NULL;
}

uint32_t pending_count_of(const struct pending *p, uint32_t consumer) {
    if (consumer == PENDING_UNOWNED) return p->unowned;
    const struct pending_order *o = consumer_order(p, consumer);
    return o != NULL ? o->count : 0;
}

/* ---- The unowned, and the order by time ---- */

static struct pending_entry *entry_at(const struct pending *p, uint32_t handle) {
    return handle != PENDING_NONE ? pending_pool_at(&p->pool, handle) : NULL;
}

static void nacked_append(struct pending *p, struct pending_entry *e) {
    struct pending_entry *last = entry_at(p, p->nacked.last);
    e->prev = p->nacked.last;
    e->next = PENDING_NONE;
    if (last != NULL)
        last->next = e->handle;
    else
        p->nacked.first = e->handle;
    p->nacked.last = e->handle;
    p->unowned++;
}

static void nacked_remove(struct pending *p, struct pending_entry *e) {
    struct pending_entry *before = entry_at(p, e->prev), *after = entry_at(p, e->next);
    if (before != NULL)
        before->next = e->next;
    else
        p->nacked.first = e->next;
    if (after != NULL)
        after->prev = e->prev;
    else
        p->nacked.last = e->prev;
    p->unowned--;
}

struct pending_entry *pending_oldest(const struct pending *p) {
    return pending_order_at(&p->idle, &p->pool, (struct pending_position){0, 0});
}

struct pending_entry *pending_next_idle(const struct pending *p, const struct pending_entry *e) {
    assert(e->consumer != PENDING_UNOWNED);
    struct pending_key key = {e->delivered_ms, e->id};
    struct pending_position place = pending_order_seek(&p->idle, &p->pool, key);
    pending_order_forward(&p->idle, &place);
    return pending_order_at(&p->idle, &p->pool, place);
}

struct pending_entry *pending_first_nacked(const struct pending *p) {
    return entry_at(p, p->nacked.first);
}

struct pending_entry *pending_next_nacked(const struct pending *p, const struct pending_entry *e) {
    assert(e->consumer == PENDING_UNOWNED);
    return entry_at(p, e->next);
}

/* ---- Changes ---- */

static void index_insert(struct pending *p, struct pending_entry *e) {
    struct pending_consumer *c = consumer_find(p, e->consumer);
    if (c == NULL) c = consumer_create(p, e->consumer);
    pending_order_insert(&c->order, &p->pool, e);
}

static void index_remove(struct pending *p, struct pending_entry *e) {
    struct pending_consumer *c = consumer_find(p, e->consumer);
    assert(c != NULL);
    pending_order_remove(&c->order, &p->pool, e);
    if (c->order.count == 0) consumer_destroy(p, c);
}

/* Into the index of owned or the list of unowned entries, as consumer and delivered_ms say. */
static void entry_link(struct pending *p, struct pending_entry *e) {
    if (e->consumer != PENDING_UNOWNED)
        pending_order_insert(&p->idle, &p->pool, e);
    else
        nacked_append(p, e);
}

static void entry_unlink(struct pending *p, struct pending_entry *e) {
    if (e->consumer != PENDING_UNOWNED)
        pending_order_remove(&p->idle, &p->pool, e);
    else
        nacked_remove(p, e);
}

static struct pending_key key_of_id(struct entry_id id) {
    return (struct pending_key){0, id};
}

struct pending_entry *pending_find(const struct pending *p, struct entry_id id) {
    struct pending_entry *e =
        pending_order_at(&p->all, &p->pool, pending_order_seek(&p->all, &p->pool, key_of_id(id)));
    return e != NULL && entry_id_cmp(e->id, id) == 0 ? e : NULL;
}

static bool is_first(const struct pending *p, const struct pending_entry *e) {
    return pending_order_at(&p->all, &p->pool, (struct pending_position){0, 0}) == e;
}

struct pending_entry *pending_add(struct pending *p, struct entry_id id, uint32_t version,
                                  uint32_t consumer, uint64_t delivered_ms, uint32_t deliveries) {
    assert(consumer != PENDING_ALL);
    struct pending_entry *e = pending_pool_alloc(&p->pool);
    e->id = id;
    e->delivered_ms = delivered_ms; /* an unowned one's is overwritten by its links */
    e->version = version;
    e->consumer = consumer;
    e->deliveries = deliveries;
    pending_order_insert(&p->all, &p->pool, e);
    if (consumer != PENDING_UNOWNED) index_insert(p, e);
    entry_link(p, e);
    if (entry_id_cmp(id, p->gone) < 0) p->gone = id;
    if (p->removed_first != UINT32_MAX &&
        is_first(p, e)) { /* those that came first may stand behind it */
        p->removed_behind = MIN(p->removed_behind, p->removed_first);
        p->removed_first = UINT32_MAX;
    }
    p->changes++;
    return e;
}

void pending_remove(struct pending *p, struct pending_entry *e) {
    assert(e->handle != PENDING_NONE); /* else it is removed already */
    if (e->version < p->removed_first || e->version < p->removed_behind) {
        uint32_t *lowest = is_first(p, e) ? &p->removed_first : &p->removed_behind;
        *lowest = MIN(*lowest, e->version);
    }
    if (e->consumer != PENDING_UNOWNED) index_remove(p, e);
    entry_unlink(p, e);
    pending_order_remove(&p->all, &p->pool, e);
    pending_pool_free(&p->pool, e);
    p->changes++;
}

void pending_assign(struct pending *p, struct pending_entry *e, uint32_t consumer) {
    assert(consumer != PENDING_ALL);
    bool relink = consumer == PENDING_UNOWNED || e->consumer == PENDING_UNOWNED;
    if (consumer == e->consumer && !relink) return;
    if (relink) entry_unlink(p, e);
    if (e->consumer != PENDING_UNOWNED) index_remove(p, e);
    e->consumer = consumer;
    if (consumer != PENDING_UNOWNED) index_insert(p, e);
    if (relink) {
        e->delivered_ms = 0;
        entry_link(p, e);
    }
    p->changes++;
}

void pending_deliver(struct pending *p, struct pending_entry *e, uint64_t delivered_ms) {
    assert(e->consumer != PENDING_UNOWNED);
    if (e->delivered_ms == delivered_ms) return;
    pending_order_remove(&p->idle, &p->pool, e);
    e->delivered_ms = delivered_ms;
    pending_order_insert(&p->idle, &p->pool, e);
}

static void consumer_destroy_each(struct hash_node *n, void *arg) {
    consumer_destroy(arg, CONTAINER_OF(n, struct pending_consumer, node));
}

void pending_clear(struct pending *p) {
    hash_each(&p->consumers, consumer_destroy_each, p);
    hash_clear(&p->consumers);
    pending_order_clear(&p->all, &p->pool);
    pending_order_clear(&p->idle, &p->pool);
    pending_pool_clear(&p->pool);
    assert(p->pool.bytes == 0);
    uint64_t changes = p->changes + 1; /* for cursors */
    pending_init(p);
    p->changes = changes;
}

/* ---- Cursors ---- */

struct pending_cursor pending_seek(const struct pending *p, uint32_t consumer,
                                   struct entry_id from) {
    assert(consumer != PENDING_UNOWNED);
    return (struct pending_cursor){.pending = p, .consumer = consumer, .id = from};
}

struct pending_cursor pending_seek_back(const struct pending *p, uint32_t consumer,
                                        struct entry_id from) {
    struct pending_cursor c = pending_seek(p, consumer, from);
    c.backward = true;
    return c;
}

/* The place of the entry to give next; it may be the end. False if there is none downward. */
static bool cursor_place(struct pending_cursor *c, const struct pending_order *o) {
    const struct pending_pool *pool = &c->pending->pool;
    if (c->settled && c->changes == c->pending->changes) {
        if (c->backward) return pending_order_backward(o, &c->place);
        return pending_order_forward(o, &c->place);
    }
    c->place = pending_order_seek(o, pool, key_of_id(c->id));
    const struct pending_entry *e = pending_order_at(o, pool, c->place);
    bool here = e != NULL && entry_id_cmp(e->id, c->id) == 0 && !c->given;
    if (here) return true;
    if (c->backward) return pending_order_backward(o, &c->place);
    if (e != NULL && entry_id_cmp(e->id, c->id) == 0) return pending_order_forward(o, &c->place);
    return e != NULL;
}

struct pending_entry *pending_next(struct pending_cursor *c) {
    const struct pending_order *o = consumer_order(c->pending, c->consumer);
    if (o == NULL || !cursor_place(c, o)) {
        c->settled = false; /* entries may appear beyond */
        return NULL;
    }
    struct pending_entry *e = pending_order_at(o, &c->pending->pool, c->place);
    c->id = e->id;
    c->changes = c->pending->changes;
    c->given = c->settled = true;
    return e;
}

struct pending_entry *pending_first(const struct pending *p, uint32_t consumer) {
    const struct pending_order *o = consumer_order(p, consumer);
    return o != NULL ? pending_order_at(o, &p->pool, (struct pending_position){0, 0}) : NULL;
}

struct pending_entry *pending_last(const struct pending *p, uint32_t consumer) {
    const struct pending_order *o = consumer_order(p, consumer);
    if (o == NULL) return NULL;
    struct pending_position last = pending_order_end(o);
    return pending_order_backward(o, &last) ? pending_order_at(o, &p->pool, last) : NULL;
}
