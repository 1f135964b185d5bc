/* Counters of errors, latency histograms, the slow log.
 *
 * A histogram is log-linear: 16 buckets for each power of two of microseconds, so that a percentile
 * is right within 6 %, in some 2 KB for a command that has been called. Error kinds are counted by
 * their first word; a client can make the server say few words of its own choice, but a limit
 * stands guard as Redis' does. */
#include "server/stats/stats.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "server/server.h"
#include "server/stats/latency.h"
#include "server/stats/slowlog.h"

enum { ERROR_KINDS_MAX = 128, ERROR_WORD_MAX = 64 };

void stats_init(struct stats *s) {
    memset(s, 0, sizeof *s);
    hash_init(&s->errors);
    list_init(&s->slowlog);
    s->latency = xcalloc(1, sizeof *s->latency);
}

static void error_free(struct hash_node *n, void *arg) {
    struct stats *s = arg;
    hash_remove(&s->errors, n);
    free(CONTAINER_OF(n, struct error_count, node));
}

static void errors_clear(struct stats *s) {
    hash_each(&s->errors, error_free, s);
    s->error_kinds = 0;
}

void stats_clear(struct stats *s) {
    errors_clear(s);
    hash_clear(&s->errors);
    slowlog_reset(s);
    free(s->latency);
    s->latency = NULL;
}

static void command_reset(struct command *cmd, void *arg) {
    UNUSED(arg);
    free(cmd->stats.histogram);
    cmd->stats = (struct command_stats){0};
}

void stats_reset(struct stats *s) {
    errors_clear(s);
    memset(s, 0, offsetof(struct stats, errors));
    s->rate.commands = s->rate.bytes_in = s->rate.bytes_out = 0;
    command_each(command_reset, NULL);
}

/* The first word, if it looks like a code; else ERR. */
static struct str error_word(struct str text) {
    size_t n = 0;
    while (n < text.len && n < ERROR_WORD_MAX && text.ptr[n] != ' ') n++;
    bool code = n > 0 && n < ERROR_WORD_MAX;
    for (size_t i = 0; code && i < n; i++) {
        char ch = text.ptr[i];
        code = (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9') || ch == '_';
    }
    return code ? str_of(text.ptr, n) : STR("ERR");
}

void stats_error(struct stats *s, struct str text) {
    s->error_replies++;
    struct str word = error_word(text);
    uint64_t hash = hash_bytes(word.ptr, word.len);
    struct hash_node *n;
    for (n = hash_first(&s->errors, hash); n != NULL; n = hash_next(&s->errors, n)) {
        struct error_count *e = CONTAINER_OF(n, struct error_count, node);
        if (str_eq(str_c(e->word), word)) {
            e->count++;
            return;
        }
    }
    if (s->error_kinds >= ERROR_KINDS_MAX) return;
    struct error_count *e = xcalloc(1, sizeof *e + word.len + 1);
    memcpy(e->word, word.ptr, word.len);
    e->count = 1;
    s->error_kinds++;
    hash_insert(&s->errors, &e->node, hash);
}

/* Histograms */

static size_t bucket_of(uint64_t usec) {
    if (usec < HISTOGRAM_STEPS) return (size_t)usec;
    unsigned high = 63u - (unsigned)__builtin_clzll(usec);
    size_t step = (size_t)(usec >> (high - 4)) & (HISTOGRAM_STEPS - 1);
    size_t bucket = (size_t)(high - 3) * HISTOGRAM_STEPS + step;
    return MIN(bucket, (size_t)HISTOGRAM_BUCKETS - 1);
}

uint64_t histogram_upper(size_t bucket) {
    if (bucket < HISTOGRAM_STEPS) return bucket;
    unsigned shift = (unsigned)(bucket / HISTOGRAM_STEPS) - 1;
    return ((HISTOGRAM_STEPS + bucket % HISTOGRAM_STEPS + 1) << shift) - 1;
}

static void histogram_add(struct command *cmd, uint64_t usec) {
    if (cmd->stats.histogram == NULL)
        cmd->stats.histogram = xcalloc(HISTOGRAM_BUCKETS, sizeof(uint32_t));
    uint32_t *slot = &cmd->stats.histogram[bucket_of(usec)];
    if (UNLIKELY(*slot == UINT32_MAX)) /* keep the proportions */
        for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) cmd->stats.histogram[i] /= 2;
    ++*slot;
}

double stats_percentile(const struct command *cmd, double percentile) {
    const uint32_t *h = cmd->stats.histogram;
    if (h == NULL) return 0;
    uint64_t total = 0, seen = 0;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) total += h[i];
    double want = percentile / 100 * (double)total;
    size_t last = 0;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        if (h[i] == 0) continue;
        seen += h[i];
        last = i;
        if ((double)seen >= want) break;
    }
    return (double)histogram_upper(last);
}

void stats_command(struct client *c, struct command *cmd, const struct request *r, uint64_t usec) {
    cmd->stats.usec += usec;
    if (c->srv->config.latency_tracking) histogram_add(cmd, usec);
    int64_t limit = c->srv->config.slowlog_log_slower_than;
    if (UNLIKELY(limit >= 0 && usec >= (uint64_t)limit) && !(cmd->flags & CMD_NO_SLOWLOG))
        slowlog_add(c, cmd, r, usec);
    uint64_t threshold_ms = c->srv->config.latency_monitor_threshold;
    if (UNLIKELY(threshold_ms > 0 && usec >= threshold_ms * 1000))
        latency_add(c->srv->stats.latency,
                    cmd->flags & CMD_FAST ? LATENCY_FAST_COMMAND : LATENCY_COMMAND,
                    c->srv->clock.wall_ms / 1000, usec / 1000);
}

/* Rates */

static uint64_t smooth(uint64_t old, uint64_t now) {
    return (uint64_t)((double)old * 0.8 + (double)now * 0.2 + 0.5);
}

void stats_cron(struct stats *s, uint64_t now_ms) {
    uint64_t ms = now_ms - s->rate.at_ms;
    if (s->rate.at_ms != 0 && ms == 0) return;
    if (s->rate.at_ms != 0) {
        s->rate.commands_per_s =
            smooth(s->rate.commands_per_s, (s->commands_processed - s->rate.commands) * 1000 / ms);
        s->rate.bytes_in_per_s =
            smooth(s->rate.bytes_in_per_s, (s->bytes_in - s->rate.bytes_in) * 1000 / ms);
        s->rate.bytes_out_per_s =
            smooth(s->rate.bytes_out_per_s, (s->bytes_out - s->rate.bytes_out) * 1000 / ms);
    }
    s->rate.at_ms = now_ms;
    s->rate.commands = s->commands_processed;
    s->rate.bytes_in = s->bytes_in;
    s->rate.bytes_out = s->bytes_out;
}
