/* See named.h. */
#include "stream/named.h"

#include "base/alloc.h"
#include "store/selector.h"
#include "stream/internal.h"

#define CLOCK_LOOK_AT    64    /* that may not go */
#define CLOCK_TOUCHED    2048  /* that were used: a second chance is paid for by who used them */
#define SETTLED_PER_CALL 16384 /* versions: some milliseconds */

struct named_load {
    struct store_request request;
    struct model *model;
    struct named *named;
};

/* The selector of a view's version. */
struct view_made {
    struct list node; /* named_values.made */
    struct named *of;
    const struct named_version *version;
    struct selector *selector; /* a reference */
};

static size_t made_bytes(const struct selector *s) {
    return sizeof(struct view_made) + s->size;
}

/* ---- making and freeing ---- */

static void account(struct model *m, size_t more) {
    m->named.bytes += more;
    m->bytes += more;
}
static void unaccount(struct model *m, size_t less) {
    m->named.bytes -= less;
    m->bytes -= less;
}

static uint64_t hash_of(struct str name) {
    return hash_bytes(name.ptr, name.len);
}

static struct named *lookup(const struct model *m, enum named_class class, struct str name) {
    const struct hash_table *t = &m->named.tables[class];
    for (struct hash_node *h = hash_first(t, hash_of(name)); h != NULL; h = hash_next(t, h)) {
        struct named *n = CONTAINER_OF(h, struct named, node);
        if (str_eq(named_name(n), name)) return n;
    }
    return NULL;
}

static struct named *create(struct model *m, enum named_class class, struct str name) {
    struct named *n = xcalloc(1, sizeof *n + name.len);
    n->class = (uint8_t) class;
    n->name_len = (uint16_t)name.len;
    memcpy(n->name, name.ptr, name.len);
    list_init(&n->clock);
    list_init(&n->waiters);
    hash_insert(&m->named.tables[class], &n->node, hash_of(name));
    account(m, sizeof *n + name.len);
    return n;
}

static struct named_version *version_create(struct model *m, struct named *n, uint64_t frame,
                                            struct str value) {
    struct named_version *v = xcalloc(1, sizeof *v + value.len);
    v->of = n;
    v->frame = frame;
    v->gone = value.ptr == NULL;
    v->len = (uint32_t)value.len;
    if (value.len > 0) memcpy(v->value, value.ptr, value.len);
    list_init(&v->order);
    account(m, sizeof *v + v->len);
    return v;
}

static void drop_made(struct model *m, struct named *n) {
    struct view_made *made = n->made;
    n->made = NULL;
    list_remove(&made->node);
    m->named.made_bytes -= made_bytes(made->selector);
    unaccount(m, made_bytes(made->selector));
    selector_unref(made->selector);
    free(made);
}

static void version_free(struct model *m, struct named_version *v) {
    struct named *n = v->of;
    if (n->class == NAMED_VIEW && n->made != NULL && n->made->version == v) drop_made(m, n);
    list_remove(&v->order);
    unaccount(m, sizeof *v + v->len);
    free(v);
}

/* Off the list that it is on; then on the one that its newest version says. */
static void take_off(struct model *m, struct named *n) {
    if (!list_linked(&n->clock)) return;
    m->named.absent_count -= n->is_absent;
    list_remove(&n->clock);
}

static void place(struct model *m, struct named *n) {
    if (named_resident(n->class)) return;
    take_off(m, n);
    n->is_absent = n->newest->gone;
    m->named.absent_count += n->is_absent;
    list_append(n->is_absent ? &m->named.absent : &m->named.present, &n->clock);
}

static void destroy(struct model *m, struct named *n) {
    take_off(m, n);
    for (struct named_version *v = n->newest, *older; v != NULL; v = older) {
        older = v->older;
        version_free(m, v);
    }
    if (n->watchers != NULL) heap_clear(n->watchers);
    free(n->watchers);
    hash_remove(&m->named.tables[n->class], &n->node);
    unaccount(m, sizeof *n + n->name_len);
    free(n);
}

/* Another version becomes the newest, or the one before it again. */
static void set_newest(struct model *m, struct named *n, struct named_version *v) {
    struct named_values *all = &m->named;
    const struct named_version *was = n->newest;
    if (n->class == NAMED_VIEW) {
        if (was != NULL && !was->gone) {
            all->view_count--;
            all->view_bytes -= was->len;
        }
        all->view_count += !v->gone;
        all->view_bytes += v->len;
    }
    n->newest = v;
    place(m, n);
}

/* A view that is gone, and that nobody is shown any more. */
static void forget_view(struct model *m, struct named *n) {
    const struct named_version *v = n->newest;
    if (named_resident(n->class) && v->gone && v->older == NULL && !list_linked(&v->order) &&
        n->users == 0 && n->pins == 0)
        destroy(m, n);
}

void named_init(struct model *m) {
    struct named_values *all = &m->named;
    struct named_list views;
    for (size_t i = 0; i < NAMED_CLASSES; i++) hash_init(&all->tables[i]);
    list_init(&all->present);
    list_init(&all->absent);
    list_init(&all->order);
    list_init(&all->waiting);
    list_init(&all->woken);
    list_init(&all->made);
    store_take_views(m->store, &views);
    for (size_t i = 0; i < views.count; i++) {
        struct named *n = create(m, NAMED_VIEW, views.items[i].name);
        set_newest(m, n, version_create(m, n, m->decided, views.items[i].value));
    }
    named_list_clear(&views);
}

static void clear_one(struct hash_node *h, void *arg) {
    struct named *n = CONTAINER_OF(h, struct named, node);
    while (!list_empty(&n->waiters)) list_remove(n->waiters.next);
    if (n->class != NAMED_VIEW) free(n->load);
    destroy(arg, n);
}

void named_clear(struct model *m) {
    for (size_t i = 0; i < NAMED_CLASSES; i++) {
        hash_each(&m->named.tables[i], clear_one, m);
        hash_clear(&m->named.tables[i]);
    }
}

/* ---- finding and loading ---- */

struct named *named_find(struct model *m, enum named_class class, struct str name) {
    struct named *n = lookup(m, class, name);
    if (n == NULL || n->newest == NULL) return NULL;
    n->touched = true;
    return n;
}

static void load_done(struct store_request *r);

static void ask(struct model *m, struct named *n) {
    n->load = xcalloc(1, sizeof *n->load);
    n->load->model = m;
    n->load->named = n;
    n->load->request = (struct store_request){
        .kind = STORE_READ_NAMED, .class = n->class, .name = named_name(n), .done = load_done};
    store_request(m->store, &n->load->request);
}

static void wake_waiters(struct named *n, int status, const struct err *err) {
    struct list waiters;
    list_init(&waiters);
    list_splice(&waiters, &n->waiters);
    while (!list_empty(&waiters)) { /* one may be taken off by another's wake */
        struct waiter *w = LIST_ENTRY(waiters.next, struct waiter, node);
        list_remove(&w->node);
        w->wake(w, status, err);
    }
}

static void load_done(struct store_request *r) {
    struct named_load *load = CONTAINER_OF(r, struct named_load, request);
    struct model *m = load->model;
    struct named *n = load->named;
    n->load = NULL;
    /* What later frames say is in memory: it had not left, or it would not be asked for. */
    if (r->status == 0) set_newest(m, n, version_create(m, n, r->applied, r->value));
    free((char *)(uintptr_t)r->value.ptr);
    store_release(m->store, r);
    n->pins++; /* a waiter must not make it go */
    wake_waiters(n, r->status, r->status != 0 ? &r->err : NULL);
    n->pins--;
    free(load);
    if (n->newest != NULL) return;
    if (list_empty(&n->waiters))
        destroy(m, n);
    else /* asked for again by somebody who was woken */
        ask(m, n);
}

struct named *named_load(struct model *m, enum named_class class, struct str name,
                         struct waiter *w) {
    assert(!named_resident(class));
    struct named *n = lookup(m, class, name);
    if (n == NULL) n = create(m, class, name);
    assert(n->newest == NULL);
    list_append(&n->waiters, &w->node);
    if (n->load == NULL && n->pins == 0) ask(m, n);
    return n;
}

void named_unwait(struct model *m, struct named *n, struct waiter *w) {
    list_remove(&w->node);
    if (!list_empty(&n->waiters) || n->pins > 0 || n->load == NULL) return;
    if (!store_take_back(m->store, &n->load->request)) return;
    store_release(m->store, &n->load->request);
    free(n->load);
    n->load = NULL;
    destroy(m, n);
}

/* ---- what they are ---- */

/* The FLUSH before which nothing counts, for who looks as of a frame; 0: none. */
static uint64_t flush_as_of(const struct model *m, enum named_class class, uint64_t frame) {
    const struct named_values *all = &m->named;
    if (named_resident(class)) return 0;
    return all->flush <= frame ? all->flush : all->flush_before;
}

bool named_flushed(const struct model *m, enum named_class class, uint64_t since, uint64_t frame) {
    return since < flush_as_of(m, class, frame);
}

static struct named_version *version_at(const struct named *n, uint64_t frame) {
    struct named_version *v = n->newest;
    while (v->frame > frame && v->older != NULL) v = v->older;
    return v;
}

bool named_value(const struct model *m, const struct named *n, uint64_t frame, struct str *value) {
    const struct named_version *v = version_at(n, frame);
    *value = str_of(v->value, v->len);
    return !v->gone && !named_flushed(m, n->class, v->frame, frame);
}

uint64_t named_frame(const struct model *m, const struct named *n) {
    return MAX(n->newest->frame, flush_as_of(m, n->class, VIEW_NEWEST));
}

/* ---- changing ---- */

struct note_set {
    struct undo undo;
    struct named *named;
    struct named_version *was; /* the newest before */
    bool replaced;             /* it is of the same batch, and nobody but this note has it */
};

static void unset(struct model *m, struct undo *u) {
    struct note_set *note = CONTAINER_OF(u, struct note_set, undo);
    struct named *n = note->named;
    struct named_version *v = n->newest;
    set_newest(m, n, note->was);
    if (note->replaced) list_append(&m->named.order, &note->was->order);
    version_free(m, v);
    named_unpin(n);
    forget_view(m, n);
}

static void keep_set(struct model *m, struct undo *u) {
    struct note_set *note = CONTAINER_OF(u, struct note_set, undo);
    named_unpin(note->named);
    if (note->replaced) version_free(m, note->was);
}

static void record(struct model *m, const struct named *n, struct str value) {
    struct named_record *r = model_record(m, RECORD_NAMED, sizeof *r + n->name_len + value.len);
    r->class = n->class;
    r->name_len = n->name_len;
    r->flags = value.ptr == NULL ? NAMED_GONE : 0;
    memcpy(r->bytes, n->name, n->name_len);
    if (value.len > 0) memcpy(r->bytes + n->name_len, value.ptr, value.len);
}

/* One version a batch is enough: what is durable ends with a batch. */
void named_set(struct model *m, struct named *n, struct str value) {
    struct named_version *was = n->newest;
    struct named_version *v = version_create(m, n, m->decided + 1, value);
    bool replaced = list_linked(&was->order) && was->frame >= m->open->first_frame;
    v->older = replaced ? was->older : was;
    if (replaced) list_remove(&was->order);
    list_append(&m->named.order, &v->order);
    set_newest(m, n, v);
    record(m, n, value);
    struct note_set *note = model_note(m, sizeof *note, unset);
    if (note != NULL) {
        note->undo.keep = keep_set;
        note->named = n;
        note->was = was;
        note->replaced = replaced;
        named_pin(n);
    } else if (replaced) {
        version_free(m, was);
    }
}

void named_set_checkpoint(struct model *m, struct named *n, uint64_t position) {
    struct checkpoint_value v = {.position = position,
                                 .updated = m->recorded,
                                 .timeline = timelines_current(&m->timelines)->id};
    named_set(m, n, str_of(&v, sizeof v));
}

struct named *named_view(struct model *m, struct str name) {
    struct named *n = named_find(m, NAMED_VIEW, name);
    if (n != NULL) return n;
    n = create(m, NAMED_VIEW, name);
    set_newest(m, n, version_create(m, n, 0, (struct str){0}));
    return n;
}

struct named *named_view_use(struct model *m, struct str name) {
    struct named *n = named_find(m, NAMED_VIEW, name);
    if (n != NULL) n->users++;
    return n;
}

void named_view_unuse(struct model *m, struct named *view) {
    assert(view->users > 0);
    view->users--;
    forget_view(m, view);
}

struct selector *named_made(struct model *m, struct named *n, uint64_t frame) {
    assert(n->class == NAMED_VIEW);
    if (n->made == NULL || n->made->version != version_at(n, frame)) return NULL;
    list_remove(&n->made->node);
    list_append(&m->named.made, &n->made->node);
    return n->made->selector;
}

void named_keep_made(struct model *m, struct named *n, uint64_t frame, struct selector *selector) {
    struct named_values *all = &m->named;
    assert(n->class == NAMED_VIEW);
    if (n->made != NULL) drop_made(m, n);
    while (!list_empty(&all->made) && all->made_bytes + made_bytes(selector) > VIEWS_MADE_MAX)
        drop_made(m, LIST_ENTRY(all->made.next, struct view_made, node)->of);
    n->made = xcalloc(1, sizeof *n->made);
    n->made->of = n;
    n->made->version = version_at(n, frame);
    n->made->selector = selector_ref(selector);
    list_append(&all->made, &n->made->node);
    all->made_bytes += made_bytes(selector);
    account(m, made_bytes(selector));
}

/* ---- watching ---- */

void named_watch(struct model *m, struct named *n, uint64_t sequence, struct named_watcher *w) {
    assert(w->named == NULL);
    if (n->watchers == NULL) n->watchers = xcalloc(1, sizeof *n->watchers);
    w->named = n;
    named_pin(n);
    w->emptied = false;
    list_append(&m->named.waiting, &w->node);
    heap_set(n->watchers, &w->by, sequence);
}

void named_unwatch(struct named_watcher *w) {
    struct named *n = w->named;
    if (n == NULL) return;
    w->named = NULL;
    list_remove(&w->node);
    if (n->watchers != NULL) heap_remove(n->watchers, &w->by); /* it goes with the last in it */
    if (n->watchers != NULL && n->watchers->count == 0) {
        heap_clear(n->watchers);
        free(n->watchers);
        n->watchers = NULL;
    }
    named_unpin(n);
}

static void wake_watchers(struct model *m, struct named *n, uint64_t durable) {
    struct checkpoint_value checkpoint;
    struct str value;
    struct heap_node *first;
    if (!named_value(m, n, durable, &value)) return;
    memcpy(&checkpoint, value.ptr, sizeof checkpoint);
    while ((first = heap_first(n->watchers)) != NULL && first->key < checkpoint.position) {
        struct named_watcher *w = CONTAINER_OF(first, struct named_watcher, by);
        heap_remove(n->watchers, first);
        list_remove(&w->node);
        list_append(&m->named.woken, &w->node);
    }
}

void named_emptied(struct model *m) {
    struct list *waiting = &m->named.waiting;
    while (!list_empty(waiting)) {
        struct named_watcher *w = LIST_ENTRY(waiting->next, struct named_watcher, node);
        heap_remove(w->named->watchers, &w->by);
        w->emptied = true;
        list_remove(&w->node);
        list_append(&m->named.woken, &w->node);
    }
}

void named_settle(struct model *m) {
    uint64_t durable = store_durable(m->store);
    for (int i = 0; i < SETTLED_PER_CALL && named_unsettled(&m->named, durable); i++) {
        struct named_version *v = LIST_ENTRY(m->named.order.next, struct named_version, order);
        struct named *n = v->of;
        list_remove(&v->order);
        for (struct named_version *old = v->older, *older; old != NULL; old = older) {
            older = old->older;
            version_free(m, old);
        }
        v->older = NULL;
        if (n->watchers != NULL) wake_watchers(m, n, durable);
        forget_view(m, n);
    }
}

/* ---- flushing, voids, evicting ---- */

void named_flush(struct model *m, uint64_t frame) {
    m->named.flush_before = m->named.flush;
    m->named.flush = frame;
}

void named_void(struct model *m, uint64_t durable) {
    struct named_values *all = &m->named;
    if (all->flush > durable) all->flush = all->flush_before;
    while (!list_empty(&all->order)) {
        struct named_version *v = LIST_ENTRY(all->order.prev, struct named_version, order);
        struct named *n = v->of;
        if (v->frame <= durable) return;
        assert(n->newest == v && v->older != NULL);
        set_newest(m, n, v->older);
        version_free(m, v);
        forget_view(m, n);
    }
}

static bool evict_from(struct model *m, struct list *clock, uint64_t floor) {
    for (int stay = 0, touched = 0;
         stay < CLOCK_LOOK_AT && touched < CLOCK_TOUCHED && !list_empty(clock);) {
        struct named *n = LIST_ENTRY(clock->next, struct named, clock);
        const struct named_version *v = n->newest;
        bool settled = v->frame <= floor && v->older == NULL && !list_linked(&v->order);
        if (!n->touched && n->pins == 0 && settled) {
            destroy(m, n);
            return true;
        }
        stay += !n->touched;
        touched += n->touched;
        n->touched = false;
        list_remove(&n->clock);
        list_append(clock, &n->clock);
    }
    return false;
}

bool named_evict(struct model *m, uint64_t floor) {
    return evict_from(m, &m->named.present, floor);
}

bool named_evict_absent(struct model *m, uint64_t floor) {
    return evict_from(m, &m->named.absent, floor);
}
