/* Histogram of latencies; see hist.h. The index of a value is its exponent and the six bits
 * below its leading bit, as HdrHistogram does it: no floating point, no search. */
#include "hist.h"

#include <assert.h>
#include <string.h>

static unsigned hist_index(uint64_t ns) {
    if (ns < HIST_SUB) return (unsigned)ns;
    unsigned top = 63U - (unsigned)__builtin_clzll(ns);
    unsigned shift = top - HIST_SUB_BITS;
    unsigned index = (shift + 1) * HIST_SUB + (unsigned)((ns >> shift) & (HIST_SUB - 1));
    return index < HIST_BUCKETS ? index : HIST_BUCKETS - 1;
}

/* Highest value that falls into the bucket. */
static uint64_t hist_top(unsigned index) {
    if (index < HIST_SUB) return index;
    unsigned shift = index / HIST_SUB - 1;
    uint64_t low = (uint64_t)(HIST_SUB + index % HIST_SUB) << shift;
    return low + (UINT64_C(1) << shift) - 1;
}

void hist_clear(struct hist *h) {
    memset(h, 0, sizeof *h);
}

void hist_add(struct hist *h, uint64_t ns, uint64_t times) {
    if (times == 0) return;
    h->bucket[hist_index(ns)] += times;
    h->count += times;
    h->sum_ns += ns * times;
    if (ns > h->max_ns) h->max_ns = ns;
}

uint64_t hist_quantile(const struct hist *h, double share) {
    assert(share >= 0);
    assert(share <= 1);
    if (h->count == 0) return 0;
    uint64_t rank = (uint64_t)(share * (double)h->count);
    if (rank >= h->count) rank = h->count - 1;
    uint64_t seen = 0;
    for (unsigned i = 0; i < HIST_BUCKETS; i++) {
        seen += h->bucket[i];
        if (seen > rank) return hist_top(i) < h->max_ns ? hist_top(i) : h->max_ns;
    }
    return h->max_ns;
}

void hist_since(struct hist *out, const struct hist *now, const struct hist *before) {
    hist_clear(out);
    for (unsigned i = 0; i < HIST_BUCKETS; i++) {
        out->bucket[i] = now->bucket[i] - before->bucket[i];
        out->count += out->bucket[i];
        if (out->bucket[i] > 0) out->max_ns = hist_top(i);
    }
    out->sum_ns = now->sum_ns - before->sum_ns;
    if (out->max_ns > now->max_ns) out->max_ns = now->max_ns;
}
