/* Events as the E commands show them (SierraDB's record of 11 fields, then ours). Loop thread. */
#ifndef COMMANDS_EVENT_REPLY_H
#define COMMANDS_EVENT_REPLY_H

#include "server/client/client.h"

/* The event record: a map. name: what its stream is called now. */
void reply_event(struct client *c, const struct event *e, const struct stream_name *name);
/* The same to any buffer. */
void put_event(struct buf *out, int resp, const struct event *e, const struct stream_name *name);
/* What it shows as its payload: as it is, or of an entry added with XADD its fields as JSON, a text
 * that lives until the next call. */
struct str event_shown_payload(const struct event_record *r, struct str payload);
/* EAPPEND's reply, and one event's part of EMAPPEND's: maps of 7 and 5. */
void reply_appended_event(struct client *c, const struct event *e);
void reply_appended_entry(struct client *c, const struct event *e);
void reply_uuid(struct client *c, const char *key, const struct uuid *u);
void reply_number(struct client *c, const char *key, uint64_t v);
void reply_key(struct client *c, const char *key);
const struct uuid *event_partition_key_or_default(const struct event *e,
                                                  const struct stream_name *name);

#endif
