/* The SQLite backend: connections, statements, errors, and the table of functions. The rest of it:
 *
 *   schema.c   the tables and every statement, as text
 *   open.c     creating, checking and migrating a file
 *   apply.c    batches of frames -> one transaction of rows
 *   changes.c  what an apply does beside adding events, coalesced
 *   write.c    ... and written (groups.c: groups)
 *   bulk.c     virtual tables to insert many rows from
 *   merge.c    the deferred (stream, version) index and the checkpoints
 *   idempotent.c  idempotent ids
 *   named.c    what has a name of its own: checkpoints, views
 *   purge.c    rows of what is gone, taken away in slices
 *   read.c     snapshots, single events, streams
 *   head.c     heads, entries by their id
 *   ids.c      a walk through all client-made ids
 *   scan.c     ranges of a stream or the log, with selectors (types.c, values.c)
 *   backup.c   consistent copies
 *   snapshot.c one state of a store, for who only looks at it
 *   verify.c   whether the tables agree (verify_events.c: rows of events, and what leads to them)
 *   timelines.c  which histories the store has been on, and how it was left
 *   place.c    whether the files are still those that were opened
 *
 * The file is in WAL mode and every commit of the writer is synced. Other programs may read and
 * even write it while we run: whoever holds the database makes us wait (ERR_BUSY, and the
 * caller tries again), never fail. Each connection is used by one thread at a time, so SQLite's
 * own mutexes are off. */
#include "store/sqlite/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/pace.h"

#define WRITER_CACHE_KB        "16384"
#define READER_CACHE_KB        "4096"
#define READER_BUSY_MS         5000
#define OPCODES_BETWEEN_PAUSES 200 /* 10 us or so */

/* --- errors and statements -------------------------------------------------- */

static int code_of(int rc) {
    switch (rc & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return ERR_BUSY;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return ERR_CORRUPT;
    case SQLITE_IOERR:
    case SQLITE_FULL:
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
        return ERR_IO;
    case SQLITE_NOMEM:
        abort();
    default:
        return ERR_FAILED;
    }
}

int sqlite_error(struct backend_conn *c, int rc, struct err *err, const char *what) {
    const char *words = c->db != NULL ? sqlite3_errmsg(c->db) : sqlite3_errstr(rc);
    if (c->w != NULL && (rc == SQLITE_FULL || rc == SQLITE_IOERR_WRITE)) c->w->no_room = true;
    return err_set(err, code_of(rc), "%s: %s: %s (%d)", c->path, what, words, rc);
}

int sqlite_prepare(struct backend_conn *c, enum sql first, struct err *err) {
    for (size_t i = first; i < SQL_COUNT; i++) {
        int rc = sqlite3_prepare_v3(c->db, sqlite_sql[i], -1, SQLITE_PREPARE_PERSISTENT,
                                    &c->stmts[i], NULL);
        if (rc != SQLITE_OK) return sqlite_error(c, rc, err, sqlite_sql[i]);
    }
    return 0;
}

int sqlite_step(struct backend_conn *c, sqlite3_stmt *stmt, struct err *err) {
    int rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW) return 1;
    if (rc == SQLITE_DONE) {
        sqlite3_reset(stmt);
        return 0;
    }
    int code = sqlite_error(c, rc, err, sqlite3_sql(stmt));
    sqlite3_reset(stmt);
    return code;
}

int sqlite_run(struct backend_conn *c, enum sql id, struct err *err) {
    int rc = sqlite_step(c, c->stmts[id], err);
    assert(rc <= 0);
    return rc;
}

int sqlite_begin_write(struct backend_conn *c, struct err *err) {
    c->w->gone = 0;
    return sqlite_run(c, SQL_BEGIN_WRITE, err);
}

int sqlite_exec(struct backend_conn *c, const char *sql, struct err *err) {
    int rc = sqlite3_exec(c->db, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? 0 : sqlite_error(c, rc, err, sql);
}

void sqlite_rollback(struct backend_conn *c) {
    for (size_t i = 0; i < SQL_COUNT; i++)
        if (c->stmts[i] != NULL) sqlite3_reset(c->stmts[i]);
    if (sqlite3_get_autocommit(c->db) == 0) sqlite3_exec(c->db, "ROLLBACK", NULL, NULL, NULL);
}

void sqlite_entry_digits(uint64_t v, char digits[SQLITE_ENTRY_DIGITS]) {
    char text[20];
    size_t n = u64_to_dec(v, text);
    memset(digits, '0', SQLITE_ENTRY_DIGITS);
    memcpy(digits + SQLITE_ENTRY_DIGITS - n, text, n);
}

int sqlite_bind_entry(sqlite3_stmt *stmt, int at, uint64_t v) {
    if (LIKELY(v <= INT64_MAX)) return sqlite_bind_u64(stmt, at, v);
    char digits[SQLITE_ENTRY_DIGITS];
    sqlite_entry_digits(v, digits);
    return sqlite3_bind_text(stmt, at, digits, sizeof digits, SQLITE_TRANSIENT);
}

uint64_t sqlite_column_entry(sqlite3_stmt *stmt, int at) {
    if (LIKELY(sqlite3_column_type(stmt, at) == SQLITE_INTEGER))
        return (uint64_t)sqlite3_column_int64(stmt, at);
    const char *digits = (const char *)sqlite3_column_text(stmt, at);
    uint64_t v = 0;
    if (digits == NULL || !str_to_u64(str_c(digits), &v)) return 0;
    return v;
}

static void column_uuid(sqlite3_stmt *stmt, int at, struct uuid *out) {
    memset(out, 0, sizeof *out);
    const void *p = sqlite3_column_blob(stmt, at);
    if (p != NULL && sqlite3_column_bytes(stmt, at) == (int)sizeof *out)
        memcpy(out, p, sizeof *out);
}

void sqlite_bind_ours(struct backend_conn *c, sqlite3_stmt *stmt) {
    const struct store_state *s = &c->w->state.s;
    sqlite_bind_u64(stmt, 1, s->epoch);
    sqlite_bind_u64(stmt, OURS_APPLIED, s->applied);
    sqlite3_bind_blob(stmt, OURS_STORE_ID, &s->store_id, sizeof s->store_id, SQLITE_STATIC);
}

int sqlite_read_state(struct backend_conn *c, struct sqlite_state *out, struct err *err) {
    sqlite3_stmt *stmt = c->stmts[SQL_STATE];
    int rc = sqlite_step(c, stmt, err);
    if (rc == 0) return err_set(err, ERR_CORRUPT, "%s: table store is empty", c->path);
    if (rc < 0) return rc;
    column_uuid(stmt, 0, &out->s.store_id);
    out->s.id_key = (uint64_t)sqlite3_column_int64(stmt, 1);
    out->s.epoch = (uint64_t)sqlite3_column_int64(stmt, 2);
    out->s.journal_open = sqlite3_column_int(stmt, 3) != 0;
    out->flushes = (uint64_t)sqlite3_column_int64(stmt, 4);
    out->s.applied = (uint64_t)sqlite3_column_int64(stmt, 5);
    out->indexed = (uint64_t)sqlite3_column_int64(stmt, 6);
    out->s.next_sequence = (uint64_t)sqlite3_column_int64(stmt, 7);
    out->s.next_stream = (uint64_t)sqlite3_column_int64(stmt, 8);
    out->s.stream_count = (uint64_t)sqlite3_column_int64(stmt, 9);
    out->s.recorded = (uint64_t)sqlite3_column_int64(stmt, 10);
    out->s.entry_ms = sqlite_column_entry(stmt, 11);
    out->s.entry_seq = sqlite_column_entry(stmt, 12);
    out->s.next_group = (uint64_t)sqlite3_column_int64(stmt, 13);
    out->renames = (uint64_t)sqlite3_column_int64(stmt, 14);
    out->s.run = (uint32_t)sqlite3_column_int64(stmt, 15);
    out->categorized = (uint64_t)sqlite3_column_int64(stmt, 16);
    out->removed = (uint64_t)sqlite3_column_int64(stmt, 17);
    out->removed_from = (uint64_t)sqlite3_column_int64(stmt, 18);
    sqlite3_reset(stmt);
    return 0;
}

/* --- opening and closing ------------------------------------------------------ */

/* Counting memory would take a lock of the whole process at every allocation. */
static void configure(void) {
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

int sqlite_open_db(sqlite3 **out, const char *path, int flags, struct err *err) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, configure);
    int rc =
        sqlite3_open_v2(path, out, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE, NULL);
    if (rc == SQLITE_OK) {
        sqlite3_extended_result_codes(*out, 1);
        return 0;
    }
    int code = code_of(rc);
    if (*out == NULL) return err_set(err, code, "%s: cannot open: %s", path, sqlite3_errstr(rc));
    int e = sqlite3_system_errno(*out);
    err_set(err, code, "%s: cannot open: %s%s%s", path, sqlite3_errmsg(*out), e != 0 ? ": " : "",
            e != 0 ? strerror(e) : "");
    sqlite3_close(*out);
    *out = NULL;
    return code;
}

/* SQLite's last close brings the WAL into the database and removes it, by its name: not when either
 * is another's by now. What was moved away has all of its WAL, see place.c. */
static void leave_files_alone(struct backend_conn *c) {
    struct err ignored;
    if (c->w->place.database.path == NULL) return; /* it was not opened whole */
    if (sqlite_check_place(c, &ignored) != 0)
        sqlite3_db_config(c->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
}

void sqlite_close_conn(struct backend_conn *c) {
    if (c->w != NULL && c->db != NULL) leave_files_alone(c);
    for (size_t i = 0; i < SQL_COUNT; i++) sqlite3_finalize(c->stmts[i]);
    if (c->db != NULL) {
        int rc = sqlite3_close(c->db);
        assert(rc == SQLITE_OK);
    }
    if (c->w != NULL) {
        index_tail_destroy(c->w->index_tail);
        sqlite_place_free(&c->w->place);
        sqlite_apply_free(c->w);
        free(c->w);
    }
    if (c->r != NULL) sqlite_reader_free(c->r);
    free(c->path);
    free(c);
}

static int log_written(void *arg, sqlite3 *db, const char *name, int pages) {
    UNUSED(db);
    UNUSED(name);
    struct sqlite_writer *w = arg;
    w->log_pages = pages;
    if (pages < w->log_copied) w->log_copied = 0; /* it began anew */
    return SQLITE_OK;
}

/* Raises the epoch in the transaction that reads the state. */
static int take_over(struct backend_conn *c, struct err *err) {
    int rc = sqlite_begin_write(c, err);
    if (rc == 0) rc = sqlite_exec(c, "UPDATE store SET epoch = epoch + 1", err);
    if (rc == 0) rc = sqlite_read_state(c, &c->w->state, err);
    if (rc == 0) rc = sqlite_run(c, SQL_COMMIT, err);
    if (rc != 0) sqlite_rollback(c);
    return rc;
}

static int give_way(void *unused) {
    UNUSED(unused);
    pace_point();
    return 0;
}

/* A new database is its owner's alone; SQLite gives its WAL and index the same rights. Who may read
 * one that is there already is for the operator to say. */
static void keep_private(const char *path) {
    struct stat file, dir;
    if (stat(path, &file) != 0) {
        int fd = errno == ENOENT ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;
        if (fd >= 0) close(fd); /* or SQLite will say why it cannot be */
        return;
    }
    char *copy = xstrdup(path);
    if ((file.st_mode & S_IROTH) != 0 && stat(dirname(copy), &dir) == 0 &&
        (dir.st_mode & S_IXOTH) != 0)
        log_warning("%s: every user of this machine can read it (mode %04o). It is left as it is; "
                    "new stores are their owner's alone (0600)",
                    path, (unsigned)(file.st_mode & 07777));
    free(copy);
}

static int open_writer(struct backend_conn **out, const char *path, struct err *err) {
    *out = NULL;
    int rc = sqlite_check_path(path, err);
    if (rc != 0) return rc;
    struct backend_conn *c = xcalloc(1, sizeof *c);
    c->path = xstrdup(path);
    c->writer = c;
    c->w = xcalloc(1, sizeof *c->w);
    c->w->index_tail = index_tail_create();
    c->w->purge_wanted = c->w->moved_wanted = true; /* what an earlier server left */
    buf_init(&c->w->json, 0);
    buf_init(&c->w->idempotent.walk_producer, 0);
    c->w->types = xcalloc(TYPE_SLOTS, sizeof *c->w->types);
    c->w->blocks = xcalloc(TYPE_BLOCK_SLOTS, sizeof *c->w->blocks);
    c->w->categories = sqlite_categories_create();
    keep_private(path);
    rc = sqlite_open_db(&c->db, path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, err);
    if (rc != 0) goto fail;
    sqlite3_busy_timeout(c->db, SQLITE_WRITER_BUSY_MS);
    if ((rc = sqlite_check_wal(c, err)) != 0) goto fail;
    if ((rc = sqlite_migrate(c, err)) != 0) goto fail;
    rc = sqlite_exec(c,
                     "PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0;"
                     "PRAGMA journal_size_limit = 67108864; PRAGMA temp_store = MEMORY;"
                     "PRAGMA secure_delete = ON;"
                     "PRAGMA cache_size = -" WRITER_CACHE_KB,
                     err);
    if (rc != 0) goto fail;
    sqlite3_progress_handler(c->db, OPCODES_BETWEEN_PAUSES, give_way, NULL);
    sqlite3_wal_hook(c->db, log_written, c->w);
    if ((rc = sqlite_bulk_register(c, err)) != 0) goto fail;
    if ((rc = sqlite_prepare(c, 0, err)) != 0) goto fail;
    if ((rc = take_over(c, err)) != 0) goto fail;
    if ((rc = sqlite_place_take(c, err)) != 0) goto fail;
    if ((rc = sqlite_index_rebuild(c, err)) != 0) goto fail;
    *out = c;
    return 0;
fail:
    sqlite_close_conn(c);
    return rc;
}

static int open_reader(struct backend_conn **out, struct backend_conn *writer, struct err *err) {
    assert(writer->w != NULL);
    *out = NULL;
    struct backend_conn *c = xcalloc(1, sizeof *c);
    c->path = xstrdup(writer->path);
    c->writer = writer;
    c->r = sqlite_reader_create();
    int rc = sqlite_open_db(&c->db, c->path, SQLITE_OPEN_READWRITE, err);
    if (rc == 0) {
        sqlite3_busy_timeout(c->db, READER_BUSY_MS);
        rc = sqlite_exec(c,
                         "PRAGMA query_only = 1; PRAGMA wal_autocheckpoint = 0;"
                         "PRAGMA temp_store = MEMORY; PRAGMA cache_size = -" READER_CACHE_KB,
                         err);
    }
    if (rc == 0) rc = sqlite_prepare(c, SQL_WRITER_END, err);
    if (rc != 0) {
        sqlite_close_conn(c);
        return rc;
    }
    *out = c;
    return 0;
}

/* --- what the writer says of itself --------------------------------------------- */

int sqlite_refresh(struct backend_conn *c, struct err *err) {
    assert(c->w != NULL);
    const struct sqlite_place *place = &c->w->place;
    if (atomic_load(&place->replaced)) return err_set(err, ERR_LOST, "%s", place->why);
    if (!c->w->stale) return 0;
    struct sqlite_state state;
    int rc = sqlite_read_state(c, &state, err);
    if (rc != 0) return rc;
    /* The transaction that failed may have been committed. */
    const struct store_state *before = &c->w->state.s;
    if (state.s.epoch != before->epoch || state.s.applied < before->applied ||
        !uuid_eq(&state.s.store_id, &before->store_id))
        return sqlite_replaced(c, err);
    c->w->state = state;
    c->w->stale = false;
    return 0;
}

static int load_state(struct backend_conn *c, struct store_state *out, struct err *err) {
    int rc = sqlite_refresh(c, err);
    if (rc != 0) return rc;
    *out = c->w->state.s;
    sqlite3_stmt *stmt = c->stmts[SQL_DEADLINE];
    sqlite_bind_u64(stmt, 1, 0);
    if ((rc = sqlite_step(c, stmt, err)) < 0) return rc;
    out->next_deadline = rc == 1 ? (uint64_t)sqlite3_column_int64(stmt, 0) : 0;
    out->expiring_count = rc == 1 ? (uint64_t)sqlite3_column_int64(stmt, 1) : 0;
    sqlite3_reset(stmt);
    stmt = c->stmts[SQL_VIRTUAL_GROUPS];
    if ((rc = sqlite_step(c, stmt, err)) < 0) return rc;
    out->virtual_groups = rc == 1 ? (uint64_t)sqlite3_column_int64(stmt, 0) : 0;
    sqlite3_reset(stmt);
    return sqlite_read_left(c, &out->left, err);
}

static int set_run(struct backend_conn *c, uint32_t run, struct err *err) {
    assert(c->w != NULL);
    sqlite3_stmt *stmt = c->stmts[SQL_SET_RUN];
    sqlite_bind_ours(c, stmt);
    sqlite_bind_u64(stmt, 2, run);
    int rc = sqlite_step(c, stmt, err);
    if (rc != 0) return rc;
    if (sqlite3_changes(c->db) == 0) return sqlite_replaced(c, err);
    c->w->state.s.run = run;
    return 0;
}

/* An update that changes nothing writes nothing: the epoch is what may change at any time. */
static int probe(struct backend_conn *c, struct err *err) {
    assert(c->w != NULL);
    int rc = sqlite_refresh(c, err);
    if (rc == 0) rc = sqlite_check_place(c, err);
    if (rc != 0) return rc;
    sqlite3_stmt *stmt = c->stmts[SQL_RAISE_EPOCH];
    sqlite_bind_ours(c, stmt);
    rc = sqlite_step(c, stmt, err);
    if (rc != 0) return rc;
    if (sqlite3_changes(c->db) == 0) return sqlite_replaced(c, err);
    c->w->state.s.epoch++;
    return 0;
}

static void stats(struct backend_conn *c, struct backend_stats *out) {
    assert(c->w != NULL);
    out->index_tail = index_tail_count(c->w->index_tail);
    out->indexed = atomic_load(&c->w->stat_indexed);
    out->database_bytes = atomic_load(&c->w->stat_database_bytes);
    out->log_bytes = atomic_load(&c->w->stat_log_bytes);
}

const struct backend backend_sqlite = {
    .scheme = "sqlite",
    .durable = true,
    .check_path = sqlite_check_path,
    .open_writer = open_writer,
    .open_reader = open_reader,
    .close = sqlite_close_conn,
    .load_state = load_state,
    .load_timelines = sqlite_load_timelines,
    .set_left = sqlite_set_left,
    .probe = probe,
    .check = sqlite_check_place,
    .set_run = set_run,
    .adopt = sqlite_adopt,
    .apply = sqlite_apply,
    .maintain = sqlite_maintain,
    .stats = stats,
    .read_head = sqlite_read_head,
    .read_events = sqlite_read_events,
    .read_id = sqlite_read_id,
    .find_entry = sqlite_find_entry,
    .list_expiring = sqlite_list_expiring,
    .list_reserved = sqlite_list_reserved,
    .list_ids = sqlite_list_ids,
    .list_streams = sqlite_list_streams,
    .count_groups = sqlite_count_groups,
    .count_streams = sqlite_count_streams,
    .read_named = sqlite_read_named,
    .list_named = sqlite_list_named,
    .backup = sqlite_backup,
    .open_snapshot = sqlite_open_snapshot,
    .list_versions = sqlite_list_versions,
    .verify = sqlite_verify,
    .finish_import = sqlite_finish_import,
};
