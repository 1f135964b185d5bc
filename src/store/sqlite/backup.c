/* A consistent copy of the store while it is in use.
 *
 * The copy is made inside one read transaction of a reader, so the applier's commits neither
 * disturb nor restart it (the WAL cannot be emptied meanwhile: it grows by what is written
 * during the backup). The copy becomes a store of its own (a new id, no journal) and is checked.
 * Which file that is, and what becomes of it, is up to the caller (store/backup.c). */
#include "store/sqlite/internal.h"

#include <pthread.h>
#include <string.h>

#define STEP_PAGES  256
#define CHECK_STEPS 1000 /* of SQLite's, between two questions whether the check goes on */

/* Who is told how far a backup is, and says whether it goes on. */
struct watch {
    backup_progress_fn *progress; /* or NULL */
    void *arg;
    uint64_t total; /* pages; from the end of the copying on */
    bool stopped;
};

static bool goes_on(struct watch *w, uint64_t done, uint64_t total) {
    w->total = total;
    if (!w->stopped && w->progress != NULL && !w->progress(done, total, w->arg)) w->stopped = true;
    return !w->stopped;
}

/* SQLite's progress handler: nonzero interrupts. */
static int all_is_copied(void *arg) {
    struct watch *w = arg;
    return !goes_on(w, w->total, w->total);
}

static int copy_pages(struct backend_conn *r, sqlite3 *to, struct watch *watch, struct err *err) {
    sqlite3_backup *b = sqlite3_backup_init(to, "main", r->db, "main");
    if (b == NULL) return err_set(err, ERR_FAILED, "backup: %s", sqlite3_errmsg(to));
    int rc = SQLITE_OK;
    bool go_on = true;
    while (rc == SQLITE_OK && go_on) {
        rc = sqlite3_backup_step(b, STEP_PAGES);
        uint64_t total = (uint64_t)sqlite3_backup_pagecount(b);
        go_on = goes_on(watch, total - (uint64_t)sqlite3_backup_remaining(b), total);
    }
    sqlite3_backup_finish(b);
    if (!go_on) return err_set(err, ERR_FAILED, "backup: stopped");
    if (rc == SQLITE_DONE) return 0;
    int code = (rc & 0xff) == SQLITE_BUSY || (rc & 0xff) == SQLITE_LOCKED ? ERR_BUSY : ERR_IO;
    return err_set(err, code, "backup: %s: %s", sqlite3_errstr(rc), sqlite3_errmsg(to));
}

static int exec(sqlite3 *db, const char *sql, struct err *err) {
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK) return 0;
    return err_set(err, ERR_IO, "backup: %s", sqlite3_errmsg(db));
}

/* The copy's header says, as the store's does, that there is a WAL: from now on it says that there
 * is none. Done here and not with PRAGMA journal_mode, which would open one first. The change
 * counter tells the cache that the file was written to. */
static int leave_wal(sqlite3 *db, struct err *err) {
    enum { WRITE_VERSION = 18, READ_VERSION = 19, CHANGE_COUNTER_END = 27, BYTES };
    unsigned char head[BYTES];
    sqlite3_file *f = NULL;
    int rc = sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &f);
    if (rc == SQLITE_OK) rc = f->pMethods->xRead(f, head, BYTES, 0);
    if (rc == SQLITE_OK) {
        head[WRITE_VERSION] = head[READ_VERSION] = 1;
        head[CHANGE_COUNTER_END]++;
        rc = f->pMethods->xWrite(f, head, BYTES, 0);
    }
    return rc == SQLITE_OK ? 0 : err_set(err, ERR_IO, "backup: %s", sqlite3_errstr(rc));
}

/* Makes the copy a store of its own, which is not told from other copies of it before a server runs
 * on it: then its timeline begins. */
static int settle(sqlite3 *db, struct err *err) {
    struct uuid id;
    uuid_v4(&id);
    char sql[160];
    size_t n = (size_t)snprintf(sql, sizeof sql,
                                "UPDATE store SET journal_open = 0, left_as = 'backup',"
                                " store_id = x'");
    for (size_t i = 0; i < sizeof id.b; i++)
        n += (size_t)snprintf(sql + n, sizeof sql - n, "%02x", id.b[i]);
    snprintf(sql + n, sizeof sql - n, "'");
    int rc = leave_wal(db, err);
    return rc == 0 ? exec(db, sql, err) : rc;
}

/* Reads all of the copy, which takes about as long as the copying did. */
static int verify(sqlite3 *db, struct watch *watch, struct err *err) {
    sqlite3_stmt *stmt = NULL;
    sqlite3_progress_handler(db, CHECK_STEPS, all_is_copied, watch);
    int rc = sqlite3_prepare_v2(db, "PRAGMA quick_check(1)", -1, &stmt, NULL);
    if (rc == SQLITE_OK) rc = sqlite3_step(stmt);
    const char *words = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(stmt, 0) : NULL;
    int code = 0;
    if (watch->stopped)
        code = err_set(err, ERR_FAILED, "backup: stopped");
    else if (words == NULL)
        code = err_set(err, ERR_IO, "backup: check: %s", sqlite3_errmsg(db));
    else if (strcmp(words, "ok") != 0)
        code = err_set(err, ERR_CORRUPT, "backup: the copy is damaged: %s", words);
    sqlite3_finalize(stmt);
    return code;
}

/* SQLite's own files, but of the copy no other than the copy. Others may be able to write to the
 * directory. What they put beside it (a -journal, a -wal) is nothing to us: SQLite would play it
 * back into the copy, and remove the file that it names, wherever that is. And paths are taken as
 * they are: the caller's leads through an open directory (/proc/self/fd/N/...), and resolved to a
 * text it could lead elsewhere by the time that it is opened. */
static sqlite3_vfs alone;
static sqlite3_vfs *files;

static int same_path(sqlite3_vfs *vfs, const char *path, int room, char *out) {
    UNUSED(vfs);
    if (strlen(path) >= (size_t)room) return SQLITE_CANTOPEN;
    strcpy(out, path);
    return SQLITE_OK;
}

static int open_alone(sqlite3_vfs *vfs, const char *path, sqlite3_file *file, int flags, int *got) {
    UNUSED(vfs);
    file->pMethods = NULL;
    if ((flags & SQLITE_OPEN_MAIN_DB) == 0) return SQLITE_CANTOPEN;
    return files->xOpen(files, path, file, flags, got);
}

static int remove_nothing(sqlite3_vfs *vfs, const char *path, int sync_dir) {
    UNUSED(vfs);
    UNUSED(path);
    UNUSED(sync_dir);
    return SQLITE_IOERR_DELETE;
}

static int see_nothing(sqlite3_vfs *vfs, const char *path, int flags, int *is_there) {
    UNUSED(vfs);
    UNUSED(path);
    UNUSED(flags);
    *is_there = 0;
    return SQLITE_OK;
}

static void make_vfs(void) {
    files = sqlite3_vfs_find(NULL);
    alone = *files;
    alone.zName = "alone";
    alone.xFullPathname = same_path;
    alone.xOpen = open_alone;
    alone.xDelete = remove_nothing;
    alone.xAccess = see_nothing;
    sqlite3_vfs_register(&alone, 0);
}

static int open_copy(sqlite3 **out, const char *path, struct err *err) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_vfs);
    int flags =
        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE;
    int rc = sqlite3_open_v2(path, out, flags, alone.zName);
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
    struct watch watch = {.progress = progress, .arg = arg};
    assert(r->r != NULL);
    int rc = open_copy(&db, path, err);
    if (rc != 0) return rc;
    /* Nothing of an unfinished copy is ever used, so nothing need be synced or undone. */
    rc = exec(db,
              "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA temp_store = MEMORY;"
              "PRAGMA cache_size = -1024",
              err);
    if (rc == 0 && (rc = sqlite_snapshot_begin(r, false, &s, err)) == 0) {
        rc = copy_pages(r, db, &watch, err);
        sqlite_snapshot_end(r, &s);
    }
    if (rc == 0) rc = settle(db, err);
    if (rc == 0) rc = verify(db, &watch, err);
    sqlite3_close(db);
    return rc;
}
