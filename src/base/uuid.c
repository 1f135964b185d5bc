/* Ids of 128 bits and their texts. Four are written for each event that goes out, so formatting
 * is sixteen lookups and no loop over digits. Also the two sources of random numbers: the
 * system's, and a fast one a thread (xoshiro256**) that the system's seeds. */
#include "base/uuid.h"

#include <errno.h>
#include <sys/random.h>
#include <uuid/uuid.h>

#define HEX_ROW(h)                                                                                 \
    h "0" h "1" h "2" h "3" h "4" h "5" h "6" h "7" h "8" h "9" h "a" h "b" h "c" h "d" h "e" h "f"
static const char hex_pairs[513] = HEX_ROW("0") HEX_ROW("1") HEX_ROW("2") HEX_ROW("3") HEX_ROW("4")
    HEX_ROW("5") HEX_ROW("6") HEX_ROW("7") HEX_ROW("8") HEX_ROW("9") HEX_ROW("a") HEX_ROW("b")
        HEX_ROW("c") HEX_ROW("d") HEX_ROW("e") HEX_ROW("f");

static inline char *put_pairs(char *at, const uint8_t *bytes, int n) {
    for (int i = 0; i < n; i++, at += 2) memcpy(at, hex_pairs + 2 * bytes[i], 2);
    return at;
}

void uuid_format(const struct uuid *u, char out[UUID_TEXT_LEN]) {
    char *at = put_pairs(out, u->b, 4);
    *at++ = '-';
    at = put_pairs(at, u->b + 4, 2);
    *at++ = '-';
    at = put_pairs(at, u->b + 6, 2);
    *at++ = '-';
    at = put_pairs(at, u->b + 8, 2);
    *at++ = '-';
    put_pairs(at, u->b + 10, 6);
}

/* A digit's value with HEX_OK set; 0 for every other byte. */
#define HEX_OK 0x10
static const uint8_t hex_values[256] = {
    ['0'] = 0x10, ['1'] = 0x11, ['2'] = 0x12, ['3'] = 0x13, ['4'] = 0x14, ['5'] = 0x15,
    ['6'] = 0x16, ['7'] = 0x17, ['8'] = 0x18, ['9'] = 0x19, ['a'] = 0x1a, ['b'] = 0x1b,
    ['c'] = 0x1c, ['d'] = 0x1d, ['e'] = 0x1e, ['f'] = 0x1f, ['A'] = 0x1a, ['B'] = 0x1b,
    ['C'] = 0x1c, ['D'] = 0x1d, ['E'] = 0x1e, ['F'] = 0x1f,
};

static struct str trim(struct str s) {
    while (s.len > 0 && strchr(" \t\r\n\v\f", s.ptr[0]) != NULL && s.ptr[0] != '\0')
        s = str_of(s.ptr + 1, s.len - 1);
    while (s.len > 0 && strchr(" \t\r\n\v\f", s.ptr[s.len - 1]) != NULL && s.ptr[s.len - 1] != '\0')
        s.len--;
    return s;
}

bool uuid_from_text(struct str text, struct uuid *out) {
    if (UNLIKELY(text.len != UUID_TEXT_LEN)) {
        text = trim(text);
        if (text.len == UUID_TEXT_LEN + 9 && str_eq_nocase(str_of(text.ptr, 9), STR("urn:uuid:")))
            text = str_of(text.ptr + 9, UUID_TEXT_LEN);
        else if (text.len > 2 && text.ptr[0] == '{' && text.ptr[text.len - 1] == '}')
            text = str_of(text.ptr + 1, text.len - 2);
    } else if (UNLIKELY(text.ptr[0] == '{' || text.ptr[0] <= ' ' || text.ptr[35] <= ' ')) {
        text = trim(text); /* 32 digits and something around them */
        if (text.len > 2 && text.ptr[0] == '{' && text.ptr[text.len - 1] == '}')
            text = str_of(text.ptr + 1, text.len - 2);
    }
    bool hyphens = text.len == UUID_TEXT_LEN;
    if (!hyphens && text.len != 32) return false;
    const char *p = text.ptr;
    unsigned good = HEX_OK;
    for (int i = 0; i < 16; i++) {
        if (hyphens && (i == 4 || i == 6 || i == 8 || i == 10)) good &= *p++ == '-' ? HEX_OK : 0;
        unsigned high = hex_values[(unsigned char)p[0]], low = hex_values[(unsigned char)p[1]];
        good &= high & low;
        out->b[i] = (uint8_t)(high << 4 | (low & 0x0f));
        p += 2;
    }
    return good == HEX_OK;
}

void uuid_v4(struct uuid *out) {
    uint64_t halves[2] = {random_u64(), random_u64()};
    memcpy(out->b, halves, 16);
    out->b[6] = (uint8_t)((out->b[6] & 0x0f) | 0x40);
    out->b[8] = (uint8_t)((out->b[8] & 0x3f) | 0x80);
}

void uuid_v5(const struct uuid *ns, struct str name, struct uuid *out) {
    uuid_generate_sha1(out->b, ns->b, name.len > 0 ? name.ptr : "", name.len);
}

void random_bytes(void *out, size_t n) {
    char *at = out;
    while (n > 0) {
        ssize_t got = getrandom(at, n, 0);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) {
            perror("cairn: getrandom");
            abort();
        }
        at += got;
        n -= (size_t)got;
    }
}

static inline uint64_t rotate_left(uint64_t x, int k) {
    return x << k | x >> (64 - k);
}

uint64_t random_u64(void) {
    static _Thread_local uint64_t s[4]; /* all zero: not seeded yet (never a valid state) */
    if (UNLIKELY((s[0] | s[1] | s[2] | s[3]) == 0)) {
        random_bytes(s, sizeof s);
        s[0] |= 1;
    }
    uint64_t result = rotate_left(s[1] * 5, 7) * 9, t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate_left(s[3], 45);
    return result;
}
