/* The rows of large things: an operation on one of 20,000. Each took as many steps as there are
 * once; bench/growth.tcl has the times, up to a million. */
#include "bench/inside/inside.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/base.h"
#include "server/client/levels.h"

#define THINGS     20000
#define OPERATIONS 2000
#define AT_ONCE    100

/* A number, and an entry's id: words that are good for the next three calls. */
static char *next_word(void) {
    static char words[4][48];
    static unsigned at;
    return words[at++ % ARRAY_LEN(words)];
}
static const char *number(uint64_t n) {
    char *out = next_word();
    sprintf(out, "%llu", (unsigned long long)n);
    return out;
}
static const char *entry(uint64_t n) {
    char *out = next_word();
    sprintf(out, "%llu-1", (unsigned long long)n + 1);
    return out;
}

typedef void nth_fn(struct connection *c, uint64_t n);

static void add(struct connection *c, uint64_t n) {
    REQUEST(c, "XADD", "s", entry(n), "d", payload);
}
static void claim(struct connection *c, uint64_t n) {
    REQUEST(c, "XCLAIM", "s", "g", "c", "0", entry(n % THINGS), "IDLE", number(draw(100000000)),
            "JUSTID");
}
/* Every second one, from both ends, so that each is a hole of its own. */
static void delete (struct connection *c, uint64_t n) {
    uint64_t k = n / 2;
    REQUEST(c, "XDEL", "s", entry(2 * (n % 2 == 0 ? k : THINGS + OPERATIONS - 1 - k)));
}
static void make_consumer(struct connection *c, uint64_t n) {
    REQUEST(c, "XGROUP", "CREATECONSUMER", "s", "g", number(n * 7919 % 1000003));
}
static void make_group(struct connection *c, uint64_t n) {
    REQUEST(c, "XGROUP", "CREATE", "s", number(n * 7919 % 1000003), "0");
}
static void add_capped(struct connection *c, uint64_t n) {
    REQUEST(c, "XADD", "s", "MAXLEN", "5", entry(THINGS + n), "d", payload);
}
static void add_taking(struct connection *c, uint64_t n) {
    REQUEST(c, "XADD", "t", "DELREF", "MAXLEN", "1000000", entry(THINGS + n), "d", payload);
}
static void delete_behind_first(struct connection *c, uint64_t n) {
    REQUEST(c, "XDEL", "s", entry(n + 1));
}

static void each(struct inside *in, nth_fn *one, uint64_t from, uint64_t to, bool counted) {
    for (uint64_t n = from; n < to;) {
        for (uint64_t end = MIN(n + AT_ONCE, to); n < end; n++) one(&in->connections[0], n);
        inside_round(in, counted);
    }
}

static void counted(struct inside *in, nth_fn *one, uint64_t from) {
    count_start();
    each(in, one, from, from + OPERATIONS, true);
    count_finish(OPERATIONS);
}

static void start(struct inside *in, uint64_t entries) {
    inside_start(in, 1, "1gb");
    each(in, add, 0, entries, false);
    REQUEST(&in->connections[0], "XGROUP", "CREATE", "s", "g", "0");
    inside_round(in, false);
}

static void start_pending(struct inside *in) {
    start(in, THINGS);
    for (unsigned n = 0; n < THINGS; n += 1000) {
        REQUEST(&in->connections[0], "XREADGROUP", "GROUP", "g", "c", "COUNT", "1000", "STREAMS",
                "s", ">");
        inside_round(in, false);
    }
}

/* What one of 20,000 connections holds changes, and the share of each is found anew. */
static void count_shares(void) {
    static struct levels levels;
    static uint64_t held[THINGS];
    uint64_t found = 0;
    for (uint64_t n = 0; n < THINGS + OPERATIONS; n++) {
        uint64_t at = n % THINGS, now = LEVEL_LEAST + draw(64 * LEVEL_LEAST);
        if (n == THINGS) count_start();
        if (n >= THINGS) count_begin();
        levels_change(&levels, held[at], now);
        if (n >= THINGS) found += levels_find(&levels, levels.all / 2);
        if (n >= THINGS) count_end();
        held[at] = now;
    }
    if (found == 0) die("no level was found");
    count_finish(OPERATIONS);
}

void count_grown(const char *what) {
    static struct inside in;
    if (strcmp(what, "shares") == 0) count_shares();
    if (strcmp(what, "claim") == 0) {
        start_pending(&in);
        each(&in, claim, 0, THINGS, false);
        counted(&in, claim, THINGS);
    } else if (strcmp(what, "references") == 0) { /* a copy does not know where they led to */
        start_pending(&in);
        each(&in, delete_behind_first, 0, THINGS - 1, false);
        REQUEST(&in.connections[0], "XACK", "s", "g", entry(0));
        REQUEST(&in.connections[0], "COPY", "s", "t");
        inside_round(&in, false);
        counted(&in, add_taking, 0);
    } else if (strcmp(what, "delete") == 0) {
        start(&in, 2 * (THINGS + OPERATIONS));
        each(&in, delete, 0, THINGS, false);
        counted(&in, delete, THINGS);
    } else if (strcmp(what, "consumer") == 0) {
        start(&in, 1);
        each(&in, make_consumer, 0, THINGS, false);
        counted(&in, make_consumer, THINGS);
    } else {
        start(&in, 1);
        each(&in, make_group, 0, THINGS, false);
        counted(&in, add_capped, 0);
    }
}
