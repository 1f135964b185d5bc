/* See walk.h. */
#include "server/client/walk.h"

#include "server/server.h"

static struct client *next_of_all(const struct client *c) {
    const struct list *all = &c->srv->clients;
    return c->all.next != all ? LIST_ENTRY(c->all.next, struct client, all) : NULL;
}

void client_walk_begin(struct client_walk *w, struct server *srv) {
    const struct list *all = &srv->clients;
    list_init(&w->node);
    list_append(&srv->client_walks, &w->node);
    w->end = srv->next_client_id + 1;
    w->next = !list_empty(all) ? LIST_ENTRY(all->next, struct client, all) : NULL;
}

struct client *client_walk_next(struct client_walk *w) {
    struct client *c = w->next;
    if (c != NULL && c->id >= w->end) c = NULL;
    w->next = c != NULL ? next_of_all(c) : NULL;
    return c;
}

void client_walk_end(struct client_walk *w) {
    list_remove(&w->node);
}

void client_walks_leave(struct client *c) {
    LIST_FOR_EACH (it, &c->srv->client_walks) {
        struct client_walk *w = LIST_ENTRY(it, struct client_walk, node);
        if (w->next == c) w->next = next_of_all(c);
    }
}
