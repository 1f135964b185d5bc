/* A reply, or the end of one, that is written to c->out as usual and may become long: what stands
 * there is moved into pieces now and then, between which others can be put that are noted only
 * (reply_text.h). When it is whole it is sent, or the error that it is too long. Loop thread. */
#ifndef SERVER_CLIENT_REPLY_DRAFT_H
#define SERVER_CLIENT_REPLY_DRAFT_H

#include "server/client/client.h"
#include "server/client/reply_text.h"

struct reply_draft {
    struct client *c;
    uint64_t start;         /* of it, in c's output */
    struct reply_text text; /* private: but for what reply_draft_text gives */
};

/* What is written to c->out from here on belongs to it. Then either reply_draft_send, or
 * reply_draft_text and whatever ends with an empty text. */
void reply_draft_begin(struct reply_draft *d, struct client *c);
/* Goes on with one whose reply_draft_text was asked for in an earlier run of the command. */
void reply_draft_resume(struct reply_draft *d);
/* Whether no more of it is wanted. To be asked often: moves what has been written. */
bool reply_draft_is_over(struct reply_draft *d);
/* All of it up to here. */
struct reply_text *reply_draft_text(struct reply_draft *d);
/* Replies it, or TOOLARGE with the advice; the last of the command's reply. */
void reply_draft_send(struct reply_draft *d, const char *advice);

#endif
