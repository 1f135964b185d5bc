/* The newest events of the whole store, by sequence, in a ring. The model's next_sequence is its
 * end. Loop thread. */
#ifndef STREAM_LOG_TAIL_H
#define STREAM_LOG_TAIL_H

#include "record/event.h"

struct log_tail {
    struct event **ring; /* a power of two: sequence s is at ring[s & mask] */
    uint64_t mask;
    uint64_t first; /* the lowest sequence in it */
    size_t bytes;   /* of its events */
};

#endif
