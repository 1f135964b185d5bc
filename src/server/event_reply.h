/* Events as the E commands show them (SierraDB's record of 11 fields, then ours). Loop thread. */
#ifndef SERVER_EVENT_REPLY_H
#define SERVER_EVENT_REPLY_H

#include "server/client.h"

/* The event record: a map. */
void reply_event(struct client *c, const struct event *e);
void reply_uuid(struct client *c, const char *key, const struct uuid *u);
void reply_number(struct client *c, const char *key, uint64_t v);
void reply_key(struct client *c, const char *key);
/* "entry_id" and the id, as a simple string ms-seq. */
void reply_entry_id(struct client *c, uint64_t ms, uint64_t seq);
const struct uuid *event_partition_key_or_default(const struct event *e);

#endif
