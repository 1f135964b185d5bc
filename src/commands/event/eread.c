/* EREAD: the log from a position on, in pages, and waiting for what is not there yet. */
#include "stream/read.h"
#include "server/server.h"
#include "server/client/share.h"
#include "server/wait/blocking.h"
#include "server/wait/need.h"
#include "commands/event/args.h"
#include "commands/event/chosen_fields.h"
#include "commands/event/family.h"
#include "commands/event/from.h"
#include "commands/event/pages.h"
#include "commands/event/reply.h"
#include "commands/event/selector_args.h"

#define BLOCK_MAX (UINT64_C(1) << 42) /* ms: a hundred years */

struct eread {
    struct from_arg from;
    bool blocks;
    uint64_t count, block_ms;
    struct selector_args args;
    struct chosen_fields chosen;
    bool seen_count, seen_fields;
};

static bool missing(struct client *c, const char *expected) {
    reply_error(c, "INVALIDARG unexpected end of input: expected %s", expected);
    return false;
}

static bool twice(struct client *c, const char *word) {
    reply_error(c, "INVALIDARG %s already specified", word);
    return false;
}

static bool count_or_reply(struct client *c, struct str value, struct eread *a) {
    if (a->seen_count) return twice(c, "COUNT");
    a->seen_count = true;
    return arg_count_or_reply(c, value, &a->count);
}

static bool block_or_reply(struct client *c, struct str value, struct eread *a) {
    if (a->blocks) return twice(c, "BLOCK");
    a->blocks = true;
    if (!arg_u64_or_reply(c, value, "BLOCK", &a->block_ms)) return false;
    a->block_ms = MIN(a->block_ms, BLOCK_MAX);
    return true;
}

static bool fields_or_reply(struct client *c, struct str value, struct eread *a) {
    if (a->seen_fields) return twice(c, "FIELDS");
    a->seen_fields = true;
    return chosen_fields_or_reply(c, value, &a->chosen);
}

/* One word with its value, at argv[*at]. */
static bool word_or_reply(struct client *c, const struct request *r, size_t *at, struct eread *a) {
    struct str word = r->argv[*at];
    enum selector_word selecting = selector_word_of(word);
    bool count = arg_is(word, STR("COUNT")), block = arg_is(word, STR("BLOCK")),
         fields = arg_is(word, STR("FIELDS"));
    if (arg_is(word, STR("FROM"))) {
        (*at)++;
        return from_or_reply(c, r, at, &a->from);
    }
    bool known = selecting != SELECTOR_WORD_COUNT || count || block || fields;
    struct str value;
    if (!selecting_word_or_reply(c, r, at, known, "FROM, COUNT, BLOCK, FIELDS", &value))
        return false;
    if (count) return count_or_reply(c, value, a);
    if (block) return block_or_reply(c, value, a);
    if (fields) return fields_or_reply(c, value, a);
    return selector_value_or_reply(c, &a->args, selecting, value);
}

static bool parse_or_reply(struct client *c, const struct request *r, struct eread *a) {
    *a = (struct eread){.count = ARG_COUNT_DEFAULT};
    for (size_t at = 1; at < r->argc;)
        if (!word_or_reply(c, r, &at, a)) return false;
    if (!a->from.given) return missing(c, "FROM and " FROM_PLACES);
    from_add_since(&a->from, &a->args.draft);
    return true;
}

static void reply_page(struct client *c, const struct read *r, uint64_t head,
                       const struct chosen_fields *chosen) {
    reply_map(c, 5);
    pages_reply_events(c, r, chosen);
    reply_number(c, "next", r->has_more ? r->next : head);
    reply_number(c, "head", head);
    reply_key(c, "has_more");
    resp_put_bool(&c->out, c->resp, r->has_more);
    reply_timeline(c);
}

/* What it takes to compare events with what all wait for is bounded. */
static bool may_wait_or_reply(struct client *c, const struct eread *a, struct selector *selector,
                              bool listened) {
    bool is_new = !listened;
    if (a->args.views != NULL) is_new = !blocking_selects(c, 1, 0, selector) || is_new;
    return !is_new || pages_may_wait_or_reply(c, selector, NULL);
}

/* Until there is something, or one of its views changes. */
static void wait_for_events(struct client *c, const struct eread *a, struct selector *selector,
                            uint64_t from) {
    size_t n;
    struct str *views = selector_view_keys(&a->args, &n);
    blocking_listen(c, selector, from, a->block_ms, views, n);
    free(views);
}

static enum outcome run(struct client *c, struct eread *a, struct selector *selector) {
    const struct model *m = &c->srv->model;
    uint64_t head = model_visible_end(m, NULL, c->view), from;
    bool listened = blocking_listened(c, &from), again = listened || need_kept(c, &from);
    if (c->view == VIEW_NEWEST) client_tells(c, m->decided);
    if (blocking_emptied(c)) {
        blocking_reply_emptied(c);
        return REPLIED;
    }
    if (!again && !from_known(c, &a->from)) return PARKED;
    if (!again && !from_position_or_reply(c, &a->from, head, &from)) return REPLIED;
    /* It may have looked further than what is settled by now, behind its own append. */
    uint64_t looked = MAX(from, head);
    from = MIN(from, head);
    struct read r = {.start = from,
                     .end = head - (head > 0),
                     .count = a->count,
                     .selector = selector,
                     .horizon = c->view,
                     .bytes_max = share_portion(c),
                     .lean = chosen_fields_are_lean(&a->chosen),
                     .pages = true};
    bool nothing_new = from == head;
    if (!nothing_new && !pages_read(c, &r)) {
        need_keep(c, from); /* a checkpoint may move meanwhile */
        read_clear(&r);
        return PARKED;
    }
    bool waits = r.found == 0 && !r.has_more && a->blocks && c->srv->exec.client == NULL;
    if (waits && !may_wait_or_reply(c, a, selector, listened)) {
        read_clear(&r);
        return REPLIED;
    }
    if (waits && !blocking_over(c)) {
        wait_for_events(c, a, selector, looked);
        read_clear(&r);
        return PARKED;
    }
    reply_page(c, &r, head, &a->chosen);
    read_clear(&r);
    return REPLIED;
}

/* EREAD FROM <START | NEW | position | TIME ms | CHECKPOINT name [ELSE <START | NEW | position>]>
 * [COUNT n] [BLOCK ms] [FIELDS a,b,...] [selector] */
enum outcome cmd_eread(struct client *c, const struct request *r) {
    struct eread a;
    enum outcome outcome = REPLIED;
    struct selector *selector = NULL;
    bool parsed = parse_or_reply(c, r, &a) && selector_or_reply(c, &a.args, &selector);
    if (parsed && c->wait.unblocked_error && blocking_over(c)) {
        blocking_reply_over(c);
    } else if (parsed) {
        outcome = run(c, &a, selector);
    }
    selector_unref(selector);
    selector_args_clear(&a.args);
    return outcome;
}
