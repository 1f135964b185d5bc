/* The byte buffer: growth, the limit and its sticky overflow, formatting. And the allocator. */
#include "unit.h"

#include "base/alloc.h"
#include "base/buf.h"

TEST(an_empty_buffer_owns_nothing) {
    struct buf b;
    buf_init(&b, 0);
    CHECK(b.data == NULL);
    CHECK_INT(b.len, 0);
    buf_put(&b, NULL, 0);
    CHECK(str_eq(buf_str(&b), STR("")));
    CHECK(!b.overflow);
    buf_clear(&b);
}

TEST(a_buffer_that_is_fitted_keeps_what_it_holds) {
    struct buf b;
    buf_init(&b, 0);
    buf_put(&b, "hello", 5);
    buf_reserve(&b, 100000);
    buf_fit(&b);
    CHECK(b.cap < 100);
    buf_put(&b, " world", 6);
    CHECK(str_eq(buf_str(&b), STR("hello world")));
    buf_reset(&b);
    buf_fit(&b);
    CHECK(b.data == NULL);
}

TEST(reserving_nothing_is_not_an_overflow) {
    struct buf b;
    buf_init(&b, 0);
    CHECK(buf_reserve(&b, 0) != NULL);
    buf_clear(&b);
}

TEST(puts_append_over_many_growths) {
    struct buf b;
    buf_init(&b, 0);
    for (int i = 0; i < 100000; i++) {
        unsigned char c = (unsigned char)(i * 7);
        buf_put(&b, &c, 1);
    }
    CHECK_INT(b.len, 100000);
    for (int i = 0; i < 100000; i++) CHECK((unsigned char)b.data[i] == (unsigned char)(i * 7));
    buf_put_str(&b, STR("end"));
    CHECK(memcmp(b.data + 100000, "end", 3) == 0);
    CHECK(b.cap < 300000);
    buf_clear(&b);
    CHECK(b.data == NULL);
    CHECK_INT(b.cap, 0);
}

TEST(reset_keeps_the_memory_and_clears_the_overflow) {
    struct buf b;
    buf_init(&b, 10);
    buf_put(&b, "0123456789", 10);
    buf_put(&b, "x", 1);
    CHECK(b.overflow);
    size_t cap = b.cap;
    buf_reset(&b);
    CHECK(!b.overflow);
    CHECK_INT(b.len, 0);
    CHECK_INT(b.cap, cap);
    buf_put(&b, "y", 1);
    CHECK(str_eq(buf_str(&b), STR("y")));
    buf_clear(&b);
    CHECK_INT(b.max, 10);
}

TEST(the_limit_is_exact_for_every_size_of_put) {
    for (size_t max = 1; max < 300; max++) {
        for (size_t piece = 1; piece <= max + 1; piece += 1 + piece / 3) {
            struct buf b;
            char bytes[301];
            memset(bytes, 'x', sizeof bytes);
            buf_init(&b, max);
            for (size_t sum = 0; sum + piece <= max; sum += piece) {
                buf_put(&b, bytes, piece);
                CHECK(!b.overflow);
                CHECK_INT(b.len, sum + piece);
            }
            size_t full = b.len;
            buf_put(&b, bytes, piece);
            CHECK(b.overflow);
            CHECK_INT(b.len, full);
            buf_clear(&b);
        }
    }
}

TEST(an_overflow_stays_until_reset) {
    struct buf b;
    buf_init(&b, 100);
    buf_put(&b, "a", 1);
    CHECK(buf_reserve(&b, 100) == NULL);
    CHECK(b.overflow);
    buf_printf(&b, "%0200d", 1);
    CHECK_INT(b.len, 1);
    CHECK(b.overflow);
    buf_clear(&b);
}

TEST(an_absurd_size_overflows_instead_of_wrapping) {
    struct buf b;
    buf_init(&b, 0);
    buf_put(&b, "abc", 3);
    CHECK(buf_reserve(&b, SIZE_MAX - 1) == NULL);
    CHECK(b.overflow);
    CHECK_INT(b.len, 3);
    buf_clear(&b);
    buf_init(&b, 1000);
    CHECK(buf_reserve(&b, SIZE_MAX) == NULL);
    buf_clear(&b);
}

TEST(printf_grows_as_far_as_it_must) {
    struct buf b;
    buf_init(&b, 0);
    buf_printf(&b, "%s-%d", "a", 5);
    CHECK(str_eq(buf_str(&b), STR("a-5")));
    buf_printf(&b, "%01000d", 7);
    CHECK_INT(b.len, 1003);
    CHECK(b.data[1002] == '7');
    for (int i = 1; i < 300; i++) {
        size_t before = b.len;
        buf_printf(&b, "%0*d", i, 1);
        CHECK_INT(b.len, before + (size_t)i);
        CHECK(b.data[b.len - 1] == '1');
    }
    buf_clear(&b);
}

TEST(printf_may_fill_a_limited_buffer_to_the_last_byte) {
    struct buf b;
    buf_init(&b, 10);
    buf_printf(&b, "%s", "0123456789");
    CHECK(!b.overflow);
    CHECK(str_eq(buf_str(&b), STR("0123456789")));
    buf_printf(&b, "%s", "");
    CHECK(!b.overflow);
    buf_printf(&b, "%s", "x");
    CHECK(b.overflow);
    CHECK_INT(b.len, 10);
    buf_clear(&b);
}

TEST(a_buffer_that_recycles_takes_everything_and_no_more_memory) {
    struct buf b;
    buf_init(&b, 0);
    b.recycles = true;
    buf_put(&b, "kept ", 5);
    b.keep = b.len;
    b.max = b.len + 1000;
    buf_put(&b, "fits", 4);
    CHECK(!b.overflow);
    for (int i = 0; i < 100000; i++) { /* whoever puts need not look */
        char *at = buf_reserve(&b, 10);
        CHECK(at != NULL);
        memcpy(at, "0123456789", 10);
        b.len += 10;
        CHECK(b.len <= b.max);
    }
    CHECK(b.overflow);
    CHECK(b.cap <= b.max + 1);
    CHECK(memcmp(b.data, "kept ", 5) == 0);
    CHECK(b.len > b.keep);
    /* One value that is larger than the limit has room, too. */
    CHECK(buf_reserve(&b, 5000) != NULL);
    CHECK_INT(b.len, b.keep);
    buf_printf(&b, "%0*d", 3000, 1);
    CHECK(memcmp(b.data, "kept 000", 8) == 0);
    buf_reset(&b);
    CHECK(!b.overflow && b.recycles);
    buf_clear(&b);
    CHECK(b.recycles);
}

TEST(allocations_of_nothing_are_valid_pointers) {
    void *a = xmalloc(0), *b = xcalloc(0, 8), *c = xmemdup(NULL, 0), *d = xrealloc(NULL, 0);
    CHECK(a != NULL && b != NULL && c != NULL && d != NULL);
    free(a);
    free(b);
    free(c);
    free(d);
    char *s = xstrdup("text");
    CHECK(strcmp(s, "text") == 0);
    free(s);
    unsigned char *z = xcalloc(10, 10);
    for (int i = 0; i < 100; i++) CHECK_INT(z[i], 0);
    free(z);
}

TEST(an_impossible_allocation_aborts) {
    volatile size_t huge = SIZE_MAX / 2;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        if (freopen("/dev/null", "w", stderr) == NULL) exit(1);
        void *p = xcalloc(huge, 4);
        exit(p == NULL);
    }
    int status;
    CHECK_INT(waitpid(pid, &status, 0), pid);
    CHECK(WIFSIGNALED(status));
}
