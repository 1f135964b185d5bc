/* Making selectors in tests. */
#ifndef UNIT_SELECTORS_H
#define UNIT_SELECTORS_H

#include "store/selector.h"

/* What a test wants of each kind: up to three values (ptr NULL: not so many). */
struct wanted {
    struct str stream[3], category[3], type[3], aggregate[3];
    const struct uuid *correlation[3], *causation[3];
    uint64_t since, until; /* 0: none */
};

static inline void want_texts(struct selector_draft *d, enum selector_kind kind,
                              const struct str *values) {
    for (int i = 0; i < 3 && values[i].ptr != NULL; i++) selector_draft_add(d, kind, values[i]);
}

static inline void want_ids(struct selector_draft *d, enum selector_kind kind,
                            const struct uuid *const *ids) {
    for (int i = 0; i < 3 && ids[i] != NULL; i++)
        selector_draft_add(d, kind, str_of(ids[i], sizeof *ids[i]));
}

/* NULL: everything. */
static inline struct selector *selector_of(const struct wanted *w) {
    struct selector_draft d = {0};
    want_texts(&d, SELECT_STREAM, w->stream);
    want_texts(&d, SELECT_CATEGORY, w->category);
    want_texts(&d, SELECT_TYPE, w->type);
    want_texts(&d, SELECT_AGGREGATE, w->aggregate);
    want_ids(&d, SELECT_CORRELATION, w->correlation);
    want_ids(&d, SELECT_CAUSATION, w->causation);
    if (w->since > 0) selector_draft_since(&d, w->since);
    if (w->until > 0) selector_draft_until(&d, w->until);
    struct selector *s = selector_create(&d);
    selector_draft_clear(&d);
    return s;
}

#endif
