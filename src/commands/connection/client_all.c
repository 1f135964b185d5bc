/* CLIENT LIST and CLIENT KILL: what goes through all connections. Of very many some are looked at
 * in each turn of the loop: those that were there at first, each as it is then. */
#include "server/client/long_reply.h"
#include "server/client/reply_draft.h"
#include "server/client/walk.h"
#include "server/server.h"
#include "server/wait/need.h"
#include "commands/connection/client_filter.h"
#include "commands/connection/client_name.h"
#include "commands/connection/family.h"

#define LOOKED_A_TURN 1000 /* connections: a millisecond or two */
#define HEADER_BYTES  64   /* of the reply, at most */

/* Of several turns. */
struct all_clients {
    bool begun;
    struct client_walk walk;
    struct client_ids ids; /* if the filter names some: those are looked up */
    size_t at;             /* of these: the next */
    struct reply_text text;
};

static void drop(void *arg) {
    struct all_clients *a = arg;
    if (!a->begun) return;
    client_walk_end(&a->walk);
    client_ids_clear(&a->ids);
    reply_text_clear(&a->text);
}

static void begin(struct client *c, struct all_clients *a, const struct client_filter *f) {
    if (a->begun) return;
    a->begun = true;
    reply_text_init(&a->text);
    if (f->id_count > 0)
        client_ids_sort(f, &a->ids);
    else
        client_walk_begin(&a->walk, c->srv);
}

/* The next one that the filter lets through, of so many that are looked at. *all: that was the last
 * of them. */
static struct client *next_of(struct client *c, struct all_clients *a,
                              const struct client_filter *f, size_t *most, bool *all) {
    while (*most > 0) {
        struct client *other;
        (*most)--;
        if (f->id_count > 0) {
            if ((*all = a->at == a->ids.count)) return NULL;
            other = server_client_by_id(c->srv, a->ids.ids[a->at++]);
        } else {
            other = client_walk_next(&a->walk);
            if ((*all = other == NULL)) return NULL;
        }
        if (other != NULL && client_filter_match(f, other, c)) return other;
    }
    *all = false;
    return NULL;
}

/* In EXEC it is all of them at once, or none: *whole. */
static bool bounded_or_reply(struct client *c, const struct client_filter *f, bool *whole) {
    *whole = c->srv->exec.client == c;
    if (!*whole) return true;
    if ((f->id_count > 0 ? f->id_count : c->srv->client_count) <= LOOKED_A_TURN) return true;
    reply_error(c, "TOOLARGE in MULTI at most %d connections are looked at: ask outside of it",
                LOOKED_A_TURN);
    return false;
}

/* ---- CLIENT LIST ---- */

/* false: that was all of them, or more than can be replied. */
static bool list_some(struct client *c, struct all_clients *a, const struct client_filter *f) {
    size_t most = LOOKED_A_TURN;
    bool all = false;
    struct client *other;
    struct buf line;
    buf_init(&line, 0);
    while (a->text.bytes <= c->srv->config.reply_bytes_max &&
           (other = next_of(c, a, f, &most, &all)) != NULL) {
        buf_reset(&line);
        client_describe(other, &line);
        buf_put(&line, "\n", 1);
        reply_text_raw(&a->text, line.data, line.len);
    }
    buf_clear(&line);
    return !all && a->text.bytes <= c->srv->config.reply_bytes_max;
}

static void reply_list(struct client *c, struct all_clients *a) {
    if (a->text.bytes + HEADER_BYTES > c->srv->config.reply_bytes_max) {
        reply_text_clear(&a->text);
        reply_too_long(c, "name some of the connections, with ID or another filter");
        return;
    }
    resp_put_verbatim_head(&c->out, c->resp, a->text.bytes);
    reply_text_raw(&a->text, "\r\n", 2);
    reply_text_send(c, &a->text);
}

/* CLIENT LIST [filters] */
enum outcome cmd_client_list(struct client *c, const struct request *r) {
    struct client_filter f = {0};
    struct all_clients at_once = {0}, *a = &at_once;
    bool whole, more;
    if (!client_filter_parse_or_reply(c, r, 2, &f)) return REPLIED;
    if (!bounded_or_reply(c, &f, &whole)) return REPLIED;
    if (!whole) a = need_gathered(c, sizeof *a, drop);
    begin(c, a, &f);
    while ((more = list_some(c, a, &f)) && whole) {}
    if (more) {
        need_gathers(c, a->text.bytes);
        client_next_turn(c);
        return PARKED;
    }
    reply_list(c, a);
    if (whole) drop(a);
    return REPLIED;
}

/* ---- CLIENT KILL ---- */

/* The connection that asks ends with its reply, others at once. */
static void kill_one(struct client *victim, struct client *me) {
    if (victim == me)
        me->killed_self = true;
    else
        client_close(victim);
}

/* CLIENT KILL addr | CLIENT KILL filters */
enum outcome cmd_client_kill(struct client *c, const struct request *r) {
    struct client_filter f = {.skip_me = true};
    struct all_clients at_once = {0}, *a = &at_once;
    struct client *other;
    size_t most = LOOKED_A_TURN;
    bool whole, all = false, old_form = r->argc == 3;
    if (old_form) {
        f.addr = r->argv[2];
        f.skip_me = false;
    } else if (!client_filter_parse_or_reply(c, r, 2, &f)) {
        return REPLIED;
    }
    if (!bounded_or_reply(c, &f, &whole)) return REPLIED;
    if (!whole) a = need_gathered(c, sizeof *a, drop);
    begin(c, a, &f);
    uint64_t killed = whole ? 0 : c->wait.so_far;
    while (!(old_form && killed > 0) && (other = next_of(c, a, &f, &most, &all)) != NULL) {
        kill_one(other, c);
        killed++;
    }
    if (!all && !whole && !(old_form && killed > 0)) {
        c->wait.so_far = killed;
        client_next_turn(c);
        return PARKED;
    }
    if (whole) drop(a);
    c->close_after_reply |= c->killed_self;
    if (!old_form)
        reply_int(c, (int64_t)killed);
    else if (killed > 0)
        reply_ok(c);
    else
        reply_error(c, "ERR No such client");
    return REPLIED;
}
