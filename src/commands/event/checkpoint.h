/* What a checkpoint says. Loop thread. */
#ifndef COMMANDS_EVENT_CHECKPOINT_H
#define COMMANDS_EVENT_CHECKPOINT_H

#include "server/client/client.h"

bool checkpoint_name_or_reply(struct client *c, struct str name);
/* n is loaded (need_named); after `frame`. false: there is none. */
bool checkpoint_at(const struct model *m, const struct named *n, uint64_t frame,
                   struct checkpoint_value *out);

#endif
