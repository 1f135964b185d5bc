/* What the commands on keys share: keys.c, expire.c, string.c, commands/event/remove.c. Loop
 * thread. */
#ifndef COMMANDS_KEYS_KEYS_H
#define COMMANDS_KEYS_KEYS_H

#include "server/client/client.h"

/* All of them, as need_stream; true: need_stream gives each at once. */
bool need_keys_named(struct client *c, const struct str *names, size_t n);
/* Deletes a LIVE stream or string; who waits for it is told. In the frame being built. */
void key_delete(struct client *c, struct stream *s);
/* Ends the command's frame, if it changed something, and gates its reply by it. */
void keys_commit(struct client *c);
/* Makes s, whatever it is, a string with a deadline (ms; 0: none). In the frame being built. */
void string_set(struct client *c, struct stream *s, struct str value, uint64_t expires);

#endif
