/* The settled view: streams as they were after an earlier frame, so that who only reads never waits
 * for somebody else's sync (docs/design.md, rule 10).
 *
 * What is appended carries its frame, so that it can be left out. For every other change something
 * is kept until its frame is settled:
 *
 *   image    of a stream: its numbers before the change; holes and a string's value where the
 *            change replaces them. A queue for each stream, at most one for each batch, since
 *            what is settled ends with a batch. Events that are trimmed stay in the tail.
 *   former   of a name: what had it before it was deleted or renamed; the content too, when it was
 *            deleted.
 *   erased   gone/erased.c keeps the whole event.
 *
 * What a stream was is built from these when somebody asks: a view, a struct stream that shares the
 * tail with the real one. It is for reading only. Loop thread. */
#ifndef STREAM_SETTLED_H
#define STREAM_SETTLED_H

#include "base/hash.h"
#include "base/list.h"
#include "base/str.h"
#include "stream/gone/holes.h"

struct event;
struct model;
struct stream;
struct stream_extra;
struct stream_name;
struct view;

struct image {
    struct list node;        /* stream_extra.images, oldest first */
    struct list order;       /* model.unsettled.images, by frame */
    struct stream_extra *of; /* that has it */
    uint64_t frame;          /* the first that changed the stream: the image is of before it */
    uint64_t next_version, first_version, added_beyond, expires;
    struct entry_id last, deleted;
    bool has_holes, has_value; /* else they are as in the next image that has them, or as now */
    bool value_promised;       /* a transaction will give it, if it is not undone */
    bool unreferenced;         /* groups lost what they had pending of the removed entries */
    struct holes holes;
    char *value;
    size_t value_len;
};

/* At most one of a name, and of a number, for each batch. */
struct former {
    struct list of_name, of_number; /* in their lines, oldest first */
    struct list order;              /* model.unsettled.formers, by frame */
    uint64_t frame;                 /* it was so before this frame */
    struct stream_name *name;       /* as of then; one reference */
    uint64_t number;                /* of what had the name; 0: nothing */
    struct stream *content;         /* of a deleted one; NULL: it lives on under another name */
    bool content_of_own;            /* which came with the former, not later */
    size_t content_bytes;
};

struct unsettled {
    struct hash_table by_name, by_number; /* lines of formers */
    struct list images, formers;
    size_t bytes;        /* of images and formers: they count as pinned (server_pinned_bytes) */
    struct view **views; /* of the running command, and some to be used again */
    size_t view_count, view_cap, view_made;
};

#define VIEW_NEWEST UINT64_MAX /* in place of a frame: as decided */

/* What the name of s (LIVE or ABSENT, in memory) stood for after `frame`: s itself, a view, or a
 * shared ABSENT stream. Valid until model_drop_views, or until the model is changed. */
struct stream *model_stream_at(struct model *m, struct stream *s, uint64_t frame);
/* A shared ABSENT stream: what a name stands for that nothing has. */
struct stream *model_nothing(void);
/* The stream that a view is of; of another stream the stream itself. */
struct stream *stream_origin(struct stream *s);
/* Views end with the command that asked for them. */
void model_drop_views(struct model *m);
/* Of an event, which the caller has from the log: whether its stream had it still after `frame`,
 * and the name that its stream had. */
bool model_event_was_there(struct model *m, const struct event *e, uint64_t frame);
struct stream_name *model_name_at(const struct model *m, const struct event *e, uint64_t frame);
/* Whether an entry of s has lost its references by a frame beyond `frame`. */
bool stream_unreferenced_since(const struct stream *s, uint64_t frame);
/* Entries of s are removed with their references, in the frame being built. */
void stream_note_unreferenced(struct model *m, struct stream *s);
/* Forgets what no view can ask for any more, a bounded amount. Once a turn, when nobody borrows
 * events. */
void model_settle(struct model *m);

#endif
