/* Two probes of the machine. bench/compare runs both before and after every single measurement:
 * when they have moved, the machine was not quiet and the figure means little.
 *
 * The disk, measured as a journal uses it: 512 bytes written behind each other into a file whose
 * blocks exist and are zeroed, one fdatasync after each.
 *
 * The memory: what it costs to touch a page for the first time. On a virtual machine whose host has
 * not given that page yet it is several times as much as otherwise, and a server that grows while
 * it is measured pays it. The time is that of this thread's processor: a host that takes its time
 * is charged for it, another process that computes is not. */
#include "probe.h"

#include "hist.h"
#include "load.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { STEP = 512, ZERO = 64 * 1024, PAGE = 4096 };

static int preallocate(int fd, size_t bytes) {
    char *zero = calloc(1, ZERO);
    int rc = 0;

    if (zero == NULL) abort();
    for (size_t done = 0; done < bytes && rc == 0; done += ZERO)
        if (write(fd, zero, ZERO) != ZERO) rc = -1;
    free(zero);
    return rc == 0 ? fsync(fd) : rc;
}

int probe_sync(const char *path, unsigned times, bool json) {
    static struct hist hist;
    char data[STEP];
    int rc = -1;
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (fd < 0) {
        fprintf(stderr, "cairn-bench: %s: %s\n", path, strerror(errno));
        return -1;
    }
    memset(data, 'x', sizeof data);
    if (preallocate(fd, (size_t)times * STEP) != 0) goto out;
    for (unsigned i = 0; i < times; i++) {
        uint64_t begin = clock_ns();
        if (pwrite(fd, data, STEP, (off_t)i * STEP) != STEP) goto out;
        if (fdatasync(fd) != 0) goto out;
        hist_add(&hist, clock_ns() - begin, 1);
    }
    double p50 = (double)hist_quantile(&hist, 0.5) / 1e3;
    double p99 = (double)hist_quantile(&hist, 0.99) / 1e3;
    double max = (double)hist.max_ns / 1e3;
    if (json)
        printf("{\"syncs\":%u,\"p50_us\":%.1f,\"p99_us\":%.1f,\"max_us\":%.1f}\n", times, p50, p99,
               max);
    else
        printf("%u syncs: p50 %.1f us, p99 %.1f us, max %.1f us\n", times, p50, p99, max);
    rc = 0;
out:
    if (rc != 0) fprintf(stderr, "cairn-bench: %s: %s\n", path, strerror(errno));
    close(fd);
    unlink(path);
    return rc;
}

static uint64_t thread_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

int probe_pages(unsigned megabytes, bool json) {
    const size_t bytes = (size_t)megabytes << 20;
    const size_t pages = bytes / PAGE;
    char *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED) {
        fprintf(stderr, "cairn-bench: %u MB: %s\n", megabytes, strerror(errno));
        return -1;
    }
    /* Small pages, whatever the system's setting. A kernel without huge pages refuses: as well. */
    madvise(memory, bytes, MADV_NOHUGEPAGE);
    uint64_t wall = clock_ns();
    uint64_t cpu = thread_ns();
    for (size_t i = 0; i < bytes; i += PAGE) ((volatile char *)memory)[i] = 1;
    double us = (double)(thread_ns() - cpu) / 1e3 / (double)pages;
    double wall_us = (double)(clock_ns() - wall) / 1e3 / (double)pages;
    munmap(memory, bytes);
    if (json)
        printf("{\"pages\":%zu,\"us_a_page\":%.3f,\"wall_us_a_page\":%.3f}\n", pages, us, wall_us);
    else
        printf("%zu pages: %.3f us a page, %.3f by the clock\n", pages, us, wall_us);
    return 0;
}
