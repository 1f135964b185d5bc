/* Streams that were renamed, for readers of events that were made or loaded before: those of the
 * log tail, and of pages of older snapshots, bear the name of then. One entry a stream, by number,
 * as long as any of them may be met. Who reads one stream has its name from the stream itself. */
#include "base/alloc.h"
#include "stream/internal.h"

struct renamed {
    struct hash_node node;
    struct stream_name *name; /* one reference */
    uint64_t frame;           /* that renamed it last */
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
        hash_insert(&m->renamed.table, &r->node, hash_u64(name->rec.number));
    } else {
        stream_name_unref(r->name);
        r->name = stream_name_ref(name);
    }
    m->renamed.frame = r->frame = frame;
}

struct stream_name *model_name_found(const struct model *m, const struct event *e) {
    const struct renamed *r = find(m, e->rec.stream);
    return r != NULL ? r->name : e->name;
}

struct stream_name *model_name_of_number(const struct model *m, uint64_t number) {
    const struct renamed *r = m->renamed.table.count > 0 ? find(m, number) : NULL;
    return r != NULL ? r->name : NULL;
}

static void drop_node(struct hash_node *n, void *arg) {
    drop(arg, CONTAINER_OF(n, struct renamed, node));
}

void renamed_clear(struct model *m) {
    hash_each(&m->renamed.table, drop_node, m);
    m->renamed.frame = 0;
}

/* All of the log tail is newer than the last renaming, and every page that may come. */
void model_forget_renamed(struct model *m) {
    if (m->renamed.table.count == 0 || m->renamed.frame > store_floor(m->store)) return;
    if (m->log.first == m->next_sequence || model_event(m, m->log.first)->frame > m->renamed.frame)
        renamed_clear(m);
}
