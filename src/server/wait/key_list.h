/* Listing streams and strings by number: for ESTREAMS, SCAN and RANDOMKEY. The backend lists
 * what is applied; what memory knows better (created, renamed, deleted since) is laid over it. The
 * cursor of all of them is a stream's number. Loop thread. */
#ifndef SERVER_WAIT_KEY_LIST_H
#define SERVER_WAIT_KEY_LIST_H

#include "server/client/client.h"

#define KEY_PAGE_MAX 10000 /* who asks for more goes on: some milliseconds */

struct key_query {
    uint64_t from;                /* number */
    uint64_t count;               /* at most so many, and no more than KEY_PAGE_MAX */
    uint64_t bytes_max;           /* of names that match, about; 0: any number */
    struct str pattern, category; /* len 0: any */
    bool no_strings, no_streams;
};

struct key {
    uint64_t number;
    struct str name; /* a view, until the end of the turn */
};

struct key_list {
    struct key *keys; /* ascending numbers */
    size_t count, cap;
    uint64_t cursor; /* to go on from; 0: that is all */
};

/* false: it is being read. Otherwise key_list_clear(out). As of the command's view. The caller has
 * seen to flush_is_applied. */
bool need_keys(struct client *c, const struct key_query *q, struct key_list *out);
void key_list_clear(struct key_list *l);
/* As SCAN replies it: the cursor, the names. */
void reply_key_list(struct client *c, const struct key_list *l);

#endif
