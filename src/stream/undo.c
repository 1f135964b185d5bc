/* Frames and transactions: what is decided collects in the open group as the records of one frame,
 * until model_commit or model_end closes it. Notes for taking back: see undo.h. */
#include "stream/undo.h"

#include "base/alloc.h"
#include "store/journal.h"
#include "stream/model_internal.h"

void *model_note(struct model *m, size_t size, void (*back)(struct model *m, struct undo *u)) {
    if (!m->in_transaction) return NULL;
    struct undo *u = xcalloc(1, size);
    u->back = back;
    u->older = m->undo;
    m->undo = u;
    return u;
}

static uint32_t frame_begin(const struct group *g) {
    return g->frame_count == 0 ? 0 : g->frame_end[g->frame_count - 1];
}

bool model_frame_is_empty(const struct model *m) {
    return m->open->record_count == frame_begin(m->open) && m->batch.count == 0;
}

static uint64_t close_frame(struct model *m) {
    model_flush_batch(m);
    if (model_frame_is_empty(m)) return 0;
    m->decided = group_end_frame(m->open);
    return m->decided;
}

uint64_t model_commit(struct model *m) {
    if (!m->in_transaction) return close_frame(m);
    return model_frame_is_empty(m) ? 0 : m->decided + 1;
}

void model_begin(struct model *m) {
    assert(!m->in_transaction);
    assert(model_frame_is_empty(m));
    m->in_transaction = true;
}

uint64_t model_end(struct model *m) {
    assert(m->in_transaction);
    m->in_transaction = false;
    for (struct undo *u = m->undo, *older; u != NULL; u = older) {
        older = u->older;
        if (u->keep != NULL) u->keep(m, u);
        xfree(u);
    }
    m->undo = NULL;
    return close_frame(m);
}

void model_undo(struct model *m) {
    assert(m->in_transaction);
    m->in_transaction = false;
    for (struct undo *u = m->undo, *older; u != NULL; u = older) {
        older = u->older;
        u->back(m, u);
        xfree(u);
    }
    m->undo = NULL;
    m->batch.count = 0;
    group_undo_frame(m->open);
    const struct group *g = m->open;
    if (g->record_count == 0) m->open->sequence_end = 0;
}

size_t model_frame_bytes(const struct model *m) {
    const struct group *g = m->open;
    uint32_t begin = frame_begin(g), count = g->record_count - begin;
    return journal_frame_bytes(count > 0 ? g->records + begin : NULL, count) +
           m->batch.count * sizeof(struct pending_item);
}

/* ---- batches of small records ---- */

static size_t item_size(enum record_kind kind) {
    return kind == RECORD_PENDING ? sizeof(struct pending_item) : sizeof(struct entry_id);
}

void *model_batch(struct model *m, enum record_kind kind, uint64_t group) {
    struct record_batch *b = &m->batch;
    size_t size = item_size(kind);
    if (b->count > 0 && (b->kind != kind || b->group != group)) model_flush_batch(m);
    b->kind = kind;
    b->group = group;
    if ((b->count + 1) * size > b->cap) {
        b->cap = MAX((b->count + 1) * size, b->cap * 2);
        b->items = xrealloc(b->items, b->cap);
    }
    return b->items + b->count++ * size;
}

void model_flush_batch(struct model *m) {
    struct record_batch *b = &m->batch;
    if (b->count == 0) return;
    size_t bytes = b->count * item_size(b->kind);
    uint64_t *body = group_alloc(m->open, sizeof *body + bytes);
    *body = b->group;
    memcpy(body + 1, b->items, bytes);
    b->count = 0;
    group_add(m->open, b->kind, body, sizeof *body + bytes);
}

void *model_record(struct model *m, enum record_kind kind, size_t len) {
    model_flush_batch(m);
    void *body = group_alloc(m->open, len);
    memset(body, 0, len);
    group_add(m->open, kind, body, len);
    return body;
}
