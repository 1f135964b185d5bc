/* See pace.h: a thread in the background stops for a moment after each stretch of work, so that the
 * core is free for whoever was woken meanwhile. */
#include "base/pace.h"

#include <sys/prctl.h>
#include <time.h>

#include "base/clock.h"

#define RUN_US   250 /* less than what anybody who waits for the core would notice */
#define PAUSE_US 20  /* and the time that it takes to get back */

static _Thread_local bool paced;
static _Thread_local uint64_t due_us;

void pace_set(bool on) {
    /* The kernel adds 50 us to every sleep otherwise. */
    if (on) prctl(PR_SET_TIMERSLACK, 1000UL);
    paced = on;
}

void pace_point(void) {
    if (!paced || clock_mono_us() < due_us) return;
    nanosleep(&(struct timespec){.tv_nsec = PAUSE_US * 1000}, NULL);
    due_us = clock_mono_us() + RUN_US;
}
