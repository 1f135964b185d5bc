/* LATENCY: the longest commands, one sample a second for each kind of event, as Redis keeps them.
 * Loop thread. */
#ifndef SERVER_STATS_LATENCY_H
#define SERVER_STATS_LATENCY_H

#include "base/base.h"

enum latency_event { LATENCY_COMMAND, LATENCY_FAST_COMMAND, LATENCY_EVENTS };
enum { LATENCY_SAMPLES = 160 };

struct latency_series {
    struct latency_sample {
        uint64_t time_s; /* since 1970 */
        uint64_t ms;     /* the longest of that second */
    } samples[LATENCY_SAMPLES];
    size_t count;    /* all that there were: the newest is at (count - 1) % LATENCY_SAMPLES */
    uint64_t max_ms; /* of all */
};

struct latency {
    struct latency_series series[LATENCY_EVENTS];
};

const char *latency_name(enum latency_event event);
void latency_add(struct latency *l, enum latency_event event, uint64_t time_s, uint64_t ms);
/* How many are kept; the i-th of them, the oldest first. */
size_t latency_kept(const struct latency_series *s);
const struct latency_sample *latency_at(const struct latency_series *s, size_t i);

#endif
