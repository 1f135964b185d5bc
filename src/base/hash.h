/* Intrusive hash table with chains; it grows (and shrinks) step by step, so that no single
 * insert or remove pays for all. Nodes live in their owners; the table allocates only its
 * buckets. Hashes are seeded once a process, so that clients cannot aim at one
 * bucket. Not thread safe. */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include "base/base.h"
#include "base/str.h"

struct hash_node {
    struct hash_node *next;
    uint64_t hash;
};

struct hash_table {
    size_t count;
    /* private: */
    struct hash_node **buckets, **old; /* old: being emptied into buckets, or NULL */
    size_t mask, old_mask;
    size_t moved;  /* old buckets below this one are empty: their nodes are in buckets */
    size_t paused; /* > 0: a walk is under way, no node may change its bucket */
};

/* Seeded 64-bit hash of bytes. hash_seed() draws the seed; call it once, before. */
void hash_seed(void);
uint64_t hash_bytes(const void *p, size_t n);
/* Of numbers that the server gives itself: nobody can choose them so that they collide. */
static inline uint64_t hash_u64(uint64_t n) {
    return n * UINT64_C(0x9e3779b97f4a7c15);
}
/* XXH3, 64 bits, seed 0: the same everywhere and ever, for telling damage. */
uint64_t hash_checksum(const void *p, size_t n);

void hash_init(struct hash_table *t);
void hash_clear(struct hash_table *t); /* frees the buckets; nodes are the owners' */
void hash_insert(struct hash_table *t, struct hash_node *n, uint64_t hash); /* key must be absent */
void hash_remove(struct hash_table *t, struct hash_node *n);                /* n must be present */

/* The nodes of a hash, also while the table grows. Walk them with:
 *   for (n = hash_first(t, h); n != NULL; n = hash_next(t, n)) if (same key) ...
 * hash_first/next yield only nodes whose full hash equals h. */
static inline struct hash_node *hash_first(const struct hash_table *t, uint64_t hash) {
    if (t->count == 0) return NULL;
    struct hash_node *n;
    if (UNLIKELY(t->old != NULL) && (hash & t->old_mask) >= t->moved)
        n = t->old[hash & t->old_mask];
    else
        n = t->buckets[hash & t->mask];
    while (n != NULL && n->hash != hash) n = n->next;
    return n;
}
static inline struct hash_node *hash_next(const struct hash_table *t, const struct hash_node *n) {
    UNUSED(t);
    uint64_t hash = n->hash;
    struct hash_node *next = n->next;
    while (next != NULL && next->hash != hash) next = next->next;
    return next;
}

/* For warming the processor's cache: fetches the bucket; its first node (without looking at it). */
static inline void hash_prefetch(const struct hash_table *t, uint64_t hash) {
    if (t->count > 0) __builtin_prefetch(&t->buckets[hash & t->mask]);
}
static inline const struct hash_node *hash_peek(const struct hash_table *t, uint64_t hash) {
    return t->count > 0 ? t->buckets[hash & t->mask] : NULL;
}

/* Calls each(node, arg) for all nodes, in no order; each may remove and free its
 * own node, and must not insert. */
void hash_each(struct hash_table *t, void (*each)(struct hash_node *n, void *arg), void *arg);
/* Some node of a random bucket, or NULL when empty. Expected O(1). */
struct hash_node *hash_random(const struct hash_table *t, uint64_t random);
/* Resumable scan as Redis' SCAN: calls each for the nodes of one bucket, returns the
 * next cursor, 0 at the end. Every node present all along is reported at least once,
 * also when the table grows in between. each as with hash_each. */
uint64_t hash_scan(struct hash_table *t, uint64_t cursor,
                   void (*each)(struct hash_node *n, void *arg), void *arg);
size_t hash_bytes_used(const struct hash_table *t);

#endif
