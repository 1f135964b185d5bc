/* Pending entries and their owners as XPENDING and XINFO tell of them: noted first, as they are of
 * one moment, and written when they leave (server/client/reply_text.h). Loop thread. */
#ifndef COMMANDS_STREAM_PENDING_REPLY_H
#define COMMANDS_STREAM_PENDING_REPLY_H

#include "server/client/reply_text.h"
#include "stream/group/cgroup.h"

/* [id, owner, time, deliveries]; `time` is what the command tells of it. Nobody's owner is "".
 * *owner: that of the entry before, or NULL: mostly it is the same. */
void reply_text_pending(struct reply_text *t, const struct cgroup *g, const struct pending_entry *e,
                        int64_t time, struct consumer **owner);
/* The same without the owner, for a list of his. */
void reply_text_pending_of_one(struct reply_text *t, const struct pending_entry *e, int64_t time);
/* [name, "count"] */
void reply_text_owner(struct reply_text *t, struct consumer *owner, uint32_t count);

#endif
