/* The applier thread: collects for a moment (apply_delay_ms or apply_bytes), turns batches into
 * rows in one transaction, raises `applied`; uses what time is left for the backend's deferred
 * work. With durability `backend` it is also the stage that acknowledges. It decides nothing about
 * events and frees no batch.
 *
 * A backend that takes the next apply while one is committed is given it (durability `backend`):
 * each is then answered as soon as it is committed, and neither the backend nor the loop waits for
 * the other. The applier waits in the backend, and hears there of new batches (applier_fd). When
 * one fails, all that were under way are over, and are applied one after the other, as if they had
 * never been sent. Deferred work is done when nothing is under way, which is seen to now and then
 * (DEFERRED_AFTER). */
#include "store/internal.h"

#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"

#define APPLY_BATCHES_MAX 4096
#define APPLY_BATCH_BYTES (24u << 20)
#define IDLE_MAINTAIN_MS  1000
#define DEFERRED_AFTER    128               /* applies without a pause */
#define FAIL_PAUSE_MAX    ((uint64_t)10000) /* ms */

bool applier_give(struct store *s, struct batch *b) {
    bool was_idle = s->to_applier.head == NULL;
    b->queued_us = clock_mono_us();
    batch_queue_push(&s->to_applier, b);
    return was_idle || s->to_applier.bytes >= s->config.apply_bytes ||
           s->flush_frame > atomic_load(&s->applied) || s->stopping;
}

/* What is applied together. */
struct group {
    struct batch **items;
    size_t count, cap;
    uint64_t begun_us; /* monotonic */
};

struct applier {
    struct store *store;
    struct group groups[STORE_FLIGHTS + 1]; /* those under way, oldest first; then the one taken */
    unsigned under_way;
    bool taken;       /* there is one that is not begun */
    uint64_t over_us; /* monotonic: when the last one was over */
    uint64_t worked_ms;
    unsigned in_a_row; /* begun since there was time for deferred work */
    bool more;         /* deferred work is left */
    bool background;   /* it gives way to others */
    bool gave_up;      /* the store stops, and not everything is applied */
};

static void group_add(struct group *g, struct batch *b) {
    if (g->count == g->cap) {
        g->cap = g->cap ? g->cap * 2 : 16;
        g->items = xrealloc(g->items, g->cap * sizeof *g->items);
    }
    g->items[g->count++] = b;
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

static void apply_failed(struct store *s, int rc, const struct err *err, uint64_t attempt) {
    if (rc == ERR_LOST) note_place(s, rc, err);
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

static void note_applied(struct applier *a, const struct group *g) {
    struct store *s = a->store;
    uint64_t now = clock_mono_us(), last = batch_last_frame(g->items[g->count - 1]);
    lease_held(s, g->begun_us);
    atomic_fetch_add(&s->apply_count, 1);
    atomic_fetch_add(&s->apply_us, now - MAX(g->begun_us, a->over_us));
    a->over_us = now;
    s->fail_pause_ms = 0;
    if (atomic_exchange(&s->apply_failing, false)) log_notice("apply: works again");
    if (s->config.durability == DURABILITY_BACKEND || !s->backend->durable)
        atomic_store(&s->durable, last);
    bool erases = false;
    for (size_t i = 0; i < g->count; i++) erases = erases || g->items[i]->erases;
    if (erases) atomic_fetch_add(&s->erasing_applies, 1);
    atomic_store_explicit(&s->applied, last, memory_order_release);
    store_notify(s);
    if (s->journal_slot_count > 0) pthread_cond_signal(&s->journal_wake);
}

/* Applies a group that has been tried so often before; false: it is void, or the store stops with
 * it unapplied. */
static bool apply_group(struct applier *a, struct group *g, uint64_t tried) {
    struct store *s = a->store;
    bool acknowledges = s->config.durability == DURABILITY_BACKEND;
    unsigned last_attempts = 0; /* a stop tries as often however long it has failed before */
    for (uint64_t attempt = tried + 1;; attempt++) {
        struct err err;
        g->begun_us = clock_mono_us();
        int rc = s->backend->apply(s->writer, g->items, g->count, &err);
        if (rc == 0) {
            note_applied(a, g);
            return true;
        }
        if (rc == ERR_REFUSED) {
            store_give_way(s, &err);
            return false;
        }
        apply_failed(s, rc, &err, attempt);
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

static void note_under_way(struct applier *a, unsigned n) {
    a->under_way = n;
    atomic_store_explicit(&a->store->applies, n, memory_order_relaxed);
}

/* Applies the first groups in their order, the first of which has been tried so often before; drops
 * them when they are void, or the store stops. */
static void apply_in_turn(struct applier *a, unsigned count, uint64_t tried) {
    bool applied = true;
    note_under_way(a, 0);
    a->taken = false;
    for (unsigned i = 0; applied && i < count; i++)
        applied = apply_group(a, &a->groups[i], i == 0 ? tried : 0);
    if (applied) return;
    pthread_mutex_lock(&a->store->lock);
    a->gave_up = a->store->stopping;
    pthread_mutex_unlock(&a->store->lock);
}

/* --- several under way ---------------------------------------------------------------------- */

unsigned store_flights(const struct store *s) {
    bool several = s->config.durability == DURABILITY_BACKEND && s->backend->apply_begin != NULL;
    return several ? STORE_FLIGHTS : 1;
}

/* Nothing is under way any more, and what became of it is to be found out. */
static void flights_failed(struct applier *a, int rc, const struct err *err) {
    if (rc != ERR_REFUSED) {
        apply_failed(a->store, rc, err, 1);
        apply_in_turn(a, a->under_way + a->taken, 1);
        return;
    }
    store_give_way(a->store, err);
    a->gave_up = true;
}

/* Until the oldest is over; or until there are new batches, if we listen. */
static void await_oldest(struct applier *a, bool listen) {
    struct store *s = a->store;
    struct err err;
    bool over;
    int rc = s->backend->apply_end(s->writer, listen ? s->applier_fd : -1, &over, &err);
    if (rc != 0) {
        flights_failed(a, rc, &err);
        return;
    }
    if (!over) {
        uint64_t count;
        ssize_t n = read(s->applier_fd, &count, sizeof count);
        UNUSED(n);
        return;
    }
    struct group oldest = a->groups[0];
    note_under_way(a, a->under_way - 1);
    note_applied(a, &oldest);
    memmove(&a->groups[0], &a->groups[1], STORE_FLIGHTS * sizeof oldest);
    a->groups[STORE_FLIGHTS] = oldest;
}

/* What was taken is sent behind what is under way; or applied, when that is over. */
static void begin_or_apply(struct applier *a) {
    struct store *s = a->store;
    struct group *g = &a->groups[a->under_way];
    struct err err;
    bool begun = false;
    if (store_flights(s) > 1) {
        g->begun_us = clock_mono_us();
        int rc = s->backend->apply_begin(s->writer, g->items, g->count, &begun, &err);
        if (rc != 0) {
            flights_failed(a, rc, &err);
            return;
        }
    }
    if (begun) {
        note_under_way(a, a->under_way + 1);
        a->in_a_row++;
        a->taken = false;
        return;
    }
    while (a->under_way > 0 && !a->gave_up) await_oldest(a, false);
    if (a->taken && !a->gave_up) apply_in_turn(a, 1, 0);
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

/* Takes what is queued, when it is time for it. *listen: there is nothing, and who hands over says
 * so on applier_fd. false: the store stops, and everything is applied. */
static bool take(struct applier *a, bool *listen) {
    struct store *s = a->store;
    struct group *g = &a->groups[a->under_way];
    size_t bytes = 0;
    g->count = 0;
    bool due = a->more || a->in_a_row >= DEFERRED_AFTER;
    bool room = a->under_way < store_flights(s) && !due;
    pthread_mutex_lock(&s->lock);
    s->applier_listens = false;
    bool work = a->under_way > 0 ? room : applier_wait(s, a->more);
    while (s->to_applier.head != NULL && work && bytes < APPLY_BATCH_BYTES &&
           g->count < APPLY_BATCHES_MAX) {
        struct batch *b = batch_queue_pop(&s->to_applier);
        bytes += b->bytes;
        group_add(g, b);
    }
    a->taken = g->count > 0;
    *listen = s->applier_listens = a->under_way > 0 && room && !a->taken;
    bool stop = s->journal_stopped && a->under_way == 0 && !a->taken;
    bool patient = !s->stopping && s->config.durability != DURABILITY_BACKEND &&
                   bytes + s->to_applier.bytes < s->config.apply_urgent_bytes;
    pthread_mutex_unlock(&s->lock);
    if (stop) return false;
    if (patient != a->background) thread_set_background(a->background = patient);
    if (work) a->worked_ms = clock_mono_ms();
    return true;
}

/* Idle for a while: finish what is pending. Else a slice when the backend finds that it is time;
 * `all` between two batches would merge a few entries at a time, for ever. */
static void do_deferred(struct applier *a) {
    struct store *s = a->store;
    struct err err;
    bool idle = clock_mono_ms() - a->worked_ms >= IDLE_MAINTAIN_MS;
    a->in_a_row = 0;
    if (s->backend->maintain(s->writer, idle, &a->more, &err) != 0) {
        if (err.text[0] != '\0') log_verbose("maintain: %s", err.text);
        a->more = false;
    }
    look_at_place(s);
}

void *applier_main(void *arg) {
    struct store *s = arg;
    struct applier a = {.store = s, .more = true, .worked_ms = clock_mono_ms()};
    bool listen = false;
    pthread_setname_np(pthread_self(), "applier");
    while (!a.gave_up && take(&a, &listen)) {
        if (a.taken)
            begin_or_apply(&a);
        else if (a.under_way > 0)
            await_oldest(&a, listen);
        if (a.under_way == 0) do_deferred(&a);
    }
    for (size_t i = 0; i < ARRAY_LEN(a.groups); i++) free(a.groups[i].items);
    pthread_mutex_lock(&s->lock);
    s->applier_stopped = true;
    store_notify(s); /* whoever stops the store may be waiting */
    pthread_mutex_unlock(&s->lock);
    return NULL;
}
