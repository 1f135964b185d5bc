/* Reading ranges; see read.h. Positions are versions of a stream or sequences of the log; `view`
 * hides which. Events of a view carry ascending frames (0: loaded from the backend), so that what
 * may be seen and what a page has already are found by bisection. */
#include "stream/read.h"

#include "base/alloc.h"
#include "stream/gone/remove.h"
#include "stream/internal.h"

#define PREFETCH_AHEAD   8
#define EXAMINED_ON_DISK 50000

struct view {
    const struct model *m;
    const struct stream *s; /* NULL: the log */
    uint64_t first, next;   /* positions in memory: [first, next) */
};

static struct event *view_event(const struct view *v, uint64_t at) {
    return v->s != NULL ? stream_event(v->s, at) : model_event(v->m, at);
}

/* The first position in memory whose frame is beyond `frame`; v->next when there is none. */
static uint64_t view_beyond(const struct view *v, uint64_t frame) {
    if (v->first == v->next || (v->s != NULL && v->s->last_frame <= frame) ||
        view_event(v, v->next - 1)->frame <= frame)
        return v->next;
    uint64_t low = v->first, high = v->next - 1; /* high is beyond */
    while (low < high) {
        uint64_t mid = low + (high - low) / 2;
        if (view_event(v, mid)->frame > frame)
            high = mid;
        else
            low = mid + 1;
    }
    return low;
}

static struct view view_of(const struct model *m, const struct stream *s) {
    if (s == NULL) return (struct view){.m = m, .first = m->log.first, .next = m->next_sequence};
    return (struct view){.m = m, .s = s, .first = stream_tail_first(s), .next = s->next_version};
}

uint64_t model_visible_end(const struct model *m, const struct stream *s, uint64_t horizon) {
    struct view v = view_of(m, s);
    return view_beyond(&v, horizon);
}

static void read_reserve(struct read *r, size_t more) {
    if (r->cap - r->found >= more) return;
    r->cap = MAX(MAX(r->cap * 2, (size_t)128), r->found + more);
    r->events = xrealloc(r->events, r->cap * sizeof *r->events);
}

static void read_add(struct read *r, struct event *e) {
    read_reserve(r, 1);
    r->events[r->found++] = e;
}

/* Offers one event. false: the read is complete (there is more: this event, at `at`). */
static bool read_offer(const struct model *m, struct read *r, struct event *e, uint64_t at,
                       bool selected) {
    if (r->selector != NULL && !selected) {
        struct stream_name *name = model_name_at(m, e, r->horizon);
        r->work += selector_work(r->selector, &e->rec, stream_name_str(name));
        if (!selector_match(r->selector, &e->rec, stream_name_str(name))) return true;
    }
    if (r->found == r->count || (r->found > 0 && r->bytes >= r->bytes_max)) {
        r->has_more = true;
        r->next = at;
        return false;
    }
    r->bytes += e->size;
    read_add(r, e);
    if (LIKELY(!r->enough) || r->found < r->count) return true;
    r->has_more = true;
    r->next = r->reverse ? at - 1 : at + 1;
    return false;
}

static uint64_t position(const struct read *r, const struct event *e) {
    return r->stream != NULL ? e->rec.version : e->rec.sequence;
}

/* Whether the event was removed. snapshot: see model_hides. */
static bool is_gone(struct model *m, const struct read *r, const struct event *e,
                    uint64_t snapshot) {
    if (r->stream == NULL) return model_hides(m, e, snapshot, r->horizon);
    return !stream_has_version(r->stream, e->rec.version);
}

static bool any_gone(const struct model *m, const struct read *r) {
    return r->stream == NULL ? m->hidden.table.count > 0 : r->stream->extra != NULL;
}

static const struct names_asked no_names;

static const struct names_asked *names_of(const struct read *r) {
    return r->names != NULL ? r->names : &no_names;
}

/* The reader has selected, but for names that he could not know. false: the read is complete. */
static bool read_page(struct model *m, struct read *r, const struct page *page) {
    bool by_name = r->stream == NULL && selector_has_names(r->selector);
    for (size_t i = 0; i < page->count; i++) {
        struct event *e = model_erased(m, page->events[i], r->horizon);
        if (position(r, e) < r->start) continue; /* the range began further down */
        if (is_gone(m, r, e, page->applied)) continue;
        bool selected = !by_name || !names_judge(m, names_of(r), e);
        if (!read_offer(m, r, e, position(r, e), selected)) return false;
    }
    if (page->done) return true;
    r->has_more = true;
    r->next = page->next;
    r->unsure = r->selector == NULL && any_gone(m, r);
    return false;
}

/* The fast path of read_memory for a stream without a selector: copies pointers only, since to look
 * at an event is a cache miss, and whoever composes the reply prefetches them. false: the slow path
 * must look at each; also for scattered events, where touching them now warms the TLB for the
 * reply. */
static bool read_unseen(struct model *m, struct read *r, uint64_t low, uint64_t high) {
    struct stream *s = r->stream;
    uint64_t n = MIN(high - low + 1, (uint64_t)(r->count - r->found));
    if (r->selector != NULL || n > r->bytes_max || r->bytes + n * s->largest > r->bytes_max)
        return false;
    if (model_note_read(m, stream_origin(s), r->reverse ? high + 1 - n : low, n)) return false;
    read_reserve(r, n);
    for (uint64_t i = 0; i < n; i++)
        r->events[r->found++] = stream_event(s, r->reverse ? high - i : low + i);
    r->bytes += n * s->largest;
    r->has_more = n <= high - low;
    if (r->has_more) r->next = r->reverse ? high - n : low + n;
    return true;
}

/* Positions low..high (inclusive) in memory, in the read's order. false: complete. */
static bool read_memory(struct model *m, struct read *r, const struct view *v, uint64_t low,
                        uint64_t high) {
    bool gone = any_gone(m, r), whole = m->erased.frame > r->horizon;
    if (r->stream != NULL && !gone && !whole && read_unseen(m, r, low, high)) return !r->has_more;
    for (uint64_t n = high - low + 1; n > 0; n--) {
        uint64_t at = r->reverse ? low + n - 1 : high - n + 1;
        if (n > PREFETCH_AHEAD)
            __builtin_prefetch(
                view_event(v, r->reverse ? at - PREFETCH_AHEAD : at + PREFETCH_AHEAD));
        if (r->selector != NULL && r->work >= r->work_max) {
            r->has_more = true;
            r->next = at;
            return false;
        }
        struct event *e = view_event(v, at);
        if (UNLIKELY(whole)) e = model_erased(m, e, r->horizon);
        if (UNLIKELY(gone) && is_gone(m, r, e, UINT64_MAX)) {
            r->work++;
            continue;
        }
        if (!read_offer(m, r, e, at, false)) return false;
    }
    return true;
}

/* Names that the reader did not know are judged here, with all that is selected by. */
static bool is_lean(const struct read *r) {
    const struct selector *s = r->selector;
    bool by_ids =
        s != NULL && (selector_has(s, SELECT_CORRELATION) || selector_has(s, SELECT_CAUSATION) ||
                      selector_has(s, SELECT_AGGREGATE));
    return r->lean && r->stream == NULL && !by_ids;
}

static void ask(const struct read *r, uint64_t high, struct read_range *need) {
    *need = (struct read_range){
        .stream = r->stream != NULL ? r->stream->name->rec.number : 0,
        .start = r->start,
        .end = high,
        .reverse = r->reverse,
        .count_max = MAX(r->count, r->ahead) + 1, /* one more, to know whether there is more */
        .bytes_max = r->bytes_max,
        .examined_max = EXAMINED_ON_DISK,
        .selector = r->selector,
        .lean = is_lean(r),
    };
}

bool model_read(struct model *m, struct read *r, const struct page *page, struct read_range *need) {
    struct view v = view_of(m, r->stream);
    r->found = 0;
    r->bytes = 0;
    r->work = 0;
    if (r->bytes_max == 0) r->bytes_max = READ_BYTES_MAX;
    if (r->work_max == 0) r->work_max = WORK_IN_MEMORY;
    r->has_more = false;
    r->next = 0;
    r->unsure = false;
    assert(r->start <= r->end);
    if (page != NULL && r->stream == NULL && selector_has_names(r->selector) &&
        names_lack(m, names_of(r), page->applied, r->selector, r->horizon))
        page = NULL;
    const struct stream_extra *x = r->stream != NULL ? r->stream->extra : NULL;
    if (x != NULL) {
        r->start = MAX(r->start, x->first_version);
        if (r->start > r->end) return true;
    }
    uint64_t seen_end = view_beyond(&v, r->horizon); /* the first position not to be seen */
    if (seen_end <= r->start) return true;
    uint64_t high = MIN(r->end, seen_end - 1);
    /* What memory has to say: all it has, or beside a page only what the page cannot know. */
    uint64_t from = page != NULL ? view_beyond(&v, page->applied) : v.first;
    if (page != NULL && r->page_end != 0 && r->page_end <= high) {
        if (v.first <= r->page_end) {
            from = MIN(from, r->page_end);
        } else { /* evicted since: the page is too short */
            page = NULL;
            from = v.first;
        }
    }
    uint64_t low = MAX(r->start, from);
    if (page == NULL && r->start < v.first && !r->reverse) {
        ask(r, high, need);
        return false;
    }
    if (r->reverse) {
        if (low <= high && !read_memory(m, r, &v, low, high)) return true;
        if (page == NULL && r->start < v.first) {
            ask(r, high, need);
            return false;
        }
        if (page != NULL) read_page(m, r, page);
        return true;
    }
    if (page != NULL && !read_page(m, r, page)) return true;
    if (low <= high) read_memory(m, r, &v, low, high);
    return true;
}

void read_clear(struct read *r) {
    free(r->events);
    r->events = NULL;
    r->cap = r->found = 0;
}
