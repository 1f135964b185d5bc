/* The arguments of XADD and XTRIM, which share the options about trimming. On false the error reply
 * has been sent. Loop thread. */
#ifndef COMMANDS_STREAM_ADD_ARGS_H
#define COMMANDS_STREAM_ADD_ARGS_H

#include "commands/stream/args.h"

enum trim_kind { TRIM_NONE, TRIM_MAXLEN, TRIM_MINID };
struct trim_args {
    enum trim_kind kind;
    bool approximate;
    uint64_t max_len;
    struct entry_id min_id;
    uint64_t limit; /* entries that one command may remove; 0: any number */
    enum refs refs;
};
struct xadd_args {
    struct trim_args trim;
    bool no_create;        /* NOMKSTREAM */
    bool id_given;         /* not `*` */
    bool auto_seq;         /* `ms-*` */
    struct entry_id id;    /* id_given */
    struct str producer;   /* IDMP, IDMPAUTO; ptr NULL: neither */
    struct str idempotent; /* IDMP; ptr NULL: IDMPAUTO */
    const struct str *fields;
    size_t count; /* of fields: names and values */
};
bool xargs_xadd_or_reply(struct client *c, const struct request *r, struct xadd_args *a);
bool xargs_xtrim_or_reply(struct client *c, const struct request *r, struct trim_args *t);

#endif
