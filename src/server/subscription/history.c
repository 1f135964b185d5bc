/* See subscription.h: catching up, from what is in memory and from pages of the backend. */
#include "server/subscription/internal.h"

#include "base/alloc.h"
#include "base/log.h"
#include "server/client/push.h"
#include "server/server.h"
#include "server/wait/blocking.h"
#include "stream/read.h"

#define PAGE_EVENTS ((uint64_t)2000)
#define PAGE_BYTES  ((uint64_t)1 << 20)

/* Who acknowledges a few at a time is not read for each time: a page is larger than his credit, and
 * kept until he has acknowledged what was sent of it, if he is quick. */
#define AHEAD_MIN  16u  /* events, once a page was used up ... */
#define AHEAD_MAX  256u /* ... each time twice as many */
#define KEEP_MS    200
#define KEPT_SHARE 8 /* of subscriptions-bytes-max: all that are kept */

/* ---- pages ---- */

static unsigned pages_max(const struct server *srv) {
    return MAX(2u * (unsigned)srv->config.reader_threads, 2u);
}

static void page_read_free(struct page_read *p) {
    if (list_linked(&p->kept)) p->srv->subscriptions.kept_bytes -= p->request.page.bytes;
    list_remove(&p->kept);
    store_release(p->srv->store, &p->request);
    if (p->request.status == 0) model_drop_page(&p->srv->model, &p->request.page);
    selector_unref(p->selector);
    names_asked_clear(&p->names);
    free(p);
}

/* The reader has finished, or will not begin. */
static void reader_is_free(struct server *srv) {
    struct subscriptions *subs = &srv->subscriptions;
    subs->reading--;
    if (!list_empty(&subs->for_reader))
        subscription_make_ready(LIST_ENTRY(subs->for_reader.next, struct subscription, queue));
}

static void on_page(struct store_request *r) {
    struct page_read *p = CONTAINER_OF(r, struct page_read, request);
    struct subscription *s = p->subscription;
    p->done = true;
    reader_is_free(p->srv);
    if (s == NULL)
        page_read_free(p);
    else
        subscription_make_ready(s);
}

void subscription_give_up_reading(struct subscription *s) {
    struct page_read *p = s->reading;
    if (p == NULL) return;
    s->reading = NULL;
    p->subscription = NULL;
    bool taken_back = !p->done && store_take_back(s->srv->store, &p->request);
    if (taken_back) {
        p->request.status = ERR_FAILED; /* there is no page */
        reader_is_free(s->srv);
    }
    if (p->done || taken_back) page_read_free(p);
}

static void tell_behind(struct subscription *s) {
    if (!s->caught_up || subscriptions_are_paused(s->srv)) return;
    s->caught_up = false;
    s->srv->subscriptions.behind++;
    subscription_notify(s, NOTICE_BEHIND, s->position);
}

static void begin_reading(struct subscription *s, const struct read_range *range) {
    struct server *srv = s->srv;
    struct page_read *p = xcalloc(1, sizeof *p);
    p->subscription = s;
    p->srv = srv;
    p->selector = s->selector != NULL ? selector_ref(s->selector) : NULL;
    p->generation = srv->model.generation;
    p->request.kind = STORE_READ_EVENTS;
    p->request.one_of_many = true;
    p->request.range = *range;
    if (s->window != UINT64_MAX) p->request.range.count_max += s->ahead;
    list_init(&p->kept);
    names_ask(&srv->model, &p->request.range, s->names_before, &p->names);
    p->request.done = on_page;
    s->reading = p;
    srv->subscriptions.reading++;
    srv->subscriptions.pages++;
    store_request(srv->store, &p->request);
}

static void ask_for_page(struct subscription *s, const struct read_range *range) {
    struct server *srv = s->srv;
    struct subscriptions *subs = &srv->subscriptions;
    tell_behind(s);
    if (subs->reading >= pages_max(srv))
        list_append(&subs->for_reader, &s->queue);
    else
        begin_reading(s, range);
}

/* While what was found is sent, a reader looks for the next page, if that is all on disk. */
static void read_ahead(struct subscription *s, const struct read *r) {
    struct model *m = &s->srv->model;
    bool reads_on = r->has_more && r->next < m->log.first && s->window == UINT64_MAX;
    if (!reads_on || s->has_since) return;
    if (s->srv->subscriptions.reading >= pages_max(s->srv)) return;
    struct read_range range;
    struct read next = *r;
    next.events = NULL;
    next.cap = 0;
    next.start = r->next;
    next.end = model_visible_end(m, NULL, r->horizon) - 1;
    if (!model_read(m, &next, NULL, &range)) begin_reading(s, &range);
    read_clear(&next);
}

void subscriptions_wake(struct server *srv) {
    struct subscriptions *subs = &srv->subscriptions;
    if (UNLIKELY(!list_empty(&subs->for_room))) shared_events_go_on(srv);
    if (!list_empty(&subs->paused) && !subscriptions_are_paused(srv))
        while (!list_empty(&subs->paused))
            subscription_make_ready(LIST_ENTRY(subs->paused.next, struct subscription, queue));
}

/* ---- going on ---- */

/* There is nothing between its position and what will be told. */
static void go_live(struct subscription *s) {
    s->follower.from = s->position;
    live_follow(blocking_live(s->srv), &s->srv->model, s->target, &s->follower);
    subscription_set_state(s, SUBSCRIPTION_LIVE);
    if (s->caught_up) return;
    s->caught_up = true;
    subscription_notify(s, NOTICE_CAUGHT_UP, s->position);
}

/* Sends what was found, as far as it is taken. What the socket takes at once makes room for more.
 * false: it was put where it waits, or the connection is closed, and the subscription with it
 * (*gone). */
static bool send_found(struct subscription *s, const struct read *r, bool *gone) {
    struct client *c = s->client;
    const struct model *m = &s->srv->model;
    for (size_t i = 0; i < r->found; i++) {
        const struct event *e = r->events[i];
        event_fetch_ahead(r->events, r->found, i);
        struct stream_name *name = model_name_at(m, e, r->horizon);
        if (!subscription_wants(s, e, name)) continue;
        s->position = e->rec.sequence;
        if (!subscription_has_room(s)) {
            subscription_close_batch(s);
            client_flush(c);
            if ((*gone = c->closing)) return false;
        }
        list_remove(&s->queue);
        if (!subscription_may_send(s) || !subscription_send(s, e, name)) return false;
        if (UNLIKELY(s->has_since)) subscription_found(s);
    }
    return true;
}

/* How many events a read is to find: those that it has credit for. */
static size_t count_wanted(const struct subscription *s) {
    uint64_t credit = s->window - MIN(s->window, s->sent - s->acked);
    return (size_t)MIN(PAGE_EVENTS, MAX(credit, (uint64_t)1));
}

/* The page that has come, if it is of the log as it is now, and of what is wanted next. (Of names
 * that streams have now: see model_read.) */
static const struct page *page_of(const struct subscription *s, const struct page_read *p) {
    const struct model *m = &s->srv->model;
    if (p == NULL || p->generation != m->generation || p->selector != s->selector) return NULL;
    if (p->request.range.start > s->position || s->position > p->request.range.end) return NULL;
    return &p->request.page;
}

/* Whether the page holds more for it. */
static bool has_more_for(const struct subscription *s, const struct page_read *p) {
    const struct page *page = page_of(s, p);
    return page != NULL && p->request.status == 0 && page->count > 0 &&
           page->events[page->count - 1]->rec.sequence >= s->position;
}

/* For when it is acknowledged what was sent. false: it does not, or there is no room. */
static bool keep_page(struct subscription *s, struct page_read *p) {
    struct subscriptions *subs = &s->srv->subscriptions;
    size_t bytes = p->request.page.bytes;
    if (s->reading != NULL || s->sent - s->acked < s->window || !has_more_for(s, p)) return false;
    if (!list_linked(&p->kept)) {
        if (subs->kept_bytes + bytes > s->srv->config.subscriptions_bytes_max / KEPT_SHARE) {
            s->ahead = 0;
            return false;
        }
        list_append(&subs->kept, &p->kept);
        subs->kept_bytes += bytes;
        p->kept_ms = s->srv->clock.now_ms;
    }
    s->reading = p;
    return true;
}

void subscriptions_drop_pages(struct server *srv) {
    struct subscriptions *subs = &srv->subscriptions;
    while (!list_empty(&subs->kept)) {
        struct page_read *p = LIST_ENTRY(subs->kept.next, struct page_read, kept);
        if (srv->clock.now_ms < p->kept_ms + KEEP_MS) return;
        p->subscription->reading = NULL;
        p->subscription->ahead /= 4;
        page_read_free(p);
    }
}

static void read_more_next_time(struct subscription *s) {
    s->ahead = MIN(AHEAD_MAX, MAX(AHEAD_MIN, 2 * s->ahead));
}

/* What it read, or looked at, counts against the turn. */
static void count_work(struct subscription *s, const struct read *r) {
    struct subscriptions *subs = &s->srv->subscriptions;
    size_t work = r->work + r->found + 1;
    subs->work -= MIN(subs->work, work);
}

/* false: the subscription is gone. */
static bool catch_up(struct subscription *s, struct page_read *p, uint64_t end) {
    struct server *srv = s->srv;
    const struct page *page = page_of(s, p);
    struct read_range range;
    /* What has come behind the range that the page was asked for is read next. */
    if (page != NULL) end = MIN(end, p->request.range.end + 1);
    struct read r = {.start = s->position,
                     .end = end - 1,
                     .count = count_wanted(s),
                     .selector = s->selector,
                     .horizon = model_settled(&srv->model),
                     .names = page != NULL ? &p->names : NULL,
                     .lean = s->lean,
                     .bytes_max = PAGE_BYTES,
                     .work_max = MAX(srv->subscriptions.work, (size_t)1)};
    bool gone = false;
    assert(page == NULL || page->applied <= r.horizon);
    if (!model_read(&srv->model, &r, page, &range)) {
        if (page != NULL) s->names_before++; /* it lacks a stream that was renamed meanwhile */
        ask_for_page(s, &range);
    } else {
        s->names_before = 0;
        count_work(s, &r);
        if (page != NULL) read_ahead(s, &r);
        bool all = send_found(s, &r, &gone);
        if (!gone) subscription_close_batch(s);
        if (all) {
            s->position = r.has_more ? r.next : end;
            if (page != NULL && !has_more_for(s, p)) read_more_next_time(s);
            if (s->position >= model_visible_end(&srv->model, NULL, r.horizon))
                go_live(s);
            else if (s->reading == NULL)
                list_append(&srv->subscriptions.ready, &s->queue);
        } else if (!gone) {
            tell_behind(s);
        }
    }
    read_clear(&r);
    return !gone;
}

void subscription_go_on(struct subscription *s) {
    struct server *srv = s->srv;
    struct model *m = &srv->model;
    struct page_read *p = s->reading;
    bool there = true;
    uint64_t end = model_visible_end(m, NULL, model_settled(m));
    if (p != NULL && !p->done) return; /* on_page goes on */
    s->reading = NULL;
    if (UNLIKELY(s->flushes != srv->subscriptions.flushes)) {
        list_append(&srv->subscriptions.halted, &s->queue); /* it will end, or go on as it was */
    } else if (UNLIKELY(p != NULL && p->request.status != 0)) {
        log_warning_seldom(60000, "subscription: its events cannot be read: %s",
                           p->request.err.text);
        subscription_end(s, "unreadable");
        there = false;
    } else if (subscription_may_send(s)) {
        if (UNLIKELY(s->has_since && s->sent > 0)) subscription_found(s);
        if (s->position >= end)
            go_live(s);
        else
            there = catch_up(s, p, end);
    } else if (s->position < end) {
        tell_behind(s);
    }
    if (p != NULL && !(there && keep_page(s, p))) page_read_free(p);
}
