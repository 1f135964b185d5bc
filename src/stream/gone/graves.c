/* Events that left everything while the journal still borrows them: they stay until the floor has
 * passed the frame that removed them. */
#include "base/alloc.h"
#include "stream/internal.h"

void model_bury(struct model *m, struct event *e) {
    if (m->graves.first + m->graves.count == m->graves.cap) {
        if (m->graves.first > m->graves.cap / 2) { /* else it would be moved again soon */
            memmove(m->graves.items, m->graves.items + m->graves.first,
                    m->graves.count * sizeof *m->graves.items);
            m->graves.first = 0;
        } else {
            m->graves.cap = m->graves.cap == 0 ? 16 : m->graves.cap * 2;
            m->graves.items = xrealloc(m->graves.items, m->graves.cap * sizeof *m->graves.items);
        }
    }
    m->graves.items[m->graves.first + m->graves.count++] = (struct grave){e, m->decided + 1};
}

void model_exhume(struct model *m, uint64_t floor) {
    while (m->graves.count > 0 && m->graves.items[m->graves.first].frame <= floor) {
        event_drop(m, m->graves.items[m->graves.first++].event);
        m->graves.count--;
    }
    if (m->graves.count == 0) m->graves.first = 0;
}

void model_unbury(struct model *m, uint64_t durable) {
    while (m->graves.count > 0) {
        struct grave *g = &m->graves.items[m->graves.first + m->graves.count - 1];
        if (g->frame <= durable) return;
        m->graves.count--;
        struct event *e = g->event;
        uint64_t q = e->rec.sequence;
        bool in_log = !(e->rec.flags & EVENT_ERASED) && q >= m->log.first && q < m->next_sequence &&
                      model_event(m, q)->rec.stream == e->rec.stream;
        if (!in_log) {
            event_drop(m, e);
            continue;
        }
        struct event **at = &m->log.ring[q & m->log.mask];
        m->log.bytes += e->size - (*at)->size;
        if (e->rec.flags & EVENT_CLIENT_ID) model_replace_id(m, *at, e);
        event_drop(m, *at);
        *at = e;
    }
}
