/* PUBSUB: who listens to what. */
#include "server/client/long_reply.h"
#include "server/client/reply_draft.h"
#include "server/pubsub/pubsub.h"
#include "server/server.h"
#include "server/wait/need.h"
#include "commands/pubsub/family.h"

#define TOLD_A_TURN   10000
#define LOOKS_IN_EXEC (4 * TOLD_A_TURN) /* what that takes with common patterns, and more */
#define STEPS_OF_LOOK 64                /* of str_match_glob_steps: as long as to look at a name */

/* ---- CHANNELS, SHARDCHANNELS ---- */

/* What the command has written so far. */
struct told {
    struct client *client;
    bool begun;
    uint64_t cursor;
    size_t count, looked;
    struct str pattern; /* the running command's */
    struct reply_draft draft;
};

static void drop_told(void *gathered) {
    struct told *t = gathered;
    reply_text_clear(&t->draft.text);
}

static void tell_one(struct str name, void *arg) {
    struct told *t = arg;
    uint64_t steps = 0;
    bool fits = t->pattern.ptr == NULL || str_match_glob_steps(t->pattern, name, false, &steps);
    t->looked += 1 + steps / STEPS_OF_LOOK;
    if (!fits) return;
    reply_bulk(t->client, name);
    t->count++;
}

/* true: there is more, for another turn. */
static bool tell_some(struct client *c, struct told *t, enum channel_kind kind, size_t most) {
    t->looked = 0;
    do {
        t->cursor = pubsub_scan(c->srv, kind, t->cursor, tell_one, t);
        if (reply_draft_is_over(&t->draft)) return false;
    } while (t->cursor != 0 && t->looked < most);
    return t->cursor != 0;
}

static void reply_told(struct client *c, struct told *t) {
    struct reply_text *text = reply_draft_text(&t->draft);
    if (text->bytes > c->srv->config.reply_bytes_max) {
        reply_text_clear(text);
        reply_too_long(c, "ask with a pattern");
        return;
    }
    reply_array(c, t->count);
    reply_text_send(c, text);
}

/* Of very many some in each turn, as they are then: one that is there all the time is told. In EXEC
 * all at once, or none. */
static enum outcome tell_channels(struct client *c, const struct request *r,
                                  enum channel_kind kind) {
    struct told at_once = {0}, *t = &at_once;
    bool whole = c->srv->exec.client == c;
    if (r->argc > 3) {
        reply_error(c,
                    "ERR unknown subcommand or wrong number of arguments for '" STR_FMT
                    "'. Try PUBSUB HELP.",
                    STR_ARG(r->argv[1]));
        return REPLIED;
    }
    if (r->argc == 3 && !pubsub_name_or_reply(c, r->argv[2], "pattern")) return REPLIED;
    if (whole && c->srv->pubsub.active[kind] > TOLD_A_TURN) {
        reply_error(c, "TOOLARGE in MULTI at most %d channels are listed: ask outside of it",
                    TOLD_A_TURN);
        return REPLIED;
    }
    if (!whole) t = need_gathered(c, sizeof *t, drop_told);
    if (t->begun)
        reply_draft_resume(&t->draft);
    else
        reply_draft_begin(&t->draft, c);
    t->begun = true;
    t->client = c;
    t->pattern = r->argc == 3 ? r->argv[2] : (struct str){0};
    bool more = tell_some(c, t, kind, whole ? LOOKS_IN_EXEC : TOLD_A_TURN);
    if (more && whole) {
        drop_told(t);
        reply_error(c, "TOOLARGE in MULTI channels are not compared with this pattern, it takes "
                       "too long: ask outside of it");
        return REPLIED;
    }
    if (more) {
        need_gathers(c, reply_draft_text(&t->draft)->bytes);
        client_next_turn(c);
        return PARKED;
    }
    reply_told(c, t);
    if (whole) drop_told(t);
    return REPLIED;
}

/* PUBSUB CHANNELS [pattern] */
enum outcome cmd_pubsub_channels(struct client *c, const struct request *r) {
    return tell_channels(c, r, CHANNEL_PLAIN);
}

/* PUBSUB SHARDCHANNELS [pattern] */
enum outcome cmd_pubsub_shardchannels(struct client *c, const struct request *r) {
    return tell_channels(c, r, CHANNEL_SHARD);
}

/* ---- numbers ---- */

static enum outcome tell_numbers(struct client *c, const struct request *r,
                                 enum channel_kind kind) {
    reply_array(c, (r->argc - 2) * 2);
    for (size_t i = 2; i < r->argc; i++) {
        reply_bulk(c, r->argv[i]);
        reply_int(c, (int64_t)pubsub_listeners(c->srv, kind, r->argv[i]));
    }
    return REPLIED;
}

/* PUBSUB NUMSUB [channel [channel ...]] */
enum outcome cmd_pubsub_numsub(struct client *c, const struct request *r) {
    return tell_numbers(c, r, CHANNEL_PLAIN);
}

/* PUBSUB SHARDNUMSUB [shardchannel [shardchannel ...]] */
enum outcome cmd_pubsub_shardnumsub(struct client *c, const struct request *r) {
    return tell_numbers(c, r, CHANNEL_SHARD);
}

/* PUBSUB NUMPAT */
enum outcome cmd_pubsub_numpat(struct client *c, const struct request *r) {
    UNUSED(r);
    reply_int(c, (int64_t)c->srv->pubsub.active[CHANNEL_PATTERN]);
    return REPLIED;
}

/* PUBSUB HELP */
enum outcome cmd_pubsub_help(struct client *c, const struct request *r) {
    static const char *const lines[] = {
        "CHANNELS [<pattern>]",
        "    Return the currently active channels matching a <pattern> (default: '*').",
        "NUMPAT",
        "    Return number of subscriptions to patterns.",
        "NUMSUB [<channel> ...]",
        "    Return the number of subscribers for the specified channels, excluding",
        "    pattern subscriptions(default: no channels).",
        "SHARDCHANNELS [<pattern>]",
        "    Return the currently active shard level channels matching a <pattern> (default: '*').",
        "SHARDNUMSUB [<shardchannel> ...]",
        "    Return the number of subscribers for the specified shard level channel(s)",
        NULL,
    };
    UNUSED(r);
    reply_help(c, "PUBSUB", lines);
    return REPLIED;
}
