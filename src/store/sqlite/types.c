/* The types that a selector means (store/type_set.h), from the table of types. */
#include "store/sqlite/internal.h"

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
    uint64_t types = 0;
    type_set_begin(set, selector);
    int rc = types_count(c, &types, err);
    if (rc != 0 || types == set->seen) return rc;
    sqlite3_stmt *stmt = c->stmts[SQL_TYPES_FROM];
    sqlite_bind_u64(stmt, 1, set->seen + 1);
    while ((rc = sqlite_step(c, stmt, err)) == 1) {
        const void *name = sqlite3_column_blob(stmt, 1);
        size_t len = (size_t)sqlite3_column_bytes(stmt, 1);
        type_set_look(set, selector, (uint32_t)sqlite3_column_int64(stmt, 0),
                      str_of(name != NULL ? name : "", len));
    }
    return rc;
}
