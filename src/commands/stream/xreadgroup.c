/* XREADGROUP. First everything that will be delivered is found out, and loaded where it must be;
 * then it is delivered at once: what became pending and how far the group got are one frame. The
 * reply does not wait for that frame: were it lost, the entries would be delivered again. */
#include "base/alloc.h"
#include "server/pubsub/notifications.h"
#include "server/server.h"
#include "server/command/virtual.h"
#include "server/wait/blocking.h"
#include "server/wait/need.h"
#include "commands/event/pages.h"
#include "commands/stream/entry_read.h"
#include "commands/stream/entry_reply.h"
#include "commands/stream/family.h"
#include "commands/stream/group_read.h"
#include "commands/stream/log_read.h"
#include "commands/stream/read_args.h"
#include "commands/stream/shared.h"

#define FRAME_SPARE (64u * 1024) /* bytes of a frame for consumers, positions, heads of records */
#define GONE_MAX    4096         /* pending entries that do not exist, dropped by CLAIM in a turn */
#define LOOKS_MIN   64           /* looked at together, when the first ones do not exist */

static void reply_no_source(struct client *c, struct str key, struct str group) {
    reply_error(c,
                "NOGROUP No such key '%.*s' or consumer group '%.*s' in XREADGROUP with GROUP "
                "option",
                (int)key.len, key.ptr, (int)group.len, group.ptr);
}

/* ---- what is asked for ---- */

static bool need_sources(struct client *c, const struct xread_args *a,
                         struct group_source *sources) {
    bool all = true;
    for (size_t i = 0; i < a->n; i++)
        all = need_stream_twice(c, a->keys[i], &sources[i].stream, &sources[i].settled,
                                &sources[i].view) &&
              all;
    return all;
}

/* Where the settled view does not do: what it has under the key is not what the group is of, or
 * entries of it were taken from the groups; and what is to be claimed must exist. */
static bool wants_newest(const struct xread_args *a, const struct group_source *src) {
    const struct stream *s = src->settled;
    return s->state != STREAM_LIVE || s->name->rec.number != src->stream->name->rec.number ||
           stream_unreferenced_since(src->stream, src->view) || a->claim;
}

/* Says what the reply waits for: the frames that made or moved the group, never another consumer's
 * delivery; with the newest view the stream's changes; with the history everything. */
static void tell(struct client *c, const struct xread_args *a, struct group_source *src) {
    if (src->view != VIEW_NEWEST && wants_newest(a, src)) {
        src->view = VIEW_NEWEST;
        src->settled = src->stream;
    }
    client_tells(c, src->group->moved_frame);
    if (src->view == VIEW_NEWEST) client_tells(c, src->stream->changed_frame);
    if (src->history) client_tells(c, src->stream->last_frame);
}

static bool resolve_or_reply(struct client *c, const struct xread_args *a, size_t i,
                             struct group_source *src) {
    struct str id = a->ids[i];
    src->group = cgroup_find(src->stream, a->group);
    if (src->group == NULL) {
        client_tells(c, src->stream->last_frame);
        if (stream_is_string(src->stream))
            reply_wrong_type(c);
        else
            reply_no_source(c, a->keys[i], a->group);
        return false;
    }
    if (str_eq(id, STR("$")) || str_eq(id, STR("+"))) {
        reply_error(c,
                    "ERR The %c ID is meaningless in the context of XREADGROUP: you want to read "
                    "the history of this consumer by specifying a proper ID, or use the > ID to "
                    "get new messages. The %c ID would just return an empty result set.",
                    id.ptr[0], id.ptr[0]);
        return false;
    }
    if (!str_eq(id, STR(">"))) {
        if (!xarg_id_or_reply(c, id, 0, &src->after)) return false;
        /* The highest id stands for '>', as in Redis. */
        src->history = src->after.ms != UINT64_MAX || src->after.seq != UINT64_MAX;
    }
    tell(c, a, src);
    return true;
}

/* ---- what will be delivered ---- */

/* How many are worth looking at for the budget: its bytes hold no more events, and those that are
 * gone take none of them. */
static uint64_t again_most(const struct xread_args *a, const struct budget *budget) {
    return MIN(MIN(a->count, budget->entries), budget->bytes / sizeof(struct event) + 1);
}

static void add_again(struct group_source *src, size_t *cap, const struct pending_entry *e) {
    if (src->again_count == *cap) {
        *cap = *cap == 0 ? 16 : *cap * 2;
        src->again = xrealloc(src->again, *cap * sizeof *src->again);
    }
    src->again[src->again_count++] = (struct redelivery){.id = e->id,
                                                         .version = e->version,
                                                         .delivered = pending_delivered(e),
                                                         .deliveries = e->deliveries,
                                                         .nobodys = e->consumer == 0};
}

static void add_gone(struct group_source *src, size_t *cap, struct entry_id id) {
    if (src->gone_count == *cap) {
        *cap = *cap == 0 ? 16 : *cap * 2;
        src->gone = xrealloc(src->gone, *cap * sizeof *src->gone);
    }
    src->gone[src->gone_count++] = id;
}

/* Of a virtual stream reading tells what does not exist any more: of [from, end). Returns where
 * what is left ends. */
static size_t set_gone_apart(struct group_source *src, size_t from, size_t end, size_t *cap) {
    size_t kept = from;
    for (size_t i = from; i < end; i++) {
        if (src->again[i].event != NULL)
            src->again[kept++] = src->again[i];
        else
            add_gone(src, cap, src->again[i].id);
    }
    return kept;
}

/* Looks up the events of redeliveries, from one on, and keeps of them what the limits allow, up to
 * `most` of all. gone_cap: of src->gone, where what does not exist goes; NULL: it stays. */
static bool need_events(struct client *c, struct group_source *src, size_t from, uint64_t most,
                        size_t *gone_cap, struct budget *budget) {
    size_t n = src->again_count - from, found = 0;
    if (n == 0) return true;
    struct redelivery *again = src->again + from;
    uint64_t *versions = xmalloc(n * sizeof *versions);
    struct event **events = xmalloc(n * sizeof *events);
    const struct cgroup *g = src->group;
    uint64_t view = src->selector != NULL ? VIEW_NEWEST : c->view;
    for (size_t i = 0; i < n; i++) versions[i] = pending_place(g, again[i].id, again[i].version);
    bool known = entries_within(c, group_entries(g), view, versions, n, false, budget->bytes,
                                events, &found);
    for (size_t i = 0; known && i < found; i++) again[i].event = events[i];
    free(versions);
    free(events);
    if (!known) return false;
    size_t end = from + found;
    if (gone_cap != NULL) end = set_gone_apart(src, from, end, gone_cap);
    n = from;
    while (n < end && n < most && budget_take(budget, src->again[n].event)) n++;
    src->again_count = n;
    return true;
}

/* What the consumer has not acknowledged, beyond an id. */
static bool find_history(struct client *c, const struct xread_args *a, struct group_source *src,
                         struct budget *budget) {
    struct entry_id from = src->after;
    size_t cap = 0;
    const struct consumer *consumer = cgroup_consumer(src->group, a->consumer);
    uint64_t most = again_most(a, budget);
    if (consumer == NULL || !entry_id_next(&from)) return true;
    struct pending_cursor at = pending_seek(&src->group->pending, consumer->number, from);
    const struct pending_entry *e;
    while (src->again_count < most && (e = pending_next(&at)) != NULL) add_again(src, &cap, e);
    return need_events(c, src, 0, most, NULL, budget);
}

/* What CLAIM looks at: first what was handed back, in that order, then what is idle, the longest
 * first. */
struct claims {
    const struct pending *pending;
    const struct pending_entry *at;
    bool nacked;
};

/* NULL: there are no more. */
static const struct pending_entry *claims_first(struct client *c, const struct xread_args *a,
                                                struct claims *l) {
    if (l->at == NULL && l->nacked) {
        l->nacked = false;
        l->at = pending_oldest(l->pending);
    }
    bool fresh = l->at != NULL && !l->nacked &&
                 model_since(&c->srv->model, pending_delivered(l->at)) < a->min_idle;
    return fresh ? NULL : l->at;
}

static void claims_pass(struct claims *l) {
    l->at =
        l->nacked ? pending_next_nacked(l->pending, l->at) : pending_next_idle(l->pending, l->at);
}

/* Pending entries that do not exist any more are dropped on the way, as by XAUTOCLAIM. Of a virtual
 * stream only looking them up tells: a portion at a time, so that those behind them are found. */
static bool find_claims(struct client *c, const struct xread_args *a, struct group_source *src,
                        struct budget *budget) {
    const struct pending *p = &src->group->pending;
    struct claims l = {.pending = p, .at = pending_first_nacked(p), .nacked = true};
    bool is_virtual = src->selector != NULL, full = false;
    const struct pending_entry *e = NULL;
    uint64_t most = again_most(a, budget), portion = most;
    size_t cap = 0, gone_cap = 0;
    do {
        size_t from = src->again_count;
        for (; src->again_count - from < portion && src->gone_count < GONE_MAX &&
               (e = claims_first(c, a, &l)) != NULL;
             claims_pass(&l)) {
            if (is_virtual || stream_has_version(src->stream, e->version))
                add_again(src, &cap, e);
            else
                add_gone(src, &gone_cap, e->id);
        }
        size_t all = src->again_count + src->gone_count;
        if (!need_events(c, src, from, most, is_virtual ? &gone_cap : NULL, budget)) return false;
        full = src->again_count + src->gone_count < all || src->again_count >= most;
        portion = MIN(MAX(2 * portion, (uint64_t)LOOKS_MIN),
                      GONE_MAX - MIN((uint64_t)src->gone_count, (uint64_t)GONE_MAX));
    } while (e != NULL && !full && portion > 0);
    src->claims_more = e != NULL && !full;
    return true;
}

static int by_group(const void *a, const void *b) {
    const struct group_source *x = *(struct group_source *const *)a,
                              *y = *(struct group_source *const *)b;
    if (x->group != y->group) return (uintptr_t)x->group < (uintptr_t)y->group ? -1 : 1;
    return (x > y) - (x < y);
}

/* Of keys that are the same: what an earlier one takes, a later one does not. */
static void find_same(struct group_source *sources, size_t n) {
    if (n == 1) return;
    struct group_source **order = xmalloc(n * sizeof *order);
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        if (!sources[i].history) order[count++] = &sources[i];
    if (count > 1) qsort(order, count, sizeof *order, by_group);
    for (size_t i = 1; i < count; i++)
        if (order[i]->group == order[i - 1]->group) order[i]->before = order[i - 1];
    free(order);
}

static bool find_new(struct client *c, const struct xread_args *a, struct group_source *src,
                     struct budget *budget) {
    const struct group_source *before = src->before;
    if (!need_position(c, src->group, src->settled, &src->next)) return false;
    if (before != NULL) src->next = before->next;
    uint64_t most = a->count - MIN(a->count, (uint64_t)src->again_count);
    struct entry_list *l = &src->list;
    struct entry_range range = {.start = src->next, .most = most, .view = src->view};
    if (!budget_read(c, budget, l, src->settled, range)) return false;
    if (l->count > 0) src->next = l->events[l->count - 1]->rec.version + 1;
    return true;
}

static bool find(struct client *c, const struct xread_args *a, struct group_source *src,
                 struct budget *budget) {
    if (src->history) return find_history(c, a, src, budget);
    bool claimed = !a->claim || src->before != NULL || find_claims(c, a, src, budget);
    bool found =
        src->selector != NULL ? group_find_in_log(c, a, src, budget) : find_new(c, a, src, budget);
    return found && claimed;
}

/* ---- delivering ---- */

/* Redis' counter of entries that the group has read, after one more. */
static int64_t count_read(const struct stream *s, struct entry_id last, uint64_t cursor,
                          int64_t entries_read, const struct event *e) {
    struct entry_id id = event_entry_id(e);
    uint64_t first = stream_first_version(s);
    if (s->extra != NULL) first = holes_skip(&s->extra->holes, first);
    if (entries_read >= 0 && cursor > first && !stream_has_tombstones(s, last))
        return entries_read + 1;
    if (stream_entries_added(s) == 0) return entries_read;
    /* Only being the first entry tells anything about an entry's place. */
    return cgroup_estimate_read(s, e->rec.version == first ? &id : NULL, id);
}

static void deliver_new(struct client *c, const struct xread_args *a, struct group_source *src,
                        struct consumer *consumer) {
    struct model *m = &c->srv->model;
    struct cgroup *g = src->group;
    struct entry_id last = g->last;
    uint64_t cursor = src->list.count > 0 ? src->list.events[0]->rec.version : 0;
    int64_t entries_read = g->entries_read;
    for (size_t i = 0; i < src->list.count; i++) {
        const struct event *e = src->list.events[i];
        struct entry_id id = event_entry_id(e);
        entries_read = count_read(src->stream, last, cursor, entries_read, e);
        last = id;
        cursor = e->rec.version + 1;
        if (!a->noack) cgroup_pend(m, g, id, e->rec.version, consumer, m->wall, 1);
    }
    if (src->list.count == 0) return;
    cgroup_set_position(m, g, last, entries_read);
    g->cursor = cursor; /* now it is known again */
}

static void deliver_again(struct client *c, struct group_source *src, struct consumer *consumer) {
    struct model *m = &c->srv->model;
    for (size_t i = 0; i < src->again_count; i++) {
        const struct redelivery *d = &src->again[i];
        if (d->event == NULL) continue;
        cgroup_pend(m, src->group, d->id, d->version, consumer, m->wall,
                    deliveries_more(d->deliveries));
    }
    for (size_t i = 0; i < src->gone_count; i++) cgroup_ack(m, src->group, src->gone[i]);
}

static void deliver(struct client *c, const struct xread_args *a, struct group_source *sources) {
    struct model *m = &c->srv->model;
    for (size_t i = 0; i < a->n; i++) {
        struct group_source *src = &sources[i];
        struct consumer *consumer = cgroup_consumer(src->group, a->consumer);
        if (consumer == NULL) {
            consumer = cgroup_add_consumer(m, src->group, a->consumer);
            notify(c->srv, NOTIFY_STREAM, "xgroup-createconsumer", a->keys[i]);
        }
        bool claimed = !src->history && src->again_count > 0;
        bool active = claimed || (!a->noack && src->list.count > 0);
        consumer_seen(m, consumer, active);
        deliver_again(c, src, consumer);
        if (src->selector != NULL)
            group_deliver_of_log(c, a, src, consumer);
        else
            deliver_new(c, a, src, consumer);
        if (active) blocking_delivered(c->srv, a->keys[i], a->group);
    }
    model_commit(m);
}

/* ---- replying ---- */

static bool is_served(const struct group_source *src) {
    return src->history || src->again_count > 0 || src->list.count > 0;
}

static void reply_one(struct client *c, const struct group_source *src, const struct event *e) {
    if (src->selector != NULL)
        reply_log_entry(c, e, src->view);
    else
        reply_entry(c, e);
}

static void reply_one_claimed(struct client *c, const struct group_source *src,
                              const struct event *e, int64_t idle, int64_t deliveries) {
    if (src->selector != NULL)
        reply_log_entry_claimed(c, e, src->view, idle, deliveries);
    else
        reply_entry_claimed(c, e, idle, deliveries);
}

static void reply_history(struct client *c, const struct group_source *src) {
    reply_array(c, src->again_count);
    for (size_t i = 0; i < src->again_count; i++) {
        if (src->again[i].event != NULL)
            reply_one(c, src, src->again[i].event);
        else
            reply_entry_gone(c, src->again[i].id);
    }
}

static void reply_claimed(struct client *c, const struct group_source *src) {
    reply_array(c, src->again_count + src->list.count);
    for (size_t i = 0; i < src->again_count; i++) {
        const struct redelivery *d = &src->again[i];
        /* As XPENDING: what was handed back is idle for -1 ms. */
        int64_t idle = d->nobodys ? -1 : (int64_t)model_since(&c->srv->model, d->delivered);
        reply_one_claimed(c, src, d->event, idle, deliveries_shown(d->deliveries));
    }
    for (size_t i = 0; i < src->list.count; i++)
        reply_one_claimed(c, src, src->list.events[i], 0, 0);
}

static void reply_sources(struct client *c, const struct xread_args *a,
                          const struct group_source *sources) {
    size_t served = 0;
    for (size_t i = 0; i < a->n; i++) served += is_served(&sources[i]);
    size_t left = served;
    if (c->resp == 2)
        reply_array(c, served);
    else
        reply_map(c, served);
    for (size_t i = 0; i < a->n; i++) {
        const struct group_source *src = &sources[i];
        if (!is_served(src)) continue;
        if (c->resp == 2) reply_array(c, 2);
        reply_bulk(c, a->keys[i]);
        left--;
        if (src->history)
            reply_history(c, src);
        else if (a->claim)
            reply_claimed(c, src);
        else
            reply_found_entries(c, &src->list, src->selector != NULL, src->view, left == 0);
        c->srv->stats.events_read += src->again_count + src->list.count;
    }
}

/* ---- waiting ---- */

/* The wall clock's time, ms, when the first pending entry will have been idle long enough. */
static uint64_t claimable_at(const struct client *c, const struct xread_args *a,
                             const struct group_source *sources) {
    uint64_t first = 0;
    for (size_t i = 0; i < a->n; i++) {
        const struct pending_entry *e = pending_oldest(&sources[i].group->pending);
        if (e == NULL) continue;
        uint64_t at = blocking_claimable_at(c->srv, pending_delivered(e), a->min_idle);
        if (first == 0 || at < first) first = at;
    }
    return first;
}

/* Whether one of the virtual streams has not looked at all that there was when the command came in:
 * then nobody can say yet that there is nothing. */
static bool is_unfinished(struct client *c, const struct xread_args *a,
                          const struct group_source *sources) {
    bool any = false;
    uint64_t *until = NULL; /* of each, + 1; 0: not known yet */
    for (size_t i = 0; i < a->n; i++) {
        if (!sources[i].unfinished) continue;
        if (until == NULL) until = blocking_progress(c, a->n);
        if (until[i] == 0) until[i] = log_head(c, sources[i].view) + 1;
        const struct group_scan *scan = sources[i].group->scan;
        any = any || scan->looked < until[i] - 1 || group_scan_has(scan, until[i] - 1);
    }
    return any;
}

/* What it takes to compare events with what all wait for is bounded. */
static bool may_wait_or_reply(struct client *c, const struct xread_args *a,
                              const struct group_source *sources) {
    size_t promised = 0;
    for (size_t i = 0; i < a->n; i++) {
        struct selector *selector = sources[i].selector;
        if (selector == NULL) continue;
        bool is_new = !blocking_selects(c, a->n, i, selector) || !blocking_has_waited(c);
        if (is_new && !pages_may_wait_or_reply(c, selector, &promised)) return false;
    }
    return true;
}

/* CLAIM has dropped as many as it may in a turn, and there are more. */
static bool claims_go_on(struct client *c, const struct xread_args *a,
                         const struct group_source *sources) {
    bool more = false;
    for (size_t i = 0; i < a->n; i++) {
        more = more || sources[i].claims_more;
        blocking_looked_at(c, sources[i].gone_count);
    }
    return more;
}

static enum outcome wait_or_reply(struct client *c, const struct xread_args *a,
                                  const struct group_source *sources) {
    bool in_exec = c->srv->exec.client != NULL;
    if (a->claim && !in_exec && claims_go_on(c, a, sources)) {
        blocking_pause_until(c, a->block ? a->timeout_ms : 0);
        return PARKED;
    }
    bool waits = !in_exec && (a->block || is_unfinished(c, a, sources));
    if (!waits) {
        resp_put_null_array(&c->out, c->resp);
        return REPLIED;
    }
    if (!may_wait_or_reply(c, a, sources)) return REPLIED;
    struct selector **selectors = xcalloc(a->n, sizeof *selectors);
    for (size_t i = 0; i < a->n; i++) selectors[i] = sources[i].selector;
    blocking_wait_for(
        c, &(struct blocking_on){.keys = a->keys,
                                 .n = a->n,
                                 .group = a->group,
                                 .timeout_ms = a->block ? a->timeout_ms : 0,
                                 .hurries = !a->block,
                                 .selectors = selectors,
                                 .claims = a->claim,
                                 .min_idle = a->min_idle,
                                 .recheck_at = a->claim ? claimable_at(c, a, sources) : 0});
    free(selectors);
    return PARKED;
}

/* What is delivered has to fit into one frame; the next command gets the rest. */
static uint64_t frame_room(const struct client *c) {
    size_t max = store_frame_max(c->srv->store), used = model_frame_bytes(&c->srv->model);
    size_t room = max - MIN(max, used) - MIN(max - MIN(max, used), (size_t)FRAME_SPARE);
    return MAX(room / (2 * sizeof(struct pending_item)), (size_t)1);
}

/* EXEC leaves the groups' scans as they are, as it may be taken back: what its commands look at
 * themselves is kept for them. */
static void keep_what_is_looked_at(struct client *c, const struct xread_args *a,
                                   struct group_source *sources) {
    for (size_t i = 0; i < a->n; i++) {
        if (sources[i].selector == NULL) continue;
        blocking_selects_or_begins(c, a->n, i, sources[i].selector);
        sources[i].looked = blocking_log_looked(c, a->n, i);
    }
}

/* In EXEC: nothing was found, and not everything was looked at. Before anything is delivered. */
static bool pauses_or_replies(struct client *c, const struct xread_args *a,
                              const struct group_source *sources, enum outcome *outcome) {
    bool served = false, paused = false, overdone = false;
    for (size_t i = 0; i < a->n; i++) {
        served = served || is_served(&sources[i]);
        paused = paused || sources[i].list.paused;
        overdone = overdone || sources[i].list.overdone;
    }
    *outcome = paused ? PARKED : REPLIED;
    if (served || (!paused && !overdone)) return false;
    if (paused)
        blocking_pause(c);
    else
        blocking_reply_looks_too_long(c);
    return true;
}

static enum outcome run(struct client *c, const struct xread_args *a,
                        struct group_source *sources) {
    struct budget budget = budget_of(c, a);
    budget.entries = MIN(budget.entries, frame_room(c));
    bool known = true, served = false, in_exec = c->srv->exec.client != NULL;
    enum outcome outcome;
    if (!need_sources(c, a, sources)) return PARKED;
    for (size_t i = 0; i < a->n; i++)
        if (!resolve_or_reply(c, a, i, &sources[i])) return REPLIED;
    find_same(sources, a->n);
    if (in_exec) keep_what_is_looked_at(c, a, sources);
    for (size_t i = 0; i < a->n && !need_enough(c); i++)
        known = find(c, a, &sources[i], &budget) && known;
    if (!known) return PARKED;
    if (in_exec && pauses_or_replies(c, a, sources, &outcome)) return outcome;
    deliver(c, a, sources); /* the consumers come to be even when there is nothing for them */
    for (size_t i = 0; i < a->n; i++) served = served || is_served(&sources[i]);
    if (!served) return wait_or_reply(c, a, sources);
    reply_sources(c, a, sources);
    return REPLIED;
}

/* XREADGROUP GROUP group consumer [COUNT n] [MAXCOUNT n] [MAXSIZE bytes] [BLOCK ms]
 *            [CLAIM min-idle-time] [NOACK] STREAMS key [key ...] id [id ...] */
enum outcome cmd_xreadgroup(struct client *c, const struct request *r) {
    struct xread_args a;
    if (!xargs_xread_or_reply(c, r, true, &a) || !xname_or_reply(c, a.consumer, "consumer"))
        return REPLIED;
    if (blocking_over(c)) {
        blocking_reply_over(c);
        return REPLIED;
    }
    struct group_source *sources = xcalloc(a.n, sizeof *sources);
    bool good = true;
    size_t bytes = 0;
    /* A group has one selector, as it has one position: of a view, what that is now. */
    for (size_t i = 0; good && i < a.n; i++)
        if (virtual_is(c, a.keys[i]))
            good = log_selectors_or_reply(c, a.keys[i], VIEW_NEWEST, &bytes, &sources[i].selector);
    enum outcome outcome = good ? run(c, &a, sources) : REPLIED;
    for (size_t i = 0; i < a.n; i++) {
        entry_list_clear(&sources[i].list);
        free(sources[i].again);
        free(sources[i].gone);
        selector_unref(sources[i].selector);
    }
    free(sources);
    return outcome;
}
