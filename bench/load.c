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

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
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
    char *own; /* the copy that `out` points into, if any */
    struct conn *next_idle;
    struct reply_scan scan;
};

/* State of one run that only this file needs. */
struct loop {
    struct load *load;
    struct conn *conns;
    unsigned conn_count;
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

void role_expect(struct role *role, bool full_parse) {
    struct reply_shape *s = &role->shape;

    memset(s, 0, sizeof *s);
    s->full = full_parse;
    switch (role->spec.kind) {
    case REQUEST_APPEND:
    case REQUEST_MAPPEND:
        s->expect = "*%";
        s->nil_is_error = true;
        break;
    case REQUEST_XADD:
        s->expect = "$";
        s->nil_is_error = true;
        break;
    case REQUEST_XADD_MULTI:
        s->expect = "+*";
        s->nil_is_error = true;
        break;
    case REQUEST_READ:
    case REQUEST_SCAN:
    case REQUEST_XRANGE:
        s->expect = role->spec.kind == REQUEST_XRANGE ? "*" : "*%";
        s->nil_is_error = true;
        s->list = true;
        s->list_nested = role->spec.kind != REQUEST_XRANGE;
        role->until_empty = role->spec.kind == REQUEST_SCAN;
        break;
    case REQUEST_PING:
        s->expect = "+";
        break;
    case REQUEST_RAW:
        break;
    }
}

uint64_t role_events(const struct role *role) {
    if (role->shape.list) return role->sum.events;
    return role->requests * role->request.events;
}

static int connect_tcp(const struct load *l) {
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
    char port[16];
    int fd = -1, on = 1;

    snprintf(port, sizeof port, "%u", l->port);
    int rc = getaddrinfo(l->host, port, &hints, &found);
    if (rc != 0) {
        fprintf(stderr, "cairn-bench: %s: %s\n", l->host, gai_strerror(rc));
        return -1;
    }
    for (struct addrinfo *a = found; a != NULL && fd < 0; a = a->ai_next) {
        fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd >= 0 && connect(fd, a->ai_addr, a->ai_addrlen) != 0) {
            close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(found);
    if (fd < 0)
        fprintf(stderr, "cairn-bench: connect to %s:%u: %s\n", l->host, l->port, strerror(errno));
    else
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

static int connect_unix(const struct load *l) {
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(a.sun_path, sizeof a.sun_path, "%s", l->unix_path);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof a) == 0) return fd;
    fprintf(stderr, "cairn-bench: connect to %s: %s\n", l->unix_path, strerror(errno));
    if (fd >= 0) close(fd);
    return -1;
}

/* HELLO n, waiting for its reply; the socket still blocks. */
static int say_hello(struct loop *loop, int fd) {
    struct reply_scan scan = {0};
    struct reply_shape shape = {.expect = "*%", .full = true};
    struct reply_sum sum = {0};
    char text[64];
    int len = snprintf(text, sizeof text, "*2\r\n$5\r\nHELLO\r\n$1\r\n%u\r\n", loop->load->resp);

    if (write(fd, text, (size_t)len) != len) return -1;
    for (int done = 0; done == 0;) {
        ssize_t n = read(fd, loop->input, INPUT_BYTES);
        if (n <= 0) return -1;
        done = reply_feed(&scan, &shape, &sum, loop->input, (size_t)n);
        if (done < 0) break;
    }
    if (sum.errors > 0) fprintf(stderr, "cairn-bench: HELLO: %s\n", sum.first_error);
    return sum.errors > 0 ? -1 : 0;
}

static int open_conn(struct loop *loop, struct conn *c) {
    const struct load *l = loop->load;
    struct epoll_event e = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data = {.ptr = c}};

    c->fd = l->unix_path != NULL ? connect_unix(l) : connect_tcp(l);
    if (c->fd < 0) return -1;
    if (l->resp != 0 && say_hello(loop, c->fd) != 0) return -1;
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
    request_patch(r, n);
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
        int done = reply_feed(&c->scan, &role->shape, &role->sum, loop->input, (size_t)n);
        if (done < 0) {
            fail(loop, role->sum.first_error);
            return;
        }
        if (done > 0) take_replies(loop, c, (unsigned)done, now);
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

static bool all_answered(const struct load *l) {
    for (unsigned i = 0; i < l->role_count; i++) {
        const struct role *role = &l->roles[i];
        if (role->until_empty && role->sum.empties > 0) return true;
        if (role->limit == 0 || role->requests < role->limit) return false;
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
        if (request_init(&role->request, &role->spec, role->depth, l->seed + i) != 0) {
            fprintf(stderr, "cairn-bench: empty command\n");
            return -1;
        }
        for (unsigned k = 0; k < role->connections; k++, c++) {
            c->role = role;
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
    for (unsigned i = 0; i < loop.conn_count; i++) next_batch(&loop, &loop.conns[i], now);
    turn(&loop);
    now = l->seconds > 0 ? clock_ns() : loop.last_reply_ns;
    l->elapsed = (double)(now - loop.begin_ns) / 1e9;
    l->cpu = cpu_seconds() - loop.cpu_begin;
out:
    for (unsigned i = 0; i < loop.conn_count; i++) {
        if (loop.conns[i].fd >= 0) close(loop.conns[i].fd);
        free(loop.conns[i].own);
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
