/* How long this server may go on without having heard from the database that it is still the one
 * that writes (lease-ms). Of a store elsewhere, without a journal: in front of a journal nobody
 * else gets to write unless he is told to.
 *
 *            nothing heard for lease-ms        heard
 *   [ held ] ---------------------------> [ lapsed ] -> [ held ]
 *
 * Each commit says so, by its fence. When there is none, a thread with a session of its own asks:
 * the applier may be waiting in a transaction that takes long. What counts is when the question was
 * sent. While the lease has lapsed nothing is decided; who waits for what was decided goes on
 * waiting (outage.c). */
#include "store/internal.h"

#include "base/clock.h"
#include "base/log.h"

#define ASK_MS 500 /* how often, at the most */

static bool has_lease(const struct store *s) {
    return s->backend->beat != NULL && s->journal_slot_count == 0;
}

void lease_held(struct store *s, uint64_t since_us) {
    uint64_t known = atomic_load(&s->held_us);
    while (known < since_us && !atomic_compare_exchange_weak(&s->held_us, &known, since_us)) {}
}

bool store_lease_lapsed(const struct store *s, uint64_t now_us) {
    uint64_t lease_us = atomic_load_explicit(&s->lease_ms, memory_order_relaxed) * 1000;
    uint64_t held_us = atomic_load_explicit(&s->held_us, memory_order_relaxed);
    return lease_us > 0 && has_lease(s) && now_us > held_us + lease_us;
}

const char *store_lease_words(const struct store *s) {
    if (!has_lease(s) || atomic_load(&s->lease_ms) == 0) return "none";
    return s->lapsed ? "lapsed" : "held";
}

void store_check_lease(struct store *s, uint64_t now_us, uint64_t lease_ms) {
    char why[160];
    if (!has_lease(s)) return;
    atomic_store(&s->lease_ms, lease_ms);
    bool lapsed = store_lease_lapsed(s, now_us);
    if (lapsed == s->lapsed) return;
    if (!lapsed) {
        s->lapsed = false;
        log_notice("store: the database knows this server as the one that writes; writes are "
                   "accepted");
        s->callbacks.resumed(s->callbacks.arg);
        return;
    }
    snprintf(why, sizeof why,
             "the database has not said for %llu ms that this server is the one that writes "
             "(lease-ms)",
             (unsigned long long)lease_ms);
    log_warning("store: %s; writes are refused until it does", why);
    s->callbacks.lapsed(why, s->callbacks.arg);
    s->lapsed = true; /* what was decided has been handed over by now */
}

static void ask(struct store *s, struct backend_conn **c) {
    struct err err;
    uint64_t start_us = clock_mono_us();
    int rc = *c == NULL ? s->backend->open_reader(c, s->writer, &err) : 0;
    if (rc == 0) rc = s->backend->beat(*c, &err);
    if (rc == 0) lease_held(s, start_us);
    if (rc == ERR_REFUSED) store_give_way(s, &err);
    if (rc != 0) log_debug("lease: %s", err.text);
}

void *lease_main(void *arg) {
    struct store *s = arg;
    struct backend_conn *c = NULL;
    pthread_setname_np(pthread_self(), "lease");
    pthread_mutex_lock(&s->lock);
    while (!s->stopping) {
        pthread_mutex_unlock(&s->lock);
        uint64_t lease_ms = atomic_load(&s->lease_ms), now_us = clock_mono_us();
        uint64_t every_ms = lease_ms == 0 ? ASK_MS : MIN(lease_ms / 4 + 1, (uint64_t)ASK_MS);
        if (lease_ms > 0 && now_us >= atomic_load(&s->held_us) + every_ms * 1000) ask(s, &c);
        pthread_mutex_lock(&s->lock);
        if (!s->stopping) store_wait_ms(s, &s->lease_wake, every_ms);
    }
    pthread_mutex_unlock(&s->lock);
    if (c != NULL) s->backend->close(c);
    return NULL;
}

int lease_start(struct store *s, struct err *err) {
    if (!has_lease(s)) return 0;
    lease_held(s, clock_mono_us()); /* it has just taken the store over */
    if (pthread_create(&s->lease_thread, NULL, lease_main, s) != 0)
        return err_errno(err, "cannot start a thread");
    s->lease_runs = true;
    return 0;
}

void lease_stop(struct store *s) {
    if (!s->lease_runs) return;
    pthread_mutex_lock(&s->lock);
    pthread_cond_broadcast(&s->lease_wake);
    pthread_mutex_unlock(&s->lock);
    pthread_join(s->lease_thread, NULL);
    s->lease_runs = false;
}
