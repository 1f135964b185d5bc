/* Rows in bulk: three virtual tables of the writing connection, so that one statement inserts what
 * an apply or a slice of a merge has: INSERT INTO events SELECT * FROM bulk_events. Binding and
 * running a statement for each row costs half as much again as the row itself.
 *
 * The tables exist only inside the writer's connection; nothing of them is in the file. Each can
 * be read once: the cursor walks what the writer has prepared and leaves it consumed. */
#include "store/sqlite/internal.h"

#include "base/alloc.h"
#include "record/fields.h"

#define LOOK_EVERY 64 /* rows between looks at the clock */

struct bulk_table {
    sqlite3_vtab base;
    struct sqlite_writer *w;
};

struct bulk_cursor {
    sqlite3_vtab_cursor base;
    struct sqlite_writer *w;
    sqlite3_int64 row;
    int run; /* index, ids: the run that holds the lowest entry, -1: at the end */
};

static int bulk_connect(sqlite3 *db, struct sqlite_writer *w, const char *columns,
                        sqlite3_vtab **out) {
    struct bulk_table *t = xcalloc(1, sizeof *t);
    t->w = w;
    *out = &t->base;
    return sqlite3_declare_vtab(db, columns);
}

static int bulk_disconnect(sqlite3_vtab *t) {
    free(t);
    return SQLITE_OK;
}

static int bulk_best_index(sqlite3_vtab *t, sqlite3_index_info *info) {
    UNUSED(t);
    info->estimatedCost = 1e6;
    return SQLITE_OK;
}

static int bulk_open(sqlite3_vtab *t, sqlite3_vtab_cursor **out) {
    struct bulk_cursor *c = xcalloc(1, sizeof *c);
    c->w = CONTAINER_OF(t, struct bulk_table, base)->w;
    *out = &c->base;
    return SQLITE_OK;
}

static int bulk_close(sqlite3_vtab_cursor *c) {
    free(c);
    return SQLITE_OK;
}

static int bulk_rowid(sqlite3_vtab_cursor *c, sqlite3_int64 *out) {
    *out = CONTAINER_OF(c, struct bulk_cursor, base)->row;
    return SQLITE_OK;
}

/* --- events: w->rows --------------------------------------------------------- */

static int events_connect(sqlite3 *db, void *w, int argc, const char *const *argv,
                          sqlite3_vtab **out, char **message) {
    UNUSED(argc);
    UNUSED(argv);
    UNUSED(message);
    return bulk_connect(db, w,
                        "CREATE TABLE bulk (sequence, stream, version, type, timestamp, recorded,"
                        " entry_ms, entry_seq, event_id, content_hash, partition_key,"
                        " transaction_id, correlation, causation, aggregate, metadata, payload,"
                        " fields, erased)",
                        out);
}

static int events_filter(sqlite3_vtab_cursor *base, int number, const char *name, int argc,
                         sqlite3_value **argv) {
    UNUSED(number);
    UNUSED(name);
    UNUSED(argc);
    UNUSED(argv);
    CONTAINER_OF(base, struct bulk_cursor, base)->row = 0;
    return SQLITE_OK;
}

static int events_next(sqlite3_vtab_cursor *base) {
    CONTAINER_OF(base, struct bulk_cursor, base)->row++;
    return SQLITE_OK;
}

static int events_eof(sqlite3_vtab_cursor *base) {
    const struct bulk_cursor *c = CONTAINER_OF(base, struct bulk_cursor, base);
    return (size_t)c->row >= c->w->row_count;
}

static void result_u64(sqlite3_context *ctx, uint64_t v) {
    sqlite3_result_int64(ctx, (sqlite3_int64)v);
}

static void result_entry(sqlite3_context *ctx, uint64_t v) {
    char digits[SQLITE_ENTRY_DIGITS];
    if (LIKELY(v <= INT64_MAX)) return result_u64(ctx, v);
    sqlite_entry_digits(v, digits);
    sqlite3_result_text(ctx, digits, sizeof digits, SQLITE_TRANSIENT);
}

static void result_uuid(sqlite3_context *ctx, const struct uuid *u) {
    if (u != NULL) sqlite3_result_blob(ctx, u, sizeof *u, SQLITE_STATIC);
}

/* As a JSON object, which people can read and SQL can take apart. */
static void result_fields(sqlite3_context *ctx, struct buf *json, struct str fields) {
    buf_reset(json);
    fields_to_json(fields, json);
    sqlite3_result_text(ctx, json->data, (int)json->len, SQLITE_STATIC);
}

/* What is not set is NULL. */
static int events_column(sqlite3_vtab_cursor *base, sqlite3_context *ctx, int column) {
    const struct bulk_cursor *c = CONTAINER_OF(base, struct bulk_cursor, base);
    const struct event_record *e = c->w->rows[c->row].event;
    const bool erased = c->w->rows[c->row].erased || (e->flags & EVENT_ERASED) != 0;
    const bool fields = (e->flags & EVENT_FIELDS) != 0;
    struct str s;
    switch ((enum event_column)column) {
    case COL_SEQUENCE:
        result_u64(ctx, e->sequence);
        break;
    case COL_STREAM:
        result_u64(ctx, e->stream);
        break;
    case COL_VERSION:
        result_u64(ctx, e->version);
        break;
    case COL_TYPE:
        result_u64(ctx, c->w->rows[c->row].type);
        break;
    case COL_TIMESTAMP:
        result_u64(ctx, e->timestamp);
        break;
    case COL_RECORDED:
        result_u64(ctx, e->recorded);
        break;
    case COL_ENTRY_MS:
        result_entry(ctx, e->entry_ms);
        break;
    case COL_ENTRY_SEQ:
        result_entry(ctx, e->entry_seq);
        break;
    case COL_EVENT_ID:
        result_uuid(ctx, &e->event_id);
        break;
    case COL_CONTENT_HASH:
        result_uuid(ctx, event_content_hash(e));
        break;
    case COL_PARTITION_KEY:
        result_uuid(ctx, event_partition_key(e));
        break;
    case COL_TRANSACTION:
        result_uuid(ctx, event_transaction(e));
        break;
    case COL_CORRELATION:
        result_uuid(ctx, event_correlation(e));
        break;
    case COL_CAUSATION:
        result_uuid(ctx, event_causation(e));
        break;
    case COL_AGGREGATE:
        s = event_aggregate(e);
        if (s.len > 0) sqlite3_result_text(ctx, s.ptr, (int)s.len, SQLITE_STATIC);
        break;
    case COL_METADATA:
        s = event_metadata(e);
        if (s.len > 0 && !erased) sqlite3_result_blob(ctx, s.ptr, (int)s.len, SQLITE_STATIC);
        break;
    case COL_PAYLOAD:
        s = event_payload(e);
        if (erased)
            sqlite3_result_zeroblob(ctx, 0);
        else if (fields)
            result_fields(ctx, &c->w->json, s);
        else
            sqlite3_result_blob(ctx, s.ptr, (int)s.len, SQLITE_STATIC);
        break;
    case COL_FIELDS:
        if (fields) result_u64(ctx, erased ? 0 : fields_count(event_payload(e)));
        break;
    case COL_ERASED:
        if (erased) result_u64(ctx, 1);
        break;
    }
    return SQLITE_OK;
}

/* --- index: the frozen runs, lowest key first, until w->merge_until ------------------ */

static int index_connect(sqlite3 *db, void *w, int argc, const char *const *argv,
                         sqlite3_vtab **out, char **message) {
    UNUSED(argc);
    UNUSED(argv);
    UNUSED(message);
    return bulk_connect(db, w, "CREATE TABLE bulk (key, sequence)", out);
}

/* Finds the run with the lowest key that is not merged yet. */
static void index_find(struct bulk_cursor *c) {
    struct sqlite_writer *w = c->w;
    uint64_t key = UINT64_MAX;
    c->run = -1;
    for (size_t i = 0; i < w->merge_runs; i++) {
        const struct index_run *run = index_tail_run(w->index_tail, i);
        while (w->purged.bytes > 0 && w->merge_at[i].key < run->count &&
               purged_has(&w->purged, index_run_sequence(run, w->merge_at[i].key)))
            w->merge_at[i].key++;
        if (w->merge_at[i].key == run->count || run->keys[w->merge_at[i].key] >= key) continue;
        key = run->keys[w->merge_at[i].key];
        c->run = (int)i;
    }
}

static int index_filter(sqlite3_vtab_cursor *base, int number, const char *name, int argc,
                        sqlite3_value **argv) {
    UNUSED(number);
    UNUSED(name);
    UNUSED(argc);
    UNUSED(argv);
    struct bulk_cursor *c = CONTAINER_OF(base, struct bulk_cursor, base);
    c->row = 0;
    index_find(c);
    return SQLITE_OK;
}

static bool time_is_up(struct bulk_cursor *c) {
    if (c->w->merge_least > 0) {
        c->w->merge_least--;
        return false;
    }
    struct slice *slice = &c->w->merge_slice;
    if (!slice->counted && ++c->row % LOOK_EVERY != 0) return false;
    slice_took(slice, 1);
    return slice_over(slice);
}

static int index_next(sqlite3_vtab_cursor *base) {
    struct bulk_cursor *c = CONTAINER_OF(base, struct bulk_cursor, base);
    c->w->merge_at[c->run].key++;
    if (time_is_up(c))
        c->run = -1;
    else
        index_find(c);
    return SQLITE_OK;
}

static int index_eof(sqlite3_vtab_cursor *base) {
    return CONTAINER_OF(base, struct bulk_cursor, base)->run < 0;
}

static int index_column(sqlite3_vtab_cursor *base, sqlite3_context *ctx, int column) {
    const struct bulk_cursor *c = CONTAINER_OF(base, struct bulk_cursor, base);
    const struct index_run *run = index_tail_run(c->w->index_tail, (size_t)c->run);
    size_t at = c->w->merge_at[c->run].key;
    result_u64(ctx, column == 0 ? run->keys[at] : index_run_sequence(run, at));
    return SQLITE_OK;
}

/* --- ids: the same for the ids of the frozen runs ------------------------------------ */

static int ids_connect(sqlite3 *db, void *w, int argc, const char *const *argv, sqlite3_vtab **out,
                       char **message) {
    UNUSED(argc);
    UNUSED(argv);
    UNUSED(message);
    return bulk_connect(db, w, "CREATE TABLE bulk (id, sequence)", out);
}

static void ids_find(struct bulk_cursor *c) {
    struct sqlite_writer *w = c->w;
    const struct uuid *lowest = NULL;
    c->run = -1;
    for (size_t i = 0; i < w->merge_runs; i++) {
        const struct index_run *run = index_tail_run(w->index_tail, i);
        while (w->purged.bytes > 0 && w->merge_at[i].id < run->id_count &&
               purged_has(&w->purged, run->sequence + run->id_offsets[w->merge_at[i].id]))
            w->merge_at[i].id++;
        if (w->merge_at[i].id == run->id_count) continue;
        const struct uuid *id = &run->ids[w->merge_at[i].id];
        if (lowest != NULL && memcmp(id, lowest, sizeof *id) >= 0) continue;
        lowest = id;
        c->run = (int)i;
    }
}

static int ids_filter(sqlite3_vtab_cursor *base, int number, const char *name, int argc,
                      sqlite3_value **argv) {
    UNUSED(number);
    UNUSED(name);
    UNUSED(argc);
    UNUSED(argv);
    struct bulk_cursor *c = CONTAINER_OF(base, struct bulk_cursor, base);
    c->row = 0;
    ids_find(c);
    return SQLITE_OK;
}

static int ids_next(sqlite3_vtab_cursor *base) {
    struct bulk_cursor *c = CONTAINER_OF(base, struct bulk_cursor, base);
    c->w->merge_at[c->run].id++;
    if (time_is_up(c))
        c->run = -1;
    else
        ids_find(c);
    return SQLITE_OK;
}

static int ids_eof(sqlite3_vtab_cursor *base) {
    return index_eof(base);
}

static int ids_column(sqlite3_vtab_cursor *base, sqlite3_context *ctx, int column) {
    const struct bulk_cursor *c = CONTAINER_OF(base, struct bulk_cursor, base);
    const struct index_run *run = index_tail_run(c->w->index_tail, (size_t)c->run);
    size_t at = c->w->merge_at[c->run].id;
    if (column == 0)
        result_uuid(ctx, &run->ids[at]);
    else
        result_u64(ctx, run->sequence + run->id_offsets[at]);
    return SQLITE_OK;
}

#define BULK_MODULE(kind)                                                                          \
    {                                                                                              \
        .iVersion = 1, .xConnect = kind##_connect, .xBestIndex = bulk_best_index,                  \
        .xDisconnect = bulk_disconnect, .xOpen = bulk_open, .xClose = bulk_close,                  \
        .xFilter = kind##_filter, .xNext = kind##_next, .xEof = kind##_eof,                        \
        .xColumn = kind##_column, .xRowid = bulk_rowid                                             \
    }

int sqlite_bulk_register(struct backend_conn *c, struct err *err) {
    static const sqlite3_module events = BULK_MODULE(events), index = BULK_MODULE(index),
                                ids = BULK_MODULE(ids);
    int rc = sqlite3_create_module(c->db, "bulk_events", &events, c->w);
    if (rc == SQLITE_OK) rc = sqlite3_create_module(c->db, "bulk_index", &index, c->w);
    if (rc == SQLITE_OK) rc = sqlite3_create_module(c->db, "bulk_ids", &ids, c->w);
    return rc == SQLITE_OK ? 0 : sqlite_error(c, rc, err, "bulk tables");
}
