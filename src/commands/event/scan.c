/* ESCAN, EPSCAN, EGET: reading events. */
#include "base/alloc.h"
#include "stream/read.h"
#include "server/server.h"
#include "server/client/share.h"
#include "server/wait/applied.h"
#include "server/wait/need.h"
#include "commands/event/args.h"
#include "commands/event/chosen_fields.h"
#include "commands/event/family.h"
#include "commands/event/reply.h"

#define PAGE_AFTER_REMOVED                                                                         \
    1000 /* events, at least, of the page behind one that was all removed                          \
          */
#define COUNT_DEFAULT   100
#define TYPES_MAX       1000
#define TYPES_BYTES_MAX 65536
#define TYPES_STAR_MAX  16384
#define SCAN_COUNT_MAX  (1u << 30)

struct scan {
    uint64_t start, end, count;
    bool reverse, has_filter;
    struct event_filter filter;
    struct uuid correlation, causation;
    struct chosen_fields chosen;
};

struct scan_option {
    struct str keyword;
    bool log_only;
};

enum scan_keyword {
    SCAN_REV,
    SCAN_COUNT,
    SCAN_TYPE,
    SCAN_SINCE,
    SCAN_UNTIL,
    SCAN_CORRELATION,
    SCAN_CAUSATION,
    SCAN_AGGREGATE,
    SCAN_FIELDS,
    SCAN_PARTITION_KEY,
    SCAN_STREAM,
    SCAN_CATEGORY,
    SCAN_KEYWORDS,
};

static const struct scan_option keywords[SCAN_KEYWORDS] = {
    [SCAN_REV] = {{"REV", 3}, false},
    [SCAN_COUNT] = {{"COUNT", 5}, false},
    [SCAN_TYPE] = {{"TYPE", 4}, false},
    [SCAN_SINCE] = {{"SINCE", 5}, false},
    [SCAN_UNTIL] = {{"UNTIL", 5}, false},
    [SCAN_CORRELATION] = {{"CORRELATION", 11}, false},
    [SCAN_CAUSATION] = {{"CAUSATION", 9}, false},
    [SCAN_AGGREGATE] = {{"AGGREGATE", 9}, false},
    [SCAN_FIELDS] = {{"FIELDS", 6}, false},
    [SCAN_PARTITION_KEY] = {{"PARTITION_KEY", 13}, false},
    [SCAN_STREAM] = {{"STREAM", 6}, true},
    [SCAN_CATEGORY] = {{"CATEGORY", 8}, true},
};

static enum scan_keyword keyword_find(struct str arg, bool log) {
    for (enum scan_keyword k = 0; k < SCAN_KEYWORDS; k++)
        if (arg_is(arg, keywords[k].keyword) && (log || !keywords[k].log_only)) return k;
    return SCAN_KEYWORDS;
}

/* The patterns behind TYPE: at least one, up to the next keyword. Returns how many. */
static size_t parse_types(const struct request *r, size_t at, bool log, struct scan *s) {
    struct event_filter *f = &s->filter;
    size_t n = 1;
    while (at + n < r->argc && keyword_find(r->argv[at + n], log) == SCAN_KEYWORDS) n++;
    f->types = xrealloc(f->types, (f->type_count + n) * sizeof *f->types);
    for (size_t i = 0; i < n; i++) f->types[f->type_count++] = r->argv[at + i];
    s->has_filter = true;
    return n;
}

static bool parse_value(struct client *c, struct scan *s, enum scan_keyword k, struct str value) {
    struct event_filter *f = &s->filter;
    s->has_filter =
        s->has_filter || (k != SCAN_COUNT && k != SCAN_PARTITION_KEY && k != SCAN_FIELDS);
    switch (k) {
    case SCAN_COUNT:
        if (!arg_u64_or_reply(c, value, "COUNT", &s->count)) return false;
        if (s->count == 0) { /* a page that never gets further: a loop over it would not end */
            reply_error(c, "INVALIDARG COUNT must be at least 1");
            return false;
        }
        s->count = MIN(s->count, (uint64_t)SCAN_COUNT_MAX); /* pages are bounded in bytes anyway */
        return true;
    case SCAN_SINCE:
        return arg_u64_or_reply(c, value, "SINCE", &f->since);
    case SCAN_UNTIL:
        if (!arg_u64_or_reply(c, value, "UNTIL", &f->until)) return false;
        if (f->until > 0) return true;
        reply_error(c, "INVALIDARG invalid UNTIL: a time in ms after 1970 is expected");
        return false;
    case SCAN_FIELDS:
        return chosen_fields_or_reply(c, value, &s->chosen);
    case SCAN_PARTITION_KEY: {
        struct uuid ignored; /* one partition: the key restricts nothing */
        return arg_uuid_or_reply(c, value, "partition key", &ignored);
    }
    case SCAN_STREAM:
        f->stream_pattern = value;
        break;
    case SCAN_CATEGORY:
        f->category = value;
        break;
    case SCAN_CORRELATION:
        f->correlation = &s->correlation;
        return arg_uuid_or_reply(c, value, "correlation id", &s->correlation);
    case SCAN_CAUSATION:
        f->causation = &s->causation;
        return arg_uuid_or_reply(c, value, "causation id", &s->causation);
    case SCAN_AGGREGATE:
        f->aggregate = value;
        break;
    case SCAN_REV:
    case SCAN_TYPE:
    case SCAN_KEYWORDS:
        break;
    }
    if (value.len > 0) return true;
    reply_error(c, "INVALIDARG %s cannot be empty", keywords[k].keyword.ptr);
    return false;
}

static bool parse_options(struct client *c, const struct request *r, size_t at, bool log,
                          struct scan *s) {
    unsigned seen = 0;
    while (at < r->argc) {
        enum scan_keyword k = keyword_find(r->argv[at], log);
        if (k == SCAN_KEYWORDS) {
            reply_error(c,
                        "INVALIDARG unexpected string '%.*s': expected REV, COUNT, TYPE, SINCE, "
                        "UNTIL, CORRELATION, CAUSATION, AGGREGATE, FIELDS, %s or end of input",
                        (int)MIN(r->argv[at].len, (size_t)64), r->argv[at].ptr,
                        log ? "STREAM, CATEGORY" : "PARTITION_KEY");
            return false;
        }
        if (k != SCAN_TYPE && (seen & (1u << k))) {
            reply_error(c, "INVALIDARG %s already specified", keywords[k].keyword.ptr);
            return false;
        }
        seen |= 1u << k;
        at++;
        if (k == SCAN_REV) {
            s->reverse = true;
            continue;
        }
        if (at >= r->argc) {
            reply_error(c, "INVALIDARG unexpected end of input: expected a value for %s",
                        keywords[k].keyword.ptr);
            return false;
        }
        if (k == SCAN_TYPE) {
            at += parse_types(r, at, log, s);
            continue;
        }
        if (!parse_value(c, s, k, r->argv[at])) return false;
        at++;
    }
    return true;
}

/* To look at one event is quick whatever the patterns are: how many a page looks at depends on them
 * (event_filter_work), but it is one at least. */
static bool weigh_or_reply(struct client *c, struct event_filter *f) {
    event_filter_weigh(f);
    const struct glob_work *w = &f->type_work;
    if (w->count <= TYPES_MAX && w->bytes <= TYPES_BYTES_MAX && w->behind_star <= TYPES_STAR_MAX)
        return arg_pattern_or_reply(c, f->stream_pattern);
    reply_error(c,
                "INVALIDARG TYPE takes at most %d patterns, of %d bytes together, of which %d may "
                "stand behind the first * of their pattern",
                TYPES_MAX, TYPES_BYTES_MAX, TYPES_STAR_MAX);
    return false;
}

/* start end [options]. With REV the bounds may come in either order, as in XREVRANGE or ESCAN. */
static bool parse_scan(struct client *c, const struct request *r, bool log, struct scan *s) {
    const char *what = log ? "sequence" : "version";
    *s = (struct scan){.count = COUNT_DEFAULT};
    if (!arg_bound_or_reply(c, r->argv[2], &s->start) ||
        !arg_bound_or_reply(c, r->argv[3], &s->end) || !parse_options(c, r, 4, log, s))
        return false;
    if (!weigh_or_reply(c, &s->filter)) return false;
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
    const struct model *m = &c->srv->model;
    reply_map(c, 3);
    reply_key(c, "has_more");
    resp_put_bool(&c->out, c->resp, r->has_more);
    reply_key(c, "events");
    reply_array(c, r->found);
    for (size_t i = 0; i < r->found; i++) {
        event_fetch_ahead(r->events, r->found, i);
        reply_chosen_event(c, r->events[i],
                           r->stream != NULL ? r->stream->name
                                             : model_name_at(m, r->events[i], r->horizon),
                           chosen);
    }
    reply_key(c, "next");
    if (r->has_more)
        resp_put_int(&c->out, (int64_t)r->next);
    else
        reply_null(c);
    c->srv->stats.events_read += r->found;
}

/* What of the range lies beyond r->next. */
static struct read rest_of(const struct read *r, uint64_t start, uint64_t end) {
    return (struct read){
        .stream = r->stream,
        .start = r->reverse ? start : r->next,
        .end = r->reverse ? r->next : end,
        .reverse = r->reverse,
        .horizon = r->horizon,
        .bytes_max = r->bytes_max,
        .ahead = PAGE_AFTER_REMOVED,
    };
}

/* Reads until something is found or nothing is left: of a page from disk all may have been removed
 * since. false: parked. */
static bool read_some(struct client *c, struct read *r) {
    while (true) {
        uint64_t start = r->start, end = r->end;
        bool known = need_read(c, r);
        if (!known || !r->unsure || r->found > 0) return known;
        struct read rest = rest_of(r, start, end);
        rest.count = r->count;
        read_clear(r);
        *r = rest;
    }
}

static uint64_t position_of(const struct read *r, const struct event *e) {
    return r->stream != NULL ? e->rec.version : e->rec.sequence;
}

/* What was read behind r, too. */
static void read_append(struct read *r, struct read *more) {
    if (more->found > 0) {
        r->cap = r->found + more->found;
        r->events = xrealloc(r->events, r->cap * sizeof *r->events);
        memcpy(r->events + r->found, more->events, more->found * sizeof *r->events);
        r->found = r->cap;
    }
    r->bytes += more->bytes;
    r->has_more = more->has_more;
    r->next = more->next;
    r->unsure = more->unsure;
    read_clear(more);
}

/* Of a page from disk some may have been removed since: reads on until there are as many as are
 * wanted. What a reply holds must not depend on what is applied. false: parked. */
static bool read_full(struct client *c, const struct scan *s, struct read *r) {
    bool known = read_some(c, r);
    while (known && r->unsure && r->found < s->count && r->bytes < r->bytes_max) {
        struct read more = rest_of(r, s->start, s->end);
        more.count = s->count - r->found;
        known = read_some(c, &more);
        read_append(r, &more);
    }
    return known;
}

static enum outcome run_scan(struct client *c, const struct scan *s, struct stream *stream) {
    struct read r = {
        .stream = stream,
        .start = s->start,
        .end = s->end,
        .reverse = s->reverse,
        .count = s->count,
        .filter = s->has_filter ? &s->filter : NULL,
        .horizon = c->view,
        .bytes_max = share_portion(c),
    };
    bool known = s->start > s->end || read_full(c, s, &r);
    if (known && r.unsure) {
        struct read rest = rest_of(&r, s->start, s->end);
        rest.count = 1;
        known = read_some(c, &rest);
        r.has_more = rest.found > 0;
        if (r.has_more) r.next = position_of(&r, rest.events[0]);
        read_clear(&rest);
    }
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
    free(s.filter.types);
    return outcome;
}

/* The backend looks for names as it knows them; renaming is rare. On the settled view what is
 * durable will do, which waits for nobody's sync. (EXEC cannot wait for itself.) */
static bool names_are_applied(struct client *c, const struct scan *s) {
    const struct model *m = &c->srv->model;
    bool by_name = s->filter.stream_pattern.len > 0 || s->filter.category.len > 0;
    uint64_t last = MIN(m->renamed.frame, c->view);
    if (!by_name || last <= store_applied(m->store) || c->srv->exec.client != NULL) return true;
    return frame_is_applied(c, MIN(m->decided, c->view));
}

/* EPSCAN partition start end [REV] [COUNT n] [TYPE pattern ...] [SINCE ms] [UNTIL ms] [CORRELATION
 * u] [CAUSATION u] [AGGREGATE id] [FIELDS a,b,...] [STREAM pattern] [CATEGORY c] */
enum outcome cmd_epscan(struct client *c, const struct request *r) {
    struct scan s;
    enum outcome outcome = REPLIED;
    if (!arg_partition_or_reply(c, r->argv[1])) return REPLIED;
    if (parse_scan(c, r, true, &s))
        outcome = names_are_applied(c, &s) ? run_scan(c, &s, NULL) : wait_for_apply(c);
    free(s.filter.types);
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
    if (r->argc > 2 && !arg_is(r->argv[2], keywords[SCAN_FIELDS].keyword)) {
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
