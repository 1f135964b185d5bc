/* The functions of the commands of channels, by the file that holds them; the rows are in rows.c.
 */
#ifndef COMMANDS_PUBSUB_FAMILY_H
#define COMMANDS_PUBSUB_FAMILY_H

#include "server/command/command.h"

/* subscribe.c */
/* Whether it is short enough for a channel, or a pattern of channels. what: "channel", "pattern".
 * false: the error was replied. */
bool pubsub_name_or_reply(struct client *c, struct str name, const char *what);
command_fn cmd_subscribe, cmd_psubscribe, cmd_ssubscribe, cmd_unsubscribe, cmd_punsubscribe,
    cmd_sunsubscribe;
/* publish.c */
command_fn cmd_publish, cmd_spublish;
/* pubsub.c */
command_fn cmd_pubsub_channels, cmd_pubsub_numsub, cmd_pubsub_numpat, cmd_pubsub_shardchannels,
    cmd_pubsub_shardnumsub, cmd_pubsub_help;

#endif
