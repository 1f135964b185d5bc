/* One state of a store, for who only looks at it, beside a server or without one: a session in one
 * transaction that reads only, from its beginning to its end. A flush waits for it; what vacuum
 * could take away meanwhile stays. */
#include "base/alloc.h"
#include "store/postgres/internal.h"

static int check_version(struct backend_conn *c, struct err *err) {
    bool there = false;
    int version = 0, rc = postgres_look(c, &there, &version, err);
    if (rc != 0 || version == POSTGRES_SCHEMA_VERSION) return rc;
    if (version == 0)
        return err_set(err, ERR_REFUSED, "%s: there is no store in it", c->place->shown);
    return err_set(err, ERR_REFUSED,
                   "%s: the store has schema version %d, and version %d is needed: start this "
                   "version's server on it once, which migrates it",
                   c->place->shown, version, POSTGRES_SCHEMA_VERSION);
}

/* As any reader's (read.c), but for as long as it takes. */
static int pin(struct backend_conn *c, struct err *err) {
    int rc = postgres_exec(c,
                           "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;"
                           " SET LOCAL idle_in_transaction_session_timeout = 0;"
                           " LOCK TABLE @events IN ACCESS SHARE MODE",
                           NULL, err);
    return rc == 0 ? postgres_read_state(c, &c->w->state, err) : rc;
}

int postgres_open_snapshot(struct backend_conn **out, const char *path, struct err *err) {
    struct postgres_place place;
    *out = NULL;
    int rc = postgres_place_parse(&place, path, err);
    if (rc != 0) return rc;
    struct backend_conn *c = postgres_conn_create(&place);
    c->pinned = true;
    c->r = xcalloc(1, sizeof *c->r);
    rc = postgres_connect(c, err);
    if (rc == 0) rc = check_version(c, err);
    if (rc == 0) rc = postgres_prepare(c, err);
    if (rc == 0) rc = pin(c, err);
    if (rc != 0) {
        postgres_close_conn(c);
        return rc;
    }
    *out = c;
    return 0;
}

static void add_version(struct version_list *l, uint64_t version, uint64_t sequence) {
    if (l->count == l->cap) {
        l->cap = l->cap * 2 + 64;
        l->items = xrealloc(l->items, l->cap * sizeof *l->items);
    }
    l->items[l->count++] = (struct version_place){version, sequence};
}

int postgres_list_versions(struct backend_conn *c, uint64_t stream, uint64_t from, size_t count_max,
                           struct version_list *out, struct err *err) {
    PGresult *r = NULL;
    char sql[256];
    assert(c->pinned);
    out->count = 0;
    out->done = true;
    if (from > VERSION_MAX) return 0;
    const PGresult *ahead = postgres_ahead_versions(c, stream, &out->done);
    for (int i = 0; ahead != NULL && i < PQntuples(ahead); i++)
        if (row_u64(ahead, i, 0) >= from)
            add_version(out, row_u64(ahead, i, 0), row_u64(ahead, i, 1));
    if (ahead != NULL) return 0;
    snprintf(sql, sizeof sql,
             "SELECT version, sequence FROM @events WHERE stream = %llu AND version >= %llu"
             " ORDER BY version LIMIT %zu",
             (unsigned long long)stream, (unsigned long long)from, count_max);
    int rc = postgres_exec(c, sql, &r, err);
    if (rc != 0) return rc;
    for (int i = 0; i < PQntuples(r); i++)
        add_version(out, strtoull(PQgetvalue(r, i, 0), NULL, 10),
                    strtoull(PQgetvalue(r, i, 1), NULL, 10));
    PQclear(r);
    out->done = out->count < count_max;
    return 0;
}
