/* See inside.h. The linker puts the functions called __wrap_X here in place of the X that the
 * server's objects call (-Wl,--wrap, in the Makefile): so nothing in src/ knows of this. */
#include "bench/inside/inside.h"

#include <errno.h>
#include <stdarg.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <valgrind/callgrind.h>

#include "base/alloc.h"
#include "base/log.h"
#include "proto/resp.h"
#include "server/command/command.h"
#include "server/server.h"
#include "server/wait/internal.h"
#include "store/internal.h"

#define SYNC_US  100 /* that a batch takes to become durable: a quick disk's (server/commit.c) */
#define ROUND_US 1000
#define LOAD_MS  5000 /* that a reader thread is waited for, before counting */

/* The server's, but that memory is given back by no clock. */
extern const char *malloc_conf;
const char *malloc_conf = "narenas:1,dirty_decay_ms:-1,muzzy_decay_ms:-1";

void die(const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    fprintf(stderr, "instructions: ");
    vfprintf(stderr, fmt, args);
    fprintf(stderr, "\n");
    va_end(args);
    _exit(2);
}

/* ---- instead of the system's ---- */

int __wrap_clock_gettime(clockid_t id, struct timespec *ts);
ssize_t __wrap_getrandom(void *out, size_t n, unsigned flags);
int __wrap_threads_start(struct store *s, struct err *err);

uint64_t clock_ns_a_look;
static uint64_t passed_ns;

void clock_pass_us(uint64_t us) {
    passed_ns += us * 1000;
}

/* Called by the reader threads too, but they do nothing while anything is counted. */
int __wrap_clock_gettime(clockid_t id, struct timespec *ts) {
    passed_ns += clock_ns_a_look;
    ts->tv_sec = (id == CLOCK_REALTIME ? 1700000000 : 1000) + (time_t)(passed_ns / 1000000000);
    ts->tv_nsec = (long)(passed_ns % 1000000000);
    return 0;
}

ssize_t __wrap_getrandom(void *out, size_t n, unsigned flags) {
    UNUSED(flags);
    for (size_t i = 0; i < n; i++) ((uint8_t *)out)[i] = (uint8_t)(i * 37 + 11);
    return (ssize_t)n;
}

/* Neither journal nor applier: make_durable() is both. */
int __wrap_threads_start(struct store *s, struct err *err) {
    UNUSED(s);
    UNUSED(err);
    return 0;
}

uint64_t draw(uint64_t n) {
    static uint64_t x = 88172645463325252;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return x % n;
}

const char payload[] = "the quick brown fox jumps over the lazy dog, 0123456789 times in all; "
                       "then it rests, and the dog too";
_Static_assert(sizeof payload == 101, "as bench/compare's");

/* ---- counting ---- */

static bool started;

void count_start(void) {
    started = true;
    CALLGRIND_START_INSTRUMENTATION;
    CALLGRIND_ZERO_STATS;
}

void count_begin(void) {
    assert(started);
    CALLGRIND_TOGGLE_COLLECT;
}

void count_end(void) {
    CALLGRIND_TOGGLE_COLLECT;
}

void count_finish(uint64_t operations) {
    CALLGRIND_DUMP_STATS_AT("counted");
    CALLGRIND_STOP_INSTRUMENTATION;
    printf("%llu\n", (unsigned long long)operations);
    fflush(stdout);
    _exit(0); /* neither threads nor files are worth an orderly end */
}

/* ---- the server ---- */

static struct server server;

void inside_start(struct inside *in, unsigned connections, const char *cache_bytes) {
    struct err err;
    char *cache = xstrdup(cache_bytes);
    char *argv[] = {"instructions", "--store",          "memory:", "--port",        "0",   "--bind",
                    "127.0.0.1",    "--reader-threads", "1",       "--cache-bytes", cache, NULL};
    log_level = LOG_NOTHING;
    if (config_load(&server.config, (int)ARRAY_LEN(argv) - 1, argv, &err) != 0 ||
        server_start(&server, &err) != 0)
        die("%s", err.text);
    assert(connections <= CONNECTIONS_MAX);
    struct rlimit files = {4096, 4096}; /* of both ends */
    setrlimit(RLIMIT_NOFILE, &files);
    in->connection_count = connections;
    for (unsigned i = 0; i < connections; i++) {
        int fds[2], room = 1 << 20;
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) != 0) die("socketpair");
        for (int k = 0; k < 2; k++) setsockopt(fds[k], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
        client_create(&server, fds[0], true);
        in->connections[i].fd = fds[1];
        buf_init(&in->connections[i].requests, 0);
        buf_init(&in->connections[i].replies, 0);
    }
}

uint64_t inside_evicted(void) {
    return server.model.log.first;
}

static const struct {
    enum selector_kind kind;
    const char *word, *end;
} nobodys[] = {{SELECT_TYPE, "TYPE", ""},         {SELECT_TYPE, "TYPE", ".*"},
               {SELECT_STREAM, "STREAM", "-1"},   {SELECT_STREAM, "STREAM", "-*"},
               {SELECT_CATEGORY, "CATEGORY", ""}, {SELECT_AGGREGATE, "AGGREGATE", ""}};

void nobodys_selector(unsigned i, const char **word, char value[static 32]) {
    *word = nobodys[i % ARRAY_LEN(nobodys)].word;
    snprintf(value, 32, "nothing%u%s", i, nobodys[i % ARRAY_LEN(nobodys)].end);
}

/* As many clients in EREAD BLOCK would, but for their connections. */
void inside_wait_in_vain(unsigned n) {
    struct live_watcher *watchers = xcalloc(n, sizeof *watchers);
    for (unsigned i = 0; i < n; i++) {
        const char *word;
        char value[32];
        struct selector_draft d = {0};
        nobodys_selector(i, &word, value);
        selector_draft_add(&d, nobodys[i % ARRAY_LEN(nobodys)].kind, str_c(value));
        struct selector *selector = selector_create(&d);
        selector_draft_clear(&d);
        watchers[i].from = server.model.next_sequence;
        live_watch(&server.blocking->live, &server.model, selector, &watchers[i]);
        selector_unref(selector);
    }
}

void request(struct connection *c, const char *const *words, size_t n) {
    resp_put_array(&c->requests, n);
    for (size_t i = 0; i < n; i++) resp_put_bulk_c(&c->requests, words[i]);
    c->expected++;
}

/* What was handed over is in the backend, so in the eyes of the loop durable and applied. */
static bool make_durable(void) {
    struct store *s = server.store;
    struct batch *b;
    struct err err;
    bool any = false;
    pthread_mutex_lock(&s->lock);
    while ((b = batch_queue_pop(&s->to_applier)) != NULL) {
        if (s->backend->apply(s->writer, &b, 1, &err) != 0) die("apply: %s", err.text);
        atomic_store(&s->durable, batch_last_frame(b));
        atomic_store(&s->applied, batch_last_frame(b));
        any = true;
    }
    pthread_mutex_unlock(&s->lock);
    if (any) store_notify(s);
    return any;
}

/* ---- a round ---- */

static void send_all(struct connection *c) {
    for (size_t at = 0; at < c->requests.len;) {
        ssize_t n = write(c->fd, c->requests.data + at, c->requests.len - at);
        if (n < 0) die("a request does not fit the socket: %s", strerror(errno));
        at += (size_t)n;
    }
    buf_reset(&c->requests);
    buf_reset(&c->replies);
}

static void receive(struct connection *c) {
    for (;;) {
        char *at = buf_reserve(&c->replies, 65536);
        ssize_t n = read(c->fd, at, 65536);
        if (n < 0 && errno == EAGAIN) return;
        if (n <= 0) die("a connection was closed");
        c->replies.len += (size_t)n;
    }
}

/* The end of the reply that begins at `at`, or NULL when it has not come whole. */
static const char *reply_end(const char *at, const char *end) {
    const char *line = memchr(at, '\n', (size_t)(end - at));
    if (line == NULL) return NULL;
    const char *after = line + 1;
    long long n = *at == '*' || *at == '$' ? strtoll(at + 1, NULL, 10) : 0;
    if (*at == '-') die("%.*s", (int)(line - at), at);
    if (*at == '$' && n >= 0) return end - after >= n + 2 ? after + n + 2 : NULL;
    for (; *at == '*' && n > 0 && after != NULL; n--)
        after = after < end ? reply_end(after, end) : NULL;
    return after;
}

static unsigned whole_replies(const struct connection *c) {
    const char *at = c->replies.data, *end = at + c->replies.len;
    unsigned n = 0;
    while (at < end && (at = reply_end(at, end)) != NULL) n++;
    return n;
}

static bool all_answered(struct inside *in) {
    for (unsigned i = 0; i < in->connection_count; i++) receive(&in->connections[i]);
    for (unsigned i = 0; i < in->connection_count; i++)
        if (whole_replies(&in->connections[i]) < in->connections[i].expected) return false;
    return true;
}

static void turn(bool counted) {
    if (counted) count_begin();
    server_turn(&server, 0);
    if (counted) count_end();
}

/* A thread reads what is not in memory: before counting, that is a matter of waiting. */
static void wait_for_the_rest(struct inside *in) {
    for (int i = 0; i < LOAD_MS; i++) {
        usleep(1000);
        turn(false);
        make_durable();
        if (all_answered(in)) return;
    }
    die("no reply");
}

/* A turn for the requests, and one for the batch, also when the replies did not wait for it. Long
 * requests take more: a turn reads a connection once. */
void inside_round(struct inside *in, bool counted) {
    clock_pass_us(ROUND_US);
    for (unsigned i = 0; i < in->connection_count; i++) send_all(&in->connections[i]);
    bool handed_over = true;
    const int most = in->turns > 0 ? (int)in->turns : 2;
    for (int turns = 0; handed_over || (turns < most && !all_answered(in)); turns++) {
        if (counted && turns == most) die("a round takes more than %d turns", most);
        turn(counted);
        clock_pass_us(SYNC_US);
        handed_over = make_durable();
    }
    if (!all_answered(in)) {
        if (counted) die("something had to be loaded");
        wait_for_the_rest(in);
    }
    for (unsigned i = 0; i < in->connection_count; i++) in->connections[i].expected = 0;
}
