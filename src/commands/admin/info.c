/* INFO [section ...]: the table of sections, and those that walk over commands and errors. As with
 * Redis, no section means `default`; `all` is every section and `everything` those of modules too,
 * of which there are none. */
#include "commands/commands.h"
#include "commands/admin/info.h"
#include "server/server.h"
#include "server/stats/internal.h"

static const struct section {
    const char *name, *title;
    info_fn *write;
    bool in_default;
} sections[] = {
    {"server", "Server", info_server, true},
    {"clients", "Clients", info_clients, true},
    {"memory", "Memory", info_memory, true},
    {"persistence", "Persistence", info_persistence, true},
    {"store", "Store", info_store, true},
    {"journal", "Journal", info_journal, true},
    {"cache", "Cache", info_cache, true},
    {"stats", "Stats", info_stats, true},
    {"replication", "Replication", info_replication, true},
    {"cpu", "CPU", info_cpu, true},
    {"modules", "Modules", info_modules, true},
    {"commandstats", "Commandstats", info_commandstats, false},
    {"errorstats", "Errorstats", info_errorstats, true},
    {"latencystats", "Latencystats", info_latencystats, false},
    {"cluster", "Cluster", info_cluster, true},
    {"keyspace", "Keyspace", info_keyspace, true},
};

/* INFO [section ...] */
enum outcome cmd_info(struct client *c, const struct request *r) {
    bool wanted[ARRAY_LEN(sections)] = {false};
    bool by_default = r->argc == 1;
    for (size_t i = 1; i < r->argc; i++) {
        bool all =
            str_eq_nocase(r->argv[i], STR("all")) || str_eq_nocase(r->argv[i], STR("everything"));
        by_default |= str_eq_nocase(r->argv[i], STR("default"));
        for (size_t k = 0; k < ARRAY_LEN(sections); k++)
            wanted[k] |= all || str_eq_nocase(r->argv[i], str_c(sections[k].name));
    }
    struct buf text;
    buf_init(&text, 0);
    for (size_t k = 0; k < ARRAY_LEN(sections); k++) {
        if (!wanted[k] && !(by_default && sections[k].in_default)) continue;
        buf_printf(&text, "%s# %s\r\n", text.len > 0 ? "\r\n" : "", sections[k].title);
        sections[k].write(c->srv, &text);
    }
    resp_put_verbatim(&c->out, c->resp, buf_str(&text));
    buf_clear(&text);
    return REPLIED;
}

/* Calls each for all rows, subcommands before their container's successor. */
static void each_command(const struct command *cmd, struct server *srv, struct buf *out,
                         void (*each)(const struct command *cmd, struct server *srv,
                                      struct buf *out)) {
    for (; cmd != NULL && cmd->name != NULL; cmd++) {
        each(cmd, srv, out);
        each_command(cmd->subcommands, srv, out, each);
    }
}

static void put_command(const struct command *cmd, struct server *srv, struct buf *out) {
    UNUSED(srv);
    typedef unsigned long long ull;
    const struct command_stats *s = &cmd->stats;
    if (s->calls == 0 && s->rejected == 0 && s->failed == 0) return;
    buf_printf(out,
               "cmdstat_%s:calls=%llu,usec=%llu,usec_per_call=%.2f,rejected_calls=%llu,failed_"
               "calls=%llu\r\n",
               command_full_name(cmd), (ull)s->calls, (ull)s->usec,
               s->calls > 0 ? (double)s->usec / (double)s->calls : 0.0, (ull)s->rejected,
               (ull)s->failed);
}

void info_commandstats(struct server *srv, struct buf *out) {
    each_command(command_table, srv, out, put_command);
}

static void put_latency(const struct command *cmd, struct server *srv, struct buf *out) {
    if (cmd->stats.histogram == NULL) return;
    buf_printf(out, "latency_percentiles_usec_%s:", command_full_name(cmd));
    const char *p = srv->config.latency_percentiles;
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
    if (srv->config.latency_tracking) each_command(command_table, srv, out, put_latency);
}

static void put_error(struct hash_node *n, void *arg) {
    const struct error_count *e = CONTAINER_OF(n, struct error_count, node);
    buf_printf(arg, "errorstat_%s:count=%llu\r\n", e->word, (unsigned long long)e->count);
}

void info_errorstats(struct server *srv, struct buf *out) {
    hash_each(&srv->stats.errors, put_error, out);
}

void info_modules(struct server *srv, struct buf *out) {
    UNUSED(srv);
    UNUSED(out);
}

void info_cluster(struct server *srv, struct buf *out) {
    UNUSED(srv);
    info_put_u64(out, "cluster_enabled", 0);
}
