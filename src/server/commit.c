/* When the open batch goes to the journal. See commit.h. */
#include "server/commit.h"

#include "base/clock.h"
#include "server/loop.h"
#include "server/server.h"

#define SLOW_SYNC_US      UINT64_C(600)
#define SLOW_SYNC_SLOTS   3u             /* at most JOURNAL_SLOTS */
#define HOLD_MAX_US       UINT64_C(2000) /* that an idle journal is held back */
#define BATCH_BYTES_LARGE (256u * 1024)  /* handed over at once, even when the journal is busy */

static bool takes_turns(const struct server *srv) {
    return store_flights(srv->store) > 1;
}

static bool is_slow(const struct server *srv) {
    return srv->commit.sync_us >= SLOW_SYNC_US;
}

/* A slow disk is worth more than one sync under way, where syncs go on beside each other. */
static unsigned sync_slots(const struct server *srv) {
    if (takes_turns(srv)) return trial_slots(&srv->commit.trial);
    return is_slow(srv) ? MIN(store_sync_slots(srv->store), SLOW_SYNC_SLOTS) : 1;
}

/* Whether a cohort is waited for: those who have just been answered would not be in it. */
static bool waits_for_cohort(const struct server *srv) {
    return is_slow(srv) || (takes_turns(srv) && sync_slots(srv) > 1);
}

/* Whether the open batch holds its share of the writers: with a slow disk they go in cohorts, one
 * for each sync that may be under way. */
static bool is_cohort(const struct server *srv, uint32_t percent) {
    uint64_t share = (uint64_t)srv->commit.writers * sync_slots(srv) * 100;
    return share * POPULATION_PARTS >= srv->commit.population * percent;
}

/* Whether an idle journal should be held back. The connections that have just been answered will
 * send their next commands within a moment; a write that starts with the first of them would make
 * the others wait for two syncs. With a quick disk it is enough to take what has arrived already:
 * until a look finds nothing new. With a slow one a cohort is waited for, half a sync at the most.
 */
static bool hold_back(struct server *srv) {
    uint64_t now = clock_mono_us();
    if (now >= srv->commit.hold_until_us || is_cohort(srv, 90)) return false;
    if (!waits_for_cohort(srv)) {
        srv->commit.look_again = srv->commit.turn_callbacks > 0;
        return srv->commit.look_again;
    }
    /* It is put off when another batch becomes durable meanwhile. */
    if (srv->commit.alarm_us != srv->commit.hold_until_us)
        loop_alarm(srv->loop, srv->commit.hold_until_us - now);
    srv->commit.alarm_us = srv->commit.hold_until_us;
    return true;
}

static void submit(struct server *srv) {
    srv->commit.in_flight += srv->commit.writers;
    srv->commit.writers = 0;
    model_submit(&srv->model);
}

/* Starts the next write of the journal when that is idle; a large batch goes at once. */
void commit_hand_over(struct server *srv) {
    const struct batch *open = srv->model.open;
    if (open->frame_count == 0) return;
    if (open->bytes >= BATCH_BYTES_LARGE ||
        (store_idle(srv->store, sync_slots(srv)) && !hold_back(srv)))
        submit(srv);
}

void commit_given_up(struct server *srv) {
    srv->commit.writers = srv->commit.in_flight = 0;
}

void commit_turn(struct server *srv, uint64_t wait_us) {
    srv->commit.turn_callbacks = loop_turn(srv->loop, srv->commit.look_again ? 0 : wait_us);
    srv->commit.look_again = false;
}

void commit_durable(struct server *srv, const struct batch *b, uint32_t released, uint64_t now_us) {
    struct commit_pace *p = &srv->commit;
    uint64_t took = now_us - b->submitted_us;
    p->sync_us = (p->sync_us * 7 + MIN(took, (uint64_t)1000000)) / 8;
    uint64_t all = (uint64_t)(p->in_flight + p->writers) * POPULATION_PARTS;
    p->population = MAX(all, p->population - p->population / 16);
    p->in_flight -= MIN(released, p->in_flight);
    if (takes_turns(srv)) trial_note(&p->trial, b->frame_count, now_us, p->sync_us);
    p->hold_until_us = released > 0 ? now_us + MIN(p->sync_us / 2, HOLD_MAX_US) : 0;
}

void commit_between_clients(struct server *srv) {
    if (sync_slots(srv) == 1 || srv->commit.writers == 0 || !is_cohort(srv, 100)) return;
    if (store_writable(srv->store) && store_idle(srv->store, sync_slots(srv))) submit(srv);
}
