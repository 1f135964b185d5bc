/* The journal: an append-only log of frames in preallocated segment files, the first stage
 * of durability. This file is blocking and single-threaded (the journal thread's, or the
 * main thread's before and after); threads are store.c's. The format is docs/journal.md;
 * its essentials:
 *
 *   segment  = header block (4096 bytes) + batches, each starting on a 4096-byte boundary
 *   header   = magic, format version, store id, epoch, generation, first frame, supersedes flag,
 *              durable claim, CRC32C
 *   batch    = header (magic, frames, bytes, first frame, durable claim, CRC32C)
 *              + frames, padded with zeros
 *   frame    = length, CRC32C, number + records (kind, length, body padded to 8)
 *
 * Every CRC starts from the segment's generation, so what an earlier use of the file left
 * behind never counts. A batch says up to which frame everything was durable when it was written:
 * damage at or below such a claim stops the start (ERR_CORRUPT, naming file and offset),
 * damage above it is a torn tail and is dropped whole.
 * A segment whose header has `supersedes` set voids frames >= its first frame in older generations;
 * without the flag, its first frame must be exactly the one after the older segments' last. */
#ifndef STORE_JOURNAL_JOURNAL_H
#define STORE_JOURNAL_JOURNAL_H

#include "base/base.h"
#include "base/err.h"
#include "base/uuid.h"
#include "record/batch.h"

#define JOURNAL_FORMAT 3
#define JOURNAL_BLOCK  4096
#define JOURNAL_SLOTS  3 /* syncs that may be under way at a time */

struct journal_config {
    const char *dir; /* created if missing */
    struct uuid store_id;
    uint64_t epoch;
    uint64_t segment_bytes; /* file size, multiple of JOURNAL_BLOCK */
    /* Random numbers that name the run of a server, and the one that wrote the store before: the
     * tag of every segment that the run begins. 0: a random tag. */
    uint32_t run, parent;
};

static inline uint32_t journal_tag_run(uint64_t tag) {
    return (uint32_t)tag;
}
static inline uint32_t journal_tag_parent(uint64_t tag) {
    return (uint32_t)(tag >> 32);
}

/* What the headers in a directory say of one store's journal. */
struct journal_look {
    size_t segments;       /* with a whole header; 0: then only `unreadable` says something */
    size_t unreadable;     /* files whose header is damaged or of a newer format */
    size_t newer;          /* of these, how many of a newer format: journal_open refuses them */
    struct uuid store_id;  /* whose it is */
    bool sealed;           /* it holds nothing that the store had not when it was closed */
    uint64_t sealed_frame; /* then: the store's last frame */
    uint64_t first_frame;  /* the lowest with which a segment begins */
    uint32_t run;          /* of the newest segment */
    bool goes_on;          /* it goes on from what the run `run` had written up to `applied` */
};
/* store_id NULL: whose the newest segment is. run 0: not known. No directory: no segments. */
int journal_look(const char *dir, const struct uuid *store_id, uint64_t applied, uint32_t run,
                 struct journal_look *out, struct err *err);

struct journal;

/* Called for each recovered batch, in frame order; frames at or below `applied` are left out.
 * The callee takes ownership of the batch. NULL: the journal will be refused for damage behind what
 * has been handed out; that is durable, and is to be in the backend before the callee returns.
 * Negative stops the recovery with that code. */
typedef int journal_replay_fn(struct batch *b, void *arg, struct err *err);

/* Opens the directory, checks every segment that is not free, and replays what is beyond
 * `applied`. `expected`: the store says that a journal may hold frames that it has not got;
 * a missing or empty one is then ERR_REFUSED. ERR_REFUSED also for a foreign store id on an
 * unsealed journal (a sealed foreign one is discarded with a log line), a gap, a newer format, an
 * applied number that the journal cannot connect to; ERR_CORRUPT for damage below a durable claim.
 * After it the journal is read-only until journal_start. */
int journal_open(struct journal **out, const struct journal_config *config, uint64_t applied,
                 bool expected, journal_replay_fn *replay, void *arg, struct err *err);
/* The last valid frame found (>= applied). */
uint64_t journal_last_frame(const struct journal *j);
/* The last frame that is in the files themselves, as far as they were read: 0 when they were not,
 * because the journal is sealed and the store has all of it. */
uint64_t journal_found_frame(const struct journal *j);
/* Begins a new segment whose first frame is next_frame; synced. Everything older must be applied.
 */
int journal_start(struct journal *j, uint64_t next_frame, struct err *err);

/* The largest frame_bytes that fits in a segment. */
size_t journal_frame_max(const struct journal *j);

/* Writes one batch at the end (a new segment when it does not fit; the old one is synced first).
 * A batch larger than a segment is split between frames. Not durable before journal_sync. claim:
 * the durable watermark as known now. After a failure of write or sync the only legal calls are
 * journal_rewrite, journal_close. */
int journal_write(struct journal *j, const struct batch *b, uint64_t claim, struct err *err);
int journal_sync(struct journal *j, struct err *err); /* fdatasync of what was written */
/* Overlapping syncs. While one thread syncs, another may write and sync what comes next: `begin`
 * after the writes (not concurrently with any other call), then `run` on any thread, concurrently
 * with journal_write and another runs of other slots (below JOURNAL_SLOTS). When a run succeeds,
 * everything written before its begin is durable, whatever other runs are still under way: each
 * slot has its own open file description, which reports every failed writeback of the file to it. A
 * write that does not fit the segment (journal_fits), journal_scrub, journal_applied and
 * journal_rewrite are legal only while no run is under way. When a run fails, they (but for
 * journal_rewrite) fail too: what it was to make durable is not. Each begin needs its run. */
struct journal_sync {
    struct segment *segment;
};
void journal_sync_begin(struct journal *j, struct journal_sync *t);
int journal_sync_run(const struct journal *j, const struct journal_sync *t, unsigned slot,
                     struct err *err);
/* Whether batches with together so many journal_batch_bytes go into the current segment. */
bool journal_fits(const struct journal *j, uint64_t bytes);
uint64_t journal_batch_bytes(const struct batch *b);
/* After a failure: writes all these batches (everything not durable, oldest first; n may be 0: a
 * probe) into a new segment that supersedes older ones from next_frame on, and syncs. On success
 * the journal goes on there; on failure it may be called again. next_frame: the first frame
 * number not durable. */
int journal_rewrite(struct journal *j, struct batch *const batches[], size_t n, uint64_t next_frame,
                    uint64_t claim, struct err *err);

/* After journal_rewrite has failed, once: says in a small file that frames from next_frame on (the
 * first not durable) are void, so that no start brings them back. Takes a block where a segment
 * does not fit. 0: that is on the disk. Otherwise it may stand only in memory, and outlast a kill
 * but not a power cut, or not stand at all. The journal stays failed. */
int journal_mark_void(struct journal *j, uint64_t next_frame, struct err *err);

/* All frames up to this are applied and that commit is synced: segments before may be reused. */
void journal_applied(struct journal *j, uint64_t frame);
/* Something that was erased is applied: what the segments and spares hold now is overwritten with
 * zeros once it is free, and what follows goes into a new segment. A failure is one of a write. */
int journal_scrub(struct journal *j, struct err *err);
/* Prepares the next segment (preallocated and zeroed, synced) if none is spare: called by a
 * helper thread, concurrently with the others; takes long. */
int journal_prepare(struct journal *j, struct err *err);
bool journal_wants_prepare(const struct journal *j); /* any thread */
/* From now on zeroing leaves the disk to nobody: the server stops. Any thread. */
void journal_hurry(struct journal *j);
/* Bytes in segments that hold frames not yet applied. Any thread. */
uint64_t journal_bytes_used(const struct journal *j);
uint64_t journal_segment_count(const struct journal *j);

/* After everything is applied: marks the journal as holding nothing (synced). */
int journal_seal(struct journal *j, struct err *err);
void journal_close(struct journal *j);

#endif
