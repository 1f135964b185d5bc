/* Which versions of a stream are gone: ranges, ascending and apart. Mostly few (what is deleted
 * from the front becomes the stream's first version), but there may be millions, and a command that
 * deletes, counts or trims among them costs O(log n): they are a tree, whose nodes a copy shares
 * until one of the two is changed. Loop thread. */
#ifndef STREAM_GONE_HOLES_H
#define STREAM_GONE_HOLES_H

#include "store/backend.h"

struct holes_node;

/* Zeroed: none. */
struct holes {
    struct holes_node *root; /* private */
    size_t count;            /* ranges */
    uint64_t versions;       /* in all of them */
};

/* version must not be in it. */
void holes_add(struct holes *h, uint64_t version);
/* A range behind all that there are. */
void holes_append(struct holes *h, uint64_t first, uint64_t last);
bool holes_contain(const struct holes *h, uint64_t version);
/* The first range that ends at or after the version; false: there is none. */
bool holes_find(const struct holes *h, uint64_t version, struct version_range *out);
/* How many versions in [from, to) are in it. */
uint64_t holes_between(const struct holes *h, uint64_t from, uint64_t to);
/* The first version at or after it that is not in it. */
uint64_t holes_skip(const struct holes *h, uint64_t version);
/* The last version at or before it that is not in it; there is one. */
uint64_t holes_skip_back(const struct holes *h, uint64_t version);
/* Of the n newest below `end` that are not in it the first; there are so many. No range is beyond
 * `end`. */
uint64_t holes_back(const struct holes *h, uint64_t end, uint64_t n);
/* Versions are thought to lie in blocks of `size`, the first from version 0 on. How many blocks
 * have a version in [from, to) that is not in it. Looks at the ranges of at least that size. */
uint64_t holes_blocks(const struct holes *h, uint64_t from, uint64_t to, uint64_t size);
/* Forgets those below. */
void holes_cut(struct holes *h, uint64_t below);
/* The same holes, as they are now, whatever becomes of h: O(1). To be cleared like any other. */
struct holes holes_share(const struct holes *h);
/* Bytes of memory, roughly; of what is shared too. */
size_t holes_bytes(const struct holes *h);
void holes_clear(struct holes *h);

#endif
