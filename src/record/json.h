/* JSON: strings, whether a text is JSON, and an event as a CloudEvents 1.0 object. Any thread; no
 * state. */
#ifndef RECORD_JSON_H
#define RECORD_JSON_H

#include "base/buf.h"
#include "record/event.h"

#define JSON_DEPTH_MAX 512

/* Whether the bytes are one JSON text as RFC 8259 has it: valid UTF-8, nothing behind it but white
 * space, arrays and objects at most JSON_DEPTH_MAX deep. */
bool json_valid(struct str text);
bool utf8_valid(struct str text);
/* What a reader cannot hold of such a text. */
struct json_limits {
    size_t depth;  /* at most JSON_DEPTH_MAX */
    size_t digits; /* of a number, but for its exponent, which then has at most three */
    bool unicode;  /* \u0000 and a surrogate that is none of a pair are refused, too */
};
bool json_fits(struct str text, const struct json_limits *limits);
/* Appends the string with its quotes. Bytes that are no UTF-8 are escaped as record/fields.h says.
 */
void json_put_string(struct buf *out, struct str s);
/* Appends the event of the stream as a JSON object with the names of CloudEvents 1.0
 * (docs/pubsub.md). source: of all events of the store. out must have no limit. */
void event_to_json(struct buf *out, const struct event_record *r, struct str stream,
                   struct str source);

#endif
