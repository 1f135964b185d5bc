/* A way through all connections over several turns of the loop, the oldest first: they may come and
 * go meanwhile. Loop thread. */
#ifndef SERVER_CLIENT_WALK_H
#define SERVER_CLIENT_WALK_H

#include "base/list.h"

struct client;
struct server;

struct client_walk {
    struct list node;    /* server.client_walks */
    struct client *next; /* NULL: that was all */
    uint64_t end;        /* ids from here on are of connections that came later: not of this walk */
};

void client_walk_begin(struct client_walk *w, struct server *srv);
/* NULL: that was all. It may be closed before the next is asked for. */
struct client *client_walk_next(struct client_walk *w);
void client_walk_end(struct client_walk *w); /* no effect on one that is zeroed */
/* The connection goes. */
void client_walks_leave(struct client *c);

#endif
