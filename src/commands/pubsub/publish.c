/* PUBLISH and SPUBLISH. A message leaves when what its connection changed before is durable, and
 * one of EXEC when all of that is (server/client/publications.h); others leave at once. While
 * messages are on their way for which a turn of the loop was not enough, nobody's follow: those of
 * EXEC wait before it runs (multi.c). So what is on its way is no more than a turn has published,
 * and what was behind gates. */
#include "server/client/publications.h"
#include "server/server.h"
#include "commands/pubsub/family.h"

static bool is_open_or_reply(struct client *c, enum channel_kind kind, struct str channel) {
    if (!pubsub_name_or_reply(c, channel, "channel")) return false;
    if (kind != CHANNEL_PLAIN || !str_starts_with(channel, EVENT_CHANNEL)) return true;
    reply_error(c, "ERR channels that begin with __event__: carry the events of streams: append an "
                   "event instead of publishing");
    return false;
}

/* Beside what the command has noted so far. */
static bool may_be_noted(const struct client *c, enum channel_kind kind, struct str channel) {
    size_t work = pubsub_work(c->srv, kind, channel);
    return c->note_count == 0 || work == 0 || c->note_work + work <= NOTED_WORK_MAX;
}

static enum outcome publish(struct client *c, const struct request *r, enum channel_kind kind) {
    struct server *srv = c->srv;
    bool waits = c->last_frame > model_settled(&srv->model);
    if (!is_open_or_reply(c, kind, r->argv[1])) return REPLIED;
    bool in_exec = srv->exec.client == c;
    bool much = srv->pubsub.noted_work > NOTED_WORK_MAX;
    if (UNLIKELY(!in_exec && (!pubsub_has_turn(srv) || (waits && much)))) {
        client_next_turn(c);
        return PARKED;
    }
    if (UNLIKELY(in_exec && much) && !may_be_noted(c, kind, r->argv[1])) {
        reply_error(c, "TOOLARGE in MULTI no more messages are compared with these patterns, it "
                       "takes too long: publish outside of it");
        return REPLIED;
    }
    if (waits || in_exec) {
        publication_note(c, kind, r->argv[1], r->argv[2]);
        if (waits) client_tells(c, c->last_frame);
        return REPLIED;
    }
    reply_int(c, (int64_t)pubsub_publish(srv, kind, r->argv[1], r->argv[2]));
    return REPLIED;
}

/* PUBLISH channel message */
enum outcome cmd_publish(struct client *c, const struct request *r) {
    return publish(c, r, CHANNEL_PLAIN);
}

/* SPUBLISH shardchannel message */
enum outcome cmd_spublish(struct client *c, const struct request *r) {
    return publish(c, r, CHANNEL_SHARD);
}
