/* XCLAIM, XAUTOCLAIM: pending entries get another owner. First it is found out which ones, and what
 * of them has to be loaded; then all of them change in one frame. */
#include "base/alloc.h"
#include "server/client/long_reply.h"
#include "server/client/share.h"
#include "server/pubsub/notifications.h"
#include "server/server.h"
#include "server/wait/blocking.h"
#include "server/wait/need.h"
#include "commands/stream/args.h"
#include "commands/stream/entry_read.h"
#include "commands/stream/entry_reply.h"
#include "commands/stream/family.h"
#include "commands/stream/read_args.h"
#include "commands/stream/shared.h"

#define AUTO_COUNT     100
#define AUTO_COUNT_MAX (INT64_MAX / 16)
#define AUTO_MOST      10000 /* entries that one call claims, whatever its COUNT: some milliseconds */
#define AUTO_ATTEMPTS  10    /* pending entries that are looked at for each that is asked for */

/* How an entry is claimed. */
struct claim {
    struct cgroup *group;
    struct str consumer;
    uint64_t min_idle, delivered; /* ms; ms since 1970 */
    int64_t deliveries;           /* RETRYCOUNT; -1: not given */
    bool force, just_id;
    struct entry_id last; /* LASTID; 0-0: not given */
};

/* One entry that is to be claimed, or is gone. */
struct candidate {
    struct entry_id id;
    uint64_t version; /* NO_VERSION: it is not pending */
    bool gone;        /* pending, but does not exist any more */
    struct event *event;
};

static bool is_idle(const struct client *c, const struct claim *claim,
                    const struct pending_entry *e) {
    return model_since(&c->srv->model, pending_delivered(e)) >= claim->min_idle;
}

/* Loads the events of what is not gone; of the first of them only, when they take more than
 * bytes_max: *found is how many were looked at. */
static bool need_events(struct client *c, const struct claim *claim, struct candidate *list,
                        size_t n, uint64_t bytes_max, size_t *found) {
    *found = 0;
    if (n == 0) return true;
    uint64_t *versions = xmalloc(n * sizeof *versions);
    struct event **events = xmalloc(n * sizeof(struct event *));
    const struct cgroup *g = claim->group;
    struct stream *s = group_entries(g);
    for (size_t i = 0; i < n; i++) {
        bool wanted = !list[i].gone && list[i].version != NO_VERSION;
        versions[i] = wanted ? pending_place(g, list[i].id, list[i].version) : NO_VERSION;
    }
    bool known =
        entries_within(c, s, c->view, versions, n, claim->just_id, bytes_max, events, found);
    for (size_t i = 0; known && i < *found; i++) {
        if (versions[i] == NO_VERSION) continue;
        list[i].event = events[i];
        list[i].gone = s == NULL && events[i] == NULL; /* of the log only reading tells */
    }
    free(versions);
    free(events);
    return known;
}

/* ---- deciding ---- */

/* The consumer comes to be even when there is nothing for it. */
static struct consumer *claimer(struct client *c, const struct claim *claim) {
    struct model *m = &c->srv->model;
    struct consumer *consumer = cgroup_consumer(claim->group, claim->consumer);
    if (consumer == NULL) {
        consumer = cgroup_add_consumer(m, claim->group, claim->consumer);
        notify(c->srv, NOTIFY_STREAM, "xgroup-createconsumer",
               stream_name_str(claim->group->stream->name));
    }
    consumer_seen(m, consumer, false);
    return consumer;
}

static void give(struct model *m, const struct claim *claim, const struct candidate *it,
                 struct consumer *consumer) {
    const struct pending_entry *e = pending_find(&claim->group->pending, it->id);
    uint32_t deliveries = e != NULL ? e->deliveries : 1; /* FORCE: as if it had been delivered */
    uint64_t version = e != NULL ? e->version : pending_version(claim->group, it->event);
    if (claim->deliveries >= 0)
        deliveries = deliveries_given(claim->deliveries);
    else if (!claim->just_id)
        deliveries = deliveries_more(deliveries);
    cgroup_pend(m, claim->group, it->id, version, consumer, claim->delivered, deliveries);
    consumer_seen(m, consumer, true);
}

static void reply_claimed(struct client *c, const struct claim *claim, const struct candidate *it) {
    if (claim->just_id)
        reply_entry_id(c, it->id);
    else if (stream_is_virtual(claim->group->stream))
        reply_log_entry(c, it->event, c->view);
    else
        reply_entry(c, it->event);
}

/* Ends the command: its frame, its gate, those who wait for what can be claimed. */
static void claimed(struct client *c, const struct claim *claim, struct str key) {
    client_commit(c);
    if (claim->delivered < c->srv->model.wall)
        blocking_key_changed(c->srv, key);
    else
        blocking_delivered(c->srv, key, claim->group->name);
}

/* ---- XCLAIM ---- */

/* The options, from argv[at] on. */
static bool parse_options(struct client *c, const struct request *r, size_t at,
                          struct claim *claim) {
    int64_t now = (int64_t)c->srv->model.wall, delivered = -1, idle;
    for (; at < r->argc; at++) {
        struct str arg = r->argv[at];
        bool more = at + 1 < r->argc;
        const char *bad = NULL;
        if (arg_is(arg, STR("FORCE"))) {
            claim->force = true;
        } else if (arg_is(arg, STR("JUSTID"))) {
            claim->just_id = true;
        } else if (more && arg_is(arg, STR("IDLE"))) {
            if (xarg_i64(r->argv[++at], &idle))
                delivered = idle >= 0 ? now - idle : now; /* the future is now */
            else
                bad = "IDLE";
        } else if (more && arg_is(arg, STR("TIME"))) {
            if (!xarg_i64(r->argv[++at], &delivered)) bad = "TIME";
        } else if (more && arg_is(arg, STR("RETRYCOUNT"))) {
            if (!xarg_i64(r->argv[++at], &claim->deliveries)) bad = "RETRYCOUNT";
        } else if (more && arg_is(arg, STR("LASTID"))) {
            if (!xarg_id_or_reply(c, r->argv[++at], 0, &claim->last)) return false;
        } else {
            reply_error(c, "ERR Unrecognized XCLAIM option '" STR_FMT "'", STR_ARG(arg));
            return false;
        }
        if (bad == NULL) continue;
        reply_error(c, "ERR Invalid %s option argument for XCLAIM", bad);
        return false;
    }
    claim->delivered = (uint64_t)(delivered >= 0 && delivered <= now ? delivered : now);
    return true;
}

/* key group consumer min-idle-time id [id ...] options. Returns the number of ids; 0 after an error
 * reply. */
static bool parse_xclaim(struct client *c, const struct request *r, struct claim *claim,
                         struct candidate *list, size_t *n) {
    int64_t min_idle;
    if (!xarg_i64(r->argv[4], &min_idle)) {
        reply_error(c, "ERR Invalid min-idle-time argument for XCLAIM");
        return false;
    }
    claim->min_idle = (uint64_t)MAX(min_idle, (int64_t)0);
    claim->deliveries = -1;
    claim->consumer = r->argv[3];
    for (*n = 0; 5 + *n < r->argc; ++*n)
        if (!xarg_id(r->argv[5 + *n], 0, &list[*n].id)) break;
    return parse_options(c, r, 5 + *n, claim) && xname_or_reply(c, claim->consumer, "consumer");
}

static uint64_t events_bytes(const struct candidate *list, size_t n) {
    uint64_t bytes = 0;
    for (size_t i = 0; i < n; i++) bytes += list[i].event != NULL ? list[i].event->size : 0;
    return bytes;
}

/* What there is of the ids. An event is needed to be replied, or to know that it exists. *bytes:
 * what the events take, or some of them when that is beyond bytes_max. */
static bool find_candidates(struct client *c, const struct claim *claim, struct candidate *list,
                            size_t n, uint64_t bytes_max, uint64_t *bytes) {
    const struct cgroup *g = claim->group;
    size_t found;
    bool known = true, is_virtual = stream_is_virtual(g->stream);
    for (size_t i = 0; i < n && need_page_bytes(c) <= bytes_max; i++) {
        struct candidate *it = &list[i];
        const struct pending_entry *e = pending_find(&g->pending, it->id);
        it->event = NULL;
        it->version = e != NULL ? e->version : NO_VERSION;
        it->gone = e != NULL && !is_virtual && !stream_has_version(g->stream, e->version);
        if (e != NULL || !claim->force) continue;
        known = is_virtual
                    ? need_selected(c, stream_name_str(g->stream->name), &it->id, 1, &it->event) &&
                          known
                    : need_entries(c, g->stream, &it->id, 1, claim->just_id, &it->event) && known;
    }
    *bytes = need_page_bytes(c);
    if (*bytes > bytes_max) return true;
    if (claim->just_id && !is_virtual) return known;
    if (!need_events(c, claim, list, n, bytes_max, &found) || !known) return false;
    *bytes = events_bytes(list, n);
    return true;
}

/* Whether the entry is claimed now: an id may stand twice. */
static bool takes(const struct client *c, const struct claim *claim, const struct candidate *it) {
    const struct pending_entry *e = pending_find(&claim->group->pending, it->id);
    if (e == NULL) return it->version == NO_VERSION && it->event != NULL;
    return is_idle(c, claim, e);
}

static void reply_all_claimed(struct client *c, const struct claim *claim,
                              const struct candidate *list, size_t n) {
    reply_array(c, n);
    if (claim->just_id || !long_reply_suits(c, events_bytes(list, n))) {
        for (size_t i = 0; i < n; i++) reply_claimed(c, claim, &list[i]);
        return;
    }
    struct event **events = xmalloc(n * sizeof(struct event *));
    for (size_t i = 0; i < n; i++) events[i] = list[i].event;
    bool of_log = stream_is_virtual(claim->group->stream);
    long_reply(c, events, n, of_log ? put_log_entry_of : put_entry_of, of_log ? c->view : 0);
    free(events);
}

static void claim_all(struct client *c, const struct claim *claim, struct candidate *list,
                      size_t n) {
    struct model *m = &c->srv->model;
    struct cgroup *g = claim->group;
    size_t count = 0;
    if (entry_id_cmp(claim->last, g->last) > 0)
        cgroup_set_position(m, g, claim->last, g->entries_read);
    struct consumer *consumer = claimer(c, claim);
    for (size_t i = 0; i < n; i++) {
        if (list[i].gone) {
            cgroup_ack(m, g, list[i].id);
        } else if (takes(c, claim, &list[i])) {
            give(m, claim, &list[i], consumer);
            list[count++] = list[i];
        }
    }
    reply_all_claimed(c, claim, list, count);
}

/* XCLAIM key group consumer min-idle-time id [id ...] [IDLE ms] [TIME unix-ms] [RETRYCOUNT count]
 *        [FORCE] [JUSTID] [LASTID id] */
enum outcome cmd_xclaim(struct client *c, const struct request *r) {
    struct claim claim = {0};
    enum outcome outcome;
    size_t n;
    uint64_t bytes, max = c->srv->config.reply_bytes_max;
    if (!xgroup_or_reply(c, r->argv[1], r->argv[2], &claim.group, &outcome)) return outcome;
    struct candidate *list = xcalloc(r->argc - 5, sizeof *list);
    if (parse_xclaim(c, r, &claim, list, &n) &&
        fits_frame_or_reply(c, n * sizeof(struct pending_item))) {
        if (!find_candidates(c, &claim, list, n, max, &bytes)) {
            outcome = PARKED;
        } else if (bytes > max) {
            reply_too_long(c, "claim fewer entries at a time, or with JUSTID");
        } else {
            claim_all(c, &claim, list, n);
            claimed(c, &claim, r->argv[1]);
        }
    }
    free(list);
    return outcome;
}

/* ---- XAUTOCLAIM ---- */

struct scan {
    struct entry_id from, next; /* next: where to go on; 0-0: that was all */
    uint64_t count;
    struct candidate *list;
    size_t n, cap;
};

static bool parse_xautoclaim(struct client *c, const struct request *r, struct claim *claim,
                             struct scan *scan) {
    int64_t min_idle, count;
    if (!xarg_i64(r->argv[4], &min_idle)) {
        reply_error(c, "ERR Invalid min-idle-time argument for XAUTOCLAIM");
        return false;
    }
    claim->min_idle = (uint64_t)MAX(min_idle, (int64_t)0);
    claim->delivered = c->srv->model.wall;
    claim->deliveries = -1;
    claim->consumer = r->argv[3];
    scan->count = AUTO_COUNT;
    if (!xarg_start_or_reply(c, r->argv[5], &scan->from)) return false;
    for (size_t at = 6; at < r->argc; at++) {
        if (at + 1 < r->argc && arg_is(r->argv[at], STR("COUNT"))) {
            if (!xarg_i64(r->argv[++at], &count) || count < 1 || count > AUTO_COUNT_MAX) {
                reply_error(c, "ERR COUNT must be > 0");
                return false;
            }
            scan->count = (uint64_t)count;
        } else if (arg_is(r->argv[at], STR("JUSTID"))) {
            claim->just_id = true;
        } else {
            reply_syntax_error(c);
            return false;
        }
    }
    return xname_or_reply(c, claim->consumer, "consumer");
}

static void add_candidate(struct scan *scan, const struct pending_entry *e, bool gone) {
    if (scan->n == scan->cap) {
        scan->cap = scan->cap == 0 ? 16 : scan->cap * 2;
        scan->list = xrealloc(scan->list, scan->cap * sizeof *scan->list);
    }
    scan->list[scan->n++] = (struct candidate){.id = e->id, .version = e->version, .gone = gone};
}

/* What is idle long enough, or gone, within the limits. */
static void collect(struct client *c, const struct claim *claim, struct scan *scan) {
    const struct cgroup *g = claim->group;
    uint64_t count = MIN(MIN(scan->count, (uint64_t)AUTO_MOST), (uint64_t)pending_room(c));
    uint64_t attempts = MIN(scan->count, (uint64_t)AUTO_MOST) * AUTO_ATTEMPTS;
    struct pending_cursor at = pending_seek(&g->pending, PENDING_ALL, scan->from);
    const struct pending_entry *e = NULL;
    while (scan->n < count && attempts-- > 0 && (e = pending_next(&at)) != NULL) {
        bool gone = !stream_is_virtual(g->stream) && !stream_has_version(g->stream, e->version);
        if (gone || is_idle(c, claim, e)) add_candidate(scan, e, gone);
    }
    e = pending_next(&at);
    scan->next = e != NULL ? e->id : ENTRY_ID_MIN;
}

/* Loads the events, as many as one reply may hold; the others are left for the next call. */
static bool load(struct client *c, const struct claim *claim, struct scan *scan) {
    uint64_t bytes = 0, portion = share_portion(c);
    size_t found;
    if (claim->just_id && group_entries(claim->group) != NULL) return true;
    if (!need_events(c, claim, scan->list, scan->n, portion, &found)) return false;
    for (size_t i = 0; i < found; i++) {
        if (scan->list[i].event != NULL) bytes += scan->list[i].event->size;
        if (i == 0 || bytes <= portion) continue;
        scan->next = scan->list[i].id;
        scan->n = i;
        break;
    }
    return true;
}

static void reply_scan(struct client *c, const struct claim *claim, const struct scan *scan) {
    size_t gone = 0;
    for (size_t i = 0; i < scan->n; i++) gone += scan->list[i].gone;
    reply_array(c, 3);
    reply_entry_id(c, scan->next);
    reply_array(c, scan->n - gone);
    for (size_t i = 0; i < scan->n; i++)
        if (!scan->list[i].gone) reply_claimed(c, claim, &scan->list[i]);
    reply_array(c, gone);
    for (size_t i = 0; i < scan->n; i++)
        if (scan->list[i].gone) reply_entry_id(c, scan->list[i].id);
}

static void autoclaim(struct client *c, const struct claim *claim, const struct scan *scan) {
    struct model *m = &c->srv->model;
    struct consumer *consumer = claimer(c, claim);
    for (size_t i = 0; i < scan->n; i++) {
        if (scan->list[i].gone)
            cgroup_ack(m, claim->group, scan->list[i].id);
        else
            give(m, claim, &scan->list[i], consumer);
    }
    reply_scan(c, claim, scan);
}

/* XAUTOCLAIM key group consumer min-idle-time start [COUNT count] [JUSTID] */
enum outcome cmd_xautoclaim(struct client *c, const struct request *r) {
    struct claim claim = {0};
    struct scan scan = {0};
    enum outcome outcome;
    if (!parse_xautoclaim(c, r, &claim, &scan)) return REPLIED;
    if (!xgroup_or_reply(c, r->argv[1], r->argv[2], &claim.group, &outcome)) return outcome;
    collect(c, &claim, &scan);
    if (load(c, &claim, &scan)) {
        autoclaim(c, &claim, &scan);
        claimed(c, &claim, r->argv[1]);
    } else {
        outcome = PARKED;
    }
    free(scan.list);
    return outcome;
}
