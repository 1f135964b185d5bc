/* See output_limit.h. */
#include "server/client/output_limit.h"

#include "base/log.h"
#include "server/client/push.h"
#include "server/client/share.h"
#include "server/server.h"

#define CLOSED_LOG_MS 1000

static const struct output_limit *limit_of(const struct client *c) {
    enum output_class class = c->listening != NULL ? OUTPUT_PUBSUB : OUTPUT_NORMAL;
    return &c->srv->config.output_limits[class];
}

static uint64_t unread(const struct client *c) {
    return client_unread(c) + client_message_bytes(c);
}

/* Nothing above a limit for long may come from what nobody reads. */
static bool above_soft_for_long(struct client *c, const struct output_limit *limit) {
    uint64_t now = c->srv->clock.now_ms;
    if (limit->soft == 0 || unread(c) < limit->soft) {
        list_remove(&c->over);
        return false;
    }
    if (!list_linked(&c->over)) {
        c->over_since_ms = now;
        list_append(&c->srv->over_output, &c->over);
    }
    return now - c->over_since_ms > limit->soft_s * 1000;
}

bool output_limit_breached(struct client *c) {
    if (LIKELY(unread(c) == 0 && !list_linked(&c->over))) return false;
    const struct output_limit *limit = limit_of(c);
    if (limit->hard != 0 && unread(c) >= limit->hard) return true;
    if (c->listening != NULL && UNLIKELY(share_is_over(c->srv)) && share_is_exceeded(c))
        return true;
    return above_soft_for_long(c, limit);
}

void output_limit_close(struct client *c) {
    struct buf text;
    buf_init(&text, 0);
    client_describe(c, &text);
    log_warning_seldom(CLOSED_LOG_MS,
                       "Client " STR_FMT " closed for overcoming of output buffer limits "
                       "(client-output-buffer-limit, clients-bytes-max).",
                       STR_ARG(buf_str(&text)));
    buf_clear(&text);
    c->srv->stats.output_limit_closed++;
    client_close(c);
}

void output_limits_cron(struct server *srv) {
    LIST_FOR_EACH_SAFE (it, &srv->over_output) {
        struct client *c = LIST_ENTRY(it, struct client, over);
        if (output_limit_breached(c)) output_limit_close(c);
    }
}
