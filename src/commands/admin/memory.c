/* MEMORY: what a key takes, and figures of the server; INFO has more of them. */
#include <sys/resource.h>

#include "base/alloc.h"
#include "server/server.h"
#include "server/command/virtual.h"
#include "server/stats/info.h"
#include "server/wait/need.h"
#include "commands/admin/family.h"
#include "commands/stream/args.h"

static size_t bytes_of(const struct stream *s, struct str name) {
    size_t bytes = sizeof *s + name.len + s->tail_cap * sizeof *s->tail;
    if (s->extra != NULL) bytes += s->extra->bytes;
    for (uint32_t i = 0; i < s->tail_count; i++) bytes += s->tail[s->tail_head + i]->size;
    return bytes;
}

/* MEMORY USAGE key [SAMPLES count]: what it takes in memory now, its newest events or its value
 * included. What is on disk only is brought there to be measured, without its events. */
enum outcome cmd_memory_usage(struct client *c, const struct request *r) {
    int64_t samples = 0; /* checked, and not needed */
    if (r->argc == 5 && str_eq_nocase(r->argv[3], STR("SAMPLES")) &&
        !xarg_i64_or_reply(c, r->argv[4], &samples))
        return REPLIED;
    if (r->argc == 4 || samples < 0 ||
        (r->argc == 5 && !str_eq_nocase(r->argv[3], STR("SAMPLES")))) {
        reply_syntax_error(c);
        return REPLIED;
    }
    struct stream *s = NULL;
    if (virtual_is(c, r->argv[2])) { /* its groups, if it has any */
        client_tells(c, c->srv->model.decided);
        if (!virtual_exists(c, r->argv[2]))
            reply_null(c);
        else
            reply_int(c, (s = model_peek(&c->srv->model, r->argv[2])) != NULL
                             ? (int64_t)(sizeof *s + s->extra->bytes)
                             : 0);
        return REPLIED;
    }
    if (!need_stream(c, r->argv[2], &s)) return PARKED;
    if (s->state == STREAM_LIVE)
        reply_int(c, (int64_t)bytes_of(s, r->argv[2]));
    else
        reply_null(c);
    return REPLIED;
}

/* ---- STATS ---- */

struct figures {
    uint64_t used, held, rss, peak, clients, dataset;
};

static struct figures measure(struct server *srv) {
    struct figures f = {.rss = info_resident_bytes(), .dataset = srv->model.bytes};
    struct rusage usage = {0};
    allocator_read(&f.used, &f.held);
    getrusage(RUSAGE_SELF, &usage);
    if (f.used == 0) f.used = f.rss;
    f.peak = MAX((uint64_t)usage.ru_maxrss * 1024, f.used);
    f.clients = srv->share.bytes;
    return f;
}

static void put_u64(struct client *c, const char *name, uint64_t value) {
    reply_bulk_c(c, name);
    reply_int(c, (int64_t)value);
}
/* a / b; what is measured at two moments is never less than nothing. */
static void put_ratio(struct client *c, const char *name, uint64_t a, uint64_t b, double times) {
    reply_bulk_c(c, name);
    resp_put_double(&c->out, c->resp, b == 0 ? 0 : (double)a / (double)b * times);
}

/* MEMORY STATS: Valkey's fields. What does not exist here is 0; the peak is that of what the system
 * gave, and of what is held for clients there is one figure. */
enum outcome cmd_memory_stats(struct client *c, const struct request *r) {
    struct server *srv = c->srv;
    struct figures f = measure(srv);
    uint64_t keys = srv->model.stream_count, overhead = f.used - MIN(f.used, f.dataset);
    UNUSED(r);
    reply_map(c, 32);
    put_u64(c, "peak.allocated", f.peak);
    put_u64(c, "total.allocated", f.used);
    put_u64(c, "startup.allocated", 0);
    put_u64(c, "replication.backlog", 0);
    put_u64(c, "clients.slaves", 0);
    put_u64(c, "clients.normal", f.clients);
    put_u64(c, "cluster.links", 0);
    put_u64(c, "aof.buffer", store_pinned_bytes(srv->store));
    put_u64(c, "lua.caches", 0);
    put_u64(c, "functions.caches", 0);
    reply_bulk_c(c, "db.0");
    reply_map(c, 2);
    put_u64(c, "overhead.hashtable.main", 0);
    put_u64(c, "overhead.hashtable.expires", 0);
    put_u64(c, "overhead.db.hashtable.lut", 0);
    put_u64(c, "overhead.db.hashtable.rehashing", 0);
    put_u64(c, "db.dict.rehashing.count", 0);
    put_u64(c, "overhead.total", overhead);
    put_u64(c, "keys.count", keys);
    put_u64(c, "keys.bytes-per-key", keys > 0 ? f.dataset / keys : 0);
    put_u64(c, "dataset.bytes", f.dataset);
    put_ratio(c, "dataset.percentage", MIN(f.dataset, f.used), f.used, 100);
    put_ratio(c, "peak.percentage", f.used, f.peak, 100);
    put_u64(c, "allocator.allocated", f.used);
    put_u64(c, "allocator.active", f.held);
    put_u64(c, "allocator.resident", f.held);
    put_u64(c, "allocator.muzzy", 0);
    put_ratio(c, "allocator-fragmentation.ratio", f.held, f.used, 1);
    put_u64(c, "allocator-fragmentation.bytes", f.held - MIN(f.held, f.used));
    put_ratio(c, "allocator-rss.ratio", f.held, f.held, 1);
    put_u64(c, "allocator-rss.bytes", 0);
    put_ratio(c, "rss-overhead.ratio", f.rss, f.held, 1);
    put_u64(c, "rss-overhead.bytes", f.rss - MIN(f.rss, f.held));
    put_ratio(c, "fragmentation", f.rss, f.used, 1);
    put_u64(c, "fragmentation.bytes", f.rss - MIN(f.rss, f.used));
    return REPLIED;
}

static void put_text(void *arg, const char *text) {
    buf_put_str(arg, str_c(text));
}

/* MEMORY MALLOC-STATS */
enum outcome cmd_memory_malloc_stats(struct client *c, const struct request *r) {
    struct buf text;
    UNUSED(r);
    buf_init(&text, 0);
    allocator_stats(put_text, &text);
    if (text.len == 0) put_text(&text, "Stats not supported for the current allocator");
    resp_put_verbatim(&c->out, c->resp, buf_str(&text));
    buf_clear(&text);
    return REPLIED;
}

/* MEMORY PURGE */
enum outcome cmd_memory_purge(struct client *c, const struct request *r) {
    UNUSED(r);
    allocator_purge();
    reply_ok(c);
    return REPLIED;
}

/* MEMORY DOCTOR */
enum outcome cmd_memory_doctor(struct client *c, const struct request *r) {
    UNUSED(r);
    resp_put_verbatim(&c->out, c->resp, STR("INFO memory and INFO cache have the figures."));
    return REPLIED;
}

enum outcome cmd_memory_help(struct client *c, const struct request *r) {
    UNUSED(r);
    static const char *const lines[] = {
        "DOCTOR",
        "    Return memory problems reports.",
        "MALLOC-STATS",
        "    Return internal statistics report from the memory allocator.",
        "PURGE",
        "    Attempt to purge dirty pages for reclamation by the allocator.",
        "STATS",
        "    Return information about the memory usage of the server.",
        "USAGE <key> [SAMPLES <count>]",
        "    Return memory in bytes used by <key> and what of it is in memory.",
        NULL,
    };
    reply_help(c, "MEMORY", lines);
    return REPLIED;
}
