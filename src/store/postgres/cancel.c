/* Cancelling: a session that gave no answer in time was given up, and its statement is not to go on
 * at the server. libpq has no way of saying so that does not wait: for the connection, and then,
 * without any limit, for a server that took it and is stopped, or stands behind a cable that was
 * cut. So each is a thread, for whose end nobody waits: not who gave up, and not a stop. Beyond a
 * few of them nothing is cancelled: the server looks itself whether somebody is still there. */
#include "base/alloc.h"
#include "base/log.h"
#include "store/postgres/internal.h"

#define UNDER_WAY_MAX 16

struct postgres_canceller {
    _Atomic unsigned holders; /* the writer, and the threads; the last one frees it */
    _Atomic uint64_t heard;
};

struct order {
    struct postgres_canceller *from;
    PGcancel *cancel;
};

struct postgres_canceller *postgres_canceller_create(void) {
    struct postgres_canceller *c = xcalloc(1, sizeof *c);
    c->holders = 1;
    return c;
}

void postgres_canceller_let_go(struct postgres_canceller *c) {
    if (atomic_fetch_sub(&c->holders, 1) == 1) free(c);
}

static void end(struct order *o) {
    PQfreeCancel(o->cancel);
    postgres_canceller_let_go(o->from);
    free(o);
}

static void *cancel_main(void *arg) {
    struct order *o = arg;
    char why[256];
    pthread_setname_np(pthread_self(), "cancel");
    if (PQcancel(o->cancel, why, sizeof why) == 1)
        atomic_fetch_add(&o->from->heard, 1);
    else
        log_verbose("cancelling a statement: %s", why);
    end(o);
    return NULL;
}

void postgres_give_up(struct backend_conn *w, PGcancel *cancel) {
    if (cancel == NULL) return;
    struct order *o = xcalloc(1, sizeof *o);
    *o = (struct order){w->w->canceller, cancel};
    pthread_t thread;
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    if (atomic_fetch_add(&o->from->holders, 1) > UNDER_WAY_MAX ||
        pthread_create(&thread, &attr, cancel_main, o) != 0)
        end(o);
    pthread_attr_destroy(&attr);
}

uint64_t postgres_cancelled(const struct backend_conn *w) {
    return atomic_load(&w->w->canceller->heard);
}
