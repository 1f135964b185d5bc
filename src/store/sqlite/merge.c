/* Work that is deferred out of apply(): moving the index tail (by stream and
 * version, by client-made id) to their tables, and checkpoints. (The rest of it: purge.c,
 * idempotent.c.)
 *
 * A merge takes all runs of the tail, walks them in key order, and inserts what fits in
 * one slice of time, each slice a transaction of its own; the last one also moves `indexed`. Until
 * then the runs stay in memory and readers take the entries from there, so half a merge in the
 * table is harmless, also after a crash: it is done again from `indexed` on.
 *
 * Checkpoints copy the WAL into the database. They are passive (nobody waits) once the WAL has some
 * size; when readers have kept it from starting anew for long, we wait for them, briefly. */
#include "store/sqlite/internal.h"

#include "base/alloc.h"
#include "base/log.h"

#define MERGE_BYTES                                                                                \
    (UINT64_C(7) << 20) /* in the tail before a merge begins: 600k events, or 230k with ids */
/* ... or sequences, of which most were gone before they were written. */
#define MERGE_SEQUENCES  (UINT64_C(1) << 24)
#define SLICE_US         10000
#define CHECKPOINT_PAGES 4096                   /* 16 MB: passive */
#define RESTART_PAGES    (4 * CHECKPOINT_PAGES) /* 64 MB: wait for readers */
#define RESTART_BUSY_MS  200
#define REBUILD_CHUNK    (UINT64_C(1) << 18)

/* --- at open: the tail is read from the rows --------------------------- */

/* 1, or an error. */
static int rebuild_row(struct backend_conn *c, sqlite3_stmt *row, struct index_keys *batch,
                       struct err *err) {
    uint64_t sequence = (uint64_t)sqlite3_column_int64(row, 0);
    uint64_t stream = (uint64_t)sqlite3_column_int64(row, 1);
    uint64_t version = (uint64_t)sqlite3_column_int64(row, 2);
    const void *id = sqlite3_column_blob(row, 3);
    bool id_good = id == NULL || sqlite3_column_bytes(row, 3) == (int)sizeof(struct uuid);
    if (stream > INDEX_STREAM_MAX || version > INDEX_VERSION_MAX || !id_good ||
        sequence >= c->w->state.s.next_sequence)
        return err_set(err, ERR_CORRUPT, "%s: events: row %llu makes no sense", c->path,
                       (unsigned long long)sequence);
    batch->entries[batch->count++] = (struct index_entry){index_key(stream, version), sequence};
    if (id != NULL) {
        struct index_id *at = &batch->ids[batch->id_count++];
        memcpy(&at->id, id, sizeof at->id);
        at->sequence = sequence;
    }
    return 1;
}

int sqlite_index_rebuild(struct backend_conn *c, struct err *err) {
    struct sqlite_writer *w = c->w;
    uint64_t from = w->state.indexed, end = w->state.s.next_sequence;
    if (from > end) return err_set(err, ERR_CORRUPT, "%s: indexed is beyond the events", c->path);
    index_tail_hold(w->index_tail);
    index_tail_reset(w->index_tail, NULL, from, from, w->state.flushes);
    index_tail_release(w->index_tail);
    atomic_store(&w->stat_indexed, from);
    purged_clear(&w->purged);
    purged_advance(&w->purged, from);
    struct index_keys batch = {.entries = xmalloc(REBUILD_CHUNK * sizeof *batch.entries),
                               .ids = xmalloc(REBUILD_CHUNK * sizeof *batch.ids)};
    sqlite3_stmt *stmt = c->stmts[SQL_TAIL];
    sqlite_bind_u64(stmt, 1, from);
    int rc = 1;
    while (from < end && rc == 1) {
        rc = sqlite_step(c, stmt, err);
        if (rc == 1) rc = rebuild_row(c, stmt, &batch, err);
        if (rc < 0 || (rc == 1 && batch.count < REBUILD_CHUNK)) continue;
        uint64_t to = rc == 0 ? end : batch.entries[batch.count - 1].sequence + 1;
        index_tail_push(w->index_tail, &batch, from, to);
        index_tail_settle(w->index_tail);
        from = to;
        batch.count = batch.id_count = 0;
    }
    sqlite3_reset(stmt);
    free(batch.entries);
    free(batch.ids);
    return rc < 0 ? rc : 0;
}

/* --- merging -------------------------------------------------------------------- */

static bool keys_left(const struct sqlite_writer *w) {
    for (size_t i = 0; i < w->merge_runs; i++)
        if (w->merge_at[i].key < index_tail_run(w->index_tail, i)->count) return true;
    return false;
}

static bool ids_left(const struct sqlite_writer *w) {
    for (size_t i = 0; i < w->merge_runs; i++)
        if (w->merge_at[i].id < index_tail_run(w->index_tail, i)->id_count) return true;
    return false;
}

/* Inserts entries until the time is up. *done: there are no more. */
static int insert_some(struct backend_conn *c, bool *done, struct err *err) {
    struct sqlite_writer *w = c->w;
    /* Behind: whatever the time, twice as much as was applied meanwhile, so that the caller's pace
     * does not matter and the runs stay bounded. */
    bool behind = index_tail_bytes(w->index_tail) > MERGE_BYTES + MERGE_BYTES / 2;
    w->merge_least = behind ? 2 * w->applied_since : 0;
    w->applied_since = 0;
    w->merge_slice = slice_begin(SLICE_US, w->slice_rows);
    int rc = keys_left(w) ? sqlite_run(c, SQL_ADD_INDEX, err) : 0;
    if (rc == 0 && !keys_left(w) && ids_left(w)) rc = sqlite_run(c, SQL_ADD_IDS, err);
    *done = !keys_left(w) && !ids_left(w);
    return rc;
}

int sqlite_set_progress(struct backend_conn *c, uint64_t indexed, uint64_t categorized,
                        struct err *err) {
    sqlite3_stmt *stmt = c->stmts[SQL_SET_PROGRESS];
    sqlite_bind_ours(c, stmt);
    sqlite_bind_u64(stmt, 2, indexed);
    sqlite_bind_u64(stmt, 3, categorized);
    sqlite_bind_u64(stmt, 4, c->w->gone);
    int rc = sqlite_step(c, stmt, err);
    if (rc == 0 && sqlite3_changes(c->db) == 0) rc = sqlite_replaced(c, err);
    return rc == 0 ? sqlite_check_place(c, err) : rc;
}

static int merge_slice(struct backend_conn *c, struct err *err) {
    struct sqlite_writer *w = c->w;
    struct merge_at before[PENDING_RUNS_MAX];
    memcpy(before, w->merge_at, sizeof before);
    bool done = false;
    uint64_t end = index_tail_frozen_end(w->index_tail);
    int rc = sqlite_begin_write(c, err);
    if (rc == 0) rc = sqlite_refresh(c, err);
    if (rc == 0) rc = insert_some(c, &done, err);
    /* Every slice writes the row of state, for the epoch that it checks. */
    if (rc == 0)
        rc = sqlite_set_progress(c, done ? end : w->state.indexed, w->state.categorized, err);
    if (rc == 0) rc = sqlite_run(c, SQL_COMMIT, err);
    if (rc != 0) {
        sqlite_rollback(c);
        w->stale = true;
        memcpy(w->merge_at, before, sizeof before);
        return rc;
    }
    if (done) {
        w->state.indexed = end;
        atomic_store(&w->stat_indexed, end);
        index_tail_drop_frozen(w->index_tail);
        purged_advance(&w->purged, end);
        w->merge_runs = 0;
    }
    return 0;
}

static bool merge_wanted(struct sqlite_writer *w, bool all) {
    if (w->merge_runs > 0) return true;
    return index_tail_bytes(w->index_tail) >= MERGE_BYTES ||
           w->state.s.next_sequence - w->state.indexed >= MERGE_SEQUENCES ||
           (all && index_tail_frozen_end(w->index_tail) < w->state.s.next_sequence);
}

/* --- checkpoints ---------------------------------------------------------------- */

/* Copies what has been committed since the last checkpoint. What it could not copy (a reader still
 * needs the old page) is left for the next one. */
static int checkpoint(struct backend_conn *c, struct err *err) {
    struct sqlite_writer *w = c->w;
    bool wait = w->log_pages >= RESTART_PAGES;
    int pages = 0, copied = 0;
    if (wait) sqlite3_busy_timeout(c->db, RESTART_BUSY_MS);
    int rc = sqlite3_wal_checkpoint_v2(
        c->db, NULL, wait ? SQLITE_CHECKPOINT_RESTART : SQLITE_CHECKPOINT_PASSIVE, &pages, &copied);
    if (wait) sqlite3_busy_timeout(c->db, SQLITE_WRITER_BUSY_MS);
    w->log_copied = w->log_pages; /* as far as we are concerned: not again until it has grown */
    if (rc == SQLITE_BUSY || rc == SQLITE_LOCKED) rc = SQLITE_OK;
    return rc == SQLITE_OK ? 0 : sqlite_error(c, rc, err, "checkpoint");
}

void sqlite_make_room(struct backend_conn *c) {
    struct err ignored;
    c->w->no_room = false;
    if (sqlite_check_place(c, &ignored) == 0 && checkpoint(c, &ignored) != 0)
        log_verbose("%s", ignored.text);
    c->w->no_room = false;
}

static void note_sizes(struct backend_conn *c) {
    struct sqlite_writer *w = c->w;
    sqlite3_file *file = NULL;
    sqlite3_int64 bytes = 0;
    sqlite3_file_control(c->db, "main", SQLITE_FCNTL_FILE_POINTER, &file);
    if (file != NULL && file->pMethods != NULL && file->pMethods->xFileSize(file, &bytes) == 0)
        atomic_store(&w->stat_database_bytes, (uint64_t)bytes);
    file = NULL;
    sqlite3_file_control(c->db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &file);
    if (file != NULL && file->pMethods != NULL && file->pMethods->xFileSize(file, &bytes) == 0)
        atomic_store(&w->stat_log_bytes, (uint64_t)bytes);
}

int sqlite_maintain(struct backend_conn *c, bool all, bool *more, struct err *err) {
    struct sqlite_writer *w = c->w;
    assert(w != NULL);
    int rc = sqlite_check_place(c, err); /* before it copies the WAL into it */
    if (rc == 0 && merge_wanted(w, all)) {
        if (w->merge_runs == 0) {
            w->merge_runs = index_tail_freeze(w->index_tail);
            memset(w->merge_at, 0, sizeof w->merge_at);
        }
        rc = merge_slice(c, err);
    }
    if (rc == 0) rc = sqlite_purge(c, err);
    if (rc == 0) rc = sqlite_categorize(c, err);
    if (rc == 0 && sqlite_prune_wanted(w, all)) rc = sqlite_prune(c, all, err);
    if (rc == 0 && all) rc = sqlite_idempotent_walk(c, err);
    *more = rc == 0 && (merge_wanted(w, all) || w->purge_wanted || sqlite_categorize_wanted(w) ||
                        sqlite_prune_wanted(w, all));
    int grown = w->log_pages - w->log_copied;
    if (rc == 0 && (grown >= CHECKPOINT_PAGES || (all && !*more && grown > 0)))
        rc = checkpoint(c, err);
    note_sizes(c);
    return rc == 0 ? 0 : sqlite_lost_instead(c, rc, err);
}
