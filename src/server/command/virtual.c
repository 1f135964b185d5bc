/* See virtual.h. */
#include "server/command/virtual.h"

#include "base/alloc.h"
#include "base/log.h"
#include "server/server.h"
#include "server/wait/need.h"

/* ---- names of before ---- */

struct reserved_name {
    struct hash_node node;
    struct str name; /* behind the struct */
};

static const struct reserved_name *find(const struct server *srv, struct str name) {
    const struct hash_table *t = &srv->reserved_names;
    if (t->count == 0) return NULL;
    struct hash_node *n = hash_first(t, hash_bytes(name.ptr, name.len));
    for (; n != NULL; n = hash_next(t, n)) {
        const struct reserved_name *r = CONTAINER_OF(n, struct reserved_name, node);
        if (str_eq(r->name, name)) return r;
    }
    return NULL;
}

void virtual_init(struct server *srv) {
    const struct stream_list *l = store_reserved_names(srv->store);
    hash_init(&srv->reserved_names);
    for (size_t i = 0; i < l->count; i++) {
        struct str name = stream_name_str(l->names[i]);
        struct reserved_name *r = xmalloc(sizeof *r + name.len);
        r->name = str_of((char *)(r + 1), name.len);
        memcpy(r + 1, name.ptr, name.len);
        hash_insert(&srv->reserved_names, &r->node, hash_bytes(name.ptr, name.len));
    }
    if (l->count == 0) return;
    struct str first = stream_name_str(l->names[0]);
    log_warning("%zu%s streams or strings have a name that begins with '%c', as virtual streams "
                "have, for example '" STR_FMT "': they can only be read, deleted, and renamed to "
                "something else (RENAME), which should be done",
                l->count, l->done ? "" : " or more", VIRTUAL_MARK, STR_ARG(first));
}

static void free_name(struct hash_node *n, void *arg) {
    hash_remove(arg, n);
    free(CONTAINER_OF(n, struct reserved_name, node));
}

void virtual_clear(struct server *srv) {
    hash_each(&srv->reserved_names, free_name, &srv->reserved_names);
    hash_clear(&srv->reserved_names);
}

/* ---- what a name selects ---- */

#define VIEW_PREFIX "@view:"

struct word {
    struct str prefix;
    enum selector_kind kind; /* SELECT_KINDS: what a view says */
    const char *instead;     /* the word of a selection that selects the same */
};

static const struct word words[] = {
    {{"@category:", 10}, SELECT_CATEGORY, "CATEGORY"},
    {{"@type:", 6}, SELECT_TYPE, "TYPE"},
    {{"@stream:", 8}, SELECT_STREAM, "STREAM"},
    {{VIEW_PREFIX, sizeof VIEW_PREFIX - 1}, SELECT_KINDS, "VIEW"},
};

/* The word that the name begins with, and what is behind it, which may be nothing; NULL: none. */
static const struct word *word_of(struct str name, struct str *behind) {
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        struct str prefix = words[i].prefix;
        if (name.len < prefix.len || memcmp(name.ptr, prefix.ptr, prefix.len) != 0) continue;
        *behind = str_of(name.ptr + prefix.len, name.len - prefix.len);
        return &words[i];
    }
    return NULL;
}

/* kind SELECT_KINDS: everything, or, if there is a value, what the view of that name says. false:
 * there is no such virtual stream. */
static bool parse(struct str name, enum selector_kind *kind, struct str *value) {
    *kind = SELECT_KINDS;
    *value = (struct str){0};
    if (str_eq(name, STR("@all"))) return true;
    const struct word *word = word_of(name, value);
    if (word == NULL || value->len == 0) return false;
    *kind = word->kind;
    return true;
}

struct selector *virtual_selector(struct str name) {
    struct selector_draft draft = {.without_letters = true};
    enum selector_kind kind;
    struct str value;
    if (!parse(name, &kind, &value) || (kind == SELECT_KINDS && value.len > 0)) return NULL;
    if (kind != SELECT_KINDS) selector_draft_add(&draft, kind, value);
    /* A consumer that fails would read its own dead letters again, and write more of them. */
    if (kind == SELECT_STREAM && selector_is_of_letters(value)) draft.without_letters = false;
    struct selector *s = selector_create(&draft);
    selector_draft_clear(&draft);
    return s;
}

bool virtual_of_view(struct str name, struct str *view) {
    enum selector_kind kind;
    return parse(name, &kind, view) && kind == SELECT_KINDS && view->len > 0;
}

struct str virtual_view_key(struct view_key *key, struct str view) {
    const size_t prefix = sizeof VIEW_PREFIX - 1;
    assert(sizeof key->bytes == prefix + STREAM_NAME_MAX && view.len <= STREAM_NAME_MAX);
    memcpy(key->bytes, VIEW_PREFIX, prefix);
    memcpy(key->bytes + prefix, view.ptr, view.len);
    return str_of(key->bytes, prefix + view.len);
}

bool virtual_exists(struct client *c, struct str name) {
    struct str view, text;
    struct named *n;
    if (!virtual_is(c, name)) return false;
    if (!virtual_of_view(name, &view)) return true;
    need_named(c, NAMED_VIEW, view, &n); /* views are in memory */
    return n != NULL && named_value(&c->srv->model, n, c->view, &text);
}

void virtual_reply_no_view(struct client *c, struct str view) {
    reply_error(c, "NOTFOUND view '%.*s' does not exist",
                (int)MIN(view.len, (size_t)STREAM_NAME_MAX), view.ptr);
}

bool virtual_named(const struct client *c, struct str name) {
    return find(c->srv, name) == NULL;
}

/* ---- what a command does with it ---- */

/* The name is a stream's or a string's, from before. */
static bool reserved_or_reply(struct client *c, const struct command *cmd, size_t i,
                              struct str name) {
    bool frees = cmd->flags & CMD_FREES_NAME && (i == 0 || cmd->second_key_use == NULL);
    if (frees || !(cmd->flags & CMD_WRITE)) return true;
    reply_error(c,
                "VIRTUAL the name '%.*s' is reserved: what has it can only be read, deleted, and "
                "renamed to something else",
                (int)MIN(name.len, (size_t)STREAM_NAME_MAX), name.ptr);
    return false;
}

static bool name_or_reply(struct client *c, const struct command *cmd, size_t i, struct str name) {
    enum selector_kind kind;
    struct str value;
    int len = (int)MIN(name.len, (size_t)STREAM_NAME_MAX);
    if (find(c->srv, name) != NULL) return reserved_or_reply(c, cmd, i, name);
    if (!parse(name, &kind, &value) || !stream_name_valid(name)) {
        reply_error(c,
                    "VIRTUAL unknown virtual stream '%.*s': there are @all, @category:NAME, "
                    "@type:PATTERN, @stream:PATTERN and @view:NAME",
                    len, name.ptr);
        return false;
    }
    if (kind == SELECT_CATEGORY && !stream_category_valid(value)) {
        reply_error(c,
                    "VIRTUAL '%.*s' selects nothing, as a category has no '-': it is what stands "
                    "before the first one of a stream's name. Use @category: and that, or @stream: "
                    "and a pattern",
                    len, name.ptr);
        return false;
    }
    if (cmd->flags & CMD_VIRTUAL) return true;
    const char *advice = cmd->virtual_advice;
    if (advice == NULL)
        advice = cmd->flags & CMD_WRITE ? "change the streams themselves"
                                        : "read the streams themselves";
    reply_error(c, "VIRTUAL %s: '%.*s' is a selection of their events", advice, len, name.ptr);
    return false;
}

bool virtual_allowed_or_reply(struct client *c, const struct command *cmd,
                              const struct request *r) {
    struct str *keys = xmalloc(r->argc * sizeof *keys);
    size_t n = command_keys(cmd, r->argv, r->argc, keys);
    bool good = true;
    for (size_t i = 0; good && i < n; i++)
        if (virtual_marked(keys[i])) good = name_or_reply(c, cmd, i, keys[i]);
    free(keys);
    return good;
}

/* ---- where words select instead ---- */

bool virtual_no_value_or_reply(struct client *c, struct str value, const char *of) {
    struct str behind;
    if (LIKELY(!virtual_marked(value)) || find(c->srv, value) != NULL) return true;
    int len = (int)MIN(value.len, (size_t)STREAM_NAME_MAX);
    const struct word *word = word_of(value, &behind);
    if (word != NULL) {
        reply_error(c, "VIRTUAL '%.*s' is no stream: use %s %.*s%s", len, value.ptr, word->instead,
                    len - (int)MIN(word->prefix.len, (size_t)len), behind.ptr, of);
        return false;
    }
    if (str_eq(value, STR("@all"))) {
        reply_error(c, "VIRTUAL '@all' is no stream: use the pattern *, or no word at all%s", of);
        return false;
    }
    if (c->srv->reserved_names.count > 0) return true; /* a pattern, or a category, of theirs */
    reply_error(c, "VIRTUAL '%.*s': no stream has a name that begins with '%c'", len, value.ptr,
                VIRTUAL_MARK);
    return false;
}
