/* How much each of very many holds, for one question: what is the most that each may hold, so that
 * together they hold no more than there is room for? They are counted in classes, eight to a
 * doubling, so that neither a change nor the answer depends on how many there are. */
#ifndef SERVER_CLIENT_LEVELS_H
#define SERVER_CLIENT_LEVELS_H

#include "base/base.h"

#define LEVEL_LEAST   ((uint64_t)1 << 16) /* who holds no more is not counted */
#define LEVEL_CLASSES (48 * 8)

struct levels { /* zeroed: nobody */
    uint64_t bytes[LEVEL_CLASSES], all;
    uint32_t count[LEVEL_CLASSES];
};

/* One holds `now` bytes, and held `before`. */
void levels_change(struct levels *l, uint64_t before, uint64_t now);
/* The level: if nobody held more, all counted together would fit into the room. It may be lower
 * than it need be, by an eighth, never higher. UINT64_MAX: they fit as they are. */
uint64_t levels_find(const struct levels *l, uint64_t room);

#endif
