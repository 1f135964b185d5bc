/* ESUBS: the subscriptions of all connections, and INFO subscriptions. */
#include "server/client/long_reply.h"
#include "server/client/reply_draft.h"
#include "server/server.h"
#include "server/stats/info.h"
#include "server/subscription/subscription.h"
#include "server/wait/blocking.h"
#include "server/wait/need.h"
#include "stream/read.h"
#include "commands/event/family.h"
#include "commands/event/reply.h"
#include "commands/event/selector_args.h"
#include "commands/families.h"

#define TOLD_A_TURN 1000 /* subscriptions: a millisecond or two */

static void reply_subscription(struct client *c, const struct subscription *s, uint64_t head) {
    struct buf text;
    uint64_t position = subscription_position(s);
    buf_init(&text, 0);
    selector_describe(s->selector, &text);
    reply_map(c, 10);
    reply_uuid(c, "id", &s->id);
    reply_key(c, "name");
    if (s->name != NULL)
        reply_bulk_c(c, s->name);
    else
        reply_null(c);
    reply_number(c, "client", s->client->id);
    reply_key(c, "selector");
    reply_bulk(c, buf_str(&text));
    reply_key(c, "state");
    reply_simple(c, subscription_state_name(s->state));
    reply_number(c, "position", position);
    reply_number(c, "behind", head - MIN(head, position));
    reply_number(c, "in_flight", subscription_in_flight(s));
    reply_number(c, "delivered", s->sent);
    reply_number(c, "bytes", s->bytes);
    buf_clear(&text);
}

/* Of several turns: what has been told, and who is next. */
struct told {
    bool begun;
    struct subscription_walk walk;
    struct reply_draft draft;
    size_t count;
};

static void drop_told(void *arg) {
    struct told *t = arg;
    if (!t->begun) return;
    subscription_walk_end(&t->walk);
    reply_text_clear(&t->draft.text);
}

/* false: that was all of them, or more than can be replied. */
static bool tell_some(struct client *c, struct told *t, size_t most) {
    const struct model *m = &c->srv->model;
    const struct subscription *s = NULL;
    uint64_t head = model_visible_end(m, NULL, model_settled(m));
    for (; most > 0 && !reply_draft_is_over(&t->draft); most--) {
        if ((s = subscription_walk_next(&t->walk)) == NULL) return false;
        reply_subscription(c, s, head);
        t->count++;
    }
    return most == 0;
}

static void reply_told(struct client *c, struct told *t) {
    struct reply_text *text = reply_draft_text(&t->draft);
    if (text->bytes > c->srv->config.reply_bytes_max) {
        reply_text_clear(text);
        reply_too_long(c, "raise it, or ask for INFO subscriptions, which counts them");
        return;
    }
    reply_array(c, t->count);
    reply_text_send(c, text);
}

/* ESUBS LIST: of very many some in each turn, as they are then. In EXEC all at once, or none. */
enum outcome cmd_esubs_list(struct client *c, const struct request *r) {
    UNUSED(r);
    struct told at_once = {0}, *t = &at_once;
    bool whole = c->srv->exec.client == c;
    if (whole && c->srv->subscriptions.count > TOLD_A_TURN) {
        reply_error(c, "TOOLARGE in MULTI at most %d subscriptions are listed: ask outside of it",
                    TOLD_A_TURN);
        return REPLIED;
    }
    if (!whole) t = need_gathered(c, sizeof *t, drop_told);
    if (t->begun) {
        reply_draft_resume(&t->draft);
    } else {
        t->begun = true;
        reply_draft_begin(&t->draft, c);
        subscription_walk_begin(&t->walk, c->srv);
    }
    if (tell_some(c, t, whole ? SIZE_MAX : TOLD_A_TURN)) {
        need_gathers(c, reply_draft_text(&t->draft)->bytes);
        client_next_turn(c);
        return PARKED;
    }
    reply_told(c, t);
    if (whole) drop_told(t);
    return REPLIED;
}

/* ESUBS HELP */
enum outcome cmd_esubs_help(struct client *c, const struct request *r) {
    static const char *const lines[] = {
        "LIST",
        "    Return the subscriptions of all connections.",
        NULL,
    };
    UNUSED(r);
    reply_help(c, "ESUBS", lines);
    return REPLIED;
}

/* ---- INFO subscriptions ---- */

static void info_subscriptions(struct server *srv, struct buf *out) {
    const struct subscriptions *s = &srv->subscriptions;
    info_put_u64(out, "subscriptions", s->count);
    info_put_u64(out, "subscriptions_catching_up", s->states[SUBSCRIPTION_CATCHING_UP]);
    info_put_u64(out, "subscriptions_live", s->states[SUBSCRIPTION_LIVE]);
    info_put_u64(out, "subscriptions_waiting_for_credit",
                 s->states[SUBSCRIPTION_WAITING_FOR_CREDIT]);
    info_put_u64(out, "subscriptions_waiting_for_socket",
                 s->states[SUBSCRIPTION_WAITING_FOR_SOCKET]);
    info_put_u64(out, "subscription_bytes_unread", subscriptions_unread(srv));
    info_put_u64(out, "subscription_pages_in_flight", s->reading);
    info_put_u64(out, "total_subscriptions", s->made);
    info_put_u64(out, "total_subscription_events", s->delivered);
    info_put_u64(out, "total_subscription_bytes", s->delivered_bytes);
    info_put_u64(out, "total_subscription_pages", s->pages);
    info_put_u64(out, "total_subscriptions_behind", s->behind);
    info_put_u64(out, "virtual_groups", srv->model.virtual_groups);
    info_put_u64(out, "virtual_groups_waiting", blocking_groups(srv));
    info_put_u64(out, "virtual_groups_waiting_bytes", blocking_groups_bytes(srv));
}

const struct info_section event_sections[] = {
    {"subscriptions", "Subscriptions", info_subscriptions, true, "stats"},
    {.name = NULL},
};
