/* The sequences that a selector's correlations, causations or aggregates name, in order. Each value
 * has its rows in order already (its table's key is value and sequence); those of several are
 * merged: a head for each value holds its next few, the heads stand in a heap by the first of
 * them. An event has one value of each kind, so no sequence comes twice. */
#include "store/sqlite/internal.h"

#include "base/alloc.h"

#define ROWS_A_LOOK 16 /* of one value, fetched together */

struct value_head {
    struct heap_node due; /* its next sequence; from the end: counted down */
    struct str value;
    uint64_t from, to; /* not fetched yet; from > to: nothing */
    uint64_t found[ROWS_A_LOOK];
    unsigned at, count;
};

/* The kind whose table leads to the events: of several, all of which must hold, the one that is
 * looked up in the narrowest table comes first. */
static bool kind_of(const struct selector *s, enum selector_kind *kind) {
    static const enum selector_kind order[] = {SELECT_CORRELATION, SELECT_CAUSATION,
                                               SELECT_AGGREGATE};
    for (size_t i = 0; i < ARRAY_LEN(order); i++) {
        *kind = order[i];
        if (selector_has(s, *kind)) return true;
    }
    return false;
}

bool sqlite_values_wanted(const struct selector *s) {
    enum selector_kind kind;
    return s != NULL && kind_of(s, &kind);
}

static sqlite3_stmt *statement(struct backend_conn *c, const struct value_merge *m) {
    switch (m->kind) {
    case SELECT_CORRELATION:
        return c->stmts[m->reverse ? SQL_CORRELATION_REVERSE : SQL_CORRELATION_FORWARD];
    case SELECT_CAUSATION:
        return c->stmts[m->reverse ? SQL_CAUSATION_REVERSE : SQL_CAUSATION_FORWARD];
    default:
        return c->stmts[m->reverse ? SQL_AGGREGATE_REVERSE : SQL_AGGREGATE_FORWARD];
    }
}

/* Fetches the next rows of the value. */
static int look(struct backend_conn *c, const struct value_merge *m, struct value_head *h,
                struct err *err) {
    sqlite3_stmt *stmt = statement(c, m);
    int rc = 0;
    h->at = h->count = 0;
    if (h->from > h->to) return 0;
    if (m->kind == SELECT_AGGREGATE)
        sqlite3_bind_text(stmt, 1, h->value.ptr, (int)h->value.len, SQLITE_STATIC);
    else
        sqlite3_bind_blob(stmt, 1, h->value.ptr, (int)h->value.len, SQLITE_STATIC);
    sqlite_bind_u64(stmt, 2, h->from);
    sqlite_bind_u64(stmt, 3, h->to);
    while (h->count < ROWS_A_LOOK && (rc = sqlite_step(c, stmt, err)) == 1)
        h->found[h->count++] = (uint64_t)sqlite3_column_int64(stmt, 0);
    sqlite3_reset(stmt);
    if (rc < 0) return rc;
    if (h->count < ROWS_A_LOOK) {
        h->from = 1; /* no more behind these */
        h->to = 0;
    } else if (!m->reverse) {
        h->from = h->found[h->count - 1] + 1;
    } else if (h->found[h->count - 1] == 0) {
        h->from = 1;
        h->to = 0;
    } else {
        h->to = h->found[h->count - 1] - 1;
    }
    return 0;
}

/* Puts the head where its next sequence belongs, or takes it out when it has none. */
static int place(struct backend_conn *c, struct value_merge *m, struct value_head *h,
                 struct err *err) {
    int rc = h->at < h->count ? 0 : look(c, m, h, err);
    if (rc != 0) return rc;
    if (h->at == h->count) {
        heap_remove(&m->heap, &h->due);
    } else {
        uint64_t sequence = h->found[h->at];
        heap_set(&m->heap, &h->due, m->reverse ? UINT64_MAX - sequence : sequence);
    }
    return 0;
}

int sqlite_values_open(struct backend_conn *c, const struct selector *s, bool reverse,
                       uint64_t start, uint64_t end, struct err *err) {
    struct value_merge *m = &c->r->values;
    sqlite_values_close(c);
    bool any = kind_of(s, &m->kind);
    assert(any);
    UNUSED(any);
    const struct selector_values *values = &s->kinds[m->kind];
    m->reverse = reverse;
    m->heads = xcalloc(values->count, sizeof *m->heads);
    int rc = 0;
    for (size_t i = 0; i < values->count && rc == 0; i++) {
        m->heads[i].value = values->values[i];
        m->heads[i].from = start;
        m->heads[i].to = end;
        rc = place(c, m, &m->heads[i], err);
    }
    return rc;
}

int sqlite_values_next(struct backend_conn *c, uint64_t *sequence, struct err *err) {
    struct value_merge *m = &c->r->values;
    struct heap_node *first = heap_first(&m->heap);
    if (first == NULL) return 0;
    struct value_head *h = CONTAINER_OF(first, struct value_head, due);
    *sequence = h->found[h->at++];
    int rc = place(c, m, h, err);
    return rc != 0 ? rc : 1;
}

void sqlite_values_close(struct backend_conn *c) {
    heap_clear(&c->r->values.heap);
    free(c->r->values.heads);
    c->r->values.heads = NULL;
}
