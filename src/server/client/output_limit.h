/* client-output-buffer-limit: a connection that leaves more unread than its class may, or for
 * longer, is closed, as with Redis. It is looked at when it has just been flushed, so that nobody
 * is closed who reads. The class `pubsub` is of who listens to channels: what is written for him
 * does not wait for him, so nothing else bounds it. While all connections hold more than
 * clients-bytes-max, he is closed when he holds more than his share of it. Loop thread. */
#ifndef SERVER_CLIENT_OUTPUT_LIMIT_H
#define SERVER_CLIENT_OUTPUT_LIMIT_H

#include "server/client/client.h"

/* Whether it is to be closed. Notes since when it has been above the soft limit. */
bool output_limit_breached(struct client *c);
void output_limit_close(struct client *c);
void output_limits_cron(struct server *srv); /* ten times a second */

#endif
