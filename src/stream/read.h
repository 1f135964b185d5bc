/* Reading ranges: what is in memory, laid over what a reader thread found. A read is evaluated
 * synchronously with what is at hand; when that is not enough it says so, the caller asks the store
 * for `request`, and evaluates again with the page that came back.
 *
 * Memory contributes the events whose frame is beyond the page's snapshot, the page all others; so
 * it does not matter what was evicted or applied in between. The log is seen as it was after the
 * frame `horizon`; of a stream the caller takes the view (model_stream_at). */
#ifndef STREAM_READ_H
#define STREAM_READ_H

#include "stream/gone/renamed.h"
#include "stream/model.h"

#define READ_BYTES_MAX ((size_t)8 << 20) /* of events, about, that one read finds */
#define WORK_IN_MEMORY ((size_t)20000)   /* some milliseconds: that one read looks at */

struct read {
    /* in */
    struct stream *stream; /* NULL: the log */
    uint64_t start, end;   /* inclusive; start <= end */
    bool reverse;
    size_t count;
    struct selector *selector; /* borrowed; NULL: every event */
    uint64_t horizon;          /* last frame that is seen; VIEW_NEWEST: all that is decided */
    uint64_t page_end; /* with a page: the first position that it was not asked for; what was added
                          since is in memory, or is not seen. 0: it was asked for up to `end` */
    const struct names_asked
        *names;   /* with a page of the log: what it was asked for with; NULL: nothing special */
    size_t ahead; /* ask for a page of so many events at least */
    uint64_t bytes_max; /* of events, about, that it finds; 0: READ_BYTES_MAX */
    size_t work_max;    /* with a selector: what may be looked at in memory, in events (see
                           selector_work); 0: WORK_IN_MEMORY */
    bool enough;  /* with `count` it is over: has_more may be wrong then, since looking for one more
                     would take as long as looking for these */
    bool heads;   /* the caller looks at ids and numbers only: pages are kept without the rest */
    bool lean;    /* of the log: the caller looks at what a lean page has (struct read_range) */
    bool pages;   /* one of several that a client may read behind one another, with this count */
    bool goes_on; /* where the page ends the caller reads on: any page of the range will do */
    /* out */
    struct event **events; /* borrowed until the end of the turn (or of the page) */
    size_t found, cap;
    uint64_t bytes; /* no more than these take in memory, together */
    size_t work;    /* what was looked at in memory, with a selector */
    bool has_more;  /* more may match in the range, from `next` on */
    uint64_t next;
    bool unsure; /* without a selector: the page ended before `next`, and what follows it may all be
                    removed by now */
};

/* true: evaluated. false: a page is needed: `need` is filled with the range to ask for. page NULL:
 * none yet. The events array grows as needed; free it with read_clear. */
bool model_read(struct model *m, struct read *r, const struct page *page, struct read_range *need);
/* The version, or the sequence (s NULL), after the last one that may be seen at that horizon; 0:
 * none. */
uint64_t model_visible_end(const struct model *m, const struct stream *s, uint64_t horizon);
void read_clear(struct read *r);

#endif
