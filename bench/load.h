#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include "hist.h"
#include "reply.h"
#include "request.h"
#include "talk.h"

/* A run: connections in up to two roles (writers and readers), driven until a number of
 * requests is answered or a time is over. */

/* What a group of connections does, and what came of it. */
struct role {
    const char *name;
    struct request_spec spec;
    unsigned connections;
    unsigned depth; /* requests sent in one write; the next ones follow when all are answered */
    double rate;    /* requests a second for the whole role; 0: as fast as it goes */
    uint64_t limit; /* requests to send; 0: until the time is over */
    uint64_t event_limit;  /* instead of limit, where others decide how many events come */
    bool until_empty;      /* stop at the first empty page */
    struct talk_spec talk; /* of connections that make their requests from the replies */
    struct reply_shape shape;
    /* results */
    struct reply_sum sum;
    struct hist hist;
    uint64_t requests; /* answered */
    uint64_t bytes_in, bytes_out;
    /* private */
    struct request request;
    uint64_t sent;
    uint64_t due_ns;   /* when the next batch may leave, with a rate */
    struct conn *idle; /* connections waiting for that, first in first out */
    struct conn **idle_tail;
    uint64_t seen_requests, seen_events; /* at the last progress line */
    struct hist seen_hist;
};

/* One second of the run, for --json and for judging whether a rate was sustained. */
struct load_second {
    uint64_t requests, events;
    uint64_t p50_ns, p99_ns;
};

struct load {
    const char *host, *unix_path;
    unsigned port;
    unsigned resp;  /* 0: no HELLO */
    double seconds; /* 0: until all limits are reached */
    double warmup;  /* seconds before anything is counted */
    double timeout; /* seconds without any reply after which the run has failed */
    bool progress;
    uint64_t seed;
    struct role *roles;
    unsigned role_count;
    /* results */
    double elapsed, cpu;        /* seconds, both without the warm-up */
    struct load_second *series; /* of the first role */
    unsigned series_count;
};

/* Fills in what the replies of the role's kind of request look like. */
void role_expect(struct role *role, bool full_parse);
/* Events that the role's requests wrote or read. */
uint64_t role_events(const struct role *role);
/* Runs to the end. Returns 0, or -1 with the reason on stderr (no connection, no reply). Errors in
 * replies are counted in the roles, not returned. */
int load_run(struct load *l);
void load_clear(struct load *l);

uint64_t clock_ns(void);

#endif
