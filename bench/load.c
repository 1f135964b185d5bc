/* The loop of the load generator: one thread, one epoll, raw sockets.
 *
 * Closed loop for every connection: a batch of `depth` requests leaves in one write, and when its
 * last reply is in, the next batch leaves (as redis-benchmark does it). With a rate, a batch also
 * waits until it is due, and its latency counts from then: a server that stalls is charged for the
 * requests that it held up.
 *
 * What keeps it cheap: all connections of a role share one prepared batch (only a batch that the
 * socket does not take at once is copied, and only if a part that changes is left), all share one
 * input buffer, the clock is read once for each read, and edge-triggered events need no re-arming.
 */
#include "load.h"
#include "connect.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { INPUT_BYTES = 256 * 1024, EVENTS = 256 };

struct conn {
    int fd;
    struct role *role;
    unsigned batch;   /* requests in flight */
    unsigned replies; /* replies to them that are in */
    uint64_t sent_ns;
    const char *out; /* what the socket has not taken yet */
    size_t out_len;
    char *own;         /* the copy that `out` points into, if any */
    struct talk *talk; /* makes the requests where they are not prepared; or NULL */
    struct conn *next_idle;
    struct reply_scan scan;
};

/* State of one run that only this file needs. */
struct loop {
    struct load *load;
    struct conn *conns;
    unsigned conn_count;
    unsigned deaf; /* connections that listen, and have not been answered yet */
    int epoll;
    uint64_t begin_ns, end_ns, tick_ns, last_reply_ns, warm_ns;
    double cpu_begin;
    bool stop;
    int rc;
    char *input; /* after REPLY_CARRY_MAX bytes of room */
};

uint64_t clock_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

static double cpu_seconds(void) {
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static int open_conn(struct loop *loop, struct conn *c) {
    struct epoll_event e = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data = {.ptr = c}};

    c->fd = server_connect(loop->load);
    if (c->fd < 0) return -1;
    return epoll_ctl(loop->epoll, EPOLL_CTL_ADD, c->fd, &e);
}

static void fail(struct loop *loop, const char *what) {
    if (loop->rc == 0) fprintf(stderr, "cairn-bench: %s\n", what);
    loop->rc = -1;
    loop->stop = true;
}

/* Gives the socket what is left of the batch. */
static void flush(struct loop *loop, struct conn *c) {
    while (c->out_len > 0) {
        ssize_t n = send(c->fd, c->out, c->out_len, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EAGAIN) return;
        if (n < 0) {
            fail(loop, strerror(errno));
            return;
        }
        c->role->bytes_out += (uint64_t)n;
        c->out += n;
        c->out_len -= (size_t)n;
    }
    free(c->own);
    c->own = NULL;
}

static void send_batch(struct loop *loop, struct conn *c, uint64_t now) {
    struct role *role = c->role;
    struct request *r = &role->request;
    unsigned n = role->depth;

    if (role->limit > 0 && role->limit - role->sent < n) n = (unsigned)(role->limit - role->sent);
    if (n == 0) return;
    request_patch(r, n, now);
    role->sent += n;
    c->batch = n;
    c->replies = 0;
    c->sent_ns = now;
    c->out = r->bytes;
    c->out_len = n * r->len;
    flush(loop, c);
    if (c->out_len == 0 || c->out >= r->bytes + r->last_patch) return;
    c->own = malloc(c->out_len);
    if (c->own == NULL) abort();
    memcpy(c->own, c->out, c->out_len);
    c->out = c->own;
}

/* The connection has nothing in flight: it goes on at once, or when the rate allows. */
static void next_batch(struct loop *loop, struct conn *c, uint64_t now) {
    struct role *role = c->role;

    c->batch = 0;
    if (role->rate <= 0) {
        send_batch(loop, c, now);
        return;
    }
    c->next_idle = NULL;
    *role->idle_tail = c;
    role->idle_tail = &c->next_idle;
}

static void send_due(struct loop *loop, struct role *role, uint64_t now) {
    while (role->idle != NULL && role->due_ns <= now) {
        struct conn *c = role->idle;
        role->idle = c->next_idle;
        if (role->idle == NULL) role->idle_tail = &role->idle;
        send_batch(loop, c, role->due_ns);
        role->due_ns += (uint64_t)(1e9 * role->depth / role->rate);
    }
}

static void send_talk(struct loop *loop, struct conn *c) {
    c->out = c->talk->out.bytes;
    c->out_len = c->talk->out.len;
    flush(loop, c);
}

static void begin_talk(struct loop *loop, struct conn *c, uint64_t now) {
    talk_begin(c->talk, c->role, now);
    if (c->role->talk.kind == TALK_LISTEN) loop->deaf++;
    send_talk(loop, c);
}

/* Who publishes begins when all who listen do: they would miss what comes first. */
static void begin_others(struct loop *loop, uint64_t now) {
    for (unsigned i = 0; i < loop->conn_count; i++)
        if (loop->conns[i].talk == NULL) next_batch(loop, &loop->conns[i], now);
}

static void begin_all(struct loop *loop, uint64_t now) {
    for (unsigned i = 0; i < loop->conn_count; i++)
        if (loop->conns[i].talk != NULL) begin_talk(loop, &loop->conns[i], now);
    if (loop->deaf == 0) begin_others(loop, now);
}

/* Input of a connection that makes its requests from the replies. */
static void take_talk(struct loop *loop, struct conn *c, size_t n, uint64_t now) {
    bool heard = c->talk->hears;

    loop->last_reply_ns = now;
    if (talk_take(c->talk, c->role, loop->input, n, now) != 0) {
        fail(loop, c->role->sum.first_error);
        return;
    }
    send_talk(loop, c);
    if (!heard && c->talk->hears && --loop->deaf == 0) begin_others(loop, now);
}

/* Counts `done` more replies of the batch. */
static void take_replies(struct loop *loop, struct conn *c, unsigned done, uint64_t now) {
    struct role *role = c->role;
    unsigned each = role->request.replies;
    unsigned before = c->replies / each;

    c->replies += done;
    if (c->replies > c->batch * each) {
        fail(loop, "more replies than requests");
        return;
    }
    unsigned finished = c->replies / each - before;
    role->requests += finished;
    hist_add(&role->hist, now - c->sent_ns, finished);
    loop->last_reply_ns = now;
    if (c->replies == c->batch * each) next_batch(loop, c, now);
}

/* Input of a connection with prepared requests. */
static void take_prepared(struct loop *loop, struct conn *c, size_t n, uint64_t now) {
    struct role *role = c->role;
    int done = reply_feed(&c->scan, &role->shape, &role->sum, loop->input, n);

    if (done < 0)
        fail(loop, role->sum.first_error);
    else if (done > 0)
        take_replies(loop, c, (unsigned)done, now);
}

static void on_input(struct loop *loop, struct conn *c) {
    struct role *role = c->role;

    while (!loop->stop) {
        ssize_t n = recv(c->fd, loop->input, INPUT_BYTES, MSG_DONTWAIT);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EAGAIN) return;
        if (n <= 0) {
            fail(loop, n == 0 ? "the server closed the connection" : strerror(errno));
            return;
        }
        uint64_t now = clock_ns();
        role->bytes_in += (uint64_t)n;
        if (c->talk != NULL)
            take_talk(loop, c, (size_t)n, now);
        else
            take_prepared(loop, c, (size_t)n, now);
        if (n < INPUT_BYTES) return;
    }
}

static void start_counting(struct loop *loop, uint64_t now) {
    struct load *l = loop->load;

    for (unsigned i = 0; i < l->role_count; i++) {
        struct role *role = &l->roles[i];
        hist_clear(&role->hist);
        hist_clear(&role->seen_hist);
        role->requests = role->bytes_in = role->bytes_out = 0;
        role->seen_requests = role->seen_events = 0;
        role->sum.events = 0;
    }
    loop->begin_ns = now;
    loop->tick_ns = now + 1000000000U;
    loop->cpu_begin = cpu_seconds();
    loop->warm_ns = 0;
}

/* Once a second: the line of --progress, and the series. */
static void tick(struct loop *loop, uint64_t now) {
    struct load *l = loop->load;
    struct hist *now_hist = malloc(sizeof *now_hist);
    if (now_hist == NULL) abort();

    if (l->progress) fprintf(stderr, "%6.0f s", (double)(now - loop->begin_ns) / 1e9);
    for (unsigned i = 0; i < l->role_count; i++) {
        struct role *role = &l->roles[i];
        uint64_t events = role_events(role);
        struct load_second second = {.requests = role->requests - role->seen_requests,
                                     .events = events - role->seen_events};
        hist_since(now_hist, &role->hist, &role->seen_hist);
        second.p50_ns = hist_quantile(now_hist, 0.5);
        second.p99_ns = hist_quantile(now_hist, 0.99);
        role->seen_hist = role->hist;
        role->seen_requests = role->requests;
        role->seen_events = events;
        if (i == 0) {
            size_t n = l->series_count + 1;
            l->series = realloc(l->series, n * sizeof *l->series);
            if (l->series == NULL) abort();
            l->series[l->series_count++] = second;
        }
        if (l->progress)
            fprintf(stderr, "  %s: %9llu req/s %10llu ev/s  p50 %7.3f  p99 %7.3f ms  errors %llu",
                    role->name, (unsigned long long)second.requests,
                    (unsigned long long)second.events, (double)second.p50_ns / 1e6,
                    (double)second.p99_ns / 1e6, (unsigned long long)role->sum.errors);
    }
    if (l->progress) fputc('\n', stderr);
    free(now_hist);
    loop->tick_ns += 1000000000U;
}

static bool ran_empty(const struct load *l) {
    for (unsigned i = 0; i < l->role_count; i++)
        if (l->roles[i].until_empty && l->roles[i].sum.empties > 0) return true;
    return false;
}

static bool all_answered(const struct load *l) {
    if (ran_empty(l)) return true;
    for (unsigned i = 0; i < l->role_count; i++) {
        const struct role *role = &l->roles[i];
        if (role->event_limit > 0) {
            if (role_events(role) < role->event_limit) return false;
        } else if (role->limit == 0 || role->requests < role->limit) {
            return false;
        }
    }
    return true;
}

/* Everything that happens by the clock; returns when it wants to be called again. */
static uint64_t on_time(struct loop *loop, uint64_t now) {
    struct load *l = loop->load;

    if (loop->warm_ns != 0 && now >= loop->warm_ns) start_counting(loop, now);
    if (now >= loop->end_ns || all_answered(l)) loop->stop = true;
    if (loop->warm_ns == 0 && now >= loop->tick_ns) tick(loop, now);
    if ((double)(now - loop->last_reply_ns) > l->timeout * 1e9) fail(loop, "no reply in time");
    uint64_t wake = loop->tick_ns < loop->end_ns ? loop->tick_ns : loop->end_ns;
    if (loop->warm_ns != 0 && loop->warm_ns < wake) wake = loop->warm_ns;
    for (unsigned i = 0; i < l->role_count; i++) {
        struct role *role = &l->roles[i];
        if (role->rate <= 0) continue;
        send_due(loop, role, now);
        if (role->idle == NULL) continue;
        loop->last_reply_ns = now; /* silence is our own choice here */
        if (role->due_ns < wake) wake = role->due_ns;
    }
    return wake;
}

static void turn(struct loop *loop) {
    struct epoll_event events[EVENTS];

    while (!loop->stop) {
        uint64_t now = clock_ns();
        uint64_t wake = on_time(loop, now);
        uint64_t wait = wake > now ? wake - now : 0;
        struct timespec t = {.tv_sec = (time_t)(wait / 1000000000U),
                             .tv_nsec = (long)(wait % 1000000000U)};
        if (loop->stop) break;
        int n = epoll_pwait2(loop->epoll, events, EVENTS, &t, NULL);
        for (int i = 0; i < n && !loop->stop; i++) {
            struct conn *c = events[i].data.ptr;
            if (c->out_len > 0) flush(loop, c);
            if (events[i].events & (EPOLLIN | EPOLLERR | EPOLLHUP)) on_input(loop, c);
        }
    }
}

static int open_all(struct loop *loop) {
    struct load *l = loop->load;
    struct rlimit files;

    for (unsigned i = 0; i < l->role_count; i++) loop->conn_count += l->roles[i].connections;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    loop->conns = calloc(loop->conn_count, sizeof *loop->conns);
    if (loop->conns == NULL) abort();
    for (unsigned i = 0; i < loop->conn_count; i++) loop->conns[i].fd = -1;
    struct conn *c = loop->conns;
    for (unsigned i = 0; i < l->role_count; i++) {
        struct role *role = &l->roles[i];
        role->idle_tail = &role->idle;
        bool talks = role->talk.kind != TALK_NONE;
        if (!talks && request_init(&role->request, &role->spec, role->depth, l->seed + i) != 0) {
            fprintf(stderr, "cairn-bench: empty command\n");
            return -1;
        }
        for (unsigned k = 0; k < role->connections; k++, c++) {
            c->role = role;
            if (talks) {
                c->talk = malloc(sizeof *c->talk);
                if (c->talk == NULL) abort();
                talk_init(c->talk, &role->talk, k);
            }
            if (open_conn(loop, c) != 0) return -1;
        }
    }
    return 0;
}

int load_run(struct load *l) {
    struct loop loop = {.load = l, .rc = -1};
    char *room = malloc(REPLY_CARRY_MAX + INPUT_BYTES);

    if (room == NULL) abort();
    loop.input = room + REPLY_CARRY_MAX;
    loop.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (loop.epoll < 0 || open_all(&loop) != 0) goto out;
    loop.rc = 0;
    uint64_t now = clock_ns();
    start_counting(&loop, now);
    loop.last_reply_ns = now;
    loop.end_ns = l->seconds > 0 ? now + (uint64_t)((l->warmup + l->seconds) * 1e9) : UINT64_MAX;
    if (l->warmup > 0) loop.warm_ns = now + (uint64_t)(l->warmup * 1e9);
    for (unsigned i = 0; i < l->role_count; i++) l->roles[i].due_ns = now;
    begin_all(&loop, now);
    turn(&loop);
    if (loop.warm_ns != 0 && loop.rc == 0 && ran_empty(l))
        fail(&loop,
             "everything was read before the warm-up was over: write more, or leave --warmup out");
    now = l->seconds > 0 ? clock_ns() : loop.last_reply_ns;
    l->elapsed = (double)(now - loop.begin_ns) / 1e9;
    l->cpu = cpu_seconds() - loop.cpu_begin;
out:
    for (unsigned i = 0; i < loop.conn_count; i++) {
        if (loop.conns[i].fd >= 0) close(loop.conns[i].fd);
        free(loop.conns[i].own);
        if (loop.conns[i].talk == NULL) continue;
        talk_clear(loop.conns[i].talk);
        free(loop.conns[i].talk);
    }
    if (loop.epoll >= 0) close(loop.epoll);
    free(loop.conns);
    free(room);
    return loop.rc;
}

void load_clear(struct load *l) {
    for (unsigned i = 0; i < l->role_count; i++) request_clear(&l->roles[i].request);
    free(l->series);
    l->series = NULL;
    l->series_count = 0;
}
