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
    uint64_t versions = 0;
    for (size_t i = 0; i < h->count; i++) {
        CHECK(h->ranges[i].first <= h->ranges[i].last);
        if (i > 0) CHECK((uint64_t)h->ranges[i - 1].last + 1 < h->ranges[i].first);
        versions += (uint64_t)h->ranges[i].last - h->ranges[i].first + 1;
    }
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
}

/* Takes one version out, or puts it back. */
static void toggle(struct world *w, uint64_t i) {
    if (w->gone[i])
        holes_remove(&w->holes, w->base + i);
    else
        holes_add(&w->holes, w->base + i);
    w->gone[i] = !w->gone[i];
}

/* Cuts where no range crosses, and takes it back. */
static void cut_and_prepend(struct world *w, uint64_t i) {
    struct holes front;
    uint64_t at = holes_skip(&w->holes, w->base + i);
    holes_copy_below(&front, &w->holes, at);
    holes_cut(&w->holes, at);
    CHECK_INT(front.versions + w->holes.versions, count_gone(w, 0, UINT64_MAX));
    holes_prepend(&w->holes, &front);
    holes_clear(&front);
}

/* The same ranges, one after the other. */
static void copy(struct world *w) {
    struct holes all = {0};
    for (size_t i = 0; i < w->holes.count; i++)
        holes_append(&all, w->holes.ranges[i].first, w->holes.ranges[i].last);
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
    for (uint64_t i = at; i < at + n && i < VERSIONS; i++) toggle(w, i);
    if (draw(40) == 0) cut(w, draw(VERSIONS + 1));
    if (draw(10) == 0) cut_and_prepend(w, draw(VERSIONS + 1));
    if (draw(20) == 0) copy(w);
}

static void run_world(uint64_t base) {
    struct world w = {.base = base};
    for (int step = 0; step < 3000; step++) {
        change(&w);
        if (step % 7 == 0) check_same(&w);
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
            toggle(&w, i);
        }
        CHECK_INT(w.holes.count, 1);
        CHECK_INT(w.holes.ranges[0].first, 0);
        CHECK_INT(w.holes.ranges[0].last, VERSIONS - 1);
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

TEST(a_copy_does_not_change_with_its_original) {
    struct holes h = {0}, copy, none;
    holes_copy_below(&none, &h, UINT64_MAX);
    CHECK_INT(none.versions, 0);
    for (uint64_t v = 0; v < 40; v += 2) holes_add(&h, v);
    holes_copy_below(&copy, &h, UINT64_MAX);
    for (uint64_t v = 1; v < 40; v += 2) holes_add(&h, v);
    CHECK_INT(copy.count, 20);
    CHECK_INT(copy.versions, 20);
    CHECK(!holes_contain(&copy, 1));
    holes_add(&copy, 1);
    CHECK_INT(copy.count, 19);
    holes_clear(&h);
    CHECK_INT(h.versions, 0);
    CHECK(holes_contain(&copy, 38));
    holes_clear(&copy);
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
