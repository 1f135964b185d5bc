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

#endif
