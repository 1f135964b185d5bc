/* Heads of streams: where a stream stands, what it is beyond its events; and entries by their id.
 *
 * Where a stream ends is the last of three: its last entry in the index (whose event may have been
 * removed since), its last hole, and what its state says. */
#include "store/sqlite/internal.h"

#include "base/alloc.h"

int sqlite_hole_before(struct backend_conn *c, uint64_t stream, uint64_t version, uint64_t *first,
                       uint64_t *last, struct err *err) {
    sqlite3_stmt *stmt = c->stmts[SQL_HOLE_BEFORE];
    sqlite_bind_u64(stmt, 1, stream);
    sqlite_bind_u64(stmt, 2, version);
    int rc = sqlite_step(c, stmt, err);
    if (rc != 1) return rc;
    *first = (uint64_t)sqlite3_column_int64(stmt, 0);
    *last = (uint64_t)sqlite3_column_int64(stmt, 1);
    sqlite3_reset(stmt);
    return 1;
}

int sqlite_last_event(struct backend_conn *c, const struct snapshot *s, uint64_t stream,
                      uint64_t start, uint64_t end, struct last_event *out, struct err *err) {
    for (;;) {
        int rc = sqlite_index_last(c, s, stream, start, end, &out->version, &out->sequence, err);
        if (rc != 1) return rc;
        sqlite3_stmt *stmt = c->stmts[SQL_HEAD];
        sqlite_bind_u64(stmt, 1, out->sequence);
        if ((rc = sqlite_step(c, stmt, err)) < 0) return rc;
        if (rc == 1) {
            out->id.ms = sqlite_column_entry(stmt, 1);
            out->id.seq = sqlite_column_entry(stmt, 2);
            out->recorded = (uint64_t)sqlite3_column_int64(stmt, 3);
            sqlite3_reset(stmt);
            return 1;
        }
        /* Removed, and still in the index: go on before the hole that it is in. */
        uint64_t first = 0, last = 0;
        if ((rc = sqlite_hole_before(c, stream, out->version, &first, &last, err)) < 0) return rc;
        if (rc == 0 || last < out->version)
            return err_set(err, ERR_CORRUPT, "%s: events: row %llu is missing", c->path,
                           (unsigned long long)out->sequence);
        if (first <= start) return 0;
        end = first - 1;
    }
}

/* The next version, given what the stream's state says of it. */
static int next_version(struct backend_conn *c, const struct snapshot *s, uint64_t stream,
                        uint64_t of_state, uint64_t *out, struct err *err) {
    uint64_t version = 0, sequence = 0, first = 0, last = 0;
    *out = of_state;
    int rc = sqlite_index_last(c, s, stream, 0, INDEX_VERSION_MAX, &version, &sequence, err);
    if (rc < 0) return rc;
    if (rc == 1) *out = MAX(*out, version + 1);
    rc = sqlite_hole_before(c, stream, INDEX_VERSION_MAX, &first, &last, err);
    if (rc == 1) *out = MAX(*out, last + 1);
    return MIN(rc, 0);
}

int sqlite_first_version(struct backend_conn *c, uint64_t stream, uint64_t *out, struct err *err) {
    sqlite3_stmt *stmt = c->stmts[SQL_STREAM_EXTENT];
    sqlite_bind_u64(stmt, 1, stream);
    *out = UINT64_MAX;
    int rc = sqlite_step(c, stmt, err);
    if (rc != 1) return rc;
    *out = (uint64_t)sqlite3_column_int64(stmt, 0);
    sqlite3_reset(stmt);
    return 0;
}

int sqlite_stream_extent(struct backend_conn *c, const struct snapshot *s, uint64_t stream,
                         struct stream_extent *out, struct err *err) {
    sqlite3_stmt *stmt = c->stmts[SQL_STREAM_EXTENT];
    sqlite_bind_u64(stmt, 1, stream);
    out->first_version = out->next_version = 0;
    int rc = sqlite_step(c, stmt, err);
    if (rc != 1) return rc;
    out->first_version = (uint64_t)sqlite3_column_int64(stmt, 0);
    uint64_t of_state = (uint64_t)sqlite3_column_int64(stmt, 1);
    sqlite3_reset(stmt);
    rc = next_version(c, s, stream, of_state, &out->next_version, err);
    return rc < 0 ? rc : 1;
}

/* --- details ------------------------------------------------------------------------- */

static int read_holes(struct backend_conn *c, uint64_t stream, struct stream_detail *d,
                      struct err *err) {
    sqlite3_stmt *stmt = c->stmts[SQL_HOLES];
    size_t cap = 0;
    int rc;
    sqlite_bind_u64(stmt, 1, stream);
    while ((rc = sqlite_step(c, stmt, err)) == 1) {
        uint64_t first = (uint64_t)sqlite3_column_int64(stmt, 0);
        uint64_t last = (uint64_t)sqlite3_column_int64(stmt, 1);
        if (last < d->first_version) continue;
        if (d->hole_count == cap) {
            cap = cap * 2 + 8;
            d->holes = xrealloc(d->holes, cap * sizeof *d->holes);
        }
        d->holes[d->hole_count++] = (struct version_range){(uint32_t)MAX(first, d->first_version),
                                                           (uint32_t)MIN(last, INDEX_VERSION_MAX)};
    }
    return rc;
}

static int read_value(struct backend_conn *c, uint64_t stream, struct stream_detail *d,
                      struct err *err) {
    sqlite3_stmt *stmt = c->stmts[SQL_VALUE];
    sqlite_bind_u64(stmt, 1, stream);
    int rc = sqlite_step(c, stmt, err);
    if (rc != 1) return rc;
    const void *value = sqlite3_column_blob(stmt, 0);
    d->value_len = (size_t)sqlite3_column_bytes(stmt, 0);
    d->value = xmemdup(value, d->value_len);
    sqlite3_reset(stmt);
    return 0;
}

/* --- heads --------------------------------------------------------------------------- */

/* What the row of `streams` says. */
struct state_row {
    bool present;
    uint64_t next_version, entries_added;
    struct entry_id last;
};

static void head_of_row(sqlite3_stmt *row, struct stream_head *h, struct stream_detail *d,
                        struct state_row *state) {
    h->exists = true;
    h->number = (uint64_t)sqlite3_column_int64(row, 0);
    h->created = (uint64_t)sqlite3_column_int64(row, 1);
    int kind = sqlite3_column_int(row, 2);
    h->kind = kind == KIND_STRING || kind == KIND_VIRTUAL ? (enum stream_kind)kind : KIND_STREAM;
    state->present = sqlite3_column_type(row, 4) != SQLITE_NULL;
    if (!state->present) return;
    d->first_version = (uint64_t)sqlite3_column_int64(row, 3);
    state->next_version = (uint64_t)sqlite3_column_int64(row, 4);
    state->entries_added = (uint64_t)sqlite3_column_int64(row, 5);
    state->last = (struct entry_id){sqlite_column_entry(row, 6), sqlite_column_entry(row, 7)};
    d->deleted = (struct entry_id){sqlite_column_entry(row, 8), sqlite_column_entry(row, 9)};
    d->expires = (uint64_t)sqlite3_column_int64(row, 10);
    d->idempotent_seconds = (uint32_t)sqlite3_column_int64(row, 11);
    d->idempotent_max = (uint32_t)sqlite3_column_int64(row, 12);
}

static int read_last(struct backend_conn *c, const struct snapshot *s, struct stream_head *h,
                     const struct stream_detail *d, const struct state_row *state,
                     struct err *err) {
    struct last_event last;
    int rc = next_version(c, s, h->number, state->next_version, &h->next_version, err);
    if (rc != 0) return rc;
    rc = sqlite_last_event(c, s, h->number, d->first_version, INDEX_VERSION_MAX, &last, err);
    if (rc < 0) return rc;
    if (rc == 1 && last.version + 1 == h->next_version) h->recorded = last.recorded;
    if (rc == 0) last = (struct last_event){0};
    bool newer = rc == 1 && (!state->present || last.version >= state->next_version);
    struct entry_id id = newer || !state->present ? last.id : state->last;
    h->entry_ms = id.ms;
    h->entry_seq = id.seq;
    return 0;
}

static int read_detail(struct backend_conn *c, uint64_t stream, struct stream_detail *d,
                       struct err *err) {
    int rc = read_holes(c, stream, d, err);
    if (rc == 0) rc = sqlite_read_groups(c, stream, d, err);
    return rc == 0 ? sqlite_read_idempotent(c, stream, d, err) : rc;
}

static int head_of(struct backend_conn *c, const struct snapshot *s, struct str name,
                   struct stream_head *out, struct err *err) {
    struct state_row state = {0};
    sqlite3_stmt *stmt = c->stmts[SQL_STREAM_BY_NAME];
    sqlite3_bind_text(stmt, 1, name.ptr, (int)name.len, SQLITE_STATIC);
    int rc = sqlite_step(c, stmt, err);
    if (rc != 1) return rc;
    struct stream_detail *d = out->detail = xcalloc(1, sizeof *d);
    head_of_row(stmt, out, d, &state);
    sqlite3_reset(stmt);
    if (out->kind == KIND_STRING) { /* it has no events */
        out->next_version = state.next_version;
        out->entry_ms = state.last.ms;
        out->entry_seq = state.last.seq;
        d->entries_added = state.entries_added;
        return read_value(c, out->number, d, err);
    }
    rc = read_last(c, s, out, d, &state, err);
    if (rc == 0) rc = read_detail(c, out->number, d, err);
    d->entries_added = state.entries_added + (out->next_version - state.next_version);
    bool plain = !state.present && d->hole_count == 0 && d->group_count == 0;
    if (plain && d->idempotent_count == 0) stream_head_clear(out);
    return rc;
}

int sqlite_read_head(struct backend_conn *c, struct str name, struct stream_head *out,
                     uint64_t *applied, struct err *err) {
    struct snapshot s;
    memset(out, 0, sizeof *out);
    int rc = sqlite_snapshot_begin(c, true, &s, err);
    if (rc != 0) return rc;
    *applied = s.state.s.applied;
    rc = head_of(c, &s, name, out, err);
    sqlite_snapshot_end(c, &s);
    return rc;
}

/* --- entries by their id ------------------------------------------------------------------ */

/* Ids of a stream ascend with its versions: halving, among the events that exist. */
static int find_entry(struct backend_conn *c, const struct snapshot *s, uint64_t stream,
                      uint64_t from, struct entry_id at, uint64_t *version, struct err *err) {
    struct stream_extent extent;
    int rc = sqlite_stream_extent(c, s, stream, &extent, err);
    if (rc != 1) return rc;
    uint64_t low = MAX(from, extent.first_version), high = extent.next_version;
    while (low < high) {
        struct last_event e;
        uint64_t middle = low + (high - low) / 2;
        if ((rc = sqlite_last_event(c, s, stream, low, middle, &e, err)) < 0) return rc;
        if (rc == 1 && entry_id_cmp(e.id, at) >= 0)
            high = *version = e.version;
        else
            low = middle + 1;
    }
    return 0;
}

int sqlite_find_entry(struct backend_conn *c, uint64_t stream, uint64_t from, struct entry_id at,
                      uint64_t *version, uint64_t *applied, struct err *err) {
    struct snapshot s;
    int rc = sqlite_snapshot_begin(c, true, &s, err);
    if (rc != 0) return rc;
    *applied = s.state.s.applied;
    *version = UINT64_MAX;
    rc = stream <= INDEX_STREAM_MAX ? find_entry(c, &s, stream, from, at, version, err) : 0;
    sqlite_snapshot_end(c, &s);
    return rc;
}
