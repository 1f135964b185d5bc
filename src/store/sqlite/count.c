/* Counting events by what is known of their streams, without looking at the events; and groups. */
#include "store/sqlite/internal.h"

/* Of the versions from `first` on, those that are gone. */
static int count_holes(struct backend_conn *c, uint64_t stream, uint64_t first, uint64_t *out,
                       struct err *err) {
    sqlite3_stmt *stmt = c->stmts[SQL_HOLES];
    int rc;
    *out = 0;
    sqlite_bind_u64(stmt, 1, stream);
    while ((rc = sqlite_step(c, stmt, err)) == 1) {
        uint64_t from = (uint64_t)sqlite3_column_int64(stmt, 0);
        uint64_t last = (uint64_t)sqlite3_column_int64(stmt, 1);
        if (last >= first) *out += last - MAX(from, first) + 1;
    }
    return rc;
}

static int count_stream(struct backend_conn *c, const struct snapshot *s, uint64_t stream,
                        uint64_t *out, struct err *err) {
    struct stream_extent extent;
    uint64_t holes = 0;
    int rc = sqlite_stream_extent(c, s, stream, &extent, err);
    if (rc != 1) return rc;
    rc = count_holes(c, stream, extent.first_version, &holes, err);
    if (rc == 0) *out += extent.next_version - extent.first_version - holes;
    return rc;
}

int sqlite_count_streams(struct backend_conn *c, uint64_t from, const struct selector *selector,
                         size_t examined_max, struct page *out, struct err *err) {
    struct snapshot s;
    int rc = sqlite_snapshot_begin(c, true, &s, err), row = 0;
    if (rc != 0) return rc;
    out->applied = s.state.s.applied;
    out->next = from;
    sqlite3_stmt *stmt = c->stmts[SQL_STREAMS_FROM];
    sqlite_bind_u64(stmt, 1, MIN(from, (uint64_t)INT64_MAX));
    for (size_t n = 0; rc == 0 && (row = sqlite_step(c, stmt, err)) == 1; n++) {
        uint64_t number = (uint64_t)sqlite3_column_int64(stmt, 0);
        struct str name = str_of((const char *)sqlite3_column_text(stmt, 1),
                                 (size_t)sqlite3_column_bytes(stmt, 1));
        out->next = number;
        if (n >= MAX(examined_max, (size_t)1)) break;
        if (selector == NULL || selector_name_passes(selector, name))
            rc = count_stream(c, &s, number, &out->counted, err);
        out->next = number + 1;
    }
    sqlite3_reset(stmt);
    out->done = rc == 0 && row == 0;
    sqlite_snapshot_end(c, &s);
    return rc < 0 ? rc : MIN(row, 0);
}

int sqlite_count_groups(struct backend_conn *c, struct str name, uint64_t *count, uint64_t *applied,
                        struct err *err) {
    struct snapshot s;
    int rc = sqlite_snapshot_begin(c, true, &s, err);
    if (rc != 0) return rc;
    *applied = s.state.s.applied;
    sqlite3_stmt *stmt = c->stmts[SQL_COUNT_GROUPS];
    sqlite3_bind_text(stmt, 1, name.ptr, (int)name.len, SQLITE_STATIC);
    rc = sqlite_step(c, stmt, err);
    *count = rc == 1 ? (uint64_t)sqlite3_column_int64(stmt, 0) : 0;
    sqlite3_reset(stmt);
    sqlite_snapshot_end(c, &s);
    return MIN(rc, 0);
}
