/* See client_filter.h. Error texts are Valkey 8.1's. */
#include "commands/connection/client_filter.h"

#include "base/alloc.h"
#include "server/server.h"

/* ID client-id [client-id ...], up to what is no number. */
static bool parse_ids(struct client *c, const struct request *r, size_t *at,
                      struct client_filter *f) {
    size_t first = *at + 1, end = first;
    int64_t id;
    for (; end < r->argc && str_to_i64(r->argv[end], &id); end++) {
        if (id > 0) continue;
        reply_error(c, "ERR client-id should be greater than 0");
        return false;
    }
    if (end == first) {
        reply_syntax_error(c);
        return false;
    }
    f->ids = &r->argv[first];
    f->id_count = end - first;
    *at = end;
    return true;
}

static bool parse_type(struct client *c, struct str text, struct client_filter *f) {
    static const char *const none[] = {"master", "primary", "replica", "slave"};
    f->type = TYPE_ANY;
    if (str_eq_nocase(text, STR("normal"))) f->type = TYPE_NORMAL;
    if (str_eq_nocase(text, STR("pubsub"))) f->type = TYPE_PUBSUB;
    for (size_t i = 0; i < ARRAY_LEN(none); i++)
        if (str_eq_nocase(text, str_c(none[i]))) f->type = TYPE_NONE;
    if (f->type == TYPE_ANY) reply_error(c, "ERR Unknown client type '" STR_FMT "'", STR_ARG(text));
    return f->type != TYPE_ANY;
}

static bool parse_user(struct client *c, struct str user) {
    if (str_eq(user, STR("default"))) return true;
    reply_error(c, "ERR No such user '" STR_FMT "'", STR_ARG(user));
    return false;
}

static bool parse_one(struct client *c, struct str name, struct str value,
                      struct client_filter *f) {
    const struct {
        struct str name;
        struct str *field;
    } texts[] = {
        {STR("ADDR"), &f->addr},         {STR("LADDR"), &f->laddr},     {STR("NAME"), &f->name},
        {STR("LIB-NAME"), &f->lib_name}, {STR("LIB-VER"), &f->lib_ver},
    };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        if (!str_eq_nocase(name, texts[i].name)) continue;
        *texts[i].field = value;
        return true;
    }
    if (str_eq_nocase(name, STR("TYPE"))) return parse_type(c, value, f);
    if (str_eq_nocase(name, STR("USER"))) return parse_user(c, value);
    if (str_eq_nocase(name, STR("MAXAGE"))) {
        if (!str_to_i64(value, &f->max_age_s)) {
            reply_error(c, "ERR maxage is not an integer or out of range");
            return false;
        }
        if (f->max_age_s > 0) return true;
        reply_error(c, "ERR maxage should be greater than 0");
        return false;
    }
    if (str_eq_nocase(name, STR("SKIPME"))) {
        f->skip_me = str_eq_nocase(value, STR("YES"));
        if (f->skip_me || str_eq_nocase(value, STR("NO"))) return true;
    }
    reply_syntax_error(c);
    return false;
}

bool client_filter_parse_or_reply(struct client *c, const struct request *r, size_t at,
                                  struct client_filter *f) {
    while (at < r->argc) {
        if (at + 1 == r->argc) {
            reply_syntax_error(c);
            return false;
        }
        if (str_eq_nocase(r->argv[at], STR("ID"))) {
            if (!parse_ids(c, r, &at, f)) return false;
        } else {
            if (!parse_one(c, r->argv[at], r->argv[at + 1], f)) return false;
            at += 2;
        }
    }
    return true;
}

static bool text_differs(struct str wanted, const char *text) {
    return wanted.ptr != NULL && !str_eq(wanted, str_c(text != NULL ? text : ""));
}

bool client_filter_match(const struct client_filter *f, const struct client *c,
                         const struct client *me) {
    if (f->type == TYPE_NONE) return false;
    if (f->type != TYPE_ANY && (c->listening != NULL) != (f->type == TYPE_PUBSUB)) return false;
    if (f->skip_me && c == me) return false;
    if (text_differs(f->addr, c->addr) || text_differs(f->laddr, c->laddr)) return false;
    if (text_differs(f->name, c->name)) return false;
    if (text_differs(f->lib_name, c->lib_name) || text_differs(f->lib_ver, c->lib_ver))
        return false;
    uint64_t age_s = (c->srv->clock.now_ms - c->created_ms) / 1000;
    return f->max_age_s == 0 || age_s >= (uint64_t)f->max_age_s;
}

static int by_number(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

void client_ids_sort(const struct client_filter *f, struct client_ids *out) {
    size_t n = 0;
    out->ids = xmalloc(f->id_count * sizeof *out->ids);
    for (size_t i = 0; i < f->id_count; i++)
        if (!str_to_u64(f->ids[i], &out->ids[i])) out->ids[i] = 0; /* nobody's */
    qsort(out->ids, f->id_count, sizeof *out->ids, by_number);
    for (size_t i = 0; i < f->id_count; i++)
        if (n == 0 || out->ids[i] != out->ids[n - 1]) out->ids[n++] = out->ids[i];
    out->count = n;
}

void client_ids_clear(struct client_ids *ids) {
    free(ids->ids);
    *ids = (struct client_ids){0};
}
