/* A part of a reply that is written before it can be sent: its length is known first, or it is
 * gathered over several turns of the loop. In pieces, so that growing copies nothing. Loop thread.
 */
#ifndef SERVER_CLIENT_REPLY_TEXT_H
#define SERVER_CLIENT_REPLY_TEXT_H

#include "base/buf.h"
#include "base/list.h"
#include "base/str.h"

#define REPLY_PIECE_BYTES ((size_t)256 << 10)

struct reply_text {
    struct list pieces;
    size_t bytes; /* in all of them */
};

void reply_text_init(struct reply_text *t);
/* Appends a bulk string, of less than a piece. */
void reply_text_bulk(struct reply_text *t, struct str s);
/* Appends bytes that are RESP already. */
void reply_text_raw(struct reply_text *t, const char *bytes, size_t n);
/* Moves the first piece to the end of out. false: there is none. */
bool reply_text_take(struct reply_text *t, struct buf *out);
/* Frees what is left; it may be used again. */
void reply_text_clear(struct reply_text *t);

#endif
