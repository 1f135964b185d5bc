/* One thing that a command has asked for (need.c). It outlives its connection when a reader thread
 * is still at work for it: an orphan frees itself when done.
 *
 * A command may ask for very many things at once. Of those that the model does not load a few are
 * handed to the store, the others wait here in their order (need.waiting), and the next follows
 * when one has come, and there is room for it (server/client/share.h). So others' reads do not wait
 * behind a thousand of one command, and it is bounded what is loaded: when a run's things take
 * enough, what still waits is forgotten, the command runs again, and asks for what it still misses.
 * How large an event is nobody knows before it is there: what takes more than it was asked for
 * with, and finds no room, is given back, and asked for again with its size. Loop thread. */
#ifndef SERVER_WAIT_ITEM_H
#define SERVER_WAIT_ITEM_H

#include "server/client/client.h"
#include "store/store.h"
#include "stream/gone/renamed.h"

struct key_walk;

enum item_kind {
    ITEM_STREAM,
    ITEM_NAMED,
    ITEM_EVENT,
    ITEM_ENTRY,
    ITEM_PAGE,
    ITEM_COUNT,
    ITEM_LIST,
    ITEM_KEYS,
    ITEM_NAMED_LIST,
    ITEM_GROUPS,
    ITEM_GATHERED,
    ITEM_BACKUP
};

struct item_count {  /* need_count.c's: what is in memory */
    uint64_t before; /* what the portions before have counted */
    bool begun;
    unsigned again; /* so often it was begun again */
    uint64_t frame; /* the view then */
    uint64_t at;    /* the next sequence to look at */
    uint64_t counted;
};

struct need_item {
    struct list node;
    struct list waiting;        /* in need.waiting: the store does not know of it yet */
    uint64_t reserved;          /* bytes that it was asked for with */
    bool heads;                 /* PAGE: only ids and numbers of its events are kept */
    struct hash_node by_key;    /* EVENT, ENTRY, PAGE, COUNT: of need.asked */
    struct hash_node by_stream; /* PAGE: of need.pages */
    struct client *client;      /* NULL: orphan */
    struct server *srv;
    enum item_kind kind;
    bool done;
    uint64_t generation;             /* of the model when asked */
    uint64_t asked_start, asked_end; /* PAGE: of the read, before it was narrowed */
    size_t asked_count;
    bool in_sequence;      /* PAGE: it follows the one that the connection read before ... */
    bool noted;            /* ... and what follows it was expected: ahead.h */
    bool used;             /* PAGE: by a read of this run of the command ... */
    struct stream *keeps;  /* ... of this stream, which may keep its events; NULL: not so */
    struct waiter waiter;  /* STREAM, NAMED */
    struct stream *pinned; /* STREAM, once loaded */
    struct named *named;   /* NAMED: the same */
    struct store_request request;
    struct selector *selector; /* PAGE, COUNT: a reference, for the reader thread; or NULL */
    struct names_asked names;  /* PAGE: the range borrows from it */
    unsigned names_before;     /* PAGE: so often it was asked for in vain */
    struct item_count count;   /* COUNT */
    void *gathered;            /* GATHERED: the command's own */
    void (*drop)(void *gathered);
    char *text;            /* BACKUP, GROUPS: name; LIST, KEYS: pattern and category */
    struct key_walk *walk; /* KEYS, once the list is there; NULL: it is not */
};

struct need {
    struct list items;
    struct hash_table asked; /* items by what they are of: a command may ask for very many */
    unsigned pending;
    struct list waiting;     /* items that follow when one has come, or there is room */
    unsigned reading;        /* items that the store has */
    struct hash_table pages; /* its pages, by stream */
    size_t page_bytes;       /* of pages and lists that were loaded, and what a walk holds */
    size_t event_bytes;      /* of events that were loaded by id */
    uint64_t asked_bytes;    /* reserved by the items that the store has */
    size_t run_bytes;        /* of events that were loaded since the command was run */
    bool keeps;              /* a number for the next run: */
    uint64_t kept;
    int status;
    struct err err;
};

/* A new one of the client's command, which is pending. */
struct need_item *item_create(struct client *c, enum item_kind kind);
/* One that is no command's yet. */
struct need_item *item_alone(struct client *c, enum item_kind kind);
/* A page that was asked for before the client's command wanted it, which does from now on. */
void item_adopt(struct client *c, struct need_item *item);
/* Asks the store, at once or later. bytes: what it will take, about (item_guess). */
void item_ask(struct need_item *item, enum store_request_kind kind, uint64_t bytes);
/* What so many events or names will take that take no more than bytes_max. */
uint64_t item_guess(uint64_t count, uint64_t bytes_max);
/* It has come, or has failed: then err says why. */
void item_done(struct need_item *item, int status, const struct err *err);
/* It is not needed any more, and nobody is at work for it. */
void item_forget(struct need *need, struct need_item *item);
void item_free(struct need_item *item);
/* Of one that has not come: whether it will, though nobody wants it any more. */
bool item_is_under_way(struct need_item *item);

#endif
