/* See live.h. */
#include "stream/live.h"

#include "base/alloc.h"
#include "stream/gone/remove.h"
#include "stream/internal.h"

/* A target under one value. */
struct live_link {
    struct hash_node node; /* live.links */
    struct list anywhere;  /* live.anything, instead */
    struct live_target *target;
    enum selector_kind kind;
    bool is_glob;
    struct str value; /* the target's selector's: the value, or the literal beginning */
};

struct live_target {
    struct hash_node node;     /* live.targets */
    struct list matched;       /* live.matched */
    struct list hit;           /* live.hit */
    struct selector *selector; /* NULL: everything */
    struct list watchers, followers;
    size_t holds;                         /* live_hold */
    uint64_t looked;                      /* live.looks, when it was last compared with an event */
    uint64_t first_matched, last_matched; /* sequences; while in live.matched */
    size_t weight;                        /* what comparing an event with it takes, about */
    size_t link_count;
    struct live_link links[];
};

/* Of all there are: a name has one note only. */
static uint64_t changes;

void live_init(struct live *l) {
    memset(l, 0, sizeof *l);
    l->names_changed = l->types_changed = ++changes;
    hash_init(&l->targets);
    hash_init(&l->links);
    list_init(&l->anything);
    list_init(&l->matched);
    list_init(&l->hit);
    list_init(&l->woken);
}

/* --- where a target stands ----------------------------------------------------- */

static uint64_t link_hash(enum selector_kind kind, bool is_glob, struct str value) {
    return hash_bytes(value.ptr, value.len) ^ hash_u64((uint64_t)kind * 2 + is_glob + 1);
}

/* Most events concern nobody: whether a value can be among those of a kind is known from its length
 * and two of its bytes, without a hash. */
static inline uint32_t *near_of(struct live *l, enum selector_kind kind, bool is_glob,
                                struct str value) {
    size_t near = value.len;
    if (value.len > 0)
        near += (uint8_t)value.ptr[value.len - 1] * 7u + (uint8_t)value.ptr[value.len / 2] * 131u;
    return &l->near[kind][is_glob][near % LIVE_NEAR];
}

/* Categories have no globs: those of names with a '-' by their number. */
static inline uint32_t *near_category(struct live *l, uint32_t number) {
    return &l->near[SELECT_CATEGORY][true][number % LIVE_NEAR];
}

/* The kind under whose values it stands: where the fewest events look. SELECT_KINDS: none will do,
 * as each has a glob that begins with its star, or no value. */
static enum selector_kind kind_to_stand_under(const struct selector *s) {
    static const enum selector_kind order[] = {SELECT_CORRELATION, SELECT_CAUSATION,
                                               SELECT_AGGREGATE,   SELECT_STREAM,
                                               SELECT_CATEGORY,    SELECT_TYPE};
    enum selector_kind with_globs = SELECT_KINDS;
    for (size_t i = 0; s != NULL && i < ARRAY_LEN(order); i++) {
        const struct selector_values *v = &s->kinds[order[i]];
        bool usable = v->count > 0;
        for (size_t k = v->plain; k < v->count; k++) {
            size_t prefix = str_glob_prefix(v->values[k]);
            usable = usable && prefix > 0 && prefix <= LIVE_PREFIX_MAX;
        }
        if (!usable) continue;
        if (v->plain == v->count) return order[i];
        if (with_globs == SELECT_KINDS) with_globs = order[i];
    }
    return with_globs;
}

static size_t links_of(const struct selector *s, enum selector_kind kind) {
    return kind == SELECT_KINDS ? 1 : s->kinds[kind].count;
}

static size_t target_bytes(const struct selector *s, size_t links) {
    return sizeof(struct live_target) + links * sizeof(struct live_link) +
           (s != NULL ? s->size : 0);
}

size_t live_bytes_of(const struct selector *s) {
    return target_bytes(s, links_of(s, kind_to_stand_under(s)));
}

static struct live_prefixes *prefixes_of(struct live *l, enum selector_kind kind) {
    assert(kind == SELECT_STREAM || kind == SELECT_TYPE);
    return &l->prefixes[kind == SELECT_TYPE];
}

static void prefix_added(struct live_prefixes *p, size_t len) {
    p->lengths[len]++;
    if (p->longest == 0 || len < p->shortest) p->shortest = (uint16_t)len;
    if (len > p->longest) p->longest = (uint16_t)len;
}

static void prefix_gone(struct live_prefixes *p, size_t len) {
    p->lengths[len]--;
    while (p->longest > 0 && p->lengths[p->longest] == 0) p->longest--;
    while (p->shortest < p->longest && p->lengths[p->shortest] == 0) p->shortest++;
}

/* What was noted of names and types holds while only fewer are waited for. */
static void count_link(struct live *l, enum selector_kind kind, size_t came) {
    bool named = kind == SELECT_STREAM || kind == SELECT_CATEGORY, typed = kind == SELECT_TYPE;
    if (named) l->under_names += came;
    if (typed) l->under_types += came;
    if (!named && !typed) l->under_ids += came;
    if (came != 1) return;
    changes++;
    if (named) l->names_changed = changes;
    if (typed) l->types_changed = changes;
}

static void link_in(struct live *l, struct live_link *link) {
    if (link->kind == SELECT_KINDS) {
        list_append(&l->anything, &link->anywhere);
        return;
    }
    hash_insert(&l->links, &link->node, link_hash(link->kind, link->is_glob, link->value));
    count_link(l, link->kind, 1);
    ++*near_of(l, link->kind, link->is_glob, link->value);
    if (link->kind == SELECT_CATEGORY) ++*near_category(l, category_number_of(link->value));
    if (!link->is_glob) {
        l->plain[link->kind]++;
    } else {
        l->globs[link->kind]++;
        prefix_added(prefixes_of(l, link->kind), link->value.len);
    }
}

static void link_out(struct live *l, struct live_link *link) {
    if (link->kind == SELECT_KINDS) {
        list_remove(&link->anywhere);
        return;
    }
    hash_remove(&l->links, &link->node);
    count_link(l, link->kind, (size_t)-1);
    --*near_of(l, link->kind, link->is_glob, link->value);
    if (link->kind == SELECT_CATEGORY) --*near_category(l, category_number_of(link->value));
    if (!link->is_glob) {
        l->plain[link->kind]--;
    } else {
        l->globs[link->kind]--;
        prefix_gone(prefixes_of(l, link->kind), link->value.len);
    }
}

/* Of an event with names of a usual length. */
static size_t weight_of(const struct selector *s) {
    enum { USUAL = 64, BYTES_A_UNIT = 8 };
    size_t weight = 1;
    for (size_t k = 0; s != NULL && k < SELECT_KINDS; k++) {
        const struct glob_work *w = &s->kinds[k].globs;
        weight +=
            w->count + (MIN(w->bytes, w->count * USUAL) + w->behind_star * USUAL) / BYTES_A_UNIT;
    }
    return weight;
}

static struct live_target *find_target(const struct live *l, const struct selector *s,
                                       uint64_t hash) {
    for (struct hash_node *n = hash_first(&l->targets, hash); n != NULL;
         n = hash_next(&l->targets, n)) {
        struct live_target *t = CONTAINER_OF(n, struct live_target, node);
        if (selector_eq(t->selector, s)) return t;
    }
    return NULL;
}

static uint64_t hash_of(const struct selector *s) {
    return s != NULL ? s->hash : 0;
}

bool live_has_room(const struct live *l, const struct selector *s, size_t *promised) {
    size_t weight = weight_of(s), before = promised != NULL ? *promised : 0;
    if (weight > LIVE_WEIGHT_MAX / 50) return false;
    if (find_target(l, s, hash_of(s)) != NULL) return true;
    if (promised != NULL) *promised += weight;
    return l->weight + before + weight <= LIVE_WEIGHT_MAX;
}

static struct live_target *target_create(struct live *l, struct selector *s, uint64_t hash) {
    enum selector_kind kind = kind_to_stand_under(s);
    size_t n = links_of(s, kind);
    struct live_target *t = xcalloc(1, sizeof *t + n * sizeof *t->links);
    t->selector = s != NULL ? selector_ref(s) : NULL;
    list_init(&t->watchers);
    list_init(&t->followers);
    list_init(&t->matched);
    list_init(&t->hit);
    t->link_count = n;
    t->weight = weight_of(s);
    l->weight += t->weight;
    for (size_t i = 0; i < n; i++) {
        struct live_link *link = &t->links[i];
        link->target = t;
        link->kind = kind;
        list_init(&link->anywhere);
        if (kind != SELECT_KINDS) {
            const struct selector_values *v = &s->kinds[kind];
            link->is_glob = i >= v->plain;
            link->value = v->values[i];
            if (link->is_glob) link->value.len = str_glob_prefix(link->value);
        }
        link_in(l, link);
    }
    hash_insert(&l->targets, &t->node, hash);
    return t;
}

static void target_destroy(struct live *l, struct live_target *t) {
    for (size_t i = 0; i < t->link_count; i++) link_out(l, &t->links[i]);
    hash_remove(&l->targets, &t->node);
    list_remove(&t->matched);
    list_remove(&t->hit);
    l->weight -= t->weight;
    selector_unref(t->selector);
    free(t);
}

static void destroy_if_unused(struct live *l, struct live_target *t) {
    if (list_empty(&t->watchers) && list_empty(&t->followers) && t->holds == 0)
        target_destroy(l, t);
}

static struct live_target *target_get(struct live *l, struct selector *s) {
    struct live_target *t = find_target(l, s, hash_of(s));
    return t != NULL ? t : target_create(l, s, hash_of(s));
}

/* Somebody comes who is concerned by events from this one on. */
static void begin_at(struct live *l, const struct model *m, uint64_t from) {
    if (l->watchers + l->followers == 0) {
        l->sequence = from;
        l->generation = m->generation;
    }
    l->sequence = MIN(l->sequence, from);
}

/* --- followers ----------------------------------------------------------------- */

struct live_target *live_hold(struct live *l, struct selector *selector) {
    struct live_target *t = target_get(l, selector);
    t->holds++;
    return t;
}

void live_drop(struct live *l, struct live_target *t) {
    assert(t->holds > 0);
    t->holds--;
    destroy_if_unused(l, t);
}

void live_follow(struct live *l, const struct model *m, struct live_target *t,
                 struct live_follower *f) {
    assert(!live_follows(f));
    begin_at(l, m, f->from);
    list_append(&t->followers, &f->node);
    l->followers++;
}

void live_unfollow(struct live *l, struct live_follower *f) {
    if (!live_follows(f)) return;
    list_remove(&f->node); /* the target is held */
    l->followers--;
}

/* --- watchers ------------------------------------------------------------------ */

void live_watch(struct live *l, const struct model *m, struct selector *selector,
                struct live_watcher *w) {
    assert(!live_is_watching(w));
    begin_at(l, m, w->from);
    w->target = target_get(l, selector);
    list_init(&w->node);
    list_append(&w->target->watchers, &w->node);
    l->watchers++;
}

/* Off his target, which may go with the last. */
static void take_off(struct live *l, struct live_watcher *w) {
    struct live_target *t = w->target;
    w->target = NULL;
    list_remove(&w->node);
    l->watchers--;
    destroy_if_unused(l, t);
}

void live_unwatch(struct live *l, struct live_watcher *w) {
    if (w->target != NULL)
        take_off(l, w);
    else
        list_remove(&w->node);
}

size_t live_watcher_bytes(const struct live_watcher *w) {
    const struct live_target *t = w->target;
    return t != NULL ? target_bytes(t->selector, t->link_count) : 0;
}

static void wake(struct live *l, struct live_watcher *w, uint64_t from) {
    w->from = MAX(w->from, from);
    w->quiet_from = w->quiet_to = 0;
    take_off(l, w);
    list_append(&l->woken, &w->node);
}

struct waking {
    struct live *live;
    uint64_t from, most;
};

static void wake_target(struct hash_node *n, void *arg) {
    struct live_target *t = CONTAINER_OF(n, struct live_target, node);
    const struct waking *k = arg;
    struct live *l = k->live;
    for (struct live_follower *f; !list_empty(&t->followers);) {
        f = LIST_ENTRY(t->followers.next, struct live_follower, node);
        live_unfollow(l, f);
        l->lost(f, MIN(MAX(f->from, l->sequence), k->most));
    }
    for (size_t left = !list_empty(&t->watchers); left > 0;) { /* t may go with its last watcher */
        struct live_watcher *w = LIST_ENTRY(t->watchers.next, struct live_watcher, node);
        left = w->node.next != &t->watchers;
        wake(l, w, k->from);
        w->from = MIN(w->from, k->most);
    }
}

/* Everything before `from` was looked at; what is beyond `most` may have been taken back. */
static void wake_all(struct live *l, uint64_t from, uint64_t most) {
    struct waking k = {l, from, most};
    hash_each(&l->targets, wake_target, &k);
}

void live_emptied(struct live *l) {
    LIST_FOR_EACH (it, &l->woken) LIST_ENTRY(it, struct live_watcher, node)->emptied = true;
    size_t woken = l->watchers;
    wake_all(l, 0, UINT64_MAX);
    for (struct list *it = l->woken.prev; woken > 0; it = it->prev, woken--)
        LIST_ENTRY(it, struct live_watcher, node)->emptied = true;
}

void live_clear(struct live *l) {
    wake_all(l, 0, UINT64_MAX);
    while (!list_empty(&l->woken)) list_remove(l->woken.next);
    hash_clear(&l->targets);
    hash_clear(&l->links);
}

uint64_t live_looked_up_to(const struct live *l, const struct live_watcher *w) {
    return w->target != NULL ? MAX(w->from, l->sequence) : w->from;
}

/* --- looking -------------------------------------------------------------------- */

struct look {
    struct live *live;
    const struct event *event;
    struct str name; /* of its stream */
    size_t work;
};

static void compare(struct look *k, struct live_target *t) {
    const struct event_record *r = &k->event->rec;
    if (t->looked == k->live->looks) return; /* it stands under several values */
    t->looked = k->live->looks;
    bool watched = !list_empty(&t->watchers), followed = !list_empty(&t->followers);
    if (!watched && !followed) return;
    if (t->selector != NULL) k->work += selector_work(t->selector, r, k->name);
    if (t->selector != NULL && !selector_match(t->selector, r, k->name)) return;
    if (followed) list_append(&k->live->hit, &t->hit);
    if (!watched) return;
    t->last_matched = r->sequence;
    if (list_linked(&t->matched)) return;
    t->first_matched = r->sequence;
    list_append(&k->live->matched, &t->matched);
}

/* Whether there are any under the value; they are compared. */
static bool look_up(struct look *k, enum selector_kind kind, bool is_glob, struct str value) {
    struct live *l = k->live;
    uint64_t hash = link_hash(kind, is_glob, value);
    bool any = false;
    for (struct hash_node *n = hash_first(&l->links, hash); n != NULL;
         n = hash_next(&l->links, n)) {
        struct live_link *link = CONTAINER_OF(n, struct live_link, node);
        if (link->kind != kind || link->is_glob != is_glob || !str_eq(link->value, value)) continue;
        compare(k, link->target);
        any = true;
    }
    return any;
}

static inline bool look_under(struct look *k, enum selector_kind kind, bool is_glob,
                              struct str value) {
    return UNLIKELY(*near_of(k->live, kind, is_glob, value) > 0) &&
           look_up(k, kind, is_glob, value);
}

static void look_under_uuid(struct look *k, enum selector_kind kind, const struct uuid *id) {
    if (id != NULL) look_under(k, kind, false, str_of(id, sizeof *id));
}

static bool look_under_text(struct look *k, enum selector_kind kind, struct str text) {
    bool any = look_under(k, kind, false, text);
    if (k->live->globs[kind] == 0) return any;
    const struct live_prefixes *p = prefixes_of(k->live, kind);
    for (size_t len = p->shortest; len <= p->longest && len <= text.len; len++)
        if (p->lengths[len] > 0) any |= look_under(k, kind, true, str_of(text.ptr, len));
    return any;
}

static bool look_under_category(struct look *k, const struct stream_name *name) {
    if (name->category == CATEGORY_NONE) return look_under(k, SELECT_CATEGORY, false, k->name);
    return UNLIKELY(*near_category(k->live, name->category) > 0) &&
           look_up(k, SELECT_CATEGORY, false, stream_category(k->name));
}

/* Streams and types are few beside events. Whom a name concerns need not be looked for again until
 * somebody comes who waits for others. */
static void look_under_name(struct look *k, struct stream_name *name) {
    struct live *l = k->live;
    bool any = look_under_category(k, name);
    any |= look_under_text(k, SELECT_STREAM, k->name);
    if (!any) name->quiet = l->names_changed;
}

/* The event's type as in struct live_type. false: it is not looked at in this way. */
static inline bool type_key(const struct event *e, struct str type, struct live_type *key) {
    size_t behind = sizeof *e + e->rec.payload_len; /* at least so many bytes, with the type */
    if (UNLIKELY(behind + type.len < sizeof *e + sizeof key->first || type.len == 0)) return false;
    memcpy(&key->first, type.ptr, sizeof key->first);
    key->len = (uint32_t)type.len;
    key->last = 0;
    if (type.len < sizeof key->first)
        key->first &= (UINT64_C(1) << 8 * type.len) - 1; /* what is behind is the payload */
    else
        memcpy(&key->last, type.ptr + type.len - sizeof key->last, sizeof key->last);
    return type.len <= sizeof key->text;
}

static inline struct live_type *type_place(struct live *l, const struct live_type *key) {
    uint64_t mixed = (key->first ^ key->last * 31 ^ key->len) * UINT64_C(0x9e3779b97f4a7c15);
    return &l->types[mixed >> 57];
}
_Static_assert(LIVE_TYPES == 1 << (64 - 57), "seven bits");

static inline bool type_is_quiet(struct live *l, const struct event *e) {
    struct str type = event_type(&e->rec);
    struct live_type key;
    if (UNLIKELY(!type_key(e, type, &key))) return false;
    const struct live_type *t = type_place(l, &key);
    return t->quiet == l->types_changed && t->first == key.first && t->last == key.last &&
           t->len == key.len &&
           (key.len <= 2 * sizeof key.first || memcmp(t->text, type.ptr, key.len) == 0);
}

static void look_under_type(struct look *k) {
    struct live *l = k->live;
    struct str type = event_type(&k->event->rec);
    struct live_type key;
    if (look_under_text(k, SELECT_TYPE, type) || !type_key(k->event, type, &key)) return;
    struct live_type *t = type_place(l, &key);
    memcpy(t->text, type.ptr, type.len);
    t->first = key.first;
    t->last = key.last;
    t->len = key.len;
    t->quiet = l->types_changed;
}

static void look_under_ids(struct look *k) {
    struct live *l = k->live;
    const struct event_record *r = &k->event->rec;
    if (l->plain[SELECT_CORRELATION] > 0)
        look_under_uuid(k, SELECT_CORRELATION, event_correlation(r));
    if (l->plain[SELECT_CAUSATION] > 0) look_under_uuid(k, SELECT_CAUSATION, event_causation(r));
    if (l->plain[SELECT_AGGREGATE] > 0) look_under(k, SELECT_AGGREGATE, false, event_aggregate(r));
}

static size_t look_at(struct live *l, const struct event *e, struct stream_name *name) {
    struct look k = {.live = l, .event = e, .name = stream_name_str(name), .work = 1};
    l->looks++;
    LIST_FOR_EACH (it, &l->anything)
        compare(&k, LIST_ENTRY(it, struct live_link, anywhere)->target);
    if (l->under_ids > 0) look_under_ids(&k);
    if (l->under_names > 0 && name->quiet != l->names_changed) look_under_name(&k, name);
    if (l->under_types > 0) look_under_type(&k);
    return k.work;
}

static inline bool has_ids(const struct event_record *r) {
    return r->aggregate_len > 0 || r->flags & (EVENT_HAS_CORRELATION | EVENT_HAS_CAUSATION);
}

static inline bool concerns_nobody(struct live *l, const struct event *e) {
    if (l->under_ids > 0 && has_ids(&e->rec)) return false;
    if (l->under_names > 0 && e->name->quiet != l->names_changed) return false;
    return l->under_types == 0 || type_is_quiet(l, e);
}

/* Nearly all events concern nobody, beside very many who wait for little. Returns the first that
 * may concern somebody. */
static uint64_t skip_quiet(struct live *l, const struct model *m, uint64_t end, uint64_t settled) {
    uint64_t at = l->sequence;
    bool renamed = m->renamed.table.count > 0 || m->renamed.frame > settled;
    if (!list_empty(&l->anything) || renamed) return at;
    for (; at < end; at++) {
        const struct event *e = model_event(m, at);
        if (e->frame > settled || e->removed || !concerns_nobody(l, e)) break;
    }
    return at;
}

/* Wakes those of the targets that matched, but for whoever waits for later events. */
static void wake_matched(struct live *l) {
    while (!list_empty(&l->matched)) {
        struct live_target *t = LIST_ENTRY(l->matched.next, struct live_target, matched);
        list_remove(&t->matched);
        uint64_t first = t->first_matched, last = t->last_matched;
        for (struct list *it = t->watchers.next, *next; it != NULL; it = next) {
            struct live_watcher *w = LIST_ENTRY(it, struct live_watcher, node);
            next = it->next != &t->watchers ? it->next : NULL; /* t goes with its last watcher */
            if (w->from > last) continue;
            wake(l, w, first);
            w->quiet_from = last + 1;
            w->quiet_to = l->sequence;
        }
    }
}

/* Tells those of the targets that the event matched. Returns how many. */
static size_t tell_hit(struct live *l, struct event *e, struct stream_name *name) {
    size_t told = 0;
    while (!list_empty(&l->hit)) {
        struct live_target *t = LIST_ENTRY(l->hit.next, struct live_target, hit);
        list_remove(&t->hit);
        LIST_FOR_EACH_SAFE (it, &t->followers) {
            struct live_follower *f = LIST_ENTRY(it, struct live_follower, node);
            if (f->from > e->rec.sequence) continue;
            told++;
            if (!l->tell(f, e, name)) live_unfollow(l, f);
        }
    }
    return told;
}

bool live_is_behind(const struct live *l, const struct model *m) {
    if (l->watchers + l->followers == 0) return false;
    if (l->generation != m->generation || l->sequence < m->log.first) return true;
    return l->sequence < m->next_sequence && model_event(m, l->sequence)->frame <= model_settled(m);
}

bool live_look(struct live *l, struct model *m, size_t work_max) {
    l->work = 0;
    if (l->watchers + l->followers == 0) return true;
    if (l->generation != m->generation || l->sequence < m->log.first) {
        wake_all(l, l->sequence, m->next_sequence);
        return true;
    }
    uint64_t settled = model_settled(m);
    size_t work = 0;
    for (; l->sequence < m->next_sequence && work < work_max; l->sequence++) {
        uint64_t from = l->sequence, end = MIN(m->next_sequence, from + (work_max - work));
        l->sequence = skip_quiet(l, m, end, settled);
        work += l->sequence - from;
        if (l->sequence == end) break;
        struct event *e = model_event(m, l->sequence);
        if (e->frame > settled) break;
        if (model_hides(m, e, UINT64_MAX, settled)) continue;
        struct stream_name *name = model_name_at(m, e, settled);
        work += look_at(l, e, name);
        if (UNLIKELY(!list_empty(&l->hit))) work += tell_hit(l, model_erased(m, e, settled), name);
    }
    wake_matched(l);
    l->work = work;
    return work < work_max;
}
