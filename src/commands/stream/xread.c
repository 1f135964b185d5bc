/* XREAD. See xreadgroup.c for the reading of groups.
 *
 * Every key that has entries beyond its id is in the reply, as far as there is room in one. Of a
 * virtual stream that may take many turns to find out. What was found meanwhile for others is read
 * when all have been looked through (up to what there was when the command came), so that one that
 * has many does not keep one that has few from being heard. Only when there is nothing the command
 * waits, and only then the time of its BLOCK begins. */
#include "base/alloc.h"
#include "server/server.h"
#include "server/command/virtual.h"
#include "server/wait/blocking.h"
#include "server/wait/need.h"
#include "commands/event/pages.h"
#include "commands/stream/entry_read.h"
#include "commands/stream/entry_reply.h"
#include "commands/stream/family.h"
#include "commands/stream/log_read.h"
#include "commands/stream/read_args.h"
#include "commands/stream/shared.h"

/* One of the keys. */
struct source {
    struct stream *stream;
    struct selector *selector; /* of a virtual stream; NULL: it is none */
    struct entry_id after;
    struct entry_list list;
    /* Of a virtual one: */
    struct log_search search; /* for `+` */
    bool only_last;           /* it has found that one, which is all that is read */
    uint64_t looked;          /* everything before it is not wanted, or in the list */
    bool selects_anew;        /* this command has not been run by that selector yet */
    uint64_t *kept;           /* NULL: it is EXEC */
    bool waits_for_others;    /* it has something, and is read when they were looked through */
};

/* What is kept of each key over the turns (blocking_progress): up to where it was looked at, and
 * whether something was found there; the same of the search for `+`, and where that began. Behind
 * all: up to where the command looks before it replies, + 1. */
enum { LOOKED, FOUND, LAST, LAST_FOUND, LAST_HEAD, KEPT };
static uint64_t *kept_of(const struct xread_args *a, const struct source *src, size_t what) {
    return src->kept + what * a->n;
}

static bool need_sources(struct client *c, const struct xread_args *a, struct source *sources) {
    bool all = true;
    for (size_t i = 0; i < a->n; i++) {
        if (sources[i].selector != NULL) continue;
        all = need_stream(c, a->keys[i], &sources[i].stream) && all;
    }
    return all;
}

/* ---- what is asked for ---- */

/* `+`: just before the last entry that exists and may be seen; in an empty stream before its last
 * id. */
static bool before_last_or_reply(struct client *c, struct stream *s, struct entry_id *out,
                                 bool *known) {
    struct event *last;
    *out = ENTRY_ID_MIN;
    if (s->state == STREAM_ABSENT) return true;
    *known = need_last(c, s, &last) && *known;
    if (!*known) return true;
    if (last != NULL)
        *out = event_entry_id(last);
    else if (stream_length(s) > 0)
        c->wants_newest = true; /* it was deleted since, and this view has no other */
    else
        *known = need_last_id(c, s, out);
    if (!*known || c->wants_newest || entry_id_previous(out)) return true;
    reply_error(c, "ERR the stream last element ID is 0-0");
    return false;
}

/* The same of a virtual stream. */
static void before_last_of_log(struct client *c, struct source *src, struct entry_id *out,
                               bool *known) {
    struct event *last;
    *out = ENTRY_ID_MIN;
    if (!need_log_end(c, c->view, src->selector, true, &src->search, &last))
        *known = false;
    else if (last != NULL)
        *out = event_log_id(last);
    src->only_last = last != NULL;
    entry_id_previous(out);
}

/* `$`. */
static void last_id(struct client *c, const struct source *src, struct entry_id *out, bool *known) {
    if (src->selector != NULL)
        *known = need_log_last(c, c->view, out) && *known;
    else
        *out = src->stream->state == STREAM_LIVE ? stream_last_id(src->stream) : ENTRY_ID_MIN;
}

/* What the key's id says. `$` is not looked at again when the command waits: *out stays. *known is
 * lowered when something has to be loaded. */
static bool parse_after_or_reply(struct client *c, struct str arg, struct source *src, bool again,
                                 struct entry_id *out, bool *known) {
    if (src->stream != NULL && stream_is_string(src->stream)) {
        reply_wrong_type(c);
        return false;
    }
    if (str_eq(arg, STR("$"))) {
        if (!again) last_id(c, src, out, known);
        return true;
    }
    if (str_eq(arg, STR("+")) && src->selector != NULL) {
        before_last_of_log(c, src, out, known);
        return true;
    }
    if (str_eq(arg, STR("+"))) return before_last_or_reply(c, src->stream, out, known);
    if (str_eq(arg, STR(">"))) {
        reply_error(c, "ERR The > ID can be specified only when calling XREADGROUP using the GROUP "
                       "<group> <consumer> option.");
        return false;
    }
    return xarg_id_or_reply(c, arg, 0, out);
}

static bool may_wait(const struct client *c, const struct xread_args *a) {
    return a->block && c->srv->exec.client == NULL;
}

/* All of the ids, before any is kept: a first run may have to load something. */
static bool parse_ids_or_reply(struct client *c, const struct xread_args *a, struct source *sources,
                               bool *known) {
    const struct entry_id *ids = blocking_kept_ids(c);
    bool dollar = false;
    for (size_t i = 0; i < a->n; i++) {
        if (ids != NULL) sources[i].after = ids[i];
        if (!parse_after_or_reply(c, a->ids[i], &sources[i], ids != NULL, &sources[i].after, known))
            return false;
        dollar = dollar || str_eq(a->ids[i], STR("$"));
    }
    if (!may_wait(c, a) || !dollar || !*known || c->wants_newest) return true;
    struct entry_id *kept = blocking_keep_ids(c, a->n);
    for (size_t i = 0; i < a->n; i++) kept[i] = sources[i].after;
    return true;
}

/* ---- reading ---- */

/* Where reading begins. What was looked at before needs not be looked at again, unless it was
 * looked at when everything was below the id: then what came since may be, too. */
static bool need_start(struct client *c, struct entry_id from, uint64_t looked, uint64_t *start) {
    const struct model *m = &c->srv->model;
    if (looked >= m->log.first && looked < m->next_sequence && looked > 0 &&
        entry_id_cmp(event_log_id(model_event(m, looked)), from) >= 0) {
        *start = looked;
        return true;
    }
    bool known = need_log_place(c, c->view, from, start);
    *start = MAX(*start, looked);
    return known;
}

/* looked_in_exec: in EXEC, unless nothing can be kept. */
static bool read_virtual(struct client *c, const struct xread_args *a, struct source *src,
                         struct log_looked *looked_in_exec, struct budget *budget) {
    struct entry_id from = src->after;
    uint64_t head = log_head(c, c->view), start = head;
    uint64_t looked = src->kept != NULL ? *kept_of(a, src, LOOKED) : 0;
    if (src->kept != NULL && looked == 0)
        looked = blocking_remembered(c, src->selector, src->after);
    src->looked = MAX(head, looked);
    if (!entry_id_next(&from)) return true;
    if (!need_start(c, from, looked, &start)) return false;
    src->looked = MAX(head, start);
    if (start >= head) return true;
    struct entry_range range = {.start = start,
                                .most = src->only_last ? MIN(a->count, UINT64_C(1)) : a->count,
                                .view = c->view,
                                .selector = src->selector,
                                .pauses = src->kept != NULL || looked_in_exec != NULL,
                                .partly = true,
                                .begins = src->waits_for_others,
                                .looked = looked_in_exec};
    bool known = budget_read(c, budget, &src->list, NULL, range);
    src->looked = MAX(start, MIN(src->list.reached, head));
    if (known && src->kept != NULL && src->list.count == 0) *kept_of(a, src, LOOKED) = src->looked;
    return known;
}

/* It has something, but others are not looked through yet. What lies on disk is read again from the
 * same place on: its page is kept. */
static void note_found(struct client *c, const struct xread_args *a, struct source *src) {
    uint64_t first = src->list.events[0]->rec.sequence;
    if (first >= c->srv->model.log.first) *kept_of(a, src, LOOKED) = first;
    *kept_of(a, src, FOUND) = 1;
}

static bool read_source(struct client *c, const struct xread_args *a, struct source *src,
                        struct budget *budget) {
    struct entry_id from = src->after;
    uint64_t start;
    if (src->stream->state == STREAM_ABSENT || !entry_id_next(&from)) return true;
    if (!need_entry(c, src->stream, from, &start)) return false;
    struct entry_range range = {.start = start, .most = a->count, .view = c->view};
    return budget_read(c, budget, &src->list, src->stream, range);
}

static void reply_sources(struct client *c, const struct xread_args *a,
                          const struct source *sources) {
    size_t served = 0;
    for (size_t i = 0; i < a->n; i++) served += sources[i].list.count > 0;
    size_t left = served;
    if (c->resp == 2)
        reply_array(c, served);
    else
        reply_map(c, served);
    for (size_t i = 0; i < a->n; i++) {
        const struct entry_list *l = &sources[i].list;
        if (l->count == 0) continue;
        if (c->resp == 2) reply_array(c, 2);
        reply_bulk(c, a->keys[i]);
        reply_found_entries(c, l, sources[i].selector != NULL, c->view, --left == 0);
        c->srv->stats.events_read += l->count;
    }
}

/* ---- waiting ---- */

static void wait_for(struct client *c, const struct xread_args *a, const struct source *sources,
                     bool any_virtual) {
    struct entry_id *after = xmalloc(a->n * sizeof *after);
    struct selector **selectors = xcalloc(a->n, sizeof *selectors);
    uint64_t *looked = xcalloc(a->n, sizeof *looked);
    for (size_t i = 0; i < a->n; i++) {
        after[i] = sources[i].after;
        selectors[i] = sources[i].selector;
        looked[i] = sources[i].looked;
    }
    blocking_wait_for(c, &(struct blocking_on){.keys = a->keys,
                                               .n = a->n,
                                               .after = after,
                                               .selectors = any_virtual ? selectors : NULL,
                                               .looked = looked,
                                               .timeout_ms = a->timeout_ms});
    free(after);
    free(selectors);
    free(looked);
}

static enum outcome wait_or_reply(struct client *c, const struct xread_args *a,
                                  const struct source *sources) {
    bool any_virtual = false;
    size_t promised = 0;
    for (size_t i = 0; i < a->n; i++) any_virtual = any_virtual || sources[i].selector != NULL;
    if (!may_wait(c, a)) {
        resp_put_null_array(&c->out, c->resp);
        return REPLIED;
    }
    for (size_t i = 0; i < a->n; i++) {
        const struct source *src = &sources[i];
        bool is_new = src->selects_anew || !blocking_has_waited(c);
        if (is_new && src->selector != NULL &&
            !pages_may_wait_or_reply(c, src->selector, &promised))
            return REPLIED;
    }
    wait_for(c, a, sources, any_virtual);
    return PARKED;
}

/* ---- the command ---- */

/* What was looked at for virtual streams is taken up. In EXEC what was found is kept, too
 * (log_looked). What was looked at for a view that has changed since was not looked at for this
 * one. */
static void take_up(struct client *c, const struct xread_args *a, struct source *sources,
                    uint64_t **until) {
    bool in_exec = c->srv->exec.client == c;
    *until = NULL;
    for (size_t i = 0; i < a->n; i++) {
        struct source *src = &sources[i];
        if (src->selector == NULL) continue;
        uint64_t *kept = in_exec ? NULL : blocking_progress(c, KEPT * a->n + 1);
        src->selects_anew = !blocking_selects_or_begins(c, a->n, i, src->selector);
        if (in_exec) src->search.looked = blocking_log_looked(c, 2 * a->n, a->n + i);
        if (in_exec) continue;
        src->kept = kept + i;
        *until = kept + KEPT * a->n;
        uint64_t *looked = kept_of(a, src, LOOKED);
        *looked = MAX(*looked, blocking_looked(c, i));
        src->search.at = kept_of(a, src, LAST);
        src->search.found = kept_of(a, src, LAST_FOUND);
        src->search.head = kept_of(a, src, LAST_HEAD);
    }
}

/* Replies, or goes on in another turn, when looking has not come to its end. */
static enum outcome not_yet(struct client *c, bool overdone) {
    if (overdone)
        blocking_reply_looks_too_long(c);
    else
        blocking_pause(c);
    return overdone ? REPLIED : PARKED;
}

/* true: a search of `+` goes on in another turn, or would look at too much. */
static bool searches_end(struct client *c, const struct xread_args *a, const struct source *sources,
                         enum outcome *outcome) {
    bool paused = false, overdone = false;
    for (size_t i = 0; i < a->n; i++) {
        paused = paused || sources[i].search.paused;
        overdone = overdone || sources[i].search.overdone;
    }
    if (paused || overdone) *outcome = not_yet(c, overdone);
    return paused || overdone;
}

/* true: one has not been looked through, as far as to `until`: what has come since the command did
 * may wait for the next one. (In EXEC, to the end.) */
static bool looks_on(struct client *c, const struct xread_args *a, struct source *sources,
                     uint64_t *until, enum outcome *outcome) {
    bool paused = false, overdone = false;
    if (until != NULL && *until == 0) *until = log_head(c, c->view) + 1;
    for (size_t i = 0; i < a->n; i++) {
        const struct entry_list *l = &sources[i].list;
        paused = paused || (l->paused && (until == NULL || sources[i].looked < *until - 1));
        overdone = overdone || l->overdone;
    }
    if (!paused && !overdone) return false;
    for (size_t i = 0; i < a->n; i++)
        if (sources[i].kept != NULL && sources[i].list.count > 0) note_found(c, a, &sources[i]);
    *outcome = not_yet(c, overdone);
    return true;
}

static bool read_one(struct client *c, const struct xread_args *a, struct source *sources, size_t i,
                     struct budget *budget) {
    struct source *src = &sources[i];
    if (src->selector == NULL) return read_source(c, a, src, budget);
    struct log_looked *looked = src->kept == NULL ? blocking_log_looked(c, 2 * a->n, i) : NULL;
    return read_virtual(c, a, src, looked, budget);
}

/* All but those that have something, as an earlier turn found out. */
static bool read_all(struct client *c, const struct xread_args *a, struct source *sources,
                     struct budget *budget, bool *again) {
    bool known = true;
    *again = false;
    for (size_t i = 0; i < a->n && !need_enough(c); i++) {
        struct source *src = &sources[i];
        src->waits_for_others = src->kept != NULL && *kept_of(a, src, FOUND) != 0;
        *again = *again || src->waits_for_others;
        if (!src->waits_for_others) known = read_one(c, a, sources, i, budget) && known;
    }
    return known;
}

/* All have been looked through: everything, once more, in the order of the keys. (What was found
 * may have been removed by now: then its stream is looked through from there on.) */
static bool read_again(struct client *c, const struct xread_args *a, struct source *sources,
                       struct budget *budget) {
    bool known = true;
    for (size_t i = 0; i < a->n && !need_enough(c); i++) {
        struct source *src = &sources[i];
        if (src->kept != NULL && src->list.count > 0) note_found(c, a, src);
        src->waits_for_others = src->kept != NULL && *kept_of(a, src, FOUND) != 0;
        if (src->kept != NULL && !src->waits_for_others) continue;
        entry_list_clear(&src->list);
        bool here = read_one(c, a, sources, i, budget);
        if (here && src->kept != NULL && src->list.paused) *kept_of(a, src, FOUND) = 0;
        known = here && known;
    }
    return known;
}

/* The next command will ask for what lies beyond the same ids, where there was nothing. */
static void remember(struct client *c, const struct xread_args *a, const struct source *sources) {
    for (size_t i = 0; i < a->n; i++) {
        const struct source *src = &sources[i];
        if (src->kept != NULL && src->list.count == 0)
            blocking_remember(c, src->selector, src->after, src->looked);
    }
}

static enum outcome run(struct client *c, const struct xread_args *a, struct source *sources) {
    struct budget budget = budget_of(c, a);
    bool known = true, again;
    enum outcome outcome;
    uint64_t *until;
    if (!need_sources(c, a, sources)) return PARKED;
    take_up(c, a, sources, &until);
    if (!parse_ids_or_reply(c, a, sources, &known)) return REPLIED;
    if (searches_end(c, a, sources, &outcome)) return outcome;
    if (!known || c->wants_newest) return PARKED;
    if (!read_all(c, a, sources, &budget, &again)) return PARKED;
    if (looks_on(c, a, sources, until, &outcome)) return outcome;
    if (again) {
        budget = budget_of(c, a);
        if (!read_again(c, a, sources, &budget)) return PARKED;
        if (looks_on(c, a, sources, until, &outcome)) return outcome;
    }
    remember(c, a, sources);
    if (!budget.any) return wait_or_reply(c, a, sources);
    reply_sources(c, a, sources);
    return REPLIED;
}

/* XREAD [COUNT n] [MAXCOUNT n] [MAXSIZE bytes] [BLOCK ms] STREAMS key [key ...] id [id ...] */
enum outcome cmd_xread(struct client *c, const struct request *r) {
    struct xread_args a;
    if (!xargs_xread_or_reply(c, r, false, &a)) return REPLIED;
    if (blocking_over(c)) {
        blocking_reply_over(c);
        return REPLIED;
    }
    struct source *sources = xcalloc(a.n, sizeof *sources);
    bool good = true;
    size_t bytes = 0;
    for (size_t i = 0; good && i < a.n; i++)
        if (virtual_is(c, a.keys[i]))
            good = log_selectors_or_reply(c, a.keys[i], c->view, &bytes, &sources[i].selector);
    enum outcome outcome = good ? run(c, &a, sources) : REPLIED;
    for (size_t i = 0; i < a.n; i++) {
        entry_list_clear(&sources[i].list);
        selector_unref(sources[i].selector);
    }
    free(sources);
    return outcome;
}
