/* A stream or a string as bytes: what COPY passes through, and what is in the payload of DUMP and
 * RESTORE where Redis' format does not say all (stream/dump/rdb.h). The bytes are our own format,
 * little-endian, every part with its length in front:
 *
 *   head, then a string's value, or:
 *   stream, its events, its groups: each with its consumers, then its pending entries
 *   XXH3 (64 bits, seed 0) of all that
 *
 * Entry ids, contents and groups are in it; event ids, versions, sequences and numbers are not:
 * what is restored is new events. Bytes come from clients: dump_parse believes nothing, and
 * dump_restore takes only what it has let through. Loop thread.
 *
 * CHECKLIST when the layout changes: raise DUMP_VERSION (an older one should still be read), update
 * docs/commands.md (DUMP) and tests/unit/test_dump.c. */
#ifndef STREAM_DUMP_DUMP_H
#define STREAM_DUMP_DUMP_H

#include "base/buf.h"
#include "stream/entry.h"
#include "stream/group/cgroup.h"

#define DUMP_VERSION 1

/* ---- writing ---- */

/* Bytes that an event takes. */
size_t dump_event_bytes(const struct event *e);
/* Bytes of all the rest of a LIVE stream or string. */
size_t dump_other_bytes(const struct stream *s);
/* Appends s, LIVE; events: all n that it has, in order (of a string none). out may
 * have a limit. */
void dump_write(struct buf *out, const struct stream *s, struct event *const *events, size_t n);

/* ---- reading ---- */

struct dump {
    size_t frame_bytes;   /* what restoring it takes in the journal, at most, without the name */
    uint64_t event_count; /* a string has none */
    /* private: */
    bool is_string;
    struct str body; /* a view into what was parsed */
};
/* false: not our format, a newer version of it, damaged, or it says what cannot be. */
MUST_CHECK bool dump_parse(struct str bytes, struct dump *out);

/* Whether version, stream and sequence numbers are left for it. */
bool dump_has_room(const struct model *m, const struct dump *d);
/* s, ABSENT, becomes what the dump says; there is room. In the frame being built. */
void dump_restore(struct model *m, struct stream *s, const struct dump *d);

#endif
