/* What tells one event from another one, and from what it was before it was erased, its stream was
 * renamed, or the store was emptied: for who keeps what was written of it, and not the event. */
#ifndef SERVER_CLIENT_EVENT_KEY_H
#define SERVER_CLIENT_EVENT_KEY_H

#include "record/event.h"

struct event_key {
    uint64_t sequence, recorded, flushes;
    struct uuid event_id;
    struct stream_name *name; /* borrowed: the keeper holds it */
    uint32_t payload_len;
    uint16_t flags;
};

/* flushes: how often the store has been emptied. */
static inline struct event_key event_key_of(const struct event *e, const struct stream_name *name,
                                            uint64_t flushes) {
    return (struct event_key){.sequence = e->rec.sequence,
                              .recorded = e->rec.recorded,
                              .flushes = flushes,
                              .event_id = e->rec.event_id,
                              .name = (struct stream_name *)name,
                              .payload_len = e->rec.payload_len,
                              .flags = e->rec.flags};
}

/* What a lean page has (struct read_range) has no id, nor all else that is not shown. */
static inline bool event_key_eq(const struct event_key *a, const struct event_key *b) {
    static const struct uuid none;
    bool lean = uuid_eq(&a->event_id, &none) || uuid_eq(&b->event_id, &none);
    bool alike = ((a->flags ^ b->flags) & (EVENT_FIELDS | EVENT_ERASED)) == 0;
    if (a->sequence != b->sequence || a->flushes != b->flushes || a->name != b->name || !alike)
        return false;
    return lean || (a->recorded == b->recorded && a->payload_len == b->payload_len &&
                    uuid_eq(&a->event_id, &b->event_id));
}

#endif
