/* A growable byte buffer. With a limit set, a put that would pass it sets the
 * sticky `overflow` and writes nothing: many puts, one check. Or, if it recycles,
 * it drops what is behind `keep` and goes on there: nobody who puts has to look,
 * whoever set the limit does. Not thread safe. */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/base.h"
#include "base/str.h"

struct buf {
    char *data;
    size_t len, cap;
    size_t max;  /* 0: no limit */
    size_t keep; /* if it recycles */
    bool overflow, recycles;
};

void buf_init(struct buf *b, size_t max);
void buf_clear(struct buf *b); /* frees; the buf may be used again */
void buf_fit(struct buf *b);   /* gives back what it has room for and does not hold */
static inline void buf_reset(struct buf *b) {
    b->len = 0;
    b->overflow = false;
}
void buf_grow(struct buf *b, size_t more); /* slow path of buf_reserve */

/* Makes room for `more` bytes and returns where to write them, or NULL when the
 * limit forbids (never, if it recycles). Does not move len: the caller adds what it wrote. */
static inline char *buf_reserve(struct buf *b, size_t more) {
    if (UNLIKELY(b->cap - b->len <= more)) { /* one spare byte: never NULL for nothing */
        buf_grow(b, more);
        if (b->overflow && !b->recycles) return NULL;
    }
    return b->data + b->len;
}
static inline void buf_put(struct buf *b, const void *p, size_t n) {
    char *at = buf_reserve(b, n);
    if (at == NULL) return;
    if (n > 0) memcpy(at, p, n);
    b->len += n;
}
static inline void buf_put_str(struct buf *b, struct str s) {
    buf_put(b, s.ptr, s.len);
}
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* In quotes, with escapes, as an argument can be typed (resp_read splits such lines). */
void buf_put_quoted(struct buf *b, struct str s);
static inline struct str buf_str(const struct buf *b) {
    return str_of(b->data, b->len);
}

#endif
