/* See the header. */
#include "store/type_set.h"

#include "base/alloc.h"
#include "base/buf.h"

static void add_number(struct type_set *set, uint32_t number) {
    if (set->count == set->cap) {
        set->cap = set->cap == 0 ? 16 : set->cap * 2;
        set->numbers = xrealloc(set->numbers, set->cap * sizeof *set->numbers);
    }
    set->numbers[set->count++] = number;
}

void type_set_begin(struct type_set *set, const struct selector *selector) {
    const struct selector_values *wanted = &selector->kinds[SELECT_TYPE];
    struct buf patterns;
    buf_init(&patterns, 0);
    for (size_t i = 0; i < wanted->count; i++) {
        buf_put(&patterns, &wanted->values[i].len, sizeof wanted->values[i].len);
        buf_put_str(&patterns, wanted->values[i]);
    }
    if (patterns.len != set->patterns_len ||
        memcmp(patterns.data, set->patterns, patterns.len) != 0) {
        free(set->patterns);
        set->patterns = xmemdup(patterns.data, patterns.len);
        set->patterns_len = patterns.len;
        set->count = 0;
        set->seen = 0;
    }
    buf_clear(&patterns);
}

void type_set_look(struct type_set *set, const struct selector *selector, uint32_t number,
                   struct str name) {
    if (selector_kind_passes(selector, SELECT_TYPE, name)) add_number(set, number);
    set->seen = number;
}

bool type_set_holds(const struct type_set *set, uint32_t number) {
    size_t low = 0, high = set->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (set->numbers[middle] < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low < set->count && set->numbers[low] == number;
}

void type_set_forget(struct type_set *set) {
    set->seen = 0;
    set->count = set->patterns_len = 0;
}

void type_set_free(struct type_set *set) {
    free(set->patterns);
    free(set->numbers);
}
