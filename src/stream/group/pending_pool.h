/* Where pending entries live: chunks of equal nodes, addressed by handles of 32 bits, so that
 * indexes and links cost half of what pointers would.
 *
 * A node never moves: its handle and its address are good until it is freed. The first chunks are
 * small and double (16, 16, 32, ... 512 nodes), so that a group with a few entries costs little;
 * all others have 1024 nodes. A chunk that becomes empty goes back to the heap. New nodes come
 * from one chunk until that is full, and then from the chunk that was waiting longest: entries
 * that arrive together live together, and as they are mostly acknowledged together too, chunks
 * become empty whole.
 *
 * Only pending.c and pending_order.c call these functions. Not thread safe. */
#ifndef STREAM_GROUP_PENDING_POOL_H
#define STREAM_GROUP_PENDING_POOL_H

#include "base/base.h"
#include "record/entry_id.h"

/* Handle 0 is no node. */
#define PENDING_NONE UINT32_C(0)

struct pending_entry {
    struct entry_id id; /* read only, as is all but version and deliveries */
    /* private: pending_delivered() */
    union {
        uint64_t delivered_ms; /* owned */
        struct {
            uint32_t prev, next; /* in the list of unowned entries, or of free nodes (next) */
        };
    };
    /* public: */
    uint32_t version;    /* the caller's: which event of the stream it is */
    uint32_t consumer;   /* 0: unowned, some consumer gave it back (NACK) */
    uint32_t deliveries; /* the caller's: how often; UINT32_MAX stands for LLONG_MAX (FATAL) */
    /* private: */
    uint32_t handle;
};
_Static_assert(sizeof(struct pending_entry) == 40, "a million of them must fit in 64 MB");

struct pending_pool_chunk {
    struct pending_entry *entries; /* NULL: not allocated */
    uint32_t free;                 /* the first free node; they are chained by next */
    uint32_t used;
    uint32_t prev, next; /* among the chunks that have free nodes; chunk number + 1, or 0 */
};

struct pending_pool {
    size_t bytes;   /* of the heap: nodes, chunks, and what the indexes over them add */
    uint32_t count; /* nodes in use */
    /* private: */
    struct pending_pool_chunk *chunks;
    uint32_t capacity;              /* of chunks */
    uint32_t live;                  /* chunks that are allocated */
    uint32_t lowest;                /* all chunks below this one are allocated */
    uint32_t first_open, last_open; /* chunks that have free nodes; number + 1, or 0 */
};

#define PENDING_POOL_SMALL 16 /* nodes in the first chunk */
#define PENDING_POOL_LARGE                                                                         \
    1024 /* nodes in all chunks but the first seven, which have them together */
#define PENDING_POOL_DOUBLINGS 6

/* The chunk that holds a handle. */
static inline uint32_t pending_pool_chunk_of(uint32_t handle) {
    if (LIKELY(handle >= PENDING_POOL_LARGE))
        return PENDING_POOL_DOUBLINGS + handle / PENDING_POOL_LARGE;
    if (handle < PENDING_POOL_SMALL) return 0;
    return 32 - 4 - (uint32_t)__builtin_clz(handle);
}

/* The first handle that a chunk holds. */
static inline uint32_t pending_pool_base(uint32_t chunk) {
    if (LIKELY(chunk > PENDING_POOL_DOUBLINGS))
        return (chunk - PENDING_POOL_DOUBLINGS) * PENDING_POOL_LARGE;
    return chunk == 0 ? 0 : (uint32_t)PENDING_POOL_SMALL << (chunk - 1);
}

/* The node of a handle that is in use. */
static inline struct pending_entry *pending_pool_at(const struct pending_pool *p, uint32_t handle) {
    uint32_t chunk = pending_pool_chunk_of(handle);
    return &p->chunks[chunk].entries[handle - pending_pool_base(chunk)];
}

/* A node with its handle set and nothing else; zeroed memory is an empty pool. */
struct pending_entry *pending_pool_alloc(struct pending_pool *p);
void pending_pool_free(struct pending_pool *p, struct pending_entry *e);
/* Frees all nodes at once, whether in use or not. */
void pending_pool_clear(struct pending_pool *p);

#endif
