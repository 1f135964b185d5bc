/* The timelines of the store, and how it was left: what the next start needs to know of the last
 * run. The list is short (TIMELINES_MAX). */
#include "store/sqlite/internal.h"

static const char *const left_words[] = {
    [LEFT_CLOSED] = "closed",       [LEFT_BACKUP] = "backup",   [LEFT_UNSURE] = "unsure",
    [LEFT_BACKEND] = "backend",     [LEFT_JOURNAL] = "journal", [LEFT_INTERVAL] = "interval",
    [LEFT_MIGRATING] = "migrating",
};

static struct str column_str(sqlite3_stmt *stmt, int at) {
    const char *text = (const char *)sqlite3_column_text(stmt, at);
    return text != NULL ? str_of(text, (size_t)sqlite3_column_bytes(stmt, at)) : STR("");
}

int sqlite_read_left(struct backend_conn *c, enum store_left *out, struct err *err) {
    sqlite3_stmt *stmt = c->stmts[SQL_LEFT];
    int rc = sqlite_step(c, stmt, err);
    if (rc != 1) return rc;
    *out = LEFT_UNSURE; /* a word that nobody knows */
    for (size_t i = 0; i < ARRAY_LEN(left_words); i++)
        if (str_eq(column_str(stmt, 0), str_c(left_words[i]))) *out = (enum store_left)i;
    sqlite3_reset(stmt);
    return 0;
}

int sqlite_set_left(struct backend_conn *c, enum store_left left, struct err *err) {
    assert(c->w != NULL);
    int rc = sqlite_refresh(c, err);
    if (rc == 0) rc = sqlite_check_place(c, err);
    if (rc != 0) return rc;
    sqlite3_stmt *stmt = c->stmts[SQL_SET_LEFT];
    sqlite_bind_ours(c, stmt);
    sqlite3_bind_int(stmt, 2, left_with_journal(left));
    sqlite3_bind_text(stmt, 3, left_words[left], -1, SQLITE_STATIC);
    rc = sqlite_step(c, stmt, err);
    if (rc != 0) return rc;
    if (sqlite3_changes(c->db) == 0) return sqlite_replaced(c, err);
    c->w->state.s.journal_open = left_with_journal(left);
    c->w->importing = left == LEFT_MIGRATING;
    return 0;
}

/* Of a row that somebody has changed by hand: no word of it is trusted more than it says. */
static int of_row(struct backend_conn *c, sqlite3_stmt *row, struct timeline_record *out,
                  struct err *err) {
    struct str id = column_str(row, 0);
    *out = (struct timeline_record){
        .began = (uint64_t)sqlite3_column_int64(row, 1),
        .created = (uint64_t)sqlite3_column_int64(row, 2),
        .reason = timeline_reason_of(column_str(row, 3)),
    };
    if (timeline_parse(id, &out->id)) return 0;
    return err_set(err, ERR_CORRUPT, "%s: timelines: '%.*s' is no id", c->path,
                   (int)MIN(id.len, (size_t)64), id.ptr);
}

int sqlite_load_timelines(struct backend_conn *c, struct timelines *out, struct err *err) {
    sqlite3_stmt *stmt = c->stmts[SQL_TIMELINES];
    struct timeline_record r;
    int rc;
    while ((rc = sqlite_step(c, stmt, err)) == 1) {
        if ((rc = of_row(c, stmt, &r, err)) != 0) {
            sqlite3_reset(stmt);
            return rc;
        }
        timelines_add(out, &r);
    }
    if (rc == 0 && out->count == 0)
        return err_set(err, ERR_CORRUPT, "%s: table timelines is empty", c->path);
    return rc;
}

int sqlite_add_timeline(struct backend_conn *c, const struct timeline_record *r, struct err *err) {
    char id[TIMELINE_TEXT_LEN + 1];
    timeline_format(r->id, id);
    sqlite3_stmt *stmt = c->stmts[SQL_ADD_TIMELINE];
    sqlite3_bind_text(stmt, 1, id, -1, SQLITE_TRANSIENT);
    sqlite_bind_u64(stmt, 2, r->began);
    sqlite_bind_u64(stmt, 3, r->created);
    sqlite3_bind_text(stmt, 4, timeline_reason_word(r->reason), -1, SQLITE_STATIC);
    int rc = sqlite_step(c, stmt, err);
    if (rc != 0) return rc;
    sqlite3_bind_int(c->stmts[SQL_PRUNE_TIMELINES], 1, TIMELINES_MAX);
    return sqlite_run(c, SQL_PRUNE_TIMELINES, err);
}

int sqlite_adopt(struct backend_conn *c, const struct uuid *store_id, uint64_t id_key,
                 struct err *err) {
    assert(c->w != NULL);
    assert(c->w->state.s.applied == 0);
    char id[TIMELINE_TEXT_LEN + 1];
    timeline_format(timeline_of_store(store_id), id);
    int rc = sqlite_begin_write(c, err);
    if (rc != 0) return rc;
    sqlite3_stmt *stmt = c->stmts[SQL_ADOPT];
    sqlite_bind_ours(c, stmt);
    sqlite3_bind_blob(stmt, 2, store_id, sizeof *store_id, SQLITE_STATIC);
    sqlite_bind_u64(stmt, 3, id_key);
    rc = sqlite_step(c, stmt, err);
    if (rc == 0 && sqlite3_changes(c->db) == 0) rc = sqlite_replaced(c, err);
    sqlite3_bind_text(c->stmts[SQL_ADOPT_TIMELINE], 1, id, -1, SQLITE_TRANSIENT);
    if (rc == 0) rc = sqlite_run(c, SQL_ADOPT_TIMELINE, err);
    if (rc == 0) rc = sqlite_run(c, SQL_COMMIT, err);
    if (rc != 0) {
        sqlite_rollback(c);
        return rc;
    }
    c->w->state.s.store_id = *store_id;
    c->w->state.s.id_key = id_key;
    return 0;
}
