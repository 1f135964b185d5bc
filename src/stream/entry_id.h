/* The entry id of Redis Streams: milliseconds, then a number within them. Both halves are unsigned
 * and ids are ordered by the first, then the second. */
#ifndef STREAM_ENTRY_ID_H
#define STREAM_ENTRY_ID_H

#include "base/base.h"

struct entry_id {
    uint64_t ms, seq;
};

#define ENTRY_ID_MIN ((struct entry_id){0, 0})
#define ENTRY_ID_MAX ((struct entry_id){UINT64_MAX, UINT64_MAX})

/* Below, equal, above: negative, 0, positive. */
static inline int entry_id_cmp(struct entry_id a, struct entry_id b) {
    if (a.ms != b.ms) return a.ms < b.ms ? -1 : 1;
    return (a.seq > b.seq) - (a.seq < b.seq);
}

#endif
