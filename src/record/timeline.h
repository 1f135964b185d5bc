/* The timelines of a store. A position (the sequence to read next) means something only in the
 * history that it was counted in. A store that is restored, emptied or lost its end goes on in
 * another history than the one that somebody may have read: from there on it is on a new timeline,
 * with an id of its own. The list says up to where each of the earlier ones is still right.
 *
 * No thread of its own; whoever holds a list is alone with it. */
#ifndef RECORD_TIMELINE_H
#define RECORD_TIMELINE_H

#include "base/base.h"
#include "base/str.h"
#include "base/uuid.h"

/* Why one began. Kept: numbers are never reused. */
enum timeline_reason {
    TIMELINE_FIRST = 1,      /* with the store, or when it was migrated */
    TIMELINE_RESTORED = 2,   /* the first start of a backup */
    TIMELINE_FLUSHED = 3,    /* FLUSHALL */
    TIMELINE_CRASHED = 4,    /* durability interval, and no clean stop */
    TIMELINE_NO_JOURNAL = 5, /* a start without the journal, which was given up */
    TIMELINE_REBUILT = 6,    /* from the journal: the database was missing, or an older copy */
    TIMELINE_VOIDED = 7,     /* durability interval, and the disk refused what was acknowledged */
    TIMELINE_ASKED = 8,      /* --new-timeline */
    TIMELINE_MIGRATED = 9,   /* the target of `cairn migrate`; never in a journal */
};

/* Also a record of the journal. All of what is below `began` was the same before. */
struct timeline_record {
    uint64_t began;   /* a position: the next sequence */
    uint64_t created; /* ms since 1970 */
    uint32_t id;
    uint32_t reason; /* enum timeline_reason */
};
_Static_assert(sizeof(struct timeline_record) == 24, "journal format");
bool timeline_record_valid(const void *body, size_t len);

#define TIMELINES_MAX 1000 /* more are not kept: of the oldest no position is right any more */

struct timelines {                 /* zeroed at first */
    struct timeline_record *items; /* oldest first; the last is the current one */
    size_t count, cap;
};
void timelines_add(struct timelines *t, const struct timeline_record *r);
void timelines_drop_last(struct timelines *t); /* it was taken back; not the only one */
void timelines_clear(struct timelines *t);
static inline const struct timeline_record *timelines_current(const struct timelines *t) {
    assert(t->count > 0);
    return &t->items[t->count - 1];
}
/* How far the store's history is the one that was told as `id`: *end is the last position that is
 * right there, UINT64_MAX on the current one; *next (or NULL) the timeline that began there, which
 * says why. false: the store has never been on it, or that is forgotten. */
bool timelines_find(const struct timelines *t, uint32_t id, uint64_t *end,
                    const struct timeline_record **next);
/* An id that is not in the list. */
uint32_t timelines_draw(const struct timelines *t);

/* The id of a store's first timeline: so a database that is made again from its journal has it. */
uint32_t timeline_of_store(const struct uuid *store_id);
/* In text: eight hexadecimal digits, which begin the store's id when it is the first. */
#define TIMELINE_TEXT_LEN 8
void timeline_format(uint32_t id, char out[TIMELINE_TEXT_LEN + 1]);
bool timeline_parse(struct str text, uint32_t *id);
/* One word for SQL and the log; the other way round 0 when it is none. */
const char *timeline_reason_word(uint32_t reason);
uint32_t timeline_reason_of(struct str word);

#endif
