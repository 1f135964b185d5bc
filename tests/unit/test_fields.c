/* The fields of an XADD entry: the RESP form byte for byte, every malformed form refused, and the
 * JSON form compared with plain references, with SQLite, and with itself there and back. */
#include "unit.h"

#include <sqlite3.h>

#include "base/alloc.h"
#include "base/uuid.h"
#include "proto/resp.h"
#include "record/fields.h"

#define ARGS_MAX 64

static struct buf resp, json, back;

/* Builds `resp` from these strings. */
static void build(const struct str *args, size_t count) {
    buf_reset(&resp);
    size_t size = fields_size(args, count);
    char *at = buf_reserve(&resp, size);
    CHECK(fields_write(at, args, count) == at + size);
    resp.len = size;
}

static void build_pair(struct str field, struct str value) {
    build((struct str[]){field, value}, 2);
}

/* The JSON of one pair with an empty name, without what is around the value. */
static struct str json_of(struct str value) {
    build_pair(STR(""), value);
    buf_reset(&json);
    fields_to_json(buf_str(&resp), &json);
    CHECK(str_starts_with(buf_str(&json), STR("{\"\":\"")));
    CHECK(memcmp(json.data + json.len - 2, "\"}", 2) == 0);
    return str_of(json.data + 5, json.len - 7);
}

/* Whether `json` becomes the bytes of `resp` again. */
static bool comes_back(void) {
    buf_reset(&back);
    return fields_from_json(buf_str(&json), &back) && str_eq(buf_str(&back), buf_str(&resp));
}

static bool becomes(struct str value, const char *text) {
    struct str is = json_of(value);
    bool same = str_eq(is, str_c(text)) && comes_back();
    if (!same) printf("  '" STR_FMT "', not '%s'\n", STR_ARG(is), text);
    return same;
}

/* Whether this text (in an allocation of its size) is taken, and as these fields. */
static bool reads_as(struct str text, const char *expected) {
    char *copy = xmemdup(text.ptr, text.len);
    buf_reset(&back);
    bool taken = fields_from_json(str_of(copy, text.len), &back);
    free(copy);
    bool same = expected == NULL ? !taken && back.len == 0
                                 : taken && str_eq(buf_str(&back), str_c(expected));
    if (!same)
        printf("  '" STR_FMT "' gives '" STR_FMT "'\n", STR_ARG(text), STR_ARG(buf_str(&back)));
    return same;
}

static bool valid(struct str bytes) {
    char *copy = xmemdup(bytes.ptr, bytes.len);
    bool is = fields_valid(str_of(copy, bytes.len));
    free(copy);
    return is;
}

/* Bytes of several kinds, mixed: any, plain text, whole characters, pieces of bad UTF-8. */
static struct str random_text(size_t len_max) {
    static const char *const pieces[] = {
        "\xc3\xa4",
        "\xe2\x82\xac",
        "\xf0\x9f\x98\x80",
        "\xc0\x80",
        "\xed\xa0\xbd\xed\xb8\x80",
        "\xf4\x90\x80\x80",
        "\xe2\x82",
        "\xf0\x9f\x98",
        "\"",
        "\\u0041",
        "\r\n",
        "\\",
        "\xef\xbf\xbf",
        "\x7f",
        "\xed\x9f\xbf",
    };
    static struct buf b;
    size_t len = draw(len_max + 1);
    unsigned kind = (unsigned)draw(4);
    buf_reset(&b);
    while (b.len < len) {
        uint64_t r = draw_u64();
        unsigned how = kind == 3 ? (unsigned)(r >> 60) % 3 : kind;
        if (how == 0)
            buf_put(&b, &r, 1 + (r >> 56) % 7);
        else if (how == 1)
            buf_put_str(&b, STR("The quick brown fox 0123456789"));
        else
            buf_put_str(&b, str_c(pieces[r % ARRAY_LEN(pieces)]));
    }
    return str_of(xmemdup(b.data, len), len);
}

/* RESP */

TEST(fields_are_the_bytes_of_an_array_of_bulk_strings) {
    build((struct str[]){STR("name"), STR("Ann"), STR(""), str_of(NULL, 0)}, 4);
    CHECK(str_eq(buf_str(&resp), STR("*4\r\n$4\r\nname\r\n$3\r\nAnn\r\n$0\r\n\r\n$0\r\n\r\n")));
}

TEST(the_protocols_writer_would_write_the_same) {
    static char text[200000];
    memset(text, 'x', sizeof text);
    static const size_t lens[] = {0, 1, 9, 10, 11, 99, 100, 101, 999, 1000, 9999, 10000, 100000};
    for (size_t count = 2; count <= 1002; count += count < 14 ? 2 : 86) {
        struct buf expected;
        struct str *args = xcalloc(count, sizeof *args);
        buf_init(&expected, 0);
        resp_put_array(&expected, count);
        for (size_t i = 0; i < count; i++) {
            args[i] = str_of(text + i, lens[(i + count) % ARRAY_LEN(lens)]);
            resp_put_bulk(&expected, args[i]);
        }
        build(args, count);
        CHECK(str_eq(buf_str(&resp), buf_str(&expected)));
        CHECK(fields_valid(buf_str(&resp)));
        CHECK_INT(fields_count(buf_str(&resp)), count / 2);
        buf_clear(&expected);
        free(args);
    }
}

TEST(only_whole_canonical_fields_are_valid) {
    CHECK(valid(STR("*2\r\n$1\r\na\r\n$0\r\n\r\n")));
    CHECK(valid(STR("*2\r\n$4\r\n\r\n\r\n\r\n$2\r\n$0\r\n")));
    static const struct str bad[] = {
        STR(""),
        STR("*"),
        STR("*0\r\n"),
        STR("*1\r\n$1\r\na\r\n"),
        STR("*3\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n"),
        STR("*-1\r\n"),
        STR("*02\r\n$1\r\na\r\n$0\r\n\r\n"),
        STR("*+2\r\n$1\r\na\r\n$0\r\n\r\n"),
        STR("*2 \r\n$1\r\na\r\n$0\r\n\r\n"),
        STR("*2\n$1\r\na\r\n$0\r\n\r\n"),
        STR("%1\r\n$1\r\na\r\n$0\r\n\r\n"),
        STR("*2\r\n+a\r\n$0\r\n\r\n"),
        STR("*2\r\n$-1\r\n$0\r\n\r\n"),
        STR("*2\r\n$1\r\na\r\n$00\r\n\r\n"),
        STR("*2\r\n$01\r\na\r\n$0\r\n\r\n"),
        STR("*2\r\n$\r\n\r\n$0\r\n\r\n"),
        STR("*2\r\n$1\r\na\r\r$0\r\n\r\n"),
        STR("*2\r\n$1\r\na\n\n$0\r\n\r\n"),
        STR("*2\r\n$1\r\nab\r\n$0\r\n\r\n"),
        STR("*2\r\n$2\r\na\r\n$0\r\n\r\n"),
        STR("*2\r\n$1\r\na\r\n$1\r\n\r\n"),
        STR("*2\r\n$1\r\na\r\n$18446744073709551615\r\n\r\n"),
        STR("*2\r\n$1\r\na\r\n$18446744073709551616\r\n\r\n"),
        STR("*18446744073709551614\r\n$1\r\na\r\n$0\r\n\r\n"),
        STR("*18446744073709551618\r\n$1\r\na\r\n$0\r\n\r\n"),
        STR("*4\r\n$1\r\na\r\n$0\r\n\r\n"),
        STR("*2\r\n$1\r\na\r\n$0\r\n\r\n\r\n"),
        STR("*2\r\n$1\r\na\r\n$0\r\n\r\n*2\r\n$1\r\na\r\n$0\r\n\r\n"),
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        if (valid(bad[i])) printf("  " STR_FMT "\n", STR_ARG(bad[i]));
        CHECK(!valid(bad[i]));
    }
    CHECK(!fields_valid(str_of(NULL, 0)));
}

TEST(no_part_of_valid_fields_is_valid) {
    build((struct str[]){STR("field"), STR("0123456789"), STR(""), STR("$0\r\n\r\n")}, 4);
    for (size_t len = 0; len < resp.len; len++) CHECK(!valid(str_of(resp.data, len)));
    for (size_t from = 1; from < resp.len; from++)
        CHECK(!valid(str_of(resp.data + from, resp.len - from)));
}

TEST(the_iterator_gives_back_every_pair_in_order) {
    struct str args[] = {STR("a"), STR("1"), STR("b"),       STR(""),       STR("a"), STR("3"),
                         STR(""),  STR("4"), STR("a\r\n$1"), STR("\0\xff"), STR("k"), STR("ten!")};
    build(args, ARRAY_LEN(args));
    struct fields_iter iter;
    struct str field, value;
    size_t n = 0;
    fields_first(buf_str(&resp), &iter);
    for (; fields_next(&iter, &field, &value); n += 2) {
        CHECK(n < ARRAY_LEN(args));
        CHECK(str_eq(field, args[n]));
        CHECK(str_eq(value, args[n + 1]));
    }
    CHECK_INT(n, ARRAY_LEN(args));
    CHECK(!fields_next(&iter, &field, &value));
    CHECK_INT(fields_count(buf_str(&resp)), ARRAY_LEN(args) / 2);
}

TEST(the_first_field_of_a_name_is_found) {
    build((struct str[]){STR("typ"), STR("no"), STR("type"), STR("1"), STR("type"), STR("2"),
                         STR("types"), STR("type"), STR("e"), STR("")},
          10);
    CHECK(str_eq(fields_find(buf_str(&resp), STR("type")), STR("1")));
    CHECK(str_eq(fields_find(buf_str(&resp), STR("types")), STR("type")));
    CHECK(fields_find(buf_str(&resp), STR("e")).ptr != NULL);
    CHECK_INT(fields_find(buf_str(&resp), STR("e")).len, 0);
    CHECK(fields_find(buf_str(&resp), STR("TYPE")).ptr == NULL);
    CHECK(fields_find(buf_str(&resp), STR("")).ptr == NULL);
    CHECK(fields_find(buf_str(&resp), STR("no")).ptr == NULL);
}

/* JSON: written */

TEST(order_and_duplicate_names_survive_in_json) {
    build((struct str[]){STR("b"), STR("1"), STR("a"), STR("2"), STR("b"), STR("3"), STR("b"),
                         STR("1"), STR(""), STR("")},
          10);
    buf_reset(&json);
    buf_put(&json, "before", 6);
    fields_to_json(buf_str(&resp), &json);
    CHECK(str_eq(buf_str(&json),
                 STR("before{\"b\":\"1\",\"a\":\"2\",\"b\":\"3\",\"b\":\"1\",\"\":\"\"}")));
    buf_reset(&back);
    buf_put(&back, "before", 6);
    CHECK(fields_from_json(str_of(json.data + 6, json.len - 6), &back));
    CHECK(str_eq(str_of(back.data + 6, back.len - 6), buf_str(&resp)));
    CHECK(memcmp(back.data, "before", 6) == 0);
}

TEST(text_stays_text_and_only_what_json_forbids_is_escaped) {
    CHECK(becomes(STR("plain / text 'x' \x7f"), "plain / text 'x' \x7f"));
    CHECK(becomes(STR("\"\\\b\f\n\r\t"), "\\\"\\\\\\b\\f\\n\\r\\t"));
    CHECK(becomes(STR("\0\x01\x0b\x1f "), "\\u0000\\u0001\\u000b\\u001f "));
    CHECK(becomes(STR("\xc2\x80\xdf\xbf"), "\xc2\x80\xdf\xbf"));
    CHECK(becomes(STR("\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf"),
                  "\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf"));
    CHECK(becomes(STR("\xf0\x90\x80\x80\xf4\x8f\xbf\xbf"), "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf"));
}

TEST(each_byte_that_is_not_utf8_becomes_a_lone_surrogate) {
    CHECK(becomes(STR("\x80"), "\\udc80"));
    CHECK(becomes(STR("a\xff\xfe z"), "a\\udcff\\udcfe z"));
    CHECK(becomes(STR("\xc3"), "\\udcc3"));
    CHECK(becomes(STR("\xc3\xa4\xc3"), "\xc3\xa4\\udcc3"));
    CHECK(becomes(STR("\xc3(\xa4"), "\\udcc3(\\udca4"));
    CHECK(becomes(STR("\xc0\x80\xc1\xbf"), "\\udcc0\\udc80\\udcc1\\udcbf"));
    CHECK(becomes(STR("\xe0\x9f\xbf"), "\\udce0\\udc9f\\udcbf"));
    CHECK(becomes(STR("\xed\xa0\x80"), "\\udced\\udca0\\udc80"));
    CHECK(becomes(STR("\xed\xb2\x80"), "\\udced\\udcb2\\udc80"));
    CHECK(becomes(STR("\xed\xbf\xbf"), "\\udced\\udcbf\\udcbf"));
    CHECK(becomes(STR("\xe2\x82"), "\\udce2\\udc82"));
    CHECK(becomes(STR("\xf0\x8f\xbf\xbf"), "\\udcf0\\udc8f\\udcbf\\udcbf"));
    CHECK(becomes(STR("\xf4\x90\x80\x80"), "\\udcf4\\udc90\\udc80\\udc80"));
    CHECK(becomes(STR("\xf5\x80\x80\x80"), "\\udcf5\\udc80\\udc80\\udc80"));
    CHECK(becomes(STR("\xf0\x9f\x98\xc3\xa4"), "\\udcf0\\udc9f\\udc98\xc3\xa4"));
}

/* What the rules say, one byte sequence at a time: decode, then ask the code point. */
static void reference(struct str s, struct buf *text) {
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    for (size_t i = 0; i < s.len;) {
        unsigned b = (unsigned char)s.ptr[i], n = 1;
        uint32_t c = b;
        if (b >= 0xc0) {
            n = b < 0xe0 ? 2 : b < 0xf0 ? 3 : 4;
            c = b & (0x7fu >> n);
            if (b >= 0xf8 || s.len - i < n) n = 0;
            for (unsigned k = 1; k < n; k++) {
                unsigned next = (unsigned char)s.ptr[i + k];
                if (next >> 6 != 2) n = 0;
                c = c << 6 | (next & 0x3f);
            }
            if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff)) n = 0;
        } else if (b >= 0x80) {
            n = 0;
        }
        if (n == 0)
            buf_printf(text, "\\udc%02x", b);
        else if (b == '"' || b == '\\')
            buf_printf(text, "\\%c", (int)b);
        else if (b < 0x20 && b >= '\b' && b != '\v' && b <= '\r')
            buf_printf(text, "\\%c", "btn?fr"[b - '\b']);
        else if (b < 0x20)
            buf_printf(text, "\\u%04x", b);
        else
            buf_put(text, s.ptr + i, n);
        i += MAX(n, 1);
    }
}

TEST(all_pairs_of_bytes_and_all_edges_of_utf8_follow_the_rules) {
    static const unsigned char edges[] = {
        0,    0x22, 0x5c, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0,
        0xe1, 0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xf7, 0xf8, 0xfc, 0xff};
    enum { N = sizeof edges };
    struct buf expected;
    buf_init(&expected, 0);
    for (unsigned i = 0; i < 0x10000 + N * N * N * N; i++) {
        unsigned char bytes[5] = {(unsigned char)(i >> 8), (unsigned char)i};
        size_t len = 2;
        if (i >= 0x10000) {
            unsigned k = i - 0x10000;
            for (len = 0; len < 4; len++, k /= N) bytes[len] = edges[k % N];
        }
        buf_reset(&expected);
        reference(str_of(bytes, len), &expected);
        CHECK(str_eq(json_of(str_of(bytes, len)), buf_str(&expected)));
        CHECK(comes_back());
    }
    buf_clear(&expected);
}

TEST(every_byte_is_found_at_every_place_of_a_run) {
    struct buf expected;
    buf_init(&expected, 0);
    for (size_t len = 1; len < 40; len++) {
        for (size_t place = 0; place < len; place++) {
            for (unsigned b = 0; b < 256; b++) {
                char text[40];
                memset(text, b % 3 == 0 ? '!' : '[', sizeof text); /* neighbours of '"' and '\' */
                text[place] = (char)b;
                buf_reset(&expected);
                reference(str_of(text, len), &expected);
                CHECK(str_eq(json_of(str_of(text, len)), buf_str(&expected)));
                CHECK(comes_back());
            }
        }
    }
    buf_clear(&expected);
}

/* JSON: read */

#define AS(value) "*2\r\n$1\r\na\r\n" value "\r\n"

TEST(any_spacing_and_any_escape_is_read) {
    CHECK(reads_as(STR("{\"a\":\"b\"}"), AS("$1\r\nb")));
    CHECK(reads_as(STR(" \t\r\n{ \"a\"\n:\t\"b\" \r} \n"), AS("$1\r\nb")));
    CHECK(
        reads_as(STR("{\"\\u0061\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"}"), AS("$8\r\n\"\\/\b\f\n\r\t")));
    CHECK(reads_as(STR("{\"a\":\"\\u00E4\\u20aC\\ud83d\\uDE00\"}"),
                   AS("$9\r\n\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80")));
    CHECK(reads_as(
        STR("{\"a\":\"\\u007f\\u0080\\u07ff\\u0800\\ud7ff\\ue000\\uffff\"}"),
        AS("$17\r\n\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf")));
    CHECK(reads_as(STR("{\"a\":\"\\ud800\\udc00\\udbff\\udfff\"}"),
                   AS("$8\r\n\xf0\x90\x80\x80\xf4\x8f\xbf\xbf")));
    CHECK(reads_as(STR("{\"a\":\"\\udc80\\uDCFF\"}"), AS("$2\r\n\x80\xff")));
    CHECK(reads_as(STR("{\"a\":\"\\ud83d\\udc80\\udc80\"}"), AS("$5\r\n\xf0\x9f\x92\x80\x80")));
    CHECK(reads_as(STR("{\"a\":\"{\\u0022,:[\x7f\"}"), AS("$6\r\n{\",:[\x7f")));
    CHECK(reads_as(STR("{\"a\":\"1\",\"a\":\"1\" , \"a\":\"\"}"),
                   "*6\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\na\r\n$0\r\n\r\n"));
}

TEST(what_is_no_object_of_strings_is_refused_and_appends_nothing) {
    static const char *const bad[] = {
        "",
        " ",
        "{",
        "}",
        "{}",
        " { } ",
        "[]",
        "[\"a\",\"b\"]",
        "\"a\"",
        "null",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":\"b\"",
        "{\"a\":\"b\",}",
        "{\"a\":\"b\",,\"c\":\"d\"}",
        "{,\"a\":\"b\"}",
        "{\"a\":\"b\" \"c\":\"d\"}",
        "{\"a\",\"b\"}",
        "{\"a\"=\"b\"}",
        "{a:\"b\"}",
        "{'a':'b'}",
        "{\"a\":1}",
        "{\"a\":null}",
        "{\"a\":true}",
        "{\"a\":{}}",
        "{\"a\":[]}",
        "{\"a\":{\"b\":\"c\"}}",
        "{\"a\":\"b\",\"c\":1}",
        "{\"a\":\"b\"}}",
        "{\"a\":\"b\"}x",
        "{\"a\":\"b\"}{\"a\":\"b\"}",
        "\xef\xbb\xbf{\"a\":\"b\"}",
        "{\"a\":\"b\"} // c",
        "{\"a\":\"b}",
        "{\"a\":\"b\\",
        "{\"a\":\"b\\\"}",
        /* escapes that are none */
        "{\"a\":\"\\x41\"}",
        "{\"a\":\"\\'\"}",
        "{\"a\":\"\\U0041\"}",
        "{\"a\":\"\\u\"}",
        "{\"a\":\"\\u004\"}",
        "{\"a\":\"\\u00g1\"}",
        "{\"a\":\"\\u+041\"}",
        "{\"a\":\"\\u00",
        /* surrogates that name nothing */
        "{\"a\":\"\\ud83d\"}",
        "{\"a\":\"\\ud83dx\"}",
        "{\"a\":\"\\ud83d\\n\"}",
        "{\"a\":\"\\ud83d\\u0041\"}",
        "{\"a\":\"\\ud83d\\ud83d\\ude00\"}",
        "{\"a\":\"\\udc00\"}",
        "{\"a\":\"\\udc7f\"}",
        "{\"a\":\"\\udd00\"}",
        "{\"a\":\"\\udfff\"}",
        "{\"a\":\"\\ud83d\\udc",
        "{\"a\":\"\\ud83d\\",
        "{\"\\udc7f\":\"\"}",
        /* bytes that JSON text may not have */
        "{\"a\":\"\n\"}",
        "{\"a\":\"\x1f\"}",
        "{\"a\":\"\x80\"}",
        "{\"a\":\"\xc3\"}",
        "{\"a\":\"\xc0\x80\"}",
        "{\"a\":\"\xed\xa0\x80\"}",
        "{\"a\":\"\xf4\x90\x80\x80\"}",
        "{\"\xff\":\"b\"}",
        "{\xff\"a\":\"b\"}",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) CHECK(reads_as(str_c(bad[i]), NULL));
    CHECK(reads_as(STR("{\"a\":\"\0\"}"), NULL));
    CHECK(reads_as(STR("{\"a\":\"b\"}\0"), NULL));
    buf_reset(&back);
    CHECK(!fields_from_json(str_of(NULL, 0), &back));
}

TEST(no_beginning_of_an_object_is_one) {
    struct str whole = STR("{\"a\\u00e4\\ud83d\\ude00\\udcff\xf0\x9f\x98\x80 0123456789\":\"\\n\","
                           "\"\xe2\x82\xac\":\"0123456701234567\"}");
    for (size_t len = 0; len < whole.len; len++) CHECK(reads_as(str_of(whole.ptr, len), NULL));
    buf_reset(&back);
    CHECK(fields_from_json(whole, &back));
}

TEST(heads_of_all_lengths_are_made_from_json) {
    static const size_t counts[] = {2, 8, 10, 98, 100, 998, 1000, 10002};
    for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
        struct str *args = xcalloc(counts[i], sizeof *args);
        for (size_t k = 0; k < counts[i]; k++) args[k] = k % 2 == 0 ? STR("") : STR("v");
        build(args, counts[i]);
        buf_reset(&json);
        fields_to_json(buf_str(&resp), &json);
        CHECK(comes_back());
        free(args);
    }
    static char text[100001];
    memset(text, 'x', sizeof text);
    for (size_t len = 1; len < sizeof text; len *= 10) {
        for (size_t n = len - 1; n <= len + 1; n++) {
            json_of(str_of(text, n));
            CHECK(comes_back());
        }
    }
}

/* Both, with random fields, and what SQLite says to the text */

static sqlite3_stmt *prepare(const char *text) {
    static sqlite3 *db;
    sqlite3_stmt *stmt = NULL;
    if (db == NULL) CHECK(sqlite3_open(":memory:", &db) == SQLITE_OK);
    CHECK(sqlite3_prepare_v2(db, text, -1, &stmt, NULL) == SQLITE_OK);
    return stmt;
}

static bool json_valid(struct str text) {
    static sqlite3_stmt *stmt;
    if (stmt == NULL) stmt = prepare("SELECT json_valid(?)");
    sqlite3_reset(stmt);
    CHECK(sqlite3_bind_text(stmt, 1, text.ptr, (int)text.len, SQLITE_STATIC) == SQLITE_OK);
    CHECK(sqlite3_step(stmt) == SQLITE_ROW);
    return sqlite3_column_int(stmt, 0) == 1;
}

TEST(fields_of_any_bytes_come_back_and_the_text_is_json) {
    for (int round = 0; round < 20000; round++) {
        struct str args[ARGS_MAX];
        size_t count = 2 * (1 + draw(round % 50 == 0 ? ARGS_MAX / 2 : 5));
        for (size_t i = 0; i < count; i++) args[i] = random_text(round % 100 == 0 ? 20000 : 60);
        build(args, count);
        CHECK(fields_valid(buf_str(&resp)));
        buf_reset(&json);
        fields_to_json(buf_str(&resp), &json);
        CHECK(json_valid(buf_str(&json)));
        CHECK(comes_back());
        for (size_t i = 0; i < count; i++) free((void *)args[i].ptr);
    }
}

TEST(damaged_json_never_gives_invalid_fields) {
    for (int round = 0; round < 50000; round++) {
        struct str value = random_text(50);
        json_of(value);
        for (uint64_t i = 1 + draw(3); i > 0; i--) {
            uint64_t r = draw_u64();
            json.data[r % json.len] =
                (r >> 32) % 2 == 0 ? (char)(r >> 40) : "{}\":,\\ud8"[(r >> 40) % 9];
        }
        buf_reset(&back);
        if (fields_from_json(buf_str(&json), &back)) {
            CHECK(fields_valid(buf_str(&back)));
            CHECK(json_valid(buf_str(&json)));
        } else {
            CHECK_INT(back.len, 0);
        }
        free((void *)value.ptr);
    }
}

/* Whether json_extract gives these bytes for this path. */
static bool extracts(const char *path, struct str expected) {
    sqlite3_stmt *stmt = prepare("SELECT json_extract(?, ?)");
    sqlite3_bind_text(stmt, 1, json.data, (int)json.len, SQLITE_STATIC);
    sqlite3_bind_text(stmt, 2, path, -1, SQLITE_STATIC);
    CHECK(sqlite3_step(stmt) == SQLITE_ROW);
    struct str is = str_of(sqlite3_column_text(stmt, 0), (size_t)sqlite3_column_bytes(stmt, 0));
    bool same = str_eq(is, expected);
    if (!same) printf("  %s is '" STR_FMT "'\n", path, STR_ARG(is));
    sqlite3_finalize(stmt);
    return same;
}

TEST(sql_reads_the_fields_of_the_text) {
    build((struct str[]){STR("name"), STR("Zo\xc3\xab \"Z\"\n"), STR("twice"), STR("first"),
                         STR("twice"), STR("second"), STR("raw"), STR("a\xff")},
          8);
    buf_reset(&json);
    fields_to_json(buf_str(&resp), &json);
    CHECK(extracts("$.name", STR("Zo\xc3\xab \"Z\"\n")));
    CHECK(extracts("$.twice", STR("first")));
    CHECK(extracts("$.raw", STR("a\xed\xb3\xbf"))); /* U+DCFF, as SQLite writes it */
}

TEST(values_of_megabytes_of_each_kind_come_back) {
    enum { LEN = 3 * 1024 * 1024 + 5 };
    static const char *const kinds[] = {"x", "\"", "\xc3\xa4", "\xff", "\xf0\x9f\x98\x80", "a\n"};
    char *value = xmalloc(LEN);
    for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
        size_t len = strlen(kinds[k]);
        for (size_t i = 0; i < LEN; i++) value[i] = kinds[k][i % len];
        build_pair(STR("v"), str_of(value, LEN));
        buf_reset(&json);
        fields_to_json(buf_str(&resp), &json);
        CHECK(json_valid(buf_str(&json)));
        CHECK(comes_back());
    }
    free(value);
}
