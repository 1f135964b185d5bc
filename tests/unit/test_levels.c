/* How much each may hold so that all of them fit: beside one that looks at everybody. */
#include "unit.h"

#include "server/client/levels.h"

#define MOST 200

static uint64_t total_at(const uint64_t *held, size_t n, uint64_t level) {
    uint64_t all = 0;
    for (size_t i = 0; i < n; i++) all += MIN(held[i], level);
    return all;
}

/* The highest level at which they fit. */
static uint64_t true_level(const uint64_t *held, size_t n, uint64_t room) {
    uint64_t low = 0, high = UINT64_C(1) << 50;
    while (low < high) {
        uint64_t mid = low + (high - low + 1) / 2;
        if (total_at(held, n, mid) <= room)
            low = mid;
        else
            high = mid - 1;
    }
    return low;
}

TEST(nobody_or_who_fits_has_no_level) {
    struct levels l = {0};
    CHECK(levels_find(&l, 0) == UINT64_MAX);
    levels_change(&l, 0, LEVEL_LEAST); /* is not counted */
    CHECK(levels_find(&l, 0) == UINT64_MAX);
    levels_change(&l, LEVEL_LEAST, 1000000);
    CHECK(levels_find(&l, 1000000) == UINT64_MAX);
    CHECK_INT(levels_find(&l, 999999), 999999);
    CHECK_INT(levels_find(&l, 0), 0);
    levels_change(&l, 1000000, 0);
    CHECK(levels_find(&l, 0) == UINT64_MAX);
    levels_change(&l, 0, UINT64_MAX / 2);
    CHECK_INT(levels_find(&l, 5), 5);
}

TEST(all_fit_at_the_level_and_it_is_hardly_lower_than_it_need_be) {
    for (int round = 0; round < 2000; round++) {
        struct levels l = {0};
        uint64_t held[MOST];
        size_t n = 1 + draw(MOST);
        for (size_t i = 0; i < n; i++) {
            held[i] = LEVEL_LEAST + 1 + draw(UINT64_C(1) << draw(34));
            levels_change(&l, 0, held[i]);
        }
        for (int change = 0; change < 50; change++) {
            size_t at = draw(n);
            uint64_t now = LEVEL_LEAST + 1 + draw(UINT64_C(1) << draw(34));
            levels_change(&l, held[at], now);
            held[at] = now;
        }
        uint64_t all = total_at(held, n, UINT64_MAX), room = draw(all);
        uint64_t level = levels_find(&l, room), best = true_level(held, n, room);
        CHECK(level <= best);
        CHECK(level >= best / 8 * 7 - 1 || best < 8);
    }
}
