/* One limit over what all connections hold (clients-bytes-max): what they have sent and was not
 * dealt with yet, replies that they have not read, pages that were loaded for their commands. Above
 * it the largest are stopped: nothing is read from them and none of their commands run, until there
 * is room again, or until they have read most of what they hold. Whoever holds less than the share
 * that is left for him goes on unharmed.
 *
 * A connection whose going on will free what it holds (a request that is half received, a command
 * that is half loaded) is not one to be stopped for good, or nothing would ever be freed: one of
 * those at a time goes on, as long as it gets ahead. What was loaded becomes a reply, though, and
 * then the next goes on: the limit does not hold against many that ask for much and read nothing.
 * Loop thread. */
#ifndef SERVER_CLIENT_SHARE_H
#define SERVER_CLIENT_SHARE_H

#include "server/client/client.h"

struct share {
    uint64_t bytes;       /* of all connections, as last counted */
    uint64_t level;       /* who holds more is stopped, while bytes are above the limit */
    uint64_t level_at_ms; /* when that was found out, monotonic */
    struct list stopped;  /* clients, longest first */
    struct client *going; /* goes on although it holds much; NULL: nobody */
    uint64_t going_seen;  /* how far it was */
};

void share_init(struct server *srv);
void share_changed(struct client *c, uint64_t now); /* for share_count */
/* Counts what the connection holds now, and stops it, or lets it go on. To be called whenever it
 * has read, run or sent something. */
static inline void share_count(struct client *c) {
    uint64_t now = client_holds(c);
    if (UNLIKELY(now != c->counted)) share_changed(c, now);
}
/* Bytes of events that one reply of those that are read on from holds: READ_BYTES_MAX, and little
 * while all connections are above the limit. Otherwise each that came would get one large reply. */
uint64_t share_portion(const struct client *c);
/* The connection goes. */
void share_forget(struct client *c);
/* Ten times a second: looks whether whoever goes on gets ahead. */
void share_cron(struct server *srv);

#endif
