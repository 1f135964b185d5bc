/* Reading the log as a virtual stream (server/command/virtual.h) has it: an event's id is when it
 * was recorded and its sequence, compared as pairs. Both never decrease along the log, so that a
 * place is found by halving; an id need not be that of an event. Everything is as of the frame
 * `view` (VIEW_NEWEST: the newest). false: something has to be loaded. Loop thread. */
#ifndef COMMANDS_STREAM_LOG_READ_H
#define COMMANDS_STREAM_LOG_READ_H

#include "record/entry_id.h"
#include "server/command/command.h"
#include "store/selector.h"
#include "commands/stream/entry_read.h"

static inline struct entry_id event_log_id(const struct event *e) {
    return (struct entry_id){e->rec.recorded, e->rec.sequence};
}
/* What the virtual stream selects; the caller has a reference. false: it is that of a view that
 * does not exist (-NOTFOUND) or cannot be read, which was replied. On every run of a command: the
 * view may have changed. */
bool log_selector_or_reply(struct client *c, struct str name, uint64_t view, struct selector **out);
/* The same of one of several keys; *bytes: of the selectors of those before, 0 at first. Also
 * false: all of them together select by more than one command may (-TOOLARGE): they are made on
 * each run, where the model does not keep what it has made of views. */
bool log_selectors_or_reply(struct client *c, struct str name, uint64_t view, size_t *bytes,
                            struct selector **out);
/* The sequence behind the last event that may be seen; 0: there is none. */
uint64_t log_head(struct client *c, uint64_t view);
/* The lowest sequence whose event's id is not below `at`; the head when there is none. */
bool need_log_place(struct client *c, uint64_t view, struct entry_id at, uint64_t *sequence);
/* The id of the last event of the store that may be seen; 0-0 when there is none: `$`. */
bool need_log_last(struct client *c, uint64_t view, struct entry_id *id);
/* A search that may take several turns of the loop. */
struct log_search {
    /* Of blocking_progress: how far it is, whether it has found what stands there, and where the
     * log ended when it began, for the last one; */
    uint64_t *at, *found, *head;
    struct log_looked *looked; /* in EXEC, instead. None of them: it must end in this turn */
    bool paused;               /* out: it goes on in another turn (blocking_pause) */
    bool overdone; /* out: it has not ended in this turn (blocking_reply_looks_too_long) */
};
/* The first, or the last event that is selected; NULL: there is none. What was found in an earlier
 * turn is looked at again, whatever may be looked at in this one: others are searched for, too. The
 * last one is of this moment, or of an earlier turn if so much has come since that this one may not
 * look at it. */
bool need_log_end(struct client *c, uint64_t view, struct selector *selector, bool last,
                  struct log_search *search, struct event **out);

/* Adds all events of the range that are selected; no turn looks at more than it may, and what is
 * gathered is of the moment of the last one. false: *outcome is PARKED, or they take more than
 * range.bytes_max, which was replied with the advice. looked: blocking_log_looked's. */
bool log_list_or_reply(struct client *c, struct entry_list *l, struct entry_range range,
                       struct log_looked *looked, const char *advice, enum outcome *outcome);
/* entry_list_read of a range that has range.looked. */
bool log_list_some(struct client *c, struct entry_list *l, struct entry_range range);

#endif
