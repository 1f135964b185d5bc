/* See need.h. What is asked for, and how it comes: item.h. */
#include "server/wait/need.h"

#include "base/alloc.h"
#include "stream/entry.h"
#include "stream/gone/remove.h"
#include "server/server.h"
#include "server/wait/ahead.h"
#include "server/wait/item.h"
#include "server/wait/key_list.h"
#include "server/wait/key_walk.h"

#define ITEMS_AT_ONCE 1000                /* need_enough */
#define LIST_GUESS    ((uint64_t)1 << 20) /* bytes of names */
#define MANY          64                  /* streams; the others' reads go first */

/* Of an entry id, or of where a range begins, in a stream. */
static uint64_t hash_place(uint64_t stream, uint64_t a, uint64_t b) {
    uint64_t key[] = {stream, a, b};
    return hash_bytes(key, sizeof key);
}

static struct hash_node *first_asked(const struct client *c, uint64_t hash) {
    return c->need != NULL ? hash_first(&c->need->asked, hash) : NULL;
}

static struct need_item *find(const struct client *c, enum item_kind kind) {
    if (c->need == NULL) return NULL;
    LIST_FOR_EACH (it, &c->need->items) {
        struct need_item *item = LIST_ENTRY(it, struct need_item, node);
        if (item->kind == kind) return item;
    }
    return NULL;
}

static void on_stream(struct waiter *w, int status, const struct err *err) {
    struct need_item *item = CONTAINER_OF(w, struct need_item, waiter);
    if (status == 0)
        stream_pin(item->pinned);
    else
        item->pinned = NULL;
    item_done(item, status, err);
}

bool need_pending(const struct client *c) {
    return c->need != NULL && c->need->pending > 0;
}

uint64_t need_held_bytes(const struct client *c) {
    const struct need *need = c->need;
    return need != NULL ? need->page_bytes + need->event_bytes + need->asked_bytes : 0;
}

size_t need_page_bytes(const struct client *c) {
    return c->need != NULL ? c->need->page_bytes : 0;
}

bool need_enough(const struct client *c) {
    return c->need != NULL && c->need->pending >= ITEMS_AT_ONCE;
}

bool need_failed_or_reply(struct client *c) {
    if (c->need->status == 0) return false;
    struct need_item *first = LIST_ENTRY(c->need->items.next, struct need_item, node);
    if (first->kind == ITEM_BACKUP)
        reply_error(c, "ERR backup failed: %s", c->need->err.text);
    else
        reply_error(c, "READERR read error: %s", c->need->err.text);
    return true;
}

static void finish_named(struct need_item *item) {
    if (!item->done)
        named_unwait(&item->srv->model, item->named, &item->waiter);
    else if (item->named != NULL)
        named_unpin(item->named);
}

void need_finish(struct client *c) {
    struct need *need = c->need;
    if (need == NULL) return;
    c->need = NULL;
    while (!list_empty(&need->items)) {
        struct need_item *item = LIST_ENTRY(need->items.next, struct need_item, node);
        list_remove(&item->node);
        item->client = NULL;
        if (item->kind == ITEM_STREAM) {
            if (!item->done)
                model_unwait(&item->srv->model, item->pinned, &item->waiter);
            else if (item->pinned != NULL)
                stream_unpin(item->pinned);
            item_free(item);
        } else if (item->kind == ITEM_NAMED) {
            finish_named(item);
            item_free(item);
        } else if (item->done || item->walk != NULL || !item_is_under_way(item)) {
            item_free(item);
        }
    }
    share_load_over(c);
    hash_clear(&need->asked);
    hash_clear(&need->pages);
    free(need);
}

/* ---- streams ---- */

/* The newest one, in memory; NULL: it is being loaded. On the settled view it is for reading only.
 */
static inline struct stream *find_stream(struct client *c, struct str name) {
    struct model *m = &c->srv->model;
    struct stream *s = !stream_name_valid(name) ? model_nothing()
                       : c->view == VIEW_NEWEST ? model_stream(m, name)
                                                : model_stream_to_read(m, name);
    if (s != NULL) {
        bool hidden = UNLIKELY(stream_expired(m, s)) && expiry_check(c->srv, s);
        return hidden ? model_nothing() : s;
    }
    struct need_item *item = item_create(c, ITEM_STREAM);
    item->waiter.wake = on_stream;
    item->waiter.one_of_many = c->need->pending > MANY;
    item->pinned = model_load_stream(m, name, &item->waiter);
    return NULL;
}

/* What s was as of the view. Past its deadline it is absent. NULL: unless a later frame has put
 * that off; then only the newest view says what is. */
static struct stream *settled_of(struct client *c, struct stream *s, uint64_t view) {
    struct model *m = &c->srv->model;
    struct stream *then = model_stream_at(m, s, view);
    if (LIKELY(!stream_expired(m, then))) return then;
    bool put_off = s->state == STREAM_LIVE && !stream_expired(m, s) &&
                   s->name->rec.number == then->name->rec.number;
    return put_off ? NULL : model_nothing();
}

bool need_stream(struct client *c, struct str name, struct stream **out) {
    struct stream *s = find_stream(c, name);
    if (s == NULL) return false;
    *out = s;
    if (c->view == VIEW_NEWEST) {
        /* For one that has expired nobody waits until its deletion is durable (changed_frame). */
        client_tells(c, s->state == STREAM_LIVE ? s->last_frame : s->changed_frame);
        return true;
    }
    *out = settled_of(c, s, c->view);
    if (UNLIKELY(*out == NULL)) { /* what this run replies is dropped */
        c->wants_newest = true;
        *out = s;
    }
    return true;
}

bool need_stream_twice(struct client *c, struct str name, struct stream **newest,
                       struct stream **settled, uint64_t *view) {
    *view = c->srv->exec.client == c ? VIEW_NEWEST : client_settled_view(c);
    *newest = *settled = find_stream(c, name);
    if (*newest == NULL) return false;
    if (*view != VIEW_NEWEST) *settled = settled_of(c, *newest, *view);
    if (*settled == NULL) {
        *view = VIEW_NEWEST;
        *settled = *newest;
    }
    return true;
}

/* ---- what has a name of its own ---- */

static void on_named(struct waiter *w, int status, const struct err *err) {
    struct need_item *item = CONTAINER_OF(w, struct need_item, waiter);
    if (status == 0)
        named_pin(item->named);
    else
        item->named = NULL;
    item_done(item, status, err);
}

bool need_named(struct client *c, enum named_class class, struct str name, struct named **out) {
    struct model *m = &c->srv->model;
    *out = stream_name_valid(name) ? named_find(m, class, name) : NULL;
    if (*out != NULL && c->view == VIEW_NEWEST) client_tells(c, named_frame(m, *out));
    if (*out != NULL || named_resident(class) || !stream_name_valid(name)) return true;
    struct need_item *item = item_create(c, ITEM_NAMED);
    item->waiter.wake = on_named;
    item->named = named_load(m, class, name, &item->waiter);
    return false;
}

bool need_named_list(struct client *c, enum named_class class, uint64_t from, uint64_t count,
                     const struct named_list **out) {
    struct need_item *item = find(c, ITEM_NAMED_LIST);
    if (item == NULL) {
        item = item_create(c, ITEM_NAMED_LIST);
        item->request.class = class;
        item->request.range = (struct read_range){.start = from, .count_max = count};
        item_ask(item, STORE_LIST_NAMED, item_guess(count, LIST_GUESS));
        return false;
    }
    *out = &item->request.named;
    return item->done;
}

/* ---- events by id ---- */

bool need_streams(struct client *c, const struct str *names, size_t n) {
    bool all = true;
    for (size_t i = 0; i < n; i++) all = find_stream(c, names[i]) != NULL && all;
    return all;
}

static struct need_item *find_event(const struct client *c, const struct uuid *id) {
    struct hash_node *n = first_asked(c, hash_bytes(id, sizeof *id));
    for (; n != NULL; n = hash_next(&c->need->asked, n)) {
        struct need_item *item = CONTAINER_OF(n, struct need_item, by_key);
        if (item->kind == ITEM_EVENT && uuid_eq(&item->request.id, id)) return item;
    }
    return NULL;
}

bool need_event(struct client *c, const struct uuid *id, struct event **out) {
    struct model *m = &c->srv->model;
    *out = model_find_id(m, id, c->view);
    if (c->view == VIEW_NEWEST) { /* it may just have been removed or erased, its stream renamed */
        client_tells(c, MAX(m->hidden.frame, MAX(m->erased.frame, m->renamed.frame)));
        if (*out != NULL) client_tells(c, (*out)->frame);
    }
    if (*out != NULL) return true;
    struct need_item *item = find_event(c, id);
    if (item != NULL) {
        if (!item->done) return false;
        if (item->generation != m->generation && m->flushed.frame != 0) return true;
        struct event *e = item->request.event;
        bool there = e != NULL && !model_hides(m, e, item->request.applied, c->view);
        *out = there ? model_erased(m, e, c->view) : NULL;
        return true;
    }
    /* Nothing on disk can have it: no such client-made id is there, and no such sequence. */
    if (event_id_sequence(id, m->id_key) >= m->log.first && known_ids_prove_absent(m, id))
        return true;
    if (m->log.first == 0) return true; /* the whole log is in memory */
    item = item_create(c, ITEM_EVENT);
    item->request.id = *id;
    hash_insert(&c->need->asked, &item->by_key, hash_bytes(id, sizeof *id));
    item_ask(item, STORE_READ_ID, item_guess(1, READ_BYTES_MAX));
    return false;
}

/* ---- ranges ---- */

void need_begin(struct client *c) {
    c->need->run_bytes = 0;
    LIST_FOR_EACH (it, &c->need->items) {
        LIST_ENTRY(it, struct need_item, node)->used = false;
        LIST_ENTRY(it, struct need_item, node)->keeps = NULL;
    }
}

/* Whether the page holds what the range begins with, though it was asked for from further down:
 * what lay there was trimmed since. Else a stream that is trimmed without end would be asked for
 * without end. */
static bool covers(const struct need_item *item, const struct read *r) {
    const struct page *page = &item->request.page;
    if (!r->goes_on || item->used || !item->done || item->request.status != 0) return false;
    if (item->asked_start > r->start || item->asked_end > r->end) return false;
    if (r->reverse) return item->asked_end == r->end;
    return item->asked_end >= r->start && (page->done || page->next > r->start);
}

static uint64_t stream_of(const struct read *r) {
    return r->stream != NULL ? r->stream->name->rec.number : 0;
}

static bool is_alike(const struct need_item *item, const struct read *r) {
    const struct read_range *range = &item->request.range;
    return item->kind == ITEM_PAGE && range->stream == stream_of(r) &&
           range->reverse == r->reverse && item->heads == r->heads && (r->lean || !range->lean) &&
           selector_eq(range->selector, r->selector);
}

static struct need_item *find_covering(struct client *c, const struct read *r) {
    const struct hash_table *t = &c->need->pages;
    for (struct hash_node *n = hash_first(t, hash_u64(stream_of(r))); n != NULL;
         n = hash_next(t, n)) {
        struct need_item *item = CONTAINER_OF(n, struct need_item, by_stream);
        if (is_alike(item, r) && covers(item, r)) return item;
    }
    return NULL;
}

/* The page that was asked for by an earlier run of this read. EXEC may have several of nearly the
 * same; and where a range ends may have moved on since. */
static struct need_item *find_page(struct client *c, const struct read *r) {
    struct need_item *near = NULL;
    if (c->need == NULL || c->need->pages.count == 0) return NULL;
    struct hash_node *n = first_asked(c, hash_place(stream_of(r), r->start, r->count));
    for (; n != NULL; n = hash_next(&c->need->asked, n)) {
        struct need_item *item = CONTAINER_OF(n, struct need_item, by_key);
        if (!is_alike(item, r) || item->asked_start != r->start || item->asked_count != r->count)
            continue;
        if (item->asked_end == r->end) return item;
        if (item->asked_end < r->end && !item->used) near = item;
    }
    return near != NULL || !r->goes_on ? near : find_covering(c, r);
}

/* So that find_page finds it. */
static void file_page(struct client *c, struct need_item *item, const struct read *r) {
    hash_insert(&c->need->pages, &item->by_stream, hash_u64(stream_of(r)));
    hash_insert(&c->need->asked, &item->by_key,
                hash_place(stream_of(r), item->asked_start, item->asked_count));
}

static struct need_item *take_from_ahead(struct client *c, const struct read *r) {
    struct need_item *item = ahead_take(c, r);
    if (item == NULL) return NULL;
    item_adopt(c, item);
    file_page(c, item, r);
    return item;
}

bool need_read(struct client *c, struct read *r) {
    struct model *m = &c->srv->model;
    struct need_item *item = find_page(c, r);
    if (item == NULL && r->pages && c->ahead != NULL) item = take_from_ahead(c, r);
    const struct page *page = NULL;
    uint64_t start = r->start, end = r->end;
    if (item != NULL) item->used = true;
    if (item != NULL && !item->done) return false;
    if (item != NULL && item->generation == m->generation) {
        /* The page is of the range as it was when it was asked for. */
        page = &item->request.page;
        assert(page->applied <= c->view); /* the watermarks are read behind what has been read */
        r->page_end = item->request.range.end + 1;
        r->names = &item->names;
    }
    struct read_range range;
    if (model_read(m, r, page, &range)) {
        if (page != NULL && r->stream != NULL && r->selector == NULL && !r->heads)
            item->keeps = stream_origin(r->stream);
        if (page != NULL && r->pages) ahead_note(c, item, r, start);
        if (r->stream == NULL && r->horizon == VIEW_NEWEST) client_tells(c, m->decided);
        return true;
    }
    unsigned before = 0;
    if (item != NULL) { /* of before a flush, a void or a rename: once more */
        before = item->names_before + 1;
        c->need->page_bytes -= item->request.page.bytes;
        item_forget(c->need, item);
    }
    item = item_create(c, ITEM_PAGE);
    item->asked_start = start;
    item->asked_end = end;
    item->asked_count = r->count;
    item->used = true;
    item->in_sequence = r->pages && ahead_expects(c, r, start);
    file_page(c, item, r);
    item->names_before = before;
    names_ask(m, &range, before, &item->names);
    item->request.range = range;
    if (r->selector != NULL) item->selector = selector_ref(r->selector);
    item->heads = r->heads;
    uint64_t most = MIN((uint64_t)range.count_max - 1, range.end - range.start) + 1;
    item_ask(item, STORE_READ_EVENTS, item_guess(most, range.bytes_max));
    return false;
}

/* ---- entries ---- */

bool need_entry(struct client *c, struct stream *s, struct entry_id at, uint64_t *version) {
    struct model *m = &c->srv->model;
    if (s->state != STREAM_LIVE) {
        *version = 0;
        return true;
    }
    uint64_t number = s->name->rec.number;
    uint64_t hash = hash_place(number, at.ms, at.seq);
    for (struct hash_node *n = first_asked(c, hash); n != NULL; n = hash_next(&c->need->asked, n)) {
        struct need_item *item = CONTAINER_OF(n, struct need_item, by_key);
        const struct store_request *r = &item->request;
        if (item->kind != ITEM_ENTRY || r->range.stream != number ||
            item->generation != m->generation || entry_id_cmp(r->entry, at) != 0)
            continue;
        return item->done && model_find_entry(m, s, at, &r->version, version);
    }
    if (model_find_entry(m, s, at, NULL, version)) return true;
    struct need_item *item = item_create(c, ITEM_ENTRY);
    item->request.entry = at;
    hash_insert(&c->need->asked, &item->by_key, hash);
    item->request.range = (struct read_range){.stream = number, .start = stream_first_version(s)};
    item_ask(item, STORE_FIND_ENTRY, 0);
    return false;
}

static bool read_version(struct client *c, struct stream *s, uint64_t version, bool heads,
                         struct event **out) {
    *out = NULL;
    if (s->state != STREAM_LIVE || !stream_has_version(s, version)) return true;
    if (version >= stream_tail_first(s)) {
        *out = stream_event(s, version);
        return true;
    }
    struct read r = {.stream = s,
                     .start = version,
                     .end = version,
                     .count = 1,
                     .horizon = c->view,
                     .heads = heads};
    bool known = need_read(c, &r);
    if (known && r.found > 0) *out = r.events[0];
    read_clear(&r);
    return known;
}

bool need_version(struct client *c, struct stream *s, uint64_t version, struct event **out) {
    return read_version(c, s, version, false, out);
}

bool need_version_head(struct client *c, struct stream *s, uint64_t version, struct event **out) {
    return read_version(c, s, version, true, out);
}

bool need_last_id(struct client *c, struct stream *s, struct entry_id *id) {
    struct event *e;
    *id = stream_last_id(s);
    if (!s->last_id_unknown) return true;
    if (!need_version(c, s, s->next_version - 1, &e)) return false;
    if (e != NULL)
        *id = event_entry_id(e);
    else
        c->wants_newest = true; /* it was deleted, and nobody else has its id */
    return true;
}

/* ---- lists of streams, backups ---- */

static struct need_item *find_list(const struct client *c, enum item_kind kind,
                                   const struct key_query *q) {
    if (c->need == NULL) return NULL;
    LIST_FOR_EACH (it, &c->need->items) {
        struct need_item *item = LIST_ENTRY(it, struct need_item, node);
        const struct store_request *r = &item->request;
        if (item->kind == kind && r->range.start == MAX(q->from, (uint64_t)1) &&
            r->range.count_max == q->count && str_eq(r->pattern, q->pattern) &&
            str_eq(r->category, q->category))
            return item;
    }
    return NULL;
}

static void ask_list(struct client *c, enum item_kind kind, const struct key_query *q) {
    struct need_item *item = item_create(c, kind);
    struct str pattern = q->pattern, category = q->category;
    item->text = xmalloc(pattern.len + category.len + 1);
    if (pattern.len > 0) memcpy(item->text, pattern.ptr, pattern.len);
    if (category.len > 0) memcpy(item->text + pattern.len, category.ptr, category.len);
    item->request.pattern = str_of(item->text, pattern.len);
    item->request.category = str_of(item->text + pattern.len, category.len);
    item->request.range = (struct read_range){
        .start = MAX(q->from, (uint64_t)1),
        .count_max = q->count,
        .bytes_max = q->bytes_max,
        .examined_max = MAX(q->count, (uint64_t)10000),
    };
    item_ask(item, STORE_LIST_STREAMS, item_guess(q->count, LIST_GUESS));
}

bool need_stream_list(struct client *c, const struct key_query *q, const struct stream_list **out) {
    struct need_item *item = find_list(c, ITEM_LIST, q);
    if (item == NULL) {
        ask_list(c, ITEM_LIST, q);
        return false;
    }
    *out = &item->request.list;
    return item->done;
}

/* What the walk does not need any more goes at once: it may be long until its text has left. */
static void walked(struct need_item *item) {
    store_release(item->srv->store, &item->request);
    stream_list_discard(item->srv, &item->request.list);
    item->client->need->page_bytes = key_walk_bytes(item->walk);
}

static void on_walked(void *arg) {
    struct need_item *item = arg;
    walked(item);
    item_done(item, 0, NULL);
}

static void start_walk(struct client *c, struct need_item *item) {
    key_walk_destroy(item->walk);
    item->walk = key_walk_create(c, &(struct key_walk_of){
                                        .pattern = item->request.pattern,
                                        .list = &item->request.list,
                                        .bytes_max = c->srv->config.reply_bytes_max,
                                        .done = on_walked,
                                        .arg = item,
                                    });
}

bool need_all_keys(struct client *c, struct str pattern, struct key_walk **out) {
    struct key_query q = {
        .count = UINT32_MAX, .bytes_max = c->srv->config.reply_bytes_max, .pattern = pattern};
    struct need_item *item = find_list(c, ITEM_KEYS, &q);
    if (item == NULL) ask_list(c, ITEM_KEYS, &q);
    if (item == NULL || !item->done) return false;
    if (c->srv->exec.client == c) { /* of the moment of its other commands: once more each time */
        start_walk(c, item);
        key_walk_finish(item->walk);
    } else if (item->walk == NULL) {
        start_walk(c, item);
        if (!key_walk_start(item->walk)) {
            item->done = false;
            c->need->pending++;
            return false;
        }
        walked(item);
    }
    *out = item->walk;
    client_tells(c, key_walk_frame(item->walk));
    return true;
}

void need_keep(struct client *c, uint64_t number) {
    if (c->need == NULL || c->srv->exec.client == c) return;
    c->need->keeps = true;
    c->need->kept = number;
}

bool need_kept(const struct client *c, uint64_t *number) {
    if (c->need == NULL || !c->need->keeps) return false;
    *number = c->need->kept;
    return true;
}

void *need_gathered(struct client *c, size_t size, need_drop_fn *drop) {
    struct need_item *item = find(c, ITEM_GATHERED);
    assert(c->srv->exec.client != c);
    if (item == NULL) {
        item = item_create(c, ITEM_GATHERED);
        item->gathered = xcalloc(1, size);
        item->drop = drop;
        item->done = true;
        c->need->pending--;
    }
    return item->gathered;
}

void need_gathers(struct client *c, size_t bytes) {
    c->need->page_bytes = bytes;
    share_count(c);
}

bool need_is_backup(const struct client *c) {
    return find(c, ITEM_BACKUP) != NULL;
}

bool need_backup(struct client *c, struct str name) {
    struct need_item *item = find(c, ITEM_BACKUP);
    if (item != NULL) return item->done;
    item = item_create(c, ITEM_BACKUP);
    item->text = str_dup(name);
    item->request.name = str_of(item->text, name.len);
    item_ask(item, STORE_BACKUP, 0);
    return false;
}
