/* DEBUG: what tests need, locked by enable-debug-command. Nothing here can lose or change events.
 */
#include <math.h>
#include <time.h>

#include "base/log.h"
#include "server/server.h"
#include "commands/admin/family.h"

static bool allowed(const struct client *c) {
    uint64_t mode = c->srv->config.enable_debug_command;
    return mode == DEBUG_YES || (mode == DEBUG_LOCAL && c->is_local);
}

/* DEBUG SLEEP seconds: the whole server stands still. */
static void debug_sleep(struct client *c, struct str text) {
    char copy[32] = "";
    memcpy(copy, text.ptr, MIN(text.len, sizeof copy - 1));
    char *end;
    double seconds = strtod(copy, &end);
    if (end == copy || *end != '\0' || !isfinite(seconds) || seconds < 0 || seconds > 86400) {
        reply_error(c, "ERR value is not a valid float");
        return;
    }
    struct timespec left = {(time_t)seconds, (long)((seconds - floor(seconds)) * 1e9)};
    while (nanosleep(&left, &left) < 0) {}
    reply_ok(c);
}

static void debug_help(struct client *c) {
    static const char *const lines[] = {
        "ERROR <string>",
        "    Return a protocol error with <string> as message.",
        "HOLD-KEYS <0|1>",
        "    Let KEYS that take several turns of the loop wait, or go on.",
        "LOG <message>",
        "    Write <message> to the server log.",
        "SET-ACTIVE-EXPIRE <0|1>",
        "    Taken and ignored: keys expire as ever.",
        "SLEEP <seconds>",
        "    Stop the server for <seconds>. Decimals allowed.",
        NULL,
    };
    reply_help(c, "DEBUG", lines);
}

/* DEBUG subcommand [arg ...] */
enum outcome cmd_debug(struct client *c, const struct request *r) {
    struct str sub = r->argv[1];
    if (!allowed(c))
        reply_error(
            c, "ERR DEBUG command not allowed. If the enable-debug-command option is set to "
               "\"local\", you "
               "can run it from a local connection, otherwise you need to set this option in the "
               "configuration file, and then restart the server.");
    else if (str_eq_nocase(sub, STR("HELP")) && r->argc == 2)
        debug_help(c);
    else if (str_eq_nocase(sub, STR("SLEEP")) && r->argc == 3)
        debug_sleep(c, r->argv[2]);
    else if (str_eq_nocase(sub, STR("LOG")) && r->argc == 3) {
        log_warning("DEBUG LOG: " STR_FMT, STR_ARG(r->argv[2]));
        reply_ok(c);
    } else if (str_eq_nocase(sub, STR("HOLD-KEYS")) && r->argc == 3) {
        c->srv->key_walks.held = str_eq(r->argv[2], STR("1"));
        reply_ok(c);
    } else if (str_eq_nocase(sub, STR("SET-ACTIVE-EXPIRE")) && r->argc == 3)
        reply_ok(c);
    else if (str_eq_nocase(sub, STR("ERROR")) && r->argc == 3)
        reply_error(c, STR_FMT, STR_ARG(r->argv[2]));
    else
        reply_error(c,
                    "ERR unknown subcommand or wrong number of arguments for '" STR_FMT
                    "'. Try DEBUG HELP.",
                    (int)MIN(sub.len, (size_t)128), sub.ptr);
    return REPLIED;
}
