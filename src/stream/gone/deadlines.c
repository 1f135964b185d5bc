/* Deadlines of the streams in memory: a binary heap, the next one first. Those of others stay on
 * disk; the model only knows the first of them, and the server loads the streams that are due. */
#include "base/alloc.h"
#include "stream/internal.h"
#include "stream/gone/remove.h"

#define EXPIRED_PER_CALL 256

static void place(struct model *m, struct stream *s, size_t at) {
    m->expiring[at - 1] = s;
    s->extra->expires_at = at;
}

static uint64_t deadline(const struct model *m, size_t at) {
    return m->expiring[at - 1]->extra->expires;
}

static void sift(struct model *m, size_t at) {
    struct stream *s = m->expiring[at - 1];
    while (at > 1 && deadline(m, at / 2) > s->extra->expires) {
        place(m, m->expiring[at / 2 - 1], at);
        at /= 2;
    }
    for (;;) {
        size_t child = at * 2;
        if (child > m->expiring_count) break;
        if (child < m->expiring_count && deadline(m, child + 1) < deadline(m, child)) child++;
        if (deadline(m, child) >= s->extra->expires) break;
        place(m, m->expiring[child - 1], at);
        at = child;
    }
    place(m, s, at);
}

void expiring_remove(struct model *m, struct stream *s) {
    if (s->extra == NULL || s->extra->expires_at == 0) return;
    size_t at = s->extra->expires_at;
    struct stream *last = m->expiring[--m->expiring_count];
    s->extra->expires_at = 0;
    if (last == s) return;
    place(m, last, at);
    sift(m, at);
}

void expiring_update(struct model *m, struct stream *s) {
    if (s->extra->expires == 0) {
        expiring_remove(m, s);
        return;
    }
    if (s->extra->expires_at == 0) {
        if (m->expiring_count == m->expiring_cap) {
            m->expiring_cap = m->expiring_cap == 0 ? 64 : m->expiring_cap * 2;
            m->expiring = xrealloc(m->expiring, m->expiring_cap * sizeof *m->expiring);
        }
        place(m, s, ++m->expiring_count);
    }
    sift(m, s->extra->expires_at);
}

void expiring_evicted(struct model *m, const struct stream *s) {
    uint64_t expires = s->extra != NULL ? s->extra->expires : 0;
    if (expires == 0) return;
    if (m->disk_deadline == 0 || expires < m->disk_deadline) m->disk_deadline = expires;
}

void model_set_expires(struct model *m, struct stream *s, uint64_t expires) {
    struct stream_extra *x = stream_extra(m, s);
    if (x->expires == expires) return;
    stream_note_extra(m, s);
    m->expiring_all += (expires != 0) - (x->expires != 0);
    x->expires = expires;
    expiring_update(m, s);
    stream_touch(m, s, true);
    stream_record_state(m, s);
}

size_t model_expire(struct model *m, uint64_t now, void (*gone)(struct stream *s, void *arg),
                    void *arg) {
    size_t n = 0;
    while (n < EXPIRED_PER_CALL && m->expiring_count > 0 && deadline(m, 1) <= now) {
        struct stream *s = m->expiring[0];
        if (gone != NULL) gone(s, arg);
        model_delete(m, s);
        model_commit(m);
        n++;
    }
    return n;
}

uint64_t model_next_deadline(const struct model *m) {
    uint64_t in_memory = m->expiring_count > 0 ? deadline(m, 1) : 0;
    if (in_memory == 0 || m->disk_deadline == 0) return MAX(in_memory, m->disk_deadline);
    return MIN(in_memory, m->disk_deadline);
}
