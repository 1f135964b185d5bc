/* The rows of the connection and its transactions. */
#include "commands/rows.h"

#include "commands/connection/family.h"
#include "commands/families.h"

static struct command client_commands[] = {
    ROW("caching", cmd_client_caching, 3, 3, 0, "connection", "<YES | NO>",
        "Refuses: there is no client tracking."),
    ROW("capa", cmd_client_capa, 3, 0, FAST, "connection", "capability [capability ...]",
        "Notes what the client is capable of; none of it changes anything here."),
    ROW("getname", cmd_client_getname, 2, 2, FAST, "connection", "",
        "Returns the name of the connection."),
    ROW("getredir", cmd_client_getredir, 2, 2, FAST, "connection", "",
        "Returns the connection that tracking notifications are redirected to: none."),
    ROW("help", cmd_client_help, 2, 2, 0, "connection", "", "Returns the subcommands of CLIENT."),
    ROW("id", cmd_client_id, 2, 2, FAST, "connection", "", "Returns the number of the connection."),
    ROW("import-source", cmd_client_import_source, 3, 3, 0, "connection", "<ON | OFF>",
        "Marks the connection as one that imports data; changes nothing here."),
    ROW("info", cmd_client_info, 2, 2, 0, "connection", "", "Describes the connection."),
    ROW("kill", cmd_client_kill, 3, 0, ADMIN, "connection",
        "<address | [ID client-id] [TYPE <NORMAL | MASTER | REPLICA | PUBSUB>] [USER username] "
        "[ADDR address] [LADDR address] [SKIPME <YES | NO>] [MAXAGE seconds] [NAME name] "
        "[LIB-NAME name] [LIB-VER version]>",
        "Closes connections."),
    ROW("list", cmd_client_list, 2, 0, ADMIN, "connection",
        "[TYPE <NORMAL | MASTER | REPLICA | PUBSUB>] [ID client-id [client-id ...]] "
        "[USER username] [ADDR address] [LADDR address] [SKIPME <YES | NO>] [MAXAGE seconds] "
        "[NAME name] [LIB-NAME name] [LIB-VER version]",
        "Describes the open connections."),
    ROW("no-evict", cmd_client_no_evict, 3, 3, ADMIN, "connection", "<ON | OFF>",
        "Sets the connection's no-evict mode."),
    ROW("no-touch", cmd_client_no_touch, 3, 3, FAST, "connection", "<ON | OFF>",
        "Sets the connection's no-touch mode."),
    ROW("pause", cmd_client_pause, 3, 4, ADMIN, "connection", "timeout [WRITE | ALL]",
        "Makes the commands of clients wait for a time."),
    ROW("reply", cmd_client_reply, 3, 3, 0, "connection", "<ON | OFF | SKIP>",
        "Says whether the connection wants replies."),
    ROW("setinfo", cmd_client_setinfo, 4, 4, FAST, "connection",
        "<LIB-NAME libname | LIB-VER libver>", "Names the client library of the connection."),
    ROW("setname", cmd_client_setname, 3, 3, FAST, "connection", "connection-name",
        "Names the connection."),
    ROW("tracking", cmd_client_tracking, 3, 0, 0, "connection",
        "<ON | OFF> [REDIRECT client-id] [PREFIX prefix [PREFIX prefix ...]] [BCAST] [OPTIN] "
        "[OPTOUT] [NOLOOP]",
        "Client-side caching: only OFF is taken."),
    ROW("trackinginfo", cmd_client_trackinginfo, 2, 2, 0, "connection", "",
        "Describes the connection's client-side caching: off."),
    ROW("unblock", cmd_client_unblock, 3, 4, ADMIN, "connection", "client-id [TIMEOUT | ERROR]",
        "Ends another connection's waiting."),
    ROW("unpause", cmd_client_unpause, 2, 2, ADMIN, "connection", "", "Ends CLIENT PAUSE."),
    END,
};

struct command connection_commands[] = {
    ROW("discard", cmd_discard, 1, 1, FAST | CMD_UNQUEUED, "transactions", "",
        "Forgets the commands since MULTI."),
    ROW("exec", cmd_exec, 1, 1, CMD_UNQUEUED | CMD_NO_SLOWLOG | CMD_EXEC, "transactions", "",
        "Runs the commands since MULTI: all of them in one frame, or none."),
    ROW("multi", cmd_multi, 1, 1, FAST | ALONE, "transactions", "",
        "Makes the connection's commands wait for EXEC."),
    ROW("unwatch", cmd_unwatch, 1, 1, FAST, "transactions", "", "Forgets what WATCH said."),
    KEYS_ROW("watch", cmd_watch, 2, 0, FAST | ALONE, 1, -1, 1, "transactions", "key [key ...]",
             "Lets the next EXEC fail if one of the streams changes before it.", .key_use = "RO"),
    ROW("auth", cmd_auth, 2, 0, FAST | NOAUTH, "connection", "[username] password",
        "Authenticates the connection."),
    CONTAINER("client", 0, "connection", "Commands about connections.", client_commands),
    ROW("echo", cmd_echo, 2, 2, FAST, "connection", "message", "Returns the message."),
    ROW("hello", cmd_hello, 1, 0, FAST | NOAUTH, "connection",
        "[protover [AUTH username password] [SETNAME clientname]]",
        "Chooses the protocol and describes the server."),
    ROW("ping", cmd_ping, 1, 2, FAST, "connection", "[message]", "Shows that the server answers."),
    ROW("quit", cmd_quit, 1, 0, FAST | NOAUTH | CMD_UNQUEUED, "connection", "",
        "Closes the connection."),
    ROW("reset", cmd_reset, 1, 1, FAST | NOAUTH | CMD_UNQUEUED | CMD_RESET, "connection", "",
        "Returns the connection to its first state."),
    ROW("select", cmd_select, 2, 2, FAST, "connection", "index",
        "Chooses a database; all of them are the one store."),
    ROW("time", cmd_time, 1, 1, FAST, "server", "", "Returns the server's time."),
    END,
};
