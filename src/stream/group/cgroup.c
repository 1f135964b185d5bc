/* Groups and consumers in memory: found by name, made, put into their order, freed. Changes that
 * are decided are in cgroup_change.c and cgroup_pending.c, those that are loaded in cgroup_load.c.
 */
#include "stream/group/internal.h"

#include "base/alloc.h"

static uint64_t name_hash(struct str name) {
    return hash_bytes(name.ptr, name.len);
}

/* ---- groups of a stream ---- */

struct cgroup *cgroup_find(const struct stream *s, struct str name) {
    if (s->state != STREAM_LIVE || s->extra == NULL) return NULL;
    const struct hash_table *t = &s->extra->groups_by_name;
    if (t->count == 0) return NULL;
    for (struct hash_node *n = hash_first(t, name_hash(name)); n != NULL; n = hash_next(t, n)) {
        struct cgroup *g = CONTAINER_OF(n, struct cgroup, by_name);
        if (str_eq(g->name, name)) return g;
    }
    return NULL;
}

void cgroup_insert(struct stream_extra *x, struct cgroup *g) {
    if (x->group_count == x->group_cap) {
        x->group_cap = x->group_cap == 0 ? 4 : x->group_cap * 2;
        x->groups = xrealloc(x->groups, x->group_cap * sizeof(struct cgroup *));
    }
    uint32_t n = x->group_count++;
    x->groups_sorted = n == 0 || (x->groups_sorted && str_cmp(x->groups[n - 1]->name, g->name) < 0);
    x->groups[n] = g;
    g->at = n;
    hash_insert(&x->groups_by_name, &g->by_name, name_hash(g->name));
}

void cgroup_take(struct stream_extra *x, struct cgroup *g) {
    assert(x->groups[g->at] == g);
    struct cgroup *last = x->groups[--x->group_count];
    if (last != g) x->groups_sorted = false;
    x->groups[g->at] = last;
    last->at = g->at;
    hash_remove(&x->groups_by_name, &g->by_name);
    x->groups_bytes -= g->bytes;
    g->bytes = 0;
}

static int group_cmp(const void *a, const void *b) {
    return str_cmp((*(struct cgroup *const *)a)->name, (*(struct cgroup *const *)b)->name);
}

struct cgroup *const *cgroups_in_order(struct stream_extra *x) {
    if (x == NULL || x->group_count == 0) return NULL;
    if (x->groups_sorted) return x->groups;
    qsort(x->groups, x->group_count, sizeof(struct cgroup *), group_cmp);
    for (uint32_t i = 0; i < x->group_count; i++) x->groups[i]->at = i;
    x->groups_sorted = true;
    return x->groups;
}

/* ---- consumers of a group ---- */

struct consumer *cgroup_consumer(const struct cgroup *g, struct str name) {
    const struct hash_table *t = &g->consumers_by_name;
    if (t->count == 0) return NULL;
    for (struct hash_node *n = hash_first(t, name_hash(name)); n != NULL; n = hash_next(t, n)) {
        struct consumer *c = CONTAINER_OF(n, struct consumer, by_name);
        if (str_eq(c->name, name)) return c;
    }
    return NULL;
}

struct consumer *cgroup_consumer_at(const struct cgroup *g, uint32_t number) {
    const struct hash_table *t = &g->consumers_by_number;
    for (struct hash_node *n = hash_first(t, hash_u64(number)); n != NULL; n = hash_next(t, n)) {
        struct consumer *c = CONTAINER_OF(n, struct consumer, by_number);
        if (c->number == number) return c;
    }
    return NULL;
}

static size_t consumer_size(const struct consumer *c) {
    return sizeof *c + c->name.len;
}

void consumer_insert(struct cgroup *g, struct consumer *c) {
    if (g->consumer_count == g->consumer_cap) {
        g->consumer_cap = g->consumer_cap == 0 ? 4 : g->consumer_cap * 2;
        g->consumers = xrealloc(g->consumers, g->consumer_cap * sizeof(struct consumer *));
    }
    uint32_t n = g->consumer_count++;
    g->consumers_sorted =
        n == 0 || (g->consumers_sorted && str_cmp(g->consumers[n - 1]->name, c->name) < 0);
    g->consumers[n] = c;
    c->at = n;
    hash_insert(&g->consumers_by_name, &c->by_name, name_hash(c->name));
    hash_insert(&g->consumers_by_number, &c->by_number, hash_u64(c->number));
    g->consumer_bytes += consumer_size(c);
    g->next_number = MAX(g->next_number, c->number + 1);
}

void consumer_take(struct cgroup *g, struct consumer *c) {
    assert(g->consumers[c->at] == c);
    struct consumer *last = g->consumers[--g->consumer_count];
    if (last != c) g->consumers_sorted = false;
    g->consumers[c->at] = last;
    last->at = c->at;
    hash_remove(&g->consumers_by_name, &c->by_name);
    hash_remove(&g->consumers_by_number, &c->by_number);
    g->consumer_bytes -= consumer_size(c);
}

static int consumer_cmp(const void *a, const void *b) {
    return str_cmp((*(struct consumer *const *)a)->name, (*(struct consumer *const *)b)->name);
}

struct consumer *const *consumers_in_order(const struct cgroup *of) {
    if (of->consumers_sorted || of->consumer_count == 0) return of->consumers;
    struct cgroup *g = of->stream->extra->groups[of->at]; /* the same, to be changed */
    qsort(g->consumers, g->consumer_count, sizeof(struct consumer *), consumer_cmp);
    for (uint32_t i = 0; i < g->consumer_count; i++) g->consumers[i]->at = i;
    g->consumers_sorted = true;
    return g->consumers;
}

/* ---- memory ---- */

struct cgroup *cgroup_create(struct stream *s, struct str name) {
    struct cgroup *g = xcalloc(1, sizeof *g + name.len);
    g->stream = s;
    g->name = str_of((char *)(g + 1), name.len);
    if (name.len > 0) memcpy(g + 1, name.ptr, name.len);
    g->cursor = CURSOR_UNKNOWN;
    g->next_number = 1;
    pending_init(&g->pending);
    return g;
}

void cgroup_destroy(struct cgroup *g) {
    group_scan_drop(g->scan);
    for (uint32_t i = 0; i < g->consumer_count; i++) consumer_unref(g->consumers[i]);
    pending_clear(&g->pending);
    free(g->consumers);
    hash_clear(&g->consumers_by_name);
    hash_clear(&g->consumers_by_number);
    free(g);
}

struct consumer *consumer_create(struct str name, uint32_t number) {
    struct consumer *c = xcalloc(1, sizeof *c + name.len);
    c->number = number;
    c->refs = 1;
    c->name = str_of((char *)(c + 1), name.len);
    if (name.len > 0) memcpy(c + 1, name.ptr, name.len);
    c->active = CONSUMER_NEVER_ACTIVE;
    return c;
}

void consumer_unref(struct consumer *c) {
    if (c != NULL && --c->refs == 0) free(c);
}

void cgroups_free(struct stream_extra *x) {
    for (uint32_t i = 0; i < x->group_count; i++) cgroup_destroy(x->groups[i]);
    free(x->groups);
    hash_clear(&x->groups_by_name);
    x->groups = NULL;
    x->group_count = x->group_cap = 0;
    x->groups_bytes = 0;
}

static size_t cgroup_bytes(const struct cgroup *g) {
    return sizeof *g + g->name.len + pending_bytes(&g->pending) + g->consumer_bytes +
           group_scan_bytes(g->scan) + g->consumer_cap * sizeof(struct consumer *) +
           hash_bytes_used(&g->consumers_by_name) + hash_bytes_used(&g->consumers_by_number);
}

size_t cgroup_count(struct cgroup *g) {
    size_t more = cgroup_bytes(g) - g->bytes; /* modulo 2^64 */
    g->bytes += more;
    g->pending_bytes = pending_bytes(&g->pending);
    g->stream->extra->groups_bytes += more;
    return more;
}

void cgroup_account(struct model *m, struct cgroup *g) {
    size_t more = cgroup_count(g);
    g->stream->extra->bytes += more;
    m->bytes += more;
}

size_t cgroups_bytes(const struct stream_extra *x) {
    return x->groups_bytes + x->group_cap * sizeof(struct cgroup *) +
           hash_bytes_used(&x->groups_by_name);
}
