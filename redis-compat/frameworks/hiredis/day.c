/* hiredis, sync and async with libevent, in RESP2 and, from 1.0 on, RESP3: channels, patterns,
 * events, strings, and invalidations of keys that were read. The server is killed in the middle.
 * Usage: day PORT; started by ../run. A reply is checked against its text, in which arrays, maps
 * and pushes are their elements with blanks between them. */
#include <event2/event.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "adapters/libevent.h"
#include "hiredis.h"

#define HAS_RESP3 (HIREDIS_MAJOR >= 1)

static void must(int good, const char *what, int line) {
    if (good) return;
    fprintf(stderr, "line %d: %s\n", line, what);
    exit(1);
}
#define MUST(what) must((what), #what, __LINE__)
static void same(const char *got, const char *want, int line) {
    must(!strcmp(got, want), got, line);
}
#define SAME(got, want) same((got), (want), __LINE__)
static void has(const char *got, const char *part, int line) {
    must(strstr(got, part) != NULL, got, line);
}
#define HAS(got, part) has((got), (part), __LINE__)

static void put(char *out, size_t room, const redisReply *reply) {
    size_t at = strlen(out);
    if (at && !strchr(" \n", out[at - 1])) at += (size_t)snprintf(out + at, room - at, " ");
    if (reply->str)
        snprintf(out + at, room - at, "%s", reply->str);
    else if (reply->type == REDIS_REPLY_INTEGER)
        snprintf(out + at, room - at, "%lld", reply->integer);
    else if (reply->type == REDIS_REPLY_NIL)
        snprintf(out + at, room - at, "(nil)");
    for (size_t i = 0; i < reply->elements; i++) put(out, room, reply->element[i]);
}

/* --- sync */

/* The text of a reply, which is freed. It is good until the next. */
static const char *text(void *reply) {
    static char out[4096];
    MUST(reply != NULL);
    out[0] = 0;
    put(out, sizeof out, reply);
    freeReplyObject(reply);
    return out;
}
static const char *call(redisContext *c, const char *format, ...) {
    va_list words;
    va_start(words, format);
    void *reply = redisvCommand(c, format, words);
    va_end(words);
    return text(reply);
}
static const char *next(redisContext *c) {
    void *reply;
    MUST(redisGetReply(c, &reply) == REDIS_OK);
    return text(reply);
}
static redisContext *connect_to(int port, int resp) {
    redisContext *c = redisConnect("127.0.0.1", port);
    MUST(c && !c->err);
#if HAS_RESP3
    redisSetPushCallback(c, NULL); /* so redisGetReply returns them */
#endif
    if (resp == 3) HAS(call(c, "HELLO 3"), "proto 3");
    return c;
}
static void sync_channels(int port, int resp) {
    redisContext *listener = connect_to(port, resp), *speaker = connect_to(port, resp);
    SAME(call(listener, "SUBSCRIBE news"), "subscribe news 1");
    SAME(call(listener, "PSUBSCRIBE __event__:order-*"), "psubscribe __event__:order-* 2");
    SAME(call(speaker, "PUBLISH news hello"), "1");
    SAME(next(listener), "message news hello");
    HAS(call(speaker, "XADD order-1 * total 42"), "-");
    const char *event = next(listener);
    HAS(event, "pmessage __event__:order-* __event__:order-1 {");
    HAS(event, "\"data\":{\"total\":\"42\"}");
    SAME(call(listener, "UNSUBSCRIBE news"), "unsubscribe news 1");
    redisFree(listener);
    redisFree(speaker);
}
static void strings(int port, int resp) {
    redisContext *c = connect_to(port, resp);
    SAME(call(c, "SET text three NX EX 3600"), "OK");
    SAME(call(c, "SET text other NX"), "(nil)");
    SAME(call(c, "APPEND text %s", " blind"), "11");
    SAME(call(c, "SETRANGE text 6 %b", "mice ", (size_t)5), "11");
    SAME(call(c, "GETRANGE text 0 4"), "three");
    SAME(call(c, "GETDEL text"), "three mice ");
    SAME(call(c, "INCRBY n 42"), "42");
    SAME(call(c, "INCRBYFLOAT n 0.5"), "42.5");
    SAME(call(c, "MSET a alive b olive"), "OK");
    SAME(call(c, "LCS a b"), "live");
    SAME(call(c, "DEL a b n"), "3");
    HAS(call(c, "EVALSHA 0 0"), "ERR 'evalsha'");
    redisFree(c);
}

/* --- async, with libevent */

static struct event_base *base;

/* A connection, and what it was told: replies, messages, pushes. */
struct side {
    redisAsyncContext *c; /* NULL: it was lost */
    char told[16384];
};
static void told(redisAsyncContext *c, void *reply, void *data) {
    (void)c;
    struct side *side = data;
    if (!reply) return; /* it is lost */
    put(side->told, sizeof side->told, reply);
    strncat(side->told, "\n", sizeof side->told - strlen(side->told) - 1);
}
#if HAS_RESP3
static void pushed(redisAsyncContext *c, void *reply) {
    told(c, reply, c->data);
}
#endif
static void lost(const redisAsyncContext *c, int status) {
    (void)status;
    ((struct side *)c->data)->c = NULL;
}
static void await(const struct side *side, const char *part, int line) {
    while (!strstr(side->told, part)) {
        must(side->c != NULL, part, line);
        event_base_loop(base, EVLOOP_ONCE);
    }
}
#define AWAIT(side, part) await((side), (part), __LINE__)
#define SEND(side, ...) MUST(redisAsyncCommand((side)->c, told, (side), __VA_ARGS__) == REDIS_OK)

static void open_side(struct side *side, int port, int resp) {
    memset(side, 0, sizeof *side);
    side->c = redisAsyncConnect("127.0.0.1", port);
    MUST(side->c && !side->c->err);
    side->c->data = side;
    MUST(redisLibeventAttach(side->c, base) == REDIS_OK);
    MUST(redisAsyncSetDisconnectCallback(side->c, lost) == REDIS_OK);
#if HAS_RESP3
    redisAsyncSetPushCallback(side->c, pushed);
#endif
    if (resp == 3) {
        SEND(side, "HELLO 3");
        AWAIT(side, "proto 3");
    }
}
static void listen_to(struct side *side, int port, int resp) {
    open_side(side, port, resp);
    SEND(side, "SUBSCRIBE news-%d", resp);
    SEND(side, "PSUBSCRIBE n*-%d __event__:sale-%d*", resp, resp);
    AWAIT(side, "subscribe news-");
    AWAIT(side, resp == 3 ? "__event__:sale-3* 3\n" : "__event__:sale-2* 3\n");
}
static void async_channels(struct side *listener, struct side *speaker, int resp) {
    SEND(speaker, "PUBLISH news-%d hello", resp);
    AWAIT(speaker, "2\n");
    SEND(speaker, "XADD sale-%d * total 42", resp);
    AWAIT(listener, resp == 3 ? "\nmessage news-3 hello\n" : "\nmessage news-2 hello\n");
    AWAIT(listener, resp == 3 ? "\npmessage n*-3 news-3 hello\n" : "\npmessage n*-2 news-2 hello\n");
    AWAIT(listener, "\"data\":{\"total\":\"42\"}");
    listener->told[0] = speaker->told[0] = 0;
#if HAS_RESP3
    if (resp == 3) { /* Other commands on the same connection; and it is told of what it has read. */
        SEND(listener, "CLIENT TRACKING ON");
        SEND(listener, "GET price");
        AWAIT(listener, "OK\n(nil)\n");
        SEND(speaker, "SET price 1");
        AWAIT(listener, "invalidate price\n");
        SEND(listener, "GET price");
        AWAIT(listener, "\n1\n");
        SEND(listener, "CLIENT TRACKING OFF");
        SEND(speaker, "DEL price");
        AWAIT(speaker, "OK\n1\n");
        listener->told[0] = speaker->told[0] = 0;
    }
#endif
}

int main(int argc, char **argv) {
    MUST(argc == 2);
    const int port = atoi(argv[1]), last = HAS_RESP3 ? 3 : 2;
    struct side listeners[2], speakers[2];
    alarm(60);
    signal(SIGPIPE, SIG_IGN);
    printf("version hiredis %d.%d.%d, libevent %s\n", HIREDIS_MAJOR, HIREDIS_MINOR, HIREDIS_PATCH,
           event_get_version());
    base = event_base_new();
    for (int resp = 2; resp <= last; resp++) {
        sync_channels(port, resp);
        strings(port, resp);
        listen_to(&listeners[resp - 2], port, resp);
        open_side(&speakers[resp - 2], port, resp);
        async_channels(&listeners[resp - 2], &speakers[resp - 2], resp);
    }
    puts("crash");
    fflush(stdout);
    char line[32];
    MUST(fgets(line, sizeof line, stdin) && !strcmp(line, "restarted\n"));
    /* The library says that the connections are lost; to connect and to subscribe again is ours. */
    for (int resp = 2; resp <= last; resp++) {
        while (listeners[resp - 2].c || speakers[resp - 2].c) event_base_loop(base, EVLOOP_ONCE);
        listen_to(&listeners[resp - 2], port, resp);
        open_side(&speakers[resp - 2], port, resp);
        async_channels(&listeners[resp - 2], &speakers[resp - 2], resp);
        sync_channels(port, resp);
    }
    puts("tried: sync and async with libevent: channels, patterns, `__event__:order-*`; strings");
    if (HAS_RESP3) puts("tried: async in RESP3: commands between messages, `CLIENT TRACKING`");
    puts("care: it does not connect again by itself: the disconnect callback is where to do it");
    puts("missing: `EVALSHA`");
    puts("done");
    return 0;
}
