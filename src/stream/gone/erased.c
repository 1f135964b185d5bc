/* Erased events that the backend may still have whole: by sequence, until it has been told. A page
 * that was read meanwhile shows them as they are now; and who reads as of an earlier frame gets the
 * whole event, also from memory. */
#include "base/alloc.h"
#include "stream/internal.h"

struct erased {
    struct hash_node node;
    struct list order;   /* model.erased.order */
    struct event *event; /* one reference */
    struct event *old;   /* whole, in its grave until the frame is applied */
    uint64_t frame;
};

static struct erased *find(const struct model *m, uint64_t sequence) {
    uint64_t hash = hash_u64(sequence);
    for (struct hash_node *n = hash_first(&m->erased.table, hash); n != NULL;
         n = hash_next(&m->erased.table, n)) {
        struct erased *e = CONTAINER_OF(n, struct erased, node);
        if (e->event->rec.sequence == sequence) return e;
    }
    return NULL;
}

static void drop(struct model *m, struct erased *e) {
    hash_remove(&m->erased.table, &e->node);
    list_remove(&e->order);
    event_drop(m, e->event);
    free(e);
}

struct note_erased {
    struct undo undo;
    uint64_t sequence, frame_before;
};

static void forget(struct model *m, struct undo *u) {
    struct note_erased *note = CONTAINER_OF(u, struct note_erased, undo);
    m->erased.frame = note->frame_before;
    drop(m, find(m, note->sequence));
}

void model_add_erased(struct model *m, struct event *e, struct event *old) {
    if (find(m, e->rec.sequence) != NULL) return;
    struct erased *erased = xcalloc(1, sizeof *erased);
    erased->event = event_ref(e);
    erased->old = old;
    erased->frame = m->decided + 1;
    list_init(&erased->order);
    list_append(&m->erased.order, &erased->order);
    hash_insert(&m->erased.table, &erased->node, hash_u64(e->rec.sequence));
    struct note_erased *note = model_note(m, sizeof *note, forget);
    if (note != NULL) {
        note->sequence = e->rec.sequence;
        note->frame_before = m->erased.frame;
    }
    m->erased.frame = erased->frame;
}

struct event *model_erased(const struct model *m, struct event *e, uint64_t frame) {
    if (LIKELY(m->erased.table.count == 0)) return e;
    const struct erased *erased = find(m, e->rec.sequence);
    if (erased == NULL || erased->event->rec.stream != e->rec.stream) return e;
    if (erased->frame <= frame) return erased->event;
    return e->rec.flags & EVENT_ERASED ? erased->old : e;
}

static struct erased *at(struct list *order) {
    return LIST_ENTRY(order, struct erased, order);
}

void model_forget_erased(struct model *m, uint64_t up_to) {
    while (!list_empty(&m->erased.order) && at(m->erased.order.next)->frame <= up_to)
        drop(m, at(m->erased.order.next));
}

void model_unerase(struct model *m, uint64_t durable) {
    while (!list_empty(&m->erased.order) && at(m->erased.order.prev)->frame > durable)
        drop(m, at(m->erased.order.prev));
    LIST_FOR_EACH (it, &m->erased.order) at(it)->event->removed = 0;
    m->erased.frame = MIN(m->erased.frame, durable);
}

void erased_init(struct model *m) {
    hash_init(&m->erased.table);
    list_init(&m->erased.order);
}

void erased_clear(struct model *m) {
    model_forget_erased(m, UINT64_MAX);
    hash_clear(&m->erased.table);
}
