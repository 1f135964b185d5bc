/* A reply of many events, or of large ones, is made in portions, over several turns of the loop and
 * no faster than the client reads, so that others are served meanwhile. It is of one moment all the
 * same: which events it has was found out before its first byte, and each of them is kept until it
 * has been written, with the name that its stream had then, whatever is trimmed, deleted, renamed,
 * flushed or evicted meanwhile. Until it is complete nothing else is written to the connection, and
 * none of its commands run. Loop thread. */
#ifndef SERVER_CLIENT_LONG_REPLY_H
#define SERVER_CLIENT_LONG_REPLY_H

#include "server/client/client.h"
#include "server/client/reply_text.h"

#define LONG_REPLY_BYTES ((size_t)1 << 20) /* shorter ones are made at once */

/* Writes one element to c->out. name: of the event's stream, as of the reply's moment. */
typedef void reply_event_fn(struct client *c, const struct event *e, struct stream_name *name);

/* Replies the events, the head of whose array stands in c->out already. It is the last of the
 * command's reply. They are borrowed by the command: it takes references of its own. view: the
 * frame whose names `put` is given; 0: it does not look at them. */
void long_reply(struct client *c, struct event *const *events, size_t n, reply_event_fn *put,
                uint64_t view);
/* The same, and behind the events a text. Takes its pieces: it is empty then. */
void long_reply_before(struct client *c, struct event *const *events, size_t n, reply_event_fn *put,
                       uint64_t view, struct reply_text *behind);
/* Replies a text, the last of the command's reply: at once if it is short. Takes its pieces. */
void reply_text_send(struct client *c, struct reply_text *t);
/* Whether what is about to be replied, bytes, is to be replied so. */
bool long_reply_suits(const struct client *c, size_t bytes);
/* Pushes a message (push.h) that is long: its head, and then what it shares with others, of which
 * it takes a reference. It goes as a long reply does, behind what stands in c->out and in front of
 * what is pushed from now on, and keeps no bytes of its own but for a portion. No long reply is
 * being made. */
void long_push(struct client *c, struct str head, struct shared_bytes *rest);
bool long_push_is_on(const struct client *c);
/* The connection goes, or its reply is taken back. No effect when there is none. */
void long_reply_drop(struct client *c);
/* The connection's replies are void: likewise, but for what is pushed. */
void long_reply_void(struct client *c);
/* There is one, and the connection was flushed: it may have room for more. */
void long_reply_flushed(struct client *c);
/* What is kept for the rest of it, bytes (the cache may have some of it, too); 0: there is none. */
size_t long_reply_bytes(const struct client *c);
/* Bytes of large events that it has to send yet, and that others may have, too (long_event.h); and
 * how many came with it. They are not in long_reply_bytes. */
size_t long_reply_shared(const struct client *c);
size_t long_reply_new(const struct client *c);
/* Writes the next portions. Once a turn, and again as long as server.long_replies has any. */
void long_replies_run(struct server *srv);

#endif
