/* Keyspace notifications (notify-keyspace-events): what happens to keys, as messages on the
 * channels __keyspace@0__:<key> and __keyevent@0__:<event>.
 *
 * A command notes what it does, before it commits; the messages leave when the frame is settled, in
 * the order of the changes. What is taken back or void is not told. Notes that nobody has been told
 * of yet are in memory: they are noted while somebody listens to anything only, and above
 * NOTES_BYTES_MAX who writes waits. While the option is empty a note is one test. Loop thread. */
#ifndef SERVER_PUBSUB_NOTIFICATIONS_H
#define SERVER_PUBSUB_NOTIFICATIONS_H

#include "config/notify_flags.h"
#include "server/server.h"

/* `event` is a constant, the key is copied. */
void notification_note(struct server *srv, uint64_t frame, const char *event, struct str key);

/* What that frame has changed. flag: the letter that the event stands under. */
static inline void notify_at(struct server *srv, enum notify_flag flag, uint64_t frame,
                             const char *event, struct str key) {
    if (UNLIKELY(srv->config.notify_events & flag)) notification_note(srv, frame, event, key);
}
/* What the frame that is being built changes: before its commit. */
static inline void notify(struct server *srv, enum notify_flag flag, const char *event,
                          struct str key) {
    notify_at(srv, flag, srv->model.decided + 1, event, key);
}

/* Tells what is settled, as much as a turn has room for. Once a turn. */
void notifications_run(struct server *srv);
/* There is more to tell at once. */
bool notifications_pending(const struct server *srv);
/* What was not durable is void. */
void notifications_voided(struct server *srv);
void notifications_clear(struct server *srv);

#endif
