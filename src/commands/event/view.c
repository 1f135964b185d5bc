/* EVIEW: selectors that have a name, for VIEW in other selectors and for virtual streams. What
 * becomes of who uses one: view_groups.h. */
#include "base/alloc.h"
#include "server/server.h"
#include "server/wait/need.h"
#include "commands/event/args.h"
#include "commands/event/family.h"
#include "commands/event/selector_args.h"
#include "commands/event/view_groups.h"
#include "commands/event/view_text.h"

#define VIEW_TEXT_MAX ((size_t)64 << 10)

static bool name_or_reply(struct client *c, struct str name) {
    if (stream_name_valid(name)) return true;
    reply_error(c,
                "INVALIDARG invalid name of a view: 1 to %d bytes without NUL, CR or LF are "
                "expected",
                STREAM_NAME_MAX);
    return false;
}

/* ---- SET ---- */

static bool word_or_reply(struct client *c, const struct request *r, size_t at,
                          struct selector_args *args) {
    enum selector_word word = selector_word_of(r->argv[at]);
    if (word == SELECTOR_WORD_COUNT || word == WORD_VIEW || word == WORD_UNTIL) {
        reply_error(c,
                    "INVALIDARG unexpected string '%.*s': expected " SELECTOR_WORDS_OF_VIEWS
                    ", or FORCE at the end",
                    (int)MIN(r->argv[at].len, (size_t)64), r->argv[at].ptr);
        return false;
    }
    if (at + 1 == r->argc) {
        reply_error(c, "INVALIDARG unexpected end of input: expected a value for %s",
                    selector_word_name(word).ptr);
        return false;
    }
    return selector_value_or_reply(c, args, word, r->argv[at + 1]);
}

/* The text of the words behind the name. */
static bool text_or_reply(struct client *c, const struct request *r, struct selector_args *args,
                          struct buf *text, bool *force) {
    struct selector *selector = NULL;
    *force = false;
    for (size_t at = 3; at < r->argc; at += 2) {
        *force = at + 1 == r->argc && arg_is(r->argv[at], STR("FORCE"));
        if (!*force && !word_or_reply(c, r, at, args)) return false;
    }
    if (!selector_or_reply(c, args, &selector)) return false;
    if (selector == NULL) { /* SINCE 0 is all that was given */
        reply_error(c, "INVALIDARG invalid SINCE: 0 selects everything, a time in ms after 1970 is "
                       "expected (or STREAM * for a view of everything)");
        return false;
    }
    view_text_put(text, selector);
    selector_unref(selector);
    if (text->len <= VIEW_TEXT_MAX) return true;
    reply_error(c, "TOOLARGE the view takes %zu bytes, %zu are allowed", text->len, VIEW_TEXT_MAX);
    return false;
}

static bool room_or_reply(struct client *c, const struct used_by *u, struct str text) {
    const struct named_values *all = &c->srv->model.named;
    size_t was = u->exists ? u->text.len : 0;
    if (!u->exists && all->view_count >= VIEWS_MAX) {
        reply_error(c, "TOOLARGE there are %d views, the most that there can be", VIEWS_MAX);
        return false;
    }
    if (all->view_bytes - was + text.len > VIEWS_BYTES_MAX) {
        reply_error(c, "TOOLARGE all views together can take %zu bytes", VIEWS_BYTES_MAX);
        return false;
    }
    size_t bytes = FRAME_OVERHEAD_MAX + STREAM_NAME_MAX + text.len + used_by_bytes(u);
    if (bytes <= store_frame_max(c->srv->store)) return true;
    reply_frame_too_large(c, "the view takes up to", bytes);
    return false;
}

static enum outcome set(struct client *c, struct str name, struct str text, bool force) {
    struct model *m = &c->srv->model;
    struct used_by u;
    if (!need_used_by(c, name, &u)) return PARKED;
    if (u.exists && str_eq(u.text, text)) {
        reply_ok(c);
        return REPLIED;
    }
    if (!unused_or_reply(c, &u, force)) return REPLIED;
    /* Groups that are not in memory go on from their position as it is. */
    if (!need_used_groups(c, &u, true)) return PARKED;
    if (!room_or_reply(c, &u, text)) return REPLIED;
    if (!used_by_begin_anew(c, &u)) return PARKED;
    named_set(m, named_view(m, name), text);
    client_commit(c);
    used_by_wake(c, &u);
    reply_ok(c);
    return REPLIED;
}

/* EVIEW SET name selector [FORCE] */
enum outcome cmd_eview_set(struct client *c, const struct request *r) {
    struct selector_args args = {0};
    struct buf text;
    bool force;
    enum outcome outcome = REPLIED;
    if (!name_or_reply(c, r->argv[2])) return REPLIED;
    buf_init(&text, 0);
    if (text_or_reply(c, r, &args, &text, &force))
        outcome = set(c, r->argv[2], buf_str(&text), force);
    selector_args_clear(&args);
    buf_clear(&text);
    return outcome;
}

/* EVIEW DEL name [FORCE]: 1, or 0 when there is none. Its groups go with it. */
enum outcome cmd_eview_del(struct client *c, const struct request *r) {
    struct used_by u;
    bool force = r->argc == 4;
    if (force && !arg_is(r->argv[3], STR("FORCE"))) {
        reply_error(c, "INVALIDARG unexpected string '%.*s': expected FORCE or end of input",
                    (int)MIN(r->argv[3].len, (size_t)64), r->argv[3].ptr);
        return REPLIED;
    }
    if (!name_or_reply(c, r->argv[2])) return REPLIED;
    if (!need_used_by(c, r->argv[2], &u)) return PARKED;
    if (!unused_or_reply(c, &u, force)) return REPLIED;
    if (!need_used_groups(c, &u, false)) return PARKED;
    if (u.exists) {
        named_set(&c->srv->model, u.view, (struct str){0});
        used_by_drop(c, &u);
        client_commit(c);
        used_by_wake(c, &u);
    }
    reply_int(c, u.exists);
    return REPLIED;
}

/* ---- looking ---- */

/* EVIEW GET name: its words and their values, as they can be given to another command; null when
 * there is none. */
enum outcome cmd_eview_get(struct client *c, const struct request *r) {
    struct named *n;
    struct str text;
    struct view_words words;
    if (!name_or_reply(c, r->argv[2])) return REPLIED;
    need_named(c, NAMED_VIEW, r->argv[2], &n);
    if (n == NULL || !named_value(&c->srv->model, n, c->view, &text)) {
        resp_put_null_array(&c->out, c->resp);
        return REPLIED;
    }
    if (view_words_read(&words, text)) {
        reply_array(c, words.reader.argc);
        for (size_t i = 0; i < words.reader.argc; i++) reply_bulk(c, words.reader.args[i]);
    } else {
        reply_error(c, "READERR the text of view '" STR_FMT "' makes no sense",
                    STR_ARG(r->argv[2]));
    }
    view_words_clear(&words);
    return REPLIED;
}

struct found {
    struct client *c;
    struct str pattern; /* len 0: all */
    const struct named **all;
    size_t count, cap, looked;
};

static void look(struct hash_node *node, void *arg) {
    struct found *f = arg;
    struct client *c = f->c;
    const struct named *n = CONTAINER_OF(node, struct named, node);
    struct str text;
    f->looked++;
    if (c->view == VIEW_NEWEST) client_tells(c, named_frame(&c->srv->model, n));
    if (f->pattern.len > 0 && !str_match_glob(f->pattern, named_name(n), false)) return;
    if (!named_value(&c->srv->model, n, c->view, &text)) return;
    if (f->count == f->cap) {
        f->cap = f->cap == 0 ? 64 : f->cap * 2;
        f->all = xrealloc(f->all, f->cap * sizeof *f->all);
    }
    f->all[f->count++] = n;
}

/* EVIEW LIST cursor [MATCH pattern] [COUNT n] */
enum outcome cmd_eview_list(struct client *c, const struct request *r) {
    struct list_query q;
    if (!list_query_or_reply(c, r, &q)) return REPLIED;
    struct found f = {.c = c, .pattern = q.pattern};
    uint64_t cursor = q.from;
    do cursor = named_scan(&c->srv->model.named, NAMED_VIEW, cursor, look, &f);
    while (cursor != 0 && f.looked < q.count);
    reply_array(c, 2);
    resp_put_bulk_u64(&c->out, cursor);
    reply_array(c, f.count);
    for (size_t i = 0; i < f.count; i++) reply_bulk(c, named_name(f.all[i]));
    free(f.all);
    return REPLIED;
}

/* EVIEW HELP */
enum outcome cmd_eview_help(struct client *c, const struct request *r) {
    static const char *const lines[] = {
        "DEL <name> [FORCE]",
        "    Delete a view. FORCE: also while it is in use.",
        "GET <name>",
        "    Show what it selects.",
        "LIST <cursor> [MATCH <pattern>] [COUNT <count>]",
        "    Iterate over the views.",
        "SET <name> <selection> [FORCE]",
        "    Give a selection a name: STREAM|TYPE <pattern>, CATEGORY <category>, AGGREGATE <id>,",
        "    CORRELATION|CAUSATION <uuid>, SINCE <milliseconds>, each as often as you like.",
        "    FORCE: also over one that is in use.",
        NULL,
    };
    UNUSED(r);
    reply_help(c, "EVIEW", lines);
    return REPLIED;
}
