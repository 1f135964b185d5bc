/* Standing memory: what is kept for as long as somebody waits for what others do, which may be for
 * ever: a subscription with its selector, a channel that is listened to, a command that waits
 * (BLOCK) with its request and all that it waits for. It has an account and a bound of its own
 * (standing-bytes-max), and is no part of what share.h bounds: what is above that limit waits for
 * others to let go, and nobody would let go of this.
 *
 * Who would add to it asks before, and is refused above the bound: subscriptions where they are
 * made (subscription_create_or_reply), waits where a command has parked (command.c). So a new kind
 * of wait is bounded when blocking_bytes knows it. Nobody is refused for 16 KiB of his own: a
 * worker goes on waiting for its entries, whatever others keep. Loop thread. */
#ifndef SERVER_CLIENT_STANDING_H
#define SERVER_CLIENT_STANDING_H

#include "server/client/client.h"

#define STANDING_FREE ((uint64_t)16 << 10) /* bytes of a connection */

struct request;

struct standing {   /* the server's */
    uint64_t bytes; /* of all connections, as last counted */
};

void standing_recount(struct client *c); /* for standing_count */
/* Counts what it keeps now. share_count does. */
static inline void standing_count(struct client *c) {
    if (UNLIKELY(c->wait.blocked != NULL || c->subscriber != NULL || c->listening != NULL ||
                 c->standing.bytes != 0))
        standing_recount(c);
}
/* The connection goes. */
void standing_forget(struct client *c);
/* Whether so many bytes more may be kept for the connection. false: the error was replied. */
bool standing_allows_or_reply(struct client *c, uint64_t more);
/* The command of this request has parked: whether it may wait. false: it does not wait any more,
 * and the error was replied. */
bool standing_waits_or_reply(struct client *c, const struct request *r);
/* Bytes of input that are kept behind a command that waits, so that the end of the connection is
 * seen. */
size_t standing_input_max(const struct client *c);

#endif
