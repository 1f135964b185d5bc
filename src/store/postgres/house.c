/* What takes long, has a session of its own, and is not the writer's affair. One thread calls,
 * about once a second (the store's helper).
 *
 * VACUUM after an erasure: what EERASE emptied stands in the table's file until then. It is begun
 * at most once in ten minutes, and not while somebody's snapshot keeps it from taking anything
 * away. No role may ask for that of others, so a row is made and deleted in a table that has
 * nothing else: when a VACUUM of that one leaves no page, nobody's snapshot is older than its
 * deletion, and so than the erasures that were committed before. Then `events` is vacuumed,
 * asynchronously, as slowly as autovacuum would.
 *
 * Which erasures are due stands in a table, so they outlast a restart, and are forgotten only when
 * a VACUUM has been everywhere. One that leaves something out is a success to PostgreSQL: of a
 * table that it may not vacuum it says so with a warning, and a page that somebody reads at that
 * moment it passes over in silence, unless it freezes, for which it waits. What these write is
 * nobody's state, so there is no fence; that erasures are forgotten is the writer's (maintain.c).
 */
#include "base/alloc.h"
#include "base/log.h"
#include "store/postgres/internal.h"

#define VACUUM_INTERVAL_MS 600000
#define LOOK_INTERVAL_MS   60000 /* when it could not begin, or failed */
#define TELL_INTERVAL_MS   86400000
#define HORIZON_TRIES      5 /* calls: transactions that are under way end meanwhile */

enum phase { PHASE_IDLE, PHASE_HORIZON, PHASE_VACUUM };

struct postgres_house {
    enum phase phase;
    struct backend_conn c; /* of one VACUUM: like a reader's; pg NULL: none */
    uint64_t seen;         /* of w->erasing; those of an earlier server are looked for once */
    bool looked;
    uint64_t next_ms; /* monotonic: not before */
    uint64_t frame; /* erasures up to it are in the file until the VACUUM that is under way ends */
    unsigned tries;
    uint64_t interval_ms, look_ms;
};

struct postgres_house *postgres_house_create(void) {
    struct postgres_house *h = xcalloc(1, sizeof *h);
    h->interval_ms = VACUUM_INTERVAL_MS;
    h->look_ms = LOOK_INTERVAL_MS;
    return h;
}

void postgres_house_free(struct postgres_house *h) {
    postgres_disconnect(&h->c);
    free(h);
}

void postgres_set_vacuum(struct backend_conn *w, uint64_t interval_ms, uint64_t look_ms) {
    w->w->house->interval_ms = interval_ms;
    w->w->house->look_ms = look_ms;
}

/* --- vacuum ----------------------------------------------------------------------------------- */

/* One value of a number; NULL: 0. */
static int ask(struct backend_conn *c, const char *sql, uint64_t *out, struct err *err) {
    PGresult *r = NULL;
    int rc = postgres_exec(c, sql, &r, err);
    if (rc != 0) return rc;
    *out = strtoull(PQgetvalue(r, 0, 0), NULL, 10);
    PQclear(r);
    return 0;
}

/* The VACUUM is over, or not to be. */
static void rest(struct postgres_house *h, uint64_t ms) {
    postgres_disconnect(&h->c);
    h->phase = PHASE_IDLE;
    h->next_ms = clock_mono_ms() + ms;
}

static int connect_house(struct backend_conn *w, struct err *err) {
    struct backend_conn *c = &w->w->house->c;
    c->place = w->place;
    c->writer = w;
    c->stop_fd = w->w->readers_stop_fd;
    int rc = postgres_connect(c, err);
    return rc == 0 ? postgres_exec(c, "SET vacuum_cost_delay = '2ms'", NULL, err) : rc;
}

static int begin(struct backend_conn *w, struct err *err) {
    struct postgres_house *h = w->w->house;
    uint64_t erasing = atomic_load(&w->w->erasing);
    if (clock_mono_ms() < h->next_ms || (h->looked && erasing == h->seen)) return 0;
    if (atomic_load(&w->w->vacuumed) != 0) return 0; /* the writer has not forgotten the last yet */
    int rc = connect_house(w, err);
    if (rc == 0) rc = ask(&h->c, "SELECT max(frame) FROM @erasures", &h->frame, err);
    if (rc != 0) return rc;
    if (h->frame == 0) {
        h->looked = true;
        h->seen = erasing;
        rest(h, 0);
        return 0;
    }
    rc = postgres_exec(&h->c, "INSERT INTO @horizon VALUES (1)", NULL, err);
    if (rc == 0) rc = postgres_exec(&h->c, "DELETE FROM @horizon", NULL, err);
    h->phase = PHASE_HORIZON;
    h->tries = 0;
    h->seen = erasing;
    return rc;
}

static int start_vacuum(struct postgres_house *h, struct err *err) {
    h->c.warnings = 0;
    int rc = postgres_send(&h->c, "VACUUM (FREEZE) @events", err);
    if (rc == 0) h->phase = PHASE_VACUUM;
    return rc;
}

static int look_at_horizon(struct postgres_house *h, struct err *err) {
    uint64_t bytes = 0;
    int rc = postgres_exec(&h->c, "VACUUM (TRUNCATE) @horizon", NULL, err);
    if (rc == 0)
        rc = ask(&h->c,
                 "SELECT pg_relation_size(t.oid) FROM pg_class o, pg_class t WHERE t.relname ="
                 " 'horizon' AND t.relnamespace = o.relnamespace AND o.oid = (SELECT tableoid FROM"
                 " @store)",
                 &bytes, err);
    if (rc != 0) return rc;
    if (bytes == 0) return start_vacuum(h, err);
    if (++h->tries < HORIZON_TRIES) return 0;
    h->looked = false; /* look again */
    rest(h, h->look_ms);
    return 0;
}

static int look_at_vacuum(struct backend_conn *w, struct err *err) {
    struct postgres_house *h = w->w->house;
    bool over = false;
    int rc = postgres_answered(&h->c, &over, err);
    if (rc != 0 || !over) return rc;
    if (h->c.warnings > 0) {
        rc = err_set(err, ERR_FAILED,
                     "%s: the VACUUM after an erasure has left something out (PostgreSQL's log "
                     "says what), and will be tried again",
                     w->place->shown);
        log_warning_seldom(TELL_INTERVAL_MS, "%s", err->text);
        return rc;
    }
    h->looked = false; /* there may be some that came meanwhile */
    atomic_store(&w->w->vacuumed, h->frame);
    rest(h, h->interval_ms);
    return 0;
}

int postgres_keep_house(struct backend_conn *w, struct err *err) {
    struct postgres_house *h = w->w->house;
    int rc = 0;
    switch (h->phase) {
    case PHASE_IDLE:
        rc = begin(w, err);
        break;
    case PHASE_HORIZON:
        rc = look_at_horizon(h, err);
        break;
    case PHASE_VACUUM:
        rc = look_at_vacuum(w, err);
        break;
    }
    if (rc == 0) return 0;
    h->looked = false;
    rest(h, h->phase == PHASE_VACUUM ? h->interval_ms : h->look_ms);
    return rc;
}
