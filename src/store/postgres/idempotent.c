/* Idempotent ids: what producers have added, so that doing it again adds nothing.
 *
 * Of each producer of a stream a bounded number is kept, for a bounded time; the rows may exceed
 * both for a while. Streams to which something was added are noted, and pruned when that was much
 * or when there is time. Those to which nothing is added any more are found by a walk in idle
 * times, once an hour of the store's clock. */
#include "base/alloc.h"
#include "store/postgres/internal.h"

#define WALK_EVERY  (UINT64_C(3600) * 1000) /* ms */
#define PRUNE_ADDED 1000                    /* to one stream */
#define NOTED_MAX   10000                   /* streams */

struct stream_note {
    struct hash_node node;
    uint64_t stream;
    size_t added;
};

/* --- notes ---------------------------------------------------------------------------------------
 */

static void note(struct postgres_writer *w, uint64_t stream, size_t added) {
    uint64_t hash = hash_u64(stream);
    struct stream_note *known = NULL;
    for (struct hash_node *n = hash_first(&w->producers, hash); n != NULL;
         n = hash_next(&w->producers, n))
        if (CONTAINER_OF(n, struct stream_note, node)->stream == stream)
            known = CONTAINER_OF(n, struct stream_note, node);
    if (known == NULL) {
        if (w->producers.count >= NOTED_MAX) return; /* the walk finds it */
        known = xcalloc(1, sizeof *known);
        known->stream = stream;
        hash_insert(&w->producers, &known->node, hash);
    }
    if (known->added < PRUNE_ADDED && known->added + added >= PRUNE_ADDED) w->producers_due++;
    known->added += added;
}

static void forget_note(struct postgres_writer *w, struct stream_note *n) {
    if (n->added >= PRUNE_ADDED) w->producers_due--;
    hash_remove(&w->producers, &n->node);
    free(n);
}

static void free_note(struct hash_node *n, void *arg) {
    forget_note(arg, CONTAINER_OF(n, struct stream_note, node));
}

void postgres_idempotent_forget(struct postgres_writer *w) {
    hash_each(&w->producers, free_note, w);
    hash_clear(&w->producers);
}

/* --- writing -------------------------------------------------------------------------------------
 */

static void add_row(struct array *a, const struct idempotent_record *r) {
    array_u32(&a[0], (uint32_t)r->stream);
    array_str(&a[1], idempotent_producer(r));
    array_str(&a[2], idempotent_id(r));
    array_u64(&a[3], r->id.ms);
    array_u64(&a[4], r->id.seq);
    array_u64(&a[5], r->added);
}

int postgres_write_idempotent(struct backend_conn *c, struct err *err) {
    struct changes *changes = &c->w->changes;
    if (changes->idempotent_count == 0) return 0;
    changes_settle_idempotent(changes);
    struct array *a =
        ARRAYS(c, ARRAY_INT4, ARRAY_BYTEA, ARRAY_BYTEA, ARRAY_INT8, ARRAY_INT8, ARRAY_INT8);
    for (size_t i = 0; i < changes->idempotent_count; i++) {
        add_row(a, changes->idempotent[i].record);
        note(c->w, changes->idempotent[i].record->stream, 1);
    }
    return postgres_queue_arrays(c, SQL_ADD_IDEMPOTENT, 6, err);
}

/* --- pruning -------------------------------------------------------------------------------------
 */

struct pick {
    bool all;
    struct stream_note *found;
};
static void pick_due(struct hash_node *n, void *arg) {
    struct pick *p = arg;
    struct stream_note *note = CONTAINER_OF(n, struct stream_note, node);
    if (p->found == NULL && (p->all || note->added >= PRUNE_ADDED)) p->found = note;
}

static int prune_stream(struct backend_conn *c, uint64_t stream, struct err *err) {
    struct params p = {0};
    param_u32(&p, (uint32_t)stream);
    param_u64(&p, idempotent_oldest(c->w->state.s.recorded, 0));
    param_u64(&p, IDEMPOTENT_MAX);
    param_u64(&p, IDEMPOTENT_SECONDS);
    int rc = postgres_begin(c, err);
    if (rc == 0) rc = postgres_queue(c, SQL_PRUNE_PRODUCERS, &p, err);
    if (rc == 0) rc = postgres_queue(c, SQL_COMMIT, NULL, err);
    return rc == 0 ? postgres_sync(c, NULL, err) : rc;
}

/* The next stream that has any is noted. */
static int walk(struct backend_conn *c, struct err *err) {
    struct postgres_writer *w = c->w;
    struct params p = {0};
    PGresult *r = NULL;
    if (w->state.s.recorded < w->next_walk) return 0;
    param_u32(&p, (uint32_t)w->walk_stream);
    int rc = postgres_run(c, SQL_NEXT_PRODUCERS, &p, &r, err);
    if (rc != 0) return rc;
    w->walk_stream = PQntuples(r) > 0 ? row_u64(r, 0, 0) : 0;
    if (w->walk_stream == 0)
        w->next_walk = w->state.s.recorded + WALK_EVERY;
    else
        note(w, w->walk_stream, PRUNE_ADDED);
    return 0;
}

int postgres_prune(struct backend_conn *c, bool all, bool *more, struct err *err) {
    struct postgres_writer *w = c->w;
    struct pick p = {.all = all};
    int rc = all ? walk(c, err) : 0;
    if (w->producers_due > 0 || (all && w->producers.count > 0))
        hash_each(&w->producers, pick_due, &p);
    if (rc == 0 && p.found != NULL) {
        rc = prune_stream(c, p.found->stream, err);
        if (rc == 0) forget_note(w, p.found);
    }
    *more = *more || w->producers_due > 0 || (all && w->producers.count > 0);
    return rc;
}
