/* The slow half of the byte buffer: growth and formatting. Capacity doubles, so that n puts cost
 * O(n). One byte more than the content is always there once anything was reserved: printf may
 * write its terminator, and reserving nothing still yields a pointer. */
#include "base/buf.h"

#include <stdarg.h>

#include "base/alloc.h"

#define BUF_CAP_MIN ((size_t)64)

void buf_init(struct buf *b, size_t max) {
    *b = (struct buf){.max = max};
}

void buf_clear(struct buf *b) {
    bool recycles = b->recycles;
    free(b->data);
    buf_init(b, b->max);
    b->recycles = recycles;
}

void buf_fit(struct buf *b) {
    if (b->len == 0) {
        buf_clear(b);
    } else if (b->cap > b->len + 1) {
        b->cap = b->len + 1;
        b->data = xrealloc(b->data, b->cap);
    }
}

void buf_grow(struct buf *b, size_t more) {
    size_t need;
    if (b->overflow && !b->recycles) return;
    bool absurd = __builtin_add_overflow(b->len, more, &need) || need > SIZE_MAX / 4;
    if ((b->max > 0 && need > b->max) || (b->max == 0 && absurd)) {
        b->overflow = true;
        if (!b->recycles) return;
        b->len = b->keep;
        need = b->len + more;
        if (b->cap > need) return;
    }
    size_t cap = MAX(MAX(b->cap * 2, need + 1), BUF_CAP_MIN);
    if (b->max > 0) cap = MAX(MIN(cap, b->max + 1), need + 1);
    b->data = xrealloc(b->data, cap);
    b->cap = cap;
}

void buf_printf(struct buf *b, const char *fmt, ...) {
    char *at = buf_reserve(b, 0);
    if (at == NULL) return;
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(at, b->cap - b->len, fmt, args);
    va_end(args);
    assert(n >= 0);
    if ((size_t)n >= b->cap - b->len) {
        at = buf_reserve(b, (size_t)n);
        if (at == NULL) return;
        va_start(args, fmt);
        n = vsnprintf(at, b->cap - b->len, fmt, args);
        va_end(args);
        assert(n >= 0);
    }
    b->len += (size_t)n;
}

void buf_put_quoted(struct buf *out, struct str s) {
    static const char special[] = "\\\"\n\r\t\a\b", letter[] = "\\\"nrtab";
    buf_put(out, "\"", 1);
    for (size_t i = 0; i < s.len; i++) {
        unsigned char ch = (unsigned char)s.ptr[i];
        const char *at = ch != '\0' ? strchr(special, ch) : NULL;
        if (at != NULL)
            buf_printf(out, "\\%c", letter[at - special]);
        else if (ch < ' ' || ch > '~')
            buf_printf(out, "\\x%02x", ch);
        else
            buf_put(out, &s.ptr[i], 1);
    }
    buf_put(out, "\"", 1);
}
