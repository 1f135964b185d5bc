/* What the commands on strings share: finding the key, what fits, setting it. Loop thread. */
#ifndef COMMANDS_KEYS_STRING_H
#define COMMANDS_KEYS_STRING_H

#include "server/command/command.h"

/* What it holds, "" if it is no string. A view, until the model is changed. */
struct str string_value(const struct stream *s);
/* ms since 1970; 0: none, or there is no such key. */
uint64_t string_deadline(const struct stream *s);
/* The value, null when there is no such key, or WRONGTYPE. */
void string_reply(struct client *c, const struct stream *s);
/* false: it is a stream, which has been replied. */
bool string_or_reply(struct client *c, const struct stream *s);

/* Whether the command may make a string of this name, or change it. */
bool string_name_or_reply(struct client *c, struct str name);
/* Whether a value may be so long: within the limit for values, and within a frame with its name. */
bool string_fits_or_reply(struct client *c, struct str name, uint64_t len);
/* Makes s, whatever it is, a string with a deadline (ms since 1970; 0: none), in the frame being
 * built. Who waits for the key as a stream hears of it; `event` is what is told of it. */
void string_set(struct client *c, struct stream *s, struct str value, uint64_t expires,
                const char *event);

/* When a string expires: EX, PX, EXAT, PXAT and the word behind it. */
struct string_expiry {
    struct str word, value; /* word.ptr NULL: not given */
};
/* Whether argv[*at] is one of the four with a value behind it, which does not contradict what was
 * said before; then *at is at the value. */
bool string_expiry_parse(const struct request *r, size_t *at, struct string_expiry *e);
/* In ms since 1970, which may be over already. The command's name is in the error. */
bool string_expiry_or_reply(struct client *c, const struct request *r,
                            const struct string_expiry *e, uint64_t *expires);

#endif
