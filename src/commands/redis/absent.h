/* Commands of Redis that Cairn does not have: of other types, of channels, of replicas. They are
 * known by name and number of
 * arguments, so that they can stand in a transaction, and answer with a clear error. They are no
 * part of the command table: COMMAND and INFO do not list them. Loop thread. */
#ifndef COMMANDS_REDIS_ABSENT_H
#define COMMANDS_REDIS_ABSENT_H

#include "server/command/command.h"

void absent_init(void);
/* By name, or by name and subcommand; flags CMD_ABSENT. NULL: not known either. */
struct command *absent_find(const struct str *argv, size_t argc);

#endif
