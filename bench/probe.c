/* The disk, measured as a journal uses it: 512 bytes written behind each other into a file whose
 * blocks exist and are zeroed, one fdatasync after each. bench/compare runs it before and after
 * every row: when it has moved, the machine was not quiet and the row means little. */
#include "probe.h"

#include "hist.h"
#include "load.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { STEP = 512, ZERO = 64 * 1024 };

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
