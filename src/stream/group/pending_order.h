/* Handles of pending entries in an order: by entry id, or by the time of their delivery and among
 * equals by id. A directory of chunks, each a sorted array. With ids:
 *
 *     directory   [ floor | handles ] [ floor | handles ] [ floor | handles ] ...
 *                      |                   |                   |
 *                  7 9 10 12 ...       80 81 85 ...        140 141 ...
 *
 * All ids of a chunk are >= its floor and below the floor of the next (the first
 * chunk's floor does not count: whatever is below the second's belongs there), so a search reads
 * the directory and then the entries of one chunk only. Chunks and directory have free room at both
 * ends: adding at the end and removing at the front are O(1), in the middle it is half a chunk and,
 * once per some dozen changes, a piece of the directory. Arrays are at most some dozen handles
 * larger than what they hold, so an index costs 4 to 5.5 bytes an entry whatever the order of
 * changes; one with a single entry costs 48 bytes beside the struct.
 *
 * The index of a whole group, those of its consumers and that of idle times are such;
 * stream/group/pending.c owns them. Not thread safe. */
#ifndef STREAM_GROUP_PENDING_ORDER_H
#define STREAM_GROUP_PENDING_ORDER_H

#include "base/base.h"
#include "record/entry_id.h"
#include "stream/group/pending_pool.h"

struct pending_order_chunk;

/* Where an entry stands. */
struct pending_key {
    uint64_t ms; /* when it was delivered; no matter in an index by id */
    struct entry_id id;
};

/* Zeroed memory is an empty index by id. The pool is that of its entries; memory is counted there.
 */
struct pending_order {
    uint32_t count; /* entries */
    bool by_time;
    /* private: */
    uint32_t head, chunk_count, capacity; /* of the directory */
    struct pending_order_chunk *directory;
};

/* A place in an index: 0, 0 is the first, chunk_count, 0 the end behind the last. Any change of the
 * index makes it meaningless. */
struct pending_position {
    uint32_t chunk, at;
};

/* The entry's key must not be in the index. */
void pending_order_insert(struct pending_order *o, struct pending_pool *pool,
                          const struct pending_entry *e);
/* The entry must be in the index, its key unchanged. */
void pending_order_remove(struct pending_order *o, struct pending_pool *pool,
                          const struct pending_entry *e);
void pending_order_clear(struct pending_order *o, struct pending_pool *pool);

/* The first place whose key is >= key; the end when there is none. */
struct pending_position pending_order_seek(const struct pending_order *o,
                                           const struct pending_pool *pool, struct pending_key key);
/* The end. */
struct pending_position pending_order_end(const struct pending_order *o);
/* The entry at a place; NULL at the end. */
struct pending_entry *pending_order_at(const struct pending_order *o,
                                       const struct pending_pool *pool,
                                       struct pending_position place);
/* To the neighbour of a place; false if there is none. Backward from the end is the last entry. */
bool pending_order_forward(const struct pending_order *o, struct pending_position *place);
bool pending_order_backward(const struct pending_order *o, struct pending_position *place);

#endif
