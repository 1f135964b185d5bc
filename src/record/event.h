/* The event. An event is immutable once it has been decided; it is shared by
 * reference between the stream's tail, the log tail, readers' pages and replies.
 * Its reference count is the loop thread's alone; the journal and the applier
 * borrow events: the log tail holds every event beyond the applied watermark.
 *
 * `struct event_record` and the bytes behind it are the event's body in the
 * journal too (record kind RECORD_EVENT): written by one copy, read in place.
 *
 * CHECKLIST when this layout changes: raise JOURNAL_FORMAT (store/journal/journal.h), update
 * docs/journal.md, event_record_valid(), and the fuzz corpus. */
#ifndef RECORD_EVENT_H
#define RECORD_EVENT_H

#include "base/base.h"
#include "base/str.h"
#include "base/uuid.h"

/* Optional fields, in this order behind the fixed part, each 16 bytes: */
enum event_flag {
    EVENT_HAS_PARTITION_KEY = 1 << 0, /* given by the client; else UUIDv5 of the stream's name */
    EVENT_HAS_TRANSACTION = 1 << 1,   /* one of several events of a frame; else derived, see
                                         event_transaction_id() */
    EVENT_HAS_CORRELATION = 1 << 2,
    EVENT_HAS_CAUSATION = 1 << 3,
    EVENT_CLIENT_ID = 1 << 4, /* event_id was given by the client; 16 bytes of content hash follow:
                                 XXH3 128 of the content that the client gave */
    EVENT_FIELDS = 1 << 5,    /* added with XADD: the payload is its fields, see record/fields.h */
    EVENT_ERASED = 1 << 6,    /* payload and metadata are gone; both empty */
};
#define EVENT_UUID_FLAGS 5 /* how many of the flags bring 16 bytes */

struct event_record {
    uint64_t sequence;
    uint64_t version;
    uint64_t stream;    /* the stream's number */
    uint64_t timestamp; /* ms, the producer's or ours */
    uint64_t recorded;  /* ms, the store's clock */
    uint64_t entry_ms, entry_seq;
    struct uuid event_id;
    uint32_t payload_len, metadata_len;
    uint16_t type_len, aggregate_len;
    uint16_t flags;
    uint16_t reserved; /* 0 */
    /* then: the optional uuids, type, aggregate id, metadata, payload */
    uint8_t bytes[];
};
_Static_assert(sizeof(struct event_record) == 88, "journal format");

/* What has a name. A virtual stream has no events of its own: it is there for the sake of its
 * consumer groups (server/command/virtual.h). */
enum stream_kind { KIND_STREAM, KIND_STRING, KIND_VIRTUAL };

/* A stream's identity, shared by the stream and its events. Immutable. The record
 * part is the body of RECORD_STREAM. Counted by the loop, as events are. */
struct stream_record {
    uint64_t number;  /* the store's number for it, never reused; 1, 2, 3 ... < 2^31 */
    uint64_t created; /* ms, store clock */
    uint16_t name_len;
    uint16_t kind; /* enum stream_kind */
    uint16_t reserved[2];
    char name[];
};
_Static_assert(sizeof(struct stream_record) == 24, "journal format");

struct stream_name {
    void *resident; /* the loop's: the stream in memory that has this name, or NULL */
    uint64_t quiet; /* stream/live.h's: nobody waits for such a name, as of so many changes */
    uint64_t deaf;  /* server/pubsub's: nobody listens to its channel, likewise */
    uint32_t refs;
    uint32_t category;         /* see category_number() */
    struct uuid partition_key; /* UUIDv5 of the name */
    struct stream_record rec;
};

struct event {
    uint32_t refs : 30;
    uint32_t packed : 1;      /* shares a block, see event_pack */
    uint32_t counted : 1;     /* the loop's: in the cache's account */
    uint32_t size : 31;       /* bytes allocated, for the cache's account */
    uint32_t removed : 1;     /* the loop's: it went by itself (XDEL). What went otherwise: ask
                               * model_hides */
    uint64_t frame;           /* its frame; 0 when loaded from the backend */
    struct stream_name *name; /* owned reference */
    struct event_record rec;
};

/* What stands in front of the bytes, decoded: for building an event. Ids that are
 * not present are NULL. */
struct event_fields {
    uint64_t sequence, version, timestamp, recorded, entry_ms, entry_seq;
    struct uuid event_id;
    const struct uuid *partition_key, *transaction, *correlation, *causation;
    const struct uuid *content_hash; /* not NULL: the id is the client's */
    struct str type, aggregate, metadata, payload;
    const struct str *fields; /* not NULL: of an XADD; payload.len is their size, see fields.h */
    size_t field_count;
    uint16_t flags; /* EVENT_FIELDS, EVENT_ERASED; the others follow from the pointers */
};

/* Which event it is, and where it stands: of a copy without the rest, or with some of it. */
struct event_fields event_place(const struct event_record *r);
/* A new event with refs 1; takes its own reference of name (counts: caller's thread must
 * own name, or name is fresh). stream number from name. */
struct event *event_create(const struct event_fields *f, struct stream_name *name);
/* Drops its reference of name and frees the event, or its block with the last of it. Returns the
 * bytes that were freed. */
size_t event_destroy(struct event *e);
static inline struct event *event_ref(struct event *e) {
    e->refs++;
    return e;
}
/* The bytes that were freed: 0 while there are other references. */
static inline size_t event_unref(struct event *e) {
    assert(e->refs > 0);
    return --e->refs > 0 ? 0 : event_destroy(e);
}

/* Bytes that event_pack takes for the event, and for a block of any number. */
#define EVENT_BLOCK_BYTES 8
size_t event_packed_size(const struct event *e);
/* Copies n events (1 at least) into one block of memory, side by side, which is freed when the last
 * of them is. Each copy has refs 1 and is as its original, but not counted. Returns the bytes of
 * the block. */
size_t event_pack(struct event *const *events, size_t n, struct event **copies);

/* Events lie scattered in memory. To be called before the i-th of n is composed, from the first to
 * the last: brings those a few places ahead into the processor's cache meanwhile. (GCC leaves out a
 * call that only prefetches, unless it is inlined early.) */
__attribute__((always_inline)) static inline void event_fetch_ahead(struct event *const *events,
                                                                    size_t n, size_t i) {
    enum { AHEAD = 10, LINES = 5, LINE_BYTES = 64 };
    for (size_t k = i == 0 ? 0 : i + AHEAD; k < n && k <= i + AHEAD; k++)
        for (size_t line = 0; line < LINES; line++)
            __builtin_prefetch((const char *)events[k] + line * LINE_BYTES);
}

#define STREAM_NAME_MAX 512 /* bytes */
/* 1 to STREAM_NAME_MAX bytes without NUL, CR and LF. */
static inline bool stream_name_valid(struct str name) {
    return name.len >= 1 && name.len <= STREAM_NAME_MAX &&
           memchr(name.ptr, '\0', name.len) == NULL && memchr(name.ptr, '\r', name.len) == NULL &&
           memchr(name.ptr, '\n', name.len) == NULL;
}
struct stream_name *stream_name_create(uint64_t number, uint64_t created, struct str name);
static inline struct stream_name *stream_name_ref(struct stream_name *n) {
    n->refs++;
    return n;
}
void stream_name_unref(struct stream_name *n);
static inline struct str stream_name_str(const struct stream_name *n) {
    return str_of(n->rec.name, n->rec.name_len);
}

/* The category of a stream's name: the part before the first '-', or the whole name. */
struct str stream_category(struct str name);
/* Whether a stream may have that category. */
static inline bool stream_category_valid(struct str category) {
    return memchr(category.ptr, '-', category.len) == NULL;
}
/* A number for the category of a stream's name: 24 bits of its hash, for good, as the backend keeps
 * them. CATEGORY_NONE: the name has no '-', and so a category of its own. */
#define CATEGORY_BITS    24
#define CATEGORY_UNKNOWN 0 /* nobody has computed it */
#define CATEGORY_NONE    1
uint32_t category_number(struct str name);
/* The same of a category: that of names which have a '-' behind it. */
uint32_t category_number_of(struct str category);

/* Views into a record. The uuid getters return NULL when the field is absent. */
size_t event_record_len(const struct event_record *r); /* fixed part and bytes */
const struct uuid *event_partition_key(const struct event_record *r);
const struct uuid *event_transaction(const struct event_record *r);
const struct uuid *event_correlation(const struct event_record *r);
const struct uuid *event_causation(const struct event_record *r);
const struct uuid *event_content_hash(const struct event_record *r);
struct str event_type(const struct event_record *r);
struct str event_aggregate(const struct event_record *r);
struct str event_metadata(const struct event_record *r);
struct str event_payload(const struct event_record *r);
/* All of them at once, which is quicker than one by one. */
struct event_view {
    const struct uuid *partition_key, *transaction, *correlation, *causation, *content_hash;
    struct str type, aggregate, metadata, payload;
};
static inline void event_view(const struct event_record *r, struct event_view *v) {
    const uint8_t *at = r->bytes;
#define EVENT_VIEW_UUID(flag, field)                                                               \
    v->field = NULL;                                                                               \
    if (r->flags & (flag)) {                                                                       \
        v->field = (const struct uuid *)(const void *)at;                                          \
        at += sizeof(struct uuid);                                                                 \
    }
    EVENT_VIEW_UUID(EVENT_HAS_PARTITION_KEY, partition_key)
    EVENT_VIEW_UUID(EVENT_HAS_TRANSACTION, transaction)
    EVENT_VIEW_UUID(EVENT_HAS_CORRELATION, correlation)
    EVENT_VIEW_UUID(EVENT_HAS_CAUSATION, causation)
    EVENT_VIEW_UUID(EVENT_CLIENT_ID, content_hash)
#undef EVENT_VIEW_UUID
    v->type = str_of(at, r->type_len);
    at += r->type_len;
    v->aggregate = str_of(at, r->aggregate_len);
    at += r->aggregate_len;
    v->metadata = str_of(at, r->metadata_len);
    at += r->metadata_len;
    v->payload = str_of(at, r->payload_len);
}
/* Whether len bytes at r are one whole, consistent record (for bytes from a file). */
bool event_record_valid(const struct event_record *r, size_t len);
bool stream_record_valid(const struct stream_record *r, size_t len);
bool stream_number_valid(uint64_t number);

/* The transaction id that clients see: the stored one, else (a transaction of one event)
 * the event id with its version nibble (high half of byte 6) set to 4 and byte 8's top bit set. */
void event_transaction_id(const struct event_record *r, struct uuid *out);

/* hash16 of a partition key: the 16 bits behind the variant bits (SierraDB). */
static inline uint16_t partition_hash(const struct uuid *k) {
    return (uint16_t)(((k->b[8] & 0x3f) << 10) | (k->b[9] << 2) | (k->b[10] >> 6));
}
/* UUIDv5(219bd637-e279-53e9-9e2b-eabe5d9120cc, name). */
void partition_key_of(struct str stream_name, struct uuid *out);

/* Event ids that the server makes: RFC 9562 version 7 (48 bits of ms, 12 random bits),
 * the partition hash in the 16 bits behind the variant, and in the low 46 bits the event's
 * sequence, exclusive-ored with the store's id key. So the id itself says where its event
 * is and needs no index. key: 46 random bits, fixed for the store's life. */
#define EVENT_SEQUENCE_BITS 46
void event_id_make(uint64_t ms, uint16_t hash, uint64_t sequence, uint64_t key, struct uuid *out);
/* The sequence that a server-made id would name (of any id; the caller compares). */
uint64_t event_id_sequence(const struct uuid *id, uint64_t key);

/* Content hash (XXH3, 128 bits, seed 0) of what the client gave; every field is preceded by
 * a tag byte and its length, fields left out are not hashed. timestamp NULL: not given. */
void event_content_hash_of(const struct event_fields *f, const uint64_t *timestamp_given,
                           struct uuid *out);

#endif
