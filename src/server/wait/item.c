/* See item.h. */
#include "server/wait/item.h"

#include "base/alloc.h"
#include "base/log.h"
#include "server/server.h"
#include "server/wait/key_list.h"
#include "server/wait/key_walk.h"
#include "server/wait/need.h"

#define READS_AT_ONCE 8                   /* of one command, with the store */
#define ENOUGH        ((size_t)16 << 20)  /* bytes of events, for one run of the command */
#define EVENT_GUESS   ((uint64_t)4 << 10) /* bytes of one, before it is known */

struct need_item *item_alone(struct client *c, enum item_kind kind) {
    struct need_item *item = xcalloc(1, sizeof *item);
    item->client = c;
    item->srv = c->srv;
    item->kind = kind;
    item->generation = c->srv->model.generation;
    list_init(&item->node);
    return item;
}

static void add(struct client *c, struct need_item *item) {
    if (c->need == NULL) {
        c->need = xcalloc(1, sizeof *c->need);
        list_init(&c->need->items);
        list_init(&c->need->waiting);
    }
    list_append(&c->need->items, &item->node);
    if (!item->done) c->need->pending++;
}

struct need_item *item_create(struct client *c, enum item_kind kind) {
    struct need_item *item = item_alone(c, kind);
    add(c, item);
    return item;
}

/* Frees what the store has found. */
static void drop_found(struct need_item *item) {
    struct store_request *r = &item->request;
    store_release(item->srv->store, r);
    if (item->kind == ITEM_PAGE && r->status == 0) model_drop_page(&item->srv->model, &r->page);
    bool lists = item->kind == ITEM_LIST || item->kind == ITEM_KEYS;
    if (lists && r->status == 0) stream_list_discard(item->srv, &r->list);
    if (item->kind == ITEM_EVENT && r->event != NULL) event_unref(r->event);
    if (item->kind == ITEM_NAMED_LIST && r->status == 0) named_list_clear(&r->named);
    r->event = NULL;
}

void item_free(struct need_item *item) {
    if (item->kind != ITEM_STREAM && item->kind != ITEM_NAMED) {
        const struct store_request *r = &item->request;
        const struct stream *s = item->keeps;
        if (s != NULL && s->name->rec.number == r->range.stream)
            model_keep(&item->srv->model, item->keeps, r->page.events, r->page.count);
        key_walk_destroy(item->walk);
        drop_found(item);
    }
    if (item->kind == ITEM_GATHERED) item->drop(item->gathered);
    free(item->gathered);
    selector_unref(item->selector);
    names_asked_clear(&item->names);
    free(item->text);
    free(item);
}

void item_forget(struct need *need, struct need_item *item) {
    list_remove(&item->node);
    list_remove(&item->waiting);
    if (item->kind == ITEM_PAGE) hash_remove(&need->pages, &item->by_stream);
    bool by_key = item->kind == ITEM_EVENT || item->kind == ITEM_ENTRY || item->kind == ITEM_COUNT;
    if (item->kind == ITEM_PAGE || by_key) hash_remove(&need->asked, &item->by_key);
    item_free(item);
}

/* Hands over what there is room for. When the run has loaded enough, or something has failed, the
 * rest is forgotten. */
void need_go_on(struct client *c) {
    struct need *need = c->need;
    bool goes_on = need->status == 0 && need->run_bytes < ENOUGH;
    while (!list_empty(&need->waiting) && (goes_on || need->reading == 0)) {
        struct need_item *item = LIST_ENTRY(need->waiting.next, struct need_item, waiting);
        if (!goes_on) {
            need->pending--;
            item_forget(need, item);
            continue;
        }
        if (need->reading == READS_AT_ONCE) break;
        if (item->reserved > 0 && !share_may_load(c, item->reserved)) return;
        list_remove(&item->waiting);
        need->reading++;
        need->asked_bytes += item->reserved;
        share_count(c);
        item->request.late = c->input_ends;
        store_request(item->srv->store, &item->request);
    }
    share_load_over(c);
}

void need_come_late(struct client *c) {
    if (c->need == NULL) return;
    LIST_FOR_EACH (it, &c->need->items) {
        struct need_item *item = LIST_ENTRY(it, struct need_item, node);
        bool asked = item->kind != ITEM_STREAM && !item->done && !list_linked(&item->waiting);
        if (asked) store_make_late(item->srv->store, &item->request);
    }
}

void item_done(struct need_item *item, int status, const struct err *err) {
    item->done = true;
    struct client *c = item->client;
    if (c == NULL) {
        item_free(item);
        return;
    }
    struct need *need = c->need;
    if (status != 0 && need->status == 0) {
        need->status = status;
        need->err = *err;
    }
    need_go_on(c);
    assert(need->pending > 0);
    if (--need->pending == 0) client_resume(c);
}

/* Bytes of what it has loaded. */
static size_t loaded_bytes(const struct need_item *item) {
    const struct store_request *r = &item->request;
    if (r->status != 0) return 0;
    if (item->kind == ITEM_PAGE) return r->page.bytes;
    if (item->kind == ITEM_EVENT) return r->event != NULL ? r->event->size : 0;
    if (item->kind == ITEM_NAMED_LIST) return r->named.bytes;
    return r->list.bytes;
}

static void note_loaded(struct need *need, const struct need_item *item, size_t bytes) {
    if (item->kind == ITEM_EVENT)
        need->event_bytes += bytes;
    else
        need->page_bytes += bytes;
    if (item->kind == ITEM_EVENT || item->kind == ITEM_PAGE) need->run_bytes += bytes;
}

/* It takes more than it was asked for with, and there is no room: true. It waits for that. */
static bool give_back(struct client *c, struct need_item *item, size_t bytes) {
    if (bytes <= item->reserved || share_may_keep(c, bytes)) return false;
    drop_found(item);
    item->reserved = bytes;
    list_prepend(&c->need->waiting, &item->waiting);
    need_go_on(c);
    return true;
}

static void on_request(struct store_request *r) {
    struct need_item *item = CONTAINER_OF(r, struct need_item, request);
    struct client *c = item->client;
    if (c != NULL) {
        if (item->heads && r->status == 0) model_behead_page(&item->srv->model, &r->page);
        size_t bytes = loaded_bytes(item);
        c->need->reading--;
        c->need->asked_bytes -= item->reserved;
        share_count(c);
        if (give_back(c, item, bytes)) return;
        note_loaded(c->need, item, bytes);
        share_count(c);
    }
    item_done(item, r->status, &r->err);
}

void item_adopt(struct client *c, struct need_item *item) {
    add(c, item);
    if (item->done) {
        note_loaded(c->need, item, loaded_bytes(item));
    } else {
        item->request.done = on_request;
        c->need->reading++;
        c->need->asked_bytes += item->reserved;
    }
    share_count(c);
}

uint64_t item_guess(uint64_t count, uint64_t bytes_max) {
    return MIN(MIN(count, bytes_max) * EVENT_GUESS, bytes_max);
}

void item_ask(struct need_item *item, enum store_request_kind kind, uint64_t bytes) {
    item->request.kind = kind;
    item->request.done = on_request;
    item->reserved = bytes;
    list_append(&item->client->need->waiting, &item->waiting);
    need_go_on(item->client);
}

/* A backup that was asked for is made, whoever is gone, unless the server stops. */
bool item_is_under_way(struct need_item *item) {
    bool backup = item->kind == ITEM_BACKUP;
    if (list_linked(&item->waiting)) {
        list_remove(&item->waiting);
        return false;
    }
    if (backup && !item->srv->stopping) return true;
    if (!store_take_back(item->srv->store, &item->request)) return true;
    if (backup) log_warning("backup: %s is not begun, as the server stops", item->text);
    return false;
}
