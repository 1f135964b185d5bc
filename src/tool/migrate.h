/* What the files of `cairn migrate` share. The source is a snapshot; the target's own backend
 * applies what is read from it, as records, so that any backend can be either.
 *
 * How far it is stands in the target, and gets there in the same transaction as what it is about.
 * So a migration that was cut off, whenever, goes on where that stopped. */
#ifndef TOOL_MIGRATE_H
#define TOOL_MIGRATE_H

#include "store/store.h"
#include "tool/progress.h"
#include "tool/tool.h"

enum migration_phase {
    MIGRATE_STREAMS, /* next: a stream's number */
    MIGRATE_EVENTS,  /* next: a sequence */
    MIGRATE_DETAILS, /* next: a stream's number; part 1: its groups and consumers are in */
    MIGRATE_CHECKPOINTS,
    MIGRATE_VIEWS,
    MIGRATE_COPIED,
};

/* The value of NAMED_MIGRATION in the target. */
struct migration_note {
    struct uuid source;
    uint64_t epoch, applied, next_sequence; /* of the source, which may not change meanwhile */
    uint64_t next;                          /* what is not there yet */
    uint32_t phase, part;
};

struct migration_side {
    struct tool_store store;
    struct store_hold hold;
    const struct backend *b;
    struct backend_conn *writer; /* the target's */
    struct backend_conn *reader; /* the source's: a snapshot */
    struct store_state state;    /* as it was when it was opened */
};

struct migration {
    struct migration_side from, to;
    struct timelines timelines; /* the source's */
    struct migration_note note;
    struct batch *batch; /* being filled; one frame */
    uint64_t next_frame;
    struct progress progress;
    uint64_t events;
    uint64_t hash;      /* of all events, in order */
    bool source_failed; /* what has failed is the source's, and not the target's */
};

/* rc is of something that was asked of the source. Returns it. */
static inline int migration_of_source(struct migration *m, int rc) {
    if (rc != 0) m->source_failed = true;
    return rc;
}

/* --- migrate_put.c: what goes into the target ------------------------------------------------ */

/* Adds a record, whose body the caller fills: zeroed, valid until the next flush. */
void *migration_put(struct migration *m, enum record_kind kind, size_t len);
/* Applies what was put, and notes how far that is. */
int migration_flush(struct migration *m, struct err *err);
/* The same, if it is enough by now. */
int migration_flush_some(struct migration *m, struct err *err);

/* --- migrate_copy.c, migrate_details.c ------------------------------------------------------- */

/* From where the note says to MIGRATE_COPIED. */
int migration_copy(struct migration *m, struct err *err);
int migration_copy_details(struct migration *m, struct err *err);

/* Calls fn with every stream, string and virtual stream of the source from note.next on, which goes
 * along. */
typedef int migration_stream_fn(struct migration *m, const struct stream_name *name,
                                uint64_t expires, struct err *err);
int migration_each_stream(struct migration *m, const char *step, migration_stream_fn *fn,
                          struct err *err);

/* --- migrate_compare.c ------------------------------------------------------------------------ */

/* Reads both sides. ERR_CORRUPT: they differ; says where. Fills events and hash. */
int migration_compare(struct migration *m, struct err *err);

#endif
