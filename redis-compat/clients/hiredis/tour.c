/* Reading from history to live with hiredis (../../README.md): EREAD, ECHECKPOINT, and pushes in
 * each way that the library has for them. Usage: tour PORT; started by ../run. Each reply is
 * checked against its text, in which arrays, maps and pushes are their elements with blanks between
 * them. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hiredis.h"

static redisContext *r, *other;

static void must(int good, const char *what, int line) {
    if (good) return;
    fprintf(stderr, "line %d: %s (%s)\n", line, what,
            r && r->err ? r->errstr : "no error of the connection");
    exit(1);
}
#define MUST(what) must((what), #what, __LINE__)
static void same(const char *got, const char *want, int line) {
    must(!strcmp(got, want), got, line);
}
#define SAME(got, want) same((got), (want), __LINE__)

static void put(char *out, size_t room, const redisReply *reply) {
    size_t at = strlen(out);
    if (at && out[at - 1] != ' ') at += (size_t)snprintf(out + at, room - at, " ");
    if (reply->str)
        snprintf(out + at, room - at, "%s", reply->str);
    else if (reply->type == REDIS_REPLY_INTEGER || reply->type == REDIS_REPLY_BOOL)
        snprintf(out + at, room - at, "%lld", reply->integer);
    else if (reply->type == REDIS_REPLY_NIL)
        snprintf(out + at, room - at, "(nil)");
    for (size_t i = 0; i < reply->elements; i++) put(out, room, reply->element[i]);
}
/* The text of a reply, which is freed. It is good until the one after the next. */
static const char *text(redisReply *reply) {
    static char texts[2][4096];
    static int turn;
    char *out = texts[turn ^= 1];
    MUST(reply != NULL);
    out[0] = 0;
    put(out, sizeof texts[0], reply);
    freeReplyObject(reply);
    return out;
}
static const char *call(redisContext *c, const char *format, ...) {
    va_list words;
    va_start(words, format);
    redisReply *reply = redisvCommand(c, format, words);
    va_end(words);
    return text(reply);
}
/* What stands behind a name in the text of a map (RESP3), or of names and values (RESP2). */
static long long number(const char *map, const char *name) {
    const char *at = strstr(map, name);
    MUST(at != NULL);
    return atoll(at + strlen(name) + 1);
}

static redisContext *connect_to(int port, int resp) {
    redisContext *c = redisConnect("127.0.0.1", port);
    MUST(c && !c->err);
    if (resp == 3) MUST(strstr(call(c, "HELLO 3"), "proto 3") != NULL);
    return c;
}

/* Events come, by whatever way; each is acknowledged by the id that the reply to ESUBSCRIBE gave.
 */
static char got[4096], subscription[64];
static void take(const redisReply *push) {
    if (push->elements == 4 && !strcmp(push->element[0]->str, "event")) {
        SAME(push->element[1]->str, subscription);
        put(got, sizeof got, push->element[3]);
    }
}
static void pushed(void *data, void *reply) {
    (void)data;
    take(reply);
    freeReplyObject(reply);
}
static void subscribe(redisContext *c, const char *checkpoint) {
    const char *reply = call(
        c, "ESUBSCRIBE cart-* FROM CHECKPOINT %s ELSE START CHECKPOINT %s FIELDS stream_id,payload",
        checkpoint, checkpoint);
    const char *id = strstr(reply, "id ");
    MUST(id != NULL);
    snprintf(subscription, sizeof subscription, "%.36s", id + 3);
    got[0] = 0;
}
/* RESP3 with a callback: it is called whenever a reply is read. */
static void by_callback(int port, long long last, const char *events) {
    redisContext *c = connect_to(port, 3);
    redisSetPushCallback(c, pushed);
    subscribe(c, "callback");
    while (strlen(got) < strlen(events)) SAME(call(c, "PING"), "PONG");
    SAME(got, events);
    SAME(call(c, "EACK %s %lld", subscription, last), "OK");
    redisFree(c);
}
/* RESP3 without one, and RESP2: what comes is what redisGetReply returns. */
static void by_reply(int port, int resp, long long last, const char *events) {
    redisContext *c = connect_to(port, resp);
    redisSetPushCallback(c, NULL);
    subscribe(c, resp == 3 ? "replies-3" : "replies-2");
    while (strlen(got) < strlen(events)) {
        void *reply;
        MUST(redisGetReply(c, &reply) == REDIS_OK);
        MUST(((redisReply *)reply)->type == (resp == 3 ? REDIS_REPLY_PUSH : REDIS_REPLY_ARRAY));
        take(reply);
        freeReplyObject(reply);
    }
    SAME(got, events);
    redisAppendCommand(c, "EACK %s %lld", subscription, last);
    for (int type = 0; type != REDIS_REPLY_STATUS;) { /* behind what else has come */
        void *reply;
        MUST(redisGetReply(c, &reply) == REDIS_OK);
        type = ((redisReply *)reply)->type;
        freeReplyObject(reply);
    }
    redisFree(c);
}
static void push_all_ways(int port, long long last, const char *events) {
    by_callback(port, last, events);
    by_reply(port, 3, last, events);
    by_reply(port, 2, last, events);
}

int main(int argc, char **argv) {
    MUST(argc == 2);
    const int port = atoi(argv[1]);
    const int resp = getenv("RESP") ? atoi(getenv("RESP")) : 2;
    printf("version %d.%d.%d\n", HIREDIS_MAJOR, HIREDIS_MINOR, HIREDIS_PATCH);
    r = connect_to(port, resp);
    other = connect_to(port, resp);

    for (int i = 0; i < 3; i++) call(r, "EAPPEND cart-%d cart.filled PAYLOAD %d", i, i);
    const char *page = call(r, "EREAD FROM START COUNT 2 CATEGORY cart FIELDS stream_id,payload");
    MUST(!strncmp(page, "events cart-0 0 cart-1 1 next 2 head 3 has_more 1 timeline ", 50));
    page = call(r, "EREAD FROM %lld@%s CATEGORY cart FIELDS stream_id,payload",
                number(page, "next"), strrchr(page, ' ') + 1);
    MUST(!strncmp(page, "events cart-2 2 next 3 head 3 has_more 0 timeline ", 46));
    /* It waits, and is woken. */
    int done = 0;
    redisAppendCommand(other, "EREAD FROM %lld BLOCK 30000 CATEGORY cart FIELDS stream_id,payload",
                       number(page, "next"));
    while (!done) MUST(redisBufferWrite(other, &done) == REDIS_OK);
    while (!strstr(call(r, "INFO clients"), "blocked_clients:1\r")) {}
    const long long written =
        number(call(r, "EAPPEND cart-3 cart.filled PAYLOAD 3"), "partition_sequence");
    void *reply;
    MUST(redisGetReply(other, &reply) == REDIS_OK);
    page = text(reply);
    MUST(!strncmp(page, "events cart-3 3 next 4 ", 23));

    for (int attempt = 0; attempt < 2; attempt++) {
        SAME(call(r, "MULTI"), "OK");
        SAME(call(r, "SET carts %d", attempt), "QUEUED");
        SAME(call(r, "ECHECKPOINT SET carts %d IF NONE", 4), "QUEUED");
        const char *answer = call(r, "EXEC");
        MUST(attempt ? !strncmp(answer, "STALE ", 6) : !strcmp(answer, "OK OK"));
    }
    SAME(call(r, "GET carts"), "0");
    SAME(call(r, "ECHECKPOINT WAIT carts %lld 1000", written), "1");
    push_all_ways(port, written, "cart-0 0 cart-1 1 cart-2 2 cart-3 3");

    puts("restart");
    fflush(stdout);
    char line[32];
    MUST(fgets(line, sizeof line, stdin) && !strcmp(line, "restarted\n"));
    redisFree(r); /* The library does not connect again by itself. */
    r = connect_to(port, resp);
    const long long next =
        number(call(r, "EAPPEND cart-4 cart.filled PAYLOAD 4"), "partition_sequence");
    page = call(r, "EREAD FROM CHECKPOINT carts CATEGORY cart FIELDS stream_id,payload");
    MUST(!strncmp(page, "events cart-4 4 next 5 ", 23));
    push_all_ways(port, next, "cart-4 4");
    puts("done");
    return 0;
}
