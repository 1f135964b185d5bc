/* Trimming with ACKED: what every group was delivered and has acknowledged. The front of a stream
 * goes at once, up to the first entry that is still pending. Behind that each entry has to be
 * looked at, and there may be very many that are pending:
 *
 *   XTRIM looks at all of them, in portions over several turns, each a frame of its own.
 *   XADD  looks at a portion. When there are more, the next XADD goes on where this one has come to
 *         (stream_extra.swept); at the end it begins again at the lowest entry that was
 *         acknowledged meanwhile, or not at all.
 *   EXEC  is one frame: there XTRIM looks at a portion as well, a larger one, and the next goes on.
 *
 * What a group has pending and is gone is passed over once, in portions. EXEC, which cannot tell
 * what it has removed itself from what stays gone, passes one, and trims behind that another time.
 *
 * Loop thread. */
#ifndef COMMANDS_STREAM_TRIM_ACKED_H
#define COMMANDS_STREAM_TRIM_ACKED_H

#include "commands/stream/trim.h"

/* For trim_require, _takes_many and _apply. */
bool acked_require(struct client *c, struct trim *t);
bool acked_has_more(const struct trim *t);
uint64_t acked_apply(struct client *c, struct trim *t); /* how many entries went */

#endif
