#ifndef BENCH_REQUEST_H
#define BENCH_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Requests built once, as bytes, in which only fixed-width fields change from one to the next. */

/* A stamped payload begins with the time in ns and a number that counts them from 0. */
enum {
    REQUEST_STAMP_DIGITS = 20,
    REQUEST_NUMBER_DIGITS = 12,
    REQUEST_STAMP = REQUEST_STAMP_DIGITS + REQUEST_NUMBER_DIGITS,
};

enum request_kind {
    REQUEST_APPEND,
    REQUEST_MAPPEND,
    REQUEST_XADD,
    REQUEST_XADD_MULTI,
    REQUEST_READ,
    REQUEST_XRANGE,
    REQUEST_SCAN,    /* EPSCAN page after page */
    REQUEST_FOLLOW,  /* the same with EREAD and FIELDS */
    REQUEST_PUBLISH, /* to the channel that is named as the stream would be */
    REQUEST_PING,
    REQUEST_RAW,
};

/* What a request is made of. */
struct request_spec {
    enum request_kind kind;
    const char *raw;      /* the command of REQUEST_RAW, with {stream} {payload} {n} {uuid} */
    const char *prefix;   /* stream names are this and a number of fixed width */
    uint64_t streams;     /* how many there are: sets the width of the number */
    uint64_t among;       /* pick from the first so many of them; 0: from all */
    size_t payload_bytes; /* size of the payload of each event */
    unsigned batch;       /* events of one EMAPPEND or MULTI */
    unsigned count;       /* COUNT of reads */
    bool spread;          /* events of one batch go to different streams */
    bool in_turn;         /* streams one after the other instead of at random */
    bool stamped;         /* the payload begins with the time of sending and a number */
};

enum patch_kind {
    PATCH_STREAM,
    PATCH_NUMBER,
    PATCH_POSITION,
    PATCH_TIME,
    PATCH_SERIAL, /* of a stamped payload */
    PATCH_UUID
};

struct patch {
    size_t offset;
    enum patch_kind kind;
};

/* `depth` copies of one request, ready to be sent in one write. */
struct request {
    const struct request_spec *spec;
    char *bytes;       /* depth * len */
    size_t len;        /* of one request */
    size_t last_patch; /* nothing from here on ever changes in the whole of bytes */
    unsigned depth;
    unsigned replies; /* replies to one request */
    unsigned events;  /* events that one request writes (reads count what comes back) */
    unsigned digits;  /* width of a stream number */
    struct patch *patches;
    size_t patch_count;
    size_t patch_room;
    uint64_t random; /* state of the generator */
    uint64_t number; /* next {n}, and next stream when in turn */
    uint64_t serial; /* of the next stamped payload */
};

/* Builds the request; `spec` stays the caller's and must live as long. Returns 0, or -1 when the
 * raw command is empty. */
int request_init(struct request *r, const struct request_spec *spec, unsigned depth, uint64_t seed);
void request_clear(struct request *r);
/* The payload of every event, but for the stamp: n printable bytes without line ends, the same for
 * the same n. The caller frees it. */
char *request_payload(size_t n);
/* Gives the first n copies new streams, numbers, ids, and now_ns as their time of sending. */
void request_patch(struct request *r, unsigned n, uint64_t now_ns);

#endif
