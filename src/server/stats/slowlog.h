/* The slow log: the last commands that took long, with their first arguments. Loop thread. */
#ifndef SERVER_STATS_SLOWLOG_H
#define SERVER_STATS_SLOWLOG_H

#include "server/command/command.h"
#include "server/stats/stats.h"

void slowlog_add(struct client *c, const struct command *cmd, const struct request *r,
                 uint64_t usec);
void slowlog_reset(struct stats *s);
/* Whether argument i is a secret (a password) that no log may show. */
bool request_secret(const struct request *r, size_t i);

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
