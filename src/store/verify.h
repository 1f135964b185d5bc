/* What a look through a whole store tells to whoever asked for it: damages as they are found, how
 * far it is, and what there is. One thread. */
#ifndef STORE_VERIFY_H
#define STORE_VERIFY_H

#include "base/base.h"

struct verify {
    /* kind: a word that does not change from version to version; text: one line for people. */
    void (*damage)(const char *kind, const char *text, void *arg);
    /* done of total (0: not known) of a step. false: stop as soon as possible, ERR_FAILED. */
    bool (*progress)(const char *step, uint64_t done, uint64_t total, void *arg);
    /* A number for the summary; name as `kind`. */
    void (*count)(const char *name, uint64_t n, void *arg);
    void *arg;
};

void verify_damage(struct verify *v, const char *kind, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* A sum over a set of things: the same, whatever their order. Of two sets that differ the sums
 * differ, but for one chance in 2^64. */
struct set_sum {
    uint64_t sum, count;
};
/* Of a thing: some bytes, and a number. */
void set_sum_add(struct set_sum *s, const void *bytes, size_t len, uint64_t n);
static inline bool set_sum_eq(const struct set_sum *a, const struct set_sum *b) {
    return a->sum == b->sum && a->count == b->count;
}

#endif
