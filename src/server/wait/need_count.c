/* Counting events of the log: the backend's by a reader thread, in portions, and what it has not
 * got here. See need.h. */
#include "base/alloc.h"
#include "stream/gone/remove.h"
#include "server/server.h"
#include "server/wait/item.h"
#include "server/wait/need.h"

#define COUNTED_A_READ 200000 /* rows: some tenths of a second */

static uint64_t hash_place(uint64_t start) {
    uint64_t key[] = {start, ITEM_COUNT};
    return hash_bytes(key, sizeof key);
}

static struct need_item *find(const struct client *c, const struct selector *selector,
                              uint64_t start) {
    struct hash_node *n = c->need != NULL ? hash_first(&c->need->asked, hash_place(start)) : NULL;
    for (; n != NULL; n = hash_next(&c->need->asked, n)) {
        struct need_item *item = CONTAINER_OF(n, struct need_item, by_key);
        bool of_model = item->generation == c->srv->model.generation;
        if (item->kind == ITEM_COUNT && of_model && item->request.range.start == start &&
            selector_eq(item->selector, selector))
            return item;
    }
    return NULL;
}

static void ask(struct client *c, struct selector *selector, uint64_t start, uint64_t end) {
    struct need_item *item = item_create(c, ITEM_COUNT);
    item->selector = selector != NULL ? selector_ref(selector) : NULL;
    item->request.range = (struct read_range){.start = start,
                                              .end = end,
                                              .count_max = 1,
                                              .bytes_max = 1,
                                              .examined_max = COUNTED_A_READ,
                                              .selector = item->selector,
                                              .counts = true};
    hash_insert(&c->need->asked, &item->by_key, hash_place(start));
    item_ask(item, STORE_READ_EVENTS, 0);
}

/* What frames beyond `applied` have added below `head`. */
static uint64_t count_in_memory(struct client *c, const struct selector *selector, uint64_t applied,
                                uint64_t head) {
    struct model *m = &c->srv->model;
    uint64_t n = 0;
    for (uint64_t q = MAX(model_visible_end(m, NULL, applied), m->log.first); q < head; q++) {
        const struct event *e = model_event(m, q);
        struct str name = stream_name_str(model_name_at(m, e, c->view));
        if (model_hides(m, e, UINT64_MAX, c->view)) continue;
        n += selector == NULL || selector_match(selector, &e->rec, name);
    }
    return n;
}

bool need_count(struct client *c, struct selector *selector, uint64_t *count) {
    const struct model *m = &c->srv->model;
    uint64_t head = model_visible_end(m, NULL, c->view), at = 0;
    *count = 0;
    if (c->view == VIEW_NEWEST) client_tells(c, m->decided);
    while (at < head) {
        const struct need_item *item = find(c, selector, at);
        if (item == NULL) ask(c, selector, at, head - 1);
        if (item == NULL || !item->done) return false;
        const struct page *page = &item->request.page;
        *count += page->counted;
        if (page->done) {
            *count += count_in_memory(c, selector, page->applied, head);
            return true;
        }
        at = page->next;
    }
    return true;
}
