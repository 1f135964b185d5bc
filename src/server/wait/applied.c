/* See applied.h. The connection is on srv->waiting too, for what concerns all who wait (a void). */
#include "server/wait/applied.h"

#include "server/server.h"

static enum outcome wait_in(struct client *c, struct heap *stage) {
    struct server *srv = c->srv;
    c->park = PARK_WAIT;
    srv->stats.blocked_clients++;
    list_append(&srv->waiting, &c->parked);
    heap_set(stage, &c->wait.stage, c->wait.frame);
    c->wait.in = stage;
    if (c->wait.deadline_ms > 0)
        heap_set(&srv->stages.deadlines, &c->wait.deadline, c->wait.deadline_ms);
    return PARKED;
}

enum outcome wait_for_apply(struct client *c) {
    return wait_in(c, &c->srv->stages.applied);
}

enum outcome wait_for_durable(struct client *c) {
    return wait_in(c, &c->srv->stages.durable);
}

void stage_wait_over(struct client *c) {
    if (c->wait.in == NULL) return;
    heap_remove(c->wait.in, &c->wait.stage);
    heap_remove(&c->srv->stages.deadlines, &c->wait.deadline);
    c->wait.in = NULL;
}

static void resume_up_to(struct heap *stage, uint64_t frame) {
    struct heap_node *n;
    while ((n = heap_first(stage)) != NULL && n->key <= frame)
        client_resume(CONTAINER_OF(n, struct client, wait.stage));
}

void stage_reached_durable(struct server *srv) {
    resume_up_to(&srv->stages.durable, store_durable(srv->store));
}

void stage_reached_applied(struct server *srv) {
    resume_up_to(&srv->stages.applied, store_applied(srv->store));
}

void stage_check_deadlines(struct server *srv) {
    struct heap_node *n;
    while ((n = heap_first(&srv->stages.deadlines)) != NULL && n->key <= srv->clock.now_ms) {
        struct client *c = CONTAINER_OF(n, struct client, wait.deadline);
        c->wait.timed_out = true;
        client_resume(c);
    }
}

uint64_t stage_next_deadline(const struct server *srv) {
    const struct heap_node *n = heap_first(&srv->stages.deadlines);
    return n != NULL ? n->key : UINT64_MAX;
}

void stage_waits_clear(struct server *srv) {
    heap_clear(&srv->stages.durable);
    heap_clear(&srv->stages.applied);
    heap_clear(&srv->stages.deadlines);
}

void hurry_applying(struct server *srv) {
    struct model *m = &srv->model;
    if (store_writable(srv->store) && !m->in_transaction) model_submit(m);
    store_flush_up_to(srv->store, m->decided); /* what EXEC stands behind is submitted after it */
}

bool frame_is_applied(struct client *c, uint64_t frame) {
    struct server *srv = c->srv;
    if (!c->wait.set) {
        c->wait.set = true;
        c->wait.frame = frame;
        c->wait.gives_up = false;
        c->wait.deadline_ms = 0;
        c->wait.timed_out = c->wait.unblocked = c->wait.unblocked_error = false;
        hurry_applying(srv);
    }
    return store_applied(srv->store) >= c->wait.frame;
}

bool all_is_applied(struct client *c) {
    return frame_is_applied(c, c->srv->model.decided);
}

static const char *why_not_applied(const struct server *srv) {
    if (store_in_outage(srv->store)) return srv->read_only_why;
    const char *why = store_stuck(srv->store);
    return why != NULL ? why : store_away(srv->store);
}

bool apply_is_possible(const struct client *c) {
    return why_not_applied(c->srv) == NULL;
}

bool apply_is_possible_or_reply(struct client *c) {
    const char *why = why_not_applied(c->srv);
    if (why != NULL) reply_error(c, "IOERR %s", why);
    return why == NULL;
}

enum outcome wait_for_apply_or_reply(struct client *c) {
    return apply_is_possible_or_reply(c) ? wait_for_apply(c) : REPLIED;
}

/* Not for what was decided after it: that may be undurable. (There may have been another since it
 * began to wait.) */
bool flush_is_applied(struct client *c) {
    struct model *m = &c->srv->model;
    if (m->flushed.frame == 0) return true;
    frame_is_applied(c, m->flushed.frame);
    return store_applied(m->store) >= m->flushed.frame;
}
