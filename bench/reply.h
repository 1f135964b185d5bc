#ifndef BENCH_REPLY_H
#define BENCH_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Skips over RESP2 and RESP3 replies as they arrive, in pieces of any size, keeping nothing but
 * a few counters. See reply.c for how long lists are passed over. */

enum { REPLY_CARRY_MAX = 2048 };

/* What the replies to one kind of request look like; shared by its connections. */
struct reply_shape {
    const char *expect; /* allowed first bytes; others count as errors */
    bool nil_is_error;
    bool list;        /* the reply is, or holds, one list of events */
    bool list_nested; /* the list is the first array inside the reply, not the reply itself */
    bool full;        /* parse every element of every reply */
    /* learned, private */
    uint64_t n;      /* elements of the list in the last replies */
    uint64_t lines;  /* lines after its header */
    uint64_t agreed; /* how many replies in a row had this n and lines */
    uint64_t skimmed;
    bool failed; /* a checked reply contradicted what was learned */
};

/* What has come in so far; shared likewise. */
struct reply_sum {
    uint64_t replies;
    uint64_t errors;
    uint64_t nils;
    uint64_t events;  /* elements of the lists */
    uint64_t empties; /* lists without any */
    char first_error[256];
};

/* One connection's place in its stream of replies. All zero is the start. */
struct reply_scan {
    uint64_t skip;    /* bytes of a bulk string still to pass over */
    uint64_t lines;   /* lines of a skimmed list still to pass over */
    uint64_t pending; /* elements of the current reply still to come */
    uint64_t counted; /* lines since the list's header, when checking in full */
    uint64_t list_n;  /* elements of that list */
    bool inside;      /* within a reply */
    bool push;        /* and it is a push, which answers nothing */
    bool in_list;     /* and its list's header has been seen */
    size_t carry_len; /* bytes of an unfinished line */
    char carry[REPLY_CARRY_MAX];
};

/* Takes the n bytes at p. The REPLY_CARRY_MAX bytes before p must be writable. Returns how many
 * replies ended in them, or -1 when the bytes are not RESP (the text is in sum->first_error). */
int reply_feed(struct reply_scan *r, struct reply_shape *shape, struct reply_sum *sum, char *p,
               size_t n);

#endif
