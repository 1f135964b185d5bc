/* Consumer groups and idempotent ids of the memory backend. */
#include "store/memory/internal.h"

#include "base/alloc.h"

/* --- groups ------------------------------------------------------------------------ */

static uint64_t hash_number(uint64_t n) {
    return hash_bytes(&n, sizeof n);
}

static uint64_t hash_id(struct entry_id id) {
    return hash_bytes(&id, sizeof id);
}

static struct memory_group *find_group(struct memory_store *m, uint64_t number) {
    struct hash_node *n = hash_first(&m->groups, hash_number(number));
    for (; n != NULL; n = hash_next(&m->groups, n)) {
        struct memory_group *g = CONTAINER_OF(n, struct memory_group, node);
        if (g->record->number == number) return g;
    }
    return NULL;
}

static void add_group(struct memory_store *m, const struct group_record *r) {
    struct memory_stream *s = memory_stream_at(m, r->stream);
    assert(s != NULL);
    struct memory_group *g = xcalloc(1, sizeof *g);
    g->stream = s;
    g->record = xmemdup(r, sizeof *r + r->name_len);
    hash_init(&g->pending);
    hash_insert(&m->groups, &g->node, hash_number(r->number));
    s->groups =
        memory_grow(s->groups, &s->group_cap, s->group_count + 1, sizeof(struct memory_group *));
    s->groups[s->group_count++] = g;
    m->state.next_group = MAX(m->state.next_group, r->number + 1);
}

static void free_pending(struct hash_node *n, void *arg) {
    hash_remove(arg, n);
    free(CONTAINER_OF(n, struct memory_pending, node));
}

void memory_drop_group(struct memory_store *m, struct memory_group *g) {
    struct memory_stream *s = g->stream;
    size_t left = 0;
    for (size_t i = 0; i < s->group_count; i++)
        if (s->groups[i] != g) s->groups[left++] = s->groups[i];
    s->group_count = left;
    hash_remove(&m->groups, &g->node);
    hash_each(&g->pending, free_pending, &g->pending);
    hash_clear(&g->pending);
    for (size_t i = 0; i < g->consumer_count; i++) free(g->consumers[i]);
    free(g->consumers);
    free(g->record);
    free(g);
}

/* The place of a consumer in its group, or of the first one with a higher number. */
static size_t consumer_at(const struct memory_group *g, uint32_t number) {
    size_t i = 0;
    while (i < g->consumer_count && g->consumers[i]->number < number) i++;
    return i;
}

static void set_consumer(struct memory_group *g, const struct consumer_record *r) {
    size_t at = consumer_at(g, r->number);
    if (at < g->consumer_count && g->consumers[at]->number == r->number) {
        free(g->consumers[at]);
    } else {
        g->consumers = memory_grow(g->consumers, &g->consumer_cap, g->consumer_count + 1,
                                   sizeof(struct consumer_record *));
        memmove(g->consumers + at + 1, g->consumers + at,
                (g->consumer_count - at) * sizeof(struct consumer_record *));
        g->consumer_count++;
    }
    g->consumers[at] = xmemdup(r, sizeof *r + r->name_len);
}

struct dropping {
    struct memory_group *group;
    uint32_t consumer;
};

static void drop_if_of_consumer(struct hash_node *n, void *arg) {
    const struct dropping *d = arg;
    if (CONTAINER_OF(n, struct memory_pending, node)->item.consumer == d->consumer)
        free_pending(n, &d->group->pending);
}

static void drop_consumer(struct memory_group *g, uint32_t number) {
    struct dropping d = {g, number};
    size_t at = consumer_at(g, number);
    hash_each(&g->pending, drop_if_of_consumer, &d);
    if (at == g->consumer_count || g->consumers[at]->number != number) return;
    free(g->consumers[at]);
    g->consumer_count--;
    memmove(g->consumers + at, g->consumers + at + 1,
            (g->consumer_count - at) * sizeof(struct consumer_record *));
}

static struct memory_pending *find_pending(const struct memory_group *g, struct entry_id id) {
    struct hash_node *n = hash_first(&g->pending, hash_id(id));
    for (; n != NULL; n = hash_next(&g->pending, n)) {
        struct memory_pending *p = CONTAINER_OF(n, struct memory_pending, node);
        if (entry_id_cmp(p->item.id, id) == 0) return p;
    }
    return NULL;
}

static void set_pending(struct memory_group *g, const struct pending_item *item) {
    struct memory_pending *p = find_pending(g, item->id);
    if (p == NULL) {
        p = xcalloc(1, sizeof *p);
        hash_insert(&g->pending, &p->node, hash_id(item->id));
    }
    p->item = *item;
    p->item.flags = 0;
}

static void ack(struct memory_group *g, struct entry_id id) {
    struct memory_pending *p = find_pending(g, id);
    if (p != NULL) free_pending(&p->node, &g->pending);
}

/* What is about a group that went with its stream is about nothing. */
void memory_apply_to_group(struct memory_store *m, const struct record *r) {
    if (r->kind == RECORD_GROUP) {
        add_group(m, r->body);
        return;
    }
    /* Every other body begins with the group's number. */
    struct memory_group *g = find_group(m, *(const uint64_t *)r->body);
    if (g == NULL) return;
    const struct position_record *position = r->body;
    const struct consumer_drop_record *drop = r->body;
    const struct pending_record *pending = r->body;
    const struct ack_record *acks = r->body;
    switch (r->kind) {
    case RECORD_GROUP_POSITION:
        g->record->last = position->last;
        g->record->entries_read = position->entries_read;
        break;
    case RECORD_GROUP_DROP:
        memory_drop_group(m, g);
        break;
    case RECORD_CONSUMER:
        set_consumer(g, r->body);
        break;
    case RECORD_CONSUMER_DROP:
        drop_consumer(g, drop->consumer);
        break;
    case RECORD_PENDING:
        for (size_t i = 0; i < (r->len - sizeof *pending) / sizeof pending->items[0]; i++)
            set_pending(g, &pending->items[i]);
        break;
    case RECORD_ACK:
        for (size_t i = 0; i < (r->len - sizeof *acks) / sizeof acks->ids[0]; i++)
            ack(g, acks->ids[i]);
        break;
    }
}

static void collect_pending(struct hash_node *n, void *arg) {
    struct group_image *image = arg;
    image->pending[image->pending_count++] = CONTAINER_OF(n, struct memory_pending, node)->item;
}

static int pending_cmp(const void *a, const void *b) {
    return entry_id_cmp(((const struct pending_item *)a)->id, ((const struct pending_item *)b)->id);
}

static void image_group(struct memory_group *g, struct group_image *image) {
    memset(image, 0, sizeof *image);
    image->record = xmemdup(g->record, sizeof *g->record + g->record->name_len);
    image->consumers = xcalloc(MAX(g->consumer_count, (size_t)1), sizeof(struct consumer_record *));
    for (size_t i = 0; i < g->consumer_count; i++)
        image->consumers[image->consumer_count++] =
            xmemdup(g->consumers[i], sizeof *g->consumers[i] + g->consumers[i]->name_len);
    image->pending = xcalloc(MAX(g->pending.count, (size_t)1), sizeof *image->pending);
    hash_each(&g->pending, collect_pending, image);
    qsort(image->pending, image->pending_count, sizeof *image->pending, pending_cmp);
}

void memory_image_groups(const struct memory_stream *s, struct stream_detail *d) {
    if (s->group_count == 0) return;
    d->groups = xcalloc(s->group_count, sizeof *d->groups);
    for (size_t i = 0; i < s->group_count; i++)
        image_group(s->groups[i], &d->groups[d->group_count++]);
}

/* --- idempotent ids ------------------------------------------------------------------- */

static struct str producer_of(const struct idempotent_record *r) {
    return str_of(r->bytes, r->producer_len);
}

static struct memory_producer *find_producer(const struct memory_stream *s, struct str name) {
    LIST_FOR_EACH (it, &s->producers) {
        struct memory_producer *p = LIST_ENTRY(it, struct memory_producer, node);
        if (str_eq(p->name, name)) return p;
    }
    return NULL;
}

static void forget(struct memory_producer *p, struct memory_idempotent *i) {
    list_remove(&i->node);
    free(i->record);
    free(i);
    p->count--;
}

static void prune(struct memory_store *m, struct memory_stream *s, struct memory_producer *p,
                  bool all) {
    uint64_t max = IDEMPOTENT_MAX, seconds = IDEMPOTENT_SECONDS;
    if (s->has_state && s->state.idempotent_max > 0) max = s->state.idempotent_max;
    if (s->has_state && s->state.idempotent_seconds > 0) seconds = s->state.idempotent_seconds;
    uint64_t oldest = idempotent_oldest(m->state.recorded, seconds);
    LIST_FOR_EACH_SAFE (it, &p->records) {
        struct memory_idempotent *i = LIST_ENTRY(it, struct memory_idempotent, node);
        if (all || i->record->added < oldest || p->count > max) forget(p, i);
    }
    if (p->count > 0) return;
    list_remove(&p->node);
    free((void *)p->name.ptr);
    free(p);
}

void memory_prune_idempotent(struct memory_store *m, struct memory_stream *s, bool all) {
    LIST_FOR_EACH_SAFE (it, &s->producers)
        prune(m, s, LIST_ENTRY(it, struct memory_producer, node), all);
}

void memory_add_idempotent(struct memory_store *m, const struct idempotent_record *r) {
    struct memory_stream *s = memory_stream_at(m, r->stream);
    assert(s != NULL);
    struct memory_producer *p = find_producer(s, producer_of(r));
    if (p == NULL) {
        p = xcalloc(1, sizeof *p);
        p->name = str_of(xmemdup(r->bytes, r->producer_len), r->producer_len);
        list_init(&p->records);
        list_append(&s->producers, &p->node);
    }
    struct str id = str_of(r->bytes + r->producer_len, r->id_len);
    LIST_FOR_EACH_SAFE (it, &p->records) {
        struct memory_idempotent *i = LIST_ENTRY(it, struct memory_idempotent, node);
        if (str_eq(str_of(i->record->bytes + p->name.len, i->record->id_len), id)) forget(p, i);
    }
    struct memory_idempotent *i = xcalloc(1, sizeof *i);
    i->record = xmemdup(r, sizeof *r + r->producer_len + r->id_len);
    list_append(&p->records, &i->node);
    p->count++;
    prune(m, s, p, false);
}

static int idempotent_cmp(const void *a, const void *b) {
    const struct idempotent_record *x = *(const struct idempotent_record *const *)a,
                                   *y = *(const struct idempotent_record *const *)b;
    return entry_id_cmp(x->id, y->id);
}

void memory_list_idempotent(const struct memory_stream *s, struct stream_detail *d) {
    size_t n = 0;
    LIST_FOR_EACH (it, &s->producers) n += LIST_ENTRY(it, struct memory_producer, node)->count;
    if (n == 0) return;
    d->idempotent = xcalloc(n, sizeof(struct idempotent_record *));
    LIST_FOR_EACH (it, &s->producers) {
        const struct memory_producer *p = LIST_ENTRY(it, struct memory_producer, node);
        LIST_FOR_EACH (at, &p->records) {
            const struct idempotent_record *r =
                LIST_ENTRY(at, struct memory_idempotent, node)->record;
            d->idempotent[d->idempotent_count++] =
                xmemdup(r, sizeof *r + r->producer_len + r->id_len);
        }
    }
    qsort(d->idempotent, n, sizeof(struct idempotent_record *), idempotent_cmp);
}
