/* The names that streams were given by frames which the backend may not have yet: those that came
 * to be, and those that were renamed, by number. Who lists names lays them over what the backend
 * lists (server/wait/key_list.c), from any number on, and looks at no other record. Batches are
 * added when they are handed over. Loop thread. */
#ifndef STREAM_GIVEN_NAMES_H
#define STREAM_GIVEN_NAMES_H

#include "base/base.h"

struct model;
struct batch;
struct stream_record;

struct given_name {
    uint64_t number, frame;
    uint64_t order; /* they were given: one frame may give a stream several names */
    const struct stream_record *record; /* there as long as the frame is beyond the floor */
};

struct given_names {
    struct given_name *items;
    size_t count, cap;
    size_t sorted;  /* [0, sorted) ascend by number, then as they came; the rest are few */
    uint64_t added; /* ever */
};

void given_names_add(struct model *m, const struct batch *b);
/* Of the sorted ones: the first that is beyond this number and frame. */
size_t given_names_beyond(const struct given_names *g, uint64_t number, uint64_t frame);
/* Once a turn: all of it goes when all of it is below the floor. */
void given_names_forget(struct model *m);
/* After a void: of what is durable. */
void given_names_rebuild(struct model *m);
void given_names_clear(struct given_names *g);

#endif
