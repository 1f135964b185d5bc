/* The nodes of pending entries. Chunks with free nodes are on a list, the one that is being used
 * up at its front; a full chunk is on no list. */
#include "stream/group/pending_pool.h"

#include "base/alloc.h"

static uint32_t pool_chunk_size(uint32_t chunk) {
    return chunk == 0 ? PENDING_POOL_SMALL : MIN(pending_pool_base(chunk), PENDING_POOL_LARGE);
}

static void pool_open(struct pending_pool *p, uint32_t number) {
    struct pending_pool_chunk *c = &p->chunks[number];
    c->next = 0;
    c->prev = p->last_open;
    if (c->prev != 0)
        p->chunks[c->prev - 1].next = number + 1;
    else
        p->first_open = number + 1;
    p->last_open = number + 1;
}

static void pool_close(struct pending_pool *p, uint32_t number) {
    struct pending_pool_chunk *c = &p->chunks[number];
    if (c->prev != 0)
        p->chunks[c->prev - 1].next = c->next;
    else
        p->first_open = c->next;
    if (c->next != 0)
        p->chunks[c->next - 1].prev = c->prev;
    else
        p->last_open = c->prev;
}

/* Makes room in the table of chunks for the lowest chunk that is not there. */
static uint32_t pool_find_missing(struct pending_pool *p) {
    while (p->lowest < p->capacity && p->chunks[p->lowest].entries != NULL) p->lowest++;
    if (p->lowest == p->capacity) {
        uint32_t capacity = MAX(2 * p->capacity, 2);
        p->chunks = xrealloc(p->chunks, capacity * sizeof *p->chunks);
        memset(p->chunks + p->capacity, 0, (capacity - p->capacity) * sizeof *p->chunks);
        p->bytes += (capacity - p->capacity) * sizeof *p->chunks;
        p->capacity = capacity;
    }
    return p->lowest;
}

static void pool_grow(struct pending_pool *p) {
    uint32_t number = pool_find_missing(p), size = pool_chunk_size(number);
    uint32_t base = pending_pool_base(number);
    assert(base <= UINT32_MAX - size); /* some 200 GB of nodes before */
    struct pending_pool_chunk *c = &p->chunks[number];
    c->entries = xmalloc(size * sizeof *c->entries);
    p->bytes += size * sizeof *c->entries;
    p->live++;
    /* In ascending order; handle 0 is nobody's. */
    uint32_t first = number == 0 ? 1 : 0;
    for (uint32_t i = first; i < size; i++) {
        c->entries[i].handle = PENDING_NONE;
        c->entries[i].next = i + 1 < size ? base + i + 1 : PENDING_NONE;
    }
    c->free = base + first;
    c->used = 0;
    pool_open(p, number);
}

static void pool_drop(struct pending_pool *p, uint32_t number) {
    struct pending_pool_chunk *c = &p->chunks[number];
    assert(c->used == 0);
    pool_close(p, number);
    free(c->entries);
    c->entries = NULL;
    p->bytes -= pool_chunk_size(number) * sizeof *c->entries;
    p->live--;
    p->lowest = MIN(p->lowest, number);
}

struct pending_entry *pending_pool_alloc(struct pending_pool *p) {
    if (UNLIKELY(p->first_open == 0)) pool_grow(p);
    uint32_t number = p->first_open - 1;
    struct pending_pool_chunk *c = &p->chunks[number];
    uint32_t handle = c->free;
    struct pending_entry *e = pending_pool_at(p, handle);
    c->free = e->next;
    c->used++;
    if (c->free == PENDING_NONE) pool_close(p, number);
    p->count++;
    e->handle = handle;
    return e;
}

void pending_pool_free(struct pending_pool *p, struct pending_entry *e) {
    assert(e->handle != PENDING_NONE);
    assert(pending_pool_at(p, e->handle) == e);
    uint32_t number = pending_pool_chunk_of(e->handle);
    struct pending_pool_chunk *c = &p->chunks[number];
    bool was_full = c->free == PENDING_NONE;
    e->next = c->free;
    c->free = e->handle;
    e->handle = PENDING_NONE; /* so that a second free is found out */
    c->used--;
    p->count--;
    if (was_full) pool_open(p, number);
    if (c->used > 0) return;
    /* Keep one empty chunk against going to the heap and back for each entry; of an empty pool
     * keep the smallest only. */
    if (p->count > 0) {
        if (p->first_open != p->last_open) pool_drop(p, number);
    } else if (number > 0 || p->live > 1) {
        pending_pool_clear(p);
    }
}

void pending_pool_clear(struct pending_pool *p) {
    for (uint32_t i = 0; i < p->capacity; i++) {
        if (p->chunks[i].entries == NULL) continue;
        p->bytes -= pool_chunk_size(i) * sizeof *p->chunks[i].entries;
        free(p->chunks[i].entries);
    }
    p->bytes -= p->capacity * sizeof *p->chunks;
    free(p->chunks);
    *p = (struct pending_pool){.bytes = p->bytes};
}
