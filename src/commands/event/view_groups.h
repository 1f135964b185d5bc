/* Who uses a view: subscriptions that select by it, which keep the selector that they were made
 * with (named_view_use); and the groups of its virtual stream @view:NAME, be they in memory or not.
 * Those go on with what the view says, and go with it. Loop thread. */
#ifndef COMMANDS_EVENT_VIEW_GROUPS_H
#define COMMANDS_EVENT_VIEW_GROUPS_H

#include "server/client/client.h"
#include "server/command/virtual.h"

struct used_by {
    bool exists;        /* the view does, as of the newest: */
    struct named *view; /* ... */
    struct str text;    /* ... and says that */
    uint64_t group_count;
    struct stream *stream; /* what has its groups, once they are needed; NULL, ABSENT: there are
                              none, or nothing is wanted of them */
    struct str name;       /* of that, in the key */
    struct view_key key;
};

/* Whether there is such a view, and how many groups it has: what they have is not loaded. false:
 * something has to be loaded. */
bool need_used_by(struct client *c, struct str name, struct used_by *u);
/* The same of its groups, with all that they have, for what follows. only_in_memory: of groups that
 * are not in memory nothing is wanted. */
bool need_used_groups(struct client *c, struct used_by *u, bool only_in_memory);
/* false: somebody uses it, which was replied (-INUSE). */
bool unused_or_reply(struct client *c, const struct used_by *u, bool force);
/* What used_by_begin_anew adds to a frame, at most. */
size_t used_by_bytes(const struct used_by *u);
/* The view changes: its groups go on with it from where they have looked to, which becomes their
 * position, in the frame being built. What is pending stays. false: something has to be loaded, and
 * nothing has changed. */
bool used_by_begin_anew(struct client *c, const struct used_by *u);
/* It goes, with its groups, in the frame being built. */
void used_by_drop(struct client *c, const struct used_by *u);
/* That was decided: who waits for what it selects goes on, or is told that it is gone, when it is
 * durable. */
void used_by_wake(struct client *c, const struct used_by *u);

#endif
