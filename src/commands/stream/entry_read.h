/* Reading entries of a stream by id or version, as many as asked for: a read of the model holds a
 * bounded number of bytes, these go on until there is no more. Loop thread. */
#ifndef COMMANDS_STREAM_ENTRY_READ_H
#define COMMANDS_STREAM_ENTRY_READ_H

#include "stream/group/cgroup.h"
#include "stream/read.h"
#include "server/client/client.h"

struct entry_list {
    struct event **events; /* borrowed until the command has replied */
    size_t count, cap;
};

/* Adds up to `most` entries with versions in [start, end), as of the frame `view`, of which s is.
 * end UINT64_MAX: all that follow. false: they have to be loaded. */
bool entry_list_read(struct client *c, struct entry_list *l, struct stream *s, uint64_t start,
                     uint64_t end, bool reverse, uint64_t most, uint64_t view);
void entry_list_clear(struct entry_list *l);

/* Where the group goes on in s, which is its stream, now or as it was: no entry below this version
 * is beyond its position, all others are. false: it has to be looked up. */
bool need_position(struct client *c, struct cgroup *g, struct stream *s, uint64_t *version);

/* The entries with these versions, in any order, a version as often as it likes; NULL for those
 * that are gone, and for NO_VERSION. false: they have to be loaded. */
#define NO_VERSION UINT64_MAX
bool entries_at(struct client *c, struct stream *s, const uint64_t *versions, size_t n,
                struct event **out);
/* The entries with these ids; NULL for those that do not exist. false: as above. */
bool need_entries(struct client *c, struct stream *s, const struct entry_id *ids, size_t n,
                  struct event **out);

#endif
