/* One state of a store, for who only looks at it, beside a server or without one: a connection that
 * may only read, in one read transaction from its beginning to its end. A WAL that a crash has left
 * is read and stays as it is; of a store that is closed SQLite makes an empty one beside it.
 *
 * What a server keeps in memory, the index tail, is read from the rows. So there is a struct
 * sqlite_writer, which nothing is written with. */
#include "store/sqlite/internal.h"

#include <errno.h>
#include <sys/stat.h>

#include "base/alloc.h"

#define SNAPSHOT_CACHE_KB "16384"
#define SNAPSHOT_BUSY_MS  5000 /* another start recovers the WAL */

static int check_version(struct backend_conn *c, struct err *err) {
    int64_t version = 0;
    int rc = sqlite_check_schema(c, &version, err);
    if (rc != 0 || version == SCHEMA_VERSION) return rc;
    if (version == 0) return err_set(err, ERR_REFUSED, "%s: there is no store in it", c->path);
    return err_set(err, ERR_REFUSED,
                   "%s: the store has schema version %lld, and version %d is needed: start this "
                   "version's server on it once (or cairn-server --apply-only), which migrates it",
                   c->path, (long long)version, SCHEMA_VERSION);
}

/* BEGIN alone takes no snapshot: the first read does. */
static int pin(struct backend_conn *c, struct err *err) {
    int rc = sqlite_run(c, SQL_BEGIN_READ, err);
    if (rc == 0) rc = sqlite_read_state(c, &c->w->state, err);
    return rc;
}

int sqlite_open_snapshot(struct backend_conn **out, const char *path, struct err *err) {
    struct stat st;
    *out = NULL;
    int rc = sqlite_check_path(path, err);
    if (rc != 0) return rc;
    if (stat(path, &st) != 0)
        return err_set(err, ERR_REFUSED, "%s: cannot open: %s", path, strerror(errno));
    struct backend_conn *c = xcalloc(1, sizeof *c);
    c->path = xstrdup(path);
    c->writer = c;
    c->pinned = true;
    c->w = xcalloc(1, sizeof *c->w);
    c->w->index_tail = index_tail_create();
    c->r = sqlite_reader_create();
    rc = sqlite_open_db(&c->db, path, SQLITE_OPEN_READONLY, err);
    if (rc == 0) {
        sqlite3_busy_timeout(c->db, SNAPSHOT_BUSY_MS);
        rc = sqlite_exec(c, "PRAGMA temp_store = MEMORY; PRAGMA cache_size = -" SNAPSHOT_CACHE_KB,
                         err);
    }
    if (rc == 0) rc = check_version(c, err);
    if (rc == 0) rc = sqlite_prepare(c, SQL_WRITER_END, err);
    if (rc == 0) rc = pin(c, err);
    if (rc == 0) rc = sqlite_index_rebuild(c, err);
    if (rc != 0) {
        sqlite_close_conn(c);
        return rc;
    }
    *out = c;
    return 0;
}

/* --- versions ---------------------------------------------------------------------- */

static void add_version(struct version_list *l, uint64_t version, uint64_t sequence) {
    if (l->count == l->cap) {
        l->cap = l->cap * 2 + 64;
        l->items = xrealloc(l->items, l->cap * sizeof *l->items);
    }
    l->items[l->count++] = (struct version_place){version, sequence};
}

/* Of the table, which may have some of the tail as well, by half a merge. */
static int add_indexed(struct backend_conn *c, uint64_t stream, uint64_t from, size_t count_max,
                       struct version_list *out, struct err *err) {
    sqlite3_stmt *stmt = c->stmts[SQL_INDEX_FORWARD];
    int rc = 1;
    sqlite_bind_u64(stmt, 1, index_key(stream, from));
    sqlite_bind_u64(stmt, 2, index_key(stream, INDEX_VERSION_MAX));
    while (out->count < count_max && (rc = sqlite_step(c, stmt, err)) == 1) {
        uint64_t sequence = (uint64_t)sqlite3_column_int64(stmt, 1);
        if (sequence >= c->w->state.indexed) continue;
        add_version(out, (uint64_t)sqlite3_column_int64(stmt, 0) & INDEX_VERSION_MAX, sequence);
    }
    sqlite3_reset(stmt);
    return MIN(rc, 0);
}

int sqlite_list_versions(struct backend_conn *c, uint64_t stream, uint64_t from, size_t count_max,
                         struct version_list *out, struct err *err) {
    struct index_view view;
    assert(c->pinned);
    out->count = 0;
    out->done = true;
    if (from > INDEX_VERSION_MAX) return 0;
    int rc = add_indexed(c, stream, from, count_max, out, err);
    if (rc != 0) return rc;
    index_view_take(c->w->index_tail, &view);
    for (size_t i = 0; i < view.count && out->count < count_max; i++) {
        struct index_slice s =
            index_view_slice(&view, i, stream, from, INDEX_VERSION_MAX, UINT64_MAX);
        for (; s.begin < s.end && out->count < count_max; s.begin++)
            add_version(out, s.run->keys[s.begin] & INDEX_VERSION_MAX,
                        index_run_sequence(s.run, s.begin));
    }
    index_view_drop(c->w->index_tail, &view);
    out->done = out->count < count_max;
    return 0;
}
