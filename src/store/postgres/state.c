/* Where the store stands, and what its writer says of itself. */
#include "base/alloc.h"
#include "base/log.h"
#include "store/postgres/internal.h"

static const char *const left_words[] = {
    [LEFT_CLOSED] = "closed",       [LEFT_BACKUP] = "backup",   [LEFT_UNSURE] = "unsure",
    [LEFT_BACKEND] = "backend",     [LEFT_JOURNAL] = "journal", [LEFT_INTERVAL] = "interval",
    [LEFT_MIGRATING] = "migrating",
};

static enum store_left left_of(struct str word) {
    for (size_t i = 0; i < ARRAY_LEN(left_words); i++)
        if (str_eq(word, str_c(left_words[i]))) return (enum store_left)i;
    return LEFT_UNSURE; /* a word that nobody knows */
}

void postgres_state_of_row(const PGresult *r, struct postgres_state *out) {
    const struct uuid *id = row_uuid(r, 0, STATE_STORE_ID);
    if (id != NULL) out->s.store_id = *id;
    out->s.id_key = row_u64(r, 0, STATE_ID_KEY);
    out->s.epoch = row_u64(r, 0, STATE_EPOCH);
    out->s.journal_open = row_bool(r, 0, STATE_JOURNAL_OPEN);
    out->s.left = left_of(row_str(r, 0, STATE_LEFT));
    out->s.run = (uint32_t)row_u64(r, 0, STATE_RUN);
    out->s.applied = row_u64(r, 0, STATE_APPLIED);
    out->s.next_sequence = row_u64(r, 0, STATE_NEXT_SEQUENCE);
    out->s.next_stream = row_u64(r, 0, STATE_NEXT_STREAM);
    out->s.next_group = row_u64(r, 0, STATE_NEXT_GROUP);
    out->s.stream_count = row_u64(r, 0, STATE_STREAM_COUNT);
    out->removed = row_u64(r, 0, STATE_REMOVED);
    out->flushes = row_u64(r, 0, STATE_FLUSHES);
    out->renames = row_u64(r, 0, STATE_RENAMES);
    out->s.recorded = row_u64(r, 0, STATE_RECORDED);
    out->s.entry_ms = row_u64(r, 0, STATE_ENTRY_MS);
    out->s.entry_seq = row_u64(r, 0, STATE_ENTRY_SEQ);
}

int postgres_read_state(struct backend_conn *c, struct postgres_state *out, struct err *err) {
    PGresult *r = NULL;
    int rc = postgres_run(c, SQL_STATE, NULL, &r, err);
    if (rc != 0) return rc;
    if (PQntuples(r) != 1)
        return err_set(err, ERR_CORRUPT, "%s: table store or commits is empty", c->place->shown);
    memset(out, 0, sizeof *out);
    postgres_state_of_row(r, out);
    return 0;
}

/* --- whether it is still ours ------------------------------------------------------------- */

/* It is ours, and lacks what was committed: the old primary that has come back, a replica that was
 * behind, older rows that were loaded into its tables. Whoever opens it next cannot see that. */
static void note_older(struct backend_conn *c, uint64_t epoch) {
    char sql[120];
    struct err err;
    snprintf(sql, sizeof sql, "UPDATE @store SET left_as = 'backup' WHERE epoch = %lld",
             (long long)epoch);
    postgres_rollback(c);
    err_set(&err, ERR_BUSY, "the session is lost");
    if (c->pg != NULL && postgres_exec(c, sql, NULL, &err) == 0) return;
    log_warning("%s: it could not be noted that it lacks what was committed: start the next server "
                "with --new-timeline: %s",
                c->place->shown, err.text);
}

int postgres_replaced(struct backend_conn *c, struct err *err) {
    struct postgres_state now;
    const struct store_state *before = &c->w->state.s;
    int rc = postgres_read_state(c, &now, err);
    if (rc != 0) return rc;
    if (now.s.epoch != before->epoch)
        return err_set(err, ERR_REFUSED,
                       "%s: another server has taken over (epoch %llu, ours %llu)", c->place->shown,
                       (unsigned long long)now.s.epoch, (unsigned long long)before->epoch);
    if (now.s.applied < before->applied) note_older(c, before->epoch);
    return err_set(
        err, ERR_REFUSED, "%s: the store is not as this server left it (frame %llu, ours %llu)",
        c->place->shown, (unsigned long long)now.s.applied, (unsigned long long)before->applied);
}

int postgres_is_replica(struct backend_conn *c, bool *out, struct err *err) {
    PGresult *r = NULL;
    int rc = postgres_exec(c, "SELECT pg_is_in_recovery()", &r, err);
    if (rc != 0) return rc;
    *out = PQgetvalue(r, 0, 0)[0] == 't';
    PQclear(r);
    return 0;
}

/* A replica may be behind, which is no proof that anything is lost: it has to be promoted first. */
static int check_writable(struct backend_conn *c, struct err *err) {
    bool replica = false;
    int rc = postgres_is_replica(c, &replica, err);
    if (rc != 0 || !replica) return rc;
    return err_set(err, ERR_BUSY, "%s: this is a replica, which takes no writes", c->place->shown);
}

static int reconnect(struct backend_conn *c, struct err *err) {
    if (c->pg != NULL) return 0;
    int rc = postgres_connect(c, err);
    if (rc == 0) rc = check_writable(c, err);
    if (rc == 0) rc = postgres_lock(c, err);
    if (rc == 0) rc = postgres_prepare(c, err);
    if (rc != 0) postgres_disconnect(c);
    return rc;
}

static bool is_ours(const struct postgres_writer *w, const struct postgres_state *seen) {
    return seen->s.epoch == w->state.s.epoch && uuid_eq(&seen->s.store_id, &w->state.s.store_id) &&
           seen->s.applied >= w->state.s.applied;
}

int postgres_refresh(struct backend_conn *c, struct err *err) {
    assert(c->w != NULL);
    struct postgres_state now;
    bool fresh = c->pg == NULL;
    assert(c->w->flight_count == 0);
    if (c->pinned)
        return fresh ? err_set(err, ERR_IO, "%s: the session was lost", c->place->shown) : 0;
    int rc = reconnect(c, err);
    if (rc != 0 || (!c->w->stale && !fresh)) return rc;
    if ((rc = postgres_read_state(c, &now, err)) != 0) return rc;
    /* The transaction that failed may have been committed. */
    if (!is_ours(c->w, &now)) return postgres_replaced(c, err);
    c->w->state = now;
    c->w->stale = false;
    return 0;
}

void postgres_param_ours(struct backend_conn *c, struct params *p) {
    const struct store_state *s = &postgres_last(c->w)->s;
    param_u64(p, s->epoch);
    param_uuid(p, &s->store_id);
    param_u64(p, s->applied);
}

int postgres_run_ours(struct backend_conn *c, enum sql id, const struct params *p,
                      struct err *err) {
    PGresult *r = NULL;
    int rc = postgres_run(c, id, p, &r, err);
    if (rc != 0) return rc;
    return PQntuples(r) == 1 ? 0 : postgres_replaced(c, err);
}

int postgres_begin(struct backend_conn *c, struct err *err) {
    struct params p = {0};
    postgres_param_ours(c, &p);
    int rc = postgres_queue(c, SQL_BEGIN, NULL, err);
    return rc == 0 ? postgres_queue(c, SQL_FENCE, &p, err) : rc;
}

/* --- the backend's functions ---------------------------------------------------------------- */

int postgres_load_state(struct backend_conn *c, struct store_state *out, struct err *err) {
    PGresult *r = NULL;
    int rc = postgres_refresh(c, err);
    if (rc == 0) rc = postgres_run(c, SQL_COUNTS, NULL, &r, err);
    if (rc != 0) return rc;
    *out = c->w->state.s;
    out->next_deadline = row_u64(r, 0, 0);
    out->expiring_count = row_u64(r, 0, 1);
    out->virtual_groups = row_u64(r, 0, 2);
    return 0;
}

int postgres_load_timelines(struct backend_conn *c, struct timelines *out, struct err *err) {
    PGresult *r = NULL;
    int rc = postgres_refresh(c, err);
    if (rc == 0) rc = postgres_run(c, SQL_TIMELINES, NULL, &r, err);
    if (rc != 0) return rc;
    for (int i = 0; i < PQntuples(r); i++) {
        struct str id = row_str(r, i, 0);
        struct timeline_record t = {
            .began = row_u64(r, i, 1),
            .created = row_u64(r, i, 2),
            .reason = timeline_reason_of(row_str(r, i, 3)),
        };
        if (!timeline_parse(id, &t.id))
            return err_set(err, ERR_CORRUPT, "%s: timelines: '%.*s' is no id", c->place->shown,
                           (int)MIN(id.len, (size_t)64), id.ptr);
        timelines_add(out, &t);
    }
    if (out->count == 0)
        return err_set(err, ERR_CORRUPT, "%s: table timelines is empty", c->place->shown);
    return 0;
}

int postgres_set_left(struct backend_conn *c, enum store_left left, struct err *err) {
    struct params p = {0};
    int rc = postgres_refresh(c, err);
    if (rc != 0) return rc;
    postgres_param_ours(c, &p);
    param_bool(&p, left_with_journal(left));
    param_str(&p, str_c(left_words[left]));
    if ((rc = postgres_run_ours(c, SQL_SET_LEFT, &p, err)) != 0) return rc;
    c->w->state.s.journal_open = left_with_journal(left);
    c->w->state.s.left = left;
    return 0;
}

int postgres_set_run(struct backend_conn *c, uint32_t run, struct err *err) {
    struct params p = {0};
    int rc = postgres_refresh(c, err);
    if (rc != 0) return rc;
    postgres_param_ours(c, &p);
    param_u64(&p, run);
    if ((rc = postgres_run_ours(c, SQL_SET_RUN, &p, err)) == 0) c->w->state.s.run = run;
    return rc;
}

int postgres_adopt(struct backend_conn *c, const struct uuid *store_id, uint64_t id_key,
                   struct err *err) {
    struct params p = {0}, timeline = {0};
    char id[TIMELINE_TEXT_LEN + 1];
    assert(c->w->state.s.applied == 0);
    int rc = postgres_refresh(c, err);
    if (rc != 0) return rc;
    timeline_format(timeline_of_store(store_id), id);
    postgres_param_ours(c, &p);
    param_uuid(&p, store_id);
    param_u64(&p, id_key);
    param_str(&timeline, str_c(id));
    rc = postgres_queue(c, SQL_BEGIN, NULL, err);
    if (rc == 0) rc = postgres_queue(c, SQL_ADOPT, &p, err);
    if (rc == 0) rc = postgres_queue(c, SQL_ADOPT_TIMELINE, &timeline, err);
    if (rc == 0) rc = postgres_sync(c, NULL, err);
    if (rc == 0 && PQntuples(c->results[1]) != 1) rc = postgres_replaced(c, err);
    if (rc == 0) rc = postgres_exec(c, "COMMIT", NULL, err);
    if (rc != 0) {
        postgres_rollback(c);
        return rc;
    }
    c->w->state.s.store_id = c->w->opened.store_id = *store_id;
    c->w->state.s.id_key = id_key;
    return 0;
}

int postgres_probe(struct backend_conn *c, struct err *err) {
    struct params p = {0};
    int rc = postgres_refresh(c, err);
    if (rc != 0) return rc;
    postgres_param_ours(c, &p);
    return postgres_run_ours(c, SQL_TOUCH, &p, err);
}

/* Each transaction finds out by itself; this is for a server that nobody writes to, which would go
 * on telling what another has changed. Whatever else fails is for the next transaction to say. */
int postgres_check(struct backend_conn *c, struct err *err) {
    uint64_t now = clock_mono_ms();
    if (now < c->w->next_look || c->w->unsure > 0) return 0;
    c->w->next_look = now + LOOK_EVERY_MS;
    struct postgres_state seen;
    int rc = postgres_refresh(c, err);
    if (rc == 0) rc = postgres_read_state(c, &seen, err);
    if (rc == 0 && !is_ours(c->w, &seen)) rc = postgres_replaced(c, err);
    return rc == ERR_REFUSED ? rc : 0;
}

/* A replica may be behind, and a store with an older epoch is one: neither says anything of who
 * writes. What is lost of a primary is for the writer to find. */
int postgres_beat(struct backend_conn *c, struct err *err) {
    const struct postgres_writer *w = c->writer->w;
    uint64_t at_least = atomic_load(&w->known);
    PGresult *r = NULL;
    int rc = 0;
    c->hasty = true;
    if (c->pg == NULL) {
        rc = postgres_connect(c, err);
        if (rc == 0) rc = postgres_prepare(c, err);
    }
    if (rc == 0) rc = postgres_run(c, SQL_BEAT, NULL, &r, err);
    if (rc == 0 && PQntuples(r) != 1) rc = err_set(err, ERR_CORRUPT, "table store is empty");
    if (rc != 0) {
        postgres_disconnect(c);
        return rc == ERR_REFUSED ? ERR_FAILED : rc; /* that is no answer to this question */
    }
    const struct uuid *id = row_uuid(r, 0, 1);
    uint64_t epoch = row_u64(r, 0, 0);
    bool same = id != NULL && uuid_eq(id, &w->opened.store_id);
    bool behind = epoch < w->opened.epoch || row_u64(r, 0, 2) < at_least || row_bool(r, 0, 3);
    if (same && epoch == w->opened.epoch && !behind) return 0;
    if (same && epoch > w->opened.epoch && !row_bool(r, 0, 3))
        return err_set(err, ERR_REFUSED,
                       "%s: another server has taken over (epoch %llu, ours %llu)", c->place->shown,
                       (unsigned long long)epoch, (unsigned long long)w->opened.epoch);
    postgres_disconnect(c);
    return err_set(err, ERR_BUSY, "%s: this is not the database that was written to",
                   c->place->shown);
}
