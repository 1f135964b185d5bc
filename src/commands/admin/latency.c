/* LATENCY: the commands that took long (latency-monitor-threshold), and the histograms of all. */
#include "server/server.h"
#include "server/stats/latency.h"
#include "server/stats/stats.h"
#include "commands/admin/family.h"

#define GRAPH_COLUMNS 80
#define GRAPH_ROWS    4

/* NULL: there is no event of that name, or nothing of it. */
static struct latency_series *series_of(struct client *c, struct str name) {
    for (int i = 0; i < LATENCY_EVENTS; i++) {
        struct latency_series *s = &c->srv->stats.latency->series[i];
        if (str_eq_nocase(str_c(latency_name(i)), name) && s->count > 0) return s;
    }
    return NULL;
}

/* LATENCY LATEST: of each event its name, when it was last, how long that was, the longest. */
enum outcome cmd_latency_latest(struct client *c, const struct request *r) {
    const struct latency *l = c->srv->stats.latency;
    size_t n = 0;
    UNUSED(r);
    for (int i = 0; i < LATENCY_EVENTS; i++) n += l->series[i].count > 0;
    reply_array(c, n);
    for (int i = 0; i < LATENCY_EVENTS; i++) {
        const struct latency_series *s = &l->series[i];
        if (s->count == 0) continue;
        const struct latency_sample *last = latency_at(s, latency_kept(s) - 1);
        reply_array(c, 4);
        reply_bulk_c(c, latency_name(i));
        reply_int(c, (int64_t)last->time_s);
        reply_int(c, (int64_t)last->ms);
        reply_int(c, (int64_t)s->max_ms);
    }
    return REPLIED;
}

/* LATENCY HISTORY event */
enum outcome cmd_latency_history(struct client *c, const struct request *r) {
    const struct latency_series *s = series_of(c, r->argv[2]);
    size_t n = s != NULL ? latency_kept(s) : 0;
    reply_array(c, n);
    for (size_t i = 0; i < n; i++) {
        reply_array(c, 2);
        reply_int(c, (int64_t)latency_at(s, i)->time_s);
        reply_int(c, (int64_t)latency_at(s, i)->ms);
    }
    return REPLIED;
}

/* LATENCY RESET [event ...]: how many were reset. */
enum outcome cmd_latency_reset(struct client *c, const struct request *r) {
    int64_t n = 0;
    for (int i = 0; i < LATENCY_EVENTS; i++) {
        struct latency_series *s = &c->srv->stats.latency->series[i];
        bool named = r->argc == 2;
        for (size_t k = 2; k < r->argc; k++)
            named = named || str_eq_nocase(str_c(latency_name(i)), r->argv[k]);
        if (!named || s->count == 0) continue;
        *s = (struct latency_series){0};
        n++;
    }
    reply_int(c, n);
    return REPLIED;
}

/* How long ago, as "12s", "3m", "4h", "5d". */
static void put_age(char out[24], uint64_t s) {
    static const struct {
        uint64_t seconds;
        char unit;
    } units[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};
    size_t i = 0;
    while (i + 1 < ARRAY_LEN(units) && s < units[i].seconds) i++;
    snprintf(out, 24, "%llu%c", (unsigned long long)(s / units[i].seconds), units[i].unit);
}

/* One column a sample: a bar of up to GRAPH_ROWS rows of three steps, and its age written down. */
static void put_graph(struct buf *out, const struct latency_series *s, uint64_t now_s) {
    size_t kept = latency_kept(s), n = MIN(kept, (size_t)GRAPH_COLUMNS), first = kept - n;
    uint64_t low = UINT64_MAX, high = 0;
    for (size_t i = first; i < kept; i++) {
        low = MIN(low, latency_at(s, i)->ms);
        high = MAX(high, latency_at(s, i)->ms);
    }
    for (int row = GRAPH_ROWS - 1; row >= 0; row--) {
        for (size_t i = first; i < kept; i++) {
            uint64_t steps =
                (latency_at(s, i)->ms - low) * (3 * GRAPH_ROWS - 1) / MAX(high - low, UINT64_C(1));
            bool here = (int)(steps / 3) == row, above = (int)(steps / 3) > row;
            buf_put(out, here ? &"_-`"[steps % 3] : above ? "|" : " ", 1);
        }
        buf_put(out, "\n", 1);
    }
    buf_put(out, "\n", 1);
    for (size_t row = 0; row < 4; row++) {
        for (size_t i = first; i < kept; i++) {
            char age[24] = "";
            put_age(age, now_s - MIN(now_s, latency_at(s, i)->time_s));
            buf_put(out, row < strlen(age) ? &age[row] : " ", 1);
        }
        buf_put(out, "\n", 1);
    }
}

/* LATENCY GRAPH event */
enum outcome cmd_latency_graph(struct client *c, const struct request *r) {
    const struct latency_series *s = series_of(c, r->argv[2]);
    if (s == NULL) {
        reply_error(c, "ERR No samples available for event '" STR_FMT "'", STR_ARG(r->argv[2]));
        return REPLIED;
    }
    uint64_t low = UINT64_MAX, high = 0;
    for (size_t i = 0; i < latency_kept(s); i++) {
        low = MIN(low, latency_at(s, i)->ms);
        high = MAX(high, latency_at(s, i)->ms);
    }
    struct buf text;
    buf_init(&text, 0);
    buf_printf(&text, STR_FMT " - high %llu ms, low %llu ms (all time high %llu ms)\n%s\n",
               STR_ARG(r->argv[2]), (unsigned long long)high, (unsigned long long)low,
               (unsigned long long)s->max_ms,
               "--------------------------------------------------------------------------------");
    put_graph(&text, s, c->srv->clock.wall_ms / 1000);
    resp_put_verbatim(&c->out, c->resp, buf_str(&text));
    buf_clear(&text);
    return REPLIED;
}

/* LATENCY DOCTOR */
enum outcome cmd_latency_doctor(struct client *c, const struct request *r) {
    const struct latency *l = c->srv->stats.latency;
    struct buf text;
    UNUSED(r);
    buf_init(&text, 0);
    if (c->srv->config.latency_monitor_threshold == 0)
        buf_printf(&text, "Latency events are not sampled: CONFIG SET latency-monitor-threshold "
                          "<milliseconds> begins with it.\n");
    for (int i = 0; i < LATENCY_EVENTS; i++) {
        const struct latency_series *s = &l->series[i];
        uint64_t sum = 0;
        if (s->count == 0) continue;
        for (size_t k = 0; k < latency_kept(s); k++) sum += latency_at(s, k)->ms;
        buf_printf(&text, "%s: %zu seconds with samples, %llu ms on average, %llu ms at most.\n",
                   latency_name(i), latency_kept(s), (unsigned long long)(sum / latency_kept(s)),
                   (unsigned long long)s->max_ms);
    }
    buf_printf(&text,
               "LATENCY HISTOGRAM and INFO latencystats tell how long commands took, SLOWLOG "
               "which they were, INFO journal how long syncs took.");
    resp_put_verbatim(&c->out, c->resp, buf_str(&text));
    buf_clear(&text);
    return REPLIED;
}

static void histogram_reply(struct client *c, const struct command *cmd) {
    reply_bulk_c(c, command_full_name(cmd));
    reply_map(c, 2);
    reply_bulk_c(c, "calls");
    reply_int(c, (int64_t)cmd->stats.calls);
    reply_bulk_c(c, "histogram_usec");
    /* Cumulated counts at 1, 2, 4, 8 ... us, where there is anything new. */
    uint64_t bound[64], count[64], sum = 0;
    size_t n = 0, bucket = 0;
    for (unsigned power = 0; power < 38; power++) {
        uint64_t before = sum;
        for (; bucket < HISTOGRAM_BUCKETS && histogram_upper(bucket) <= UINT64_C(1) << power;
             bucket++)
            sum += cmd->stats.histogram[bucket];
        if (sum == before) continue;
        bound[n] = UINT64_C(1) << power;
        count[n++] = sum;
    }
    reply_map(c, n);
    for (size_t i = 0; i < n; i++) {
        reply_int(c, (int64_t)bound[i]);
        reply_int(c, (int64_t)count[i]);
    }
}

static size_t histograms_of(struct client *c, const struct command *cmd, bool reply) {
    size_t n = 0;
    if (cmd->stats.histogram != NULL) {
        n++;
        if (reply) histogram_reply(c, cmd);
    }
    for (const struct command *sub = cmd->subcommands; sub != NULL && sub->name != NULL; sub++)
        n += histograms_of(c, sub, reply);
    return n;
}

/* LATENCY HISTOGRAM [command ...]: of all that were called, or of those named. */
enum outcome cmd_latency_histogram(struct client *c, const struct request *r) {
    size_t n = 0;
    for (int reply = 0; reply < 2; reply++) {
        if (reply) reply_map(c, n);
        if (r->argc == 2) {
            size_t count;
            struct command *const *all = commands_all(&count);
            for (size_t k = 0; k < count; k++) n += histograms_of(c, all[k], reply);
            continue;
        }
        for (size_t i = 2; i < r->argc; i++) {
            const struct command *cmd = command_find_full(r->argv[i]);
            if (cmd != NULL) n += histograms_of(c, cmd, reply);
        }
    }
    return REPLIED;
}

enum outcome cmd_latency_help(struct client *c, const struct request *r) {
    UNUSED(r);
    static const char *const lines[] = {
        "DOCTOR",
        "    Return a human readable latency analysis report.",
        "GRAPH <event>",
        "    Return an ASCII latency graph for the <event> class.",
        "HISTORY <event>",
        "    Return time-latency samples for the <event> class.",
        "LATEST",
        "    Return the latest latency samples for all events.",
        "RESET [<event> ...]",
        "    Reset latency data of one or more <event> classes.",
        "    (default: reset all data for all event classes)",
        "HISTOGRAM [COMMAND ...]",
        "    Return a cumulative distribution of latencies in the format of a histogram for the",
        "    specified command names.",
        NULL,
    };
    reply_help(c, "LATENCY", lines);
    return REPLIED;
}
