/* The text of a view (EVIEW), as the store keeps it and SQL shows it: the words of its selector
 * with their values, as one would type them. `CATEGORY "order" TYPE "order.paid"`. Loop thread. */
#ifndef COMMANDS_EVENT_VIEW_TEXT_H
#define COMMANDS_EVENT_VIEW_TEXT_H

#include "proto/resp.h"
#include "store/selector.h"

/* In one order, each value once: two views that say the same have the same text. */
void view_text_put(struct buf *out, const struct selector *s);

/* The words and values that a text consists of. */
struct view_words {
    struct resp_reader reader; /* args, argc */
    struct buf line;
};
/* false: the text makes no sense (somebody has written into the database). To be cleared in either
 * case. */
bool view_words_read(struct view_words *w, struct str text);
void view_words_clear(struct view_words *w);

#endif
