/* XGROUP: consumer groups and their consumers come and go. */
#include "stream/entry.h"
#include "server/server.h"
#include "server/command/virtual.h"
#include "server/pubsub/notifications.h"
#include "server/wait/blocking.h"
#include "server/wait/need.h"
#include "commands/stream/args.h"
#include "commands/stream/family.h"
#include "commands/stream/log_read.h"
#include "commands/stream/shared.h"

/* ---- CREATE, SETID ---- */

struct position_args {
    bool make_stream; /* MKSTREAM */
    int64_t entries_read;
    struct entry_id id;
};

static void reply_wrong_form(struct client *c, struct str subcommand) {
    reply_error(c,
                "ERR unknown subcommand or wrong number of arguments for '%.*s'. Try XGROUP HELP.",
                (int)MIN(subcommand.len, (size_t)128), subcommand.ptr);
}

/* Everything behind the id, from argv[at] on. */
static bool parse_options(struct client *c, const struct request *r, size_t at, bool creates,
                          struct position_args *a) {
    *a = (struct position_args){.entries_read = -1};
    for (; at < r->argc; at++) {
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

/* The group that a subcommand needs. A virtual stream is always there. */
static bool group_or_reply(struct client *c, const struct request *r, struct cgroup **g,
                           enum outcome *outcome) {
    struct stream *s;
    if (!xkey_or_reply(c, r->argv[2], &s, outcome)) return false;
    if (!virtual_is(c, r->argv[2]) && !exists_or_reply(c, s)) return false;
    *g = cgroup_find(s, r->argv[3]);
    if (*g != NULL) return true;
    reply_no_group_for_key(c, r->argv[2], r->argv[3]);
    return false;
}

/* `$`: of a virtual stream the last event of the store, whatever it is. false: it has to be loaded.
 */
static bool need_last_position(struct client *c, struct str key, const struct stream *s,
                               struct entry_id *id) {
    bool in_exec = c->srv->exec.client == c;
    if (virtual_is(c, key))
        return need_log_last(c, in_exec ? VIEW_NEWEST : client_settled_view(c), id);
    *id = s->state == STREAM_LIVE ? stream_last_id(s) : ENTRY_ID_MIN;
    return true;
}

/* TIME ms: just before the first entry that was recorded then or later; behind the last, when there
 * is none. */
static bool need_time_position(struct client *c, struct stream *s, uint64_t ms,
                               struct entry_id *id) {
    *id = ms > 0 ? (struct entry_id){ms - 1, UINT64_MAX} : ENTRY_ID_MIN;
    if (stream_is_virtual(s)) return true; /* whose ids are times */
    *id = stream_last_id(s);
    if (s->next_version == 0) return true;
    struct selector_draft draft = {0};
    selector_draft_since(&draft, ms);
    struct selector *since = selector_create(&draft);
    struct read r = {
        .stream = s, .end = s->next_version - 1, .count = 1, .selector = since, .horizon = c->view};
    bool known = need_read(c, &r);
    if (known && r.found > 0) {
        *id = event_entry_id(r.events[0]);
        entry_id_previous(id);
    }
    read_clear(&r);
    selector_unref(since);
    return known;
}

static bool may_create_or_reply(struct client *c, struct str key) {
    if (!virtual_is(c, key) || c->srv->model.virtual_groups < VIRTUAL_GROUPS_MAX) return true;
    reply_error(c, "TOOLARGE virtual streams have at most %d groups, together", VIRTUAL_GROUPS_MAX);
    return false;
}

static bool create_or_reply(struct client *c, const struct request *r, struct stream *s,
                            const struct position_args *a) {
    struct model *m = &c->srv->model;
    struct str name = r->argv[3];
    bool is_virtual = virtual_is(c, r->argv[2]);
    if (cgroup_find(s, name) != NULL) {
        reply_error(c, "BUSYGROUP Consumer Group name already exists");
        return false;
    }
    if (!may_create_or_reply(c, r->argv[2])) return false;
    bool is_new = s->state == STREAM_ABSENT;
    if (is_new && (is_virtual ? model_create_virtual : model_create_stream)(m, s) != ENTRY_OK) {
        reply_error(c, "TOOLARGE a store holds at most 2147483647 streams");
        return false;
    }
    cgroup_add(m, s, name, a->id, is_virtual ? -1 : a->entries_read);
    if (is_new && !is_virtual) notify(c->srv, NOTIFY_NEW, "new", r->argv[2]);
    notify(c->srv, NOTIFY_STREAM, "xgroup-create", r->argv[2]);
    client_commit(c);
    return true;
}

/* XGROUP CREATE key group <id | $> [MKSTREAM] [ENTRIESREAD entries-read] */
enum outcome cmd_xgroup_create(struct client *c, const struct request *r) {
    struct position_args a;
    struct stream *s;
    enum outcome outcome = REPLIED;
    if (!parse_options(c, r, 5, true, &a) || !xkey_or_reply(c, r->argv[2], &s, &outcome))
        return outcome;
    bool is_virtual = virtual_is(c, r->argv[2]);
    if (!a.make_stream && !is_virtual && !exists_or_reply(c, s)) return REPLIED;
    if (r->argc > 8) {
        reply_wrong_form(c, r->argv[1]);
        return REPLIED;
    }
    if (str_eq(r->argv[4], STR("$"))) {
        if (!need_last_position(c, r->argv[2], s, &a.id)) return PARKED;
    } else if (!xarg_id_or_reply(c, r->argv[4], 0, &a.id)) {
        return REPLIED;
    }
    if (!xname_or_reply(c, r->argv[3], "group")) return REPLIED;
    bool is_new = s->state == STREAM_ABSENT;
    if (!create_or_reply(c, r, s, &a)) return REPLIED;
    if (is_new) blocking_key_changed(c->srv, r->argv[2]);
    reply_ok(c);
    return REPLIED;
}

/* The id at argv[4], or `TIME ms`. */
static bool new_position_or_reply(struct client *c, const struct request *r, struct cgroup *g,
                                  bool by_time, struct entry_id *id, bool *known) {
    struct str arg = r->argv[4];
    uint64_t ms;
    *known = true;
    if (by_time) {
        if (!arg_time_or_reply(c, r->argv[5], "TIME", &ms)) return false;
        *known = need_time_position(c, g->stream, ms, id);
    } else if (str_eq(arg, STR("$"))) {
        *known = need_last_position(c, r->argv[2], g->stream, id);
    } else if (str_eq(arg, STR("+"))) {
        *id = ENTRY_ID_MAX;
    } else if (!str_eq(arg, STR("-"))) {
        return xarg_id_or_reply(c, arg, 0, id);
    }
    return true;
}

/* XGROUP SETID key group <id | $ | TIME ms> [ENTRIESREAD entries-read] */
enum outcome cmd_xgroup_setid(struct client *c, const struct request *r) {
    struct position_args a;
    struct cgroup *g;
    enum outcome outcome = REPLIED;
    bool known, by_time = arg_is(r->argv[4], STR("TIME")) && r->argc > 5;
    size_t at = by_time ? 6 : 5;
    if (!parse_options(c, r, at, false, &a) || !group_or_reply(c, r, &g, &outcome)) return outcome;
    if (r->argc > at + 2) {
        reply_wrong_form(c, r->argv[1]);
        return REPLIED;
    }
    if (!new_position_or_reply(c, r, g, by_time, &a.id, &known)) return REPLIED;
    if (!known) return PARKED;
    bool is_virtual = stream_is_virtual(g->stream);
    cgroup_move(&c->srv->model, g, a.id, is_virtual ? -1 : a.entries_read);
    notify(c->srv, NOTIFY_STREAM, "xgroup-setid", r->argv[2]);
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
    if (!xkey_or_reply(c, r->argv[2], &s, &outcome)) return outcome;
    if (!virtual_is(c, r->argv[2]) && !exists_or_reply(c, s)) return outcome;
    struct cgroup *g = cgroup_find(s, r->argv[3]);
    if (g != NULL) {
        cgroup_drop(m, g);
        notify(c->srv, NOTIFY_STREAM, "xgroup-destroy", r->argv[2]);
        /* It is there for the sake of its groups. */
        if (stream_is_virtual(s) && s->extra->group_count == 0) blocking_delete_key(c->srv, s);
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
    if (is_new) {
        cgroup_add_consumer(&c->srv->model, g, r->argv[4]);
        notify(c->srv, NOTIFY_STREAM, "xgroup-createconsumer", r->argv[2]);
    }
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
    notify(c->srv, NOTIFY_STREAM, "xgroup-delconsumer", stream_name_str(g->stream->name));
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
        "SETID <key> <groupname> <id|$|TIME milliseconds> [ENTRIESREAD entries_read]",
        "    Set the current group ID and entries_read counter.",
        "STATS <key> [<groupname>]",
        "    Show how far a group, or each group, is behind, and what it has pending for how long.",
        NULL,
    };
    UNUSED(r);
    reply_help(c, "XGROUP", lines);
    return REPLIED;
}
