/* The rows of what Redis has and Cairn does not. */
#include "commands/rows.h"

#include "commands/families.h"
#include "commands/redis/family.h"

static struct command function_commands[] = {
    ROW("flush", cmd_function_flush, 2, 3, HARMLESS, "scripting", "[ASYNC | SYNC]",
        "Does nothing: there are no functions."),
    ROW("help", cmd_flush_help, 2, 2, HARMLESS, "scripting", "",
        "Returns the subcommands of FUNCTION."),
    END,
};

static struct command script_commands[] = {
    ROW("flush", cmd_script_flush, 2, 3, HARMLESS, "scripting", "[ASYNC | SYNC]",
        "Does nothing: there are no scripts."),
    ROW("help", cmd_flush_help, 2, 2, HARMLESS, "scripting", "",
        "Returns the subcommands of SCRIPT."),
    END,
};

static struct command acl_commands[] = {
    ROW("help", cmd_acl_help, 2, 2, HARMLESS, "server", "", "Returns the subcommands of ACL."),
    ROW("whoami", cmd_acl_whoami, 2, 2, FAST | HARMLESS, "server", "",
        "Returns the user: default."),
    END,
};

static struct command module_commands[] = {
    ROW("help", cmd_module_help, 2, 2, HARMLESS, "server", "",
        "Returns the subcommands of MODULE."),
    ROW("list", cmd_module_list, 2, 2, HARMLESS, "server", "", "Returns the modules: none."),
    END,
};

struct command redis_commands[] = {
    CONTAINER("acl", 0, "server", "Commands about users.", acl_commands),
    ROW("asking", cmd_cluster, 1, 1, HARMLESS, "cluster", "", "Says that this is no cluster."),
    ROW("cluster", cmd_cluster, 2, 0, HARMLESS, "cluster", "subcommand [arg [arg ...]]",
        "Says that this is no cluster."),
    CONTAINER("function", 0, "scripting", "Commands about functions.", function_commands),
    ROW("lolwut", cmd_lolwut, 1, 0, FAST | HARMLESS, "server", "[VERSION version]",
        "Returns the version."),
    CONTAINER("module", 0, "server", "Commands about modules.", module_commands),
    ROW("readonly", cmd_cluster, 1, 1, HARMLESS, "cluster", "", "Says that this is no cluster."),
    ROW("readwrite", cmd_cluster, 1, 1, HARMLESS, "cluster", "", "Says that this is no cluster."),
    CONTAINER("script", 0, "scripting", "Commands about scripts.", script_commands),
    END,
};
