/* See blocking.h: what commands have looked at in the log that look for long, over several turns.
 * Of EXEC each of its commands has its own: EXEC is taken back when one of them pauses, and all of
 * them run again from their start, but go on looking from where they were.
 *
 * What was looked at stays so: of what was there nothing comes that was not there, except by a
 * RENAME, and where the model is built anew. A transaction that has itself changed what is there
 * may do otherwise when it is run again: then nothing is kept. */
#include "server/wait/internal.h"

#include "base/alloc.h"

#define ALWAYS_IN_EXEC 1000 /* events */
#define AGAIN_MAX      10   /* times that a command begins anew because others rename */

static bool in_exec(const struct client *c) {
    return c->srv->exec.client == c;
}

static struct blocked_progress *progress_of(struct client *c) {
    struct blocked *w = blocked_of(c);
    if (w->commands == NULL) {
        w->command_count = in_exec(c) ? c->srv->exec.count : 1;
        w->commands = xcalloc(w->command_count, sizeof *w->commands);
        w->progress_bytes += w->command_count * sizeof *w->commands;
    }
    return &w->commands[in_exec(c) ? c->srv->exec.at : 0];
}

bool blocking_keeps_progress(const struct client *c) {
    const struct model *m = &c->srv->model;
    uint64_t last = MAX(m->hidden.frame, MAX(m->renamed.frame, m->flushed.frame));
    return !in_exec(c) || last <= m->decided;
}

static void begin_anew(struct blocked_progress *p) {
    if (p->at != NULL) memset(p->at, 0, p->at_count * sizeof *p->at);
    for (size_t i = 0; i < p->looked_count; i++)
        p->looked[i].from = p->looked[i].to = p->looked[i].count = 0;
}

/* NULL: what it looks at cannot be kept. What is kept is of the model as it is, and of no later
 * frame than those that are seen now. */
static struct blocked_progress *kept_progress(struct client *c) {
    const struct model *m = &c->srv->model;
    uint64_t as_of = MIN(c->view, m->decided);
    if (!blocking_keeps_progress(c)) return NULL;
    struct blocked_progress *p = progress_of(c);
    if (p->generation != m->generation || p->as_of > as_of) begin_anew(p);
    p->generation = m->generation;
    p->as_of = as_of;
    return p;
}

uint64_t *blocking_progress(struct client *c, size_t n) {
    struct blocked_progress *p = kept_progress(c);
    if (p == NULL) return NULL;
    if (p->at == NULL) {
        p->at = xcalloc(n, sizeof *p->at);
        p->at_count = n;
        blocked_of(c)->progress_bytes += n * sizeof *p->at;
    }
    assert(n == p->at_count);
    return p->at;
}

struct log_looked *blocking_log_looked(struct client *c, size_t n, size_t i) {
    struct blocked_progress *p = kept_progress(c);
    if (p == NULL) return NULL;
    if (p->looked == NULL) {
        p->looked = xcalloc(n, sizeof *p->looked);
        p->looked_count = n;
        blocked_of(c)->progress_bytes += n * sizeof *p->looked;
    }
    assert(n == p->looked_count);
    return &p->looked[i];
}

static void reserve_found(struct client *c, struct log_looked *k, size_t more) {
    if (k->cap - k->count >= more) return;
    size_t cap = MAX(k->cap * 2, k->count + more);
    blocked_of(c)->progress_bytes += (cap - k->cap) * sizeof *k->found;
    k->cap = cap;
    k->found = xrealloc(k->found, cap * sizeof *k->found);
}

void blocking_note_looked(struct client *c, struct log_looked *k, uint64_t from, uint64_t to,
                          struct event *const *events, size_t n) {
    bool behind = from == k->to, before = to == k->from, empty = k->from == k->to;
    bool descend = n > 1 && events[0]->rec.sequence > events[1]->rec.sequence;
    if (empty || (!behind && !before)) {
        *k = (struct log_looked){.from = from, .to = to, .found = k->found, .cap = k->cap};
        behind = true;
    }
    k->from = MIN(k->from, from);
    k->to = MAX(k->to, to);
    reserve_found(c, k, n);
    if (!behind && n > 0) memmove(k->found + n, k->found, k->count * sizeof *k->found);
    uint64_t *at = behind ? k->found + k->count : k->found;
    for (size_t i = 0; i < n; i++) at[i] = events[descend ? n - 1 - i : i]->rec.sequence;
    k->count += n;
}

bool blocking_selects(struct client *c, size_t n, size_t i, struct selector *selector) {
    struct blocked_progress *p = progress_of(c);
    if (p->selectors == NULL) {
        p->selectors = xcalloc(n, sizeof *p->selectors);
        p->selector_count = n;
        blocked_of(c)->progress_bytes += n * sizeof *p->selectors;
    }
    assert(i < p->selector_count);
    struct selector *was = p->selectors[i];
    if (was != NULL && selector_eq(was, selector)) return true;
    p->selectors[i] = selector_ref(selector);
    p->selector_bytes += selector->size;
    if (was != NULL) p->selector_bytes -= was->size;
    selector_unref(was);
    return false;
}

/* Whether others have renamed something, as far as the view shows, since the command looked at
 * names. (Who waits for what comes has looked at what was.) */
static bool names_have_changed(struct client *c) {
    const struct model *m = &c->srv->model;
    struct blocked_progress *p = progress_of(c);
    uint64_t renames = in_exec(c) ? c->wait.blocked->renames : m->renamed.count;
    uint64_t as_of = MIN(c->view, m->decided), named_as_of = p->named_as_of;
    bool is_first = p->selectors == NULL, all_shown = m->renamed.frame <= as_of;
    bool changed = p->renames != renames && (all_shown || as_of > named_as_of);
    p->named_as_of = as_of;
    if (is_first || all_shown) p->renames = renames; /* else the others are still to come */
    if (is_first || !changed || blocking_has_waited(c)) return false;
    return p->again++ < AGAIN_MAX;
}

bool blocking_selects_or_begins(struct client *c, size_t n, size_t i, struct selector *selector) {
    struct blocked_progress *p = progress_of(c);
    struct blocked *w = c->wait.blocked;
    bool changed = names_have_changed(c);
    if (changed) begin_anew(p);
    if (blocking_selects(c, n, i, selector) && !changed) return true;
    if (i < w->watch_count) blocked_unwatch(w, i);
    for (size_t k = i; k < p->at_count; k += n) p->at[k] = 0;
    for (size_t k = i; k < p->looked_count; k += n)
        p->looked[k].from = p->looked[k].to = p->looked[k].count = 0;
    return false;
}

size_t blocking_looks_for(const struct client *c, uint64_t events) {
    size_t left = blocking_looks_left(c);
    return left == 0 && in_exec(c) && events <= ALWAYS_IN_EXEC ? LIVE_LOOKS_A_TURN : left;
}

void blocking_exec_begins(struct client *c) {
    struct blocked *w = c->wait.blocked;
    if (w == NULL) return;
    list_remove(&w->pausing);
    w->renames += c->srv->model.renamed.count - w->undone_renames;
    w->undone_renames = c->srv->model.renamed.count;
}

void blocking_exec_undone(struct client *c) {
    if (c->wait.blocked != NULL) c->wait.blocked->undone_renames = c->srv->model.renamed.count;
}

static void pause(struct client *c, struct blocked *w, bool time_runs) {
    if (c->wants_newest) return; /* it is run again at once */
    if (!w->began) blocked_begin(c, w, 0);
    list_remove(&w->pausing);
    list_append(&c->srv->blocking->pausing, &w->pausing);
    blocked_park(c, w, time_runs);
}

void blocking_pause(struct client *c) {
    pause(c, blocked_of(c), false);
}

void blocking_pause_until(struct client *c, uint64_t timeout_ms) {
    struct blocked *w = blocked_of(c);
    if (!in_exec(c) && !w->began) blocked_begin(c, w, timeout_ms);
    pause(c, w, true);
}

void blocked_progress_clear(struct blocked *w) {
    for (size_t i = 0; i < w->command_count; i++) {
        struct blocked_progress *p = &w->commands[i];
        for (size_t k = 0; k < p->selector_count; k++) selector_unref(p->selectors[k]);
        free(p->selectors);
        for (size_t k = 0; k < p->looked_count; k++) free(p->looked[k].found);
        free(p->looked);
        free(p->at);
    }
    free(w->commands);
}

void blocking_reply_looks_too_long(struct client *c) {
    reply_error(c,
                "TOOLARGE the transaction removes or renames, and then reads a virtual stream for "
                "which more than %zu events would have to be looked at: read first, or outside of "
                "MULTI",
                BLOCKING_LOOKS_AT_ONCE);
}
