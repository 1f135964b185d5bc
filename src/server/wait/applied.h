/* Waiting until a frame is durable (WAITAOF) or applied: ESYNC, BACKUP, and commands that ask the
 * backend for more than memory can lay over its answer. Who waits stands in a heap by the frame,
 * c->wait.frame: a batch that becomes durable or applied runs those for whom it is enough, and
 * looks at nobody else. Loop thread. */
#ifndef SERVER_WAIT_APPLIED_H
#define SERVER_WAIT_APPLIED_H

#include "base/heap.h"
#include "server/command/command.h"

struct stage_waits {              /* the server's */
    struct heap durable, applied; /* client.wait.stage, by frame */
    struct heap deadlines;        /* client.wait.deadline, monotonic ms */
};

/* A FLUSHALL has been decided and not applied: what the backend has is of before it. While that is
 * so, a command that asks the backend for more than one stream returns wait_for_apply_or_reply
 * (which parks it, to be run again when something was applied). */
bool flush_is_applied(struct client *c);
/* What was decided so far is to be applied, and not to be collected for long. */
void hurry_applying(struct server *srv);
/* Asks for everything decided so far to be applied; true once it is, else wait_for_apply. */
bool all_is_applied(struct client *c);
/* The same for everything up to a frame. */
bool frame_is_applied(struct client *c, uint64_t frame);
/* Park the command until c->wait.frame is there, or c->wait.deadline_ms has come (0: never; then it
 * is run with wait.timed_out). */
enum outcome wait_for_apply(struct client *c);
enum outcome wait_for_durable(struct client *c);
/* It waits no more: client_resume, client_close. */
void stage_wait_over(struct client *c);
/* Run those who wait for no more than what is durable, or applied, by now. */
void stage_reached_durable(struct server *srv);
void stage_reached_applied(struct server *srv);
/* Runs those whose time is up. Once a turn. */
void stage_check_deadlines(struct server *srv);
/* Monotonic ms of the next deadline; UINT64_MAX: none. */
uint64_t stage_next_deadline(const struct server *srv);
void stage_waits_clear(struct server *srv);
/* Nothing will be applied while the database is not the one that was opened (store_stuck), or who
 * knows when, in an outage: who would wait for it is told why. */
bool apply_is_possible_or_reply(struct client *c);
bool apply_is_possible(const struct client *c);
enum outcome wait_for_apply_or_reply(struct client *c);

#endif
