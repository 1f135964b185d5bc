/* One limit over what all connections hold (clients-bytes-max): what they have sent and was not
 * dealt with yet, replies that they have not read, what is loaded or being loaded for their
 * commands. What is kept for who waits for what others do is no part of it (standing.h). It holds
 * by four rules:
 *
 *   - A load counts from the moment it is asked for. What does not fit waits for room, in order.
 *   - A reply that does not fit is taken back, with what its command did, and the command is run
 *     again when there is room (command.c).
 *   - Above the limit who holds more than his share is stopped: nothing is read from him, and none
 *     of his commands run, until there is room again or he has read most of it.
 *   - Otherwise nothing would ever be freed by who has to go on for that (a request that is half
 *     received, a long range that is half loaded). So one connection at a time has a turn: it goes
 *     on whatever is held, until one of its commands has replied. The next turn is when it has read
 *     that. So all hold the limit and one reply, or one request, at the most.
 *
 * Nobody is stopped, and nobody waits, for less than 64 KiB of his own. Whoever waits for room may
 * wait for somebody who does not read: who holds more than his share, and lets
 * clients-bytes-timeout pass without reading any of it, is closed while others wait. Loop thread.
 */
#ifndef SERVER_CLIENT_SHARE_H
#define SERVER_CLIENT_SHARE_H

#include "server/client/client.h"
#include "server/client/levels.h"
#include "server/client/standing.h"

#define SHARE_FREE LEVEL_LEAST /* bytes: nobody is stopped or waits for so little */

struct share {
    uint64_t bytes;       /* of all connections, as last counted */
    struct levels levels; /* of those that hold more than 64 KiB */
    uint64_t level;       /* who holds more is stopped, while bytes are above the limit */
    uint64_t level_at_ms; /* when that was found out, monotonic */
    struct list large;    /* clients that hold more than 64 KiB: only they can matter */
    struct list stopped;  /* clients, longest first */
    struct list waiting;  /* clients: for room, for a load or for a reply; by room_number */
    uint64_t numbers;     /* that were given */
    struct client *going; /* whose turn it is, or whose turn's reply is not read; NULL: nobody's */
    bool going_runs;      /* its turn is not over */
    uint64_t going_seen;  /* how far it was */
    /* Monotonic: since when somebody has been waiting for others, more or less without a break. */
    uint64_t waits_since_ms, waited_at_ms;
};

void share_init(struct server *srv);
/* What connections have in common, so many bytes more (or less): it counts once. */
void share_add_common(struct server *srv, uint64_t more);
void share_changed(struct client *c, uint64_t now); /* for share_count */
/* Counts what the connection holds now, and stops it, or lets it go on. To be called whenever it
 * has read, run, sent or asked for something. */
static inline void share_count(struct client *c) {
    standing_count(c);
    uint64_t now = client_holds(c);
    if (UNLIKELY(now != c->counted)) share_changed(c, now);
}
/* While all hold more than the limit (share_is_over): whether the connection holds more than its
 * share. */
bool share_is_exceeded(const struct client *c);
/* Bytes of events that one reply of those that are read on from holds: READ_BYTES_MAX, and little
 * while all connections are above the limit. Otherwise each that came would get one large reply. */
uint64_t share_portion(const struct client *c);

/* Whether a load of so many bytes may begin. false: the connection waits for room, and need_go_on
 * is called when it is worth asking again. */
bool share_may_load(struct client *c, uint64_t bytes);
/* Whether what was loaded may stay that takes so many bytes more than it was asked for with. */
bool share_may_keep(struct client *c, uint64_t more);
/* Nothing of its command waits to be loaded any more. */
void share_load_over(struct client *c);
/* How long the running command's reply is by now, with what is kept for the rest of it. */
uint64_t share_reply_bytes(const struct client *c);
/* Whether the running command's reply, which has just been made, has to be taken back. Then
 * share_wait. */
bool share_refuses(struct client *c);
/* Parks the connection until there is room for so many bytes, without what was loaded for the
 * command. Its reply has been cut off. */
void share_wait(struct client *c, uint64_t bytes);
/* A command of the connection waits for something else than room: if it had the turn, that is over.
 */
static inline void share_turn_over(struct client *c, struct share *s) {
    if (UNLIKELY(s->going == c)) s->going_runs = false;
}
/* Whether the running command's reply is none of those that nobody waits for. */
static inline bool share_is_long(const struct client *c) {
    return client_out_offset(c) - c->reply_start > SHARE_FREE || c->long_reply != NULL;
}
/* It has replied: likewise. A long reply counts at once, not when it is sent: others may run first.
 */
static inline void share_command_over(struct client *c, struct share *s) {
    share_turn_over(c, s);
    if (UNLIKELY(share_is_long(c))) share_count(c);
}

/* The connection goes. */
void share_forget(struct client *c);
/* Once a turn of the loop: those go on for whom there is room now. */
void share_run(struct server *srv);
/* Ten times a second: looks whether whoever has the turn gets ahead, and who does not read. */
void share_cron(struct server *srv);

#endif
