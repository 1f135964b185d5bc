/* Reading ahead. A client that goes through a range page by page asks for a page when it has dealt
 * with the one before; so the reader, the loop and the client would wait for each other in turn.
 * Who has come back soon for what follows his last page will come once more: while that page is
 * composed, sent and dealt with, a reader looks for the next.
 *
 * Such a page is a need_item (item.h) of the connection's. When a command asks for just that, it
 * takes the item over, which is then as if an earlier run of the command had asked for it: what
 * became of the store meanwhile is seen alike. Memory has what is beyond the page's snapshot, since
 * a page that is not released holds the floor; so none is kept for long. And it is only a guess:
 * none is begun with unless a reader has nothing to do and there is room to spare, and all go when
 * somebody waits for room. Loop thread. */
#ifndef SERVER_WAIT_AHEAD_H
#define SERVER_WAIT_AHEAD_H

#include "base/list.h"
#include "stream/read.h"

struct client;
struct need_item;
struct server;

struct aheads {       /* the server's */
    struct list all;  /* connections' pages, the oldest first */
    uint64_t bytes;   /* of pages, those that are being read as far as is known before */
    unsigned reading; /* pages that have not come */
    uint64_t begun, used;
};

void aheads_init(struct server *srv);
/* Whether a read of a page (read.pages) goes on where the connection's last one ended, not long
 * ago. start: r's, before it was narrowed. */
bool ahead_expects(const struct client *c, const struct read *r, uint64_t start);
/* A read of a page has found what is in r, with this item, which lies on disk, in
 * part. start: r's, before it was narrowed. Perhaps the next one is begun with. */
void ahead_note(struct client *c, struct need_item *item, const struct read *r, uint64_t start);
/* The page that such a read wants, if it was read ahead, or is being. It is the caller's, for
 * item_adopt. NULL: there is none. c->ahead is not NULL. */
struct need_item *ahead_take(struct client *c, const struct read *r);
/* Forgets the connection's page, and where it is. */
void ahead_drop(struct client *c);
/* Others wait for room: all pages go. */
void aheads_give_way(struct server *srv);
/* Ten times a second: those that nobody has come for go. */
void aheads_cron(struct server *srv);

#endif
