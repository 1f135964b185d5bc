/* What journal.c (writing), write.c (one write), pool.c (the files) and recover.c (opening) share.
 * Nobody else includes this. */
#ifndef STORE_JOURNAL_INTERNAL_H
#define STORE_JOURNAL_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/uio.h>

#include "store/journal/segment.h"

struct segment_list {
    struct segment *head, *tail;
    size_t count;
};

static inline void segment_list_push(struct segment_list *l, struct segment *s) {
    s->next = NULL;
    if (l->tail != NULL)
        l->tail->next = s;
    else
        l->head = s;
    l->tail = s;
    l->count++;
}
static inline void segment_list_push_front(struct segment_list *l, struct segment *s) {
    s->next = l->head;
    l->head = s;
    if (l->tail == NULL) l->tail = s;
    l->count++;
}
static inline struct segment *segment_list_pop(struct segment_list *l) {
    struct segment *s = l->head;
    if (s == NULL) return NULL;
    l->head = s->next;
    if (l->head == NULL) l->tail = NULL;
    l->count--;
    s->next = NULL;
    return s;
}

enum journal_state {
    JOURNAL_OPENED,  /* read; not to be written before journal_start */
    JOURNAL_STARTED, /* the last of `segments` takes the batches */
    JOURNAL_FAILED,  /* a write or sync failed: journal_rewrite or nothing */
    JOURNAL_SEALED,
};

struct journal {
    char *dir;
    int dir_fd;
    struct uuid store_id;
    uint64_t epoch, segment_bytes;
    uint32_t run, parent;
    uint64_t found_frame;
    enum journal_state state;

    /* The journal thread's. */
    struct segment_list segments; /* that hold frames (or held them when opened), by generation */
    uint64_t generation;          /* the highest ever used */
    uint64_t last_frame;          /* written or, when opened, found */
    uint64_t applied;
    uint64_t older_bytes;      /* `end` of all segments but the last */
    uint64_t scrub_generation; /* segments up to it are zeroed before they are used again */
    bool header_pending;       /* the last segment's header goes out with its first batch */
    bool header_synced;        /* it is on the disk, as far as we have seen */
    bool dirty;                /* something of the last segment is not synced */
    uint8_t *buffer;           /* one write: copied bodies and everything around them */
    size_t buffer_cap;
    struct iovec *iov;
    size_t iov_cap;

    pthread_mutex_t lock;       /* the pool: */
    struct segment_list spares; /* of the configured size, free to be used */
    struct segment_list stale;  /* free once they are zeroed */
    struct segment_list doomed; /* to be removed by whoever has time */
    uint64_t next_number;       /* of a file's name */
    _Atomic bool wants_prepare;
    _Atomic uint64_t bytes_used, chain_count, spare_count; /* for other threads */
    struct segment_pace pace;                              /* of what the helper zeroes */
};

struct journal *journal_create(const struct journal_config *config);

/* pool.c */
/* Call with the lock held, after the pool has changed. */
void journal_pool_changed(struct journal *j);
/* A spare, or a new file: zeroed, or only reserved. NULL: err. */
struct segment *journal_pool_take(struct journal *j, bool zeroed, struct err *err);
/* A segment that nobody needs any more: back into the pool or out of the world. */
void journal_pool_give(struct journal *j, struct segment *s);
void journal_pool_zero_stale(struct journal *j);
void journal_pool_remove_doomed(struct journal *j);

/* write.c */
/* Writes frames [from, to) of b, `bytes` in all, as one written batch at the end of the last
 * segment, where they fit. */
int journal_write_part(struct journal *j, const struct batch *b, uint32_t from, uint32_t to,
                       uint64_t bytes, uint64_t claim, struct err *err);
/* Writes the last segment's header alone. */
int journal_write_header(struct journal *j, struct err *err);
/* Index of the frame's first record in the batch. */
static inline uint32_t batch_record_begin(const struct batch *b, uint32_t frame) {
    return frame == 0 ? 0 : b->frame_end[frame - 1];
}

/* Call after the list of segments, the last one's end or the applied frame has changed. */
void journal_account(struct journal *j);

#endif
