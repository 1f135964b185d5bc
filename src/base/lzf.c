/* A packed text is a row of pieces. The first byte of a piece says which kind it is:
 *
 *   000nnnnn                      n + 1 bytes as they are follow
 *   lllooooo [l = 7: more] low    l + 2 (+ more) bytes that stood o * 256 + low + 1 bytes before;
 *                                 they may reach into the piece itself */
#include "base/lzf.h"

bool lzf_unpack(struct str packed, char *out, size_t n) {
    const uint8_t *at = (const uint8_t *)packed.ptr, *end = at + packed.len;
    size_t done = 0;
    while (at < end) {
        size_t head = *at++, len = head >> 5;
        if (len == 0) {
            len = head + 1;
            if (len > (size_t)(end - at) || len > n - done) return false;
            memcpy(out + done, at, len);
            at += len;
            done += len;
            continue;
        }
        if (len == 7) {
            if (at == end) return false;
            len += *at++;
        }
        if (at == end) return false;
        size_t back = ((head & 0x1f) << 8) + *at++ + 1;
        len += 2;
        if (back > done || len > n - done) return false;
        for (; len > 0; len--, done++) out[done] = out[done - back];
    }
    return done == n;
}
