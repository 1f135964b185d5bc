#ifndef BENCH_ENTRIES_H
#define BENCH_ENTRIES_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Reads whole replies of XREAD and XREADGROUP (RESP2 and RESP3), the short ones of commands like
 * XACK and XADD, and the messages of subscriptions, where reply.h only passes over them. */

enum entries_kind {
    ENTRIES_LIST,   /* what XREAD found, of all streams in one list */
    ENTRIES_NONE,   /* nil */
    ENTRIES_NUMBER, /* `number` */
    ENTRIES_TEXT,   /* a status or a bulk string: `text` */
    ENTRIES_ERROR,  /* `text` says which */
};

/* The pointers lead into the bytes that were read. An entry that was deleted has no value. */
struct entry {
    const char *id, *value; /* value: of its first field */
    size_t id_len, value_len;
};

/* All zero at first; one struct serves for any number of replies. Free `list` at the end. */
struct entries {
    enum entries_kind kind;
    struct entry *list;
    size_t count, room;
    int64_t number;
    const char *text;
    size_t text_len;
};

/* Reads the reply that begins at p. Returns its length; 0 when the n bytes do not hold all of it
 * yet; -1 when they are no such reply. */
ssize_t entries_read(struct entries *e, const char *p, size_t n);

/* What comes to a subscriber. */
enum pushed_kind {
    PUSHED_EVENT,
    PUSHED_MESSAGE, /* of a channel, also by a pattern */
    PUSHED_OTHER,   /* the reply to ESUBSCRIBE, and notices */
    PUSHED_END,     /* no more comes: an error, or the message `end`; `text` says why */
};

/* The pointers lead into the bytes that were read. */
struct pushed {
    enum pushed_kind kind;
    int64_t cursor;
    const char *payload; /* the event's last field; the message */
    size_t payload_len;
    const char *text;
    size_t text_len;
};

/* Reads the message that begins at p; returns as entries_read does. */
ssize_t pushed_read(struct pushed *m, const char *p, size_t n);

#endif
