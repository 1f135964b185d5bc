/* Strings that are changed: INCR DECR INCRBY DECRBY INCRBYFLOAT APPEND SETRANGE. Each of them keeps
 * the deadline, and each is the whole value anew: in memory, in the journal, as a row. */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "server/server.h"
#include "server/wait/need.h"
#include "commands/keys/family.h"
#include "commands/keys/string.h"
#include "commands/stream/args.h"

#define FLOAT_TEXT_MAX (5 * 1024) /* the longest long double has 4,933 digits before the point */

static void change(struct client *c, struct stream *s, struct str value, const char *event) {
    string_set(c, s, value, string_deadline(s), event);
    client_commit(c);
}

/* ---- numbers ---- */

static enum outcome add(struct client *c, const struct request *r, int64_t n) {
    struct stream *s;
    int64_t value = 0;
    if (!string_name_or_reply(c, r->argv[1])) return REPLIED;
    if (!need_stream(c, r->argv[1], &s)) return PARKED;
    if (!string_or_reply(c, s)) return REPLIED;
    if (s->state == STREAM_LIVE && !xarg_i64_or_reply(c, string_value(s), &value)) return REPLIED;
    if (__builtin_add_overflow(value, n, &value)) {
        reply_error(c, "ERR increment or decrement would overflow");
        return REPLIED;
    }
    char text[20];
    change(c, s, str_of(text, i64_to_dec(value, text)), "incrby");
    reply_int(c, value);
    return REPLIED;
}

/* INCR key */
enum outcome cmd_incr(struct client *c, const struct request *r) {
    return add(c, r, 1);
}
/* DECR key */
enum outcome cmd_decr(struct client *c, const struct request *r) {
    return add(c, r, -1);
}
/* INCRBY key increment */
enum outcome cmd_incrby(struct client *c, const struct request *r) {
    int64_t n;
    return xarg_i64_or_reply(c, r->argv[2], &n) ? add(c, r, n) : REPLIED;
}
/* DECRBY key decrement */
enum outcome cmd_decrby(struct client *c, const struct request *r) {
    int64_t n;
    if (!xarg_i64_or_reply(c, r->argv[2], &n)) return REPLIED;
    if (n != INT64_MIN) return add(c, r, -n);
    reply_error(c, "ERR decrement would overflow");
    return REPLIED;
}

/* As Redis reads one: all that strtold takes, but for white space in front, and not a number. */
static bool parse_float_or_reply(struct client *c, struct str text, long double *out) {
    char copy[FLOAT_TEXT_MAX], *end = copy;
    bool good = text.len > 0 && text.len < sizeof copy && !isspace((unsigned char)text.ptr[0]);
    if (good) {
        memcpy(copy, text.ptr, text.len);
        copy[text.len] = '\0';
        errno = 0;
        *out = strtold(copy, &end);
        bool out_of_range = errno == ERANGE && (isinf(*out) || fpclassify(*out) == FP_ZERO);
        good = end == copy + text.len && !out_of_range && errno != EINVAL && !isnan(*out);
    }
    if (!good) reply_error(c, "ERR value is not a valid float");
    return good;
}

/* 17 digits behind the point, without zeros at the end. */
static struct str float_text(long double v, char *text, size_t size) {
    size_t len = (size_t)snprintf(text, size, "%.17Lf", v);
    assert(len < size);
    while (text[len - 1] == '0') len--;
    if (text[len - 1] == '.') len--;
    struct str s = str_of(text, len);
    return str_eq(s, STR("-0")) ? STR("0") : s;
}

/* INCRBYFLOAT key increment */
enum outcome cmd_incrbyfloat(struct client *c, const struct request *r) {
    struct stream *s;
    long double value = 0, n;
    if (!string_name_or_reply(c, r->argv[1])) return REPLIED;
    if (!need_stream(c, r->argv[1], &s)) return PARKED;
    if (!string_or_reply(c, s)) return REPLIED;
    if (s->state == STREAM_LIVE && !parse_float_or_reply(c, string_value(s), &value))
        return REPLIED;
    if (!parse_float_or_reply(c, r->argv[2], &n)) return REPLIED;
    value += n;
    if (isnan(value) || isinf(value)) {
        reply_error(c, "ERR increment would produce NaN or Infinity");
        return REPLIED;
    }
    char text[FLOAT_TEXT_MAX];
    struct str to = float_text(value, text, sizeof text);
    change(c, s, to, "incrbyfloat");
    reply_bulk(c, to);
    return REPLIED;
}

/* ---- bytes ---- */

/* The value with `bytes` from `at` on, and zeros before them where there was nothing. */
static enum outcome put_at(struct client *c, struct stream *s, uint64_t at, struct str bytes,
                           const char *event) {
    struct str was = string_value(s);
    uint64_t len = MAX(at + bytes.len, (uint64_t)was.len);
    if (!string_fits_or_reply(c, stream_name_str(s->name), len)) return REPLIED;
    struct buf value;
    buf_init(&value, 0);
    char *to = buf_reserve(&value, len);
    if (was.len > 0) memcpy(to, was.ptr, was.len);
    memset(to + was.len, 0, len - was.len);
    if (bytes.len > 0) memcpy(to + at, bytes.ptr, bytes.len);
    change(c, s, str_of(to, len), event);
    buf_clear(&value);
    reply_int(c, (int64_t)len);
    return REPLIED;
}

/* APPEND key value: its length then. */
enum outcome cmd_append(struct client *c, const struct request *r) {
    struct stream *s;
    if (!string_name_or_reply(c, r->argv[1])) return REPLIED;
    if (!need_stream(c, r->argv[1], &s)) return PARKED;
    if (!string_or_reply(c, s)) return REPLIED;
    return put_at(c, s, string_value(s).len, r->argv[2], "append");
}

/* SETRANGE key offset value: its length then. To write nothing makes no key, and changes none. */
enum outcome cmd_setrange(struct client *c, const struct request *r) {
    struct stream *s;
    int64_t at;
    if (!xarg_i64_or_reply(c, r->argv[2], &at)) return REPLIED;
    if (at < 0) {
        reply_error(c, "ERR offset is out of range");
        return REPLIED;
    }
    if (!string_name_or_reply(c, r->argv[1])) return REPLIED;
    if (!need_stream(c, r->argv[1], &s)) return PARKED;
    if (!string_or_reply(c, s)) return REPLIED;
    if (r->argv[3].len > 0) return put_at(c, s, (uint64_t)at, r->argv[3], "setrange");
    reply_int(c, (int64_t)string_value(s).len);
    return REPLIED;
}
