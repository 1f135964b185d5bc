/* What PostgreSQL's types text and jsonb can hold, so that a view that converts never fails: the
 * server says so of each event when it writes it. Stricter than PostgreSQL where that is simpler:
 * what is refused here is shown as bytes. */
#include "store/postgres/internal.h"

#define DEPTH_MAX  256 /* of JSON; PostgreSQL's stack bears some thousands */
#define DIGITS_MAX 1000
#define BYTES_MAX  (1u << 24) /* jsonb has limits of its own, far above */

/* The bytes of the UTF-8 character at p, 0: it is none. */
static size_t utf8_len(const unsigned char *p, size_t left) {
    if (p[0] < 0x80) return 1;
    size_t n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    if (p[0] < 0xc2 || p[0] > 0xf4 || n > left) return 0;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80) return 0;
    if (p[0] == 0xe0 && p[1] < 0xa0) return 0;
    if (p[0] == 0xed && p[1] > 0x9f) return 0; /* surrogates */
    if (p[0] == 0xf0 && p[1] < 0x90) return 0;
    if (p[0] == 0xf4 && p[1] > 0x8f) return 0;
    return n;
}

bool postgres_is_text(struct str s) {
    const unsigned char *p = (const unsigned char *)s.ptr;
    for (size_t i = 0, n; i < s.len; i += n) {
        n = utf8_len(p + i, s.len - i);
        if (n == 0 || p[i] == 0) return false;
    }
    return true;
}

struct str postgres_label(struct str name, struct buf *room) {
    if (postgres_is_text(name)) return name;
    buf_reset(room);
    for (size_t i = 0; i < name.len; i++) {
        unsigned char c = (unsigned char)name.ptr[i];
        if (c == '\\')
            buf_put_str(room, STR("\\\\"));
        else if (c == 0 || c >= 0x80)
            buf_printf(room, "\\%03o", c);
        else
            buf_put(room, &name.ptr[i], 1);
    }
    return buf_str(room);
}

/* --- JSON -------------------------------------------------------------------------------- */

struct json {
    const char *at, *end;
    unsigned depth;
};

static void skip_space(struct json *j) {
    while (j->at < j->end && memchr(" \t\n\r", *j->at, 4) != NULL) j->at++;
}

static bool take(struct json *j, char c) {
    if (j->at == j->end || *j->at != c) return false;
    j->at++;
    return true;
}

static bool take_word(struct json *j, struct str word) {
    if ((size_t)(j->end - j->at) < word.len || memcmp(j->at, word.ptr, word.len) != 0) return false;
    j->at += word.len;
    return true;
}

static bool is_digit(const struct json *j) {
    return j->at < j->end && *j->at >= '0' && *j->at <= '9';
}

static size_t digits(struct json *j) {
    size_t n = 0;
    for (; is_digit(j); j->at++) n++;
    return n;
}

/* Numbers become numeric: 131072 digits in front of the point, 16383 behind it. */
static bool number(struct json *j) {
    take(j, '-');
    if (!is_digit(j)) return false;
    size_t n = 1;
    if (!take(j, '0')) n = digits(j);
    if (take(j, '.')) {
        size_t behind = digits(j);
        if (behind == 0) return false;
        n += behind;
    }
    if (j->at < j->end && (*j->at == 'e' || *j->at == 'E')) {
        j->at++;
        if (!take(j, '-')) take(j, '+');
        size_t of_exponent = digits(j);
        if (of_exponent == 0 || of_exponent > 3) return false;
    }
    return n <= DIGITS_MAX;
}

static int hex4(struct json *j) {
    int v = 0;
    if (j->end - j->at < 4) return -1;
    for (int i = 0; i < 4; i++) {
        char c = *j->at++;
        int d = c >= '0' && c <= '9'   ? c - '0'
                : c >= 'a' && c <= 'f' ? c - 'a' + 10
                : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                       : -1;
        if (d < 0) return -1;
        v = v << 4 | d;
    }
    return v;
}

/* Behind the backslash. Not \u0000, and surrogates only in pairs. */
static bool escape(struct json *j) {
    if (j->at == j->end) return false;
    char c = *j->at++;
    if (c != 'u') return memchr("\"\\/bfnrt", c, 8) != NULL;
    int v = hex4(j);
    if (v <= 0 || (v >= 0xdc00 && v <= 0xdfff)) return false;
    if (v < 0xd800 || v > 0xdbff) return true;
    if (!take_word(j, STR("\\u"))) return false;
    v = hex4(j);
    return v >= 0xdc00 && v <= 0xdfff;
}

static bool string(struct json *j) {
    if (!take(j, '"')) return false;
    while (j->at < j->end) {
        unsigned char c = (unsigned char)*j->at++;
        if (c == '"') return true;
        if (c < 0x20 || (c == '\\' && !escape(j))) return false;
    }
    return false;
}

static bool value(struct json *j);

static bool members(struct json *j, char end, bool named) {
    skip_space(j);
    if (take(j, end)) return true;
    do {
        skip_space(j);
        if (named) {
            if (!string(j)) return false;
            skip_space(j);
            if (!take(j, ':')) return false;
        }
        if (!value(j)) return false;
        skip_space(j);
    } while (take(j, ','));
    return take(j, end);
}

static bool value(struct json *j) {
    skip_space(j);
    if (j->at == j->end || j->depth == DEPTH_MAX) return false;
    if (*j->at == '"') return string(j);
    if (*j->at == '{' || *j->at == '[') {
        bool object = *j->at++ == '{';
        j->depth++;
        bool good = members(j, object ? '}' : ']', object);
        j->depth--;
        return good;
    }
    return take_word(j, STR("true")) || take_word(j, STR("false")) || take_word(j, STR("null")) ||
           number(j);
}

/* Of text. */
bool postgres_is_jsonb(struct str s) {
    struct json j = {s.ptr, s.ptr + s.len, 0};
    if (s.len == 0 || s.len > BYTES_MAX || !value(&j)) return false;
    skip_space(&j);
    return j.at == j.end;
}
