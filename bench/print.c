/* The figures of a run, for people and for scripts. */
#include "print.h"

#include <stdio.h>

static double us(const struct role *r, double share) {
    return (double)hist_quantile(&r->hist, share) / 1e3;
}

static void print_json_role(const struct load *l, const struct role *r) {
    double s = l->elapsed;
    double mean = r->hist.count > 0 ? (double)r->hist.sum_ns / (double)r->hist.count / 1e3 : 0;

    printf("{\"role\":\"%s\",\"connections\":%u,\"depth\":%u,", r->name, r->connections, r->depth);
    printf("\"requests\":%llu,\"events\":%llu,\"bytes_in\":%llu,\"bytes_out\":%llu,",
           (unsigned long long)r->requests, (unsigned long long)role_events(r),
           (unsigned long long)r->bytes_in, (unsigned long long)r->bytes_out);
    printf(
        "\"requests_per_s\":%.1f,\"events_per_s\":%.1f,\"mb_in_per_s\":%.3f,\"mb_out_per_s\":%.3f,",
        (double)r->requests / s, (double)role_events(r) / s, (double)r->bytes_in / s / 1e6,
        (double)r->bytes_out / s / 1e6);
    printf("\"p50_us\":%.1f,\"p99_us\":%.1f,\"p999_us\":%.1f,\"max_us\":%.1f,\"mean_us\":%.1f,",
           us(r, 0.5), us(r, 0.99), us(r, 0.999), (double)r->hist.max_ns / 1e3, mean);
    printf("\"nils\":%llu,\"errors\":%llu}", (unsigned long long)r->sum.nils,
           (unsigned long long)r->sum.errors);
}

/* One line, flat enough for a regular expression. */
void print_json(const struct options *o) {
    const struct load *l = &o->load;

    printf("{\"mode\":\"%s\",\"seconds\":%.3f,\"client_cpu\":%.3f,\"payload_bytes\":%zu,"
           "\"streams\":%llu,"
           "\"roles\":[",
           o->mode->name, l->elapsed, l->cpu / l->elapsed, o->spec.payload_bytes,
           (unsigned long long)o->spec.streams);
    for (unsigned i = 0; i < l->role_count; i++) {
        if (i > 0) putchar(',');
        print_json_role(l, &l->roles[i]);
    }
    printf("],\"series\":[");
    for (unsigned i = 0; i < l->series_count; i++)
        printf("%s[%llu,%llu,%.1f,%.1f]", i > 0 ? "," : "",
               (unsigned long long)l->series[i].requests, (unsigned long long)l->series[i].events,
               (double)l->series[i].p50_ns / 1e3, (double)l->series[i].p99_ns / 1e3);
    printf("]}\n");
}

void print_text(const struct options *o) {
    const struct load *l = &o->load;

    printf("mode %s, payload %zu bytes, %llu streams, %.2f s, generator at %.0f %% of a core\n",
           o->mode->name, o->spec.payload_bytes, (unsigned long long)o->spec.streams, l->elapsed,
           100 * l->cpu / l->elapsed);
    for (unsigned i = 0; i < l->role_count; i++) {
        const struct role *r = &l->roles[i];
        double s = l->elapsed;
        printf("%s: %u connections, pipeline %u\n", r->name, r->connections, r->depth);
        printf("  %.0f requests/s, %.0f events/s, in %.1f MB/s, out %.1f MB/s (%llu requests)\n",
               (double)r->requests / s, (double)role_events(r) / s, (double)r->bytes_in / s / 1e6,
               (double)r->bytes_out / s / 1e6, (unsigned long long)r->requests);
        printf("  latency p50 %.3f ms, p99 %.3f ms, p99.9 %.3f ms, max %.3f ms\n", us(r, 0.5) / 1e3,
               us(r, 0.99) / 1e3, us(r, 0.999) / 1e3, (double)r->hist.max_ns / 1e6);
    }
}
