/* The ordered index over pending entries.
 *
 * A chunk splits in two when it has 128 handles and merges with a neighbour when it has less than
 * 32 and both fit in 96; so chunks have 48 on average at least. Arrays grow and shrink by 16
 * handles (64 bytes, the step of jemalloc's size classes there). Adding behind the last entry
 * never splits: it leaves full chunks. */
#include "stream/group/pending_order.h"

#include "base/alloc.h"

#define CHUNK_MAX   128u /* handles */
#define CHUNK_LOW   32u
#define CHUNK_MERGE 96u
#define CHUNK_STEP  16u

struct pending_order_chunk {
    struct entry_id floor; /* stays as it is when entries are removed in front */
    uint32_t *handles;
    uint16_t head, count, capacity; /* handles[head .. head + count) are in use */
};

static struct pending_order_chunk *order_chunk(const struct pending_order *o, uint32_t chunk) {
    return &o->directory[o->head + chunk];
}

static struct entry_id order_id(const struct pending_pool *pool, uint32_t handle) {
    return pending_pool_at(pool, handle)->id;
}

/* ---- One chunk ---- */

static uint32_t chunk_fit(uint32_t count) {
    if (count <= 4) return 4;
    if (count <= 8) return 8;
    return MIN((count + CHUNK_STEP - 1) / CHUNK_STEP * CHUNK_STEP, CHUNK_MAX);
}

/* Moves the handles to the front of their array. */
static void chunk_compact(struct pending_order_chunk *c) {
    memmove(c->handles, c->handles + c->head, c->count * sizeof *c->handles);
    c->head = 0;
}

static void chunk_resize(struct pending_order_chunk *c, struct pending_pool *pool,
                         uint32_t capacity) {
    assert(capacity >= c->count);
    assert(capacity <= CHUNK_MAX);
    if (c->head > 0) chunk_compact(c);
    if (capacity == c->capacity) return;
    c->handles = xrealloc(c->handles, capacity * sizeof *c->handles);
    pool->bytes += capacity * sizeof *c->handles;
    pool->bytes -= c->capacity * sizeof *c->handles;
    c->capacity = (uint16_t)capacity;
}

static void chunk_free(struct pending_order_chunk *c, struct pending_pool *pool) {
    pool->bytes -= c->capacity * sizeof *c->handles;
    free(c->handles);
}

/* How many of its entries have an id below this one. */
static uint32_t chunk_bisect(const struct pending_order_chunk *c, const struct pending_pool *pool,
                             struct entry_id id) {
    uint32_t low = 0, high = c->count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (entry_id_cmp(order_id(pool, c->handles[c->head + middle]), id) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void chunk_insert(struct pending_order_chunk *c, struct pending_pool *pool, uint32_t at,
                         uint32_t handle) {
    assert(c->count < CHUNK_MAX);
    assert(at <= c->count);
    if (c->head > 0 && at < c->count / 2u) {
        uint32_t *first = c->handles + c->head;
        memmove(first - 1, first, at * sizeof *first);
        c->head--;
    } else {
        if (c->head + c->count == c->capacity) {
            if (c->head > 0)
                chunk_compact(c);
            else
                chunk_resize(c, pool, chunk_fit(c->capacity + 1u));
        }
        uint32_t *place = c->handles + c->head + at;
        memmove(place + 1, place, (c->count - at) * sizeof *place);
    }
    c->handles[c->head + at] = handle;
    c->count++;
}

static void chunk_remove(struct pending_order_chunk *c, uint32_t at) {
    assert(at < c->count);
    uint32_t *first = c->handles + c->head;
    if (at < c->count / 2u) {
        memmove(first + 1, first, at * sizeof *first);
        c->head++;
    } else {
        memmove(first + at, first + at + 1, (c->count - at - 1) * sizeof *first);
    }
    c->count--;
}

/* Gives memory back when there is enough to make up for the copying. */
static void chunk_shrink(struct pending_order_chunk *c, struct pending_pool *pool) {
    if (c->capacity > 3 * CHUNK_STEP) {
        if (c->count + 3 * CHUNK_STEP <= c->capacity)
            chunk_resize(c, pool, chunk_fit(c->count + CHUNK_STEP));
    } else if (c->capacity > 4 && c->count * 4 <= c->capacity) {
        chunk_resize(c, pool, chunk_fit(c->count * 2));
    }
}

/* ---- The directory ---- */

static void directory_resize(struct pending_order *o, struct pending_pool *pool,
                             uint32_t capacity) {
    if (o->head > 0)
        memmove(o->directory, o->directory + o->head, o->chunk_count * sizeof *o->directory);
    o->head = 0;
    if (capacity == o->capacity) return;
    o->directory = xrealloc(o->directory, capacity * sizeof *o->directory);
    pool->bytes += capacity * sizeof *o->directory;
    pool->bytes -= o->capacity * sizeof *o->directory;
    o->capacity = capacity;
}

/* A new chunk without entries at this place. */
static struct pending_order_chunk *directory_insert(struct pending_order *o,
                                                    struct pending_pool *pool, uint32_t chunk,
                                                    struct entry_id floor, uint32_t capacity) {
    if (o->head > 0 && chunk < o->chunk_count / 2) {
        struct pending_order_chunk *first = order_chunk(o, 0);
        memmove(first - 1, first, chunk * sizeof *first);
        o->head--;
    } else {
        if (o->head + o->chunk_count == o->capacity) {
            bool roomy = o->head > o->capacity / 4;
            directory_resize(o, pool, roomy ? o->capacity : o->capacity + o->capacity / 2 + 1);
        }
        struct pending_order_chunk *place = order_chunk(o, chunk);
        memmove(place + 1, place, (o->chunk_count - chunk) * sizeof *place);
    }
    o->chunk_count++;
    struct pending_order_chunk *c = order_chunk(o, chunk);
    *c = (struct pending_order_chunk){.floor = floor};
    chunk_resize(c, pool, capacity);
    return c;
}

/* The chunk's array is freed already, or given to another chunk. */
static void directory_remove(struct pending_order *o, struct pending_pool *pool, uint32_t chunk) {
    struct pending_order_chunk *first = order_chunk(o, 0);
    if (chunk < o->chunk_count / 2) {
        memmove(first + 1, first, chunk * sizeof *first);
        o->head++;
    } else {
        memmove(first + chunk, first + chunk + 1, (o->chunk_count - chunk - 1) * sizeof *first);
    }
    o->chunk_count--;
    if (o->chunk_count == 0)
        pending_order_clear(o, pool);
    else if (o->capacity >= 8 && o->chunk_count * 4 <= o->capacity)
        directory_resize(o, pool, o->capacity / 2);
}

/* The last chunk whose floor is not above the id, else the first one. The ends are tried first:
 * deliveries go to the last, acknowledgements mostly to the first. */
static uint32_t directory_bisect(const struct pending_order *o, struct entry_id id) {
    assert(o->chunk_count > 0);
    uint32_t low = 0, high = o->chunk_count;
    if (high == 1 || entry_id_cmp(order_chunk(o, 1)->floor, id) > 0) return 0;
    if (entry_id_cmp(order_chunk(o, high - 1)->floor, id) <= 0) return high - 1;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (entry_id_cmp(order_chunk(o, middle)->floor, id) <= 0)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* ---- Changes ---- */

/* Moves the upper half of a full chunk to a new one behind it. */
static void order_split(struct pending_order *o, struct pending_pool *pool, uint32_t chunk) {
    uint32_t half = CHUNK_MAX / 2, capacity = chunk_fit(half + 1);
    struct entry_id floor = order_id(pool, order_chunk(o, chunk)->handles[half]);
    struct pending_order_chunk *right = directory_insert(o, pool, chunk + 1, floor, capacity);
    struct pending_order_chunk *left = order_chunk(o, chunk);
    assert(left->count == CHUNK_MAX);
    assert(left->head == 0);
    memcpy(right->handles, left->handles + half, half * sizeof *left->handles);
    right->count = left->count = (uint16_t)half;
    chunk_resize(left, pool, capacity);
}

/* Moves all of the chunk behind this one into it. */
static void order_merge(struct pending_order *o, struct pending_pool *pool, uint32_t chunk) {
    struct pending_order_chunk *left = order_chunk(o, chunk), *right = order_chunk(o, chunk + 1);
    uint32_t count = left->count + right->count;
    chunk_resize(left, pool, chunk_fit(count + CHUNK_STEP / 2));
    memcpy(left->handles + left->count, right->handles + right->head,
           right->count * sizeof *right->handles);
    left->count = (uint16_t)count;
    chunk_free(right, pool);
    directory_remove(o, pool, chunk + 1);
}

/* Whether this chunk and the next are so small that they should be one. */
static bool order_should_merge(const struct pending_order *o, uint32_t chunk) {
    if (chunk + 1 >= o->chunk_count) return false;
    return order_chunk(o, chunk)->count + order_chunk(o, chunk + 1)->count <= (int)CHUNK_MERGE;
}

void pending_order_insert(struct pending_order *o, struct pending_pool *pool,
                          const struct pending_entry *e) {
    if (o->chunk_count == 0) directory_insert(o, pool, 0, e->id, 4);
    uint32_t chunk = directory_bisect(o, e->id);
    struct pending_order_chunk *c = order_chunk(o, chunk);
    uint32_t at = c->count;
    if (at > 0 && entry_id_cmp(order_id(pool, c->handles[c->head + at - 1]), e->id) >= 0)
        at = chunk_bisect(c, pool, e->id);
    assert(at == c->count || entry_id_cmp(order_id(pool, c->handles[c->head + at]), e->id) != 0);
    /* Behind the last entry a chunk that is well drained in front is used again, else a new one,
     * so that a queue does not move all of its only chunk for each entry. */
    bool behind = at == c->count && chunk + 1 == o->chunk_count;
    if (behind && c->head + c->count == (int)CHUNK_MAX && c->head < CHUNK_MAX / 4) {
        c = directory_insert(o, pool, chunk + 1, e->id, CHUNK_MAX);
        at = 0;
    } else if (c->count == CHUNK_MAX) {
        order_split(o, pool, chunk);
        bool left = at <= CHUNK_MAX / 2;
        c = order_chunk(o, left ? chunk : chunk + 1);
        if (!left) at -= CHUNK_MAX / 2;
    }
    chunk_insert(c, pool, at, e->handle);
    o->count++;
}

void pending_order_remove(struct pending_order *o, struct pending_pool *pool,
                          const struct pending_entry *e) {
    uint32_t chunk = directory_bisect(o, e->id), at = 0;
    struct pending_order_chunk *c = order_chunk(o, chunk);
    while (c->handles[c->head + at] != e->handle) {
        at++;
        assert(at < c->count); /* else it was not in the index */
    }
    chunk_remove(c, at);
    o->count--;
    if (c->count == 0) {
        chunk_free(c, pool);
        directory_remove(o, pool, chunk);
    } else if (c->count < CHUNK_LOW && order_should_merge(o, chunk)) {
        order_merge(o, pool, chunk);
    } else if (c->count < CHUNK_LOW && chunk > 0 && order_should_merge(o, chunk - 1)) {
        order_merge(o, pool, chunk - 1);
    } else {
        chunk_shrink(c, pool);
    }
}

void pending_order_clear(struct pending_order *o, struct pending_pool *pool) {
    for (uint32_t i = 0; i < o->chunk_count; i++) chunk_free(order_chunk(o, i), pool);
    pool->bytes -= o->capacity * sizeof *o->directory;
    free(o->directory);
    *o = (struct pending_order){0};
}

/* ---- Places ---- */

struct pending_position pending_order_seek(const struct pending_order *o,
                                           const struct pending_pool *pool, struct entry_id id) {
    struct pending_position place = {0, 0};
    if (o->chunk_count == 0) return place;
    place.chunk = directory_bisect(o, id);
    const struct pending_order_chunk *c = order_chunk(o, place.chunk);
    place.at = chunk_bisect(c, pool, id);
    if (place.at == c->count) place = (struct pending_position){.chunk = place.chunk + 1};
    return place;
}

struct pending_entry *pending_order_at(const struct pending_order *o,
                                       const struct pending_pool *pool,
                                       struct pending_position place) {
    if (place.chunk >= o->chunk_count) return NULL;
    const struct pending_order_chunk *c = order_chunk(o, place.chunk);
    assert(place.at < c->count);
    return pending_pool_at(pool, c->handles[c->head + place.at]);
}

bool pending_order_forward(const struct pending_order *o, struct pending_position *place) {
    if (place->chunk >= o->chunk_count) return false;
    if (++place->at < order_chunk(o, place->chunk)->count) return true;
    *place = (struct pending_position){place->chunk + 1, 0};
    return place->chunk < o->chunk_count;
}

bool pending_order_backward(const struct pending_order *o, struct pending_position *place) {
    if (place->at > 0) {
        place->at--;
        return true;
    }
    if (place->chunk == 0) return false;
    place->chunk--;
    place->at = order_chunk(o, place->chunk)->count - 1u;
    return true;
}
