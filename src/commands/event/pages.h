/* Reading on over pages: what a reply holds must not depend on what is applied, evicted or removed
 * meanwhile. Loop thread. */
#ifndef COMMANDS_EVENT_PAGES_H
#define COMMANDS_EVENT_PAGES_H

#include "server/client/client.h"
#include "stream/read.h"

/* Fills r->events with as many as are wanted (r->count, r->bytes_max), and says exactly whether
 * there is more and from where on. false: parked. */
bool pages_read(struct client *c, struct read *r);

#endif
