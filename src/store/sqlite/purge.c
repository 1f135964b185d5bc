/* Rows of what is gone: apply() only hides it, so that deleting a stream costs the same whatever
 * its length; maintain() takes the rows away, a bounded slice of them at a time, each slice one
 * transaction that also says how far it came. So a restart goes on where this server stopped.
 *
 *   trimmed   streams.purged < streams.first_version: events below first_version
 *   deleted   deleted_streams: all events, then what else belongs to the stream
 *   dropped   dropped_groups: pending entries and consumers
 *
 * Events are found through the index, oldest first: the table, then the runs of the tail, whose
 * entries are marked as gone so that no merge brings them to the table. */
#include "store/sqlite/internal.h"

#define SLICE_US 10000
#define CHUNK    64 /* events between looks at the clock */

struct purge {
    struct backend_conn *c;
    struct index_view view;
};

/* Deletes up to CHUNK events of versions [from, to); *next: where to go on, `to` when there are no
 * more. */
static int purge_events(struct purge *p, uint64_t stream, uint64_t from, uint64_t to,
                        uint64_t *next, struct err *err) {
    struct backend_conn *c = p->c;
    uint64_t versions[CHUNK], sequences[CHUNK];
    size_t n = 0;
    int rc = 1;
    *next = to;
    if (from >= to || from > INDEX_VERSION_MAX) return 0;
    sqlite3_stmt *stmt = c->stmts[SQL_INDEX_FORWARD];
    sqlite_bind_u64(stmt, 1, index_key(stream, from));
    sqlite_bind_u64(stmt, 2, index_key(stream, to - 1));
    while (n < CHUNK && (rc = sqlite_step(c, stmt, err)) == 1) {
        versions[n] = (uint64_t)sqlite3_column_int64(stmt, 0) & INDEX_VERSION_MAX;
        sequences[n++] = (uint64_t)sqlite3_column_int64(stmt, 1);
    }
    sqlite3_reset(stmt);
    if (rc < 0) return rc;
    rc = n > 0 ? sqlite_drop_index(c, stream, versions[0], versions[n - 1], err) : 0;
    for (size_t i = 0; n == 0 && i < p->view.count; i++) {
        struct index_slice s = index_view_slice(&p->view, i, stream, from, to - 1, UINT64_MAX);
        for (; s.begin < s.end && n < CHUNK; s.begin++) {
            versions[n] = s.run->keys[s.begin] & INDEX_VERSION_MAX;
            sequences[n++] = index_run_sequence(s.run, s.begin);
        }
    }
    for (size_t i = 0; rc == 0 && i < n; i++) rc = sqlite_drop_event(c, sequences[i], err);
    if (n > 0) *next = versions[n - 1] + 1;
    return rc;
}

/* --- steps: 1 something was done, 0 there was nothing to do ------------------------- */

/* Streams take turns, so that one that is trimmed all the time does not keep the others. */
static int purge_trimmed(struct purge *p, struct err *err) {
    struct backend_conn *c = p->c;
    sqlite3_stmt *stmt = c->stmts[SQL_NEXT_TRIMMED];
    int rc = 0;
    for (int turn = 0; turn < 2; turn++) {
        sqlite_bind_u64(stmt, 1, c->w->purge_turn);
        if ((rc = sqlite_step(c, stmt, err)) != 0) break;
        c->w->purge_turn = 0;
    }
    if (rc != 1) return rc;
    uint64_t stream = (uint64_t)sqlite3_column_int64(stmt, 0), next = 0;
    uint64_t purged = (uint64_t)sqlite3_column_int64(stmt, 1);
    uint64_t first_version = (uint64_t)sqlite3_column_int64(stmt, 2);
    sqlite3_reset(stmt);
    if ((rc = purge_events(p, stream, purged, first_version, &next, err)) != 0) return rc;
    stmt = c->stmts[SQL_SET_PURGED];
    sqlite_bind_u64(stmt, 1, stream);
    sqlite_bind_u64(stmt, 2, next);
    if ((rc = sqlite_step(c, stmt, err)) != 0) return rc;
    c->w->purge_turn = stream;
    return 1;
}

/* Runs statements about a number until one of them changes something: 1, or 0. */
static int first_to_change(struct backend_conn *c, const enum sql *ids, size_t n, uint64_t number,
                           struct err *err) {
    for (size_t i = 0; i < n; i++) {
        sqlite_bind_u64(c->stmts[ids[i]], 1, number);
        int rc = sqlite_run(c, ids[i], err);
        if (rc != 0) return rc;
        if (sqlite3_changes(c->db) > 0) return 1;
    }
    return 0;
}

/* One group of a stream that is gone: it joins those that were dropped. */
static int drop_one_group(struct backend_conn *c, uint64_t stream, struct err *err) {
    sqlite3_stmt *stmt = c->stmts[SQL_DROP_ONE_GROUP];
    sqlite_bind_u64(stmt, 1, stream);
    int rc = sqlite_step(c, stmt, err);
    if (rc != 1) return rc;
    uint64_t number = (uint64_t)sqlite3_column_int64(stmt, 0);
    sqlite3_reset(stmt);
    stmt = c->stmts[SQL_ADD_DROPPED];
    sqlite_bind_u64(stmt, 1, number);
    rc = sqlite_step(c, stmt, err);
    return rc == 0 ? 1 : rc;
}

static int purge_deleted(struct purge *p, struct err *err) {
    static const enum sql rest[] = {SQL_PURGE_HOLES, SQL_PURGE_IDEMPOTENT, SQL_END_DELETED};
    struct backend_conn *c = p->c;
    sqlite3_stmt *stmt = c->stmts[SQL_NEXT_DELETED];
    int rc = sqlite_step(c, stmt, err);
    if (rc != 1) return rc;
    uint64_t stream = (uint64_t)sqlite3_column_int64(stmt, 0), next = 0;
    uint64_t purged = (uint64_t)sqlite3_column_int64(stmt, 1);
    sqlite3_reset(stmt);
    if (purged <= INDEX_VERSION_MAX) {
        rc = purge_events(p, stream, purged, INDEX_VERSION_MAX + 1, &next, err);
        if (rc != 0) return rc;
        stmt = c->stmts[SQL_SET_DELETED];
        sqlite_bind_u64(stmt, 1, stream);
        sqlite_bind_u64(stmt, 2, next);
        rc = sqlite_step(c, stmt, err);
        return rc == 0 ? 1 : rc;
    }
    rc = drop_one_group(c, stream, err);
    return rc != 0 ? rc : first_to_change(c, rest, ARRAY_LEN(rest), stream, err);
}

static int purge_dropped(struct purge *p, struct err *err) {
    static const enum sql all[] = {SQL_PURGE_PENDING, SQL_PURGE_CONSUMERS, SQL_END_DROPPED};
    sqlite3_stmt *stmt = p->c->stmts[SQL_NEXT_DROPPED];
    int rc = sqlite_step(p->c, stmt, err);
    if (rc != 1) return rc;
    uint64_t group = (uint64_t)sqlite3_column_int64(stmt, 0);
    sqlite3_reset(stmt);
    return first_to_change(p->c, all, ARRAY_LEN(all), group, err);
}

/* --- slices ----------------------------------------------------------------------- */

/* *done: nothing was left to do. */
static int purge_some(struct backend_conn *c, bool *done, struct err *err) {
    struct purge p = {.c = c};
    struct slice slice = slice_begin(SLICE_US, c->w->slice_rows);
    int rc = 1;
    index_view_take(c->w->index_tail, &p.view);
    while (rc == 1 && !slice_over(&slice)) {
        slice_took(&slice, CHUNK);
        rc = purge_trimmed(&p, err);
        if (rc == 0) rc = purge_deleted(&p, err);
        if (rc == 0) rc = purge_dropped(&p, err);
    }
    index_view_drop(c->w->index_tail, &p.view);
    *done = rc == 0;
    return MIN(rc, 0);
}

int sqlite_purge(struct backend_conn *c, struct err *err) {
    struct sqlite_writer *w = c->w;
    bool done = false;
    if (!w->purge_wanted) return 0;
    int rc = sqlite_begin_write(c, err);
    if (rc == 0) rc = sqlite_refresh(c, err);
    if (rc == 0) rc = purge_some(c, &done, err);
    if (rc == 0) rc = sqlite_sweep_categories(c, err);
    if (rc == 0)
        rc =
            sqlite_set_progress(c, w->state.indexed, w->state.categorized, err); /* for the epoch */
    if (rc == 0) rc = sqlite_run(c, SQL_COMMIT, err);
    if (rc != 0) {
        sqlite_rollback(c);
        purged_rollback(&w->purged);
        w->stale = true;
        return rc;
    }
    purged_commit(&w->purged);
    w->purge_wanted = !done;
    return 0;
}
