/* The store's loop side: handing over, watermarks, pins. See store.h for the
 * picture and docs/design.md (the durability contract) for the promises. Threads are in
 * journal_thread.c, applier.c and readers.c. */
#include "store/store.h"

#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "store/internal.h"

/* ---- start ---- */

const struct store_state *store_state(const struct store *s) {
    return &s->state;
}

const struct stream_list *store_reserved_names(const struct store *s) {
    return &s->reserved;
}

int store_start(struct store *s, const struct store_callbacks *callbacks, struct err *err) {
    int rc;
    s->callbacks = *callbacks;
    bool journal = s->backend->durable && s->config.durability != DURABILITY_BACKEND;
    if ((rc = store_doubt_timeline(s, err)) != 0) return rc;
    if (s->journal != NULL && !journal) {
        /* Drained by recovery: nothing that it holds is needed any more. */
        if ((rc = journal_seal(s->journal, err)) != 0) return rc;
        journal_close(s->journal);
        s->journal = NULL;
    }
    /* In this order: a store that expects a journal refuses to start without one. */
    if (journal && (rc = journal_start(s->journal, s->state.applied + 1, err)) != 0) return rc;
    if ((rc = s->backend->set_run(s->writer, s->run, err)) != 0) return rc;
    if ((rc = store_begin_timeline(s, err)) != 0) return rc;
    if (store_in_files(s)) store_clean_backups(s);
    if ((rc = threads_start(s, err)) != 0) return rc;
    if ((rc = readers_start(s, err)) != 0) return rc;
    s->started = true;
    return 0;
}

/* ---- the loop's side ---- */

static void wake(int event_fd) {
    uint64_t one = 1;
    ssize_t n = write(event_fd, &one, sizeof one);
    UNUSED(n); /* full means that whoever listens will wake anyway */
}

void store_notify(struct store *s) {
    wake(s->event_fd);
}

int store_fd(const struct store *s) {
    return s->event_fd;
}

void store_submit(struct store *s, struct batch *b) {
    assert(b->frame_count > 0);
    assert(s->writable);
    list_append(&s->batches, &b->node);
    if (s->next_undurable == &s->batches) s->next_undurable = &b->node;
    if (s->next_unapplied == &s->batches) s->next_unapplied = &b->node;
    s->pinned_bytes += b->bytes;
    s->in_flight++;
    b->submitted_us = clock_mono_us();
    pthread_mutex_lock(&s->lock);
    if (s->journal_slot_count > 0) {
        atomic_store(&s->journal_busy, true);
        batch_queue_push(&s->to_journal, b);
        pthread_mutex_unlock(&s->lock);
        pthread_cond_signal(&s->journal_wake);
    } else {
        b->queued_us = clock_mono_us();
        batch_queue_push(&s->to_applier, b);
        bool listens = s->applier_listens;
        s->applier_listens = false;
        pthread_mutex_unlock(&s->lock);
        if (listens)
            wake(s->applier_fd);
        else
            pthread_cond_signal(&s->applier_wake);
    }
}

unsigned store_sync_slots(const struct store *s) {
    return MAX(s->journal_slot_count, store_flights(s));
}

bool store_idle(const struct store *s, unsigned slots) {
    if (s->config.durability == DURABILITY_INTERVAL) return !atomic_load(&s->journal_busy);
    return s->in_flight < MIN(slots, store_sync_slots(s));
}

static void report_durable(struct store *s, uint64_t durable) {
    s->durable_seen = durable;
    while (s->next_undurable != &s->batches) {
        struct batch *b = LIST_ENTRY(s->next_undurable, struct batch, node);
        if (batch_last_frame(b) > durable) break;
        s->next_undurable = b->node.next;
        s->in_flight--;
        s->callbacks.durable(b, s->callbacks.arg);
    }
    outage_note_durable(s);
}

/* Batches stay until the floor has passed them: who asked the backend before they were applied
 * looks for them here. */
static void drop_passed_batches(struct store *s) {
    uint64_t floor = store_floor(s);
    while (s->batches.next != s->next_unapplied) {
        struct batch *b = LIST_ENTRY(s->batches.next, struct batch, node);
        if (batch_last_frame(b) > floor) break;
        list_remove(&b->node);
        batch_destroy(b);
    }
}

static void report_applied(struct store *s, uint64_t applied) {
    s->applied_seen = applied;
    while (s->next_unapplied != &s->batches) {
        struct batch *b = LIST_ENTRY(s->next_unapplied, struct batch, node);
        if (batch_last_frame(b) > applied) break;
        s->next_unapplied = b->node.next;
        s->pinned_bytes -= b->bytes;
    }
    drop_passed_batches(s);
    outage_note_applied(s);
    s->callbacks.applied(applied, s->callbacks.arg);
}

/* Drops every batch beyond durable, which stands still and has been reported; the acknowledging
 * thread waits for this. */
static void take_void(struct store *s) {
    assert(s->durable_seen == atomic_load(&s->durable));
    struct batch_queue *q = s->journal_slot_count > 0 ? &s->to_journal : &s->to_applier;
    pthread_mutex_lock(&s->lock);
    *q = (struct batch_queue){0};
    char why[sizeof s->failure];
    memcpy(why, s->failure, sizeof why);
    pthread_mutex_unlock(&s->lock);
    s->writable = s->outage = false;
    s->voided = true;
    s->callbacks.voided(why, s->callbacks.arg);
    while (s->next_undurable != &s->batches) {
        struct batch *b = LIST_ENTRY(s->next_undurable, struct batch, node);
        assert(list_empty(&b->gated));
        s->next_undurable = b->node.next;
        if (s->next_unapplied == &b->node) s->next_unapplied = b->node.next;
        s->in_flight--;
        list_remove(&b->node);
        s->pinned_bytes -= b->bytes;
        batch_destroy(b);
    }
    pthread_mutex_lock(&s->lock);
    s->void_taken = true;
    pthread_cond_broadcast(&s->journal_wake);
    pthread_cond_broadcast(&s->applier_wake);
    pthread_mutex_unlock(&s->lock);
}

void store_poll(struct store *s) {
    uint64_t count;
    ssize_t n = read(s->event_fd, &count, sizeof count);
    UNUSED(n);
    struct list finished;
    list_init(&finished);
    /* The flags first, then the watermarks: who fails has raised `durable` before, and raises it no
     * more until the void is taken. The other way round, what became durable in between would be
     * void. */
    pthread_mutex_lock(&s->lock);
    list_splice(&finished, &s->finished);
    bool failed = s->failed && !s->void_taken, resumed = s->resumed, replaced = s->replaced;
    s->resumed = false;
    pthread_mutex_unlock(&s->lock);
    uint64_t applied = atomic_load_explicit(&s->applied, memory_order_acquire);
    uint64_t durable = atomic_load_explicit(&s->durable, memory_order_acquire);
    if (replaced && s->journal_slot_count > 0) durable = s->durable_seen; /* it is never applied */
    if (durable > s->durable_seen) report_durable(s, durable);
    if (replaced) outage_tell_replaced(s);
    if (applied > s->applied_seen) report_applied(s, MIN(applied, s->durable_seen));
    uint64_t failures = atomic_load(&s->apply_retries);
    if (failures != s->failures_seen) {
        s->failures_seen = failures;
        s->callbacks.apply_failed(s->callbacks.arg);
    }
    if (failed && !replaced) take_void(s);
    if (resumed && !replaced) {
        s->writable = true;
        s->callbacks.resumed(s->callbacks.arg);
    }
    while (!list_empty(&finished)) {
        struct store_request *r = LIST_ENTRY(finished.next, struct store_request, queued);
        list_remove(&r->queued);
        s->unfinished--;
        r->done(r);
    }
}

bool store_writable(const struct store *s) {
    return s->writable && !s->outage && !s->lapsed && !s->replaced_told;
}

const char *store_refusal(struct store *s) {
    if (!atomic_load_explicit(&s->disk_low, memory_order_relaxed)) return NULL;
    snprintf(s->refusal, sizeof s->refusal,
             "disk-free-min: %llu bytes are free %s, %llu are asked for; "
             "writes are accepted again by themselves when there is space",
             (unsigned long long)atomic_load(&s->disk_free),
             atomic_load(&s->file_limited)
                 ? "for the database under the limit on the size of files (ulimit -f)"
                 : "where the store is",
             (unsigned long long)atomic_load(&s->disk_free_min));
    return s->refusal;
}

const char *store_lost(struct store *s) {
    if (!atomic_load_explicit(&s->lost, memory_order_relaxed)) return NULL;
    pthread_mutex_lock(&s->lock);
    snprintf(s->refusal, sizeof s->refusal, "%s", s->lost_why);
    pthread_mutex_unlock(&s->lock);
    return s->refusal;
}

const char *store_stuck(struct store *s) {
    return atomic_load(&s->apply_failing) ? store_lost(s) : NULL;
}

uint64_t store_durable(const struct store *s) {
    return s->durable_seen;
}

uint64_t store_applied(const struct store *s) {
    return s->applied_seen;
}

uint64_t store_apply_failures(const struct store *s) {
    return atomic_load(&s->apply_retries);
}

const char *store_apply_error(struct store *s) {
    pthread_mutex_lock(&s->lock);
    snprintf(s->refusal, sizeof s->refusal, "%.250s", s->apply_error);
    pthread_mutex_unlock(&s->lock);
    return s->refusal;
}

#define FRAME_MAX_REMOTE ((size_t)64 << 20) /* a statement has to hold it */

size_t store_frame_max(const struct store *s) {
    size_t max = s->backend->remote ? FRAME_MAX_REMOTE : (size_t)UINT32_MAX;
    return s->journal != NULL ? MIN(max, journal_frame_max(s->journal)) : max;
}

const char *store_frame_bound(const struct store *s) {
    if (s->journal != NULL && store_frame_max(s) == journal_frame_max(s->journal))
        return "journal-segment-bytes";
    return s->backend->remote ? "one transaction with PostgreSQL" : "one transaction";
}

size_t store_pinned_bytes(const struct store *s) {
    return s->pinned_bytes;
}

uint64_t store_journal_bytes(const struct store *s) {
    return s->journal != NULL ? journal_bytes_used(s->journal) : 0;
}

struct list *store_batches(struct store *s) {
    return &s->batches;
}

void store_flush(struct store *s) {
    pthread_mutex_lock(&s->lock);
    if (!list_empty(&s->batches)) {
        struct batch *last = LIST_ENTRY(s->batches.prev, struct batch, node);
        s->flush_frame = MAX(s->flush_frame, batch_last_frame(last));
    }
    pthread_mutex_unlock(&s->lock);
    pthread_cond_signal(&s->applier_wake);
}

void store_flush_up_to(struct store *s, uint64_t frame) {
    pthread_mutex_lock(&s->lock);
    s->flush_frame = MAX(s->flush_frame, frame);
    pthread_mutex_unlock(&s->lock);
    pthread_cond_signal(&s->applier_wake);
}

void store_set_disk_free_min(struct store *s, uint64_t bytes) {
    atomic_store(&s->disk_free_min, bytes);
    pthread_cond_signal(&s->helper_wake);
}

void store_set_interval(struct store *s, uint64_t ms) {
    atomic_store(&s->interval_ms, ms);
}

/* ---- requests ---- */

void store_request(struct store *s, struct store_request *r) {
    r->status = 0;
    r->event = NULL;
    r->applied_before = s->applied_seen;
    if (s->backend->remote) r->asked_ms = clock_mono_ms();
    r->queued = r->outstanding = (struct list){0};
    /* A backup may take hours, and nothing in memory is laid over what these find. */
    if (r->kind != STORE_BACKUP && r->kind != STORE_LIST_IDS)
        list_append(&s->outstanding, &r->outstanding);
    s->unfinished++;
    readers_ask(s, r);
}

void store_release(struct store *s, struct store_request *r) {
    list_remove(&r->outstanding);
    drop_passed_batches(s);
}

bool store_has_requests(const struct store *s) {
    return !list_empty(&s->outstanding);
}

uint64_t store_floor(const struct store *s) {
    if (list_empty(&s->outstanding)) return s->applied_seen;
    return LIST_ENTRY(s->outstanding.next, struct store_request, outstanding)->applied_before;
}

void store_read_stats(struct store *s, struct store_stats *out) {
    *out = (struct store_stats){
        .journal_bytes = store_journal_bytes(s),
        .journal_segments = s->journal != NULL ? journal_segment_count(s->journal) : 0,
        .journal_syncs = s->journal_syncs,
        .journal_batches = s->journal_batches,
        .journal_sync_us = s->journal_sync_us,
        .journal_rewrites = s->journal_rewrites,
        .journal_failures = s->journal_failures,
        .apply_count = s->apply_count,
        .apply_retries = s->apply_retries,
        .apply_us = s->apply_us,
        .applies = s->applies,
        .reads = s->reads,
        .disk_free = s->disk_free,
        .backup_done = s->backup_done,
        .backup_total = s->backup_total,
        .backup_running = s->backup_running,
        .apply_failing = s->apply_failing,
    };
    s->backend->stats(s->writer, &out->backend);
    pthread_mutex_lock(&s->lock);
    snprintf(out->apply_error, sizeof out->apply_error, "%s", s->apply_error);
    out->journal_syncing = s->syncs;
    pthread_mutex_unlock(&s->lock);
}

/* ---- close ---- */

int store_close(struct store *s, struct err *err) {
    return store_close_patiently(s, NULL, err);
}

/* Is what was submitted where the next start finds it? With `interval` it was acknowledged. The
 * journal's threads have ended; without them the applier has. */
static int check_stored(struct store *s, struct err *err) {
    if (list_empty(&s->batches)) return 0;
    uint64_t durable = atomic_load(&s->durable);
    uint64_t last = batch_last_frame(LIST_ENTRY(s->batches.prev, struct batch, node));
    if (last <= durable) return 0;
    pthread_mutex_lock(&s->lock);
    int rc = err_set(err, ERR_IO, "frames %llu to %llu could not be stored and are lost: %s",
                     (unsigned long long)durable + 1, (unsigned long long)last,
                     s->failed ? s->failure : s->apply_error);
    pthread_mutex_unlock(&s->lock);
    return rc;
}

/* What is durable is left in the journal. */
static int leave(struct store *s, int stored, struct err *err) {
    pthread_mutex_lock(&s->lock);
    if (stored == 0 && s->failed) err_set(err, ERR_IO, "the disk does not work: %s", s->failure);
    int rc = s->failed || stored != 0 ? STORE_LEFT_FAILED : STORE_LEFT;
    pthread_mutex_unlock(&s->lock);
    return rc;
}

/* Whether to try once more: somebody else holds the database. */
static bool try_again(const struct store *s, const struct store_patience *patience, int rc,
                      int *tries) {
    return rc == ERR_BUSY && ++*tries < STOP_TRIES && !store_lost_patience(s, patience);
}

static int note_left(struct store *s, enum store_left left, const struct store_patience *patience,
                     struct err *err) {
    int rc, tries = 0;
    do {
        rc = s->backend->set_left(s->writer, left, err);
    } while (try_again(s, patience, rc, &tries));
    return rc;
}

void store_stop_reading(struct store *s) {
    store_hurry(s, 0, STOP_REMOTE_MS);
}

int store_close_patiently(struct store *s, const struct store_patience *patience, struct err *err) {
    int rc = 0, tries = 0;
    store_hurry(s, 0, store_hangs(s) ? STOP_FAILING_MS : STOP_REMOTE_MS);
    if (s->started) {
        readers_stop(s);
        bool left = !threads_stop(s, patience);
        rc = check_stored(s, err);
        if (left) return leave(s, rc, err);
        while (!list_empty(&s->batches)) {
            struct batch *b = LIST_ENTRY(s->batches.next, struct batch, node);
            if (rc == 0 && batch_last_frame(b) > atomic_load(&s->applied))
                rc =
                    err_set(err, ERR_IO, "frame %llu could not be applied%s: %s",
                            (unsigned long long)batch_last_frame(b),
                            s->journal != NULL ? ", and stays in the journal" : "", s->apply_error);
            list_remove(&b->node);
            batch_destroy(b);
        }
    }
    bool more = true;
    for (int slices = 0; slices < STOP_SLICES && rc == 0 && more; slices++) {
        if (store_lost_patience(s, patience)) break;
        do {
            rc = s->backend->maintain(s->writer, true, &more, err);
        } while (try_again(s, patience, rc, &tries));
    }
    /* A journal is never sealed over a database that is not the one it was applied to. */
    if (rc == 0) rc = s->backend->check(s->writer, err);
    if (rc == 0 && s->journal != NULL) {
        bool erased = atomic_load(&s->erasing_applies) != s->scrubbed || s->scrub;
        if (s->started && erased && !s->failed) {
            struct err ignored; /* a failed journal is sealed in a segment of its own */
            journal_applied(s->journal, atomic_load(&s->applied));
            if (journal_scrub(s->journal, &ignored) != 0) log_warning("%s", ignored.text);
        }
        /* A sealed journal says that nothing is missing: a doubt is noted before. */
        enum store_left left = store_left_closed(s);
        if (left != LEFT_CLOSED) rc = note_left(s, left, patience, err);
        if (rc == 0) rc = journal_seal(s->journal, err);
        if (rc == 0 && left == LEFT_CLOSED) rc = note_left(s, left, patience, err);
    }
    store_free(s);
    return rc;
}
