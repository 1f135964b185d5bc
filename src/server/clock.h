/* The clocks as the loop reads them. A command sees one moment. */
#ifndef SERVER_CLOCK_H
#define SERVER_CLOCK_H

#include "base/base.h"

struct server_clock {
    uint64_t now_ms;  /* monotonic, read once a turn */
    uint64_t now_us;  /* monotonic, read at the start of a turn and after each command */
    uint64_t wall_ms; /* since 1970, read once a turn */
    uint64_t started_ms, started_wall_s;
    uint64_t saved_wall_s; /* when the database last had all that was decided */
    bool stale;            /* a new turn has begun: to be read again */
};

#endif
