/* Which arguments of a request are keys: by the row's positions, or found by the options around
 * them. For COMMAND GETKEYS, and for EXEC, which loads what its commands name before it runs them.
 * And what becomes of the keys, in Redis' words for it. */
#include "commands/event/args.h"
#include "commands/commands.h"

static bool is_any_of(struct str word, const char *const *names) {
    for (; *names != NULL; names++)
        if (arg_is(word, str_c(*names))) return true;
    return false;
}

/* EMAPPEND key (stream type options)+: its streams are where its events begin. */
size_t keys_of_emappend(const struct str *argv, size_t argc, struct str *keys) {
    static const char *const options[] = {
        "EVENT_ID",  "PARTITION_KEY", "EXPECTED_VERSION", "TIMESTAMP", "CORRELATION",
        "CAUSATION", "AGGREGATE",     "PAYLOAD",          "METADATA",  NULL};
    size_t n = 0;
    for (size_t i = 2; i + 1 < argc;) {
        if (keys != NULL) keys[n] = argv[i];
        n++;
        i += 2;
        while (i + 1 < argc && is_any_of(argv[i], options)) i += 2;
    }
    return n;
}

/* XREAD, XREADGROUP: the first half of what stands behind STREAMS. */
size_t keys_of_xread(const struct str *argv, size_t argc, struct str *keys) {
    static const char *const valued[] = {"COUNT", "MAXCOUNT", "MAXSIZE", "BLOCK", "CLAIM", NULL};
    for (size_t i = 1; i < argc; i++) {
        if (is_any_of(argv[i], valued)) {
            i++;
        } else if (arg_is(argv[i], STR("GROUP"))) {
            i += 2;
        } else if (arg_is(argv[i], STR("STREAMS"))) {
            size_t rest = argc - i - 1;
            if (rest % 2 != 0) return 0;
            for (size_t k = 0; keys != NULL && k < rest / 2; k++) keys[k] = argv[i + 1 + k];
            return rest / 2;
        } else if (!arg_is(argv[i], STR("NOACK"))) {
            return 0;
        }
    }
    return 0;
}

bool command_has_keys(const struct command *cmd) {
    return cmd->first_key != 0 || cmd->find_keys != NULL;
}

size_t command_keys(const struct command *cmd, const struct str *argv, size_t argc,
                    struct str *keys) {
    if (cmd->find_keys != NULL) return cmd->find_keys(argv, argc, keys);
    if (cmd->first_key == 0) return 0;
    size_t last = cmd->last_key < 0 ? argc - (size_t)-cmd->last_key : (size_t)cmd->last_key, n = 0;
    for (size_t i = (size_t)cmd->first_key; i <= last && i < argc; i += (size_t)cmd->key_step) {
        if (keys != NULL) keys[n] = argv[i];
        n++;
    }
    return n;
}

/* Only what is not as of most commands: RO access of those that read, RW insert of those that
 * write. */
static const struct {
    command_fn *run;
    const char *first, *second; /* second NULL: as the first */
} key_uses[] = {
    {cmd_edelete, "RM delete", NULL},
    {cmd_einfo, "RO", NULL},
    {cmd_esver, "RO", NULL},
    {cmd_etruncate, "RW delete", NULL},
    {cmd_xack, "RW update", NULL},
    {cmd_xackdel, "RW delete", NULL},
    {cmd_xadd, "RW update", NULL}, /* it may trim */
    {cmd_xautoclaim, "RW delete", NULL},
    {cmd_xcfgset, "RW update", NULL},
    {cmd_xclaim, "RW update", NULL},
    {cmd_xdel, "RW delete", NULL},
    {cmd_xdelex, "RW delete", NULL},
    {cmd_xgroup_delconsumer, "RW delete", NULL},
    {cmd_xgroup_destroy, "RW delete", NULL},
    {cmd_xgroup_setid, "RW update", NULL},
    {cmd_xlen, "RO", NULL},
    {cmd_xnack, "RW update", NULL},
    {cmd_xreadgroup, "RO access", NULL},
    {cmd_xsetid, "RW update", NULL},
    {cmd_xtrim, "RW delete", NULL},
    {cmd_copy, "RO access", "OW update"},
    {cmd_del, "RM delete", NULL},
    {cmd_exists, "RO", NULL},
    {cmd_expire, "RW update", NULL},
    {cmd_expireat, "RW update", NULL},
    {cmd_persist, "RW update", NULL},
    {cmd_pexpire, "RW update", NULL},
    {cmd_pexpireat, "RW update", NULL},
    {cmd_rename, "RW access delete", "OW update"},
    {cmd_renamenx, "RW access delete", "OW insert"},
    {cmd_type, "RO", NULL},
    {cmd_incr, "RW access update", NULL},
    {cmd_mset, "OW update", NULL},
    {cmd_set, "OW update", NULL},
    {cmd_object, "RO", NULL},
    {cmd_memory_usage, "RO", NULL},
    {cmd_watch, "RO", NULL},
};

const char *command_key_use(const struct command *cmd, size_t i) {
    for (size_t k = 0; k < ARRAY_LEN(key_uses); k++)
        if (key_uses[k].run == cmd->run)
            return i > 0 && key_uses[k].second != NULL ? key_uses[k].second : key_uses[k].first;
    return cmd->flags & CMD_WRITE ? "RW insert" : "RO access";
}
