/* The hash table behind every lookup by name or id.
 *
 * While a table is being resized, a node is in exactly one place, and its hash tells which: in
 * `old` if its old bucket is not moved yet, else in `buckets`. So a lookup looks at one chain
 * only. Each insert and remove moves a few buckets; a resize is long done before the next one is
 * due. Walks over all nodes pause the moving, so that a callback may remove its own node. */
#include "base/hash.h"

#include "base/alloc.h"
#include "base/uuid.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#define HASH_SIZE_MIN ((size_t)16)
/* A step looks at this many buckets (two cache lines of pointers) or moves this many chains. An
 * old table at most 1/8 full is so emptied well before what is left needs the next shrinking. */
#define HASH_STEP_BUCKETS 16
#define HASH_STEP_CHAINS  2

static uint64_t hash_the_seed;

void hash_seed(void) {
    random_bytes(&hash_the_seed, sizeof hash_the_seed);
}

uint64_t hash_bytes(const void *p, size_t n) {
    return XXH3_64bits_withSeed(p, n, hash_the_seed);
}

uint64_t hash_checksum(const void *p, size_t n) {
    return XXH3_64bits(p, n);
}

void hash_init(struct hash_table *t) {
    *t = (struct hash_table){0};
}

void hash_clear(struct hash_table *t) {
    assert(t->paused == 0);
    free(t->buckets);
    free(t->old);
    hash_init(t);
}

/* Where the chain of a hash begins. */
static struct hash_node **hash_slot(struct hash_table *t, uint64_t hash) {
    if (t->old != NULL && (hash & t->old_mask) >= t->moved) return &t->old[hash & t->old_mask];
    return &t->buckets[hash & t->mask];
}

/* Moves one old bucket; true if it held anything. */
static bool hash_move_bucket(struct hash_table *t) {
    struct hash_node *n = t->old[t->moved], *next;
    bool held = n != NULL;
    for (; n != NULL; n = next) {
        next = n->next;
        struct hash_node **slot = &t->buckets[n->hash & t->mask];
        n->next = *slot;
        *slot = n;
    }
    t->old[t->moved++] = NULL;
    if (t->moved > t->old_mask) {
        free(t->old);
        t->old = NULL;
        t->old_mask = t->moved = 0;
    }
    return held;
}

static void hash_step(struct hash_table *t) {
    int chains = 0;
    for (int i = 0; i < HASH_STEP_BUCKETS && t->old != NULL; i++) {
        if (hash_move_bucket(t) && ++chains == HASH_STEP_CHAINS) break;
    }
}

static void hash_resize(struct hash_table *t, size_t size) {
    assert(t->old == NULL);
    assert((size & (size - 1)) == 0);
    t->old = t->buckets;
    t->old_mask = t->mask;
    t->moved = 0;
    t->buckets = xcalloc(size, sizeof *t->buckets);
    t->mask = size - 1;
}

void hash_insert(struct hash_table *t, struct hash_node *n, uint64_t hash) {
    assert(t->paused == 0);
    if (UNLIKELY(t->buckets == NULL)) {
        hash_resize(t, HASH_SIZE_MIN);
    } else if (UNLIKELY(t->old != NULL)) {
        hash_step(t);
    } else if (UNLIKELY(t->count > t->mask)) {
        hash_resize(t, (t->mask + 1) * 2);
        hash_step(t);
    }
    n->hash = hash;
    struct hash_node **slot = hash_slot(t, hash);
    n->next = *slot;
    *slot = n;
    t->count++;
}

void hash_remove(struct hash_table *t, struct hash_node *n) {
    assert(t->count > 0);
    struct hash_node **at = hash_slot(t, n->hash);
    while (*at != n) {
        assert(*at != NULL); /* else n was not in the table */
        at = &(*at)->next;
    }
    *at = n->next;
    n->next = NULL;
    t->count--;
    if (t->paused > 0) return;
    if (t->old != NULL) {
        hash_step(t);
    } else if (UNLIKELY(t->count < (t->mask + 1) / 8 && t->mask + 1 > HASH_SIZE_MIN)) {
        hash_resize(t, (t->mask + 1) / 4);
    }
}

static void hash_walk_chain(struct hash_node *n, void (*each)(struct hash_node *n, void *arg),
                            void *arg) {
    for (struct hash_node *next; n != NULL; n = next) {
        next = n->next;
        each(n, arg);
    }
}

void hash_each(struct hash_table *t, void (*each)(struct hash_node *n, void *arg), void *arg) {
    if (t->count == 0) return;
    t->paused++;
    if (t->old != NULL) {
        for (size_t i = t->moved; i <= t->old_mask; i++) hash_walk_chain(t->old[i], each, arg);
    }
    for (size_t i = 0; i <= t->mask; i++) hash_walk_chain(t->buckets[i], each, arg);
    t->paused--;
}

/* Bucket i of the two tables taken as one row. */
static struct hash_node *hash_bucket_at(const struct hash_table *t, size_t i) {
    return i <= t->mask ? t->buckets[i] : t->old[i - t->mask - 1];
}

struct hash_node *hash_random(const struct hash_table *t, uint64_t random) {
    if (t->count == 0) return NULL;
    size_t total = t->mask + 1 + (t->old != NULL ? t->old_mask + 1 : 0);
    struct hash_node *n = NULL;
    /* Independent draws keep the choice fair; the walk after them only bounds the time. */
    for (int tries = 0; n == NULL && tries < 256; tries++) {
        random = random * 0x9e3779b97f4a7c15 + 0xd1b54a32d192ed03;
        n = hash_bucket_at(t, (size_t)(((unsigned __int128)random * total) >> 64));
    }
    for (size_t i = 0; n == NULL; i++) n = hash_bucket_at(t, i);
    size_t len = 0;
    for (struct hash_node *it = n; it != NULL; it = it->next) len++;
    for (size_t skip = (random >> 7) % len; skip > 0; skip--) n = n->next;
    return n;
}

/* The cursor is a bucket's index whose bits count from the top down: 000, 100, 010, 110 … With
 * one bit of mask more, the buckets that a bucket splits into are exactly those that differ from
 * it in the new top bit, and in this order they stand next to each other: what lies before the
 * cursor in a small table lies before it in a large one too. So a cursor stays good whatever
 * happens to the size. During a resize one call covers a bucket of the smaller table and all of
 * the larger one that share its low bits. */
uint64_t hash_scan(struct hash_table *t, uint64_t cursor,
                   void (*each)(struct hash_node *n, void *arg), void *arg) {
    if (t->count == 0) return 0;
    struct hash_node **tables[2] = {t->buckets, t->old};
    size_t masks[2] = {t->mask, t->old_mask};
    size_t smaller = t->old != NULL ? MIN(t->mask, t->old_mask) : t->mask;
    size_t index = cursor & smaller;
    t->paused++;
    for (int k = 0; k < 2; k++) {
        if (tables[k] == NULL) continue;
        for (size_t i = index; i <= masks[k]; i += smaller + 1)
            hash_walk_chain(tables[k][i], each, arg);
    }
    t->paused--;
    size_t bit = (smaller + 1) / 2;
    for (; (index & bit) != 0; bit /= 2) index &= ~bit;
    return index | bit; /* all ones before: bit and index are 0 now, the end */
}

size_t hash_bytes_used(const struct hash_table *t) {
    size_t n = t->buckets != NULL ? t->mask + 1 : 0;
    if (t->old != NULL) n += t->old_mask + 1;
    return n * sizeof *t->buckets;
}
