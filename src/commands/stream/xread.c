/* XREAD. See xreadgroup.c for the reading of groups. */
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
    struct log_search search; /* virtual: for `+` */
    uint64_t looked;          /* virtual: everything before it is not wanted, or in the list */
    bool selects_anew;        /* virtual: this command has not been run by that selector yet */
};

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

/* progress, looked: of the two at most one is given: where nothing is found it goes on in another
 * turn from there. */
static bool read_virtual(struct client *c, const struct xread_args *a, struct source *src,
                         uint64_t *progress, struct log_looked *looked_in_exec,
                         struct budget *budget) {
    struct entry_id from = src->after;
    uint64_t head = log_head(c, c->view), looked = progress != NULL ? *progress : 0, start = head;
    src->looked = MAX(head, looked);
    if (!entry_id_next(&from)) return true;
    if (!need_start(c, from, looked, &start)) return false;
    src->looked = MAX(head, start);
    if (start >= head) return true;
    struct entry_range range = {.start = start,
                                .most = a->count,
                                .view = c->view,
                                .selector = src->selector,
                                .pauses = progress != NULL || looked_in_exec != NULL,
                                .partly = true,
                                .looked = looked_in_exec};
    bool known = budget_read(c, budget, &src->list, NULL, range);
    src->looked = MAX(start, MIN(src->list.reached, head));
    if (known && progress != NULL && src->list.count == 0) *progress = src->looked;
    return known;
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
    if (c->resp == 2)
        reply_array(c, served);
    else
        reply_map(c, served);
    for (size_t i = 0; i < a->n; i++) {
        const struct entry_list *l = &sources[i].list;
        if (l->count == 0) continue;
        if (c->resp == 2) reply_array(c, 2);
        reply_bulk(c, a->keys[i]);
        if (sources[i].selector != NULL)
            reply_log_entries(c, l->events, l->count, c->view);
        else
            reply_entries(c, l->events, l->count);
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
    bool paused = false, overdone = false, any_virtual = false;
    size_t promised = 0;
    for (size_t i = 0; i < a->n; i++) {
        paused = paused || sources[i].list.paused;
        overdone = overdone || sources[i].list.overdone;
        any_virtual = any_virtual || sources[i].selector != NULL;
    }
    if (overdone) {
        blocking_reply_looks_too_long(c);
        return REPLIED;
    }
    if (paused) { /* there may be something, further on */
        blocking_pause_until(c, a->block ? a->timeout_ms : 0);
        return PARKED;
    }
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

/* What was looked at for virtual streams, of each key; and behind that how far the searches of `+`
 * are. NULL: there are none; or it is EXEC, where what was found is kept, too (log_looked). What
 * was looked at for a view that has changed since was not looked at for this one. */
static uint64_t *progress_of(struct client *c, const struct xread_args *a, struct source *sources) {
    bool any = false;
    for (size_t i = 0; i < a->n; i++) any = any || sources[i].selector != NULL;
    bool in_exec = c->srv->exec.client == c;
    uint64_t *progress = any && !in_exec ? blocking_progress(c, 2 * a->n) : NULL;
    for (size_t i = 0; i < a->n; i++) {
        struct source *src = &sources[i];
        if (src->selector == NULL) continue;
        src->selects_anew = !blocking_selects_or_begins(c, a->n, i, src->selector);
        if (in_exec) src->search.looked = blocking_log_looked(c, 2 * a->n, a->n + i);
        if (in_exec) continue;
        if (src->selects_anew) progress[a->n + i] = 0;
        progress[i] = MAX(progress[i], blocking_looked(c, i));
        src->search.at = &progress[a->n + i];
    }
    return progress;
}

/* true: a search of `+` goes on in another turn, or would look at too much. */
static bool searches_end(struct client *c, const struct xread_args *a, const struct source *sources,
                         enum outcome *outcome) {
    bool paused = false, overdone = false;
    for (size_t i = 0; i < a->n; i++) {
        paused = paused || sources[i].search.paused;
        overdone = overdone || sources[i].search.overdone;
    }
    *outcome = overdone ? REPLIED : PARKED;
    if (overdone)
        blocking_reply_looks_too_long(c);
    else if (paused)
        blocking_pause_until(c, a->block ? a->timeout_ms : 0);
    return paused || overdone;
}

static bool read_one(struct client *c, const struct xread_args *a, struct source *sources, size_t i,
                     uint64_t *progress, struct budget *budget) {
    struct source *src = &sources[i];
    bool in_exec = c->srv->exec.client == c;
    if (src->selector == NULL) return read_source(c, a, src, budget);
    if (in_exec) return read_virtual(c, a, src, NULL, blocking_log_looked(c, 2 * a->n, i), budget);
    return read_virtual(c, a, src, progress + i, NULL, budget);
}

static enum outcome run(struct client *c, const struct xread_args *a, struct source *sources) {
    struct budget budget = budget_of(c, a);
    bool known = true;
    enum outcome outcome;
    if (!need_sources(c, a, sources)) return PARKED;
    uint64_t *progress = progress_of(c, a, sources);
    if (!parse_ids_or_reply(c, a, sources, &known)) return REPLIED;
    if (searches_end(c, a, sources, &outcome)) return outcome;
    if (!known || c->wants_newest) return PARKED;
    for (size_t i = 0; i < a->n && !need_enough(c); i++)
        known = read_one(c, a, sources, i, progress, &budget) && known;
    if (!known) return PARKED;
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
