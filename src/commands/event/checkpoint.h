/* What a checkpoint says. Loop thread. */
#ifndef COMMANDS_EVENT_CHECKPOINT_H
#define COMMANDS_EVENT_CHECKPOINT_H

#include "server/client/client.h"
#include "commands/event/position.h"

bool checkpoint_name_or_reply(struct client *c, struct str name);
/* n is loaded (need_named); after `frame`. false: there is none. */
bool checkpoint_at(const struct model *m, const struct named *n, uint64_t frame,
                   struct checkpoint_value *out);
/* Where it stands, to be asked for position_or_reply: a store that was put together from parts of
 * different times may have one beyond the end of its timeline. */
struct position checkpoint_position(const struct model *m, const struct checkpoint_value *v);

#endif
