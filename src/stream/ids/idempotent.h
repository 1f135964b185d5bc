/* XADD IDMP: what producers have added lately, so that the same message sent twice is added once. A
 * stream remembers for each producer at most `max` ids, none longer than `seconds`. Loop thread. */
#ifndef STREAM_IDS_IDEMPOTENT_H
#define STREAM_IDS_IDEMPOTENT_H

#include "stream/model.h"

struct idempotent_stats { /* XINFO STREAM */
    uint64_t producers, ids, added, duplicates;
};

/* true: the producer's id stands already, for the entry *out. Counts a duplicate. max and seconds:
 * the stream's, or those configured. */
bool model_idempotent_find(struct model *m, struct stream *s, struct str producer, struct str id,
                           uint32_t seconds, uint32_t max, struct entry_id *out);
/* Notes it (a record of the frame being built). */
void model_idempotent_add(struct model *m, struct stream *s, struct str producer, struct str id,
                          uint32_t max, struct entry_id entry);
void model_idempotent_stats(const struct stream *s, struct idempotent_stats *out);

#endif
