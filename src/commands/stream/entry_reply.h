/* Entries as Redis clients see them: an id and fields. Events added with XADD have the fields that
 * they were added with; those appended with EAPPEND have event_id, type, version, payload and, when
 * they were given, metadata, correlation_id, causation_id, aggregate_id. An erased entry of XADD
 * has no fields. Loop thread. */
#ifndef COMMANDS_STREAM_ENTRY_REPLY_H
#define COMMANDS_STREAM_ENTRY_REPLY_H

#include "server/client/client.h"

/* "ms-seq", a bulk string. */
void reply_entry_id(struct client *c, struct entry_id id);
/* [id, [field, value ...]] */
void reply_entry(struct client *c, const struct event *e);
/* [id, null]: a pending entry that does not exist any more. */
void reply_entry_gone(struct client *c, struct entry_id id);
/* [id, [field, value ...], idle ms, deliveries]: XREADGROUP ... CLAIM. */
void reply_entry_claimed(struct client *c, const struct event *e, int64_t idle, int64_t deliveries);
/* An array of entries, which ends the command's reply: a long one is made in portions. */
struct entry_list;
void reply_entry_list(struct client *c, const struct entry_list *l);
/* An array of entries. */
void reply_entries(struct client *c, struct event *const *events, size_t n);

/* The same of a virtual stream: the id is that of the log (log_read.h), and in front of the fields
 * stand `@stream`, the name of its stream as of the frame `view`, and `@id`, its id in there. */
void reply_log_entry(struct client *c, const struct event *e, uint64_t view);
void reply_log_entry_claimed(struct client *c, const struct event *e, uint64_t view, int64_t idle,
                             int64_t deliveries);
void reply_log_entries(struct client *c, struct event *const *events, size_t n, uint64_t view);
void reply_log_entry_list(struct client *c, const struct entry_list *l, uint64_t view);
/* The entries that XREAD and XREADGROUP have found in a stream, or (of_log) in a virtual one; last:
 * they end the command's reply. Then large ones among them are there once for all who are replied
 * them, and go in portions. */
void reply_found_entries(struct client *c, const struct entry_list *l, bool of_log, uint64_t view,
                         bool last);
/* For long_reply: an entry of a stream, of a virtual one. */
void put_entry_of(struct client *c, const struct event *e, struct stream_name *name);
void put_log_entry_of(struct client *c, const struct event *e, struct stream_name *name);

/* Bytes of names and values of the fields: what MAXSIZE counts. */
size_t entry_size(const struct event *e);

#endif
