/* Which versions of a stream are gone: ranges, ascending and apart. Few in practice: what is
 * deleted from the front becomes the stream's first version. Loop thread. */
#ifndef STREAM_GONE_HOLES_H
#define STREAM_GONE_HOLES_H

#include "store/backend.h"

struct holes {
    struct version_range *ranges;
    size_t count, cap;
    uint64_t versions; /* in all of them */
};

/* version must not be in it. */
void holes_add(struct holes *h, uint64_t version);
/* A range behind all that there are. */
void holes_append(struct holes *h, uint64_t first, uint64_t last);
/* Takes one version out again; it must be in it. */
void holes_remove(struct holes *h, uint64_t version);
bool holes_contain(const struct holes *h, uint64_t version);
/* How many versions in [from, to) are in it. */
uint64_t holes_between(const struct holes *h, uint64_t from, uint64_t to);
/* The first version at or after it that is not in it. */
uint64_t holes_skip(const struct holes *h, uint64_t version);
/* The last version at or before it that is not in it; there is one. */
uint64_t holes_skip_back(const struct holes *h, uint64_t version);
/* Versions are thought to lie in blocks of `size`, the first from version 0 on. How many blocks
 * have a version in [from, to) that is not in it. */
uint64_t holes_blocks(const struct holes *h, uint64_t from, uint64_t to, uint64_t size);
/* Forgets those below. */
void holes_cut(struct holes *h, uint64_t below);
/* A copy of the ranges that end below. */
void holes_copy_below(struct holes *to, const struct holes *from, uint64_t below);
/* Puts ranges in front of all that there are. */
void holes_prepend(struct holes *h, const struct holes *front);
void holes_clear(struct holes *h);

#endif
