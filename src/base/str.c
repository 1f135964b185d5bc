/* Text: comparing, numbers, and the glob that every MATCH, TYPE and PSUBSCRIBE uses. All of it
 * works on bytes and on views; nothing looks at locales, nothing needs a terminator. */
#include "base/str.h"

#include "base/alloc.h"

static inline unsigned char ascii_lower(unsigned char c) {
    return c >= 'A' && c <= 'Z' ? (unsigned char)(c + ('a' - 'A')) : c;
}

struct str str_c(const char *terminated) {
    return str_of(terminated, strlen(terminated));
}

bool str_eq_nocase(struct str a, struct str b) {
    if (a.len != b.len) return false;
    for (size_t i = 0; i < a.len; i++) {
        if (a.ptr[i] == b.ptr[i]) continue;
        if (ascii_lower((unsigned char)a.ptr[i]) != ascii_lower((unsigned char)b.ptr[i]))
            return false;
    }
    return true;
}

bool str_starts_with(struct str s, struct str prefix) {
    return s.len >= prefix.len && str_eq(str_of(s.ptr, prefix.len), prefix);
}

int str_cmp(struct str a, struct str b) {
    size_t n = MIN(a.len, b.len);
    int order = n > 0 ? memcmp(a.ptr, b.ptr, n) : 0;
    if (order != 0) return order;
    return a.len < b.len ? -1 : a.len > b.len;
}

char *str_dup(struct str s) {
    char *copy = xmalloc(s.len + 1);
    if (s.len > 0) memcpy(copy, s.ptr, s.len);
    copy[s.len] = '\0';
    return copy;
}

/* Numbers */

/* Digits only, at least one. */
static bool digits_to_u64(const char *p, size_t n, uint64_t *out) {
    if (n == 0) return false;
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned digit = (unsigned)(unsigned char)p[i] - '0';
        if (digit > 9) return false;
        /* 19 digits always fit: only what is longer pays for the checks */
        if (i < 19) {
            v = v * 10 + digit;
        } else if (__builtin_mul_overflow(v, (uint64_t)10, &v) ||
                   __builtin_add_overflow(v, (uint64_t)digit, &v)) {
            return false;
        }
    }
    *out = v;
    return true;
}

bool str_to_u64(struct str s, uint64_t *out) {
    size_t sign = s.len > 0 && s.ptr[0] == '+';
    return digits_to_u64(s.ptr + sign, s.len - sign, out);
}

bool str_to_i64(struct str s, int64_t *out) {
    bool negative = s.len > 0 && s.ptr[0] == '-';
    size_t sign = negative || (s.len > 0 && s.ptr[0] == '+');
    uint64_t v;
    if (!digits_to_u64(s.ptr + sign, s.len - sign, &v)) return false;
    if (v > (uint64_t)INT64_MAX + negative) return false;
    *out = (int64_t)(negative ? 0 - v : v);
    return true;
}

bool str_to_bytes(struct str s, uint64_t *out) {
    static const struct {
        const char *name;
        uint64_t factor;
    } units[] = {
        {"", 1},
        {"b", 1},
        {"k", 1000},
        {"kb", 1024},
        {"m", 1000000},
        {"mb", 1 << 20},
        {"g", 1000000000ull},
        {"gb", 1 << 30},
        {"t", 1000000000000ull},
        {"tb", 1ull << 40},
    };
    size_t n = 0;
    while (n < s.len && s.ptr[n] >= '0' && s.ptr[n] <= '9') n++;
    uint64_t v;
    if (!digits_to_u64(s.ptr, n, &v)) return false;
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        if (!str_eq_nocase(str_of(s.ptr + n, s.len - n), str_c(units[i].name))) continue;
        return !__builtin_mul_overflow(v, units[i].factor, out);
    }
    return false;
}

/* log10 from log2: 1233/4096 is a little more than log10(2). */
static inline size_t dec_len(uint64_t v) {
    static const uint64_t powers[] = {
        0,
        10,
        100,
        1000,
        10000,
        100000,
        1000000,
        10000000,
        100000000,
        1000000000,
        10000000000,
        100000000000,
        1000000000000,
        10000000000000,
        100000000000000,
        1000000000000000,
        10000000000000000,
        100000000000000000,
        1000000000000000000,
        10000000000000000000u,
    };
    unsigned bits = 64 - (unsigned)__builtin_clzll(v | 1), guess = (bits * 1233) >> 12;
    return guess + (v >= powers[guess]);
}

size_t u64_dec_len(uint64_t v) {
    return dec_len(v);
}

size_t i64_dec_len(int64_t v) {
    return v >= 0 ? dec_len((uint64_t)v) : 1 + dec_len(0 - (uint64_t)v);
}

size_t u64_to_dec(uint64_t v, char out[20]) {
    static const char pairs[] = "00010203040506070809101112131415161718192021222324"
                                "25262728293031323334353637383940414243444546474849"
                                "50515253545556575859606162636465666768697071727374"
                                "75767778798081828384858687888990919293949596979899";
    size_t len = dec_len(v);
    char *at = out + len;
    for (; v >= 100; v /= 100) memcpy(at -= 2, pairs + 2 * (v % 100), 2);
    if (v >= 10)
        memcpy(at - 2, pairs + 2 * v, 2);
    else
        at[-1] = (char)('0' + v);
    return len;
}

size_t i64_to_dec(int64_t v, char out[20]) {
    if (v >= 0) return u64_to_dec((uint64_t)v, out);
    out[0] = '-';
    char digits[20]; /* at most 19: the least number has 19 digits */
    size_t n = u64_to_dec(0 - (uint64_t)v, digits);
    assert(n <= 19);
    memcpy(out + 1, digits, n);
    return n + 1;
}

/* Globs */

/* Of str_match_glob_steps. */
#define STEPS_OF_SEARCH 8 /* to begin it */
#define BYTES_OF_STEP   8 /* that are searched in the time of one */

/* Matches c against the class that starts behind '[' at pattern[i]. Moves *next behind the class.
 * Redis' rules to the letter: ']' closes wherever it stands (so "[]" matches nothing), a range
 * may be reversed and its end may be any byte, also ']' or '\'; a class that is not closed ends
 * with the pattern; a quoted byte is compared exactly, also when case is ignored. */
static bool class_match(struct str pattern, size_t i, unsigned char c, bool nocase, size_t *next) {
    const unsigned char *p = (const unsigned char *)pattern.ptr;
    unsigned char folded = nocase ? ascii_lower(c) : c;
    bool negated = i < pattern.len && p[i] == '^', match = false;
    if (negated) i++;
    for (; i < pattern.len && p[i] != ']'; i++) {
        size_t left = pattern.len - i;
        if (p[i] == '\\' && left >= 2) {
            if (p[++i] == c) match = true;
        } else if (left >= 3 && p[i + 1] == '-') {
            unsigned char low = MIN(p[i], p[i + 2]), high = MAX(p[i], p[i + 2]);
            if (nocase) {
                low = ascii_lower(low);
                high = ascii_lower(high);
            }
            if (folded >= low && folded <= high) match = true;
            i += 2;
        } else if ((nocase ? ascii_lower(p[i]) : p[i]) == folded) {
            match = true;
        }
    }
    *next = MIN(i + 1, pattern.len);
    return match != negated;
}

/* Matches one byte against the pattern's element at i, which is not a star. */
static bool element_match(struct str pattern, size_t i, unsigned char c, bool nocase,
                          size_t *next) {
    unsigned char p = (unsigned char)pattern.ptr[i];
    if (p == '[') return class_match(pattern, i + 1, c, nocase, next);
    if (p == '\\' && i + 1 < pattern.len) {
        p = (unsigned char)pattern.ptr[++i];
    } else if (p == '?') {
        *next = i + 1;
        return true;
    }
    *next = i + 1;
    return nocase ? ascii_lower(p) == ascii_lower(c) : p == c;
}

/* Where a comparison is: the pattern's element, the byte of the text; and since the last star. */
struct glob_place {
    size_t i, k;
    size_t star;    /* behind it; SIZE_MAX: there was none */
    size_t start;   /* where in the text its rest began */
    size_t literal; /* bytes behind it that stand for themselves, and are searched */
};

/* Behind the last star, for a rest that begins at at->start or later: goes to the first place where
 * the literal bytes are, and behind them. false: there is none. When the pattern ends with them
 * only the text's end will do. */
static bool glob_seek(struct str pattern, struct str s, struct glob_place *at, uint64_t *steps) {
    struct str literal = str_of(pattern.ptr + at->star, at->literal);
    size_t left = s.len - at->start;
    const char *found = s.ptr + at->start;
    *steps += STEPS_OF_SEARCH + literal.len;
    if (left < literal.len) return false;
    if (at->star + literal.len == pattern.len) {
        found = s.ptr + s.len - literal.len;
        if (memcmp(found, literal.ptr, literal.len) != 0) return false;
    } else if (memcmp(found, literal.ptr, literal.len) != 0) {
        found = memmem(found, left, literal.ptr, literal.len);
        size_t searched = found != NULL ? (size_t)(found - s.ptr) - at->start : left;
        *steps += searched / BYTES_OF_STEP;
        if (found == NULL) return false;
    }
    at->start = (size_t)(found - s.ptr);
    at->k = at->start + literal.len;
    at->i = at->star + literal.len;
    return true;
}

/* Every element but the star takes exactly one byte, so only the last star met can be worth
 * giving another byte: what an earlier one could take, the last one can take as well. So no
 * recursion is needed. Between stars with nothing but literal bytes the time is that of pattern and
 * text together, else at most pattern times text. One difference to Redis' function: stars alone
 * match the empty text here; Redis' callers look for "*" before they call. */
static inline bool match_glob(struct str pattern, struct str s, bool nocase, uint64_t *steps) {
    struct glob_place at = {.star = SIZE_MAX};
    while (at.k < s.len) {
        size_t next;
        if (at.i < pattern.len && pattern.ptr[at.i] == '*') {
            at.star = ++at.i;
            at.start = at.k;
            if (at.i == pattern.len) return true;
            struct str rest = str_of(pattern.ptr + at.i, pattern.len - at.i);
            at.literal = nocase ? 0 : str_glob_prefix(rest);
            if (at.literal > 0 && !glob_seek(pattern, s, &at, steps)) return false;
        } else if (at.i < pattern.len &&
                   element_match(pattern, at.i, (unsigned char)s.ptr[at.k], nocase, &next)) {
            *steps += next - at.i;
            at.i = next;
            at.k++;
        } else if (at.star != SIZE_MAX) {
            *steps += at.i < pattern.len ? next - at.i : 1;
            at.start++;
            at.i = at.star;
            at.k = at.start;
            if (at.literal > 0 && !glob_seek(pattern, s, &at, steps)) return false;
        } else {
            return false;
        }
    }
    while (at.i < pattern.len && pattern.ptr[at.i] == '*') at.i++;
    return at.i == pattern.len;
}

bool str_match_glob(struct str pattern, struct str s, bool nocase) {
    uint64_t steps = 0;
    return match_glob(pattern, s, nocase, &steps);
}

bool str_match_glob_steps(struct str pattern, struct str s, bool nocase, uint64_t *steps) {
    return match_glob(pattern, s, nocase, steps);
}

size_t str_glob_least(struct str pattern) {
    size_t n = 0, next;
    for (size_t i = 0; i < pattern.len; i = next) {
        next = i + 1;
        if (pattern.ptr[i] == '*') continue;
        element_match(pattern, i, 0, false, &next);
        n++;
    }
    return n;
}

size_t str_glob_slow(struct str pattern) {
    size_t slow = 0, n = 0, next;
    bool behind_star = false, literal = true;
    for (size_t i = 0; i <= pattern.len; i = next) {
        next = i + 1;
        if (i == pattern.len || pattern.ptr[i] == '*') {
            if (behind_star && !literal) slow += n;
            behind_star = literal = true;
            n = 0;
            continue;
        }
        char c = pattern.ptr[i];
        if (c == '?' || c == '[' || c == '\\') literal = false;
        element_match(pattern, i, 0, false, &next);
        n++;
    }
    return slow;
}

size_t str_glob_prefix(struct str pattern) {
    size_t n = 0;
    for (; n < pattern.len; n++) {
        char c = pattern.ptr[n];
        if (c == '*' || c == '?' || c == '[' || c == '\\') break;
    }
    return n;
}
