/* See the header. An array of one dimension: dimensions, whether there are NULLs, the type of its
 * elements, how many, the first one's index; then each element behind its length (-1: NULL). An
 * element that is a row: how many fields, then each behind its type and its length. */
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

static const uint32_t oids[] = {
    [ARRAY_INT2] = 21,  [ARRAY_INT4] = 23, [ARRAY_INT8] = 20,   [ARRAY_BOOL] = 16,
    [ARRAY_BYTEA] = 17, [ARRAY_TEXT] = 25, [ARRAY_UUID] = 2950,
};

void array_begin(struct array *a, enum array_type type) {
    a->type = type;
    a->oid = type < ARRAY_LEN(oids) ? oids[type] : 0;
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

/* --- rows ------------------------------------------------------------------------- */

void array_begin_rows(struct array *a, uint32_t oid) {
    array_begin(a, ARRAY_ROW);
    a->oid = oid;
}

/* The length of the last one. */
static void row_over(struct array *a) {
    uint32_t len = htonl((uint32_t)(a->bytes.len - a->row_at - sizeof len));
    memcpy(a->bytes.data + a->row_at, &len, sizeof len);
}

void array_row(struct array *a, uint32_t fields) {
    uint32_t head[] = {0, htonl(fields)};
    if (a->count++ > 0) row_over(a);
    a->row_at = a->bytes.len;
    buf_put(&a->bytes, head, sizeof head);
}

static void put_field(struct array *a, enum array_type type, const void *value, size_t len) {
    assert(len <= INT32_MAX);
    uint32_t head[] = {htonl(oids[type]), htonl((uint32_t)len)};
    char *at = buf_reserve(&a->bytes, sizeof head + len);
    memcpy(at, head, sizeof head);
    if (len > 0) memcpy(at + sizeof head, value, len);
    a->bytes.len += sizeof head + len;
}

void field_u64(struct array *a, uint64_t v) {
    v = swapped(v);
    put_field(a, ARRAY_INT8, &v, sizeof v);
}

void field_u32(struct array *a, uint32_t v) {
    v = htonl(v);
    put_field(a, ARRAY_INT4, &v, sizeof v);
}

void field_u16(struct array *a, uint16_t v) {
    v = htons(v);
    put_field(a, ARRAY_INT2, &v, sizeof v);
}

void field_bool(struct array *a, bool v) {
    char byte = v;
    put_field(a, ARRAY_BOOL, &byte, 1);
}

void field_str(struct array *a, struct str v) {
    put_field(a, ARRAY_BYTEA, v.ptr, v.len);
}

void field_uuid(struct array *a, const struct uuid *v) {
    if (v == NULL)
        field_null(a, ARRAY_UUID);
    else
        put_field(a, ARRAY_UUID, v->b, sizeof v->b);
}

void field_null(struct array *a, enum array_type type) {
    uint32_t head[] = {htonl(oids[type]), UINT32_MAX};
    buf_put(&a->bytes, head, sizeof head);
}

void param_array(struct params *p, struct array *a) {
    assert(a->count > 0);
    if (a->type == ARRAY_ROW) row_over(a);
    uint32_t head[HEAD_BYTES / 4] = {htonl(1), htonl(a->has_null), htonl(a->oid), htonl(a->count),
                                     htonl(1)};
    memcpy(a->bytes.data, head, sizeof head);
    add(p, a->bytes.data, a->bytes.len);
}
