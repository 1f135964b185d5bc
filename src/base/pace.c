/* See pace.h: a thread in the background stops for a moment after each stretch of work, so that the
 * core is free for whoever was woken meanwhile. */
#include "base/pace.h"

#include <errno.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

#define RUN_US   250 /* less than what anybody who waits for the core would notice */
#define PAUSE_US 20  /* and the time that it takes to get back */
#define NICE_MAX 19

static _Thread_local bool paced;
static _Thread_local uint64_t due_us;
static _Thread_local bool knows_nice;
static _Thread_local int own_nice; /* what the thread began with: what the process was given */

void pace_set(bool on) {
    /* The kernel adds 50 us to every sleep otherwise. */
    if (on) prctl(PR_SET_TIMERSLACK, 1000UL);
    paced = on;
}

void pace_nice(int more) {
    const id_t thread = (id_t)syscall(SYS_gettid);
    if (!knows_nice) own_nice = getpriority(PRIO_PROCESS, thread);
    knows_nice = true;
    if (setpriority(PRIO_PROCESS, thread, MIN(own_nice + more, NICE_MAX)) != 0)
        log_debug("setpriority: %s", strerror(errno));
}

void pace_point(void) {
    if (!paced || clock_mono_us() < due_us) return;
    nanosleep(&(struct timespec){.tv_nsec = PAUSE_US * 1000}, NULL);
    due_us = clock_mono_us() + RUN_US;
}
