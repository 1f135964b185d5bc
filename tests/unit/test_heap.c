/* The heap of deadlines, beside a naive one. */
#include "unit.h"

#include "base/heap.h"

enum { NODES = 300, STEPS = 20000 };

TEST(the_first_is_always_the_lowest_whatever_is_moved_and_taken_out) {
    static struct heap_node nodes[NODES];
    struct heap h = {0};
    for (int step = 0; step < STEPS; step++) {
        struct heap_node *n = &nodes[draw(NODES)];
        if (draw(3) == 0)
            heap_remove(&h, n);
        else
            heap_set(&h, n, draw(1000));
        size_t in = 0;
        uint64_t lowest = UINT64_MAX;
        for (size_t i = 0; i < NODES; i++) {
            if (!heap_contains(&nodes[i])) continue;
            in++;
            lowest = MIN(lowest, nodes[i].key);
            CHECK(h.nodes[nodes[i].at - 1] == &nodes[i]);
        }
        CHECK_INT(h.count, in);
        CHECK(in == 0 ? heap_first(&h) == NULL : heap_first(&h)->key == lowest);
    }
    while (heap_first(&h) != NULL) {
        uint64_t key = heap_first(&h)->key;
        heap_remove(&h, heap_first(&h));
        CHECK(heap_first(&h) == NULL || heap_first(&h)->key >= key);
    }
    heap_clear(&h);
}
