/* The payload of DUMP and RESTORE as Redis has it, so that keys go from one server to the other:
 *
 *   type, the value as in an RDB file, [what it cannot say,] RDB version, CRC-64 of all that
 *
 * Of an XADD stream it says everything. For what Redis does not know (events of EAPPEND, ids,
 * metadata; entries that were handed back) it has the nearest that Redis knows, and behind the
 * value, where Redis does not look, our own dump (stream/dump/dump.h), which is then what counts
 * here. The nearest: an event of EAPPEND is an entry with the fields that XRANGE shows; what was
 * handed back is pending of a consumer without a name, since ever. Loop thread. */
#ifndef STREAM_DUMP_RDB_H
#define STREAM_DUMP_RDB_H

#include "stream/dump/dump.h"

#define RDB_VERSION 11 /* of Redis 7.2 and Valkey 8: written, and the newest that is read */

/* CRC-64 as Redis has it: the polynomial ad93d23594c935a9 (Jones), reflected, initial value 0. */
uint64_t rdb_checksum(const void *p, size_t n);

/* Appends the payload of s, LIVE; events as in dump_write. out may have a limit. */
void rdb_write(struct buf *out, const struct stream *s, struct event *const *events, size_t n);

enum rdb_status {
    RDB_OK,
    RDB_FOREIGN,   /* checksum or version */
    RDB_BAD,       /* malformed */
    RDB_OTHER,     /* of a type that is not here: rdb_type */
    RDB_TOO_LARGE, /* takes more than out may have */
};
/* Makes a dump (dump_parse has the last word about it) of a payload, any bytes. It is appended to
 * out, which is empty and has a limit. */
enum rdb_status rdb_read(struct str payload, struct buf *out);
/* What the payload is, when rdb_read says RDB_OTHER: "lists". Static. */
const char *rdb_type(struct str payload);

#endif
