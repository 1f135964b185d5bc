/* Idempotent ids: what producers have added, so that doing it again adds nothing.
 *
 * Of each producer of a stream a bounded number is kept, for a bounded time; the rows may exceed
 * both for a while. Who has added something is noted, and pruned when that was much or
 * when there is time. Who adds no more is found by a walk over the table in idle times, once an
 * hour of the store's clock, or of the machine's while that one stands still (after a step back of
 * the wall clock). */
#include "store/sqlite/internal.h"

#include "base/alloc.h"

#define SLICE_US    10000
#define WALK_US     2000
#define WALK_EVERY  (UINT64_C(3600) * 1000) /* ms */
#define PRUNE_ADDED 1000                    /* by one producer */
#define PRUNE_NOTED 10000                   /* producers */
#define NOTED_MAX   100000                  /* more are left to the walk */

struct idempotent_note {
    struct hash_node node;
    uint64_t stream;
    size_t added;
    struct str producer; /* bytes behind the struct */
};

/* --- writing ------------------------------------------------------------------------ */

static void note(struct idempotent_notes *notes, uint64_t stream, struct str producer,
                 size_t added) {
    uint64_t hash = hash_bytes(producer.ptr, producer.len) ^ stream;
    for (struct hash_node *n = hash_first(&notes->table, hash); n != NULL;
         n = hash_next(&notes->table, n)) {
        struct idempotent_note *known = CONTAINER_OF(n, struct idempotent_note, node);
        if (known->stream != stream || !str_eq(known->producer, producer)) continue;
        if (known->added < PRUNE_ADDED && known->added + added >= PRUNE_ADDED) notes->due++;
        known->added += added;
        return;
    }
    if (notes->table.count >= NOTED_MAX) return;
    struct idempotent_note *fresh = xmalloc(sizeof *fresh + producer.len);
    char *bytes = (char *)(fresh + 1);
    memcpy(bytes, producer.ptr, producer.len);
    *fresh = (struct idempotent_note){
        .stream = stream, .added = added, .producer = str_of(bytes, producer.len)};
    hash_insert(&notes->table, &fresh->node, hash);
    if (added >= PRUNE_ADDED) notes->due++;
}

static void forget_note(struct idempotent_notes *notes, struct idempotent_note *n) {
    if (n->added >= PRUNE_ADDED) notes->due--;
    hash_remove(&notes->table, &n->node);
    free(n);
}

static void free_note(struct hash_node *n, void *arg) {
    forget_note(arg, CONTAINER_OF(n, struct idempotent_note, node));
}

void sqlite_idempotent_forget(struct sqlite_writer *w) {
    hash_each(&w->idempotent.table, free_note, &w->idempotent);
    hash_clear(&w->idempotent.table);
    buf_clear(&w->idempotent.walk_producer);
    memset(&w->idempotent, 0, sizeof w->idempotent);
    buf_init(&w->idempotent.walk_producer, 0);
}

static int write_row(struct backend_conn *c, const struct idempotent_record *r, struct err *err) {
    sqlite3_stmt *stmt = c->stmts[SQL_ADD_IDEMPOTENT];
    sqlite_bind_u64(stmt, 1, r->stream);
    sqlite3_bind_blob(stmt, 2, r->bytes, r->producer_len, SQLITE_STATIC);
    sqlite3_bind_blob(stmt, 3, r->bytes + r->producer_len, r->id_len, SQLITE_STATIC);
    sqlite_bind_entry(stmt, 4, r->id.ms);
    sqlite_bind_entry(stmt, 5, r->id.seq);
    sqlite_bind_u64(stmt, 6, r->added);
    return sqlite_step(c, stmt, err);
}

int sqlite_write_idempotent(struct backend_conn *c, struct err *err) {
    struct changes *changes = &c->w->changes;
    const struct idempotent_record *first = NULL; /* of a producer's */
    size_t added = 0;
    int rc = 0;
    changes_settle_idempotent(changes);
    for (size_t i = 0; rc == 0 && i < changes->idempotent_count; i++) {
        const struct idempotent_record *r = changes->idempotent[i].record;
        if (first != NULL && (first->stream != r->stream ||
                              !str_eq(idempotent_producer(first), idempotent_producer(r)))) {
            note(&c->w->idempotent, first->stream, idempotent_producer(first), added);
            added = 0;
        }
        first = r;
        added++;
        rc = write_row(c, r, err);
    }
    if (added > 0) note(&c->w->idempotent, first->stream, idempotent_producer(first), added);
    return rc;
}

/* --- reading ------------------------------------------------------------------------ */

static struct idempotent_record *record_of_row(sqlite3_stmt *row, uint64_t stream) {
    const void *producer = sqlite3_column_blob(row, 0), *id = sqlite3_column_blob(row, 1);
    size_t producer_len = (size_t)sqlite3_column_bytes(row, 0);
    size_t id_len = (size_t)sqlite3_column_bytes(row, 1);
    if (producer == NULL || id == NULL || producer_len > UINT16_MAX || id_len > UINT16_MAX)
        return NULL;
    struct idempotent_record *r = xcalloc(1, sizeof *r + producer_len + id_len);
    r->stream = stream;
    r->id.ms = sqlite_column_entry(row, 2);
    r->id.seq = sqlite_column_entry(row, 3);
    r->added = (uint64_t)sqlite3_column_int64(row, 4);
    r->producer_len = (uint16_t)producer_len;
    r->id_len = (uint16_t)id_len;
    memcpy(r->bytes, producer, producer_len);
    memcpy(r->bytes + producer_len, id, id_len);
    return r;
}

int sqlite_read_idempotent(struct backend_conn *c, uint64_t stream, struct stream_detail *d,
                           struct err *err) {
    sqlite3_stmt *stmt = c->stmts[SQL_IDEMPOTENT];
    size_t cap = 0;
    int rc;
    sqlite_bind_u64(stmt, 1, stream);
    while ((rc = sqlite_step(c, stmt, err)) == 1) {
        struct idempotent_record *r = record_of_row(stmt, stream);
        if (r == NULL) {
            sqlite3_reset(stmt);
            return err_set(err, ERR_CORRUPT, "%s: idempotent: a row of stream %llu makes no sense",
                           c->path, (unsigned long long)stream);
        }
        if (d->idempotent_count == cap) {
            cap = cap * 2 + 16;
            d->idempotent = xrealloc(d->idempotent, cap * sizeof(struct idempotent_record *));
        }
        d->idempotent[d->idempotent_count++] = r;
    }
    return rc;
}

/* --- pruning ------------------------------------------------------------------------ */

struct limits {
    uint64_t max, oldest; /* how many; ms: what was added before goes */
};

/* 1, or 0 when there is no such stream. */
static int read_limits(struct backend_conn *c, uint64_t stream, struct limits *out,
                       struct err *err) {
    sqlite3_stmt *stmt = c->stmts[SQL_IDEMPOTENT_LIMITS];
    sqlite_bind_u64(stmt, 1, stream);
    int rc = sqlite_step(c, stmt, err);
    if (rc != 1) return rc;
    uint64_t seconds = (uint64_t)sqlite3_column_int64(stmt, 0);
    uint64_t max = (uint64_t)sqlite3_column_int64(stmt, 1);
    sqlite3_reset(stmt);
    out->max = max > 0 ? max : IDEMPOTENT_MAX;
    out->oldest =
        idempotent_oldest(c->w->state.s.recorded, seconds > 0 ? seconds : IDEMPOTENT_SECONDS);
    return 1;
}

static int prune(struct backend_conn *c, const struct idempotent_note *n, struct err *err) {
    static const enum sql statements[] = {SQL_PRUNE_BY_AGE, SQL_PRUNE_BY_COUNT};
    struct limits limits;
    int rc = read_limits(c, n->stream, &limits, err);
    if (rc != 1) return rc;
    rc = 0;
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(statements); i++) {
        sqlite3_stmt *stmt = c->stmts[statements[i]];
        sqlite_bind_u64(stmt, 1, n->stream);
        sqlite3_bind_blob(stmt, 2, n->producer.ptr, (int)n->producer.len, SQLITE_STATIC);
        sqlite_bind_u64(stmt, 3, i == 0 ? limits.oldest : limits.max);
        rc = sqlite_step(c, stmt, err);
    }
    return rc;
}

struct pruning {
    struct backend_conn *c;
    struct slice slice;
    bool all;
    int rc;
    struct err *err;
};

static void prune_if_due(struct hash_node *node, void *arg) {
    struct pruning *p = arg;
    struct idempotent_note *n = CONTAINER_OF(node, struct idempotent_note, node);
    if (p->rc != 0 || slice_over(&p->slice)) return;
    if (!p->all && n->added < PRUNE_ADDED) return;
    slice_took(&p->slice, 1);
    p->rc = prune(p->c, n, p->err);
    if (p->rc == 0) forget_note(&p->c->w->idempotent, n);
}

bool sqlite_prune_wanted(const struct sqlite_writer *w, bool all) {
    const struct idempotent_notes *notes = &w->idempotent;
    return notes->due > 0 || notes->table.count > (all ? 0 : PRUNE_NOTED);
}

int sqlite_prune(struct backend_conn *c, bool all, struct err *err) {
    struct sqlite_writer *w = c->w;
    struct pruning p = {.c = c, .slice = slice_begin(SLICE_US, w->slice_rows), .err = err};
    p.all = all || w->idempotent.table.count > PRUNE_NOTED;
    int rc = sqlite_begin_write(c, err);
    if (rc == 0) rc = sqlite_refresh(c, err);
    if (rc == 0) {
        hash_each(&w->idempotent.table, prune_if_due, &p);
        rc = p.rc;
    }
    if (rc == 0)
        rc =
            sqlite_set_progress(c, w->state.indexed, w->state.categorized, err); /* for the epoch */
    if (rc == 0) rc = sqlite_run(c, SQL_COMMIT, err);
    if (rc == 0) return 0;
    sqlite_rollback(c); /* what was pruned in vain, the walk finds again */
    w->stale = true;
    return rc;
}

/* --- the walk ----------------------------------------------------------------------- */

/* Notes the next producer of the table when it has too much: 1, or 0 at the end. */
static int walk_step(struct backend_conn *c, struct err *err) {
    struct idempotent_notes *notes = &c->w->idempotent;
    sqlite3_stmt *stmt = c->stmts[SQL_NEXT_PRODUCER];
    sqlite_bind_u64(stmt, 1, notes->walk_stream);
    sqlite3_bind_blob(stmt, 2, notes->walk_producer.data, (int)notes->walk_producer.len,
                      SQLITE_STATIC);
    int rc = sqlite_step(c, stmt, err);
    if (rc != 1) return rc;
    notes->walk_stream = (uint64_t)sqlite3_column_int64(stmt, 0);
    buf_reset(&notes->walk_producer);
    buf_put(&notes->walk_producer, sqlite3_column_blob(stmt, 1),
            (size_t)sqlite3_column_bytes(stmt, 1));
    sqlite3_reset(stmt);
    struct limits limits;
    if ((rc = read_limits(c, notes->walk_stream, &limits, err)) != 1) return rc < 0 ? rc : 1;
    stmt = c->stmts[SQL_PRODUCER];
    sqlite_bind_u64(stmt, 1, notes->walk_stream);
    sqlite3_bind_blob(stmt, 2, notes->walk_producer.data, (int)notes->walk_producer.len,
                      SQLITE_STATIC);
    if ((rc = sqlite_step(c, stmt, err)) != 1) return rc < 0 ? rc : 1;
    bool excess = (uint64_t)sqlite3_column_int64(stmt, 0) > limits.max ||
                  (uint64_t)sqlite3_column_int64(stmt, 1) < limits.oldest;
    sqlite3_reset(stmt);
    if (excess) note(notes, notes->walk_stream, buf_str(&notes->walk_producer), PRUNE_ADDED);
    return 1;
}

int sqlite_idempotent_walk(struct backend_conn *c, struct err *err) {
    struct idempotent_notes *notes = &c->w->idempotent;
    struct slice slice = slice_begin(WALK_US, c->w->slice_rows);
    int rc = 1;
    uint64_t recorded = c->w->state.s.recorded, now = clock_mono_ms();
    if (recorded < notes->next_walk && now - notes->walked < WALK_EVERY) return 0;
    while (rc == 1 && !slice_over(&slice)) {
        slice_took(&slice, 1);
        rc = walk_step(c, err);
    }
    if (rc == 0) {
        notes->next_walk = recorded + WALK_EVERY;
        notes->walked = now;
        notes->walk_stream = 0;
        buf_reset(&notes->walk_producer);
    }
    return MIN(rc, 0);
}
