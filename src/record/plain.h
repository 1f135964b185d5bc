/* Bytes that stand for themselves in a JSON string, eight at a time: ASCII from 0x20 on but for
 * '"' and '\\'. Any thread; no state. */
#ifndef RECORD_PLAIN_H
#define RECORD_PLAIN_H

#include <string.h>

#include "base/base.h"

#define PLAIN_ONES (UINT64_MAX / 0xff) /* 0x0101...01 */

/* Where in the 8 bytes of w, as they lie in memory, the first one is that does not; 8: nowhere. */
static inline size_t plain_len(uint64_t w) {
    uint64_t quote = w ^ PLAIN_ONES * '"', backslash = w ^ PLAIN_ONES * '\\';
    /* The top bit of each byte tells. A borrow may set more of them, but only above one that is
     * right, and the lowest is all that counts. */
    uint64_t stop =
        ((w - PLAIN_ONES * 0x20) | (quote - PLAIN_ONES) | (backslash - PLAIN_ONES) | w) &
        PLAIN_ONES * 0x80;
    return stop != 0 ? (size_t)__builtin_ctzll(stop) / 8 : 8;
}

static inline bool is_plain(unsigned char b) {
    return b >= 0x20 && b < 0x80 && b != '"' && b != '\\';
}

/* Behind those at p. */
static inline const unsigned char *skip_plain(const unsigned char *p, const unsigned char *end) {
    for (; end - p >= 8; p += 8) {
        uint64_t w;
        memcpy(&w, p, 8);
        size_t n = plain_len(w);
        if (n < 8) return p + n;
    }
    while (p < end && is_plain(*p)) p++;
    return p;
}

#endif
