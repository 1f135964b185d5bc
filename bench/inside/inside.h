/* A server inside this process, for counting its instructions: what it does must not depend on
 * anything but the program. Store memory:, turns of the loop taken by hand, connections as socket
 * pairs; time stands still between them, random numbers are the same each time, and no thread but
 * the loop's (this one) decides or writes anything.
 *
 * Requests go out and replies come in uncounted; counted is what the loop does in a turn: reading
 * a request's bytes, running it, handing over the batch, and, when that is durable, opening gates
 * and sending. */
#ifndef BENCH_INSIDE_INSIDE_H
#define BENCH_INSIDE_INSIDE_H

#include "base/buf.h"

#define CONNECTIONS_MAX 1100

struct connection {
    int fd;
    struct buf requests; /* to be sent in the next round */
    struct buf replies;  /* of the last round */
    unsigned expected;   /* so many replies */
};

struct inside {
    struct connection connections[CONNECTIONS_MAX];
    unsigned connection_count;
    unsigned turns; /* that a counted round may take; 0: two */
};

/* How far the clocks go with each look at them, in ns. At first 0. */
extern uint64_t clock_ns_a_look;
void clock_pass_us(uint64_t us);
/* The same numbers in every run. */
uint64_t draw(uint64_t n);
/* 100 printable bytes. */
extern const char payload[];

_Noreturn void die(const char *fmt, ...) PRINTF_LIKE(1, 2);

void inside_start(struct inside *in, unsigned connections, const char *cache_bytes);
/* How many events are no longer in memory. */
uint64_t inside_evicted(void);
/* So many wait for events, each of another selector that none will match. */
void inside_wait_in_vain(unsigned n);
/* The end of the i-th of such selectors, as words of a command. */
void nobodys_selector(unsigned i, const char **word, char value[static 32]);
/* Adds a request to what c sends in the next round. */
void request(struct connection *c, const char *const *words, size_t n);
#define REQUEST(c, ...)                                                                            \
    request(c, (const char *const[]){__VA_ARGS__},                                                 \
            sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *))
/* All connections send what they have, and get all replies; none may be an error. `counted`: each
 * turn counts, and a round takes two turns at most (in->turns), as nothing may have to be loaded.
 */
void inside_round(struct inside *in, bool counted);

/* The counter stands still, but for what is between these two. No more than a no-op when the
 * program does not run under callgrind. */
void count_begin(void);
void count_end(void);
/* Before the first counted stretch; after the last one: the result. */
void count_start(void);
void count_finish(uint64_t operations);

/* The rows: what each counts is in the table of main.c. */
void count_appends(unsigned depth);
void count_appends_full(unsigned depth);
void count_appends_alone(unsigned depth);
void count_xadds(unsigned depth);
void count_multi_appends(void);
void count_multi_appends_with_ids(unsigned events);
void count_pages(const char *command);
void count_groups(unsigned entries);
void count_groups_of_events(const char *key);
void count_pushes_to_one(unsigned clients);
void count_pushes_one_by_one(unsigned subscribers);
void count_pushes_together(unsigned subscribers);
void count_appends_beside_idle(unsigned depth);
void count_appends_beside_rare(unsigned depth);
void count_grown(const char *what);
void count_apply(unsigned events);
void count_apply_with_categories(unsigned n);
void count_reads(const char *how);
void count_journal(unsigned frames_a_batch);

#endif
