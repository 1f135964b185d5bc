/* See pace.h: a thread in the background stops for a moment after each stretch of work, so that the
 * core is free for whoever was woken meanwhile. */
#include "base/pace.h"

#include <errno.h>
#include <linux/capability.h>
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

/* CAP_SYS_NICE, or what RLIMIT_NICE allows (20 is a nice value of 0). */
static bool may_go_back(void) {
    struct __user_cap_header_struct of = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {0};
    struct rlimit least;
    if (syscall(SYS_capget, &of, data) == 0 && data[0].effective & 1u << CAP_SYS_NICE) return true;
    int own = getpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid));
    return getrlimit(RLIMIT_NICE, &least) == 0 && own >= 20 - (int)MIN(least.rlim_cur, 40u);
}

void pace_nice_for_now(int more) {
    static _Thread_local enum { UNKNOWN, NO, YES } may;
    static _Thread_local int now;
    if (may == UNKNOWN) may = may_go_back() ? YES : NO;
    if (may == NO || more == now) return;
    now = more;
    pace_nice(more);
}

void pace_point(void) {
    if (!paced || clock_mono_us() < due_us) return;
    nanosleep(&(struct timespec){.tv_nsec = PAUSE_US * 1000}, NULL);
    due_us = clock_mono_us() + RUN_US;
}
