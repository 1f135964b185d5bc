/* Memory that is always there: a server that cannot allocate cannot keep any promise either, so
 * the one answer to "no memory" is to say so and stop; the journal then holds what was
 * acknowledged. Sizes that come from outside are limited at the parser, never here. */
#include "base/alloc.h"

#include <malloc.h>

static void out_of_memory(size_t n) __attribute__((noreturn, cold));

void *xmalloc(size_t n) {
    void *p = malloc(n > 0 ? n : 1);
    if (UNLIKELY(p == NULL)) out_of_memory(n);
    return p;
}

void *xcalloc(size_t count, size_t size) {
    size_t n;
    if (UNLIKELY(__builtin_mul_overflow(count, size, &n))) out_of_memory(SIZE_MAX);
    void *p = n > 0 ? calloc(count, size) : calloc(1, 1);
    if (UNLIKELY(p == NULL)) out_of_memory(n);
    return p;
}

void *xrealloc(void *p, size_t n) {
    void *q = realloc(p, n > 0 ? n : 1);
    if (UNLIKELY(q == NULL)) out_of_memory(n);
    return q;
}

char *xstrdup(const char *s) {
    assert(s != NULL);
    return xmemdup(s, strlen(s) + 1);
}

void *xmemdup(const void *p, size_t n) {
    void *copy = xmalloc(n);
    if (n > 0) memcpy(copy, p, n);
    return copy;
}

/* The log needs no memory of its own, but it is a layer file beside us: plain stderr does. */
static void out_of_memory(size_t n) {
    fprintf(stderr, "cairn: out of memory allocating %zu bytes\n", n);
    abort();
}

/* jemalloc's, if the program is linked with it. */
extern int mallctl(const char *name, void *old, size_t *old_len, void *new, size_t new_len)
    __attribute__((weak));

extern void malloc_stats_print(void (*put)(void *, const char *), void *arg, const char *options)
    __attribute__((weak));

void allocator_purge(void) {
    if (mallctl != NULL) mallctl("arena.4096.purge", NULL, NULL, NULL, 0); /* of all arenas */
    malloc_trim(0);
}

void allocator_stats(void (*put)(void *arg, const char *text), void *arg) {
    if (malloc_stats_print != NULL) malloc_stats_print(put, arg, NULL);
}

const char *allocator_name(void) {
    return mallctl != NULL ? "jemalloc" : "libc";
}

void allocator_read(uint64_t *used, uint64_t *held) {
    if (mallctl != NULL) {
        uint64_t epoch = 1;
        size_t v = 0, len = sizeof epoch;
        mallctl("epoch", &epoch, &len, &epoch, len);
        len = sizeof v;
        if (mallctl("stats.allocated", &v, &len, NULL, 0) == 0) *used = v;
        if (mallctl("stats.resident", &v, &len, NULL, 0) == 0) *held = v;
        if (*used > 0) return;
    }
    struct mallinfo2 m = mallinfo2();
    *used = m.uordblks + m.hblkhd;
    *held = m.arena + m.hblkhd;
}
