/* INFO stats, commandstats, errorstats and latencystats, and how every section writes its lines. */
#include "server/stats/info.h"

#include "server/command/command.h"
#include "server/server.h"

typedef unsigned long long ull;

void info_put_u64(struct buf *out, const char *name, uint64_t v) {
    buf_printf(out, "%s:%llu\r\n", name, (ull)v);
}

void info_put_text(struct buf *out, const char *name, const char *text) {
    buf_printf(out, "%s:", name);
    for (; *text != '\0'; text++) {
        char ch = (unsigned char)*text < ' ' ? '?' : *text;
        buf_put(out, &ch, 1);
    }
    buf_put(out, "\r\n", 2);
}

void info_put_bytes(struct buf *out, const char *name, uint64_t v) {
    static const char units[] = "BKMGTPE";
    double d = (double)v;
    size_t unit = 0;
    while (d >= 1024 && units[unit + 1] != '\0') {
        d /= 1024;
        unit++;
    }
    info_put_u64(out, name, v);
    if (unit == 0)
        buf_printf(out, "%s_human:%lluB\r\n", name, (ull)v);
    else
        buf_printf(out, "%s_human:%.2f%c\r\n", name, d, units[unit]);
}

void info_stats(struct server *srv, struct buf *out) {
    const struct stats *s = &srv->stats;
    info_put_u64(out, "total_connections_received", s->connections_received);
    info_put_u64(out, "total_commands_processed", s->commands_processed);
    info_put_u64(out, "instantaneous_ops_per_sec", s->rate.commands_per_s);
    info_put_u64(out, "total_net_input_bytes", s->bytes_in);
    info_put_u64(out, "total_net_output_bytes", s->bytes_out);
    buf_printf(out, "instantaneous_input_kbps:%.2f\r\n", (double)s->rate.bytes_in_per_s / 1024);
    buf_printf(out, "instantaneous_output_kbps:%.2f\r\n", (double)s->rate.bytes_out_per_s / 1024);
    info_put_u64(out, "rejected_connections", s->connections_rejected);
    info_put_u64(out, "expired_keys", srv->stats.expired_keys);
    uint64_t keys, items, prefixes;
    tracking_count(srv, &keys, &items, &prefixes);
    info_put_u64(out, "tracking_total_keys", keys);
    info_put_u64(out, "tracking_total_items", items);
    info_put_u64(out, "tracking_total_prefixes", prefixes);
    info_put_u64(out, "evicted_keys", 0);
    info_put_u64(out, "evicted_clients", s->evicted_clients);
    info_put_u64(out, "client_output_buffer_limit_disconnections", s->output_limit_closed);
    info_put_u64(out, "refused_waits", s->refused_waits);
    info_put_u64(out, "keyspace_hits", srv->model.hits);
    info_put_u64(out, "keyspace_misses", srv->model.misses);
    info_put_u64(out, "pubsub_channels", srv->pubsub.active[CHANNEL_PLAIN]);
    info_put_u64(out, "pubsub_patterns", srv->pubsub.active[CHANNEL_PATTERN]);
    info_put_u64(out, "pubsubshard_channels", srv->pubsub.active[CHANNEL_SHARD]);
    info_put_u64(out, "pubsub_queue_bytes", srv->pubsub.queue_bytes);
    info_put_u64(out, "latest_fork_usec", 0);
    info_put_u64(out, "total_forks", 0);
    info_put_u64(out, "unexpected_error_replies", 0);
    info_put_u64(out, "total_error_replies", s->error_replies);
    info_put_u64(out, "unknown_commands", s->unknown_commands);
    info_put_u64(out, "protocol_errors", s->protocol_errors);
    info_put_u64(out, "events_appended", s->events_appended);
    info_put_u64(out, "appends_repeated", s->appends_repeated);
    info_put_u64(out, "events_read", s->events_read);
    info_put_u64(out, "throttled_commands", s->throttled);
    info_put_u64(out, "resumed_commands", s->resumed);
    info_put_u64(out, "voids", s->voids);
    info_put_u64(out, "outages", s->outages);
}

static void put_command(struct command *cmd, void *arg) {
    const struct command_stats *s = &cmd->stats;
    if (s->calls == 0 && s->rejected == 0 && s->failed == 0) return;
    buf_printf(arg,
               "cmdstat_%s:calls=%llu,usec=%llu,usec_per_call=%.2f,rejected_calls=%llu,failed_"
               "calls=%llu\r\n",
               command_full_name(cmd), (ull)s->calls, (ull)s->usec,
               s->calls > 0 ? (double)s->usec / (double)s->calls : 0.0, (ull)s->rejected,
               (ull)s->failed);
}

void info_commandstats(struct server *srv, struct buf *out) {
    UNUSED(srv);
    command_each(put_command, out);
}

struct latency_section {
    struct buf *out;
    const char *percentiles;
};

static void put_latency(struct command *cmd, void *arg) {
    const struct latency_section *section = arg;
    struct buf *out = section->out;
    if (cmd->stats.histogram == NULL) return;
    buf_printf(out, "latency_percentiles_usec_%s:", command_full_name(cmd));
    const char *p = section->percentiles;
    for (bool first = true; *p != '\0'; first = false) {
        char *end;
        double percentile = strtod(p, &end);
        assert(end != p); /* the option's check */
        buf_printf(out, "%sp%.*s=%.3f", first ? "" : ",", (int)(end - p), p,
                   stats_percentile(cmd, percentile));
        p = end;
        while (*p == ' ') p++;
    }
    buf_put(out, "\r\n", 2);
}

void info_latencystats(struct server *srv, struct buf *out) {
    struct latency_section section = {out, srv->config.latency_percentiles};
    if (srv->config.latency_tracking) command_each(put_latency, &section);
}

static void put_error(struct hash_node *n, void *arg) {
    const struct error_count *e = CONTAINER_OF(n, struct error_count, node);
    buf_printf(arg, "errorstat_%s:count=%llu\r\n", e->word, (unsigned long long)e->count);
}

void info_errorstats(struct server *srv, struct buf *out) {
    hash_each(&srv->stats.errors, put_error, out);
}
