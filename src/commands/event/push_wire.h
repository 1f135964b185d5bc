/* How subscriptions' messages look: arrays of a kind, the subscription's id and what it is about,
 * which RESP3 marks as pushed.
 *
 *   event    id cursor event           caughtup  id position
 *   events   id cursor [event ...]     behind    id position
 *   position id cursor                 end       id reason
 *
 * and of SierraDB's: message id cursor event. Loop thread. */
#ifndef COMMANDS_EVENT_PUSH_WIRE_H
#define COMMANDS_EVENT_PUSH_WIRE_H

#include "server/subscription/subscription.h"
#include "commands/event/chosen_fields.h"

extern const struct subscription_wire push_wire;   /* ESUBSCRIBE's */
extern const struct subscription_wire sierra_wire; /* ESUB's, EPSUB's */

/* The shape of events for that connection; a reference. */
struct push_shape *push_wire_shape(struct client *c, const struct chosen_fields *chosen);
/* Whether the connection, and the server, may have one more. false: replied. */
bool push_allowed_or_reply(struct client *c);

#endif
