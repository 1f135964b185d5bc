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

/* One reply is a portion, and whoever reads goes on behind it: share_portion() bytes of events, as
 * they are kept in memory, whatever was asked for; and so many entries, if nothing was. */
#define PORTION_ENTRIES 10000
#define LOOK_UP         1000 /* entries that are looked up together for MAXSIZE */

/* What is left of the limits while a reply is put together. */
struct budget {
    uint64_t entries, bytes;
    uint64_t size; /* MAXSIZE; UINT64_MAX: not given */
    bool any;
};
struct budget budget_of(const struct client *c, const struct xread_args *a);
/* Takes one entry from the budget. false: it does not fit, and nothing more does. The first one
 * always fits. e NULL: an entry that is gone, of no size. */
bool budget_take(struct budget *b, const struct event *e);
/* Adds to l up to range.most entries from range.start on, and as far as the budget allows. false:
 * they have to be loaded. */
bool budget_read(struct client *c, struct budget *b, struct entry_list *l, struct stream *s,
                 struct entry_range range);

#endif
