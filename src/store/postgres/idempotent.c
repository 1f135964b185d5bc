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

static struct str producer_of(const struct idempotent_record *r) {
    return str_of(r->bytes, r->producer_len);
}

static struct str id_of(const struct idempotent_record *r) {
    return str_of(r->bytes + r->producer_len, r->id_len);
}

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

static int change_cmp(const void *a, const void *b) {
    const struct idempotent_change *x = a, *y = b;
    if (x->record->stream != y->record->stream)
        return x->record->stream < y->record->stream ? -1 : 1;
    int cmp = str_cmp(producer_of(x->record), producer_of(y->record));
    if (cmp == 0) cmp = str_cmp(id_of(x->record), id_of(y->record));
    if (cmp != 0) return cmp;
    return x->serial < y->serial ? -1 : x->serial > y->serial;
}

static bool is_same(const struct idempotent_record *x, const struct idempotent_record *y) {
    return x->stream == y->stream && str_eq(producer_of(x), producer_of(y)) &&
           str_eq(id_of(x), id_of(y));
}

static void add_row(struct array *a, const struct idempotent_record *r) {
    array_u32(&a[0], (uint32_t)r->stream);
    array_str(&a[1], producer_of(r));
    array_str(&a[2], id_of(r));
    array_u64(&a[3], r->id.ms);
    array_u64(&a[4], r->id.seq);
    array_u64(&a[5], r->added);
}

int postgres_write_idempotent(struct backend_conn *c, struct err *err) {
    const struct changes *changes = &c->w->changes;
    size_t n = changes->idempotent_count;
    if (n == 0) return 0;
    struct array *a =
        ARRAYS(c, ARRAY_INT4, ARRAY_BYTEA, ARRAY_BYTEA, ARRAY_INT8, ARRAY_INT8, ARRAY_INT8);
    if (n > 1) qsort(changes->idempotent, n, sizeof *changes->idempotent, change_cmp);
    for (size_t i = 0; i < n; i++) {
        const struct idempotent_record *r = changes->idempotent[i].record;
        const struct stream_change *s = changes_find_stream(changes, r->stream);
        if (s != NULL && (s->deleted || changes->idempotent[i].serial < s->forgotten)) continue;
        if (i + 1 < n && is_same(r, changes->idempotent[i + 1].record))
            continue; /* the last counts */
        add_row(a, r);
        note(c->w, r->stream, 1);
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
