/* Listening sockets: TCP addresses and the unix socket. Loop thread. */
#ifndef SERVER_LISTENER_H
#define SERVER_LISTENER_H

#include "server/server.h"

int listeners_open(struct server *srv, struct err *err);
void listeners_close(struct server *srv);

#endif
