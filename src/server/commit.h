/* The pace of commits: when the open batch is handed to the journal, so that as many writers as can
 * be share a sync and none waits for two. Loop thread. */
#ifndef SERVER_COMMIT_H
#define SERVER_COMMIT_H

#include "base/base.h"
#include "server/trial.h"

struct batch;
struct server;

#define POPULATION_PARTS 256
struct commit_pace {
    uint64_t sync_us;    /* how long a batch takes to become durable, smoothed */
    uint32_t writers;    /* connections with a reply that waits for the open batch */
    uint32_t in_flight;  /* ... for batches under way */
    uint64_t population; /* how many such connections there are, all in all; in parts, so that it
                            falls when they are few, too */
    uint64_t hold_until_us;
    uint64_t alarm_us; /* the hold_until_us that the loop's alarm was set for last */
    bool look_again;
    int turn_callbacks; /* of the last turn */
    struct trial trial; /* of a store that takes batches in turn */
};

/* Starts the next write of the journal when that is idle; a large batch goes at once. Once a turn.
 */
void commit_hand_over(struct server *srv);
/* In the middle of a turn, after a connection's commands have run: with a slow disk a cohort of
 * writers is handed over before the rest is looked at, so that syncs overlap. */
void commit_between_clients(struct server *srv);
/* b was seen to be durable at now_us (monotonic), and so many connections were released by it. */
void commit_durable(struct server *srv, const struct batch *b, uint32_t released, uint64_t now_us);
/* No reply waits for what is under way any more. */
void commit_given_up(struct server *srv);
/* Waits in the loop for at most so long, and handles what has happened. */
void commit_turn(struct server *srv, uint64_t wait_us);

#endif
