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
#ifndef STORE_PENDING_INDEX_H
#define STORE_PENDING_INDEX_H

#include "base/base.h"
#include "base/uuid.h"

/* Stream and version in one 63-bit key. */
#define INDEX_STREAM_MAX  ((UINT64_C(1) << 31) - 1)
#define INDEX_VERSION_MAX ((UINT64_C(1) << 32) - 1)
static inline uint64_t index_key(uint64_t stream, uint64_t version) {
    assert(stream <= INDEX_STREAM_MAX && version <= INDEX_VERSION_MAX);
    return stream << 32 | version;
}

struct pending_entry {
    uint64_t key, sequence;
};
struct pending_id {
    struct uuid id;
    uint64_t sequence;
};
/* What an apply adds; the arrays are the caller's, and are sorted in place. */
struct pending_batch {
    struct pending_entry *entries;
    size_t count;
    struct pending_id *ids;
    size_t id_count;
};

struct pending_run {
    uint32_t refs;          /* under the index' mutex */
    uint64_t sequence, end; /* sequences [sequence, end); holes are possible */
    size_t count;
    uint64_t *keys;    /* ascending */
    uint32_t *offsets; /* [i]: sequence of keys[i], less the run's */
    size_t id_count;
    struct uuid *ids; /* ascending */
    uint32_t *id_offsets;
};

static inline uint64_t pending_run_sequence(const struct pending_run *run, size_t i) {
    return run->sequence + run->offsets[i];
}
/* The first i with keys[i] >= key. */
size_t pending_run_find(const struct pending_run *run, uint64_t key);
size_t pending_run_find_id(const struct pending_run *run, const struct uuid *id); /* likewise */

#define PENDING_RUNS_MAX 80

struct pending_index;

/* What a reader holds: references of all runs, oldest first. */
struct pending_view {
    struct pending_run *runs[PENDING_RUNS_MAX];
    size_t count;
    uint64_t start;      /* everything before it is on disk */
    uint64_t generation; /* as given to pending_index_reset */
};

struct pending_index *pending_index_create(void);
void pending_index_destroy(struct pending_index *p); /* no views are out; NULL is fine */

/* W: adds the entries of sequences [start, end), in any order, as the newest run. start
 * is the end of what is there. Until settled it can be popped. */
void pending_index_push(struct pending_index *p, const struct pending_batch *batch, uint64_t start,
                        uint64_t end);
void pending_index_pop(struct pending_index *p);    /* W: takes back the last push */
void pending_index_settle(struct pending_index *p); /* W: keeps it, and merges neighbours */

/* W: between hold and release no view can be taken: for the commit that empties the store.
 * reset, only while held, drops all runs and begins anew with these entries (as for push). */
void pending_index_hold(struct pending_index *p);
void pending_index_release(struct pending_index *p);
void pending_index_reset(struct pending_index *p, const struct pending_batch *batch, uint64_t start,
                         uint64_t end, uint64_t generation);

/* W: from now on, the runs that are there (all of them settled) belong to a merge: they stay
 * as they are. Returns how many; they are runs [0, n) of pending_index_run. */
size_t pending_index_freeze(struct pending_index *p);
const struct pending_run *pending_index_run(const struct pending_index *p, size_t i); /* W */
uint64_t pending_index_frozen_end(const struct pending_index *p);                     /* W */
void pending_index_drop_frozen(struct pending_index *p); /* W: they are on disk now */

/* Any thread: events, and the memory that their entries take. */
uint64_t pending_index_count(const struct pending_index *p);
uint64_t pending_index_bytes(const struct pending_index *p);

void pending_view_take(struct pending_index *p, struct pending_view *v);
void pending_view_drop(struct pending_index *p, struct pending_view *v);

/* Entries of a stream in a view that are older than sequence `limit`, as [begin, end) of
 * a run; of versions [start, end] only. */
struct pending_slice {
    const struct pending_run *run;
    size_t begin, end;
};
struct pending_slice pending_view_slice(const struct pending_view *v, size_t run, uint64_t stream,
                                        uint64_t start, uint64_t end, uint64_t limit);

/* Finds an id in the entries older than sequence `limit`. */
bool pending_view_id(const struct pending_view *v, const struct uuid *id, uint64_t limit,
                     uint64_t *sequence);

#endif
