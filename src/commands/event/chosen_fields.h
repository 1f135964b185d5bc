/* FIELDS a,b,c: which fields of its events a reply has. Each event is then an array of exactly
 * these values, in that order, null for what it does not have; a client need not take a map apart.
 * The names are those of the event's map, and `fields` for what an entry was added with by XADD.
 *
 * Any command that returns events can take it: the choice is parsed once and holds no pointers, so
 * that it can be kept (for a subscription). Loop thread. */
#ifndef COMMANDS_EVENT_CHOSEN_FIELDS_H
#define COMMANDS_EVENT_CHOSEN_FIELDS_H

#include "server/client/client.h"

/* In the order of the map. */
enum chosen_field {
    CHOSEN_EVENT_ID,
    CHOSEN_PARTITION_KEY,
    CHOSEN_PARTITION_ID,
    CHOSEN_TRANSACTION_ID,
    CHOSEN_PARTITION_SEQUENCE,
    CHOSEN_STREAM_VERSION,
    CHOSEN_TIMESTAMP,
    CHOSEN_STREAM_ID,
    CHOSEN_EVENT_NAME,
    CHOSEN_METADATA,
    CHOSEN_PAYLOAD,
    CHOSEN_ENTRY_ID,
    CHOSEN_CORRELATION_ID,
    CHOSEN_CAUSATION_ID,
    CHOSEN_AGGREGATE_ID,
    CHOSEN_RECORDED,
    CHOSEN_ERASED,
    CHOSEN_FIELDS,
    CHOSEN_FIELD_COUNT,
};

struct chosen_fields {
    uint8_t count; /* 0: no choice was made, events are maps */
    uint8_t fields[CHOSEN_FIELD_COUNT];
};

/* false: a name is unknown or stands twice, which was replied (-INVALIDARG). */
bool chosen_fields_or_reply(struct client *c, struct str names, struct chosen_fields *out);
/* Whether a lean page (struct read_range) has all of them. */
bool chosen_fields_are_lean(const struct chosen_fields *chosen);
/* The event as the choice wants it: an array of its values, or the whole map. name: what its
 * stream is called now. */
void reply_chosen_event(struct client *c, const struct event *e, const struct stream_name *name,
                        const struct chosen_fields *chosen);
/* The same to any buffer. */
void put_chosen_event(struct buf *out, int resp, const struct event *e,
                      const struct stream_name *name, const struct chosen_fields *chosen);

#endif
