/* A consistent copy of the store while it is in use.
 *
 * The copy is made inside one read transaction of a reader, so the applier's commits neither
 * disturb nor restart it (the WAL cannot be emptied meanwhile: it grows by what is written
 * during the backup). It goes to a temporary file beside the target, becomes a store of its
 * own there (a new id, no journal), is checked, synced, and renamed. */
#include "store/sqlite/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/alloc.h"

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

static int sync_path(const char *path, int flags, struct err *err) {
    int fd = open(path, flags | O_CLOEXEC);
    if (fd < 0) return err_errno(err, "backup: open %s", path);
    int rc = fsync(fd) == 0 ? 0 : err_errno(err, "backup: sync %s", path);
    close(fd);
    return rc;
}

/* Never over an existing file, where the file system can promise that. */
static int publish(const char *from, const char *to, struct err *err) {
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) != 0) {
        if (errno == EEXIST) return err_set(err, ERR_REFUSED, "backup: %s exists already", to);
        if (errno != EINVAL && errno != ENOSYS) return err_errno(err, "backup: rename to %s", to);
        if (access(to, F_OK) == 0)
            return err_set(err, ERR_REFUSED, "backup: %s exists already", to);
        if (rename(from, to) != 0) return err_errno(err, "backup: rename to %s", to);
    }
    char *dir = xstrdup(to);
    char *slash = strrchr(dir, '/');
    if (slash != NULL) slash[slash == dir] = '\0';
    int rc = sync_path(slash != NULL ? dir : ".", O_RDONLY | O_DIRECTORY, err);
    free(dir);
    return rc;
}

static int copy_to(struct backend_conn *r, const char *path, backup_progress_fn *progress,
                   void *arg, struct err *err) {
    sqlite3 *db = NULL;
    struct snapshot s;
    int rc = sqlite_open_db(&db, path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, err);
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
    return rc == 0 ? sync_path(path, O_RDWR, err) : rc;
}

int sqlite_backup(struct backend_conn *r, const char *path, backup_progress_fn *progress, void *arg,
                  struct err *err) {
    static const char *const leftovers[] = {"", "-journal", "-wal", "-shm"};
    assert(r->r != NULL);
    if (path[0] == '\0') return err_set(err, ERR_REFUSED, "backup: the path is empty");
    if (access(path, F_OK) == 0)
        return err_set(err, ERR_REFUSED, "backup: %s exists already", path);
    size_t n = strlen(path) + 64;
    char *temporary = xmalloc(n), *name = xmalloc(n);
    snprintf(temporary, n, "%s.part-%016llx", path, (unsigned long long)random_u64());
    int rc = copy_to(r, temporary, progress, arg, err);
    if (rc == 0) rc = publish(temporary, path, err);
    for (size_t i = 0; i < ARRAY_LEN(leftovers); i++) {
        snprintf(name, n, "%s%s", temporary, leftovers[i]);
        unlink(name);
    }
    free(temporary);
    free(name);
    return rc;
}
