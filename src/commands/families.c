/* THE command table: the families, each with rows of its own (rows.c of its folder). A row says all
 * there is to say about a command: dispatch, arity and keys, COMMAND and COMMAND DOCS, redis-cli's
 * hints and the docs' index come from it. The syntax is written as in Redis' docs: UPPER CASE words
 * are typed as they stand, lower case ones are values; [optional], <one | of | these>, `...`
 * repeats what stands before it. Argument counts include the command's name (and the subcommand's).
 */
#include "commands/families.h"

#include "commands/redis/absent.h"

const struct command_family command_families[] = {
    {.name = "event", .commands = event_commands, .sections = event_sections},
    {.name = "stream", .commands = stream_commands},
    {.name = "keys", .commands = keys_commands},
    {.name = "connection", .commands = connection_commands},
    {.name = "admin", .commands = admin_commands},
    {.name = "pubsub", .commands = pubsub_commands},
    {.name = "redis",
     .commands = redis_commands,
     .sections = redis_sections,
     .init = absent_init,
     .find = absent_find},
    {.name = NULL},
};
