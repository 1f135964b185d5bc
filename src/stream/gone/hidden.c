/* What was removed from streams, for readers of the log: the log tail and pages of older snapshots
 * still hold such events. One entry a stream, by number, as long as any of them may be met. */
#include "base/alloc.h"
#include "stream/gone/remove.h"
#include "stream/internal.h"

struct hidden {
    struct hash_node node;
    struct list order; /* model.hidden.order */
    uint64_t stream;
    uint64_t first_version; /* below it everything is gone; UINT64_MAX: deleted */
    uint64_t frame;         /* that did it last */
    uint64_t singles_frame; /* that removed single events last; 0: none */
};

static struct hidden *find(const struct model *m, uint64_t stream) {
    uint64_t hash = hash_u64(stream);
    for (struct hash_node *n = hash_first(&m->hidden.table, hash); n != NULL;
         n = hash_next(&m->hidden.table, n)) {
        struct hidden *h = CONTAINER_OF(n, struct hidden, node);
        if (h->stream == stream) return h;
    }
    return NULL;
}

static void forget(struct model *m, struct hidden *h) {
    hash_remove(&m->hidden.table, &h->node);
    list_remove(&h->order);
    m->bytes -= sizeof *h;
    free(h);
}

struct note_hidden {
    struct undo undo;
    struct hidden saved;
    uint64_t hidden_frame;
};

static void unhide(struct model *m, struct undo *u) {
    struct note_hidden *note = CONTAINER_OF(u, struct note_hidden, undo);
    struct hidden *h = find(m, note->saved.stream);
    m->hidden.frame = note->hidden_frame;
    if (note->saved.frame == 0) {
        forget(m, h);
        return;
    }
    h->first_version = note->saved.first_version;
    h->frame = note->saved.frame;
    h->singles_frame = note->saved.singles_frame;
}

void model_hide(struct model *m, uint64_t stream, uint64_t first_version, bool singles,
                uint64_t frame) {
    struct hidden *h = find(m, stream);
    if (h == NULL) {
        h = xcalloc(1, sizeof *h);
        h->stream = stream;
        m->bytes += sizeof *h;
        hash_insert(&m->hidden.table, &h->node, hash_u64(stream));
    }
    list_remove(&h->order);
    list_append(&m->hidden.order, &h->order);
    struct note_hidden *note = model_note(m, sizeof *note, unhide);
    if (note != NULL) {
        note->saved = *h;
        note->hidden_frame = m->hidden.frame;
    }
    m->hidden.frame = h->frame = frame;
    h->first_version = MAX(h->first_version, first_version);
    if (singles) h->singles_frame = h->frame;
}

bool model_hides(struct model *m, const struct event *e, uint64_t snapshot, uint64_t frame) {
    if (m->hidden.table.count == 0) return false;
    const struct hidden *h = find(m, e->rec.stream);
    if (h == NULL) return false;
    if (UNLIKELY(h->frame > frame)) return !model_event_was_there(m, e, frame);
    bool hides = e->removed || e->rec.version < h->first_version;
    /* A page that was read before: the stream is in memory, what it says goes; or it was dropped by
     * a void. */
    if (!hides && h->singles_frame > snapshot) {
        struct stream *s = model_peek(m, stream_name_str(model_name(m, e)));
        if (s != NULL && s->name->rec.number == e->rec.stream)
            hides = !stream_has_version(s, e->rec.version);
        else
            hides = m->replay != NULL && replay_removes(m->replay, e, snapshot);
    }
    return hides;
}

static struct hidden *first(const struct model *m) {
    return LIST_ENTRY(m->hidden.order.next, struct hidden, order);
}

void hidden_clear(struct model *m) {
    while (!list_empty(&m->hidden.order)) forget(m, first(m));
    m->hidden.frame = 0;
}

/* Where all of the log tail is newer than the removal, and the backend has it, nothing that was
 * removed can be met. (One whose removal was taken back may stand too far behind: it stays longer.)
 */
void model_forget_hidden(struct model *m) {
    if (list_empty(&m->hidden.order)) return;
    uint64_t passed = store_floor(m->store);
    if (m->log.first < m->next_sequence)
        passed = MIN(passed, model_event(m, m->log.first)->frame - 1);
    while (!list_empty(&m->hidden.order) && first(m)->frame <= passed) forget(m, first(m));
}
