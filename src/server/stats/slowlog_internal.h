/* The entries of the slow log, for the command that shows them. */
#ifndef SERVER_STATS_SLOWLOG_INTERNAL_H
#define SERVER_STATS_SLOWLOG_INTERNAL_H

#include "server/stats/slowlog.h"

struct slowlog_entry {
    struct list node; /* stats.slowlog */
    uint64_t id, time_s, usec;
    char addr[64];
    char *name;
    size_t argc;
    struct str argv[]; /* each owned */
};

/* Drops the oldest until no more than len_max are left. */
void slowlog_trim(struct stats *s, uint64_t len_max);

#endif
