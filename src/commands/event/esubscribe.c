/* ESUBSCRIBE: events of the log are pushed, from a position on. EUNSUBSCRIBE and EACK, also for
 * subscriptions of ESUB and EPSUB; ESUBS. */
#include "server/server.h"
#include "server/stats/info.h"
#include "server/subscription/subscription.h"
#include "server/wait/need.h"
#include "stream/read.h"
#include "commands/event/args.h"
#include "commands/event/checkpoint.h"
#include "commands/event/family.h"
#include "commands/event/from.h"
#include "commands/event/pages.h"
#include "commands/event/push_wire.h"
#include "commands/event/reply.h"
#include "commands/event/selector_args.h"
#include "commands/families.h"

#define WINDOW_MAX     100000
#define BATCH_MAX      1000
#define NAME_MAX_BYTES 512

enum own_word { OWN_WINDOW, OWN_BATCH, OWN_CHECKPOINT, OWN_NAME, OWN_FIELDS, OWN_WORDS };

static const struct str own_words[OWN_WORDS] = {
    [OWN_WINDOW] = {"WINDOW", 6},          [OWN_BATCH] = {"BATCH", 5},
    [OWN_CHECKPOINT] = {"CHECKPOINT", 10}, [OWN_NAME] = {"NAME", 4},
    [OWN_FIELDS] = {"FIELDS", 6},
};

struct esubscribe {
    struct from_arg from;
    uint64_t window, batch;
    struct str name, checkpoint; /* checkpoint.ptr NULL: none */
    struct selector_args args;
    struct chosen_fields chosen;
    unsigned seen;
};

static bool number_or_reply(struct client *c, struct str value, const char *what, uint64_t max,
                            uint64_t *out) {
    if (!arg_u64_or_reply(c, value, what, out)) return false;
    if (*out >= 1 && *out <= max) return true;
    reply_error(c, "INVALIDARG %s must be between 1 and %llu", what, (unsigned long long)max);
    return false;
}

static bool name_or_reply(struct client *c, struct str value, struct str *out) {
    *out = value;
    if (value.len > 0 && value.len <= NAME_MAX_BYTES && memchr(value.ptr, '\0', value.len) == NULL)
        return true;
    reply_error(c, "INVALIDARG invalid NAME: 1 to %d bytes without NUL are expected",
                NAME_MAX_BYTES);
    return false;
}

static bool own_or_reply(struct client *c, struct esubscribe *a, enum own_word w,
                         struct str value) {
    if (a->seen & (1u << w)) {
        reply_error(c, "INVALIDARG %s already specified", own_words[w].ptr);
        return false;
    }
    a->seen |= 1u << w;
    switch (w) {
    case OWN_WINDOW:
        return number_or_reply(c, value, "WINDOW", WINDOW_MAX, &a->window);
    case OWN_BATCH:
        return number_or_reply(c, value, "BATCH", BATCH_MAX, &a->batch);
    case OWN_CHECKPOINT:
        a->checkpoint = value;
        return checkpoint_name_or_reply(c, value);
    case OWN_NAME:
        return name_or_reply(c, value, &a->name);
    case OWN_FIELDS:
        return chosen_fields_or_reply(c, value, &a->chosen);
    case OWN_WORDS:
        break;
    }
    return false;
}

static enum own_word own_word_of(struct str arg) {
    enum own_word w = 0;
    while (w < OWN_WORDS && !arg_is(arg, own_words[w])) w++;
    return w;
}

/* One word with its value, at argv[*at]. */
static bool word_or_reply(struct client *c, const struct request *r, size_t *at,
                          struct esubscribe *a) {
    struct str word = r->argv[*at];
    enum selector_word selecting = selector_word_of(word);
    enum own_word own = own_word_of(word);
    if (arg_is(word, STR("FROM"))) {
        (*at)++;
        return from_or_reply(c, r, at, &a->from);
    }
    bool known = selecting != SELECTOR_WORD_COUNT || own != OWN_WORDS;
    struct str value;
    if (!selecting_word_or_reply(c, r, at, known, "FROM, WINDOW, BATCH, CHECKPOINT, NAME, FIELDS",
                                 &value))
        return false;
    return own != OWN_WORDS ? own_or_reply(c, a, own, value)
                            : selector_value_or_reply(c, &a->args, selecting, value);
}

/* The pattern in front is one more of STREAM; every stream need not be compared with. */
static bool pattern_or_reply(struct client *c, struct str pattern, struct esubscribe *a) {
    bool every = str_eq(pattern, STR("*")) && a->args.draft.count[SELECT_STREAM] == 0;
    return every || selector_value_or_reply(c, &a->args, WORD_STREAM, pattern);
}

static bool parse_or_reply(struct client *c, const struct request *r, struct esubscribe *a) {
    *a = (struct esubscribe){.window = UINT64_MAX, .from.is_new = true};
    for (size_t at = 2; at < r->argc;)
        if (!word_or_reply(c, r, &at, a)) return false;
    return pattern_or_reply(c, r->argv[1], a);
}

static enum outcome subscribe(struct client *c, struct esubscribe *a, struct selector *selector,
                              struct selector *then) {
    uint64_t head = model_visible_end(&c->srv->model, NULL, c->view);
    struct subscription_wish wish = {.selector = selector,
                                     .has_since = a->from.since > 0,
                                     .then = then,
                                     .window = a->window,
                                     .batch = a->batch,
                                     .name = a->name,
                                     .wire = &push_wire};
    if (c->view == VIEW_NEWEST) client_tells(c, c->srv->model.decided);
    if (!from_known(c, &a->from)) return PARKED;
    if (a->checkpoint.ptr != NULL &&
        !need_named(c, NAMED_CHECKPOINT, a->checkpoint, &wish.checkpoint))
        return PARKED;
    if (!from_position_or_reply(c, &a->from, head, &wish.position)) return REPLIED;
    if (!pages_may_wait_or_reply(c, selector, NULL) || !push_allowed_or_reply(c)) return REPLIED;
    wish.lean = chosen_fields_are_lean(&a->chosen);
    wish.shape = push_wire_shape(c, &a->chosen);
    wish.views = selector_use_views(c, &a->args, &wish.view_count);
    struct subscription *s = subscription_create_or_reply(c, &wish);
    if (s == NULL) return REPLIED;
    reply_map(c, 4);
    reply_uuid(c, "id", &s->id);
    reply_number(c, "from", wish.position);
    reply_number(c, "head", head);
    reply_timeline(c);
    return REPLIED;
}

/* ESUBSCRIBE pattern [FROM <START | NEW | position | TIME ms | CHECKPOINT name [ELSE ...]>]
 * [WINDOW n] [BATCH n] [CHECKPOINT name] [NAME text] [FIELDS a,b,...] [selector] */
enum outcome cmd_esubscribe(struct client *c, const struct request *r) {
    struct esubscribe a;
    enum outcome outcome = REPLIED;
    struct selector *then = NULL, *selector = NULL;
    if (parse_or_reply(c, r, &a) && selector_or_reply(c, &a.args, &then)) {
        if (a.from.since > 0) {
            from_add_since(&a.from, &a.args.draft);
            selector = selector_create(&a.args.draft);
        } else if (then != NULL) {
            selector = selector_ref(then);
        }
        outcome = subscribe(c, &a, selector, then);
    }
    selector_unref(selector);
    selector_unref(then);
    selector_args_clear(&a.args);
    return outcome;
}

/* ---- acknowledging and ending ---- */

static struct subscription *find_or_reply(struct client *c, struct str text) {
    struct uuid id;
    if (!uuid_from_text(text, &id)) {
        reply_error(c, "INVALIDARG invalid subscription id");
        return NULL;
    }
    struct subscription *s = subscription_find(c, &id);
    if (s != NULL) return s;
    if (subscription_was_taken(c->srv, &id))
        reply_error(c, "STALE a newer subscription has the checkpoint of this one");
    else
        reply_error(c, "NOTFOUND subscription not found");
    return NULL;
}

/* EUNSUBSCRIBE <id | *>, EUNSUB <id | *> */
enum outcome cmd_eunsubscribe(struct client *c, const struct request *r) {
    if (str_eq(r->argv[1], STR("*"))) {
        subscriptions_drop(c);
    } else {
        struct subscription *s = find_or_reply(c, r->argv[1]);
        if (s == NULL) return REPLIED;
        subscription_destroy(s);
    }
    reply_ok(c);
    return REPLIED;
}

/* The reply waits until it is durable. */
static bool move_checkpoint_or_reply(struct client *c, struct subscription *s, uint64_t cursor) {
    if (c->srv->exec.client == c) {
        reply_error(c, "ERR EACK of a subscription with CHECKPOINT cannot be in a transaction: use "
                       "ECHECKPOINT SET");
        return false;
    }
    if (!server_writable_or_reply(c, CMD_WRITE)) return false;
    if (subscription_move_checkpoint(s, cursor)) client_commit(c);
    return true;
}

/* EACK id cursor */
enum outcome cmd_eack(struct client *c, const struct request *r) {
    uint64_t cursor;
    struct subscription *s = find_or_reply(c, r->argv[1]);
    if (s == NULL) return REPLIED;
    if (!arg_u64_or_reply(c, r->argv[2], "cursor", &cursor)) return REPLIED;
    if (s->checkpoint != NULL) {
        if (c->srv->exec.client != c && !command_may_write(c)) return PARKED;
        if (!move_checkpoint_or_reply(c, s, cursor)) return REPLIED;
    }
    subscription_acknowledge(s, cursor);
    reply_ok(c);
    return REPLIED;
}
