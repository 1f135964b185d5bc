/* What is pushed to a connection beside its replies: messages that nobody asked for just then. They
 * are gathered apart, and are put where one reply ends and the next begins, so that none stands in
 * the middle of a reply. A void takes none of them back.
 *
 * Events of subscriptions (client_push) leave behind all that may leave, in front of the first
 * reply that waits for the disk: they never wait behind a gate. Messages of pub/sub
 * (client_message) keep their order with the replies: they stand behind all that was replied
 * before. Loop thread. */
#ifndef SERVER_CLIENT_PUSH_H
#define SERVER_CLIENT_PUSH_H

#include "server/client/client.h"

/* Where to write the next messages, whole ones. Then client_wrote, once. */
struct buf *client_push(struct client *c);
struct buf *client_message(struct client *c);
/* Puts what was gathered among the replies, unless one of them is being made (long_reply.h). Not
 * while a command of the connection runs. */
void client_merge_pushes(struct client *c);
void client_merge_messages(struct client *c);
/* Bytes that are gathered. */
static inline size_t client_push_bytes(const struct client *c) {
    return c->push != NULL ? c->push->len : 0;
}
static inline size_t client_message_bytes(const struct client *c) {
    return c->messages != NULL ? c->messages->len : 0;
}
/* Bytes that it has not taken, replies included, and messages that have been put among them. */
static inline size_t client_unread(const struct client *c) {
    return client_out_pending(c) + client_push_bytes(c);
}
void client_clear_pushes(struct client *c);

#endif
