/* The end of an import: what its records could not say (record/record.h). Until then the store is
 * LEFT_MIGRATING, and no server opens it. */
#include "store/sqlite/internal.h"

static int replace_timelines(struct backend_conn *c, const struct timelines *t, struct err *err) {
    int rc = sqlite_exec(c, "DELETE FROM timelines", err);
    for (size_t i = 0; rc == 0 && i < t->count; i++) rc = sqlite_add_timeline(c, &t->items[i], err);
    return rc;
}

/* The sequences behind the last event are gone, too. */
static int set_store(struct backend_conn *c, const struct store_state *s, struct err *err) {
    static const char sql[] =
        "UPDATE store SET store_id = ?1, id_key = ?2, epoch = ?3, applied = ?4,"
        " removed = removed + ?5 - next_sequence, next_sequence = ?5, next_stream = ?6,"
        " next_group = ?7, recorded = ?8, entry_ms = ?9, entry_seq = ?10, journal_open = 0,"
        " left_as = 'closed'";
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(c->db, sql, -1, &stmt, NULL);
    if (rc != SQLITE_OK) return sqlite_error(c, rc, err, sql);
    sqlite3_bind_blob(stmt, 1, &s->store_id, sizeof s->store_id, SQLITE_STATIC);
    sqlite_bind_u64(stmt, 2, s->id_key);
    sqlite_bind_u64(stmt, 3, s->epoch);
    sqlite_bind_u64(stmt, 4, s->applied);
    sqlite_bind_u64(stmt, 5, s->next_sequence);
    sqlite_bind_u64(stmt, 6, s->next_stream);
    sqlite_bind_u64(stmt, 7, s->next_group);
    sqlite_bind_u64(stmt, 8, s->recorded);
    sqlite_bind_entry(stmt, 9, s->entry_ms);
    sqlite_bind_entry(stmt, 10, s->entry_seq);
    rc = sqlite_step(c, stmt, err);
    sqlite3_finalize(stmt);
    return rc;
}

/* A WAL and a file of different stores are taken for what they mostly are, a file that was replaced
 * (place.c). So the new id may not be in the WAL first: the file is written directly, under a
 * rollback journal. The next open makes it a WAL again. */
static int leave_wal(struct backend_conn *c, struct err *err) {
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(c->db, "PRAGMA journal_mode = DELETE", -1, &stmt, NULL);
    if (rc == SQLITE_OK) rc = sqlite3_step(stmt);
    const char *mode = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(stmt, 0) : "";
    int code = 0;
    if (rc != SQLITE_ROW)
        code = sqlite_error(c, rc, err, "leaving the WAL");
    else if (mode == NULL || strcmp(mode, "delete") != 0)
        code = err_set(err, ERR_BUSY, "%s: another program reads it", c->path);
    sqlite3_finalize(stmt);
    if (code == 0) c->w->place.database.path = NULL; /* the WAL is gone: nothing to look after */
    return code;
}

static int check_ours(struct backend_conn *c, struct err *err) {
    const struct store_state *before = &c->w->state.s;
    struct sqlite_state now;
    int rc = sqlite_read_state(c, &now, err);
    if (rc != 0 || (now.s.epoch == before->epoch && now.s.applied == before->applied &&
                    uuid_eq(&now.s.store_id, &before->store_id)))
        return rc;
    return err_set(err, ERR_REFUSED, "%s: another program has written to it", c->path);
}

int sqlite_finish_import(struct backend_conn *c, const struct store_state *state,
                         const struct timelines *timelines, struct err *err) {
    struct sqlite_writer *w = c->w;
    char sql[80];
    assert(w != NULL);
    int rc = sqlite_refresh(c, err);
    if (rc == 0) rc = sqlite_check_place(c, err);
    if (rc == 0) rc = leave_wal(c, err);
    if (rc != 0) return rc;
    struct store_state to = *state;
    to.epoch = MAX(state->epoch, w->state.s.epoch) + 1;
    to.applied = MAX(state->applied, w->state.s.applied) + 1;
    assert(to.next_sequence >= w->state.s.next_sequence);
    snprintf(sql, sizeof sql, "DELETE FROM named WHERE class = %d", NAMED_MIGRATION);
    rc = sqlite_begin_write(c, err);
    if (rc == 0) rc = check_ours(c, err);
    if (rc == 0) rc = replace_timelines(c, timelines, err);
    if (rc == 0) rc = sqlite_exec(c, sql, err);
    if (rc == 0) rc = set_store(c, &to, err);
    if (rc == 0) rc = sqlite_run(c, SQL_COMMIT, err);
    if (rc != 0) sqlite_rollback(c);
    return rc;
}
