#include "unit.h"

#include "base/hash.h"
#include "stream/ids/id_filter.h"

static struct uuid id_of(uint64_t i) {
    struct uuid id;
    memset(&id, 0x5a, sizeof id);
    memcpy(id.b, &i, sizeof i);
    return id;
}

TEST(an_empty_filter_has_nothing) {
    struct id_filter f;
    id_filter_init(&f);
    struct uuid id = id_of(1);
    CHECK(!id_filter_may_have(&f, &id));
    CHECK_INT(f.bytes, 0);
}

TEST(what_was_added_is_never_denied_and_little_else_is_perhaps_there) {
    hash_seed();
    struct id_filter f;
    id_filter_init(&f);
    for (uint64_t n = 0, step = 1; n < 2000000; n += step, step = n / 4 + 1) {
        for (uint64_t i = n; i < n + step; i++) {
            struct uuid id = id_of(i);
            CHECK(id_filter_add(&f, &id, SIZE_MAX));
        }
        for (uint64_t i = 0; i < n + step; i++) {
            struct uuid id = id_of(i);
            CHECK(id_filter_may_have(&f, &id));
        }
        int wrong = 0;
        for (uint64_t i = 0; i < 20000; i++) {
            struct uuid id = id_of(UINT64_MAX - i);
            wrong += id_filter_may_have(&f, &id);
        }
        CHECK(wrong < 1000);
        CHECK(f.bytes <= 64 * 1024 + (n + step) * ID_FILTER_BITS / 8 * 5);
    }
    id_filter_clear(&f);
    CHECK_INT(f.count, 0);
}

TEST(it_takes_no_more_than_it_may_and_says_so) {
    hash_seed();
    for (size_t max = 0; max < 1u << 20; max += 100001) {
        struct id_filter f;
        id_filter_init(&f);
        uint64_t n = 0;
        for (;; n++) {
            struct uuid id = id_of(n);
            if (!id_filter_add(&f, &id, max)) break;
        }
        CHECK(f.bytes <= max);
        CHECK_INT(f.count, n);
        /* What it may take is not wasted either. */
        CHECK(n >= max / 2 * 8 / ID_FILTER_BITS || max < ID_FILTER_PART_MIN * 2);
        struct uuid id = id_of(n);
        CHECK(!id_filter_add(&f, &id, max)); /* still */
        id_filter_clear(&f);
    }
}
