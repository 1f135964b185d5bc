/* What the commands about consumer groups share: the key and the group, names, delivery counts, the
 * ends of a stream. What returns false has replied the error, or something has to be
 * loaded (then *outcome is PARKED). Loop thread. */
#ifndef COMMANDS_STREAM_SHARED_H
#define COMMANDS_STREAM_SHARED_H

#include "stream/group/cgroup.h"
#include "server/command/command.h"

/* The stream of a key, LIVE or ABSENT; not a string. */
bool xkey_or_reply(struct client *c, struct str name, struct stream **s, enum outcome *outcome);
/* Its group, which must exist. */
bool xgroup_or_reply(struct client *c, struct str key, struct str name, struct cgroup **g,
                     enum outcome *outcome);
/* NOGROUP No such key 'key' or consumer group 'group' */
void reply_no_group(struct client *c, struct str key, struct str group);
/* NOGROUP No such consumer group 'group' for key name 'key' */
void reply_no_group_for_key(struct client *c, struct str key, struct str group);

/* The name of a group or consumer that will be created. what: "group" or "consumer". */
bool xname_or_reply(struct client *c, struct str name, const char *what);

/* Whether changes that take up to so many bytes in the journal fit into the frame being built. */
bool fits_frame_or_reply(struct client *c, size_t bytes);
/* How many entries can become pending, or change, in the frame being built; at least 1. */
size_t pending_room(const struct client *c);

/* Delivery counts as clients see them, and back. */
static inline int64_t deliveries_shown(uint32_t deliveries) {
    return deliveries == DELIVERIES_MAX ? INT64_MAX : (int64_t)deliveries;
}
static inline uint32_t deliveries_given(int64_t n) {
    if (n == INT64_MAX) return DELIVERIES_MAX;
    return (uint32_t)MIN(n, (int64_t)DELIVERIES_MAX - 1);
}
static inline uint32_t deliveries_more(uint32_t deliveries) {
    return deliveries < DELIVERIES_MAX - 1 ? deliveries + 1 : deliveries;
}

/* Where the events of a group's entries are read: its stream, or the log (NULL); and where one that
 * is pending stands there (entries_at). */
static inline struct stream *group_entries(const struct cgroup *g) {
    return stream_is_virtual(g->stream) ? NULL : g->stream;
}
static inline uint64_t pending_place(const struct cgroup *g, struct entry_id id, uint64_t version) {
    return stream_is_virtual(g->stream) ? id.seq : version;
}
/* The version that a pending entry has: none in a virtual stream, where its id says all. */
static inline uint64_t pending_version(const struct cgroup *g, const struct event *e) {
    return stream_is_virtual(g->stream) ? 0 : e->rec.version;
}
/* The events of the log with these ids that the virtual stream selects; NULL for the others. */
bool need_selected(struct client *c, struct str key, const struct entry_id *ids, size_t n,
                   struct event **out);

/* The first, the last entry of the stream that exists; NULL when there is none. false: it has to be
 * loaded. */
bool need_first(struct client *c, struct stream *s, struct event **out);
bool need_last(struct client *c, struct stream *s, struct event **out);

/* How far XADD IDMP looks back in the stream: as XCFGSET said, else as configured. */
void idempotent_window(const struct client *c, const struct stream *s, uint32_t *seconds,
                       uint32_t *max);

#endif
