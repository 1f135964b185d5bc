/* Redis' listpack: a row of elements, each a text or a number, as Redis' dumps have the entries of
 * a stream in it.
 *
 *   bytes in all (32 bits), elements (16 bits; 65535: or more), elements, ff
 *   element: how it is written and its length, its bytes; then how many bytes these are, so that
 *   one can go backward (seven bits a byte, the lowest last)
 *
 * All is little-endian but those lengths of texts. Any thread. */
#ifndef STREAM_DUMP_LISTPACK_H
#define STREAM_DUMP_LISTPACK_H

#include "base/buf.h"

/* ---- writing: out may have a limit ---- */

struct listpack_out {
    struct buf *out;
    size_t start; /* in out; the whole is put where out ends */
    size_t elements;
};
void listpack_begin(struct listpack_out *l, struct buf *out);
void listpack_put_int(struct listpack_out *l, int64_t n);
void listpack_put_str(struct listpack_out *l, struct str s);
void listpack_end(struct listpack_out *l);

/* ---- reading: of any bytes ---- */

struct listpack_in {
    struct str rest; /* elements that are left; copying the struct keeps a place */
};
struct listpack_item {
    bool is_int;
    int64_t number;
    struct str text; /* a view; of a number, of digits */
    char digits[20];
};
/* Checks the head and the end. */
MUST_CHECK bool listpack_open(struct str bytes, struct listpack_in *in);
/* false: there are no more, or it is cut off or malformed. */
MUST_CHECK bool listpack_next(struct listpack_in *in, struct listpack_item *item);
MUST_CHECK bool listpack_next_int(struct listpack_in *in, int64_t *n);
static inline bool listpack_at_end(const struct listpack_in *in) {
    return in->rest.len == 0;
}

#endif
