/* Text: comparing, numbers both ways, sizes, and the glob against a table, and in bounded time. */
#include "unit.h"

#include "base/alloc.h"
#include "base/str.h"

TEST(equality_looks_at_length_and_bytes) {
    CHECK(str_eq(STR("abc"), STR("abc")));
    CHECK(!str_eq(STR("abc"), STR("abd")));
    CHECK(!str_eq(STR("abc"), STR("ab")));
    CHECK(str_eq(STR(""), str_of(NULL, 0)));
    CHECK(str_eq(STR("a\0b"), STR("a\0b")));
    CHECK(!str_eq(STR("a\0b"), STR("a\0c")));
}

TEST(equality_without_case_folds_ascii_letters_only) {
    CHECK(str_eq_nocase(STR("Get-1"), STR("gET-1")));
    CHECK(!str_eq_nocase(STR("get"), STR("gets")));
    CHECK(!str_eq_nocase(STR("["), STR("{")));
    CHECK(!str_eq_nocase(STR("@"), STR("`")));
    CHECK(!str_eq_nocase(STR("\xc4"), STR("\xe4")));
}

TEST(order_is_bytewise_unsigned_and_the_shorter_comes_first) {
    CHECK(str_cmp(STR("a"), STR("b")) < 0);
    CHECK(str_cmp(STR("b"), STR("a")) > 0);
    CHECK(str_cmp(STR("ab"), STR("a")) > 0);
    CHECK(str_cmp(STR(""), STR("a")) < 0);
    CHECK(str_cmp(STR("\xff"), STR("a")) > 0);
    CHECK_INT(str_cmp(STR("same"), STR("same")), 0);
    CHECK_INT(str_cmp(STR(""), str_of(NULL, 0)), 0);
}

TEST(starts_with_accepts_the_empty_prefix_and_the_whole) {
    CHECK(str_starts_with(STR("order-1"), STR("")));
    CHECK(str_starts_with(STR("order-1"), STR("order-1")));
    CHECK(str_starts_with(STR("order-1"), STR("order")));
    CHECK(!str_starts_with(STR("order"), STR("order-1")));
}

TEST(duplicates_are_terminated_and_hold_any_byte) {
    char *copy = str_dup(STR("a\0b"));
    CHECK(memcmp(copy, "a\0b", 4) == 0);
    free(copy);
    copy = str_dup(str_of(NULL, 0));
    CHECK(copy[0] == '\0');
    free(copy);
}

TEST(unsigned_numbers_parse_to_their_whole_range) {
    static const struct {
        const char *text;
        bool ok;
        uint64_t value;
    } cases[] = {
        {"0", true, 0},
        {"7", true, 7},
        {"+7", true, 7},
        {"007", true, 7},
        {"18446744073709551615", true, UINT64_MAX},
        {"00000000000000000000018446744073709551615", true, UINT64_MAX},
        {"18446744073709551616", false, 0},
        {"18446744073709551620", false, 0},
        {"99999999999999999999", false, 0},
        {"100000000000000000000", false, 0},
        {"", false, 0},
        {"+", false, 0},
        {"-1", false, 0},
        {"-0", false, 0},
        {" 1", false, 0},
        {"1 ", false, 0},
        {"1x", false, 0},
        {"0x1", false, 0},
        {"++1", false, 0},
        {"1.0", false, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint64_t v = 0;
        bool ok = str_to_u64(str_c(cases[i].text), &v);
        if (ok != cases[i].ok) printf("  u64 '%s'\n", cases[i].text);
        CHECK_INT(ok, cases[i].ok);
        if (ok) CHECK(v == cases[i].value);
    }
    uint64_t v;
    CHECK(!str_to_u64(STR("1\0"), &v));
}

TEST(signed_numbers_parse_to_their_whole_range) {
    static const struct {
        const char *text;
        bool ok;
        int64_t value;
    } cases[] = {
        {"0", true, 0},
        {"-0", true, 0},
        {"-1", true, -1},
        {"+1", true, 1},
        {"9223372036854775807", true, INT64_MAX},
        {"-9223372036854775808", true, INT64_MIN},
        {"9223372036854775808", false, 0},
        {"-9223372036854775809", false, 0},
        {"18446744073709551616", false, 0},
        {"", false, 0},
        {"-", false, 0},
        {"--1", false, 0},
        {"-+1", false, 0},
        {"- 1", false, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t v = 0;
        bool ok = str_to_i64(str_c(cases[i].text), &v);
        if (ok != cases[i].ok) printf("  i64 '%s'\n", cases[i].text);
        CHECK_INT(ok, cases[i].ok);
        if (ok) CHECK_INT(v, cases[i].value);
    }
}

TEST(sizes_take_the_units_of_the_redis_configuration) {
    static const struct {
        const char *text;
        bool ok;
        uint64_t value;
    } cases[] = {
        {"10", true, 10},
        {"512b", true, 512},
        {"64kb", true, 65536},
        {"64KB", true, 65536},
        {"1k", true, 1000},
        {"1mb", true, 1 << 20},
        {"1m", true, 1000000},
        {"2gb", true, 2ull << 30},
        {"1g", true, 1000000000},
        {"1tb", true, 1ull << 40},
        {"", false, 0},
        {"kb", false, 0},
        {"-1", false, 0},
        {"1 kb", false, 0},
        {"1kbb", false, 0},
        {"1.5mb", false, 0},
        {"99999999999gb", false, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint64_t v = 0;
        bool ok = str_to_bytes(str_c(cases[i].text), &v);
        if (ok != cases[i].ok) printf("  bytes '%s'\n", cases[i].text);
        CHECK_INT(ok, cases[i].ok);
        if (ok) CHECK(v == cases[i].value);
    }
}

static void check_decimal(uint64_t v) {
    char out[20], expected[32];
    snprintf(expected, sizeof expected, "%llu", (unsigned long long)v);
    CHECK(str_eq(str_of(out, u64_to_dec(v, out)), str_c(expected)));
    snprintf(expected, sizeof expected, "%lld", (long long)(int64_t)v);
    CHECK(str_eq(str_of(out, i64_to_dec((int64_t)v, out)), str_c(expected)));
}

TEST(decimals_are_written_as_printf_writes_them) {
    for (uint64_t v = 0; v < 20000; v++) check_decimal(v);
    for (uint64_t p = 1; p < UINT64_MAX / 10; p *= 10) {
        check_decimal(p - 1);
        check_decimal(p);
        check_decimal(p + 1);
        check_decimal(0 - p);
    }
    for (int bit = 0; bit < 64; bit++) {
        check_decimal(1ull << bit);
        check_decimal((1ull << bit) - 1);
    }
    check_decimal(UINT64_MAX);
    check_decimal((uint64_t)INT64_MIN);
}

static const struct glob_case {
    const char *pattern, *text;
    bool match, match_nocase;
} glob_cases[] = {
    {"", "", true, true},
    {"", "a", false, false},
    {"a", "", false, false},
    {"abc", "abc", true, true},
    {"abc", "ABC", false, true},
    {"abc", "abcd", false, false},
    {"abcd", "abc", false, false},
    /* stars */
    {"*", "", true, true},
    {"***", "", true, true},
    {"*", "anything", true, true},
    {"a*", "a", true, true},
    {"a**", "a", true, true},
    {"*a", "a", true, true},
    {"*a", "aaab", false, false},
    {"*a*", "bab", true, true},
    {"a*b*c", "aXbYc", true, true},
    {"a*b*c", "aXbYcZ", false, false},
    {"*ab", "aab", true, true},
    {"*aab", "aaaab", true, true},
    {"order.*", "order.created", true, true},
    {"order.*", "orders.created", false, false},
    {"*.created", "order.created", true, true},
    {"*.created", "order.created.v2", false, false},
    {"*?", "", false, false},
    {"*?", "a", true, true},
    {"?*?", "a", false, false},
    {"?*?", "ab", true, true},
    {"*a?c*", "xxabcabd", true, true},
    /* question marks */
    {"?", "", false, false},
    {"?", "a", true, true},
    {"h?llo", "hello", true, true},
    {"h?llo", "heello", false, false},
    /* classes */
    {"h[ae]llo", "hello", true, true},
    {"h[ae]llo", "hallo", true, true},
    {"h[ae]llo", "hillo", false, false},
    {"h[AE]llo", "hello", false, true},
    {"h[^e]llo", "hello", false, false},
    {"h[^e]llo", "hallo", true, true},
    {"h[^E]llo", "hello", true, false},
    {"[a-c]", "b", true, true},
    {"[a-c]", "B", false, true},
    {"[a-c]", "d", false, false},
    {"[c-a]", "b", true, true},
    {"[^a-c]", "b", false, false},
    {"[^a-c]", "d", true, true},
    {"[0-9a-f]*", "7x", true, true},
    {"[0-9a-f]*", "g7", false, false},
    {"[a-]", "-", false, false}, /* the range a..] and a class not closed: ]..a */
    {"[a-]", "^", true, true},
    {"[a-]", "`", true, true},
    {"[-a]", "-", true, true},
    {"[-a]", "a", true, true},
    {"[^]", "a", true, true}, /* the empty class, negated */
    {"[]", "a", false, false},
    {"[]a]", "a]", false, false}, /* ']' closes at once */
    {"[", "[", false, false},
    {"[", "a", false, false},
    {"[^", "a", true, true},
    {"[a", "a", true, true}, /* not closed: as if at the end */
    {"[ab", "b", true, true},
    {"[a-", "-", true, true},
    {"[a-", "b", false, false},
    {"[a-z", "q", true, true},
    {"[ab", "bb", false, false},
    {"[[]", "[", true, true},
    {"[\\]]", "]", true, true},
    {"[\\]]", "\\", false, false},
    {"[\\a]", "A", false, false}, /* a quoted byte is exact, whatever the case */
    {"[\\", "\\", true, true},
    {"[a^]", "^", true, true},
    {"[*]", "*", true, true},
    {"[*]", "a", false, false},
    {"[?]", "?", true, true},
    {"*[ab]", "xxa", true, true},
    {"*[ab]x", "aabx", true, true},
    /* quoting */
    {"\\*", "*", true, true},
    {"\\*", "a", false, false},
    {"\\?", "?", true, true},
    {"\\[a]", "[a]", true, true},
    {"\\\\", "\\", true, true},
    {"\\a", "a", true, true},
    {"\\a", "A", false, true},
    {"a\\", "a\\", true, true}, /* at the end it stands for itself */
    {"a\\", "a", false, false},
    {"\\", "\\", true, true},
    {"a\\*b*", "a*bcd", true, true},
    {"a\\*b*", "aXbcd", false, false},
    /* bytes above ASCII */
    {"\xc3\xa4*", "\xc3\xa4h", true, true},
    {"[\x80-\xff]", "\xc3", true, true},
    {"[\x80-\xff]", "a", false, false},
    {"?", "\xc3\xa4", false, false},
};

TEST(globs_match_as_redis_does) {
    for (size_t i = 0; i < ARRAY_LEN(glob_cases); i++) {
        const struct glob_case *g = &glob_cases[i];
        bool match = str_match_glob(str_c(g->pattern), str_c(g->text), false);
        bool nocase = str_match_glob(str_c(g->pattern), str_c(g->text), true);
        if (match != g->match || nocase != g->match_nocase)
            printf("  glob '%s' '%s'\n", g->pattern, g->text);
        CHECK_INT(match, g->match);
        CHECK_INT(nocase, g->match_nocase);
    }
}

TEST(globs_work_on_views_with_any_byte) {
    CHECK(str_match_glob(STR("a\0*"), STR("a\0b"), false));
    CHECK(!str_match_glob(STR("a\0c"), STR("a\0b"), false));
    CHECK(str_match_glob(str_of("ab*", 2), str_of("abc", 2), false));
    CHECK(str_match_glob(str_of("*", 1), str_of(NULL, 0), false));
    CHECK(str_match_glob(str_of(NULL, 0), str_of(NULL, 0), false));
}

static uint64_t steps_of(const char *pattern, const char *text) {
    uint64_t steps = 0;
    bool match = str_match_glob_steps(str_c(pattern), str_c(text), false, &steps);
    CHECK_INT(match, str_match_glob(str_c(pattern), str_c(text), false));
    return steps;
}

TEST(globs_count_their_steps) {
    CHECK_INT(steps_of("abc", "abc"), 3);
    CHECK_INT(steps_of("a*", "abc"), 1);
    CHECK_INT(steps_of("*c", "abc"), 8 + 1); /* to begin a search, and for its bytes */
    CHECK_INT(steps_of("*b*", "aaaaaaaaaaaaaaaab"), 8 + 1 + 16 / 8);
    CHECK_INT(steps_of("*?aab", "aaaaaa"), 3 * 4 + 3);
    CHECK_INT(steps_of("*[xyz]", "aaaa"), 4 * 5); /* a class is all of its bytes */
}

/* Text by bytes, and with case ignored, are two ways to the same answer. */
TEST(globs_that_search_find_what_those_find_that_do_not) {
    static const char *const parts[] = {"*",  "*",   "?",    "a",    "b",
                                        "ab", "aab", "[ab]", "[^a]", "\\a"};
    for (int round = 0; round < 200000; round++) {
        char pattern[64] = "", text[16];
        for (uint64_t n = draw(8); n > 0; n--) strcat(pattern, parts[draw(ARRAY_LEN(parts))]);
        size_t len = draw(sizeof text);
        for (size_t i = 0; i < len; i++) text[i] = "aab"[draw(3)];
        bool match = str_match_glob(str_c(pattern), str_of(text, len), true);
        if (str_match_glob(str_c(pattern), str_of(text, len), false) != match)
            printf("  glob '%s' '%.*s'\n", pattern, (int)len, text);
        CHECK(str_match_glob(str_c(pattern), str_of(text, len), false) == match);
        CHECK(!match || len >= str_glob_least(str_c(pattern)));
    }
}

TEST(the_least_text_of_a_glob_has_a_byte_for_each_element) {
    CHECK_INT(str_glob_least(STR("")), 0);
    CHECK_INT(str_glob_least(STR("**")), 0);
    CHECK_INT(str_glob_least(STR("a*?[xyz]\\*b")), 5);
    CHECK_INT(str_glob_least(STR("[ab")), 1);
    CHECK_INT(str_glob_least(STR("*\\")), 1);
}

TEST(what_is_slow_of_a_glob_stands_behind_a_star_with_more_than_literal_bytes) {
    CHECK_INT(str_glob_slow(STR("")), 0);
    CHECK_INT(str_glob_slow(STR("a?[bc]*")), 0);
    CHECK_INT(str_glob_slow(STR("a?*bcd*ef")), 0);
    CHECK_INT(str_glob_slow(STR("*ab?*cd*[ef]")), 4);
    CHECK_INT(str_glob_slow(STR("*\\*x")), 2);
    CHECK_INT(str_glob_slow(STR("*[ab")), 1);
}

/* Twice as much of both takes about twice the steps, not four times. */
TEST(globs_of_literal_bytes_between_stars_take_the_time_of_pattern_and_text) {
    static char text[2048], pattern[1024];
    uint64_t steps[2] = {0};
    memset(text, 'a', sizeof text);
    for (int twice = 0; twice < 2; twice++) {
        size_t len = sizeof pattern >> (1 - twice);
        memset(pattern, 'a', len);
        pattern[0] = pattern[len - 1] = '*';
        pattern[len - 2] = 'b';
        struct str s = str_of(text, sizeof text >> (1 - twice));
        CHECK(!str_match_glob_steps(str_of(pattern, len), s, false, &steps[twice]));
    }
    CHECK(steps[1] < 3 * steps[0]);
}

TEST(globs_with_many_stars_take_bounded_time) {
    enum { TEXT = 2000, STARS = 500 };
    char text[TEXT], pattern[2 * STARS + 1];
    memset(text, 'a', sizeof text);
    for (int i = 0; i < STARS; i++) memcpy(pattern + 2 * i, "a*", 2);
    pattern[2 * STARS] = 'b';
    unit_cpu_limit(60); /* some milliseconds, or for ever */
    CHECK(!str_match_glob(str_of(pattern, sizeof pattern), str_of(text, sizeof text), false));
    text[TEXT - 1] = 'b';
    CHECK(str_match_glob(str_of(pattern, sizeof pattern), str_of(text, sizeof text), false));
    for (int i = 0; i < STARS; i++) memcpy(pattern + 2 * i, "*?", 2);
    pattern[2 * STARS] = 'c';
    CHECK(!str_match_glob(str_of(pattern, sizeof pattern), str_of(text, sizeof text), true));
}

TEST(the_literal_prefix_of_a_glob_ends_at_the_first_special_byte) {
    CHECK_INT(str_glob_prefix(STR("")), 0);
    CHECK_INT(str_glob_prefix(STR("abc")), 3);
    CHECK_INT(str_glob_prefix(STR("order-*")), 6);
    CHECK_INT(str_glob_prefix(STR("a?")), 1);
    CHECK_INT(str_glob_prefix(STR("ab[c]")), 2);
    CHECK_INT(str_glob_prefix(STR("ab\\*")), 2);
    CHECK_INT(str_glob_prefix(STR("*")), 0);
    CHECK_INT(str_glob_prefix(STR("a\0b*")), 3);
}
