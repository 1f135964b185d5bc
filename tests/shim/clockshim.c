/* clockshim: moves the wall clock of another program, on demand (LD_PRELOAD).
 *
 * CLOCKSHIM_CONTROL names a file of two native 64-bit numbers, which is mapped, so that the next
 * look at the clock obeys what was written: by how many ms CLOCK_REALTIME is ahead (negative:
 * behind), and the time in ms since 1970 at which it stands still (0: it runs). Monotonic clocks
 * are left alone, as a step of the real clock leaves them alone. */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

struct control {
    int64_t ahead_ms, stands_ms;
};

static const volatile struct control *control;
static int (*real_gettime)(clockid_t id, struct timespec *ts);

__attribute__((constructor)) static void begin(void) {
    void *found = dlsym(RTLD_NEXT, "clock_gettime");
    real_gettime = *(int (**)(clockid_t, struct timespec *)) & found;
    const char *path = getenv("CLOCKSHIM_CONTROL");
    if (path == NULL) return;
    /* Not open() and close(): those may be diskshim's, which looks at the clock with its lock held.
     */
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) abort();
    void *map = mmap(NULL, sizeof *control, PROT_READ, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED) abort();
    syscall(SYS_close, fd);
    control = map;
}

static void set_ms(struct timespec *ts, int64_t ms) {
    ts->tv_sec = ms / 1000;
    ts->tv_nsec = ms % 1000 * 1000000;
}

EXPORT int clock_gettime(clockid_t id, struct timespec *ts) {
    if (real_gettime == NULL) begin(); /* by somebody who was loaded earlier */
    int rc = real_gettime(id, ts);
    if (rc != 0 || control == NULL || (id != CLOCK_REALTIME && id != CLOCK_REALTIME_COARSE))
        return rc;
    long below_ms = ts->tv_nsec % 1000000;
    int64_t ms = (int64_t)ts->tv_sec * 1000 + ts->tv_nsec / 1000000 + control->ahead_ms;
    if (control->stands_ms != 0) {
        ms = control->stands_ms;
        below_ms = 0;
    }
    set_ms(ts, ms < 0 ? 0 : ms); /* no system has a clock before 1970 */
    ts->tv_nsec += below_ms;
    return rc;
}

EXPORT time_t time(time_t *out) {
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    if (out != NULL) *out = ts.tv_sec;
    return ts.tv_sec;
}

EXPORT int gettimeofday(struct timeval *restrict tv, void *restrict zone) {
    struct timespec ts;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &ts);
    tv->tv_sec = ts.tv_sec;
    tv->tv_usec = ts.tv_nsec / 1000;
    return 0;
}
