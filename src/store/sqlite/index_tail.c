/* Sorted runs of index entries in memory; see the header for what they are and who may call what.
 *
 * Memory: 12 bytes an event, 20 more with an id. Sorting a push is a radix sort over the bytes of
 * the key that differ at all (three or four of eight in practice); merging runs is a plain two-way
 * merge, done by the writer outside the mutex, since runs never change once they are visible. */
#include "store/sqlite/index_tail.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/alloc.h"

struct index_tail {
    pthread_mutex_t mutex; /* runs, run_count, refs, start, generation */
    struct index_run *runs[PENDING_RUNS_MAX];
    size_t run_count;
    uint64_t start, end, generation;
    size_t frozen;  /* runs [0, frozen) belong to a merge. The writer's */
    bool unsettled; /* the last run can be popped. The writer's */
    _Atomic uint64_t count, bytes;
};

/* --- runs ----------------------------------------------------------------- */

static struct index_run *run_create(uint64_t sequence, uint64_t end, size_t count,
                                    size_t id_count) {
    assert(sequence <= end);
    assert(end - sequence <= UINT32_MAX);
    struct index_run *run = xmalloc(sizeof *run);
    run->refs = 1;
    run->sequence = sequence;
    run->end = end;
    run->count = count;
    run->keys = xmalloc(MAX(count, (size_t)1) * sizeof *run->keys);
    run->offsets = xmalloc(MAX(count, (size_t)1) * sizeof *run->offsets);
    run->id_count = id_count;
    run->ids = xmalloc(MAX(id_count, (size_t)1) * sizeof *run->ids);
    run->id_offsets = xmalloc(MAX(id_count, (size_t)1) * sizeof *run->id_offsets);
    return run;
}

static void run_free(struct index_run *run) {
    free(run->keys);
    free(run->offsets);
    free(run->ids);
    free(run->id_offsets);
    free(run);
}

static uint64_t run_bytes(const struct index_run *run) {
    return run->count * (sizeof *run->keys + sizeof *run->offsets) +
           run->id_count * (sizeof *run->ids + sizeof *run->id_offsets);
}

static int id_cmp(const struct uuid *a, const struct uuid *b) {
    return memcmp(a->b, b->b, sizeof a->b);
}

static int pending_id_cmp(const void *a, const void *b) {
    const struct index_id *x = a, *y = b;
    int cmp = id_cmp(&x->id, &y->id);
    if (cmp != 0) return cmp;
    return x->sequence < y->sequence ? -1 : x->sequence > y->sequence;
}

size_t index_run_find(const struct index_run *run, uint64_t key) {
    size_t low = 0, high = run->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (run->keys[middle] < key)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void sort_few(struct index_entry *e, size_t n) {
    for (size_t i = 1; i < n; i++) {
        struct index_entry x = e[i];
        size_t j = i;
        for (; j > 0 && e[j - 1].key > x.key; j--) e[j] = e[j - 1];
        e[j] = x;
    }
}

static void sort_pass(const struct index_entry *from, struct index_entry *to, size_t n, int shift,
                      uint32_t counts[256]) {
    uint32_t at = 0;
    for (int b = 0; b < 256; b++) {
        uint32_t here = counts[b];
        counts[b] = at;
        at += here;
    }
    for (size_t i = 0; i < n; i++) to[counts[(from[i].key >> shift) & 0xff]++] = from[i];
}

/* Least significant byte first; bytes that are the same in all keys cost nothing. */
static void sort_entries(struct index_entry *entries, size_t n) {
    if (n < 48) {
        sort_few(entries, n);
        return;
    }
    assert(n <= UINT32_MAX);
    uint64_t differ = 0;
    for (size_t i = 1; i < n; i++) differ |= entries[i].key ^ entries[0].key;
    struct index_entry *scratch = xmalloc(n * sizeof *scratch);
    struct index_entry *from = entries, *to = scratch;
    for (int shift = 0; shift < 64; shift += 8) {
        if (((differ >> shift) & 0xff) == 0) continue;
        uint32_t counts[256] = {0};
        for (size_t i = 0; i < n; i++) counts[(from[i].key >> shift) & 0xff]++;
        sort_pass(from, to, n, shift, counts);
        struct index_entry *swap = from;
        from = to;
        to = swap;
    }
    if (from != entries) memcpy(entries, from, n * sizeof *entries);
    free(scratch);
}

static void merge_ids(struct index_run *out, const struct index_run *a, const struct index_run *b) {
    uint32_t shift = (uint32_t)(b->sequence - a->sequence);
    size_t i = 0, j = 0;
    for (size_t k = 0; k < out->id_count; k++) {
        bool first = j == b->id_count || (i < a->id_count && id_cmp(&a->ids[i], &b->ids[j]) <= 0);
        out->ids[k] = first ? a->ids[i] : b->ids[j];
        out->id_offsets[k] = first ? a->id_offsets[i] : b->id_offsets[j] + shift;
        i += first;
        j += !first;
    }
}

static struct index_run *run_merge(const struct index_run *a, const struct index_run *b) {
    assert(a->end == b->sequence);
    struct index_run *out =
        run_create(a->sequence, b->end, a->count + b->count, a->id_count + b->id_count);
    merge_ids(out, a, b);
    uint32_t shift = (uint32_t)(b->sequence - a->sequence);
    size_t i = 0, j = 0, k = 0;
    while (i < a->count && j < b->count) {
        bool first = a->keys[i] <= b->keys[j];
        out->keys[k] = first ? a->keys[i] : b->keys[j];
        out->offsets[k] = first ? a->offsets[i] : b->offsets[j] + shift;
        i += first;
        j += !first;
        k++;
    }
    for (; i < a->count; i++, k++) {
        out->keys[k] = a->keys[i];
        out->offsets[k] = a->offsets[i];
    }
    for (; j < b->count; j++, k++) {
        out->keys[k] = b->keys[j];
        out->offsets[k] = b->offsets[j] + shift;
    }
    assert(k == out->count);
    return out;
}

/* --- the writer's side ---------------------------------------------------- */

struct index_tail *index_tail_create(void) {
    struct index_tail *p = xcalloc(1, sizeof *p);
    pthread_mutex_init(&p->mutex, NULL);
    return p;
}

static void run_unref(struct index_run *run) { /* under the mutex */
    assert(run->refs > 0);
    if (--run->refs == 0) run_free(run);
}

static void drop_runs(struct index_tail *p, size_t begin, size_t end) { /* under the mutex */
    uint64_t dropped = 0, bytes = 0;
    for (size_t i = begin; i < end; i++) {
        dropped += p->runs[i]->count;
        bytes += run_bytes(p->runs[i]);
        run_unref(p->runs[i]);
    }
    memmove(p->runs + begin, p->runs + end, (p->run_count - end) * sizeof p->runs[0]);
    p->run_count -= end - begin;
    atomic_fetch_sub(&p->count, dropped);
    atomic_fetch_sub(&p->bytes, bytes);
}

void index_tail_destroy(struct index_tail *p) {
    if (p == NULL) return;
    drop_runs(p, 0, p->run_count);
    pthread_mutex_destroy(&p->mutex);
    free(p);
}

static struct index_run *run_of(const struct index_keys *batch, uint64_t start, uint64_t end) {
    sort_entries(batch->entries, batch->count);
    if (batch->id_count > 1) qsort(batch->ids, batch->id_count, sizeof *batch->ids, pending_id_cmp);
    struct index_run *run = run_create(start, end, batch->count, batch->id_count);
    for (size_t i = 0; i < batch->count; i++) {
        assert(batch->entries[i].sequence >= start);
        assert(batch->entries[i].sequence < end);
        run->keys[i] = batch->entries[i].key;
        run->offsets[i] = (uint32_t)(batch->entries[i].sequence - start);
    }
    for (size_t i = 0; i < batch->id_count; i++) {
        run->ids[i] = batch->ids[i].id;
        run->id_offsets[i] = (uint32_t)(batch->ids[i].sequence - start);
    }
    return run;
}

static void add_run(struct index_tail *p, struct index_run *run) { /* under the mutex */
    assert(p->run_count < PENDING_RUNS_MAX);
    p->runs[p->run_count++] = run;
    p->end = run->end;
    atomic_fetch_add(&p->count, run->count);
    atomic_fetch_add(&p->bytes, run_bytes(run));
}

void index_tail_push(struct index_tail *p, const struct index_keys *batch, uint64_t start,
                     uint64_t end) {
    assert(!p->unsettled);
    assert(start == p->end);
    struct index_run *run = run_of(batch, start, end);
    pthread_mutex_lock(&p->mutex);
    add_run(p, run);
    pthread_mutex_unlock(&p->mutex);
    p->unsettled = true;
}

void index_tail_pop(struct index_tail *p) {
    assert(p->unsettled);
    pthread_mutex_lock(&p->mutex);
    p->end = p->runs[p->run_count - 1]->sequence;
    drop_runs(p, p->run_count - 1, p->run_count);
    pthread_mutex_unlock(&p->mutex);
    p->unsettled = false;
}

void index_tail_settle(struct index_tail *p) {
    p->unsettled = false;
    while (p->run_count - p->frozen >= 2) {
        struct index_run *older = p->runs[p->run_count - 2];
        struct index_run *newer = p->runs[p->run_count - 1];
        if (older->count > 2 * newer->count) return;
        struct index_run *both = run_merge(older, newer);
        pthread_mutex_lock(&p->mutex);
        p->run_count--;
        p->runs[p->run_count - 1] = both;
        run_unref(older);
        run_unref(newer);
        pthread_mutex_unlock(&p->mutex);
    }
}

void index_tail_hold(struct index_tail *p) {
    pthread_mutex_lock(&p->mutex);
}

void index_tail_release(struct index_tail *p) {
    pthread_mutex_unlock(&p->mutex);
}

void index_tail_reset(struct index_tail *p, const struct index_keys *batch, uint64_t start,
                      uint64_t end, uint64_t generation) {
    assert(!p->unsettled);
    drop_runs(p, 0, p->run_count);
    p->frozen = 0;
    p->start = p->end = start;
    p->generation = generation;
    if (end > start) add_run(p, run_of(batch, start, end));
}

size_t index_tail_freeze(struct index_tail *p) {
    assert(!p->unsettled);
    assert(p->frozen == 0);
    p->frozen = p->run_count;
    return p->frozen;
}

const struct index_run *index_tail_run(const struct index_tail *p, size_t i) {
    assert(i < p->run_count);
    return p->runs[i];
}

uint64_t index_tail_frozen_end(const struct index_tail *p) {
    return p->frozen == 0 ? p->start : p->runs[p->frozen - 1]->end;
}

void index_tail_drop_frozen(struct index_tail *p) {
    pthread_mutex_lock(&p->mutex);
    p->start = index_tail_frozen_end(p);
    drop_runs(p, 0, p->frozen);
    p->frozen = 0;
    pthread_mutex_unlock(&p->mutex);
}

uint64_t index_tail_count(const struct index_tail *p) {
    return atomic_load(&p->count);
}

uint64_t index_tail_bytes(const struct index_tail *p) {
    return atomic_load(&p->bytes);
}

/* --- the readers' side ---------------------------------------------------- */

void index_view_take(struct index_tail *p, struct index_view *v) {
    pthread_mutex_lock(&p->mutex);
    v->count = p->run_count;
    v->start = p->start;
    v->generation = p->generation;
    for (size_t i = 0; i < p->run_count; i++) {
        v->runs[i] = p->runs[i];
        v->runs[i]->refs++;
    }
    pthread_mutex_unlock(&p->mutex);
}

void index_view_drop(struct index_tail *p, struct index_view *v) {
    pthread_mutex_lock(&p->mutex);
    for (size_t i = 0; i < v->count; i++) run_unref(v->runs[i]);
    pthread_mutex_unlock(&p->mutex);
    v->count = 0;
}

struct index_slice index_view_slice(const struct index_view *v, size_t run, uint64_t stream,
                                    uint64_t start, uint64_t end, uint64_t limit) {
    assert(run < v->count);
    struct index_slice s = {v->runs[run], 0, 0};
    if (start > INDEX_VERSION_MAX || s.run->sequence >= limit) return s;
    s.begin = index_run_find(s.run, index_key(stream, start));
    s.end = index_run_find(s.run, index_key(stream, MIN(end, INDEX_VERSION_MAX)) + 1);
    /* Of one stream, sequences ascend with versions: what is too new stands at the end. */
    if (s.run->end <= limit) return s;
    size_t low = s.begin, high = s.end;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (index_run_sequence(s.run, middle) < limit)
            low = middle + 1;
        else
            high = middle;
    }
    s.end = low;
    return s;
}

size_t index_run_find_id(const struct index_run *run, const struct uuid *id) {
    size_t low = 0, high = run->id_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (id_cmp(&run->ids[middle], id) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* An id may occur again when its first event has been removed: the newest counts. */
bool index_view_id(const struct index_view *v, const struct uuid *id, uint64_t limit,
                   uint64_t *sequence) {
    for (size_t r = v->count; r > 0; r--) {
        const struct index_run *run = v->runs[r - 1];
        size_t low = 0, high = run->id_count; /* the last one that is not higher */
        while (low < high) {
            size_t middle = low + (high - low) / 2;
            if (id_cmp(&run->ids[middle], id) <= 0)
                low = middle + 1;
            else
                high = middle;
        }
        for (; low > 0 && uuid_eq(&run->ids[low - 1], id); low--) {
            *sequence = run->sequence + run->id_offsets[low - 1];
            if (*sequence < limit) return true;
        }
    }
    return false;
}
