/* The RESP half of an entry's fields: written once when the entry is added, checked when they come
 * from a file, walked when one field is asked for. (The layer of the protocol is not below this
 * one; that these are bytes which it would write too is tested.) */
#include "record/fields.h"

#define PAIRS(count) ((count) >= 2 && (count) % 2 == 0)

/* Digits of n in decimal. */
static inline size_t dec_len(size_t n) {
    size_t digits = 1;
    for (; n >= 10; n /= 10) digits++;
    return digits;
}

/* A type byte, the digits, CR LF. */
static inline char *put_head(char *at, char type, size_t n) {
    *at++ = type;
    if (LIKELY(n < 10)) {
        *at++ = (char)('0' + n);
    } else if (LIKELY(n < 100)) {
        *at++ = (char)('0' + n / 10);
        *at++ = (char)('0' + n % 10);
    } else {
        at += u64_to_dec(n, at);
    }
    *at++ = '\r';
    *at++ = '\n';
    return at;
}

size_t fields_size(const struct str *args, size_t count) {
    assert(PAIRS(count));
    size_t size = 1 + dec_len(count) + 2;
    for (size_t i = 0; i < count; i++) size += 1 + dec_len(args[i].len) + 2 + args[i].len + 2;
    return size;
}

char *fields_write(char *at, const struct str *args, size_t count) {
    assert(PAIRS(count));
    at = put_head(at, '*', count);
    for (size_t i = 0; i < count; i++) {
        at = put_head(at, '$', args[i].len);
        if (args[i].len > 0) memcpy(at, args[i].ptr, args[i].len);
        at += args[i].len;
        *at++ = '\r';
        *at++ = '\n';
    }
    return at;
}

/* Checking */

/* Reads a head of this type. Returns what is behind it; NULL: it is not there, or not canonical. */
static const char *check_head(const char *p, const char *end, char type, size_t *n) {
    if (p == end || *p++ != type) return NULL;
    const char *digits = p;
    size_t v = 0;
    while (p < end && *p >= '0' && *p <= '9') {
        if (__builtin_mul_overflow(v, (size_t)10, &v)) return NULL;
        if (__builtin_add_overflow(v, (size_t)(*p++ - '0'), &v)) return NULL;
    }
    if (p == digits || (*digits == '0' && p - digits > 1)) return NULL;
    if (end - p < 2 || p[0] != '\r' || p[1] != '\n') return NULL;
    *n = v;
    return p + 2;
}

bool fields_valid(struct str resp) {
    if (resp.len == 0) return false;
    const char *end = resp.ptr + resp.len;
    size_t count, len;
    const char *p = check_head(resp.ptr, end, '*', &count);
    if (p == NULL || !PAIRS(count)) return false;
    /* a count that promises too much ends here too, with the bytes */
    for (size_t i = 0; i < count; i++) {
        p = check_head(p, end, '$', &len);
        if (p == NULL) return false;
        size_t have = (size_t)(end - p);
        if (have < 2 || len > have - 2) return false;
        p += len;
        if (p[0] != '\r' || p[1] != '\n') return false;
        p += 2;
    }
    return p == end;
}

/* Walking */

static inline const char *read_head(const char *p, char type, size_t *n) {
    assert(*p == type);
    size_t v = 0;
    for (p++; *p != '\r'; p++) v = v * 10 + (size_t)(*p - '0');
    *n = v;
    return p + 2;
}

static inline struct str read_bulk(struct fields_iter *iter) {
    struct str s;
    s.ptr = read_head(iter->at, '$', &s.len);
    iter->at = s.ptr + s.len + 2;
    iter->left--;
    return s;
}

void fields_first(struct str resp, struct fields_iter *iter) {
    iter->at = read_head(resp.ptr, '*', &iter->left);
}

bool fields_next(struct fields_iter *iter, struct str *field, struct str *value) {
    if (iter->left == 0) return false;
    *field = read_bulk(iter);
    *value = read_bulk(iter);
    return true;
}

size_t fields_count(struct str resp) {
    size_t count;
    read_head(resp.ptr, '*', &count);
    return count / 2;
}

struct str fields_find(struct str resp, struct str name) {
    struct fields_iter iter;
    struct str field, value;
    fields_first(resp, &iter);
    while (fields_next(&iter, &field, &value)) {
        if (str_eq(field, name)) return value;
    }
    return str_of(NULL, 0);
}
