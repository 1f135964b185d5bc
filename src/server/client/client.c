/* Connections: see client.h for the contract. This file holds their life, input and output; gates
 * are in gate.c, replies in reply.c. */
#include "server/client/client.h"

#include <errno.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"
#include "server/client/input.h"
#include "server/client/long_reply.h"
#include "server/client/output_limit.h"
#include "server/client/publications.h"
#include "server/client/push.h"
#include "server/client/share.h"
#include "server/client/transaction.h"
#include "server/client/walk.h"
#include "server/server.h"
#include "server/subscription/subscription.h"
#include "server/wait/ahead.h"
#include "server/wait/applied.h"
#include "server/wait/blocking.h"
#include "server/wait/need.h"

#define READ_CHUNK     (64u * 1024) /* the shared read buffer */
#define READ_AHEAD_MAX (1u << 20)   /* made room for before the bytes have come */
#define IDLE_OUT_KEEP  4096
#define OUT_KEEP       (256u * 1024) /* of a busy connection; an idle one keeps IDLE_OUT_KEEP */
#define WRITE_MAX      (1u << 20)    /* one write; the rest waits for others' turn */
/* What a connection that has given no password leaves unread is not to be a burden. */
#define UNKNOWN_OUT_MAX (16u * 1024)

static void on_io(void *arg, int what);

struct client *client_create(struct server *srv, int fd, bool is_unix) {
    struct client *c = xcalloc(1, sizeof *c);
    c->srv = srv;
    c->fd = fd;
    c->id = ++srv->next_client_id;
    c->is_unix = c->is_local = is_unix;
    c->resp = (int)srv->config.default_resp;
    c->authenticated = srv->config.requirepass[0] == '\0';
    c->created_ms = c->last_active_ms = srv->clock.now_ms;
    c->reading = true;
    buf_init(&c->in, 0);
    buf_init(&c->out, 0);
    c->out.recycles = true; /* command.c sets the limit */
    resp_reader_init(&c->reader);
    list_init(&c->flush);
    list_init(&c->untold);
    list_init(&c->resume);
    list_init(&c->parked);
    list_init(&c->gated);
    list_init(&c->monitor);
    list_init(&c->closed);
    list_init(&c->holder);
    list_init(&c->stopped);
    list_init(&c->room);
    list_init(&c->large);
    list_init(&c->over);
    list_init(&c->all);
    c->io = loop_io_create(srv->loop, fd, on_io, c);
    list_append(&srv->clients, &c->all);
    hash_insert(&srv->clients_by_id, &c->of_id, hash_u64(c->id));
    srv->client_count++;
    srv->stats.connections_received++;
    return c;
}

void client_close(struct client *c) {
    if (list_linked(&c->closed)) return;
    c->closing = true;
    if (c->park == PARK_WAIT) c->srv->stats.blocked_clients--;
    c->park = PARK_NONE;
    stage_wait_over(c);
    need_finish(c);
    ahead_drop(c);
    long_reply_drop(c);
    share_forget(c);
    standing_forget(c);
    transaction_clear(c);
    blocking_finish(c);
    blocking_forget(c);
    subscriptions_drop(c);
    pubsub_drop(c);
    publications_drop(c);
    list_remove(&c->over);
    tracking_end(c);
    list_remove(&c->flush);
    list_remove(&c->resume);
    list_remove(&c->parked);
    list_remove(&c->gated);
    list_remove(&c->monitor);
    list_remove(&c->holder);
    client_walks_leave(c);
    list_remove(&c->all);
    hash_remove(&c->srv->clients_by_id, &c->of_id);
    c->srv->client_count--;
    loop_io_destroy(c->io);
    c->io = NULL;
    close(c->fd);
    c->fd = -1;
    list_append(&c->srv->closed, &c->closed);
}

void client_free(struct client *c) {
    assert(c->fd == -1);
    list_remove(&c->closed);
    buf_clear(&c->in);
    buf_clear(&c->out);
    client_clear_pushes(c);
    resp_reader_clear(&c->reader);
    free(c->gates);
    free(c->name);
    free(c->lib_name);
    free(c->lib_ver);
    free(c);
}

/* Who is not read from is still heard when it is gone, so that nothing is loaded for it any more. A
 * load of one page that a reader takes up at once is over before that matters. */
void client_watch(struct client *c) {
    int what = (c->reading ? LOOP_READ : 0) | (c->want_write ? LOOP_WRITE : 0);
    bool soon = c->park == PARK_LOAD && need_page_bytes(c) == 0 && !list_linked(&c->room) &&
                !store_reads_wait(c->srv->store);
    loop_io_want(c->io, what == 0 && !soon ? LOOP_HANGUP : what);
}

static void client_set_reading(struct client *c, bool reading) {
    if ((reading && c->reading) || c->closing) return;
    c->reading = reading;
    client_watch(c);
}

void client_hold(struct client *c) {
    c->held |= HELD_STOPPED;
    client_set_reading(c, false);
}

void client_unhold(struct client *c) {
    c->held &= ~(unsigned)HELD_STOPPED;
    if (c->park == PARK_NONE)
        client_resume(c);
    else if (c->park == PARK_WAIT && !c->half_closed)
        client_set_reading(c, true);
}

/* Who listens to channels is held to client-output-buffer-limit instead. */
bool client_output_full(const struct client *c) {
    uint64_t max = c->srv->config.client_output_bytes_max;
    if (UNLIKELY(!c->authenticated)) max = MIN(max, (uint64_t)UNKNOWN_OUT_MAX);
    return client_out_pending(c) > max && c->listening == NULL;
}

/* ---- input ---- */

/* Keeps what could not be dealt with for later; the private buffer is made as large as the request
 * that is coming will need. */
static void keep_input(struct client *c, const char *data, size_t len) {
    size_t want = MAX(len, MIN(c->reader.needed, len + READ_AHEAD_MAX));
    buf_reserve(&c->in, want);
    buf_put(&c->in, data, len);
}

static void drop_consumed(struct client *c) {
    if (c->in_at == c->in.len) {
        if (c->in.cap > READ_CHUNK)
            buf_clear(&c->in);
        else
            buf_reset(&c->in);
        c->in_at = 0;
    } else if (c->in_at > 0 && (c->in_at >= c->in.len / 2 || c->in.cap - c->in.len < 4096)) {
        memmove(c->in.data, c->in.data + c->in_at, c->in.len - c->in_at);
        c->in.len -= c->in_at;
        c->in_at = 0;
    }
}

/* Everything that it sent has run, and all replies have left. What is still in its input is no
 * whole command: what can run is run at once, or the connection is on the resume list. */
static bool half_closed_done(const struct client *c) {
    return c->half_closed && c->park == PARK_NONE && !list_linked(&c->resume) &&
           client_out_pending(c) == 0 && c->held == 0;
}

static void after_input(struct client *c, bool more) {
    if (c->closing) return;
    /* A command that waits, or too much output: stop reading once something is kept. One that
     * waits for others may wait for long: it goes on reading within reason, to see the end of the
     * connection. */
    bool stuck = !client_runs(c) || c->close_after_reply;
    size_t kept = c->in.len - c->in_at;
    size_t keep_max = c->park == PARK_WAIT ? standing_input_max(c) : 0;
    client_set_reading(c, !(stuck && kept > keep_max) && !c->close_after_reply && !c->half_closed &&
                              !(c->held & HELD_STOPPED));
    if (more) client_resume(c);
    if (half_closed_done(c)) {
        client_close(c);
        return;
    }
    if (client_out_pending(c) > 0 || c->close_after_reply)
        client_wrote(c); /* which counts what it holds */
    else
        share_count(c);
}

/* What its next commands reply stands behind what was published for it before. */
static void order_messages(struct client *c) {
    if (LIKELY(!list_linked(&c->untold))) return;
    client_merge_messages(c);
    pubsub_tell_now(c);
}

void client_process(struct client *c) {
    bool more = false;
    if (c->closing) return;
    order_messages(c);
    if (c->in.len > c->in_at) {
        c->in_at += input_run(c, c->in.data + c->in_at, c->in.len - c->in_at, &more);
        drop_consumed(c);
    }
    after_input(c, more);
}

/* The other side sends no more than what has come. It may be gone, which shows only when something
 * is sent to it: so what is loaded for it comes behind what is loaded for others. */
static void note_end(struct client *c) {
    c->input_ends = true;
    need_come_late(c);
}

/* The other side sends no more, but may still read: what it has sent is run and answered first,
 * whatever that waits for. Most who stop sending are gone, though, and the difference shows only
 * when something is sent to them, or to the keepalive: so blocking_end_of_input ends what would
 * wait for ever. */
static void end_of_input(struct client *c) {
    c->half_closed = true;
    note_end(c);
    client_set_reading(c, false);
    blocking_end_of_input(c);
    if (half_closed_done(c)) client_close(c);
}

/* Reads into the shared buffer when nothing is half received: no copy, no memory of its own. */
static void client_read(struct client *c) {
    bool shared = c->in.len == 0;
    char *at = c->srv->read_buffer;
    size_t room = READ_CHUNK;
    if (!shared) {
        size_t have = c->in.len - c->in_at,
               rest = c->reader.needed > have ? c->reader.needed - have : 0;
        room = MIN(MAX(rest, (size_t)16384), (size_t)READ_AHEAD_MAX);
        /* buf_reserve keeps a byte to itself: asking for all would double the buffer each time. */
        if (c->in.cap - c->in.len > 16384) room = c->in.cap - c->in.len - 1;
        at = buf_reserve(&c->in, room);
    }
    ssize_t n = read(c->fd, at, room);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n < 0) {
        client_close(c);
        return;
    }
    if (n == 0) {
        end_of_input(c);
        return;
    }
    c->last_active_ms = c->srv->clock.now_ms;
    c->bytes_in += (uint64_t)n;
    c->srv->stats.bytes_in += (uint64_t)n;
    if (!shared) {
        c->in.len += (size_t)n;
        client_process(c);
        return;
    }
    bool more = false;
    size_t done = c->park == PARK_NONE ? input_run(c, at, (size_t)n, &more) : 0;
    if (done < (size_t)n && !c->closing) keep_input(c, at + done, (size_t)n - done);
    after_input(c, more);
}

void client_resume(struct client *c) {
    if (c->closing) return;
    if (c->park != PARK_NONE) {
        if (c->park == PARK_WAIT) c->srv->stats.blocked_clients--;
        c->park = PARK_NONE;
        c->srv->stats.resumed++;
        stage_wait_over(c);
        list_remove(&c->parked);
        list_remove(&c->room);
    }
    if (!list_linked(&c->resume)) list_append(&c->srv->to_resume, &c->resume);
}

void client_next_turn(struct client *c) {
    c->park = PARK_TURN;
    c->wait.goes_on = true;
    list_append(&c->srv->next_turn, &c->parked);
}

/* ---- output ---- */

void client_wrote(struct client *c) {
    if (!c->closing && !list_linked(&c->flush)) list_append(&c->srv->to_flush, &c->flush);
}

/* How many bytes of out may leave: up to the first gate. */
static size_t sendable(const struct client *c) {
    if (c->gate_count == 0) return c->out.len;
    return (size_t)(c->gates[c->gate_head].offset - c->out_base);
}

static void out_sent(struct client *c, size_t n) {
    c->out_sent += n;
    c->bytes_out += n;
    c->srv->stats.bytes_out += n;
    if (c->out_sent == c->out.len) {
        c->out_base += c->out.len;
        c->out_sent = 0;
        if (c->out.cap > OUT_KEEP)
            buf_clear(&c->out);
        else
            buf_reset(&c->out);
    } else if (c->out_sent > READ_CHUNK && c->out_sent > c->out.len / 2) {
        memmove(c->out.data, c->out.data + c->out_sent, c->out.len - c->out_sent);
        c->out.len -= c->out_sent;
        c->out_base += c->out_sent;
        c->out_sent = 0;
        if (c->out.cap > OUT_KEEP && c->out.len < c->out.cap / 4) buf_fit(&c->out);
    }
}

/* By client-output-buffer-limit; who was is looked at by output_limits_cron. */
static bool is_limited(const struct client *c) {
    const struct output_limit *normal = &c->srv->config.output_limits[OUTPUT_NORMAL];
    return c->listening != NULL || (normal->hard | normal->soft) != 0;
}

void client_flush(struct client *c) {
    if (c->closing) return;
    pubsub_told(c);
    if (c->push != NULL) client_merge_pushes(c);
    if (c->messages != NULL) client_merge_messages(c);
    size_t limit = sendable(c);
    bool was_full = client_output_full(c);
    while (c->out_sent < limit) {
        size_t portion = MIN(limit - c->out_sent, (size_t)WRITE_MAX);
        ssize_t n = write(c->fd, c->out.data + c->out_sent, portion);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno != EAGAIN) {
            client_close(c);
            return;
        }
        if (n < 0) break;
        out_sent(c, (size_t)n);
        limit = sendable(c);
        if ((size_t)n < portion || portion == WRITE_MAX) break;
    }
    bool want_write = c->out_sent < limit;
    if (want_write != c->want_write) {
        c->want_write = want_write;
        client_watch(c);
    }
    if (was_full && !client_output_full(c))
        client_resume(c);
    else if (!c->reading && !c->half_closed && client_runs(c))
        client_resume(c);
    share_count(c);
    if (UNLIKELY(c->long_reply != NULL)) long_reply_flushed(c);
    if (c->subscriber != NULL) subscriptions_flushed(c);
    if (UNLIKELY(is_limited(c)) && output_limit_breached(c)) {
        output_limit_close(c);
        return;
    }
    if ((c->close_after_reply && c->out_sent == c->out.len) || half_closed_done(c)) client_close(c);
}

static void on_io(void *arg, int what) {
    struct client *c = arg;
    server_read_clock(c->srv);
    if (what & LOOP_HANGUP) client_close(c);
    if (what & LOOP_ENDED) note_end(c);
    if (what & LOOP_WRITE) client_flush(c);
    if ((what & LOOP_READ) && !c->closing) {
        order_messages(c);
        client_read(c);
        commit_between_clients(c->srv);
    }
}

void client_trim(struct client *c) {
    if (c->out.len == 0 && c->out.cap > IDLE_OUT_KEEP) buf_clear(&c->out);
    if (c->in.len == 0 && c->in.cap > 0) buf_clear(&c->in);
    if (client_push_bytes(c) + client_message_bytes(c) == 0) client_clear_pushes(c);
    ahead_drop(c);
    if (c->gate_count == 0 && c->gate_cap > 16) {
        free(c->gates);
        c->gates = NULL;
        c->gate_cap = c->gate_head = 0;
    }
    share_count(c);
}

/* What is queued for EXEC, gathered to be pushed, or published when it is durable. */
static size_t kept_beside(const struct client *c) {
    size_t queued = c->transaction != NULL ? c->transaction->bytes : 0;
    size_t pushes = c->push != NULL ? c->push->cap : 0;
    size_t messages = c->messages != NULL ? c->messages->cap : 0;
    return queued + pushes + messages + c->publishing_bytes;
}

size_t client_memory(const struct client *c) {
    return sizeof *c + c->in.cap + c->out.cap + c->gate_cap * sizeof *c->gates + kept_beside(c) +
           blocking_remembered_bytes(c);
}

uint64_t client_total_memory(const struct client *c) {
    return client_memory(c) + need_held_bytes(c) + c->ahead_bytes + long_reply_bytes(c) +
           long_reply_shared(c) + blocking_bytes(c) + subscriptions_bytes(c) + pubsub_bytes(c);
}

uint64_t client_holds_more(const struct client *c) {
    return kept_beside(c) + need_held_bytes(c) + long_reply_bytes(c);
}

uint64_t client_progress(const struct client *c) {
    int unread = 0; /* with the kernel, which has taken it from us */
    if (ioctl(c->fd, SIOCOUTQ, &unread) != 0) unread = 0;
    return c->bytes_in + c->bytes_out - (uint64_t)MAX(unread, 0);
}
