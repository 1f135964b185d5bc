/* What becomes visible in the log, told to whoever waits for events of a selector. Those who wait
 * for the same (equal selectors) share a target: an event is compared once with each target that it
 * may concern, however many wait there, and not at all with the others. A target stands under the
 * plain values of one kind of its selector (the name of a stream, a type, …), under the literal
 * beginnings of its globs, or, if it has neither, where every event looks.
 *
 * Nothing is kept while nobody waits. It knows no connection and no protocol. Loop thread. */
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
};

/* What comparing one event with all targets may take, in events that are only looked at: some
 * milliseconds. One selector may take a fiftieth of it. */
#define LIVE_WEIGHT_MAX ((size_t)200000)

#define LIVE_PREFIX_MAX STREAM_NAME_MAX

/* Targets by the beginning of a glob. `lengths` says which lengths are in use. */
struct live_prefixes {
    uint32_t lengths[LIVE_PREFIX_MAX + 1]; /* links of each */
    uint16_t longest;                      /* none is longer */
};

struct live {
    struct hash_table targets; /* by selector */
    struct hash_table links;   /* by kind and value, or kind and beginning of a glob */
    size_t plain[SELECT_KINDS], globs[SELECT_KINDS]; /* links of each kind */
    struct live_prefixes prefixes[2];                /* of streams, of types */
    struct list anything;                            /* links of targets that stand under nothing */
    struct list matched;                             /* targets */
    struct list woken;                               /* watchers, first come first */
    uint64_t sequence;                               /* everything before it has been looked at */
    uint64_t generation;                             /* of the model, that `sequence` belongs to */
    size_t watchers;                                 /* that are not woken */
    size_t weight;                                   /* of the targets */
};

void live_init(struct live *l);
void live_clear(struct live *l); /* nobody waits any more */
/* w waits for an event of the selector (NULL: any) at w->from or later; the caller has looked at
 * everything before, as of what is settled now. It takes its own reference of the selector. */
/* Whether one may wait for it besides: what it takes to compare an event with all is bounded. */
bool live_has_room(const struct live *l, const struct selector *selector);
void live_watch(struct live *l, const struct model *m, struct selector *selector,
                struct live_watcher *w);
/* He waits no more, or was woken and is dealt with. */
void live_unwatch(struct live *l, struct live_watcher *w);
static inline bool live_is_watching(const struct live_watcher *w) {
    return w->target != NULL || list_linked(&w->node);
}
/* What is kept for what he waits for, bytes; others may wait for the same. */
size_t live_watcher_bytes(const struct live_watcher *w);
/* Looks at what has become visible, at about `work_max` events at most. Whoever is concerned is
 * taken off his target and put on l->woken, with `from` the first event that he waited for. When
 * events have left memory before they were looked at, or the model was built anew, everybody is
 * woken, to look for himself from there on. false: there is more to look at. */
bool live_look(struct live *l, struct model *m, size_t work_max);
/* Whether live_look has something to do. */
bool live_is_behind(const struct live *l, const struct model *m);
/* The log was emptied, and begins again at 0: everybody is woken, and told so. */
void live_emptied(struct live *l);
/* Everything before this sequence was looked at on behalf of the watcher, in vain. */
uint64_t live_looked_up_to(const struct live *l, const struct live_watcher *w);

#endif
