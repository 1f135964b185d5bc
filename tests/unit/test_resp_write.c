/* The reply writer: every value in RESP2 and RESP3, byte for byte. */
#include "unit.h"

#include "proto/resp.h"

#include <math.h>

static struct buf out;

/* Whether what was written since the last question is `text`. */
static bool wrote(const char *text) {
    bool same = str_eq(buf_str(&out), str_c(text));
    if (!same) printf("  wrote '" STR_FMT "'\n", STR_ARG(buf_str(&out)));
    buf_reset(&out);
    return same;
}

TEST(simple_strings_and_errors_are_one_clean_line) {
    resp_put_simple(&out, STR("OK"));
    CHECK(wrote("+OK\r\n"));
    resp_put_simple(&out, STR(""));
    CHECK(wrote("+\r\n"));
    resp_put_simple(&out, STR("a\r\nb\tc\x7f\xc3\xa4"));
    CHECK(wrote("+a  b c \xc3\xa4\r\n"));
    resp_put_error(&out, "ERR unknown command '%s'", "a\r\nb");
    CHECK(wrote("-ERR unknown command 'a  b'\r\n"));
    resp_put_error(&out, "ERR %s", "ends\r\n\r\n");
    CHECK(wrote("-ERR ends\r\n"));
}

TEST(long_errors_are_not_cut) {
    char big[9000];
    memset(big, 'x', sizeof big);
    for (size_t len = 500; len < sizeof big; len += 499) {
        resp_put_error(&out, "ERR %.*s", (int)len, big);
        CHECK_INT(out.len, 5 + len + 2);
        CHECK(memcmp(out.data, "-ERR x", 6) == 0);
        CHECK(memcmp(out.data + out.len - 3, "x\r\n", 3) == 0);
        buf_reset(&out);
    }
}

TEST(integers_reach_both_ends) {
    resp_put_int(&out, 0);
    CHECK(wrote(":0\r\n"));
    resp_put_int(&out, -7);
    CHECK(wrote(":-7\r\n"));
    resp_put_int(&out, INT64_MAX);
    CHECK(wrote(":9223372036854775807\r\n"));
    resp_put_int(&out, INT64_MIN);
    CHECK(wrote(":-9223372036854775808\r\n"));
}

TEST(bulks_count_their_bytes) {
    resp_put_bulk(&out, STR(""));
    CHECK(wrote("$0\r\n\r\n"));
    resp_put_bulk(&out, str_of(NULL, 0));
    CHECK(wrote("$0\r\n\r\n"));
    resp_put_bulk(&out, STR("a\r\nb"));
    CHECK(wrote("$4\r\na\r\nb\r\n"));
    resp_put_bulk_c(&out, "0123456789");
    CHECK(wrote("$10\r\n0123456789\r\n"));
    resp_put_bulk_u64(&out, 0);
    CHECK(wrote("$1\r\n0\r\n"));
    resp_put_bulk_u64(&out, UINT64_MAX);
    CHECK(wrote("$20\r\n18446744073709551615\r\n"));
    resp_put_bulkf(&out, "%d-%s", 5, "x");
    CHECK(wrote("$3\r\n5-x\r\n"));
    resp_put_bulkf(&out, "%0600d", 1);
    CHECK_INT(out.len, 4 + 2 + 600 + 2);
    CHECK(memcmp(out.data, "$600\r\n000", 9) == 0);
    buf_reset(&out);
    resp_put_bulk(&out, STR("a\0b"));
    CHECK_INT(out.len, 9);
    CHECK(memcmp(out.data, "$3\r\na\0b\r\n", 9) == 0);
    buf_reset(&out);
}

TEST(what_resp2_lacks_has_its_usual_substitute) {
    resp_put_null(&out, 2);
    CHECK(wrote("$-1\r\n"));
    resp_put_null_array(&out, 2);
    CHECK(wrote("*-1\r\n"));
    resp_put_bool(&out, 2, true);
    resp_put_bool(&out, 2, false);
    CHECK(wrote(":1\r\n:0\r\n"));
    resp_put_map(&out, 2, 3);
    CHECK(wrote("*6\r\n"));
    resp_put_set(&out, 2, 3);
    CHECK(wrote("*3\r\n"));
    resp_put_push(&out, 2, 4);
    CHECK(wrote("*4\r\n"));
    resp_put_verbatim(&out, 2, STR("# Server"));
    CHECK(wrote("$8\r\n# Server\r\n"));
    resp_put_double(&out, 2, 1.5);
    CHECK(wrote("$3\r\n1.5\r\n"));
}

TEST(resp3_has_a_type_for_each) {
    resp_put_null(&out, 3);
    CHECK(wrote("_\r\n"));
    resp_put_null_array(&out, 3);
    CHECK(wrote("_\r\n"));
    resp_put_bool(&out, 3, true);
    resp_put_bool(&out, 3, false);
    CHECK(wrote("#t\r\n#f\r\n"));
    resp_put_map(&out, 3, 12);
    CHECK(wrote("%12\r\n"));
    resp_put_set(&out, 3, 3);
    CHECK(wrote("~3\r\n"));
    resp_put_push(&out, 3, 4);
    CHECK(wrote(">4\r\n"));
    resp_put_verbatim(&out, 3, STR("# Server"));
    CHECK(wrote("=12\r\ntxt:# Server\r\n"));
    resp_put_verbatim(&out, 3, STR(""));
    CHECK(wrote("=4\r\ntxt:\r\n"));
    resp_put_double(&out, 3, 1.5);
    CHECK(wrote(",1.5\r\n"));
}

TEST(arrays_are_the_same_in_both) {
    resp_put_array(&out, 0);
    CHECK(wrote("*0\r\n"));
    resp_put_array(&out, 9);
    CHECK(wrote("*9\r\n"));
    resp_put_array(&out, 10);
    CHECK(wrote("*10\r\n"));
    resp_put_array(&out, 1234567);
    CHECK(wrote("*1234567\r\n"));
}

TEST(doubles_are_short_and_read_back_the_same) {
    static const struct {
        double value;
        const char *text;
    } cases[] = {
        {0.0, ",0\r\n"},
        {-0.0, ",-0\r\n"},
        {1, ",1\r\n"},
        {-3, ",-3\r\n"},
        {100000000000000000.0, ",100000000000000000\r\n"},
        {0.1, ",0.1\r\n"},
        {1.0 / 3, ",0.3333333333333333\r\n"},
        {0.1 + 0.2, ",0.30000000000000004\r\n"},
        {3.14, ",3.14\r\n"},
        {1e300, ",1e+300\r\n"},
        {1e20, ",1e+20\r\n"},
        {1.5e-7, ",1.5e-7\r\n"},
        {-1e-300, ",-1e-300\r\n"},
        {INFINITY, ",inf\r\n"},
        {-INFINITY, ",-inf\r\n"},
        {NAN, ",nan\r\n"},
        {-NAN, ",nan\r\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        resp_put_double(&out, 3, cases[i].value);
        CHECK(wrote(cases[i].text));
    }
    resp_put_double(&out, 2, INFINITY);
    CHECK(wrote("$3\r\ninf\r\n"));
    for (double v = 1e-310; v < 1e308; v *= 1.37) {
        resp_put_double(&out, 3, v);
        CHECK(strtod(out.data + 1, NULL) == v); /* stops at CR */
        buf_reset(&out);
    }
}

TEST(uuids_are_simple_strings) {
    struct uuid u;
    CHECK(uuid_from_text(STR("0189AB3C-DEF0-7123-8456-FEDCBA987654"), &u));
    resp_put_uuid(&out, &u);
    CHECK(wrote("+0189ab3c-def0-7123-8456-fedcba987654\r\n"));
}

TEST(a_limited_buffer_holds_whole_values_only) {
    for (size_t max = 1; max < 120; max++) {
        struct buf b;
        struct uuid u = {{0}};
        buf_init(&b, max);
        while (!b.overflow) {
            size_t before = b.len;
            resp_put_bulk(&b, STR("0123456789"));
            if (!b.overflow) resp_put_uuid(&b, &u);
            if (!b.overflow) resp_put_error(&b, "ERR %s", "x");
            CHECK(b.len <= max);
            CHECK(b.len == 0 || memcmp(b.data + b.len - 2, "\r\n", 2) == 0);
            CHECK(b.overflow || b.len > before);
        }
        buf_clear(&b);
    }
}

TEST(what_is_written_as_an_array_of_bulks_reads_back) {
    static const struct resp_limits limits = {1 << 20, 1000, 65536, 1 << 24, false};
    struct resp_reader r;
    char bytes[3000];
    memset(bytes, '\r', sizeof bytes);
    resp_reader_init(&r);
    resp_put_array(&out, 100);
    for (size_t i = 0; i < 100; i++) resp_put_bulk(&out, str_of(bytes, i * 30));
    CHECK_INT(resp_read(&r, out.data, out.len, &limits), RESP_OK);
    CHECK_INT(r.argc, 100);
    CHECK_INT(r.consumed, out.len);
    for (size_t i = 0; i < 100; i++) CHECK_INT(r.args[i].len, i * 30);
    resp_reader_clear(&r);
    buf_clear(&out);
}
