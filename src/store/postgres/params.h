/* Parameters of a prepared statement, in PostgreSQL's binary format, and arrays of them: one
 * statement writes as many rows as its arrays have elements. u64 goes as int8, two's complement. */
#ifndef STORE_POSTGRES_PARAMS_H
#define STORE_POSTGRES_PARAMS_H

#include "base/base.h"
#include "base/buf.h"
#include "base/str.h"
#include "base/uuid.h"

#define PARAMS_MAX 24

/* Zeroed: none. What is not a number is borrowed until the statement was sent. Never copied: values
 * point into it. */
struct params {
    int count;
    const char *values[PARAMS_MAX]; /* NULL: NULL */
    int lengths[PARAMS_MAX];
    uint64_t numbers[PARAMS_MAX]; /* in network order */
};

void param_u64(struct params *p, uint64_t v);
void param_u32(struct params *p, uint32_t v);
void param_bool(struct params *p, bool v);
void param_str(struct params *p, struct str v);
void param_uuid(struct params *p, const struct uuid *v);
void param_null(struct params *p);

enum array_type {
    ARRAY_INT2,
    ARRAY_INT4,
    ARRAY_INT8,
    ARRAY_BOOL,
    ARRAY_BYTEA,
    ARRAY_TEXT,
    ARRAY_UUID,
    ARRAY_ROW /* of a type of ours */
};

struct array {
    enum array_type type;
    uint32_t oid; /* of its elements */
    uint32_t count;
    bool has_null;
    size_t row_at;    /* where the last row begins */
    struct buf bytes; /* room for the head, then the elements */
};

/* Empty; what it held before is forgotten, its memory kept. Zeroed memory may be begun. */
void array_begin(struct array *a, enum array_type type);
void array_free(struct array *a);
void array_u64(struct array *a, uint64_t v); /* INT8 */
void array_u32(struct array *a, uint32_t v); /* INT4 */
void array_u16(struct array *a, uint16_t v); /* INT2 */
void array_bool(struct array *a, bool v);
void array_str(struct array *a, struct str v);          /* BYTEA, TEXT */
void array_uuid(struct array *a, const struct uuid *v); /* NULL: NULL */
void array_null(struct array *a);

/* Rows: array_row, then as many fields as it has, in the order of the type's. A NULL says its type,
 * too. */
void array_begin_rows(struct array *a, uint32_t oid);
void array_row(struct array *a, uint32_t fields);
void field_u64(struct array *a, uint64_t v);
void field_u32(struct array *a, uint32_t v);
void field_u16(struct array *a, uint16_t v);
void field_bool(struct array *a, bool v);
void field_str(struct array *a, struct str v);          /* BYTEA */
void field_uuid(struct array *a, const struct uuid *v); /* NULL: NULL */
void field_null(struct array *a, enum array_type type);
/* Of at least one element. Borrowed, and not to be changed any more. */
void param_array(struct params *p, struct array *a);

#endif
