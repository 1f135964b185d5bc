/* What reading and writing RDB values have in common; see rdb.h. */
#ifndef STREAM_DUMP_RDB_PARTS_H
#define STREAM_DUMP_RDB_PARTS_H

#include "stream/dump/internal.h"
#include "stream/dump/rdb.h"

#define RDB_FOOTER 10 /* version (16 bits), checksum: little-endian */

enum rdb_type {
    RDB_STRING = 0,
    RDB_STREAM_1 = 15, /* Redis 5 */
    RDB_STREAM_2 = 19, /* Redis 7.0: first and deleted id, entries added, entries read */
    RDB_STREAM_3 = 21, /* Redis 7.2: active times of consumers */
};

enum { /* first byte of a length; of the first two the low six bits are its highest */
       RDB_LEN_6 = 0x00,
       RDB_LEN_14 = 0x40,
       RDB_LEN_32 = 0x80, /* big-endian, as is the next */
       RDB_LEN_64 = 0x81,
       RDB_ENCODED = 0xc0, /* no length, but how a text is written: */
       RDB_INT8 = 0xc0,
       RDB_INT16 = 0xc1,
       RDB_INT32 = 0xc2,
       RDB_LZF = 0xc3,
};

enum { ENTRY_DELETED = 1, ENTRY_SAME_FIELDS = 2 }; /* flags of an entry in a listpack */

/* What is left to read, and where it goes. All readers return false when the bytes are malformed
 * or cut off; `out` that overflows is noticed at the end. */
struct rdb_in {
    struct str rest;
    struct buf *out;
    int type;
};
bool rdb_take(struct rdb_in *in, void *out, size_t n);
bool rdb_len(struct rdb_in *in, uint64_t *n);
/* A text: a view of the payload or, when it was packed, of `unpacked`, which is used again. */
bool rdb_text(struct rdb_in *in, struct buf *unpacked, struct str *out);
bool rdb_id(struct rdb_in *in, struct entry_id *out);     /* two lengths */
bool rdb_id_raw(struct rdb_in *in, struct entry_id *out); /* 16 bytes, big-endian */

bool rdb_read_entries(struct rdb_in *in, uint64_t listpacks, uint64_t *count,
                      struct entry_id *first);
bool rdb_read_stream(struct rdb_in *in);

#endif
