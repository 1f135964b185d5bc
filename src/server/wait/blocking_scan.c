/* Groups of virtual streams whose members wait: what the group's one scan
 * (stream/group/group_scan.h) does meanwhile. As long as it has something to look at, its set
 * stands in blocking.scanning, and looks on a bounded amount a turn, round robin; while a reader is
 * at work for it, nowhere; when it has looked at everything, it waits for an event like others that
 * wait for one (stream/live.h). Members are run when something was found; who does not wait for
 * events, when all was looked at.
 */
#include "server/wait/internal.h"

#include "stream/group/cgroup.h"
#include "stream/read.h"

#define SCANS_A_TURN 1 /* each looks at no more events than one read does */

static struct str name_of(const struct blocked_set *set) {
    return str_of(set->key->name, set->key->name_len);
}

/* The group's scan, if it is in memory. */
static struct group_scan *any_scan_of(struct server *srv, const struct blocked_set *set) {
    const struct stream *s = model_peek(&srv->model, name_of(set));
    const struct cgroup *g = s != NULL ? cgroup_find(s, str_of(set->group, set->group_len)) : NULL;
    return g != NULL ? g->scan : NULL;
}

/* The same, if it continues the group's position, by what the members wait for; else NULL: they
 * have to look. */
static struct group_scan *scan_of(struct server *srv, const struct blocked_set *set) {
    struct group_scan *scan = any_scan_of(srv, set);
    bool continues = scan != NULL && scan->placed &&
                     entry_id_cmp(scan->last, scan->group->last) == 0 &&
                     selector_eq(scan->selector, set->selector);
    return continues ? scan : NULL;
}

/* The group stays in memory while somebody waits in it. */
static void count_bytes(struct server *srv, struct blocked_set *set,
                        const struct group_scan *scan) {
    size_t now = scan != NULL ? scan->group->bytes : 0;
    srv->blocking->groups_bytes += now - set->group_bytes;
    set->group_bytes = now;
}

/* What was looked at for it while it waited for an event. */
static void note_looked(struct server *srv, struct blocked_set *set) {
    const struct live_watcher *w = &set->watch.live;
    struct group_scan *scan = scan_of(srv, set);
    if (scan == NULL || w->target == NULL || w->emptied) return;
    group_scan_skip(scan, set->watched_from, live_looked_up_to(&srv->blocking->live, w));
}

static void stop_waiting(struct server *srv, struct blocked_set *set) {
    list_remove(&set->at_head);
    live_unwatch(&srv->blocking->live, &set->watch.live);
}

void blocked_scan_select(struct server *srv, struct blocked_set *set, struct selector *selector) {
    if (set->selector != NULL && selector_eq(set->selector, selector)) return;
    struct live_target *held = live_hold(&srv->blocking->live, selector);
    if (set->selector != NULL) blocked_scan_end(srv, set); /* the view has changed */
    set->selector = selector_ref(selector);
    set->held = held;
    srv->blocking->waiting_groups++;
}

void blocked_scan(struct server *srv, struct blocked_set *set) {
    struct blocking *b = srv->blocking;
    struct group_scan *scan = scan_of(srv, set);
    if (scan != NULL) scan->waited = true;
    count_bytes(srv, set, scan);
    if (list_linked(&set->scanning)) return;
    if (live_is_watching(&set->watch.live)) {
        if (scan != NULL && scan->looked >= set->watched_from) return;
        stop_waiting(srv, set); /* it has begun again, before that */
    }
    if (scan == NULL || !scan->asked) list_append(&b->scanning, &set->scanning);
}

/* Those who load something go on by themselves, and so do those who were run. */
void blocked_scan_served(struct server *srv, struct blocked_set *set) {
    const struct group_scan *scan = scan_of(srv, set);
    if (set->links > 0 && scan != NULL && scan->count == 0) blocked_scan(srv, set);
}

bool blocking_scans(const struct server *srv) {
    bool scanning = !list_empty(&srv->blocking->scanning) && store_writable(srv->store);
    return scanning || !list_empty(&srv->model.scanned);
}

void blocked_scan_end(struct server *srv, struct blocked_set *set) {
    struct group_scan *scan = any_scan_of(srv, set);
    if (scan != NULL) scan->waited = false;
    count_bytes(srv, set, NULL);
    note_looked(srv, set);
    list_remove(&set->scanning);
    stop_waiting(srv, set);
    if (set->selector == NULL) return;
    live_drop(&srv->blocking->live, set->held);
    selector_unref(set->selector);
    set->selector = NULL;
    srv->blocking->waiting_groups--;
}

size_t blocking_groups(const struct server *srv) {
    return srv->blocking->waiting_groups;
}

uint64_t blocking_groups_bytes(const struct server *srv) {
    return srv->blocking->groups_bytes;
}

bool blocked_scan_has(struct server *srv, const struct blocked_set *set) {
    const struct model *m = &srv->model;
    const struct group_scan *scan = scan_of(srv, set);
    return scan == NULL || scan->failed ||
           group_scan_has(scan, model_visible_end(m, NULL, model_settled(m)));
}

/* At the head: what comes is looked at for all who wait for the same, once. */
static void wait_for_events(struct server *srv, struct blocked_set *set, uint64_t from) {
    set->watch.set = set;
    set->watch.live.from = set->watched_from = from;
    set->watched_renames = srv->model.renamed.count;
    set->watch.live.emptied = false;
    live_watch(&srv->blocking->live, &srv->model, set->selector, &set->watch.live);
    list_append(&srv->blocking->at_head, &set->at_head);
}

void blocked_scan_woken(struct server *srv, struct blocked_set *set) {
    struct group_scan *scan = scan_of(srv, set);
    const struct live_watcher *woken = &set->watch.live;
    if (scan != NULL && !woken->emptied) {
        group_scan_quiet(scan, set->watched_from, woken->quiet_from, woken->quiet_to,
                         set->watched_renames);
        group_scan_skip(scan, set->watched_from, woken->from);
    }
    list_remove(&set->at_head);
    if (!list_linked(&set->scanning)) list_append(&srv->blocking->scanning, &set->scanning);
}

static void record(struct server *srv, struct group_scan *scan) {
    if (!group_scan_is_behind(scan) || !store_writable(srv->store)) return;
    if (group_scan_record(scan)) model_commit(&srv->model);
}

void blocking_note_scans(struct server *srv) {
    LIST_FOR_EACH (it, &srv->blocking->at_head)
        note_looked(srv, LIST_ENTRY(it, struct blocked_set, at_head));
}

void blocked_record_scans(struct server *srv) {
    blocking_note_scans(srv);
    LIST_FOR_EACH (it, &srv->blocking->at_head) {
        struct group_scan *scan = scan_of(srv, LIST_ENTRY(it, struct blocked_set, at_head));
        if (scan != NULL) record(srv, scan);
    }
}

static void look_on(struct server *srv, struct blocked_set *set) {
    struct blocking *b = srv->blocking;
    struct model *m = &srv->model;
    struct group_scan *scan = scan_of(srv, set);
    uint64_t settled = model_settled(m), head = model_visible_end(m, NULL, settled);
    count_bytes(srv, set, scan);
    if (scan == NULL || scan->failed) {
        blocked_key_has_new(b, set->key);
        return;
    }
    scan->waited = true;
    group_scan_step(scan, settled);
    record(srv, scan);
    if (scan->asked) return;
    if (scan->count > 0 && group_scan_has(scan, head)) {
        blocked_key_has_new(b, set->key);
    } else if (scan->count > 0 || scan->looked >= head) {
        wait_for_events(srv, set, MIN(scan->looked, head));
        if (set->hurried > 0) blocked_key_has_new(b, set->key);
    } else {
        list_append(&b->scanning, &set->scanning);
    }
}

/* What a reader has brought. */
static void take_scanned(struct server *srv, struct group_scan *scan) {
    struct blocking *b = srv->blocking;
    const struct cgroup *g = scan->group;
    struct blocked_key *key = blocked_key_find(b, stream_name_str(g->stream->name));
    struct blocked_set *set = key != NULL ? blocked_set_find(b, key, SET_GROUP, g->name) : NULL;
    if (set != NULL && set->selector != NULL) blocked_scan(srv, set);
}

void blocking_serve_scans(struct server *srv) {
    struct blocking *b = srv->blocking;
    struct list *scanned = &srv->model.scanned;
    while (!list_empty(scanned)) {
        struct group_scan *scan = LIST_ENTRY(scanned->next, struct group_scan, node);
        list_remove(&scan->node);
        take_scanned(srv, scan);
    }
    if (!store_writable(srv->store)) return; /* nothing can be delivered */
    for (size_t n = 0; n < SCANS_A_TURN && !list_empty(&b->scanning); n++) {
        struct blocked_set *set = LIST_ENTRY(b->scanning.next, struct blocked_set, scanning);
        list_remove(&set->scanning);
        look_on(srv, set);
    }
}
