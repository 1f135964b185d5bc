/* What the commands on keys share. Loop thread. */
#ifndef COMMANDS_KEYS_KEYS_H
#define COMMANDS_KEYS_KEYS_H

#include "server/client/client.h"

/* Makes s, whatever it is, a string with a deadline (ms; 0: none). In the frame being built. */
void string_set(struct client *c, struct stream *s, struct str value, uint64_t expires);

#endif
