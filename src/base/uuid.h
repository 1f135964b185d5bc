/* 128-bit ids as 16 bytes in network order, their texts, and random numbers. */
#ifndef BASE_UUID_H
#define BASE_UUID_H

#include "base/base.h"
#include "base/str.h"

struct uuid {
    uint8_t b[16];
};

#define UUID_TEXT_LEN 36

/* Writes 36 lower-case characters, no NUL. Table driven: on the hot path. */
void uuid_format(const struct uuid *u, char out[UUID_TEXT_LEN]);
/* Hyphenated, 32 hex digits, {braced}, urn:uuid:, any case; surrounding white space is ignored. */
MUST_CHECK bool uuid_from_text(struct str text, struct uuid *out);
static inline bool uuid_eq(const struct uuid *a, const struct uuid *b) {
    return memcmp(a->b, b->b, 16) == 0;
}
void uuid_v4(struct uuid *out);
/* RFC 9562 version 5: SHA-1 of namespace and name. */
void uuid_v5(const struct uuid *ns, struct str name, struct uuid *out);

/* Not for secrets; fast; one state a thread, seeded from the system. */
uint64_t random_u64(void);
/* From the system's generator. */
void random_bytes(void *out, size_t n);

#endif
