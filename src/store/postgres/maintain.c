/* Work that is deferred out of apply(): taking away the rows of what is gone, noting the blocks of
 * streams that were renamed, pruning. A bounded slice at a time, each step one fenced transaction
 * that also says how far it came. VACUUM is PostgreSQL's own affair, but after erasures (house.c).
 *
 *   trimmed   streams.purged < streams.first_version: events below first_version
 *   deleted   deleted_streams: all events, then what else belongs to the stream
 *   dropped   dropped_groups: pending entries and consumers
 *   moves     group_moves, consumer_moves: folded into the groups and consumers */
#include "store/postgres/internal.h"

#define SLICE_US      10000
#define CHUNK         1024  /* rows that a step takes */
#define COMMITS_KEPT  10000 /* frames whose commits stay at least */
#define MOVES_KEPT    1000  /* frames whose moves stay at least */
#define SIZE_EVERY_MS 5000

static uint64_t chunk_of(const struct postgres_writer *w) {
    return w->slice_rows > 0 ? MIN(w->slice_rows, (uint64_t)CHUNK) : CHUNK;
}

/* A step's transaction: what is queued between, committed. */
static int begin(struct backend_conn *c, struct err *err) {
    int rc = postgres_refresh(c, err);
    return rc == 0 ? postgres_begin(c, err) : rc;
}

static int end(struct backend_conn *c, int rc, struct err *err) {
    if (rc == 0) rc = postgres_queue(c, SQL_COMMIT, NULL, err);
    if (rc == 0) rc = postgres_sync(c, NULL, err);
    if (rc == 0) return 0;
    bool fenced = c->pg != NULL && postgres_fenced(c);
    postgres_rollback(c);
    c->w->stale = true;
    return fenced ? postgres_replaced(c, err) : rc;
}

/* --- steps: 1 something was done, 0 there was nothing to do ------------------------------------
 */

/* Deletes some events of versions [from, to), and says in `progress` (a statement of a number and
 * where to go on) how far that is; behind the last of them, at `to`. */
static int purge_events(struct backend_conn *c, uint64_t stream, uint64_t from, uint64_t to,
                        enum sql progress, struct err *err) {
    struct params p = {0}, where = {0}, removed = {0};
    uint64_t most = chunk_of(c->w), n = 0, next = to;
    param_u32(&where, (uint32_t)stream);
    param_u32(&p, (uint32_t)stream);
    param_u64(&p, from);
    param_u64(&p, to);
    param_u64(&p, most);
    int rc = begin(c, err);
    if (rc == 0) rc = postgres_queue(c, SQL_PURGE_EVENTS, &p, err);
    if (rc == 0) rc = postgres_sync(c, NULL, err);
    if (rc == 0) {
        const PGresult *r = c->results[2]; /* behind BEGIN and the fence */
        n = row_u64(r, 0, 0);
        if (n == most) next = row_u64(r, 0, 1) + 1;
        param_u64(&where, next);
        param_u64(&removed, n);
        rc = postgres_queue(c, progress, &where, err);
        if (rc == 0 && n > 0) rc = postgres_queue(c, SQL_ADD_REMOVED, &removed, err);
    }
    rc = end(c, rc, err);
    return rc == 0 ? 1 : rc;
}

/* Streams take turns, so that one that is trimmed all the time does not keep the others. */
static int purge_trimmed(struct backend_conn *c, struct err *err) {
    PGresult *r = NULL;
    for (int turn = 0; turn < 2; turn++) {
        struct params p = {0};
        param_u32(&p, c->w->purge_turn);
        int rc = postgres_run(c, SQL_NEXT_TRIMMED, &p, &r, err);
        if (rc != 0) return rc;
        if (PQntuples(r) > 0) break;
        c->w->purge_turn = 0;
    }
    if (PQntuples(r) == 0) return 0;
    uint64_t stream = row_u64(r, 0, 0), purged = row_u64(r, 0, 1), first = row_u64(r, 0, 2);
    c->w->purge_turn = (uint32_t)stream;
    return purge_events(c, stream, purged, first, SQL_SET_PURGED, err);
}

/* Runs statements about a number until one of them changes something: 1, or 0. */
static int first_to_change(struct backend_conn *c, const enum sql *ids, size_t n,
                           const struct params *p, struct err *err) {
    for (size_t i = 0; i < n; i++) {
        int rc = begin(c, err);
        if (rc == 0) rc = postgres_queue(c, ids[i], p, err);
        if ((rc = end(c, rc, err)) != 0) return rc;
        if (PQntuples(c->results[2]) > 0) return 1;
    }
    return 0;
}

static int purge_deleted(struct backend_conn *c, struct err *err) {
    static const enum sql rest[] = {SQL_DROP_GROUPS_OF, SQL_PURGE_HOLES, SQL_PURGE_IDEMPOTENT,
                                    SQL_END_DELETED};
    PGresult *r = NULL;
    int rc = postgres_run(c, SQL_NEXT_DELETED, NULL, &r, err);
    if (rc != 0 || PQntuples(r) == 0) return rc;
    uint64_t stream = row_u64(r, 0, 0), purged = row_u64(r, 0, 1);
    if (purged <= VERSION_MAX)
        return purge_events(c, stream, purged, VERSION_MAX + 1, SQL_SET_DELETED, err);
    struct params p = {0};
    param_u32(&p, (uint32_t)stream);
    return first_to_change(c, rest, ARRAY_LEN(rest), &p, err);
}

static int purge_dropped(struct backend_conn *c, struct err *err) {
    static const enum sql all[] = {SQL_PURGE_PENDING, SQL_PURGE_CONSUMERS, SQL_PURGE_GROUP_MOVES,
                                   SQL_PURGE_CONSUMER_MOVES, SQL_END_DROPPED};
    PGresult *r = NULL;
    int rc = postgres_run(c, SQL_NEXT_DROPPED, NULL, &r, err);
    if (rc != 0 || PQntuples(r) == 0) return rc;
    struct params p = {0};
    param_u64(&p, row_u64(r, 0, 0));
    return first_to_change(c, all, ARRAY_LEN(all), &p, err);
}

static int purge(struct backend_conn *c, struct err *err) {
    int rc = 0;
    if (!c->w->purge_wanted) return 0;
    rc = purge_trimmed(c, err);
    if (rc == 0) rc = purge_deleted(c, err);
    if (rc == 0) rc = purge_dropped(c, err);
    if (rc == 0) c->w->purge_wanted = false;
    return rc;
}

/* Notes the blocks of some events of a stream that was renamed under its new category. */
static int move(struct backend_conn *c, struct err *err) {
    PGresult *r = NULL;
    if (!c->w->moved_wanted) return 0;
    int rc = postgres_run(c, SQL_NEXT_MOVED, NULL, &r, err);
    if (rc != 0) return rc;
    if (PQntuples(r) == 0) {
        c->w->moved_wanted = false;
        return 0;
    }
    uint64_t stream = row_u64(r, 0, 0), next = row_u64(r, 0, 1), most = chunk_of(c->w);
    uint32_t category = row_null(r, 0, 2) ? CATEGORY_NONE : category_number(row_str(r, 0, 2));
    struct params p = {0}, where = {0};
    bool over = category == CATEGORY_NONE;
    param_u32(&where, (uint32_t)stream);
    param_u32(&p, (uint32_t)stream);
    param_u64(&p, next);
    param_u64(&p, category);
    param_u64(&p, most);
    rc = begin(c, err);
    if (rc == 0 && !over) {
        rc = postgres_queue(c, SQL_MOVE_BLOCKS, &p, err);
        if (rc == 0) rc = postgres_sync(c, NULL, err);
        if (rc == 0) {
            over = row_u64(c->results[2], 0, 0) < most;
            next = row_u64(c->results[2], 0, 1) + 1;
        }
    }
    if (!over) param_u64(&where, next);
    if (rc == 0) rc = postgres_queue(c, over ? SQL_END_MOVED : SQL_SET_MOVED, &where, err);
    rc = end(c, rc, err);
    return rc == 0 ? 1 : rc;
}

/* Commits of long ago are of use to nobody. The newest always stays. */
static int prune_commits(struct backend_conn *c, struct err *err) {
    struct postgres_writer *w = c->w;
    uint64_t applied = w->state.s.applied;
    if (applied < w->commits_pruned + 2 * COMMITS_KEPT) return 0;
    struct params p = {0};
    param_u64(&p, applied - COMMITS_KEPT);
    int rc = begin(c, err);
    if (rc == 0) rc = postgres_queue(c, SQL_PRUNE_COMMITS, &p, err);
    if ((rc = end(c, rc, err)) != 0) return rc;
    if (PQntuples(c->results[2]) > 0) return 1;
    w->commits_pruned = applied - COMMITS_KEPT;
    return 0;
}

/* One of the tables of moves: those of long ago are folded. What the writer knows of keeps it from
 * going through rows again that are deleted, and that some snapshot keeps. */
static int fold_some(struct backend_conn *c, enum sql id, uint64_t *folded, struct err *err) {
    uint64_t applied = c->w->state.s.applied, most = chunk_of(c->w);
    uint64_t kept = c->w->slice_rows > 0 ? 2 : MOVES_KEPT;
    if (applied < *folded + 2 * kept) return 0;
    struct params p = {0};
    param_u64(&p, *folded);
    param_u64(&p, applied - kept);
    param_u64(&p, most);
    int rc = begin(c, err);
    if (rc == 0) rc = postgres_queue(c, id, &p, err);
    if ((rc = end(c, rc, err)) != 0) return rc;
    const PGresult *r = c->results[2];
    *folded = row_u64(r, 0, 0) < most ? applied - kept : row_u64(r, 0, 1) - 1;
    return 1;
}

static int fold(struct backend_conn *c, struct err *err) {
    int rc = fold_some(c, SQL_FOLD_GROUPS, &c->w->groups_folded, err);
    return rc == 0 ? fold_some(c, SQL_FOLD_CONSUMERS, &c->w->consumers_folded, err) : rc;
}

/* Erasures of which nothing is left in the table's file (house.c). */
static int forget_erasures(struct backend_conn *c, struct err *err) {
    uint64_t frame = atomic_load(&c->w->vacuumed);
    if (frame == 0) return 0;
    struct params p = {0};
    param_u64(&p, frame);
    int rc = begin(c, err);
    if (rc == 0) rc = postgres_queue(c, SQL_FORGET_ERASURES, &p, err);
    if ((rc = end(c, rc, err)) == 0) atomic_compare_exchange_strong(&c->w->vacuumed, &frame, 0);
    return rc;
}

/* --- slices ------------------------------------------------------------------------------------
 */

static int note_size(struct backend_conn *c, struct err *err) {
    struct postgres_writer *w = c->w;
    PGresult *r = NULL;
    uint64_t now = clock_mono_ms();
    if (now < w->next_size) return 0;
    w->next_size = now + SIZE_EVERY_MS;
    int rc = postgres_run(c, SQL_SIZE, NULL, &r, err);
    if (rc == 0) atomic_store(&w->stat_bytes, row_u64(r, 0, 0));
    return rc;
}

int postgres_maintain(struct backend_conn *c, bool all, bool *more, struct err *err) {
    static int (*const steps[])(struct backend_conn *, struct err *) = {purge, move, prune_commits,
                                                                        fold, forget_erasures};
    struct postgres_writer *w = c->w;
    uint64_t until = clock_mono_us() + SLICE_US;
    *more = false;
    if (w->unsure > 0) return 0; /* the next apply looks first */
    int rc = postgres_refresh(c, err);
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(steps); i++) {
        int done = 1;
        while (done == 1 && clock_mono_us() < until) {
            done = steps[i](c, err);
            if (w->slice_rows > 0) break;
        }
        if (done < 0) rc = done;
        if (done == 1) *more = true;
    }
    if (rc == 0) rc = postgres_prune(c, all, more, err);
    return rc == 0 ? note_size(c, err) : rc;
}
