/* EXPECTED_VERSION: what a command demands of a stream before it changes it. Loop thread. */
#ifndef COMMANDS_EVENT_EXPECTED_H
#define COMMANDS_EVENT_EXPECTED_H

#include "stream/append.h"
#include "server/client/client.h"

/* A number, any, exists or empty. */
bool expected_or_reply(struct client *c, struct str value, enum expected *kind, uint64_t *version);
/* WRONGVER. next: the version after the stream's last; 0 when it has none. Inside EXEC it takes the
 * whole transaction back. */
void reply_wrong_version(struct client *c, const struct uuid *partition_key, struct str stream,
                         enum expected kind, uint64_t version, uint64_t next);

#endif
