/* What becomes visible in the log, told to whoever wants events of a selector. Those who want the
 * same (equal selectors) share a target: an event is compared once with each target that it may
 * concern, however many are there, and not at all with the others. A target stands under the plain
 * values of one kind of its selector (the name of a stream, a type, …), under the literal
 * beginnings of its globs, or, if it has neither, where every event looks.
 *
 * A watcher waits for one event: he is woken by it, and looks for himself. A follower is told of
 * each event, in order, for as long as he follows; whatever he cannot be told he is told to have
 * lost, and from where on.
 *
 * Nothing is kept while nobody is there. It knows no connection and no protocol. Loop thread. */
#ifndef STREAM_LIVE_H
#define STREAM_LIVE_H

#include "base/hash.h"
#include "base/list.h"
#include "store/selector.h"

struct model;
struct live_target;

/* Somebody who waits; embedded in his struct, zeroed at first. */
struct live_watcher {
    struct list node; /* live_target.watchers, or live.woken */
    struct live_target *target;
    uint64_t from; /* sequence: earlier events do not concern him; when woken, where to look */
    bool emptied;  /* woken by live_emptied: `from` is of a log that is no more */
    /* When woken by events: from behind the last of them up to here nothing else is for him. */
    uint64_t quiet_from, quiet_to;
};

/* Somebody who wants each event; embedded in his struct, zeroed at first. */
struct live_follower {
    struct list node; /* live_target.followers */
    uint64_t from;    /* sequence: earlier events do not concern him */
};

/* The event, as what is settled has it, and its stream's name. false: he does not take it, and
 * follows no more: what follows, this event included, is his to read. He must not change who
 * follows. */
typedef bool live_tell_fn(struct live_follower *f, struct event *e, struct stream_name *name);
/* He follows no more, since what comes next cannot be told: events have left memory before they
 * were looked at, or the model was built anew. Everything before `position` he was told. */
typedef void live_lost_fn(struct live_follower *f, uint64_t position);

/* What a turn of the loop may look at, of events that become visible and of those that somebody
 * reads again from memory: a selector takes some of it for each (live_look, struct read). */
#define LIVE_LOOKS_A_TURN ((size_t)20000)

/* What comparing one event with all targets may take, in events that are only looked at: some
 * milliseconds. One selector may take a fiftieth of it. */
#define LIVE_WEIGHT_MAX ((size_t)200000)

#define LIVE_PREFIX_MAX STREAM_NAME_MAX

/* Targets by the beginning of a glob. `lengths` says which lengths are in use. */
struct live_prefixes {
    uint32_t lengths[LIVE_PREFIX_MAX + 1]; /* links of each */
    uint16_t shortest, longest;            /* none is shorter or longer; 0: there is none */
};

#define LIVE_NEAR  1024
#define LIVE_TYPES 128

/* A type that nobody waits for, as of so many changes: its first eight bytes and its last. A
 * shorter one stands in the first, a longer one than sixteen in `text`, too. */
struct live_type {
    uint64_t quiet, first, last;
    uint32_t len;
    char text[36];
};

struct live {
    struct hash_table targets; /* by selector */
    struct hash_table links;   /* by kind and value, or kind and beginning of a glob */
    size_t plain[SELECT_KINDS], globs[SELECT_KINDS]; /* links of each kind */
    struct live_prefixes prefixes[2];                /* of streams, of types */
    uint32_t near[SELECT_KINDS][2][LIVE_NEAR]; /* plain ones, globs: links of values like it */
    /* Links of streams and categories, of types, of the other kinds; and when one came last, as a
     * count of all that ever came. */
    size_t under_names, under_types, under_ids;
    uint64_t names_changed, types_changed;
    struct live_type types[LIVE_TYPES]; /* by first, last and len */
    struct list anything;               /* links of targets that stand under nothing */
    struct list matched;                /* targets that somebody watches */
    struct list hit;                    /* targets whose followers are to be told */
    struct list woken;                  /* watchers, first come first */
    uint64_t sequence;                  /* everything before it has been looked at */
    uint64_t generation;                /* of the model, that `sequence` belongs to */
    size_t watchers;                    /* that are not woken */
    size_t followers;
    uint64_t looks; /* at events, so far */
    size_t work;    /* of the last live_look: about so many events */
    live_tell_fn *tell;
    live_lost_fn *lost; /* both set by who has followers */
    size_t weight;      /* of the targets */
};

void live_init(struct live *l);
void live_clear(struct live *l); /* nobody waits any more */
/* Whether one may wait for it besides: what it takes to compare an event with all is bounded. Who
 * waits for the same as others takes nothing more. *promised: what was allowed before, and does not
 * wait yet; NULL: nothing was. */
bool live_has_room(const struct live *l, const struct selector *selector, size_t *promised);
/* w waits for an event of the selector (NULL: any) at w->from or later; the caller has looked at
 * everything before, as of what is settled now. It takes its own reference of the selector. */
void live_watch(struct live *l, const struct model *m, struct selector *selector,
                struct live_watcher *w);
/* He waits no more, or was woken and is dealt with. */
void live_unwatch(struct live *l, struct live_watcher *w);
static inline bool live_is_watching(const struct live_watcher *w) {
    return w->target != NULL || list_linked(&w->node);
}
/* What is kept for who wants events of the selector, bytes; others may want the same. */
size_t live_bytes_of(const struct selector *selector);
size_t live_watcher_bytes(const struct live_watcher *w); /* the same */
/* A target for who will follow, and may do so again and again: it is there until it was dropped as
 * often. Whether there is room for it was asked before. */
struct live_target *live_hold(struct live *l, struct selector *selector);
void live_drop(struct live *l, struct live_target *t);
/* f is told of the events of the target from f->from on. What is visible before that he has looked
 * at. */
void live_follow(struct live *l, const struct model *m, struct live_target *t,
                 struct live_follower *f);
void live_unfollow(struct live *l, struct live_follower *f); /* if he does */
static inline bool live_follows(const struct live_follower *f) {
    return list_linked(&f->node);
}
/* Of one who follows: what comes before that he was told. */
static inline uint64_t live_position(const struct live *l, const struct live_follower *f) {
    return MAX(f->from, l->sequence);
}
/* Looks at what has become visible, at about `work_max` events at most. Whoever is concerned is
 * taken off his target and put on l->woken, with `from` the first event that he waited for. When
 * events have left memory before they were looked at, or the model was built anew, everybody is
 * woken, to look for himself from there on. Followers are told meanwhile. false: there is more to
 * look at. */
bool live_look(struct live *l, struct model *m, size_t work_max);
/* Whether live_look has something to do. */
bool live_is_behind(const struct live *l, const struct model *m);
/* The log was emptied and begins again at 0, or has lost its end: everybody is woken, and told so;
 * followers have lost what follows. */
void live_emptied(struct live *l);
/* Everything before this sequence was looked at on behalf of the watcher, in vain. */
uint64_t live_looked_up_to(const struct live *l, const struct live_watcher *w);

#endif
