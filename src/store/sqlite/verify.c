/* Whether the tables agree with each other. SQLite's own check first (pages, and the indexes that
 * it keeps), then what hangs in the air: rows that nothing leads to. The rows of events, which may
 * be many, and their indexes: verify_events.c. */
#include "store/sqlite/internal.h"

#define OPCODES_BETWEEN_LOOKS 100000
#define INTEGRITY_MAX         "1000" /* complaints of SQLite's check */

/* --- SQLite's check --------------------------------------------------------------------- */

static int look_around(void *arg) {
    struct verify *v = arg;
    return !v->progress("pages", 0, 0, v->arg);
}

static int check_pages(struct backend_conn *c, struct verify *v, struct err *err) {
    sqlite3_stmt *row = NULL;
    sqlite3_progress_handler(c->db, OPCODES_BETWEEN_LOOKS, look_around, v);
    int rc = sqlite3_prepare_v2(c->db, "PRAGMA integrity_check(" INTEGRITY_MAX ")", -1, &row, NULL);
    int code = rc == SQLITE_OK ? 0 : sqlite_error(c, rc, err, "integrity_check");
    while (code == 0 && (code = sqlite_step(c, row, err)) == 1) {
        const char *text = (const char *)sqlite3_column_text(row, 0);
        if (text != NULL && strcmp(text, "ok") != 0) verify_damage(v, "page", "SQLite: %s", text);
        code = 0;
    }
    sqlite3_finalize(row);
    sqlite3_progress_handler(c->db, 0, NULL, NULL);
    return code;
}

/* --- what hangs in the air -------------------------------------------------------------- */

#define NO_STREAM(column)                                                                          \
    "NOT EXISTS (SELECT 1 FROM streams s WHERE s.number = " column ")"                             \
    " AND NOT EXISTS (SELECT 1 FROM deleted_streams d WHERE d.number = " column ")"
#define NO_GROUP(column)                                                                           \
    "NOT EXISTS (SELECT 1 FROM groups g WHERE g.number = " column ")"                              \
    " AND NOT EXISTS (SELECT 1 FROM dropped_groups d WHERE d.number = " column ")"

/* Each row of the answer is a damage, in words. */
static const struct {
    const char *kind, *sql;
} checks[] = {
    {"hole-stray",
     "SELECT printf('holes: versions %d to %d of stream %d, which is not there', first,"
     " last, stream) FROM holes h WHERE " NO_STREAM("h.stream")},
    {"hole-order", "SELECT printf('holes: versions %d to %d of stream %d are no range, or touch the"
                   " one before', first, last, stream) FROM (SELECT stream, first, last,"
                   " lag(last) OVER (PARTITION BY stream ORDER BY first) AS before FROM holes)"
                   " WHERE first > last OR first <= before + 1"},
    {"string-stray", "SELECT printf('strings: a value of %d, which is no string', stream)"
                     " FROM strings v WHERE NOT EXISTS (SELECT 1 FROM streams s"
                     "  WHERE s.number = v.stream AND s.is_string = 1)"},
    {"string-missing", "SELECT printf('strings: %d (%s) has no value', number, name) FROM streams s"
                       " WHERE s.is_string = 1 AND NOT EXISTS (SELECT 1 FROM strings v"
                       "  WHERE v.stream = s.number)"},
    {"group-stray",
     "SELECT printf('groups: %d (%s) of stream %d, which is not there', number, name,"
     " stream) FROM groups k WHERE " NO_STREAM("k.stream")},
    {"consumer-stray", "SELECT printf('consumers: %d (%s) of group %d, which is not there', number,"
                       " name, grp) FROM consumers k WHERE " NO_GROUP("k.grp")},
    {"pending-stray", "SELECT printf('pending: entry %s-%s of group %d, which is not there',"
                      " entry_ms, entry_seq, grp) FROM pending k WHERE " NO_GROUP("k.grp")},
    {"idempotent-stray", "SELECT printf('idempotent: an id of stream %d, which is not there',"
                         " stream) FROM idempotent k WHERE " NO_STREAM("k.stream")},
    {"stream-twice", "SELECT printf('stream %d is there, and is deleted', number) FROM streams s"
                     " WHERE EXISTS (SELECT 1 FROM deleted_streams d WHERE d.number = s.number)"},
    {"group-twice", "SELECT printf('group %d is there, and is dropped', number) FROM groups g"
                    " WHERE EXISTS (SELECT 1 FROM dropped_groups d WHERE d.number = g.number)"},
    {"type-block-stray",
     "SELECT printf('type_blocks: block %d of type %d, which is not there', block,"
     " type) FROM type_blocks b WHERE NOT EXISTS (SELECT 1 FROM types t"
     "  WHERE t.number = b.type)"},
    {"type-block-stray",
     "SELECT printf('type_blocks: block %d of type %d is beyond the end', block,"
     " type) FROM type_blocks, store WHERE block << 10 >= next_sequence"},
    {"category-block-stray",
     "SELECT printf('category_blocks: %lld is beyond the end', key) FROM category_blocks, store"
     " WHERE ((key >> 32 << 8) + (key & 255)) << 10 >= next_sequence"},
};

static int check_rows(struct backend_conn *c, struct verify *v, const char *kind, const char *sql,
                      struct err *err) {
    sqlite3_stmt *row = NULL;
    int rc = sqlite3_prepare_v2(c->db, sql, -1, &row, NULL);
    int code = rc == SQLITE_OK ? 0 : sqlite_error(c, rc, err, sql);
    while (code == 0 && (code = sqlite_step(c, row, err)) == 1) {
        verify_damage(v, kind, "%s", (const char *)sqlite3_column_text(row, 0));
        code = 0;
    }
    sqlite3_finalize(row);
    return code;
}

/* A page that cannot be read ends the step that met it, and no other. */
static int unless_corrupt(int rc, struct verify *v, const struct err *err) {
    if (rc != ERR_CORRUPT) return rc;
    verify_damage(v, "unreadable", "%s", err->text);
    return 0;
}

int sqlite_verify(struct backend_conn *c, struct verify *v, struct err *err) {
    assert(c->pinned);
    int rc = unless_corrupt(check_pages(c, v, err), v, err);
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(checks); i++) {
        if (!v->progress("rows of tables", i, ARRAY_LEN(checks), v->arg))
            return err_set(err, ERR_FAILED, "stopped");
        rc = unless_corrupt(check_rows(c, v, checks[i].kind, checks[i].sql, err), v, err);
    }
    return rc == 0 ? unless_corrupt(sqlite_verify_events(c, v, err), v, err) : rc;
}
