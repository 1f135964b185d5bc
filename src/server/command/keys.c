/* Which arguments of a request are keys: by the row's positions, or found by the options around
 * them. For COMMAND GETKEYS, and for EXEC, which loads what its commands name before it runs them.
 * And what becomes of the keys, in Redis' words for it. */
#include "server/command/command.h"

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

const char *command_key_use(const struct command *cmd, size_t i) {
    if (i > 0 && cmd->second_key_use != NULL) return cmd->second_key_use;
    if (cmd->key_use != NULL) return cmd->key_use;
    return cmd->flags & CMD_WRITE ? "RW insert" : "RO access";
}
