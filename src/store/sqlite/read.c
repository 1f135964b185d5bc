/* Reading: snapshots, rows to events, single events, lists of streams.
 *
 * A snapshot is a read transaction and, for what is found by (stream, version), the view of the
 * index tail that belongs to it. The two are taken one after the other, so a merge or a flush
 * may come between: a view that begins beyond what the snapshot has indexed, or is of another
 * generation, is dropped and both are taken again. Entries beyond the snapshot are ignored.
 *
 * Events of a page get names that only this page shares: reference counts are plain integers
 * and the page goes to another thread. The cache of names is this connection's alone. */
#include "store/sqlite/internal.h"

#include "base/alloc.h"
#include "record/fields.h"

#define TYPE_NAMES_MAX      65536 /* cached by number */
#define TYPE_NAME_BYTES_MAX (1 << 20)

/* --- snapshots ---------------------------------------------------------------- */

static void forget_names(struct sqlite_reader *r) {
    for (size_t i = 0; i < NAME_SLOTS; i++)
        if (r->names[i] != NULL) stream_name_unref(r->names[i]);
    memset(r->names, 0, NAME_SLOTS * sizeof *r->names);
    r->name_bytes = 0;
}

static void forget_types(struct sqlite_reader *r) {
    for (size_t i = 0; i < r->type_cap; i++) free((void *)r->type_names[i].ptr);
    free(r->type_names);
    r->type_names = NULL;
    r->type_cap = r->type_bytes = 0;
}

struct sqlite_reader *sqlite_reader_create(void) {
    struct sqlite_reader *r = xcalloc(1, sizeof *r);
    r->names = xcalloc(NAME_SLOTS, sizeof(struct stream_name *));
    buf_init(&r->names_found.text, 0);
    r->streams_few = STREAMS_FEW;
    return r;
}

void sqlite_reader_free(struct sqlite_reader *r) {
    forget_names(r);
    forget_types(r);
    free(r->names);
    type_set_free(&r->type_set);
    free(r->streams);
    sqlite_names_free(&r->names_found);
    free(r);
}

int sqlite_snapshot_begin(struct backend_conn *c, bool with_view, struct snapshot *s,
                          struct err *err) {
    assert(c->r != NULL);
    const struct sqlite_place *place = &c->writer->w->place;
    if (atomic_load(&place->replaced)) return err_set(err, ERR_LOST, "%s", place->why);
    struct index_tail *tail = c->writer->w->index_tail;
    if (c->pinned) { /* it has begun with the connection */
        s->state = c->w->state;
        s->has_view = with_view;
        if (with_view) index_view_take(tail, &s->view);
        return 0;
    }
    for (;;) {
        s->has_view = false;
        int rc = sqlite_run(c, SQL_BEGIN_READ, err);
        if (rc == 0) rc = sqlite_read_state(c, &s->state, err);
        if (rc != 0) {
            sqlite_rollback(c);
            return rc;
        }
        if (with_view) {
            index_view_take(tail, &s->view);
            s->has_view = true;
            if (s->view.generation != s->state.flushes || s->view.start > s->state.indexed) {
                sqlite_snapshot_end(c, s);
                continue;
            }
        }
        if (s->state.flushes != c->r->flushes) { /* numbers mean other things now */
            forget_names(c->r);
            forget_types(c->r);
            type_set_forget(&c->r->type_set);
            c->r->flushes = s->state.flushes;
        }
        if (s->state.renames != c->r->renames) forget_names(c->r);
        c->r->renames = s->state.renames;
        return 0;
    }
}

void sqlite_snapshot_end(struct backend_conn *c, struct snapshot *s) {
    if (s->has_view) index_view_drop(c->writer->w->index_tail, &s->view);
    s->has_view = false;
    if (c->pinned) return;
    if (sqlite_run(c, SQL_COMMIT, NULL) != 0) sqlite_rollback(c);
}

/* --- names -------------------------------------------------------------------- */

struct stream_name *sqlite_stream_copy(const struct stream_name *n) {
    struct stream_name *copy = xmemdup(n, sizeof *n + n->rec.name_len);
    copy->refs = 1;
    return copy;
}

struct stream_name *sqlite_stream_of_row(sqlite3_stmt *row) {
    const void *name = sqlite3_column_text(row, 1);
    size_t len = (size_t)sqlite3_column_bytes(row, 1);
    uint64_t number = (uint64_t)sqlite3_column_int64(row, 0);
    uint64_t created = (uint64_t)sqlite3_column_int64(row, 2);
    const void *key = sqlite3_column_blob(row, 3);
    if (name == NULL || len == 0 || len > UINT16_MAX || number == 0 || number > INDEX_STREAM_MAX)
        return NULL;
    int kind = sqlite3_column_int(row, 4);
    if (kind < KIND_STREAM || kind > KIND_VIRTUAL) return NULL;
    if (key == NULL || sqlite3_column_bytes(row, 3) != (int)sizeof(struct uuid)) return NULL;
    /* The key is a hash of the name: what is in the row need not be computed again. */
    struct stream_name *n = xmalloc(sizeof *n + len);
    memset(n, 0, sizeof *n);
    n->refs = 1;
    memcpy(&n->partition_key, key, sizeof n->partition_key);
    n->category = category_number(str_of(name, len));
    n->rec.number = number;
    n->rec.created = created;
    n->rec.name_len = (uint16_t)len;
    n->rec.kind = (uint16_t)kind;
    memcpy(n->rec.name, name, len);
    return n;
}

int sqlite_stream(struct backend_conn *c, uint64_t number, const struct stream_name **out,
                  struct err *err) {
    struct sqlite_reader *r = c->r;
    struct stream_name **slot = &r->names[number % NAME_SLOTS];
    if (LIKELY(*slot != NULL && (*slot)->rec.number == number)) {
        *out = *slot;
        return 0;
    }
    sqlite3_stmt *stmt = c->stmts[SQL_STREAM_BY_NUMBER];
    sqlite_bind_u64(stmt, 1, number);
    int rc = sqlite_step(c, stmt, err);
    if (rc < 0) return rc;
    struct stream_name *n = rc == 1 ? sqlite_stream_of_row(stmt) : NULL;
    sqlite3_reset(stmt);
    if (n == NULL)
        return err_set(err, ERR_CORRUPT, "%s: streams: no good row %llu", c->path,
                       (unsigned long long)number);
    if (r->name_bytes > NAME_BYTES_MAX) forget_names(r);
    if (*slot != NULL) {
        r->name_bytes -= sizeof **slot + (*slot)->rec.name_len;
        stream_name_unref(*slot);
    }
    r->name_bytes += sizeof *n + n->rec.name_len;
    *out = *slot = n;
    return 0;
}

static int type_load(struct backend_conn *c, uint32_t number, struct str *out, struct err *err) {
    struct sqlite_reader *r = c->r;
    sqlite3_stmt *stmt = c->stmts[SQL_TYPE_NAME];
    sqlite3_bind_int64(stmt, 1, number);
    int rc = sqlite_step(c, stmt, err);
    if (rc < 0) return rc;
    if (rc == 0) return err_set(err, ERR_CORRUPT, "%s: no type has number %u", c->path, number);
    const void *text = sqlite3_column_text(stmt, 0);
    size_t len = (size_t)sqlite3_column_bytes(stmt, 0);
    if (r->type_bytes > TYPE_NAME_BYTES_MAX) forget_types(r);
    size_t slot = number < TYPE_NAMES_MAX ? number : 0; /* 0 is nobody's: the last uncommon one */
    if (slot >= r->type_cap) {
        size_t cap = MAX(slot + 1, MIN(r->type_cap * 2, (size_t)TYPE_NAMES_MAX));
        r->type_names = xrealloc(r->type_names, cap * sizeof *r->type_names);
        memset(r->type_names + r->type_cap, 0, (cap - r->type_cap) * sizeof *r->type_names);
        r->type_cap = cap;
    }
    free((void *)r->type_names[slot].ptr);
    *out = r->type_names[slot] = str_of(xmemdup(text, len), len);
    r->type_bytes += len + 16;
    sqlite3_reset(stmt);
    return 0;
}

/* Valid until the next call. */
static int type_name(struct backend_conn *c, int64_t number, struct str *out, struct err *err) {
    struct sqlite_reader *r = c->r;
    if (LIKELY(number > 0 && (size_t)number < r->type_cap && r->type_names[number].ptr != NULL)) {
        *out = r->type_names[number];
        return 0;
    }
    if (number <= 0 || number > UINT32_MAX)
        return err_set(err, ERR_CORRUPT, "%s: type number %lld", c->path, (long long)number);
    return type_load(c, (uint32_t)number, out, err);
}

/* --- rows to events ----------------------------------------------------------------- */

/* NULL in the row: NULL. *bad is set when it is not 16 bytes. */
static const struct uuid *row_uuid(sqlite3_stmt *row, enum event_column column, bool *bad) {
    const void *p = sqlite3_column_blob(row, (int)column);
    if (p == NULL) return NULL;
    if (sqlite3_column_bytes(row, (int)column) != (int)sizeof(struct uuid)) *bad = true;
    return p;
}

static struct str row_str(sqlite3_stmt *row, enum event_column column) {
    const void *p = sqlite3_column_blob(row, (int)column); /* of text too: its bytes */
    return p == NULL ? STR("") : str_of(p, (size_t)sqlite3_column_bytes(row, (int)column));
}

/* Of an entry that was added with XADD the column holds a JSON object. It goes to *fields, which
 * the caller clears. */
static bool row_payload(sqlite3_stmt *row, struct event_fields *f, struct buf *fields) {
    f->payload = row_str(row, COL_PAYLOAD);
    f->flags = 0;
    if (sqlite3_column_type(row, COL_ERASED) != SQLITE_NULL) f->flags |= EVENT_ERASED;
    if (LIKELY(sqlite3_column_type(row, COL_FIELDS) == SQLITE_NULL)) return true;
    f->flags |= EVENT_FIELDS;
    if (f->flags & EVENT_ERASED) return true;
    if (!fields_from_json(f->payload, fields)) return false;
    f->payload = buf_str(fields);
    return true;
}

/* What a lean row has not. */
static void row_rest(sqlite3_stmt *row, struct event_fields *f, bool *bad) {
    f->entry_ms = sqlite_column_entry(row, COL_ENTRY_MS);
    f->entry_seq = sqlite_column_entry(row, COL_ENTRY_SEQ);
    const struct uuid *id = row_uuid(row, COL_EVENT_ID, bad);
    if (id != NULL)
        f->event_id = *id;
    else
        *bad = true;
    f->content_hash = row_uuid(row, COL_CONTENT_HASH, bad);
    f->partition_key = row_uuid(row, COL_PARTITION_KEY, bad);
    f->transaction = row_uuid(row, COL_TRANSACTION, bad);
    f->correlation = row_uuid(row, COL_CORRELATION, bad);
    f->causation = row_uuid(row, COL_CAUSATION, bad);
    f->aggregate = row_str(row, COL_AGGREGATE);
    f->metadata = row_str(row, COL_METADATA);
}

int sqlite_event_of_row(struct backend_conn *c, sqlite3_stmt *row, struct stream_name *name,
                        bool lean, struct event **out, struct err *err) {
    struct event_fields f = {0};
    struct buf fields;
    bool bad = false;
    int rc = type_name(c, sqlite3_column_int64(row, COL_TYPE), &f.type, err);
    if (rc != 0) return rc;
    f.sequence = (uint64_t)sqlite3_column_int64(row, COL_SEQUENCE);
    f.version = (uint64_t)sqlite3_column_int64(row, COL_VERSION);
    f.timestamp = (uint64_t)sqlite3_column_int64(row, COL_TIMESTAMP);
    f.recorded = (uint64_t)sqlite3_column_int64(row, COL_RECORDED);
    if (!lean) row_rest(row, &f, &bad);
    buf_init(&fields, 0);
    if (!row_payload(row, &f, &fields)) bad = true;
    if (bad || f.type.len > UINT16_MAX || f.aggregate.len > UINT16_MAX) {
        buf_clear(&fields);
        return err_set(err, ERR_CORRUPT, "%s: events: row %llu makes no sense", c->path,
                       (unsigned long long)f.sequence);
    }
    *out = event_create(&f, name);
    buf_clear(&fields);
    return 0;
}

/* --- the index ------------------------------------------------------------------------ */

int sqlite_index_last(struct backend_conn *c, const struct snapshot *s, uint64_t stream,
                      uint64_t start, uint64_t end, uint64_t *version, uint64_t *sequence,
                      struct err *err) {
    assert(s->has_view);
    for (size_t i = s->view.count; i > 0; i--) {
        struct index_slice slice =
            index_view_slice(&s->view, i - 1, stream, start, end, s->state.s.next_sequence);
        if (slice.begin == slice.end) continue;
        *version = slice.run->keys[slice.end - 1] & INDEX_VERSION_MAX;
        *sequence = index_run_sequence(slice.run, slice.end - 1);
        return 1;
    }
    if (start > INDEX_VERSION_MAX) return 0;
    sqlite3_stmt *stmt = c->stmts[SQL_INDEX_LAST];
    sqlite_bind_u64(stmt, 1, index_key(stream, start));
    sqlite_bind_u64(stmt, 2, index_key(stream, MIN(end, INDEX_VERSION_MAX)));
    int rc = sqlite_step(c, stmt, err);
    if (rc != 1) return rc;
    *version = (uint64_t)sqlite3_column_int64(stmt, 0) & INDEX_VERSION_MAX;
    *sequence = (uint64_t)sqlite3_column_int64(stmt, 1);
    sqlite3_reset(stmt);
    return 1;
}

/* --- single events, lists ------------------------------------------------------------------ */

/* The sequence that an id's event has, if it exists: 1, or 0. */
static int find_id(struct backend_conn *c, const struct snapshot *s, const struct uuid *id,
                   uint64_t *sequence, struct err *err) {
    if (index_view_id(&s->view, id, s->state.s.next_sequence, sequence)) return 1;
    sqlite3_stmt *stmt = c->stmts[SQL_ID];
    sqlite3_bind_blob(stmt, 1, id, sizeof *id, SQLITE_STATIC);
    int rc = sqlite_step(c, stmt, err);
    if (rc < 0) return rc;
    if (rc == 1) {
        *sequence = (uint64_t)sqlite3_column_int64(stmt, 0);
        sqlite3_reset(stmt);
        return 1;
    }
    *sequence = event_id_sequence(id, s->state.s.id_key);
    return *sequence < s->state.s.next_sequence;
}

static int load_event(struct backend_conn *c, uint64_t sequence, const struct uuid *id,
                      struct event **out, struct err *err) {
    sqlite3_stmt *stmt = c->stmts[SQL_EVENT];
    sqlite_bind_u64(stmt, 1, sequence);
    int rc = sqlite_step(c, stmt, err);
    if (rc != 1) return rc;
    struct str have = row_str(stmt, COL_EVENT_ID);
    if (str_eq(have, str_of(id->b, sizeof id->b))) {
        uint64_t number = (uint64_t)sqlite3_column_int64(stmt, COL_STREAM), first = 0;
        const struct stream_name *cached = NULL;
        rc = sqlite_first_version(c, number, &first, err);
        bool hidden = (uint64_t)sqlite3_column_int64(stmt, COL_VERSION) < first;
        if (rc == 0 && !hidden) rc = sqlite_stream(c, number, &cached, err);
        if (rc == 0 && !hidden) {
            struct stream_name *name = sqlite_stream_copy(cached);
            rc = sqlite_event_of_row(c, stmt, name, false, out, err);
            stream_name_unref(name);
        }
    }
    sqlite3_reset(stmt);
    return MIN(rc, 0);
}

int sqlite_read_id(struct backend_conn *c, const struct uuid *id, struct event **out,
                   uint64_t *applied, struct err *err) {
    struct snapshot s;
    *out = NULL;
    int rc = sqlite_snapshot_begin(c, true, &s, err);
    if (rc != 0) return rc;
    *applied = s.state.s.applied;
    uint64_t sequence = 0;
    rc = find_id(c, &s, id, &sequence, err);
    if (rc == 1) rc = load_event(c, sequence, id, out, err);
    sqlite_snapshot_end(c, &s);
    return rc;
}

int sqlite_list_streams(struct backend_conn *c, uint64_t from, struct str pattern,
                        struct str category, size_t count_max, size_t examined_max,
                        struct stream_list *out, struct err *err) {
    struct snapshot s;
    int rc = sqlite_snapshot_begin(c, false, &s, err);
    if (rc != 0) return rc;
    out->applied = s.state.s.applied;
    out->next = from;
    sqlite3_stmt *stmt = c->stmts[SQL_STREAMS_FROM];
    sqlite_bind_u64(stmt, 1, MIN(from, (uint64_t)INT64_MAX));
    size_t examined = 0;
    while ((rc = sqlite_step(c, stmt, err)) == 1) {
        uint64_t number = (uint64_t)sqlite3_column_int64(stmt, 0);
        bool full = stream_list_full(out, count_max);
        if (full || examined >= MAX(examined_max, (size_t)1)) {
            out->next = number;
            break;
        }
        examined++;
        struct str name = row_str(stmt, (enum event_column)1);
        if ((category.len == 0 || str_eq(stream_category(name), category)) &&
            (pattern.len == 0 || str_match_glob(pattern, name, false))) {
            struct stream_name *n = sqlite_stream_of_row(stmt);
            if (n == NULL) {
                rc = err_set(err, ERR_CORRUPT, "%s: streams: row %llu makes no sense", c->path,
                             (unsigned long long)number);
                break;
            }
            stream_list_add(out, n, (uint64_t)sqlite3_column_int64(stmt, 5));
        }
        out->next = number + 1;
    }
    sqlite3_reset(stmt);
    out->done = rc == 0;
    sqlite_snapshot_end(c, &s);
    return MIN(rc, 0);
}

int sqlite_list_reserved(struct backend_conn *c, size_t count_max, struct stream_list *out,
                         struct err *err) {
    sqlite3_stmt *stmt = c->stmts[SQL_RESERVED];
    int rc;
    while ((rc = sqlite_step(c, stmt, err)) == 1 && !stream_list_full(out, count_max)) {
        struct stream_name *n = sqlite_stream_of_row(stmt);
        if (n != NULL) stream_list_add(out, n, (uint64_t)sqlite3_column_int64(stmt, 5));
    }
    sqlite3_reset(stmt);
    out->done = rc == 0;
    return MIN(rc, 0);
}

int sqlite_list_expiring(struct backend_conn *c, uint64_t until, size_t count_max,
                         struct stream_list *out, struct err *err) {
    struct snapshot s;
    int rc = sqlite_snapshot_begin(c, false, &s, err);
    if (rc != 0) return rc;
    out->applied = s.state.s.applied;
    sqlite3_stmt *stmt = c->stmts[SQL_EXPIRING];
    sqlite_bind_u64(stmt, 1, MIN(until, (uint64_t)INT64_MAX));
    while ((rc = sqlite_step(c, stmt, err)) == 1 && out->count < MAX(count_max, (size_t)1)) {
        struct stream_name *n = sqlite_stream_of_row(stmt);
        if (n == NULL) {
            rc = err_set(err, ERR_CORRUPT, "%s: streams: a row that expires makes no sense",
                         c->path);
            break;
        }
        stream_list_add(out, n, (uint64_t)sqlite3_column_int64(stmt, 5));
    }
    sqlite3_reset(stmt);
    out->done = rc == 0;
    if (out->done) {
        stmt = c->stmts[SQL_DEADLINE];
        sqlite_bind_u64(stmt, 1, MIN(until, (uint64_t)INT64_MAX));
        rc = sqlite_step(c, stmt, err);
        if (rc == 1) out->next = (uint64_t)sqlite3_column_int64(stmt, 0);
        sqlite3_reset(stmt);
    }
    sqlite_snapshot_end(c, &s);
    return MIN(rc, 0);
}
