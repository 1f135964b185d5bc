/* Wall and monotonic time. Any thread. The wall clock is since 1970 (0 before that) and may step
 * either way at any time; see model_tick for what uses it. Whatever is measured or waited for
 * inside the process takes the monotonic one. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include "base/base.h"

uint64_t clock_wall_ms(void);
uint64_t clock_wall_us(void);
uint64_t clock_mono_us(void);
uint64_t clock_mono_ms(void);

#endif
