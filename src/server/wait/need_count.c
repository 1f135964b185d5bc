/* Counting groups, and events of the log. A selection that goes by names alone has a tally
 * (stream/tally.h), which is exact. Of another one the backend's events are counted by a reader
 * thread, in portions, and what it has not got here, in slices, which go up to the head as of the
 * last one. See need.h.
 */
#include "base/alloc.h"
#include "stream/gone/remove.h"
#include "stream/group/cgroup.h"
#include "server/server.h"
#include "server/wait/blocking.h"
#include "server/wait/item.h"
#include "server/wait/need.h"

#define COUNTED_A_READ 200000 /* rows: some tenths of a second */
#define COUNTED_A_TURN 20000  /* events in memory: a millisecond */
#define COUNTED_AGAIN  3      /* times at most, because of what is removed or renamed meanwhile */

static uint64_t hash_selector(const struct selector *selector) {
    uint64_t key[] = {selector != NULL ? selector->hash : 0, ITEM_COUNT};
    return hash_bytes(key, sizeof key);
}

/* The portion that it has come to, of which there is one of each kind. */
static struct need_item *find(const struct client *c, const struct selector *selector,
                              enum store_request_kind kind) {
    uint64_t key = hash_selector(selector);
    struct hash_node *n = c->need != NULL ? hash_first(&c->need->asked, key) : NULL;
    for (; n != NULL; n = hash_next(&c->need->asked, n)) {
        struct need_item *item = CONTAINER_OF(n, struct need_item, by_key);
        bool of_model = item->generation == c->srv->model.generation;
        if (item->kind == ITEM_COUNT && of_model && item->request.kind == kind &&
            selector_eq(item->selector, selector))
            return item;
    }
    return NULL;
}

static struct need_item *ask(struct client *c, struct selector *selector, uint64_t start,
                             uint64_t end, uint64_t before, enum store_request_kind kind) {
    struct need_item *item = item_create(c, ITEM_COUNT);
    item->count.before = before;
    item->selector = selector != NULL ? selector_ref(selector) : NULL;
    item->request.range = (struct read_range){.start = start,
                                              .end = end,
                                              .count_max = 1,
                                              .bytes_max = 1,
                                              .examined_max = COUNTED_A_READ,
                                              .selector = item->selector,
                                              .counts = true};
    hash_insert(&c->need->asked, &item->by_key, hash_selector(selector));
    item_ask(item, kind, 0);
    return item;
}

/* ---- by names ---- */

bool need_tally_is_usable(struct client *c, struct selector *selector, uint64_t *since) {
    *since = 0;
    const struct tally *t = tally_keeps(selector) ? tally_of(&c->srv->model, selector) : NULL;
    if (t == NULL) return false;
    *since = tally_is_complete(t) ? 0 : t->since;
    return *since <= store_applied(c->srv->store);
}

/* What the backend has to say of its streams, if the tally is new. */
static bool count_by_names(struct client *c, struct selector *selector, uint64_t *count) {
    struct model *m = &c->srv->model;
    struct tally *t = tally_of(m, selector);
    while (!tally_is_complete(t)) {
        struct need_item *item = find(c, selector, STORE_COUNT_STREAMS);
        if (item == NULL) item = ask(c, selector, t->next, UINT64_MAX, 0, STORE_COUNT_STREAMS);
        if (!item->done) return false;
        tally_add(m, t, item->request.range.start, &item->request.page);
        item_forget(c->need, item);
    }
    *count = tally_at(t, c->view);
    return true;
}

/* ---- by looking at events ---- */

/* Counts, of memory's events from *at on and below `head`, up to `most`. */
static uint64_t count_events(struct client *c, const struct selector *selector, uint64_t *at,
                             uint64_t head, size_t most) {
    struct model *m = &c->srv->model;
    uint64_t n = 0;
    for (; *at < head && most > 0; ++*at, most--) {
        const struct event *e = model_event(m, *at);
        struct str name = stream_name_str(model_name_at(m, e, c->view));
        if (model_hides(m, e, UINT64_MAX, c->view)) continue;
        n += selector == NULL || selector_match(selector, &e->rec, name);
    }
    return n;
}

/* Where memory goes on, of which the page has not counted anything. The page is held until the
 * command is over, so all from there on is in memory so long. (Its snapshot may be of later than
 * the end that it was asked for up to.) */
static uint64_t behind_page(const struct client *c, const struct need_item *item) {
    const struct model *m = &c->srv->model;
    uint64_t at = model_visible_end(m, NULL, item->request.page.applied);
    return MAX(MIN(at, item->request.range.end + 1), m->log.first);
}

/* Whether there was a frame after `frame` that removed something, or renamed it if it matters. */
static bool has_changed_since(const struct client *c, const struct selector *selector,
                              uint64_t frame) {
    const struct model *m = &c->srv->model;
    uint64_t last = m->hidden.frame;
    if (selector_has_names(selector)) last = MAX(last, m->renamed.frame);
    return MIN(last, MIN(c->view, m->decided)) > frame;
}

/* Counts on from where earlier runs have come to; false: not all up to `end` in this turn. */
static bool count_on(struct client *c, struct need_item *item, uint64_t end, size_t most) {
    struct item_count *n = &item->count;
    bool changed =
        n->begun && n->again < COUNTED_AGAIN && has_changed_since(c, item->selector, n->frame);
    if (!n->begun || changed) {
        n->again += changed;
        n->begun = true;
        n->frame = MIN(c->view, c->srv->model.decided);
        n->at = behind_page(c, item);
        n->counted = 0;
    }
    n->counted += count_events(c, item->selector, &n->at, end, most);
    return n->at >= end;
}

/* In EXEC, which is taken back when it goes on in another turn: what is its own is counted by each
 * run. */
static bool count_in_exec(struct client *c, struct need_item *item, uint64_t head, uint64_t *count,
                          bool *too_many) {
    const struct model *m = &c->srv->model;
    uint64_t own = MIN(head, model_visible_end(m, NULL, m->decided)), at;
    if (!blocking_keeps_progress(c)) {
        at = behind_page(c, item);
        *count += count_events(c, item->selector, &at, head, BLOCKING_LOOKS_AT_ONCE);
        *too_many = at < head;
        return true;
    }
    at = item->count.begun ? item->count.at : behind_page(c, item);
    size_t looks = blocking_looks_for(c, own - MIN(own, at));
    bool all = count_on(c, item, own, MIN(looks, (size_t)COUNTED_A_TURN));
    blocking_looked_at(c, item->count.at - MIN(at, item->count.at));
    if (!all && c->park == PARK_NONE) blocking_pause(c);
    at = MAX(own, behind_page(c, item));
    *count += item->count.counted;
    *count += all ? count_events(c, item->selector, &at, head, SIZE_MAX) : 0;
    return all;
}

/* What is beyond the page, below `head`, which later runs may find further on. false: the command
 * goes on in the next turn. */
static bool count_in_memory(struct client *c, struct need_item *item, uint64_t head,
                            uint64_t *count, bool *too_many) {
    if (c->srv->exec.client == c) return count_in_exec(c, item, head, count, too_many);
    bool all = count_on(c, item, head, COUNTED_A_TURN);
    *count += item->count.counted;
    if (!all && c->park == PARK_NONE) client_next_turn(c);
    return all;
}

bool need_count(struct client *c, struct selector *selector, uint64_t *count, bool *too_many) {
    const struct model *m = &c->srv->model;
    uint64_t head = model_visible_end(m, NULL, c->view), since;
    *count = 0;
    *too_many = false;
    if (c->view == VIEW_NEWEST) client_tells(c, m->decided);
    if (head == 0) return true;
    if (need_tally_is_usable(c, selector, &since)) return count_by_names(c, selector, count);
    struct need_item *item = find(c, selector, STORE_READ_EVENTS);
    if (item == NULL) item = ask(c, selector, 0, head - 1, 0, STORE_READ_EVENTS);
    while (item->done) {
        const struct page *page = &item->request.page;
        uint64_t before = item->count.before + page->counted, at = page->next;
        *count = before;
        if (page->done) return count_in_memory(c, item, head, count, too_many);
        if (at >= head) return true;
        /* What is in memory would stay there for as long as the page is held. */
        item_forget(c->need, item);
        item = ask(c, selector, at, head - 1, before, STORE_READ_EVENTS);
    }
    return false;
}

bool need_is_counting(const struct client *c, const struct selector *selector) {
    return find(c, selector, STORE_READ_EVENTS) != NULL;
}

/* ---- groups ---- */

static struct need_item *find_groups(const struct client *c, struct str name) {
    if (c->need == NULL) return NULL;
    LIST_FOR_EACH (it, &c->need->items) {
        struct need_item *item = LIST_ENTRY(it, struct need_item, node);
        if (item->kind == ITEM_GROUPS && str_eq(item->request.name, name)) return item;
    }
    return NULL;
}

static void ask_groups(struct client *c, struct str name) {
    struct need_item *item = item_create(c, ITEM_GROUPS);
    item->text = str_dup(name);
    item->request.name = str_of(item->text, name.len);
    item_ask(item, STORE_COUNT_GROUPS, 0);
}

/* While the stream is not in memory nothing is newer than what the backend says; and what became of
 * it since it was asked for is in memory until the request is released. */
bool need_group_count(struct client *c, struct str name, uint64_t *count) {
    struct model *m = &c->srv->model;
    struct stream *s;
    *count = 0;
    if (!stream_name_valid(name)) return true;
    if (model_stream(m, name) != NULL || m->replay != NULL) {
        if (!need_stream(c, name, &s)) return false;
        *count = virtual_group_count(s);
        return true;
    }
    struct need_item *item = find_groups(c, name);
    if (item == NULL) ask_groups(c, name);
    if (item == NULL || !item->done) return false;
    const struct store_request *r = &item->request;
    bool flushed = m->flushed.frame != 0 &&
                   (item->generation != m->generation || r->applied < m->flushed.frame);
    *count = flushed ? 0 : r->groups;
    return true;
}
