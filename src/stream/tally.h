/* How many events a selection has that goes by the names of streams alone: @all, @category:, a few
 * patterns. Who asks once (XLEN) may ask again: so a tally is kept, and moved on by every change,
 * in O(1), as long as somebody asks now and then. Nothing is kept, and nothing costs anything,
 * while nobody does.
 *
 * It begins with nothing but the frame `since`. From then on all changes are noted. What there was
 * before is counted by the backend, in portions of streams by their numbers: each stream's events
 * as of the snapshot of its portion. Of a stream that was counted the later changes are added, of
 * another one those that its snapshot will not have. So when all are counted the number is exact,
 * whatever happened meanwhile, and of one moment: of any frame that may still be looked at.
 *
 * Loop thread. */
#ifndef STREAM_TALLY_H
#define STREAM_TALLY_H

#include "base/hash.h"
#include "base/list.h"
#include "store/selector.h"

struct model;
struct page;
struct stream;
struct stream_name;

struct tally_change {
    uint64_t frame;
    uint64_t stream; /* number; once all are counted, of no use */
    int64_t events;  /* more; once all are counted, with all before it */
};

struct tally {
    struct hash_node node;     /* tallies.by_category, or ... */
    struct list any;           /* ... tallies.others */
    struct list used;          /* tallies.used */
    struct selector *selector; /* a reference; NULL: everything */
    uint64_t asked_ms;         /* wall clock, when somebody did last */
    uint64_t since;            /* all changes beyond this frame are noted */
    bool missed;               /* of the frame being built, which it did not see the beginning of */
    uint64_t next;             /* streams with lower numbers are counted; UINT64_MAX: all are */
    uint64_t counted;          /* events of these */
    struct tally_change *changes; /* by frame */
    size_t count, cap;
};

struct tallies {
    struct hash_table by_category; /* of one category, and no more is asked for */
    struct list others;
    size_t other_count;
    struct list used; /* all: who was not asked for the longest time is first */
    size_t count;
    size_t bytes; /* of all, in the model's account */
};

void tallies_init(struct model *m);
void tallies_clear(struct model *m); /* what they count is no more */
/* Forgets what nobody has asked for a while. Now and then. */
void tallies_forget(struct model *m);

/* Whether one is kept for such a selection: NULL is that of everything. */
bool tally_keeps(const struct selector *selector);
/* The selection's; a new one if need be, then the one is forgotten that was not asked for the
 * longest time, if there are many. NULL: there is no place for it. */
struct tally *tally_of(struct model *m, struct selector *selector);
static inline bool tally_is_complete(const struct tally *t) {
    return t->next == UINT64_MAX;
}
/* The streams with numbers from `from` on that a page of a snapshot has counted (count_streams). Of
 * use when that is where the tally is. */
void tally_add(struct model *m, struct tally *t, uint64_t from, const struct page *page);
/* Of one that is complete: events after `view`. */
uint64_t tally_at(const struct tally *t, uint64_t view);

/* The stream has so many events more under that name, in the frame being built. (Who changes
 * something calls tally_change, stream/internal.h.) */
void tallies_note(struct model *m, const struct stream_name *name, int64_t events);
/* The frame being built is dropped. */
void tallies_undo(struct model *m);

#endif
