#ifndef BENCH_CONNECT_H
#define BENCH_CONNECT_H

#include "load.h"
#include "piece.h"

/* A blocking socket connected to the load's server, HELLO said where it is wanted; or -1, the
 * reason on stderr. */
int server_connect(const struct load *l);
/* Sends one request over a connection of its own and puts its short reply into `reply`, which ends
 * with a zero: the text of a status, number or bulk string; of an error with its '-'. Returns 0, or
 * -1 with the reason on stderr. */
int server_ask(const struct load *l, const struct piece *request, char *reply, size_t room);

#endif
