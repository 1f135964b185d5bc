/* The rows of those who follow the log: subscribers, groups of virtual streams, and what appends
 * cost beside very many of them whom no event concerns. */
#include "bench/inside/inside.h"

#include <stdio.h>
#include <string.h>

#include "base/base.h"

#define STREAMS   1000
#define CLIENTS   50
#define ROOMY     "1gb"
#define CONSUMERS 8

static void append(struct connection *c, const char *type, unsigned streams) {
    char name[16];
    snprintf(name, sizeof name, "s-%04u", (unsigned)draw(streams));
    REQUEST(c, "EAPPEND", name, type, "PAYLOAD", payload);
}

static void subscribe(struct connection *c, const char *word, const char *value) {
    if (word == NULL)
        REQUEST(c, "ESUBSCRIBE", "*", "FIELDS", "stream_id,event_name,payload");
    else if (strcmp(word, "STREAM") == 0)
        REQUEST(c, "ESUBSCRIBE", value);
    else
        REQUEST(c, "ESUBSCRIBE", "*", word, value);
}

/* Clients that append, `depth` at once, in front of subscribers to everything. */
static void pushes(unsigned clients, unsigned depth, unsigned subscribers, unsigned rounds) {
    static struct inside in;
    const unsigned before = 5;
    inside_start(&in, clients + subscribers, ROOMY);
    for (unsigned i = 0; i < subscribers; i++) subscribe(&in.connections[clients + i], NULL, NULL);
    inside_round(&in, false);
    for (unsigned round = 0; round < before + rounds; round++) {
        if (round == before) count_start();
        for (unsigned i = 0; i < clients; i++)
            for (unsigned k = 0; k < depth; k++) append(&in.connections[i], "t", STREAMS);
        inside_round(&in, round >= before);
        for (unsigned i = 0; i < subscribers; i++)
            if (in.connections[clients + i].replies.len < clients * depth * strlen(payload))
                die("a subscriber was not sent every event");
    }
    count_finish((uint64_t)rounds * clients * depth * subscribers);
}

void count_pushes_to_one(unsigned clients) {
    pushes(clients, 1, 1, 100);
}
void count_pushes_one_by_one(unsigned subscribers) {
    pushes(1, 1, subscribers, 10);
}
void count_pushes_together(unsigned subscribers) {
    pushes(1, 16, subscribers, 3);
}

/* ---- idle ones */

#define IDLE      5000
#define IDLE_EACH 1000 /* of a connection */
#define WAITERS   1000

/* Subscriptions, each of another selector that no event matches; and as many groups would wait. */
static void idle_ones(struct inside *in, struct connection *subscribers) {
    for (unsigned i = 0; i < IDLE; i++) {
        const char *word;
        char value[32];
        nobodys_selector(i, &word, value);
        subscribe(&subscribers[i / IDLE_EACH], word, value);
        if (i % 100 == 99) inside_round(in, false);
    }
    inside_wait_in_vain(WAITERS);
}

/* A consumer of a group that waits for its next entry. It is not waited for. */
static void consume(struct connection *c) {
    REQUEST(c, "XREADGROUP", "GROUP", "g", "c", "NOACK", "COUNT", "1", "BLOCK", "0", "STREAMS",
            "@type:rare", ">");
    c->expected = 0;
}

/* Appends, perhaps beside idle ones. One in so many events is `rare`; 0: none. */
static void appends_beside(unsigned depth, bool idle, unsigned one_in) {
    static struct inside in;
    const unsigned rounds = 10000 / (CLIENTS * depth) + 1, before = rounds / 10 + 3;
    struct connection *more = &in.connections[CLIENTS];
    unsigned n = 0;
    inside_start(&in, CLIENTS + IDLE / IDLE_EACH, ROOMY);
    if (idle) idle_ones(&in, more);
    if (one_in > 0) {
        REQUEST(more, "XGROUP", "CREATE", "@type:rare", "g", "$");
        inside_round(&in, false);
        consume(more);
        in.turns = 4;
    }
    for (unsigned round = 0; round < before + rounds; round++) {
        if (round == before) count_start();
        for (unsigned i = 0; i < CLIENTS; i++)
            for (unsigned k = 0; k < depth; k++)
                append(&in.connections[i], one_in > 0 && ++n % one_in == 0 ? "rare" : "t", STREAMS);
        inside_round(&in, round >= before);
        if (one_in > 0 && more->replies.len > 0) consume(more);
    }
    count_finish((uint64_t)rounds * CLIENTS * depth);
}

void count_appends_alone(unsigned depth) {
    appends_beside(depth, false, 0);
}
void count_appends_beside_idle(unsigned depth) {
    appends_beside(depth, true, 0);
}
void count_appends_beside_rare(unsigned depth) {
    appends_beside(depth, false, 1000);
}

/* ---- groups: of a category, and of one stream with the same events */

#define ENTRIES "10" /* a page */
#define PAGE    10

/* Acknowledges what the last reply brought: each entry is an array of two, its id in front. */
static void acknowledge(struct connection *c, const char *key) {
    static char ids[PAGE][48];
    const char *words[3 + PAGE] = {"XACK", key, "g"};
    const char *at = strstr(c->replies.data, key);
    for (unsigned i = 0; i < PAGE; i++) {
        at = at != NULL ? strstr(at, "\r\n*2\r\n$") : NULL;
        if (at == NULL || sscanf(at + 7, "%*u %47[0-9-]", ids[i]) != 1) die("no entry");
        words[3 + i] = ids[i];
        at += 7;
    }
    request(c, words, ARRAY_LEN(words));
}

void count_groups_of_events(const char *key) {
    static struct inside in;
    const unsigned before = 10, rounds = 60;
    char name[16];
    inside_start(&in, CONSUMERS, ROOMY);
    in.turns = 4;
    for (unsigned n = 0; n < (before + rounds) * CONSUMERS * PAGE; n += 100) {
        for (unsigned k = 0; k < 100; k++)
            append(&in.connections[0], "t", *key == '@' ? STREAMS : 1);
        inside_round(&in, false);
    }
    REQUEST(&in.connections[0], "XGROUP", "CREATE", key, "g", "0");
    inside_round(&in, false);
    for (unsigned round = 0; round < before + rounds; round++) {
        if (round == before) count_start();
        for (unsigned i = 0; i < CONSUMERS; i++) {
            snprintf(name, sizeof name, "c%u", i);
            REQUEST(&in.connections[i], "XREADGROUP", "GROUP", "g", name, "COUNT", ENTRIES,
                    "STREAMS", key, ">");
        }
        inside_round(&in, round >= before);
        for (unsigned i = 0; i < CONSUMERS; i++) {
            *(char *)buf_reserve(&in.connections[i].replies, 1) = '\0';
            acknowledge(&in.connections[i], key);
        }
        inside_round(&in, round >= before);
    }
    count_finish((uint64_t)rounds * CONSUMERS * PAGE);
}
