#include "selectors.h"
#include "unit.h"

#include "base/hash.h"

static const struct wanted everything;

TEST(one_that_asks_for_nothing_is_no_selector) {
    hash_seed();
    CHECK(selector_of(&everything) == NULL);
    CHECK(selector_eq(NULL, NULL));
}

TEST(order_and_repeats_do_not_matter_to_what_is_equal) {
    hash_seed();
    struct uuid a = {{1}}, b = {{2}};
    const struct wanted same[] = {
        {.type = {STR("b"), STR("a*"), STR("a")}, .correlation = {&a, &b}, .since = 5},
        {.type = {STR("a"), STR("b"), STR("a*")}, .correlation = {&b, &a}, .since = 5},
    };
    const struct wanted doubled[] = {
        {.category = {STR("order"), STR("order")}, .aggregate = {STR("x"), STR("x"), STR("x")}},
        {.category = {STR("order")}, .aggregate = {STR("x")}},
    };
    struct selector *s[] = {selector_of(&same[0]), selector_of(&same[1]), selector_of(&doubled[0]),
                            selector_of(&doubled[1])};
    CHECK(selector_eq(s[0], s[1]));
    CHECK(selector_eq(s[2], s[3]));
    CHECK(!selector_eq(s[0], s[2]));
    CHECK(!selector_eq(s[0], NULL));
    for (size_t i = 0; i < ARRAY_LEN(s); i++) selector_unref(s[i]);
}

/* No value can be written so that it looks like other words, and values are of one kind. */
TEST(what_selects_differently_is_not_equal) {
    hash_seed();
    struct uuid a = {{1}};
    const struct wanted wanted[] = {
        {.stream = {STR("a")}},
        {.category = {STR("a")}},
        {.type = {STR("a")}},
        {.aggregate = {STR("a")}},
        {.type = {STR("a"), STR("b")}},
        {.type = {STR("a TYPE 1:b")}},
        {.type = {STR("a")}, .stream = {STR("b")}},
        {.type = {STR("b")}, .stream = {STR("a")}},
        {.type = {STR("a")}, .since = 1},
        {.type = {STR("a")}, .until = 1},
        {.type = {STR("a SINCE 1")}},
        {.correlation = {&a}},
        {.causation = {&a}},
        {.since = 1},
        {.until = 1},
    };
    struct selector *s[ARRAY_LEN(wanted)];
    for (size_t i = 0; i < ARRAY_LEN(s); i++) s[i] = selector_of(&wanted[i]);
    for (size_t i = 0; i < ARRAY_LEN(s); i++)
        for (size_t k = 0; k < ARRAY_LEN(s); k++) CHECK(selector_eq(s[i], s[k]) == (i == k));
    for (size_t i = 0; i < ARRAY_LEN(s); i++) selector_unref(s[i]);
}

TEST(it_owns_its_values) {
    hash_seed();
    char text[] = "order";
    struct wanted w = {.category = {str_of(text, 5)}};
    struct selector *s = selector_of(&w);
    memset(text, 'x', 5);
    CHECK(selector_name_passes(s, STR("order-1")));
    CHECK(!selector_name_passes(s, STR("xxxxx-1")));
    selector_unref(s);
}

TEST(times_are_inclusive_and_the_widest_of_several_counts) {
    hash_seed();
    struct selector_draft d = {0};
    selector_draft_since(&d, 20);
    selector_draft_since(&d, 10);
    selector_draft_until(&d, 30);
    selector_draft_until(&d, 40);
    struct selector *s = selector_create(&d);
    CHECK(!selector_time_passes(s, 9));
    CHECK(selector_time_passes(s, 10));
    CHECK(selector_time_passes(s, 40));
    CHECK(!selector_time_passes(s, 41));
    selector_unref(s);
    selector_draft_clear(&d);
}

/* Plain values are found by halving, globs by trying each: against a walk over all of them. */
TEST(a_value_passes_if_any_of_many_does) {
    hash_seed();
    enum { VALUES = 300 };
    char texts[VALUES][16];
    struct selector_draft d = {0};
    for (int i = 0; i < VALUES; i++) {
        int n =
            snprintf(texts[i], sizeof texts[i], draw(10) == 0 ? "t%d*" : "t%d", (int)draw(5000));
        selector_draft_add(&d, SELECT_TYPE, str_of(texts[i], (size_t)n));
    }
    struct selector *s = selector_create(&d);
    for (int i = 0; i < 5000; i++) {
        char text[16];
        snprintf(text, sizeof text, "t%d", i);
        bool any = false;
        for (int k = 0; k < VALUES; k++)
            any = any || str_match_glob(str_c(texts[k]), str_c(text), false);
        CHECK(selector_kind_passes(s, SELECT_TYPE, str_c(text)) == any);
    }
    selector_unref(s);
    selector_draft_clear(&d);
}
