/* See levels.h. */
#include "server/client/levels.h"

static unsigned class_of(uint64_t bytes) {
    unsigned exponent = 63 - (unsigned)__builtin_clzll(bytes); /* of LEVEL_LEAST: 16 */
    return (exponent - 16) * 8 + (unsigned)(bytes >> (exponent - 3) & 7);
}

/* What the next class begins with. */
static uint64_t class_end(unsigned class) {
    if (class + 1 == LEVEL_CLASSES) return UINT64_MAX;
    unsigned exponent = 16 + (class + 1) / 8;
    return (8 + (uint64_t)(class + 1) % 8) << (exponent - 3);
}

void levels_change(struct levels *l, uint64_t before, uint64_t now) {
    if (before > LEVEL_LEAST) {
        unsigned class = class_of(before);
        assert(l->count[class] > 0);
        l->count[class]--;
        l->bytes[class] -= before;
        l->all -= before;
    }
    if (now > LEVEL_LEAST) {
        unsigned class = class_of(now);
        l->count[class]++;
        l->bytes[class] += now;
        l->all += now;
    }
}

/* Whether all fit when nobody holds more than what a class ends with: of n who hold more. */
static bool fits(uint64_t room, uint64_t below, uint64_t n, uint64_t level) {
    return below <= room && (n == 0 || level <= (room - below) / n);
}

uint64_t levels_find(const struct levels *l, uint64_t room) {
    uint64_t below = 0, above = 0;
    if (l->all <= room) return UINT64_MAX;
    for (unsigned i = 0; i < LEVEL_CLASSES; i++) above += l->count[i];
    for (unsigned i = 0; i < LEVEL_CLASSES; i++) {
        if (l->count[i] == 0) continue;
        if (!fits(room, below + l->bytes[i], above - l->count[i], class_end(i))) break;
        below += l->bytes[i];
        above -= l->count[i];
    }
    /* Those of the class that the level is in count as if they held all of it. */
    return (room - below) / above;
}
