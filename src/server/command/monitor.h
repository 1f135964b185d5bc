/* MONITOR's feed: every command that runs, to every connection that asked for it. Loop thread. */
#ifndef SERVER_COMMAND_MONITOR_H
#define SERVER_COMMAND_MONITOR_H

#include "server/command/command.h"

/* Called before a command runs, only when somebody monitors. */
void monitor_feed(struct client *c, const struct request *r);

#endif
