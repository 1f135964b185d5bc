/* Gives way: a thread that computes for long in the background pauses for a moment every so often.
 *
 * A nice value, or SCHED_IDLE, is not enough for that. A scheduler that shares time fairly lets a
 * thread that has just woken wait until what it had too much of is made up for, several
 * milliseconds on a machine with few cores, whatever the other's weight. A sleep, however short,
 * hands over the core at once.
 *
 * Per thread: the switch and the clock are the calling thread's. */
#ifndef BASE_PACE_H
#define BASE_PACE_H

#include "base/base.h"

/* Whether the calling thread pauses at pace_point() from now on. At first it does not. */
void pace_set(bool on);

/* Makes the calling thread nicer by so much than the process was started; 0: no nicer. Without the
 * right to go back (CAP_SYS_NICE, RLIMIT_NICE) it stays as nice as it was. */
void pace_nice(int more);

/* The same for a thread that must be able to go back: without the right to, nothing happens. */
void pace_nice_for_now(int more);

/* Sleeps for a moment when the last pause was long enough ago. Cheap enough to be called every
 * few microseconds (reads the clock). */
void pace_point(void);

#endif
