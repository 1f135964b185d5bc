/* The layout of a dump, and reading its parts; see dump.h. Only the dump's own files include this.
 */
#ifndef STREAM_DUMP_INTERNAL_H
#define STREAM_DUMP_INTERNAL_H

#include "stream/dump/dump.h"

#define DUMP_MAGIC      "CairnDmp"
#define DUMP_CHECK_SIZE sizeof(uint64_t)
#define DUMP_NAME_MAX   512 /* bytes of a type, an aggregate id, a group's or a consumer's name */
enum dump_kind { DUMP_STRING = 1, DUMP_STREAM = 2 };

struct dump_head {
    char magic[8];
    uint16_t version, kind;
    uint32_t reserved; /* 0, as in all that follow */
};
struct dump_stream {
    uint64_t events, added;
    struct entry_id last, deleted;
    uint32_t groups, idempotent_seconds, idempotent_max, reserved;
};
struct dump_event { /* then: the uuids of its flags, type, aggregate id, metadata, payload */
    struct entry_id id;
    uint64_t timestamp;
    uint32_t payload_len, metadata_len;
    uint16_t type_len, aggregate_len;
    uint16_t flags; /* of enum event_flag: DUMP_EVENT_FLAGS */
    uint16_t reserved;
};
struct dump_group { /* then its name; groups and consumers are in the order of their names */
    struct entry_id last;
    int64_t entries_read;
    uint32_t consumers, pending;
    uint16_t name_len, reserved[3];
};
struct dump_consumer { /* then its name */
    uint64_t seen, active;
    uint16_t name_len, reserved[3];
};
struct dump_pending { /* those without an owner as they were handed back, then the longest idle */
    struct entry_id id;
    uint64_t delivered;
    uint32_t consumer; /* its place among the group's, from 1; 0: nobody's */
    uint32_t deliveries;
};
_Static_assert(sizeof(struct dump_head) == 16, "dump format");
_Static_assert(sizeof(struct dump_stream) == 64, "dump format");
_Static_assert(sizeof(struct dump_event) == 40, "dump format");
_Static_assert(sizeof(struct dump_group) == 40, "dump format");
_Static_assert(sizeof(struct dump_consumer) == 24, "dump format");
_Static_assert(sizeof(struct dump_pending) == 32, "dump format");

#define DUMP_EVENT_FLAGS                                                                           \
    (EVENT_HAS_PARTITION_KEY | EVENT_HAS_CORRELATION | EVENT_HAS_CAUSATION | EVENT_FIELDS |        \
     EVENT_ERASED)

/* The head; and the checksum of what begins at `start`, unless the buffer has overflowed. */
void dump_put_head(struct buf *out, enum dump_kind kind);
void dump_seal(struct buf *out, size_t start);

/* The next part of a body; *body moves behind it. false: it is cut off, or says what cannot be.
 * Strings and uuids are views. */
bool dump_read_stream(struct str *body, struct dump_stream *out);
bool dump_read_event(struct str *body, struct event_fields *out);
bool dump_read_group(struct str *body, struct dump_group *out, struct str *name);
bool dump_read_consumer(struct str *body, struct dump_consumer *out, struct str *name);
bool dump_read_pending(struct str *body, struct dump_pending *out);

#endif
