/* The rows of the E commands: events by stream, version and sequence. */
#include "commands/rows.h"

#include "commands/event/family.h"
#include "commands/event/from.h"
#include "commands/event/selector_args.h"
#include "commands/families.h"

#define EVENT_OPTIONS                                                                              \
    " [EXPECTED_VERSION <version | ANY | EXISTS | EMPTY>] [TIMESTAMP milliseconds]"                \
    " [CORRELATION uuid] [CAUSATION uuid] [AGGREGATE id] [PAYLOAD payload] [METADATA metadata]"
#define EAPPEND_OPTIONS " [EVENT_ID event-id] [PARTITION_KEY uuid]" EVENT_OPTIONS
#define EMAPPEND_EVENT  "stream type [EVENT_ID event-id]" EVENT_OPTIONS
#define FIELDS          " [FIELDS names]"
#define SCAN_OPTIONS                                                                               \
    " [REV] [COUNT count] [TYPE pattern [pattern ...]] [SINCE milliseconds] [UNTIL milliseconds]"  \
    " [CORRELATION uuid] [CAUSATION uuid] [AGGREGATE id]" FIELDS

#define SIERRA_TAIL                                                                                \
    " [FROM <LATEST | number | MAP name=number [name=number ...] [DEFAULT number]>]"               \
    " [WINDOW events]"

static struct command esubs_commands[] = {
    ROW("help", cmd_esubs_help, 2, 2, HARMLESS, "event", "", "Returns the subcommands of ESUBS."),
    ROW("list", cmd_esubs_list, 2, 2, HARMLESS, "event", "",
        "Describes the subscriptions of all connections."),
    END,
};

static struct command echeckpoint_commands[] = {
    ROW("del", cmd_echeckpoint_del, 3, 3, WRITE | FREES, "event", "name", "Deletes a checkpoint."),
    ROW("get", cmd_echeckpoint_get, 3, 3, SETTLED | FAST, "event", "name",
        "Returns where a checkpoint stands, and how far that is behind."),
    ROW("help", cmd_echeckpoint_help, 2, 2, HARMLESS, "event", "",
        "Returns the subcommands of ECHECKPOINT."),
    ROW("list", cmd_echeckpoint_list, 3, 7, SETTLED | BOUNDED | ALONE, "event",
        "cursor [MATCH pattern] [COUNT count]", "Iterates over the checkpoints."),
    ROW("set", cmd_echeckpoint_set, 4, 6, WRITE, "event", "name position [IF <position | NONE>]",
        "Sets a checkpoint to the sequence to go on from."),
    ROW("wait", cmd_echeckpoint_wait, 5, 5, SETTLED | CMD_BLOCKING, "event",
        "name sequence milliseconds", "Waits until a checkpoint is beyond a sequence."),
    END,
};

static struct command eview_commands[] = {
    ROW("del", cmd_eview_del, 3, 4, WRITE | FREES, "event", "name [FORCE]", "Deletes a view."),
    ROW("get", cmd_eview_get, 3, 3, SETTLED | FAST, "event", "name",
        "Returns what a view selects."),
    ROW("help", cmd_eview_help, 2, 2, HARMLESS, "event", "", "Returns the subcommands of EVIEW."),
    ROW("list", cmd_eview_list, 3, 7, SETTLED | BOUNDED, "event",
        "cursor [MATCH pattern] [COUNT count]", "Iterates over the views."),
    ROW("set", cmd_eview_set, 5, 0, WRITE, "event", "name" SELECTOR_SYNTAX_OF_VIEWS " [FORCE]",
        "Gives a selection of events a name."),
    END,
};

struct command event_commands[] = {
    KEY_ROW("eappend", cmd_eappend, 3, 0, WRITE | NO_VIRTUAL, "event",
            "stream type" EAPPEND_OPTIONS, "Appends an event to a stream."),
    FIND_KEYS_ROW("emappend", cmd_emappend, 4, 0, WRITE | NO_VIRTUAL, keys_of_emappend, "event",
                  "<partition-key | *> <" EMAPPEND_EVENT " [" EMAPPEND_EVENT " ...]"
                  " | EVENT " EMAPPEND_EVENT " [EVENT " EMAPPEND_EVENT " ...]>",
                  "Appends events to one or more streams: all of them or none."),
    ROW("eget", cmd_eget, 2, 4, SETTLED | BOUNDED, "event", "event-id" FIELDS,
        "Returns an event by its id."),
    KEY_ROW("escan", cmd_escan, 4, 0, SETTLED | BOUNDED | NO_VIRTUAL, "event",
            "stream start end" SCAN_OPTIONS " [PARTITION_KEY uuid]",
            "Returns the events of a stream in a range of versions.",
            .virtual_advice = "use EREAD"),
    ROW("epscan", cmd_epscan, 4, 0, SETTLED | BOUNDED, "event",
        "partition start end" SCAN_OPTIONS " [STREAM pattern] [CATEGORY category] [VIEW name]",
        "Returns the events of the store in a range of sequences."),
    ROW("eread", cmd_eread, 3, 0, SETTLED | BOUNDED | CMD_BLOCKING, "event",
        FROM_SYNTAX " [COUNT count] [BLOCK milliseconds]" FIELDS SELECTOR_SYNTAX,
        "Returns the events of the store from a position on, or waits for some."),
    ROW("esubscribe", cmd_esubscribe, 2, 0, CMD_SETTLED | ALONE | CMD_SUBSCRIBES, "event",
        "pattern [" FROM_SYNTAX
        "] [WINDOW events] [BATCH events] [CHECKPOINT name] [NAME name]" FIELDS SELECTOR_SYNTAX,
        "Pushes the events of the store from a position on, and those that come."),
    ROW("eunsubscribe", cmd_eunsubscribe, 2, 2, NO_DATA | FAST | ALONE | CMD_SUBSCRIBES, "event",
        "<subscription-id | *>", "Ends a subscription of the connection, or all of them."),
    ROW("eack", cmd_eack, 3, 3, NO_DATA | FAST | CMD_OUTSIDE | CMD_SUBSCRIBES, "event",
        "subscription-id cursor", "Says that events of a subscription are handled."),
    CONTAINER("esubs", 0, "event", "Commands about subscriptions.", esubs_commands),
    ROW("esub", cmd_esub, 2, 0, CMD_SETTLED | ALONE, "event",
        "stream [PARTITION_KEY uuid] [stream [PARTITION_KEY uuid] ...]" SIERRA_TAIL,
        "Pushes the events of streams, as SierraDB does."),
    ROW("epsub", cmd_epsub, 2, 0, CMD_SETTLED | ALONE, "event",
        "<* | partition[,partition ...]>" SIERRA_TAIL,
        "Pushes the events of the store, as SierraDB does."),
    ROW("eunsub", cmd_eunsubscribe, 2, 2, NO_DATA | FAST | ALONE, "event", "<subscription-id | *>",
        "Ends a subscription of the connection, as EUNSUBSCRIBE."),
    CONTAINER("echeckpoint", 0, "event", "Commands about how far consumers have got.",
              echeckpoint_commands),
    CONTAINER("eview", 0, "event", "Commands about selections that have a name.", eview_commands),
    KEY_ROW("esver", cmd_esver, 2, 4, SETTLED | FAST | NO_VIRTUAL, "event",
            "stream [PARTITION_KEY uuid]", "Returns the last version of a stream.", .key_use = "RO",
            .virtual_advice = "use EREAD"),
    ROW("epseq", cmd_epseq, 2, 2, SETTLED | FAST, "event", "partition",
        "Returns the last sequence of the store."),
    ROW("estreams", cmd_estreams, 2, 0, SETTLED, "event",
        "cursor [MATCH pattern] [CATEGORY category] [COUNT count]", "Iterates over the streams."),
    KEY_ROW("einfo", cmd_einfo, 2, 2, SETTLED | NO_VIRTUAL, "event", "stream",
            "Describes a stream.", .key_use = "RO", .virtual_advice = "use EREAD"),
    KEY_ROW("etruncate", cmd_etruncate, 4, 5, WRITE | FREES | NO_VIRTUAL, "event",
            "stream BEFORE <version | ENTRY id | TIME milliseconds>",
            "Removes the oldest events of a stream.", .key_use = "RW delete",
            .virtual_advice = "use EREAD"),
    ROW("eerase", cmd_eerase, 2, 2, WRITE | FREES, "event", "event-id",
        "Erases an event's payload and metadata."),
    KEY_ROW("edelete", cmd_edelete, 2, 4, WRITE | FREES | REMOVES, "event",
            "stream [EXPECTED_VERSION <version | ANY | EXISTS | EMPTY>]", "Deletes a stream.",
            .key_use = "RM delete"),
    END,
};
