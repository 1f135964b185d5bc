/* XREAD. See xreadgroup.c for the reading of groups. */
#include "base/alloc.h"
#include "server/server.h"
#include "server/wait/blocking.h"
#include "server/wait/need.h"
#include "commands/stream/entry_read.h"
#include "commands/stream/entry_reply.h"
#include "commands/stream/family.h"
#include "commands/stream/read_args.h"
#include "commands/stream/shared.h"

/* One of the keys. */
struct source {
    struct stream *stream;
    struct entry_id after;
    struct entry_list list;
};

static bool need_sources(struct client *c, const struct xread_args *a, struct source *sources) {
    bool all = true;
    for (size_t i = 0; i < a->n; i++) all = need_stream(c, a->keys[i], &sources[i].stream) && all;
    return all;
}

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

/* What the key's id says. `$` is not looked at again when the command waits: *out stays. *known is
 * lowered when something has to be loaded. */
static bool parse_after_or_reply(struct client *c, struct str arg, struct stream *s, bool again,
                                 struct entry_id *out, bool *known) {
    if (stream_is_string(s)) {
        reply_wrong_type(c);
        return false;
    }
    if (str_eq(arg, STR("$"))) {
        if (!again) *out = s->state == STREAM_LIVE ? stream_last_id(s) : ENTRY_ID_MIN;
        return true;
    }
    if (str_eq(arg, STR("+"))) return before_last_or_reply(c, s, out, known);
    if (str_eq(arg, STR(">"))) {
        reply_error(c, "ERR The > ID can be specified only when calling XREADGROUP using the GROUP "
                       "<group> <consumer> option.");
        return false;
    }
    return xarg_id_or_reply(c, arg, 0, out);
}

static bool parse_ids_or_reply(struct client *c, const struct xread_args *a, struct source *sources,
                               bool *known) {
    struct entry_id *kept = NULL;
    bool again = false;
    bool may_wait = a->block && c->srv->exec.client == NULL;
    for (size_t i = 0; may_wait && kept == NULL && i < a->n; i++)
        if (str_eq(a->ids[i], STR("$"))) again = blocking_ids(c, a->n, &kept);
    for (size_t i = 0; i < a->n; i++) {
        if (again) sources[i].after = kept[i];
        if (!parse_after_or_reply(c, a->ids[i], sources[i].stream, again, &sources[i].after, known))
            return false;
        if (kept != NULL) kept[i] = sources[i].after;
    }
    return true;
}

static bool read_source(struct client *c, const struct xread_args *a, struct source *src,
                        struct budget *budget) {
    struct entry_id from = src->after;
    uint64_t start;
    if (src->stream->state == STREAM_ABSENT || !entry_id_next(&from)) return true;
    if (!need_entry(c, src->stream, from, &start)) return false;
    return budget_read(c, budget, &src->list, src->stream, start, a->count, c->view);
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
        reply_entries(c, l->events, l->count);
        c->srv->stats.events_read += l->count;
    }
}

static enum outcome wait_or_reply(struct client *c, const struct xread_args *a,
                                  const struct source *sources) {
    if (!a->block || c->srv->exec.client != NULL) {
        resp_put_null_array(&c->out, c->resp);
        return REPLIED;
    }
    struct entry_id *after = xmalloc(a->n * sizeof *after);
    for (size_t i = 0; i < a->n; i++) after[i] = sources[i].after;
    blocking_wait_for(c,
                      &(struct blocking_on){
                          .keys = a->keys, .n = a->n, .after = after, .timeout_ms = a->timeout_ms});
    free(after);
    return PARKED;
}

static enum outcome run(struct client *c, const struct xread_args *a, struct source *sources) {
    struct budget budget = budget_of(c, a);
    bool known = true;
    if (!need_sources(c, a, sources)) return PARKED;
    if (!parse_ids_or_reply(c, a, sources, &known)) return REPLIED;
    if (!known || c->wants_newest) return PARKED;
    for (size_t i = 0; i < a->n && !need_enough(c); i++)
        known = read_source(c, a, &sources[i], &budget) && known;
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
    enum outcome outcome = run(c, &a, sources);
    for (size_t i = 0; i < a.n; i++) entry_list_clear(&sources[i].list);
    free(sources);
    return outcome;
}
