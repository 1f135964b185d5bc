/* The parts of Redis' dumps: checksum, packed texts, listpacks; and payloads that Redis wrote. */
#include "unit.h"

#include "base/alloc.h"
#include "base/lzf.h"
#include "base/uuid.h"
#include "stream/dump/listpack.h"
#include "stream/dump/rdb_parts.h"

TEST(the_checksum_is_that_of_redis) {
    CHECK_INT(rdb_checksum("123456789", 9), UINT64_C(0xe9c6d914c4b8d9ca));
    CHECK_INT(rdb_checksum("", 0), 0);
}

/* The library takes other ways for short and long ones, and for what is not aligned. */
TEST(the_checksum_is_what_its_definition_says_at_any_length) {
    char bytes[1500];
    random_bytes(bytes, sizeof bytes);
    for (size_t start = 0; start < 3; start++) {
        uint64_t crc = 0;
        for (size_t n = 0; start + n < sizeof bytes; n++) {
            CHECK_INT(rdb_checksum(bytes + start, n), crc);
            crc ^= (uint8_t)bytes[start + n];
            for (int bit = 0; bit < 8; bit++)
                crc = (crc >> 1) ^ (crc & 1 ? UINT64_C(0x95ac9329ac4bc9b5) : 0);
        }
    }
}

TEST(packed_bytes_are_unpacked_or_refused_never_beyond_the_end) {
    char out[16];
    struct str abc = STR("\x02"
                         "abc\xa0\x02"); /* abc, then 5 + 2 bytes from 3 before */
    CHECK(lzf_unpack(abc, out, 10));
    CHECK(memcmp(out, "abcabcabca", 10) == 0);
    CHECK(!lzf_unpack(abc, out, 9));
    CHECK(!lzf_unpack(abc, out, 11));
    for (size_t n = 0; n < abc.len; n++) CHECK(!lzf_unpack(str_of(abc.ptr, n), out, 10));
    CHECK(!lzf_unpack(STR("\x02"
                          "abc\xa0\x03"),
                      out, 10)); /* from before the beginning */
    CHECK(lzf_unpack(STR("\x00"
                         "a\xe0\x01\x00"),
                     out, 11)); /* 7 + 1 + 2 more */
    CHECK(memcmp(out, "aaaaaaaaaaa", 11) == 0);
}

TEST(a_listpack_gives_back_what_was_put_in) {
    static const int64_t numbers[] = {0,         127,       128,       -1,    32767,
                                      32768,     -32768,    -32769,    65536, INT32_MAX,
                                      INT32_MIN, INT64_MAX, INT64_MIN, 4096,  -4097};
    static const size_t lengths[] = {0,     1,     63,      64,      122,    125,   126,
                                     127,   128,   4095,    4096,    16376,  16377, 16378,
                                     16379, 16383, 2097145, 2097146, 2097150};
    struct buf b;
    struct listpack_out l;
    struct listpack_in in;
    struct listpack_item item;
    char *text = xcalloc(1, 2097151);
    buf_init(&b, 0);
    listpack_begin(&l, &b);
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) listpack_put_int(&l, numbers[i]);
    for (size_t i = 0; i < ARRAY_LEN(lengths); i++) listpack_put_str(&l, str_of(text, lengths[i]));
    listpack_end(&l);
    CHECK(listpack_open(buf_str(&b), &in));
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        CHECK(listpack_next(&in, &item));
        CHECK_INT(item.number, numbers[i]);
        int64_t again;
        CHECK(item.is_int && str_to_i64(item.text, &again) && again == numbers[i]);
    }
    for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
        CHECK(listpack_next(&in, &item));
        CHECK(!item.is_int);
        CHECK_INT(item.text.len, lengths[i]);
    }
    CHECK(listpack_at_end(&in));
    CHECK(!listpack_next(&in, &item));
    free(text);
    buf_clear(&b);
}

TEST(the_forms_of_numbers_that_only_redis_writes_are_read) {
    struct listpack_in in;
    struct listpack_item item;
    struct str bytes = STR("\x14\0\0\0\x03\0\xcf\xff\x02\xd0\x00\x02\xf2\x00\x00\x80\x04\xf0\x00"
                           "\xff"); /* 13 bits twice, 24 bits; then a text that is cut off */
    CHECK_INT(bytes.len, 20);
    CHECK(listpack_open(bytes, &in));
    static const int64_t expected[] = {4095, -4096, -8388608};
    for (size_t i = 0; i < 3; i++) {
        CHECK(listpack_next(&in, &item));
        CHECK_INT(item.number, expected[i]);
    }
    CHECK(!listpack_next(&in, &item));
}

/* Adds what ends every payload. */
static void seal(struct buf *b) {
    uint16_t version = RDB_VERSION;
    buf_put(b, &version, sizeof version);
    uint64_t sum = rdb_checksum(b->data, b->len);
    buf_put(b, &sum, sizeof sum);
}

static enum rdb_status read_sealed(struct str value, struct buf *out) {
    struct buf b;
    buf_init(&b, 0);
    buf_put_str(&b, value);
    seal(&b);
    enum rdb_status status = rdb_read(buf_str(&b), out);
    buf_clear(&b);
    return status;
}

TEST(a_string_is_read_in_all_its_forms) {
    static const struct {
        struct str value, is;
    } cases[] = {
        {{"\0\x03"
          "abc",
          5},
         {"abc", 3}},
        {{"\0\0", 2}, {"", 0}},
        {{"\0\xc0\x80", 3}, {"-128", 4}},
        {{"\0\xc1\xff\x7f", 4}, {"32767", 5}},
        {{"\0\xc2\0\0\0\x80", 6}, {"-2147483648", 11}},
        {{"\0\x40\x03"
          "abc",
          6},
         {"abc", 3}},
        {{"\0\x80\0\0\0\x01"
          "a",
          7},
         {"a", 1}},
        {{"\0\xc3\x05\x0b\0a\xe0\x01\0", 9}, {"aaaaaaaaaaa", 11}},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf out;
        struct dump d;
        buf_init(&out, 4096);
        CHECK_INT(read_sealed(cases[i].value, &out), RDB_OK);
        CHECK(dump_parse(buf_str(&out), &d));
        CHECK(d.is_string && str_eq(d.body, cases[i].is));
        for (size_t n = 0; n < cases[i].value.len; n++) {
            buf_reset(&out);
            CHECK_INT(read_sealed(str_of(cases[i].value.ptr, n), &out), RDB_BAD);
        }
        buf_clear(&out);
    }
}

TEST(lengths_that_lie_and_other_types_are_refused) {
    static const struct str bad[] = {
        {"\0\x81\xff\xff\xff\xff\xff\xff\xff\xff", 10},     /* a string of 2^64-1 bytes */
        {"\0\xc3\x01\x81\0\0\0\xff\xff\xff\xff\xff\0", 13}, /* one byte that says 2^40 */
        {"\x01\x01\x01"
         "a",
         4}, /* a list */
        {"\x15\x81\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0\0\0\0\0\0", 19},
        {"\x15\0\0\0\0\0\0\0\0\0\x81\xff\xff\xff\xff\xff\xff\xff\xff", 19}, /* groups */
        {"\x15\0\0\0\0\0\0\0\0\0\x01\x01g\0\0\0\x81\xff\xff\xff\xff\xff\xff\xff\xff\0", 26},
        {"\0\x01"
         "ax",
         4}, /* too long: read, but what stands behind is no dump of ours */
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct buf out;
        struct dump d;
        buf_init(&out, 1u << 20);
        enum rdb_status status = read_sealed(bad[i], &out);
        CHECK(status == RDB_BAD || !dump_parse(buf_str(&out), &d));
        CHECK(out.len <= 1u << 20);
        buf_clear(&out);
    }
}

/* A name that is said once and meant a thousand times: what comes of it is limited. */
TEST(a_small_payload_that_makes_a_large_stream_is_too_large) {
    struct buf b, pack, out;
    struct listpack_out l;
    char name[5000] = {0}, zeros[16] = {0};
    buf_init(&b, 0);
    buf_init(&pack, 0);
    buf_init(&out, 1u << 20);
    listpack_begin(&l, &pack);
    listpack_put_int(&l, 1000);
    listpack_put_int(&l, 0);
    listpack_put_int(&l, 1);
    listpack_put_str(&l, str_of(name, sizeof name));
    listpack_put_int(&l, 0);
    for (int i = 1; i <= 1000; i++) {
        listpack_put_int(&l, ENTRY_SAME_FIELDS);
        listpack_put_int(&l, i);
        listpack_put_int(&l, 0);
        listpack_put_str(&l, STR("v"));
        listpack_put_int(&l, 4);
    }
    listpack_end(&l);
    uint8_t length[] = {RDB_LEN_32, 0, 0, (uint8_t)(pack.len >> 8), (uint8_t)pack.len};
    buf_put(&b, "\x15\x01\x10", 3);
    buf_put(&b, zeros, sizeof zeros);
    buf_put(&b, length, sizeof length);
    buf_put_str(&b, buf_str(&pack));
    buf_put(&b, "\x43\xe8\x43\xe8\0\x01\0\0\0\x43\xe8\0", 12);
    CHECK_INT(read_sealed(buf_str(&b), &out), RDB_TOO_LARGE);
    CHECK(out.len <= 1u << 20);
    struct buf more;
    struct dump d;
    buf_init(&more, 16u << 20);
    CHECK_INT(read_sealed(buf_str(&b), &more), RDB_OK);
    CHECK(dump_parse(buf_str(&more), &d));
    CHECK_INT(d.event_count, 1000);
    buf_clear(&more);
    buf_clear(&out);
    buf_clear(&pack);
    buf_clear(&b);
}
