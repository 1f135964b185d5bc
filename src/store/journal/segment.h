/* One file of the journal: the structures on disk, their checks, and the few calls that touch
 * the file system. Which segment is used when is journal.c's; what is believed after a crash is
 * recover.c's. Only these include this header.
 *
 * CHECKLIST when a structure here changes: raise JOURNAL_FORMAT (store/journal/journal.h); keep the
 * first 16 bytes of the segment header and what its CRC covers as they are, so that an older
 * server can tell that a journal is newer; update docs/journal.md, tests/unit/test_journal.c and
 * tests/fuzz/fuzz_journal.c. */
#ifndef STORE_JOURNAL_SEGMENT_H
#define STORE_JOURNAL_SEGMENT_H

#include <stdatomic.h>
#include <sys/uio.h>

#include "base/base.h"
#include "base/err.h"
#include "base/uuid.h"
#include "record/batch.h"
#include "store/journal/journal.h"

enum segment_flag {
    SEGMENT_SUPERSEDES = 1, /* frames >= first_frame of older generations are void */
    SEGMENT_SEALED = 2,     /* nothing up to sealed_frame is needed, and nothing follows */
};

/* At offset 0 of the file, and once more at SEGMENT_HEADER_COPY. Little-endian. */
struct segment_header {
    char magic[8];
    uint32_t format; /* JOURNAL_FORMAT */
    uint32_t crc;    /* CRC32C of the 128 bytes with this field 0; initial value ~0 */
    struct uuid store_id;
    uint64_t epoch;      /* of the server that began the segment */
    uint64_t generation; /* order of the segments; higher is newer, never used twice */
    uint64_t previous;   /* generation of the segment with the frames before its first; 0: none */
    uint64_t tag;        /* random; repeated in each batch */
    uint64_t first_frame;
    uint64_t claim; /* every frame up to it was durable when the segment was begun */
    uint64_t segment_bytes;
    uint64_t sealed_frame; /* with SEGMENT_SEALED: the last frame */
    uint32_t flags;
    uint32_t reserved[7]; /* 0 */
};
_Static_assert(sizeof(struct segment_header) == 128, "journal format");
#define SEGMENT_HEADER_COPY 2048

struct segment_batch {
    uint32_t magic;
    uint32_t crc; /* CRC32C of the fields behind it; initial value segment_crc_init() */
    uint64_t generation, tag;
    uint64_t first_frame;
    uint64_t claim; /* every frame up to it was durable when the batch was written */
    uint64_t bytes; /* of the frames, without this header and the padding */
    uint32_t frames;
    uint32_t reserved; /* 0 */
};
_Static_assert(sizeof(struct segment_batch) == 56, "journal format");

struct segment_frame {
    uint32_t crc;    /* CRC32C of all of the frame behind it; initial value segment_crc_init() */
    uint32_t length; /* of the frame with this header: a multiple of 8 */
    uint64_t number;
};
_Static_assert(sizeof(struct segment_frame) == FRAME_HEAD_BYTES, "journal format");

struct segment_record {
    uint8_t kind;
    uint8_t reserved[3]; /* 0 */
    uint32_t len;        /* of the body, which is padded with zeros to a multiple of 8 */
};
_Static_assert(sizeof(struct segment_record) == RECORD_HEAD_BYTES, "journal format");

/* A segment in memory. There may be thousands: only the one that is written has its file open. */
struct segment {
    struct segment *next; /* in the list that holds it */
    /* Open file descriptions of it, one for each of the syncs that overlap: each learns of failed
     * writebacks by itself. All are there before the first write is, or none (-1). */
    int fds[JOURNAL_SLOTS];
    int dir_fd;          /* the journal's directory: whatever stands at its path by then */
    uint64_t number;     /* of the file's name */
    uint64_t size;       /* of the file */
    uint64_t end;        /* where the next batch goes */
    uint64_t last_frame; /* header.first_frame - 1 when it holds none */
    struct segment_header header;
    uint32_t crc_init;
    _Atomic bool
        failed; /* a write or sync failed, in whatever thread: its pages are not to be trusted,
                   nor used again, and nothing may follow it that calls them durable */
    _Atomic unsigned syncs; /* under way: begun, and not known to have ended well or badly */
    bool stale;             /* may hold bytes of an erased event: to be zeroed when it is free */
};

static inline uint64_t segment_round(uint64_t bytes) {
    return (bytes + JOURNAL_BLOCK - 1) & ~(uint64_t)(JOURNAL_BLOCK - 1);
}

/* The initial value of a segment's CRCs: bytes that another use of the file, or another store,
 * left behind do not match. */
uint32_t segment_crc_init(const struct uuid *store_id, uint64_t generation, uint64_t tag);
uint32_t segment_crc(uint32_t crc, const void *p, size_t n);

/* Writes both copies of the header into a zeroed block. */
void segment_header_put(uint8_t block[JOURNAL_BLOCK], const struct segment_header *h);

enum segment_state {
    SEGMENT_VALID,   /* out is set */
    SEGMENT_BLANK,   /* zeros: prepared and never used (or nothing of the header was written) */
    SEGMENT_DAMAGED, /* neither copy is whole */
    SEGMENT_NEWER,   /* written by a newer version; out is set as far as the first 16 bytes */
};
/* Looks at the first len bytes of a file (more than a block is not needed). *used_copy: the first
 * copy was not whole. Of two different whole copies the newer counts. */
enum segment_state segment_header_get(const uint8_t *bytes, size_t len, struct segment_header *out,
                                      bool *used_copy);

/* Whether g is a batch's header that belongs to store_id and says sensible things; of whatever
 * generation. */
bool segment_batch_valid(const struct segment_batch *g, const struct uuid *store_id);
void segment_batch_seal(struct segment_batch *g, uint32_t crc_init); /* sets the CRC */
/* Whether the g->bytes bytes at frames are its frames, whole. */
bool segment_frames_valid(const uint8_t *frames, const struct segment_batch *g, uint32_t crc_init);

/* File system. Errors name the path and, where there is one, the offset. */
#define SEGMENT_PATH_MAX 4224
void segment_path(char out[SEGMENT_PATH_MAX], const char *dir, uint64_t number);
/* Whether a file's name is a segment's; its number. */
bool segment_name_parse(const char *name, uint64_t *number);
/* For zeroing while others use the disk, which then is left to them. */
struct segment_pace {
    _Atomic uint64_t written; /* bytes that they have written: zeros are twice as quick */
    _Atomic bool hurry;       /* nobody uses it any more */
};
/* A new file of size bytes: reserved, its first zeroed bytes written with zeros and synced, all
 * under a temporary name; then renamed. The directory is synced. NULL on failure (nothing is left).
 * pace NULL: as quickly as it goes. */
struct segment *segment_create(const char *dir, int dir_fd, uint64_t number, uint64_t size,
                               uint64_t zeroed, const struct segment_pace *pace, struct err *err);
/* A new file that holds nothing but this header. *synced: it is known to be on the disk; if not,
 * err says why. NULL on failure (nothing is left). */
struct segment *segment_create_header(const char *dir, int dir_fd, uint64_t number,
                                      const struct segment_header *h, bool *synced,
                                      struct err *err);
/* A file that is there. */
struct segment *segment_find(const char *dir, int dir_fd, uint64_t number, struct err *err);
void segment_close_files(struct segment *s);             /* until it is written again */
void segment_destroy(struct segment *s);                 /* closes, frees; NULL is fine */
void segment_remove(struct segment *s, const char *dir); /* unlinks, closes, frees */
/* For reading; the caller's to close. Negative: err. */
MUST_CHECK int segment_open_file(const struct segment *s, const char *dir, struct err *err);
/* Overwrites all of it with zeros; synced. Takes long. */
MUST_CHECK int segment_zero(struct segment *s, const char *dir, const struct segment_pace *pace,
                            struct err *err);
/* Removes what unfinished preparations left. */
void segment_remove_temporary(const char *dir);
/* Writes all of iov (which it changes) at offset; opens the file first if need be. */
MUST_CHECK int segment_write(struct segment *s, const char *dir, struct iovec *iov, size_t n,
                             uint64_t offset, struct err *err);
/* Reads up to n bytes of the file, open as fd; *got is less only at the end of the file. */
MUST_CHECK int segment_read(int fd, const char *dir, uint64_t number, void *out, size_t n,
                            uint64_t offset, size_t *got, struct err *err);
/* Of what has been written, through the open file description of this slot. */
MUST_CHECK int segment_sync(struct segment *s, const char *dir, unsigned slot, struct err *err);

#endif
