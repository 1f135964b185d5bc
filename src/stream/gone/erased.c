/* Erased events that the backend may still have whole: by sequence, until it has been told. A page
 * that was read meanwhile shows them as they are now. */
#include "base/alloc.h"
#include "stream/internal.h"

struct erased {
    struct hash_node node;
    struct event *event; /* one reference */
    uint64_t frame;
};

static struct erased *find(const struct model *m, uint64_t sequence) {
    uint64_t hash = hash_u64(sequence);
    for (struct hash_node *n = hash_first(&m->erased, hash); n != NULL;
         n = hash_next(&m->erased, n)) {
        struct erased *e = CONTAINER_OF(n, struct erased, node);
        if (e->event->rec.sequence == sequence) return e;
    }
    return NULL;
}

static void drop(struct model *m, struct erased *e) {
    hash_remove(&m->erased, &e->node);
    event_drop(m, e->event);
    free(e);
}

struct note_erased {
    struct undo undo;
    uint64_t sequence;
};

static void forget(struct model *m, struct undo *u) {
    drop(m, find(m, CONTAINER_OF(u, struct note_erased, undo)->sequence));
}

void model_add_erased(struct model *m, struct event *e) {
    if (find(m, e->rec.sequence) != NULL) return;
    struct erased *erased = xcalloc(1, sizeof *erased);
    erased->event = event_ref(e);
    erased->frame = m->decided + 1;
    hash_insert(&m->erased, &erased->node, hash_u64(e->rec.sequence));
    struct note_erased *note = model_note(m, sizeof *note, forget);
    if (note != NULL) note->sequence = e->rec.sequence;
}

struct event *model_erased(const struct model *m, struct event *e) {
    if (LIKELY(m->erased.count == 0)) return e;
    const struct erased *erased = find(m, e->rec.sequence);
    return erased != NULL && erased->event->rec.stream == e->rec.stream ? erased->event : e;
}

/* above > 0: after a void; what voided frames removed is not. */
struct bounds {
    struct model *m;
    uint64_t above, up_to;
};

static void drop_within(struct hash_node *n, void *arg) {
    struct bounds *b = arg;
    struct erased *e = CONTAINER_OF(n, struct erased, node);
    if (e->frame > b->above && e->frame <= b->up_to)
        drop(b->m, e);
    else
        e->event->removed &= b->above == 0;
}

void model_forget_erased(struct model *m, uint64_t above, uint64_t up_to) {
    struct bounds b = {m, above, up_to};
    if (m->erased.count > 0) hash_each(&m->erased, drop_within, &b);
}
