/* See log_read.h. */
#include "commands/stream/log_read.h"

#include "server/command/virtual.h"
#include "server/server.h"
#include "stream/gone/remove.h"
#include "server/wait/blocking.h"
#include "server/wait/need.h"
#include "commands/event/used_view.h"

#define SELECTORS_BYTES_MAX ((size_t)1 << 20) /* of one command: some 20 ms to make them */
#define NEWER_ALWAYS        ((size_t)16)      /* events, in any turn */

bool log_selector_or_reply(struct client *c, struct str name, uint64_t view,
                           struct selector **out) {
    struct str of;
    if (virtual_of_view(name, &of)) return view_selector_or_reply(c, of, view, out);
    *out = virtual_selector(name);
    return true;
}

bool log_selectors_or_reply(struct client *c, struct str name, uint64_t view, size_t *bytes,
                            struct selector **out) {
    if (!log_selector_or_reply(c, name, view, out)) return false;
    *bytes += (*out)->size;
    if (*bytes <= SELECTORS_BYTES_MAX) return true;
    selector_unref(*out);
    *out = NULL;
    reply_error(c,
                "TOOLARGE what the command's virtual streams select by takes more than %zu bytes: "
                "read them with several commands",
                SELECTORS_BYTES_MAX);
    return false;
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

static bool need_log_end_in_exec(struct client *c, uint64_t view, struct selector *selector,
                                 bool last, struct log_search *search, struct event **out);

/* What may be looked at next: at least what was found in an earlier turn. */
static size_t looks_for(struct client *c, struct log_search *search, uint64_t left,
                        size_t at_once) {
    bool keeps = search->at != NULL, found = keeps && *search->found != 0;
    size_t looks = keeps ? blocking_looks_for(c, left) : at_once;
    if (looks == 0 && found) return 1;
    search->paused = keeps && looks == 0;
    search->overdone = !keeps && looks == 0;
    return looks;
}

/* What a read has looked at and found. To find again what an earlier turn has found counts for
 * nothing: else many that have found something would keep each other from getting on. */
static void note_search(struct client *c, struct log_search *search, const struct read *r,
                        bool known) {
    if (search->at == NULL) return;
    if (*search->found == 0 || r->found == 0) blocking_looked_at(c, r->work + r->found);
    if (known) *search->found = r->found > 0;
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

/* The search for the last one has ended, from where the log ended when it began: looks at what has
 * come since. Not at what has left memory already, or is too much: that would never end while very
 * much comes. And who waits has begun to wait when there was none. */
static void look_at_newer(struct client *c, uint64_t view, struct selector *selector,
                          struct log_search *search, struct event **out) {
    uint64_t head = log_head(c, view), start = *search->head;
    if (start >= head || start < c->srv->model.log.first || blocking_has_waited(c)) return;
    struct read r = {.start = start,
                     .end = head - 1,
                     .reverse = true,
                     .selector = selector,
                     .horizon = view,
                     .work_max = MAX(blocking_looks_for(c, head - start), NEWER_ALWAYS),
                     .enough = true,
                     .count = 1};
    bool known = need_read(c, &r);
    assert(known); /* it is in memory */
    blocking_looked_at(c, r.work + r.found);
    if (r.found > 0) {
        *out = r.events[0];
        *search->at = r.events[0]->rec.sequence + 2;
        *search->found = 1;
    }
    if (r.found > 0 || !r.has_more) *search->head = head;
    read_clear(&r);
}

static bool search_end(struct client *c, uint64_t view, struct selector *selector, bool last,
                       struct log_search *search, struct event **out) {
    uint64_t head = log_head(c, view);
    uint64_t start = 0, end = head; /* where it is looked for: [start, end) */
    *out = NULL;
    if (search->at != NULL && *search->at > 0) {
        if (last) end = MIN(head, *search->at - 1);
        if (!last) start = *search->at - 1;
    }
    size_t at_once = BLOCKING_LOOKS_AT_ONCE;
    while (start < end) {
        size_t looks = looks_for(c, search, end - start, at_once);
        if (looks == 0) return false;
        struct read r = {.start = start,
                         .end = end - 1,
                         .reverse = last,
                         .selector = selector,
                         .horizon = view,
                         .work_max = looks,
                         .enough = true,
                         .count = 1};
        bool known = need_read(c, &r);
        note_search(c, search, &r, known);
        at_once -= MIN(at_once, r.work);
        if (known && r.found > 0) *out = r.events[0];
        bool more = known && r.found == 0 && r.has_more;
        if (known) narrow(&r, *out, &start, &end);
        read_clear(&r);
        if (search->at != NULL && known) *search->at = last ? end + 1 : start + 1;
        if (!more) return known;
    }
    return true;
}

bool need_log_end(struct client *c, uint64_t view, struct selector *selector, bool last,
                  struct log_search *search, struct event **out) {
    if (search->looked != NULL) return need_log_end_in_exec(c, view, selector, last, search, out);
    bool keeps = last && search->at != NULL;
    if (keeps && *search->at == 0) *search->head = log_head(c, view);
    if (!search_end(c, view, selector, last, search, out)) return false;
    if (keeps) look_at_newer(c, view, selector, search, out);
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

/* --- ranges --- */

/* What lies on disk is read in pages, by a selector that the readers apply; they stay until the
 * command has replied, so they are gone through by each of its runs. What lies in memory is looked
 * at once, in portions, and only where it was found is kept. */
struct listing {
    struct client *c;
    struct entry_list *list;
    struct entry_range range;  /* what is left of it */
    struct log_looked *looked; /* NULL: nothing is kept; then so much may be looked at: */
    size_t at_once;
};

static uint64_t wanted(const struct listing *g) {
    return g->range.most - MIN(g->range.most, (uint64_t)g->list->count);
}

static bool is_in_memory(const struct listing *g) {
    uint64_t first = g->c->srv->model.log.first;
    return g->range.reverse ? g->range.end > first : g->range.start >= first;
}

/* It was found by an earlier run, and may have been removed since. */
static void add_found(struct listing *g, uint64_t sequence) {
    struct model *m = &g->c->srv->model;
    const struct entry_range *r = &g->range;
    struct event *e = model_event(m, sequence);
    if (model_hides(m, e, UINT64_MAX, r->view)) return;
    if (m->renamed.table.count > 0 && selector_has_names(r->selector) &&
        !selector_match(r->selector, &e->rec, stream_name_str(model_name_at(m, e, r->view))))
        return;
    entry_list_add(g->list, model_erased(m, e, r->view));
}

/* The range, which begins in memory, goes on behind what earlier runs have looked at. false: they
 * have not looked at what it begins with. */
static bool pass_looked(struct listing *g) {
    const struct log_looked *k = g->looked;
    struct entry_range *r = &g->range;
    if (k == NULL || k->from == k->to) return false;
    bool goes_on =
        r->reverse ? r->end > k->from && r->end <= k->to : r->start >= k->from && r->start < k->to;
    if (!goes_on) return false;
    uint64_t low = MAX(MAX(r->start, k->from), g->c->srv->model.log.first);
    uint64_t high = MIN(r->end, k->to);
    for (size_t i = 0; i < k->count && wanted(g) > 0; i++) {
        uint64_t sequence = k->found[r->reverse ? k->count - 1 - i : i];
        if (sequence >= low && sequence < high) add_found(g, sequence);
    }
    if (r->reverse)
        r->end = low;
    else
        r->start = high;
    return true;
}

/* What the running transaction has appended begins there: it is taken back when EXEC is run again,
 * so nothing of it is kept, and it is bounded by the frame. */
static uint64_t own_events(const struct client *c) {
    const struct model *m = &c->srv->model;
    return c->srv->exec.client == c ? model_visible_end(m, NULL, m->decided) : UINT64_MAX;
}

/* The part of the range that is looked at next: [*low, *high), up to what was looked at before, if
 * that lies further on. true: it is the transaction's own. */
static bool next_part(const struct listing *g, uint64_t *low, uint64_t *high) {
    const struct log_looked *k = g->looked;
    uint64_t own = own_events(g->c);
    bool reverse = g->range.reverse, kept = k != NULL && k->from < k->to;
    *low = MAX(g->range.start, g->c->srv->model.log.first);
    *high = g->range.end;
    bool is_own = reverse ? *high > own : *low >= own;
    if (is_own && reverse) *low = MAX(*low, own);
    if (!is_own && !reverse) *high = MIN(*high, own);
    if (!is_own && kept && !reverse && *low < k->from) *high = MIN(*high, k->from);
    if (!is_own && kept && reverse && *high > k->to) *low = MAX(*low, k->to);
    return is_own;
}

/* false: no more in this turn. */
static bool look_on(struct listing *g) {
    struct client *c = g->c;
    struct entry_range *range = &g->range;
    uint64_t from, to;
    bool is_own = next_part(g, &from, &to);
    size_t looks = is_own              ? SIZE_MAX
                   : g->looked != NULL ? blocking_looks_for(c, to - from)
                                       : g->at_once;
    if (looks == 0) return false;
    struct read r = {.start = from,
                     .end = to - 1,
                     .reverse = range->reverse,
                     .count = (size_t)MIN(wanted(g), (uint64_t)SIZE_MAX - 1),
                     .selector = range->selector,
                     .horizon = range->view,
                     .enough = true,
                     .work_max = looks};
    struct read_range need;
    bool known = model_read(&c->srv->model, &r, NULL, &need);
    assert(known); /* it is in memory */
    if (r.has_more && r.reverse) from = r.next + 1;
    if (r.has_more && !r.reverse) to = r.next;
    if (g->looked != NULL && !is_own) {
        blocking_looked_at(c, r.work + r.found);
        blocking_note_looked(c, g->looked, from, to, r.events, r.found);
    }
    g->at_once -= MIN(g->at_once, r.work);
    entry_list_take(g->list, &r);
    read_clear(&r);
    if (range->reverse)
        range->end = from;
    else
        range->start = to;
    return true;
}

/* Where the pages end the range begins in memory. */
static bool read_pages(struct listing *g) {
    struct entry_range *range = &g->range;
    struct read r = {.start = range->start,
                     .end = range->end - 1,
                     .reverse = range->reverse,
                     .count = (size_t)MIN(wanted(g), (uint64_t)SIZE_MAX - 1),
                     .selector = range->selector,
                     .horizon = range->view,
                     .enough = true,
                     .work_max = 1,
                     .goes_on = true};
    bool known = need_read(g->c, &r);
    if (known && range->reverse) range->end = r.has_more ? r.next + 1 : range->start;
    if (known && !range->reverse) range->start = r.has_more ? r.next : range->end;
    if (known) entry_list_take(g->list, &r);
    read_clear(&r);
    return known;
}

enum step { READ, LOADS, LOOKED_ENOUGH };

/* Reads on, some of what is left. */
static enum step read_on(struct listing *g) {
    if (!is_in_memory(g)) return read_pages(g) ? READ : LOADS;
    return pass_looked(g) || look_on(g) ? READ : LOOKED_ENOUGH;
}

static bool is_left(const struct listing *g) {
    return g->range.start < g->range.end && wanted(g) > 0;
}

bool log_list_or_reply(struct client *c, struct entry_list *l, struct entry_range range,
                       struct log_looked *looked, const char *advice, enum outcome *outcome) {
    struct listing g = {
        .c = c, .list = l, .range = range, .looked = looked, .at_once = BLOCKING_LOOKS_AT_ONCE};
    enum step step = READ;
    while (is_left(&g) && (step = read_on(&g)) == READ)
        if (entry_list_is_enough(c, l, range.bytes_max)) break;
    bool fits = l->count <= 1 || !entry_list_is_over(l, range.bytes_max);
    *outcome = REPLIED;
    if (step == READ && !is_left(&g) && fits) return true;
    if (step == READ) {
        reply_too_long(c, advice);
    } else if (step == LOADS) {
        *outcome = PARKED;
    } else if (g.looked != NULL) {
        blocking_pause(c);
        *outcome = PARKED;
    } else {
        blocking_reply_looks_too_long(c);
    }
    return false;
}

bool log_list_some(struct client *c, struct entry_list *l, struct entry_range range) {
    struct listing g = {.c = c, .list = l, .range = range, .looked = range.looked};
    size_t had = l->count;
    assert(!range.reverse && range.partly && range.looked != NULL);
    g.range.end = MIN(range.end, log_head(c, range.view));
    g.range.most = range.most > UINT64_MAX - had ? UINT64_MAX : range.most + had;
    l->reached = range.start;
    l->paused = false;
    while (is_left(&g) && l->count == had) {
        enum step step = read_on(&g);
        if (step == LOADS) return false;
        l->reached = g.range.start;
        l->paused = step == LOOKED_ENOUGH && l->count == 0;
        if (step == LOOKED_ENOUGH) break;
    }
    l->cut = l->count > had && entry_list_is_enough(c, l, range.bytes_max);
    return true;
}

/* Of the moment of this run, whatever an earlier one has found. */
static bool need_log_end_in_exec(struct client *c, uint64_t view, struct selector *selector,
                                 bool last, struct log_search *search, struct event **out) {
    struct entry_list list = {0};
    struct listing g = {.c = c, .list = &list, .looked = search->looked};
    enum step step = READ;
    g.range = (struct entry_range){
        .end = log_head(c, view), .reverse = last, .most = 1, .view = view, .selector = selector};
    while (is_left(&g) && (step = read_on(&g)) == READ) {}
    *out = list.count > 0 ? list.events[0] : NULL;
    search->paused = step == LOOKED_ENOUGH;
    entry_list_clear(&list);
    return step == READ;
}
