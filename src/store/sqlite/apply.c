/* Groups of frames become rows: one transaction an apply, whatever its size.
 *
 * The records are walked once, in order: types are written on the way, events are collected, and
 * everything else is coalesced (changes.c) and written when the events are (write.c).
 * What does not outlive the apply is never written. Then the events go in by one statement
 * (bulk.c), in sequence order, so that each is an append to its table; what would land all
 * over other trees (client-made ids, correlations ...) follows, sorted. The (stream, version) index
 * only goes to memory here, see merge.c: its new run is visible to readers before the rows
 * are (they ignore what is beyond their snapshot), and is taken back if the commit fails. */
#include "store/sqlite/internal.h"

#include "base/alloc.h"
#include "base/hash.h"

static uint64_t key_prefix(struct str key) {
    uint64_t prefix = 0;
    if (key.len > 0) memcpy(&prefix, key.ptr, MIN(key.len, sizeof prefix));
    return __builtin_bswap64(prefix);
}

static void side_add(struct side_list *l, struct str key, uint64_t sequence) {
    if (l->count == l->cap) {
        l->cap = l->cap == 0 ? 256 : l->cap * 2;
        l->entries = xrealloc(l->entries, l->cap * sizeof *l->entries);
    }
    l->entries[l->count++] = (struct side_entry){key_prefix(key), key, sequence};
}

static int side_cmp(const void *a, const void *b) {
    const struct side_entry *x = a, *y = b;
    if (x->prefix != y->prefix) return x->prefix < y->prefix ? -1 : 1;
    int cmp = str_cmp(x->key, y->key);
    if (cmp != 0) return cmp;
    return x->sequence < y->sequence ? -1 : x->sequence > y->sequence;
}

static void collected_reset(struct sqlite_writer *w) {
    w->index.count = w->index.id_count = w->row_count = 0;
    changes_reset(&w->changes);
    for (size_t i = 0; i < SIDE_COUNT; i++) w->sides[i].count = 0;
}

void sqlite_apply_forget(struct sqlite_writer *w) {
    memset(w->types, 0, TYPE_SLOTS * sizeof *w->types);
    memset(w->blocks, 0, TYPE_BLOCK_SLOTS * sizeof *w->blocks);
    sqlite_categories_forget(w);
}

void sqlite_apply_free(struct sqlite_writer *w) {
    for (size_t i = 0; i < SIDE_COUNT; i++) free(w->sides[i].entries);
    free(w->index.entries);
    free(w->index.ids);
    free(w->rows);
    free(w->types);
    free(w->blocks);
    free(w->categories);
    changes_free(&w->changes);
    purged_clear(&w->purged);
    buf_clear(&w->json);
    sqlite_idempotent_forget(w);
}

/* --- types ------------------------------------------------------------------ */

static int type_load(struct backend_conn *c, struct str name, uint32_t *number, struct err *err) {
    for (int add = 0; add < 2; add++) {
        sqlite3_stmt *stmt = c->stmts[add ? SQL_ADD_TYPE : SQL_TYPE_NUMBER];
        sqlite3_bind_text(stmt, 1, name.len > 0 ? name.ptr : "", (int)name.len, SQLITE_STATIC);
        int rc = sqlite_step(c, stmt, err);
        if (rc < 0) return rc;
        if (rc == 0) continue;
        int64_t found = sqlite3_column_int64(stmt, 0);
        sqlite3_reset(stmt);
        if (found <= 0 || found > UINT32_MAX)
            return err_set(err, ERR_CORRUPT, "%s: types: number %lld", c->path, (long long)found);
        *number = (uint32_t)found;
        return 0;
    }
    return err_set(err, ERR_FAILED, "%s: types: nothing inserted", c->path);
}

static int type_number(struct backend_conn *c, struct str name, uint32_t *number, struct err *err) {
    if (name.len > TYPE_CACHED_LEN_MAX) return type_load(c, name, number, err);
    uint64_t hash = hash_bytes(name.ptr, name.len);
    struct type_slot *slot = &c->w->types[hash % TYPE_SLOTS];
    if (LIKELY(slot->number != 0 && slot->hash == hash &&
               str_eq(str_of(slot->name, slot->len), name))) {
        *number = slot->number;
        return 0;
    }
    int rc = type_load(c, name, number, err);
    if (rc != 0) return rc;
    slot->hash = hash;
    slot->number = *number;
    slot->len = (uint32_t)name.len;
    if (name.len > 0) memcpy(slot->name, name.ptr, name.len);
    return 0;
}

/* Notes that a block of sequences holds the type, unless that was just written. */
static int add_block(struct backend_conn *c, uint32_t type, uint64_t block, struct err *err) {
    bool fits = type < 1u << 24 && block < UINT64_C(1) << 40;
    uint64_t pair = block << 24 | type; /* never 0: types begin at 1 */
    uint64_t *slot = &c->w->blocks[(pair * UINT64_C(0x9e3779b97f4a7c15)) >> 52];
    if (LIKELY(fits && *slot == pair)) return 0;
    sqlite3_stmt *stmt = c->stmts[SQL_ADD_BLOCK];
    sqlite3_bind_int64(stmt, 1, type);
    sqlite_bind_u64(stmt, 2, block);
    int rc = sqlite_step(c, stmt, err);
    if (rc == 0 && fits) *slot = pair;
    return rc;
}

/* --- records ------------------------------------------------------------------ */

static int add_stream(const struct stream_record *s, struct sqlite_state *state, struct err *err) {
    if (s->number > INDEX_STREAM_MAX)
        return err_set(err, ERR_TOO_LARGE, "stream number %llu is over the limit of %llu",
                       (unsigned long long)s->number, (unsigned long long)INDEX_STREAM_MAX);
    state->s.next_stream = MAX(state->s.next_stream, s->number + 1);
    return 0;
}

static struct str uuid_str(const struct uuid *u) {
    return str_of(u->b, sizeof u->b);
}

/* The event's row and what it adds to the tables that are looked up by value. */
static void collect(struct sqlite_writer *w, const struct event_record *e, uint32_t type) {
    if (w->row_count == w->row_cap) {
        w->row_cap = w->row_cap == 0 ? 1024 : w->row_cap * 2;
        w->rows = xrealloc(w->rows, w->row_cap * sizeof *w->rows);
    }
    w->rows[w->row_count++] = (struct bulk_row){.event = e, .type = type};
    struct index_keys *index = &w->index;
    if (index->count == w->index_cap) {
        w->index_cap = w->index_cap == 0 ? 1024 : w->index_cap * 2;
        index->entries = xrealloc(index->entries, w->index_cap * sizeof *index->entries);
    }
    index->entries[index->count++] =
        (struct index_entry){index_key(e->stream, e->version), e->sequence};
    if (e->flags & EVENT_CLIENT_ID) {
        if (index->id_count == w->id_cap) {
            w->id_cap = w->id_cap == 0 ? 1024 : w->id_cap * 2;
            index->ids = xrealloc(index->ids, w->id_cap * sizeof *index->ids);
        }
        index->ids[index->id_count++] = (struct index_id){e->event_id, e->sequence};
    }
    if (e->flags & EVENT_HAS_CORRELATION)
        side_add(&w->sides[SIDE_CORRELATION], uuid_str(event_correlation(e)), e->sequence);
    if (e->flags & EVENT_HAS_CAUSATION)
        side_add(&w->sides[SIDE_CAUSATION], uuid_str(event_causation(e)), e->sequence);
    if (e->aggregate_len > 0) side_add(&w->sides[SIDE_AGGREGATE], event_aggregate(e), e->sequence);
}

static int add_event(struct backend_conn *c, const struct record *r, struct sqlite_state *state,
                     struct err *err) {
    const struct event_record *e = r->body;
    assert(e->sequence == state->s.next_sequence ||
           (c->w->importing && e->sequence > state->s.next_sequence));
    c->w->gone += e->sequence - state->s.next_sequence;
    if (e->version > INDEX_VERSION_MAX || e->stream > INDEX_STREAM_MAX)
        return err_set(err, ERR_TOO_LARGE, "version %llu of stream %llu is over the limit of %llu",
                       (unsigned long long)e->version, (unsigned long long)e->stream,
                       (unsigned long long)INDEX_VERSION_MAX);
    uint32_t type = 0;
    int rc = type_number(c, event_type(e), &type, err);
    if (rc == 0) rc = add_block(c, type, e->sequence >> BLOCK_BITS, err);
    if (rc == 0) rc = sqlite_add_category(c, r, err);
    if (rc != 0) return rc;
    collect(c->w, e, type);
    state->s.next_sequence = e->sequence + 1;
    state->s.recorded = MAX(state->s.recorded, e->recorded);
    /* An id ahead of the store's clock is a producer's, and moves only its stream. */
    bool higher = e->entry_ms > state->s.entry_ms ||
                  (e->entry_ms == state->s.entry_ms && e->entry_seq > state->s.entry_seq);
    if (higher && e->entry_ms <= e->recorded) {
        state->s.entry_ms = e->entry_ms;
        state->s.entry_seq = e->entry_seq;
    }
    return 0;
}

static int flush(struct backend_conn *c, struct sqlite_state *state, struct err *err) {
    int rc = sqlite_write_named(c, err); /* some of it stays */
    if (rc == 0) rc = sqlite_exec(c, sqlite_flush_sql, err);
    if (rc != 0) return rc;
    collected_reset(c->w);
    sqlite_apply_forget(c->w);
    c->w->gone = 0;
    state->flushes++;
    state->indexed = state->categorized = state->removed_from = 0;
    state->s.next_sequence = 0;
    state->s.next_stream = 1;
    state->s.stream_count = 0;
    state->s.next_group = 1;
    return 0;
}

static int apply_record(struct backend_conn *c, const struct record *r, struct sqlite_state *state,
                        struct err *err) {
    int rc = 0;
    switch (r->kind) {
    case RECORD_EVENT:
        return add_event(c, r, state, err);
    case RECORD_FLUSH:
        return flush(c, state, err);
    case RECORD_TIMELINE:
        return sqlite_add_timeline(c, r->body, err);
    case RECORD_STREAM:
        state->s.stream_count += (uint64_t)record_streams(r);
        rc = add_stream(r->body, state, err);
        break;
    case RECORD_DELETE:
        state->s.stream_count -= record_streams(r) < 0;
        break;
    case RECORD_RENAME:
        state->renames++;
        break;
    case RECORD_GROUP:
        state->s.next_group =
            MAX(state->s.next_group, ((const struct group_record *)r->body)->number + 1);
        break;
    }
    if (rc == 0 && !changes_add(&c->w->changes, r))
        rc = err_set(err, ERR_FAILED, "record kind %d is unknown", r->kind);
    return rc;
}

/* --- what is gone before it was written ------------------------------------------- */

static bool skipped(const struct sqlite_writer *w, uint64_t base, uint64_t sequence) {
    return w->rows[sequence - base].skipped;
}

/* Takes the rows that are marked, and what belongs to them, out of what was collected. */
static void leave_out(struct sqlite_writer *w, uint64_t base) {
    size_t left = 0;
    for (size_t i = 0; i < w->index.id_count; i++)
        if (!skipped(w, base, w->index.ids[i].sequence)) w->index.ids[left++] = w->index.ids[i];
    w->index.id_count = left;
    for (size_t side = 0; side < SIDE_COUNT; side++) {
        struct side_list *l = &w->sides[side];
        left = 0;
        for (size_t i = 0; i < l->count; i++)
            if (!skipped(w, base, l->entries[i].sequence)) l->entries[left++] = l->entries[i];
        l->count = left;
    }
    left = 0;
    for (size_t i = 0; i < w->row_count; i++) {
        if (w->rows[i].skipped) continue;
        w->rows[left] = w->rows[i];
        w->index.entries[left++] = w->index.entries[i];
    }
    w->gone += w->row_count - left;
    w->row_count = w->index.count = left;
}

/* Events that the same apply adds and removes (or trims, or deletes with their stream) are not
 * written, and those that it adds and erases are written erased. base: of the first row; the
 * rows' sequences have no gaps (but in an import, which takes nothing away that it adds). */
static void settle_rows(struct sqlite_writer *w, uint64_t base) {
    const struct changes *changes = &w->changes;
    bool any = false;
    if (w->row_count == 0) return;
    for (size_t i = 0; i < changes->erased_count; i++) {
        if (changes->erased[i] < base) continue;
        assert(changes->erased[i] - base < w->row_count);
        w->rows[changes->erased[i] - base].erased = true;
    }
    for (size_t i = 0; i < changes->removed_count; i++) {
        if (changes->removed[i].sequence < base) continue;
        assert(changes->removed[i].sequence - base < w->row_count);
        w->rows[changes->removed[i].sequence - base].skipped = any = true;
    }
    for (size_t i = 0; changes->hides > 0 && i < w->row_count; i++) {
        const struct event_record *e = w->rows[i].event;
        if (changes_hide(changes, e->stream, e->version)) w->rows[i].skipped = any = true;
    }
    if (any) leave_out(w, base);
}

/* --- the transaction ------------------------------------------------------------ */

static int write_value(struct backend_conn *c, enum side side, const struct side_entry *e,
                       struct err *err) {
    static const enum sql statements[SIDE_COUNT] = {
        [SIDE_CORRELATION] = SQL_ADD_CORRELATION,
        [SIDE_CAUSATION] = SQL_ADD_CAUSATION,
        [SIDE_AGGREGATE] = SQL_ADD_AGGREGATE,
    };
    sqlite3_stmt *stmt = c->stmts[statements[side]];
    if (side == SIDE_AGGREGATE)
        sqlite3_bind_text(stmt, 1, e->key.ptr, (int)e->key.len, SQLITE_STATIC);
    else
        sqlite3_bind_blob(stmt, 1, e->key.ptr, (int)e->key.len, SQLITE_STATIC);
    sqlite_bind_u64(stmt, 2, e->sequence);
    return sqlite_step(c, stmt, err);
}

static int write_side(struct backend_conn *c, enum side side, struct err *err) {
    struct side_list *l = &c->w->sides[side];
    if (l->count > 1) qsort(l->entries, l->count, sizeof *l->entries, side_cmp);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < l->count; i++) rc = write_value(c, side, &l->entries[i], err);
    return rc;
}

static int write_state(struct backend_conn *c, const struct sqlite_state *state, struct err *err) {
    sqlite3_stmt *stmt = c->stmts[SQL_SET_STATE];
    sqlite_bind_ours(c, stmt);
    sqlite_bind_u64(stmt, 2, state->flushes);
    sqlite_bind_u64(stmt, 3, state->s.applied);
    sqlite_bind_u64(stmt, 4, state->indexed);
    sqlite_bind_u64(stmt, 5, state->s.next_sequence);
    sqlite_bind_u64(stmt, 6, state->s.next_stream);
    sqlite_bind_u64(stmt, 7, state->s.stream_count);
    sqlite_bind_u64(stmt, 8, state->s.recorded);
    sqlite_bind_entry(stmt, 9, state->s.entry_ms);
    sqlite_bind_entry(stmt, 10, state->s.entry_seq);
    sqlite_bind_u64(stmt, 11, state->s.next_group);
    sqlite_bind_u64(stmt, 12, state->renames);
    sqlite_bind_u64(stmt, 13, state->categorized);
    sqlite_bind_u64(stmt, 14, c->w->gone);
    int rc = sqlite_step(c, stmt, err);
    if (rc == 0 && sqlite3_changes(c->db) == 0) rc = sqlite_replaced(c, err);
    return rc;
}

static int write_batches(struct backend_conn *c, struct batch *const batches[], size_t n,
                         struct sqlite_state *state, struct err *err) {
    int rc = 0;
    for (size_t i = 0; i < n; i++) {
        const struct batch *b = batches[i];
        assert(b->frame_count > 0);
        assert(b->first_frame > state->s.applied);
        uint32_t records = b->frame_end[b->frame_count - 1];
        for (uint32_t j = 0; j < records; j++)
            if ((rc = apply_record(c, &b->records[j], state, err)) != 0) return rc;
        state->s.applied = batch_last_frame(b);
    }
    uint64_t base = c->w->row_count > 0 ? c->w->rows[0].event->sequence : state->s.next_sequence;
    settle_rows(c->w, base);
    if (c->w->row_count > 0) rc = sqlite_run(c, SQL_ADD_EVENTS, err);
    for (int side = 0; rc == 0 && side < SIDE_COUNT; side++) rc = write_side(c, side, err);
    if (rc == 0) rc = sqlite_write_changes(c, base, err);
    return rc == 0 ? write_state(c, state, err) : rc;
}

/* Makes the new entries of the index visible, commits, and keeps them or takes them back. */
static int commit(struct backend_conn *c, const struct sqlite_state *state, struct err *err) {
    struct sqlite_writer *w = c->w;
    bool flushed = state->flushes != w->state.flushes;
    uint64_t from = flushed ? 0 : w->state.s.next_sequence;
    if (flushed) {
        index_tail_hold(w->index_tail);
        int rc = sqlite_run(c, SQL_COMMIT, err);
        if (rc == 0) {
            w->merge_runs = 0;
            index_tail_reset(w->index_tail, &w->index, from, state->s.next_sequence,
                             state->flushes);
        }
        index_tail_release(w->index_tail);
        return rc;
    }
    if (from == state->s.next_sequence) return sqlite_run(c, SQL_COMMIT, err);
    index_tail_push(w->index_tail, &w->index, from, state->s.next_sequence);
    int rc = sqlite_run(c, SQL_COMMIT, err);
    if (rc == 0)
        index_tail_settle(w->index_tail);
    else
        index_tail_pop(w->index_tail);
    return rc;
}

int sqlite_apply(struct backend_conn *c, struct batch *const batches[], size_t n, struct err *err) {
    struct sqlite_writer *w = c->w;
    assert(w != NULL);
    assert(n > 0);
    int rc = sqlite_begin_write(c, err);
    if (rc != 0) return rc;
    rc = sqlite_refresh(c, err);
    struct sqlite_state state = w->state;
    if (rc == 0) rc = write_batches(c, batches, n, &state, err);
    if (rc == 0) rc = sqlite_check_place(c, err);
    if (rc == 0) rc = commit(c, &state, err);
    if (rc == 0) {
        if (state.flushes != w->state.flushes)
            purged_clear(&w->purged);
        else
            purged_commit(&w->purged);
        w->state = state;
        w->applied_since += w->index.count + w->index.id_count;
        atomic_store(&w->stat_indexed, state.indexed);
    } else {
        sqlite_rollback(c);
        purged_rollback(&w->purged);
        sqlite_apply_forget(w);
        w->stale = true;
        rc = sqlite_lost_instead(c, rc, err);
        if (rc != ERR_LOST && w->no_room) sqlite_make_room(c);
    }
    collected_reset(w);
    return rc;
}
