/* The applier thread: collects for a moment (apply_delay_ms or apply_bytes), turns batches into
 * rows in one transaction, raises `applied`; uses what time is left for the backend's deferred
 * work. With durability `backend` it is also the stage that acknowledges. It decides nothing about
 * events and frees no batch. */
#include "store/internal.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"

#define APPLY_BATCHES_MAX 4096
#define APPLY_BATCH_BYTES (24u << 20)
#define IDLE_MAINTAIN_MS  1000
#define FAIL_PAUSE_MAX    ((uint64_t)10000) /* ms */

bool applier_give(struct store *s, struct batch *b) {
    bool was_idle = s->to_applier.head == NULL;
    b->queued_us = clock_mono_us();
    batch_queue_push(&s->to_applier, b);
    return was_idle || s->to_applier.bytes >= s->config.apply_bytes ||
           s->flush_frame > atomic_load(&s->applied) || s->stopping;
}

struct batch_vec {
    struct batch **items;
    size_t count, cap;
};

static void batch_vec_add(struct batch_vec *v, struct batch *b) {
    if (v->count == v->cap) {
        v->cap = v->cap ? v->cap * 2 : 16;
        v->items = xrealloc(v->items, v->cap * sizeof *v->items);
    }
    v->items[v->count++] = b;
}

/* rc and err: of a look at the store's files. While they are not those that were opened, writes are
 * refused. */
static void note_place(struct store *s, int rc, const struct err *err) {
    if (rc != 0 && rc != ERR_LOST) return;
    pthread_mutex_lock(&s->lock);
    if (rc == ERR_LOST) snprintf(s->lost_why, sizeof s->lost_why, "%s", err->text);
    pthread_mutex_unlock(&s->lock);
    if (atomic_exchange(&s->lost, rc == ERR_LOST) == (rc == ERR_LOST)) return;
    if (rc == ERR_LOST)
        log_warning("%s. Writes are refused", err->text);
    else
        log_notice("the store's files are back; writes are accepted");
}

static void look_at_place(struct store *s) {
    struct err err;
    int rc = s->backend->check(s->writer, &err);
    if (rc == 0 && s->backend->durable) rc = store_check_locks(s, &err);
    if (rc == ERR_REFUSED) store_give_way(s, &err);
    note_place(s, rc, &err);
}

static void apply_failed(struct store *s, const struct err *err, uint64_t attempt) {
    if (!atomic_load(&s->apply_failing) && !atomic_load(&s->lost))
        log_warning("apply: %s; trying again", err->text);
    pthread_mutex_lock(&s->lock);
    snprintf(s->apply_error, sizeof s->apply_error, "%s", err->text);
    atomic_store(&s->apply_failing, true);
    atomic_fetch_add(&s->apply_retries, 1);
    store_notify(s);
    if (!s->stopping || s->backend->remote)
        store_wait_ms(s, &s->applier_wake, MIN(attempt * 20, (uint64_t)500));
    pthread_mutex_unlock(&s->lock);
}

/* With durability backend a commit that fails twice voids, as a journal that fails twice does.
 * SQLite has no word for void: a commit that was written, and whose sync failed, stands in the WAL
 * until the probe writes over it. */
static void backend_fail(struct store *s, const struct err *why) {
    char pause[48] = "";
    pthread_mutex_lock(&s->lock);
    if (s->fail_pause_ms > 0)
        snprintf(pause, sizeof pause, ", for %llu ms at least",
                 (unsigned long long)s->fail_pause_ms);
    log_warning("store: %s; writes are refused until it works again%s", why->text, pause);
    if (!s->backend->remote)
        store_warn_void("store", "the commit that failed may stand in the WAL");
    store_fail(s, &s->applier_wake, why);
    /* The probe writes little. When what it lets in fails as before, the next pause is longer. */
    uint64_t again_ms = clock_mono_ms() + s->fail_pause_ms;
    s->fail_pause_ms = MIN(MAX(s->fail_pause_ms * 2, (uint64_t)PROBE_INTERVAL_MS), FAIL_PAUSE_MAX);
    while (!s->stopping && clock_mono_ms() < again_ms)
        store_wait_ms(s, &s->applier_wake, again_ms - MIN(again_ms, clock_mono_ms()));
    while (!s->stopping) {
        pthread_mutex_unlock(&s->lock);
        struct err err;
        int rc = s->backend->probe(s->writer, &err);
        if (rc == ERR_REFUSED) {
            store_give_way(s, &err);
            return;
        }
        pthread_mutex_lock(&s->lock);
        if (rc == 0) break;
        store_wait_ms(s, &s->applier_wake, PROBE_INTERVAL_MS);
    }
    if (!s->stopping) {
        log_notice("store: it works again; writes are accepted");
        atomic_store(&s->apply_failing, false);
        store_resume(s);
    }
    pthread_mutex_unlock(&s->lock);
}

/* A stop does not wait for ever for a database that does not work. With the lock. */
static bool stop_gives_up(const struct store *s, unsigned *attempts) {
    if (!s->stopping) return false;
    if (s->backend->hurry != NULL) return clock_mono_ms() >= atomic_load(&s->stop_by_ms);
    return ++*attempts >= STOP_TRIES;
}

/* Applies the batches; false: they are void, or the store stops with them unapplied. */
static bool apply_batches(struct store *s, struct batch_vec *v) {
    bool acknowledges = s->config.durability == DURABILITY_BACKEND;
    unsigned last_attempts = 0; /* a stop tries as often however long it has failed before */
    for (uint64_t attempt = 1;; attempt++) {
        struct err err;
        uint64_t start = clock_mono_us();
        int rc = s->backend->apply(s->writer, v->items, v->count, &err);
        if (rc == 0) {
            lease_held(s, start);
            atomic_fetch_add(&s->apply_count, 1);
            atomic_fetch_add(&s->apply_us, clock_mono_us() - start);
            s->fail_pause_ms = 0;
            if (atomic_exchange(&s->apply_failing, false)) log_notice("apply: works again");
            return true;
        }
        if (rc == ERR_REFUSED) {
            store_give_way(s, &err);
            return false;
        }
        if (rc == ERR_LOST) note_place(s, rc, &err);
        apply_failed(s, &err, attempt);
        bool passes = rc == ERR_BUSY || rc == ERR_UNKNOWN; /* that never voids */
        if (acknowledges && !passes && (attempt >= 2 || rc == ERR_LOST)) {
            backend_fail(s, &err);
            return false;
        }
        pthread_mutex_lock(&s->lock);
        bool give_up = stop_gives_up(s, &last_attempts);
        pthread_mutex_unlock(&s->lock);
        if (give_up) return false;
    }
}

/* Waits for work. Called and returns with the lock held. false: idle for a while. */
static bool applier_wait(struct store *s, bool more_maintenance) {
    bool waited = false;
    for (;;) {
        struct batch *b = s->to_applier.head;
        if (s->stopping && (b != NULL || s->journal_stopped)) return true;
        if (b == NULL) {
            if (more_maintenance || waited) return false;
            store_wait_ms(s, &s->applier_wake, IDLE_MAINTAIN_MS);
            waited = s->to_applier.head == NULL;
            continue;
        }
        if (s->config.durability == DURABILITY_BACKEND || !s->backend->durable) return true;
        if (s->to_applier.bytes >= s->config.apply_bytes) return true;
        if (s->flush_frame >= b->first_frame) return true;
        uint64_t age_ms = (clock_mono_us() - b->queued_us) / 1000;
        if (age_ms >= s->config.apply_delay_ms) return true;
        if (more_maintenance) return false;
        store_wait_ms(s, &s->applier_wake, s->config.apply_delay_ms - age_ms);
    }
}

void *applier_main(void *arg) {
    struct store *s = arg;
    struct batch_vec taken = {0};
    pthread_setname_np(pthread_self(), "applier");
    bool more = true, gave_up = false, background = false;
    uint64_t worked_ms = clock_mono_ms();
    while (!gave_up) {
        size_t bytes = 0;
        taken.count = 0;
        pthread_mutex_lock(&s->lock);
        bool work = applier_wait(s, more);
        while (s->to_applier.head != NULL && work && bytes < APPLY_BATCH_BYTES &&
               taken.count < APPLY_BATCHES_MAX) {
            struct batch *b = batch_queue_pop(&s->to_applier);
            bytes += b->bytes;
            batch_vec_add(&taken, b);
        }
        bool stop = s->journal_stopped && taken.count == 0;
        bool patient = !s->stopping && s->config.durability != DURABILITY_BACKEND &&
                       bytes + s->to_applier.bytes < s->config.apply_urgent_bytes;
        pthread_mutex_unlock(&s->lock);
        if (stop) break;
        if (patient != background) thread_set_background(background = patient);
        if (taken.count > 0) {
            if (apply_batches(s, &taken)) {
                uint64_t last = batch_last_frame(taken.items[taken.count - 1]);
                if (s->config.durability == DURABILITY_BACKEND || !s->backend->durable)
                    atomic_store(&s->durable, last);
                bool erases = false;
                for (size_t i = 0; i < taken.count; i++) erases = erases || taken.items[i]->erases;
                if (erases) atomic_fetch_add(&s->erasing_applies, 1);
                atomic_store_explicit(&s->applied, last, memory_order_release);
                store_notify(s);
                if (s->journal_slot_count > 0) pthread_cond_signal(&s->journal_wake);
            } else {
                pthread_mutex_lock(&s->lock);
                gave_up = s->stopping;
                pthread_mutex_unlock(&s->lock);
            }
        }
        struct err err;
        /* Idle for a while: finish what is pending. Else a slice when the backend finds that it is
         * time; `all` between two batches would merge a few entries at a time, for ever. */
        if (work) worked_ms = clock_mono_ms();
        bool idle = clock_mono_ms() - worked_ms >= IDLE_MAINTAIN_MS;
        if (s->backend->maintain(s->writer, idle, &more, &err) != 0) {
            if (err.text[0] != '\0') log_verbose("maintain: %s", err.text);
            more = false;
        }
        look_at_place(s);
    }
    free(taken.items);
    pthread_mutex_lock(&s->lock);
    s->applier_stopped = true;
    store_notify(s); /* whoever stops the store may be waiting */
    pthread_mutex_unlock(&s->lock);
    return NULL;
}
