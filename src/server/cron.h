/* Everything periodic, in one place. Loop thread. */
#ifndef SERVER_CRON_H
#define SERVER_CRON_H

#include "server/server.h"

#define CRON_INTERVAL_MS 100

void cron_run(struct server *srv); /* does something only when it is due */

#endif
