#ifndef BENCH_PROBE_H
#define BENCH_PROBE_H

#include <stdbool.h>

/* Measures fdatasync after small appends to a preallocated, zeroed file of that name, which is
 * removed afterwards, and prints the figures. Returns 0, or -1 with the reason on stderr. */
int probe_sync(const char *path, unsigned times, bool json);
/* Measures the first touch of so much memory, and prints the figures. Returns as probe_sync. */
int probe_pages(unsigned megabytes, bool json);

#endif
