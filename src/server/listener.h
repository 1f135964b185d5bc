/* Listening sockets: TCP addresses and the unix socket. Loop thread. */
#ifndef SERVER_LISTENER_H
#define SERVER_LISTENER_H

#include "server/server.h"

MUST_CHECK int listeners_open(struct server *srv, struct err *err);
void listeners_close(struct server *srv);
/* After a connection could not be accepted nobody looks at the sockets. Looks again: call it when a
 * descriptor has become free, and every now and then. */
void listeners_resume(struct server *srv);
/* "127.0.0.1:6390, [::1]:6390, /run/cairn.sock" */
void listeners_describe(const struct server *srv, struct buf *out);
/* Logs who can reach the server, or cannot, if that may be a surprise. */
void listeners_warn(const struct server *srv);

#endif
