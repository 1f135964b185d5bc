/* Taking away: trimming, deleting single entries, erasing, deleting and renaming streams, strings,
 * deadlines. Everything is hidden at once; rows go later, in slices (see store/backend.h). The
 * streams are LIVE. None of these ends the frame (model_commit). Loop thread. */
#ifndef STREAM_GONE_REMOVE_H
#define STREAM_GONE_REMOVE_H

#include "stream/model.h"

/* All versions below first are gone. Returns how many events that were. */
uint64_t model_trim(struct model *m, struct stream *s, uint64_t first_version);
/* The first version that stays when the `keep` newest events do (XTRIM MAXLEN). */
uint64_t model_trim_point(const struct stream *s, uint64_t keep);
/* Removes single events of the stream, in ascending order (each exists; as found by a read). */
void model_remove(struct model *m, struct stream *s, struct event *const *events, size_t n);
/* EERASE: payload and metadata are gone, the event's place stays. Returns the erased event. */
struct event *model_erase(struct model *m, struct stream *s, struct event *e);

/* DEL: O(1). Afterwards s is ABSENT. */
void model_delete(struct model *m, struct stream *s);
/* The stream gets the name of `to`, which is ABSENT (delete it first). Afterwards `from` is ABSENT
 * and `to` is what `from` was. */
void model_rename(struct model *m, struct stream *from, struct stream *to);
/* SET: s is ABSENT or a string. Its deadline is `expires` from now on (ms since 1970; 0: never). */
void model_set_string(struct model *m, struct stream *s, struct str value, uint64_t expires);

/* ms since 1970; 0: never. */
void model_set_expires(struct model *m, struct stream *s, uint64_t expires);
/* Deletes s, whose deadline has passed, in the frame being built. That it is absent, the deadline
 * says: readers need not wait for this frame (changed_frame stays what it was). */
void model_delete_expired(struct model *m, struct stream *s);
/* Deletes what has expired at `now` among the streams in memory, a bounded number in own frames.
 * Each is reported before (for waking who waits for it). Returns how many. */
size_t model_expire(struct model *m, uint64_t now, void (*gone)(struct stream *s, void *arg),
                    void *arg);
/* A stream that is not in memory, which the backend, or a record, has under this name as of
 * `applied`. After a void frames that the backend has not got may say otherwise: false: it is
 * deleted, or has another name; *expires: its deadline. */
bool model_replayed_name(const struct model *m, uint64_t number, struct str name, uint64_t applied,
                         uint64_t *expires);
/* ms since 1970 of the next deadline in memory, or on disk; 0: none. */
uint64_t model_next_deadline(const struct model *m);

/* XCFGSET; 0: as configured. forget: what producers have added is known no longer. */
void model_set_idempotent(struct model *m, struct stream *s, uint32_t seconds, uint32_t max,
                          bool forget);

/* Reading: whether an event found in the log (by position) was removed after `frame` (VIEW_NEWEST:
 * by now). snapshot: applied number of the page that it is from, UINT64_MAX: it is from memory. */
bool model_hides(struct model *m, const struct event *e, uint64_t snapshot, uint64_t frame);
/* Forgets what is no longer needed for that. Once a turn. */
void model_forget_hidden(struct model *m);

#endif
