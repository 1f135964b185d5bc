/* Groups of frames become rows: one transaction an apply, sent as one pipeline and answered at
 * once.
 *
 * The records are walked once, in order: events are collected, everything else is coalesced
 * (store/changes.c). What does not outlive the apply is never written. Then numbers of types that
 * are not known are asked for, which is the only question, and everything goes out together: the
 * fence with a row of `commits`, one statement with an array for each kind of change, COMMIT.
 *
 * The next apply may be sent while one is on its way (postgres_apply_begin). Its fence asks for the
 * last frame of the one before, so that it comes to nothing unless that was committed; the session
 * runs them one after the other. What has to ask before it can be sent (for the number of a type; a
 * flush) waits until nothing is under way.
 *
 * A session that is lost leaves open whether the COMMITs happened. The next apply, which has the
 * same frames, looks: the newest row of `commits` says so. Until then the answer is ERR_UNKNOWN.
 *
 * A flush in the middle is sent when it is met: it empties the tables, and what was collected
 * before it is dropped. */
#include "base/alloc.h"
#include "store/postgres/internal.h"

/* --- arrays ---------------------------------------------------------------------------------- */

struct array *postgres_arrays(struct backend_conn *c, const enum array_type *types, size_t n) {
    assert(n <= WRITE_ARRAYS);
    for (size_t i = 0; i < n; i++) array_begin(&c->w->arrays[i], types[i]);
    return c->w->arrays;
}

int postgres_queue_arrays(struct backend_conn *c, enum sql id, size_t n, struct err *err) {
    struct params p = {0};
    if (c->w->arrays[0].count == 0) return 0;
    for (size_t i = 0; i < n; i++) {
        assert(c->w->arrays[i].count == c->w->arrays[0].count);
        param_array(&p, &c->w->arrays[i]);
    }
    return postgres_queue(c, id, &p, err);
}

/* --- what is kept between applies --------------------------------------------------------------
 */

static void collected_reset(struct postgres_writer *w) {
    w->row_count = w->timeline_count = 0;
    w->begun = w->erases = false;
    changes_reset(&w->changes);
}

void postgres_apply_forget(struct postgres_writer *w) {
    postgres_types_forget(w);
}

void postgres_apply_free(struct postgres_writer *w) {
    postgres_types_forget(w);
    postgres_idempotent_forget(w);
    for (size_t i = 0; i < WRITE_ARRAYS; i++) array_free(&w->arrays[i]);
    free(w->rows);
    free(w->timelines);
    free(w->blocks);
    free(w->category_blocks);
    free(w->categories);
    changes_free(&w->changes);
    buf_clear(&w->text);
}

/* --- records ------------------------------------------------------------------------------------
 */

static int add_event(struct postgres_writer *w, const struct record *r,
                     struct postgres_state *state, struct err *err) {
    const struct event_record *e = r->body;
    assert(e->sequence == state->s.next_sequence ||
           (state->s.left == LEFT_MIGRATING && e->sequence > state->s.next_sequence));
    state->removed += e->sequence - state->s.next_sequence;
    if (e->version > VERSION_MAX || e->stream > STREAM_NUMBER_MAX)
        return err_set(err, ERR_TOO_LARGE, "version %llu of stream %llu is over the limit of %llu",
                       (unsigned long long)e->version, (unsigned long long)e->stream,
                       (unsigned long long)VERSION_MAX);
    if (w->row_count == w->row_cap) {
        w->row_cap = w->row_cap == 0 ? 1024 : w->row_cap * 2;
        w->rows = xrealloc(w->rows, w->row_cap * sizeof *w->rows);
    }
    w->rows[w->row_count++] = (struct event_row){.event = e, .category = r->category};
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

static int add_stream(const struct stream_record *s, struct postgres_state *state,
                      struct err *err) {
    if (s->number > STREAM_NUMBER_MAX)
        return err_set(err, ERR_TOO_LARGE, "stream number %llu is over the limit of %llu",
                       (unsigned long long)s->number, (unsigned long long)STREAM_NUMBER_MAX);
    state->s.next_stream = MAX(state->s.next_stream, s->number + 1);
    return 0;
}

static void add_timeline(struct postgres_writer *w, const struct timeline_record *r) {
    if (w->timeline_count == w->timeline_cap) {
        w->timeline_cap = w->timeline_cap * 2 + 4;
        w->timelines = xrealloc(w->timelines, w->timeline_cap * sizeof *w->timelines);
    }
    w->timelines[w->timeline_count++] = *r;
}

static int begin_once(struct backend_conn *c, struct err *err) {
    if (c->w->begun) return 0;
    c->w->begun = true;
    return postgres_begin(c, err);
}

/* TRUNCATE waits for whoever reads, and who reads then waits for it: for a second, then the rows
 * are deleted one by one, which waits for nobody. */
static int empty_tables(struct backend_conn *c, struct err *err) {
    struct buf sql;
    buf_init(&sql, 0);
    buf_printf(&sql,
               "SAVEPOINT flush; SET LOCAL lock_timeout = '1s'; TRUNCATE %s;"
               " SET LOCAL lock_timeout = '5s'; RELEASE flush",
               postgres_flush_tables);
    buf_put(&sql, "", 1);
    int rc = postgres_exec(c, sql.data, NULL, err);
    if (rc == ERR_BUSY && c->pg != NULL) {
        buf_reset(&sql);
        buf_put_str(&sql, STR("ROLLBACK TO flush; SET LOCAL lock_timeout = '5s';"));
        for (const char *at = postgres_flush_tables; at != NULL; at = strchr(at, ',')) {
            at += strspn(at, ", ");
            buf_printf(&sql, "DELETE FROM %.*s;", (int)strcspn(at, ","), at);
        }
        buf_put(&sql, "", 1);
        c->patient = true;
        rc = postgres_exec(c, sql.data, NULL, err);
        c->patient = false;
    }
    buf_clear(&sql);
    return rc == 0 ? postgres_exec(c, "UPDATE @store SET removed = 0", NULL, err) : rc;
}

static int flush(struct backend_conn *c, struct postgres_state *state, struct err *err) {
    struct postgres_writer *w = c->w;
    if (!w->asks) return LATER;
    int rc = begin_once(c, err);
    if (rc == 0) rc = postgres_write_named(c, err); /* some of it stays */
    if (rc == 0) rc = postgres_sync(c, NULL, err);
    if (rc == 0) rc = empty_tables(c, err);
    if (rc != 0) return rc;
    w->row_count = 0;
    changes_reset(&w->changes);
    postgres_types_forget(w);
    state->flushes++;
    state->removed = 0;
    state->s.next_sequence = 0;
    state->s.next_stream = 1;
    state->s.stream_count = 0;
    state->s.next_group = 1;
    return 0;
}

static int apply_record(struct backend_conn *c, const struct record *r,
                        struct postgres_state *state, struct err *err) {
    int rc = 0;
    switch (r->kind) {
    case RECORD_EVENT:
        return add_event(c->w, r, state, err);
    case RECORD_FLUSH:
        return flush(c, state, err);
    case RECORD_TIMELINE:
        add_timeline(c->w, r->body);
        return 0;
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

/* --- what is gone before it was written ----------------------------------------------------- */

static void leave_out(struct postgres_writer *w, struct postgres_state *state) {
    size_t left = 0;
    for (size_t i = 0; i < w->row_count; i++) {
        if (w->rows[i].skipped)
            state->removed++;
        else
            w->rows[left++] = w->rows[i];
    }
    w->row_count = left;
}

/* Events that the same apply adds and removes (or trims, or deletes with their stream) are not
 * written, and those that it adds and erases are written erased. base: of the first row; the rows'
 * sequences have no gaps (but in an import, which takes nothing away that it adds). */
static void settle_rows(struct postgres_writer *w, uint64_t base, struct postgres_state *state) {
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
    if (any) leave_out(w, state);
}

/* Rows of before that write_changes deletes. */
static uint64_t count_removed(const struct changes *changes, uint64_t base) {
    uint64_t n = 0;
    for (size_t i = 0; i < changes->removed_count; i++) {
        const struct removed_row *r = &changes->removed[i];
        n += r->sequence < base && !changes_hide(changes, r->stream, r->version);
    }
    return n;
}

/* --- the transaction ---------------------------------------------------------------------------
 */

static int write_timelines(struct backend_conn *c, struct err *err) {
    struct postgres_writer *w = c->w;
    if (w->timeline_count == 0) return 0;
    struct array *a = ARRAYS(c, ARRAY_TEXT, ARRAY_INT8, ARRAY_INT8, ARRAY_TEXT);
    for (size_t i = 0; i < w->timeline_count; i++) {
        char id[TIMELINE_TEXT_LEN + 1];
        timeline_format(w->timelines[i].id, id);
        array_str(&a[0], str_c(id));
        array_u64(&a[1], w->timelines[i].began);
        array_u64(&a[2], w->timelines[i].created);
        array_str(&a[3], str_c(timeline_reason_word(w->timelines[i].reason)));
    }
    struct params keep = {0};
    param_u64(&keep, TIMELINES_MAX);
    int rc = postgres_queue_arrays(c, SQL_ADD_TIMELINES, 4, err);
    return rc == 0 ? postgres_queue(c, SQL_PRUNE_TIMELINES, &keep, err) : rc;
}

/* The row of `commits`. Together with the fence it is the transaction's first statement; a flush
 * has sent the fence by itself. */
static int write_commit(struct backend_conn *c, const struct postgres_state *state,
                        struct err *err) {
    struct params p = {0};
    bool first = !c->w->begun;
    int rc = 0;
    if (first) {
        c->w->begun = true;
        rc = postgres_queue(c, SQL_BEGIN, NULL, err);
        postgres_param_ours(c, &p);
    }
    param_u64(&p, state->s.applied);
    param_u64(&p, postgres_frame(c->w));
    param_u64(&p, state->s.epoch);
    param_u64(&p, state->s.next_sequence);
    param_u64(&p, state->s.next_stream);
    param_u64(&p, state->s.next_group);
    param_u64(&p, state->s.stream_count);
    param_u64(&p, state->removed);
    param_u64(&p, state->flushes);
    param_u64(&p, state->renames);
    param_u64(&p, state->s.recorded);
    param_u64(&p, state->s.entry_ms);
    param_u64(&p, state->s.entry_seq);
    param_null(&p);
    return rc == 0 ? postgres_queue(c, first ? SQL_FENCE_COMMIT : SQL_ADD_COMMIT, &p, err) : rc;
}

/* LATER: it would have to ask, and may not; nothing is queued. */
static int write_batches(struct backend_conn *c, struct batch *const batches[], size_t n,
                         struct postgres_state *state, struct err *err) {
    struct postgres_writer *w = c->w;
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
    uint64_t base = w->row_count > 0 ? w->rows[0].event->sequence : state->s.next_sequence;
    state->removed += count_removed(&w->changes, base);
    settle_rows(w, base, state);
    if ((rc = postgres_find_types(c, err)) != 0) return rc;
    if ((rc = write_commit(c, state, err)) != 0) return rc;
    rc = postgres_write_types(c, err);
    if (rc == 0) rc = postgres_write_events(c, err);
    if (rc == 0) rc = postgres_write_changes(c, base, err);
    if (rc == 0) rc = write_timelines(c, err);
    return rc == 0 ? postgres_queue(c, SQL_COMMIT, NULL, err) : rc;
}

/* Why the transaction failed, and what that means. committing: the last frame that a COMMIT was
 * sent for; 0: there is none. */
static int apply_failed(struct backend_conn *c, int rc, uint64_t committing, bool fenced,
                        struct err *err) {
    struct postgres_writer *w = c->w;
    w->stale = true;
    postgres_apply_forget(w);
    if (c->pg == NULL) {
        w->unsure = MAX(w->unsure, committing);
        return w->unsure > 0 ? ERR_UNKNOWN : rc;
    }
    postgres_rollback(c);
    return fenced ? postgres_replaced(c, err) : rc;
}

/* While it is not known whether something was committed it is not void, whatever keeps us from
 * finding out; unless another has taken over. */
static int still_unsure(int rc) {
    return rc == 0 || rc == ERR_REFUSED ? rc : ERR_UNKNOWN;
}

/* A warning at the commit: it was not waited for the replica that was to have it. So a later commit
 * has to be, before anything is said. */
static int confirm(struct backend_conn *c, uint64_t last, struct err *err) {
    c->w->warned = false;
    int rc = postgres_probe(c, err);
    if (rc == 0 && c->w->warned) {
        rc = err_set(err, ERR_UNKNOWN, "%s: the commit is not on the replicas that are to have it",
                     c->place->shown);
        postgres_disconnect(c);
    }
    if (rc == 0 && c->w->unsure == last) c->w->unsure = 0;
    if (rc == 0) atomic_store(&c->w->known, c->w->state.s.applied);
    return still_unsure(rc);
}

/* What was tried before may have happened: 1: it has, and there is nothing to do. */
static int look_back(struct backend_conn *c, struct batch *const batches[], size_t n,
                     struct err *err) {
    struct postgres_writer *w = c->w;
    uint64_t last = batch_last_frame(batches[n - 1]);
    bool unsure = w->unsure >= last;
    int rc = postgres_refresh(c, err);
    if (rc != 0) return unsure ? still_unsure(rc) : rc;
    if (unsure && w->state.s.applied >= last) { /* more: what was sent behind it happened, too */
        rc = confirm(c, last, err);
        return rc == 0 ? 1 : rc;
    }
    w->unsure = 0;
    return 0;
}

static int unknown_for_warning(struct backend_conn *c, struct err *err) {
    int rc = err_set(err, ERR_UNKNOWN, "%s: a warning came with the commit", c->place->shown);
    postgres_disconnect(c);
    return rc;
}

static void committed(struct postgres_writer *w, const struct postgres_state *after, bool erases) {
    w->state = *after;
    if (erases) atomic_fetch_add(&w->erasing, 1);
    w->next_look = clock_mono_ms() + LOOK_EVERY_MS;
    atomic_store(&w->stat_sequence, after->s.next_sequence);
    atomic_store(&w->known, after->s.applied);
}

static int transact(struct backend_conn *c, struct batch *const batches[], size_t n,
                    struct err *err) {
    struct postgres_writer *w = c->w;
    struct postgres_state state = w->state;
    uint64_t committing = 0;
    w->warned = false;
    w->asks = true;
    int rc = write_batches(c, batches, n, &state, err);
    w->asks = false;
    if (rc == 0) {
        committing = state.s.applied;
        rc = postgres_sync(c, NULL, err);
    }
    if (rc == 0 && w->warned) rc = unknown_for_warning(c, err);
    if (rc == 0) {
        committed(w, &state, w->erases);
        return 0;
    }
    return apply_failed(c, rc, committing, c->pg != NULL && postgres_fenced(c), err);
}

int postgres_apply(struct backend_conn *c, struct batch *const batches[], size_t n,
                   struct err *err) {
    assert(c->w != NULL);
    assert(n > 0);
    int rc = look_back(c, batches, n, err);
    if (rc != 0) return MIN(rc, 0);
    rc = transact(c, batches, n, err);
    collected_reset(c->w);
    return rc;
}

/* --- several under way -------------------------------------------------------------------------
 */

int postgres_apply_begin(struct backend_conn *c, struct batch *const batches[], size_t n,
                         bool *begun, struct err *err) {
    struct postgres_writer *w = c->w;
    assert(n > 0);
    *begun = false;
    if (w->flight_count == POSTGRES_FLIGHTS || c->pg == NULL || w->stale || w->unsure > 0) return 0;
    struct postgres_state state = *postgres_last(w);
    if (w->flight_count == 0) w->warned = false;
    int rc = write_batches(c, batches, n, &state, err);
    bool erases = w->erases;
    collected_reset(w);
    if (rc == 0) rc = postgres_dispatch(c, err);
    if (rc == 0) {
        w->flights[w->flight_count++] = (struct flight){state, erases};
        *begun = true;
        return 0;
    }
    /* It has to ask, or can never be applied: apply says so, in its turn. */
    if (c->pg != NULL && c->sent == 0) return 0;
    uint64_t committing = batch_last_frame(batches[n - 1]);
    w->flight_count = 0;
    postgres_disconnect(c);
    return apply_failed(c, rc, committing, false, err);
}

/* What is under way behind one that failed comes to nothing, too, by its fence. */
static void await_others(struct backend_conn *c) {
    struct err ignored;
    bool over;
    while (c->pg != NULL && c->under_way > 0) postgres_await(c, -1, &over, NULL, &ignored);
}

int postgres_apply_end(struct backend_conn *c, int wake_fd, bool *over, struct err *err) {
    struct postgres_writer *w = c->w;
    assert(w->flight_count > 0);
    int rc = postgres_await(c, wake_fd, over, NULL, err);
    if (rc == 0 && !*over) return 0;
    if (rc == 0 && w->warned) rc = unknown_for_warning(c, err);
    if (rc == 0) {
        committed(w, &w->flights[0].after, w->flights[0].erases);
        memmove(&w->flights[0], &w->flights[1], --w->flight_count * sizeof w->flights[0]);
        return 0;
    }
    bool fenced = c->pg != NULL && postgres_fenced(c);
    uint64_t committing = postgres_last(w)->s.applied;
    await_others(c);
    w->flight_count = 0;
    *over = false;
    return apply_failed(c, rc, committing, fenced, err);
}
