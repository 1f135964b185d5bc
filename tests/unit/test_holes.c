/* Which versions of a stream are gone: random changes against a plain map of bits. */
#include "unit.h"

#include "base/alloc.h"
#include "stream/gone/holes.h"

#define VERSIONS 400u

/* The versions are those from `base` on, so that the highest there can be are among them. */
struct world {
    struct holes holes;
    uint64_t base;
    bool gone[VERSIONS];
};

static uint64_t count_gone(const struct world *w, uint64_t from, uint64_t to) {
    uint64_t n = 0;
    for (uint64_t i = 0; i < VERSIONS; i++)
        n += w->gone[i] && w->base + i >= from && w->base + i < to;
    return n;
}

static uint64_t skip_gone(const struct world *w, uint64_t version) {
    while (version >= w->base && version < w->base + VERSIONS && w->gone[version - w->base])
        version++;
    return version;
}

static uint64_t skip_gone_back(const struct world *w, uint64_t version) {
    while (version >= w->base && version < w->base + VERSIONS && w->gone[version - w->base])
        version--;
    return version;
}

static uint64_t count_blocks(const struct world *w, uint64_t from, uint64_t to, uint64_t size) {
    uint64_t n = 0, counted = UINT64_MAX;
    for (uint64_t v = from; v < to; v++) {
        bool gone = v >= w->base && v < w->base + VERSIONS && w->gone[v - w->base];
        if (gone || v / size == counted) continue;
        counted = v / size;
        n++;
    }
    return n;
}

/* Ranges ascend, are not empty, and there is at least one version between any two. */
static void check_ranges(const struct holes *h) {
    uint64_t versions = 0, next = 0;
    size_t count = 0;
    struct version_range r;
    while (holes_find(h, next, &r)) {
        CHECK(r.first <= r.last);
        if (count++ > 0) CHECK(r.first > next);
        versions += (uint64_t)r.last - r.first + 1;
        next = (uint64_t)r.last + 1;
    }
    CHECK_INT(h->count, count);
    CHECK_INT(h->versions, versions);
}

static void check_same(const struct world *w) {
    const struct holes *h = &w->holes;
    check_ranges(h);
    CHECK_INT(h->versions, count_gone(w, 0, UINT64_MAX));
    for (uint64_t i = 0; i < VERSIONS; i++) {
        CHECK(holes_contain(h, w->base + i) == w->gone[i]);
        CHECK_INT(holes_skip(h, w->base + i), skip_gone(w, w->base + i));
        if (w->base + i > 0 && skip_gone_back(w, w->base + i) != UINT64_MAX)
            CHECK_INT(holes_skip_back(h, w->base + i), skip_gone_back(w, w->base + i));
    }
    for (int i = 0; i < 20; i++) {
        uint64_t from = w->base + draw(VERSIONS + 2), to = w->base + draw(VERSIONS + 2);
        CHECK_INT(holes_between(h, from, to), from < to ? count_gone(w, from, to) : 0);
        uint64_t size = 1 + draw(12);
        CHECK_INT(holes_blocks(h, from, to, size), count_blocks(w, from, to, size));
    }
    CHECK_INT(holes_between(h, 0, UINT64_MAX), h->versions);
    uint64_t back = w->base + VERSIONS;
    for (uint64_t n = 1; n <= VERSIONS - h->versions; n++) {
        back = skip_gone_back(w, back - 1);
        CHECK_INT(holes_back(h, w->base + VERSIONS, n), back);
    }
}

/* Takes one version out. */
static void take(struct world *w, uint64_t i) {
    if (w->gone[i]) return;
    holes_add(&w->holes, w->base + i);
    w->gone[i] = true;
}

/* The same ranges, one after the other, but for one that goes. */
static void copy(struct world *w) {
    struct holes all = {0};
    struct version_range r;
    size_t i = 0, gone = (size_t)draw(w->holes.count + 1);
    for (uint64_t next = 0; holes_find(&w->holes, next, &r); next = (uint64_t)r.last + 1) {
        if (i++ != gone)
            holes_append(&all, r.first, r.last);
        else
            memset(w->gone + (r.first - w->base), 0, r.last - r.first + 1u);
    }
    holes_clear(&w->holes);
    w->holes = all;
}

static void cut(struct world *w, uint64_t i) {
    holes_cut(&w->holes, w->base + i);
    for (uint64_t k = 0; k < i && k < VERSIONS; k++) w->gone[k] = false;
}

/* Changes one version, or some neighbours, so that ranges grow, meet and fall apart. */
static void change(struct world *w) {
    uint64_t at = draw(VERSIONS), n = draw(4) == 0 ? draw(30) : 1;
    for (uint64_t i = at; i < at + n && i < VERSIONS; i++) take(w, i);
    if (draw(200) == 0) cut(w, draw(VERSIONS + 1));
    if (draw(4) == 0) copy(w);
}

static void run_world(uint64_t base) {
    struct world w = {.base = base}, then;
    for (int step = 0; step < 3000; step++) {
        if (step % 100 == 0) {
            then = w;
            then.holes = holes_share(&w.holes);
        }
        change(&w);
        if (step % 7 == 0) check_same(&w);
        if (step % 100 == 99) { /* it has not changed with what shares its nodes */
            check_same(&then);
            holes_clear(&then.holes);
        }
    }
    check_same(&w);
    holes_clear(&w.holes);
}

TEST(any_changes_leave_the_same_as_a_map_of_bits) {
    for (int i = 0; i < 10; i++) run_world(0);
}

TEST(the_highest_version_there_can_be_is_one_like_the_others) {
    run_world(UINT64_C(1) << 31);
    run_world(UINT32_MAX - VERSIONS + 1);
}

TEST(neighbours_become_one_range_whatever_the_order_in_which_they_go) {
    for (int round = 0; round < 50; round++) {
        struct world w = {0};
        for (uint64_t left = VERSIONS; left > 0; left--) {
            uint64_t i = draw(VERSIONS);
            while (w.gone[i]) i = (i + 1) % VERSIONS;
            take(&w, i);
        }
        struct version_range all;
        CHECK_INT(w.holes.count, 1);
        CHECK(holes_find(&w.holes, 0, &all));
        CHECK_INT(all.first, 0);
        CHECK_INT(all.last, VERSIONS - 1);
        holes_clear(&w.holes);
    }
}

TEST(a_cut_in_the_middle_of_a_range_keeps_the_rest_of_it) {
    struct holes h = {0};
    for (uint64_t v = 10; v < 20; v++) holes_add(&h, v);
    holes_cut(&h, 15);
    CHECK_INT(h.versions, 5);
    CHECK(!holes_contain(&h, 14));
    CHECK(holes_contain(&h, 15));
    holes_cut(&h, 20);
    CHECK_INT(h.versions, 0);
    CHECK_INT(h.count, 0);
    holes_clear(&h);
}

TEST(a_share_does_not_change_with_its_original) {
    struct holes h = {0}, share, none = holes_share(&h);
    CHECK_INT(none.versions, 0);
    for (uint64_t v = 0; v < 400; v += 2) holes_add(&h, v);
    share = holes_share(&h);
    for (uint64_t v = 1; v < 400; v += 2) holes_add(&h, v);
    CHECK_INT(share.count, 200);
    CHECK_INT(share.versions, 200);
    CHECK(!holes_contain(&share, 1));
    holes_add(&share, 1);
    CHECK_INT(share.count, 199);
    holes_clear(&h);
    CHECK_INT(h.versions, 0);
    CHECK(holes_contain(&share, 398));
    holes_clear(&share);
}

/* What the tree holds of many: every second version, in any order. */
TEST(many_are_found_counted_and_cut) {
    enum { MANY = 100000 };
    static uint32_t order[MANY];
    struct holes h = {0};
    for (uint32_t i = 0; i < MANY; i++) {
        uint32_t j = (uint32_t)draw(i + 1);
        order[i] = order[j];
        order[j] = i;
    }
    for (uint32_t i = 0; i < MANY; i++) holes_add(&h, order[i] * UINT64_C(2));
    CHECK_INT(h.count, MANY);
    CHECK(holes_bytes(&h) < MANY * 16);
    for (uint64_t v = 1; v < 2 * MANY; v += 999) {
        CHECK(holes_contain(&h, v) == (v % 2 == 0));
        CHECK_INT(holes_between(&h, v, 2 * MANY), (2 * MANY - v) / 2);
        CHECK_INT(holes_back(&h, 2 * MANY, v / 2 + 1), 2 * MANY - 2 * (v / 2 + 1) + 1);
    }
    CHECK_INT(holes_blocks(&h, 0, 2 * MANY, 100), 2 * MANY / 100);
    for (uint64_t v = 1; v < 2 * MANY; v += 2)
        if (v / 1000 % 2 == 1) holes_add(&h, v);
    CHECK_INT(holes_blocks(&h, 0, 2 * MANY, 1000), MANY / 1000);
    CHECK_INT(holes_blocks(&h, 500, 2 * MANY - 500, 1000), MANY / 1000);
    holes_cut(&h, MANY);
    check_ranges(&h);
    CHECK_INT(holes_between(&h, 0, MANY), 0);
    CHECK_INT(h.versions, MANY / 2 + MANY / 4);
    holes_clear(&h);
}

TEST(nothing_is_gone_from_no_holes) {
    struct holes h = {0};
    CHECK(!holes_contain(&h, 0));
    CHECK_INT(holes_between(&h, 0, 100), 0);
    CHECK_INT(holes_skip(&h, 7), 7);
    CHECK_INT(holes_skip_back(&h, 7), 7);
    CHECK_INT(holes_blocks(&h, 0, 0, 100), 0);
    CHECK_INT(holes_blocks(&h, 99, 101, 100), 2);
    CHECK_INT(holes_blocks(&h, 5, UINT32_MAX, UINT64_MAX), 1);
    holes_cut(&h, 100);
    CHECK_INT(h.count, 0);
    holes_clear(&h);
}
