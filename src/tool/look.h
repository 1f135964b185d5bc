/* Looking through a store by what every backend reads: the log from its beginning to its end, then
 * stream by stream, then what else has a name. What only the backend knows (its indexes) it looks
 * at itself: struct backend, verify. Memory is bounded by the largest stream's groups and holes. */
#ifndef TOOL_LOOK_H
#define TOOL_LOOK_H

#include "store/backend.h"

struct look {
    const struct backend *b;
    struct backend_conn *c; /* a snapshot */
    struct store_state state;
    struct timelines timelines;
    struct verify *v;

    struct set_sum log, streams_sum; /* places of events: as the log has them, and the streams */
    uint64_t events, erased, hashed, hashes_right, hashes_unknown;
    uint64_t streams, strings, virtual_streams, holes, trimmed;
    uint64_t expiring, first_deadline, groups, virtual_groups, consumers, pending, idempotent;
    uint64_t checkpoints, views;
};

/* 0, or why the store cannot be looked at: what is damaged is told to v. */
int look_at_log(struct look *k, struct err *err);
int look_at_streams(struct look *k, struct err *err);
int look_at_names(struct look *k, struct err *err);
/* The counters of the store, after all of the above. */
void look_at_counters(struct look *k);

/* false, with an error: somebody wants it to stop. */
int look_progress(struct look *k, const char *step, uint64_t done, uint64_t total, struct err *err);
void look_add_place(struct set_sum *s, uint64_t stream, uint64_t version, uint64_t sequence);

#endif
