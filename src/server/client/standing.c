/* See standing.h. */
#include "server/client/standing.h"

#include "server/server.h"
#include "server/subscription/subscription.h"
#include "server/wait/blocking.h"

#define INPUT_MAX ((size_t)1 << 20)

/* The groups in which somebody waits stay in memory for that: with all that they have pending. */
static bool has_room(const struct server *srv, uint64_t more) {
    uint64_t limit = srv->config.standing_bytes_max;
    return limit == 0 || srv->standing.bytes + blocking_groups_bytes(srv) + more <= limit;
}

static uint64_t kept(const struct client *c) {
    return subscriptions_bytes(c) + pubsub_bytes(c) + blocking_bytes(c);
}

/* Its request stays in its input until it has replied. */
void standing_recount(struct client *c) {
    bool waits = c->park == PARK_WAIT && blocking_is_waiting(c);
    uint64_t now = kept(c);
    c->standing.input = waits ? c->in.cap : 0;
    now += c->standing.input;
    c->srv->standing.bytes += now - c->standing.bytes;
    c->standing.bytes = now;
}

void standing_forget(struct client *c) {
    c->srv->standing.bytes -= c->standing.bytes;
    c->standing.bytes = c->standing.input = 0;
}

static bool refused(struct client *c) {
    c->srv->stats.refused_waits++;
    reply_error(
        c,
        "TOOLARGE no room for what would be kept while this waits: it is %llu bytes at most "
        "for all subscriptions, channels and commands that wait (standing-bytes-max)",
        (unsigned long long)c->srv->config.standing_bytes_max);
    return false;
}

static bool is_allowed(const struct client *c, uint64_t more) {
    return c->standing.bytes + more <= STANDING_FREE || has_room(c->srv, more);
}

bool standing_allows_or_reply(struct client *c, uint64_t more) {
    standing_count(c); /* others of the same turn may have gone, or come */
    return is_allowed(c, more) || refused(c);
}

static uint64_t request_bytes(const struct request *r) {
    uint64_t bytes = 0;
    for (size_t i = 0; i < r->argc; i++) bytes += r->argv[i].len + sizeof "$1000\r\n\r\n";
    return bytes;
}

bool standing_waits_or_reply(struct client *c, const struct request *r) {
    if (c->wait.allowed || c->park != PARK_WAIT || !blocking_is_waiting(c)) return true;
    standing_forget(c);
    c->wait.allowed = is_allowed(c, kept(c) + request_bytes(r));
    if (!c->wait.allowed) blocking_give_up(c);
    standing_count(c);
    return c->wait.allowed || refused(c);
}

size_t standing_input_max(const struct client *c) {
    return has_room(c->srv, 0) ? INPUT_MAX : STANDING_FREE;
}
