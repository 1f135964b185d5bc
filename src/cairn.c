/* cairn: what is done with a store beside its server. */
#include "base/log.h"
#include "tool/tool.h"

int main(int argc, char **argv) {
    log_level = LOG_NOTHING; /* what there is to say is said by the subcommands */
    return tool_main(argc, argv);
}
