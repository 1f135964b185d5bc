/* COMMAND: the command table in the nested shapes of Redis 7.2, for clients and for redis-cli. What
 * Redis tells and the table does not hold (tips, complexity) is left empty. DOCS is in
 * command_docs.c. */
#include "base/alloc.h"
#include "server/server.h"
#include "commands/admin/family.h"
#include "commands/stream/family.h"

static size_t subcommand_count(const struct command *cmd) {
    size_t n = 0;
    for (const struct command *sub = cmd->subcommands; sub != NULL && sub->name != NULL; sub++) n++;
    return n;
}

/* Flags and categories are sets of simple strings; names that apply are gathered first. */
struct names {
    const char *list[16];
    size_t count;
};

static void add_name(struct names *n, bool applies, const char *name) {
    assert(n->count < ARRAY_LEN(n->list));
    if (applies) n->list[n->count++] = name;
}

static void reply_names(struct client *c, const struct names *n) {
    resp_put_set(&c->out, c->resp, n->count);
    for (size_t i = 0; i < n->count; i++) reply_simple(c, n->list[i]);
}

static void flag_names(const struct command *cmd, struct names *n) {
    add_name(n, cmd->flags & CMD_WRITE, "write");
    add_name(n, cmd->flags & CMD_READ, "readonly");
    add_name(n, cmd->flags & CMD_ADMIN, "admin");
    add_name(n, cmd->flags & CMD_BLOCKING, "blocking");
    add_name(n, cmd->flags & CMD_FAST, "fast");
    add_name(n, cmd->flags & CMD_NO_AUTH, "no_auth");
    add_name(n, cmd->flags & CMD_NO_MONITOR, "skip_monitor");
    add_name(n, cmd->flags & CMD_NO_MULTI, "no_multi");
    add_name(n, cmd->flags & CMD_NO_SLOWLOG, "skip_commandlog");
    add_name(n, strcmp(cmd->group, "pubsub") == 0, "pubsub");
    add_name(n, cmd->find_keys != NULL, "movablekeys");
}

static void category_names(const struct command *cmd, struct names *n) {
    add_name(n, cmd->flags & CMD_WRITE, "@write");
    add_name(n, cmd->flags & CMD_READ, "@read");
    add_name(n, strcmp(cmd->group, "event") == 0 || strcmp(cmd->group, "stream") == 0, "@stream");
    add_name(n, strcmp(cmd->group, "string") == 0, "@string");
    add_name(n, strcmp(cmd->group, "generic") == 0, "@keyspace");
    add_name(n, strcmp(cmd->group, "transactions") == 0, "@transaction");
    add_name(n, strcmp(cmd->group, "connection") == 0, "@connection");
    add_name(n, strcmp(cmd->group, "pubsub") == 0, "@pubsub");
    add_name(n, strcmp(cmd->group, "scripting") == 0, "@scripting");
    add_name(n, cmd->flags & CMD_ADMIN, "@admin");
    add_name(n, cmd->flags & CMD_ADMIN || cmd->run == cmd_flushall, "@dangerous");
    add_name(n, cmd->flags & CMD_BLOCKING, "@blocking");
    add_name(n, true, cmd->flags & CMD_FAST ? "@fast" : "@slow");
}

/* The set of simple strings of a text with blanks between them. */
static void reply_words(struct client *c, const char *words) {
    struct str all = str_c(words);
    size_t n = 1;
    for (size_t i = 0; i < all.len; i++) n += all.ptr[i] == ' ';
    resp_put_set(&c->out, c->resp, n);
    for (const char *word = words; n > 0; n--) {
        size_t len = strcspn(word, " ");
        resp_put_simple(&c->out, str_of(word, len));
        word += len + 1;
    }
}

static void reply_search(struct client *c, const char *what, const char *type, size_t fields) {
    reply_bulk_c(c, what);
    reply_map(c, 2);
    reply_bulk_c(c, "type");
    reply_bulk_c(c, type);
    reply_bulk_c(c, "spec");
    reply_map(c, fields);
}

static void reply_field(struct client *c, const char *name, int value) {
    reply_bulk_c(c, name);
    reply_int(c, value);
}

/* The i-th specification: keys from argc `first` on, or behind the word STREAMS. */
static void reply_key_spec(struct client *c, const struct command *cmd, size_t i, int first,
                           int last) {
    bool streams = cmd->find_keys == keys_of_xread;
    reply_map(c, 3);
    reply_bulk_c(c, "flags");
    reply_words(c, command_key_use(cmd, i));
    if (streams) {
        reply_search(c, "begin_search", "keyword", 2);
        reply_bulk_c(c, "keyword");
        reply_bulk_c(c, "STREAMS");
        reply_field(c, "startfrom", cmd->run == cmd_xreadgroup ? 4 : 1);
    } else {
        reply_search(c, "begin_search", "index", 1);
        reply_field(c, "index", first);
    }
    reply_search(c, "find_keys", "range", 3);
    reply_field(c, "lastkey", last < 0 ? last : last - first);
    reply_field(c, "keystep", streams ? 1 : cmd->key_step);
    reply_field(c, "limit", streams ? 2 : 0); /* 2: the first half of what is there */
}

static void reply_key_specs(struct client *c, const struct command *cmd) {
    if (cmd->find_keys == keys_of_xread) {
        reply_array(c, 1);
        reply_key_spec(c, cmd, 0, 0, -1);
    } else if (cmd->first_key > 0 &&
               strcmp(command_key_use(cmd, 0), command_key_use(cmd, 1)) != 0) {
        reply_array(c, 2); /* a source and a destination */
        reply_key_spec(c, cmd, 0, cmd->first_key, cmd->first_key);
        reply_key_spec(c, cmd, 1, cmd->last_key, cmd->last_key);
    } else if (cmd->first_key > 0) {
        reply_array(c, 1);
        reply_key_spec(c, cmd, 0, cmd->first_key, cmd->last_key);
    } else {
        reply_array(c, 0);
    }
}

static void reply_info(struct client *c, const struct command *cmd) {
    struct names flags = {0}, categories = {0};
    bool exact = cmd->argc_max == cmd->argc_min;
    flag_names(cmd, &flags);
    category_names(cmd, &categories);
    reply_array(c, 10);
    reply_bulk_c(c, command_full_name(cmd));
    reply_int(c, exact ? (int64_t)cmd->argc_min : -(int64_t)cmd->argc_min);
    reply_names(c, &flags);
    reply_int(c, cmd->first_key);
    reply_int(c, cmd->last_key);
    reply_int(c, cmd->key_step);
    reply_names(c, &categories);
    reply_array(c, 0); /* tips */
    reply_key_specs(c, cmd);
    reply_array(c, subcommand_count(cmd));
    for (const struct command *sub = cmd->subcommands; sub != NULL && sub->name != NULL; sub++)
        reply_info(c, sub);
}

/* COMMAND */
enum outcome cmd_command(struct client *c, const struct request *r) {
    if (r->argc > 1) { /* an unknown subcommand: COMMAND is both container and command */
        reply_unknown_subcommand(c, command_find_top(r->argv[0]), r->argv[1]);
        return REPLIED;
    }
    size_t n;
    struct command *const *all = commands_all(&n);
    reply_array(c, n);
    for (size_t i = 0; i < n; i++) reply_info(c, all[i]);
    return REPLIED;
}

/* COMMAND COUNT */
enum outcome cmd_command_count(struct client *c, const struct request *r) {
    UNUSED(r);
    size_t n;
    commands_all(&n);
    reply_int(c, (int64_t)n);
    return REPLIED;
}

/* COMMAND INFO [name ...] */
enum outcome cmd_command_info(struct client *c, const struct request *r) {
    if (r->argc == 2) {
        struct request all = {r->argv, 1};
        return cmd_command(c, &all);
    }
    reply_array(c, r->argc - 2);
    for (size_t i = 2; i < r->argc; i++) {
        const struct command *cmd = command_find_full(r->argv[i]);
        if (cmd != NULL)
            reply_info(c, cmd);
        else
            resp_put_null_array(&c->out, c->resp);
    }
    return REPLIED;
}

/* LIST */

struct list_filter {
    struct str category, pattern; /* ptr NULL: any */
    bool nothing;                 /* of a module: there are none */
};

static bool listed(const struct list_filter *f, const struct command *cmd) {
    if (f->nothing) return false;
    if (f->pattern.ptr != NULL && !str_match_glob(f->pattern, str_c(command_full_name(cmd)), true))
        return false;
    if (f->category.ptr == NULL) return true;
    struct names n = {0};
    category_names(cmd, &n);
    for (size_t i = 0; i < n.count; i++)
        if (str_eq_nocase(f->category, str_c(n.list[i] + 1))) return true;
    return false;
}

struct listing {
    struct client *c;
    const struct list_filter *filter;
    size_t count;
    bool reply;
};

static void list_one(struct command *cmd, void *arg) {
    struct listing *l = arg;
    if (!listed(l->filter, cmd)) return;
    l->count++;
    if (l->reply) reply_bulk_c(l->c, command_full_name(cmd));
}

/* COMMAND LIST [FILTERBY MODULE name | ACLCAT category | PATTERN pattern]: subcommands too, as
 * `config|get`. */
enum outcome cmd_command_list(struct client *c, const struct request *r) {
    struct list_filter f = {0};
    if (r->argc != 2 && (r->argc != 5 || !str_eq_nocase(r->argv[2], STR("FILTERBY")))) {
        reply_syntax_error(c);
        return REPLIED;
    }
    if (r->argc == 5) {
        if (str_eq_nocase(r->argv[3], STR("MODULE"))) {
            f.nothing = true;
        } else if (str_eq_nocase(r->argv[3], STR("ACLCAT"))) {
            f.category = r->argv[4];
        } else if (str_eq_nocase(r->argv[3], STR("PATTERN"))) {
            f.pattern = r->argv[4];
        } else {
            reply_syntax_error(c);
            return REPLIED;
        }
    }
    struct listing list = {.c = c, .filter = &f};
    command_each(list_one, &list);
    reply_array(c, list.count);
    list.reply = true;
    command_each(list_one, &list);
    return REPLIED;
}

/* GETKEYS */

static void reply_keys(struct client *c, const struct request *r, bool flags) {
    const struct str *argv = r->argv + 2;
    size_t argc = r->argc - 2;
    const struct command *cmd = command_find(argv, argc);
    if (cmd == NULL || cmd->run == NULL) {
        reply_error(c, "ERR Invalid command specified");
    } else if (!command_has_keys(cmd)) {
        reply_error(c, "ERR The command has no key arguments");
    } else if (argc < cmd->argc_min || (cmd->argc_max != 0 && argc > cmd->argc_max)) {
        reply_error(c, "ERR Invalid number of arguments specified for command");
    } else {
        struct str *keys = xcalloc(argc, sizeof *keys);
        size_t n = command_keys(cmd, argv, argc, keys);
        if (n == 0) {
            reply_error(c, "ERR Invalid arguments specified for command");
            free(keys);
            return;
        }
        reply_array(c, n);
        for (size_t i = 0; i < n; i++) {
            if (flags) reply_array(c, 2);
            reply_bulk(c, keys[i]);
            if (!flags) continue;
            reply_words(c, command_key_use(cmd, i));
        }
        free(keys);
    }
}

/* COMMAND GETKEYS command [arg ...], COMMAND GETKEYSANDFLAGS ... */
enum outcome cmd_command_getkeys(struct client *c, const struct request *r) {
    reply_keys(c, r, false);
    return REPLIED;
}
enum outcome cmd_command_getkeysandflags(struct client *c, const struct request *r) {
    reply_keys(c, r, true);
    return REPLIED;
}

enum outcome cmd_command_help(struct client *c, const struct request *r) {
    UNUSED(r);
    static const char *const lines[] = {
        "(no subcommand)",
        "    Return details about all commands.",
        "COUNT",
        "    Return the total number of commands in this server.",
        "LIST [FILTERBY (MODULE <name>|ACLCAT <category>|PATTERN <pattern>)]",
        "    Return a list of all commands in this server.",
        "INFO [<command-name> ...]",
        "    Return details about multiple commands.",
        "    If no command names are given, details for all commands are returned.",
        "DOCS [<command-name> ...]",
        "    Return documentation details about multiple commands.",
        "    If no command names are given, documentation details for all",
        "    commands are returned.",
        "GETKEYS <full-command>",
        "    Return the keys from a full command.",
        "GETKEYSANDFLAGS <full-command>",
        "    Return the keys and the access flags from a full command.",
        NULL,
    };
    reply_help(c, "COMMAND", lines);
    return REPLIED;
}
