/* What the files of blocking*.c share. Nobody else includes this.
 *
 *   key "orders" --+-- set "group a": waiters, first come first
 *                  +-- set "group b": ...
 *                  '-- set of XREAD:  ...
 *
 * A waiter is one connection under one key (struct blocked_link). */
#ifndef SERVER_WAIT_INTERNAL_H
#define SERVER_WAIT_INTERNAL_H

#include "base/hash.h"
#include "base/heap.h"
#include "server/server.h"
#include "server/wait/blocking.h"
#include "stream/live.h"

enum set_kind { SET_ENTRIES, SET_GROUP, SET_NOTHING };

struct blocked_key {
    struct hash_node node; /* blocking.keys */
    struct list ready;     /* blocking.ready */
    struct list sets;
    size_t group_sets;      /* those of groups among them */
    size_t links;           /* in all of its sets */
    bool serving;           /* must stay */
    bool changed;           /* other than by new entries ... */
    uint64_t changed_frame; /* ... by this frame or an earlier one; 0: not known yet */
    bool has_new;           /* entries have become visible */
    size_t name_len;
    char name[];
};

/* For events of one selector: a connection's, or a group's of a virtual stream. */
struct blocked_watch {
    struct live_watcher live;
    struct blocked *of;      /* NULL: */
    struct blocked_set *set; /* whose members wait */
};

struct blocked_set {
    struct list node;    /* blocked_key.sets */
    struct hash_node of; /* blocking.sets: by key, kind and group */
    struct blocked_key *key;
    enum set_kind kind;
    struct list waiters; /* struct blocked_link */
    size_t links;
    size_t claimers;       /* links of commands with CLAIM ... */
    struct list unlooking; /* ... that will not look at what is pending by themselves (later) */
    uint64_t told_at;      /* ms, wall clock: when they last heard of a delivery, or came */
    bool serving;
    bool delivered; /* meanwhile: those who claim have something to look at later */
    /* A group of a virtual stream: what it selects (a reference; NULL: it is none), as of when one
     * of the members began to wait, the members who do not wait for events but for the end of
     * looking, and blocking_scan.c's. */
    struct selector *selector;
    struct live_target *held; /* of that: who waits is counted as long as he does, also while the
                                 group looks through what there is */
    size_t hurried;
    struct blocked_watch watch;
    uint64_t watched_from;    /* where that began: the scan had looked at all before */
    uint64_t watched_renames; /* model.renamed.count then */
    size_t group_bytes;       /* of the group, as it stands in blocking.groups_bytes */
    struct list scanning;     /* blocking.scanning */
    struct list at_head;      /* blocking.at_head */
    size_t group_len;
    char group[];
};

struct blocked_link {
    struct list node;  /* blocked_set.waiters */
    struct list later; /* blocked_set.unlooking */
    struct blocked_set *set;
    struct client *client;
    struct entry_id after; /* SET_ENTRIES */
    bool selects;          /* SET_ENTRIES: the key is a selection, and has no entries itself */
};

/* What a command has looked at: see blocking_progress, blocking_selects. */
struct blocked_progress {
    uint64_t *at;
    size_t at_count;
    uint64_t generation;                   /* of the model, which `at` and `looked` are of; */
    uint64_t as_of;                        /* and the newest frame that was seen */
    struct selector **selectors;           /* references */
    size_t selector_count, selector_bytes; /* bytes: of what they say */
    struct log_looked *looked;
    size_t looked_count;
    uint64_t renames;     /* by others, of which it has seen what they did, ... */
    uint64_t named_as_of; /* ... and the frame when it looked last */
    unsigned again;       /* so often it began again because of those */
};

/* What a connection waits for: client.wait.blocked. */
struct blocked {
    struct client *client;
    bool began;           /* its time runs ... */
    bool time_stands;     /* ... but not now: it looks for what there is */
    struct entry_id *ids; /* '$' */
    struct blocked_link *links;
    size_t link_count;
    size_t key_bytes; /* of them, of their keys and sets, and of what stands for each key */
    struct blocked_watch *watches; /* of the keys that are virtual; EREAD's is the only one */
    size_t watch_count;
    struct blocked_progress *commands; /* of EXEC each, of another command the only one */
    size_t command_count, progress_bytes;
    uint64_t renames, undone_renames; /* EXEC: by others; model.renamed.count, when it was undone */
    bool claims;
    bool in_group; /* XREADGROUP: what it gets is pending from then on */
    bool hurries;  /* blocking_on.hurries */
    uint64_t min_idle;
    bool listens;       /* for events of a selector, by blocking_listen */
    bool on_checkpoint; /* for a checkpoint: */
    struct named_watcher named;
    uint64_t deadline_ms;       /* monotonic; 0: none */
    struct heap_node due, look; /* in blocking.due, by its deadline; in blocking.looks */
    struct list pausing;        /* blocking.pausing */
};

struct blocking {
    struct hash_table keys, sets;
    size_t plain_keys; /* of streams: no event is of a name that is virtual */
    struct list ready;
    struct list scanning;  /* sets whose groups look on */
    struct list at_head;   /* sets whose groups wait for an event */
    size_t waiting_groups; /* sets of groups of virtual streams, all of them */
    uint64_t groups_bytes; /* what those groups take, which stay in memory */
    struct list pausing;   /* of struct blocked: commands that look on in another turn, in turns */
    size_t looks_left;     /* of this turn, for all commands that pause */
    uint64_t record_at;    /* ms, monotonic: when blocked_record_scans is due */
    struct live live;
    uint64_t keys_on_nokey; /* with a SET_GROUP */
    uint64_t sequence;      /* of the log: everything before it has been looked at */
    uint64_t generation;    /* of the model, that `sequence` belongs to */
    struct heap due;        /* of struct blocked: monotonic ms */
    struct heap looks;      /* the same: when what is pending is to be looked at (CLAIM). By the
                               wall clock, as the times of deliveries: a step moves both */
};

/* blocking.c. What the connection waits for, made if need be. */
struct blocked *blocked_of(struct client *c);
/* Registers it under the keys. */
void blocked_link(struct client *c, struct blocked *w, const struct blocking_on *on,
                  enum set_kind kind);
/* The wait begins: no end when timeout_ms is 0. */
void blocked_begin(struct client *c, struct blocked *w, uint64_t timeout_ms);
/* So many watches. */
void blocked_make_watches(struct blocked *w, size_t n);
/* From now on it is woken by events of the selector from `from` on. */
void blocked_watch(struct blocked *w, size_t i, struct selector *selector, uint64_t from);
/* It is not, and was not: nothing was looked at on its behalf. */
void blocked_unwatch(struct blocked *w, size_t i);
/* blocking_progress.c: nothing is kept any more. */
void blocked_progress_clear(struct blocked *w);
/* Parks the command, on every run; its time does not run while it looks for what there is. */
void blocked_park(struct client *c, struct blocked *w, bool time_runs);
/* blocking_serve.c. Runs the command now, not with the others that were woken in this turn: whether
 * there is something for the next one depends on what it took. */
void blocked_run(struct client *c);

/* blocking_keys.c; `find` returns NULL when there is none, `get` makes one. */
struct blocked_key *blocked_key_find(struct blocking *b, struct str name);
struct blocked_key *blocked_key_get(struct blocking *b, struct str name);
struct blocked_set *blocked_set_find(struct blocking *b, const struct blocked_key *key,
                                     enum set_kind kind, struct str group);
struct blocked_set *blocked_set_get(struct blocking *b, struct blocked_key *key, enum set_kind kind,
                                    struct str group);
void blocked_unlink(struct server *srv, struct blocked_link *link, bool claims, bool hurries);
void blocked_key_free_if_unused(struct blocking *b, struct blocked_key *key);
void blocked_set_free_if_unused(struct server *srv, struct blocked_set *set);

/* blocking_serve.c: the key's commands are run when its turn comes, as if entries had become
 * visible. */
void blocked_key_has_new(struct blocking *b, struct blocked_key *key);
/* blocking_scan.c. What the group selects, as its member knows that is about to wait. */
void blocked_scan_select(struct server *srv, struct blocked_set *set, struct selector *selector);
/* The set's members wait: its group looks on, or for what comes. */
void blocked_scan(struct server *srv, struct blocked_set *set);
void blocked_scan_end(struct server *srv, struct blocked_set *set);
/* Its members were run, as far as there was something for them. */
void blocked_scan_served(struct server *srv, struct blocked_set *set);
/* Whether there is something to do for those who wait. */
bool blocking_scans(const struct server *srv);
/* Whether the group has something for them, or they should look for themselves. */
bool blocked_scan_has(struct server *srv, const struct blocked_set *set);
/* Notes for all groups that wait how far the log was looked at, and records it now and then. */
void blocked_record_scans(struct server *srv);
/* An event has come for it. */
void blocked_scan_woken(struct server *srv, struct blocked_set *set);

#endif
