/* SUBSCRIBE, UNSUBSCRIBE and their like for patterns and shard channels. What they reply, a message
 * for each channel, is pushed behind the replies so far: CLIENT REPLY OFF does not drop it, nor
 * does a void take it back. Inside EXEC it stands among EXEC's replies, as with Redis. Of very many
 * channels some are dealt with in each turn of the loop. */
#include "server/client/push.h"
#include "server/client/standing.h"
#include "server/pubsub/pubsub.h"
#include "server/server.h"
#include "commands/pubsub/family.h"

#define CHANNELS_A_TURN 1000

static bool in_exec(const struct client *c) {
    return c->srv->exec.client == c;
}

static const char *const listens[CHANNEL_KINDS] = {"subscribe", "psubscribe", "ssubscribe"};
static const char *const leaves[CHANNEL_KINDS] = {"unsubscribe", "punsubscribe", "sunsubscribe"};

/* How many it listens to now, as clients are told: names and patterns together. */
static size_t count_told(const struct client *c, enum channel_kind kind) {
    if (kind == CHANNEL_SHARD) return pubsub_count(c, CHANNEL_SHARD);
    return pubsub_count(c, CHANNEL_PLAIN) + pubsub_count(c, CHANNEL_PATTERN);
}

/* name: NULL: there was none. */
static void confirm(struct client *c, const char *what, enum channel_kind kind,
                    const struct str *name) {
    struct buf *out = in_exec(c) ? &c->out : client_message(c);
    resp_put_push(out, c->resp, 3);
    resp_put_bulk_c(out, what);
    if (name != NULL)
        resp_put_bulk(out, *name);
    else
        resp_put_null(out, c->resp);
    resp_put_int(out, (int64_t)count_told(c, kind));
}

/* The rest in the next turn. */
static enum outcome go_on_later(struct client *c, size_t at) {
    c->wait.at = at;
    client_wrote(c);
    client_next_turn(c);
    return PARKED;
}

bool pubsub_name_or_reply(struct client *c, struct str name, const char *what) {
    if (LIKELY(name.len <= PUBSUB_NAME_MAX)) return true;
    reply_error(c, "INVALIDARG a %s has at most %d bytes, but got %zu", what, PUBSUB_NAME_MAX,
                name.len);
    return false;
}

static bool may_listen_or_reply(struct client *c, const struct request *r, enum channel_kind kind) {
    const char *what = kind == CHANNEL_PATTERN ? "pattern" : "channel";
    uint64_t bytes = 0;
    for (size_t i = 1; i < r->argc; i++) {
        if (!pubsub_name_or_reply(c, r->argv[i], what)) return false;
        bytes += pubsub_bytes_of(r->argv[i]);
    }
    if (kind == CHANNEL_PATTERN && !pubsub_may_compare(c->srv, r->argv + 1, r->argc - 1)) {
        reply_error(c,
                    "TOOLARGE patterns with more than letters behind a star take long to compare: "
                    "%zu elements of that kind are allowed, of all patterns together",
                    PATTERNS_SLOW_MAX);
        return false;
    }
    return standing_allows_or_reply(c, bytes);
}

static enum outcome listen(struct client *c, const struct request *r, enum channel_kind kind) {
    size_t first = MAX(c->wait.at, (size_t)1), i = first;
    size_t end = in_exec(c) ? r->argc : MIN(r->argc, first + CHANNELS_A_TURN);
    if (kind == CHANNEL_SHARD && in_exec(c)) {
        reply_error(c, "ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client");
        return REPLIED;
    }
    if (first == 1 && !may_listen_or_reply(c, r, kind)) return REPLIED;
    for (; i < end; i++) {
        pubsub_listen(c, kind, r->argv[i]);
        confirm(c, listens[kind], kind, &r->argv[i]);
    }
    standing_count(c);
    return end < r->argc ? go_on_later(c, end) : REPLIED;
}

static enum outcome leave_named(struct client *c, const struct request *r, enum channel_kind kind) {
    size_t first = MAX(c->wait.at, (size_t)1), i = first;
    size_t end = in_exec(c) ? r->argc : MIN(r->argc, first + CHANNELS_A_TURN);
    for (; i < end; i++) {
        pubsub_leave(c, kind, r->argv[i]);
        confirm(c, leaves[kind], kind, &r->argv[i]);
    }
    standing_count(c);
    return end < r->argc ? go_on_later(c, end) : REPLIED;
}

static enum outcome leave_all(struct client *c, enum channel_kind kind) {
    struct str name;
    size_t left = in_exec(c) ? SIZE_MAX : CHANNELS_A_TURN;
    bool any = c->wait.at != 0;
    for (; left > 0 && pubsub_first(c, kind, &name); left--, any = true) {
        char *copy = str_dup(name); /* it goes with the last who listens */
        struct str kept = str_of(copy, name.len);
        pubsub_leave(c, kind, kept);
        confirm(c, leaves[kind], kind, &kept);
        free(copy);
    }
    standing_count(c);
    if (pubsub_count(c, kind) > 0) return go_on_later(c, 1);
    if (!any) confirm(c, leaves[kind], kind, NULL);
    return REPLIED;
}

static enum outcome leave(struct client *c, const struct request *r, enum channel_kind kind) {
    return r->argc > 1 ? leave_named(c, r, kind) : leave_all(c, kind);
}

/* SUBSCRIBE channel [channel ...] */
enum outcome cmd_subscribe(struct client *c, const struct request *r) {
    return listen(c, r, CHANNEL_PLAIN);
}

/* PSUBSCRIBE pattern [pattern ...] */
enum outcome cmd_psubscribe(struct client *c, const struct request *r) {
    return listen(c, r, CHANNEL_PATTERN);
}

/* SSUBSCRIBE shardchannel [shardchannel ...] */
enum outcome cmd_ssubscribe(struct client *c, const struct request *r) {
    return listen(c, r, CHANNEL_SHARD);
}

/* UNSUBSCRIBE [channel [channel ...]] */
enum outcome cmd_unsubscribe(struct client *c, const struct request *r) {
    return leave(c, r, CHANNEL_PLAIN);
}

/* PUNSUBSCRIBE [pattern [pattern ...]] */
enum outcome cmd_punsubscribe(struct client *c, const struct request *r) {
    return leave(c, r, CHANNEL_PATTERN);
}

/* SUNSUBSCRIBE [shardchannel [shardchannel ...]] */
enum outcome cmd_sunsubscribe(struct client *c, const struct request *r) {
    return leave(c, r, CHANNEL_SHARD);
}
