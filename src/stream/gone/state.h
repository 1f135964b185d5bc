/* What the model keeps for the files of gone/, each of which has its own. src/README.md has the
 * words for "away". Loop thread. */
#ifndef STREAM_GONE_STATE_H
#define STREAM_GONE_STATE_H

#include "base/hash.h"
#include "base/heap.h"
#include "base/list.h"
#include "record/event.h"

/* graves.c: events that left everything, and that the journal still borrows; a queue by frame. */
struct graves {
    struct grave {
        struct event *event;
        uint64_t frame;
    } * items;
    size_t first, count, cap;
};

/* hidden.c: what was removed and the backend may still show. */
struct hidden_streams {
    struct hash_table table; /* by stream number */
    struct list order;       /* by the frame that removed something last */
    uint64_t frame;          /* the last that did */
};

/* renamed.c: streams that were renamed, until nobody has the old name. */
struct renamed_streams {
    struct hash_table table; /* by stream number */
    struct list order;       /* by `placed`: whichever was renamed last stands last */
    uint64_t frame;          /* the last that renamed one; 0: none that is not known to all */
    uint64_t placed;         /* the same, also of what was taken back */
    uint64_t count;          /* renamings so far, also those that were taken back */
};

/* erased.c */
struct erased_events {
    struct hash_table table; /* by sequence */
    struct list order;       /* by frame */
    uint64_t frame;          /* the last that erased one */
};

/* deadlines.c */
struct deadlines {
    struct heap heap; /* stream_extra.due of the streams in memory */
    uint64_t all; /* streams that have a deadline, also those not in memory (for INFO: a void makes
                     it inexact until the next start) */
    uint64_t on_disk; /* ms: the first deadline of those not in memory; 0: none */
};

#endif
