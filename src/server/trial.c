/* See the header. */
#include "server/trial.h"

#define WINDOW_US      UINT64_C(50000) /* at least */
#define WINDOW_COMMITS 16              /* at least */
#define SETTLE_COMMITS 4
#define PAUSE_MIN      4
#define PAUSE_MAX      64
#define BETTER_PERCENT 5
#define IDLE_SYNCS     8 /* nothing was written for so many: then the rate says nothing */

static void begin_window(struct trial *t, uint64_t now_us) {
    t->commits = 0;
    t->frames = 0;
    t->since_us = now_us;
}

static void judge(struct trial *t, uint64_t rate) {
    if (!t->trying) {
        t->rate = t->rate == 0 ? rate : (t->rate + rate) / 2;
        t->wait -= t->wait > 0;
        t->trying = t->wait == 0;
        t->settle = t->trying ? SETTLE_COMMITS : 0;
        return;
    }
    bool better = rate * 100 > t->rate * (100 + BETTER_PERCENT);
    t->pause = better ? PAUSE_MIN : MIN(t->pause * 2 + PAUSE_MIN, PAUSE_MAX);
    t->wait = t->pause;
    t->trying = false;
    t->one = t->one != better;
    if (better) t->rate = rate;
    t->settle = better ? 0 : SETTLE_COMMITS;
}

void trial_note(struct trial *t, uint32_t frames, uint64_t now_us, uint64_t sync_us) {
    bool idle = now_us > t->last_us + IDLE_SYNCS * sync_us;
    t->last_us = now_us;
    if (t->settle > 0 || idle) {
        t->settle -= t->settle > 0;
        begin_window(t, now_us);
        return;
    }
    t->commits++;
    t->frames += frames;
    uint64_t took = now_us - t->since_us;
    if (t->commits < WINDOW_COMMITS || took < WINDOW_US) return;
    judge(t, t->frames * 1000000 / took);
    begin_window(t, now_us);
}
