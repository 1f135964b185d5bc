/* Reading on over pages: what a reply holds must not depend on what is applied, evicted or removed
 * meanwhile. Loop thread. */
#ifndef COMMANDS_EVENT_PAGES_H
#define COMMANDS_EVENT_PAGES_H

#include "server/client/client.h"
#include "server/command/command.h"
#include "stream/read.h"
#include "commands/event/chosen_fields.h"

/* Fills r->events with as many as are wanted (r->count, r->bytes_max), and says exactly whether
 * there is more and from where on. false: parked. */
bool pages_read(struct client *c, struct read *r);
/* Whether the backend can count for the view: it has all that there was when a tally began; without
 * one it knows what was removed and flushed, and, as far as the selector looks at names, renamed,
 * as what it counts cannot be judged here. Else pages_wait_to_count. (EXEC cannot wait for what it
 * does itself.) */
bool pages_may_count(struct client *c, struct selector *selector);
/* Parks the command until then; nobody waits for a database that cannot be written any more. */
enum outcome pages_wait_to_count(struct client *c);
/* Whether it may be waited for: what it takes to compare an event with all that somebody waits for
 * is bounded. *promised: as of live_has_room. false: replied. */
bool pages_may_wait_or_reply(struct client *c, const struct selector *selector, size_t *promised);
/* The field `events` of a page's map: its events, as the choice wants them. */
void pages_reply_events(struct client *c, const struct read *r, const struct chosen_fields *chosen);

#endif
