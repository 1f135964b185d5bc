/* What a command requires before it can run: streams, events by id, pages from the backend. A
 * command states everything that it needs; what is in memory is given at once, the rest is asked
 * for, and when something is missing the command returns PARKED and is run again from its start
 * once all of it is there. What was loaded is pinned until the command has replied.
 *
 * All of it is as of the frame c->view. On the newest view the reply waits for the last frame of
 * everything that was given, absence included: no command has to see to that. Loop thread. */
#ifndef SERVER_WAIT_NEED_H
#define SERVER_WAIT_NEED_H

#include "stream/read.h"
#include "server/client/client.h"

/* true: *out is LIVE or ABSENT. false: it is being loaded. A stream that has expired is deleted
 * first. A shared ABSENT stream, which must not be changed, stands for a name that no stream can
 * have (stream_name_valid), and for one that has expired while the store takes no writes. On the
 * settled view *out is for reading only. */
bool need_stream(struct client *c, struct str name, struct stream **out);
/* The newest one and the settled one, for XREADGROUP: what the reply waits for is the caller's to
 * say. *view is what the second is of; VIEW_NEWEST: both are the same. */
bool need_stream_twice(struct client *c, struct str name, struct stream **newest,
                       struct stream **settled, uint64_t *view);
/* How many groups a virtual stream has, on the newest view. What they have is not loaded for it.
 * true: known. */
bool need_group_count(struct client *c, struct str name, uint64_t *count);
/* A checkpoint or a view; ask named_value for what it is as of c->view. true: *out is in memory, at
 * least until the command has replied. NULL: nothing has that name, or can have it. */
bool need_named(struct client *c, enum named_class class, struct str name, struct named **out);
/* Up to `count` of a class, from a number of the backend's on (1 at first). true: *out is the
 * backend's list. */
bool need_named_list(struct client *c, enum named_class class, uint64_t from, uint64_t count,
                     const struct named_list **out);
/* All of them; true: need_stream gives each at once. */
bool need_streams(struct client *c, const struct str *names, size_t n);
/* The event with this id. true: known, *out is the event or NULL when there is none (valid during
 * this run of the command). */
bool need_event(struct client *c, const struct uuid *id, struct event **out);
/* Evaluates r (model_read), asking for a page when needed. The filter must be rebuilt by each run
 * of the command; it is copied for the reader thread. A page holds a bounded number of bytes: when
 * fewer than r->count were found and r->has_more, read on from r->next. */
bool need_read(struct client *c, struct read *r);
/* How many events of the log a selector has (need_count.c), as of c->view. Ask pages_may_count
 * first. One that goes by names alone has exactly so many. Of another one counts what the database
 * does not know to be gone, and what is removed, or renamed, while they are counted may count or
 * not. *too_many: of a transaction that has removed or renamed something
 * itself, they cannot be counted in one turn, as they would have to be. */
bool need_count(struct client *c, struct selector *selector, uint64_t *count, bool *too_many);
/* Whether it has begun to, event by event. */
bool need_is_counting(const struct client *c, const struct selector *selector);
/* Whether it has a tally that can be asked, now or when the backend has counted; else *since is the
 * frame that has to be applied before, if it has one at all. */
bool need_tally_is_usable(struct client *c, struct selector *selector, uint64_t *since);
/* What the pages take that were loaded for the command, bytes. */
size_t need_page_bytes(const struct client *c);
/* All that it has loaded, or asked for: bytes. */
uint64_t need_held_bytes(const struct client *c);
/* Its other side sends no more (client.input_ends): what it waits for comes behind what others wait
 * for. */
void need_come_late(struct client *c);
/* share.c's: there may be room for what the command waits for. */
void need_go_on(struct client *c);
/* Very many things were asked for: the command should wait before it asks for more. What they take
 * in memory is bounded without that: they are loaded a few at a time, as far as there is room, and
 * a command that runs again asks for the others once more. */
bool need_enough(const struct client *c);
/* The first version of s, among those that exist, whose entry id is not below `at`; s's
 * next_version when there is none (model_find_entry). true: known. */
bool need_entry(struct client *c, struct stream *s, struct entry_id at, uint64_t *version);
/* The last entry id of s, which is LIVE. */
bool need_last_id(struct client *c, struct stream *s, struct entry_id *id);
/* One event of s by version. true: known; NULL when it is gone. */
bool need_version(struct client *c, struct stream *s, uint64_t version, struct event **out);
/* The same for who looks only at its ids and numbers (read.heads). */
bool need_version_head(struct client *c, struct stream *s, uint64_t version, struct event **out);
/* Streams from a number on. true: *out is the backend's list. */
struct key_query;
bool need_stream_list(struct client *c, const struct key_query *q, const struct stream_list **out);
/* The names that match, as of one moment, in several turns (in EXEC: now). true: *out is finished,
 * until the command has replied. The caller has seen to flush_is_applied. */
struct key_walk;
bool need_all_keys(struct client *c, struct str pattern, struct key_walk **out);
/* A number that the command, which has asked for something and parks, wants to know when it is run
 * again. Not within EXEC, whose commands share what they ask for. */
void need_keep(struct client *c, uint64_t number);
bool need_kept(const struct client *c, uint64_t *number);
/* What the command gathers over several turns (client_next_turn): so many bytes of its own, zeroed
 * at first, until it has replied. drop gives back what they refer to. Not within EXEC. What it has
 * read in a run after which c->wants_newest must not be in it. */
typedef void need_drop_fn(void *gathered);
void *need_gathered(struct client *c, size_t size, need_drop_fn *drop);
void need_gathers(struct client *c, size_t bytes); /* so much memory does it take by now */
/* BACKUP: true when it is finished. */
bool need_backup(struct client *c, struct str name);
/* A backup is under way for it. It is of the backend alone: what becomes of the model does not end
 * it. */
bool need_is_backup(const struct client *c);

/* The command is run again, or has parked (c->need is not NULL). */
void need_begin(struct client *c);
/* Something was asked for and has not come yet. */
bool need_pending(const struct client *c);
/* A load failed: replies the error; the command is over. */
bool need_failed_or_reply(struct client *c);
/* The command has replied, or the connection goes: gives back everything. */
void need_finish(struct client *c);

#endif
