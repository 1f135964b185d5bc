#ifndef BENCH_HIST_H
#define BENCH_HIST_H

#include <stdint.h>

/* Latency histogram with logarithmic buckets: 64 steps in every power of two, so a value is
 * kept to within 1.6 %, from 1 ns to about 18 minutes. Values beyond the end count as the end. */

enum { HIST_SUB_BITS = 6, HIST_SUB = 1 << HIST_SUB_BITS, HIST_BUCKETS = HIST_SUB * 36 };

struct hist {
    uint64_t count;
    uint64_t max_ns;
    uint64_t sum_ns;
    uint64_t bucket[HIST_BUCKETS];
};

void hist_clear(struct hist *h);
/* Records the same latency `times` times (a pipelined batch answers many requests at once). */
void hist_add(struct hist *h, uint64_t ns, uint64_t times);
/* The latency that `share` (0..1) of the values do not exceed, in ns; 0 when empty. */
uint64_t hist_quantile(const struct hist *h, double share);
/* out = now - before, for the figures of one interval; max becomes the top of its bucket. */
void hist_since(struct hist *out, const struct hist *now, const struct hist *before);

#endif
