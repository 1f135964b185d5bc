/* CLIENT: what a connection says about itself, and what an operator does to connections. As
 * Valkey 8.1. */
#include "server/client/transaction.h"
#include "server/server.h"
#include "commands/connection/client_name.h"
#include "commands/connection/family.h"

/* CLIENT ID */
enum outcome cmd_client_id(struct client *c, const struct request *r) {
    UNUSED(r);
    reply_int(c, (int64_t)c->id);
    return REPLIED;
}

/* CLIENT INFO */
enum outcome cmd_client_info(struct client *c, const struct request *r) {
    UNUSED(r);
    struct buf text;
    buf_init(&text, 0);
    client_describe(c, &text);
    buf_put(&text, "\n", 1);
    resp_put_verbatim(&c->out, c->resp, buf_str(&text));
    buf_clear(&text);
    return REPLIED;
}

/* CLIENT SETNAME name */
enum outcome cmd_client_setname(struct client *c, const struct request *r) {
    if (!client_name_valid_or_reply(c, r->argv[2], "Client names")) return REPLIED;
    client_set_text(&c->name, r->argv[2]);
    reply_ok(c);
    return REPLIED;
}

/* CLIENT GETNAME */
enum outcome cmd_client_getname(struct client *c, const struct request *r) {
    UNUSED(r);
    if (c->name != NULL)
        reply_bulk_c(c, c->name);
    else
        reply_null(c);
    return REPLIED;
}

/* CLIENT SETINFO LIB-NAME name | LIB-VER version */
enum outcome cmd_client_setinfo(struct client *c, const struct request *r) {
    struct str what = r->argv[2], value = r->argv[3];
    bool is_name = str_eq_nocase(what, STR("LIB-NAME"));
    if (!is_name && !str_eq_nocase(what, STR("LIB-VER"))) {
        reply_error(c, "ERR Unrecognized option '" STR_FMT "'", (int)MIN(what.len, (size_t)128),
                    what.ptr);
        return REPLIED;
    }
    char label[16];
    snprintf(label, sizeof label, STR_FMT, (int)what.len, what.ptr);
    if (!client_name_valid_or_reply(c, value, label)) return REPLIED;
    client_set_text(is_name ? &c->lib_name : &c->lib_ver, value);
    reply_ok(c);
    return REPLIED;
}

/* CLIENT REPLY ON | OFF | SKIP: only ON is answered. */
enum outcome cmd_client_reply(struct client *c, const struct request *r) {
    struct str mode = r->argv[2];
    if (str_eq_nocase(mode, STR("ON"))) {
        c->reply_mode = REPLY_ON;
        reply_ok(c);
    } else if (str_eq_nocase(mode, STR("OFF"))) {
        c->reply_mode = REPLY_OFF;
    } else if (str_eq_nocase(mode, STR("SKIP"))) {
        if (c->reply_mode != REPLY_OFF) c->reply_mode = REPLY_SKIP_NEXT;
    } else {
        reply_syntax_error(c);
    }
    return REPLIED;
}

static bool parse_on_off_or_reply(struct client *c, struct str text, bool *on) {
    *on = str_eq_nocase(text, STR("ON"));
    if (*on || str_eq_nocase(text, STR("OFF"))) return true;
    reply_syntax_error(c);
    return false;
}

/* CLIENT NO-EVICT ON | OFF, CLIENT NO-TOUCH ON | OFF: noted and shown, and without effect:
 * connections are not evicted for memory, and what is read is kept by how recent it is alone. */
enum outcome cmd_client_no_evict(struct client *c, const struct request *r) {
    if (parse_on_off_or_reply(c, r->argv[2], &c->no_evict)) reply_ok(c);
    return REPLIED;
}
enum outcome cmd_client_no_touch(struct client *c, const struct request *r) {
    if (parse_on_off_or_reply(c, r->argv[2], &c->no_touch)) reply_ok(c);
    return REPLIED;
}

/* CLIENT PAUSE timeout [WRITE | ALL] */
enum outcome cmd_client_pause(struct client *c, const struct request *r) {
    struct server *srv = c->srv;
    int64_t ms;
    bool writes_only = false;
    if (r->argc == 4) {
        writes_only = str_eq_nocase(r->argv[3], STR("WRITE"));
        if (!writes_only && !str_eq_nocase(r->argv[3], STR("ALL"))) {
            reply_error(c, "ERR CLIENT PAUSE mode must be WRITE or ALL");
            return REPLIED;
        }
    }
    if (!str_to_i64(r->argv[2], &ms) || ms > INT64_MAX / 2) {
        reply_error(c, "ERR timeout is not an integer or out of range");
        return REPLIED;
    }
    if (ms < 0) {
        reply_error(c, "ERR timeout is negative");
        return REPLIED;
    }
    /* A pause that lasts longer, or forbids more, is not weakened by a new one. */
    bool running = srv->pause.until_ms > srv->clock.now_ms;
    uint64_t until = srv->clock.now_ms + (uint64_t)ms;
    srv->pause.writes_only = running ? srv->pause.writes_only && writes_only : writes_only;
    srv->pause.until_ms = running ? MAX(until, srv->pause.until_ms) : until;
    reply_ok(c);
    return REPLIED;
}

/* CLIENT UNPAUSE */
enum outcome cmd_client_unpause(struct client *c, const struct request *r) {
    UNUSED(r);
    c->srv->pause.until_ms = 0;
    LIST_FOR_EACH_SAFE (it, &c->srv->paused) client_resume(LIST_ENTRY(it, struct client, parked));
    reply_ok(c);
    return REPLIED;
}

/* CLIENT UNBLOCK id [TIMEOUT | ERROR] */
enum outcome cmd_client_unblock(struct client *c, const struct request *r) {
    uint64_t id;
    bool error = false;
    if (r->argc == 4) {
        error = str_eq_nocase(r->argv[3], STR("ERROR"));
        if (!error && !str_eq_nocase(r->argv[3], STR("TIMEOUT"))) {
            reply_error(c, "ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR");
            return REPLIED;
        }
    }
    if (!str_to_u64(r->argv[2], &id)) {
        reply_error(c, "ERR value is not an integer or out of range");
        return REPLIED;
    }
    struct client *other = server_client_by_id(c->srv, id);
    /* EXEC does not wait for others: it pauses. */
    bool waits = other != NULL && other->park == PARK_WAIT && !transaction_open(other);
    if (waits) {
        other->wait.unblocked = true;
        other->wait.unblocked_error = error;
        client_resume(other);
    }
    reply_int(c, waits);
    return REPLIED;
}
