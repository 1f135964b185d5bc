/* See pending_idle.h. */
#include "stream/group/pending_idle.h"

#include <stdlib.h>

#include "base/alloc.h"

#define STEP 512 /* entries of one index, before it is the other's turn */

struct search {
    const struct pending *pending;
    const struct pending_idle_query *query;
    struct pending_found by_id, by_time;
    struct pending_cursor cursor;
    struct pending_position place; /* of the idle index */
    const struct pending_entry *unowned;
    bool owned_seen; /* all that are idle long enough, and have an owner */
};

static void found(struct pending_found *f, const struct pending_entry *e) {
    if (f->count == f->cap) {
        f->cap = f->cap == 0 ? 64 : f->cap * 2;
        f->entries = xrealloc(f->entries, f->cap * sizeof *f->entries);
    }
    f->entries[f->count++] = e;
}

void pending_found_clear(struct pending_found *f) {
    free(f->entries);
    *f = (struct pending_found){0};
}

/* true: that was all of them. */
static bool step_by_id(struct search *s) {
    const struct pending_idle_query *q = s->query;
    for (int n = 0; n < STEP; n++) {
        if (s->by_id.count == q->count) return true;
        const struct pending_entry *e = pending_next(&s->cursor);
        if (e == NULL || entry_id_cmp(e->id, q->to) > 0) return true;
        s->by_id.looked++;
        if (pending_delivered(e) <= q->delivered_max) found(&s->by_id, e);
    }
    return false;
}

/* The next one that was delivered long enough ago, or that nobody owns. */
static const struct pending_entry *next_by_time(struct search *s) {
    const struct pending *p = s->pending;
    const struct pending_entry *e;
    if (!s->owned_seen) {
        e = pending_order_at(&p->idle, &p->pool, s->place);
        if (e != NULL && e->delivered_ms <= s->query->delivered_max) {
            pending_order_forward(&p->idle, &s->place);
            return e;
        }
        s->owned_seen = true;
    }
    e = s->unowned;
    if (e != NULL) s->unowned = pending_next_nacked(p, e);
    return e;
}

static bool is_asked_for(const struct pending_idle_query *q, const struct pending_entry *e) {
    return (q->consumer == PENDING_ALL || q->consumer == e->consumer) &&
           entry_id_cmp(e->id, q->from) >= 0 && entry_id_cmp(e->id, q->to) <= 0;
}

/* true: that was all of them. */
static bool step_by_time(struct search *s) {
    for (int n = 0; n < STEP; n++) {
        const struct pending_entry *e = next_by_time(s);
        if (e == NULL) return true;
        s->by_time.looked++;
        if (is_asked_for(s->query, e)) found(&s->by_time, e);
    }
    return false;
}

static int entry_cmp(const void *a, const void *b) {
    const struct pending_entry *const *x = a, *const *y = b;
    return entry_id_cmp((*x)->id, (*y)->id);
}

void pending_find_idle(const struct pending *p, const struct pending_idle_query *q,
                       struct pending_found *out) {
    struct search s = {.pending = p, .query = q};
    bool by_id, by_time = false;
    s.cursor = pending_seek(p, q->consumer, q->from);
    if (q->consumer == PENDING_ALL) s.unowned = pending_first_nacked(p);
    do by_id = step_by_id(&s);
    while (!by_id && !(by_time = step_by_time(&s)));
    struct pending_found *good = by_id ? &s.by_id : &s.by_time;
    struct pending_found *other = by_id ? &s.by_time : &s.by_id;
    size_t looked = good->looked + other->looked;
    pending_found_clear(other);
    if (by_time && good->count > 1)
        qsort(good->entries, good->count, sizeof *good->entries, entry_cmp);
    good->count = MIN(good->count, q->count);
    good->looked = looked;
    *out = *good;
}
