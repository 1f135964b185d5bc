/* How much all connections may leave unread of what was written for their subscriptions
 * (subscriptions-bytes-max), and who has to go when others need the room.
 *
 * Below the bound each may have subscription-bytes, above it SCARCE_BYTES, whatever the others
 * hold. A large event is there once for all who are sent it (shape.c); above the bound there is one
 * of these at a time. So all hold the bound, one event, and SCARCE_BYTES for each connection. Who
 * needs another large event then may wait for somebody who does not read: who has left more than
 * SCARCE_BYTES, or has a part of a large event before him, and lets clients-bytes-timeout pass
 * without taking any of it, is closed while others wait. All of them at the same time, not one
 * after the other. */
#include "server/subscription/internal.h"

#include "base/log.h"
#include "server/client/long_reply.h"
#include "server/client/push.h"

#define PUSH_BYTES    ((size_t)64 << 10) /* of a large event that is not read before it goes on */
#define LOOKED_AT     1000               /* connections, each time: less than a millisecond */
#define CLOSED_LOG_MS 1000

uint64_t subscriptions_unread(const struct server *srv) {
    return srv->subscriptions.bytes + srv->subscriptions.shared_bytes;
}

size_t subscriptions_push_bytes(const struct server *srv) {
    return is_scarce(srv, 0) ? SCARCE_BYTES : PUSH_BYTES;
}

bool subscriptions_have_room(const struct server *srv, size_t bytes) {
    if (!is_scarce(srv, bytes) || srv->subscriptions.beyond == NULL) return true;
    return !is_scarce(srv, 0); /* that one is within the bound by now */
}

/* ---- who has to go ---- */

static bool holds_much(const struct client *c) {
    return client_unread(c) > SCARCE_BYTES || long_push_is_on(c);
}

void subscriber_holds_much(struct client *c) {
    if (LIKELY(list_linked(&c->holder))) return;
    list_append(&c->srv->subscriptions.holders, &c->holder);
    c->progress = UINT64_MAX; /* is found out when somebody wants to know */
    c->progress_at_ms = c->srv->clock.now_ms;
}

static void close_it(struct client *c) {
    log_warning_seldom(CLOSED_LOG_MS,
                       "client %llu %s: closed: it has subscriptions, has read nothing for %llu s, "
                       "and others wait for room (subscriptions-bytes-max, clients-bytes-timeout)",
                       (unsigned long long)c->id, c->addr,
                       (unsigned long long)c->srv->config.clients_bytes_timeout_s);
    c->srv->stats.evicted_clients++;
    client_close(c);
}

/* Whether it has taken nothing for so long, since somebody has been waiting. */
static bool is_stuck(struct client *c, uint64_t timeout_ms) {
    const struct subscriptions *subs = &c->srv->subscriptions;
    uint64_t now = c->srv->clock.now_ms, progress = client_progress(c);
    if (progress == c->progress)
        return now - MAX(c->progress_at_ms, subs->room_since_ms) >= timeout_ms;
    c->progress = progress;
    c->progress_at_ms = now;
    return false;
}

void subscriptions_make_room(struct server *srv) {
    struct subscriptions *subs = &srv->subscriptions;
    uint64_t now = srv->clock.now_ms, timeout_ms = srv->config.clients_bytes_timeout_s * 1000;
    if (LIKELY(list_empty(&subs->for_room)) || timeout_ms == 0) return;
    if (now - subs->room_waited_ms > timeout_ms) subs->room_since_ms = now;
    subs->room_waited_ms = now;
    struct list seen;
    list_init(&seen);
    for (int n = 0; n < LOOKED_AT && !list_empty(&subs->holders); n++) {
        struct client *c = LIST_ENTRY(subs->holders.next, struct client, holder);
        list_remove(&c->holder);
        if (!holds_much(c)) continue;
        list_append(&seen, &c->holder);
        if (shared_events_can_go_on(srv)) break;
        if (is_stuck(c, timeout_ms)) close_it(c);
    }
    list_splice(&subs->holders, &seen);
}
