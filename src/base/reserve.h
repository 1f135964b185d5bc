/* Memory that is there before it is needed: a thread touches huge pages beforehand, and the calling
 * thread's allocator takes its new memory from them.
 *
 * The first touch of a huge page clears 2 MB. On a virtual machine whose host has to find that
 * memory first it takes milliseconds, in which a thread that serves everybody serves nobody. */
#ifndef BASE_RESERVE_H
#define BASE_RESERVE_H

#include "base/base.h"

/* From now on what the calling thread allocates comes out of a reserve of its own; call it once in
 * the process, from the thread that must not wait. Memory may be freed by any thread. Without
 * jemalloc, or when the system refuses anything, all stays as it was. The reserve's thread ends
 * with the process. */
void reserve_start(void);

/* Bytes that have been touched and not been given out. Any thread. */
uint64_t reserve_bytes(void);

#endif
