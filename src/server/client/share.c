/* See share.h. Whoever waits for room is on `waiting`, parked: for a load (PARK_LOAD, need.c), or
 * because his reply was taken back (PARK_ROOM). Whoever is stopped is on `stopped`, held. Nobody is
 * on both: who has asked for something, and holds it half, is not stopped. */
#include "server/client/share.h"

#include "base/log.h"
#include "server/client/long_reply.h"
#include "server/cron.h"
#include "server/server.h"
#include "server/wait/need.h"
#include "stream/read.h"

#define SMALL_PORTION (SHARE_FREE / 4) /* of events, whose reply is below that */
#define WOKEN_A_TURN  64               /* of the stopped; others follow in the next */
#define CLOSED_LOG_MS 1000

static uint64_t limit_of(const struct server *srv) {
    uint64_t limit = srv->config.clients_bytes_max;
    return limit != 0 ? limit : UINT64_MAX;
}

/* Stopping and going on do not take turns with every byte. */
static bool has_room(const struct server *srv) {
    return srv->share.bytes <= limit_of(srv) / 8 * 7;
}

static uint64_t room_left(const struct server *srv) {
    return limit_of(srv) - MIN(limit_of(srv), srv->share.bytes);
}

/* ---- the share of each ---- */

/* The level at which the connections are within the limit if each held no more than it. */
static uint64_t find_level(const struct server *srv) {
    const struct share *s = &srv->share;
    uint64_t small = s->bytes - s->levels.all;
    uint64_t room = limit_of(srv) - MIN(limit_of(srv), small);
    return MAX(levels_find(&s->levels, room), SHARE_FREE);
}

static uint64_t level_now(struct server *srv) {
    struct share *s = &srv->share;
    if (s->level == 0 || srv->clock.now_ms > s->level_at_ms + CRON_INTERVAL_MS) {
        s->level = find_level(srv);
        s->level_at_ms = srv->clock.now_ms;
    }
    return s->level;
}

bool share_is_exceeded(const struct client *c) {
    return c->counted > level_now(c->srv);
}

/* What it has not read, the rest of a long reply included. */
static uint64_t unread(const struct client *c) {
    return (uint64_t)client_out_pending(c) + long_reply_bytes(c) + long_reply_shared(c);
}

/* Whether most of what it holds goes when it goes on, not when it reads. */
static bool frees_by_going_on(const struct client *c) {
    return c->counted > 2 * ((uint64_t)c->out.cap + long_reply_bytes(c));
}

/* Much less than the level: it would be stopped again at once otherwise. */
static bool is_small(const struct client *c) {
    return c->counted <= level_now(c->srv) / 2;
}

/* ---- the turn ---- */

static void give_turn(struct client *c) {
    c->srv->share.going = c;
    c->srv->share.going_runs = true;
    c->srv->share.going_seen = 0;
}

static bool has_turn(const struct client *c) {
    return c->srv->share.going == c && c->srv->share.going_runs;
}

/* Who has something to read makes room by that. */
static bool may_have_turn(const struct client *c, uint64_t to_read) {
    const struct share *s = &c->srv->share;
    return (s->going == NULL || s->going == c) && to_read <= SHARE_FREE;
}

/* Its turn's reply was read, or fits by now. */
static void end_turn_if_read(struct client *c) {
    struct share *s = &c->srv->share;
    bool read = unread(c) <= SHARE_FREE || !share_is_over(c->srv);
    if (s->going == c && !s->going_runs && read) s->going = NULL;
}

/* ---- stopping ---- */

static void put_on_list(struct client *c) {
    list_append(&c->srv->share.stopped, &c->stopped);
    client_hold(c);
}

/* What it holds is of a command that has not replied yet: that waits, or goes on, by itself. */
static bool is_being_served(const struct client *c) {
    bool freeing = c->srv->share.going == c && frees_by_going_on(c);
    return c->need != NULL || c->park == PARK_ROOM || has_turn(c) || freeing;
}

static void stop(struct client *c) {
    bool freeing = c->srv->share.going == NULL && frees_by_going_on(c);
    if (freeing)
        give_turn(c);
    else
        put_on_list(c);
}

static void let_go_on(struct client *c) {
    list_remove(&c->stopped);
    client_unhold(c);
}

static void note_whether_large(struct client *c) {
    bool large = c->counted > SHARE_FREE || long_reply_shared(c) > 0;
    if (large == list_linked(&c->large)) return;
    if (large)
        list_append(&c->srv->share.large, &c->large);
    else
        list_remove(&c->large);
}

void share_init(struct server *srv) {
    list_init(&srv->share.large);
    list_init(&srv->share.stopped);
    list_init(&srv->share.waiting);
}

void share_add_common(struct server *srv, uint64_t more) {
    srv->share.bytes += more;
}

void share_changed(struct client *c, uint64_t now) {
    struct share *s = &c->srv->share;
    s->bytes += now - c->counted;
    levels_change(&s->levels, c->counted, now);
    c->counted = now;
    note_whether_large(c);
    if (UNLIKELY(s->going == c)) end_turn_if_read(c);
    if (UNLIKELY(list_linked(&c->stopped))) {
        if (is_small(c)) let_go_on(c);
    } else if (UNLIKELY(share_is_over(c->srv)) && now > level_now(c->srv)) {
        if (!is_being_served(c)) stop(c);
    }
}

void share_forget(struct client *c) {
    struct share *s = &c->srv->share;
    s->bytes -= c->counted;
    levels_change(&s->levels, c->counted, 0);
    c->counted = 0;
    list_remove(&c->large);
    list_remove(&c->stopped);
    list_remove(&c->room);
    if (s->going == c) s->going = NULL;
}

/* ---- waiting for room ---- */

uint64_t share_portion(const struct client *c) {
    return share_is_over(c->srv) ? SMALL_PORTION : READ_BYTES_MAX;
}

/* Its place in line: of its command, which may have to wait more than once. */
static uint64_t number_of(struct client *c) {
    if (c->room_number == 0) c->room_number = ++c->srv->share.numbers;
    return c->room_number;
}

static void wait_in_line(struct client *c, uint64_t bytes) {
    struct list *waiting = &c->srv->share.waiting, *before = waiting->prev;
    c->room_wanted = MAX(bytes, (uint64_t)1);
    if (list_linked(&c->room)) return;
    while (before != waiting && LIST_ENTRY(before, struct client, room)->room_number > number_of(c))
        before = before->prev;
    list_insert_between(&c->room, before, before->next);
    client_watch(c);
}

/* Whether so many bytes of its command may come in, whoever waits. */
static bool is_admitted(struct client *c, uint64_t bytes) {
    if (has_turn(c) || need_held_bytes(c) + bytes <= SHARE_FREE) return true;
    return bytes <= room_left(c->srv);
}

static bool takes_turn(struct client *c, uint64_t to_read) {
    if (!may_have_turn(c, to_read)) return false;
    give_turn(c);
    return true;
}

bool share_may_load(struct client *c, uint64_t bytes) {
    const struct list *waiting = &c->srv->share.waiting;
    bool next = list_empty(waiting) || waiting->next == &c->room;
    bool little = need_held_bytes(c) + bytes <= SHARE_FREE;
    number_of(c);
    if (((next || little || has_turn(c)) && is_admitted(c, bytes)) ||
        (next && takes_turn(c, unread(c))))
        return true;
    wait_in_line(c, bytes);
    return false;
}

bool share_may_keep(struct client *c, uint64_t more) {
    return is_admitted(c, more) || takes_turn(c, unread(c));
}

void share_load_over(struct client *c) {
    list_remove(&c->room);
}

uint64_t share_reply_bytes(const struct client *c) {
    return client_out_offset(c) - c->reply_start + long_reply_bytes(c) + long_reply_new(c);
}

/* Whether all are within the limit with what the connection holds now, but for what was loaded for
 * its command: that goes when it has replied. */
static bool fits(const struct client *c) {
    const struct server *srv = c->srv;
    uint64_t others = srv->share.bytes - c->counted;
    return others + client_holds(c) - need_held_bytes(c) <= limit_of(srv);
}

bool share_refuses(struct client *c) {
    const struct server *srv = c->srv;
    uint64_t reply = share_reply_bytes(c);
    if (LIKELY(reply <= SHARE_FREE) || c->reply_mode != REPLY_ON) return false;
    if (has_turn(c) || fits(c)) return false;
    buf_fit(&c->out); /* it doubles while it grows: else what it took would depend on that */
    if (fits(c)) return false;
    uint64_t of_it = reply - long_reply_new(c) + long_reply_shared(c);
    return !list_empty(&srv->share.waiting) || !takes_turn(c, unread(c) - of_it);
}

void share_wait(struct client *c, uint64_t bytes) {
    long_reply_drop(c);
    buf_fit(&c->out);
    need_finish(c);
    c->reply_was_error = false;
    c->park = PARK_ROOM;
    wait_in_line(c, bytes);
    share_count(c);
}

/* What it waits for may be there; for a load need.c looks itself. */
static void go_on_waiting(struct client *c) {
    if (c->park == PARK_ROOM) {
        list_remove(&c->room);
        client_resume(c);
    } else {
        need_go_on(c);
    }
}

static void serve_waiting(struct server *srv) {
    struct share *s = &srv->share;
    uint64_t promised = 0;
    while (!list_empty(&s->waiting)) {
        struct client *c = LIST_ENTRY(s->waiting.next, struct client, room);
        uint64_t room = room_left(srv);
        if (promised + c->room_wanted > room) break;
        if (c->park == PARK_ROOM) promised += c->room_wanted;
        go_on_waiting(c);
        if (s->waiting.next == &c->room) break;
    }
    if (s->going != NULL) return;
    LIST_FOR_EACH (it, &s->waiting) {
        struct client *c = LIST_ENTRY(it, struct client, room);
        if (!takes_turn(c, unread(c))) continue;
        go_on_waiting(c);
        return;
    }
}

void share_run(struct server *srv) {
    struct share *s = &srv->share;
    if (LIKELY(list_empty(&s->waiting) && list_empty(&s->stopped))) return;
    aheads_give_way(srv);
    if (s->going != NULL) end_turn_if_read(s->going);
    serve_waiting(srv);
    if (list_empty(&s->stopped) || !has_room(srv)) return;
    s->level = 0;
    for (int n = WOKEN_A_TURN; n > 0 && !list_empty(&s->stopped); n--)
        let_go_on(LIST_ENTRY(s->stopped.next, struct client, stopped));
}

/* ---- those who do not get ahead ---- */

/* It has the turn, and the rest of its request does not come. */
static bool waits_for_input(const struct client *c) {
    return has_turn(c) && c->park == PARK_NONE && c->need == NULL && c->held == 0;
}

/* Somebody else's request may come meanwhile, unless there are too many of those by now. */
static void pass_turn_on(struct server *srv) {
    struct share *s = &srv->share;
    struct client *c = s->going;
    if (c == NULL || !waits_for_input(c)) return;
    uint64_t seen = c->bytes_in + c->counted;
    bool ahead = seen != s->going_seen;
    s->going_seen = seen;
    if (ahead || s->bytes - MIN(s->bytes, limit_of(srv)) > srv->config.reply_bytes_max) return;
    s->going = NULL;
    if (share_is_over(srv) && !is_small(c)) put_on_list(c);
}

static void look_at_stopped(struct server *srv) {
    struct share *s = &srv->share;
    LIST_FOR_EACH_SAFE (it, &s->stopped) {
        struct client *c = LIST_ENTRY(it, struct client, stopped);
        if (is_small(c)) { /* the level has risen */
            let_go_on(c);
        } else if (s->going == NULL && frees_by_going_on(c)) {
            give_turn(c);
            let_go_on(c);
        }
    }
}

/* Whether somebody waits for others, and not just for himself to read. */
static bool somebody_waits(const struct share *s) {
    LIST_FOR_EACH (it, &s->waiting)
        if (unread(LIST_ENTRY(it, struct client, room)) <= SHARE_FREE) return true;
    LIST_FOR_EACH (it, &s->stopped)
        if (frees_by_going_on(LIST_ENTRY(it, struct client, stopped))) return true;
    return false;
}

static void close_stuck(struct client *c) {
    log_warning_seldom(CLOSED_LOG_MS,
                       "client %llu %s: closed: it holds %llu bytes, has taken none of them for "
                       "%llu s, and others wait for room (clients-bytes-max, "
                       "clients-bytes-timeout)",
                       (unsigned long long)c->id, c->addr, (unsigned long long)c->counted,
                       (unsigned long long)c->srv->config.clients_bytes_timeout_s);
    c->srv->stats.evicted_clients++;
    client_close(c);
}

/* Whether it holds more than its share, and it is up to its other side that it goes. Who has
 * subscriptions is not closed for being slow: what is written for them has bounds of its own. */
static bool is_up_to_it(const struct client *c) {
    if (c->subscriber != NULL) return false;
    bool much = c->counted > level_now(c->srv) || long_reply_shared(c) > 0;
    return much && (c->want_write || waits_for_input(c));
}

static void close_who_are_stuck(struct server *srv) {
    struct share *s = &srv->share;
    uint64_t now = srv->clock.now_ms, timeout_ms = srv->config.clients_bytes_timeout_s * 1000;
    if (timeout_ms == 0 || !somebody_waits(s)) return;
    if (now - s->waited_at_ms > timeout_ms) s->waits_since_ms = now;
    s->waited_at_ms = now;
    LIST_FOR_EACH_SAFE (it, &s->large) {
        struct client *c = LIST_ENTRY(it, struct client, large);
        if (!is_up_to_it(c)) continue;
        uint64_t progress = client_progress(c);
        if (progress != c->progress) {
            c->progress = progress;
            c->progress_at_ms = now;
        } else if (now - MAX(c->progress_at_ms, s->waits_since_ms) >= timeout_ms) {
            close_stuck(c);
        }
    }
}

void share_cron(struct server *srv) {
    struct share *s = &srv->share;
    if (list_empty(&s->waiting) && list_empty(&s->stopped)) return;
    pass_turn_on(srv);
    share_run(srv);
    look_at_stopped(srv);
    close_who_are_stuck(srv);
}
