/* Commands that wait for entries of streams (BLOCK), parked without polling. A waiting connection
 * is registered under the names of its keys; it runs its command again, in the order in which the
 * connections came, when something became visible in one of them (that is: durable; docs/design.md,
 * rule 10), when a key or a group went or changed its type, when its time is up or when it is
 * unblocked. Those who wait in one group are only run while there is something
 * for the group, so that a thousand of them do not all run for one entry. Loop thread. */
#ifndef SERVER_WAIT_BLOCKING_H
#define SERVER_WAIT_BLOCKING_H

#include "server/client/client.h"

struct blocking; /* the server's */
struct live;

void blocking_init(struct server *srv);
void blocking_clear(struct server *srv); /* nobody waits any more */

/* What a command waits for. */
struct blocking_on {
    const struct str *keys; /* copied, as all of it, when the command begins to wait */
    size_t n;
    const struct entry_id *after; /* XREAD: entries beyond these, of each key */
    /* Of each key that is a virtual stream its selector, and up to where in the log it was looked
     * at; NULL: it is none. Not given: none is. */
    struct selector *const *selectors;
    const uint64_t *looked;
    bool hurries;     /* XREADGROUP without BLOCK: until the groups have looked at all there is */
    struct str group; /* XREADGROUP; ptr NULL: none */
    uint64_t timeout_ms; /* 0: no end; counts from the first run */
    bool claims;         /* XREADGROUP CLAIM: */
    uint64_t min_idle;   /* ms */
    uint64_t recheck_at; /* when an entry may be claimed: blocking_claimable_at; 0: unknown */
};

/* When an entry that was delivered then (wall clock, ms) may be claimed: on the wall clock too, at
 * the earliest in the next ms. */
uint64_t blocking_claimable_at(const struct server *srv, uint64_t delivered_ms, uint64_t min_idle);

/* Ids that '$' stood for when the command ran first, kept until it replies. NULL: none are kept. */
const struct entry_id *blocking_kept_ids(const struct client *c);
struct entry_id *blocking_keep_ids(struct client *c, size_t n);
/* Whether it has waited before. */
bool blocking_has_waited(const struct client *c);
/* How far in the log a command has looked for each of n things in vain, kept until it replies, or
 * EXEC does, of which it is part: zeroed at first, and when positions do not mean what they did.
 * NULL: nothing can be kept, as the transaction has itself removed or renamed something before this
 * command, and may do otherwise the next time: all is looked at in this turn
 * (BLOCKING_LOOKS_AT_ONCE at most). */
uint64_t *blocking_progress(struct client *c, size_t n);
bool blocking_keeps_progress(const struct client *c);
/* Likewise what a command has found in memory for the i-th of n things, where looking for it again
 * would take as long: of a command that needs all that there is, and of all in EXEC, which run
 * again when another one pauses. */
struct log_looked {
    uint64_t from, to; /* sequences [from, to) were looked at */
    uint64_t *found;   /* ascending */
    size_t count, cap;
};
struct log_looked *blocking_log_looked(struct client *c, size_t n, size_t i);
/* It has looked at [from, to) besides, and found the events, which ascend or descend. What does not
 * join what it has looked at is in place of that. */
void blocking_note_looked(struct client *c, struct log_looked *looked, uint64_t from, uint64_t to,
                          struct event *const *events, size_t n);
/* Whether the command was run by this selector before, for the i-th of n keys. false: by none, or
 * by another one, as its view has changed. From now on it is this one, until the command replies.
 */
bool blocking_selects(struct client *c, size_t n, size_t i, struct selector *selector);
/* The same of a command that begins again by another one, or because streams were renamed meanwhile
 * that it may have passed by (up to ten times): what was looked at for the i-th key does not
 * count. */
bool blocking_selects_or_begins(struct client *c, size_t n, size_t i, struct selector *selector);
/* Up to where the log was looked at for the i-th key while the command waited; 0: it did not. */
uint64_t blocking_looked(const struct client *c, size_t i);
/* What a command has looked through in vain, for the next one of the connection that asks for the
 * same: between the id and a sequence there is nothing that is selected. 0: that is not known. */
void blocking_remember(struct client *c, struct selector *selector, struct entry_id after,
                       uint64_t looked);
uint64_t blocking_remembered(const struct client *c, const struct selector *selector,
                             struct entry_id after);
size_t blocking_remembered_bytes(const struct client *c);
void blocking_forget(struct client *c); /* the connection goes */
/* Parks the command, or the EXEC of which it is part, until the next turn: what is left to look at
 * is much. What was loaded for it stays: it would be loaded again, and again, where others use up
 * what may be looked at. Its time (BLOCK) does not run meanwhile: that is for waiting, when there
 * is nothing. */
void blocking_pause(struct client *c);
/* The same of a command whose next one looks on from where it was: but in EXEC its time runs, as
 * with blocking_wait_for; 0: without end, or not at all. */
void blocking_pause_until(struct client *c, uint64_t timeout_ms);
/* EXEC is about to run its commands; it was taken back, and will be run again. */
void blocking_exec_begins(struct client *c);
void blocking_exec_undone(struct client *c);
/* What a command looks at in one turn that cannot pause, in events in memory: some 20 ms. */
#define BLOCKING_LOOKS_AT_ONCE ((size_t)200000)
void blocking_reply_looks_too_long(struct client *c); /* the error, when that is not enough */
/* What commands that pause may still look at in this turn, all of them together, in events in
 * memory (as read.work counts); and that they have. */
size_t blocking_looks_left(const struct client *c);
/* For who has so many events left to look at. In EXEC a few are always allowed: else one of many
 * commands would look at what has come since its last run until nothing is left for the others. */
size_t blocking_looks_for(const struct client *c, uint64_t events);
void blocking_looked_at(struct client *c, size_t events);
/* Parks the command: call it as the last thing before returning PARKED, on every run. */
void blocking_wait_for(struct client *c, const struct blocking_on *on);
/* The same for a command that nothing but time or CLIENT UNBLOCK can end (keys of types that do not
 * exist here). */
void blocking_wait(struct client *c, const struct str *keys, size_t n, uint64_t timeout_ms);
/* Parks the command until an event of the selector (NULL: any) at `from` or later is visible; the
 * caller has looked at all before, as of what is settled. Call it as the last thing before
 * returning PARKED, on every run. timeout_ms 0: no end; counts from the first run. `views`: virtual
 * streams of views that the selector was made from (the same on every run): when one of those
 * changes, the command is run, too. */
void blocking_listen(struct client *c, struct selector *selector, uint64_t from,
                     uint64_t timeout_ms, const struct str *views, size_t view_count);
/* Whether it may: what it takes to compare an event with what all wait for is bounded
 * (live_has_room). */
bool blocking_may_listen(const struct client *c, const struct selector *selector, size_t *promised);
/* Parks the command until the checkpoint is beyond the sequence and that is durable; the caller has
 * looked. Call it as the last thing before returning PARKED, on every run. timeout_ms as above. */
void blocking_watch(struct client *c, struct named *n, uint64_t sequence, uint64_t timeout_ms);
/* Notes for the groups of virtual streams whose members wait how far the log was looked at for
 * them. There are 1,000 at most. */
void blocking_note_scans(struct server *srv);
/* FLUSHALL, or the end of the log is gone: who listens, or waits for a checkpoint, hears of it, and
 * blocking_emptied says so when his command runs again. */
void blocking_log_emptied(struct server *srv);
bool blocking_emptied(const struct client *c);
void blocking_reply_emptied(struct client *c); /* the error, then */
/* What is told of what becomes visible: for others who want to hear of it. */
struct live *blocking_live(const struct server *srv);
/* What is kept for its wait, bytes, but for its request. */
size_t blocking_bytes(const struct client *c);
/* Whether its command waits for what others do, which may be for ever. */
bool blocking_is_waiting(const struct client *c);
/* The command has parked, and must not wait: it replies instead. */
void blocking_give_up(struct client *c);
/* Whether it has waited so before; from: everything earlier was looked at on its behalf. */
bool blocking_listened(const struct client *c, uint64_t *from);
/* The client has said that it sends no more (client.half_closed). A wait without an end is over
 * then, as if its time were up: Redis, too, waits for nobody who may be gone. So is one in a group:
 * who cannot acknowledge is given nothing. Another wait goes on until its time is up, but no longer
 * than HALF_CLOSED_WAIT_MS: who is gone would count against maxclients for all of it. Who waits
 * only until the groups have looked at all that there is (blocking_on.hurries) does so. */
#define HALF_CLOSED_WAIT_MS 5000
void blocking_end_of_input(struct client *c);
/* The wait is over without result: timed out or unblocked. */
bool blocking_over(const struct client *c);
/* A null array, or after CLIENT UNBLOCK ... ERROR the error. */
void blocking_reply_over(struct client *c);
/* The command has replied, or the connection goes. */
void blocking_finish(struct client *c);

/* Deletes a LIVE stream or string, in the frame being built; who waits for it is told. */
void blocking_delete_key(struct server *srv, struct stream *s);
/* Something else than a new entry happened to a key: it was deleted, renamed, created by another
 * command, got another type, a group of it went, entries were handed back (XNACK), the view
 * changed that says what it selects. */
void blocking_key_changed(struct server *srv, struct str name);
void blocking_all_changed(struct server *srv); /* FLUSHALL; after a void */
/* Entries were delivered in a group: those who wait with CLAIM will look at them in due time. */
void blocking_delivered(struct server *srv, struct str name, struct str group);

/* Runs the commands for which something became visible. Once a turn. */
void blocking_serve(struct server *srv);
void blocking_serve_live(struct server *srv);  /* its part for who listens ... */
void blocking_serve_scans(struct server *srv); /* ... and for groups of virtual streams */
void blocking_serve_named(struct server *srv); /* ... and for who waits for a checkpoint */
bool blocking_named_due(const struct server *srv);
/* Queues those whose time has come. Once a turn, before blocking_serve. */
void blocking_check_deadlines(struct server *srv);
/* Monotonic ms when blocking_check_deadlines has to be called next: UINT64_MAX: not at all. 0: now,
 * there is something to serve. */
uint64_t blocking_due(const struct server *srv);

/* INFO */
uint64_t blocking_keys(const struct server *srv);
uint64_t blocking_keys_on_nokey(const struct server *srv);
size_t blocking_groups(const struct server *srv); /* of virtual streams, in which somebody waits */
uint64_t
blocking_groups_bytes(const struct server *srv); /* what these take, which stay in memory */

#endif
