/* The ordered index over pending entries. "Key" is what it is ordered by.
 *
 * A chunk splits in two when it has 128 handles, 512 once there are a thousand chunks (so that the
 * directory, a piece of which is moved for each split, stays small), and merges with a neighbour
 * when it has less than 32 and both fit in 96; so chunks have 48 on average at least. Arrays grow
 * and shrink by 16 handles (64 bytes, the step of jemalloc's size classes there). Adding behind the
 * last entry never splits: it leaves full chunks. */
#include "stream/group/pending_order.h"

#include "base/alloc.h"

#define CHUNK_MAX   128u /* handles ... */
#define CHUNK_LARGE 512u /* ... when there are more chunks than these: */
#define CHUNKS_MANY 1024u
#define CHUNK_LOW   32u
#define CHUNK_MERGE 96u
#define CHUNK_STEP  16u

struct pending_order_chunk {
    struct pending_key floor; /* stays as it is when entries are removed in front */
    uint32_t *handles;
    uint16_t head, count, capacity; /* handles[head .. head + count) are in use */
};

static struct pending_order_chunk *order_chunk(const struct pending_order *o, uint32_t chunk) {
    return &o->directory[o->head + chunk];
}

static struct pending_key entry_key(const struct pending_entry *e) {
    return (struct pending_key){e->delivered_ms, e->id};
}

/* by_time is that of the order, known where this is called: no search asks for it at each step. */
static inline int key_cmp(uint64_t ms, const struct entry_id *id, const struct pending_key *key,
                          bool by_time) {
    if (by_time && ms != key->ms) return ms < key->ms ? -1 : 1;
    return entry_id_cmp(*id, key->id);
}

static inline int handle_cmp(const struct pending_pool *pool, uint32_t handle,
                             const struct pending_key *key, bool by_time) {
    const struct pending_entry *e = pending_pool_at(pool, handle);
    return key_cmp(e->delivered_ms, &e->id, key, by_time);
}

/* ---- One chunk ---- */

static uint32_t chunk_fit(uint32_t count) {
    if (count <= 4) return 4;
    if (count <= 8) return 8;
    return MIN((count + CHUNK_STEP - 1) / CHUNK_STEP * CHUNK_STEP, CHUNK_LARGE);
}

/* Moves the handles to the front of their array. */
static void chunk_compact(struct pending_order_chunk *c) {
    memmove(c->handles, c->handles + c->head, c->count * sizeof *c->handles);
    c->head = 0;
}

static void chunk_resize(struct pending_order_chunk *c, struct pending_pool *pool,
                         uint32_t capacity) {
    assert(capacity >= c->count);
    assert(capacity <= CHUNK_LARGE);
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

static inline uint32_t bisect(const struct pending_order_chunk *c, const struct pending_pool *pool,
                              const struct pending_key *key, bool by_time) {
    uint32_t low = 0, high = c->count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (handle_cmp(pool, c->handles[c->head + middle], key, by_time) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The first place in the chunk whose key is not below. */
static uint32_t chunk_bisect(const struct pending_order *o, const struct pending_order_chunk *c,
                             const struct pending_pool *pool, const struct pending_key *key) {
    return o->by_time ? bisect(c, pool, key, true) : bisect(c, pool, key, false);
}

static void chunk_insert(struct pending_order_chunk *c, struct pending_pool *pool, uint32_t at,
                         uint32_t handle) {
    assert(c->count < CHUNK_LARGE);
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
                                                    struct pending_key floor, uint32_t capacity) {
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

static inline int floor_cmp(const struct pending_order *o, uint32_t chunk,
                            const struct pending_key *key) {
    const struct pending_key *floor = &order_chunk(o, chunk)->floor;
    return key_cmp(floor->ms, &floor->id, key, o->by_time);
}

/* The last chunk whose floor is not above the key, else the first one. The ends are tried first:
 * deliveries go to the last, acknowledgements mostly to the first. */
static uint32_t directory_bisect(const struct pending_order *o, const struct pending_key *key) {
    assert(o->chunk_count > 0);
    uint32_t low = 0, high = o->chunk_count;
    if (high == 1 || floor_cmp(o, 1, key) > 0) return 0;
    if (floor_cmp(o, high - 1, key) <= 0) return high - 1;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (floor_cmp(o, middle, key) <= 0)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* ---- Changes ---- */

/* Moves the upper half of a full chunk to a new one behind it. */
static void order_split(struct pending_order *o, struct pending_pool *pool, uint32_t chunk) {
    struct pending_order_chunk *full = order_chunk(o, chunk);
    if (full->head > 0) chunk_compact(full);
    uint32_t half = full->count / 2u, capacity = chunk_fit(half + 2);
    uint32_t first = full->handles[half];
    struct pending_key floor = entry_key(pending_pool_at(pool, first));
    struct pending_order_chunk *right = directory_insert(o, pool, chunk + 1, floor, capacity);
    struct pending_order_chunk *left = order_chunk(o, chunk);
    right->count = (uint16_t)(left->count - half);
    left->count = (uint16_t)half;
    memcpy(right->handles, left->handles + half, right->count * sizeof *left->handles);
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
    struct pending_key key = entry_key(e);
    if (o->chunk_count == 0) directory_insert(o, pool, 0, key, 4);
    uint32_t chunk = directory_bisect(o, &key);
    struct pending_order_chunk *c = order_chunk(o, chunk);
    uint32_t at = c->count;
    if (at > 0 && handle_cmp(pool, c->handles[c->head + at - 1], &key, o->by_time) >= 0)
        at = chunk_bisect(o, c, pool, &key);
    assert(at == c->count || handle_cmp(pool, c->handles[c->head + at], &key, o->by_time) != 0);
    /* Behind the last entry a chunk that is well drained in front is used again, else a new one,
     * so that a queue does not move all of its only chunk for each entry. */
    bool behind = at == c->count && chunk + 1 == o->chunk_count;
    uint32_t most = o->chunk_count < CHUNKS_MANY ? CHUNK_MAX : CHUNK_LARGE;
    if (behind && c->head + c->count >= (int)most && c->head < most / 4) {
        c = directory_insert(o, pool, chunk + 1, key, most);
        at = 0;
    } else if (c->count >= most) {
        order_split(o, pool, chunk);
        c = order_chunk(o, chunk);
        if (at > c->count) {
            at -= c->count;
            c = order_chunk(o, chunk + 1);
        }
    }
    chunk_insert(c, pool, at, e->handle);
    o->count++;
}

void pending_order_remove(struct pending_order *o, struct pending_pool *pool,
                          const struct pending_entry *e) {
    struct pending_key key = entry_key(e);
    uint32_t chunk = directory_bisect(o, &key), at = 0;
    struct pending_order_chunk *c = order_chunk(o, chunk);
    /* Not by halving: that looks at the entries, which are in no cache; the handles lie together.
     */
    while (c->handles[c->head + at] != e->handle) {
        at++;
        assert(at < c->count); /* else it was not in the index */
    }
    chunk_remove(c, at);
    o->count--;
    if (o->count == 0 && c->capacity <= CHUNK_STEP) {
        c->head = 0; /* an only small chunk stays: something comes again */
    } else if (c->count == 0) {
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
    *o = (struct pending_order){.by_time = o->by_time};
}

/* ---- Places ---- */

struct pending_position pending_order_seek(const struct pending_order *o,
                                           const struct pending_pool *pool,
                                           struct pending_key key) {
    struct pending_position place = {0, 0};
    if (o->chunk_count == 0) return place;
    place.chunk = directory_bisect(o, &key);
    const struct pending_order_chunk *c = order_chunk(o, place.chunk);
    place.at = chunk_bisect(o, c, pool, &key);
    if (place.at == c->count) place = (struct pending_position){.chunk = place.chunk + 1};
    return place;
}

struct pending_position pending_order_end(const struct pending_order *o) {
    return (struct pending_position){o->chunk_count, 0};
}

struct pending_entry *pending_order_at(const struct pending_order *o,
                                       const struct pending_pool *pool,
                                       struct pending_position place) {
    if (place.chunk >= o->chunk_count || o->count == 0) return NULL;
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
    if (place->chunk == 0 || o->count == 0) return false;
    place->chunk--;
    place->at = order_chunk(o, place->chunk)->count - 1u;
    return true;
}
