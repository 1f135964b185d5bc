/* Walking through the client-made ids in their order: those in the table, and those that are not
 * there yet. What moves from the one to the other between two reads of a walk keeps its place in
 * the order, so it is missed by none. */
#include "store/sqlite/internal.h"

/* Of [from, below); below NULL: to the end. All there are, as a merge keeps them few. */
static void add_pending(const struct index_view *v, const struct uuid *from,
                        const struct uuid *below, struct id_list *out) {
    for (size_t i = 0; i < v->count; i++) {
        const struct index_run *run = v->runs[i];
        for (size_t at = index_run_find_id(run, from); at < run->id_count; at++) {
            if (below != NULL && memcmp(&run->ids[at], below, sizeof *below) >= 0) break;
            id_list_add(out, &run->ids[at]);
        }
    }
}

/* Up to count_max of the table's. */
static int add_stored(struct backend_conn *c, const struct uuid *from, size_t count_max,
                      struct id_list *out, struct err *err) {
    sqlite3_stmt *stmt = c->stmts[SQL_IDS_FROM];
    sqlite3_bind_blob(stmt, 1, from, sizeof *from, SQLITE_STATIC);
    int rc = 0;
    out->done = true;
    while (out->done && (rc = sqlite_step(c, stmt, err)) == 1) {
        struct uuid id;
        const void *p = sqlite3_column_blob(stmt, 0);
        if (p == NULL || sqlite3_column_bytes(stmt, 0) != (int)sizeof id) {
            rc = err_set(err, ERR_CORRUPT, "%s: event_ids: an id makes no sense", c->path);
            break;
        }
        memcpy(&id, p, sizeof id);
        if (out->count < count_max) {
            id_list_add(out, &id);
        } else {
            out->next = id;
            out->done = false;
        }
    }
    sqlite3_reset(stmt);
    return MIN(rc, 0);
}

int sqlite_list_ids(struct backend_conn *c, const struct uuid *from, size_t count_max,
                    struct id_list *out, struct err *err) {
    struct snapshot s;
    int rc = sqlite_snapshot_begin(c, true, &s, err);
    if (rc != 0) return rc;
    rc = add_stored(c, from, count_max, out, err);
    if (rc == 0)
        add_pending(&s.view, from, out->done ? NULL : &out->next, out);
    else
        id_list_clear(out);
    sqlite_snapshot_end(c, &s);
    return rc;
}
