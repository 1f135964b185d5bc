/* The letters of notify-keyspace-events, as Redis has them. */
#ifndef CONFIG_NOTIFY_FLAGS_H
#define CONFIG_NOTIFY_FLAGS_H

#include "base/buf.h"

enum notify_flag {
    NOTIFY_KEYSPACE = 1 << 0, /* K: messages on __keyspace@0__:<key> */
    NOTIFY_KEYEVENT = 1 << 1, /* E: on __keyevent@0__:<event> */
    NOTIFY_GENERIC = 1 << 2,  /* g: what commands on keys of any type do */
    NOTIFY_STRING = 1 << 3,   /* $ */
    NOTIFY_STREAM = 1 << 4,   /* t */
    NOTIFY_EXPIRED = 1 << 5,  /* x */
    NOTIFY_NEW = 1 << 6,      /* n: a key that was not there; no part of A */
};

/* The others have a bit each behind these: they are accepted, and nothing of theirs happens.
 * false: a letter is none. */
MUST_CHECK bool notify_flags_parse(struct str text, uint64_t *flags);
/* In Redis' order, with A for all that it stands for. */
void notify_flags_print(uint64_t flags, struct buf *out);

#endif
