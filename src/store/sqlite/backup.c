/* A consistent copy of the store while it is in use.
 *
 * The copy is made inside one read transaction of a reader, so the applier's commits neither
 * disturb nor restart it (the WAL cannot be emptied meanwhile: it grows by what is written
 * during the backup). The copy becomes a store of its own (a new id, no journal) and is checked.
 * Which file that is, and what becomes of it, is up to the caller (store/backup.c). */
#include "store/sqlite/internal.h"

#include <pthread.h>
#include <string.h>

#define STEP_PAGES 256

static int copy_pages(struct backend_conn *r, sqlite3 *to, backup_progress_fn *progress, void *arg,
                      struct err *err) {
    sqlite3_backup *b = sqlite3_backup_init(to, "main", r->db, "main");
    if (b == NULL) return err_set(err, ERR_FAILED, "backup: %s", sqlite3_errmsg(to));
    int rc = SQLITE_OK;
    bool go_on = true;
    while (rc == SQLITE_OK && go_on) {
        rc = sqlite3_backup_step(b, STEP_PAGES);
        uint64_t total = (uint64_t)sqlite3_backup_pagecount(b);
        uint64_t left = (uint64_t)sqlite3_backup_remaining(b);
        if (progress != NULL && !progress(total - left, total, arg)) go_on = false;
    }
    sqlite3_backup_finish(b);
    if (rc == SQLITE_DONE) return 0;
    if (rc == SQLITE_OK) return err_set(err, ERR_FAILED, "backup: stopped");
    int code = (rc & 0xff) == SQLITE_BUSY || (rc & 0xff) == SQLITE_LOCKED ? ERR_BUSY : ERR_IO;
    return err_set(err, code, "backup: %s: %s", sqlite3_errstr(rc), sqlite3_errmsg(to));
}

static int exec(sqlite3 *db, const char *sql, struct err *err) {
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK) return 0;
    return err_set(err, ERR_IO, "backup: %s", sqlite3_errmsg(db));
}

/* Makes the copy a store of its own. */
static int settle(sqlite3 *db, struct err *err) {
    struct uuid id;
    uuid_v4(&id);
    char sql[128];
    size_t n =
        (size_t)snprintf(sql, sizeof sql, "UPDATE store SET journal_open = 0, store_id = x'");
    for (size_t i = 0; i < sizeof id.b; i++)
        n += (size_t)snprintf(sql + n, sizeof sql - n, "%02x", id.b[i]);
    snprintf(sql + n, sizeof sql - n, "'");
    int rc = exec(db, "PRAGMA journal_mode = DELETE", err);
    return rc == 0 ? exec(db, sql, err) : rc;
}

static int verify(sqlite3 *db, struct err *err) {
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(db, "PRAGMA quick_check(1)", -1, &stmt, NULL);
    if (rc == SQLITE_OK) rc = sqlite3_step(stmt);
    const char *words = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(stmt, 0) : NULL;
    int code = 0;
    if (words == NULL)
        code = err_set(err, ERR_IO, "backup: check: %s", sqlite3_errmsg(db));
    else if (strcmp(words, "ok") != 0)
        code = err_set(err, ERR_CORRUPT, "backup: the copy is damaged: %s", words);
    sqlite3_finalize(stmt);
    return code;
}

/* SQLite's own files, with paths taken as they are: the caller's leads through an open directory
 * (/proc/self/fd/N/...), and resolved to a text it could lead elsewhere by the time that it is
 * opened. */
static sqlite3_vfs as_it_is;

static int same_path(sqlite3_vfs *vfs, const char *path, int room, char *out) {
    UNUSED(vfs);
    if (strlen(path) >= (size_t)room) return SQLITE_CANTOPEN;
    strcpy(out, path);
    return SQLITE_OK;
}

static void make_vfs(void) {
    as_it_is = *sqlite3_vfs_find(NULL);
    as_it_is.zName = "as-it-is";
    as_it_is.xFullPathname = same_path;
    sqlite3_vfs_register(&as_it_is, 0);
}

static int open_copy(sqlite3 **out, const char *path, struct err *err) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_vfs);
    int flags =
        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE;
    int rc = sqlite3_open_v2(path, out, flags, as_it_is.zName);
    if (rc == SQLITE_OK) return 0;
    int e = *out != NULL ? sqlite3_system_errno(*out) : 0;
    err_set(err, ERR_IO, "backup: cannot open the copy: %s%s%s", sqlite3_errstr(rc),
            e != 0 ? ": " : "", e != 0 ? strerror(e) : "");
    sqlite3_close(*out);
    *out = NULL;
    return ERR_IO;
}

int sqlite_backup(struct backend_conn *r, const char *path, backup_progress_fn *progress, void *arg,
                  struct err *err) {
    sqlite3 *db = NULL;
    struct snapshot s;
    assert(r->r != NULL);
    int rc = open_copy(&db, path, err);
    if (rc != 0) return rc;
    /* Nothing of an unfinished copy is ever used, so nothing need be synced or undone. */
    rc = exec(db, "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -1024",
              err);
    if (rc == 0 && (rc = sqlite_snapshot_begin(r, false, &s, err)) == 0) {
        rc = copy_pages(r, db, progress, arg, err);
        sqlite_snapshot_end(r, &s);
    }
    if (rc == 0) rc = settle(db, err);
    if (rc == 0) rc = verify(db, err);
    sqlite3_close(db);
    return rc;
}
