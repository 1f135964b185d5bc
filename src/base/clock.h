/* Wall and monotonic time. Any thread. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include "base/base.h"

uint64_t clock_wall_ms(void);
uint64_t clock_wall_us(void);
uint64_t clock_mono_us(void);
uint64_t clock_mono_ms(void);

#endif
