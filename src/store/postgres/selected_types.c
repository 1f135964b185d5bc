/* Which types a selector means: its types and globs are matched against the table of types once,
 * and the numbers that match are kept for the next page of the same types; when the table has grown
 * since, only the new names are matched. */
#include "base/alloc.h"
#include "store/postgres/internal.h"

static void add_number(struct type_set *set, uint32_t number) {
    if (set->count == set->cap) {
        set->cap = set->cap == 0 ? 16 : set->cap * 2;
        set->numbers = xrealloc(set->numbers, set->cap * sizeof *set->numbers);
    }
    set->numbers[set->count++] = number;
}

/* Begins anew when other types are meant than before. */
static void note_patterns(struct type_set *set, const struct selector_values *wanted) {
    struct buf patterns;
    buf_init(&patterns, 0);
    for (size_t i = 0; i < wanted->count; i++) {
        buf_put(&patterns, &wanted->values[i].len, sizeof wanted->values[i].len);
        buf_put_str(&patterns, wanted->values[i]);
    }
    if (patterns.len != set->patterns_len ||
        memcmp(patterns.data, set->patterns, patterns.len) != 0) {
        free(set->patterns);
        set->patterns = xmemdup(patterns.data, patterns.len);
        set->patterns_len = patterns.len;
        set->count = 0;
        set->seen = 0;
    }
    buf_clear(&patterns);
}

int postgres_types_resolve(struct backend_conn *c, struct snapshot *s,
                           const struct selector *selector, struct err *err) {
    struct type_set *set = &c->r->type_set;
    struct params p = {0};
    PGresult *r = NULL;
    note_patterns(set, &selector->kinds[SELECT_TYPE]);
    param_u32(&p, set->seen);
    int rc = postgres_query(c, s, SQL_TYPES_FROM, &p, &r, err);
    for (int i = 0; rc == 0 && i < PQntuples(r); i++) {
        set->seen = (uint32_t)row_u64(r, i, 0);
        if (selector_kind_passes(selector, SELECT_TYPE, row_str(r, i, 1)))
            add_number(set, set->seen);
    }
    return rc;
}
