/* What the files of stream/ share about the model's parts. Nobody else includes this. */
#ifndef STREAM_INTERNAL_H
#define STREAM_INTERNAL_H

#include "stream/model.h"

struct stream *stream_lookup(const struct model *m, struct str name, uint64_t hash);
struct stream *stream_create(struct model *m, struct stream_name *name, uint64_t hash,
                             enum stream_state state);
void stream_destroy(struct model *m, struct stream *s);
/* LIVE or ABSENT from now on: the only way to change that. */
void stream_set_state(struct model *m, struct stream *s, enum stream_state state);
void stream_push(struct model *m, struct stream *s, struct event *e);
void stream_drop_front(struct model *m, struct stream *s);
struct stream *model_stream_by_event(struct model *m, const struct event *e);
void log_tail_init(struct model *m, uint64_t next_sequence);
void model_log_push(struct model *m, struct event *e);
void model_log_forget(struct model *m, struct event *e);
/* Evicts the log tail's oldest event, unless its frame is beyond floor. */
bool evict_log_event(struct model *m, uint64_t floor);
void model_add_id(struct model *m, struct event *e);
void model_remove_id(struct model *m, const struct event *e);
/* All but those that are being loaded. */
void model_drop_streams(struct model *m);
/* load.c: gives up the load of a LOADING stream; the store is closed, so nobody is at work for it.
 */
void stream_load_drop(struct stream *s);
void event_count(struct model *m, struct event *e);    /* from now on in the cache's account */
void event_drop(struct model *m, struct event *e);     /* unref, with the cache's account */
void stream_unpush(struct model *m, struct stream *s); /* takes the last event off again */
struct event **stream_reserve_front(struct model *m, struct stream *s, uint32_t n);
/* Another copy takes the event's place in the tail, the log tail, or both. It takes its own
 * references; the id (model_replace_id) is the caller's. */
void stream_replace(struct model *m, struct stream *s, struct event *by, bool in_tail, bool in_log);
/* Appends an event as the fields say (event id, entry id, type ... are decided; sequence, version,
 * recorded are set here). payload.ptr NULL: payload.len bytes that the caller fills in. */
struct event *model_push(struct model *m, struct stream *s, struct event_fields *f);
/* An ABSENT stream comes to be, with a record. */
void stream_come_to_be(struct model *m, struct stream *s, enum stream_kind kind);
/* The next server-made entry id of s; false: its ids are exhausted. */
bool model_next_entry_id(struct model *m, const struct stream *s, struct entry_id *out);
/* The frame being built changes what readers see of s (content), or only groups of it. */
void stream_touch(struct model *m, struct stream *s, bool content);
#define STREAM_NUMBER_MAX ((UINT64_C(1) << 31) - 1)
#define VERSION_MAX       ((UINT64_C(1) << 32) - 1)
#define SEQUENCE_MAX      ((UINT64_C(1) << EVENT_SEQUENCE_BITS) - 1)

/* Keeps an event's memory until the frame being built is applied (the journal borrows it). */
void model_bury(struct model *m, struct event *e);
void model_exhume(struct model *m, uint64_t floor); /* once the floor has passed them */

/* After a void: what later frames buried is in the log tail again. */
void model_unbury(struct model *m, uint64_t durable);

/* undo.c: records of the frame being built. */
void *model_record(struct model *m, enum record_kind kind, size_t len); /* its body, zeroed */
/* Room for one item of a RECORD_PENDING or RECORD_ACK that collects several. */
void *model_run_item(struct model *m, enum record_kind kind, uint64_t group);
void model_flush_run(struct model *m);

/* stream_extra.c */
struct stream_extra *stream_extra(struct model *m, struct stream *s); /* created when missing */
void stream_extra_free(struct model *m, struct stream *s);
/* s has got it from another stream: what points back from it points to s. */
void stream_extra_moved(struct stream *s);

/* A stream has so many events more under that name, in the frame being built. */
static inline void tally_change(struct model *m, const struct stream_name *name, int64_t events) {
    if (UNLIKELY(m->tallies.count > 0)) tallies_note(m, name, events);
}
/* Notes its numbers, for undoing and for the settled view. Whatever changes more of a stream than
 * appending does calls it before. */
void stream_note_extra(struct model *m, struct stream *s);
/* RECORD_STREAM_STATE of s as it is now. */
void stream_record_state(struct model *m, struct stream *s);
/* Puts what was loaded into a stream that is LOADING, in portions: what there may be very much of
 * first (false: *work is used up before it is all there), in the end the numbers. */
struct install_progress {
    size_t holes, idempotent, group; /* that many are there */
    struct cgroup *open;             /* being filled: of the next group ... */
    size_t consumer, item;           /* ... so many are there */
};
bool stream_install_some(struct model *m, struct stream *s, const struct stream_head *h,
                         struct install_progress *at, size_t *work);
void stream_install_numbers(struct model *m, struct stream *s, const struct stream_head *h);

/* gone/deadlines.c */
void expiring_update(struct model *m, struct stream *s); /* after extra.expires changed */
void expiring_remove(struct model *m, struct stream *s); /* from the heap */
void expiring_evicted(struct model *m, const struct stream *s);

/* settled.c */
void settled_init(struct model *m);
void settled_clear(struct model *m);
void image_take(struct model *m, struct stream *s);
void images_drop(struct model *m, struct stream_extra *x);
/* Before holes of s are added or cut: the image that was just taken has them as they are. */
void image_keep_holes(struct model *m, struct stream *s);
/* The image that wants the string's value as it is; NULL: none. Then give it, or, when the change
 * is undone, lower value_promised. */
struct image *image_promise_value(const struct model *m, const struct stream *s);
/* Takes the value over. i NULL: frees it. */
void image_give_value(struct model *m, struct image *i, char *value, size_t len);
/* The name stood for that until the frame being built. number 0: for nothing. content: a former
 * takes it over. Returns that former, or the one that was added; NULL: it is known already, as the
 * batch has changed the name before. */
struct former *former_add(struct model *m, struct stream_name *name, uint64_t number,
                          struct stream *content);
/* Undoes that, newest first. The content is the caller's again. */
void former_take_back(struct model *m, struct former *f);
void formers_clear(struct model *m);
/* gone/remove.c: of a deleted stream. */
void content_free(struct model *m, struct stream *content);
/* The name that a stream had after `frame`; NULL: no other than now. */
struct stream_name *model_former_name(const struct model *m, uint64_t number, uint64_t frame);
/* gone/renamed.c: NULL: it was not renamed lately. */
struct stream_name *model_name_of_number(const struct model *m, uint64_t number);

/* gone/erased.c; old: as it was, kept by a grave. */
void model_add_erased(struct model *m, struct event *e, struct event *old);
/* Forgets those that were erased by frames up to this one. */
void model_forget_erased(struct model *m, uint64_t up_to);
/* After a void: those that were erased by frames beyond `durable` are not. */
void model_unerase(struct model *m, uint64_t durable);
void erased_init(struct model *m);
void erased_clear(struct model *m);

/* gone/hidden.c */
/* frame: that removes it. singles: single events too, or only what is below first_version. */
void model_hide(struct model *m, uint64_t stream, uint64_t first_version, bool singles,
                uint64_t frame);
void hidden_clear(struct model *m);

/* gone/renamed.c */
/* The stream's name from this frame on; takes a reference. */
void model_note_renamed(struct model *m, struct stream_name *name, uint64_t frame);
void renamed_clear(struct model *m);
/* Forgets what is no longer needed. Once a turn. */
void model_forget_renamed(struct model *m);

/* The id leads to another copy of its event. */
void model_replace_id(struct model *m, const struct event *old, struct event *by);

/* group/cgroup.c, group/cgroup_load.c, ids/idempotent.c */
void cgroups_free(struct stream_extra *x);
size_t cgroups_bytes(const struct stream_extra *x);
bool cgroups_install_some(struct stream *s, const struct group_image *images, size_t n,
                          struct install_progress *at, size_t *work);
bool cgroups_replay(struct model *m, struct stream *s, const struct record *r);
void idempotent_free(struct idempotent *i);
size_t idempotent_bytes(const struct idempotent *i);
void idempotent_install(struct stream *s, const struct idempotent_record *r);
void model_account(struct model *m, struct stream *s); /* extra's bytes have changed */

/* pack.c */
/* Versions from `from` on are read out of the tail. Whether they lie scattered. */
bool model_note_read(struct model *m, struct stream *s, uint64_t from, size_t count);

/* ids/known_ids.c */
void known_ids_add(struct model *m, const struct uuid *id); /* it leaves memory */
void known_ids_load(struct model *m);                       /* from disk, in the background */
void known_ids_none(struct model *m);                       /* there are none on disk */
void known_ids_clear(struct model *m);                      /* the store is closed */

/* replay.c: after a void, what is durable and not applied is laid over what is loaded. */
void replay_build(struct model *m);
void replay_forget(struct model *m); /* when all of it is applied */
void replay_drop(struct model *m);   /* in any case, also when the store is closed already */
/* Lays it over h (as read at snapshot `applied`), of a stream of that name, before (head) and after
 * (contents) it is installed. The head may be of the name of now or of then. replay_head is false
 * when the backend has the stream of that name, which has this number, under an older one. */
bool replay_head(struct model *m, struct str name, struct stream_head *h, uint64_t applied,
                 uint64_t *number);
void replay_contents(struct model *m, struct stream *s, uint64_t applied);
/* Whether a frame beyond the snapshot removed that single event. */
bool replay_removes(const struct replay *p, const struct event *e, uint64_t snapshot);

#endif
