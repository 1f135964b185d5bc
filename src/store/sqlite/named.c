/* What has a name of its own (RECORD_NAMED): checkpoints in a table with columns, which a flush
 * empties; every other class in `named`, which it leaves alone. A name keeps its number for as long
 * as it is there, so that a walk by number sees each that is there all along. */
#include "store/sqlite/internal.h"

#include "base/alloc.h"

/* --- writing ------------------------------------------------------------------------ */

static void bind_name(sqlite3_stmt *stmt, int at, struct str name) {
    sqlite3_bind_text(stmt, at, name.ptr, (int)name.len, SQLITE_STATIC);
}

static int write_checkpoint(struct backend_conn *c, struct str name, struct str bytes,
                            struct err *err) {
    struct checkpoint_value v;
    char timeline[TIMELINE_TEXT_LEN + 1];
    sqlite3_stmt *stmt = c->stmts[SQL_SET_CHECKPOINT];
    assert(bytes.len == sizeof v);
    memcpy(&v, bytes.ptr, sizeof v);
    bind_name(stmt, 1, name);
    sqlite_bind_u64(stmt, 2, v.position);
    sqlite_bind_u64(stmt, 3, v.updated);
    timeline_format(v.timeline, timeline);
    sqlite3_bind_text(stmt, 4, timeline, -1, SQLITE_TRANSIENT);
    return sqlite_step(c, stmt, err);
}

static int write_one(struct backend_conn *c, const struct named_change *n, struct err *err) {
    const struct named_record *r = n->record;
    bool checkpoint = r->class == NAMED_CHECKPOINT, gone = r->flags & NAMED_GONE;
    struct str name = named_record_name(r), value = named_record_value(r, n->len);
    if (checkpoint && !gone) return write_checkpoint(c, name, value, err);
    sqlite3_stmt *stmt = c->stmts[checkpoint ? SQL_DROP_CHECKPOINT
                                  : gone     ? SQL_DROP_NAMED
                                             : SQL_SET_NAMED];
    bind_name(stmt, 1, name);
    if (!checkpoint) sqlite3_bind_int(stmt, 2, r->class);
    if (!gone) sqlite3_bind_blob64(stmt, 3, value.ptr, value.len, SQLITE_STATIC);
    return sqlite_step(c, stmt, err);
}

/* In the order of the indexes over names. */
static int change_cmp(const void *a, const void *b) {
    const struct named_change *x = *(const struct named_change *const *)a;
    const struct named_change *y = *(const struct named_change *const *)b;
    if (x->record->class != y->record->class) return x->record->class < y->record->class ? -1 : 1;
    return str_cmp(named_record_name(x->record), named_record_name(y->record));
}

int sqlite_write_named(struct backend_conn *c, struct err *err) {
    struct change_list *l = &c->w->changes.named;
    struct named_change **all = (struct named_change **)l->items;
    int rc = 0;
    if (l->count > 1) qsort(all, l->count, sizeof(struct named_change *), change_cmp);
    for (size_t i = 0; rc == 0 && i < l->count; i++) rc = write_one(c, all[i], err);
    return rc;
}

/* --- reading ------------------------------------------------------------------------ */

/* The value that a row has from column `at` on; checkpoint: buffer for it. */
static struct str value_of(sqlite3_stmt *row, int at, enum named_class class,
                           struct checkpoint_value *checkpoint) {
    if (class != NAMED_CHECKPOINT)
        return str_of(sqlite3_column_blob(row, at), (size_t)sqlite3_column_bytes(row, at));
    *checkpoint = (struct checkpoint_value){.position = (uint64_t)sqlite3_column_int64(row, at),
                                            .updated = (uint64_t)sqlite3_column_int64(row, at + 1)};
    const char *timeline = (const char *)sqlite3_column_text(row, at + 2);
    if (timeline != NULL) timeline_parse(str_c(timeline), &checkpoint->timeline);
    return str_of(checkpoint, sizeof *checkpoint);
}

int sqlite_read_named(struct backend_conn *c, enum named_class class, struct str name,
                      struct str *value, uint64_t *applied, struct err *err) {
    struct snapshot s;
    struct checkpoint_value checkpoint;
    *value = (struct str){0};
    int rc = sqlite_snapshot_begin(c, false, &s, err);
    if (rc != 0) return rc;
    *applied = s.state.s.applied;
    sqlite3_stmt *stmt = c->stmts[class == NAMED_CHECKPOINT ? SQL_CHECKPOINT : SQL_NAMED];
    bind_name(stmt, 1, name);
    if (class != NAMED_CHECKPOINT) sqlite3_bind_int(stmt, 2, class);
    rc = sqlite_step(c, stmt, err);
    if (rc == 1) {
        struct str found = value_of(stmt, 0, class, &checkpoint);
        char *copy = xmalloc(found.len + 1);
        if (found.len > 0) memcpy(copy, found.ptr, found.len);
        *value = str_of(copy, found.len);
        sqlite3_reset(stmt);
    }
    sqlite_snapshot_end(c, &s);
    return MIN(rc, 0);
}

int sqlite_list_named(struct backend_conn *c, enum named_class class, uint64_t from,
                      size_t count_max, struct named_list *out, struct err *err) {
    struct snapshot s;
    struct checkpoint_value checkpoint;
    int rc = sqlite_snapshot_begin(c, false, &s, err);
    if (rc != 0) return rc;
    out->applied = s.state.s.applied;
    sqlite3_stmt *stmt =
        c->stmts[class == NAMED_CHECKPOINT ? SQL_CHECKPOINTS_FROM : SQL_NAMED_FROM];
    sqlite_bind_u64(stmt, 1, MIN(from, (uint64_t)INT64_MAX));
    if (class != NAMED_CHECKPOINT) sqlite3_bind_int(stmt, 2, class);
    while ((rc = sqlite_step(c, stmt, err)) == 1) {
        uint64_t number = (uint64_t)sqlite3_column_int64(stmt, 0);
        out->next = number;
        if (out->count >= MAX(count_max, (size_t)1)) break;
        struct str name =
            str_of(sqlite3_column_text(stmt, 1), (size_t)sqlite3_column_bytes(stmt, 1));
        named_list_add(out, number, name, value_of(stmt, 2, class, &checkpoint));
    }
    out->done = rc == 0;
    sqlite3_reset(stmt);
    sqlite_snapshot_end(c, &s);
    if (rc < 0) named_list_clear(out);
    return MIN(rc, 0);
}
