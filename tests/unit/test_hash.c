/* The hash table: random changes against a plain array, walks and scans while it is resized. */
#include "unit.h"

#include "base/alloc.h"
#include "base/hash.h"
#include "base/uuid.h"

struct item {
    struct hash_node node;
    uint64_t key;
    bool in;
    int seen;
};

static uint64_t hash_key(uint64_t key) {
    return hash_bytes(&key, sizeof key);
}

static struct item *lookup(const struct hash_table *t, uint64_t key) {
    uint64_t h = hash_key(key);
    for (struct hash_node *n = hash_first(t, h); n != NULL; n = hash_next(t, n)) {
        struct item *item = CONTAINER_OF(n, struct item, node);
        if (item->key == key) return item;
    }
    return NULL;
}

static struct item *make_items(size_t n) {
    struct item *items = xcalloc(n, sizeof *items);
    for (size_t i = 0; i < n; i++) items[i].key = i;
    return items;
}

static void put(struct hash_table *t, struct item *item) {
    hash_insert(t, &item->node, hash_key(item->key));
    item->in = true;
}

static void drop(struct hash_table *t, struct item *item) {
    hash_remove(t, &item->node);
    item->in = false;
}

static void see(struct hash_node *n, void *arg) {
    (void)arg;
    CONTAINER_OF(n, struct item, node)->seen++;
}

TEST(an_empty_table_answers_everything) {
    struct hash_table t;
    hash_init(&t);
    CHECK(hash_first(&t, 1) == NULL);
    CHECK(hash_random(&t, 5) == NULL);
    CHECK(hash_scan(&t, 0, see, NULL) == 0);
    CHECK(hash_scan(&t, 77, see, NULL) == 0);
    hash_each(&t, see, NULL);
    CHECK_INT(hash_bytes_used(&t), 0);
    hash_clear(&t);
}

TEST(hashes_depend_on_the_seed_and_on_every_byte) {
    uint64_t unseeded = hash_bytes("order-1", 7);
    hash_seed();
    CHECK(hash_bytes("order-1", 7) != unseeded);
    CHECK(hash_bytes("order-1", 7) == hash_bytes("order-1", 7));
    CHECK(hash_bytes("order-1", 7) != hash_bytes("order-2", 7));
    CHECK(hash_bytes("order-1", 7) != hash_bytes("order-1", 6));
    CHECK(hash_bytes("", 0) == hash_bytes(NULL, 0));
}

TEST(random_inserts_and_removes_match_a_plain_array) {
    enum { N = 20000 };
    struct item *items = make_items(N);
    struct hash_table t;
    size_t count = 0;
    hash_seed();
    hash_init(&t);
    for (int phase = 0; phase < 6; phase++) {
        unsigned insert_of_8 = phase % 2 == 0 ? 7 : 1; /* grow, shrink, grow … */
        for (int i = 0; i < 4 * N; i++) {
            struct item *item = &items[draw(N)];
            bool insert = draw(8) < insert_of_8;
            if (insert && !item->in) {
                put(&t, item);
                count++;
            } else if (!insert && item->in) {
                drop(&t, item);
                count--;
            }
            CHECK((lookup(&t, item->key) == item) == item->in);
            CHECK_INT(t.count, count);
        }
        for (int i = 0; i < N; i++) CHECK((lookup(&t, items[i].key) == &items[i]) == items[i].in);
    }
    hash_clear(&t);
    CHECK_INT(t.count, 0);
    free(items);
}

TEST(nodes_with_equal_hashes_are_all_found) {
    enum { N = 300 };
    struct item *items = make_items(N);
    struct hash_table t;
    hash_init(&t);
    for (size_t i = 0; i < N; i++) hash_insert(&t, &items[i].node, i % 3 == 0 ? 42 : i * 1000 + 42);
    int found = 0;
    for (struct hash_node *n = hash_first(&t, 42); n != NULL; n = hash_next(&t, n)) {
        CHECK_INT(CONTAINER_OF(n, struct item, node)->key % 3, 0);
        found++;
    }
    CHECK_INT(found, N / 3);
    CHECK(hash_first(&t, 43) == NULL);
    for (size_t i = 0; i < N; i++) hash_remove(&t, &items[i].node);
    CHECK_INT(t.count, 0);
    hash_clear(&t);
    free(items);
}

TEST(no_single_insert_moves_more_than_a_few_nodes) {
    enum { N = 100000 };
    struct item *items = make_items(N);
    struct hash_table t;
    hash_init(&t);
    for (size_t i = 0; i < N; i++) {
        size_t before = t.moved;
        bool resizing = t.old != NULL;
        put(&t, &items[i]);
        if (resizing && t.old != NULL) CHECK(t.moved - before <= 16);
    }
    CHECK(t.mask + 1 >= N / 2 && t.mask + 1 <= 2 * N);
    CHECK(hash_bytes_used(&t) >= (t.mask + 1) * sizeof(void *));
    hash_clear(&t);
    free(items);
}

TEST(an_emptied_table_gives_its_memory_back) {
    enum { N = 50000 };
    struct item *items = make_items(N);
    struct hash_table t;
    hash_init(&t);
    for (size_t i = 0; i < N; i++) put(&t, &items[i]);
    size_t full = hash_bytes_used(&t);
    for (size_t i = 0; i < N - 10; i++) drop(&t, &items[i]);
    CHECK(hash_bytes_used(&t) < full / 16);
    for (size_t i = N - 10; i < N; i++) CHECK(lookup(&t, i) == &items[i]);
    hash_clear(&t);
    free(items);
}

static void remove_odd(struct hash_node *n, void *arg) {
    struct item *item = CONTAINER_OF(n, struct item, node);
    item->seen++;
    if (item->key % 2 == 1) drop(arg, item);
}

TEST(each_visits_all_once_and_may_remove_its_own_node) {
    for (size_t n = 1; n < 3000; n += 1 + n / 4) { /* sizes in and between resizes */
        struct item *items = make_items(n);
        struct hash_table t;
        hash_init(&t);
        for (size_t i = 0; i < n; i++) put(&t, &items[i]);
        hash_each(&t, remove_odd, &t);
        for (size_t i = 0; i < n; i++) {
            CHECK_INT(items[i].seen, 1);
            CHECK((lookup(&t, i) != NULL) == (i % 2 == 0));
        }
        hash_each(&t, see, NULL);
        for (size_t i = 0; i < n; i++) CHECK_INT(items[i].seen, i % 2 == 0 ? 2 : 1);
        hash_clear(&t);
        free(items);
    }
}

TEST(a_scan_of_a_quiet_table_reports_every_node_once) {
    enum { N = 1000 }; /* no resize is under way at this size */
    struct item *items = make_items(N);
    struct hash_table t;
    hash_init(&t);
    for (size_t i = 0; i < N; i++) put(&t, &items[i]);
    while (t.old != NULL) { /* let it settle */
        drop(&t, &items[0]);
        put(&t, &items[0]);
    }
    uint64_t cursor = 0;
    size_t calls = 0;
    do {
        cursor = hash_scan(&t, cursor, see, NULL);
        calls++;
    } while (cursor != 0);
    CHECK_INT(calls, t.mask + 1);
    for (size_t i = 0; i < N; i++) CHECK_INT(items[i].seen, 1);
    hash_clear(&t);
    free(items);
}

/* Scans, with `step` inserts or removes between the calls; the first `stay` items remain. */
static void scan_while(size_t before, size_t stay, size_t total, bool grow, size_t step) {
    struct item *items = make_items(total);
    struct hash_table t;
    hash_init(&t);
    for (size_t i = 0; i < before; i++) put(&t, &items[i]);
    size_t next = grow ? before : stay;
    uint64_t cursor = 0;
    size_t calls = 0;
    do {
        cursor = hash_scan(&t, cursor, see, NULL);
        for (size_t k = 0; k < step; k++) {
            if (grow && next < total) put(&t, &items[next++]);
            if (!grow && next < before) drop(&t, &items[next++]);
        }
        CHECK(++calls < 100 * total); /* and it ends */
    } while (cursor != 0);
    for (size_t i = 0; i < stay; i++) CHECK(items[i].seen >= 1);
    hash_clear(&t);
    free(items);
}

TEST(a_scan_misses_nothing_while_the_table_grows) {
    hash_seed();
    for (size_t before = 1; before < 600; before += 1 + before / 3) {
        for (size_t step = 1; step < 200; step *= 3) scan_while(before, before, 8000, true, step);
    }
}

TEST(a_scan_misses_nothing_while_the_table_shrinks) {
    hash_seed();
    for (size_t stay = 1; stay < 600; stay += 1 + stay / 3) {
        for (size_t step = 1; step < 200; step *= 3) scan_while(8000, stay, 8000, false, step);
    }
}

TEST(a_scan_misses_nothing_while_the_table_swings) {
    enum { STAY = 200, N = 6000 };
    hash_seed();
    for (int round = 0; round < 20; round++) {
        struct item *items = make_items(N);
        struct hash_table t;
        hash_init(&t);
        for (size_t i = 0; i < STAY; i++) put(&t, &items[i]);
        size_t used = STAY;
        bool growing = true;
        uint64_t cursor = 0;
        do {
            cursor = hash_scan(&t, cursor, see, NULL);
            for (uint64_t k = draw(300); k > 0; k--) {
                if (used == N || (used > STAY && draw(4000) == 0)) growing = false;
                if (used == STAY) growing = true;
                if (growing)
                    put(&t, &items[used++]);
                else
                    drop(&t, &items[--used]);
            }
        } while (cursor != 0);
        for (size_t i = 0; i < STAY; i++) CHECK(items[i].seen >= 1);
        hash_clear(&t);
        free(items);
    }
}

TEST(a_scan_takes_any_cursor_and_may_remove_what_it_sees) {
    enum { N = 5000 };
    struct item *items = make_items(N);
    struct hash_table t;
    hash_init(&t);
    for (size_t i = 0; i < N; i++) put(&t, &items[i]);
    for (int i = 0; i < 1000; i++) hash_scan(&t, draw_u64(), see, NULL);
    uint64_t cursor = 0;
    do {
        cursor = hash_scan(&t, cursor, remove_odd, &t);
    } while (cursor != 0);
    for (size_t i = 0; i < N; i++) CHECK((lookup(&t, i) != NULL) == (i % 2 == 0));
    hash_clear(&t);
    free(items);
}

TEST(random_nodes_reach_every_node_and_survive_sparse_tables) {
    enum { N = 100 };
    struct item *items = make_items(20000);
    struct hash_table t;
    hash_seed();
    hash_init(&t);
    for (size_t i = 0; i < N; i++) put(&t, &items[i]);
    for (int i = 0; i < 20000; i++) see(hash_random(&t, draw_u64()), NULL);
    for (size_t i = 0; i < N; i++) CHECK(items[i].seen > 0);
    for (size_t i = N; i < 20000; i++) put(&t, &items[i]);
    for (size_t i = 1; i < 20000; i++) drop(&t, &items[i]);
    for (int i = 0; i < 100; i++) CHECK(hash_random(&t, draw_u64()) == &items[0].node);
    hash_clear(&t);
    free(items);
}
