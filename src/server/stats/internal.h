/* What INFO and LATENCY read of the statistics beyond stats.h. */
#ifndef SERVER_STATS_INTERNAL_H
#define SERVER_STATS_INTERNAL_H

#include "server/command/command.h"
#include "server/stats/stats.h"

enum {
    HISTOGRAM_STEPS = 16, /* buckets for each power of two of microseconds */
    HISTOGRAM_BUCKETS = HISTOGRAM_STEPS * 34,
};

/* Highest microsecond that falls into the bucket. */
uint64_t histogram_upper(size_t bucket);

struct error_count { /* node of stats.errors */
    struct hash_node node;
    uint64_t count;
    char word[];
};

#endif
