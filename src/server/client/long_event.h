/* Large events in long replies (long_reply.h): each is written once for all replies that have it in
 * the same form, and kept once until the last of them has sent it. So a thousand that wait for the
 * same event, and do not read it, hold one. It counts against clients-bytes-max, as what they have
 * in common (share.h). Loop thread. */
#ifndef SERVER_CLIENT_LONG_EVENT_H
#define SERVER_CLIENT_LONG_EVENT_H

#include "server/client/client.h"
#include "server/client/long_reply.h"

/* Bytes in memory: smaller ones each reply has itself. */
#define LONG_EVENT_LEAST ((size_t)512 << 10)

struct long_event;

/* A reference, for a reply of the connection that `put` writes the event for, with that name. */
struct long_event *long_event_take(struct client *c, struct event *e, reply_event_fn *put,
                                   struct stream_name *name);
void long_event_drop(struct long_event *x);
/* Bytes that the event takes in memory. */
size_t long_event_size(const struct long_event *x);
/* Whether nobody else has it. */
bool long_event_is_new(const struct long_event *x);
/* Writes of it to c->out, from *at on, at most so many bytes. Returns false when that was the last
 * of it. */
bool long_event_put(struct long_event *x, struct client *c, size_t *at, size_t most);

#endif
