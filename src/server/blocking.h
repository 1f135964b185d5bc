/* Commands that wait for entries of streams (BLOCK), parked without polling. A waiting connection
 * is registered under the names of its keys; it runs its command again, in the order in which the
 * connections came, when something became visible in one of them (durable, see DESIGN: blocked
 * readers are served when durable), when a key or a group went or changed its type, when its time
 * is up or when it is unblocked. Loop thread. */
#ifndef SERVER_BLOCKING_H
#define SERVER_BLOCKING_H

#include "server/client.h"

/* Ids that '$' and '+' stood for when the command ran first: c->wait.ids, kept until it replies. */
struct entry_id *blocking_ids(struct client *c, size_t n);
/* Parks the command: call it as the last thing before returning PARKED, on every run. keys are
 * copied on the first. timeout_ms 0: no end; it counts from the first run. recheck_at (monotonic
 * ms, 0: none): run again then even if nothing happened (XREADGROUP CLAIM). */
void blocking_wait(struct client *c, const struct str *keys, size_t n, uint64_t timeout_ms,
                   uint64_t recheck_at);
/* The wait is over without result: timed out or unblocked. The command replies null (or, after
 * CLIENT UNBLOCK ... ERROR, blocking_reply_unblocked has replied the error: true). */
bool blocking_over(const struct client *c);
void blocking_reply_over(struct client *c);
/* The command has replied, or the connection goes. */
void blocking_finish(struct client *c);

/* Something else than a new entry happened to a key: it was deleted, renamed, got another type, or
 * a group of it went. */
void blocking_key_changed(struct server *srv, struct str name);
/* Runs the commands for which something became visible. Once a turn. */
void blocking_serve(struct server *srv);
uint64_t blocking_clients(const struct server *srv); /* INFO blocked_clients */

#endif
