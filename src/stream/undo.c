/* Frames and transactions: what is decided collects in the open batch as the records of one frame,
 * until model_commit or model_end closes it. Notes for taking back: see undo.h. */
#include "stream/undo.h"

#include "base/alloc.h"
#include "stream/internal.h"

void *model_note(struct model *m, size_t size, void (*back)(struct model *m, struct undo *u)) {
    if (!m->in_transaction) return NULL;
    struct undo *u = xcalloc(1, size);
    u->back = back;
    u->older = m->undo;
    m->undo = u;
    return u;
}

static uint32_t frame_begin(const struct batch *b) {
    return b->frame_count == 0 ? 0 : b->frame_end[b->frame_count - 1];
}

bool model_frame_is_empty(const struct model *m) {
    return m->open->record_count == frame_begin(m->open) && m->run.count == 0;
}

static uint64_t close_frame(struct model *m) {
    model_flush_run(m);
    if (model_frame_is_empty(m)) return 0;
    m->decided = batch_end_frame(m->open);
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
        free(u);
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
        free(u);
    }
    m->undo = NULL;
    m->run.count = 0;
    tallies_undo(m);
    batch_undo_frame(m->open);
    const struct batch *b = m->open;
    if (b->record_count == 0) m->open->sequence_end = 0;
}

size_t model_frame_bytes(const struct model *m) {
    const struct batch *b = m->open;
    uint32_t begin = frame_begin(b), count = b->record_count - begin;
    return frame_bytes(count > 0 ? b->records + begin : NULL, count) +
           m->run.count * sizeof(struct pending_item);
}

/* ---- batches of small records ---- */

static size_t item_size(enum record_kind kind) {
    return kind == RECORD_PENDING ? sizeof(struct pending_item) : sizeof(struct entry_id);
}

void *model_run_item(struct model *m, enum record_kind kind, uint64_t group) {
    struct record_run *run = &m->run;
    size_t size = item_size(kind);
    if (run->count > 0 && (run->kind != kind || run->group != group)) model_flush_run(m);
    run->kind = kind;
    run->group = group;
    if ((run->count + 1) * size > run->cap) {
        run->cap = MAX((run->count + 1) * size, run->cap * 2);
        run->items = xrealloc(run->items, run->cap);
    }
    return run->items + run->count++ * size;
}

void model_flush_run(struct model *m) {
    struct record_run *run = &m->run;
    if (run->count == 0) return;
    size_t bytes = run->count * item_size(run->kind);
    uint64_t *body = batch_alloc(m->open, sizeof *body + bytes);
    *body = run->group;
    memcpy(body + 1, run->items, bytes);
    run->count = 0;
    batch_add(m->open, run->kind, body, sizeof *body + bytes);
}

void *model_record(struct model *m, enum record_kind kind, size_t len) {
    model_flush_run(m);
    void *body = batch_alloc(m->open, len);
    memset(body, 0, len);
    batch_add(m->open, kind, body, len);
    return body;
}
