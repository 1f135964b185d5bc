/* What streams there are and how far they and the store go: ESVER EPSEQ EINFO ESTREAMS. */
#include "server/server.h"
#include "server/wait/applied.h"
#include "server/wait/key_list.h"
#include "server/wait/need.h"
#include "commands/event/args.h"
#include "commands/event/family.h"
#include "commands/event/reply.h"

#define STREAMS_DEFAULT 100
#define STREAMS_MAX     100000

static bool no_more_args(struct client *c, const struct request *r, size_t n) {
    if (r->argc <= n) return true;
    reply_error(c, "INVALIDARG unexpected string: expected end of input");
    return false;
}

/* [PARTITION_KEY u] from argv[2] on: one partition, so that it restricts nothing. */
static bool partition_key_or_reply(struct client *c, const struct request *r) {
    struct uuid ignored;
    if (r->argc == 2) return true;
    if (!arg_is(r->argv[2], STR("PARTITION_KEY")) || r->argc != 4) {
        reply_error(c, "INVALIDARG unexpected string: expected PARTITION_KEY or end of input");
        return false;
    }
    if (uuid_from_text(r->argv[3], &ignored)) return true;
    reply_error(c, "INVALIDARG invalid partition key");
    return false;
}

static bool replied_wrong_type(struct client *c, const struct stream *s) {
    if (!stream_is_string(s)) return false;
    reply_wrong_type(c);
    return true;
}

/* ESVER stream [PARTITION_KEY u] */
enum outcome cmd_esver(struct client *c, const struct request *r) {
    struct stream *s;
    if (!arg_stream_or_reply(c, r->argv[1]) || !partition_key_or_reply(c, r)) return REPLIED;
    if (!need_stream(c, r->argv[1], &s)) return PARKED;
    if (replied_wrong_type(c, s)) return REPLIED;
    if (s->next_version == 0)
        reply_null(c);
    else
        reply_int(c, (int64_t)(s->next_version - 1));
    return REPLIED;
}

/* EPSEQ partition */
enum outcome cmd_epseq(struct client *c, const struct request *r) {
    struct model *m = &c->srv->model;
    if (!arg_partition_or_reply(c, r->argv[1]) || !no_more_args(c, r, 2)) return REPLIED;
    uint64_t end = model_visible_end(m, NULL, c->view);
    if (c->view == VIEW_NEWEST) client_tells(c, m->decided);
    if (end == 0)
        reply_null(c);
    else
        reply_int(c, (int64_t)(end - 1));
    return REPLIED;
}

/* EINFO stream */
enum outcome cmd_einfo(struct client *c, const struct request *r) {
    struct stream *s;
    if (!arg_stream_or_reply(c, r->argv[1])) return REPLIED;
    if (!need_stream(c, r->argv[1], &s)) return PARKED;
    if (replied_wrong_type(c, s)) return REPLIED;
    if (s->state != STREAM_LIVE) {
        reply_null(c);
        return REPLIED;
    }
    struct entry_id last;
    if (!need_last_id(c, s, &last)) return PARKED;
    struct str name = stream_name_str(s->name);
    reply_map(c, 7);
    reply_key(c, "stream_id");
    reply_bulk(c, name);
    reply_key(c, "category");
    reply_bulk(c, stream_category(name));
    reply_uuid(c, "partition_key", &s->name->partition_key);
    if (s->next_version > 0) {
        reply_number(c, "stream_version", s->next_version - 1);
    } else {
        reply_key(c, "stream_version");
        reply_null(c);
    }
    reply_number(c, "events", stream_length(s));
    reply_number(c, "created", s->name->rec.created);
    reply_key(c, "last_entry_id");
    char id[48];
    snprintf(id, sizeof id, "%llu-%llu", (unsigned long long)last.ms, (unsigned long long)last.seq);
    reply_simple(c, id);
    return REPLIED;
}

/* ---- ESTREAMS ---- */

static bool parse_query(struct client *c, const struct request *r, struct key_query *q) {
    *q = (struct key_query){.count = STREAMS_DEFAULT, .no_strings = true};
    if (!str_to_u64(r->argv[1], &q->from)) {
        reply_error(c, "ERR invalid cursor");
        return false;
    }
    for (size_t at = 2; at < r->argc; at += 2) {
        if (at + 1 == r->argc) {
            reply_syntax_error(c);
            return false;
        }
        struct str value = r->argv[at + 1];
        if (arg_is(r->argv[at], STR("MATCH"))) {
            if (!arg_pattern_or_reply(c, value)) return false;
            q->pattern = value;
        } else if (arg_is(r->argv[at], STR("CATEGORY")))
            q->category = value;
        else if (arg_is(r->argv[at], STR("COUNT"))) {
            if (!arg_u64_or_reply(c, value, "COUNT", &q->count)) return false;
            if (q->count == 0 || q->count > STREAMS_MAX) {
                reply_error(c, "INVALIDARG COUNT must be between 1 and %d", STREAMS_MAX);
                return false;
            }
        } else {
            reply_syntax_error(c);
            return false;
        }
    }
    return true;
}

/* ESTREAMS cursor [MATCH pattern] [CATEGORY c] [COUNT n] */
enum outcome cmd_estreams(struct client *c, const struct request *r) {
    struct key_query q;
    struct key_list list;
    if (!parse_query(c, r, &q)) return REPLIED;
    if (!flush_is_applied(c)) return wait_for_apply_or_reply(c);
    if (!need_keys(c, &q, &list)) return PARKED;
    reply_key_list(c, &list);
    key_list_clear(&list);
    return REPLIED;
}
