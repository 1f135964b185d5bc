/* See json.h. The check goes through the text once, and keeps one bit for each level that is open:
 * whether it is an object. */
#include "record/json.h"

#include "record/fields.h"
#include "record/plain.h"

typedef unsigned char byte;

/* ---- UTF-8 ---- */

/* The length of the character at p; 0: these bytes are none. */
static size_t character_len(const byte *p, const byte *end) {
    byte first = p[0], low = 0x80, high = 0xbf; /* of the second byte; the lead narrows it */
    if (first < 0x80) return 1;
    size_t n = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    if (first < 0xc2 || first > 0xf4 || (size_t)(end - p) < n) return 0;
    if (first == 0xe0) low = 0xa0;  /* overlong */
    if (first == 0xed) high = 0x9f; /* surrogates */
    if (first == 0xf0) low = 0x90;  /* overlong */
    if (first == 0xf4) high = 0x8f; /* beyond U+10FFFF */
    if (p[1] < low || p[1] > high) return 0;
    for (size_t i = 2; i < n; i++)
        if ((p[i] & 0xc0) != 0x80) return 0;
    return n;
}

bool utf8_valid(struct str text) {
    const byte *p = (const byte *)text.ptr, *end = p + text.len;
    while ((p = skip_plain(p, end)) < end) {
        size_t n = character_len(p, end);
        if (n == 0) return false;
        p += n;
    }
    return true;
}

/* ---- whether it is JSON ---- */

struct look {
    const struct json_limits *limits;
    const byte *p, *end;
    size_t depth;
    uint64_t is_object[JSON_DEPTH_MAX / 64];
};

static void skip_white(struct look *k) {
    while (k->p < k->end && (*k->p == ' ' || *k->p == '\t' || *k->p == '\n' || *k->p == '\r'))
        k->p++;
}

static bool take(struct look *k, char ch) {
    if (k->p == k->end || *k->p != (byte)ch) return false;
    k->p++;
    return true;
}

static bool take_word(struct look *k, struct str word) {
    if ((size_t)(k->end - k->p) < word.len || memcmp(k->p, word.ptr, word.len) != 0) return false;
    k->p += word.len;
    return true;
}

/* -1: they are no four digits. */
static int take_hex4(struct look *k) {
    int code = 0;
    if (k->end - k->p < 4) return -1;
    for (int i = 0; i < 4; i++) {
        int digit = hex_digit((char)*k->p++);
        if (digit < 0) return -1;
        code = code << 4 | digit;
    }
    return code;
}

static bool take_escape(struct look *k) {
    if (k->p == k->end) return false;
    byte what = *k->p++;
    if (what != 'u') return what != '\0' && strchr("\"\\/bfnrt", what) != NULL;
    int code = take_hex4(k);
    if (!k->limits->unicode || code < 0) return code >= 0;
    if (code < 0xd800 || code > 0xdfff) return code != 0;
    if (code > 0xdbff || !take_word(k, STR("\\u"))) return false;
    code = take_hex4(k);
    return code >= 0xdc00 && code <= 0xdfff;
}

static bool take_string(struct look *k) {
    if (!take(k, '"')) return false;
    while ((k->p = skip_plain(k->p, k->end)) < k->end) {
        if (*k->p == '"') {
            k->p++;
            return true;
        }
        if (*k->p == '\\') {
            k->p++;
            if (!take_escape(k)) return false;
            continue;
        }
        size_t n = *k->p < 0x20 ? 0 : character_len(k->p, k->end);
        if (n == 0) return false;
        k->p += n;
    }
    return false;
}

/* Returns how many. */
static size_t take_digits(struct look *k) {
    const byte *from = k->p;
    while (k->p < k->end && *k->p >= '0' && *k->p <= '9') k->p++;
    return (size_t)(k->p - from);
}

static bool take_number(struct look *k) {
    bool bounded = k->limits->digits != SIZE_MAX;
    take(k, '-');
    size_t n = take(k, '0') ? 1 : take_digits(k);
    if (n == 0) return false;
    if (take(k, '.')) {
        size_t behind = take_digits(k);
        if (behind == 0) return false;
        n += behind;
    }
    if (take(k, 'e') || take(k, 'E')) {
        if (!take(k, '+')) take(k, '-');
        size_t of_exponent = take_digits(k);
        if (of_exponent == 0 || (bounded && of_exponent > 3)) return false;
    }
    return n <= k->limits->digits;
}

static bool open_level(struct look *k, bool object) {
    if (k->depth == k->limits->depth) return false;
    uint64_t bit = UINT64_C(1) << k->depth % 64, *word = &k->is_object[k->depth / 64];
    *word = object ? *word | bit : *word & ~bit;
    k->depth++;
    return true;
}

static bool in_object(const struct look *k) {
    size_t level = k->depth - 1;
    return k->is_object[level / 64] >> level % 64 & 1;
}

/* The name of a member and its colon. */
static bool take_name(struct look *k) {
    skip_white(k);
    if (!take_string(k)) return false;
    skip_white(k);
    return take(k, ':');
}

/* A value, or the beginning of one that holds others: then *opened, and in front of its first one.
 */
static bool take_value(struct look *k, bool *opened) {
    *opened = false;
    skip_white(k);
    if (k->p == k->end) return false;
    switch (*k->p) {
    case '{':
    case '[': {
        bool object = *k->p++ == '{';
        if (!open_level(k, object)) return false;
        skip_white(k);
        if (take(k, object ? '}' : ']')) {
            k->depth--;
            return true;
        }
        *opened = true;
        return !object || take_name(k);
    }
    case '"':
        return take_string(k);
    case 't':
        return take_word(k, STR("true"));
    case 'f':
        return take_word(k, STR("false"));
    case 'n':
        return take_word(k, STR("null"));
    default:
        return take_number(k);
    }
}

/* Behind a value: the ends of what it ends, or the comma in front of the next. */
static bool go_on(struct look *k) {
    while (k->depth > 0) {
        skip_white(k);
        bool object = in_object(k);
        if (take(k, ',')) return !object || take_name(k);
        if (!take(k, object ? '}' : ']')) return false;
        k->depth--;
    }
    return true;
}

bool json_fits(struct str text, const struct json_limits *limits) {
    const byte *from = (const byte *)text.ptr;
    struct look k = {.limits = limits, .p = from, .end = from + text.len};
    bool opened;
    assert(limits->depth <= JSON_DEPTH_MAX);
    do {
        if (!take_value(&k, &opened)) return false;
        if (!opened && !go_on(&k)) return false;
    } while (opened || k.depth > 0);
    skip_white(&k);
    return k.p == k.end;
}

bool json_valid(struct str text) {
    static const struct json_limits none = {.depth = JSON_DEPTH_MAX, .digits = SIZE_MAX};
    return json_fits(text, &none);
}

/* ---- an event ---- */

static void put_base64(struct buf *out, struct str s) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char *at = buf_reserve(out, (s.len + 2) / 3 * 4);
    for (size_t i = 0; i < s.len; i += 3) {
        size_t n = MIN(s.len - i, (size_t)3);
        uint32_t bits = 0;
        for (size_t k = 0; k < 3; k++) bits = bits << 8 | (k < n ? (byte)s.ptr[i + k] : 0u);
        for (size_t k = 0; k < 4; k++) *at++ = k <= n ? digits[bits >> (18 - 6 * k) & 63] : '=';
    }
    out->len = (size_t)(at - out->data);
}

/* A literal. */
#define PUT(out, text) buf_put(out, text, sizeof(text) - 1)

static void put_uuid(struct buf *out, const struct uuid *id) {
    char *at = buf_reserve(out, UUID_TEXT_LEN + 2);
    *at++ = '"';
    uuid_format(id, at);
    at[UUID_TEXT_LEN] = '"';
    out->len += UUID_TEXT_LEN + 2;
}

/* As text: JavaScript's numbers end at 2^53. */
static void put_number(struct buf *out, uint64_t n) {
    char *at = buf_reserve(out, 22);
    *at++ = '"';
    size_t len = u64_to_dec(n, at);
    at[len] = '"';
    out->len += len + 2;
}

static void put_entry_id(struct buf *out, uint64_t ms, uint64_t seq) {
    char *at = buf_reserve(out, 44), *from = at;
    *at++ = '"';
    at += u64_to_dec(ms, at);
    *at++ = '-';
    at += u64_to_dec(seq, at);
    *at++ = '"';
    out->len += (size_t)(at - from);
}

/* n digits of v at `at`; behind them. */
static char *put_digits(char *at, unsigned n, unsigned v) {
    for (unsigned i = n; i > 0; i--, v /= 10) at[i - 1] = (char)('0' + v % 10);
    return at + n;
}

struct date {
    unsigned year, month, day;
};

/* Days since 1970. Years begin in March here, so that the day which some have more is their last:
 * the months before it have 31, 30, 31, 30, 31 days, again and again. 400 years are 146,097 days.
 */
static struct date date_of(uint64_t days) {
    uint64_t since = days + 719468; /* 1 March of the year 0 */
    unsigned eras = (unsigned)(since / 146097), day = (unsigned)(since % 146097);
    unsigned year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
    day -= year * 365 + year / 4 - year / 100;
    unsigned month = (5 * day + 2) / 153; /* 0: March */
    struct date d = {.year = eras * 400 + year + (month >= 10),
                     .month = month < 10 ? month + 3 : month - 9,
                     .day = day - (153 * month + 2) / 5 + 1};
    return d;
}

/* RFC 3339, which knows no year of five digits. */
static void put_time(struct buf *out, uint64_t ms) {
    if (ms > UINT64_C(253402300799999)) return; /* the last ms of 9999 */
    unsigned of_day = (unsigned)(ms % 86400000), s = of_day / 1000;
    struct date d = date_of(ms / 86400000);
    PUT(out, ",\"time\":\"");
    char *at = buf_reserve(out, 25), *from = at;
    at = put_digits(at, 4, d.year);
    *at++ = '-';
    at = put_digits(at, 2, d.month);
    *at++ = '-';
    at = put_digits(at, 2, d.day);
    *at++ = 'T';
    at = put_digits(at, 2, s / 3600);
    *at++ = ':';
    at = put_digits(at, 2, s / 60 % 60);
    *at++ = ':';
    at = put_digits(at, 2, s % 60);
    *at++ = '.';
    at = put_digits(at, 3, of_day % 1000);
    *at++ = 'Z';
    *at++ = '"';
    out->len += (size_t)(at - from);
}

/* false: nothing is written. A text of control characters would take six times its bytes, and who
 * listens may hold no more than his output limit. */
static bool put_as_text(struct buf *out, struct str payload) {
    size_t from = out->len;
    PUT(out, ",\"data\":");
    size_t begin = out->len;
    json_put_string(out, payload);
    if (out->len - begin <= 2 * payload.len + 2) return true;
    out->len = from;
    return false;
}

static void put_data(struct buf *out, const struct event_record *r, struct str payload) {
    bool fields = r->flags & EVENT_FIELDS;
    if (payload.len == 0) return;
    if (fields || json_valid(payload)) {
        PUT(out, ",\"datacontenttype\":\"application/json\",\"data\":");
        if (fields)
            fields_to_json(payload, out);
        else
            buf_put_str(out, payload);
    } else if (!utf8_valid(payload) || !put_as_text(out, payload)) {
        PUT(out, ",\"data_base64\":\"");
        put_base64(out, payload);
        PUT(out, "\"");
    }
}

void event_to_json(struct buf *out, const struct event_record *r, struct str stream,
                   struct str source) {
    struct event_view v;
    assert(out->max == 0);
    event_view(r, &v);
    PUT(out, "{\"specversion\":\"1.0\",\"id\":");
    put_uuid(out, &r->event_id);
    PUT(out, ",\"source\":");
    json_put_string(out, source);
    PUT(out, ",\"type\":");
    json_put_string(out, v.type.len > 0 ? v.type : STR("cairn.entry"));
    PUT(out, ",\"subject\":");
    json_put_string(out, stream);
    put_time(out, r->timestamp);
    PUT(out, ",\"stream\":");
    json_put_string(out, stream);
    PUT(out, ",\"version\":");
    put_number(out, r->version);
    PUT(out, ",\"sequence\":");
    put_number(out, r->sequence);
    PUT(out, ",\"entryid\":");
    put_entry_id(out, r->entry_ms, r->entry_seq);
    if (v.correlation != NULL) {
        PUT(out, ",\"correlationid\":");
        put_uuid(out, v.correlation);
    }
    if (v.causation != NULL) {
        PUT(out, ",\"causationid\":");
        put_uuid(out, v.causation);
    }
    if (v.aggregate.len > 0) {
        PUT(out, ",\"aggregateid\":");
        json_put_string(out, v.aggregate);
    }
    put_data(out, r, v.payload);
    PUT(out, "}");
}
