/* Memory: the xmalloc family never returns NULL; out of memory aborts with a
 * message. Sizes that come from outside are limited at the parser. Any thread. */
#ifndef BASE_ALLOC_H
#define BASE_ALLOC_H

#include "base/base.h"

void *xmalloc(size_t n);
void *xcalloc(size_t count, size_t size); /* zeroed; aborts on overflow */
void *xrealloc(void *p, size_t n);
char *xstrdup(const char *s);
void *xmemdup(const void *p, size_t n);
/* Bytes allocated, and bytes that the allocator holds for them. Any thread; a slow call. */
void allocator_read(uint64_t *used, uint64_t *held);
const char *allocator_name(void); /* jemalloc or libc */
/* Gives what is not in use back to the system. Any thread; a slow call. */
void allocator_purge(void);
/* Calls put(arg, text) with pieces of the allocator's own statistics; never, if it has none. */
void allocator_stats(void (*put)(void *arg, const char *text), void *arg);

#endif
