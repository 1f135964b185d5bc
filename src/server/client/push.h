/* What is pushed to a connection beside its replies: messages that nobody asked for just then. They
 * are gathered apart, and leave when the connection is flushed, where one reply ends and the next
 * begins: behind all that may leave, in front of the first reply that waits for the disk. So they
 * neither stand in the middle of a reply, nor wait behind a gate, nor go with what a void takes
 * back. Loop thread. */
#ifndef SERVER_CLIENT_PUSH_H
#define SERVER_CLIENT_PUSH_H

#include "server/client/client.h"

/* Where to write the next messages, whole ones. Then client_wrote, once. */
struct buf *client_push(struct client *c);
/* Puts what was gathered among the replies, unless one of them is being made (long_reply.h). */
void client_merge_pushes(struct client *c);
/* Bytes that are gathered. */
static inline size_t client_push_bytes(const struct client *c) {
    return c->push != NULL ? c->push->len : 0;
}
/* Bytes that it has not taken, replies included. */
static inline size_t client_unread(const struct client *c) {
    return client_out_pending(c) + client_push_bytes(c);
}
void client_clear_pushes(struct client *c);

#endif
