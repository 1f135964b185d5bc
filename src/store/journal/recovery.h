/* What recover.c (what is believed) and find.c (the files) share. Nobody else includes this. */
#ifndef STORE_JOURNAL_RECOVERY_H
#define STORE_JOURNAL_RECOVERY_H

#include "store/journal/internal.h"

/* A file found in the directory. */
struct found {
    struct segment *segment;
    enum segment_state state;
    uint64_t stop; /* where reading it ended, for messages */
};

struct recovery {
    struct journal *j;
    uint64_t applied;
    journal_replay_fn *replay;
    void *arg;
    struct err *err;

    struct found *own; /* valid, by generation */
    size_t own_count;
    struct found *lost; /* header blank or damaged */
    size_t lost_count;
    size_t foreign_count, cap;

    uint64_t expected; /* the next frame of the chain */
    uint64_t needed;   /* the highest claim found */
    const struct segment *needed_by;
    uint64_t needed_at;

    uint64_t reading; /* number of the one segment whose file is open, + 1; 0: none is */
    int reading_fd;

    struct batch *out; /* being filled for the replay */
    size_t out_bytes;
    uint8_t *buffer; /* one written batch, or a stretch of blocks */
    size_t buffer_cap;
};

static inline const char *recovery_path(const struct recovery *r, const struct segment *s,
                                        char out[SEGMENT_PATH_MAX]) {
    segment_path(out, r->j->dir, s->number);
    return out;
}

/* find.c: looks at every segment in the directory and sorts them into own, lost and foreign. */
MUST_CHECK int recovery_find_segments(struct recovery *r);
/* Reads from a segment; as segment_read. However many there are, one file is open at a time. */
MUST_CHECK int recovery_read(struct recovery *r, const struct segment *s, void *out, size_t n,
                             uint64_t offset, size_t *got);
MUST_CHECK int recovery_open_file(struct recovery *r, const struct segment *s);
void recovery_close_file(struct recovery *r); /* the one that is open, if any is */

#endif
