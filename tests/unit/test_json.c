/* Whether a text is JSON, and an event as a CloudEvents object. */
#include "unit.h"

#include <time.h>

#include "base/alloc.h"
#include "record/fields.h"
#include "record/json.h"

TEST(json_is_what_rfc_8259_says) {
    static const char *const good[] = {
        "{}",   "[]",       " 1 ",    "-0",         "0.5e+10",         "1E2",
        "null", "true",     "false",  "\"\"",       "\"\\u0041\\n/\"", "{\"a\":[1,{\"b\":null}]}",
        "[[]]", "\t[1 ,2]", "\"é𝄞\"", "{\"\":\"\"}"};
    static const char *const bad[] = {"",
                                      " ",
                                      "{",
                                      "}",
                                      "[1,]",
                                      "{\"a\"}",
                                      "{\"a\":}",
                                      "{a:1}",
                                      "01",
                                      "1.",
                                      ".5",
                                      "+1",
                                      "1e",
                                      "NaN",
                                      "nul",
                                      "truex",
                                      "\"",
                                      "\"\\x\"",
                                      "\"\\u12\"",
                                      "\"\t\"",
                                      "[1]]",
                                      "1 2",
                                      "{},",
                                      "'a'",
                                      "\"\xff\"",
                                      "\"\xed\xa0\x80\"",
                                      "\xef\xbb\xbf{}",
                                      "[1}",
                                      "{\"a\":1]",
                                      "{\"a\":1,}",
                                      "-",
                                      "//x"};
    for (size_t i = 0; i < ARRAY_LEN(good); i++) CHECK(json_valid(str_c(good[i])));
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) CHECK(!json_valid(str_c(bad[i])));
    CHECK(!json_valid(STR("1\0")));
}

TEST(json_is_at_most_512_deep) {
    char text[2 * JSON_DEPTH_MAX + 2];
    memset(text, '[', JSON_DEPTH_MAX);
    memset(text + JSON_DEPTH_MAX, ']', JSON_DEPTH_MAX);
    CHECK(json_valid(str_of(text, (size_t)2 * JSON_DEPTH_MAX)));
    memset(text, '[', JSON_DEPTH_MAX + 1);
    memset(text + JSON_DEPTH_MAX + 1, ']', JSON_DEPTH_MAX + 1);
    CHECK(!json_valid(str_of(text, sizeof text)));
}

static void check_event(struct event_fields f, const char *expected) {
    struct stream_name *name = stream_name_create(1, 0, STR("s"));
    struct event *e = event_create(&f, name);
    struct buf out;
    buf_init(&out, 0);
    event_to_json(&out, &e->rec, STR("s"), STR("/cairn/x"));
    CHECK(json_valid(buf_str(&out)));
    CHECK(str_eq(buf_str(&out), str_c(expected)));
    buf_clear(&out);
    event_unref(e);
    stream_name_unref(name);
}

#define HEAD                                                                                       \
    "{\"specversion\":\"1.0\",\"id\":\"00000000-0000-0000-0000-000000000000\",\"source\":"         \
    "\"/cairn/x\","
#define TAIL                                                                                       \
    "\"stream\":\"s\",\"version\":\"9007199254740993\",\"sequence\":\"18446744073709551614\","     \
    "\"entryid\":\"5-6\""

TEST(who_reads_json_may_hold_less) {
    static const struct json_limits few = {.depth = 2, .digits = 3, .unicode = true};
    static const char *const good[] = {
        "[[1]]", "123", "-1.23", "1e999", "\"\\u0001\"", "\"\\ud83d\\ude00\"", "\"\\uD7FF\"",
    };
    static const char *const bad[] = {
        "[[[1]]]",      "1234",        "12.34",       "1e1000",
        "\"\\u0000\"",  "\"\\udcff\"", "\"\\ud83d\"", "\"\\ud83d\\u0041\"",
        "\"\\ud83dx\"",
    };
    for (size_t i = 0; i < ARRAY_LEN(good); i++) CHECK(json_fits(str_c(good[i]), &few));
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        CHECK(json_valid(str_c(bad[i])));
        CHECK(!json_fits(str_c(bad[i]), &few));
    }
    CHECK(!json_fits(str_c("01"), &few));
}

TEST(an_event_has_the_names_of_cloudevents) {
    struct event_fields f = {.sequence = UINT64_MAX - 1,
                             .version = (UINT64_C(1) << 53) + 1,
                             .timestamp = UINT64_C(1700000000123),
                             .entry_ms = 5,
                             .entry_seq = 6,
                             .type = STR("order.\"paid\"")};
#define NAMED                                                                                      \
    HEAD "\"type\":\"order.\\\"paid\\\"\",\"subject\":\"s\",\"time\":\"2023-11-14T22:13:20."       \
         "123Z\"," TAIL
    check_event(f, NAMED "}");
    f.payload = STR(" {\"total\": 42}\n");
    check_event(f, NAMED ",\"datacontenttype\":\"application/json\",\"data\": {\"total\": 42}\n}");
    f.payload = STR("{total: 42}");
    check_event(f, NAMED ",\"data\":\"{total: 42}\"}");
    f.payload = STR("\xff\x00z");
    check_event(f, NAMED ",\"data_base64\":\"/wB6\"}");
    f.payload = STR("\xff");
    check_event(f, NAMED ",\"data_base64\":\"/w==\"}");
    f.payload = STR("\xff\xfe");
    check_event(f, NAMED ",\"data_base64\":\"//4=\"}");
    /* What would take more than twice its bytes as text. */
    f.payload = STR("\"\\\n\r");
    check_event(f, NAMED ",\"data\":\"\\\"\\\\\\n\\r\"}");
    f.payload = STR("\x01\x01\x01");
    check_event(f, NAMED ",\"data_base64\":\"AQEB\"}");
}

TEST(what_was_not_given_is_not_there) {
    struct uuid id = {.b = {0x11}};
    struct event_fields f = {.sequence = UINT64_MAX - 1,
                             .version = (UINT64_C(1) << 53) + 1,
                             .timestamp = UINT64_MAX, /* no year that RFC 3339 knows */
                             .entry_ms = 5,
                             .entry_seq = 6,
                             .correlation = &id,
                             .causation = &id,
                             .aggregate = STR("a\xff")};
    check_event(f, HEAD "\"type\":\"cairn.entry\",\"subject\":\"s\"," TAIL
                        ",\"correlationid\":\"11000000-0000-0000-0000-000000000000\""
                        ",\"causationid\":\"11000000-0000-0000-0000-000000000000\""
                        ",\"aggregateid\":\"a\\udcff\"}");
}

/* Wherever in a word the byte stands that ends a run of plain ones. */
TEST(strings_are_looked_at_byte_for_byte) {
    static const struct {
        const char *bytes;
        bool valid;
    } parts[] = {{"\x7f", true},  {" ", true},
                 {"\\n", true},   {"\\x", false},
                 {"\x1f", false}, {"\xc3\xa4", true},
                 {"\x80", false}, {"\xc3", false},
                 {"\"", false},   {"\xf0\x9f\x98\x80", true}};
    for (size_t before = 0; before < 20; before++) {
        for (size_t behind = 0; behind < 20; behind++) {
            for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
                char text[64] = "\"";
                size_t n = strlen(parts[i].bytes), len = 1;
                memset(text + len, 'x', before);
                memcpy(text + (len += before), parts[i].bytes, n);
                memset(text + (len += n), 'y', behind);
                text[len += behind] = '"';
                CHECK_INT(json_valid(str_of(text, len + 1)), parts[i].valid);
                bool is_text = parts[i].valid || (unsigned char)parts[i].bytes[0] < 0x80;
                CHECK_INT(utf8_valid(str_of(text, len + 1)), is_text);
            }
        }
    }
}

static void check_time(struct stream_name *name, uint64_t ms) {
    char wanted[80];
    struct event_fields f = {.timestamp = ms};
    struct event *e = event_create(&f, name);
    struct buf out;
    struct tm tm;
    time_t s = (time_t)(ms / 1000);
    gmtime_r(&s, &tm);
    snprintf(wanted, sizeof wanted, ",\"time\":\"%04d-%02d-%02dT%02d:%02d:%02d.%03uZ\",",
             tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
             (unsigned)(ms % 1000));
    buf_init(&out, 0);
    event_to_json(&out, &e->rec, STR("s"), STR("/cairn/x"));
    buf_put(&out, "", 1);
    CHECK(strstr(out.data, wanted) != NULL);
    buf_clear(&out);
    event_unref(e);
}

TEST(time_is_that_of_the_calendar) {
    const uint64_t day = 86400000, days = 2932897; /* those until the end of 9999 */
    struct stream_name *name = stream_name_create(1, 0, STR("s"));
    for (uint64_t d = 0; d < days; d += d < 60000 ? 1 : 61) check_time(name, d * day + d % day);
    for (uint64_t year = 1; year <= 8029; year++) check_time(name, year * 146097 / 400 * day - 1);
    check_time(name, days * day - 1);
    stream_name_unref(name);
}
