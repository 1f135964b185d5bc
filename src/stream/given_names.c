/* See given_names.h. New streams have ever higher numbers, so they stay in order by themselves; who
 * is renamed stands behind, in no order, until there are some more. */
#include "stream/given_names.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "record/event.h"
#include "stream/internal.h"

#define UNSORTED_MAX 1024

static int compare(const void *a, const void *b) {
    const struct given_name *x = a, *y = b;
    if (x->number != y->number) return x->number < y->number ? -1 : 1;
    if (x->frame != y->frame) return x->frame < y->frame ? -1 : 1;
    return (x->order > y->order) - (x->order < y->order);
}

size_t given_names_beyond(const struct given_names *g, uint64_t number, uint64_t frame) {
    struct given_name key = {.number = number, .frame = frame, .order = UINT64_MAX};
    size_t low = 0, high = g->sorted;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (compare(&g->items[mid], &key) > 0)
            high = mid;
        else
            low = mid + 1;
    }
    return low;
}

/* From the end, as far as anything has to move. */
static void sort_in(struct given_names *g) {
    struct given_name more[UNSORTED_MAX];
    size_t left = g->count - g->sorted, old = g->sorted, to = g->count;
    memcpy(more, g->items + g->sorted, left * sizeof *more);
    qsort(more, left, sizeof *more, compare);
    while (left > 0) {
        bool older = old > 0 && compare(&g->items[old - 1], &more[left - 1]) > 0;
        g->items[--to] = older ? g->items[--old] : more[--left];
    }
    g->sorted = g->count;
}

/* Room for one more: what is below the floor makes place, when that is much. */
static void reserve(struct given_names *g, uint64_t floor) {
    if (g->count < g->cap) return;
    size_t n = 0, sorted = 0;
    for (size_t i = 0; i < g->count; i++) {
        if (i == g->sorted) sorted = n;
        if (g->items[i].frame > floor) g->items[n++] = g->items[i];
    }
    g->sorted = g->sorted == g->count ? n : sorted;
    g->count = n;
    if (n <= g->cap / 2 && g->cap > 0) return;
    g->cap = MAX(g->cap * 2, (size_t)64);
    g->items = xrealloc(g->items, g->cap * sizeof *g->items);
}

static void add(struct model *m, uint64_t frame, const struct stream_record *r) {
    struct given_names *g = &m->given;
    reserve(g, store_floor(m->store));
    struct given_name *last = &g->items[g->count];
    *last = (struct given_name){r->number, frame, ++g->added, r};
    bool in_order = g->sorted == g->count && (g->count == 0 || compare(last - 1, last) < 0);
    g->count++;
    if (in_order) g->sorted = g->count;
    if (g->count - g->sorted == UNSORTED_MAX) sort_in(g);
}

void given_names_add(struct model *m, const struct batch *b) {
    if (!b->names) return;
    uint32_t i = 0;
    for (uint32_t k = 0; k < b->frame_count; k++) {
        for (; i < b->frame_end[k]; i++) {
            const struct record *r = &b->records[i];
            if (r->kind == RECORD_FLUSH) m->given.count = m->given.sorted = 0;
            if (r->kind == RECORD_STREAM || r->kind == RECORD_RENAME)
                add(m, b->first_frame + k, r->body);
        }
    }
}

void given_names_forget(struct model *m) {
    struct given_names *g = &m->given;
    if (g->cap == 0 || store_floor(m->store) < m->open->first_frame - 1) return;
    given_names_clear(g);
}

void given_names_rebuild(struct model *m) {
    uint64_t durable = store_durable(m->store);
    given_names_clear(&m->given);
    LIST_FOR_EACH (it, store_batches(m->store)) {
        const struct batch *b = LIST_ENTRY(it, struct batch, node);
        if (b->first_frame <= durable) given_names_add(m, b);
    }
}

void given_names_clear(struct given_names *g) {
    free(g->items);
    *g = (struct given_names){0};
}
