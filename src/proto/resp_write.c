/* The reply writer: values -> RESP bytes, appended to a buf. Each put reserves once for all that
 * it writes, so a buf with a limit never holds half a value. What differs between RESP2 and RESP3
 * is decided here and nowhere else. */
#include "proto/resp.h"

#include <math.h>
#include <stdarg.h>

#include "base/alloc.h"

#define HEAD_MAX 24 /* a type byte, 20 digits, CR LF */

static inline char *put_crlf(char *at) {
    memcpy(at, "\r\n", 2);
    return at + 2;
}

/* "$12 CR LF" and the like; returns where to go on. */
static inline char *put_head(char *at, char type, uint64_t n) {
    *at++ = type;
    if (LIKELY(n < 10))
        *at++ = (char)('0' + n);
    else
        at += u64_to_dec(n, at);
    return put_crlf(at);
}

static inline void put_head_only(struct buf *b, char type, uint64_t n) {
    char *at = buf_reserve(b, HEAD_MAX);
    if (at == NULL) return;
    b->len += (size_t)(put_head(at, type, n) - at);
}

/* A line cannot hold control bytes: each becomes a space. */
static void clean(char *p, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (UNLIKELY((unsigned char)p[i] < ' ' || p[i] == 0x7f)) p[i] = ' ';
    }
}

void resp_put_simple(struct buf *b, struct str s) {
    char *at = buf_reserve(b, s.len + 3);
    if (at == NULL) return;
    *at = '+';
    if (s.len > 0) memcpy(at + 1, s.ptr, s.len);
    clean(at + 1, s.len);
    put_crlf(at + 1 + s.len);
    b->len += s.len + 3;
}

void resp_put_error(struct buf *b, const char *fmt, ...) {
    char text[512], *heap = NULL, *p = text;
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    assert(n >= 0);
    size_t len = (size_t)n;
    if (len >= sizeof text) {
        p = heap = xmalloc(len + 1);
        va_start(args, fmt);
        vsnprintf(heap, len + 1, fmt, args);
        va_end(args);
    }
    while (len > 0 && (p[len - 1] == '\n' || p[len - 1] == '\r')) len--;
    clean(p, len);
    char *at = buf_reserve(b, len + 3);
    if (at != NULL) {
        *at = '-';
        memcpy(at + 1, p, len);
        put_crlf(at + 1 + len);
        b->len += len + 3;
    }
    free(heap);
}

void resp_put_int(struct buf *b, int64_t v) {
    char *at = buf_reserve(b, HEAD_MAX), *start = at;
    if (at == NULL) return;
    *at++ = ':';
    at += i64_to_dec(v, at);
    at = put_crlf(at);
    b->len += (size_t)(at - start);
}

/* A counted string of one of the types '$' and '='; what stands in `before` is counted too. */
static inline void put_counted(struct buf *b, char type, struct str before, struct str s) {
    char *at = buf_reserve(b, HEAD_MAX + before.len + s.len + 2), *start = at;
    if (at == NULL) return;
    at = put_head(at, type, before.len + s.len);
    if (before.len > 0) memcpy(at, before.ptr, before.len);
    at += before.len;
    if (s.len > 0) memcpy(at, s.ptr, s.len);
    at = put_crlf(at + s.len);
    b->len += (size_t)(at - start);
}

void resp_put_bulk(struct buf *b, struct str s) {
    put_counted(b, '$', (struct str){0}, s);
}

void resp_put_bulk_c(struct buf *b, const char *s) {
    resp_put_bulk(b, str_c(s));
}

void resp_put_bulk_u64(struct buf *b, uint64_t v) {
    char digits[20];
    resp_put_bulk(b, str_of(digits, u64_to_dec(v, digits)));
}

void resp_put_bulkf(struct buf *b, const char *fmt, ...) {
    char text[512], *heap = NULL;
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    assert(n >= 0);
    if ((size_t)n >= sizeof text) {
        heap = xmalloc((size_t)n + 1);
        va_start(args, fmt);
        vsnprintf(heap, (size_t)n + 1, fmt, args);
        va_end(args);
    }
    resp_put_bulk(b, str_of(heap != NULL ? heap : text, (size_t)n));
    free(heap);
}

void resp_put_verbatim_head(struct buf *b, int resp, size_t n) {
    if (resp >= 3)
        buf_printf(b, "=%zu\r\ntxt:", n + 4);
    else
        buf_printf(b, "$%zu\r\n", n);
}

void resp_put_verbatim(struct buf *b, int resp, struct str text) {
    if (resp >= 3)
        put_counted(b, '=', STR("txt:"), text);
    else
        resp_put_bulk(b, text);
}

void resp_put_null(struct buf *b, int resp) {
    buf_put_str(b, resp >= 3 ? STR("_\r\n") : STR("$-1\r\n"));
}

void resp_put_null_array(struct buf *b, int resp) {
    buf_put_str(b, resp >= 3 ? STR("_\r\n") : STR("*-1\r\n"));
}

void resp_put_bool(struct buf *b, int resp, bool v) {
    if (resp >= 3)
        buf_put_str(b, v ? STR("#t\r\n") : STR("#f\r\n"));
    else
        buf_put_str(b, v ? STR(":1\r\n") : STR(":0\r\n"));
}

/* Integers without a point, else the fewest of 15 to 17 digits that read back as the same
 * number, and no zeros in front of the exponent: 100, 0.1, 1e+300, 1e-7. */
static size_t double_format(double v, char out[40]) {
    if (isnan(v)) return (size_t)snprintf(out, 40, "nan");
    if (isinf(v)) return (size_t)snprintf(out, 40, v > 0 ? "inf" : "-inf");
    if (v == 0) return (size_t)snprintf(out, 40, signbit(v) ? "-0" : "0");
    if (fabs(v) < 4e18 && v == (double)(int64_t)v) return i64_to_dec((int64_t)v, out);
    size_t len = 0;
    for (int digits = 15; digits <= 17; digits++) {
        len = (size_t)snprintf(out, 40, "%.*g", digits, v);
        if (strtod(out, NULL) == v) break;
    }
    char *e = strchr(out, 'e');
    if (e != NULL && e[2] == '0') {
        memmove(e + 2, e + 3, strlen(e + 3) + 1);
        len--;
    }
    return len;
}

void resp_put_double(struct buf *b, int resp, double v) {
    char text[40];
    struct str s = str_of(text, double_format(v, text));
    if (resp < 3) {
        resp_put_bulk(b, s);
        return;
    }
    char *at = buf_reserve(b, s.len + 3);
    if (at == NULL) return;
    *at = ',';
    memcpy(at + 1, s.ptr, s.len);
    put_crlf(at + 1 + s.len);
    b->len += s.len + 3;
}

void resp_put_array(struct buf *b, size_t n) {
    put_head_only(b, '*', n);
}

void resp_put_map(struct buf *b, int resp, size_t pairs) {
    if (resp >= 3)
        put_head_only(b, '%', pairs);
    else
        put_head_only(b, '*', pairs * 2);
}

void resp_put_set(struct buf *b, int resp, size_t n) {
    put_head_only(b, resp >= 3 ? '~' : '*', n);
}

void resp_put_push(struct buf *b, int resp, size_t n) {
    put_head_only(b, resp >= 3 ? '>' : '*', n);
}

void resp_put_uuid(struct buf *b, const struct uuid *u) {
    char *at = buf_reserve(b, UUID_TEXT_LEN + 3);
    if (at == NULL) return;
    *at = '+';
    uuid_format(u, at + 1);
    put_crlf(at + 1 + UUID_TEXT_LEN);
    b->len += UUID_TEXT_LEN + 3;
}
