/* The model over a store, without a loop: for test programs that turn it themselves. Each has the
 * three variables; start and stop are its own. */
#ifndef TESTS_UNIT_MODEL_WORLD_H
#define TESTS_UNIT_MODEL_WORLD_H

#include <poll.h>

#include "base/hash.h"
#include "stream/internal.h"

static struct model model, *m = &model;
static struct store *store;
static struct err err;

static void on_durable(struct batch *b, void *arg) {
    UNUSED(arg);
    model_durable(m, b);
}
static void on_applied(uint64_t frame, void *arg) {
    UNUSED(frame);
    UNUSED(arg);
}
static void on_voided(const char *why, void *arg) {
    UNUSED(why);
    UNUSED(arg);
}
static void on_event(void *arg) {
    UNUSED(arg);
}
static const struct store_callbacks callbacks = {.durable = on_durable,
                                                 .applied = on_applied,
                                                 .voided = on_voided,
                                                 .resumed = on_event,
                                                 .apply_failed = on_event};

/* What the store has for the loop, now or within 100 ms. */
static void turn(void) {
    struct pollfd p = {.fd = store_fd(store), .events = POLLIN};
    poll(&p, 1, 100);
    store_poll(store);
}

static inline void wait_durable(void) {
    model_submit(m);
    while (store_durable(store) < m->decided) turn();
}

static inline void wait_applied(void) {
    wait_durable();
    while (store_applied(store) < m->decided) {
        store_flush(store);
        turn();
    }
}

static int wakes;
static void on_wake(struct waiter *w, int status, const struct err *e) {
    UNUSED(w);
    if (status != 0) fprintf(stderr, "  %s\n", e->text);
    CHECK_INT(status, 0);
    wakes++;
}

static inline struct stream *load_stream(struct str name) {
    struct stream *s = model_stream(m, name);
    if (s != NULL) return s;
    struct waiter w = {.wake = on_wake};
    wakes = 0;
    model_load_stream(m, name, &w);
    while (wakes == 0) turn();
    s = model_stream(m, name);
    CHECK(s != NULL);
    return s;
}

#endif
