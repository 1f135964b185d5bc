/* When the open batch is handed over: with the loop and the store played by the test. */
#include "server/commit.c"

#include "base/alloc.h"
#include "unit.h"

static unsigned alarms, submitted;
static uint64_t alarm_in_us;

void loop_alarm(struct loop *l, uint64_t us) {
    UNUSED(l);
    alarms++;
    alarm_in_us = us;
}

int loop_turn(struct loop *l, uint64_t wait_us) {
    UNUSED(l);
    UNUSED(wait_us);
    return 0;
}

unsigned store_flights(const struct store *s) {
    UNUSED(s);
    return 1;
}

unsigned store_sync_slots(const struct store *s) {
    UNUSED(s);
    return 3;
}

bool store_idle(const struct store *s, unsigned slots) {
    UNUSED(s);
    UNUSED(slots);
    return true;
}

bool store_writable(const struct store *s) {
    UNUSED(s);
    return true;
}

void model_submit(struct model *m) {
    UNUSED(m);
    submitted++;
}

/* A slow disk, ten writers, and a frame of one of them. */
static struct server *slow(void) {
    struct server *srv = xcalloc(1, sizeof *srv);
    srv->model.open = xcalloc(1, sizeof *srv->model.open);
    srv->model.open->frame_count = 1;
    srv->commit =
        (struct commit_pace){.sync_us = 10000, .population = 10 * POPULATION_PARTS, .writers = 1};
    alarms = submitted = 0;
    return srv;
}

static void forget(struct server *srv) {
    free(srv->model.open);
    free(srv);
}

TEST(a_batch_that_is_held_back_longer_has_an_alarm_for_that) {
    struct server *srv = slow();
    struct batch b = {.submitted_us = clock_mono_us(), .frame_count = 1};
    uint64_t second = 1000000, now = clock_mono_us();
    commit_durable(srv, &b, 1, now + 1000 * second); /* held until then, and a bit */
    commit_hand_over(srv);
    CHECK_INT(alarms, 1);
    commit_hand_over(srv);
    CHECK_INT(alarms, 1);
    commit_durable(srv, &b, 1, now + 2000 * second); /* of another one that was under way */
    commit_hand_over(srv);
    CHECK_INT(alarms, 2);
    CHECK(alarm_in_us > 1000 * second);
    CHECK_INT(submitted, 0);
    commit_durable(srv, &b, 0, now); /* nobody was released who could be waited for */
    commit_hand_over(srv);
    CHECK_INT(submitted, 1);
    forget(srv);
}

TEST(a_writer_that_is_alone_after_others_is_not_held_back) {
    struct server *srv = slow();
    struct batch b = {.submitted_us = clock_mono_us(), .frame_count = 1};
    uint64_t later = clock_mono_us() + 1000000000;
    commit_durable(srv, &b, 1, later);
    commit_hand_over(srv);
    CHECK_INT(submitted, 0); /* the others may come */
    for (int i = 0; i < 100; i++) commit_durable(srv, &b, 1, later);
    commit_hand_over(srv);
    CHECK_INT(submitted, 1);
    forget(srv);
}
