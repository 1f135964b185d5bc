/* The rows that are commands of clients. Streams and payloads are those of bench/compare's rows,
 * only fewer. */
#include "bench/inside/inside.h"

#include "base/alloc.h"

#define STREAMS     1000
#define PAGE_EVENTS 100 /* of a stream that is read */
#define CLIENTS     50
#define CONSUMERS   8
#define ID_BYTES    48
#define ROOMY       "1gb"
#define TIGHT       "8mb" /* less than FULL events take */
#define FULL        40000

static const char *stream_of(uint64_t i) {
    static char name[16];
    snprintf(name, sizeof name, "s:%04u", (unsigned)i);
    return name;
}

static void append(struct connection *c, uint64_t stream) {
    REQUEST(c, "EAPPEND", stream_of(stream), "t", "PAYLOAD", payload);
}

static void xadd(struct connection *c, uint64_t stream) {
    REQUEST(c, "XADD", stream_of(stream), "*", "d", payload);
}

typedef void one_fn(struct connection *c, uint64_t stream);

/* `events` to each of the streams, in turn, as many clients would: so those of one stream lie apart
 * in memory. */
static void fill(struct inside *in, one_fn *one, unsigned streams, unsigned events) {
    uint64_t n = 0, all = (uint64_t)streams * events;
    while (n < all) {
        for (unsigned i = 0; i < in->connection_count; i++)
            for (unsigned k = 0; k < 20 && n < all; k++) one(&in->connections[i], n++ % streams);
        inside_round(in, false);
    }
}

static void singles(unsigned depth, one_fn *one, const char *cache_bytes, unsigned filled) {
    static struct inside in;
    const unsigned rounds = 10000 / (CLIENTS * depth) + 1, before = rounds / 10 + 3;
    uint64_t operations = (uint64_t)rounds * CLIENTS * depth, evicted = 0;
    inside_start(&in, CLIENTS, cache_bytes);
    fill(&in, one, STREAMS, filled / STREAMS);
    for (unsigned round = 0; round < before + rounds; round++) {
        if (round == before) {
            evicted = inside_evicted();
            count_start();
        }
        for (unsigned i = 0; i < CLIENTS; i++)
            for (unsigned k = 0; k < depth; k++) one(&in.connections[i], draw(STREAMS));
        inside_round(&in, round >= before);
    }
    evicted = inside_evicted() - evicted;
    if (filled >= FULL ? evicted < operations / 2 : evicted > 0)
        die("%llu events were evicted", (unsigned long long)evicted);
    count_finish(operations);
}

void count_appends(unsigned depth) {
    singles(depth, append, ROOMY, STREAMS);
}

/* Each append takes away an older event. */
void count_appends_full(unsigned depth) {
    singles(depth, append, TIGHT, FULL);
}

void count_xadds(unsigned depth) {
    singles(depth, xadd, ROOMY, STREAMS);
}

static void multi_append(struct connection *c, uint64_t stream) {
    const char *words[2 + 4 * PAGE_EVENTS] = {"EMAPPEND", "0b0e7c5a-6c1f-5d0e-9b7a-2f1d4c3b2a19"};
    char name[16];
    snprintf(name, sizeof name, "m:%04u", (unsigned)stream);
    for (unsigned i = 0; i < PAGE_EVENTS; i++) {
        words[2 + 4 * i] = name;
        words[3 + 4 * i] = "t";
        words[4 + 4 * i] = "PAYLOAD";
        words[5 + 4 * i] = payload;
    }
    request(c, words, ARRAY_LEN(words));
}

void count_multi_appends(void) {
    static struct inside in;
    const unsigned connections = 8, streams = 64, before = streams / connections, rounds = 16;
    inside_start(&in, connections, ROOMY);
    for (unsigned round = 0; round < before + rounds; round++) {
        if (round == before) count_start();
        for (unsigned i = 0; i < connections; i++)
            multi_append(&in.connections[i],
                         round < before ? round * connections + i : draw(streams));
        inside_round(&in, round >= before);
    }
    count_finish((uint64_t)rounds * connections * PAGE_EVENTS);
}

/* Events with ids of the client's: what is the work of an event must not grow with their number. */
void count_multi_appends_with_ids(unsigned events) {
    static struct inside in;
    const unsigned before = 2, rounds = 8;
    const size_t count = 2 + 4 * (size_t)events;
    const char **words = xcalloc(count, sizeof *words);
    char(*ids)[37] = xcalloc(events, sizeof *ids);
    words[0] = "EMAPPEND";
    words[1] = "0b0e7c5a-6c1f-5d0e-9b7a-2f1d4c3b2a19";
    for (unsigned i = 0; i < events; i++) {
        words[2 + 4 * i] = stream_of(0);
        words[3 + 4 * i] = "t";
        words[4 + 4 * i] = "EVENT_ID";
        words[5 + 4 * i] = ids[i];
    }
    inside_start(&in, 1, ROOMY);
    in.turns = 20; /* a request of 60 kB comes in pieces */
    for (unsigned round = 0; round < before + rounds; round++) {
        if (round == before) count_start();
        for (unsigned i = 0; i < events; i++)
            snprintf(ids[i], sizeof *ids, "%08x-0000-4000-8000-%012x", (unsigned)draw(UINT32_MAX),
                     round * events + i);
        request(&in.connections[0], words, count);
        inside_round(&in, round >= before);
    }
    count_finish((uint64_t)rounds * events);
    free(words);
    free(ids);
}

/* Each stream is read three times before, after which its events lie side by side. */
void count_pages(const char *command) {
    static struct inside in;
    const unsigned streams = 100, before = 3 * streams / CLIENTS, rounds = 4 * streams / CLIENTS;
    inside_start(&in, CLIENTS, ROOMY);
    fill(&in, strcmp(command, "XRANGE") == 0 ? xadd : append, streams, PAGE_EVENTS);
    for (unsigned round = 0; round < before + rounds; round++) {
        if (round == before) count_start();
        for (unsigned i = 0; i < CLIENTS; i++)
            REQUEST(&in.connections[i], command, stream_of((round * CLIENTS + i) % streams), "-",
                    "+", "COUNT", "100");
        inside_round(&in, round >= before);
    }
    count_finish((uint64_t)rounds * CLIENTS * PAGE_EVENTS);
}

/* ---- consumer groups ---- */

/* Adds entries with one connection; ids gets the ids that were given, which are the replies. */
static void add_entries(struct inside *in, unsigned entries, char (*ids)[ID_BYTES]) {
    struct connection *c = &in->connections[0];
    for (unsigned n = 0; n < entries;) {
        unsigned first = n;
        for (; n < entries && n < first + 100; n++) xadd(c, 0);
        inside_round(in, false);
        const char *at = c->replies.data;
        for (unsigned i = first; i < n; i++) { /* $15 CR LF ID CR LF */
            at = strchr(at, '\n') + 1;
            size_t len = strcspn(at, "\r");
            assert(*at != '$');
            assert(len < ID_BYTES);
            memcpy(ids[i], at, len);
            ids[i][len] = '\0';
            at += len + 2;
        }
    }
}

static void check_acked(const struct connection *c, unsigned entries) {
    char expected[32];
    int n = snprintf(expected, sizeof expected, ":%u\r\n", entries);
    if (c->replies.len != (size_t)n || memcmp(c->replies.data, expected, (size_t)n) != 0)
        die("XACK was answered %.*s", (int)c->replies.len, c->replies.data);
}

/* All consumers read, then all acknowledge. */
static void consume(struct inside *in, unsigned entries, char (*ids)[ID_BYTES], bool counted) {
    const char *words[3 + 100] = {"XACK", stream_of(0), "g"};
    char name[16], count[16];
    assert(entries <= 100);
    snprintf(count, sizeof count, "%u", entries);
    for (unsigned i = 0; i < CONSUMERS; i++) {
        snprintf(name, sizeof name, "c%u", i);
        REQUEST(&in->connections[i], "XREADGROUP", "GROUP", "g", name, "COUNT", count, "STREAMS",
                stream_of(0), ">");
    }
    inside_round(in, counted);
    for (unsigned i = 0; i < CONSUMERS; i++) {
        for (unsigned k = 0; k < entries; k++) words[3 + k] = ids[i * entries + k];
        request(&in->connections[i], words, 3 + entries);
    }
    inside_round(in, counted);
    for (unsigned i = 0; i < CONSUMERS; i++) check_acked(&in->connections[i], entries);
}

void count_groups(unsigned entries) {
    static struct inside in;
    const unsigned rounds = entries == 1 ? 250 : entries == 10 ? 60 : 16, before = 10;
    unsigned all = (before + rounds) * CONSUMERS * entries;
    char(*ids)[ID_BYTES] = malloc(all * sizeof *ids);
    inside_start(&in, CONSUMERS, ROOMY);
    add_entries(&in, all, ids);
    REQUEST(&in.connections[0], "XGROUP", "CREATE", stream_of(0), "g", "0");
    inside_round(&in, false);
    for (unsigned round = 0; round < before + rounds; round++) {
        if (round == before) count_start();
        consume(&in, entries, ids + (size_t)round * CONSUMERS * entries, round >= before);
    }
    count_finish((uint64_t)rounds * CONSUMERS * entries);
}
