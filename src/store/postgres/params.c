/* See the header. An array of one dimension: dimensions, whether there are NULLs, the type of its
 * elements, how many, the first one's index; then each element behind its length (-1: NULL). */
#include "store/postgres/params.h"

#include <arpa/inet.h>

#define HEAD_BYTES 20

static uint64_t swapped(uint64_t v) {
    return __builtin_bswap64(v);
}

static void add(struct params *p, const void *value, size_t len) {
    assert(p->count < PARAMS_MAX);
    assert(len <= INT32_MAX);
    p->values[p->count] = value;
    p->lengths[p->count++] = (int)len;
}

void param_u64(struct params *p, uint64_t v) {
    p->numbers[p->count] = swapped(v);
    add(p, &p->numbers[p->count], sizeof v);
}

void param_u32(struct params *p, uint32_t v) {
    v = htonl(v);
    memcpy(&p->numbers[p->count], &v, sizeof v);
    add(p, &p->numbers[p->count], sizeof v);
}

void param_bool(struct params *p, bool v) {
    p->numbers[p->count] = 0;
    memset(&p->numbers[p->count], v, 1);
    add(p, &p->numbers[p->count], 1);
}

void param_str(struct params *p, struct str v) {
    add(p, v.len > 0 ? v.ptr : "", v.len);
}

void param_uuid(struct params *p, const struct uuid *v) {
    add(p, v->b, sizeof v->b);
}

void param_null(struct params *p) {
    add(p, NULL, 0);
}

/* --- arrays ------------------------------------------------------------------------- */

void array_begin(struct array *a, enum array_type type) {
    a->type = type;
    a->count = 0;
    a->has_null = false;
    buf_reset(&a->bytes);
    buf_reserve(&a->bytes, HEAD_BYTES);
    a->bytes.len = HEAD_BYTES;
}

void array_free(struct array *a) {
    buf_clear(&a->bytes);
    *a = (struct array){0};
}

static void put(struct array *a, const void *value, size_t len) {
    assert(len <= INT32_MAX);
    uint32_t n = htonl((uint32_t)len);
    char *at = buf_reserve(&a->bytes, sizeof n + len);
    memcpy(at, &n, sizeof n);
    if (len > 0) memcpy(at + sizeof n, value, len);
    a->bytes.len += sizeof n + len;
    a->count++;
}

void array_u64(struct array *a, uint64_t v) {
    v = swapped(v);
    put(a, &v, sizeof v);
}

void array_u32(struct array *a, uint32_t v) {
    v = htonl(v);
    put(a, &v, sizeof v);
}

void array_u16(struct array *a, uint16_t v) {
    v = htons(v);
    put(a, &v, sizeof v);
}

void array_bool(struct array *a, bool v) {
    char byte = v;
    put(a, &byte, 1);
}

void array_str(struct array *a, struct str v) {
    put(a, v.ptr, v.len);
}

void array_null(struct array *a) {
    uint32_t n = UINT32_MAX;
    buf_put(&a->bytes, &n, sizeof n);
    a->has_null = true;
    a->count++;
}

void array_uuid(struct array *a, const struct uuid *v) {
    if (v == NULL)
        array_null(a);
    else
        put(a, v->b, sizeof v->b);
}

void param_array(struct params *p, struct array *a) {
    static const uint32_t oids[] = {
        [ARRAY_INT2] = 21,  [ARRAY_INT4] = 23, [ARRAY_INT8] = 20,   [ARRAY_BOOL] = 16,
        [ARRAY_BYTEA] = 17, [ARRAY_TEXT] = 25, [ARRAY_UUID] = 2950,
    };
    assert(a->count > 0);
    uint32_t head[HEAD_BYTES / 4] = {htonl(1), htonl(a->has_null), htonl(oids[a->type]),
                                     htonl(a->count), htonl(1)};
    memcpy(a->bytes.data, head, sizeof head);
    add(p, a->bytes.data, a->bytes.len);
}
