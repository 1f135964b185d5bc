/* See purged_set.h. */
#include "store/sqlite/purged_set.h"

#include "base/alloc.h"

void purged_note(struct purged_set *g, uint64_t sequence) {
    if (g->noted_count == g->noted_cap) {
        g->noted_cap = g->noted_cap * 2 + 256;
        g->noted = xrealloc(g->noted, g->noted_cap * sizeof *g->noted);
    }
    g->noted[g->noted_count++] = sequence;
}

void purged_commit(struct purged_set *g) {
    for (size_t i = 0; i < g->noted_count; i++) {
        if (g->noted[i] < g->base) continue;
        size_t at = (size_t)(g->noted[i] - g->base), need = at / 8 + 1;
        if (need > g->bytes) {
            size_t bytes = MAX(need, g->bytes * 2);
            g->bits = xrealloc(g->bits, bytes);
            memset(g->bits + g->bytes, 0, bytes - g->bytes);
            g->bytes = bytes;
        }
        g->bits[at / 8] |= (uint8_t)(1u << (at % 8));
    }
    g->noted_count = 0;
}

void purged_rollback(struct purged_set *g) {
    g->noted_count = 0;
}

void purged_advance(struct purged_set *g, uint64_t sequence) {
    assert(sequence >= g->base);
    size_t drop = (size_t)((sequence - g->base) / 8);
    g->base += (uint64_t)drop * 8;
    if (drop >= g->bytes) {
        free(g->bits);
        g->bits = NULL;
        g->bytes = 0;
        return;
    }
    g->bytes -= drop;
    memmove(g->bits, g->bits + drop, g->bytes);
}

void purged_clear(struct purged_set *g) {
    free(g->bits);
    free(g->noted);
    memset(g, 0, sizeof *g);
}
