/* The functions of what Redis has and Cairn does not, by the file that holds them; the rows are in
 * rows.c. */
#ifndef COMMANDS_REDIS_FAMILY_H
#define COMMANDS_REDIS_FAMILY_H

#include "server/command/command.h"

/* compat.c */
command_fn cmd_lolwut, cmd_cluster, cmd_function_flush, cmd_script_flush, cmd_flush_help,
    cmd_acl_whoami, cmd_acl_help, cmd_module_list, cmd_module_help;

#endif
