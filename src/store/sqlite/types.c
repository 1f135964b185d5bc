/* Which types a selector means: its types and globs are matched against the table of types once,
 * and the numbers that match are kept for the next page of the same types; when the
 * table has grown since, only the new names are matched. */
#include "store/sqlite/internal.h"

#include "base/alloc.h"
#include "base/buf.h"

static void add_number(struct type_set *set, uint32_t number) {
    if (set->count == set->cap) {
        set->cap = set->cap == 0 ? 16 : set->cap * 2;
        set->numbers = xrealloc(set->numbers, set->cap * sizeof *set->numbers);
    }
    set->numbers[set->count++] = number;
}

static int types_count(struct backend_conn *c, uint64_t *out, struct err *err) {
    sqlite3_stmt *stmt = c->stmts[SQL_TYPE_MAX];
    int rc = sqlite_step(c, stmt, err);
    if (rc < 0) return rc;
    *out = rc == 1 ? (uint64_t)sqlite3_column_int64(stmt, 0) : 0;
    sqlite3_reset(stmt);
    return 0;
}

int sqlite_types_resolve(struct backend_conn *c, const struct selector *selector, struct err *err) {
    struct type_set *set = &c->r->type_set;
    const struct selector_values *wanted = &selector->kinds[SELECT_TYPE];
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
        set->types_seen = 0;
    }
    buf_clear(&patterns);

    uint64_t types = 0;
    int rc = types_count(c, &types, err);
    if (rc != 0 || types == set->types_seen) return rc;
    sqlite3_stmt *stmt = c->stmts[SQL_TYPES_FROM];
    sqlite_bind_u64(stmt, 1, set->types_seen + 1);
    while ((rc = sqlite_step(c, stmt, err)) == 1) {
        const void *name = sqlite3_column_blob(stmt, 1);
        size_t len = (size_t)sqlite3_column_bytes(stmt, 1);
        if (selector_kind_passes(selector, SELECT_TYPE, str_of(name != NULL ? name : "", len)))
            add_number(set, (uint32_t)sqlite3_column_int64(stmt, 0));
        set->types_seen = (uint64_t)sqlite3_column_int64(stmt, 0);
    }
    return rc;
}

bool sqlite_types_hold(const struct type_set *set, uint32_t number) {
    size_t low = 0, high = set->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (set->numbers[middle] < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low < set->count && set->numbers[low] == number;
}
