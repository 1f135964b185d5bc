/* A database that is elsewhere does not answer, or has another writer by now.
 *
 *            nothing committed for outage-reply-ms       all is committed
 *   [ works ] ------------------------------------> [ outage ] --------> [ works ]
 *       |  fenced                                       |  fenced
 *       '-----------------> [ replaced ] <--------------'
 *
 * With a journal what is acknowledged is in there, and nobody waits for the database until there is
 * no room: it is `away` then, and who would wait for it is told why.
 *
 * In an outage clients get their answer, which is that the outcome is not known. What waits stays:
 * it is applied when the database is back, or void on proof that it never can be. Until then
 * nothing more is decided, which bounds what waits. Whoever was replaced writes nothing any more.
 * All but store_give_way is the loop's. */
#include "base/clock.h"
#include "base/log.h"
#include "store/internal.h"

/* Whether replies wait for a database that is elsewhere. */
static bool acknowledges_elsewhere(const struct store *s) {
    return s->backend->remote && s->journal_slot_count == 0;
}

/* Whether there is a journal in front of such a database. */
static bool is_in_front(const struct store *s) {
    return s->backend->remote && s->journal_slot_count > 0;
}

void outage_note_applied(struct store *s) {
    if (!is_in_front(s)) return;
    s->applied_at_us = clock_mono_us();
    if (s->away_why[0] == '\0') return;
    s->away_why[0] = '\0';
    log_notice("store: the database answers again");
}

void outage_note_durable(struct store *s) {
    if (!acknowledges_elsewhere(s)) return;
    s->durable_at_us = clock_mono_us();
    if (!s->outage || s->next_undurable != &s->batches) return;
    s->outage = false;
    log_notice("store: the database answers again; writes are accepted");
    s->callbacks.resumed(s->callbacks.arg);
}

static void say_why(struct store *s, uint64_t after_ms, char *why, size_t size) {
    pthread_mutex_lock(&s->lock);
    bool known = atomic_load(&s->apply_failing);
    const char *words = s->apply_error;
    size_t place = strlen(s->path);
    if (strncmp(words, s->path, place) == 0 && strncmp(words + place, ": ", 2) == 0)
        words += place + 2; /* who asks is no administrator, and there is little room */
    snprintf(why, size, "the database has not committed anything for %llu ms%s%.160s",
             (unsigned long long)after_ms, known ? ": " : "", known ? words : "");
    pthread_mutex_unlock(&s->lock);
}

static void check_away(struct store *s, uint64_t now_us, uint64_t after_ms) {
    if (s->next_unapplied == &s->batches || s->away_why[0] != '\0') return;
    const struct batch *oldest = LIST_ENTRY(s->next_unapplied, struct batch, node);
    uint64_t since_us = MAX(oldest->submitted_us, s->applied_at_us);
    if (now_us < since_us + (after_ms + s->config.apply_delay_ms) * 1000) return;
    say_why(s, after_ms, s->away_why, sizeof s->away_why);
    log_warning("store: %s; appends are acknowledged as long as the journal has room", s->away_why);
}

const char *store_away(const struct store *s) {
    return s->away_why[0] != '\0' ? s->away_why : NULL;
}

void store_check_outage(struct store *s, uint64_t now_us, uint64_t after_ms) {
    atomic_store(&s->outage_after_ms, after_ms);
    if (is_in_front(s) && after_ms > 0) check_away(s, now_us, after_ms);
    if (s->outage || after_ms == 0 || !acknowledges_elsewhere(s)) return;
    if (s->next_undurable == &s->batches || !s->writable) return;
    const struct batch *oldest = LIST_ENTRY(s->next_undurable, struct batch, node);
    uint64_t since_us = MAX(oldest->submitted_us, s->durable_at_us);
    if (now_us < since_us + after_ms * 1000) return;
    char why[256];
    say_why(s, after_ms, why, sizeof why);
    log_warning("store: %s; what waits is answered 'outcome unknown', and writes are refused until "
                "it answers",
                why);
    s->callbacks.outage(why, s->callbacks.arg);
    s->outage = true; /* what was decided has been handed over by now */
}

bool store_hangs(const struct store *s) {
    if (atomic_load(&s->apply_failing)) return true;
    if (s->next_undurable == &s->batches) return false;
    const struct batch *oldest = LIST_ENTRY(s->next_undurable, struct batch, node);
    return clock_mono_us() - oldest->submitted_us > STOP_FAILING_MS * 1000;
}

bool store_in_outage(const struct store *s) {
    return s->outage;
}

/* ---- another writer ---- */

void store_give_way(struct store *s, const struct err *why) {
    pthread_mutex_lock(&s->lock);
    if (!s->replaced) log_warning("store: %s; this server stops", why->text);
    if (!s->replaced) snprintf(s->failure, sizeof s->failure, "%s", why->text);
    s->replaced = true;
    store_notify(s);
    while (!s->stopping) pthread_cond_wait(&s->applier_wake, &s->lock);
    pthread_mutex_unlock(&s->lock);
}

/* What the other server has not got, and who was told that it is stored. The loop's watermarks:
 * nothing is acknowledged any more. */
static void warn_of_journal(const struct store *s) {
    char dir[sizeof s->path + 16];
    uint64_t last = s->durable_seen, in_it = atomic_load(&s->durable);
    if (s->config.durability == DURABILITY_INTERVAL && !list_empty(&s->batches))
        last = batch_last_frame(LIST_ENTRY(s->batches.prev, struct batch, node));
    store_journal_path(s, dir, sizeof dir);
    if (last <= s->applied_seen) return;
    log_warning("store: %llu frames (%llu to %llu) were acknowledged and not brought into the "
                "database: they are in the journal %s only%s. Keep it; "
                "docs/postgres.md#a-journal-in-front",
                (unsigned long long)(last - s->applied_seen),
                (unsigned long long)s->applied_seen + 1, (unsigned long long)last, dir,
                in_it < last ? ", as far as it was synced" : "");
}

void outage_tell_replaced(struct store *s) {
    if (s->replaced_told) return;
    if (is_in_front(s)) warn_of_journal(s);
    char why[sizeof s->failure];
    pthread_mutex_lock(&s->lock);
    memcpy(why, s->failure, sizeof why);
    pthread_mutex_unlock(&s->lock);
    s->replaced_told = true;
    s->callbacks.replaced(why, s->callbacks.arg);
}
