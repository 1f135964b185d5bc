/* Groups and consumers in memory: found by name, made, put into their order, freed. Changes that
 * are decided are in cgroup_change.c and cgroup_pending.c, those that are loaded in cgroup_load.c.
 */
#include "stream/group/internal.h"

#include "base/alloc.h"

/* ---- sorted by name ---- */

/* Index of the name among items in order of names, or where it would stand: *found tells. */
static size_t place(const void *items, size_t count, size_t name_offset, struct str name,
                    bool *found) {
    const char *const *item = items;
    size_t low = 0, high = count;
    *found = false;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int cmp = str_cmp(*(const struct str *)(item[mid] + name_offset), name);
        if (cmp == 0) *found = true;
        if (cmp < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static size_t group_place(const struct stream_extra *x, struct str name, bool *found) {
    return place(x->groups, x->group_count, offsetof(struct cgroup, name), name, found);
}

static size_t consumer_place(const struct cgroup *g, struct str name, bool *found) {
    return place(g->consumers, g->consumer_count, offsetof(struct consumer, name), name, found);
}

struct cgroup *cgroup_find(const struct stream *s, struct str name) {
    bool found;
    if (s->state != STREAM_LIVE || s->extra == NULL) return NULL;
    size_t at = group_place(s->extra, name, &found);
    return found ? s->extra->groups[at] : NULL;
}

struct consumer *cgroup_consumer(const struct cgroup *g, struct str name) {
    bool found;
    size_t at = consumer_place(g, name, &found);
    return found ? g->consumers[at] : NULL;
}

void cgroup_insert(struct stream_extra *x, struct cgroup *g) {
    bool found;
    size_t at = group_place(x, g->name, &found);
    if (x->group_count == x->group_cap) {
        x->group_cap = x->group_cap == 0 ? 4 : x->group_cap * 2;
        x->groups = xrealloc(x->groups, x->group_cap * sizeof(struct cgroup *));
    }
    memmove(x->groups + at + 1, x->groups + at, (x->group_count - at) * sizeof(struct cgroup *));
    x->groups[at] = g;
    x->group_count++;
}

void cgroup_take(struct stream_extra *x, const struct cgroup *g) {
    bool found;
    size_t at = group_place(x, g->name, &found);
    assert(found && x->groups[at] == g);
    x->group_count--;
    memmove(x->groups + at, x->groups + at + 1, (x->group_count - at) * sizeof(struct cgroup *));
}

void consumer_insert(struct cgroup *g, struct consumer *c) {
    bool found;
    size_t at = consumer_place(g, c->name, &found);
    if (g->consumer_count == g->consumer_cap) {
        g->consumer_cap = g->consumer_cap == 0 ? 4 : g->consumer_cap * 2;
        g->consumers = xrealloc(g->consumers, g->consumer_cap * sizeof(struct consumer *));
    }
    memmove(g->consumers + at + 1, g->consumers + at,
            (g->consumer_count - at) * sizeof(struct consumer *));
    g->consumers[at] = c;
    g->consumer_count++;
    if (c->number > g->number_cap) {
        uint32_t cap = MAX(c->number, g->number_cap * 2);
        g->by_number = xrealloc(g->by_number, cap * sizeof(struct consumer *));
        memset(g->by_number + g->number_cap, 0, (cap - g->number_cap) * sizeof(struct consumer *));
        g->number_cap = cap;
    }
    g->by_number[c->number - 1] = c;
    g->next_number = MAX(g->next_number, c->number + 1);
}

void consumer_take(struct cgroup *g, const struct consumer *c) {
    bool found;
    size_t at = consumer_place(g, c->name, &found);
    assert(found && g->consumers[at] == c);
    g->consumer_count--;
    memmove(g->consumers + at, g->consumers + at + 1,
            (g->consumer_count - at) * sizeof(struct consumer *));
    g->by_number[c->number - 1] = NULL;
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
    for (uint32_t i = 0; i < g->consumer_count; i++) free(g->consumers[i]);
    pending_clear(&g->pending);
    free(g->consumers);
    free(g->by_number);
    free(g);
}

struct consumer *consumer_create(struct str name, uint32_t number) {
    struct consumer *c = xcalloc(1, sizeof *c + name.len);
    c->number = number;
    c->name = str_of((char *)(c + 1), name.len);
    if (name.len > 0) memcpy(c + 1, name.ptr, name.len);
    c->active = CONSUMER_NEVER_ACTIVE;
    return c;
}

void cgroups_free(struct stream_extra *x) {
    for (uint32_t i = 0; i < x->group_count; i++) cgroup_destroy(x->groups[i]);
    free(x->groups);
    x->groups = NULL;
    x->group_count = x->group_cap = 0;
}

size_t cgroups_bytes(const struct stream_extra *x) {
    size_t bytes = x->group_cap * sizeof(struct cgroup *);
    for (uint32_t i = 0; i < x->group_count; i++) {
        const struct cgroup *g = x->groups[i];
        bytes += sizeof *g + g->name.len + pending_bytes(&g->pending) +
                 g->consumer_count * (sizeof(struct consumer) + 32) +
                 (g->consumer_cap + g->number_cap) * sizeof(struct consumer *);
    }
    return bytes;
}
