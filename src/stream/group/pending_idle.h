/* Pending entries that were delivered long enough ago, in order of their ids. The index by id and
 * that by time are gone through side by side, until one of them is at its end: so few among very
 * many are found quickly, whether they are few of all or the first ones come soon. Single thread.
 */
#ifndef STREAM_GROUP_PENDING_IDLE_H
#define STREAM_GROUP_PENDING_IDLE_H

#include "stream/group/pending.h"

struct pending_idle_query {
    uint32_t consumer;        /* a number or PENDING_ALL */
    struct entry_id from, to; /* inclusive */
    uint64_t delivered_max;   /* ms: then or earlier; those that nobody owns always are */
    size_t count;             /* so many of them, the lowest ids */
};

struct pending_found {
    const struct pending_entry **entries; /* ascending by id */
    size_t count, cap;
    size_t looked; /* at so many entries, in both indexes */
};

/* Zeroes *out and fills it; pending_found_clear. */
void pending_find_idle(const struct pending *p, const struct pending_idle_query *q,
                       struct pending_found *out);
void pending_found_clear(struct pending_found *f);

#endif
