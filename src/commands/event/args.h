/* Parsing what the E commands take: names, ids, options. Each replies -INVALIDARG itself when it
 * returns false. Loop thread. */
#ifndef COMMANDS_EVENT_ARGS_H
#define COMMANDS_EVENT_ARGS_H

#include "server/command/command.h"

/* Keywords are compared without case. */
bool arg_is(struct str arg, struct str keyword);
/* One of the names, which end with NULL. */
bool arg_is_any_of(struct str arg, const char *const *names);
/* A glob for names: so long that to compare a name with it is quick. */
bool arg_pattern_or_reply(struct client *c, struct str arg);
/* A stream's name: 1..512 bytes without NUL, CR, LF. */
bool arg_stream_or_reply(struct client *c, struct str arg);
bool arg_uuid_or_reply(struct client *c, struct str arg, const char *what, struct uuid *out);
bool arg_u64_or_reply(struct client *c, struct str arg, const char *what, uint64_t *out);
/* ms since 1970. */
bool arg_time_or_reply(struct client *c, struct str arg, const char *what, uint64_t *ms);
/* COUNT: 1 at least, since a page that never gets further makes loops that do not end. Pages are
 * bounded in bytes anyway, so that a huge one is as good as a large one. */
#define ARG_COUNT_DEFAULT 100
bool arg_count_or_reply(struct client *c, struct str arg, uint64_t *out);
/* What LIST takes behind its word: cursor [MATCH pattern] [COUNT n]. */
struct list_query {
    uint64_t from, count; /* count: how many are looked at, about */
    struct str pattern;   /* len 0: all */
};
bool list_query_or_reply(struct client *c, const struct request *r, struct list_query *q);
/* "-" is 0, "+" the highest number. */
bool arg_bound_or_reply(struct client *c, struct str arg, uint64_t *out);
/* 0, or a partition key: the store is one partition. */
bool arg_partition_or_reply(struct client *c, struct str arg);

#endif
