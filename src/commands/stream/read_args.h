/* The arguments of XREAD and XREADGROUP, and the limits on what one reply may hold. Loop thread. */
#ifndef COMMANDS_STREAM_READ_ARGS_H
#define COMMANDS_STREAM_READ_ARGS_H

#include "commands/stream/args.h"
#include "commands/stream/entry_read.h"

struct xread_args {
    bool is_group; /* XREADGROUP */
    struct str group, consumer;
    uint64_t count;     /* entries of one stream; UINT64_MAX: any number */
    uint64_t max_count; /* entries in all */
    uint64_t max_size;  /* bytes of names and values in all; UINT64_MAX: not given */
    bool noack, block, claim;
    uint64_t timeout_ms; /* block; 0: no end */
    uint64_t min_idle;   /* claim: ms */
    const struct str *keys, *ids;
    size_t n; /* of each */
};
bool xargs_xread_or_reply(struct client *c, const struct request *r, bool is_group,
                          struct xread_args *a);

#define READ_PORTION    1000                 /* entries that are looked up together */
#define REPLY_BYTES_MAX (UINT64_C(64) << 20) /* of events in one reply, whatever was asked for */

/* What is left of the limits while a reply is put together. */
struct budget {
    uint64_t entries, bytes;
    bool sized; /* bytes are those of MAXSIZE; else of memory, lest one reply takes all of it */
    bool any;
};
struct budget budget_of(const struct xread_args *a);
/* Takes one entry from the budget. false: it does not fit, and nothing more does. The first one
 * always fits. e NULL: an entry that is gone, of no size. */
bool budget_take(struct budget *b, const struct event *e);
/* Adds to l up to `most` entries from version start on, as of the frame `view`, of which s is, and
 * as far as the budget allows. false: they have to be loaded. */
bool budget_read(struct client *c, struct budget *b, struct entry_list *l, struct stream *s,
                 uint64_t start, uint64_t most, uint64_t view);

#endif
