#ifndef BENCH_TALK_H
#define BENCH_TALK_H

#include "entries.h"
#include "piece.h"

#include <stdbool.h>

/* Connections that need what the last reply said to make their next request: consumers of a group,
 * which acknowledge the ids that they got, and followers, which ask for what comes after the
 * last one. One request is in flight at a time. Subscribers and listeners ask once. They and
 * followers check that they get each stamped event, once, and whole. No sockets here: load.c sends
 * and receives. */

struct role;

enum talk_kind {
    TALK_NONE,   /* prepared requests (request.h) */
    TALK_GROUP,  /* XREADGROUP ... >, then XACK of all that came */
    TALK_FOLLOW, /* XREAD BLOCK 0 after the last entry; entries are stamped (request.h) */
    TALK_PUSH,   /* ESUBSCRIBE; events are stamped */
    TALK_LISTEN, /* SUBSCRIBE or PSUBSCRIBE; what is published is stamped */
};

/* What all connections of a role have in common. */
struct talk_spec {
    enum talk_kind kind;
    const char *stream; /* TALK_LISTEN: a channel, or a pattern if there is a star in it */
    const char *group;
    unsigned count;
    bool keep;           /* TALK_GROUP: acknowledge nothing */
    bool json;           /* TALK_LISTEN: messages are events, as JSON, `data` at their end */
    char after[48];      /* TALK_FOLLOW: the entry after which all begin; TALK_PUSH: the position */
    const char *payload; /* of each event, but for its stamp; NULL: it is not looked at */
    size_t payload_len;
};

/* How far one stamped event may be in front of another that has not come. */
#define TALK_AHEAD 65536

struct talk {
    const struct talk_spec *spec;
    struct piece out; /* the request to be sent now; empty when there is none */
    bool hears; /* TALK_LISTEN: it has been answered, and gets what is published from now on */
    /* private */
    struct piece in;      /* a reply of which something is missing */
    struct piece read;    /* the prepared XREADGROUP */
    struct entries reply; /* the last one */
    uint64_t begin_ns;    /* when the XREADGROUP left */
    uint64_t acking;      /* entries in the XACK that is in flight; 0: none is */
    char last[48];        /* TALK_FOLLOW: id of the last entry */
    int64_t cursor;       /* TALK_PUSH: of the last event, -1 before */
    uint64_t next;        /* all before this number have come */
    uint64_t *come;       /* of those from there on: bits, TALK_AHEAD of them */
};

/* `spec` stays the caller's and must live as long; index tells the consumers of a role apart. */
void talk_init(struct talk *t, const struct talk_spec *spec, unsigned index);
void talk_clear(struct talk *t);
/* Puts the first request into t->out. */
void talk_begin(struct talk *t, struct role *role, uint64_t now_ns);
/* Takes n received bytes, counts what they bring in the role, and puts what is to be sent next into
 * t->out. Returns 0, or -1 when the conversation cannot go on (the reason is in
 * role->sum.first_error). */
int talk_take(struct talk *t, struct role *role, const char *p, size_t n, uint64_t now_ns);

#endif
