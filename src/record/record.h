/* The bodies of the small records: what changes beside events. Fixed parts are what the journal
 * holds, byte for byte (little-endian, 8-aligned); `reserved` is 0. All values are absolute ("is
 * now"), so that applying the last one of several is enough. Numbers of groups are the store's,
 * never reused (but after a FLUSH); numbers of consumers count from 1 in their group.
 *
 * CHECKLIST when a layout changes: raise JOURNAL_FORMAT (store/journal/journal.h), docs/journal.md,
 * record_valid() in record/record.c, the fuzz corpus. */
#ifndef RECORD_RECORD_H
#define RECORD_RECORD_H

#include "base/base.h"
#include "base/str.h"

/* The place of an entry in its stream for Redis clients: `ms-seq`. */
struct entry_id {
    uint64_t ms, seq;
};
static inline int entry_id_cmp(struct entry_id a, struct entry_id b) {
    if (a.ms != b.ms) return a.ms < b.ms ? -1 : 1;
    return a.seq < b.seq ? -1 : a.seq > b.seq;
}

struct number_record {
    uint64_t number; /* of a stream, or of a group */
};

/* Of a virtual stream; of the others it is the number alone. */
struct delete_record {
    uint64_t number, kind;
};

/* Emitted when something of it changes other than by appending an event. A stream without one is
 * its events: first_version 0, last the last event's, entries_added = next_version, the rest 0. */
struct stream_state_record {
    uint64_t stream;
    uint64_t next_version;   /* at that time; later events go on from there */
    uint64_t first_version;  /* those below are gone */
    struct entry_id last;    /* last generated entry id, at that time */
    struct entry_id deleted; /* highest entry id that was ever deleted; 0-0: none */
    uint64_t entries_added;  /* at that time; each later event adds one */
    uint64_t expires;        /* ms since 1970; 0: never */
    uint32_t idempotent_seconds, idempotent_max; /* window of XADD IDMP; 0: as configured */
};

struct removed_event {
    uint64_t version, sequence;
};
struct remove_record {
    uint64_t stream;
    struct removed_event events[]; /* at least one, ascending versions */
};

struct erase_record {
    uint64_t stream, version, sequence;
};

struct value_record {
    uint64_t stream;
    uint8_t bytes[];
};

struct group_record {
    uint64_t number, stream;
    struct entry_id last; /* delivered */
    int64_t entries_read; /* -1: not known */
    uint64_t created;     /* ms */
    uint16_t name_len;
    uint16_t reserved[3];
    char name[];
};

struct position_record {
    uint64_t group;
    struct entry_id last;
    int64_t entries_read;
};

#define CONSUMER_NEVER_ACTIVE UINT64_MAX

struct consumer_record {
    uint64_t group;
    uint64_t seen, active; /* ms; active CONSUMER_NEVER_ACTIVE: it has got nothing yet */
    uint32_t number;
    uint16_t name_len;
    uint16_t reserved;
    char name[];
};

enum { CONSUMER_HAS_NOTHING = 1 }; /* what it had pending was acknowledged by records before */

struct consumer_drop_record {
    uint64_t group;
    uint32_t consumer;
    uint32_t flags;
};

enum { PENDING_IS_NEW = 1 };      /* was not pending before this record */
#define DELIVERIES_MAX UINT32_MAX /* stands for the highest 64-bit number (XNACK FATAL) */

struct pending_item {
    struct entry_id id;
    uint64_t delivered; /* ms; of an unowned entry: its rank among those handed back (XNACK) */
    uint32_t version;   /* of the event in its stream */
    uint32_t consumer;  /* 0: nobody's (XNACK) */
    uint32_t deliveries;
    uint32_t flags;
};
struct pending_record {
    uint64_t group;
    struct pending_item items[]; /* at least one */
};

struct ack_record {
    uint64_t group;
    struct entry_id ids[]; /* at least one */
};

struct idempotent_record {
    uint64_t stream;
    struct entry_id id; /* of the entry that was added */
    uint64_t added;     /* ms */
    uint16_t producer_len, id_len;
    uint32_t reserved;
    char bytes[]; /* producer, then id */
};

/* Something small that has a name of its own. Each class is a space of names. */
enum named_class {
    NAMED_CHECKPOINT = 1, /* its value: struct checkpoint_value. A FLUSH drops them all */
    NAMED_VIEW = 2,       /* a selector, as text (commands/event/view_text.h). A FLUSH keeps them */
    NAMED_CLASSES,        /* not one of them; the numbers are the journal's */
    NAMED_MIGRATION = 100, /* how far `cairn migrate` is, in its target only: never in a journal */
};
enum { NAMED_GONE = 1 }; /* it is deleted: no value */

struct named_record {
    uint16_t class, name_len;
    uint32_t flags;
    char bytes[]; /* the name, then the value */
};
static inline struct str named_record_name(const struct named_record *r) {
    return str_of(r->bytes, r->name_len);
}
/* len: of the record's body. */
static inline struct str named_record_value(const struct named_record *r, size_t len) {
    return str_of(r->bytes + r->name_len, len - sizeof *r - r->name_len);
}

struct checkpoint_value {
    uint64_t position; /* sequence to go on from: everything below it is handled */
    uint64_t updated;  /* ms */
    uint32_t timeline; /* that the position is of */
    uint32_t reserved;
};

_Static_assert(sizeof(struct stream_state_record) == 80, "journal format");
_Static_assert(sizeof(struct group_record) == 56, "journal format");
_Static_assert(sizeof(struct position_record) == 32, "journal format");
_Static_assert(sizeof(struct consumer_record) == 32, "journal format");
_Static_assert(sizeof(struct pending_item) == 40, "journal format");
_Static_assert(sizeof(struct idempotent_record) == 40, "journal format");
_Static_assert(sizeof(struct named_record) == 8, "journal format");
_Static_assert(sizeof(struct checkpoint_value) == 24, "journal format");

#endif
