/* COMMAND DOCS: the arguments come from the syntax text of the row (syntax.h), in the nested maps
 * of Redis 7.2. */
#include "server/command/syntax.h"
#include "commands/admin/family.h"

static const char *value_type(const struct command *cmd, struct str name) {
    static const char *const integers[] = {
        "count",    "milliseconds", "timeout",   "cursor",   "index",
        "protover", "seconds",      "client-id", "numlocal", "numreplicas",
    };
    if (cmd->first_key > 0 && (str_eq(name, STR("stream")) || str_eq(name, STR("key"))))
        return "key";
    if (str_eq(name, STR("pattern"))) return "pattern";
    for (size_t i = 0; i < ARRAY_LEN(integers); i++)
        if (str_eq(name, str_c(integers[i]))) return "integer";
    return "string";
}

static const char *node_type(const struct command *cmd, const struct syntax_node *n) {
    switch (n->kind) {
    case SYNTAX_TOKEN:
        return "pure-token";
    case SYNTAX_ONEOF:
        return "oneof";
    case SYNTAX_BLOCK:
        return "block";
    case SYNTAX_VALUE:
        break;
    }
    return value_type(cmd, n->name);
}

/* A token's name is itself in lower case, with dashes. */
static void reply_name(struct client *c, struct str name) {
    char lower[64];
    size_t len = MIN(name.len, sizeof lower);
    for (size_t i = 0; i < len; i++) {
        char ch = name.ptr[i];
        lower[i] = ch >= 'A' && ch <= 'Z' ? (char)(ch | 0x20) : ch == '_' ? '-' : ch;
    }
    reply_bulk(c, str_of(lower, len));
}

static void reply_arguments(struct client *c, const struct command *cmd,
                            const struct syntax_node *first, size_t count);

static void reply_argument(struct client *c, const struct command *cmd,
                           const struct syntax_node *n) {
    const char *type = node_type(cmd, n);
    bool key = strcmp(type, "key") == 0, nested = n->children != NULL;
    bool flags = n->optional || n->multiple;
    reply_map(c, 2u + key + (n->token.len > 0) + flags + nested);
    reply_bulk_c(c, "name");
    reply_name(c, n->kind == SYNTAX_ONEOF && n->token.len > 0 ? n->token : n->name);
    reply_bulk_c(c, "type");
    reply_bulk_c(c, type);
    if (key) {
        reply_bulk_c(c, "key_spec_index");
        reply_int(c, 0);
    }
    if (n->token.len > 0) {
        reply_bulk_c(c, "token");
        reply_bulk(c, n->token);
    }
    if (flags) {
        reply_bulk_c(c, "flags");
        resp_put_set(&c->out, c->resp, (size_t)n->optional + n->multiple + n->multiple_token);
        if (n->optional) reply_simple(c, "optional");
        if (n->multiple) reply_simple(c, "multiple");
        if (n->multiple_token) reply_simple(c, "multiple_token");
    }
    if (nested) {
        reply_bulk_c(c, "arguments");
        reply_arguments(c, cmd, n->children, n->count);
    }
}

static void reply_arguments(struct client *c, const struct command *cmd,
                            const struct syntax_node *first, size_t count) {
    reply_array(c, count);
    for (const struct syntax_node *n = first; n != NULL; n = n->next) reply_argument(c, cmd, n);
}

static void reply_docs(struct client *c, const struct command *cmd) {
    struct syntax syntax;
    bool parsed = syntax_parse(&syntax, cmd->syntax);
    assert(parsed);
    size_t subs = 0;
    while (cmd->subcommands != NULL && cmd->subcommands[subs].name != NULL) subs++;
    reply_bulk_c(c, command_full_name(cmd));
    reply_map(c, 3u + (syntax.count > 0) + (subs > 0));
    reply_bulk_c(c, "summary");
    reply_bulk_c(c, cmd->summary);
    reply_bulk_c(c, "since");
    reply_bulk_c(c, cmd->since);
    reply_bulk_c(c, "group");
    reply_bulk_c(c, cmd->group);
    if (syntax.count > 0) {
        reply_bulk_c(c, "arguments");
        reply_arguments(c, cmd, syntax.first, syntax.count);
    }
    if (subs == 0) return;
    reply_bulk_c(c, "subcommands");
    reply_map(c, subs);
    for (size_t i = 0; i < subs; i++) reply_docs(c, &cmd->subcommands[i]);
}

/* COMMAND DOCS [name ...]: of those named that exist, or of all. */
enum outcome cmd_command_docs(struct client *c, const struct request *r) {
    size_t n = 0;
    if (r->argc == 2) {
        struct command *const *all = commands_all(&n);
        reply_map(c, n);
        for (size_t i = 0; i < n; i++) reply_docs(c, all[i]);
        return REPLIED;
    }
    for (size_t i = 2; i < r->argc; i++) n += command_find_full(r->argv[i]) != NULL;
    reply_map(c, n);
    for (size_t i = 2; i < r->argc; i++) {
        const struct command *cmd = command_find_full(r->argv[i]);
        if (cmd != NULL) reply_docs(c, cmd);
    }
    return REPLIED;
}
