/* CRC-64 as Redis' dumps have it: polynomial ad93d23594c935a9 (Jones), reflected, initial value 0.
 * One thread at a time: the first call makes tables. */
#ifndef BASE_CRC64_H
#define BASE_CRC64_H

#include "base/base.h"

uint64_t crc64(const void *p, size_t n);

#endif
