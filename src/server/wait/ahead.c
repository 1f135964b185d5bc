/* See ahead.h. */
#include "server/wait/ahead.h"

#include "base/alloc.h"
#include "server/server.h"
#include "server/wait/item.h"

#define SOON_MS         100   /* who comes back later does something else in between */
#define KEEP_MS         200   /* what a page pins in memory grows */
#define SHARE           8     /* of cache-bytes: all pages */
#define DROPPED_AT_ONCE 20000 /* events: a few milliseconds */

struct ahead {        /* a connection's: client.ahead */
    struct list node; /* aheads.all, while there is a page */
    struct client *client;
    uint64_t stream, at, selector; /* where its last page ended: a number, a position, a hash */
    size_t count;
    bool reverse;
    uint64_t noted_ms;      /* monotonic */
    uint64_t since_ms;      /* the page is asked for, or has come */
    struct need_item *item; /* NULL: none */
};

void aheads_init(struct server *srv) {
    list_init(&srv->aheads.all);
}

/* ---- the page ---- */

static void set_bytes(struct client *c, uint64_t bytes) {
    c->srv->aheads.bytes += bytes - c->ahead_bytes;
    c->ahead_bytes = bytes;
}

/* It stands behind those that are older. */
static void list_anew(struct ahead *a) {
    struct server *srv = a->client->srv;
    a->since_ms = srv->clock.now_ms;
    list_remove(&a->node);
    list_append(&srv->aheads.all, &a->node);
}

static struct need_item *part_with_page(struct ahead *a) {
    struct need_item *item = a->item;
    a->item = NULL;
    list_remove(&a->node);
    if (!item->done) a->client->srv->aheads.reading--;
    set_bytes(a->client, 0);
    return item;
}

static void drop_page(struct ahead *a) {
    if (a->item == NULL) return;
    struct need_item *item = part_with_page(a);
    item->client = NULL;
    if (item->done || !item_is_under_way(item)) item_free(item);
}

void ahead_drop(struct client *c) {
    if (c->ahead == NULL) return;
    drop_page(c->ahead);
    free(c->ahead);
    c->ahead = NULL;
}

static uint64_t size_of(const struct need_item *item) {
    uint64_t page = item->done ? item->request.page.bytes : item->reserved;
    return page + (item->selector != NULL ? item->selector->size : 0);
}

/* It is a guess: it takes no room that somebody else may want. */
static bool is_room_for(struct server *srv, uint64_t bytes) {
    const struct share *s = &srv->share;
    uint64_t limit = srv->config.clients_bytes_max;
    bool among_clients = limit == 0 || s->bytes + bytes <= limit / 4 * 3;
    return among_clients && list_empty(&s->waiting) && list_empty(&s->stopped) &&
           srv->aheads.bytes + bytes <= srv->config.cache_bytes / SHARE &&
           server_pinned_bytes(srv) <= server_pinned_max(srv) / 2;
}

static void on_page(struct store_request *r) {
    struct need_item *item = CONTAINER_OF(r, struct need_item, request);
    struct client *c = item->client;
    item->done = true;
    if (c == NULL) {
        item_free(item);
        return;
    }
    struct ahead *a = c->ahead;
    c->srv->aheads.reading--;
    if (r->status == 0) set_bytes(c, size_of(item));
    list_anew(a);
    if (r->status != 0 || !is_room_for(c->srv, 0)) drop_page(a);
    share_count(c);
}

/* ---- where the client is ---- */

static uint64_t stream_of(const struct read *r) {
    return r->stream != NULL ? r->stream->name->rec.number : 0;
}

static uint64_t selector_of(const struct read *r) {
    return r->selector != NULL ? r->selector->hash : 0;
}

bool ahead_expects(const struct client *c, const struct read *r, uint64_t start) {
    const struct ahead *a = c->ahead;
    return a != NULL && a->stream == stream_of(r) && a->reverse == r->reverse &&
           a->count == r->count && a->at == (r->reverse ? r->end : start) &&
           a->selector == selector_of(r) && c->srv->clock.now_ms <= a->noted_ms + SOON_MS;
}

static void note_place(struct ahead *a, const struct read *r) {
    a->stream = stream_of(r);
    a->reverse = r->reverse;
    a->count = r->count;
    a->at = r->next;
    a->selector = selector_of(r);
    a->noted_ms = a->client->srv->clock.now_ms;
}

/* The range of the page that comes next. false: some of it is in memory. */
static bool range_of_next(struct model *m, const struct read *r, uint64_t start,
                          struct read_range *range) {
    uint64_t in_memory = r->stream != NULL ? stream_tail_first(r->stream) : m->log.first;
    struct read next = {.stream = r->stream,
                        .start = r->reverse ? start : r->next,
                        .end = r->reverse ? r->next : r->end,
                        .reverse = r->reverse,
                        .count = r->count,
                        .selector = r->selector,
                        .horizon = r->horizon,
                        .bytes_max = r->bytes_max,
                        .lean = r->lean};
    if (r->next >= in_memory) return false;
    bool known = model_read(m, &next, NULL, range);
    read_clear(&next);
    return !known;
}

static void begin(struct ahead *a, const struct need_item *last, const struct read *r,
                  uint64_t start) {
    struct client *c = a->client;
    struct server *srv = c->srv;
    struct aheads *all = &srv->aheads;
    struct read_range range;
    uint64_t guess = MIN(2 * (uint64_t)last->request.page.bytes, r->bytes_max);
    if (c->input_ends || !store_has_idle_reader(srv->store)) return;
    if (all->reading >= srv->config.reader_threads || !is_room_for(srv, guess)) return;
    if (!range_of_next(&srv->model, r, start, &range)) return;
    struct need_item *item = item_alone(c, ITEM_PAGE);
    item->asked_start = r->reverse ? start : r->next;
    item->asked_end = r->reverse ? r->next : r->end;
    item->asked_count = r->count;
    item->in_sequence = true;
    item->reserved = guess;
    names_ask(&srv->model, &range, 0, &item->names);
    item->request.range = range;
    if (r->selector != NULL) item->selector = selector_ref(r->selector);
    item->request.kind = STORE_READ_EVENTS;
    item->request.done = on_page;
    a->item = item;
    set_bytes(c, size_of(item));
    list_anew(a);
    all->reading++;
    all->begun++;
    store_request(srv->store, &item->request);
}

void ahead_note(struct client *c, struct need_item *item, const struct read *r, uint64_t start) {
    if (item->noted || !r->has_more || r->unsure || c->srv->exec.client == c) return;
    item->noted = true;
    if (c->ahead == NULL) {
        c->ahead = xcalloc(1, sizeof *c->ahead);
        c->ahead->client = c;
        list_init(&c->ahead->node);
    }
    note_place(c->ahead, r);
    drop_page(c->ahead); /* it has gone elsewhere */
    if (item->in_sequence) begin(c->ahead, item, r, start);
    share_count(c);
}

static bool is_of(const struct need_item *item, const struct read *r) {
    const struct read_range *range = &item->request.range;
    if (range->lean && !r->lean) return false;
    bool same = range->stream == stream_of(r) && range->reverse == r->reverse &&
                range->bytes_max == r->bytes_max && item->asked_count == r->count;
    bool here = item->asked_start == r->start &&
                (r->reverse ? item->asked_end == r->end : item->asked_end <= r->end);
    return same && here && selector_eq(range->selector, r->selector);
}

struct need_item *ahead_take(struct client *c, const struct read *r) {
    struct ahead *a = c->ahead;
    struct need_item *item = a->item;
    if (item == NULL || c->srv->exec.client == c || !is_of(item, r)) return NULL;
    if (item->generation != c->srv->model.generation) return NULL;
    c->srv->aheads.used++;
    return part_with_page(a);
}

/* ---- room ---- */

/* What one call frees is bounded, as it is a part of a turn. */
static void drop_some(struct server *srv, uint64_t until_ms) {
    uint64_t freed = 0;
    LIST_FOR_EACH_SAFE (it, &srv->aheads.all) {
        struct ahead *a = LIST_ENTRY(it, struct ahead, node);
        if (a->since_ms > until_ms || freed >= DROPPED_AT_ONCE) return;
        freed += a->item->done ? a->item->request.page.count + 1 : 1;
        drop_page(a);
        share_count(a->client);
    }
}

void aheads_give_way(struct server *srv) {
    drop_some(srv, UINT64_MAX);
}

void aheads_cron(struct server *srv) {
    drop_some(srv, srv->clock.now_ms - MIN(srv->clock.now_ms, KEEP_MS));
}
