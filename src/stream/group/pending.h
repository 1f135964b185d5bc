/* The pending entries of a consumer group: what was delivered and not acknowledged yet.
 *
 * Every entry is in the index of the whole group by id, and either
 *   owned:   in its consumer's index by id, and in the idle index: by the time of its delivery, the
 *            longest idle first (equal times: by id, as in Redis); or
 *   unowned: in no consumer's index (consumer 0), and in a list first in, first out.
 *
 * It takes at most 60 bytes an entry, all told, when there are many; after removals all over, the
 * nodes stay for the next entries until 1024 neighbours are gone. It knows nothing of streams,
 * clients or records; the caller numbers consumers as it likes, from 1, and need not say which
 * exist: one without entries takes no memory.
 *
 * Speed: add at the end, find and remove at the front O(1) or a short search; elsewhere a search
 * of O(log n) and a memmove of some hundred bytes, whatever the order of ids and of times. When
 * entries are loaded (add), the unowned ones come in the order in which they were given back.
 *
 * Pointers to entries are good until that entry is removed. Single thread. */
#ifndef STREAM_GROUP_PENDING_H
#define STREAM_GROUP_PENDING_H

#include "base/base.h"
#include "base/hash.h"
#include "record/entry_id.h"
#include "stream/group/pending_order.h"
#include "stream/group/pending_pool.h"

#define PENDING_UNOWNED UINT32_C(0)
#define PENDING_ALL     UINT32_MAX /* all entries, as a "consumer"; not a number to give one */
#define PENDING_FATAL   UINT32_MAX /* deliveries of an entry that is beyond hope (FATAL) */

struct pending_list {
    uint32_t first, last;
};

struct pending {
    struct entry_id gone; /* the caller's: entries below it lead to nothing. Adding one lowers it */
    /* The lowest versions that were removed: of those that came first, with no entry before them up
     * to now, and of the others. UINT32_MAX: none; the caller begins anew with that. */
    uint32_t removed_first, removed_behind;
    /* private: */
    struct pending_pool pool;
    struct pending_order all, idle; /* idle: of the owned, by time */
    struct hash_table consumers;    /* those that own entries, by number */
    struct pending_list nacked;
    uint32_t unowned; /* entries in nacked */
    uint64_t changes; /* of any index: tells a cursor that its place is no longer true */
};

void pending_init(struct pending *p);
void pending_clear(struct pending *p); /* removes all entries; frees everything */

/* Heap memory in bytes: nodes, indexes, slack. O(1). */
size_t pending_bytes(const struct pending *p);
/* How many entries a consumer has, or PENDING_UNOWNED, or PENDING_ALL. */
uint32_t pending_count_of(const struct pending *p, uint32_t consumer);
static inline uint32_t pending_count(const struct pending *p) {
    return p->pool.count;
}

/* When it was delivered last, ms; 0: it is unowned. */
static inline uint64_t pending_delivered(const struct pending_entry *e) {
    return e->consumer != PENDING_UNOWNED ? e->delivered_ms : 0;
}

/* The entry with this id, or NULL. */
struct pending_entry *pending_find(const struct pending *p, struct entry_id id);
/* Adds an entry; its id must not be there. An unowned one goes to the end of its list and has
 * no time (delivered_ms is ignored). */
struct pending_entry *pending_add(struct pending *p, struct entry_id id, uint32_t version,
                                  uint32_t consumer, uint64_t delivered_ms, uint32_t deliveries);
void pending_remove(struct pending *p, struct pending_entry *e);
/* Gives an entry to a consumer. From another consumer it keeps its time; the time of one that was
 * unowned is 0 until pending_deliver says another.
 * PENDING_UNOWNED takes it from its owner: it goes to the end of the unowned ones, also when it was
 * one already, and its time becomes 0. */
void pending_assign(struct pending *p, struct pending_entry *e, uint32_t consumer);
/* Sets the time of an owned entry. */
void pending_deliver(struct pending *p, struct pending_entry *e, uint64_t delivered_ms);

/* ---- In order of id ----
 * consumer: a number or PENDING_ALL. A cursor gives the entries one by one, NULL at the end, which
 * is no final state: entries that appear beyond it are given then. Anything may change between
 * two calls; the cursor goes on behind the id that it gave last. Cursors need no closing; they
 * end with the struct pending. */
struct pending_cursor {
    /* private: */
    const struct pending *pending;
    uint64_t changes;
    struct entry_id id; /* given last, or where to begin */
    struct pending_position place;
    uint32_t consumer;
    bool backward, given, settled; /* settled: place is that of id as of `changes` */
};

/* From the first id >= from upward; from the last id <= from downward. */
struct pending_cursor pending_seek(const struct pending *p, uint32_t consumer,
                                   struct entry_id from);
struct pending_cursor pending_seek_back(const struct pending *p, uint32_t consumer,
                                        struct entry_id from);
struct pending_entry *pending_next(struct pending_cursor *c);
/* The entry with the lowest, the highest id; NULL if there is none. */
struct pending_entry *pending_first(const struct pending *p, uint32_t consumer);
struct pending_entry *pending_last(const struct pending *p, uint32_t consumer);

/* ---- By time, and unowned ----
 * NULL when empty or at the end. Ask for the next one before changing this one. */
struct pending_entry *pending_oldest(const struct pending *p); /* longest idle of the owned */
struct pending_entry *pending_next_idle(const struct pending *p, const struct pending_entry *e);
struct pending_entry *pending_first_nacked(const struct pending *p);
struct pending_entry *pending_next_nacked(const struct pending *p, const struct pending_entry *e);

#endif
