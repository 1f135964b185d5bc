/* Streams that nothing may be taken away from: option protected-streams. Loop thread. */
#ifndef SERVER_COMMAND_PROTECT_H
#define SERVER_COMMAND_PROTECT_H

#include "server/client/client.h"

/* true: the name is protected, and the error has been replied:
 *     if (protected_or_reply(c, name)) return REPLIED;
 * It is asked by the name alone, before anything is loaded and whether or not there is such a
 * stream. Every command asks it that deletes, trims, erases, lets expire, renames or overwrites. */
bool protected_or_reply(struct client *c, struct str name);

#endif
