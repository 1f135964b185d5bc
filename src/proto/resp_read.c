/* The request parser. One pass, in place, and resumable: what is known about an unfinished
 * request is where its next element starts and the arguments before it, as offsets, so the buffer
 * may move in between. The answer never depends on how the bytes were cut into pieces.
 *
 * fast_bulk() takes an element that is whole and as every client writes it; anything else (not
 * all there, another type, an error) goes to slow_element(), which alone knows the rules. Where
 * Redis is lenient only because it does not look (the CR LF behind a bulk, the LF of a length
 * line), we look: a wrong length is an error at its place, not a desync later.
 *
 * Memory follows the bytes that came, never what a length line promises. */
#include "proto/resp.h"

#include "base/alloc.h"

/* Arrays larger than this are given back after the request that needed them. */
#define ARGS_CAP_KEPT   1024
#define INLINE_CAP_KEPT 1024

static const char text_mbulk[] = "invalid multibulk length";
static const char text_bulk[] = "invalid bulk length";
static const char text_large[] = "request too large";

/* Redis' words before AUTH are others. */
static const char *too_many(const struct resp_limits *limits) {
    return limits->unauthenticated ? "unauthenticated multibulk length" : text_mbulk;
}

static const char *too_long(const struct resp_limits *limits) {
    return limits->unauthenticated ? "unauthenticated bulk length" : text_bulk;
}

void resp_reader_init(struct resp_reader *r) {
    *r = (struct resp_reader){0};
}

void resp_reader_clear(struct resp_reader *r) {
    free(r->args);
    free(r->inline_copy);
    resp_reader_init(r);
}

void resp_reader_restart(struct resp_reader *r) {
    r->args_len = r->scanned = r->searched = 0;
    r->wanted = 0;
}

static enum resp_status finish(struct resp_reader *r, size_t consumed) {
    r->argc = r->args_len;
    r->consumed = consumed;
    resp_reader_restart(r);
    return RESP_OK;
}

static enum resp_status unfinished(struct resp_reader *r, size_t needed) {
    r->needed = needed;
    return RESP_UNFINISHED;
}

static enum resp_status invalid(struct resp_reader *r, const char *text) {
    snprintf(r->error, sizeof r->error, "Protocol error: %s", text);
    resp_reader_restart(r);
    return RESP_INVALID;
}

static void args_grow(struct resp_reader *r) {
    r->args_cap = r->args_cap > 0 ? r->args_cap * 2 : 16;
    r->args = xrealloc(r->args, r->args_cap * sizeof *r->args);
}

static inline void args_push(struct resp_reader *r, const char *ptr, size_t len) {
    if (UNLIKELY(r->args_len == r->args_cap)) args_grow(r);
    r->args[r->args_len++] = (struct str){ptr, len};
}

static inline const char *as_offset(size_t offset) {
    return (const char *)(uintptr_t)offset;
}

/* Looks for the line's end (`mark`: CR, or LF when inline) from the element's start on. The line
 * may hold at most inline_max bytes, and with `tail` bytes at its end must fit into request_max;
 * whichever is reached first names the error, so that a line's first bytes tell as much as all of
 * it. RESP_OK: *end is the mark's offset. */
static enum resp_status find_line(struct resp_reader *r, const char *data, size_t len,
                                  const struct resp_limits *limits, char mark, size_t tail,
                                  const char *too_big, size_t *end) {
    uint64_t last = r->scanned + MIN(limits->inline_max, (uint64_t)SIZE_MAX / 4);
    if (limits->request_max < last + tail) {
        if (limits->request_max < r->scanned + tail) return invalid(r, text_large);
        last = limits->request_max - tail;
        too_big = text_large;
    }
    size_t from = MAX(r->searched, r->scanned), until = (size_t)MIN((uint64_t)len, last + 1);
    const char *at = from < until ? memchr(data + from, mark, until - from) : NULL;
    if (at == NULL) {
        if (until > last) return invalid(r, too_big);
        r->searched = until;
        return unfinished(r, len + 1);
    }
    *end = (size_t)(at - data);
    return RESP_OK;
}

/* As Redis' string2ll: no sign but '-', no leading zeros. */
static bool length_parse(const char *p, size_t n, int64_t *out) {
    size_t sign = n > 0 && p[0] == '-';
    if (n == sign || p[sign] == '+' || (p[sign] == '0' && n > 1)) return false;
    return str_to_i64(str_of(p, n), out);
}

/* "*n CR LF", the head of an array. */
static enum resp_status read_head(struct resp_reader *r, const char *data, size_t len,
                                  const struct resp_limits *limits) {
    size_t end;
    enum resp_status status =
        find_line(r, data, len, limits, '\r', 2, "too big mbulk count string", &end);
    if (status != RESP_OK) return status;
    if (end + 1 == len) return unfinished(r, len + 1);
    int64_t count;
    if (data[end + 1] != '\n' || !length_parse(data + 1, end - 1, &count) || count > INT32_MAX)
        return invalid(r, text_mbulk);
    if (count > 0 && (uint64_t)count > limits->args_max) return invalid(r, too_many(limits));
    r->wanted = count > 0 ? (uint64_t)count : 0;
    r->scanned = end + 2;
    return RESP_OK;
}

/* One element of any kind, or as much of it as is there. RESP_OK: it is in args. */
static enum resp_status slow_element(struct resp_reader *r, const char *data, size_t len,
                                     const struct resp_limits *limits) {
    size_t end, start = r->scanned;
    enum resp_status status =
        find_line(r, data, len, limits, '\r', 2, "too big bulk count string", &end);
    if (status != RESP_OK) return status;
    if (end + 1 == len) return unfinished(r, len + 1);
    char type = data[start];
    bool line_ok = data[end + 1] == '\n';
    if (type == '+' || type == ':') {
        if (!line_ok) return invalid(r, text_bulk);
        if (end - start - 1 > limits->bulk_max) return invalid(r, too_long(limits));
        args_push(r, as_offset(start + 1), end - start - 1);
        r->scanned = end + 2;
        return RESP_OK;
    }
    if (type != '$') {
        char text[32];
        bool printable = (unsigned char)type >= ' ' && type != 0x7f;
        snprintf(text, sizeof text, "expected '$', got '%c'", printable ? type : '?');
        return invalid(r, text);
    }
    int64_t n;
    if (!line_ok || !length_parse(data + start + 1, end - start - 1, &n) || n < 0)
        return invalid(r, text_bulk);
    size_t body = end + 2;
    if ((uint64_t)n > limits->bulk_max) return invalid(r, too_long(limits));
    assert(body <= limits->request_max);
    if ((uint64_t)n + 2 > limits->request_max - body) return invalid(r, text_large);
    if ((uint64_t)n + 2 > len - body) return unfinished(r, body + (size_t)n + 2);
    if (data[body + (size_t)n] != '\r' || data[body + (size_t)n + 1] != '\n')
        return invalid(r, text_bulk);
    args_push(r, as_offset(body), (size_t)n);
    r->scanned = body + (size_t)n + 2;
    return RESP_OK;
}

/* "$n CR LF bytes CR LF" at p. Returns the bytes' length and sets *body, or -1 when anything is
 * not as usual. `end` is where the data, or the longest request, ends. */
static inline int64_t fast_bulk(const char *p, const char *end, const char **body) {
    if (UNLIKELY(end - p < 6 || p[0] != '$')) return -1;
    unsigned digit = (unsigned)(unsigned char)p[1] - '0';
    if (UNLIKELY(digit > 9)) return -1;
    int64_t n = digit;
    p += 2;
    if (*p != '\r') {
        const char *stop = MIN(end - 2, p + 9);
        if (UNLIKELY(n == 0)) return -1; /* a leading zero */
        for (; p < stop && (digit = (unsigned)(unsigned char)*p - '0') <= 9; p++)
            n = n * 10 + digit;
        if (UNLIKELY(*p != '\r')) return -1;
    }
    if (UNLIKELY(p[1] != '\n')) return -1;
    p += 2;
    if (UNLIKELY(end - p < n + 2)) return -1;
    if (UNLIKELY(p[n] != '\r' || p[n + 1] != '\n')) return -1;
    *body = p;
    return n;
}

static enum resp_status read_array(struct resp_reader *r, const char *data, size_t len,
                                   const struct resp_limits *limits) {
    if (r->wanted == 0) {
        enum resp_status status = read_head(r, data, len, limits);
        if (status != RESP_OK) return status;
        if (r->wanted == 0) return finish(r, r->scanned);
    }
    const char *end = data + MIN((uint64_t)len, limits->request_max);
    while (r->args_len < r->wanted) {
        const char *body;
        int64_t n = fast_bulk(data + r->scanned, end, &body);
        if (LIKELY(n >= 0 && (uint64_t)n <= limits->bulk_max)) {
            args_push(r, as_offset((size_t)(body - data)), (size_t)n);
            r->scanned = (size_t)(body - data) + (size_t)n + 2;
            continue;
        }
        enum resp_status status = slow_element(r, data, len, limits);
        if (status != RESP_OK) return status;
    }
    for (size_t i = 0; i < r->args_len; i++) r->args[i].ptr = data + (uintptr_t)r->args[i].ptr;
    return finish(r, r->scanned);
}

/* Inline requests */

static inline bool is_space(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* The byte that the escape at p (behind the backslash) stands for; *p moves behind it. */
static char unescape(const char **p, const char *end) {
    const char *at = *p;
    if (*at == 'x' && end - at >= 3 && hex_digit(at[1]) >= 0 && hex_digit(at[2]) >= 0) {
        *p = at + 3;
        return (char)(hex_digit(at[1]) << 4 | hex_digit(at[2]));
    }
    *p = at + 1;
    switch (*at) {
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    case 'b':
        return '\b';
    case 'a':
        return '\a';
    default:
        return *at;
    }
}

/* Copies the quoted part behind an opening quote to *out; both pointers move. false: it is not
 * closed, or what follows the closing quote is not a space. */
static bool copy_quoted(const char **from, const char *end, char quote, char **out) {
    const char *p = *from;
    char *to = *out;
    while (p < end && *p != quote) {
        if (*p == '\\' && p + 1 < end && (quote == '"' || p[1] == '\'')) {
            p++;
            *to++ = quote == '"' ? unescape(&p, end) : *p++;
        } else {
            *to++ = *p++;
        }
    }
    if (p == end) return false;
    p++;
    *from = p;
    *out = to;
    return p == end || is_space(*p);
}

/* Splits [p, end) into arguments, copied unquoted to `to`. Redis' rules: a quote may open inside
 * a word and ends the argument where it closes. */
static const char *split_inline(struct resp_reader *r, const char *p, const char *end, char *to,
                                const struct resp_limits *limits) {
    for (;;) {
        while (p < end && is_space(*p)) p++;
        if (p == end) return NULL;
        char *start = to;
        while (p < end && *p != ' ' && *p != '\n' && *p != '\r' && *p != '\t') {
            char c = *p++;
            if (c != '"' && c != '\'') {
                *to++ = c;
            } else {
                if (!copy_quoted(&p, end, c, &to)) return "unbalanced quotes in request";
                break;
            }
        }
        if (r->args_len == limits->args_max) return too_many(limits);
        args_push(r, start, (size_t)(to - start));
    }
}

static enum resp_status read_inline(struct resp_reader *r, const char *data, size_t len,
                                    const struct resp_limits *limits) {
    size_t end;
    enum resp_status status =
        find_line(r, data, len, limits, '\n', 1, "too big inline request", &end);
    if (status != RESP_OK) return status;
    const char *nul = memchr(data, '\0', end); /* ends the arguments, as in Redis */
    size_t text_len = nul != NULL ? (size_t)(nul - data) : end;
    if (r->inline_cap < text_len) {
        r->inline_copy = xrealloc(r->inline_copy, text_len);
        r->inline_cap = text_len;
    }
    const char *error = split_inline(r, data, data + text_len, r->inline_copy, limits);
    if (error != NULL) return invalid(r, error);
    return finish(r, end + 1);
}

enum resp_status resp_read(struct resp_reader *r, const char *data, size_t len,
                           const struct resp_limits *limits) {
    assert(r->scanned <= len);
    r->argc = 0;
    if (len == 0) return unfinished(r, 1);
    if (UNLIKELY(r->args_cap > ARGS_CAP_KEPT) && r->scanned == 0) {
        free(r->args);
        r->args = NULL;
        r->args_cap = 0;
    }
    if (LIKELY(data[0] == '*')) return read_array(r, data, len, limits);
    if (r->inline_cap > INLINE_CAP_KEPT) {
        free(r->inline_copy);
        r->inline_copy = NULL;
        r->inline_cap = 0;
    }
    return read_inline(r, data, len, limits);
}
