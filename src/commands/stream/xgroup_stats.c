/* XGROUP STATS: how a group gets on, for people and monitoring. Redis has nothing like it, and its
 * own maps (XINFO) must have its own fields only, so it is a command of ours. */
#include "server/server.h"
#include "server/client/reply_draft.h"
#include "server/command/virtual.h"
#include "server/wait/blocking.h"
#include "server/wait/need.h"
#include "commands/stream/args.h"
#include "commands/stream/entry_read.h"
#include "commands/stream/family.h"
#include "commands/stream/log_read.h"
#include "commands/stream/shared.h"

/* The first entry that the group was not given: *first NULL when it has been given all. cursor: as
 * cgroup_backlog wants it. false: something has to be loaded. */
static bool need_backlog(struct client *c, struct cgroup *g, uint64_t *cursor,
                         struct event **first) {
    struct stream *s = g->stream;
    *first = NULL;
    if (stream_is_virtual(s)) return true; /* group_scan_backlog */
    if (!need_position(c, g, s, cursor)) return false;
    if (cgroup_backlog(g, *cursor) == 0) return true;
    uint64_t from = MAX(*cursor, stream_first_version(s));
    return need_version(c, s, holes_skip(&s->extra->holes, from), first);
}

/* Everything that put_group will ask for. */
static bool need_groups(struct client *c, struct cgroup *const *groups, uint32_t n) {
    bool all = true;
    uint64_t cursor;
    struct event *first;
    for (uint32_t i = 0; i < n; i++) all = need_backlog(c, groups[i], &cursor, &first) && all;
    return all;
}

static void put_int(struct client *c, const char *field, uint64_t v) {
    reply_bulk_c(c, field);
    reply_int(c, (int64_t)v);
}

/* How long ago that was; null when there was nothing. */
static void put_age(struct client *c, const char *field, bool any, uint64_t at_ms) {
    reply_bulk_c(c, field);
    if (any)
        reply_int(c, (int64_t)model_since(&c->srv->model, at_ms));
    else
        reply_null(c);
}

static void put_backlog(struct client *c, const struct cgroup *g, uint64_t cursor) {
    uint64_t backlog = 0;
    bool known = true;
    if (stream_is_virtual(g->stream))
        known = group_scan_backlog(g, log_head(c, VIEW_NEWEST), &backlog);
    else
        backlog = cgroup_backlog(g, cursor);
    reply_bulk_c(c, "backlog");
    if (known)
        reply_int(c, (int64_t)backlog);
    else
        reply_null(c);
}

static void put_group(struct client *c, struct cgroup *g) {
    const struct pending_entry *oldest = pending_oldest(&g->pending);
    uint64_t cursor = 0;
    struct event *first;
    bool known = need_backlog(c, g, &cursor, &first);
    assert(known);
    reply_map(c, 7);
    reply_bulk_c(c, "name");
    reply_bulk(c, g->name);
    put_int(c, "consumers", g->consumer_count);
    put_backlog(c, g, cursor);
    put_age(c, "backlog-oldest-ms", first != NULL, first != NULL ? first->rec.recorded : 0);
    put_int(c, "pending", pending_count(&g->pending));
    put_age(c, "pending-oldest-ms", oldest != NULL, oldest != NULL ? oldest->delivered_ms : 0);
    put_int(c, "handed-back", pending_count_of(&g->pending, PENDING_UNOWNED));
}

/* XGROUP STATS key [group] */
enum outcome cmd_xgroup_stats(struct client *c, const struct request *r) {
    struct stream *s;
    enum outcome outcome;
    if (!xkey_or_reply(c, r->argv[2], &s, &outcome)) return outcome;
    if (s->state != STREAM_LIVE && !virtual_is(c, r->argv[2])) {
        reply_error(c, "ERR no such key");
        return REPLIED;
    }
    struct cgroup *one = r->argc == 4 ? cgroup_find(s, r->argv[3]) : NULL;
    if (r->argc == 4 && one == NULL) {
        reply_no_group_for_key(c, r->argv[2], r->argv[3]);
        return REPLIED;
    }
    struct cgroup *const *groups = one != NULL ? &one : cgroups_in_order(s->extra);
    uint32_t n = one != NULL ? 1 : groups != NULL ? s->extra->group_count : 0;
    if (virtual_is(c, r->argv[2])) blocking_note_scans(c->srv);
    if (!need_groups(c, groups, n)) return PARKED;
    struct reply_draft d;
    reply_draft_begin(&d, c);
    if (one == NULL) reply_array(c, n);
    for (uint32_t i = 0; i < n && !reply_draft_is_over(&d); i++) put_group(c, groups[i]);
    reply_draft_send(&d, "ask for one group");
    return REPLIED;
}
