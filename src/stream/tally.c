/* See tally.h. */
#include "stream/tally.h"

#include "base/alloc.h"
#include "stream/internal.h"

#define TALLIES_MAX 1000
#define OTHERS_MAX  16    /* of these each is compared with every change's name */
#define VALUES_MAX  4     /* names and patterns of one of the others */
#define FORGET_MS   60000 /* that nobody has asked for */
#define CHANGES_FEW 16

static uint64_t hash_of(struct str category) {
    return hash_bytes(category.ptr, category.len);
}

/* The only category that it asks for; ptr NULL: it asks for something else. */
static struct str category_of(const struct selector *s) {
    if (s == NULL || selector_has(s, SELECT_STREAM) || s->kinds[SELECT_CATEGORY].count != 1)
        return (struct str){0};
    return s->kinds[SELECT_CATEGORY].values[0];
}

bool tally_keeps(const struct selector *s) {
    if (s == NULL) return true;
    if (s->since > 0 || s->until != UINT64_MAX || selector_has(s, SELECT_TYPE) ||
        selector_has(s, SELECT_CORRELATION) || selector_has(s, SELECT_CAUSATION) ||
        selector_has(s, SELECT_AGGREGATE))
        return false;
    return s->kinds[SELECT_STREAM].count + s->kinds[SELECT_CATEGORY].count <= VALUES_MAX;
}

/* ---- the changes of one ---- */

static void account(struct model *m, size_t more) {
    m->bytes += more;
    m->tallies.bytes += more;
}

static void grow(struct model *m, struct tally *t) {
    size_t cap = MAX(t->cap * 2, (size_t)CHANGES_FEW);
    account(m, (cap - t->cap) * sizeof *t->changes);
    t->changes = xrealloc(t->changes, cap * sizeof *t->changes);
    t->cap = cap;
}

/* Once all are counted: the last one that everybody sees stands for all before it. */
static void fold(struct model *m, struct tally *t) {
    uint64_t settled = model_settled(m);
    size_t first = 0;
    while (first + 1 < t->count && t->changes[first + 1].frame <= settled) first++;
    t->count -= first;
    if (first == 0) return;
    memmove(t->changes, t->changes + first, t->count * sizeof *t->changes);
}

/* Before: those of streams that were counted are, too, when everybody sees them; those of others
 * are in every snapshot that will count them. */
static void settle(struct model *m, struct tally *t) {
    uint64_t settled = model_settled(m), floor = store_floor(m->store);
    size_t kept = 0;
    for (size_t i = 0; i < t->count; i++) {
        const struct tally_change *k = &t->changes[i];
        bool counted = k->stream < t->next;
        if (counted && k->frame <= settled) t->counted += (uint64_t)k->events;
        if (k->frame > (counted ? settled : floor)) t->changes[kept++] = *k;
    }
    t->count = kept;
}

static void make_room(struct model *m, struct tally *t) {
    if (tally_is_complete(t))
        fold(m, t);
    else
        settle(m, t);
    if (t->count >= t->cap / 2) grow(m, t);
}

static void note(struct model *m, struct tally *t, uint64_t stream, int64_t events) {
    uint64_t frame = m->decided + 1;
    struct tally_change *last = t->count > 0 ? &t->changes[t->count - 1] : NULL;
    bool complete = tally_is_complete(t);
    if (last != NULL && last->frame == frame && (complete || last->stream == stream)) {
        last->events += events;
        return;
    }
    if (t->count == t->cap) make_room(m, t);
    int64_t before = complete && t->count > 0 ? t->changes[t->count - 1].events : 0;
    t->changes[t->count++] = (struct tally_change){frame, stream, before + events};
}

/* All are counted: each change says what all up to it come to. */
static void complete(struct tally *t) {
    size_t kept = 0;
    int64_t sum = 0;
    for (size_t i = 0; i < t->count; i++) {
        sum += t->changes[i].events;
        if (kept > 0 && t->changes[kept - 1].frame == t->changes[i].frame) kept--;
        t->changes[kept++] = (struct tally_change){t->changes[i].frame, 0, sum};
    }
    t->count = kept;
}

void tally_add(struct model *m, struct tally *t, uint64_t from, const struct page *page) {
    uint64_t end = page->done ? UINT64_MAX : page->next;
    size_t kept = 0;
    /* It may have been asked for by who asked another tally for the same, which was forgotten. */
    if (from != t->next || page->applied < t->since || t->missed) return;
    settle(m, t);
    for (size_t i = 0; i < t->count; i++) {
        const struct tally_change *k = &t->changes[i];
        bool has_it = k->stream >= from && k->stream < end && k->frame <= page->applied;
        if (!has_it) t->changes[kept++] = *k;
    }
    t->count = kept;
    t->counted += page->counted;
    t->next = end;
    if (tally_is_complete(t)) complete(t);
}

uint64_t tally_at(const struct tally *t, uint64_t view) {
    size_t low = 0, high = t->count;
    assert(tally_is_complete(t));
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (t->changes[mid].frame <= view)
            low = mid + 1;
        else
            high = mid;
    }
    return t->counted + (low > 0 ? (uint64_t)t->changes[low - 1].events : 0);
}

/* ---- all of them ---- */

void tallies_init(struct model *m) {
    struct tallies *all = &m->tallies;
    hash_init(&all->by_category);
    list_init(&all->others);
    list_init(&all->used);
}

static void forget(struct model *m, struct tally *t) {
    struct tallies *all = &m->tallies;
    if (list_linked(&t->any)) {
        list_remove(&t->any);
        all->other_count--;
    } else {
        hash_remove(&all->by_category, &t->node);
    }
    list_remove(&t->used);
    all->count--;
    account(m, 0 - sizeof *t - t->cap * sizeof *t->changes);
    selector_unref(t->selector);
    free(t->changes);
    free(t);
}

static struct tally *at(struct list *used) {
    return LIST_ENTRY(used, struct tally, used);
}

void tallies_clear(struct model *m) {
    while (!list_empty(&m->tallies.used)) forget(m, at(m->tallies.used.next));
    hash_clear(&m->tallies.by_category);
}

void tallies_forget(struct model *m) {
    struct list *used = &m->tallies.used;
    while (!list_empty(used) && model_since(m, at(used->next)->asked_ms) >= FORGET_MS)
        forget(m, at(used->next));
}

static struct tally *find(struct model *m, const struct selector *s) {
    struct tallies *all = &m->tallies;
    struct str category = category_of(s);
    if (category.ptr != NULL) {
        struct hash_node *n = hash_first(&all->by_category, hash_of(category));
        for (; n != NULL; n = hash_next(&all->by_category, n)) {
            struct tally *t = CONTAINER_OF(n, struct tally, node);
            if (selector_eq(t->selector, s)) return t;
        }
        return NULL;
    }
    LIST_FOR_EACH (it, &all->others) {
        struct tally *t = LIST_ENTRY(it, struct tally, any);
        if (selector_eq(t->selector, s)) return t;
    }
    return NULL;
}

/* Whether there is a place for one more: that of who was not asked for the longest time, unless he
 * was in this turn: a transaction may ask for very many. */
static bool make_place(struct model *m, bool other) {
    struct tallies *all = &m->tallies;
    bool full = all->count >= TALLIES_MAX, others_full = other && all->other_count >= OTHERS_MAX;
    if (!full && !others_full) return true;
    LIST_FOR_EACH (it, &all->used) {
        struct tally *t = at(it);
        if (t->asked_ms == m->wall) return false;
        if (others_full && !list_linked(&t->any)) continue;
        forget(m, t);
        return true;
    }
    return false;
}

static struct tally *add(struct model *m, struct selector *s) {
    struct tallies *all = &m->tallies;
    struct str category = category_of(s);
    if (!make_place(m, category.ptr == NULL)) return NULL;
    struct tally *t = xcalloc(1, sizeof *t);
    t->selector = s != NULL ? selector_ref(s) : NULL;
    t->since = m->decided;
    t->missed = !model_frame_is_empty(m);
    list_init(&t->any);
    list_init(&t->used);
    if (category.ptr != NULL) {
        hash_insert(&all->by_category, &t->node, hash_of(category));
    } else {
        list_append(&all->others, &t->any);
        all->other_count++;
    }
    all->count++;
    account(m, sizeof *t);
    return t;
}

struct tally *tally_of(struct model *m, struct selector *s) {
    assert(tally_keeps(s));
    struct tally *t = find(m, s);
    if (t == NULL) t = add(m, s);
    if (t == NULL) return NULL;
    if (t->missed && m->decided > t->since) { /* that frame was decided since: it comes before */
        t->since++;
        t->missed = false;
    }
    t->asked_ms = m->wall;
    list_remove(&t->used);
    list_append(&m->tallies.used, &t->used);
    return t;
}

void tallies_note(struct model *m, const struct stream_name *name, int64_t events) {
    struct tallies *all = &m->tallies;
    struct str text = stream_name_str(name);
    if (events == 0) return;
    LIST_FOR_EACH (it, &all->others) {
        struct tally *t = LIST_ENTRY(it, struct tally, any);
        if (t->selector == NULL || selector_name_passes(t->selector, text))
            note(m, t, name->rec.number, events);
    }
    if (all->by_category.count == 0) return;
    struct hash_node *n = hash_first(&all->by_category, hash_of(stream_category(text)));
    for (; n != NULL; n = hash_next(&all->by_category, n)) {
        struct tally *t = CONTAINER_OF(n, struct tally, node);
        if (selector_name_passes(t->selector, text)) note(m, t, name->rec.number, events);
    }
}

void tallies_undo(struct model *m) {
    LIST_FOR_EACH (it, &m->tallies.used) {
        struct tally *t = at(it);
        if (t->since == m->decided) t->missed = false; /* else that frame was decided */
        while (t->count > 0 && t->changes[t->count - 1].frame > m->decided) t->count--;
    }
}
