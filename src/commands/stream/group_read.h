/* What XREADGROUP is about to deliver (xreadgroup.c), and of virtual streams how it is found and
 * delivered (group_read_log.c). Loop thread. */
#ifndef COMMANDS_STREAM_GROUP_READ_H
#define COMMANDS_STREAM_GROUP_READ_H

#include "stream/group/cgroup.h"
#include "commands/stream/entry_read.h"
#include "commands/stream/read_args.h"

/* An entry that is pending already: of the consumer's history, or to be claimed. */
struct redelivery {
    struct entry_id id;
    uint64_t version, delivered; /* ms */
    uint32_t deliveries;
    bool nobodys;        /* handed back */
    struct event *event; /* NULL: gone */
};

/* One of the keys. Position and pending entries are the newest; which new entries exist is said by
 * the settled view, so that what others append and trim without end cannot starve a group. */
struct group_source {
    struct stream *stream, *settled;
    uint64_t view; /* that `settled` is of */
    struct cgroup *group;
    const struct group_source *before; /* an earlier key that is the same; NULL: none */
    bool history;
    struct entry_id after;    /* history */
    struct redelivery *again; /* history, or claimed */
    size_t again_count, gone_count;
    struct entry_id *gone;  /* CLAIM: pending entries that do not exist any more */
    bool claims_more;       /* it has dropped as many as it may, and there are more */
    struct entry_list list; /* new ... */
    uint64_t next;          /* ... and the version behind them */
    /* Of a virtual stream: what it selects (NULL: it is none), how many of what its scan had found
     * are in the list or not there any more, and whether it has not looked at everything. */
    struct selector *selector;
    uint32_t taken;
    bool unfinished;
    /* In EXEC, kept over its runs: what it has looked at beyond what the scan had found. */
    struct log_looked *looked;
};

/* What is new for the group of a virtual stream: fills src->list, and says in src->unfinished
 * whether there may be something all the same. false: something has to be loaded. */
bool group_find_in_log(struct client *c, const struct xread_args *a, struct group_source *src,
                       struct budget *budget);
/* Gives src->list to the consumer, and moves the group on. */
void group_deliver_of_log(struct client *c, const struct xread_args *a, struct group_source *src,
                          struct consumer *consumer);

#endif
