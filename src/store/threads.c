/* Starting and stopping the journal's threads, the applier and the helper, and what they share. */
#include "store/internal.h"

#include <errno.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/pace.h"

#define BACKGROUND_NICE 10

void store_wait_ms(struct store *s, pthread_cond_t *cond, uint64_t ms) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    uint64_t ns = (uint64_t)at.tv_nsec + ms * 1000000u;
    at.tv_sec += (time_t)(ns / 1000000000u);
    at.tv_nsec = (long)(ns % 1000000000u);
    pthread_cond_timedwait(cond, &s->lock, &at);
}

void store_fail(struct store *s, pthread_cond_t *wake, const struct err *why) {
    s->failed = true;
    s->void_taken = false;
    s->resumed = false; /* nobody has heard of it yet, and it is over */
    snprintf(s->failure, sizeof s->failure, "%s", why->text);
    store_notify(s);
    while (!s->void_taken && !s->stopping) pthread_cond_wait(wake, &s->lock);
}

void store_warn_void(const char *stage, const char *why) {
    log_warning("%s: %s; as long as writes are refused, a crash may bring back what was answered "
                "with 'outcome unknown'",
                stage, why);
}

void store_resume(struct store *s) {
    s->failed = false;
    s->resumed = true;
    store_notify(s);
}

/* Whether the calling thread gives way to the loop and the journal. A nice value and not
 * SCHED_IDLE: a thread that gets nothing at all while it holds a lock of the file system would hold
 * up everybody. Without the right to go back (CAP_SYS_NICE) it stays nice, which is no harm: at the
 * bound producers wait for it. */
void thread_set_background(bool background) {
    pace_nice(background ? BACKGROUND_NICE : 0);
    pace_set(background);
}

int threads_start(struct store *s, struct err *err) {
    /* With interval nothing waits for a sync: one thread does. */
    if (s->journal != NULL)
        s->journal_slot_count = s->config.durability == DURABILITY_INTERVAL ? 1 : JOURNAL_SLOTS;
    for (unsigned i = 0; i < s->journal_slot_count; i++) {
        struct journal_slot *slot = &s->journal_slots[i];
        slot->store = s;
        slot->slot = i;
        if (pthread_create(&slot->thread, NULL, journal_main, slot) != 0)
            return err_errno(err, "cannot start a thread");
    }
    if (pthread_create(&s->applier_thread, NULL, applier_main, s) != 0 ||
        pthread_create(&s->helper_thread, NULL, helper_main, s) != 0)
        return err_errno(err, "cannot start a thread");
    return lease_start(s, err);
}

bool store_lost_patience(const struct store *s, const struct store_patience *patience) {
    return patience != NULL && s->journal != NULL && patience->is_over(patience->arg);
}

void store_hurry(struct store *s, uint64_t readers_ms, uint64_t writer_ms) {
    if (s->backend->hurry == NULL) return;
    atomic_store(&s->stop_by_ms, clock_mono_ms() + writer_ms);
    atomic_store(&s->hurried, true);
    s->backend->hurry(s->writer, readers_ms, writer_ms);
}

/* Until the applier has stopped. false: patience is over. */
static bool wait_applier(struct store *s, const struct store_patience *patience) {
    bool hurries = s->backend->hurry != NULL && patience != NULL;
    struct pollfd p[] = {{.fd = s->event_fd, .events = POLLIN},
                         {.fd = patience != NULL ? patience->fd : -1, .events = POLLIN}};
    for (;;) {
        pthread_mutex_lock(&s->lock);
        bool stopped = s->applier_stopped;
        pthread_mutex_unlock(&s->lock);
        if (stopped) return true;
        if (store_lost_patience(s, patience)) return false;
        uint64_t count;
        if (hurries && patience->is_over(patience->arg)) {
            store_hurry(s, 0, 0);
            hurries = false;
        }
        poll(p, s->journal != NULL || hurries ? 2 : 1, -1);
        ssize_t n = read(s->event_fd, &count, sizeof count);
        UNUSED(n);
    }
}

bool threads_stop(struct store *s, const struct store_patience *patience) {
    /* The journal first: what it still makes durable must reach the applier. */
    pthread_mutex_lock(&s->lock);
    s->stopping = true;
    if (s->journal != NULL) journal_hurry(s->journal);
    pthread_cond_broadcast(&s->journal_wake);
    pthread_cond_broadcast(&s->helper_wake);
    pthread_mutex_unlock(&s->lock);
    for (unsigned i = 0; i < s->journal_slot_count; i++)
        pthread_join(s->journal_slots[i].thread, NULL);
    pthread_join(s->helper_thread, NULL);
    lease_stop(s);
    pthread_mutex_lock(&s->lock);
    s->journal_stopped = true;
    pthread_cond_broadcast(&s->applier_wake);
    pthread_mutex_unlock(&s->lock);
    if (!wait_applier(s, patience)) return false;
    pthread_join(s->applier_thread, NULL);
    return true;
}
