/* The JSON half of an entry's fields. A JSON string holds Unicode, a field holds bytes; what makes
 * the one from the other, and back without loss:
 *
 *   bytes                             in JSON
 *   " \ and below 0x20                \" \\ \b \f \n \r \t, else \u00xx
 *   other ASCII, valid UTF-8          as they are
 *   any other byte (0x80 to 0xff)     \udc80 to \udcff
 *
 * The last are lone low surrogates, as Python's surrogateescape has them (PEP 383). They cannot be
 * taken for text: UTF-8 that encodes surrogates is not valid, so its bytes are escaped themselves.
 * One by one: a sequence that is cut off, overlong or beyond U+10FFFF is as many escapes as bytes.
 *
 * Both directions copy runs of plain bytes a word at a time, and everything else by character. */
#include "record/fields.h"
#include "record/json.h"
#include "record/plain.h"

#define HEAD_MAX 24 /* a type byte, 20 digits, CR LF; rounded up */

typedef unsigned char byte;

/* Copies bytes that stand for themselves in a JSON string, up to the first that may not. Moves *at
 * and returns where it stopped. At *at there must be room for what is left, and 8 bytes. */
static inline const byte *copy_plain(char **at, const byte *p, const byte *end) {
    char *to = *at;
    while (end - p >= 8) {
        uint64_t w;
        memcpy(&w, p, 8);
        memcpy(to, &w, 8);
        size_t n = plain_len(w);
        if (n < 8) {
            *at = to + n;
            return p + n;
        }
        p += 8;
        to += 8;
    }
    while (p < end && is_plain(*p)) *to++ = (char)*p++;
    *at = to;
    return p;
}

static inline bool is_lead(byte b) {
    return b >= 0xc2 && b <= 0xf4;
}
static inline bool is_next(byte b) {
    return (b & 0xc0) == 0x80;
}

/* The length of the UTF-8 sequence of a character above U+007F at p; 0: these bytes are none. */
static inline size_t utf8_len(const byte *p, const byte *end) {
    byte first = p[0], low = 0x80, high = 0xbf; /* of the second byte; the lead narrows it */
    size_t n = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    if (!is_lead(first) || (size_t)(end - p) < n) return 0;
    if (first == 0xe0) low = 0xa0;  /* overlong */
    if (first == 0xed) high = 0x9f; /* surrogates */
    if (first == 0xf0) low = 0x90;  /* overlong */
    if (first == 0xf4) high = 0x8f; /* beyond U+10FFFF */
    if (p[1] < low || p[1] > high) return 0;
    for (size_t i = 2; i < n; i++) {
        if (!is_next(p[i])) return 0;
    }
    return n;
}

/* Fields to JSON */

/* How each byte is written when it is no part of a longer character: the text in the low bytes, its
 * length in the highest. */
/* clang-format off */
#define HEX(d)   (uint64_t)((d) < 10 ? '0' + (d) : 'a' + (d) - 10)
#define SHORT(c) ('\\' | (uint64_t)(c) << 8 | 2ull << 56)
#define LONG(b)  ('\\' | 'u' << 8 | ((b) < 0x80 ? '0' << 16 | '0' << 24 : 'd' << 16 | 'c' << 24) | \
                  HEX((b) >> 4) << 32 | HEX((b) & 15) << 40 | 6ull << 56)
#define FORM(b)                                                                                    \
    ((b) == '"' || (b) == '\\' ? SHORT(b) : (b) == '\b' ? SHORT('b') : (b) == '\f' ? SHORT('f') :   \
     (b) == '\n' ? SHORT('n') : (b) == '\r' ? SHORT('r') : (b) == '\t' ? SHORT('t') :               \
     (b) < 0x20 || (b) >= 0x80 ? LONG(b) : ((b) | 1ull << 56))
#define FORMS4(b)  FORM(b), FORM((b) + 1), FORM((b) + 2), FORM((b) + 3)
#define FORMS16(b) FORMS4(b), FORMS4((b) + 4), FORMS4((b) + 8), FORMS4((b) + 12)
#define FORMS64(b) FORMS16(b), FORMS16((b) + 16), FORMS16((b) + 32), FORMS16((b) + 48)
static const uint64_t forms[256] = {FORMS64(0), FORMS64(64), FORMS64(128), FORMS64(192)};
/* clang-format on */

/* Writes 8 bytes, of which those before the returned place count. */
static inline char *put_byte(char *at, byte b) {
    memcpy(at, &forms[b], 8);
    return at + (forms[b] >> 56);
}

/* Appends the string with its quotes and the byte behind it. */
static void put_string(struct buf *out, struct str s, char behind) {
    enum { NEAR = 2, SLACK = 8 + 2 }; /* a put_byte; a quote and what is behind it */
    const byte *p = (const byte *)s.ptr, *end = p + s.len;
    char *at = buf_reserve(out, 1 + s.len + 8 + SLACK);
    *at++ = '"';
    while ((p = copy_plain(&at, p, end)) < end) {
        /* Where one is, others are near: go on by byte until there was none for a while. A branch
         * on what a byte of binary data is would be guessed wrong and cost more than all else. */
        for (unsigned plain = 0; p < end && plain < NEAR;) {
            bool longer = end - p > 1 && ((unsigned)is_lead(p[0]) & is_next(p[1]));
            size_t n = longer ? utf8_len(p, end) : 0;
            if (n == 0) {
                char *from = at;
                at = put_byte(at, *p++);
                plain = (plain + 1) & -(unsigned)(at - from == 1);
            } else {
                do *at++ = (char)*p++;
                while (--n > 0);
                plain = NEAR - 1;
            }
            size_t room = (size_t)(out->data + out->cap - at), left = (size_t)(end - p);
            if (UNLIKELY(room < left + 8 + SLACK)) {
                out->len = (size_t)(at - out->data);
                at = buf_reserve(out, left + 8 + SLACK);
            }
        }
    }
    *at++ = '"';
    *at++ = behind;
    out->len = (size_t)(at - out->data);
}

void json_put_string(struct buf *out, struct str s) {
    put_string(out, s, '"');
    out->len--; /* what would stand behind it */
}

void fields_to_json(struct str resp, struct buf *out) {
    assert(out->max == 0);
    struct fields_iter iter;
    struct str field, value;
    buf_reserve(out, resp.len + 32); /* all, when nothing needs an escape */
    buf_put(out, "{", 1);
    fields_first(resp, &iter);
    while (fields_next(&iter, &field, &value)) {
        put_string(out, field, ':');
        put_string(out, value, ',');
    }
    out->data[out->len - 1] = '}'; /* where the last comma is */
}

/* JSON to fields */

struct json {
    const byte *at, *end;
};

static inline void skip_space(struct json *j) {
    while (j->at < j->end && (*j->at == ' ' || *j->at == '\n' || *j->at == '\r' || *j->at == '\t'))
        j->at++;
}

/* Whether c stands there, maybe behind white space; it is then taken. */
static inline bool take(struct json *j, char c) {
    skip_space(j);
    if (j->at == j->end || *j->at != (byte)c) return false;
    j->at++;
    return true;
}

/* The four digits of \uXXXX at p; -1: they are not. */
static inline int32_t hex4(const byte *p, const byte *end) {
    static const byte digit[256] = {
        /* value + 1 */
        ['0'] = 1,  ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,
        ['6'] = 7,  ['7'] = 8,  ['8'] = 9,  ['9'] = 10, ['a'] = 11, ['b'] = 12,
        ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16, ['A'] = 11, ['B'] = 12,
        ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16,
    };
    if (end - p < 4) return -1;
    int32_t a = digit[p[0]], b = digit[p[1]], c = digit[p[2]], d = digit[p[3]];
    if (a == 0 || b == 0 || c == 0 || d == 0) return -1;
    return (a - 1) << 12 | (b - 1) << 8 | (c - 1) << 4 | (d - 1);
}

static char *put_utf8(char *at, int32_t c) {
    if (c < 0x80) {
        *at++ = (char)c;
        return at;
    }
    if (c < 0x800) {
        *at++ = (char)(0xc0 | c >> 6);
    } else {
        if (c < 0x10000) {
            *at++ = (char)(0xe0 | c >> 12);
        } else {
            *at++ = (char)(0xf0 | c >> 18);
            *at++ = (char)(0x80 | (c >> 12 & 0x3f));
        }
        *at++ = (char)(0x80 | (c >> 6 & 0x3f));
    }
    *at++ = (char)(0x80 | (c & 0x3f));
    return at;
}

/* What stands behind "\u"; moves *p behind it. Returns where it wrote to, NULL: it names no bytes.
 */
static char *take_unicode(char *at, const byte **p, const byte *end) {
    int32_t c = hex4(*p, end);
    if (c < 0) return NULL;
    *p += 4;
    if (c >= 0xdc80 && c <= 0xdcff) {
        *at = (char)(c & 0xff);
        return at + 1;
    }
    if (c >= 0xd800 && c <= 0xdbff) {
        if (end - *p < 6 || (*p)[0] != '\\' || (*p)[1] != 'u') return NULL;
        int32_t low = hex4(*p + 2, end);
        if (low < 0xdc00 || low > 0xdfff) return NULL;
        *p += 6;
        c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
    } else if (c >= 0xdc00 && c <= 0xdfff) {
        return NULL;
    }
    return put_utf8(at, c);
}

/* What stands behind a backslash, in the same way. */
static inline char *take_escape(char *at, const byte **p, const byte *end) {
    if (*p == end) return NULL;
    byte c = *(*p)++;
    switch (c) {
    case 'u':
        return take_unicode(at, p, end);
    case '"':
    case '\\':
    case '/':
        break;
    case 'b':
        c = '\b';
        break;
    case 'f':
        c = '\f';
        break;
    case 'n':
        c = '\n';
        break;
    case 'r':
        c = '\r';
        break;
    case 't':
        c = '\t';
        break;
    default:
        return NULL;
    }
    *at = (char)c;
    return at + 1;
}

/* Decodes the string behind its opening quote, to `at`, where there must be room for all that is
 * left and 8 bytes: nothing gets longer. Returns where it ends. */
static char *take_string(char *at, struct json *j) {
    const byte *p = j->at, *end = j->end;
    for (;;) {
        p = copy_plain(&at, p, end);
        if (p == end || *p < 0x20) return NULL;
        if (*p == '"') break;
        while (p < end && *p == '\\') {
            p++;
            at = take_escape(at, &p, end);
            if (at == NULL) return NULL;
        }
        while (p < end && *p >= 0x80) {
            size_t n = utf8_len(p, end);
            if (n == 0) return NULL;
            do *at++ = (char)*p++;
            while (--n > 0);
        }
    }
    j->at = p + 1;
    return at;
}

static size_t make_head(char head[HEAD_MAX], char type, size_t n) {
    head[0] = type;
    size_t len = 1 + u64_to_dec(n, head + 1);
    memcpy(head + len, "\r\n", 2);
    return len + 2;
}

/* Takes a string and appends it as a bulk string. Its length is known at its end: it is decoded
 * where the longest head would end, and then moved. */
static bool take_bulk(struct json *j, struct buf *out) {
    char head[HEAD_MAX];
    if (!take(j, '"')) return false;
    char *start = buf_reserve(out, HEAD_MAX + (size_t)(j->end - j->at) + 8 + 2);
    char *end = take_string(start + HEAD_MAX, j);
    if (end == NULL) return false;
    size_t len = (size_t)(end - start) - HEAD_MAX, head_len = make_head(head, '$', len);
    memmove(start + head_len, start + HEAD_MAX, len);
    memcpy(start, head, head_len);
    memcpy(start + head_len + len, "\r\n", 2);
    out->len += head_len + len + 2;
    return true;
}

/* Takes the object and appends its strings; *count says how many they are. */
static bool take_object(struct json *j, struct buf *out, size_t *count) {
    if (!take(j, '{')) return false;
    for (*count = 2;; *count += 2) {
        if (!take_bulk(j, out) || !take(j, ':') || !take_bulk(j, out)) return false;
        if (!take(j, ',')) break;
    }
    if (!take(j, '}')) return false;
    skip_space(j);
    return j->at == j->end;
}

bool fields_from_json(struct str json, struct buf *out) {
    assert(out->max == 0);
    enum { GUESS = 4 }; /* of the array's head: up to 4 pairs, then nothing moves */
    struct json j = {(const byte *)json.ptr, (const byte *)json.ptr + json.len};
    char head[HEAD_MAX];
    size_t start = out->len, count;
    buf_put(out, "    ", GUESS);
    if (!take_object(&j, out, &count)) {
        out->len = start;
        return false;
    }
    size_t head_len = make_head(head, '*', count), strings = out->len - start - GUESS;
    buf_reserve(out, head_len);
    if (head_len != GUESS)
        memmove(out->data + start + head_len, out->data + start + GUESS, strings);
    memcpy(out->data + start, head, head_len);
    out->len = start + head_len + strings;
    return true;
}
