/* The types that a selector means (store/type_set.h), from the table of types. */
#include "store/postgres/internal.h"

int postgres_types_resolve(struct backend_conn *c, struct snapshot *s,
                           const struct selector *selector, struct err *err) {
    struct type_set *set = &c->r->type_set;
    struct params p = {0};
    PGresult *r = NULL;
    type_set_begin(set, selector);
    param_u32(&p, (uint32_t)set->seen);
    int rc = postgres_query(c, s, SQL_TYPES_FROM, &p, &r, err);
    for (int i = 0; rc == 0 && i < PQntuples(r); i++)
        type_set_look(set, selector, (uint32_t)row_u64(r, i, 0), row_str(r, i, 1));
    return rc;
}
