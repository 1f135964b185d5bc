/* Tests of the load generator's parts: replies in pieces of every size, lists passed over as if
 * they had been read, quantiles, and that what is sent is well-formed. The parts belong to no
 * library, so they are compiled in here. */
#include "unit.h"

#include "bench/hist.c"
#include "bench/piece.c"
#include "bench/reply.c"
#include "bench/request.c"

/* Feeds the text in pieces of `step` bytes; returns the replies, or -1. */
static int feed(struct reply_scan *r, struct reply_shape *shape, struct reply_sum *sum,
                const char *text, size_t len, size_t step) {
    static char room[REPLY_CARRY_MAX + (1 << 20)];
    int done = 0;

    for (size_t at = 0; at < len; at += step) {
        size_t n = len - at < step ? len - at : step;
        memcpy(room + REPLY_CARRY_MAX, text + at, n);
        int rc = reply_feed(r, shape, sum, room + REPLY_CARRY_MAX, n);
        if (rc < 0) return -1;
        done += rc;
    }
    return done;
}

/* The same result for every size of the pieces. */
static struct reply_sum feed_all_steps(struct reply_shape shape, const char *text, int replies) {
    struct reply_sum first = {0};
    for (size_t step = 1; step <= strlen(text); step++) {
        struct reply_scan r = {0};
        struct reply_shape copy = shape;
        struct reply_sum sum = {0};
        CHECK_INT(feed(&r, &copy, &sum, text, strlen(text), step), replies);
        CHECK(!r.inside);
        CHECK_INT(r.carry_len, 0);
        CHECK_INT(sum.replies, replies);
        if (step == 1) first = sum;
        CHECK(memcmp(&sum, &first, sizeof sum) == 0);
    }
    return first;
}

TEST(scalars_of_both_protocols_are_one_reply_each) {
    struct reply_sum sum = feed_all_steps((struct reply_shape){0},
                                          "+OK\r\n:12\r\n$3\r\nabc\r\n$0\r\n\r\n_\r\n#t\r\n,1."
                                          "5\r\n(123\r\n=7\r\ntxt:abc\r\n$-1\r\n*0\r\n%0\r\n",
                                          12);
    CHECK_INT(sum.errors, 0);
    CHECK_INT(sum.nils, 2);
}

TEST(nested_aggregates_are_one_reply) {
    struct reply_sum sum = feed_all_steps((struct reply_shape){0},
                                          "*2\r\n%2\r\n+a\r\n:1\r\n+b\r\n*0\r\n~1\r\n$"
                                          "5\r\n\r\n\r\n\n\r\n|1\r\n+k\r\n+v\r\n*1\r\n:1\r\n",
                                          2);
    CHECK_INT(sum.errors, 0);
}

TEST(errors_are_found_inside_arrays) {
    struct reply_sum sum = feed_all_steps(
        (struct reply_shape){0}, "*2\r\n+OK\r\n-ERR inner\r\n-ERR outer\r\n!3\r\nbad\r\n", 3);
    CHECK_INT(sum.errors, 3);
    CHECK(strcmp(sum.first_error, "ERR inner") == 0);
}

TEST(pushes_answer_nothing) {
    feed_all_steps((struct reply_shape){0}, ">2\r\n+message\r\n$1\r\nx\r\n+OK\r\n>1\r\n+y\r\n", 1);
}

TEST(an_unexpected_type_and_a_nil_are_errors_where_said) {
    struct reply_shape shape = {.expect = "$", .nil_is_error = true};
    CHECK_INT(feed_all_steps(shape, "$1\r\na\r\n", 1).errors, 0);
    CHECK_INT(feed_all_steps(shape, "+OK\r\n", 1).errors, 1);
    CHECK_INT(feed_all_steps(shape, "$-1\r\n", 1).errors, 1);
    CHECK_INT(feed_all_steps(shape, "_\r\n", 1).errors, 1);
}

TEST(bytes_that_are_no_resp_are_refused) {
    static const char *const bad[] = {"hello\r\n", "$x\r\n", "*\r\n",
                                      "+OK\n",     "\n",     "$1\r\nab\r\nc\r\n"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct reply_scan r = {0};
        struct reply_shape shape = {0};
        struct reply_sum sum = {0};
        CHECK_INT(feed(&r, &shape, &sum, bad[i], strlen(bad[i]), 100), -1);
        CHECK(sum.first_error[0] != '\0');
    }
}

/* A page of n events as ESCAN has it in RESP3, or as XRANGE has it. Returns its length. */
static size_t page(char *out, bool nested, unsigned n, unsigned number) {
    char *p = out;
    p += sprintf(p, nested ? "%%3\r\n+has_more\r\n#t\r\n+events\r\n*%u\r\n" : "*%u\r\n", n);
    for (unsigned i = 0; i < n; i++)
        p += nested
                 ? sprintf(p, "%%2\r\n+sequence\r\n:%u\r\n+payload\r\n$5\r\nhello\r\n", number + i)
                 : sprintf(p, "*2\r\n$%d\r\n%u-0\r\n*2\r\n+f\r\n+v\r\n",
                           snprintf(NULL, 0, "%u-0", number + i), number + i);
    if (nested) p += sprintf(p, "+next\r\n:%u\r\n", number + n);
    return (size_t)(p - out);
}

static void read_pages(bool nested, size_t step) {
    static char text[1 << 19];
    struct reply_scan r = {0};
    struct reply_shape shape = {.list = true, .list_nested = nested};
    struct reply_sum sum = {0};
    size_t len = 0;
    unsigned pages = 0, events = 0;

    for (unsigned i = 0; i < 150; i++) {
        unsigned n = i % 40 == 39 ? 7 : 50;
        len += page(text + len, nested, n, i * 997);
        pages++;
        events += n;
    }
    CHECK(len < sizeof text);
    CHECK_INT(feed(&r, &shape, &sum, text, len, step), pages);
    CHECK(!r.inside);
    CHECK_INT(sum.events, events);
    CHECK_INT(sum.errors, 0);
    CHECK(shape.skimmed > 50);
    CHECK(!shape.failed);
}

TEST(long_lists_are_passed_over_and_counted_right) {
    static const size_t steps[] = {1, 2, 3, 7, 100, 1023, 1024, 1025, 5000, 100000, 1 << 19};
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        read_pages(true, steps[i]);
        read_pages(false, steps[i]);
    }
}

TEST(a_checked_list_of_another_build_ends_the_short_cut) {
    char text[8192];
    struct reply_scan r = {0};
    struct reply_shape shape = {.list = true};
    struct reply_sum sum = {0};
    size_t len = page(text, false, 20, 5);

    for (unsigned i = 0; i < 79; i++) CHECK_INT(feed(&r, &shape, &sum, text, len, 4096), 1);
    CHECK_INT(shape.skimmed, 63);
    char other[] = "*20\r\n+1\r\n+2\r\n+3\r\n+4\r\n+5\r\n+6\r\n+7\r\n+8\r\n+9\r\n+0\r\n"
                   "+1\r\n+2\r\n+3\r\n+4\r\n+5\r\n+6\r\n+7\r\n+8\r\n+9\r\n+0\r\n";
    CHECK_INT(feed(&r, &shape, &sum, other, strlen(other), 4096), 1);
    CHECK(shape.failed);
}

TEST(quantiles_are_within_two_percent) {
    static struct hist h;
    for (uint64_t v = 1; v <= 100000; v++) hist_add(&h, v * 1000, 1);
    double share[] = {0.001, 0.5, 0.9, 0.99, 0.999};
    for (size_t i = 0; i < 5; i++) {
        double wanted = share[i] * 1e8, got = (double)hist_quantile(&h, share[i]);
        CHECK(got > wanted * 0.99);
        CHECK(got < wanted * 1.02);
    }
    CHECK_INT(hist_quantile(&h, 1), 100000000);
    CHECK_INT(h.max_ns, 100000000);
}

TEST(an_interval_holds_only_its_own_values) {
    static struct hist before, now, out;
    hist_add(&before, 5000000, 10);
    now = before;
    hist_add(&now, 1000, 3);
    hist_since(&out, &now, &before);
    CHECK_INT(out.count, 3);
    CHECK(hist_quantile(&out, 1) < 1100);
}

/* Requests have the syntax of replies: counting them checks every length. */
static void check_request(enum request_kind kind, const char *raw, unsigned commands) {
    struct request_spec spec = {.kind = kind,
                                .raw = raw,
                                .prefix = "s:",
                                .streams = 1001,
                                .payload_bytes = 33,
                                .batch = 5,
                                .count = 10};
    struct request r;

    CHECK_INT(request_init(&r, &spec, 4, 1), 0);
    for (unsigned round = 0; round < 20; round++) {
        struct reply_scan scan = {0};
        struct reply_shape shape = {.expect = "*"};
        struct reply_sum sum = {0};
        request_patch(&r, 4, 0);
        CHECK_INT(feed(&scan, &shape, &sum, r.bytes, r.len * 4, 1 << 19), commands * 4);
        CHECK(!scan.inside);
        CHECK_INT(sum.errors, 0);
    }
    request_clear(&r);
}

TEST(all_requests_are_well_formed) {
    check_request(REQUEST_APPEND, NULL, 1);
    check_request(REQUEST_MAPPEND, NULL, 1);
    check_request(REQUEST_XADD, NULL, 1);
    check_request(REQUEST_XADD_MULTI, NULL, 7);
    check_request(REQUEST_READ, NULL, 1);
    check_request(REQUEST_XRANGE, NULL, 1);
    check_request(REQUEST_SCAN, NULL, 1);
    check_request(REQUEST_PING, NULL, 1);
    check_request(REQUEST_RAW, "  SET  a{n}b{stream} {payload}{uuid} x", 1);
}

TEST(streams_are_picked_from_those_asked_for) {
    struct request_spec spec = {.kind = REQUEST_XADD, .prefix = "s:", .streams = 10000, .among = 3};
    struct request r;
    unsigned seen[3] = {0};

    CHECK_INT(request_init(&r, &spec, 1, 9), 0);
    for (unsigned i = 0; i < 300; i++) {
        request_patch(&r, 1, 0);
        const char *name = strstr(r.bytes, "s:");
        CHECK(name != NULL);
        CHECK(strncmp(name, "s:000", 5) == 0);
        int number = atoi(name + 2);
        CHECK(number < 3);
        seen[number]++;
    }
    for (unsigned i = 0; i < 3; i++) CHECK(seen[i] > 50);
    spec.in_turn = true;
    for (unsigned i = 0; i < 6; i++) {
        request_patch(&r, 1, 0);
        CHECK_INT(atoi(strstr(r.bytes, "s:") + 2), i % 3);
    }
    request_clear(&r);
}

TEST(a_stamped_payload_begins_with_the_time_and_a_number_and_keeps_its_size) {
    struct request_spec spec = {.prefix = "s:", .streams = 1, .payload_bytes = 37, .stamped = true};
    static const enum request_kind kinds[] = {REQUEST_XADD, REQUEST_APPEND};
    struct request r;

    for (unsigned k = 0; k < 2; k++) {
        spec.kind = kinds[k];
        CHECK_INT(request_init(&r, &spec, 2, 1), 0);
        request_patch(&r, 2, UINT64_C(1234567890123));
        request_patch(&r, 2, UINT64_C(1234567890123));
        for (unsigned i = 0; i < 2; i++) {
            const char *value = memmem(r.bytes + i * r.len, r.len, "$37\r\n", 5);
            CHECK(value != NULL);
            CHECK(strncmp(value + 5, "00000001234567890123", 20) == 0);
            CHECK(strncmp(value + 25, i == 0 ? "000000000002" : "000000000003", 12) == 0);
            CHECK(memcmp(value + 5 + 37, "\r\n", 2) == 0);
        }
        request_clear(&r);
    }
}
