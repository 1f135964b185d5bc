/* See entry_id.h. */
#include "record/entry_id.h"

#include <ctype.h>

#define ID_TEXT_MAX 127 /* as Redis */

/* White space and a plus sign in front, and zeros, are taken as by strtoull. */
static bool id_half(struct str s, uint64_t *out) {
    while (s.len > 0 && isspace((unsigned char)s.ptr[0])) s = str_of(s.ptr + 1, s.len - 1);
    return str_to_u64(s, out);
}

bool entry_id_parse(struct str text, uint64_t missing_seq, struct entry_id *out, bool *auto_seq) {
    if (text.len > ID_TEXT_MAX) return false;
    const char *dash = text.len > 0 ? memchr(text.ptr, '-', text.len) : NULL;
    if (auto_seq != NULL) *auto_seq = false;
    if (dash == NULL) {
        out->seq = missing_seq;
        return id_half(text, &out->ms);
    }
    size_t ms_len = (size_t)(dash - text.ptr);
    struct str seq = str_of(dash + 1, text.len - ms_len - 1);
    if (!id_half(str_of(text.ptr, ms_len), &out->ms)) return false;
    if (auto_seq == NULL || !str_eq(seq, STR("*"))) return id_half(seq, &out->seq);
    *auto_seq = true;
    out->seq = 0;
    return true;
}

size_t entry_id_format(struct entry_id id, char *out) {
    size_t n = u64_to_dec(id.ms, out);
    out[n++] = '-';
    return n + u64_to_dec(id.seq, out + n);
}
