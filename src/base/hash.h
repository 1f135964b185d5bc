/* Intrusive hash table with chains; it grows step by step, so that no single
 * insert pays for all. Nodes live in their owners; the table allocates only its
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
    size_t mask, old_mask, moved;
};

/* Seeded 64-bit hash of bytes. hash_seed() draws the seed; call it once, before. */
void hash_seed(void);
uint64_t hash_bytes(const void *p, size_t n);

void hash_init(struct hash_table *t);
void hash_clear(struct hash_table *t); /* frees the buckets; nodes are the owners' */
void hash_insert(struct hash_table *t, struct hash_node *n, uint64_t hash); /* key must be absent */
void hash_remove(struct hash_table *t, struct hash_node *n);                /* n must be present */

/* The chain for a hash. Walk both chains of a growing table with:
 *   for (n = hash_first(t, h); n != NULL; n = hash_next(t, n)) if (same key) ...
 * hash_first/next yield only nodes whose full hash equals h. */
struct hash_node *hash_first(const struct hash_table *t, uint64_t hash);
struct hash_node *hash_next(const struct hash_table *t, const struct hash_node *n);

/* Calls each(node, arg) for all nodes, in no order; each may remove and free its
 * own node, and must not insert. */
void hash_each(struct hash_table *t, void (*each)(struct hash_node *n, void *arg), void *arg);
/* Some node of a random bucket, or NULL when empty. Expected O(1). */
struct hash_node *hash_random(const struct hash_table *t, uint64_t random);
/* Resumable scan as Redis' SCAN: calls each for the nodes of one bucket, returns the
 * next cursor, 0 at the end. Every node present all along is reported at least once,
 * also when the table grows in between. */
uint64_t hash_scan(struct hash_table *t, uint64_t cursor,
                   void (*each)(struct hash_node *n, void *arg), void *arg);
size_t hash_bytes_used(const struct hash_table *t);

#endif
