/* What an apply does beside adding events, collected and coalesced before anything of it is
 * written: of several records about one thing only what is left of them in the end becomes a row.
 * An entry that was delivered and acknowledged in between, a stream that was made and deleted
 * again, a position that moved a thousand times cost nothing, nothing and one row.
 *
 * No SQL is in here. Records are borrowed from the batches that are being applied; everything else
 * lives in an arena that is emptied at the next apply. The applier's thread only. */
#ifndef STORE_CHANGES_H
#define STORE_CHANGES_H

#include "base/hash.h"
#include "record/batch.h"
#include "record/event.h"
#include "record/record.h"

struct stream_change {
    struct hash_node node;
    uint64_t number;
    const struct stream_record *name; /* as it is now: made or renamed here; NULL: as it was */
    const struct stream_state_record *state;
    const struct value_record *value;
    size_t value_len;
    uint32_t forgotten; /* serial at which its idempotent ids went; 0: they did not */
    bool made, deleted, renamed;
    bool renamed_again; /* it had another name before that, in the same apply */
};

struct group_change {
    struct hash_node node;
    uint64_t number;
    const struct group_record *made; /* NULL: it was there before */
    const struct position_record *position;
    bool dropped;
};

struct consumer_change {
    struct hash_node node;
    struct group_change *group;
    uint32_t number;
    uint32_t dropped;                     /* serial at which it was dropped; 0: it was not */
    bool had_pending;                     /* then, as far as its rows are concerned */
    const struct consumer_record *record; /* NULL: it is gone */
};

struct pending_change {
    struct hash_node node;
    struct group_change *group;
    struct entry_id id;
    const struct pending_item *item; /* NULL: pending no more */
    uint32_t serial;                 /* of its record */
    bool has_row;                    /* it may have one from before */
};

struct named_change {
    struct hash_node node;
    const struct named_record *record; /* as it is now */
    size_t len;                        /* of the record */
};

struct removed_row {
    uint64_t stream, version, sequence;
};

struct idempotent_change {
    const struct idempotent_record *record;
    uint32_t serial;
};

struct change_list {
    void **items;
    size_t count, cap;
};

struct changes {
    struct hash_table stream_table, group_table, consumer_table, pending_table, named_table;
    struct change_list streams, groups, consumers, pending, named; /* of struct *_change */
    struct removed_row *removed;
    size_t removed_count, removed_cap;
    uint64_t *erased; /* sequences */
    size_t erased_count, erased_cap;
    struct idempotent_change *idempotent;
    size_t idempotent_count, idempotent_cap;
    uint32_t serial;       /* of the record that is being looked at; from 1 */
    size_t renames, hides; /* streams renamed; streams deleted or trimmed */
    size_t consumer_drops;
    struct change_chunk *chunks; /* of the arena; the newest first */
};

/* Zeroed memory is an empty set. */
void changes_reset(struct changes *c);
void changes_free(struct changes *c);

/* Notes a record of any kind but RECORD_EVENT and RECORD_FLUSH. false: the kind is unknown. */
bool changes_add(struct changes *c, const struct record *r);

struct stream_change *changes_find_stream(const struct changes *c, uint64_t number);
/* In the order of streams, producers and ids, without those of streams that are gone or have
 * forgotten theirs; of what came twice the last counts. */
void changes_settle_idempotent(struct changes *c);
static inline struct str idempotent_producer(const struct idempotent_record *r) {
    return str_of(r->bytes, r->producer_len);
}
static inline struct str idempotent_id(const struct idempotent_record *r) {
    return str_of(r->bytes + r->producer_len, r->id_len);
}
/* Whether an event is gone with its stream, or trimmed, at the end of the apply. */
bool changes_hide(const struct changes *c, uint64_t stream, uint64_t version);
/* Whether a stream (made before or here) is deleted at the end of the apply. */
bool changes_stream_deleted(const struct changes *c, uint64_t number);
/* A group's stream may have gone after it was made: then it is dropped as well. After the last
 * changes_add. */
void changes_settle(struct changes *c);
/* What an entry is in the end; NULL: it is not pending. */
const struct pending_item *changes_pending(const struct changes *c, const struct pending_change *p);

#endif
