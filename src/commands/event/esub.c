/* ESUB and EPSUB: SierraDB's subscriptions, on its wire. The store is one partition, number 0;
 * whatever else is named beside it has no events. A stream's positions are its versions, the
 * partition's are sequences. */
#include "base/alloc.h"
#include "server/command/virtual.h"
#include "server/server.h"
#include "server/subscription/subscription.h"
#include "stream/read.h"
#include "commands/event/args.h"
#include "commands/event/family.h"
#include "commands/event/pages.h"
#include "commands/event/push_wire.h"
#include "commands/event/selector_args.h"

#define WINDOW_DEFAULT 1000

static bool unexpected(struct client *c, bool end, const char *expected) {
    reply_error(c, "INVALIDARG unexpected %s: expected %s", end ? "end of input" : "string",
                expected);
    return false;
}

/* ---- FROM and WINDOW ---- */

enum from_what { FROM_LATEST, FROM_NUMBER, FROM_MAP };

struct pair {
    struct str name;
    uint64_t number;
};

struct tail {
    enum from_what what;
    uint64_t number;    /* FROM n */
    struct pair *pairs; /* FROM MAP: ascending, each name once: the first that was given */
    size_t pair_count;
    bool has_default;
    uint64_t otherwise; /* DEFAULT n */
    uint64_t window;
};

/* At the last '=': a name may hold some. false: it is no such pair. */
static bool split_pair(struct str pair, struct str *name, uint64_t *number) {
    const char *equals = pair.len > 0 ? memrchr(pair.ptr, '=', pair.len) : NULL;
    if (equals == NULL) return false;
    size_t len = (size_t)(equals - pair.ptr);
    *name = str_of(pair.ptr, len);
    return str_to_u64(str_of(equals + 1, pair.len - len - 1), number);
}

/* Of those with the same name the first that was given: its name stands before theirs. */
static int compare_pairs(const void *a, const void *b) {
    const struct pair *x = a, *y = b;
    int order = str_cmp(x->name, y->name);
    return order != 0 ? order : (x->name.ptr > y->name.ptr) - (x->name.ptr < y->name.ptr);
}

static void sort_pairs(struct tail *t) {
    size_t kept = 0;
    qsort(t->pairs, t->pair_count, sizeof *t->pairs, compare_pairs);
    for (size_t i = 0; i < t->pair_count; i++)
        if (kept == 0 || !str_eq(t->pairs[i].name, t->pairs[kept - 1].name))
            t->pairs[kept++] = t->pairs[i];
    t->pair_count = kept;
}

static bool map_or_reply(struct client *c, const struct request *r, size_t *at, const char *what,
                         struct tail *t) {
    struct pair pair;
    t->what = FROM_MAP;
    t->pairs = xmalloc((r->argc - *at + 1) * sizeof *t->pairs);
    while (*at < r->argc && split_pair(r->argv[*at], &pair.name, &pair.number)) {
        t->pairs[t->pair_count++] = pair;
        (*at)++;
    }
    if (t->pair_count == 0) return unexpected(c, *at >= r->argc, what);
    sort_pairs(t);
    if (*at >= r->argc || !arg_is(r->argv[*at], STR("DEFAULT"))) return true;
    (*at)++;
    if (*at >= r->argc || !str_to_u64(r->argv[*at], &t->otherwise))
        return unexpected(c, *at >= r->argc, "number");
    (*at)++;
    return t->has_default = true;
}

static bool from_tail_or_reply(struct client *c, const struct request *r, size_t *at,
                               const char *what, struct tail *t) {
    static const char expected[] = "LATEST, number or MAP";
    if (*at >= r->argc) return unexpected(c, true, expected);
    struct str arg = r->argv[(*at)++];
    if (arg_is(arg, STR("LATEST"))) return true;
    if (arg_is(arg, STR("MAP"))) return map_or_reply(c, r, at, what, t);
    if (!str_to_u64(arg, &t->number)) return unexpected(c, false, expected);
    t->what = FROM_NUMBER;
    return true;
}

static bool window_or_reply(struct client *c, const struct request *r, size_t *at, struct tail *t) {
    if (*at >= r->argc || !str_to_u64(r->argv[*at], &t->window))
        return unexpected(c, *at >= r->argc, "number");
    (*at)++;
    if (t->window >= 1) return true;
    reply_error(c, "INVALIDARG number 0 must not be less than 1");
    return false;
}

static bool begins_tail(struct str arg) {
    return arg_is(arg, STR("FROM")) || arg_is(arg, STR("WINDOW"));
}

/* [FROM <LATEST | n | MAP name=n [name=n ...] [DEFAULT n]>] [WINDOW n], in either order. */
static bool tail_or_reply(struct client *c, const struct request *r, size_t at, const char *what,
                          struct tail *t) {
    bool from = false, window = false;
    *t = (struct tail){.what = FROM_LATEST, .window = WINDOW_DEFAULT};
    while (at < r->argc) {
        struct str arg = r->argv[at++];
        if (arg_is(arg, STR("FROM")) && !from) {
            from = true;
            if (!from_tail_or_reply(c, r, &at, what, t)) return false;
        } else if (arg_is(arg, STR("WINDOW")) && !window) {
            window = true;
            if (!window_or_reply(c, r, &at, t)) return false;
        } else {
            return unexpected(c, false, "end of input");
        }
    }
    return true;
}

/* Where something of that name begins. false: with what comes from now on. */
static bool begins_at(const struct tail *t, struct str name, uint64_t *number) {
    *number = t->number;
    if (t->what != FROM_MAP) return t->what == FROM_NUMBER;
    for (size_t low = 0, high = t->pair_count; low < high;) {
        size_t middle = low + (high - low) / 2;
        int order = str_cmp(t->pairs[middle].name, name);
        *number = t->pairs[middle].number;
        if (order == 0) return true;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *number = t->otherwise;
    return t->has_default;
}

/* ---- making one ---- */

static bool speaks_resp3_or_reply(struct client *c) {
    if (c->resp == 3) return true;
    reply_error(c, "ERR ESUB and EPSUB need RESP3: send HELLO 3, or start the server with "
                   "--default-resp 3");
    return false;
}

/* The reply, and the push that SierraDB's clients wait for, go out together. */
static void reply_subscribed(struct client *c, const struct subscription *s) {
    resp_put_uuid(&c->out, &s->id);
    resp_put_push(&c->out, c->resp, 3);
    resp_put_simple(&c->out, STR("subscribe"));
    resp_put_uuid(&c->out, &s->id);
    resp_put_int(&c->out, (int64_t)subscriptions_of(c));
}

static void subscribe(struct client *c, struct subscription_wish *wish, const struct tail *t) {
    if (c->view == VIEW_NEWEST) client_tells(c, c->srv->model.decided);
    if (!pages_may_wait_or_reply(c, wish->selector, NULL) || !push_allowed_or_reply(c)) return;
    wish->window = t->window;
    wish->wire = &sierra_wire;
    wish->shape = push_wire_shape(c, &(struct chosen_fields){0});
    struct subscription *s = subscription_create_or_reply(c, wish);
    if (s != NULL) reply_subscribed(c, s);
}

static uint64_t head_of(const struct client *c) {
    return model_visible_end(&c->srv->model, NULL, c->view);
}

/* ---- EPSUB ---- */

/* One of a list: a partition, a range of them, or a partition key, which is of partition 0. */
static bool partition_or_reply(struct client *c, struct str arg, bool *exists) {
    struct uuid key;
    uint64_t first, last;
    while (arg.len > 0 && arg.ptr[0] == ' ') arg = str_of(arg.ptr + 1, arg.len - 1);
    while (arg.len > 0 && arg.ptr[arg.len - 1] == ' ') arg.len--;
    if (uuid_from_text(arg, &key)) return *exists = true;
    const char *dash = arg.len > 0 ? memchr(arg.ptr, '-', arg.len) : NULL;
    size_t len = dash != NULL ? (size_t)(dash - arg.ptr) : arg.len;
    bool good = str_to_u64(str_of(arg.ptr, len), &first) && first <= UINT16_MAX;
    last = first;
    if (good && dash != NULL)
        good = str_to_u64(str_of(dash + 1, arg.len - len - 1), &last) && last <= UINT16_MAX;
    if (!good) return unexpected(c, false, "*, partition id or comma-separated partition ids");
    *exists = *exists || first == 0;
    return true;
}

static bool partitions_or_reply(struct client *c, struct str arg) {
    bool exists = false;
    if (str_eq(arg, STR("*"))) return true;
    for (size_t at = 0; at <= arg.len;) {
        const char *comma = at < arg.len ? memchr(arg.ptr + at, ',', arg.len - at) : NULL;
        size_t end = comma != NULL ? (size_t)(comma - arg.ptr) : arg.len;
        if (!partition_or_reply(c, str_of(arg.ptr + at, end - at), &exists)) return false;
        at = end + 1;
    }
    if (!exists) reply_error(c, "CLUSTERDOWN partition unavailable: the store is one partition, 0");
    return exists;
}

/* EPSUB <* | partition[,partition ...]> [FROM <LATEST | n | MAP p=n [p=n ...] [DEFAULT n]>]
 * [WINDOW n] */
enum outcome cmd_epsub(struct client *c, const struct request *r) {
    struct tail t = {0};
    if (speaks_resp3_or_reply(c) && partitions_or_reply(c, r->argv[1]) &&
        tail_or_reply(c, r, 2, "partition id sequence value", &t)) {
        struct subscription_wish wish = {0};
        if (!begins_at(&t, STR("0"), &wish.position)) wish.position = head_of(c);
        subscribe(c, &wish, &t);
    }
    free(t.pairs);
    return REPLIED;
}

/* ---- ESUB ---- */

struct esub {
    struct subscription_stream *streams;
    size_t count;
    struct buf quoted; /* names as patterns */
};

static bool names_or_reply(struct client *c, const struct request *r, size_t *at, struct esub *e) {
    struct uuid key;
    do {
        if (e->count == SELECTOR_VALUES_MAX) {
            reply_error(c, "INVALIDARG too many streams: a subscription has at most %d",
                        SELECTOR_VALUES_MAX);
            return false;
        }
        if (!arg_stream_or_reply(c, r->argv[*at]) ||
            !virtual_no_value_or_reply(c, r->argv[*at], " of ESUBSCRIBE"))
            return false;
        e->streams[e->count++].name = r->argv[(*at)++];
        if (*at >= r->argc || !arg_is(r->argv[*at], STR("PARTITION_KEY"))) continue;
        if (++*at >= r->argc) return unexpected(c, true, "partition key");
        if (!uuid_from_text(r->argv[(*at)++], &key)) {
            reply_error(c, "INVALIDARG invalid partition key");
            return false;
        }
    } while (*at < r->argc && !begins_tail(r->argv[*at]));
    return true;
}

static int by_name(const void *a, const void *b) {
    const struct subscription_stream *x = a, *y = b;
    return str_cmp(x->name, y->name);
}

static void sort_names(struct esub *e) {
    size_t kept = 0;
    qsort(e->streams, e->count, sizeof *e->streams, by_name);
    for (size_t i = 0; i < e->count; i++)
        if (kept == 0 || !str_eq(e->streams[i].name, e->streams[kept - 1].name))
            e->streams[kept++] = e->streams[i];
    e->count = kept;
}

/* Where each begins, and where the log has to be read from for that. */
static uint64_t place(struct esub *e, const struct tail *t, uint64_t head) {
    uint64_t from = head;
    for (size_t i = 0; i < e->count; i++) {
        struct subscription_stream *s = &e->streams[i];
        if (begins_at(t, s->name, &s->version)) {
            from = 0;
            continue;
        }
        s->version = 0;
        s->sequence = head;
    }
    return from;
}

/* The selector of these names: what would be special in a pattern is quoted. */
static bool selector_of_names_or_reply(struct client *c, struct esub *e, struct selector **out) {
    struct selector_args args = {0};
    for (size_t i = 0; i < e->count; i++) {
        struct str name = e->streams[i].name;
        for (size_t k = 0; k < name.len; k++) {
            if (memchr("*?[\\", name.ptr[k], 4) != NULL) buf_put(&e->quoted, "\\", 1);
            buf_put(&e->quoted, &name.ptr[k], 1);
        }
    }
    const char *from = e->quoted.data;
    for (size_t i = 0; i < e->count; i++) {
        struct str name = e->streams[i].name;
        const char *at = from;
        for (size_t k = 0; k < name.len; k++) at += 1 + (*at == '\\');
        selector_draft_add(&args.draft, SELECT_STREAM, str_of(from, (size_t)(at - from)));
        from = at;
    }
    bool good = selector_or_reply(c, &args, out);
    selector_args_clear(&args);
    return good;
}

/* ESUB stream [PARTITION_KEY uuid] [stream [PARTITION_KEY uuid] ...] [FROM <LATEST | version | MAP
 * stream=version [stream=version ...] [DEFAULT version]>] [WINDOW n] */
enum outcome cmd_esub(struct client *c, const struct request *r) {
    struct tail t = {0};
    size_t at = 1;
    struct esub e = {.streams =
                         xcalloc(MIN(r->argc, (size_t)SELECTOR_VALUES_MAX), sizeof *e.streams)};
    struct selector *selector = NULL;
    buf_init(&e.quoted, 0);
    if (speaks_resp3_or_reply(c) && names_or_reply(c, r, &at, &e) &&
        tail_or_reply(c, r, at, "stream id version value", &t)) {
        sort_names(&e);
        struct subscription_wish wish = {
            .position = place(&e, &t, head_of(c)), .streams = e.streams, .stream_count = e.count};
        if (selector_of_names_or_reply(c, &e, &selector)) {
            wish.selector = selector;
            subscribe(c, &wish, &t);
        }
    }
    selector_unref(selector);
    buf_clear(&e.quoted);
    free(e.streams);
    free(t.pairs);
    return REPLIED;
}
