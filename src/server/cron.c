/* Ten times a second: statistics, idle connections (a tenth of them each time), connections that
 * wait for the applier. */
#include "server/cron.h"

#include "base/alloc.h"
#include "base/log.h"
#include "base/reserve.h"
#include "server/client/output_limit.h"
#include "server/client/share.h"
#include "server/client/walk.h"
#include "server/listener.h"
#include "server/server.h"

static void visit_clients(struct server *srv) {
    /* Each run looks at the next tenth. */
    for (uint64_t n = srv->client_count / 10 + 1; n > 0; n--) {
        struct client *c = client_walk_next(&srv->cron_walk);
        if (c == NULL) {
            client_walk_end(&srv->cron_walk);
            client_walk_begin(&srv->cron_walk, srv);
            srv->client_bytes = srv->cron_bytes;
            srv->cron_bytes = 0;
            continue;
        }
        srv->cron_bytes += client_memory(c);
        uint64_t timeout_ms = srv->config.timeout_s * 1000;
        if (timeout_ms > 0 && c->park == PARK_NONE && !c->is_monitor && c->subscriber == NULL &&
            c->listening == NULL && srv->clock.now_ms - c->last_active_ms > timeout_ms) {
            log_verbose("client %llu %s: idle, closed", (unsigned long long)c->id, c->addr);
            client_close(c);
            continue;
        }
        if (srv->clock.now_ms - c->last_active_ms > 2000) client_trim(c);
        srv->stats.client_peak_input = MAX(srv->stats.client_peak_input, c->in.cap);
        srv->stats.client_peak_output = MAX(srv->stats.client_peak_output, c->out.cap);
    }
}

/* The cache's own account leaves out what the allocator rounds up, buffers and the database's
 * memory. All of that is taken from the cache (but not more than half), so that cache-bytes bounds
 * what the process allocates; what comes on top is what lies between allocations. */
static void bound_memory(struct server *srv) {
    uint64_t used = 0, held = 0, cache = srv->config.cache_bytes;
    allocator_read(&used, &held);
    uint64_t others = reserve_bytes() + (used > srv->model.bytes ? used - srv->model.bytes : 0);
    srv->model.bytes_max = cache - MIN(others, cache / 2);
}

/* Who waits for a database that is away hears of it: the others at once, who waits for room in
 * front of it when there is none. */
static void check_outage(struct server *srv) {
    bool was_away = store_away(srv->store) != NULL;
    store_check_outage(srv->store, srv->clock.now_us, srv->config.outage_reply_ms);
    if (store_away(srv->store) == NULL) return;
    if (!was_away) {
        srv->stats.outages++;
        server_resume_all(&srv->waiting);
    }
    if (server_full(srv) != NULL) server_resume_all(&srv->throttled);
}

void cron_run(struct server *srv) {
    if (srv->clock.now_ms < srv->cron_at_ms) return;
    srv->cron_at_ms = srv->clock.now_ms + CRON_INTERVAL_MS;
    stats_cron(&srv->stats, srv->clock.now_ms);
    check_outage(srv);
    store_check_lease(srv->store, srv->clock.now_us, srv->config.lease_ms);
    visit_clients(srv);
    bound_memory(srv);
    aheads_cron(srv);
    tallies_forget(&srv->model);
    share_cron(srv);
    output_limits_cron(srv);
    subscriptions_cron(srv);
    server_resume_throttled(srv);
    listeners_resume(srv);
    /* Who waits for an apply that cannot be is woken by nothing else. */
    while (store_stuck(srv->store) != NULL && !list_empty(&srv->waiting))
        client_resume(LIST_ENTRY(srv->waiting.next, struct client, parked));
}
