/* RESP2 and RESP3: bytes <-> values. No sockets, no commands.
 *
 * Requests are read in place: arguments are views into the connection's input buffer, so a
 * command costs no copy and no allocation. */
#ifndef PROTO_RESP_H
#define PROTO_RESP_H

#include "base/base.h"
#include "base/buf.h"
#include "base/str.h"
#include "base/uuid.h"

enum resp_status {
    RESP_OK,         /* a whole request */
    RESP_UNFINISHED, /* more bytes are needed: not an error */
    RESP_INVALID,    /* protocol error: see `error`; the connection must close */
};

struct resp_limits {
    uint64_t bulk_max;    /* bytes of one argument (proto-max-bulk-len) */
    uint64_t args_max;    /* arguments of one request */
    uint64_t inline_max;  /* bytes of an inline request or of a length line (64 KiB) */
    uint64_t request_max; /* bytes of one whole request */
    bool unauthenticated; /* the limits on arguments are those before AUTH: the errors say so */
};

/* The state of one connection's parser: where it stands in a request that has not come whole,
 * so that no byte is looked at twice. Offsets count from the request's first byte. */
struct resp_reader {
    struct str *args; /* argument views of the last RESP_OK; valid while the buffer is */
    size_t argc;
    size_t consumed; /* bytes of the request, after RESP_OK */
    size_t needed;   /* after RESP_UNFINISHED: how many bytes the request takes at least, in all */
    char error[96];  /* after RESP_INVALID: "Protocol error: ...", Redis' texts */
    /* private: */
    size_t args_cap;
    size_t args_len;   /* found so far; until the request is whole, ptr holds an offset */
    size_t scanned;    /* bytes dealt with: where the next element starts */
    size_t searched;   /* how far its line's end was looked for in vain */
    uint64_t wanted;   /* arguments of the array; 0: not known yet */
    char *inline_copy; /* unquoted arguments of an inline request */
    size_t inline_cap;
};

void resp_reader_init(struct resp_reader *r);
void resp_reader_clear(struct resp_reader *r);
/* Forgets a request that has not come whole. */
void resp_reader_restart(struct resp_reader *r);

/* Looks at the len bytes at data, which start a request (possibly partial). RESP_OK with argc 0:
 * an empty line or *0 / *-1, to be skipped (`consumed` bytes). After UNFINISHED call again with
 * the same bytes and more behind them (the buffer may have moved). After OK the reader is ready
 * for the next request; args stay valid until the next call. Calling it again with the same bytes
 * after OK parses the same request again. Inline requests are split and unquoted as Redis'
 * sdssplitargs does; bulk strings are arrays of `$`; elements may also be `+` simple strings and
 * `:` numbers (taken as text, as SierraDB does). */
enum resp_status resp_read(struct resp_reader *r, const char *data, size_t len,
                           const struct resp_limits *limits);

/* Writers. `resp` is 2 or 3: what the connection speaks. In RESP2 a map is a flat array, a boolean
 * :1/:0, null $-1, a double a bulk string, a push or set an array, verbatim a bulk. */
void resp_put_simple(struct buf *b, struct str s); /* CR, LF and control bytes become spaces */
void resp_put_error(struct buf *b, const char *fmt, ...)
    PRINTF_LIKE(2, 3); /* "CODE text", no '-'; cleaned likewise */
void resp_put_int(struct buf *b, int64_t v);
void resp_put_bulk(struct buf *b, struct str s);
void resp_put_bulk_c(struct buf *b, const char *s);
void resp_put_bulk_u64(struct buf *b, uint64_t v); /* decimal, as a bulk string */
void resp_put_bulkf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
void resp_put_verbatim(struct buf *b, int resp, struct str text); /* =len txt: / bulk */
void resp_put_verbatim_head(struct buf *b, int resp, size_t n);   /* then n bytes and \r\n follow */
void resp_put_null(struct buf *b, int resp);
void resp_put_null_array(struct buf *b, int resp); /* RESP2 *-1, RESP3 _ */
void resp_put_bool(struct buf *b, int resp, bool v);
void resp_put_double(struct buf *b, int resp, double v);
void resp_put_array(struct buf *b, size_t n);
void resp_put_map(struct buf *b, int resp, size_t pairs);
void resp_put_set(struct buf *b, int resp, size_t n);
void resp_put_push(struct buf *b, int resp, size_t n);
/* A uuid as a simple string (RESP3 and RESP2 alike). */
void resp_put_uuid(struct buf *b, const struct uuid *u);

#endif
