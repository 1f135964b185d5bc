/* File descriptors: which are whose. */
#ifndef SERVER_DESCRIPTORS_H
#define SERVER_DESCRIPTORS_H

#include "base/base.h"
#include "base/err.h"

struct server;

/* Opens 0 to 2 on /dev/null where they are closed, so that no file or socket gets a number to which
 * something else writes messages. Before anything else is opened. */
void descriptors_open_standard(void);
/* Sees to it that maxclients connections and all that the server itself opens fit: raises the
 * limit (ulimit -n) or lowers maxclients, with a line in the log. ERR_REFUSED: not even one
 * connection would. At the start. */
MUST_CHECK int descriptors_reserve(struct server *srv, struct err *err);
/* Whether so many connections would fit; raises the limit for them. ERR_REFUSED with Redis' text,
 * which says how many would. maxclients stays as it is. */
MUST_CHECK int descriptors_allow(const struct server *srv, uint64_t clients, struct err *err);

#endif
