/* What a connection publishes while its own earlier changes, or those of the EXEC that publishes,
 * are not durable: it leaves when they are, in the connection's order, and how many got it is
 * counted then. A void takes it back. So who hears of a change by a message finds it. Loop thread.
 */
#ifndef SERVER_CLIENT_PUBLICATIONS_H
#define SERVER_CLIENT_PUBLICATIONS_H

#include "server/client/client.h"
#include "server/pubsub/pubsub.h"

/* A message of the running command, which replies what this writes. */
struct publication_note {
    struct publication *publication;
    uint64_t reply_at; /* in the connection's output */
};

/* Notes a message for when the running command's frame is decided; replies in its place. */
void publication_note(struct client *c, enum channel_kind kind, struct str channel,
                      struct str payload);
/* The command has replied, and its gate is set: what it has noted leaves now, or with that. */
void publications_decided(struct client *c);
/* What the running command has noted is taken back. */
void publications_forget(struct client *c);
/* Publishes what waits for frames up to this one, and writes how many got it. The gates are about
 * to open. */
void client_publish_durable(struct client *c, uint64_t durable);
void publications_void(struct client *c); /* what waits for gates never leaves */
void publications_drop(struct client *c); /* the connection goes */

/* gate.c's: the publication waits for the last gate. */
void client_gate_publication(struct client *c, uint64_t reply_at, bool silent,
                             struct publication *p);

#endif
