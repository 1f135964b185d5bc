/* See the header. Order within an apply matters in three places only, which serial numbers
 * of records decide: what is pending with a consumer that is dropped, idempotent ids of a stream
 * that forgets them, and anything before a deletion. */
#include "store/changes.h"

#include "base/alloc.h"

#define CHUNK_BYTES 65536

struct change_chunk {
    struct change_chunk *next;
    size_t used;
    _Alignas(16) char bytes[CHUNK_BYTES];
};

static void *take(struct changes *c, size_t n) {
    n = (n + 15) & ~(size_t)15;
    assert(n <= CHUNK_BYTES);
    if (c->chunks == NULL || c->chunks->used + n > CHUNK_BYTES) {
        struct change_chunk *chunk = xmalloc(sizeof *chunk);
        chunk->next = c->chunks;
        chunk->used = 0;
        c->chunks = chunk;
    }
    void *p = c->chunks->bytes + c->chunks->used;
    c->chunks->used += n;
    return memset(p, 0, n);
}

static void list_put(struct change_list *l, void *item) {
    if (l->count == l->cap) {
        l->cap = l->cap * 2 + 64;
        l->items = xrealloc(l->items, l->cap * sizeof *l->items);
    }
    l->items[l->count++] = item;
}

/* Keeps one chunk, for the next apply; a large apply's memory is for the cache again. */
void changes_reset(struct changes *c) {
    struct change_chunk *kept = c->chunks;
    for (struct change_chunk *chunk = kept != NULL ? kept->next : NULL, *next; chunk != NULL;
         chunk = next) {
        next = chunk->next;
        free(chunk);
    }
    hash_clear(&c->stream_table);
    hash_clear(&c->group_table);
    hash_clear(&c->consumer_table);
    hash_clear(&c->pending_table);
    hash_clear(&c->named_table);
    free(c->streams.items);
    free(c->groups.items);
    free(c->consumers.items);
    free(c->pending.items);
    free(c->named.items);
    free(c->removed);
    free(c->erased);
    free(c->idempotent);
    *c = (struct changes){.chunks = kept};
    if (kept == NULL) return;
    kept->next = NULL;
    kept->used = 0;
}

void changes_free(struct changes *c) {
    changes_reset(c);
    free(c->chunks);
    c->chunks = NULL;
}

/* --- finding or making what a record is about -------------------------------- */

static uint64_t hash_number(uint64_t n) {
    return hash_bytes(&n, sizeof n);
}

struct stream_change *changes_find_stream(const struct changes *c, uint64_t number) {
    if (c->streams.count == 0) return NULL;
    struct hash_node *n = hash_first(&c->stream_table, hash_number(number));
    for (; n != NULL; n = hash_next(&c->stream_table, n)) {
        struct stream_change *s = CONTAINER_OF(n, struct stream_change, node);
        if (s->number == number) return s;
    }
    return NULL;
}

static struct stream_change *stream_of(struct changes *c, uint64_t number) {
    struct stream_change *s = changes_find_stream(c, number);
    if (s != NULL) return s;
    s = take(c, sizeof *s);
    s->number = number;
    hash_insert(&c->stream_table, &s->node, hash_number(number));
    list_put(&c->streams, s);
    return s;
}

static struct group_change *group_of(struct changes *c, uint64_t number) {
    uint64_t hash = hash_number(number);
    struct hash_node *n = hash_first(&c->group_table, hash);
    for (; n != NULL; n = hash_next(&c->group_table, n)) {
        struct group_change *g = CONTAINER_OF(n, struct group_change, node);
        if (g->number == number) return g;
    }
    struct group_change *g = take(c, sizeof *g);
    g->number = number;
    hash_insert(&c->group_table, &g->node, hash);
    list_put(&c->groups, g);
    return g;
}

static uint64_t consumer_hash(uint64_t group, uint32_t number) {
    uint64_t key[2] = {group, number};
    return hash_bytes(key, sizeof key);
}

static struct consumer_change *find_consumer(const struct changes *c, uint64_t group,
                                             uint32_t number) {
    struct hash_node *n = hash_first(&c->consumer_table, consumer_hash(group, number));
    for (; n != NULL; n = hash_next(&c->consumer_table, n)) {
        struct consumer_change *found = CONTAINER_OF(n, struct consumer_change, node);
        if (found->group->number == group && found->number == number) return found;
    }
    return NULL;
}

static struct consumer_change *consumer_of(struct changes *c, uint64_t group, uint32_t number) {
    struct consumer_change *found = find_consumer(c, group, number);
    if (found != NULL) return found;
    found = take(c, sizeof *found);
    found->group = group_of(c, group);
    found->number = number;
    hash_insert(&c->consumer_table, &found->node, consumer_hash(group, number));
    list_put(&c->consumers, found);
    return found;
}

static struct pending_change *pending_of(struct changes *c, struct group_change *group,
                                         struct entry_id id, bool *fresh) {
    uint64_t key[3] = {group->number, id.ms, id.seq};
    uint64_t hash = hash_bytes(key, sizeof key);
    struct hash_node *n = hash_first(&c->pending_table, hash);
    for (; n != NULL; n = hash_next(&c->pending_table, n)) {
        struct pending_change *p = CONTAINER_OF(n, struct pending_change, node);
        *fresh = false;
        if (p->group == group && entry_id_cmp(p->id, id) == 0) return p;
    }
    struct pending_change *p = take(c, sizeof *p);
    p->group = group;
    p->id = id;
    hash_insert(&c->pending_table, &p->node, hash);
    list_put(&c->pending, p);
    *fresh = true;
    return p;
}

/* --- records -------------------------------------------------------------------- */

static void add_state(struct changes *c, const struct stream_state_record *r) {
    struct stream_change *s = stream_of(c, r->stream);
    c->hides += r->first_version > 0 && (s->state == NULL || s->state->first_version == 0);
    s->state = r;
}

static void add_remove(struct changes *c, const struct remove_record *r, size_t len) {
    size_t n = (len - sizeof *r) / sizeof r->events[0];
    if (c->removed_count + n > c->removed_cap) {
        c->removed_cap = (c->removed_count + n) * 2;
        c->removed = xrealloc(c->removed, c->removed_cap * sizeof *c->removed);
    }
    for (size_t i = 0; i < n; i++)
        c->removed[c->removed_count++] =
            (struct removed_row){r->stream, r->events[i].version, r->events[i].sequence};
}

static void add_erase(struct changes *c, const struct erase_record *r) {
    if (c->erased_count == c->erased_cap) {
        c->erased_cap = c->erased_cap * 2 + 16;
        c->erased = xrealloc(c->erased, c->erased_cap * sizeof *c->erased);
    }
    c->erased[c->erased_count++] = r->sequence;
}

static void add_delete(struct changes *c, uint64_t number) {
    struct stream_change *s = stream_of(c, number);
    s->deleted = true;
    c->hides++;
}

static void add_rename(struct changes *c, const struct stream_record *r) {
    struct stream_change *s = stream_of(c, r->number);
    c->renames += !s->made && s->name == NULL;
    s->renamed = true;
    s->renamed_again = s->renamed_again || s->name != NULL;
    s->name = r;
}

static void add_consumer_drop(struct changes *c, const struct consumer_drop_record *r) {
    struct consumer_change *k = consumer_of(c, r->group, r->consumer);
    k->record = NULL;
    k->dropped = c->serial;
    k->had_pending = k->had_pending || !(r->flags & CONSUMER_HAS_NOTHING);
    c->consumer_drops++;
}

static void add_pending(struct changes *c, const struct pending_record *r, size_t len) {
    struct group_change *g = group_of(c, r->group);
    size_t n = (len - sizeof *r) / sizeof r->items[0];
    for (size_t i = 0; i < n; i++) {
        bool fresh = false;
        struct pending_change *p = pending_of(c, g, r->items[i].id, &fresh);
        if (fresh) p->has_row = (r->items[i].flags & PENDING_IS_NEW) == 0;
        p->item = &r->items[i];
        p->serial = c->serial;
    }
}

static void add_ack(struct changes *c, const struct ack_record *r, size_t len) {
    struct group_change *g = group_of(c, r->group);
    size_t n = (len - sizeof *r) / sizeof r->ids[0];
    for (size_t i = 0; i < n; i++) {
        bool fresh = false;
        struct pending_change *p = pending_of(c, g, r->ids[i], &fresh);
        if (fresh) p->has_row = true;
        p->item = NULL;
    }
}

static void add_idempotent(struct changes *c, const struct idempotent_record *r) {
    if (c->idempotent_count == c->idempotent_cap) {
        c->idempotent_cap = c->idempotent_cap * 2 + 64;
        c->idempotent = xrealloc(c->idempotent, c->idempotent_cap * sizeof *c->idempotent);
    }
    c->idempotent[c->idempotent_count++] = (struct idempotent_change){r, c->serial};
}

static void add_named(struct changes *c, const struct named_record *r, size_t len) {
    struct str name = named_record_name(r);
    uint64_t hash = hash_bytes(name.ptr, name.len) + r->class;
    struct named_change *found = NULL;
    for (struct hash_node *n = hash_first(&c->named_table, hash); n != NULL;
         n = hash_next(&c->named_table, n)) {
        struct named_change *k = CONTAINER_OF(n, struct named_change, node);
        if (k->record->class == r->class && str_eq(named_record_name(k->record), name)) found = k;
    }
    if (found == NULL) {
        found = take(c, sizeof *found);
        hash_insert(&c->named_table, &found->node, hash);
        list_put(&c->named, found);
    }
    found->record = r;
    found->len = len;
}

static bool add_to_group(struct changes *c, const struct record *r) {
    const struct consumer_record *consumer = r->body;
    switch (r->kind) {
    case RECORD_GROUP: {
        const struct group_record *g = r->body;
        group_of(c, g->number)->made = g;
        return true;
    }
    case RECORD_GROUP_POSITION: {
        const struct position_record *p = r->body;
        group_of(c, p->group)->position = p;
        return true;
    }
    case RECORD_GROUP_DROP:
        group_of(c, ((const struct number_record *)r->body)->number)->dropped = true;
        return true;
    case RECORD_CONSUMER:
        consumer_of(c, consumer->group, consumer->number)->record = consumer;
        return true;
    case RECORD_CONSUMER_DROP:
        add_consumer_drop(c, r->body);
        return true;
    case RECORD_PENDING:
        add_pending(c, r->body, r->len);
        return true;
    case RECORD_ACK:
        add_ack(c, r->body, r->len);
        return true;
    }
    return false;
}

bool changes_add(struct changes *c, const struct record *r) {
    c->serial++;
    switch (r->kind) {
    case RECORD_STREAM: {
        struct stream_change *s = stream_of(c, ((const struct stream_record *)r->body)->number);
        s->name = r->body;
        s->made = true;
        return true;
    }
    case RECORD_STREAM_STATE:
        add_state(c, r->body);
        return true;
    case RECORD_REMOVE:
        add_remove(c, r->body, r->len);
        return true;
    case RECORD_DELETE:
        add_delete(c, ((const struct number_record *)r->body)->number);
        return true;
    case RECORD_RENAME:
        add_rename(c, r->body);
        return true;
    case RECORD_VALUE: {
        const struct value_record *v = r->body;
        struct stream_change *s = stream_of(c, v->stream);
        s->value = v;
        s->value_len = r->len - sizeof *v;
        return true;
    }
    case RECORD_ERASE:
        add_erase(c, r->body);
        return true;
    case RECORD_IDEMPOTENT:
        add_idempotent(c, r->body);
        return true;
    case RECORD_IDEMPOTENT_CLEAR:
        stream_of(c, ((const struct number_record *)r->body)->number)->forgotten = c->serial;
        return true;
    case RECORD_NAMED:
        add_named(c, r->body, r->len);
        return true;
    default:
        return add_to_group(c, r);
    }
}

/* --- what is left ------------------------------------------------------------------ */

bool changes_hide(const struct changes *c, uint64_t stream, uint64_t version) {
    const struct stream_change *s = changes_find_stream(c, stream);
    if (s == NULL) return false;
    return s->deleted || (s->state != NULL && version < s->state->first_version);
}

bool changes_stream_deleted(const struct changes *c, uint64_t number) {
    const struct stream_change *s = changes_find_stream(c, number);
    return s != NULL && s->deleted;
}

void changes_settle(struct changes *c) {
    if (c->hides == 0) return;
    for (size_t i = 0; i < c->groups.count; i++) {
        struct group_change *g = c->groups.items[i];
        if (g->made != NULL && changes_stream_deleted(c, g->made->stream)) g->dropped = true;
    }
}

const struct pending_item *changes_pending(const struct changes *c,
                                           const struct pending_change *p) {
    if (p->item == NULL || p->group->dropped) return NULL;
    if (c->consumer_drops > 0) {
        const struct consumer_change *k = find_consumer(c, p->group->number, p->item->consumer);
        if (k != NULL && p->serial < k->dropped) return NULL;
    }
    return p->item;
}

/* --- idempotent ids --------------------------------------------------------------------------- */

static int id_cmp(const struct idempotent_record *x, const struct idempotent_record *y) {
    if (x->stream != y->stream) return x->stream < y->stream ? -1 : 1;
    int cmp = str_cmp(idempotent_producer(x), idempotent_producer(y));
    return cmp != 0 ? cmp : str_cmp(idempotent_id(x), idempotent_id(y));
}

static int idempotent_cmp(const void *a, const void *b) {
    const struct idempotent_change *x = a, *y = b;
    int cmp = id_cmp(x->record, y->record);
    return cmp != 0 ? cmp : x->serial < y->serial ? -1 : x->serial > y->serial;
}

void changes_settle_idempotent(struct changes *c) {
    struct idempotent_change *all = c->idempotent;
    size_t n = c->idempotent_count, left = 0;
    if (n > 1) qsort(all, n, sizeof *all, idempotent_cmp);
    for (size_t i = 0; i < n; i++) {
        const struct stream_change *s = changes_find_stream(c, all[i].record->stream);
        if (s != NULL && (s->deleted || all[i].serial < s->forgotten)) continue;
        if (left > 0 && id_cmp(all[left - 1].record, all[i].record) == 0) left--;
        all[left++] = all[i];
    }
    c->idempotent_count = left;
}
