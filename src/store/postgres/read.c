/* Reading: snapshots, and rows to events.
 *
 * A snapshot is a transaction that reads only and sees the store at one moment. Its beginning, the
 * state and the first question go out together. TRUNCATE, of a flush, is not seen by snapshots of
 * before: so a reader locks the first of the tables that a flush empties before it takes its
 * snapshot, which keeps a flush waiting until the reader is done.
 *
 * Events of a page get names that only this page shares: reference counts are plain integers and
 * the page goes to another thread. */
#include <poll.h>

#include "base/alloc.h"
#include "record/fields.h"
#include "store/postgres/internal.h"

/* --- snapshots ----------------------------------------------------------------------------------
 */

#define HEAD_RESULTS 3 /* BEGIN, LOCK, the state */

int postgres_snapshot_begin(struct backend_conn *c, struct snapshot *s, struct err *err) {
    assert(c->r != NULL);
    s->known = false;
    s->at_least = atomic_load(&c->writer->w->known);
    int rc = 0;
    if (c->pinned) { /* it has begun with the connection */
        s->state = c->w->state;
        s->known = true;
        return postgres_refresh(c, err);
    }
    if (c->pg == NULL) {
        rc = postgres_connect(c, err);
        if (rc == 0) rc = postgres_prepare(c, err);
        if (rc != 0) postgres_disconnect(c);
    }
    if (rc == 0) rc = postgres_queue(c, SQL_BEGIN_READ, NULL, err);
    if (rc == 0) rc = postgres_queue(c, SQL_LOCK_EVENTS, NULL, err);
    return rc == 0 ? postgres_queue(c, SQL_STATE, NULL, err) : rc;
}

static void note_flushes(struct postgres_reader *r, uint64_t flushes) {
    if (r->flushes == flushes) return;
    r->flushes = flushes; /* numbers mean other things now */
    type_set_forget(&r->type_set);
}

/* A commit is visible before its answer is sent: one that emptied tables has their files to remove
 * in between. */
#define CONFIRM_MS 5000

/* A snapshot may show a commit that nobody has promised: the writer was not told how it went, or it
 * is not on the replicas that are to have it. What is read of it would count as durable: so it is
 * waited for. A snapshot that is older than what was promised is a replica's. */
static int judge(struct backend_conn *c, const struct snapshot *s, struct err *err) {
    uint64_t applied = s->state.s.applied;
    const struct postgres_writer *w = c->writer->w;
    if (s->state.s.epoch != w->opened.epoch || !uuid_eq(&s->state.s.store_id, &w->opened.store_id))
        return err_set(err, ERR_BUSY, "%s: another server has taken over", c->place->shown);
    if (applied < s->at_least) {
        postgres_disconnect(c);
        return err_set(err, ERR_BUSY, "%s: this database is behind what was committed (%llu, %llu)",
                       c->place->shown, (unsigned long long)applied,
                       (unsigned long long)s->at_least);
    }
    struct pollfd stop = {.fd = c->stop_fd, .events = POLLIN};
    for (uint64_t deadline = clock_mono_ms() + CONFIRM_MS;;) {
        if (atomic_load(&w->known) >= applied) return 0;
        if (clock_mono_ms() >= deadline || poll(&stop, 1, 1) > 0) break;
    }
    return err_set(err, ERR_BUSY, "%s: frame %llu is there, and not known to be committed",
                   c->place->shown, (unsigned long long)applied);
}

int postgres_ask(struct backend_conn *c, struct snapshot *s, struct err *err) {
    int rc = postgres_sync(c, NULL, err);
    if (rc != 0 || s->known) return rc;
    const PGresult *r = c->results[HEAD_RESULTS - 1];
    if (PQntuples(r) != 1)
        return err_set(err, ERR_CORRUPT, "%s: table store or commits is empty", c->place->shown);
    memset(&s->state, 0, sizeof s->state);
    postgres_state_of_row(r, &s->state);
    if ((rc = judge(c, s, err)) != 0) return rc;
    note_flushes(c->r, s->state.flushes);
    s->known = true;
    for (size_t i = 0; i < HEAD_RESULTS; i++) PQclear(c->results[i]);
    c->result_count -= HEAD_RESULTS;
    memmove(c->results, c->results + HEAD_RESULTS, c->result_count * sizeof(PGresult *));
    return 0;
}

int postgres_query(struct backend_conn *c, struct snapshot *s, enum sql id, const struct params *p,
                   PGresult **out, struct err *err) {
    int rc = postgres_queue(c, id, p, err);
    if (rc == 0) rc = postgres_ask(c, s, err);
    if (rc == 0) *out = c->results[0];
    return rc;
}

int postgres_query_last(struct backend_conn *c, struct snapshot *s, enum sql id,
                        const struct params *p, PGresult **out, struct err *err) {
    int rc = postgres_queue(c, id, p, err);
    if (rc == 0 && !c->pinned) rc = postgres_queue(c, SQL_COMMIT, NULL, err);
    if (rc == 0) rc = postgres_ask(c, s, err);
    if (rc == 0) *out = c->results[0];
    return rc;
}

void postgres_snapshot_end(struct backend_conn *c) {
    struct err ignored;
    if (c->pg == NULL || c->pinned) return;
    if (c->sent == 0 && PQtransactionStatus(c->pg) == PQTRANS_INTRANS &&
        postgres_queue(c, SQL_COMMIT, NULL, &ignored) == 0 && postgres_sync(c, NULL, &ignored) == 0)
        return;
    postgres_rollback(c);
}

void postgres_reader_free(struct postgres_reader *r) {
    array_free(&r->array);
    type_set_free(&r->type_set);
    free(r);
}

/* --- rows
 * ----------------------------------------------------------------------------------------- */

struct stream_name *postgres_stream_of_row(const PGresult *r, int row, int number, int name,
                                           int created, int key, int kind) {
    struct str text = row_str(r, row, name);
    const struct uuid *partition_key = row_uuid(r, row, key);
    uint64_t n = row_u64(r, row, number), of_kind = row_u64(r, row, kind);
    if (text.len == 0 || text.len > UINT16_MAX || n == 0 || n > STREAM_NUMBER_MAX ||
        of_kind > KIND_VIRTUAL || partition_key == NULL)
        return NULL;
    /* The key is a hash of the name: what is in the row need not be computed again. */
    struct stream_name *out = xmalloc(sizeof *out + text.len);
    memset(out, 0, sizeof *out);
    out->refs = 1;
    memcpy(&out->partition_key, partition_key, sizeof out->partition_key);
    out->category = category_number(text);
    out->rec.number = n;
    out->rec.created = row_u64(r, row, created);
    out->rec.name_len = (uint16_t)text.len;
    out->rec.kind = (uint16_t)of_kind;
    memcpy(out->rec.name, text.ptr, text.len);
    return out;
}

/* Of an entry that was added with XADD the column holds a JSON object. It goes to *fields, which
 * the caller clears. */
static bool row_payload(const PGresult *r, int row, struct event_fields *f, struct buf *fields) {
    f->payload = row_str(r, row, COL_PAYLOAD);
    f->flags = 0;
    if (!row_null(r, row, COL_ERASED)) f->flags |= EVENT_ERASED;
    if (LIKELY(row_null(r, row, COL_FIELDS))) return true;
    f->flags |= EVENT_FIELDS;
    if (f->flags & EVENT_ERASED) return true;
    if (!fields_from_json(f->payload, fields)) return false;
    f->payload = buf_str(fields);
    return true;
}

int postgres_event_of_row(struct backend_conn *c, const PGresult *r, int row,
                          struct stream_name *name, struct event **out, struct err *err) {
    struct event_fields f = {
        .sequence = row_u64(r, row, COL_SEQUENCE),
        .version = row_u64(r, row, COL_VERSION),
        .timestamp = row_u64(r, row, COL_TIMESTAMP),
        .recorded = row_u64(r, row, COL_RECORDED),
        .entry_ms = row_u64(r, row, COL_ENTRY_MS),
        .entry_seq = row_u64(r, row, COL_ENTRY_SEQ),
        .content_hash = row_uuid(r, row, COL_CONTENT_HASH),
        .partition_key = row_uuid(r, row, COL_PARTITION_KEY),
        .transaction = row_uuid(r, row, COL_TRANSACTION),
        .correlation = row_uuid(r, row, COL_CORRELATION),
        .causation = row_uuid(r, row, COL_CAUSATION),
        .type = row_str(r, row, COL_TYPE_NAME),
        .aggregate = row_str(r, row, COL_AGGREGATE),
        .metadata = row_str(r, row, COL_METADATA),
    };
    struct buf fields;
    const struct uuid *id = row_uuid(r, row, COL_EVENT_ID);
    buf_init(&fields, 0);
    bool good = row_payload(r, row, &f, &fields) && id != NULL && f.type.len <= UINT16_MAX &&
                f.aggregate.len <= UINT16_MAX && !row_null(r, row, COL_TYPE_NAME);
    if (!good) {
        buf_clear(&fields);
        return err_set(err, ERR_CORRUPT, "%s: events: row %llu makes no sense", c->place->shown,
                       (unsigned long long)f.sequence);
    }
    f.event_id = *id;
    *out = event_create(&f, name);
    buf_clear(&fields);
    return 0;
}

/* --- one event by its id
 * ----------------------------------------------------------------------------- */

static int load(struct backend_conn *c, struct snapshot *s, const struct uuid *id,
                struct event **out, struct err *err) {
    struct params p = {0};
    PGresult *r = NULL;
    param_uuid(&p, id);
    param_u64(&p, event_id_sequence(id, s->state.s.id_key));
    int rc = postgres_query_last(c, s, SQL_ID, &p, &r, err);
    if (rc != 0 || PQntuples(r) == 0 || row_null(r, 0, COL_STREAM_FIRST) ||
        row_u64(r, 0, COL_VERSION) < row_u64(r, 0, COL_STREAM_FIRST))
        return rc;
    struct stream_name *name = postgres_stream_of_row(
        r, 0, COL_STREAM, COL_STREAM_NAME, COL_STREAM_CREATED, COL_STREAM_KEY, COL_STREAM_KIND);
    if (name == NULL)
        return err_set(err, ERR_CORRUPT, "%s: streams: row %llu makes no sense", c->place->shown,
                       (unsigned long long)row_u64(r, 0, COL_STREAM));
    rc = postgres_event_of_row(c, r, 0, name, out, err);
    stream_name_unref(name);
    return rc;
}

int postgres_read_id(struct backend_conn *c, const struct uuid *id, struct event **out,
                     uint64_t *applied, struct err *err) {
    struct snapshot s;
    *out = NULL;
    int rc = postgres_snapshot_begin(c, &s, err);
    if (rc == 0) rc = postgres_ask(c, &s, err); /* for the key of the ids */
    if (rc == 0) *applied = s.state.s.applied;
    if (rc == 0) rc = load(c, &s, id, out, err);
    postgres_snapshot_end(c);
    return rc;
}
