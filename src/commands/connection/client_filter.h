/* The filters of CLIENT LIST and CLIENT KILL, which are the same. */
#ifndef COMMANDS_CONNECTION_CLIENT_FILTER_H
#define COMMANDS_CONNECTION_CLIENT_FILTER_H

#include "server/command/command.h"

struct client_filter {
    const struct str *ids; /* id_count arguments that are numbers above 0 */
    size_t id_count;
    enum { TYPE_ANY, TYPE_NORMAL, TYPE_PUBSUB, TYPE_NONE } type; /* NONE: there is none here */
    struct str addr, laddr, name, lib_name, lib_ver;             /* ptr NULL: any */
    bool skip_me;
    int64_t max_age_s; /* 0: any */
};

/* Parses filters from argv[at] on. */
bool client_filter_parse_or_reply(struct client *c, const struct request *r, size_t at,
                                  struct client_filter *f);
/* Whether it lets the connection through, but for the ids. */
bool client_filter_match(const struct client_filter *f, const struct client *c,
                         const struct client *me);

/* The ids that a filter names, ascending, each once. */
struct client_ids {
    uint64_t *ids;
    size_t count;
};
void client_ids_sort(const struct client_filter *f, struct client_ids *out);
void client_ids_clear(struct client_ids *ids); /* also of one that is zeroed */

#endif
