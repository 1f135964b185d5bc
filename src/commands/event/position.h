/* Positions as clients give them: `17`, or `17@0a1b2c3d` with the timeline that it was counted on.
 * With it the store can say whether the events below are the ones that the client has read. Loop
 * thread. */
#ifndef COMMANDS_EVENT_POSITION_H
#define COMMANDS_EVENT_POSITION_H

#include "record/timeline.h"
#include "server/client/client.h"

struct position {
    uint64_t sequence; /* of the event to read next */
    uint32_t timeline;
    bool has_timeline;
};

/* false: it is neither of the two. */
bool position_parse(struct str text, struct position *out);
/* Whether everything below it is what it was when the client read it, as far as it says on which
 * timeline that was; else replies -TIMELINE, which says what to do. */
bool position_or_reply(struct client *c, const struct position *p);
/* The field `timeline` of a map: the one of all that is told now, or the one given. */
void reply_timeline(struct client *c);
void reply_timeline_of(struct client *c, uint32_t timeline);

#endif
