/* Reading and writing listpacks; see listpack.h for the whole, here the elements' forms. */
#include "stream/dump/listpack.h"

#define HEAD         6
#define END          0xff
#define MANY         65535 /* elements that the head does not count any more */
#define LISTPACK_MAX (UINT32_MAX - 64)

enum { /* first bytes; what is masked out is of the number or the length */
       UINT7 = 0x00,
       STR6 = 0x80,
       INT13 = 0xc0,
       STR12 = 0xe0,
       STR32 = 0xf0,
       INT16 = 0xf1,
       INT24 = 0xf2,
       INT32 = 0xf3,
       INT64 = 0xf4,
};

/* ---- writing ---- */

/* How many bytes it takes to say how many bytes an element has. From two on, Redis takes one more
 * for the highest number that would fit. */
static size_t back_size(size_t n) {
    if (n <= 127) return 1;
    size_t size = 2;
    while (size < 5 && n >= ((size_t)1 << 7 * size) - 1) size++;
    return size;
}

static void put_back(struct buf *out, size_t n) {
    uint8_t b[5];
    size_t size = back_size(n);
    for (size_t i = size; i-- > 0; n >>= 7) b[i] = (uint8_t)((n & 127) | (i > 0 ? 128 : 0));
    buf_put(out, b, size);
}

void listpack_begin(struct listpack_out *l, struct buf *out) {
    static const char head[HEAD];
    *l = (struct listpack_out){.out = out, .start = out->len};
    buf_put(out, head, HEAD);
}

void listpack_put_int(struct listpack_out *l, int64_t n) {
    uint8_t b[9];
    size_t size;
    uint64_t bits = (uint64_t)n;
    if (n >= 0 && n <= 127) {
        b[0] = (uint8_t)n;
        size = 1;
    } else {
        b[0] = INT64;
        memcpy(b + 1, &bits, sizeof bits);
        size = 9;
        if (n >= INT16_MIN && n <= INT16_MAX) {
            b[0] = INT16;
            size = 3;
        } else if (n >= INT32_MIN && n <= INT32_MAX) {
            b[0] = INT32;
            size = 5;
        }
    }
    buf_put(l->out, b, size);
    put_back(l->out, size);
    l->elements++;
}

void listpack_put_str(struct listpack_out *l, struct str s) {
    uint8_t b[5];
    size_t size;
    uint32_t len = (uint32_t)s.len;
    assert(s.len <= LISTPACK_MAX);
    if (len < 64) {
        b[0] = (uint8_t)(STR6 | len);
        size = 1;
    } else if (len < 4096) {
        b[0] = (uint8_t)(STR12 | len >> 8);
        b[1] = (uint8_t)len;
        size = 2;
    } else {
        b[0] = STR32;
        memcpy(b + 1, &len, sizeof len);
        size = 5;
    }
    buf_put(l->out, b, size);
    buf_put_str(l->out, s);
    put_back(l->out, size + s.len);
    l->elements++;
}

void listpack_end(struct listpack_out *l) {
    uint8_t end = END;
    buf_put(l->out, &end, 1);
    if (l->out->overflow) return;
    uint32_t bytes = (uint32_t)(l->out->len - l->start);
    uint16_t elements = (uint16_t)MIN(l->elements, (size_t)MANY);
    memcpy(l->out->data + l->start, &bytes, sizeof bytes);
    memcpy(l->out->data + l->start + sizeof bytes, &elements, sizeof elements);
}

/* ---- reading ---- */

bool listpack_open(struct str bytes, struct listpack_in *in) {
    uint32_t n;
    if (bytes.len < HEAD + 1) return false;
    memcpy(&n, bytes.ptr, sizeof n);
    if (n != bytes.len || (uint8_t)bytes.ptr[bytes.len - 1] != END) return false;
    in->rest = str_of(bytes.ptr + HEAD, bytes.len - HEAD - 1);
    return true;
}

/* A signed number of `bytes` bytes, little-endian. */
static int64_t number_of(const uint8_t *p, size_t bytes) {
    uint64_t n = 0;
    memcpy(&n, p, bytes);
    unsigned shift = 64 - 8 * (unsigned)bytes;
    return (int64_t)(n << shift) >> shift;
}

/* Bytes in front of a text, its length, or of a number all; false: there is no such form. */
static bool form_of(const uint8_t *p, size_t left, size_t *size, size_t *len,
                    struct listpack_item *item) {
    uint32_t len32;
    item->is_int = true;
    *len = 0;
    if (p[0] < STR6) {
        *size = 1;
        item->number = p[0];
        return true;
    }
    if (p[0] >= INT16 && p[0] <= INT64) {
        static const uint8_t bytes[] = {2, 3, 4, 8};
        *size = 1 + (size_t)bytes[p[0] - INT16];
        if (left < *size) return false;
        item->number = number_of(p + 1, *size - 1);
        return true;
    }
    if (p[0] >= INT13 && p[0] < STR12) {
        *size = 2;
        if (left < *size) return false;
        int64_t n = (int64_t)(p[0] & 0x1f) << 8 | p[1];
        item->number = n < 4096 ? n : n - 8192;
        return true;
    }
    item->is_int = false;
    if (p[0] < INT13) {
        *size = 1;
        *len = p[0] & 0x3f;
    } else if (p[0] < STR32) {
        *size = 2;
        if (left < *size) return false;
        *len = (size_t)(p[0] & 0x0f) << 8 | p[1];
    } else if (p[0] == STR32) {
        *size = 5;
        if (left < *size) return false;
        memcpy(&len32, p + 1, sizeof len32);
        *len = len32;
    } else {
        return false;
    }
    return *len <= left - *size;
}

bool listpack_next(struct listpack_in *in, struct listpack_item *item) {
    const uint8_t *p = (const uint8_t *)in->rest.ptr;
    size_t left = in->rest.len, size, len;
    if (left == 0 || !form_of(p, left, &size, &len, item)) return false;
    size_t back = back_size(size + len), n = size + len;
    if (left - size - len < back) return false;
    for (size_t i = back; i-- > 0; n >>= 7)
        if (p[size + len + i] != ((n & 127) | (i > 0 ? 128u : 0u))) return false;
    if (item->is_int)
        item->text = str_of(item->digits, i64_to_dec(item->number, item->digits));
    else
        item->text = str_of(in->rest.ptr + size, len);
    in->rest = str_of(in->rest.ptr + size + len + back, left - size - len - back);
    return true;
}

bool listpack_next_int(struct listpack_in *in, int64_t *n) {
    struct listpack_item item;
    if (!listpack_next(in, &item) || !item.is_int) return false;
    *n = item.number;
    return true;
}
