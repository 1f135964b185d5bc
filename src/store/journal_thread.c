/* The journal's threads. Each takes everything that is queued, writes it with one call, syncs, and
 * raises `durable`. One writes at a time, but while one waits for its sync the other may already
 * write and sync what came next: on a disk that takes a millisecond to sync that is half as much
 * again. The loop decides whether to make use of it (store_idle); on a quick disk a second sync
 * under way would only cost.
 *
 *        to_journal --take--> written --sync ok, up to its last frame--> to_applier
 *
 * A sync that succeeds makes everything durable that was written before it began, also what another
 * sync has not answered for yet. When a write or sync fails, the thread that saw it stops the
 * others from writing, waits for their syncs, and writes all that is not durable to a new segment;
 * if that fails too, the store is failed: the loop voids what is not durable, and the thread probes
 * until the disk works again. */
#include "store/internal.h"

#include <sched.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"

/* ---- durable ---- */

/* With the lock. */
static void raise_durable(struct store *s, uint64_t frame) {
    if (frame <= atomic_load(&s->durable)) return;
    atomic_store_explicit(&s->durable, frame, memory_order_release);
    bool wake = false;
    while (s->written.head != NULL && batch_last_frame(s->written.head) <= frame) {
        struct batch *b = batch_queue_pop(&s->written);
        wake = applier_give(s, b) || wake;
    }
    store_notify(s);
    if (wake) pthread_cond_signal(&s->applier_wake);
}

/* ---- failure ---- */

/* What is not durable is void, and before anybody hears of it a start must not find it again. As
 * far as the disk lets us. With the lock, which it releases in between. */
static void mark_void(struct store *s) {
    struct err err;
    pthread_mutex_unlock(&s->lock);
    int rc = journal_mark_void(s->journal, atomic_load(&s->durable) + 1, &err);
    pthread_mutex_lock(&s->lock);
    if (rc == 0) return;
    store_warn_void("journal", err.text);
}

/* The disk refused twice. Tells the loop, waits until it has dropped what is void, and then probes.
 * With the lock. */
static void fail_and_probe(struct store *s, const struct err *why) {
    log_warning("journal: %s; writes are refused until the disk works again", why->text);
    mark_void(s);
    atomic_fetch_add(&s->journal_failures, 1);
    s->written = (struct batch_queue){0};
    store_fail(s, &s->journal_wake, why);
    while (!s->stopping) {
        pthread_mutex_unlock(&s->lock);
        struct err err;
        uint64_t durable = atomic_load(&s->durable);
        int rc = journal_rewrite(s->journal, NULL, 0, durable + 1, durable, &err);
        pthread_mutex_lock(&s->lock);
        if (rc == 0) break;
        store_wait_ms(s, &s->journal_wake, PROBE_INTERVAL_MS);
    }
    if (s->stopping) return;
    log_notice("journal: the disk works again; writes are accepted");
    store_resume(s);
}

/* With the lock, which it releases in between. */
static void recover(struct store *s, const struct err *first) {
    s->journal_recovering = true;
    s->sync_waiters++;
    while (s->syncs > 0 || s->journal_writing) pthread_cond_wait(&s->journal_wake, &s->lock);
    s->sync_waiters--;
    log_warning("journal: %s; writing again to a new segment", first->text);
    atomic_fetch_add(&s->journal_rewrites, 1);
    size_t n = 0;
    for (struct batch *b = s->written.head; b != NULL; b = b->queue_next) n++;
    struct batch **batches = xmalloc((n + 1) * sizeof *batches);
    n = 0;
    for (struct batch *b = s->written.head; b != NULL; b = b->queue_next) batches[n++] = b;
    pthread_mutex_unlock(&s->lock);
    struct err err;
    uint64_t durable = atomic_load(&s->durable);
    int rc = journal_rewrite(s->journal, batches, n, durable + 1, durable, &err);
    pthread_mutex_lock(&s->lock);
    if (rc != 0)
        fail_and_probe(s, &err);
    else if (n > 0)
        raise_durable(s, batch_last_frame(batches[n - 1]));
    free(batches);
    s->journal_recovering = false;
    pthread_cond_broadcast(&s->journal_wake);
}

/* ---- writing and syncing ---- */

/* Moves what is queued to `written`; returns the first. With the lock. */
static struct batch *take(struct store *s, uint64_t *bytes, uint64_t *last_frame) {
    struct batch *first = s->to_journal.head;
    *bytes = 0;
    for (struct batch *b; (b = batch_queue_pop(&s->to_journal)) != NULL;) {
        *bytes += journal_batch_bytes(b);
        *last_frame = batch_last_frame(b);
        batch_queue_push(&s->written, b);
    }
    return first;
}

/* Writes the batch and those behind it (nobody adds more: journal_writing). */
static int write_all(struct store *s, const struct batch *first, struct err *err) {
    uint64_t claim = atomic_load(&s->durable);
    int rc = 0;
    for (const struct batch *b = first; b != NULL && rc == 0; b = b->queue_next) {
        rc = journal_write(s->journal, b, claim, err);
        atomic_fetch_add(&s->journal_batches, 1);
    }
    return rc;
}

/* What is written up to last_frame becomes durable. With the lock, which it releases while it
 * syncs. */
static int sync_written(struct store *s, unsigned slot, uint64_t last_frame, struct err *err) {
    struct journal_sync ticket;
    journal_sync_begin(s->journal, &ticket);
    s->syncs++;
    if (s->to_journal.head != NULL) pthread_cond_signal(&s->journal_wake);
    pthread_mutex_unlock(&s->lock);
    uint64_t start = clock_mono_us();
    int rc = journal_sync_run(s->journal, &ticket, slot, err);
    atomic_fetch_add(&s->journal_syncs, 1);
    atomic_fetch_add(&s->journal_sync_us, clock_mono_us() - start);
    pthread_mutex_lock(&s->lock);
    s->syncs--;
    if (s->sync_waiters > 0) pthread_cond_broadcast(&s->journal_wake);
    if (rc == 0) raise_durable(s, last_frame);
    return rc;
}

/* Waits until no sync is under way, as what begins a segment must. false: one of them has failed,
 * and its thread waits to write all that is not durable again. With the lock. */
static bool wait_syncs(struct store *s) {
    s->sync_waiters++;
    while (s->syncs > 0) pthread_cond_wait(&s->journal_wake, &s->lock);
    s->sync_waiters--;
    return !s->journal_recovering;
}

/* Takes, writes and, when due, syncs. With the lock. */
static void work(struct store *s, unsigned slot, bool due) {
    struct err err;
    uint64_t bytes, last_frame = 0, applied = atomic_load(&s->applied);
    s->journal_writing = true; /* from here on nobody else takes or writes */
    struct batch *first = take(s, &bytes, &last_frame);
    bool scrub = s->scrub;
    bool alone = applied > s->told_applied || scrub || !journal_fits(s->journal, bytes);
    bool good = !alone || wait_syncs(s);
    int rc = 0;
    if (good) {
        pthread_mutex_unlock(&s->lock);
        if (alone && applied > s->told_applied) {
            journal_applied(s->journal, applied);
            s->told_applied = applied;
        }
        rc = scrub ? journal_scrub(s->journal, &err) : 0;
        if (rc == 0) rc = write_all(s, first, &err);
        pthread_mutex_lock(&s->lock);
        if (scrub && rc == 0) s->scrub = false;
    }
    s->journal_writing = false;
    if (s->sync_waiters > 0) pthread_cond_broadcast(&s->journal_wake);
    if (s->journal_recovering) return; /* another thread's: it writes these batches again */
    if (rc == 0 && due && s->written.head != NULL) {
        if (first == NULL) last_frame = batch_last_frame(s->written.tail);
        rc = sync_written(s, slot, last_frame, &err);
    }
    if (rc != 0 && !s->journal_recovering) recover(s, &err);
}

/* Waits for something to do. With the lock. false: to stop. */
static bool wait_for_work(struct store *s, uint64_t synced_at_ms, bool *due) {
    bool interval = s->config.durability == DURABILITY_INTERVAL;
    for (;;) {
        bool blocked = s->journal_writing || s->journal_recovering;
        uint64_t waited = clock_mono_ms() - synced_at_ms, every = atomic_load(&s->interval_ms);
        *due = !interval || s->stopping || waited >= every;
        if (!blocked && s->to_journal.head != NULL) return true;
        if (!blocked && interval && *due && s->written.head != NULL) return true;
        if (!blocked && s->syncs == 0 && atomic_load(&s->applied) > s->told_applied) return true;
        if (!blocked && s->syncs == 0 && s->scrub) return true;
        if (s->stopping && !blocked) return false;
        if (interval && s->written.head != NULL && !blocked)
            store_wait_ms(s, &s->journal_wake, every - waited);
        else
            pthread_cond_wait(&s->journal_wake, &s->lock);
    }
}

/* Everybody waits for a thread that itself mostly waits for the disk: it should run the moment that
 * the disk has answered, also when others compute. Where the system allows it (root, CAP_SYS_NICE,
 * or a limit on rtprio). */
static void prefer_this_thread(void) {
    struct sched_param lowest = {.sched_priority = 1};
    int rc = pthread_setschedparam(pthread_self(), SCHED_RR, &lowest);
    if (rc != 0) log_debug("scheduling: %s", strerror(rc));
}

void *journal_main(void *arg) {
    struct journal_slot *me = arg;
    struct store *s = me->store;
    uint64_t synced_at_ms = clock_mono_ms();
    bool due;
    pthread_setname_np(pthread_self(), "journal");
    prefer_this_thread();
    pthread_mutex_lock(&s->lock);
    while (wait_for_work(s, synced_at_ms, &due)) {
        work(s, me->slot, due);
        if (due) synced_at_ms = clock_mono_ms();
        atomic_store(&s->journal_busy, false);
        if (s->config.durability == DURABILITY_INTERVAL) store_notify(s);
        if (journal_wants_prepare(s->journal)) pthread_cond_signal(&s->helper_wake);
    }
    pthread_cond_broadcast(&s->journal_wake); /* the other may stop too */
    pthread_mutex_unlock(&s->lock);
    return NULL;
}
