/* See pages.h. */
#include "commands/event/pages.h"

#include "base/alloc.h"
#include "server/server.h"
#include "server/wait/blocking.h"
#include "server/wait/need.h"
#include "commands/event/reply.h"

#define PAGE_AFTER_REMOVED                                                                         \
    1000 /* events, at least, of the page behind one that was all removed                          \
          */

#define TALLY_WAIT_MS 1000 /* for what a new one has to wait for */

/* What of the range lies beyond r->next. */
static struct read rest_of(const struct read *r, uint64_t start, uint64_t end) {
    return (struct read){
        .stream = r->stream,
        .start = r->reverse ? start : r->next,
        .end = r->reverse ? r->next : end,
        .reverse = r->reverse,
        .horizon = r->horizon,
        .bytes_max = r->bytes_max,
        .lean = r->lean,
        .ahead = PAGE_AFTER_REMOVED,
    };
}

/* Reads until something is found or nothing is left: of a page from disk all may have been removed
 * since. false: parked. */
static bool read_some(struct client *c, struct read *r) {
    while (true) {
        uint64_t start = r->start, end = r->end;
        bool known = need_read(c, r);
        if (!known || !r->unsure || r->found > 0) return known;
        struct read rest = rest_of(r, start, end);
        rest.count = r->count;
        read_clear(r);
        *r = rest;
    }
}

static uint64_t position_of(const struct read *r, const struct event *e) {
    return r->stream != NULL ? e->rec.version : e->rec.sequence;
}

/* What was read behind r, too. */
static void read_append(struct read *r, struct read *more) {
    if (more->found > 0) {
        r->cap = r->found + more->found;
        r->events = xrealloc(r->events, r->cap * sizeof *r->events);
        memcpy(r->events + r->found, more->events, more->found * sizeof *r->events);
        r->found = r->cap;
    }
    r->bytes += more->bytes;
    r->has_more = more->has_more;
    r->next = more->next;
    r->unsure = more->unsure;
    read_clear(more);
}

/* Of a page from disk some may have been removed since: reads on until there are as many as are
 * wanted. What a reply holds must not depend on what is applied. false: parked. */
static bool read_full(struct client *c, struct read *r, uint64_t start, uint64_t end) {
    bool known = read_some(c, r);
    while (known && r->unsure && r->found < r->count && r->bytes < r->bytes_max) {
        struct read more = rest_of(r, start, end);
        more.count = r->count - r->found;
        known = read_some(c, &more);
        read_append(r, &more);
    }
    return known;
}

bool pages_read(struct client *c, struct read *r) {
    uint64_t start = r->start, end = r->end;
    if (start > end) return true;
    if (!read_full(c, r, start, end)) return false;
    if (!r->unsure) return true;
    struct read rest = rest_of(r, start, end);
    rest.count = 1;
    bool known = read_some(c, &rest);
    r->has_more = rest.found > 0;
    if (r->has_more) r->next = position_of(r, rest.events[0]);
    read_clear(&rest);
    return known;
}

/* Waits until so much is applied, or for so long (0: without end). */
static bool wait_for(struct client *c, uint64_t frame, uint64_t ms) {
    if (c->wait.set) hurry_applying(c->srv); /* it has waited for another one */
    frame_is_applied(c, frame);
    c->wait.frame = frame;
    c->wait.deadline_ms = ms > 0 ? c->srv->clock.now_ms + ms : 0;
    return false;
}

/* Who would wait longer counts the events, as there is nothing wrong with those. */
static bool waits_for_tally(const struct client *c) {
    return apply_is_possible(c) && !(c->wait.set && c->wait.timed_out);
}

bool pages_may_count(struct client *c, struct selector *selector) {
    const struct model *m = &c->srv->model;
    uint64_t last = m->hidden.frame, since = 0;
    if (c->wait.counted_as == 0) c->wait.counted_as = m->decided;
    if (need_is_counting(c, selector) || need_tally_is_usable(c, selector, &since)) return true;
    if (since > 0 && waits_for_tally(c)) return wait_for(c, since, TALLY_WAIT_MS);
    if (c->srv->exec.client != NULL && !apply_is_possible(c)) return true;
    if (selector_has_names(selector)) last = MAX(last, m->renamed.frame);
    last = MIN(last, c->wait.counted_as); /* else it would follow who removes on and on */
    last = MIN(MAX(last, m->flushed.frame), MIN(c->view, m->decided));
    return last <= store_applied(m->store) || wait_for(c, last, 0);
}

enum outcome pages_wait_to_count(struct client *c) {
    return wait_for_apply_or_reply(c);
}

bool pages_may_wait_or_reply(struct client *c, const struct selector *selector, size_t *promised) {
    if (blocking_may_listen(c, selector, promised)) return true;
    reply_error(c, "INVALIDARG too many or too long patterns to wait for: every event would be "
                   "compared with them");
    return false;
}

void pages_reply_events(struct client *c, const struct read *r,
                        const struct chosen_fields *chosen) {
    const struct model *m = &c->srv->model;
    reply_key(c, "events");
    reply_array(c, r->found);
    for (size_t i = 0; i < r->found; i++) {
        event_fetch_ahead(r->events, r->found, i);
        reply_chosen_event(c, r->events[i],
                           r->stream != NULL ? r->stream->name
                                             : model_name_at(m, r->events[i], r->horizon),
                           chosen);
    }
    c->srv->stats.events_read += r->found;
}
