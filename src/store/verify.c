#include "store/verify.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/hash.h"

void verify_damage(struct verify *v, const char *kind, const char *fmt, ...) {
    char text[1024];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    v->damage(kind, text, v->arg);
}

void set_sum_add(struct set_sum *s, const void *bytes, size_t len, uint64_t n) {
    uint64_t both[2] = {hash_checksum(bytes, len), n};
    s->sum += hash_checksum(both, sizeof both);
    s->count++;
}
