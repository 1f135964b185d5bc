/* What each family of commands hands to the table of families. */
#ifndef COMMANDS_FAMILIES_H
#define COMMANDS_FAMILIES_H

#include "server/command/command.h"
#include "server/stats/info.h"

extern struct command event_commands[], stream_commands[], keys_commands[], connection_commands[],
    admin_commands[], pubsub_commands[], redis_commands[];
extern const struct info_section event_sections[], redis_sections[];

#endif
