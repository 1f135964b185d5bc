/* XINFO: streams, their groups, the groups' consumers. */
#include "stream/ids/idempotent.h"
#include "server/server.h"
#include "server/client/long_reply.h"
#include "server/client/reply_draft.h"
#include "server/command/virtual.h"
#include "server/wait/blocking.h"
#include "server/wait/need.h"
#include "commands/event/pages.h"
#include "commands/stream/args.h"
#include "commands/stream/entry_read.h"
#include "commands/stream/entry_reply.h"
#include "commands/stream/family.h"
#include "commands/stream/log_read.h"
#include "commands/stream/pending_reply.h"
#include "commands/stream/shared.h"

#define FULL_COUNT  10
#define FULL_ADVICE "ask for less, with COUNT"

/* ---- fields ---- */

static void put_int(struct client *c, const char *field, uint64_t v) {
    reply_bulk_c(c, field);
    reply_int(c, (int64_t)v);
}

static void put_id(struct client *c, const char *field, struct entry_id id) {
    reply_bulk_c(c, field);
    reply_entry_id(c, id);
}

/* Of the group of a virtual stream that has looked at everything: the last event of the store, as
 * the stream's last-generated-id, since tools compare the two. It was asked for before. */
static void put_position(struct client *c, const struct cgroup *g) {
    struct entry_id shown = g->last, last;
    bool is_virtual = stream_is_virtual(g->stream);
    if (is_virtual && group_scan_is_at(g, log_head(c, VIEW_NEWEST)) &&
        need_log_last(c, VIEW_NEWEST, &last) && entry_id_cmp(last, shown) > 0)
        shown = last;
    put_id(c, "last-delivered-id", shown);
}

static void put_name(struct client *c, struct str name) {
    reply_bulk_c(c, "name");
    reply_bulk(c, name);
}

static void put_entry(struct client *c, const char *field, const struct event *e) {
    reply_bulk_c(c, field);
    if (e != NULL)
        reply_entry(c, e);
    else
        reply_null(c);
}

static void put_entries_read(struct client *c, const struct cgroup *g) {
    reply_bulk_c(c, "entries-read");
    if (g->entries_read >= 0)
        reply_int(c, g->entries_read);
    else
        reply_null(c);
}

static bool lag_of(struct client *c, const struct cgroup *g, const struct event *first,
                   uint64_t *lag) {
    if (stream_is_virtual(g->stream)) return group_scan_backlog(g, log_head(c, VIEW_NEWEST), lag);
    struct entry_id id;
    if (first != NULL) id = event_entry_id(first);
    return cgroup_lag(g, first != NULL ? &id : NULL, lag);
}

static void put_lag(struct client *c, const struct cgroup *g, const struct event *first) {
    uint64_t lag;
    reply_bulk_c(c, "lag");
    if (lag_of(c, g, first, &lag))
        reply_int(c, (int64_t)lag);
    else
        reply_null(c);
}

/* ---- what is asked for ---- */

/* The stream of the key, LIVE. */
static bool stream_or_reply(struct client *c, struct str key, struct stream **s,
                            enum outcome *outcome) {
    if (!xkey_or_reply(c, key, s, outcome)) return false;
    if ((*s)->state == STREAM_LIVE || virtual_is(c, key)) return true;
    reply_error(c, "ERR no such key");
    return false;
}

/* ---- STREAM ---- */

/* Redis keeps entries in nodes; ours are imagined: so many versions each, from the first on. */
static uint64_t count_nodes(const struct client *c, const struct stream *s) {
    static const struct holes none;
    uint64_t size = c->srv->config.stream_node_max_entries;
    if (size == 0) size = UINT64_MAX;
    const struct holes *holes = s->extra != NULL ? &s->extra->holes : &none;
    return holes_blocks(holes, stream_first_version(s), s->next_version, size);
}

/* Whether XADD IDMP or XCFGSET were used: then there is more to tell. */
static bool is_idempotent(const struct stream *s) {
    const struct stream_extra *x = s->extra;
    return x != NULL &&
           (x->idempotent != NULL || x->idempotent_seconds != 0 || x->idempotent_max != 0);
}

#define IDEMPOTENT_FIELDS 6

static void put_idempotent(struct client *c, const struct stream *s) {
    struct idempotent_stats stats;
    uint32_t seconds, max;
    idempotent_window(c, s, &seconds, &max);
    model_idempotent_stats(s, &stats);
    put_int(c, "idmp-duration", seconds);
    put_int(c, "idmp-maxsize", max);
    put_int(c, "pids-tracked", stats.producers);
    put_int(c, "iids-tracked", stats.ids);
    put_int(c, "iids-added", stats.added);
    put_int(c, "iids-duplicates", stats.duplicates);
}

/* The map's head, and the fields that both forms have. fields: those of the form. */
static void put_stream(struct client *c, const struct stream *s, const struct event *first,
                       size_t fields) {
    bool idempotent = is_idempotent(s);
    uint64_t nodes = count_nodes(c, s);
    reply_map(c, 7 + (idempotent ? IDEMPOTENT_FIELDS : 0) + fields);
    put_int(c, "length", stream_length(s));
    put_int(c, "radix-tree-keys", nodes);
    put_int(c, "radix-tree-nodes", nodes + 1);
    put_id(c, "last-generated-id", stream_last_id(s));
    put_id(c, "max-deleted-entry-id", s->extra != NULL ? s->extra->deleted : ENTRY_ID_MIN);
    put_int(c, "entries-added", stream_entries_added(s));
    put_id(c, "recorded-first-entry-id", first != NULL ? event_entry_id(first) : ENTRY_ID_MIN);
    if (idempotent) put_idempotent(c, s);
}

static enum outcome info_stream(struct client *c, struct stream *s) {
    struct event *first, *last;
    bool known = need_first(c, s, &first);
    if (!need_last(c, s, &last) || !known) return PARKED;
    put_stream(c, s, first, 3);
    put_int(c, "groups", s->extra != NULL ? s->extra->group_count : 0);
    put_entry(c, "first-entry", first);
    put_entry(c, "last-entry", last);
    return REPLIED;
}

/* ---- STREAM ... FULL ---- */

/* The entries that a consumer, or the whole group, has pending; `most` of them at most. */
static void put_pending(struct reply_draft *d, const struct cgroup *g, uint32_t consumer,
                        uint64_t most) {
    uint64_t n = MIN((uint64_t)pending_count_of(&g->pending, consumer), most);
    struct pending_cursor at = pending_seek(&g->pending, consumer, ENTRY_ID_MIN);
    reply_bulk_c(d->c, "pending");
    reply_array(d->c, n);
    struct reply_text *t = reply_draft_text(d);
    struct consumer *owner = NULL;
    while (n-- > 0 && !reply_draft_is_over(d)) {
        const struct pending_entry *e = pending_next(&at);
        int64_t delivered = (int64_t)pending_delivered(e);
        if (consumer == PENDING_ALL)
            reply_text_pending(t, g, e, delivered, &owner);
        else
            reply_text_pending_of_one(t, e, delivered);
    }
}

static void put_full_consumer(struct reply_draft *d, const struct cgroup *g,
                              const struct consumer *consumer, uint64_t most) {
    struct client *c = d->c;
    bool active = consumer->active != CONSUMER_NEVER_ACTIVE;
    reply_map(c, 5);
    put_name(c, consumer->name);
    put_int(c, "seen-time", consumer->seen);
    reply_bulk_c(c, "active-time");
    reply_int(c, active ? (int64_t)consumer->active : -1);
    put_int(c, "pel-count", pending_count_of(&g->pending, consumer->number));
    put_pending(d, g, consumer->number, most);
}

static void put_full_group(struct reply_draft *d, const struct cgroup *g, const struct event *first,
                           uint64_t most) {
    struct client *c = d->c;
    uint32_t nacked = pending_count_of(&g->pending, PENDING_UNOWNED);
    reply_map(c, nacked > 0 ? 8 : 7);
    put_name(c, g->name);
    put_position(c, g);
    put_entries_read(c, g);
    put_lag(c, g, first);
    put_int(c, "pel-count", pending_count(&g->pending));
    put_pending(d, g, PENDING_ALL, most);
    reply_bulk_c(c, "consumers");
    reply_array(c, g->consumer_count);
    struct consumer *const *consumers = consumers_in_order(g);
    for (uint32_t i = 0; i < g->consumer_count && !reply_draft_is_over(d); i++)
        put_full_consumer(d, g, consumers[i], most);
    if (nacked > 0) put_int(c, "nacked-count", nacked);
}

static void put_full_groups(struct reply_draft *d, const struct stream *s,
                            const struct event *first, uint64_t most) {
    uint32_t groups = s->extra != NULL ? s->extra->group_count : 0;
    reply_bulk_c(d->c, "groups");
    reply_array(d->c, groups);
    struct cgroup *const *in_order = cgroups_in_order(s->extra);
    for (uint32_t i = 0; i < groups && !reply_draft_is_over(d); i++)
        put_full_group(d, in_order[i], first, most);
}

/* The end of the map: entries and groups. start: where the reply begins. What is long is written
 * over several turns; all of it is of this one. */
static void put_full(struct client *c, uint64_t start, const struct stream *s,
                     const struct event *first, const struct entry_list *list, uint64_t most,
                     reply_event_fn *put) {
    struct reply_draft groups;
    uint64_t max = c->srv->config.reply_bytes_max;
    reply_bulk_c(c, "entries");
    reply_array(c, list->count);
    reply_draft_begin(&groups, c);
    put_full_groups(&groups, s, first, most);
    struct reply_text *behind = reply_draft_text(&groups);
    if (list->bytes + behind->bytes > max) {
        reply_text_clear(behind);
        if (!c->out.overflow) client_cut_reply(c, start); /* or EXEC's is dropped */
        reply_too_long(c, FULL_ADVICE);
    } else if (long_reply_suits(c, list->bytes + behind->bytes)) {
        long_reply_before(c, list->events, list->count, put, c->view, behind);
    } else {
        for (size_t i = 0; i < list->count; i++)
            put(c, list->events[i], model_name_at(&c->srv->model, list->events[i], c->view));
        reply_text_send(c, behind);
    }
}

/* count 0: all there is. */
static enum outcome info_full(struct client *c, struct stream *s, uint64_t count) {
    uint64_t most = count > 0 ? count : UINT64_MAX;
    struct entry_list list = {0};
    struct entry_range range = {.start = stream_first_version(s),
                                .end = UINT64_MAX,
                                .most = most,
                                .bytes_max = c->srv->config.reply_bytes_max,
                                .view = VIEW_NEWEST};
    struct event *first;
    bool fits, known = need_first(c, s, &first);
    known = entry_list_all(c, &list, s, range, &fits) && known;
    uint64_t start = client_out_offset(c);
    if (known && fits) {
        put_stream(c, s, first, 2);
        put_full(c, start, s, first, &list, most, put_entry_of);
    } else if (known) {
        reply_too_long(c, FULL_ADVICE);
    }
    entry_list_clear(&list);
    return known ? REPLIED : PARKED;
}

/* [FULL [COUNT count]] */
static bool parse_full(struct client *c, const struct request *r, bool *full, uint64_t *count) {
    int64_t n = FULL_COUNT;
    *full = r->argc > 3;
    bool good = r->argc == 3 || r->argc == 4 || r->argc == 6;
    if (!good || (*full && !arg_is(r->argv[3], STR("FULL"))) ||
        (r->argc == 6 && !arg_is(r->argv[4], STR("COUNT")))) {
        reply_error(c,
                    "ERR unknown subcommand or wrong number of arguments for '%.*s'. Try XINFO "
                    "HELP.",
                    (int)r->argv[1].len, r->argv[1].ptr);
        return false;
    }
    if (r->argc == 6 && !xarg_i64_or_reply(c, r->argv[5], &n)) return false;
    *count = (uint64_t)(n < 0 ? FULL_COUNT : n);
    return true;
}

/* ---- STREAM of a virtual one ---- */

/* What there is to tell of it beside its groups. */
struct log_facts {
    uint64_t length;
    struct entry_id last_id; /* of the store */
    struct event *first, *last;
    struct entry_list list; /* FULL */
};

/* Of FULL's entries 0, of the first event 1, of the last 2. */
#define LOOKS 3

static struct log_looked *looked_for(struct client *c, size_t what) {
    return blocking_log_looked(c, LOOKS, what);
}

static struct log_search search_of(struct client *c, struct selector *selector, size_t what) {
    bool in_exec = c->srv->exec.client == c;
    uint64_t *progress = in_exec ? NULL : blocking_progress(c, 3 * LOOKS);
    blocking_selects_or_begins(c, LOOKS, what, selector);
    return (struct log_search){.at = progress != NULL ? progress + what : NULL,
                               .found = progress != NULL ? progress + LOOKS + what : NULL,
                               .head = progress != NULL ? progress + 2 * LOOKS + what : NULL,
                               .looked = in_exec ? looked_for(c, what) : NULL};
}

/* The searches go on in the next turn when they have to: then nothing else was asked for. */
static bool need_facts_or_reply(struct client *c, struct selector *selector, bool full,
                                uint64_t count, struct log_facts *f, enum outcome *outcome) {
    struct log_search first = search_of(c, selector, 1), last = search_of(c, selector, 2);
    bool too_many = false, known = need_log_end(c, c->view, selector, false, &first, &f->first);
    if (!full && !first.paused && !first.overdone)
        known = need_log_end(c, c->view, selector, true, &last, &f->last) && known;
    *outcome = PARKED;
    if (first.paused || last.paused) {
        blocking_pause(c);
        return false;
    }
    if (!first.overdone && !last.overdone) {
        known = need_count(c, selector, &f->length, &too_many) && known;
        known = need_log_last(c, c->view, &f->last_id) && known;
    }
    if (first.overdone || last.overdone || too_many) {
        *outcome = REPLIED;
        blocking_reply_looks_too_long(c);
        return false;
    }
    if (!full || !known) return known;
    struct entry_range range = {.end = log_head(c, c->view),
                                .most = count > 0 ? count : UINT64_MAX,
                                .bytes_max = c->srv->config.reply_bytes_max,
                                .view = c->view,
                                .selector = selector};
    blocking_selects_or_begins(c, LOOKS, 0, selector);
    return log_list_or_reply(c, &f->list, range, looked_for(c, 0), FULL_ADVICE, outcome);
}

static void put_log_entry(struct client *c, const char *field, const struct event *e) {
    reply_bulk_c(c, field);
    if (e != NULL)
        reply_log_entry(c, e, c->view);
    else
        reply_null(c);
}

static void put_log(struct client *c, const struct log_facts *f, size_t fields) {
    reply_map(c, 7 + fields);
    put_int(c, "length", f->length);
    put_int(c, "radix-tree-keys", 0);
    put_int(c, "radix-tree-nodes", 0);
    put_id(c, "last-generated-id", f->last_id);
    put_id(c, "max-deleted-entry-id", ENTRY_ID_MIN);
    put_int(c, "entries-added", f->length);
    put_id(c, "recorded-first-entry-id", f->first != NULL ? event_log_id(f->first) : ENTRY_ID_MIN);
}

/* s: what has its groups; ABSENT when it has none. */
static enum outcome info_log(struct client *c, struct str name, struct stream *s, bool full,
                             uint64_t count) {
    struct selector *selector;
    struct log_facts f = {0};
    if (!log_selector_or_reply(c, name, c->view, &selector)) return REPLIED;
    enum outcome outcome = REPLIED;
    bool known = false, named = pages_may_count(c, selector);
    if (named) known = need_facts_or_reply(c, selector, full, count, &f, &outcome);
    if (known && full) {
        uint64_t start = client_out_offset(c);
        put_log(c, &f, 2);
        put_full(c, start, s, NULL, &f.list, count > 0 ? count : UINT64_MAX, put_log_entry_of);
    } else if (known) {
        put_log(c, &f, 3);
        put_int(c, "groups", s->extra != NULL ? s->extra->group_count : 0);
        put_log_entry(c, "first-entry", f.first);
        put_log_entry(c, "last-entry", f.last);
    }
    entry_list_clear(&f.list);
    selector_unref(selector);
    if (!named) return pages_wait_to_count(c);
    return known ? REPLIED : outcome;
}

/* XINFO STREAM key [FULL [COUNT count]] */
enum outcome cmd_xinfo_stream(struct client *c, const struct request *r) {
    struct stream *s;
    enum outcome outcome;
    bool full;
    uint64_t count;
    if (!stream_or_reply(c, r->argv[2], &s, &outcome)) return outcome;
    if (!parse_full(c, r, &full, &count)) return REPLIED;
    if (virtual_is(c, r->argv[2])) return info_log(c, r->argv[2], s, full, count);
    return full ? info_full(c, s, count) : info_stream(c, s);
}

/* ---- GROUPS ---- */

/* Redis' fields and no others: clients refuse a map that has more (what is ours: XGROUP STATS). */
static void put_group(struct client *c, const struct cgroup *g, const struct event *first) {
    reply_map(c, 6);
    put_name(c, g->name);
    put_int(c, "consumers", g->consumer_count);
    put_int(c, "pending", pending_count(&g->pending));
    put_position(c, g);
    put_entries_read(c, g);
    put_lag(c, g, first);
}

/* XINFO GROUPS key */
enum outcome cmd_xinfo_groups(struct client *c, const struct request *r) {
    struct stream *s;
    struct event *first = NULL;
    enum outcome outcome;
    if (!stream_or_reply(c, r->argv[2], &s, &outcome)) return outcome;
    uint32_t groups = s->extra != NULL ? s->extra->group_count : 0;
    if (groups > 0 && !need_first(c, s, &first)) return PARKED;
    struct entry_id last;
    if (groups > 0 && stream_is_virtual(s)) {
        blocking_note_scans(c->srv);
        if (!need_log_last(c, VIEW_NEWEST, &last)) return PARKED;
    }
    struct reply_draft d;
    reply_draft_begin(&d, c);
    reply_array(c, groups);
    struct cgroup *const *in_order = cgroups_in_order(s->extra);
    for (uint32_t i = 0; i < groups && !reply_draft_is_over(&d); i++)
        put_group(c, in_order[i], first);
    reply_draft_send(&d, "ask for one group, with XGROUP STATS");
    return REPLIED;
}

/* ---- CONSUMERS ---- */

static void put_consumer(struct client *c, const struct cgroup *g,
                         const struct consumer *consumer) {
    const struct model *m = &c->srv->model;
    bool active = consumer->active != CONSUMER_NEVER_ACTIVE;
    reply_map(c, 4);
    put_name(c, consumer->name);
    put_int(c, "pending", pending_count_of(&g->pending, consumer->number));
    put_int(c, "idle", model_since(m, consumer->seen));
    reply_bulk_c(c, "inactive");
    reply_int(c, active ? (int64_t)model_since(m, consumer->active) : -1);
}

/* XINFO CONSUMERS key group */
enum outcome cmd_xinfo_consumers(struct client *c, const struct request *r) {
    struct stream *s;
    enum outcome outcome;
    if (!stream_or_reply(c, r->argv[2], &s, &outcome)) return outcome;
    const struct cgroup *g = cgroup_find(s, r->argv[3]);
    if (g == NULL) {
        reply_no_group_for_key(c, r->argv[2], r->argv[3]);
        return REPLIED;
    }
    struct reply_draft d;
    reply_draft_begin(&d, c);
    reply_array(c, g->consumer_count);
    struct consumer *const *consumers = consumers_in_order(g);
    for (uint32_t i = 0; i < g->consumer_count && !reply_draft_is_over(&d); i++)
        put_consumer(c, g, consumers[i]);
    reply_draft_send(&d, "ask for those that have something pending, with XPENDING");
    return REPLIED;
}

/* XINFO HELP */
enum outcome cmd_xinfo_help(struct client *c, const struct request *r) {
    static const char *const lines[] = {
        "CONSUMERS <key> <groupname>",
        "    Show consumers of <groupname>.",
        "GROUPS <key>",
        "    Show the stream consumer groups.",
        "STREAM <key> [FULL [COUNT <count>]",
        "    Show information about the stream.",
        NULL,
    };
    UNUSED(r);
    reply_help(c, "XINFO", lines);
    return REPLIED;
}
