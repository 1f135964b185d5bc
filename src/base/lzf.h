/* Unpacking LZF, in which Redis packs longer strings of its dumps. Any thread. */
#ifndef BASE_LZF_H
#define BASE_LZF_H

#include "base/str.h"

/* n packed bytes say at most this many. */
static inline uint64_t lzf_most(size_t n) {
    return (uint64_t)n * 88; /* 3 bytes: 264 */
}
/* Fills out, exactly n bytes. false: packed, which may be any bytes, does not say n bytes. */
MUST_CHECK bool lzf_unpack(struct str packed, char *out, size_t n);

#endif
