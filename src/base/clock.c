/* Time, from the two clocks of the system. Both calls are answered without entering the kernel.
 * Nothing is cached here: the loop keeps the time of its turn itself. */
#include "base/clock.h"

#include <time.h>

static uint64_t clock_us(clockid_t id) {
    struct timespec ts;
    int rc = clock_gettime(id, &ts);
    assert(rc == 0);
    if (ts.tv_sec < 0) return 0;
    return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

uint64_t clock_wall_ms(void) {
    return clock_us(CLOCK_REALTIME) / 1000;
}

uint64_t clock_wall_us(void) {
    return clock_us(CLOCK_REALTIME);
}

uint64_t clock_mono_us(void) {
    return clock_us(CLOCK_MONOTONIC);
}

uint64_t clock_mono_ms(void) {
    return clock_us(CLOCK_MONOTONIC) / 1000;
}
