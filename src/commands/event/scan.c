/* ESCAN, EPSCAN, EGET: reading events. */
#include "stream/read.h"
#include "server/server.h"
#include "server/client/share.h"
#include "server/wait/need.h"
#include "commands/event/args.h"
#include "commands/event/chosen_fields.h"
#include "commands/event/family.h"
#include "commands/event/pages.h"
#include "commands/event/reply.h"
#include "commands/event/selector_args.h"

struct scan {
    uint64_t start, end, count;
    bool reverse;
    struct selector_args args;
    struct selector *selector; /* NULL: every event */
    struct chosen_fields chosen;
};

/* The words besides those of the selector. */
enum scan_word { SCAN_REV, SCAN_COUNT, SCAN_FIELDS, SCAN_PARTITION_KEY, SCAN_WORDS };

static const struct str scan_words[SCAN_WORDS] = {
    [SCAN_REV] = {"REV", 3},
    [SCAN_COUNT] = {"COUNT", 5},
    [SCAN_FIELDS] = {"FIELDS", 6},
    [SCAN_PARTITION_KEY] = {"PARTITION_KEY", 13},
};

static enum scan_word scan_word_of(struct str arg) {
    enum scan_word w = 0;
    while (w < SCAN_WORDS && !arg_is(arg, scan_words[w])) w++;
    return w;
}

/* Of one stream there is nothing to select by its name, nor by a view, which may do so. */
static enum selector_word selector_word_in(struct str arg, bool log) {
    enum selector_word w = selector_word_of(arg);
    bool by_name = w == WORD_STREAM || w == WORD_CATEGORY || w == WORD_VIEW;
    return log || !by_name ? w : SELECTOR_WORD_COUNT;
}

static bool is_word(struct str arg, bool log) {
    return scan_word_of(arg) != SCAN_WORDS || selector_word_in(arg, log) != SELECTOR_WORD_COUNT;
}

static bool scan_value_or_reply(struct client *c, struct scan *s, enum scan_word w,
                                struct str value) {
    struct uuid ignored; /* one partition: its key restricts nothing */
    if (w == SCAN_COUNT) return arg_count_or_reply(c, value, &s->count);
    if (w == SCAN_FIELDS) return chosen_fields_or_reply(c, value, &s->chosen);
    return arg_uuid_or_reply(c, value, "partition key", &ignored);
}

static bool unexpected(struct client *c, struct str arg, bool log) {
    reply_error(c,
                "INVALIDARG unexpected string '%.*s': expected REV, COUNT, TYPE, SINCE, UNTIL, "
                "CORRELATION, CAUSATION, AGGREGATE, FIELDS, %s or end of input",
                (int)MIN(arg.len, (size_t)64), arg.ptr,
                log ? "STREAM, CATEGORY, VIEW" : "PARTITION_KEY");
    return false;
}

static bool missing_value(struct client *c, struct str word) {
    reply_error(c, "INVALIDARG unexpected end of input: expected a value for %s", word.ptr);
    return false;
}

/* A word of the selector at `at`, with its value; TYPE takes a list, up to the next word. */
static bool parse_selector(struct client *c, const struct request *r, size_t *at, bool log,
                           struct scan *s, enum selector_word w) {
    size_t next = *at + 1;
    if (next >= r->argc) return missing_value(c, selector_word_name(w));
    do {
        if (!selector_value_or_reply(c, &s->args, w, r->argv[next++])) return false;
    } while (w == WORD_TYPE && next < r->argc && !is_word(r->argv[next], log));
    *at = next;
    return true;
}

static bool parse_options(struct client *c, const struct request *r, size_t at, bool log,
                          struct scan *s) {
    unsigned seen = 0;
    while (at < r->argc) {
        enum selector_word selecting = selector_word_in(r->argv[at], log);
        enum scan_word w = scan_word_of(r->argv[at]);
        if (selecting != SELECTOR_WORD_COUNT) {
            if (!parse_selector(c, r, &at, log, s, selecting)) return false;
            continue;
        }
        if (w == SCAN_WORDS) return unexpected(c, r->argv[at], log);
        if (seen & (1u << w)) {
            reply_error(c, "INVALIDARG %s already specified", scan_words[w].ptr);
            return false;
        }
        seen |= 1u << w;
        at++;
        if (w == SCAN_REV) {
            s->reverse = true;
            continue;
        }
        if (at >= r->argc) return missing_value(c, scan_words[w]);
        if (!scan_value_or_reply(c, s, w, r->argv[at++])) return false;
    }
    return selector_or_reply(c, &s->args, &s->selector);
}

static void scan_clear(struct scan *s) {
    selector_args_clear(&s->args);
    selector_unref(s->selector);
}

/* start end [options]. With REV the bounds may come in either order, as in XREVRANGE or ESCAN. */
static bool parse_scan(struct client *c, const struct request *r, bool log, struct scan *s) {
    const char *what = log ? "sequence" : "version";
    *s = (struct scan){.count = ARG_COUNT_DEFAULT};
    if (!arg_bound_or_reply(c, r->argv[2], &s->start) ||
        !arg_bound_or_reply(c, r->argv[3], &s->end) || !parse_options(c, r, 4, log, s))
        return false;
    if (s->reverse && s->start > s->end) {
        uint64_t start = s->end;
        s->end = s->start;
        s->start = start;
        return true;
    }
    if (!s->reverse && str_eq(r->argv[2], STR("+"))) {
        reply_error(c, "INVALIDARG start %s cannot be '+'", what);
        return false;
    }
    if (!s->reverse && str_eq(r->argv[3], STR("-"))) {
        reply_error(c, "INVALIDARG end %s cannot be '-'", what);
        return false;
    }
    return true;
}

static void reply_read(struct client *c, const struct read *r, const struct chosen_fields *chosen) {
    reply_map(c, 3);
    reply_key(c, "has_more");
    resp_put_bool(&c->out, c->resp, r->has_more);
    pages_reply_events(c, r, chosen);
    reply_key(c, "next");
    if (r->has_more)
        resp_put_int(&c->out, (int64_t)r->next);
    else
        reply_null(c);
}

static enum outcome run_scan(struct client *c, const struct scan *s, struct stream *stream) {
    struct read r = {
        .stream = stream,
        .start = s->start,
        .end = s->end,
        .reverse = s->reverse,
        .count = s->count,
        .selector = s->selector,
        .horizon = c->view,
        .bytes_max = share_portion(c),
        .lean = chosen_fields_are_lean(&s->chosen),
        .pages = true,
    };
    bool known = pages_read(c, &r);
    if (known) reply_read(c, &r, &s->chosen);
    read_clear(&r);
    return known ? REPLIED : PARKED;
}

/* ESCAN stream start end [REV] [COUNT n] [TYPE pattern ...] [SINCE ms] [UNTIL ms] [CORRELATION u]
 * [CAUSATION u] [AGGREGATE id] [FIELDS a,b,...] [PARTITION_KEY u] */
enum outcome cmd_escan(struct client *c, const struct request *r) {
    struct scan s;
    struct stream *stream;
    enum outcome outcome = REPLIED;
    if (!arg_stream_or_reply(c, r->argv[1])) return REPLIED;
    if (!parse_scan(c, r, false, &s)) goto out;
    if (!need_stream(c, r->argv[1], &stream)) {
        outcome = PARKED;
    } else if (stream_is_string(stream)) {
        reply_wrong_type(c);
    } else {
        outcome = run_scan(c, &s, stream);
    }
out:
    scan_clear(&s);
    return outcome;
}

/* EPSCAN partition start end [REV] [COUNT n] [TYPE pattern ...] [SINCE ms] [UNTIL ms] [CORRELATION
 * u] [CAUSATION u] [AGGREGATE id] [FIELDS a,b,...] [STREAM pattern] [CATEGORY c] */
enum outcome cmd_epscan(struct client *c, const struct request *r) {
    struct scan s;
    enum outcome outcome = REPLIED;
    if (!arg_partition_or_reply(c, r->argv[1])) return REPLIED;
    if (parse_scan(c, r, true, &s)) outcome = run_scan(c, &s, NULL);
    scan_clear(&s);
    return outcome;
}

/* EGET event-id [FIELDS a,b,...] */
enum outcome cmd_eget(struct client *c, const struct request *r) {
    struct chosen_fields chosen = {0};
    struct uuid id;
    struct event *e;
    if (!uuid_from_text(r->argv[1], &id)) {
        reply_error(c, "INVALIDARG invalid event id");
        return REPLIED;
    }
    if (r->argc > 2 && !arg_is(r->argv[2], scan_words[SCAN_FIELDS])) {
        reply_error(c, "INVALIDARG unexpected string '%.*s': expected FIELDS or end of input",
                    (int)MIN(r->argv[2].len, (size_t)64), r->argv[2].ptr);
        return REPLIED;
    }
    if (r->argc == 3) {
        reply_error(c, "INVALIDARG unexpected end of input: expected a value for FIELDS");
        return REPLIED;
    }
    if (r->argc == 4 && !chosen_fields_or_reply(c, r->argv[3], &chosen)) return REPLIED;
    if (!need_event(c, &id, &e)) return PARKED;
    if (e == NULL) {
        reply_null(c);
        return REPLIED;
    }
    reply_chosen_event(c, e, model_name_at(&c->srv->model, e, c->view), &chosen);
    c->srv->stats.events_read++;
    return REPLIED;
}
