/* Commands of the connection itself: HELLO PING ECHO QUIT RESET SELECT AUTH TIME. Texts and order
 * of checks are Redis'. */
#include "base/alloc.h"
#include "base/clock.h"
#include "server/client/transaction.h"
#include "server/server.h"
#include "commands/connection/client_name.h"
#include "commands/connection/family.h"

#define NO_PASSWORD                                                                                \
    "ERR AUTH <password> called without any password configured for the default user. Are you "    \
    "sure your configuration is correct?"
#define WRONG_PASSWORD "WRONGPASS invalid username-password pair or user is disabled."
#define HELLO_FIRST                                                                                \
    "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO "      \
    "<proto> AUTH <user> <pass> option can be used to authenticate the client and select the "     \
    "RESP protocol version at the same time"

/* Time does not tell how much of the password was right. */
static bool same_secret(struct str given, struct str secret) {
    unsigned char differ = given.len != secret.len;
    for (size_t i = 0; i < given.len; i++)
        differ |= (unsigned char)(given.ptr[i] ^ (secret.len > 0 ? secret.ptr[i % secret.len] : 0));
    return differ == 0;
}

/* There is one user, `default`. Without a password configured it takes any, as Redis' `nopass`. */
static bool authenticate_or_reply(struct client *c, struct str user, struct str password) {
    const char *secret = c->srv->config.requirepass;
    bool good = secret[0] == '\0' || same_secret(password, str_c(secret));
    if (!str_eq(user, STR("default")) || !good) {
        reply_error(c, WRONG_PASSWORD);
        return false;
    }
    c->authenticated = true;
    return true;
}

/* AUTH [username] password */
enum outcome cmd_auth(struct client *c, const struct request *r) {
    if (r->argc > 3) {
        reply_syntax_error(c);
        return REPLIED;
    }
    bool named = r->argc == 3;
    if (!named && c->srv->config.requirepass[0] == '\0') {
        reply_error(c, NO_PASSWORD);
        return REPLIED;
    }
    if (authenticate_or_reply(c, named ? r->argv[1] : STR("default"), r->argv[r->argc - 1]))
        reply_ok(c);
    return REPLIED;
}

/* The names of SierraDB's HELLO (server, version, peer_id, num_partitions) and those of Redis' in
 * one map. */
static void reply_hello(struct client *c) {
    reply_map(c, 9);
    reply_bulk_c(c, "server");
    reply_bulk_c(c, "cairn");
    reply_bulk_c(c, "version");
    reply_bulk_c(c, c->srv->config.redis_version);
    reply_bulk_c(c, "proto");
    reply_int(c, c->resp);
    reply_bulk_c(c, "id");
    reply_int(c, (int64_t)c->id);
    reply_bulk_c(c, "mode");
    reply_bulk_c(c, "standalone");
    reply_bulk_c(c, "role");
    reply_bulk_c(c, "master");
    reply_bulk_c(c, "modules");
    reply_array(c, 0);
    reply_bulk_c(c, "peer_id");
    reply_bulk_c(c, c->srv->run_id);
    reply_bulk_c(c, "num_partitions");
    reply_int(c, 1);
}

/* HELLO [protover [AUTH username password] [SETNAME clientname]] */
enum outcome cmd_hello(struct client *c, const struct request *r) {
    int64_t proto = 0;
    size_t at = 1;
    struct str name = {0};
    bool auth = false, has_name = false;
    struct str user = {0}, password = {0};
    if (r->argc >= 2) {
        if (!str_to_i64(r->argv[at++], &proto)) {
            reply_error(c, "ERR Protocol version is not an integer or out of range");
            return REPLIED;
        }
        if (proto < 2 || proto > 3) {
            reply_error(c, "NOPROTO unsupported protocol version");
            return REPLIED;
        }
        if (proto != c->resp && c->subscriber != NULL) {
            reply_error(c, "ERR the protocol cannot change while the connection has "
                           "subscriptions: EUNSUBSCRIBE * or RESET first");
            return REPLIED;
        }
    }
    for (; at < r->argc; at++) {
        size_t more = r->argc - 1 - at;
        if (str_eq_nocase(r->argv[at], STR("AUTH")) && more >= 2) {
            auth = true;
            user = r->argv[at + 1];
            password = r->argv[at + 2];
            at += 2;
        } else if (str_eq_nocase(r->argv[at], STR("SETNAME")) && more >= 1) {
            has_name = true;
            name = r->argv[++at];
            if (!client_name_valid_or_reply(c, name, "Client names")) return REPLIED;
        } else {
            reply_error(c, "ERR Syntax error in HELLO option '" STR_FMT "'",
                        (int)MIN(r->argv[at].len, (size_t)128), r->argv[at].ptr);
            return REPLIED;
        }
    }
    if (auth && !authenticate_or_reply(c, user, password)) return REPLIED;
    if (!c->authenticated) {
        reply_error(c, HELLO_FIRST);
        return REPLIED;
    }
    if (has_name) client_set_text(&c->name, name);
    if (proto != 0) c->resp = (int)proto;
    reply_hello(c);
    return REPLIED;
}

/* PING [message] */
enum outcome cmd_ping(struct client *c, const struct request *r) {
    bool listens = c->subscriber != NULL || c->listening != NULL;
    if (UNLIKELY(listens) && c->resp == 2) { /* as among messages of pub/sub */
        reply_array(c, 2);
        reply_bulk_c(c, "pong");
        reply_bulk(c, r->argc == 2 ? r->argv[1] : STR(""));
    } else if (r->argc == 2)
        reply_bulk(c, r->argv[1]);
    else
        reply_simple(c, "PONG");
    return REPLIED;
}

/* ECHO message */
enum outcome cmd_echo(struct client *c, const struct request *r) {
    reply_bulk(c, r->argv[1]);
    return REPLIED;
}

/* QUIT: the reply leaves behind all earlier ones, then the connection closes. */
enum outcome cmd_quit(struct client *c, const struct request *r) {
    UNUSED(r);
    reply_ok(c);
    c->close_after_reply = true;
    return REPLIED;
}

/* RESET: the connection is as if it had just been made. */
enum outcome cmd_reset(struct client *c, const struct request *r) {
    UNUSED(r);
    transaction_clear(c);
    subscriptions_drop(c);
    pubsub_drop(c);
    tracking_end(c);
    list_remove(&c->monitor);
    c->is_monitor = false;
    c->resp = (int)c->srv->config.default_resp;
    c->db = 0;
    c->authenticated = c->srv->config.requirepass[0] == '\0';
    c->no_evict = c->no_touch = false;
    c->reply_mode = REPLY_ON;
    client_set_text(&c->name, STR(""));
    reply_simple(c, "RESET");
    return REPLIED;
}

/* SELECT index: all sixteen are the same store; the number is only remembered for CLIENT LIST and
 * MONITOR. Client libraries and test suites select one on connect. */
enum outcome cmd_select(struct client *c, const struct request *r) {
    int64_t db;
    if (!str_to_i64(r->argv[1], &db) || db < INT32_MIN || db > INT32_MAX)
        reply_error(c, "ERR value is not an integer or out of range");
    else if (db < 0 || db > 15)
        reply_error(c, "ERR DB index is out of range");
    else {
        c->db = (uint64_t)db;
        reply_ok(c);
    }
    return REPLIED;
}

/* TIME */
enum outcome cmd_time(struct client *c, const struct request *r) {
    UNUSED(r);
    uint64_t now = clock_wall_us();
    reply_array(c, 2);
    resp_put_bulk_u64(&c->out, now / 1000000);
    resp_put_bulk_u64(&c->out, now % 1000000);
    return REPLIED;
}
