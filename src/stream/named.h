/* What has a name of its own and is no stream (RECORD_NAMED): checkpoints and views, each class a
 * space of names.
 *
 * Checkpoints are kept as strings are: loaded when somebody asks, evicted when memory is short and
 * their frames are applied; names that do not exist are remembered, a bounded number of them. Views
 * are few, and all of them are in memory all the time (named_resident).
 *
 * Each has versions: the newest, and those before it that somebody may still be shown, because
 * later frames are not durable yet. So a reader of the settled view finds what was, undoing puts
 * the one before back, and a void takes away what is beyond the durable frame: there is nothing to
 * load again. A FLUSH hides what is older than its frame, and walks over nothing. Loop thread. */
#ifndef STREAM_NAMED_H
#define STREAM_NAMED_H

#include "base/hash.h"
#include "base/heap.h"
#include "base/list.h"
#include "record/record.h"

struct model;
struct err;
struct named_load;
struct waiter;

#define VIEWS_MAX       10000
#define VIEWS_BYTES_MAX ((size_t)64 << 20) /* of all their selectors, as text */
#define VIEWS_MADE_MAX  ((size_t)4 << 20)  /* of what is kept that was made of the text, about */

struct named_version {
    struct list order;           /* named_values.order, while its frame is not durable */
    struct named *of;            /* whose it is */
    struct named_version *older; /* that is still needed; or NULL */
    uint64_t frame;              /* since when; of one that was loaded: as of which it was */
    bool gone;                   /* nothing has the name */
    uint32_t len;
    char value[];
};

struct named {
    struct hash_node node;        /* named_values.tables[class] */
    struct list clock;            /* named_values.present or .absent; in neither: LOADING, a view */
    struct named_version *newest; /* NULL: it is being loaded */
    union {
        struct named_load *load; /* a checkpoint's */
        struct view_made *made;  /* a view's: what is kept of named_keep_made; NULL: nothing */
    };
    struct list waiters;   /* for the load: struct waiter (stream/model.h) */
    struct heap *watchers; /* struct named_watcher, by position; NULL: nobody watches */
    unsigned pins;         /* somebody needs it to stay */
    unsigned users;        /* of a view: subscriptions that select by it (named_view_use) */
    uint16_t name_len;
    uint8_t class;
    bool touched;   /* since the clock hand passed it */
    bool is_absent; /* which clock it is on */
    char name[];
};

/* Somebody who waits until a checkpoint is beyond a sequence and that is durable; embedded in his
 * struct, zeroed at first. */
struct named_watcher {
    struct heap_node by; /* named.watchers, by the sequence */
    struct named *named; /* pinned; NULL: he does not wait */
    struct list node;    /* named_values.waiting, or, once it is so far, .woken */
    bool emptied;        /* woken by named_emptied: what he waits for was of another history */
};

struct named_values {
    struct hash_table tables[NAMED_CLASSES];
    struct list present, absent; /* that may be evicted; the clock hand at the front */
    struct list order;           /* versions that are not durable, as they came */
    struct list waiting, woken;  /* watchers, first come first */
    size_t absent_count;
    size_t bytes;          /* of all, which are also in the model's account */
    size_t view_count;     /* that exist, as of the newest */
    size_t view_bytes;     /* of their values */
    struct list made;      /* struct view_made, the one that was used last at the end ... */
    size_t made_bytes;     /* ... and what all of them take */
    uint64_t flush;        /* the last frame that was a FLUSH, since the start; 0: none */
    uint64_t flush_before; /* and the one before it */
};

static inline bool named_resident(enum named_class class) {
    return class != NAMED_CHECKPOINT;
}
static inline struct str named_name(const struct named *n) {
    return str_of(n->name, n->name_len);
}

void named_init(struct model *m);
void named_clear(struct model *m); /* everything; no request may be outstanding */

/* By name, if it is in memory. NULL: load it (named_load), or, if the class is resident, there is
 * none and never was. */
struct named *named_find(struct model *m, enum named_class class, struct str name);
/* Loads what named_find did not have, or joins the load: w is woken as with model_load_stream. */
struct named *named_load(struct model *m, enum named_class class, struct str name,
                         struct waiter *w);
/* w is not to be woken any more. */
void named_unwait(struct model *m, struct named *n, struct waiter *w);
static inline void named_pin(struct named *n) {
    n->pins++;
}
static inline void named_unpin(struct named *n) {
    assert(n->pins > 0);
    n->pins--;
}

/* What it was after `frame` (VIEW_NEWEST: now). false: nothing had the name. *value stays until it
 * is changed, or, of an earlier frame, until the turn's end. */
bool named_value(const struct model *m, const struct named *n, uint64_t frame, struct str *value);
/* The selector that a view is as a virtual stream, as of the frame: what was kept of it, borrowed.
 * NULL: it has to be made of the text, and kept for those who come later. */
struct selector *named_made(struct model *m, struct named *n, uint64_t frame);
void named_keep_made(struct model *m, struct named *n, uint64_t frame, struct selector *selector);
/* Whether what one of the class was as of `since` has gone with a FLUSH by `frame`. */
bool named_flushed(const struct model *m, enum named_class class, uint64_t since, uint64_t frame);
/* The last frame that has changed it, be it by a FLUSH. */
uint64_t named_frame(const struct model *m, const struct named *n);

/* Decides: it is this from the frame being built on. ptr NULL: nothing has the name. n is loaded.
 */
void named_set(struct model *m, struct named *n, struct str value);
/* The view of that name, made if it never was, with no value. */
struct named *named_view(struct model *m, struct str name);

/* A view is in use: EVIEW SET and DEL ask for FORCE then. Whoever keeps a selector that was made
 * from a view (a subscription) says so, and takes it back when it goes. NULL: there is no such
 * view. (Groups of @view:NAME use it too: they are looked up by that name.) */
struct named *named_view_use(struct model *m, struct str name);
void named_view_unuse(struct model *m, struct named *view);

/* Sets a checkpoint: to that position of the present timeline, now. In the frame being built. */
void named_set_checkpoint(struct model *m, struct named *n, uint64_t position);

/* w waits for the checkpoint n to be beyond the sequence. The caller has looked at what is durable.
 */
void named_watch(struct model *m, struct named *n, uint64_t sequence, struct named_watcher *w);
/* The log begins at 0 again, or has lost its end: all who wait are woken, and told so. */
void named_emptied(struct model *m);
/* He waits no more, or was woken and is dealt with. */
void named_unwatch(struct named_watcher *w);
/* What has become durable: forgets what was before, puts watchers on named_values.woken. A bounded
 * amount; once a turn, before they are served. */
void named_settle(struct model *m);
static inline bool named_unsettled(const struct named_values *v, uint64_t durable) {
    return !list_empty(&v->order) &&
           LIST_ENTRY(v->order.next, struct named_version, order)->frame <= durable;
}

/* A FLUSH has been decided: the frame that it is. */
void named_flush(struct model *m, uint64_t frame);
/* Everything beyond the durable frame is void. */
void named_void(struct model *m, uint64_t durable);
/* Evicts one that may go, and was not used lately: false: there is none. */
bool named_evict(struct model *m, uint64_t floor);
bool named_evict_absent(struct model *m, uint64_t floor);

/* All of a class that are in memory, in portions: see hash_scan; each node is a named.node. */
static inline uint64_t named_scan(struct named_values *v, enum named_class class, uint64_t cursor,
                                  void (*each)(struct hash_node *n, void *arg), void *arg) {
    return hash_scan(&v->tables[class], cursor, each, arg);
}

#endif
