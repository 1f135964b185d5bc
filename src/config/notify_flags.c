/* See notify_flags.h. */
#include "config/notify_flags.h"

/* In the order of CONFIG GET. */
static const struct {
    char letter;
    bool in_all; /* of A, which stands for them */
    uint64_t flag;
} letters[] = {
    {'g', true, NOTIFY_GENERIC},   {'$', true, NOTIFY_STRING}, {'l', true, 1 << 7},
    {'s', true, 1 << 8},           {'h', true, 1 << 9},        {'z', true, 1 << 10},
    {'x', true, NOTIFY_EXPIRED},   {'e', true, 1 << 11},       {'t', true, NOTIFY_STREAM},
    {'d', true, 1 << 12},          {'n', false, NOTIFY_NEW},   {'K', false, NOTIFY_KEYSPACE},
    {'E', false, NOTIFY_KEYEVENT}, {'m', false, 1 << 13},
};

static uint64_t all_flags(void) {
    uint64_t all = 0;
    for (size_t i = 0; i < ARRAY_LEN(letters); i++)
        if (letters[i].in_all) all |= letters[i].flag;
    return all;
}

static uint64_t flag_of(char letter) {
    if (letter == 'A') return all_flags();
    for (size_t i = 0; i < ARRAY_LEN(letters); i++)
        if (letters[i].letter == letter) return letters[i].flag;
    return 0;
}

bool notify_flags_parse(struct str text, uint64_t *flags) {
    *flags = 0;
    for (size_t i = 0; i < text.len; i++) {
        uint64_t flag = flag_of(text.ptr[i]);
        if (flag == 0) return false;
        *flags |= flag;
    }
    return true;
}

void notify_flags_print(uint64_t flags, struct buf *out) {
    bool all = (flags & all_flags()) == all_flags();
    if (all) buf_put(out, "A", 1);
    for (size_t i = 0; i < ARRAY_LEN(letters); i++)
        if (flags & letters[i].flag && !(all && letters[i].in_all))
            buf_put(out, &letters[i].letter, 1);
}
