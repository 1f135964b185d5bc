/* Trimming as XADD and XTRIM do it. First what it takes is required (before anything is decided),
 * then it is decided. Loop thread. */
#ifndef COMMANDS_STREAM_TRIM_H
#define COMMANDS_STREAM_TRIM_H

#include "stream/read.h"
#include "commands/stream/add_args.h"

struct trim {
    const struct trim_args *args;
    struct stream *stream;
    bool adds;               /* XADD: an entry, before it is trimmed */
    uint64_t min_version;    /* MINID: the first version that stays */
    uint64_t acked_end;      /* ACKED: versions from here on were not delivered to every group */
    struct entry_id acked;   /* ACKED: the highest id that was delivered to every group */
    uint64_t known_end;      /* next version when that was found out */
    struct read candidates;  /* ACKED: entries among which some may go one by one ... */
    bool sweeps;             /* ... found by the stream's sweep ... */
    uint64_t candidates_end; /* ... below this version */
    struct entry_id stays;   /* DELREF: of the first entry that stays, where it has to be known */
};

/* false: something has to be loaded; the command returns PARKED (after trim_clear). The stream is
 * LIVE, or ABSENT (about to be created). */
bool trim_require(struct client *c, struct trim *t, struct stream *s, const struct trim_args *args,
                  bool adds);
/* DELREF takes along more references than one turn should, or than fit into a frame beside so many
 * bytes; or ACKED (of XTRIM) has more entries to look at: trim_take_some trims a part of it first,
 * with its references, and the command is run again in the next turn. Before anything else is
 * decided. What went so is in wait.so_far, and stays gone if the next turn never comes. */
bool trim_takes_many(const struct client *c, const struct trim *t, size_t beside);
enum outcome trim_take_some(struct client *c, struct trim *t);
/* Removes what is to go, as part of the frame being built. Events may have been added to the stream
 * since it was required. Returns how many entries went. */
uint64_t trim_apply(struct client *c, struct trim *t);
void trim_clear(struct trim *t);

/* The first version that stays as far as the threshold says. */
uint64_t trim_threshold(const struct client *c, const struct trim *t);

/* Removes the entries that are not NULL, each of which stands once and exists; reorders the array.
 * Part of the frame being built. Returns how many. */
size_t entries_remove(struct model *m, struct stream *s, struct event **events, size_t n);
/* Whether a group of the stream still refers to the id: it is pending, or the group has not come to
 * it. As in Redis, the entry need not exist (any more). */
bool entry_referenced(const struct stream *s, struct entry_id id);
bool entry_is_pending(const struct stream *s, struct entry_id id); /* in any group */
/* Takes it out of all groups' pending entries. */
void entry_unreference(struct model *m, struct stream *s, struct entry_id id);

#endif
