/* SLOWLOG, and what there is of LATENCY: the histograms of the commands. Latency events are not
 * sampled: their questions are answered as Redis answers when nothing has been sampled. */
#include <strings.h>

#include "server/server.h"
#include "server/stats/slowlog.h"
#include "server/stats/stats.h"
#include "commands/admin/family.h"

/* SLOWLOG GET [count]: newest first; 10 unless told, -1 all. */
enum outcome cmd_slowlog_get(struct client *c, const struct request *r) {
    struct stats *s = &c->srv->stats;
    int64_t count = 10;
    if (r->argc == 3 && (!str_to_i64(r->argv[2], &count) || count < -1)) {
        reply_error(c, "ERR count should be greater than or equal to -1");
        return REPLIED;
    }
    slowlog_trim(s, c->srv->config.slowlog_max_len); /* it may have been lowered since */
    uint64_t left = count == -1 ? s->slowlog_len : MIN((uint64_t)count, s->slowlog_len);
    reply_array(c, (size_t)left);
    LIST_FOR_EACH (it, &s->slowlog) {
        if (left-- == 0) break;
        const struct slowlog_entry *e = LIST_ENTRY(it, struct slowlog_entry, node);
        reply_array(c, 6);
        reply_int(c, (int64_t)e->id);
        reply_int(c, (int64_t)e->time_s);
        reply_int(c, (int64_t)e->usec);
        reply_array(c, e->argc);
        for (size_t i = 0; i < e->argc; i++) reply_bulk(c, e->argv[i]);
        reply_bulk_c(c, e->addr);
        reply_bulk_c(c, e->name);
    }
    return REPLIED;
}

/* SLOWLOG LEN */
enum outcome cmd_slowlog_len(struct client *c, const struct request *r) {
    UNUSED(r);
    slowlog_trim(&c->srv->stats, c->srv->config.slowlog_max_len);
    reply_int(c, (int64_t)c->srv->stats.slowlog_len);
    return REPLIED;
}

/* SLOWLOG RESET */
enum outcome cmd_slowlog_reset(struct client *c, const struct request *r) {
    UNUSED(r);
    slowlog_reset(&c->srv->stats);
    reply_ok(c);
    return REPLIED;
}

enum outcome cmd_slowlog_help(struct client *c, const struct request *r) {
    UNUSED(r);
    static const char *const lines[] = {
        "GET [<count>]",
        "    Return top <count> entries from the slowlog (default: 10, -1 mean all).",
        "    Entries are made of:",
        "    id, timestamp, time in microseconds, arguments array, client IP and port,",
        "    client name",
        "LEN",
        "    Return the length of the slowlog.",
        "RESET",
        "    Reset the slowlog.",
        NULL,
    };
    reply_help(c, "SLOWLOG", lines);
    return REPLIED;
}

/* LATENCY LATEST, LATENCY HISTORY event */
enum outcome cmd_latency_latest(struct client *c, const struct request *r) {
    UNUSED(r);
    reply_array(c, 0);
    return REPLIED;
}
enum outcome cmd_latency_history(struct client *c, const struct request *r) {
    return cmd_latency_latest(c, r);
}

/* LATENCY RESET [event ...]: how many were reset. */
enum outcome cmd_latency_reset(struct client *c, const struct request *r) {
    UNUSED(r);
    reply_int(c, 0);
    return REPLIED;
}

/* LATENCY DOCTOR */
enum outcome cmd_latency_doctor(struct client *c, const struct request *r) {
    UNUSED(r);
    resp_put_verbatim(
        &c->out, c->resp,
        STR("Latency events are not sampled. LATENCY HISTOGRAM and INFO latencystats tell how long "
            "commands took, INFO journal how long syncs took."));
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
        "HISTOGRAM [COMMAND ...]",
        "    Return a cumulative distribution of commands latency.",
        "HISTORY <event>",
        "    Return time-latency samples for the <event> class (none are taken).",
        "LATEST",
        "    Return the latest latency samples for all events (none are taken).",
        "RESET [<event> ...]",
        "    Reset latency data of one or more <event> classes.",
        NULL,
    };
    reply_help(c, "LATENCY", lines);
    return REPLIED;
}
