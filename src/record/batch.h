/* Frames on their way to disk. The loop collects frames in the open batch; a batch is
 * what one write of the journal holds and what is handed from thread to thread:
 *
 *   loop (open) -> journal thread (written, synced) -> applier (rows committed) -> loop (freed)
 *
 * A frame is atomic; its records are applied in order, all or none. Frame numbers of a batch
 * are consecutive. Whoever holds a batch may read it; only the loop writes to it, and only
 * while it is open. Event bodies are borrowed (see event.h); small records live in the
 * batch's own arena. */
#ifndef RECORD_BATCH_H
#define RECORD_BATCH_H

#include "base/base.h"
#include "base/err.h"
#include "base/list.h"

/* CHECKLIST for a new kind: its body in record/record.h, docs/journal.md, record_valid(), every
 * backend's apply(), the model's replay (stream/replay.c), the fuzz corpus. Numbers are never
 * reused. */
enum record_kind {
    RECORD_STREAM = 1,          /* stream_record: a stream (or a string) comes to be */
    RECORD_EVENT = 2,           /* event_record */
    RECORD_FLUSH = 3,           /* empty: everything before it is gone; numbers start again at 0 */
    RECORD_STREAM_STATE = 4,    /* stream_state_record: what a stream is beyond its events */
    RECORD_REMOVE = 5,          /* remove_record: single events of a stream are gone */
    RECORD_DELETE = 6,          /* number_record, or delete_record: a stream is gone, with all
                                   that belongs to it */
    RECORD_RENAME = 7,          /* stream_record with the new name */
    RECORD_VALUE = 8,           /* value_record: a string's value */
    RECORD_ERASE = 9,           /* erase_record: an event's payload and metadata are gone */
    RECORD_GROUP = 10,          /* group_record: a consumer group comes to be */
    RECORD_GROUP_POSITION = 11, /* position_record: it stands elsewhere */
    RECORD_GROUP_DROP = 12, /* number_record: it is gone, with its consumers and what is pending */
    RECORD_CONSUMER = 13,   /* consumer_record: comes to be, or was seen */
    RECORD_CONSUMER_DROP = 14,    /* consumer_drop_record: gone, with what it still has pending */
    RECORD_PENDING = 15,          /* pending_record: entries as they are pending now */
    RECORD_ACK = 16,              /* ack_record: entries that are pending no more */
    RECORD_IDEMPOTENT = 17,       /* idempotent_record: what a producer has added */
    RECORD_IDEMPOTENT_CLEAR = 18, /* number_record: the stream forgets them all */
    RECORD_NAMED = 19,            /* named_record: a checkpoint or a view is now, or is gone */
    RECORD_TIMELINE = 20,         /* timeline_record: from here on it is another history */
};

struct record {
    const void *body; /* 8-aligned; len bytes */
    uint32_t len;
    uint32_t kind : 8;
    uint32_t category : 24; /* of an event's stream, as it was called then (category_number);
                               0: not known, as in what comes from a file */
};

struct batch {
    struct list node; /* of whoever holds it */
    uint64_t first_frame;
    uint32_t frame_count, frame_cap;
    uint32_t *frame_end; /* [i]: index past the last record of frame first_frame + i */
    struct record *records;
    uint32_t record_count, record_cap;
    size_t bytes;             /* memory that it pins: bodies and bookkeeping */
    size_t journal_bytes;     /* what its frames take in the journal (frame_bytes), no padding */
    bool erases;              /* holds a RECORD_ERASE */
    bool names;               /* holds a RECORD_STREAM, a RECORD_RENAME or a RECORD_FLUSH */
    uint64_t sequence_end;    /* next sequence after its last event; 0 when it has none */
    struct list gated;        /* the server's: clients whose first parked reply waits for it */
    struct batch *queue_next; /* the thread's that has it queued (store/applier.c) */
    uint64_t stream_count;    /* of the store, after its last frame */
    uint64_t virtual_groups;  /* the same */
    uint64_t submitted_us;    /* monotonic: when the loop handed it over */
    uint64_t queued_us;       /* monotonic time at which the applier got it */
    void *arena;              /* private */
};

/* What a frame takes in the journal, which bounds it: heads, bodies padded to 8 bytes. The journal
 * asserts that its structures are of these sizes. */
#define FRAME_HEAD_BYTES  16u
#define RECORD_HEAD_BYTES 8u
static inline size_t record_bytes(uint32_t len) {
    return RECORD_HEAD_BYTES + (((size_t)len + 7) & ~(size_t)7);
}
static inline size_t frame_bytes(const struct record *records, size_t n) {
    size_t bytes = FRAME_HEAD_BYTES;
    for (size_t i = 0; i < n; i++) bytes += record_bytes(records[i].len);
    return bytes;
}

/* What an event, an entry or a string takes of a frame beyond its own bytes, at most: the fixed
 * parts of its record and of its stream's. */
#define FRAME_OVERHEAD_MAX 512u

struct batch *batch_create(uint64_t first_frame);
void batch_destroy(struct batch *b); /* NULL is fine */
/* 8-aligned memory that lives as long as the batch. Never moves. */
void *batch_alloc(struct batch *b, size_t n);
/* Adds a record to the frame being built. body is borrowed until the batch is destroyed. */
void batch_add(struct batch *b, enum record_kind kind, const void *body, size_t len);
/* Of the event that was added last. */
static inline void batch_note_category(struct batch *b, uint32_t category) {
    b->records[b->record_count - 1].category = category & 0xffffff;
}
/* Closes the frame being built (it has at least one record) and returns its number. */
uint64_t batch_end_frame(struct batch *b);
/* Drops the records of the frame being built. */
void batch_undo_frame(struct batch *b);
static inline uint64_t batch_last_frame(const struct batch *b) {
    return b->first_frame + b->frame_count - 1;
}
/* Whether a record from a file makes sense (record/record.c). */
bool record_valid(const struct record *r);
/* How many more streams and strings there are with it: 1, 0 or -1. Virtual ones do not count. */
int record_streams(const struct record *r);

#endif
