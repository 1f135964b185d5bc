/* XPENDING: what a group's consumers have not acknowledged. It is noted at once, and when it is
 * very much written over several turns. */
#include "server/server.h"
#include "server/client/long_reply.h"
#include "server/wait/need.h"
#include "stream/group/pending_idle.h"
#include "commands/stream/args.h"
#include "commands/stream/entry_reply.h"
#include "commands/stream/family.h"
#include "commands/stream/pending_reply.h"
#include "commands/stream/shared.h"

/* ---- the summary ---- */

/* Those that have something pending. Returns how many. */
static size_t note_owners(const struct cgroup *g, struct reply_text *t, uint64_t bytes_max) {
    struct consumer *const *consumers = consumers_in_order(g);
    size_t owners = 0;
    for (uint32_t i = 0; i < g->consumer_count && t->bytes <= bytes_max; i++) {
        uint32_t n = pending_count_of(&g->pending, consumers[i]->number);
        if (n > 0) reply_text_owner(t, consumers[i], n);
        owners += n > 0;
    }
    return owners;
}

static void reply_nothing_pending(struct client *c) {
    reply_array(c, 4);
    reply_int(c, 0);
    reply_null(c);
    reply_null(c);
    resp_put_null_array(&c->out, c->resp);
}

static void reply_summary(struct client *c, const struct cgroup *g) {
    uint64_t max = c->srv->config.reply_bytes_max;
    struct reply_text text;
    if (pending_count(&g->pending) == 0) {
        reply_nothing_pending(c);
        return;
    }
    reply_text_init(&text);
    size_t owners = note_owners(g, &text, max);
    if (text.bytes > max) {
        reply_text_clear(&text);
        reply_too_long(c, "ask for the entries, with a range and a count");
        return;
    }
    reply_array(c, 4);
    reply_int(c, pending_count(&g->pending));
    reply_entry_id(c, pending_first(&g->pending, PENDING_ALL)->id);
    reply_entry_id(c, pending_last(&g->pending, PENDING_ALL)->id);
    reply_array(c, owners);
    reply_text_send(c, &text);
}

/* ---- entries ---- */

struct pending_args {
    struct entry_id start, end;
    uint64_t count, min_idle;
    struct str consumer; /* ptr NULL: all */
};

/* [IDLE min-idle-time] start end count [consumer]; what stands behind that is not looked at, as in
 * Redis. */
static bool parse(struct client *c, const struct request *r, struct pending_args *a) {
    size_t at = 3;
    int64_t count, min_idle = 0;
    *a = (struct pending_args){.consumer = {NULL, 0}};
    if (arg_is(r->argv[3], STR("IDLE"))) {
        if (!xarg_i64_or_reply(c, r->argv[4], &min_idle)) return false;
        if (r->argc < 8) {
            reply_syntax_error(c);
            return false;
        }
        at += 2;
    }
    if (!xarg_i64_or_reply(c, r->argv[at + 2], &count) ||
        !xarg_start_or_reply(c, r->argv[at], &a->start) ||
        !xarg_end_or_reply(c, r->argv[at + 1], &a->end))
        return false;
    a->count = (uint64_t)MAX(count, (int64_t)0);
    a->min_idle = (uint64_t)MAX(min_idle, (int64_t)0);
    if (at + 3 < r->argc) a->consumer = r->argv[at + 3];
    return true;
}

static bool fits(const struct client *c, const struct reply_text *t) {
    return t->bytes <= c->srv->config.reply_bytes_max;
}

static void note_entry(const struct client *c, const struct cgroup *g,
                       const struct pending_entry *e, struct consumer **owner,
                       struct reply_text *t) {
    bool owned = e->consumer != PENDING_UNOWNED;
    int64_t idle = owned ? (int64_t)model_since(&c->srv->model, e->delivered_ms) : -1;
    reply_text_pending(t, g, e, idle, owner);
}

static size_t note_idle(struct client *c, const struct cgroup *g, const struct pending_args *a,
                        uint32_t consumer, struct reply_text *t) {
    uint64_t wall = c->srv->model.wall;
    struct pending_found found;
    struct consumer *owner = NULL;
    size_t n = 0;
    if (a->min_idle > wall) return 0;
    pending_find_idle(&g->pending,
                      &(struct pending_idle_query){.consumer = consumer,
                                                   .from = a->start,
                                                   .to = a->end,
                                                   .delivered_max = wall - a->min_idle,
                                                   .count = a->count},
                      &found);
    for (; n < found.count && fits(c, t); n++) note_entry(c, g, found.entries[n], &owner, t);
    pending_found_clear(&found);
    return n;
}

/* Notes the entries that the arguments name, as far as they may be replied. Returns how many. */
static size_t note_pending(struct client *c, const struct cgroup *g, const struct pending_args *a,
                           uint32_t consumer, struct reply_text *t) {
    size_t n = 0;
    const struct pending_entry *e;
    struct consumer *owner = NULL;
    if (a->min_idle > 0) return note_idle(c, g, a, consumer, t);
    struct pending_cursor at = pending_seek(&g->pending, consumer, a->start);
    while (n < a->count && fits(c, t) && (e = pending_next(&at)) != NULL &&
           entry_id_cmp(e->id, a->end) <= 0) {
        note_entry(c, g, e, &owner, t);
        n++;
    }
    return n;
}

static void reply_entries_pending(struct client *c, const struct cgroup *g,
                                  const struct pending_args *a) {
    uint32_t number = PENDING_ALL;
    struct reply_text text;
    if (a->consumer.ptr != NULL) {
        const struct consumer *consumer = cgroup_consumer(g, a->consumer);
        if (consumer == NULL) {
            reply_array(c, 0);
            return;
        }
        number = consumer->number;
    }
    reply_text_init(&text);
    size_t n = note_pending(c, g, a, number, &text);
    if (!fits(c, &text)) {
        reply_text_clear(&text);
        reply_too_long(c, "ask for less of it, with a lower COUNT");
        return;
    }
    reply_array(c, n);
    reply_text_send(c, &text);
}

/* XPENDING key group [[IDLE min-idle-time] start end count [consumer]] */
enum outcome cmd_xpending(struct client *c, const struct request *r) {
    struct pending_args a;
    struct cgroup *g;
    enum outcome outcome;
    bool summary = r->argc == 3;
    if (!summary && (r->argc < 6 || r->argc > 9)) {
        reply_syntax_error(c);
        return REPLIED;
    }
    if (!summary && !parse(c, r, &a)) return REPLIED;
    if (!xgroup_or_reply(c, r->argv[1], r->argv[2], &g, &outcome)) return outcome;
    if (summary)
        reply_summary(c, g);
    else
        reply_entries_pending(c, g, &a);
    return REPLIED;
}
