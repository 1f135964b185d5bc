/* FROM: where a command begins to read the log. Every command that takes it parses it here. Loop
 * thread. */
#ifndef COMMANDS_EVENT_FROM_H
#define COMMANDS_EVENT_FROM_H

#include "server/command/command.h"
#include "store/selector.h"
#include "commands/event/position.h"

#define FROM_SYNTAX                                                                                \
    "FROM <START | NEW | position | TIME milliseconds"                                             \
    " | CHECKPOINT name [ELSE <START | NEW | position>]>"
#define FROM_PLACES "START, NEW, TIME, CHECKPOINT or a position" /* as errors name them */

struct from_arg {
    bool given, is_new;
    struct position position; /* where to read first, unless is_new */
    uint64_t since;           /* ms: with TIME; 0: none */
    struct str checkpoint;    /* CHECKPOINT: until from_known what stands above is its ELSE */
    bool has_else;
};

/* What stands behind the word FROM, from argv[*at] on, which is moved behind it. false: it was
 * replied what is wrong (-INVALIDARG). */
bool from_or_reply(struct client *c, const struct request *r, size_t *at, struct from_arg *a);
/* TIME: what the selector has to hold besides all that was asked for. Not one more alternative of
 * SINCE: both must hold. */
void from_add_since(const struct from_arg *a, struct selector_draft *draft);
/* CHECKPOINT: looks where it stands as of c->view. false: it is being loaded, and the command
 * parks. */
bool from_known(struct client *c, struct from_arg *a);
/* The sequence to read first, after from_known. head: behind the last event that the command sees.
 * false: the position lies beyond it, or in another history (-TIMELINE), or there is no such
 * checkpoint, which was replied. */
bool from_position_or_reply(struct client *c, const struct from_arg *a, uint64_t head,
                            uint64_t *position);

#endif
