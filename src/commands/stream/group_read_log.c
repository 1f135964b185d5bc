/* XREADGROUP on a virtual stream: a group reads the log, where its events lie scattered. What is in
 * memory is read in the command, what is on disk the group's scan finds, for all of its consumers
 * (stream/group/group_scan.h); then the command reads it by sequence. */
#include "base/alloc.h"
#include "server/server.h"
#include "commands/stream/group_read.h"
#include "commands/stream/log_read.h"

/* Whether it is still to be delivered: a position may lie ahead of the clock, a name may have
 * changed. */
static bool is_due(const struct client *c, const struct group_source *src, const struct event *e) {
    const struct model *m = &c->srv->model;
    return entry_id_cmp(event_log_id(e), src->group->last) > 0 &&
           selector_match(src->selector, &e->rec, stream_name_str(model_name_at(m, e, src->view)));
}

/* What the scan has found beyond what was taken, by sequence. */
static bool find_found(struct client *c, struct group_source *src, struct budget *budget,
                       const struct group_scan *scan, uint64_t most) {
    const uint64_t *sequences = scan->found + scan->head + src->taken;
    uint64_t head = log_head(c, src->view), left = scan->count - src->taken;
    size_t n = (size_t)MIN(MIN(most, budget->entries), left), found = 0;
    while (n > 0 && sequences[n - 1] >= head) n--;
    if (n == 0) return true;
    struct event **events = xmalloc(n * sizeof *events);
    bool known =
        entries_within(c, NULL, src->view, sequences, n, false, budget->bytes, events, &found);
    for (size_t i = 0; known && i < found; i++) {
        bool due = events[i] != NULL && is_due(c, src, events[i]);
        if (due && !budget_take(budget, events[i])) break;
        if (due) entry_list_add(&src->list, events[i]);
        src->taken++;
    }
    free(events);
    return known;
}

/* What comes next in memory, or of EXEC, which cannot wait for the scan, from wherever it is. */
static bool find_next(struct client *c, struct group_source *src, struct budget *budget,
                      struct group_scan *scan, uint64_t most, bool in_exec) {
    uint64_t head = log_head(c, src->view);
    struct entry_list *l = &src->list;
    struct entry_range range = {.start = scan->looked,
                                .most = most,
                                .view = src->view,
                                .selector = src->selector,
                                .pauses = !in_exec || src->looked != NULL,
                                .partly = true,
                                .looked = src->looked};
    if (range.start >= head) return true;
    if (!budget_read(c, budget, l, NULL, range)) return false;
    src->next = MIN(l->reached, head);
    if (l->count > 0) src->next = l->events[l->count - 1]->rec.sequence + 1;
    size_t early = 0;
    while (early < l->count && !is_due(c, src, l->events[early])) early++;
    l->count -= early;
    if (early > 0) memmove(l->events, l->events + early, l->count * sizeof *l->events);
    if (l->count == 0 && !in_exec) group_scan_skip(scan, scan->looked, src->next);
    return true;
}

/* In EXEC, which may be taken back: the scan stays as it is. */
static bool find_in_exec(struct client *c, struct group_source *src, struct budget *budget,
                         struct group_scan *scan, uint64_t most) {
    uint32_t before;
    do {
        before = src->taken;
        if (!find_found(c, src, budget, scan, most)) return false;
    } while (src->list.count == 0 && src->taken > before);
    if (src->list.count > 0 || src->taken < scan->count) return true;
    return find_next(c, src, budget, scan, most, true);
}

bool group_find_in_log(struct client *c, const struct xread_args *a, struct group_source *src,
                       struct budget *budget) {
    struct model *m = &c->srv->model;
    bool in_exec = c->srv->exec.client != NULL;
    if (src->before != NULL) return true;
    struct group_scan *scan = group_scan_of(m, src->group, src->selector);
    struct entry_id from = scan->last;
    if (!scan->placed) {
        uint64_t place = log_head(c, src->view);
        if (entry_id_next(&from) && !need_log_place(c, src->view, from, &place)) return false;
        group_scan_place(scan, place);
    }
    uint64_t most = a->count - MIN(a->count, (uint64_t)src->again_count);
    if (in_exec) {
        if (!find_in_exec(c, src, budget, scan, most)) return false;
        src->unfinished = src->list.count == 0 && src->taken < scan->count;
        return true;
    }
    /* What the scan could not read fails here, and is replied. */
    bool in_memory = scan->looked >= m->log.first;
    bool here = scan->count == 0 && !scan->asked && (in_memory || scan->failed);
    if (!here) group_scan_step(scan, src->view);
    bool known = here ? find_next(c, src, budget, scan, most, false)
                      : find_found(c, src, budget, scan, most);
    if (!known) return false;
    scan->failed = false;
    if (src->list.count > 0) return true;
    group_scan_take(scan, src->taken);
    src->taken = 0;
    src->unfinished = scan->asked || scan->count > 0 || scan->looked < log_head(c, src->view);
    return true;
}

/* The position moves over a prefix of the log only: what is not durable yet and is taken back takes
 * the position back as well. */
void group_deliver_of_log(struct client *c, const struct xread_args *a, struct group_source *src,
                          struct consumer *consumer) {
    struct model *m = &c->srv->model;
    struct cgroup *g = src->group;
    struct group_scan *scan = g->scan;
    const struct entry_list *l = &src->list;
    for (size_t i = 0; i < l->count && !a->noack; i++)
        cgroup_pend(m, g, event_log_id(l->events[i]), 0, consumer, m->wall, 1);
    if (l->count == 0) return;
    cgroup_set_position(m, g, event_log_id(l->events[l->count - 1]), -1);
    group_scan_take(scan, src->taken);
    if (src->taken == 0) group_scan_skip(scan, scan->looked, src->next);
    group_scan_follow(scan);
}
