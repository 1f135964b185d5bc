/* See reply_draft.h. */
#include "server/client/reply_draft.h"

#include "server/client/long_reply.h"
#include "server/server.h"

#define MOVED_BYTES ((size_t)64 << 10)

void reply_draft_begin(struct reply_draft *d, struct client *c) {
    d->c = c;
    d->start = client_out_offset(c);
    reply_text_init(&d->text);
}

void reply_draft_resume(struct reply_draft *d) {
    d->start = client_out_offset(d->c);
}

/* When the limit on c->out has dropped what stood there, the command's reply is an error already:
 * command.c and EXEC see to that. */
static void move(struct reply_draft *d) {
    struct client *c = d->c;
    if (c->out.overflow) return;
    size_t at = (size_t)(d->start - c->out_base);
    reply_text_raw(&d->text, c->out.data + at, c->out.len - at);
    client_cut_reply(c, d->start);
}

bool reply_draft_is_over(struct reply_draft *d) {
    const struct client *c = d->c;
    if (c->out.overflow) return true;
    if (client_out_offset(c) - d->start >= MOVED_BYTES) move(d);
    return d->text.bytes > c->srv->config.reply_bytes_max;
}

struct reply_text *reply_draft_text(struct reply_draft *d) {
    move(d);
    return &d->text;
}

void reply_draft_send(struct reply_draft *d, const char *advice) {
    struct client *c = d->c;
    bool is_short = list_empty(&d->text.pieces) && client_out_offset(c) - d->start < MOVED_BYTES;
    if (is_short && !c->out.overflow) return; /* it stands where it belongs */
    move(d);
    if (d->text.bytes > c->srv->config.reply_bytes_max) {
        reply_text_clear(&d->text);
        reply_too_long(c, advice);
        return;
    }
    reply_text_send(c, &d->text);
}
