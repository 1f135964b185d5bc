/* Which events of the log, or of a stream, somebody wants. A selector is made once from what was
 * asked (struct selector_draft) and never changes; it owns all of its bytes. Two that say the same,
 * in whatever order and however often, have the same canonical text, and so are equal.
 *
 * Values of one kind are alternatives, the kinds must all hold: `CATEGORY order CATEGORY cart TYPE
 * paid` is every event `paid` of orders and of carts. No value at all: every event.
 *
 * The loop counts its references. A reader thread borrows it for as long as a request is
 * outstanding, and only reads. */
#ifndef STORE_SELECTOR_H
#define STORE_SELECTOR_H

#include "base/err.h"
#include "record/event.h"

enum selector_kind {
    SELECT_STREAM,      /* globs on the name that the stream has now */
    SELECT_CATEGORY,    /* the part of that name before its first '-', or the whole name */
    SELECT_TYPE,        /* globs */
    SELECT_CORRELATION, /* 16 bytes each */
    SELECT_CAUSATION,
    SELECT_AGGREGATE,
    SELECT_KINDS,
};

/* What comparing with globs takes: of all of them, how long they are, and what stands behind the
 * first star of each, which may be tried at every place of a text. */
struct glob_work {
    size_t count, bytes, behind_star;
};

/* The alternatives of a kind, ascending, each once: plain ones first, then globs. */
struct selector_values {
    const struct str *values;
    size_t count, plain;
    struct glob_work globs; /* of those that are globs */
};

struct selector {
    unsigned refs;
    uint64_t hash; /* of the text */
    size_t size;   /* bytes of all of it */
    struct selector_values kinds[SELECT_KINDS];
    uint64_t since, until; /* on `recorded`, ms, both inclusive; 0 and UINT64_MAX: none */
    bool without_letters;  /* streams of dead letters (DEAD_LETTERS) do not pass */
    struct str text;       /* canonical */
};

/* What is being asked, gathered; its values are borrowed. Zeroed: nothing yet. */
struct selector_draft {
    struct str *values[SELECT_KINDS];
    size_t count[SELECT_KINDS], cap[SELECT_KINDS];
    bool has_since, has_until, without_letters;
    uint64_t since, until;
};
/* How the name of a stream of dead letters begins. */
#define DEAD_LETTERS "dlq:"
bool selector_is_of_letters(struct str name_or_pattern);
/* One more alternative. The bytes stay the caller's until selector_create. */
void selector_draft_add(struct selector_draft *d, enum selector_kind kind, struct str value);
/* The earliest and the latest of several. */
void selector_draft_since(struct selector_draft *d, uint64_t ms);
void selector_draft_until(struct selector_draft *d, uint64_t ms);
size_t selector_draft_values(const struct selector_draft *d); /* of all kinds */
size_t selector_draft_bytes(const struct selector_draft *d);  /* of all values */
void selector_draft_clear(struct selector_draft *d);

/* Copies what the draft says; the caller has one reference. NULL: the draft asks for everything. */
struct selector *selector_create(const struct selector_draft *d);
struct selector *selector_ref(struct selector *s);
void selector_unref(struct selector *s); /* NULL is all right */
/* NULL is the selector of everything. */
bool selector_eq(const struct selector *a, const struct selector *b);

/* Any thread. Whether an event passes; name: of its stream, now. */
bool selector_match(const struct selector *s, const struct event_record *r, struct str name);
/* Parts of that: whether the kind has no values, or one of them is met. */
bool selector_kind_passes(const struct selector *s, enum selector_kind kind, struct str value);
bool selector_name_passes(const struct selector *s, struct str name);
bool selector_time_passes(const struct selector *s, uint64_t recorded);
/* All but the name. */
bool selector_event_passes(const struct selector *s, const struct event_record *r);
static inline bool selector_has(const struct selector *s, enum selector_kind kind) {
    return s->kinds[kind].count > 0;
}
/* Whether it looks at names at all. NULL: it does not. */
static inline bool selector_has_names(const struct selector *s) {
    return s != NULL && (s->without_letters || selector_has(s, SELECT_STREAM) ||
                         selector_has(s, SELECT_CATEGORY));
}
/* How much it takes to find out, at most, in the time that it takes to look at an event at all: 1,
 * and more with globs. */
size_t selector_work(const struct selector *s, const struct event_record *r, struct str name);

/* Narrows a range of positions (start <= end, inclusive) to those recorded as the selector asks;
 * *empty: there are none. probe tells of the last event in [start, position]: 1, where it is and
 * when it was recorded; 0: there is none; else an error. */
typedef int selector_probe_fn(void *arg, uint64_t start, uint64_t position, uint64_t *found,
                              uint64_t *recorded, struct err *err);
int selector_narrow(const struct selector *s, uint64_t *start, uint64_t *end, bool *empty,
                    selector_probe_fn *probe, void *arg, struct err *err);

#endif
