/* The model: the state of the store as the loop thread knows it, in memory. It decides; it knows no
 * sockets and owns no timers. Everything here is the loop thread's alone.
 *
 *   streams     hash by name of the streams in memory, each with a tail of its newest events
 *   log tail    the newest events of the whole store, by sequence
 *   ids         client-made event ids of the events in the log tail
 *   open batch  frames decided since the last hand-over to the store
 *
 * An event is referenced by its stream's tail and by the log tail. Whatever is beyond the store's
 * floor (see store_floor) is in both; all else may be evicted at any time. Evicting is never a
 * change.
 *
 * Three watermarks: `decided` (last frame), `settled` (replies may leave: durable, or decided in
 * interval mode) and the store's floor. */
#ifndef STREAM_MODEL_H
#define STREAM_MODEL_H

#include "base/hash.h"
#include "base/list.h"
#include "store/store.h"
#include "stream/gone/holes.h"
#include "stream/given_names.h"
#include "stream/gone/state.h"
#include "stream/ids/known_ids.h"
#include "stream/log_tail.h"
#include "stream/named.h"
#include "stream/pack.h"
#include "stream/settled.h"
#include "stream/tally.h"
#include "stream/undo.h"

enum stream_state {
    STREAM_LOADING, /* its head has been asked for; `waiters` want it */
    STREAM_ABSENT,  /* known not to exist */
    STREAM_LIVE,
};

struct stream {
    struct hash_node node; /* model.streams */
    struct stream_name *name;
    uint64_t next_version;
    struct event **tail; /* [tail_head, tail_head + tail_count): versions up to next_version - 1 */
    uint32_t tail_head, tail_count, tail_cap;
    enum stream_state state;
    uint64_t last_frame; /* that touched it; 0: none since it was loaded */
    /* An append touches all of the above, the entry id, changed_frame and extra. */
    uint64_t entry_ms, entry_seq; /* of its last event */
    uint32_t touched : 1;         /* since the clock hand passed it */
    uint32_t is_view : 1;         /* settled.h: of another stream, as it was */
    uint32_t
        last_id_unknown : 1; /* of a view: its last id is below the next one, no more is known */
    uint32_t pins : 29;      /* somebody needs it to stay */
    uint32_t largest;        /* no event of the tail takes more bytes */
    uint32_t read_from;      /* pack.c's: 1 + where a scattered range was read; 0: never */
    uint32_t plan;           /* append.c's: the append (model.plan) that `planned` is of */
    uint64_t planned;        /* next version inside that append */
    struct list clock;       /* model.clock or absent; in neither while LOADING */
    union {
        struct stream_load *load; /* while LOADING */
        uint64_t born;            /* while LIVE: the frame that created it; 0: it was loaded */
    };
    struct list waiters;        /* while LOADING: struct waiter */
    uint64_t changed_frame;     /* that changed what readers see of it (not deliveries) */
    struct stream_extra *extra; /* what few streams have; NULL: none of it */
};

struct stream_extra {
    size_t bytes;            /* in the model's account */
    uint64_t first_version;  /* versions below are gone */
    struct holes holes;      /* others that are gone */
    struct entry_id deleted; /* the highest that was deleted one by one; 0-0: none */
    uint64_t added_beyond;   /* entries_added - next_version (modulo 2^64) */
    uint64_t expires;        /* ms since 1970; 0: never */
    struct heap_node due;    /* in the model's deadlines, by `expires` */
    struct stream *owner;    /* the stream that it is of */
    struct list images;      /* settled.h: what it was before frames that are not settled */
    char *value;             /* a string's */
    size_t value_len;
    struct cgroup **groups; /* in no order: cgroups_in_order */
    uint32_t group_count, group_cap;
    bool groups_sorted;
    struct hash_table groups_by_name;
    size_t groups_bytes; /* of each as last counted: cgroup_account */
    uint64_t swept; /* XADD with ACKED: versions below are pending (commands/stream/trim_acked.h) */
    uint32_t idempotent_seconds, idempotent_max; /* 0: as configured */
    struct idempotent *idempotent;               /* NULL: no producer is known */
};

/* Somebody who waits for a stream to be loaded: wake() is called once it is (or cannot be). The
 * stream may be gone again when status is negative. */
struct waiter {
    struct list node;
    void (*wake)(struct waiter *w, int status, const struct err *err);
    bool one_of_many; /* for the same asker: see struct store_request */
};

struct model {
    struct store *store;
    struct hash_table streams, ids;
    struct list clock;      /* LIVE streams in memory, the clock hand at its front: second chance */
    struct list absent;     /* ABSENT ones, the same; there are few (cache.c) */
    struct list installing; /* load.c's: heads that have come and are put in, in portions */

    struct log_tail log;
    uint64_t next_sequence;

    struct batch *open;
    uint64_t decided; /* last frame */
    bool interval;    /* durability interval: settled = decided */

    uint64_t next_stream, stream_count, live_in_memory; /* the latter two without virtual ones */
    uint64_t virtual_in_memory, id_key, next_group;
    uint64_t recorded, entry_ms, entry_seq; /* the store clock: never goes back. For what is in
                                               the log: `recorded`, ids, when a thing was made */
    uint64_t wall; /* the system's clock as of this turn, ms since 1970: it may step either way.
                      For all that waits or ages: deadlines, deliveries, windows */

    size_t bytes, bytes_max; /* cache-bytes */
    uint32_t plan;           /* append.c's */
    bool in_transaction;
    struct undo *undo;  /* notes of the transaction, newest first */
    struct record_run { /* undo.c's: small records of one kind, not yet in the frame */
        enum record_kind kind;
        uint64_t group;
        size_t count, cap;
        char *items;
    } run;
    struct graves graves;
    struct erased_events erased;
    struct hidden_streams hidden;
    struct renamed_streams renamed;
    struct deadlines deadlines;
    struct unsettled unsettled;
    struct named_values named;
    struct given_names given;
    struct tallies tallies;
    uint64_t settled_streams; /* how many streams there are as of the durable frame */
    struct replay *replay;    /* replay.c's: durable frames that the backend has not got, after a
                                 void; NULL: streams that are not in memory are in the backend */
    uint64_t generation;      /* raised when everything is dropped (FLUSH, void) */
    uint64_t hits, misses, evicted_events, evicted_streams;

    /* What a FLUSH frame dropped that the applier still borrows; frame 0: none. */
    struct flushed {
        uint64_t frame;
        struct event **log;
        uint64_t log_mask, log_first, next_sequence, next_stream, stream_count;
    } flushed;

    /* Called for each change of what readers see of a stream, in the frame that changes it, by the
     * name that it has then: also for what is taken back later. NULL: nobody wants to know. */
    void (*on_change)(void *arg, const struct stream_name *name, uint64_t frame);
    void *on_change_arg;

    struct timelines timelines; /* the last one is that of all that is told now */
    bool timeline_unwritten;    /* of a void: the first frame that can be written says so */

    struct packing pack;

    struct known_ids known;

    uint64_t virtual_groups, settled_virtual_groups; /* groups of virtual streams */
    struct list scans, scanned; /* group_scan.h: whose readers are at work; whose have come */
};

void model_init(struct model *m, struct store *s, size_t bytes_max, bool interval);
/* Frees everything; no request may be outstanding. The store may be closed already. */
void model_clear(struct model *m);

static inline uint64_t model_settled(const struct model *m) {
    return m->interval ? m->decided : store_durable(m->store);
}

/* The stream of that name if it is in memory (LIVE or ABSENT), marked as used. NULL:
 * it must be loaded first (model_load_stream), unless it could be proven absent. */
struct stream *model_stream(struct model *m, struct str name);
/* The same for who only reads it: of a name that is proven absent nothing is kept; the shared
 * ABSENT stream stands for it (model_nothing). */
struct stream *model_stream_to_read(struct model *m, struct str name);
/* Three steps that bring what an append to the stream will touch into the processor's cache; do
 * each for several names before the next. Returns the hash for the others. No effect on anything
 * else. */
uint64_t model_prefetch_bucket(const struct model *m, struct str name);
void model_prefetch_stream(const struct model *m, uint64_t hash);
void model_prefetch_tail(const struct model *m, uint64_t hash);
/* Same without loading or touching; NULL also for ABSENT and LOADING. */
struct stream *model_peek(struct model *m, struct str name);
/* Same in whatever state; NULL: not in memory. */
struct stream *model_in_memory(struct model *m, struct str name);
/* Starts loading a stream that model_stream did not have, or joins the load. Returns the stream
 * that will be there when w is woken with status 0 (in that call it may be pinned). */
struct stream *model_load_stream(struct model *m, struct str name, struct waiter *w);
/* w is not to be woken any more. A load that nobody waits for and no reader has begun with is given
 * up, and the stream that model_load_stream returned is gone. */
void model_unwait(struct model *m, struct stream *s, struct waiter *w);
/* Goes on with loads that are too large for one turn, a bounded amount. Once a turn, and without
 * waiting for anything else as long as model_is_installing. */
void model_install(struct model *m);
static inline bool model_is_installing(const struct model *m) {
    return !list_empty(&m->installing);
}
static inline void stream_pin(struct stream *s) {
    s->pins++;
}
static inline void stream_unpin(struct stream *s) {
    assert(s->pins > 0);
    s->pins--;
}

/* Streams and strings share the names. */
static inline bool stream_is_string(const struct stream *s) {
    return s->state == STREAM_LIVE && s->name->rec.kind == KIND_STRING;
}
/* One without events, which has groups. It is in no list of keys and in no count of them. */
static inline bool stream_is_virtual(const struct stream *s) {
    return s->state == STREAM_LIVE && s->name->rec.kind == KIND_VIRTUAL;
}
static inline uint64_t stream_first_version(const struct stream *s) {
    return s->extra != NULL ? s->extra->first_version : 0;
}
static inline struct entry_id stream_last_id(const struct stream *s) {
    return (struct entry_id){s->entry_ms, s->entry_seq};
}
/* How many events it has: XLEN. */
static inline uint64_t stream_length(const struct stream *s) {
    if (s->extra == NULL) return s->next_version;
    return s->next_version - s->extra->first_version - s->extra->holes.versions;
}
static inline uint64_t stream_entries_added(const struct stream *s) {
    return s->next_version + (s->extra != NULL ? s->extra->added_beyond : 0);
}
/* Whether a version is still there. */
static inline bool stream_has_version(const struct stream *s, uint64_t version) {
    if (version >= s->next_version) return false;
    return s->extra == NULL ||
           (version >= s->extra->first_version && !holes_contain(&s->extra->holes, version));
}
static inline struct entry_id event_entry_id(const struct event *e) {
    return (struct entry_id){e->rec.entry_ms, e->rec.entry_seq};
}

static inline uint64_t stream_tail_first(const struct stream *s) {
    return s->next_version - s->tail_count;
}
static inline struct event *stream_event(const struct stream *s, uint64_t version) {
    return s->tail[s->tail_head + (uint32_t)(version - stream_tail_first(s))];
}
static inline struct event *model_event(const struct model *m, uint64_t sequence) {
    return m->log.ring[sequence & m->log.mask];
}
/* What the system's clock says, ms since 1970. The store clock follows it, but never goes back.
 * Once a turn. */
void model_tick(struct model *m, uint64_t wall_ms);
/* How many ms ago that was; 0 when it lies ahead, as after a step back of the clock. */
static inline uint64_t model_since(const struct model *m, uint64_t wall_ms) {
    return m->wall - MIN(m->wall, wall_ms);
}

/* The name that the event's stream has now. */
struct stream_name *model_name_found(const struct model *m, const struct event *e);
static inline struct stream_name *model_name(const struct model *m, const struct event *e) {
    return LIKELY(m->renamed.table.count == 0) ? e->name : model_name_found(m, e);
}
/* The event as it is after `frame` (VIEW_NEWEST: now): erased, or whole. */
struct event *model_erased(const struct model *m, struct event *e, uint64_t frame);
/* The event with that id, if it is in memory and was there after `frame`. */
struct event *model_find_id(struct model *m, const struct uuid *id, uint64_t frame);
/* The batch is durable. */
void model_durable(struct model *m, const struct batch *b);

/* Hands the open batch over to the store, if it holds frames. */
void model_submit(struct model *m);
/* Evicts until within bytes_max, as far as possible, in bounded work per call. */
void model_evict(struct model *m);
/* Packs what was read again. Once a turn, when nobody borrows events. */
void model_pack(struct model *m);
/* The store has voided everything beyond its durable number: the model is built again from what is
 * durable and not applied; the rest is loaded when it is asked for. */
void model_rebuild(struct model *m);
/* Before that: whether somebody was told what is void. Then a new timeline begins. */
static inline bool model_was_told_beyond(const struct model *m, uint64_t durable) {
    return m->interval && m->decided > durable;
}
/* The store takes writes again: what could not be written meanwhile is. */
void model_resumed(struct model *m);
/* Emits a FLUSH frame: everything is gone. Returns its frame. Not while an earlier one is not
 * applied (m->flushed.frame != 0). */
uint64_t model_flush(struct model *m);
void model_forget_flushed(struct model *m); /* once the floor has passed it */
/* Whether no event on disk has this client-made id; false: perhaps one has. */
bool known_ids_prove_absent(const struct model *m, const struct uuid *id);
/* Gives back a reference that was taken of an event (event_ref), with the cache's account. */
void model_release(struct model *m, struct event *e);
/* Puts loaded events in front of a stream's tail, when they join it and there is room for them. */
void model_keep(struct model *m, struct stream *s, struct event *const *events, size_t n);
/* In place of page_clear for a page of which something may have been kept: the stream may have let
 * go of it already. */
void model_drop_page(struct model *m, struct page *p);
/* Only what stands in front of the events' bytes stays of them: ids and numbers. */
void model_behead_page(struct model *m, struct page *p);

#endif
