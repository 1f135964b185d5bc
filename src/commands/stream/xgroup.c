/* XGROUP: consumer groups and their consumers come and go. */
#include "stream/entry.h"
#include "server/server.h"
#include "server/wait/blocking.h"
#include "server/wait/need.h"
#include "commands/stream/args.h"
#include "commands/stream/family.h"
#include "commands/stream/shared.h"

/* ---- CREATE, SETID ---- */

struct position_args {
    bool make_stream, is_last; /* MKSTREAM; `$` */
    int64_t entries_read;
    struct entry_id id;
};

static void reply_wrong_form(struct client *c, struct str subcommand) {
    reply_error(c,
                "ERR unknown subcommand or wrong number of arguments for '%.*s'. Try XGROUP HELP.",
                (int)MIN(subcommand.len, (size_t)128), subcommand.ptr);
}

/* Everything behind the id. */
static bool parse_options(struct client *c, const struct request *r, bool creates,
                          struct position_args *a) {
    *a = (struct position_args){.entries_read = -1};
    for (size_t at = 5; at < r->argc; at++) {
        if (creates && arg_is(r->argv[at], STR("MKSTREAM"))) {
            a->make_stream = true;
        } else if (at + 1 < r->argc && arg_is(r->argv[at], STR("ENTRIESREAD"))) {
            if (!xarg_i64_or_reply(c, r->argv[++at], &a->entries_read)) return false;
            if (a->entries_read >= -1) continue;
            reply_error(c, "ERR value for ENTRIESREAD must be positive or -1");
            return false;
        } else {
            reply_wrong_form(c, r->argv[1]);
            return false;
        }
    }
    return true;
}

/* The key must exist for all subcommands but CREATE ... MKSTREAM. */
static bool exists_or_reply(struct client *c, const struct stream *s) {
    if (s->state == STREAM_LIVE) return true;
    reply_error(c, "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you "
                   "may want to use the MKSTREAM option to create an empty stream automatically.");
    return false;
}

/* The group that a subcommand needs. */
static bool group_or_reply(struct client *c, const struct request *r, struct cgroup **g,
                           enum outcome *outcome) {
    struct stream *s;
    if (!xkey_or_reply(c, r->argv[2], &s, outcome) || !exists_or_reply(c, s)) return false;
    *g = cgroup_find(s, r->argv[3]);
    if (*g != NULL) return true;
    reply_no_group_for_key(c, r->argv[2], r->argv[3]);
    return false;
}

static bool create_or_reply(struct client *c, const struct request *r, struct stream *s,
                            const struct position_args *a) {
    struct model *m = &c->srv->model;
    struct str name = r->argv[3];
    if (cgroup_find(s, name) != NULL) {
        reply_error(c, "BUSYGROUP Consumer Group name already exists");
        return false;
    }
    if (s->state == STREAM_ABSENT && model_create_stream(m, s) != ENTRY_OK) {
        reply_error(c, "TOOLARGE a store holds at most 2147483647 streams");
        return false;
    }
    struct entry_id id = a->is_last ? stream_last_id(s) : a->id;
    cgroup_add(m, s, name, id, a->entries_read);
    client_commit(c);
    return true;
}

/* XGROUP CREATE key group <id | $> [MKSTREAM] [ENTRIESREAD entries-read] */
enum outcome cmd_xgroup_create(struct client *c, const struct request *r) {
    struct position_args a;
    struct stream *s;
    enum outcome outcome = REPLIED;
    if (!parse_options(c, r, true, &a) || !xkey_or_reply(c, r->argv[2], &s, &outcome))
        return outcome;
    if (!a.make_stream && !exists_or_reply(c, s)) return REPLIED;
    if (r->argc > 8) {
        reply_wrong_form(c, r->argv[1]);
        return REPLIED;
    }
    a.is_last = str_eq(r->argv[4], STR("$"));
    if (!a.is_last && !xarg_id_or_reply(c, r->argv[4], 0, &a.id)) return REPLIED;
    if (!xname_or_reply(c, r->argv[3], "group")) return REPLIED;
    bool is_new = s->state == STREAM_ABSENT;
    if (!create_or_reply(c, r, s, &a)) return REPLIED;
    if (is_new) blocking_key_changed(c->srv, r->argv[2]);
    reply_ok(c);
    return REPLIED;
}

/* XGROUP SETID key group <id | $> [ENTRIESREAD entries-read] */
enum outcome cmd_xgroup_setid(struct client *c, const struct request *r) {
    struct position_args a;
    struct cgroup *g;
    enum outcome outcome = REPLIED;
    if (!parse_options(c, r, false, &a) || !group_or_reply(c, r, &g, &outcome)) return outcome;
    if (r->argc > 7) {
        reply_wrong_form(c, r->argv[1]);
        return REPLIED;
    }
    struct str id = r->argv[4];
    if (str_eq(id, STR("$")))
        a.id = stream_last_id(g->stream);
    else if (str_eq(id, STR("+")))
        a.id = ENTRY_ID_MAX;
    else if (!str_eq(id, STR("-")) && !xarg_id_or_reply(c, id, 0, &a.id))
        return REPLIED;
    cgroup_move(&c->srv->model, g, a.id, a.entries_read);
    client_commit(c);
    blocking_key_changed(c->srv, r->argv[2]); /* there may be something to read again */
    reply_ok(c);
    return REPLIED;
}

/* ---- DESTROY ---- */

/* XGROUP DESTROY key group */
enum outcome cmd_xgroup_destroy(struct client *c, const struct request *r) {
    struct model *m = &c->srv->model;
    struct stream *s;
    enum outcome outcome;
    if (!xkey_or_reply(c, r->argv[2], &s, &outcome) || !exists_or_reply(c, s)) return outcome;
    struct cgroup *g = cgroup_find(s, r->argv[3]);
    if (g != NULL) {
        cgroup_drop(m, g);
        client_commit(c);
        blocking_key_changed(c->srv, r->argv[2]);
    }
    reply_int(c, g != NULL);
    return REPLIED;
}

/* ---- consumers ---- */

/* XGROUP CREATECONSUMER key group consumer */
enum outcome cmd_xgroup_createconsumer(struct client *c, const struct request *r) {
    struct cgroup *g;
    enum outcome outcome;
    if (!group_or_reply(c, r, &g, &outcome)) return outcome;
    if (!xname_or_reply(c, r->argv[4], "consumer")) return REPLIED;
    bool is_new = cgroup_consumer(g, r->argv[4]) == NULL;
    if (is_new) cgroup_add_consumer(&c->srv->model, g, r->argv[4]);
    client_commit(c);
    reply_int(c, is_new);
    return REPLIED;
}

#define PENDING_A_TURN 20000 /* some milliseconds */

/* Takes from the consumer so many of the entries that it has: for the group, or for good. */
static void take_some(struct model *m, struct cgroup *g, const struct consumer *consumer,
                      bool release, size_t n) {
    for (; n > 0; n--) {
        struct pending_entry *e = pending_first(&g->pending, consumer->number);
        if (release)
            cgroup_release(m, g, e, e->deliveries);
        else
            cgroup_ack(m, g, e->id);
    }
}

/* Drops the consumer, with all that it still has. */
static void drop_consumer(struct client *c, struct cgroup *g, struct consumer *consumer,
                          bool release, uint32_t pending) {
    struct model *m = &c->srv->model;
    if (release) take_some(m, g, consumer, true, pending);
    cgroup_drop_consumer(m, g, consumer);
    client_commit(c);
}

/* XGROUP DELCONSUMER key group consumer [RELEASE]: what the consumer has goes over several turns
 * when it is very much, and then the consumer. */
enum outcome cmd_xgroup_delconsumer(struct client *c, const struct request *r) {
    struct cgroup *g;
    enum outcome outcome;
    bool release = r->argc == 6, whole = c->srv->exec.client == c;
    if (release && !arg_is(r->argv[5], STR("RELEASE"))) {
        reply_wrong_args(c, "xgroup|delconsumer");
        return REPLIED;
    }
    if (!group_or_reply(c, r, &g, &outcome)) return outcome;
    struct consumer *consumer = cgroup_consumer(g, r->argv[4]);
    uint32_t pending = consumer != NULL ? pending_count_of(&g->pending, consumer->number) : 0;
    uint32_t most = (uint32_t)MIN(pending_room(c), (size_t)PENDING_A_TURN);
    if (pending > most && !whole) {
        take_some(&c->srv->model, g, consumer, release, most);
        c->wait.so_far += most;
        client_commit(c);
        client_next_turn(c);
        return PARKED;
    }
    if (release && !fits_frame_or_reply(c, pending * sizeof(struct pending_item))) return REPLIED;
    if (consumer != NULL) drop_consumer(c, g, consumer, release, pending);
    uint64_t all = c->wait.so_far + pending;
    /* (Who only loses what it had is not woken: reading again would bring the consumer back.) */
    if (release && all > 0) blocking_key_changed(c->srv, r->argv[2]);
    reply_int(c, (int64_t)all);
    return REPLIED;
}

/* XGROUP HELP */
enum outcome cmd_xgroup_help(struct client *c, const struct request *r) {
    static const char *const lines[] = {
        "CREATE <key> <groupname> <id|$> [option]",
        "    Create a new consumer group. Options are:",
        "    * MKSTREAM",
        "      Create the empty stream if it does not exist.",
        "    * ENTRIESREAD entries_read",
        "      Set the group's entries_read counter (internal use).",
        "CREATECONSUMER <key> <groupname> <consumer>",
        "    Create a new consumer in the specified group.",
        "DELCONSUMER <key> <groupname> <consumer> [RELEASE]",
        "    Remove the specified consumer. With RELEASE, what it has pending goes back to the",
        "    group; else it is dropped.",
        "DESTROY <key> <groupname>",
        "    Remove the specified group.",
        "SETID <key> <groupname> <id|$> [ENTRIESREAD entries_read]",
        "    Set the current group ID and entries_read counter.",
        "STATS <key> [<groupname>]",
        "    Show how far a group, or each group, is behind, and what it has pending for how long.",
        NULL,
    };
    UNUSED(r);
    reply_help(c, "XGROUP", lines);
    return REPLIED;
}
