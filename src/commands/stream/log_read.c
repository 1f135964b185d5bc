/* See log_read.h. */
#include "commands/stream/log_read.h"

#include "server/command/virtual.h"
#include "server/server.h"
#include "server/wait/blocking.h"
#include "server/wait/need.h"
#include "commands/event/used_view.h"

bool log_selector_or_reply(struct client *c, struct str name, uint64_t view,
                           struct selector **out) {
    struct str of;
    if (virtual_of_view(name, &of)) return view_selector_or_reply(c, of, view, out);
    *out = virtual_selector(name);
    return true;
}

uint64_t log_head(struct client *c, uint64_t view) {
    const struct model *m = &c->srv->model;
    if (view == VIEW_NEWEST) client_tells(c, m->decided);
    return model_visible_end(m, NULL, view);
}

/* The first event that is selected in [start, end]; from the end when reversed. */
static bool need_one(struct client *c, struct read r, struct event **out) {
    const uint64_t start = r.start, end = r.end;
    *out = NULL;
    r.count = 1;
    r.enough = true;
    while (true) {
        bool known = need_read(c, &r);
        if (known && r.found > 0) *out = r.events[0];
        bool more = known && r.found == 0 && r.has_more;
        uint64_t next = r.next;
        read_clear(&r);
        if (!more) return known;
        r.start = r.reverse ? start : next; /* all of a page was removed, or none was selected */
        r.end = r.reverse ? next : end;
    }
}

/* After a read: what is left to look at. All of a page may have been removed, or not selected; the
 * search stays at what it has found. */
static void narrow(const struct read *r, const struct event *found, uint64_t *start,
                   uint64_t *end) {
    if (r->reverse)
        *end = found != NULL ? found->rec.sequence + 1 : r->has_more ? r->next + 1 : *start;
    else
        *start = found != NULL ? found->rec.sequence : r->has_more ? r->next : *end;
}

bool need_log_end(struct client *c, uint64_t view, struct selector *selector, bool last,
                  struct log_search *search, struct event **out) {
    uint64_t head = log_head(c, view);
    uint64_t start = 0, end = head; /* where it is looked for: [start, end) */
    *out = NULL;
    if (search->at != NULL && *search->at > 0) {
        if (last) end = MIN(head, *search->at - 1);
        if (!last) start = *search->at - 1;
    }
    while (start < end) {
        size_t looks = search->at != NULL ? blocking_looks_left(c) : 0;
        search->paused = search->at != NULL && looks == 0;
        if (search->paused) return false;
        struct read r = {.start = start,
                         .end = end - 1,
                         .reverse = last,
                         .selector = selector,
                         .horizon = view,
                         .work_max = looks,
                         .enough = true,
                         .count = 1};
        bool known = need_read(c, &r);
        if (search->at != NULL) blocking_looked_at(c, r.work + r.found);
        if (known && r.found > 0) *out = r.events[0];
        bool more = known && r.found == 0 && r.has_more;
        if (known) narrow(&r, *out, &start, &end);
        read_clear(&r);
        if (search->at != NULL && known) *search->at = last ? end + 1 : start + 1;
        if (!more) return known;
    }
    return true;
}

bool need_log_last(struct client *c, uint64_t view, struct entry_id *id) {
    const struct model *m = &c->srv->model;
    uint64_t head = log_head(c, view);
    struct event *e = NULL;
    *id = ENTRY_ID_MIN;
    if (head == 0) return true;
    if (head - 1 >= m->log.first)
        e = model_event(m, head - 1); /* perhaps removed: later ones are beyond it all the same */
    else if (!need_one(
                 c, (struct read){.end = head - 1, .reverse = true, .horizon = view, .heads = true},
                 &e))
        return false;
    if (e != NULL) *id = event_log_id(e);
    return true;
}

/* In memory: the first sequence in [first, head) that was recorded at `ms` or later. */
static uint64_t halve(const struct model *m, uint64_t ms, uint64_t head) {
    uint64_t low = m->log.first, high = head;
    while (low < high) {
        uint64_t mid = low + (high - low) / 2;
        if (model_event(m, mid)->rec.recorded < ms)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

/* The first sequence below the head that was recorded at `ms` or later; else the head. */
static bool need_since(struct client *c, uint64_t view, uint64_t ms, uint64_t head,
                       uint64_t *sequence) {
    const struct model *m = &c->srv->model;
    uint64_t first = m->log.first;
    *sequence = 0;
    if (ms == 0 || head == 0) return true;
    *sequence = first < head ? halve(m, ms, head) : head;
    if (first == 0 || (first<head && * sequence> first)) return true;
    struct selector_draft draft = {0};
    selector_draft_since(&draft, ms);
    struct selector *since = selector_create(&draft);
    struct event *e;
    bool known = need_one(
        c, (struct read){.end = head - 1, .selector = since, .horizon = view, .heads = true}, &e);
    if (known && e != NULL) *sequence = e->rec.sequence;
    selector_unref(since);
    return known;
}

bool need_log_place(struct client *c, uint64_t view, struct entry_id at, uint64_t *sequence) {
    const struct model *m = &c->srv->model;
    uint64_t head = log_head(c, view), from, to;
    struct event *e = NULL;
    *sequence = head;
    if (at.seq < head && at.seq >= m->log.first) {
        e = model_event(m, at.seq);
    } else if (at.seq < head) {
        struct read r = {.start = at.seq, .end = at.seq, .horizon = view, .heads = true};
        if (!need_one(c, r, &e)) return false;
    }
    if (e != NULL && e->rec.recorded == at.ms) { /* mostly: an id that somebody was given */
        *sequence = at.seq;
        return true;
    }
    if (!need_since(c, view, at.ms, head, &from)) return false;
    to = head;
    if (at.ms < UINT64_MAX && !need_since(c, view, at.ms + 1, head, &to)) return false;
    *sequence = MAX(from, MIN(at.seq, to));
    return true;
}
