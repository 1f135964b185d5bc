/* See heap.h. */
#include "base/heap.h"

#include "base/alloc.h"

#define FIRST_CAP 64

static void place(struct heap *h, size_t at, struct heap_node *n) {
    h->nodes[at - 1] = n;
    n->at = at;
}

static void sift(struct heap *h, struct heap_node *n) {
    size_t at = n->at;
    for (; at > 1 && h->nodes[at / 2 - 1]->key > n->key; at /= 2)
        place(h, at, h->nodes[at / 2 - 1]);
    for (size_t child; (child = at * 2) <= h->count; at = child) {
        if (child < h->count && h->nodes[child]->key < h->nodes[child - 1]->key) child++;
        if (h->nodes[child - 1]->key >= n->key) break;
        place(h, at, h->nodes[child - 1]);
    }
    place(h, at, n);
}

void heap_set(struct heap *h, struct heap_node *n, uint64_t key) {
    n->key = key;
    if (n->at == 0) {
        if (h->count == h->cap) {
            h->cap = h->cap == 0 ? FIRST_CAP : h->cap * 2;
            h->nodes = xrealloc(h->nodes, h->cap * sizeof(struct heap_node *));
        }
        place(h, ++h->count, n);
    }
    sift(h, n);
}

void heap_remove(struct heap *h, struct heap_node *n) {
    if (n->at == 0) return;
    size_t at = n->at;
    struct heap_node *last = h->nodes[--h->count];
    n->at = 0;
    if (last == n) return;
    place(h, at, last);
    sift(h, last);
}

void heap_clear(struct heap *h) {
    free(h->nodes);
    *h = (struct heap){0};
}
