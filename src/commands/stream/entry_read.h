/* Reading entries of a stream by id or version, as many as asked for: a read of the model finds a
 * bounded number of bytes, these go on until there is no more, or more than the caller can do with.
 * Loop thread. */
#ifndef COMMANDS_STREAM_ENTRY_READ_H
#define COMMANDS_STREAM_ENTRY_READ_H

#include "stream/group/cgroup.h"
#include "stream/read.h"
#include "server/wait/blocking.h"

struct entry_list {
    struct event **events; /* borrowed until the command has replied */
    size_t count, cap;
    uint64_t bytes;   /* no more than these take in memory */
    bool cut;         /* reading ended at bytes_max: there may be more */
    bool paused;      /* reading ended because it found nothing for a while (entry_range.pauses) */
    bool overdone;    /* the same, of who does not pause: more would have to be looked at */
    uint64_t reached; /* everything before it was looked at, and is in the list or not wanted; at
                         most the range's end. (Reverse: from it on.) */
};

struct entry_range {
    uint64_t start, end; /* versions [start, end); end UINT64_MAX: all that follow */
    bool reverse;
    uint64_t most; /* entries; UINT64_MAX: any number */
    /* Bytes of memory: reading ends with the read that finds more. Every caller says how much it
     * can do with, since a stream may be larger than memory. */
    uint64_t bytes_max;
    uint64_t view;             /* as of this frame, of which the stream is */
    struct selector *selector; /* of the log, for which the stream is NULL: borrowed */
    /* Ends when it has found nothing, and looking on is another turn's; or when it has found some,
     * and there is more to look at than one read does. Of the log, who does not pause looks at
     * BLOCKING_LOOKS_AT_ONCE at most. */
    bool pauses, partly;
    bool begins; /* with pauses: what stands at the start was found before, and is read whatever may
                    be looked at */
    /* Of the log, in EXEC, what was found before: pauses, and partly. NULL: nothing is kept. */
    struct log_looked *looked;
};
/* Where an event stands in what is read: a version, or of the log (NULL) a sequence. */
static inline uint64_t entry_place(const struct stream *s, const struct event *e) {
    return s != NULL ? e->rec.version : e->rec.sequence;
}
/* Adds the entries of the range, as far as the limits allow. false: they have to be loaded. */
bool entry_list_read(struct client *c, struct entry_list *l, struct stream *s,
                     struct entry_range range);
/* All of the range; *fits: they take no more than bytes_max, or it is only one. Otherwise what l
 * has is of no use, and may be nothing: who does not fit is found out before anything is loaded, if
 * it can be. */
bool entry_list_all(struct client *c, struct entry_list *l, struct stream *s,
                    struct entry_range range, bool *fits);
void entry_list_clear(struct entry_list *l);
/* For who reads by himself: adds an event; what r has found, which is then empty; whether that is
 * more than bytes_max; and the same, or more was loaded for it than should be. */
void entry_list_add(struct entry_list *l, struct event *e);
void entry_list_take(struct entry_list *l, struct read *r);
bool entry_list_is_over(struct entry_list *l, uint64_t bytes_max);
bool entry_list_is_enough(const struct client *c, struct entry_list *l, uint64_t bytes_max);

/* Where the group goes on in s, which is its stream, now or as it was: no entry below this version
 * is beyond its position, all others are. false: it has to be looked up. */
bool need_position(struct client *c, struct cgroup *g, struct stream *s, uint64_t *version);

/* The entries with these versions (of the log, s NULL: sequences), in any order, a version as often
 * as it likes; NULL for those that are gone, and for NO_VERSION. As of the frame `view`, of which s
 * is. heads: only their ids and numbers count, and they are
 * loaded without the rest (read.heads). false: they have to be loaded. */
#define NO_VERSION UINT64_MAX
bool entries_at(struct client *c, struct stream *s, uint64_t view, const uint64_t *versions,
                size_t n, bool heads, struct event **out);
/* The same for the first of them only, until they take more than bytes_max in memory: *found is how
 * many were looked at. */
bool entries_within(struct client *c, struct stream *s, uint64_t view, const uint64_t *versions,
                    size_t n, bool heads, uint64_t bytes_max, struct event **out, size_t *found);
/* The entries with these ids; NULL for those that do not exist. false: as above. */
bool need_entries(struct client *c, struct stream *s, const struct entry_id *ids, size_t n,
                  bool heads, struct event **out);

#endif
