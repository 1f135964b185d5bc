/* Parsing what the X commands take: numbers, entry ids, ranges, blocks of ids. As Redis does it,
 * with its error texts. On false (or NULL) the error reply has been sent, unless noted. Loop
 * thread. */
#ifndef COMMANDS_STREAM_ARGS_H
#define COMMANDS_STREAM_ARGS_H

#include "record/entry_id.h"
#include "stream/entry.h"
#include "commands/event/args.h"

/* A signed 64-bit number in its shortest form: no '+', no leading zero. Replies nothing. */
bool xarg_i64(struct str arg, int64_t *out);
/* "ERR value is not an integer or out of range". */
bool xarg_i64_or_reply(struct client *c, struct str arg, int64_t *out);
/* A non-negative number of ms, as BLOCK takes it. */
bool xarg_timeout_or_reply(struct client *c, struct str arg, uint64_t *ms);

/* `ms-seq` or `ms`, which stands for ms-missing_seq. Replies nothing. */
bool xarg_id(struct str arg, uint64_t missing_seq, struct entry_id *out);
bool xarg_id_or_reply(struct client *c, struct str arg, uint64_t missing_seq, struct entry_id *out);
/* Also `ms-*`: then *auto_seq is set and the id's seq 0. */
bool xarg_new_id_or_reply(struct client *c, struct str arg, struct entry_id *out, bool *auto_seq);
/* The ends of a range, both inclusive when they return: `-`, `+`, an id, `(` and an id. */
bool xarg_start_or_reply(struct client *c, struct str arg, struct entry_id *out);
bool xarg_end_or_reply(struct client *c, struct str arg, struct entry_id *out);

/* What becomes of consumer groups' references to an entry that is removed. */
enum refs {
    REFS_KEEP,   /* they stay (KEEPREF) */
    REFS_DELETE, /* they go too, in all groups (DELREF) */
    REFS_ACKED,  /* only entries that all groups have acknowledged are removed (ACKED) */
};
/* false: it is none of the words; replies nothing. */
bool xarg_refs(struct str arg, enum refs *out);
/* argv[at] is IDS: the ids after `IDS numids`, which go up to *end (an index of argv). The array is
 * the caller's to free; NULL after an error reply. */
struct entry_id *xarg_ids_or_reply(struct client *c, const struct request *r, size_t at,
                                   size_t *count, size_t *end);

/* [KEEPREF | DELREF | ACKED] IDS numids id [id ...] from argv[at] to the end, the two in either
 * order. */
struct entry_id *xargs_refs_or_reply(struct client *c, const struct request *r, size_t at,
                                     enum refs *refs, size_t *count);

#endif
