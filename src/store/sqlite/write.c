/* The change set of an apply becomes rows: streams and what is of a stream, removals, erasure.
 * (Groups: groups.c, idempotent ids: idempotent.c, what has a
 * name of its own: named.c, events: bulk.c.)
 *
 * Names are unique, and in one apply they may move in a circle or be taken by a new stream as soon
 * as they are free. So the order is: streams that go, names that are given up, names that are
 * taken. */
#include "store/sqlite/internal.h"

/* --- names and states ------------------------------------------------------------ */

/* A string's value goes with it; of a stream there may be much: maintain() takes it away. */
static int drop_stream(struct backend_conn *c, uint64_t number, struct err *err) {
    sqlite3_stmt *stmt = c->stmts[SQL_DROP_STREAM];
    sqlite_bind_u64(stmt, 1, number);
    int rc = sqlite_step(c, stmt, err);
    if (rc != 1) return rc;
    bool is_string = sqlite3_column_int(stmt, 0) == KIND_STRING;
    uint64_t purged = (uint64_t)sqlite3_column_int64(stmt, 1);
    sqlite3_reset(stmt);
    stmt = c->stmts[is_string ? SQL_DROP_VALUE : SQL_ADD_DELETED];
    sqlite_bind_u64(stmt, 1, number);
    if (!is_string) {
        sqlite_bind_u64(stmt, 2, purged);
        c->w->purge_wanted = true;
    }
    return sqlite_step(c, stmt, err);
}

static int free_name(struct backend_conn *c, uint64_t number, struct err *err) {
    sqlite3_stmt *stmt = c->stmts[SQL_FREE_NAME];
    sqlite_bind_u64(stmt, 1, number);
    return sqlite_step(c, stmt, err);
}

/* As long as it has its old name. */
static int note_category(struct backend_conn *c, const struct stream_change *s, struct err *err) {
    if (!s->renamed || s->name->kind != KIND_STREAM) return 0;
    struct str name = str_of(s->name->name, s->name->name_len);
    return sqlite_category_renamed(c, s->number, name, s->renamed_again, err);
}

static int take_name(struct backend_conn *c, const struct stream_change *s, struct err *err) {
    const struct stream_record *r = s->name;
    struct str name = str_of(r->name, r->name_len);
    struct uuid key;
    partition_key_of(name, &key);
    sqlite3_stmt *stmt = c->stmts[s->made ? SQL_ADD_STREAM : SQL_RENAME_STREAM];
    sqlite_bind_u64(stmt, 1, s->number);
    sqlite3_bind_text(stmt, 2, name.ptr, (int)name.len, SQLITE_STATIC);
    if (s->made) {
        sqlite_bind_u64(stmt, 3, r->created);
        sqlite3_bind_blob(stmt, 4, &key, sizeof key, SQLITE_TRANSIENT);
        sqlite3_bind_int(stmt, 5, r->kind);
    } else {
        sqlite3_bind_blob(stmt, 3, &key, sizeof key, SQLITE_TRANSIENT);
    }
    return sqlite_step(c, stmt, err);
}

/* Holes below first_version tell nothing any more. */
static int trim_holes(struct backend_conn *c, uint64_t stream, uint64_t first_version,
                      struct err *err) {
    uint64_t first = 0, last = 0;
    int rc = sqlite_hole_before(c, stream, first_version - 1, &first, &last, err);
    if (rc != 1) return rc;
    sqlite3_stmt *stmt = c->stmts[SQL_TRIM_HOLES];
    sqlite_bind_u64(stmt, 1, stream);
    sqlite_bind_u64(stmt, 2, first_version);
    rc = sqlite_step(c, stmt, err);
    if (rc != 0 || last < first_version) return rc;
    stmt = c->stmts[SQL_ADD_HOLE];
    sqlite_bind_u64(stmt, 1, stream);
    sqlite_bind_u64(stmt, 2, first_version);
    sqlite_bind_u64(stmt, 3, last);
    return sqlite_step(c, stmt, err);
}

static int write_state(struct backend_conn *c, const struct stream_state_record *s,
                       struct err *err) {
    sqlite3_stmt *stmt = c->stmts[SQL_SET_STREAM];
    sqlite_bind_u64(stmt, 1, s->stream);
    sqlite_bind_u64(stmt, 2, s->first_version);
    sqlite_bind_u64(stmt, 3, s->next_version);
    sqlite_bind_u64(stmt, 4, s->entries_added);
    sqlite_bind_entry(stmt, 5, s->last.ms);
    sqlite_bind_entry(stmt, 6, s->last.seq);
    sqlite_bind_entry(stmt, 7, s->deleted.ms);
    sqlite_bind_entry(stmt, 8, s->deleted.seq);
    if (s->expires != 0)
        sqlite_bind_u64(stmt, 9, s->expires);
    else
        sqlite3_bind_null(stmt, 9);
    sqlite3_bind_int64(stmt, 10, s->idempotent_seconds);
    sqlite3_bind_int64(stmt, 11, s->idempotent_max);
    int rc = sqlite_step(c, stmt, err);
    if (rc != 0 || s->first_version == 0) return rc;
    c->w->purge_wanted = true;
    return trim_holes(c, s->stream, s->first_version, err);
}

static int write_value(struct backend_conn *c, const struct stream_change *s, struct err *err) {
    sqlite3_stmt *stmt = c->stmts[SQL_SET_VALUE];
    sqlite_bind_u64(stmt, 1, s->number);
    sqlite3_bind_blob64(stmt, 2, s->value->bytes, s->value_len, SQLITE_STATIC);
    return sqlite_step(c, stmt, err);
}

static int write_rest(struct backend_conn *c, const struct stream_change *s, struct err *err) {
    int rc = 0;
    if (s->state != NULL) rc = write_state(c, s->state, err);
    if (rc == 0 && s->value != NULL) rc = write_value(c, s, err);
    if (rc == 0 && s->forgotten != 0) {
        sqlite3_stmt *stmt = c->stmts[SQL_CLEAR_IDEMPOTENT];
        sqlite_bind_u64(stmt, 1, s->number);
        rc = sqlite_step(c, stmt, err);
    }
    return rc;
}

static int name_cmp(const void *a, const void *b) {
    const struct stream_record *x = (*(const struct stream_change *const *)a)->name;
    const struct stream_record *y = (*(const struct stream_change *const *)b)->name;
    return str_cmp(str_of(x->name, x->name_len), str_of(y->name, y->name_len));
}

static int number_cmp(const void *a, const void *b) {
    uint64_t x = (*(const struct stream_change *const *)a)->number;
    uint64_t y = (*(const struct stream_change *const *)b)->number;
    return x < y ? -1 : x > y;
}

static int write_streams(struct backend_conn *c, struct err *err) {
    struct changes *changes = &c->w->changes;
    struct stream_change **all = (struct stream_change **)changes->streams.items;
    size_t n = changes->streams.count, named = 0;
    int rc = 0;
    if (n == 0) return 0;
    /* Those that get a name come first, sorted by it: so the index over names is written. */
    for (size_t i = 0; i < n; i++) {
        struct stream_change *s = all[i];
        if (s->deleted) {
            if (!s->made && (rc = drop_stream(c, s->number, err)) != 0) return rc;
            continue;
        }
        if (s->name == NULL) continue;
        if ((rc = note_category(c, s, err)) != 0) return rc;
        /* One that moves alone moves to a name that is free by now. */
        if (!s->made && changes->renames > 1 && (rc = free_name(c, s->number, err)) != 0) return rc;
        all[i] = all[named];
        all[named++] = s;
    }
    if (named > 1) qsort(all, named, sizeof(struct stream_change *), name_cmp);
    for (int made = 0; made < 2; made++)
        for (size_t i = 0; rc == 0 && i < named; i++)
            if (all[i]->made == (made != 0)) rc = take_name(c, all[i], err);
    if (n > 1) qsort(all, n, sizeof(struct stream_change *), number_cmp);
    for (size_t i = 0; rc == 0 && i < n; i++)
        if (!all[i]->deleted) rc = write_rest(c, all[i], err);
    return rc;
}

/* --- events that go ---------------------------------------------------------------- */

static int drop_key(struct backend_conn *c, enum sql id, const void *key, int len,
                    uint64_t sequence, struct err *err) {
    sqlite3_stmt *stmt = c->stmts[id];
    if (id == SQL_DROP_AGGREGATE)
        sqlite3_bind_text(stmt, 1, key, len, SQLITE_STATIC);
    else
        sqlite3_bind_blob(stmt, 1, key, len, SQLITE_STATIC);
    sqlite_bind_u64(stmt, 2, sequence);
    return sqlite_step(c, stmt, err);
}

int sqlite_drop_event(struct backend_conn *c, uint64_t sequence, struct err *err) {
    static const enum sql tables[] = {SQL_DROP_ID, SQL_DROP_CORRELATION, SQL_DROP_CAUSATION,
                                      SQL_DROP_AGGREGATE};
    struct sqlite_writer *w = c->w;
    sqlite3_stmt *stmt = c->stmts[SQL_DROP_EVENT];
    sqlite_bind_u64(stmt, 1, sequence);
    int rc = sqlite_step(c, stmt, err), code = 0;
    if (rc != 1) return rc; /* it is gone already */
    w->gone += sequence >= w->state.removed_from;
    for (int i = 0; code == 0 && i < (int)ARRAY_LEN(tables); i++) {
        const void *key = sqlite3_column_blob(stmt, i);
        if (key != NULL)
            code = drop_key(c, tables[i], key, sqlite3_column_bytes(stmt, i), sequence, err);
    }
    sqlite3_reset(stmt);
    if (sequence >= w->state.indexed) purged_note(&w->purged, sequence);
    return code;
}

int sqlite_drop_index(struct backend_conn *c, uint64_t stream, uint64_t first, uint64_t last,
                      struct err *err) {
    sqlite3_stmt *stmt = c->stmts[SQL_DROP_INDEX];
    sqlite_bind_u64(stmt, 1, index_key(stream, first));
    sqlite_bind_u64(stmt, 2, index_key(stream, last));
    return sqlite_step(c, stmt, err);
}

static int row_cmp(const void *a, const void *b) {
    const struct removed_row *x = a, *y = b;
    if (x->stream != y->stream) return x->stream < y->stream ? -1 : 1;
    return x->version < y->version ? -1 : x->version > y->version;
}

/* Adds a hole, and joins it with those that it touches. */
static int add_hole(struct backend_conn *c, uint64_t stream, uint64_t first, uint64_t last,
                    struct err *err) {
    uint64_t f = 0, l = 0;
    int rc;
    while ((rc = sqlite_hole_before(c, stream, MIN(last + 1, INDEX_VERSION_MAX), &f, &l, err)) ==
           1) {
        if (l + 1 < first) break;
        sqlite3_stmt *stmt = c->stmts[SQL_DROP_HOLE];
        sqlite_bind_u64(stmt, 1, stream);
        sqlite_bind_u64(stmt, 2, f);
        if ((rc = sqlite_step(c, stmt, err)) != 0) return rc;
        first = MIN(first, f);
        last = MAX(last, l);
    }
    if (rc < 0) return rc;
    sqlite3_stmt *stmt = c->stmts[SQL_ADD_HOLE];
    sqlite_bind_u64(stmt, 1, stream);
    sqlite_bind_u64(stmt, 2, first);
    sqlite_bind_u64(stmt, 3, last);
    return sqlite_step(c, stmt, err);
}

/* Rows that were in the same apply have not been written: `base` is their first sequence. */
static int write_removed(struct backend_conn *c, uint64_t base, struct err *err) {
    const struct changes *changes = &c->w->changes;
    struct removed_row *rows = changes->removed;
    size_t n = changes->removed_count;
    int rc = 0;
    if (n > 1) qsort(rows, n, sizeof *rows, row_cmp);
    for (size_t i = 0, next; rc == 0 && i < n; i = next) {
        uint64_t stream = rows[i].stream, last = rows[i].version;
        next = i + 1;
        if (changes_hide(changes, stream, rows[i].version)) continue; /* gone with the stream */
        for (; next < n && rows[next].stream == stream && rows[next].version <= last + 1; next++)
            last = rows[next].version;
        for (size_t k = i; rc == 0 && k < next; k++)
            if (rows[k].sequence < base) rc = sqlite_drop_event(c, rows[k].sequence, err);
        if (rc == 0) rc = sqlite_drop_index(c, stream, rows[i].version, last, err);
        if (rc == 0) rc = add_hole(c, stream, rows[i].version, last, err);
    }
    return rc;
}

/* The connection overwrites with zeros whatever it frees (secure_delete). It has to do so all the
 * time: a page that is split leaves copies of rows behind. */
static int write_erased(struct backend_conn *c, uint64_t base, struct err *err) {
    const struct changes *changes = &c->w->changes;
    sqlite3_stmt *stmt = c->stmts[SQL_ERASE_EVENT];
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < changes->erased_count; i++) {
        if (changes->erased[i] >= base) continue;
        sqlite_bind_u64(stmt, 1, changes->erased[i]);
        rc = sqlite_step(c, stmt, err);
    }
    return rc;
}

int sqlite_write_changes(struct backend_conn *c, uint64_t base, struct err *err) {
    int rc = write_streams(c, err);
    if (rc == 0) rc = write_removed(c, base, err);
    if (rc == 0) rc = write_erased(c, base, err);
    if (rc == 0) rc = sqlite_write_groups(c, err);
    if (rc == 0) rc = sqlite_write_named(c, err);
    return rc == 0 ? sqlite_write_idempotent(c, err) : rc;
}
