/* The part of two indexes that is not on disk yet: (stream, version) -> sequence for every event,
 * and id -> sequence for events whose id is the client's.
 *
 * A b-tree over random streams (or random ids) costs a page an event; written in sorted bulk it
 * costs next to nothing. So the applier keeps the newest entries here, as sorted runs in memory,
 * and the backend moves them to its table in large sorted merges. Runs are immutable; one run comes
 * from each apply, and neighbours are merged while the newer one is more than half as large as
 * the older, so that there are only about log n of them. Runs hold disjoint ascending ranges of
 * sequences, hence of one stream an older run never has the higher versions.
 *
 *     disk            | frozen: being merged to disk | settled ...   | pushed, not yet committed
 *     sequences:   start                                            end
 *
 * One thread writes (functions marked W), any number take views; the mutex is held for
 * copies of pointers only, except across a commit that empties the store. */
#ifndef STORE_SQLITE_INDEX_TAIL_H
#define STORE_SQLITE_INDEX_TAIL_H

#include "base/base.h"
#include "base/uuid.h"

/* Stream and version in one 63-bit key. */
#define INDEX_STREAM_MAX  ((UINT64_C(1) << 31) - 1)
#define INDEX_VERSION_MAX ((UINT64_C(1) << 32) - 1)
static inline uint64_t index_key(uint64_t stream, uint64_t version) {
    assert(stream <= INDEX_STREAM_MAX && version <= INDEX_VERSION_MAX);
    return stream << 32 | version;
}

struct index_entry {
    uint64_t key, sequence;
};
struct index_id {
    struct uuid id;
    uint64_t sequence;
};
/* What an apply adds; the arrays are the caller's, and are sorted in place. */
struct index_keys {
    struct index_entry *entries;
    size_t count;
    struct index_id *ids;
    size_t id_count;
};

struct index_run {
    uint32_t refs;          /* under the index' mutex */
    uint64_t sequence, end; /* sequences [sequence, end); holes are possible */
    size_t count;
    uint64_t *keys;    /* ascending */
    uint32_t *offsets; /* [i]: sequence of keys[i], less the run's */
    size_t id_count;
    struct uuid *ids; /* ascending */
    uint32_t *id_offsets;
};

static inline uint64_t index_run_sequence(const struct index_run *run, size_t i) {
    return run->sequence + run->offsets[i];
}
/* The first i with keys[i] >= key. */
size_t index_run_find(const struct index_run *run, uint64_t key);
size_t index_run_find_id(const struct index_run *run, const struct uuid *id); /* likewise */

#define PENDING_RUNS_MAX 80

struct index_tail;

/* What a reader holds: references of all runs, oldest first. */
struct index_view {
    struct index_run *runs[PENDING_RUNS_MAX];
    size_t count;
    uint64_t start;      /* everything before it is on disk */
    uint64_t generation; /* as given to index_tail_reset */
};

struct index_tail *index_tail_create(void);
void index_tail_destroy(struct index_tail *p); /* no views are out; NULL is fine */

/* W: adds the entries of sequences [start, end), in any order, as the newest run. start
 * is the end of what is there. Until settled it can be popped. */
void index_tail_push(struct index_tail *p, const struct index_keys *batch, uint64_t start,
                     uint64_t end);
void index_tail_pop(struct index_tail *p);    /* W: takes back the last push */
void index_tail_settle(struct index_tail *p); /* W: keeps it, and merges neighbours */

/* W: between hold and release no view can be taken: for the commit that empties the store.
 * reset, only while held, drops all runs and begins anew with these entries (as for push). */
void index_tail_hold(struct index_tail *p);
void index_tail_release(struct index_tail *p);
void index_tail_reset(struct index_tail *p, const struct index_keys *batch, uint64_t start,
                      uint64_t end, uint64_t generation);

/* W: from now on, the runs that are there (all of them settled) belong to a merge: they stay
 * as they are. Returns how many; they are runs [0, n) of index_tail_run. */
size_t index_tail_freeze(struct index_tail *p);
const struct index_run *index_tail_run(const struct index_tail *p, size_t i); /* W */
uint64_t index_tail_frozen_end(const struct index_tail *p);                   /* W */
void index_tail_drop_frozen(struct index_tail *p); /* W: they are on disk now */

/* Any thread: events, and the memory that their entries take. */
uint64_t index_tail_count(const struct index_tail *p);
uint64_t index_tail_bytes(const struct index_tail *p);

void index_view_take(struct index_tail *p, struct index_view *v);
void index_view_drop(struct index_tail *p, struct index_view *v);

/* Entries of a stream in a view that are older than sequence `limit`, as [begin, end) of
 * a run; of versions [start, end] only. */
struct index_slice {
    const struct index_run *run;
    size_t begin, end;
};
struct index_slice index_view_slice(const struct index_view *v, size_t run, uint64_t stream,
                                    uint64_t start, uint64_t end, uint64_t limit);

/* Finds an id in the entries older than sequence `limit`. */
bool index_view_id(const struct index_view *v, const struct uuid *id, uint64_t limit,
                   uint64_t *sequence);

#endif
