/* What PostgreSQL's types text and jsonb can hold, so that a view that converts never fails: the
 * server says so of each event when it writes it. Stricter than PostgreSQL where that is simpler:
 * what is refused here is shown as bytes. */
#include "record/json.h"
#include "store/postgres/internal.h"

#define DEPTH_MAX  256 /* of JSON; PostgreSQL's stack bears some thousands */
#define DIGITS_MAX 1000
#define BYTES_MAX  (1u << 24) /* jsonb has limits of its own, far above */

bool postgres_is_text(struct str s) {
    return (s.len == 0 || memchr(s.ptr, 0, s.len) == NULL) && utf8_valid(s);
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

/* Numbers become numeric: 131072 digits in front of the point, 16383 behind it. */
bool postgres_is_jsonb(struct str s) {
    static const struct json_limits jsonb = {
        .depth = DEPTH_MAX, .digits = DIGITS_MAX, .unicode = true};
    return s.len > 0 && s.len <= BYTES_MAX && json_fits(s, &jsonb);
}
