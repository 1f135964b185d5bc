/* A part of a reply that is written before it can be sent: its length is known first, or it is
 * gathered over several turns of the loop. In pieces, so that growing copies nothing. A piece is
 * text, or items that are put into words when they leave: what a reply tells of very many things
 * takes a turn of the loop little time to note, and more to write. Loop thread. */
#ifndef SERVER_CLIENT_REPLY_TEXT_H
#define SERVER_CLIENT_REPLY_TEXT_H

#include "base/buf.h"
#include "base/list.h"
#include "base/str.h"

#define REPLY_PIECE_BYTES ((size_t)256 << 10)

struct client;

struct reply_text {
    struct list pieces;
    size_t bytes; /* of all of them, as they will be sent */
};

/* What is told of one thing: a struct of this size, aligned to 8 bytes. */
struct reply_item_kind {
    size_t size;
    void (*put)(struct client *c, const void *item); /* writes it to c->out */
    void (*drop)(void *item);                        /* it goes: gives back what it refers to */
};

/* Bytes that several texts have in common: written once, sent to many. `unused` is called when the
 * last reference is dropped. */
struct shared_bytes {
    const char *data;
    size_t len;
    unsigned refs;
    void (*unused)(struct shared_bytes *s);
};

void reply_text_init(struct reply_text *t);
/* Appends a bulk string, of less than a piece. */
void reply_text_bulk(struct reply_text *t, struct str s);
/* Appends bytes that are RESP already. */
void reply_text_raw(struct reply_text *t, const char *bytes, size_t n);
/* Appends an item, for the caller to fill in, that will be written as just so many bytes. */
void *reply_text_item(struct reply_text *t, const struct reply_item_kind *kind, size_t bytes);
/* Appends what is shared; takes a reference of it. */
void reply_text_shared(struct reply_text *t, struct shared_bytes *s);
/* Moves the first piece to the end of c->out, or of what is shared so many bytes. false: there is
 * none. */
bool reply_text_take(struct reply_text *t, struct client *c, size_t most);
/* Frees what is left; it may be used again. */
void reply_text_clear(struct reply_text *t);

/* How long a bulk string of n bytes, an integer and an entry id are in RESP. */
static inline size_t resp_bulk_len(size_t n) {
    return sizeof "$\r\n\r\n" - 1 + u64_dec_len(n) + n;
}
static inline size_t resp_int_len(int64_t v) {
    return sizeof ":\r\n" - 1 + i64_dec_len(v);
}

#endif
