/* What a master without replicas says to who asks for them: WAIT, ROLE, REPLCONF. */
#include "server/server.h"
#include "server/wait/blocking.h"
#include "commands/admin/family.h"
#include "commands/event/args.h"

/* WAIT numreplicas timeout: there are none to acknowledge anything, so it waits for as long as it
 * may (0: until CLIENT UNBLOCK), unless none are wanted. In EXEC nothing waits. */
enum outcome cmd_wait(struct client *c, const struct request *r) {
    int64_t replicas, timeout;
    if (!str_to_i64(r->argv[1], &replicas)) {
        reply_error(c, "ERR value is not an integer or out of range");
    } else if (!str_to_i64(r->argv[2], &timeout) || timeout > INT64_MAX / 2) {
        reply_error(c, "ERR timeout is not an integer or out of range");
    } else if (timeout < 0) {
        reply_error(c, "ERR timeout is negative");
    } else if (replicas <= 0 || c->srv->exec.client == c) {
        reply_int(c, 0);
    } else if (!blocking_over(c)) {
        blocking_wait(c, NULL, 0, (uint64_t)timeout);
        return PARKED;
    } else if (c->wait.unblocked_error) {
        blocking_reply_over(c);
    } else {
        reply_int(c, 0);
    }
    return REPLIED;
}

/* ROLE */
enum outcome cmd_role(struct client *c, const struct request *r) {
    UNUSED(r);
    reply_array(c, 3);
    reply_bulk_c(c, "master");
    reply_int(c, 0);
    reply_array(c, 0);
    return REPLIED;
}

/* REPLCONF option value [option value ...]: what a replica tells of itself is taken; none of it is
 * used, as SYNC and PSYNC are refused. */
enum outcome cmd_replconf(struct client *c, const struct request *r) {
    static const char *const known[] = {"listening-port",
                                        "ip-address",
                                        "capa",
                                        "version",
                                        "rdb-only",
                                        "rdb-filter-only",
                                        "set-rdb-client-id",
                                        "rdb-channel",
                                        "set-cluster-node-id",
                                        NULL};
    if (r->argc % 2 == 0) {
        reply_syntax_error(c);
        return REPLIED;
    }
    for (size_t i = 1; i < r->argc; i += 2) {
        if (arg_is_any_of(r->argv[i], known)) continue;
        reply_error(c, "ERR Unrecognized REPLCONF option: " STR_FMT, STR_ARG(r->argv[i]));
        return REPLIED;
    }
    reply_ok(c);
    return REPLIED;
}
