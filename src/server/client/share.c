/* See share.h. */
#include "server/client/share.h"

#include "server/client/long_reply.h"
#include "server/cron.h"
#include "server/server.h"
#include "stream/read.h"

#define NEVER_BELOW ((uint64_t)64 << 10) /* bytes: nobody is stopped for so little */

static uint64_t limit_of(const struct server *srv) {
    return srv->config.clients_bytes_max;
}

static bool is_over(const struct server *srv) {
    return limit_of(srv) != 0 && srv->share.bytes > limit_of(srv);
}

/* Stopping and going on do not take turns with every byte. */
static bool has_room(const struct server *srv) {
    return limit_of(srv) == 0 || srv->share.bytes <= limit_of(srv) / 8 * 7;
}

/* The level at which the connections are within the limit if each held no more than it. */
static uint64_t find_level(const struct server *srv) {
    uint64_t n = srv->client_count, room = limit_of(srv), level = room / MAX(n, (uint64_t)1);
    for (uint64_t before = UINT64_MAX; level != before;) {
        uint64_t below = 0, large = 0;
        LIST_FOR_EACH (it, &srv->clients) {
            uint64_t held = LIST_ENTRY(it, struct client, all)->counted;
            if (held > level)
                large++;
            else
                below += held;
        }
        before = level;
        if (large > 0) level = MAX(level, (room - MIN(room, below)) / large);
    }
    return MAX(level, NEVER_BELOW);
}

static uint64_t level_now(struct server *srv) {
    struct share *s = &srv->share;
    if (s->level == 0 || srv->clock.now_ms > s->level_at_ms + CRON_INTERVAL_MS) {
        s->level = find_level(srv);
        s->level_at_ms = srv->clock.now_ms;
    }
    return s->level;
}

/* Whether most of what it holds goes when it goes on, not when it reads. */
static bool frees_by_going_on(const struct client *c) {
    return c->counted > 2 * ((uint64_t)c->out.cap + long_reply_bytes(c));
}

/* Much less than the level: it would be stopped again at once otherwise. */
static bool is_small(const struct client *c) {
    return c->counted <= level_now(c->srv) / 2;
}

/* What it went on for: it has read or run what it held. */
static bool is_done(const struct client *c) {
    return is_small(c) || !frees_by_going_on(c);
}

static void go(struct client *c) {
    c->srv->share.going = c;
    c->srv->share.going_seen = 0;
}

static void put_on_list(struct client *c) {
    list_append(&c->srv->share.stopped, &c->stopped);
    client_hold(c);
}

static void stop(struct client *c) {
    struct share *s = &c->srv->share;
    if (s->going == NULL && frees_by_going_on(c)) go(c);
    if (s->going != c) put_on_list(c);
}

static void let_go_on(struct client *c) {
    list_remove(&c->stopped);
    client_unhold(c);
}

static void all_go_on(struct server *srv) {
    struct share *s = &srv->share;
    s->level = 0;
    s->going = NULL;
    while (!list_empty(&s->stopped)) let_go_on(LIST_ENTRY(s->stopped.next, struct client, stopped));
}

void share_init(struct server *srv) {
    list_init(&srv->share.stopped);
}

void share_changed(struct client *c, uint64_t now) {
    struct share *s = &c->srv->share;
    s->bytes += now - c->counted;
    c->counted = now;
    if (UNLIKELY(s->going == c) && is_done(c)) s->going = NULL;
    bool stopped = list_linked(&c->stopped);
    if (!stopped && !is_over(c->srv)) return;
    if (!stopped && now > level_now(c->srv)) stop(c);
    if (stopped && is_small(c)) let_go_on(c);
    if (has_room(c->srv)) all_go_on(c->srv);
}

uint64_t share_portion(const struct client *c) {
    return is_over(c->srv) ? NEVER_BELOW : READ_BYTES_MAX;
}

void share_forget(struct client *c) {
    struct share *s = &c->srv->share;
    s->bytes -= c->counted;
    c->counted = 0;
    list_remove(&c->stopped);
    if (s->going == c) s->going = NULL;
}

void share_cron(struct server *srv) {
    struct share *s = &srv->share;
    if (list_empty(&s->stopped)) return;
    if (has_room(srv)) { /* the limit was raised, or somebody has gone */
        all_go_on(srv);
        return;
    }
    if (s->going != NULL) {
        struct client *c = s->going;
        uint64_t seen = c->bytes_in + c->counted;
        if (seen != s->going_seen) {
            s->going_seen = seen;
            return;
        }
        s->going = NULL; /* it does not get ahead */
        put_on_list(c);
    }
    LIST_FOR_EACH_SAFE (it, &s->stopped) {
        struct client *c = LIST_ENTRY(it, struct client, stopped);
        if (is_small(c)) { /* the level has risen */
            let_go_on(c);
        } else if (s->going == NULL && frees_by_going_on(c)) {
            go(c);
            let_go_on(c);
        }
    }
}
