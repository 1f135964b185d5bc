/* The functions of the commands of connections and their transactions, by the file that holds them;
 * the rows are in rows.c. */
#ifndef COMMANDS_CONNECTION_FAMILY_H
#define COMMANDS_CONNECTION_FAMILY_H

#include "server/command/command.h"

/* client.c */
command_fn cmd_client_id, cmd_client_info, cmd_client_list, cmd_client_kill, cmd_client_setname,
    cmd_client_getname, cmd_client_setinfo, cmd_client_reply, cmd_client_no_evict,
    cmd_client_no_touch, cmd_client_pause, cmd_client_unpause, cmd_client_unblock;
/* client_compat.c */
command_fn cmd_client_capa, cmd_client_import_source, cmd_client_help;
/* connection.c */
command_fn cmd_auth, cmd_hello, cmd_ping, cmd_echo, cmd_quit, cmd_reset, cmd_select, cmd_time;
/* multi.c */
command_fn cmd_multi, cmd_discard, cmd_watch, cmd_unwatch, cmd_exec;
/* tracking.c */
command_fn cmd_client_tracking, cmd_client_trackinginfo, cmd_client_caching, cmd_client_getredir;

#endif
