/* Deadlines of the streams in memory: a heap, the next one first. Those of others stay on
 * disk; the model only knows the first of them, and the server loads the streams that are due. */
#include "stream/gone/remove.h"
#include "stream/internal.h"

#define EXPIRED_PER_CALL 256

void expiring_remove(struct model *m, struct stream *s) {
    if (s->extra != NULL) heap_remove(&m->deadlines.heap, &s->extra->due);
}

void expiring_update(struct model *m, struct stream *s) {
    struct stream_extra *x = s->extra;
    if (x->expires == 0)
        heap_remove(&m->deadlines.heap, &x->due);
    else
        heap_set(&m->deadlines.heap, &x->due, x->expires);
}

void expiring_evicted(struct model *m, const struct stream *s) {
    uint64_t expires = s->extra != NULL ? s->extra->expires : 0;
    if (expires == 0) return;
    if (m->deadlines.on_disk == 0 || expires < m->deadlines.on_disk) m->deadlines.on_disk = expires;
}

void model_set_expires(struct model *m, struct stream *s, uint64_t expires) {
    struct stream_extra *x = stream_extra(m, s);
    if (x->expires == expires) return;
    stream_note_extra(m, s);
    m->deadlines.all += (expires != 0) - (x->expires != 0);
    x->expires = expires;
    expiring_update(m, s);
    stream_touch(m, s, true);
    stream_record_state(m, s);
}

void model_delete_expired(struct model *m, struct stream *s) {
    uint64_t changed = s->changed_frame;
    model_delete(m, s);
    s->changed_frame = changed;
}

size_t model_expire(struct model *m, uint64_t now, void (*gone)(struct stream *s, void *arg),
                    void *arg) {
    size_t n = 0;
    struct heap_node *due;
    while (n < EXPIRED_PER_CALL && (due = heap_first(&m->deadlines.heap)) != NULL &&
           due->key <= now) {
        struct stream *s = CONTAINER_OF(due, struct stream_extra, due)->owner;
        if (gone != NULL) gone(s, arg);
        model_delete_expired(m, s);
        model_commit(m);
        n++;
    }
    return n;
}

uint64_t model_next_deadline(const struct model *m) {
    const struct heap_node *due = heap_first(&m->deadlines.heap);
    uint64_t in_memory = due != NULL ? due->key : 0, on_disk = m->deadlines.on_disk;
    if (in_memory == 0 || on_disk == 0) return MAX(in_memory, on_disk);
    return MIN(in_memory, on_disk);
}
