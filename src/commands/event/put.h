/* Writing pieces of a reply at a place for which room was made (buf_reserve); each returns where
 * the next piece goes. For the E commands' events, of which a page has thousands. */
#ifndef COMMANDS_EVENT_PUT_H
#define COMMANDS_EVENT_PUT_H

#include "base/str.h"
#include "base/uuid.h"

#define PUT(at, literal) (memcpy((at), (literal), sizeof(literal) - 1), (at) + sizeof(literal) - 1)

static inline char *put_uuid(char *at, const struct uuid *u) {
    uuid_format(u, at);
    at += UUID_TEXT_LEN;
    return PUT(at, "\r\n");
}

static inline char *put_number(char *at, uint64_t v) {
    *at++ = ':';
    at += u64_to_dec(v, at);
    return PUT(at, "\r\n");
}

static inline char *put_bulk(char *at, struct str s) {
    *at++ = '$';
    at += u64_to_dec(s.len, at);
    at = PUT(at, "\r\n");
    if (s.len > 0) memcpy(at, s.ptr, s.len);
    at += s.len;
    return PUT(at, "\r\n");
}

/* ms-seq, without a mark in front. */
static inline char *put_entry_id(char *at, uint64_t ms, uint64_t seq) {
    at += u64_to_dec(ms, at);
    *at++ = '-';
    at += u64_to_dec(seq, at);
    return PUT(at, "\r\n");
}

#endif
