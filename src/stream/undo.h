/* Taking back: while a transaction (EXEC) is being decided, everything that changes the model notes
 * how to change it back. When a command of it fails, or has to wait for something to be loaded, all
 * of it is undone, newest first, and the frame is dropped. Outside of a transaction nothing is
 * noted. Loop thread. */
#ifndef STREAM_UNDO_H
#define STREAM_UNDO_H

#include "base/base.h"

struct model;

/* The head of a note; its owner puts what it needs behind it. */
struct undo {
    struct undo *older;
    void (*back)(struct model *m, struct undo *u); /* undoes it */
    void (*keep)(struct model *m, struct undo *u); /* it stays; frees what was kept for undoing.
                                                      NULL: nothing to do */
};

/* A note of `size` bytes, zeroed; NULL outside of a transaction. `back` is set. */
void *model_note(struct model *m, size_t size, void (*back)(struct model *m, struct undo *u));

/* A transaction: several commands in one frame, or none of them. */
void model_begin(struct model *m);
/* Ends it and closes its frame. Returns the frame; 0: nothing was changed. */
uint64_t model_end(struct model *m);
/* Ends it as if nothing had been decided. */
void model_undo(struct model *m);

/* Closes the frame of a command, unless it is part of a transaction. Every command that changed
 * something calls it before it replies. Returns the frame that holds the changes (of a transaction:
 * the one that it will become); 0: there are none. */
uint64_t model_commit(struct model *m);
/* Whether nothing has been decided since the last frame was closed. */
bool model_frame_is_empty(const struct model *m);
/* Bytes of the frame being built, in the journal. */
size_t model_frame_bytes(const struct model *m);

#endif
