/* Which types a selector means: its types and globs are matched against the table of types once,
 * and the numbers that match are kept for the next page of the same types; when the table has grown
 * since, only the new names are matched. A reader's. */
#ifndef STORE_TYPE_SET_H
#define STORE_TYPE_SET_H

#include "base/base.h"
#include "store/selector.h"

struct type_set {   /* zeroed: of no types */
    char *patterns; /* the selector's types and globs, each with its length in front */
    size_t patterns_len;
    uint32_t *numbers; /* ascending */
    size_t count, cap;
    uint64_t seen; /* the number of the last type that was looked at; 0: none was */
};

/* Begins anew when other types are meant than before. Then the backend's types beyond `seen` have
 * to be looked at, in the order of their numbers. */
void type_set_begin(struct type_set *set, const struct selector *selector);
void type_set_look(struct type_set *set, const struct selector *selector, uint32_t number,
                   struct str name);
bool type_set_holds(const struct type_set *set, uint32_t number);
/* The types are others than before (a flush). */
void type_set_forget(struct type_set *set);
void type_set_free(struct type_set *set);

#endif
