/* The parts of CLIENT that only need an answer here: capabilities, HELP. */
#include "commands/connection/family.h"

/* CLIENT CAPA capability [...]: unknown ones are ignored, as Valkey does; there are no others here.
 */
enum outcome cmd_client_capa(struct client *c, const struct request *r) {
    UNUSED(r);
    reply_ok(c);
    return REPLIED;
}

/* CLIENT IMPORT-SOURCE ON | OFF */
enum outcome cmd_client_import_source(struct client *c, const struct request *r) {
    if (str_eq_nocase(r->argv[2], STR("ON")) || str_eq_nocase(r->argv[2], STR("OFF")))
        reply_ok(c);
    else
        reply_syntax_error(c);
    return REPLIED;
}

enum outcome cmd_client_help(struct client *c, const struct request *r) {
    UNUSED(r);
    static const char *const lines[] = {
        "CACHING (YES|NO)",
        "    Enable/disable tracking of the keys for next command in OPTIN/OPTOUT modes.",
        "CAPA <option> [options...]",
        "    The client claims its some capability options.",
        "GETREDIR",
        "    Return the client ID we are redirecting to when tracking is enabled.",
        "GETNAME",
        "    Return the name of the current connection.",
        "ID",
        "    Return the ID of the current connection.",
        "IMPORT-SOURCE (ON|OFF)",
        "    Mark this connection as an import source.",
        "INFO",
        "    Return information about the current client connection.",
        "KILL <ip:port>",
        "    Kill connection made from <ip:port>.",
        "KILL <option> <value> [<option> <value> [...]]",
        "    Kill connections. Options are:",
        "    * ADDR (<ip:port>|<unixsocket>:0)",
        "      Kill connections made from the specified address",
        "    * LADDR (<ip:port>|<unixsocket>:0)",
        "      Kill connections made to specified local address",
        "    * TYPE (NORMAL|PRIMARY|REPLICA|PUBSUB)",
        "      Kill connections by type.",
        "    * USER <username>",
        "      Kill connections authenticated by <username>.",
        "    * SKIPME (YES|NO)",
        "      Skip killing current connection (default: yes).",
        "    * ID <client-id>",
        "      Kill connections by client id.",
        "    * MAXAGE <maxage>",
        "      Kill connections older than the specified age.",
        "    * NAME <name>, LIB-NAME <name>, LIB-VER <version>",
        "      Kill connections by what they call themselves.",
        "LIST [options ...]",
        "    Return information about client connections. Options are those of KILL, and",
        "    * ID <client-id> [<client-id> ...]",
        "      Return clients of specified IDs only.",
        "NO-EVICT (ON|OFF)",
        "    Protect current client connection from eviction.",
        "NO-TOUCH (ON|OFF)",
        "    Will not touch LRU/LFU stats when this mode is on.",
        "PAUSE <timeout> [WRITE|ALL]",
        "    Suspend all, or just write, clients for <timeout> milliseconds.",
        "REPLY (ON|OFF|SKIP)",
        "    Control the replies sent to the current connection.",
        "SETNAME <name>",
        "    Assign the name <name> to the current connection.",
        "SETINFO <option> <value>",
        "    Set client meta attr. Options are:",
        "    * LIB-NAME: the client lib name.",
        "    * LIB-VER: the client lib version.",
        "TRACKING (ON|OFF) [REDIRECT <id>] [BCAST] [PREFIX <prefix> [...]]",
        "         [OPTIN] [OPTOUT] [NOLOOP]",
        "    Control server assisted client side caching.",
        "TRACKINGINFO",
        "    Report tracking status for the current connection.",
        "UNBLOCK <clientid> [TIMEOUT|ERROR]",
        "    Unblock the specified blocked client.",
        "UNPAUSE",
        "    Stop the current client pause, resuming traffic.",
        NULL,
    };
    reply_help(c, "CLIENT", lines);
    return REPLIED;
}
