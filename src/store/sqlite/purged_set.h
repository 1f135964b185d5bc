/* Which events of the index tail have no row any more: their entries are left out
 * when it is merged to disk. A bitmap of the sequences from `indexed` on. What a transaction takes
 * away is noted first and counts when it has committed. The writer's thread only. */
#ifndef STORE_SQLITE_PURGED_SET_H
#define STORE_SQLITE_PURGED_SET_H

#include "base/base.h"

struct purged_set {
    uint64_t base; /* sequence of bit 0; a multiple of 8 */
    uint8_t *bits;
    size_t bytes;
    uint64_t *noted; /* by the transaction under way */
    size_t noted_count, noted_cap;
};

/* Zeroed memory is an empty set. */
void purged_note(struct purged_set *g, uint64_t sequence);
void purged_commit(struct purged_set *g);
void purged_rollback(struct purged_set *g);
/* Forgets those before `sequence`. */
void purged_advance(struct purged_set *g, uint64_t sequence);
void purged_clear(struct purged_set *g);

static inline bool purged_has(const struct purged_set *g, uint64_t sequence) {
    if (g->bytes == 0 || sequence < g->base) return false;
    uint64_t at = sequence - g->base;
    return at / 8 < g->bytes && (g->bits[at / 8] >> (at % 8) & 1) != 0;
}

#endif
