/* How many batches a store should have under way that takes them in turn, one transaction after the
 * other: two, each of half of the writers, or one of all. While one of two is committed the loop
 * and the clients come back with the other; but then each commit, with its sync, is for half as
 * many. What is better depends on the database, on the way there and on the load, and follows from
 * nothing that the loop can see. So it is tried: the frames of a window of some commits are
 * counted, and now and then those of a window of the other way; what was clearly better stays. When
 * nothing is better for long, it is tried less often.
 *
 * The loop's; times are monotonic. */
#ifndef SERVER_TRIAL_H
#define SERVER_TRIAL_H

#include "base/base.h"

struct trial {        /* all 0 at first */
    bool one;         /* is better, as far as is known */
    bool trying;      /* the other way, now */
    uint32_t settle;  /* commits that are not counted: after a change the writers are sorted anew */
    uint32_t commits; /* of this window */
    uint64_t frames, since_us, last_us;
    uint64_t rate;        /* frames a second, of windows in which nothing was tried; smoothed */
    uint32_t wait, pause; /* windows until the next trial; and the last time */
};

static inline unsigned trial_slots(const struct trial *t) {
    return t->one != t->trying ? 1 : 2;
}
/* A batch of so many frames was seen to be durable. sync_us: how long that takes, more or less. */
void trial_note(struct trial *t, uint32_t frames, uint64_t now_us, uint64_t sync_us);

#endif
