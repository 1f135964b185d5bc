/* Ranges of events that were read again, to be packed at the end of the turn (pack.c). */
#ifndef STREAM_PACK_H
#define STREAM_PACK_H

#include "record/event.h"

struct packing {
    struct pack_range {
        struct stream_name *name; /* one reference */
        uint64_t from, count;     /* versions */
    } ranges[32];
    size_t count;
    uint64_t packed; /* events that were packed so far */
};

#endif
