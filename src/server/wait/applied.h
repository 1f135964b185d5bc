/* Waiting until what was decided is applied, for commands that ask the backend for more than
 * memory can lay over its answer. Loop thread. */
#ifndef SERVER_WAIT_APPLIED_H
#define SERVER_WAIT_APPLIED_H

#include "server/command/command.h"

/* A FLUSHALL has been decided and not applied: what the backend has is of before it. While that is
 * so, a command that asks the backend for more than one stream returns wait_for_apply (which parks
 * it, to be run again when something was applied). */
bool flush_is_applied(struct client *c);
/* Asks for everything decided so far to be applied; true once it is, else wait_for_apply. */
bool all_is_applied(struct client *c);
/* The same for everything up to a frame. */
bool frame_is_applied(struct client *c, uint64_t frame);
enum outcome wait_for_apply(struct client *c);
/* Nothing will be applied while the database is not the one that was opened (store_stuck): who
 * would wait for it is told why. */
bool apply_is_possible_or_reply(struct client *c);

#endif
