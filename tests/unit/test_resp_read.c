/* The request parser: every request of a table whole, byte by byte, cut at every place and in
 * pipelines; limits, errors, and what it allocates. */
#include "unit.h"

#include <sys/mman.h>

#include "base/alloc.h"
#include "proto/resp.h"

static const struct resp_limits limits = {
    .bulk_max = 1000, .args_max = 50, .inline_max = 200, .request_max = 3000};

#define MAX_ARGS 12
struct request_case {
    const char *bytes;
    size_t len;
    size_t argc;
    const char *args[MAX_ARGS]; /* no NUL in them */
};
#define REQUEST(bytes, argc, ...)                                                                  \
    {                                                                                              \
        bytes, sizeof(bytes) - 1, argc, {                                                          \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }

static const struct request_case requests[] = {
    REQUEST("*1\r\n$4\r\nPING\r\n", 1, "PING"),
    REQUEST("*2\r\n$4\r\nECHO\r\n$0\r\n\r\n", 2, "ECHO", ""),
    REQUEST("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$12\r\nhello\r\nworld\r\n", 3, "SET", "k",
            "hello\r\nworld"),
    REQUEST("*2\r\n$4\r\n$1\r\n\r\n$2\r\n\r\n\r\n", 2, "$1\r\n", "\r\n"),
    REQUEST("*7\r\n$7\r\nEAPPEND\r\n$7\r\norder-1\r\n$13\r\norder.created\r\n$7\r\nPAYLOAD\r\n"
            "$2\r\n{}\r\n$8\r\nMETADATA\r\n$1\r\nx\r\n",
            7, "EAPPEND", "order-1", "order.created", "PAYLOAD", "{}", "METADATA", "x"),
    REQUEST("*3\r\n+ECHO\r\n:123\r\n+\r\n", 3, "ECHO", "123", ""),
    REQUEST("*2\r\n$4\r\nECHO\r\n:-5\r\n", 2, "ECHO", "-5"),
    /* nothing to do */
    REQUEST("*0\r\n", 0, NULL),
    REQUEST("*-1\r\n", 0, NULL),
    REQUEST("*-10\r\n", 0, NULL),
    REQUEST("\r\n", 0, NULL),
    REQUEST("\n", 0, NULL),
    REQUEST("   \t \r\n", 0, NULL),
    REQUEST("\0junk\r\n", 0, NULL),
    /* inline */
    REQUEST("PING\r\n", 1, "PING"),
    REQUEST("PING\n", 1, "PING"),
    REQUEST("  SET  key\tvalue  \r\n", 3, "SET", "key", "value"),
    REQUEST("SET k \"a b\"\r\n", 3, "SET", "k", "a b"),
    REQUEST("SET k ''\r\n", 3, "SET", "k", ""),
    REQUEST("SET k \"\"\n", 3, "SET", "k", ""),
    REQUEST("SET k \"\\n\\r\\t\\b\\a\\\\\\\"\\q\"\r\n", 3, "SET", "k", "\n\r\t\b\a\\\"q"),
    REQUEST("SET k \"\\x41\\xfF\\xg1\\x4\"\r\n", 3, "SET", "k", "A\xffxg1x4"),
    REQUEST("SET k 'it\\'s \\n \"q\"'\r\n", 3, "SET", "k", "it's \\n \"q\""),
    REQUEST("SET k pre\"in side\" x\r\n", 4, "SET", "k", "prein side", "x"),
    REQUEST("a \v b\vc \f\r\n", 2, "a", "b\vc"),
    REQUEST("a\rb c\r\n", 3, "a", "b", "c"),
    REQUEST("a b\0c d\r\n", 2, "a", "b"),
    REQUEST("$4\r\n", 1, "$4"),
    REQUEST("+OK\r\n", 1, "+OK"),
};

static const struct {
    const char *bytes;
    size_t len;
    const char *error;
} errors[] = {
#define ERROR(bytes, error)                                                                        \
    { bytes, sizeof(bytes) - 1, "Protocol error: " error }
    ERROR("*x\r\n", "invalid multibulk length"),
    ERROR("*\r\n", "invalid multibulk length"),
    ERROR("*1x\r\n", "invalid multibulk length"),
    ERROR("* 1\r\n", "invalid multibulk length"),
    ERROR("*+1\r\n", "invalid multibulk length"),
    ERROR("*01\r\n", "invalid multibulk length"),
    ERROR("*-\r\n", "invalid multibulk length"),
    ERROR("*1\rx", "invalid multibulk length"),
    ERROR("*51\r\n", "invalid multibulk length"),
    ERROR("*20000001\r\n", "invalid multibulk length"),
    ERROR("*2147483648\r\n", "invalid multibulk length"),
    ERROR("*9223372036854775808\r\n", "invalid multibulk length"),
    ERROR("*3\r\n$3\r\nSET\r\n$1\r\nx\r\nfooz\r\n", "expected '$', got 'f'"),
    ERROR("*1\r\nfoo\r\n", "expected '$', got 'f'"),
    ERROR("*1\r\n\r\n", "expected '$', got '?'"),
    ERROR("*1\r\n*1\r\n", "expected '$', got '*'"),
    ERROR("*1\r\n\0\r\n", "expected '$', got '?'"),
    ERROR("*1\r\n$\r\n", "invalid bulk length"),
    ERROR("*1\r\n$-1\r\n", "invalid bulk length"),
    ERROR("*1\r\n$-10\r\n", "invalid bulk length"),
    ERROR("*1\r\n$x\r\n", "invalid bulk length"),
    ERROR("*1\r\n$blabla\r\n", "invalid bulk length"),
    ERROR("*1\r\n$+1\r\n", "invalid bulk length"),
    ERROR("*1\r\n$01\r\n", "invalid bulk length"),
    ERROR("*1\r\n$1 \r\n", "invalid bulk length"),
    ERROR("*1\r\n$1\rx", "invalid bulk length"),
    ERROR("*1\r\n+a\rb\r\n", "invalid bulk length"),
    ERROR("*1\r\n$1001\r\n", "invalid bulk length"),
    ERROR("*1\r\n$2000000000\r\n", "invalid bulk length"),
    ERROR("*1\r\n$99999999999999999999\r\n", "invalid bulk length"),
    ERROR("*1\r\n$1\r\nab\r\n", "invalid bulk length"), /* the length is wrong */
    ERROR("*1\r\n$3\r\nab\r\n\r\n", "invalid bulk length"),
    ERROR("*1\r\n$1\r\na\rb", "invalid bulk length"),
    ERROR("SET k \"open\r\n", "unbalanced quotes in request"),
    ERROR("SET k 'open\r\n", "unbalanced quotes in request"),
    ERROR("SET k \"a\"b\r\n", "unbalanced quotes in request"),
    ERROR("SET k 'a'b\r\n", "unbalanced quotes in request"),
    ERROR("SET k \"a\\\"\r\n", "unbalanced quotes in request"),
    ERROR("SET k \"a\0\"\r\n", "unbalanced quotes in request"),
};

static void check_args(const struct resp_reader *r, const struct request_case *q) {
    CHECK_INT(r->argc, q->argc);
    CHECK_INT(r->consumed, q->len);
    for (size_t i = 0; i < q->argc; i++) {

        if (!str_eq(r->args[i], str_c(q->args[i])))
            printf("  argument %zu is '" STR_FMT "'\n", i, STR_ARG(r->args[i]));
        CHECK(str_eq(r->args[i], str_c(q->args[i])));
    }
}

/* Gives the bytes [0, len) to the reader as a fresh heap copy of exactly that size (so that a
 * sanitizer sees a read too far, and every call sees a moved buffer). */
static enum resp_status feed(struct resp_reader *r, const char *bytes, size_t len, char **copy,
                             const struct resp_limits *l) {
    free(*copy);
    *copy = xmemdup(bytes, len);
    enum resp_status status = resp_read(r, *copy, len, l);
    if (status == RESP_UNFINISHED) CHECK(r->needed > len);
    return status;
}

TEST(every_request_is_read_whole) {
    struct resp_reader r;
    resp_reader_init(&r);
    for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
        const struct request_case *q = &requests[i];
        for (int again = 0; again < 2; again++) {
            CHECK_INT(resp_read(&r, q->bytes, q->len, &limits), RESP_OK);
            check_args(&r, q);
        }
    }
    resp_reader_clear(&r);
}

TEST(every_request_is_read_byte_by_byte) {
    struct resp_reader r;
    char *copy = NULL;
    resp_reader_init(&r);
    for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
        const struct request_case *q = &requests[i];
        for (size_t len = 0; len < q->len; len++) {
            CHECK_INT(feed(&r, q->bytes, len, &copy, &limits), RESP_UNFINISHED);
            CHECK(r.needed <= q->len);
        }
        CHECK_INT(feed(&r, q->bytes, q->len, &copy, &limits), RESP_OK);
        check_args(&r, q);
    }
    free(copy);
    resp_reader_clear(&r);
}

TEST(every_request_is_read_from_any_three_pieces) {
    struct resp_reader r;
    char *copy = NULL;
    resp_reader_init(&r);
    for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
        const struct request_case *q = &requests[i];
        for (size_t a = 0; a < q->len; a++) {
            for (size_t b = a; b < q->len; b++) {
                CHECK_INT(feed(&r, q->bytes, a, &copy, &limits), RESP_UNFINISHED);
                CHECK_INT(feed(&r, q->bytes, b, &copy, &limits), RESP_UNFINISHED);
                CHECK_INT(feed(&r, q->bytes, q->len, &copy, &limits), RESP_OK);
                check_args(&r, q);
            }
        }
    }
    free(copy);
    resp_reader_clear(&r);
}

TEST(every_error_is_found_in_any_two_pieces_with_redis_words) {
    char *copy = NULL;
    for (size_t i = 0; i < ARRAY_LEN(errors); i++) {
        for (size_t cut = 0; cut <= errors[i].len; cut++) {
            struct resp_reader r;
            resp_reader_init(&r);
            enum resp_status status = feed(&r, errors[i].bytes, cut, &copy, &limits);
            CHECK(status != RESP_OK);
            if (status == RESP_UNFINISHED)
                status = feed(&r, errors[i].bytes, errors[i].len, &copy, &limits);
            if (status != RESP_INVALID || strcmp(r.error, errors[i].error) != 0)
                printf("  case %zu cut %zu: %d '%s', not '%s'\n", i, cut, status, r.error,
                       errors[i].error);
            CHECK_INT(status, RESP_INVALID);
            CHECK(strcmp(r.error, errors[i].error) == 0);
            resp_reader_clear(&r);
        }
    }
    free(copy);
}

TEST(errors_come_from_any_byte_in_place_of_the_dollar) {
    struct resp_reader r;
    resp_reader_init(&r);
    for (int c = 0; c < 256; c++) {
        char bytes[] = "*1\r\n$1\r\nx\r\n";
        bytes[4] = (char)c;
        enum resp_status status = resp_read(&r, bytes, sizeof bytes - 1, &limits);
        bool fine = c == '$' || c == '+' || c == ':';
        CHECK_INT(status, fine ? RESP_OK : RESP_INVALID);
        for (const char *p = r.error; *p != '\0'; p++) CHECK((unsigned char)*p >= ' ');
    }
    resp_reader_clear(&r);
}

TEST(a_pipeline_of_all_requests_is_read_in_order) {
    char bytes[4000];
    size_t len = 0;
    struct resp_reader r;
    resp_reader_init(&r);
    for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
        memcpy(bytes + len, requests[i].bytes, requests[i].len);
        len += requests[i].len;
    }
    for (size_t piece = 1; piece < 100; piece++) {
        size_t start = 0, have = 0, i = 0;
        while (i < ARRAY_LEN(requests)) {
            enum resp_status status = resp_read(&r, bytes + start, have - start, &limits);
            if (status == RESP_UNFINISHED) {
                CHECK(have < len);
                have = MIN(have + piece, len);
                continue;
            }
            CHECK_INT(status, RESP_OK);
            check_args(&r, &requests[i++]);
            start += r.consumed;
        }
        CHECK_INT(start, len);
    }
    resp_reader_clear(&r);
}

TEST(arguments_hold_any_byte) {
    char bytes[300] = "*1\r\n$256\r\n";
    size_t head = strlen(bytes);
    for (int c = 0; c < 256; c++) bytes[head + (size_t)c] = (char)c;
    memcpy(bytes + head + 256, "\r\n", 2);
    struct resp_reader r;
    resp_reader_init(&r);
    CHECK_INT(resp_read(&r, bytes, head + 258, &limits), RESP_OK);
    CHECK(str_eq(r.args[0], str_of(bytes + head, 256)));
    CHECK(r.args[0].ptr == bytes + head); /* a view, not a copy */
    resp_reader_clear(&r);
}

TEST(needed_says_how_much_a_bulk_takes) {
    struct resp_reader r;
    resp_reader_init(&r);
    const char *bytes = "*2\r\n$4\r\nECHO\r\n$900\r\nabc";
    CHECK_INT(resp_read(&r, bytes, strlen(bytes), &limits), RESP_UNFINISHED);
    CHECK_INT(r.needed, 4 + 10 + 6 + 900 + 2);
    resp_reader_clear(&r);
}

/* The outcome of the bytes under the limits, whole and byte by byte. */
static const char *outcome(const char *bytes, size_t len, const struct resp_limits *l) {
    static char error[160];
    struct resp_reader whole, slow;
    resp_reader_init(&whole);
    resp_reader_init(&slow);
    enum resp_status a = resp_read(&whole, bytes, len, l), b = RESP_UNFINISHED;
    for (size_t n = 0; n <= len && b == RESP_UNFINISHED; n++) b = resp_read(&slow, bytes, n, l);
    CHECK_INT(a, b);
    if (a == RESP_INVALID) CHECK(strcmp(whole.error, slow.error) == 0);
    snprintf(error, sizeof error, "%s",
             a == RESP_OK           ? "ok"
             : a == RESP_UNFINISHED ? "unfinished"
                                    : whole.error + strlen("Protocol error: "));
    resp_reader_clear(&whole);
    resp_reader_clear(&slow);
    return error;
}

TEST(lines_are_limited) {
    char bytes[400];
    memset(bytes, '1', sizeof bytes);
    CHECK(strcmp(outcome(bytes, 200, &limits), "unfinished") == 0);
    CHECK(strcmp(outcome(bytes, 201, &limits), "too big inline request") == 0);
    bytes[200] = '\n';
    CHECK(strcmp(outcome(bytes, 400, &limits), "ok") == 0);
    bytes[200] = '1';
    bytes[201] = '\n';
    CHECK(strcmp(outcome(bytes, 400, &limits), "too big inline request") == 0);
    bytes[0] = '*';
    CHECK(strcmp(outcome(bytes, 200, &limits), "unfinished") == 0);
    CHECK(strcmp(outcome(bytes, 400, &limits), "too big mbulk count string") == 0);
    memcpy(bytes, "*1\r\n$", 5);
    CHECK(strcmp(outcome(bytes, 204, &limits), "unfinished") == 0);
    CHECK(strcmp(outcome(bytes, 400, &limits), "too big bulk count string") == 0);
    bytes[4] = '+';
    CHECK(strcmp(outcome(bytes, 400, &limits), "too big bulk count string") == 0);
}

TEST(bulks_and_whole_requests_are_limited) {
    char bytes[4000];
    struct resp_limits l = limits;
    int len = snprintf(bytes, sizeof bytes, "*3\r\n$1000\r\n%01000d\r\n$1000\r\n%01000d\r\n", 1, 2);
    snprintf(bytes + len, sizeof bytes - (size_t)len, "$900\r\n%0900d\r\n", 3);
    size_t whole = (size_t)len + 908;
    CHECK(strcmp(outcome(bytes, whole, &l), "ok") == 0);
    l.request_max = whole;
    CHECK(strcmp(outcome(bytes, whole, &l), "ok") == 0);
    for (size_t max = 3; max < whole; max++) {
        l.request_max = max;
        CHECK(strcmp(outcome(bytes, whole, &l), "request too large") == 0);
    }
    l.request_max = (size_t)len + 100; /* known from the length line, before the bytes come */
    CHECK(strcmp(outcome(bytes, (size_t)len + 6, &l), "request too large") == 0);
    l = limits;
    l.bulk_max = 999;
    CHECK(strcmp(outcome(bytes, whole, &l), "invalid bulk length") == 0);
    l = limits;
    l.request_max = 10;
    CHECK(strcmp(outcome("SET a b\r\n", 9, &l), "ok") == 0);
    CHECK(strcmp(outcome("SET a bcdef\r\n", 13, &l), "request too large") == 0);
    l.request_max = UINT64_MAX;
    l.bulk_max = UINT64_MAX;
    l.inline_max = UINT64_MAX;
    CHECK(strcmp(outcome("*1\r\n$9223372036854775807\r\nx", 27, &l), "unfinished") == 0);
    CHECK(strcmp(outcome("SET a bcdef\r\n", 13, &l), "ok") == 0);
}

TEST(arguments_are_limited_in_arrays_and_inline) {
    struct resp_limits l = limits;
    l.args_max = 3;
    CHECK(strcmp(outcome("a b c\r\n", 7, &l), "ok") == 0);
    CHECK(strcmp(outcome("a b c d\r\n", 9, &l), "invalid multibulk length") == 0);
    CHECK(strcmp(outcome("*4\r\n", 4, &l), "invalid multibulk length") == 0);
    CHECK(strcmp(outcome("*3\r\n", 4, &l), "unfinished") == 0);
}

TEST(simple_strings_and_numbers_are_limited_as_bulks_are) {
    struct resp_limits l = limits;
    l.bulk_max = 5;
    CHECK(strcmp(outcome("*2\r\n+12345\r\n:12345\r\n", 20, &l), "ok") == 0);
    CHECK(strcmp(outcome("*2\r\n$1\r\nx\r\n+123456\r\n", 20, &l), "invalid bulk length") == 0);
    CHECK(strcmp(outcome("*2\r\n$1\r\nx\r\n:123456\r\n", 20, &l), "invalid bulk length") == 0);
}

TEST(before_authentication_the_errors_say_so) {
    struct resp_limits l = limits;
    l.args_max = 3;
    l.bulk_max = 5;
    l.unauthenticated = true;
    const char *many = "unauthenticated multibulk length", *large = "unauthenticated bulk length";
    CHECK(strcmp(outcome("*3\r\n+a\r\n$5\r\n12345\r\n:1\r\n", 23, &l), "ok") == 0);
    CHECK(strcmp(outcome("*4\r\n", 4, &l), many) == 0);
    CHECK(strcmp(outcome("a b c d\r\n", 9, &l), many) == 0);
    CHECK(strcmp(outcome("*1\r\n$6\r\n", 8, &l), large) == 0);
    CHECK(strcmp(outcome("*1\r\n+123456\r\n", 13, &l), large) == 0);
    CHECK(strcmp(outcome("*2147483648\r\n", 13, &l), "invalid multibulk length") == 0);
    CHECK(strcmp(outcome("*1\r\n$-2\r\n", 9, &l), "invalid bulk length") == 0);
}

TEST(a_length_line_alone_allocates_nothing) {
    struct resp_limits l = {1ull << 40, 1ull << 30, 65536, 1ull << 50, false};
    struct resp_reader r;
    resp_reader_init(&r);
    const char *bytes = "*1000000000\r\n$1\r\nx\r\n$900000000000\r\n";
    CHECK_INT(resp_read(&r, bytes, strlen(bytes), &l), RESP_UNFINISHED);
    CHECK(r.args_cap <= 16);
    resp_reader_clear(&r);
}

TEST(a_request_with_very_many_arguments_is_read_and_its_memory_returned) {
    enum { N = 100000 };
    struct resp_limits l = {1000, N, 65536, 1 << 30, false};
    struct buf b;
    struct resp_reader r;
    buf_init(&b, 0);
    resp_reader_init(&r);
    buf_printf(&b, "*%d\r\n", N);
    for (int i = 0; i < N; i++) {
        char text[20];
        int n = snprintf(text, sizeof text, "%d", i);
        buf_printf(&b, "$%d\r\n%s\r\n", n, text);
    }
    for (size_t have = 0; have < b.len; have += 16384) {
        enum resp_status status = resp_read(&r, b.data, have, &l);
        CHECK_INT(status, RESP_UNFINISHED);
    }
    CHECK_INT(resp_read(&r, b.data, b.len, &l), RESP_OK);
    CHECK_INT(r.argc, N);
    for (int i = 0; i < N; i++) {
        uint64_t v;
        CHECK(str_to_u64(r.args[i], &v));
        CHECK_INT(v, i);
    }
    CHECK_INT(resp_read(&r, "PING\r\n", 6, &l), RESP_OK);
    CHECK(r.args_cap <= 16);
    resp_reader_clear(&r);
    buf_clear(&b);
}

/* Memory whose pages can be hidden: who looks at them dies. */
static char *map_pages(size_t size) {
    char *bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(bytes != MAP_FAILED);
    return bytes;
}

/* All pages but the first that lie whole before `end`. *hidden: how far they are. */
static void hide_pages(char *bytes, size_t *hidden, size_t end) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE), to = end / page * page;
    if (*hidden == 0) *hidden = page;
    if (to <= *hidden) return;
    CHECK_INT(mprotect(bytes + *hidden, to - *hidden, PROT_NONE), 0);
    *hidden = to;
}

TEST(no_byte_of_a_large_bulk_is_looked_at_twice) {
    enum { SIZE = 8 << 20 };
    struct resp_limits l = {SIZE, 10, 65536, SIZE + 100, false};
    char *bytes = map_pages(SIZE + 100);
    size_t hidden = 0;
    int head = snprintf(bytes, 100, "*1\r\n$%d\r\n", SIZE);
    memcpy(bytes + head + SIZE, "\r\n", 2);
    size_t len = (size_t)head + SIZE + 2;
    struct resp_reader r;
    resp_reader_init(&r);
    for (size_t have = 100; have < len; have += 1000) {
        CHECK_INT(resp_read(&r, bytes, have, &l), RESP_UNFINISHED);
        CHECK_INT(r.needed, len);
        hide_pages(bytes, &hidden, have);
    }
    CHECK_INT(resp_read(&r, bytes, len, &l), RESP_OK);
    resp_reader_clear(&r);
    CHECK_INT(munmap(bytes, SIZE + 100), 0);
}

TEST(a_long_line_that_comes_byte_by_byte_is_searched_once) {
    enum { SIZE = 1 << 20 };
    struct resp_limits l = {SIZE, 10, SIZE, SIZE + 100, false};
    char *bytes = map_pages(SIZE + 1);
    size_t hidden = 0;
    memset(bytes, 'x', SIZE);
    struct resp_reader r;
    resp_reader_init(&r);
    for (size_t have = 1; have < SIZE; have++) {
        CHECK_INT(resp_read(&r, bytes, have, &l), RESP_UNFINISHED);
        hide_pages(bytes, &hidden, have);
    }
    CHECK_INT(mprotect(bytes, hidden, PROT_READ), 0); /* the line is whole: it is taken apart */
    bytes[SIZE] = '\n';
    CHECK_INT(resp_read(&r, bytes, SIZE + 1, &l), RESP_OK);
    CHECK_INT(r.args[0].len, SIZE);
    resp_reader_clear(&r);
    CHECK_INT(munmap(bytes, SIZE + 1), 0);
}

TEST(garbage_never_reads_past_the_end_or_blocks) {
    static const char alphabet[] = "*$+:-0123456789\r\n\r\n\r\n ax\"'\\\0\xff";
    struct resp_limits l = {20, 5, 30, 60, false};
    char bytes[80], *copy = NULL;
    for (int round = 0; round < 200000; round++) {
        struct resp_reader r;
        size_t len = draw(sizeof bytes), start = 0;
        for (size_t i = 0; i < len; i++) bytes[i] = alphabet[draw(sizeof alphabet - 1)];
        if (draw(2) == 0 && len > 10) memcpy(bytes, "*2\r\n$", 5);
        resp_reader_init(&r);
        for (;;) {
            enum resp_status status = feed(&r, bytes + start, len - start, &copy, &l);
            if (status != RESP_OK) break;
            CHECK(r.consumed > 0 && r.consumed <= len - start);
            CHECK(r.argc <= l.args_max);
            start += r.consumed;
        }
        resp_reader_clear(&r);
    }
    free(copy);
}
