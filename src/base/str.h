/* A non-owning view of bytes: pointer and length, no terminator promised. */
#ifndef BASE_STR_H
#define BASE_STR_H

#include "base/base.h"

struct str {
    const char *ptr;
    size_t len;
};

#define STR(literal) ((struct str){(literal), sizeof(literal) - 1})
#define STR_FMT      "%.*s"
#define STR_ARG(s)   (int)MIN((s).len, (size_t)1024), (s).ptr

static inline struct str str_of(const void *ptr, size_t len) {
    return (struct str){(const char *)ptr, len};
}
struct str str_c(const char *terminated);

static inline bool str_eq(struct str a, struct str b) {
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}
/* ASCII case-insensitive. */
bool str_eq_nocase(struct str a, struct str b);
bool str_starts_with(struct str s, struct str prefix);
int str_cmp(struct str a, struct str b); /* memcmp order, the shorter first */

/* Whole-string decimal integers. false: not a number, or out of range. u64
 * accepts one leading '+', i64 one leading '-' or '+'; no white space. */
MUST_CHECK bool str_to_u64(struct str s, uint64_t *out);
MUST_CHECK bool str_to_i64(struct str s, int64_t *out);
/* "10", "64kb", "1mb", "2gb", "512b" (powers of 1024, as Redis' config). */
MUST_CHECK bool str_to_bytes(struct str s, uint64_t *out);

/* The value of a hexadecimal digit; -1: it is none. */
static inline int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/* Writes v in decimal to out (at most 20 bytes, no NUL), returns the length. */
size_t u64_to_dec(uint64_t v, char out[20]);
size_t i64_to_dec(int64_t v, char out[20]);
/* How many bytes that would be. */
size_t u64_dec_len(uint64_t v);
size_t i64_dec_len(int64_t v);

/* Redis' glob: * ? [abc] [^a] [a-z] and \ to quote. Byte-wise. Its time is that of pattern and text
 * together while nothing but literal bytes stands between stars, else at most their product. */
bool str_match_glob(struct str pattern, struct str s, bool nocase);
/* The same, and adds to *steps about how many of the pattern's bytes were compared, again and
 * again: that is its time. */
bool str_match_glob_steps(struct str pattern, struct str s, bool nocase, uint64_t *steps);
/* The least number of bytes that a text has which matches. */
size_t str_glob_least(struct str pattern);
/* How many elements stand behind stars and are not searched, since not all of them, up to the next
 * star, are literal bytes: to match may take so many steps for each byte of the text. */
size_t str_glob_slow(struct str pattern);
/* The literal prefix length before the first special character. */
size_t str_glob_prefix(struct str pattern);

/* A NUL-terminated heap copy; caller frees. */
char *str_dup(struct str s);

#endif
