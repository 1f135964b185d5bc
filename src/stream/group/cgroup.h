/* Consumer groups of a stream: position, consumers, pending entries. What changes goes into the
 * frame being built as records; none of these ends it (model_commit). All times are ms since 1970
 * by the system's clock (model.wall), which may step: later ones can be lower, and lie ahead
 * (model_since). Loop thread. */
#ifndef STREAM_GROUP_CGROUP_H
#define STREAM_GROUP_CGROUP_H

#include "stream/group/group_scan.h"
#include "stream/group/pending.h"
#include "stream/model.h"

#define CURSOR_UNKNOWN UINT64_MAX

struct consumer {
    struct hash_node by_name, by_number; /* in its group's tables */
    uint32_t number;                     /* in its group, from 1 */
    uint32_t at;                         /* its place in cgroup.consumers */
    bool times_changed;                  /* seen or active differ from what was last recorded */
    uint32_t refs;                       /* of those who tell of it later, and the group's */
    uint64_t seen, active;               /* active CONSUMER_NEVER_ACTIVE */
    struct str name;                     /* behind the struct */
};

struct cgroup {
    struct hash_node by_name; /* stream_extra.groups_by_name */
    uint32_t at;              /* its place in stream_extra.groups */
    struct stream *stream;
    uint64_t number, created;
    struct entry_id last; /* delivered */
    int64_t entries_read; /* -1: not known */
    uint64_t cursor;      /* version: no event below it is beyond `last`, all others are; or
                             CURSOR_UNKNOWN, always when `last` is beyond the stream's last id */
    uint64_t last_frame;  /* that changed it */
    uint64_t moved_frame; /* that created it, or moved its position other than by a delivery */
    uint64_t
        handed_back; /* rank of the entry that was handed back last (XNACK): the order of claims */
    struct pending pending;
    struct group_scan *scan;     /* of a virtual stream (group_scan.h); NULL: none */
    struct consumer **consumers; /* in no order: consumers_in_order */
    uint32_t consumer_count, consumer_cap;
    bool consumers_sorted;
    struct hash_table consumers_by_name, consumers_by_number;
    uint32_t next_number;
    size_t consumer_bytes; /* of the structs with their names */
    size_t bytes;          /* as it stands in stream_extra.groups_bytes: cgroup_account */
    size_t pending_bytes;  /* of `bytes`, what is pending takes */
    struct str name;       /* behind the struct */
};

/* How many groups the virtual streams of a store have, together. */
#define VIRTUAL_GROUPS_MAX 1000
/* Those of one. (A stream of before may have its name: see virtual_init.) */
static inline uint32_t virtual_group_count(const struct stream *s) {
    return stream_is_virtual(s) && s->extra != NULL ? s->extra->group_count : 0;
}

/* entries_read, of all of these, ends at what was ever added to the stream. */

/* NULL: there is none. s may be ABSENT. */
struct cgroup *cgroup_find(const struct stream *s, struct str name);
struct cgroup *cgroup_add(struct model *m, struct stream *s, struct str name, struct entry_id last,
                          int64_t entries_read);
void cgroup_drop(struct model *m, struct cgroup *g);
/* XGROUP SETID. */
void cgroup_move(struct model *m, struct cgroup *g, struct entry_id last, int64_t entries_read);
/* Moving on after a delivery. */
void cgroup_set_position(struct model *m, struct cgroup *g, struct entry_id last,
                         int64_t entries_read);

/* XSETID: fewer were ever added to the stream than there were. */
void cgroups_read_less(struct model *m, struct stream *s);

struct consumer *cgroup_consumer(const struct cgroup *g, struct str name); /* NULL: none */
/* By number, as pending entries say; NULL for 0 (nobody's). */
struct consumer *cgroup_consumer_at(const struct cgroup *g, uint32_t number);
/* All of them in order of names, as they are told and dumped; they stand in no order otherwise.
 * Until one comes or goes. x: NULL: there are none. */
struct cgroup *const *cgroups_in_order(struct stream_extra *x);
struct consumer *const *consumers_in_order(const struct cgroup *g);
struct consumer *cgroup_add_consumer(struct model *m, struct cgroup *g, struct str name);
/* With what it has pending. */
void cgroup_drop_consumer(struct model *m, struct cgroup *g, struct consumer *c);
/* For who tells of it later: number and name stay, also when it is dropped meanwhile. */
static inline struct consumer *consumer_ref(struct consumer *c) {
    c->refs++;
    return c;
}
void consumer_unref(struct consumer *c); /* NULL is fine */
/* Records that the consumer just made a request; `active`: and that it received entries. Soft:
 * written to disk now and then, or with what is delivered. */
void consumer_seen(struct model *m, struct consumer *c, bool active);

/* Deliveries. The id is that of an event which exists (or has existed: claims). */
/* An entry becomes pending, or changes its owner, time and count if it is already. c NULL: nobody
 * owns it, as after XNACK. */
void cgroup_pend(struct model *m, struct cgroup *g, struct entry_id id, uint64_t version,
                 struct consumer *c, uint64_t delivered, uint32_t deliveries);
/* Handed back (XNACK): nobody's, to be claimed first. */
void cgroup_release(struct model *m, struct cgroup *g, struct pending_entry *e,
                    uint32_t deliveries);
/* true: it was pending. */
bool cgroup_ack(struct model *m, struct cgroup *g, struct entry_id id);

/* Events beyond the group's position, exactly, as far as decided. cursor: the group's, or the
 * version of the id after `last` (model_find_entry). */
uint64_t cgroup_backlog(const struct cgroup *g, uint64_t cursor);
/* Redis' lag: false when it cannot be told. first: id of the stream's first entry that exists, NULL
 * when it has none. */
bool cgroup_lag(const struct cgroup *g, const struct entry_id *first, uint64_t *out);
/* How many entries were ever added up to the one at `at`; -1 when it cannot be told. first: as
 * above. What Redis' streamEstimateDistanceFromFirstEverEntry says. */
int64_t cgroup_estimate_read(const struct stream *s, const struct entry_id *first,
                             struct entry_id at);
/* Whether an entry with an id at or above `from` was ever deleted one by one: then counting what
 * was read is no longer exact (Redis' streamRangeHasTombstones). */
bool stream_has_tombstones(const struct stream *s, struct entry_id from);

/* Writes consumers' times that were not recorded yet, of all groups of s, and how far those of a
 * virtual stream have looked. Before it is evicted, and
 * at shutdown. true: there were some (a record was added). */
bool stream_record_times(struct model *m, struct stream *s);
/* The same for all streams in memory, a frame each: at shutdown. */
void model_record_times(struct model *m);

#endif
