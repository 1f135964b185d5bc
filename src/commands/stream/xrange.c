/* XRANGE, XREVRANGE. */
#include "server/server.h"
#include "server/command/virtual.h"
#include "server/wait/blocking.h"
#include "server/wait/need.h"
#include "commands/event/pages.h"
#include "commands/stream/args.h"
#include "commands/stream/entry_read.h"
#include "commands/stream/entry_reply.h"
#include "commands/stream/family.h"
#include "commands/stream/log_read.h"

struct range_args {
    struct entry_id start, end; /* inclusive */
    int64_t count;              /* -1: not given */
    bool reverse;
};

static bool parse_range(struct client *c, const struct request *r, bool reverse,
                        struct range_args *a) {
    *a = (struct range_args){.count = -1, .reverse = reverse};
    if (!xarg_start_or_reply(c, r->argv[reverse ? 3 : 2], &a->start) ||
        !xarg_end_or_reply(c, r->argv[reverse ? 2 : 3], &a->end))
        return false;
    for (size_t at = 4; at < r->argc; at += 2) {
        if (at + 1 == r->argc || !arg_is(r->argv[at], STR("COUNT"))) {
            reply_syntax_error(c);
            return false;
        }
        if (!xarg_i64_or_reply(c, r->argv[at + 1], &a->count)) return false;
        a->count = MAX(a->count, 0);
    }
    return true;
}

/* The versions of the ids: [*from, *to), *to UINT64_MAX when nothing is beyond the end. */
static bool need_bounds(struct client *c, struct stream *s, const struct range_args *a,
                        uint64_t *from, uint64_t *to) {
    struct entry_id beyond = a->end;
    bool known = need_entry(c, s, a->start, from);
    *to = UINT64_MAX;
    if (!entry_id_next(&beyond)) return known;
    known = need_entry(c, s, beyond, to) && known;
    if (*to == s->next_version) *to = UINT64_MAX;
    return known;
}

/* false: the range has to be loaded. */
static bool read_and_reply(struct client *c, struct stream *s, const struct range_args *a) {
    struct entry_list list = {0};
    struct entry_range range = {.reverse = a->reverse,
                                .most = a->count < 0 ? UINT64_MAX : (uint64_t)a->count,
                                .bytes_max = c->srv->config.reply_bytes_max,
                                .view = c->view};
    if (!need_bounds(c, s, a, &range.start, &range.end)) return false;
    bool fits, known = entry_list_all(c, &list, s, range, &fits);
    if (known && fits)
        reply_entry_list(c, &list);
    else if (known)
        reply_too_long(c, "ask for portions, with COUNT");
    entry_list_clear(&list);
    return known;
}

/* ---- virtual streams ---- */

/* The sequences of the ids: [*from, *to). */
static bool need_log_bounds(struct client *c, const struct range_args *a, uint64_t *from,
                            uint64_t *to) {
    struct entry_id beyond = a->end;
    bool known = need_log_place(c, c->view, a->start, from);
    *to = log_head(c, c->view);
    return (!entry_id_next(&beyond) || need_log_place(c, c->view, beyond, to)) && known;
}

static enum outcome read_log(struct client *c, struct selector *selector,
                             const struct range_args *a) {
    struct entry_list list = {0};
    enum outcome outcome;
    blocking_selects_or_begins(c, 1, 0, selector);
    struct entry_range range = {.reverse = a->reverse,
                                .most = a->count < 0 ? UINT64_MAX : (uint64_t)a->count,
                                .bytes_max = c->srv->config.reply_bytes_max,
                                .view = c->view,
                                .selector = selector};
    if (!need_log_bounds(c, a, &range.start, &range.end)) return PARKED;
    struct log_looked *looked = blocking_log_looked(c, 1, 0);
    if (log_list_or_reply(c, &list, range, looked, "ask for portions, with COUNT", &outcome))
        reply_log_entry_list(c, &list, c->view);
    entry_list_clear(&list);
    return outcome;
}

static enum outcome range_of_log(struct client *c, struct str name, const struct range_args *a) {
    if (blocking_over(c)) {
        blocking_reply_over(c);
        return REPLIED;
    }
    struct selector *selector;
    if (!log_selector_or_reply(c, name, c->view, &selector)) return REPLIED;
    enum outcome outcome = REPLIED;
    if (a->count == 0)
        resp_put_null_array(&c->out, c->resp);
    else if (entry_id_cmp(a->start, a->end) > 0)
        reply_array(c, 0);
    else
        outcome = read_log(c, selector, a);
    selector_unref(selector);
    return outcome;
}

/* ---- the commands ---- */

static enum outcome run_range(struct client *c, struct stream *s, const struct range_args *a) {
    if (s->state != STREAM_ABSENT && entry_id_cmp(a->start, a->end) <= 0)
        return read_and_reply(c, s, a) ? REPLIED : PARKED;
    reply_array(c, 0);
    return REPLIED;
}

static enum outcome range(struct client *c, const struct request *r, bool reverse) {
    struct range_args a;
    struct stream *s;
    if (!parse_range(c, r, reverse, &a) || !arg_stream_or_reply(c, r->argv[1])) return REPLIED;
    if (virtual_is(c, r->argv[1])) return range_of_log(c, r->argv[1], &a);
    if (!need_stream(c, r->argv[1], &s)) return PARKED;
    if (stream_is_string(s)) {
        reply_wrong_type(c);
        return REPLIED;
    }
    if (a.count == 0 && s->state == STREAM_LIVE) {
        resp_put_null_array(&c->out, c->resp);
        return REPLIED;
    }
    return run_range(c, s, &a);
}

/* XRANGE key start end [COUNT count] */
enum outcome cmd_xrange(struct client *c, const struct request *r) {
    return range(c, r, false);
}

/* XREVRANGE key end start [COUNT count] */
enum outcome cmd_xrevrange(struct client *c, const struct request *r) {
    return range(c, r, true);
}
