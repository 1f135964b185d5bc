/* ECHECKPOINT: how far consumers have got, held by the server. A position is the sequence to go on
 * from: everything below it is handled. */
#include "stream/read.h"
#include "server/server.h"
#include "server/wait/applied.h"
#include "server/wait/blocking.h"
#include "server/wait/need.h"
#include "commands/event/args.h"
#include "commands/event/checkpoint.h"
#include "commands/event/family.h"
#include "commands/event/reply.h"

#define WAIT_MAX (UINT64_C(1) << 42) /* ms: a hundred years */

bool checkpoint_name_or_reply(struct client *c, struct str name) {
    if (stream_name_valid(name)) return true;
    reply_error(c,
                "INVALIDARG invalid name of a checkpoint: 1 to %d bytes without NUL, CR or LF are "
                "expected",
                STREAM_NAME_MAX);
    return false;
}

bool checkpoint_at(const struct model *m, const struct named *n, uint64_t frame,
                   struct checkpoint_value *out) {
    struct str value;
    if (!named_value(m, n, frame, &value)) return false;
    assert(value.len == sizeof *out);
    memcpy(out, value.ptr, sizeof *out);
    return true;
}

/* It was set in this store: a timeline that is not in the list any more is one that is forgotten.
 */
struct position checkpoint_position(const struct model *m, const struct checkpoint_value *v) {
    uint64_t end;
    return (struct position){.sequence = v->position,
                             .timeline = v->timeline,
                             .has_timeline =
                                 timelines_find(&m->timelines, v->timeline, &end, NULL)};
}

/* ---- SET ---- */

/* n or n@timeline; of the present one then. */
static bool position_argument_or_reply(struct client *c, struct str arg, uint64_t *position) {
    struct position p;
    if (!position_parse(arg, &p)) {
        reply_error(c,
                    "INVALIDARG invalid position: '" STR_FMT "' is not a number (or one with @ and "
                    "the 8 hexadecimal digits of a timeline)",
                    (int)MIN(arg.len, (size_t)64), arg.ptr);
        return false;
    }
    *position = p.sequence;
    return position_or_reply(c, &p);
}

struct condition {
    bool given, none;
    uint64_t position;
};

static bool condition_or_reply(struct client *c, const struct request *r, struct condition *out) {
    *out = (struct condition){0};
    if (r->argc == 4) return true;
    if (!arg_is(r->argv[4], STR("IF"))) {
        reply_error(c, "INVALIDARG unexpected string '" STR_FMT "': expected IF or end of input",
                    (int)MIN(r->argv[4].len, (size_t)64), r->argv[4].ptr);
        return false;
    }
    if (r->argc == 5) {
        reply_error(c, "INVALIDARG unexpected end of input: expected a position or NONE behind IF");
        return false;
    }
    out->given = true;
    out->none = arg_is(r->argv[5], STR("NONE"));
    return out->none || arg_u64_or_reply(c, r->argv[5], "IF", &out->position);
}

/* Takes back the transaction that it is in, as a wrong version does. */
static void reply_stale(struct client *c, struct str name, bool exists, uint64_t position) {
    if (c->srv->exec.client == c) c->srv->exec.abort = true;
    if (exists)
        reply_error(c, "STALE checkpoint '%.*s' stands at %llu", (int)name.len, name.ptr,
                    (unsigned long long)position);
    else
        reply_error(c, "STALE checkpoint '%.*s' does not exist", (int)name.len, name.ptr);
}

/* ECHECKPOINT SET name position [IF <position | NONE>] */
enum outcome cmd_echeckpoint_set(struct client *c, const struct request *r) {
    struct model *m = &c->srv->model;
    struct str name = r->argv[2];
    struct condition condition;
    struct checkpoint_value was = {0};
    uint64_t position;
    struct named *n;
    if (!checkpoint_name_or_reply(c, name) ||
        !position_argument_or_reply(c, r->argv[3], &position) ||
        !condition_or_reply(c, r, &condition))
        return REPLIED;
    if (!need_named(c, NAMED_CHECKPOINT, name, &n)) return PARKED;
    if (position > m->next_sequence) {
        client_tells(c, m->decided);
        reply_error(c, "INVALIDARG position %llu is beyond the head, %llu",
                    (unsigned long long)position, (unsigned long long)m->next_sequence);
        return REPLIED;
    }
    bool exists = checkpoint_at(m, n, VIEW_NEWEST, &was);
    bool holds = condition.none ? !exists : exists && was.position == condition.position;
    if (condition.given && !holds) {
        reply_stale(c, name, exists, was.position);
        return REPLIED;
    }
    named_set_checkpoint(m, n, position);
    client_commit(c);
    reply_ok(c);
    return REPLIED;
}

/* ECHECKPOINT DEL name: 1, or 0 when there is none. */
enum outcome cmd_echeckpoint_del(struct client *c, const struct request *r) {
    struct model *m = &c->srv->model;
    struct checkpoint_value was;
    struct named *n;
    if (!checkpoint_name_or_reply(c, r->argv[2])) return REPLIED;
    if (!need_named(c, NAMED_CHECKPOINT, r->argv[2], &n)) return PARKED;
    bool exists = checkpoint_at(m, n, VIEW_NEWEST, &was);
    if (exists) {
        named_set(m, n, (struct str){0});
        client_commit(c);
    }
    reply_int(c, exists);
    return REPLIED;
}

/* ---- looking ---- */

/* behind: in events of the store. A checkpoint that a restored store has may be ahead of it. */
static void reply_fields(struct client *c, const struct checkpoint_value *v, uint64_t head) {
    reply_number(c, "position", v->position);
    reply_timeline_of(c, v->timeline);
    reply_number(c, "updated", v->updated);
    reply_number(c, "behind", head - MIN(head, v->position));
}

static uint64_t head_told(struct client *c) {
    struct model *m = &c->srv->model;
    if (c->view == VIEW_NEWEST) client_tells(c, m->decided);
    return model_visible_end(m, NULL, c->view);
}

/* ECHECKPOINT GET name: a map of position, timeline, updated, behind; null when there is none. */
enum outcome cmd_echeckpoint_get(struct client *c, const struct request *r) {
    struct checkpoint_value v;
    struct named *n;
    if (!checkpoint_name_or_reply(c, r->argv[2])) return REPLIED;
    if (!need_named(c, NAMED_CHECKPOINT, r->argv[2], &n)) return PARKED;
    if (!checkpoint_at(&c->srv->model, n, c->view, &v)) {
        reply_null(c);
        return REPLIED;
    }
    uint64_t head = head_told(c);
    struct position p = checkpoint_position(&c->srv->model, &v);
    if (!position_or_reply(c, &p)) return REPLIED;
    reply_map(c, 4);
    reply_fields(c, &v, head);
    return REPLIED;
}

/* ---- LIST ---- */

/* What it is as of the view: in memory, when it has changed since the backend was asked. */
static bool listed(struct client *c, const struct list_query *q, const struct named_list *l,
                   size_t i, struct checkpoint_value *out) {
    struct model *m = &c->srv->model;
    const struct named_item *item = &l->items[i];
    if (q->pattern.len > 0 && !str_match_glob(q->pattern, item->name, false)) return false;
    const struct named *n = named_find(m, NAMED_CHECKPOINT, item->name);
    if (n != NULL) return checkpoint_at(m, n, c->view, out);
    if (named_flushed(m, NAMED_CHECKPOINT, l->applied, c->view)) return false;
    memcpy(out, item->value.ptr, sizeof *out);
    return true;
}

static void reply_list(struct client *c, const struct list_query *q, const struct named_list *l) {
    struct checkpoint_value v;
    uint64_t head = head_told(c);
    size_t n = 0;
    for (size_t i = 0; i < l->count; i++) n += listed(c, q, l, i, &v);
    reply_array(c, 2);
    resp_put_bulk_u64(&c->out, l->done ? 0 : l->next);
    reply_array(c, n);
    for (size_t i = 0; i < l->count; i++) {
        if (!listed(c, q, l, i, &v)) continue;
        reply_map(c, 5);
        reply_key(c, "name");
        reply_bulk(c, l->items[i].name);
        reply_fields(c, &v, head);
    }
}

static bool what_is_seen_is_applied(struct client *c) {
    const struct model *m = &c->srv->model;
    uint64_t frame = MIN(c->view, m->decided);
    return store_applied(m->store) >= frame || frame_is_applied(c, frame);
}

/* ECHECKPOINT LIST cursor [MATCH pattern] [COUNT n]. It walks through the backend's rows, which
 * keep their numbers: what was there when it began, and was acknowledged, is applied before the
 * first page, and so is found. */
enum outcome cmd_echeckpoint_list(struct client *c, const struct request *r) {
    const struct named_list *list;
    struct list_query q;
    if (!list_query_or_reply(c, r, &q)) return REPLIED;
    if (q.from == 0 && c->need == NULL && !what_is_seen_is_applied(c))
        return wait_for_apply_or_reply(c);
    if (!flush_is_applied(c)) return wait_for_apply_or_reply(c);
    if (!need_named_list(c, NAMED_CHECKPOINT, MAX(q.from, UINT64_C(1)), q.count, &list))
        return PARKED;
    reply_list(c, &q, list);
    return REPLIED;
}

/* ---- WAIT ---- */

/* ECHECKPOINT WAIT name sequence ms: 1 as soon as the checkpoint is beyond the sequence and that is
 * durable; 0 when the time is up. ms 0: no end. */
enum outcome cmd_echeckpoint_wait(struct client *c, const struct request *r) {
    struct model *m = &c->srv->model;
    struct checkpoint_value v;
    struct named *n;
    uint64_t sequence, ms;
    if (!checkpoint_name_or_reply(c, r->argv[2]) ||
        !arg_u64_or_reply(c, r->argv[3], "sequence", &sequence) ||
        !arg_u64_or_reply(c, r->argv[4], "timeout", &ms))
        return REPLIED;
    if (blocking_over(c) && c->wait.unblocked_error) {
        blocking_reply_over(c);
        return REPLIED;
    }
    if (blocking_emptied(c)) {
        blocking_reply_emptied(c);
        return REPLIED;
    }
    if (!need_named(c, NAMED_CHECKPOINT, r->argv[2], &n)) return PARKED;
    uint64_t frame = c->view == VIEW_NEWEST ? c->view : MIN(c->view, store_durable(m->store));
    bool exists = checkpoint_at(m, n, frame, &v), beyond = exists && v.position > sequence;
    struct position p = exists ? checkpoint_position(m, &v) : (struct position){0};
    if (!position_or_reply(c, &p)) return REPLIED;
    if (beyond || blocking_over(c) || c->srv->exec.client == c) {
        reply_int(c, beyond);
        return REPLIED;
    }
    blocking_watch(c, n, sequence, MIN(ms, WAIT_MAX));
    return PARKED;
}

/* ECHECKPOINT HELP */
enum outcome cmd_echeckpoint_help(struct client *c, const struct request *r) {
    static const char *const lines[] = {
        "DEL <name>",
        "    Delete a checkpoint.",
        "GET <name>",
        "    Show where it stands, and how far that is behind.",
        "LIST <cursor> [MATCH <pattern>] [COUNT <count>]",
        "    Iterate over the checkpoints.",
        "SET <name> <position[@timeline]> [IF <position|NONE>]",
        "    Set it to the sequence to go on from. With IF only where it stands there.",
        "WAIT <name> <sequence> <milliseconds>",
        "    Wait until it is beyond a sequence.",
        NULL,
    };
    UNUSED(r);
    reply_help(c, "ECHECKPOINT", lines);
    return REPLIED;
}
