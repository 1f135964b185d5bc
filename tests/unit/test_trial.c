/* Whether two batches under way are better than one is found out, kept, and found out again. */
#include "unit.h"

#include "server/trial.h"

/* A database on a clock of ours: a commit of `frames` takes so many us with one under way, or with
 * two of them, each of half as many. */
struct database {
    uint64_t one_us, two_us, now_us;
    uint32_t frames;
    uint64_t with_two, commits;
};

static void commit(struct trial *t, struct database *d, uint64_t n) {
    d->with_two = d->commits = 0;
    for (uint64_t i = 0; i < n; i++) {
        bool two = trial_slots(t) == 2;
        uint64_t us = two ? d->two_us : d->one_us;
        d->now_us += us - us / 20 + draw(us / 10);
        d->with_two += two;
        d->commits++;
        trial_note(t, two ? d->frames / 2 : d->frames, d->now_us, us);
    }
}

/* All but a few of the commits. */
static bool mostly(uint64_t some, uint64_t all) {
    return some * 10 >= all * 9;
}

TEST(what_is_better_is_found_out_and_kept) {
    struct trial t = {0};
    struct database slow_sync = {.one_us = 3500, .two_us = 2600, .now_us = 1, .frames = 50};
    commit(&t, &slow_sync, 200);
    commit(&t, &slow_sync, 2000);
    CHECK(mostly(slow_sync.commits - slow_sync.with_two, slow_sync.commits));
    struct database quick_sync = {.one_us = 1000, .two_us = 400, .now_us = 1, .frames = 50};
    t = (struct trial){0};
    commit(&t, &quick_sync, 2000);
    CHECK(mostly(quick_sync.with_two, quick_sync.commits));
}

TEST(a_database_that_changes_is_noticed) {
    struct trial t = {0};
    struct database d = {.one_us = 1000, .two_us = 400, .now_us = 1, .frames = 50};
    commit(&t, &d, 5000);
    d.one_us = 3500;
    d.two_us = 2600;
    commit(&t, &d, 64 * 60);
    commit(&t, &d, 2000);
    CHECK(mostly(d.commits - d.with_two, d.commits));
    d.one_us = 1000;
    d.two_us = 400;
    commit(&t, &d, 64 * 200);
    commit(&t, &d, 2000);
    CHECK(mostly(d.with_two, d.commits));
}

TEST(who_writes_now_and_then_says_nothing) {
    struct trial t = {0};
    for (uint64_t i = 0; i < 10000; i++) {
        trial_note(&t, 1, i * 10000, 1000);
        CHECK_INT(trial_slots(&t), 2);
    }
}
