/* A binary heap of things that come due: the lowest key first. Its nodes are embedded in what is
 * due, know their place, and so can be moved and taken out at any time: O(log n) each. */
#ifndef BASE_HEAP_H
#define BASE_HEAP_H

#include "base/base.h"

struct heap_node {
    uint64_t key;
    size_t at; /* place in the heap, from 1; 0: not in it */
};

struct heap {
    struct heap_node **nodes;
    size_t count, cap;
};

static inline bool heap_contains(const struct heap_node *n) {
    return n->at != 0;
}
/* The node with the lowest key; NULL: the heap is empty. */
static inline struct heap_node *heap_first(const struct heap *h) {
    return h->count > 0 ? h->nodes[0] : NULL;
}
/* Puts the node in, or where its new key belongs if it is in the heap. */
void heap_set(struct heap *h, struct heap_node *n, uint64_t key);
/* Takes it out, if it is in. */
void heap_remove(struct heap *h, struct heap_node *n);
/* Gives the memory back; the nodes are their owners'. */
void heap_clear(struct heap *h);

#endif
