/* Small commands of Redis that clients, tools and test suites send, each with the honest answer for
 * a store that has streams only, one node, one user, no scripts. */
#include "base/clock.h"
#include "base/version.h"
#include "server/server.h"
#include "server/wait/need.h"
#include "commands/redis/family.h"

/* LOLWUT [VERSION version] */
enum outcome cmd_lolwut(struct client *c, const struct request *r) {
    UNUSED(r);
    resp_put_verbatim(&c->out, c->resp,
                      STR("A cairn: stone upon stone, none taken away.\n\n"
                          "        _\n"
                          "       (_)\n"
                          "      (___)\n"
                          "     (_____)\n"
                          "   (_________)\n\n"
                          "Cairn " CAIRN_VERSION "\n"));
    return REPLIED;
}

/* CLUSTER subcommand ..., ASKING, READONLY, READWRITE: what a standalone Redis says; cluster
 * clients decide by it. */
enum outcome cmd_cluster(struct client *c, const struct request *r) {
    UNUSED(r);
    reply_error(c, "ERR This instance has cluster support disabled");
    return REPLIED;
}

/* FUNCTION FLUSH, SCRIPT FLUSH [ASYNC | SYNC]: there are no functions and no scripts, so none are
 * left. Redis' test harness calls both before each block and stops at an error. */
enum outcome cmd_function_flush(struct client *c, const struct request *r) {
    if (r->argc == 3 && !str_eq_nocase(r->argv[2], STR("ASYNC")) &&
        !str_eq_nocase(r->argv[2], STR("SYNC"))) {
        reply_error(c, "ERR %s FLUSH only supports SYNC|ASYNC option",
                    str_eq_nocase(r->argv[0], STR("SCRIPT")) ? "SCRIPT" : "FUNCTION");
        return REPLIED;
    }
    reply_ok(c);
    return REPLIED;
}
enum outcome cmd_script_flush(struct client *c, const struct request *r) {
    return cmd_function_flush(c, r);
}

/* FUNCTION HELP, SCRIPT HELP */
enum outcome cmd_flush_help(struct client *c, const struct request *r) {
    static const char *const lines[] = {
        "FLUSH [ASYNC|SYNC]",
        "    Does nothing: there are none.",
        NULL,
    };
    reply_help(c, str_eq_nocase(r->argv[0], STR("SCRIPT")) ? "SCRIPT" : "FUNCTION", lines);
    return REPLIED;
}

/* MODULE LIST: none. Tools ask for it. */
enum outcome cmd_module_list(struct client *c, const struct request *r) {
    UNUSED(r);
    reply_array(c, 0);
    return REPLIED;
}

enum outcome cmd_module_help(struct client *c, const struct request *r) {
    UNUSED(r);
    static const char *const lines[] = {"LIST", "    Return a list of loaded modules: none.", NULL};
    reply_help(c, "MODULE", lines);
    return REPLIED;
}

/* ACL WHOAMI: there is one user. */
enum outcome cmd_acl_whoami(struct client *c, const struct request *r) {
    UNUSED(r);
    reply_bulk_c(c, "default");
    return REPLIED;
}

enum outcome cmd_acl_help(struct client *c, const struct request *r) {
    UNUSED(r);
    static const char *const lines[] = {"WHOAMI", "    Return the current connection username.",
                                        NULL};
    reply_help(c, "ACL", lines);
    return REPLIED;
}
