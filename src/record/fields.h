/* The fields of an entry that was added with XADD: pairs of a field and its value, both any bytes,
 * in the order given, names as often as they were given.
 *
 * In memory and in the journal they are the bytes of a RESP array of bulk strings, as they go to a
 * client, so that a reply is one memcpy:
 *
 *     *<2n> CR LF   then 2n times   $<length> CR LF <bytes> CR LF
 *
 * n >= 1, lengths are decimal without leading zeros: equal fields are equal bytes. For SQL and the
 * E commands the same fields are a JSON object of strings, {"field":"value",...}. A name that
 * occurs twice in the entry occurs twice in the object; that is intended, JSON permits it, and
 * order and number of fields survive. So do all bytes (docs/storage.md has the rules).
 *
 * Any thread; no state. Views point into what was given. */
#ifndef RECORD_FIELDS_H
#define RECORD_FIELDS_H

#include "base/base.h"
#include "base/buf.h"
#include "base/str.h"

/* Bytes of the array of args: field, value, field, value... count is even and at least 2. */
size_t fields_size(const struct str *args, size_t count);
/* Writes exactly fields_size bytes and returns where they end. */
char *fields_write(char *at, const struct str *args, size_t count);

/* Whether these are whole fields in the form above and nothing else; for arbitrary bytes. What
 * follows needs fields that are valid. */
bool fields_valid(struct str resp);

struct fields_iter {
    /* private */
    const char *at;
    size_t left; /* strings, not pairs */
};
void fields_first(struct str resp, struct fields_iter *iter);
/* false: there are no more. */
bool fields_next(struct fields_iter *iter, struct str *field, struct str *value);
size_t fields_count(struct str resp); /* pairs */
/* The first value of this name; ptr is NULL when there is none (and is not when it is empty). */
struct str fields_find(struct str resp, struct str name);

/* Appends the JSON object: valid UTF-8, no white space between its strings. out must have no limit
 * (here and below) and must not be what resp lies in. */
void fields_to_json(struct str resp, struct buf *out);
/* The reverse: appends the RESP array. Takes every JSON object whose values are strings and that
 * has at least one, however it is spaced and escaped. false, with nothing appended: the bytes,
 * which may be arbitrary, are not such an object, or a string in it names no bytes (a surrogate
 * that is neither part of a pair nor one of \udc80 to \udcff). */
MUST_CHECK bool fields_from_json(struct str json, struct buf *out);

#endif
