/* Streams that were renamed, for readers of events that were made or loaded before: those of the
 * log tail, and of pages of older snapshots, bear the name of then. One entry a stream, by number,
 * as long as any of them may be met. Who reads one stream has its name from the stream itself. */
#include "stream/gone/renamed.h"

#include "base/alloc.h"
#include "stream/internal.h"

#define FORGET_A_CALL 4096
#define LOOK_AT_LEAST                                                                              \
    4096 /* events of a page that is not selected by name: most are not wanted                     \
          */

struct renamed {
    struct hash_node node;
    struct list order;        /* model.renamed.order */
    struct stream_name *name; /* one reference */
    uint64_t frame;           /* that renamed it last */
    uint64_t placed;          /* the same, also when that was taken back: it does not move back */
    uint64_t count;           /* of model.renamed, with that */
};

static struct renamed *find(const struct model *m, uint64_t stream) {
    uint64_t hash = hash_u64(stream);
    for (struct hash_node *n = hash_first(&m->renamed.table, hash); n != NULL;
         n = hash_next(&m->renamed.table, n)) {
        struct renamed *r = CONTAINER_OF(n, struct renamed, node);
        if (r->name->rec.number == stream) return r;
    }
    return NULL;
}

static void drop(struct model *m, struct renamed *r) {
    hash_remove(&m->renamed.table, &r->node);
    list_remove(&r->order);
    stream_name_unref(r->name);
    free(r);
}

struct note_renamed {
    struct undo undo;
    uint64_t number;
    struct stream_name *before; /* NULL, or a reference */
    uint64_t frame_before, last_before;
};

static void restore(struct model *m, struct undo *u) {
    struct note_renamed *note = CONTAINER_OF(u, struct note_renamed, undo);
    struct renamed *r = find(m, note->number);
    m->renamed.frame = note->last_before;
    if (note->before == NULL) {
        drop(m, r);
        return;
    }
    stream_name_unref(r->name);
    r->name = note->before;
    r->frame = note->frame_before;
}

static void keep(struct model *m, struct undo *u) {
    UNUSED(m);
    stream_name_unref(CONTAINER_OF(u, struct note_renamed, undo)->before);
}

void model_note_renamed(struct model *m, struct stream_name *name, uint64_t frame) {
    struct renamed *r = find(m, name->rec.number);
    struct note_renamed *note = model_note(m, sizeof *note, restore);
    if (note != NULL) {
        note->undo.keep = keep;
        note->number = name->rec.number;
        note->last_before = m->renamed.frame;
        if (r != NULL) {
            note->before = stream_name_ref(r->name);
            note->frame_before = r->frame;
        }
    }
    if (r == NULL) {
        r = xcalloc(1, sizeof *r);
        r->name = stream_name_ref(name);
        list_init(&r->order);
        hash_insert(&m->renamed.table, &r->node, hash_u64(name->rec.number));
    } else {
        stream_name_unref(r->name);
        r->name = stream_name_ref(name);
    }
    struct renamed_streams *all = &m->renamed;
    all->frame = r->frame = frame;
    all->placed = r->placed = MAX(all->placed, frame);
    r->count = ++all->count;
    list_remove(&r->order);
    list_append(&all->order, &r->order);
}

struct stream_name *model_name_found(const struct model *m, const struct event *e) {
    const struct renamed *r = find(m, e->rec.stream);
    return r != NULL ? r->name : e->name;
}

struct stream_name *model_name_of_number(const struct model *m, uint64_t number) {
    const struct renamed *r = m->renamed.table.count > 0 ? find(m, number) : NULL;
    return r != NULL ? r->name : NULL;
}

static struct renamed *at(struct list *order) {
    return LIST_ENTRY(order, struct renamed, order);
}

void renamed_clear(struct model *m) {
    while (!list_empty(&m->renamed.order)) drop(m, at(m->renamed.order.next));
    m->renamed.frame = m->renamed.placed = 0;
}

/* Where all of the log tail is newer than the renaming, and every page that may come, and no erased
 * event is kept. */
void model_forget_renamed(struct model *m) {
    struct renamed_streams *all = &m->renamed;
    if (list_empty(&all->order)) return;
    if (m->erased.table.count > 0) return; /* these have the names of then, too */
    uint64_t passed = store_floor(m->store);
    if (m->log.first < m->next_sequence)
        passed = MIN(passed, model_event(m, m->log.first)->frame - 1);
    for (int n = 0; n < FORGET_A_CALL && !list_empty(&all->order); n++) {
        if (at(all->order.next)->placed > passed) return;
        drop(m, at(all->order.next));
    }
    if (list_empty(&all->order)) all->frame = all->placed = 0;
}

/* ---- reading by names ---- */

static int number_cmp(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* Those that the backend, which has applied at least so much, may know by another name. */
static bool list_numbers(const struct model *m, uint64_t applied, struct names_asked *out) {
    size_t cap = 0;
    for (struct list *it = m->renamed.order.prev; it != &m->renamed.order; it = it->prev) {
        const struct renamed *r = at(it);
        if (r->placed <= applied) break;
        if (out->count == NAMES_ASKED_MAX) return false;
        if (out->count == cap) {
            cap = cap * 2 + 16;
            out->numbers = xrealloc(out->numbers, cap * sizeof *out->numbers);
        }
        out->numbers[out->count++] = r->name->rec.number;
    }
    if (out->count > 1) qsort(out->numbers, out->count, sizeof *out->numbers, number_cmp);
    return true;
}

void names_ask(const struct model *m, struct read_range *range, unsigned before,
               struct names_asked *out) {
    *out = (struct names_asked){.known = m->renamed.count};
    if (range->stream != 0 || !selector_has_names(range->selector)) return;
    out->all = before >= NAMES_ASK_MAX || !list_numbers(m, store_applied(m->store), out);
    if (out->all) out->count = 0;
    range->renamed = out->numbers;
    range->renamed_count = out->count;
    range->any_name = out->all;
    if (out->all) range->count_max = MAX(range->count_max, (size_t)LOOK_AT_LEAST);
}

void names_asked_clear(struct names_asked *asked) {
    free(asked->numbers);
    *asked = (struct names_asked){0};
}

static bool was_asked(const struct names_asked *asked, uint64_t stream) {
    struct read_range range = {
        .renamed = asked->numbers, .renamed_count = asked->count, .any_name = asked->all};
    return range_ignores_name(&range, stream);
}

bool names_lack(const struct model *m, const struct names_asked *asked, uint64_t snapshot,
                const struct selector *selector, uint64_t view) {
    size_t looked = 0;
    if (asked->all) return false;
    for (struct list *it = m->renamed.order.prev; it != &m->renamed.order; it = it->prev) {
        const struct renamed *r = at(it);
        if (r->placed <= snapshot || r->count <= asked->known) break;
        if (looked++ == NAMES_ASKED_MAX) return true;
        struct stream_name *then = model_former_name(m, r->name->rec.number, view);
        struct str name = stream_name_str(then != NULL ? then : r->name);
        if (selector_name_passes(selector, name) && !was_asked(asked, r->name->rec.number))
            return true;
    }
    return false;
}

bool names_judge(const struct model *m, const struct names_asked *asked, const struct event *e) {
    return (m->renamed.table.count > 0 && find(m, e->rec.stream) != NULL) ||
           was_asked(asked, e->rec.stream);
}
