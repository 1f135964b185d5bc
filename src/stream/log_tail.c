/* The log tail, and the client-made ids of the events in it. */
#include "stream/internal.h"

#include "base/alloc.h"
#include "stream/gone/remove.h"

#define LOG_RING_MIN 1024

void log_tail_init(struct model *m, uint64_t next_sequence) {
    m->log.ring = xmalloc(LOG_RING_MIN * sizeof *m->log.ring);
    m->log.mask = LOG_RING_MIN - 1;
    m->log.first = m->next_sequence = next_sequence;
    m->log.bytes = 0;
}

static void log_ring_grow(struct model *m) {
    uint64_t cap = m->log.mask + 1, mask = cap * 2 - 1;
    struct event **log = xmalloc((mask + 1) * sizeof *log);
    for (uint64_t q = m->log.first; q != m->next_sequence; q++)
        log[q & mask] = m->log.ring[q & m->log.mask];
    free(m->log.ring);
    m->log.ring = log;
    m->log.mask = mask;
}

/* Takes over one reference. */
void model_log_push(struct model *m, struct event *e) {
    assert(e->rec.sequence == m->next_sequence);
    if (m->next_sequence - m->log.first > m->log.mask) log_ring_grow(m);
    m->log.ring[m->next_sequence++ & m->log.mask] = e;
    m->log.bytes += e->size;
}

struct id_entry {
    struct hash_node node;
    struct event *event;
};

static uint64_t id_hash(const struct uuid *id) {
    return hash_bytes(id->b, sizeof id->b);
}

/* Whether an event in memory was there after `frame`. */
static bool is_there(struct model *m, const struct event *e, uint64_t frame) {
    return e->frame <= frame && !model_hides(m, e, UINT64_MAX, frame);
}

/* by NULL: the one that was there after `frame` (an id may be given again once its event was
 * removed). */
static struct id_entry *id_lookup(struct model *m, const struct uuid *id, const struct event *by,
                                  uint64_t frame) {
    for (struct hash_node *n = hash_first(&m->ids, id_hash(id)); n != NULL;
         n = hash_next(&m->ids, n)) {
        struct id_entry *entry = CONTAINER_OF(n, struct id_entry, node);
        if (by != NULL
                ? entry->event == by
                : uuid_eq(&entry->event->rec.event_id, id) && is_there(m, entry->event, frame))
            return entry;
    }
    return NULL;
}

void model_add_id(struct model *m, struct event *e) {
    struct id_entry *entry = xmalloc(sizeof *entry);
    entry->event = e;
    hash_insert(&m->ids, &entry->node, id_hash(&e->rec.event_id));
    m->bytes += sizeof *entry;
}

void model_remove_id(struct model *m, const struct event *e) {
    struct id_entry *entry = id_lookup(m, &e->rec.event_id, e, VIEW_NEWEST);
    assert(entry != NULL);
    hash_remove(&m->ids, &entry->node);
    free(entry);
    m->bytes -= sizeof *entry;
}

void model_replace_id(struct model *m, const struct event *old, struct event *by) {
    struct id_entry *entry = id_lookup(m, &old->rec.event_id, old, VIEW_NEWEST);
    assert(entry != NULL);
    entry->event = by;
}

struct event *model_find_id(struct model *m, const struct uuid *id, uint64_t frame) {
    struct id_entry *entry = id_lookup(m, id, NULL, frame);
    if (entry != NULL) return model_erased(m, entry->event, frame);
    uint64_t sequence = event_id_sequence(id, m->id_key);
    if (sequence < m->log.first || sequence >= m->next_sequence) return NULL;
    struct event *e = model_event(m, sequence);
    return uuid_eq(&e->rec.event_id, id) && is_there(m, e, frame) ? model_erased(m, e, frame)
                                                                  : NULL;
}

/* Takes the event at one end out of the log tail; the caller has adjusted the bounds. */
void model_log_forget(struct model *m, struct event *e) {
    m->log.bytes -= e->size;
    if (e->rec.flags & EVENT_CLIENT_ID) model_remove_id(m, e);
    event_drop(m, e);
}
