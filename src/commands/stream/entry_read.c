/* See entry_read.h. */
#include "commands/stream/entry_read.h"

#include "base/alloc.h"
#include "stream/entry.h"
#include "stream/gone/remove.h"
#include "server/server.h"
#include "server/wait/need.h"
#include "commands/stream/log_read.h"

#define LOADED_SPARE (UINT64_C(64) << 20) /* bytes: several pages are asked for at a time */

void entry_list_add(struct entry_list *l, struct event *e) {
    if (l->count == l->cap) {
        l->cap = l->cap == 0 ? 16 : l->cap * 2;
        l->events = xrealloc(l->events, l->cap * sizeof *l->events);
    }
    l->events[l->count++] = e;
    l->bytes += e->size;
}

void entry_list_take(struct entry_list *l, struct read *r) {
    l->bytes += r->bytes;
    if (l->count == 0) { /* nearly always: the first read is all of it */
        free(l->events);
        l->events = r->events;
        l->count = r->found;
        l->cap = r->cap;
        r->events = NULL;
        return;
    }
    if (l->cap - l->count < r->found) {
        l->cap = MAX(l->cap * 2, l->count + r->found);
        l->events = xrealloc(l->events, l->cap * sizeof *l->events);
    }
    if (r->found > 0) memcpy(l->events + l->count, r->events, r->found * sizeof *r->events);
    l->count += r->found;
}

bool entry_list_is_over(struct entry_list *l, uint64_t bytes_max) {
    if (l->bytes <= bytes_max) return false;
    l->bytes = 0; /* it may be less */
    for (size_t i = 0; i < l->count; i++) {
        event_fetch_ahead(l->events, l->count, i);
        l->bytes += l->events[i]->size;
    }
    return l->bytes > bytes_max;
}

/* Or what was loaded for it takes more: of that much may have been removed meanwhile. */
bool entry_list_is_enough(const struct client *c, struct entry_list *l, uint64_t bytes_max) {
    if (l->count == 0) return false;
    return entry_list_is_over(l, bytes_max) ||
           need_page_bytes(c) > 2 * MIN(bytes_max, UINT64_MAX / 4) + LOADED_SPARE;
}

bool entry_list_read(struct client *c, struct entry_list *l, struct stream *s,
                     struct entry_range range) {
    if (UNLIKELY(range.looked != NULL)) return log_list_some(c, l, range);
    uint64_t left = range.most;
    size_t at_once = range.selector != NULL ? BLOCKING_LOOKS_AT_ONCE : SIZE_MAX;
    l->reached = range.reverse ? range.end : range.start;
    while (range.start < range.end && left > 0) {
        size_t looks = range.pauses ? blocking_looks_left(c) : 0;
        if (range.begins && l->count == 0) looks = MAX(looks, (size_t)1);
        l->paused = range.pauses && looks == 0 && l->count == 0;
        l->overdone = !range.pauses && at_once == 0;
        if ((range.pauses && looks == 0) || l->overdone) return true;
        struct read r = {.stream = s,
                         .start = range.start,
                         .end = range.end - 1,
                         .reverse = range.reverse,
                         .count = (size_t)MIN(left, (uint64_t)SIZE_MAX - 1),
                         .selector = range.selector,
                         .horizon = range.view,
                         .work_max = looks,
                         .enough = range.selector != NULL,
                         .goes_on = true};
        bool known = need_read(c, &r);
        uint64_t next = r.next;
        bool more = r.has_more;
        if (range.pauses) blocking_looked_at(c, r.work + r.found);
        at_once -= MIN(at_once, r.work);
        if (left != UINT64_MAX) left -= MIN(left, (uint64_t)r.found);
        if (known) entry_list_take(l, &r);
        read_clear(&r);
        if (!known) return false;
        l->reached = range.reverse ? (more ? next + 1 : range.start) : more ? next : range.end;
        if (!more || left == 0) return true;
        l->paused = range.pauses && l->count == 0;
        if (l->paused || (range.partly && l->count > 0)) return true;
        if (entry_list_is_enough(c, l, range.bytes_max)) {
            l->cut = true;
            return true;
        }
        if (range.reverse)
            range.end = next + 1;
        else
            range.start = next;
    }
    return true;
}

/* By their number. */
static bool may_fit(const struct stream *s, const struct entry_range *range) {
    if (s == NULL) return true; /* who knows */
    uint64_t from = MAX(range->start, stream_first_version(s));
    uint64_t to = MIN(range->end, s->next_version);
    if (from >= to) return true;
    uint64_t n = to - from - (s->extra != NULL ? holes_between(&s->extra->holes, from, to) : 0);
    return MIN(n, range->most) <= range->bytes_max / sizeof(struct event);
}

bool entry_list_all(struct client *c, struct entry_list *l, struct stream *s,
                    struct entry_range range, bool *fits) {
    *fits = may_fit(s, &range);
    if (!*fits) return true;
    if (!entry_list_read(c, l, s, range)) return false;
    *fits = !l->cut && (l->count <= 1 || !entry_list_is_over(l, range.bytes_max));
    return true;
}

void entry_list_clear(struct entry_list *l) {
    free(l->events);
    *l = (struct entry_list){0};
}

#define SPAN 1000 /* versions that one read looks at */

/* What is read: a stream, or the log (s NULL). */
struct places {
    struct stream *s;
    uint64_t view;
    uint64_t first, next; /* those that are in memory: [first, next) */
};

static struct places places_of(struct client *c, struct stream *s, uint64_t view) {
    const struct model *m = &c->srv->model;
    if (s != NULL) return (struct places){s, view, stream_tail_first(s), s->next_version};
    return (struct places){NULL, view, m->log.first, model_visible_end(m, NULL, view)};
}

static bool may_exist(const struct places *p, uint64_t place) {
    return p->s != NULL ? stream_has_version(p->s, place) : place < p->next;
}

/* NULL: it was removed. */
static struct event *in_memory(struct model *m, const struct places *p, uint64_t place) {
    if (p->s != NULL) return stream_event(p->s, place);
    struct event *e = model_erased(m, model_event(m, place), p->view);
    return model_hides(m, e, UINT64_MAX, p->view) ? NULL : e;
}

/* How many of the places from the first on one read can fetch: neighbours, more or less. */
static size_t span_of(const struct places *p, const uint64_t *places, size_t n) {
    size_t k = 1;
    while (k < n && places[k] - places[0] < SPAN && places[k] - places[k - 1] <= 64 &&
           places[k] < p->first)
        k++;
    return k;
}

static void pick(const struct read *r, const uint64_t *places, size_t n, struct event **out) {
    for (size_t i = 0, at = 0; i < n; i++) {
        while (at < r->found && entry_place(r->stream, r->events[at]) < places[i]) at++;
        if (at < r->found && entry_place(r->stream, r->events[at]) == places[i])
            out[i] = r->events[at];
    }
}

/* The places ascend. */
static bool ascending_at(struct client *c, struct stream *s, uint64_t view,
                         const uint64_t *versions, size_t n, bool heads, struct event **out) {
    const struct places p = places_of(c, s, view);
    bool all = true;
    for (size_t i = 0, k; i < n; i += k) {
        k = 1;
        out[i] = NULL;
        if (!may_exist(&p, versions[i])) continue;
        if (versions[i] >= p.first) {
            out[i] = in_memory(&c->srv->model, &p, versions[i]);
            continue;
        }
        k = span_of(&p, versions + i, n - i);
        for (size_t j = i; j < i + k; j++) out[j] = NULL;
        struct read r = {.stream = s,
                         .start = versions[i],
                         .end = versions[i + k - 1],
                         .count = SPAN,
                         .horizon = view,
                         .heads = heads};
        if (need_read(c, &r)) {
            if (r.has_more) /* large events: what did not fit is another read */
                while (versions[i + k - 1] >= r.next) k--;
            pick(&r, versions + i, k, out + i);
        } else {
            all = false;
        }
        read_clear(&r);
    }
    return all;
}

bool need_position(struct client *c, struct cgroup *g, struct stream *s, uint64_t *version) {
    struct entry_id beyond = g->last;
    *version = g->cursor;
    if (g->cursor != CURSOR_UNKNOWN) return true;
    *version = s->next_version;
    if (entry_id_next(&beyond) && !need_entry(c, s, beyond, version)) return false;
    /* Entries that will be added may not be beyond a position that is itself beyond the last id;
     * and what a transaction has added may be taken back. */
    if (entry_id_cmp(g->last, stream_last_id(s)) <= 0 && !c->srv->model.in_transaction)
        g->cursor = *version;
    return true;
}

struct wanted {
    uint64_t version;
    size_t index;
};

static int wanted_cmp(const void *a, const void *b) {
    const struct wanted *x = a, *y = b;
    if (x->version != y->version) return x->version < y->version ? -1 : 1;
    return 0;
}

static bool is_ascending(const uint64_t *versions, size_t n) {
    for (size_t i = 1; i < n; i++)
        if (versions[i - 1] >= versions[i]) return false;
    return true;
}

bool entries_at(struct client *c, struct stream *s, uint64_t view, const uint64_t *versions,
                size_t n, bool heads, struct event **out) {
    if (s == NULL && view == VIEW_NEWEST) client_tells(c, c->srv->model.decided);
    if (is_ascending(versions, n)) return ascending_at(c, s, view, versions, n, heads, out);
    struct wanted *wanted = xmalloc(n * sizeof *wanted);
    for (size_t i = 0; i < n; i++) wanted[i] = (struct wanted){versions[i], i};
    qsort(wanted, n, sizeof *wanted, wanted_cmp);
    uint64_t *each = xmalloc(n * sizeof *each);
    struct event **events = xmalloc(n * sizeof(struct event *));
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        if (i == 0 || wanted[i].version != wanted[i - 1].version) each[count++] = wanted[i].version;
    bool known = ascending_at(c, s, view, each, count, heads, events);
    for (size_t i = 0, at = 0; i < n; i++) {
        if (wanted[i].version != each[at]) at++;
        out[wanted[i].index] = events[at];
    }
    free(wanted);
    free(each);
    free(events);
    return known;
}

#define WITHIN_FIRST 64 /* entries that are looked up before their size is known */

bool entries_within(struct client *c, struct stream *s, uint64_t view, const uint64_t *versions,
                    size_t n, bool heads, uint64_t bytes_max, struct event **out, size_t *found) {
    uint64_t bytes = 0;
    size_t at = 0, portion = WITHIN_FIRST;
    while (at < n && bytes <= bytes_max) {
        size_t k = MIN(portion, n - at);
        if (!entries_at(c, s, view, versions + at, k, heads, out + at)) return false;
        for (size_t i = at; i < at + k; i++) bytes += out[i] != NULL ? out[i]->size : 0;
        at += k;
        /* The others will be as large as these. */
        uint64_t more = (bytes_max - MIN(bytes, bytes_max)) / (bytes / at + 1);
        portion = (size_t)MAX(more, (uint64_t)WITHIN_FIRST);
    }
    *found = at;
    return true;
}

bool need_entries(struct client *c, struct stream *s, const struct entry_id *ids, size_t n,
                  bool heads, struct event **out) {
    bool all = true;
    for (size_t i = 0; i < n; i++) {
        uint64_t version;
        out[i] = NULL;
        bool known = need_entry(c, s, ids[i], &version) &&
                     (heads ? need_version_head : need_version)(c, s, version, &out[i]);
        if (!known)
            all = false;
        else if (out[i] != NULL && entry_id_cmp(event_entry_id(out[i]), ids[i]) != 0)
            out[i] = NULL;
    }
    return all;
}
