/* See latency.h. */
#include "server/stats/latency.h"

const char *latency_name(enum latency_event event) {
    static const char *const names[] = {"command", "fast-command"};
    return names[event];
}

void latency_add(struct latency *l, enum latency_event event, uint64_t time_s, uint64_t ms) {
    struct latency_series *s = &l->series[event];
    struct latency_sample *last = &s->samples[(s->count + LATENCY_SAMPLES - 1) % LATENCY_SAMPLES];
    s->max_ms = MAX(s->max_ms, ms);
    if (s->count > 0 && last->time_s == time_s)
        last->ms = MAX(last->ms, ms);
    else
        s->samples[s->count++ % LATENCY_SAMPLES] = (struct latency_sample){time_s, ms};
}

size_t latency_kept(const struct latency_series *s) {
    return MIN(s->count, (size_t)LATENCY_SAMPLES);
}

const struct latency_sample *latency_at(const struct latency_series *s, size_t i) {
    return &s->samples[(s->count - latency_kept(s) + i) % LATENCY_SAMPLES];
}
