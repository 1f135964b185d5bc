/* The rows of channels: publish and subscribe. */
#include "commands/rows.h"

#include "commands/families.h"
#include "commands/pubsub/family.h"

/* What it replies is a message for each channel. It does not look at streams, and stays allowed
 * where only few commands are. */
#define LISTEN (OUTSIDE | BOUNDED | CMD_SUBSCRIBES | CMD_PUSHES)
/* In EXEC a message is only noted, and leaves with its frame: so it may be run again, and in vain.
 */
#define PUBLISH (HARMLESS | FAST | CMD_PUBLISHES)

static struct command pubsub_subcommands[] = {
    ROW("channels", cmd_pubsub_channels, 2, 0, HARMLESS | BOUNDED, "pubsub", "[pattern]",
        "Returns the channels that somebody listens to by name."),
    ROW("help", cmd_pubsub_help, 2, 2, HARMLESS, "pubsub", "",
        "Returns the subcommands of PUBSUB."),
    ROW("numpat", cmd_pubsub_numpat, 2, 2, HARMLESS, "pubsub", "",
        "Returns how many patterns somebody listens to."),
    ROW("numsub", cmd_pubsub_numsub, 2, 0, HARMLESS, "pubsub", "[channel [channel ...]]",
        "Returns how many listen to each channel by name."),
    ROW("shardchannels", cmd_pubsub_shardchannels, 2, 0, HARMLESS | BOUNDED, "pubsub", "[pattern]",
        "Returns the shard channels that somebody listens to."),
    ROW("shardnumsub", cmd_pubsub_shardnumsub, 2, 0, HARMLESS, "pubsub",
        "[shardchannel [shardchannel ...]]", "Returns how many listen to each shard channel."),
    END,
};

struct command pubsub_commands[] = {
    ROW("psubscribe", cmd_psubscribe, 2, 0, LISTEN, "pubsub", "pattern [pattern ...]",
        "Listens to all channels that fit a pattern."),
    ROW("publish", cmd_publish, 3, 3, PUBLISH, "pubsub", "channel message",
        "Sends a message to everybody who listens to the channel."),
    CONTAINER("pubsub", 0, "pubsub", "Commands about channels.", pubsub_subcommands),
    ROW("punsubscribe", cmd_punsubscribe, 1, 0, LISTEN, "pubsub", "[pattern [pattern ...]]",
        "Stops listening to patterns."),
    ROW("spublish", cmd_spublish, 3, 3, PUBLISH, "pubsub", "shardchannel message",
        "Sends a message to everybody who listens to the shard channel."),
    ROW("ssubscribe", cmd_ssubscribe, 2, 0, LISTEN, "pubsub", "shardchannel [shardchannel ...]",
        "Listens to shard channels."),
    ROW("subscribe", cmd_subscribe, 2, 0, LISTEN, "pubsub", "channel [channel ...]",
        "Listens to channels."),
    ROW("sunsubscribe", cmd_sunsubscribe, 1, 0, LISTEN, "pubsub",
        "[shardchannel [shardchannel ...]]", "Stops listening to shard channels."),
    ROW("unsubscribe", cmd_unsubscribe, 1, 0, LISTEN, "pubsub", "[channel [channel ...]]",
        "Stops listening to channels."),
    END,
};
