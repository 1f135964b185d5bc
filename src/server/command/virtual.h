/* Virtual streams: names that begin with '@' stand for a selection of the events of all streams.
 *
 *   @all   @category:NAME   @type:PATTERN   @stream:PATTERN   @view:NAME
 *
 * What is behind the colon is taken literally. Every other name that begins so is refused, by every
 * command (-VIRTUAL). What a command does with one of these says its row: CMD_VIRTUAL or
 * CMD_NOT_VIRTUAL. This is the only place that knows the names. What @view:NAME selects says the
 * view (EVIEW), which may not exist, or come to be in the same transaction: that is looked up when
 * the command runs. Loop thread. */
#ifndef SERVER_COMMAND_VIRTUAL_H
#define SERVER_COMMAND_VIRTUAL_H

#include "server/command/command.h"
#include "store/selector.h"

#define VIRTUAL_MARK '@'

struct server;

/* Streams and strings that an earlier version let have such a name: what is to be done with them is
 * logged. They can be read, renamed and deleted, and nothing else, until the next start. */
void virtual_init(struct server *srv);
void virtual_clear(struct server *srv);

static inline bool virtual_marked(struct str name) {
    return name.len > 0 && name.ptr[0] == VIRTUAL_MARK;
}
/* Whether the name is that of a virtual stream. Of a command that runs: its names were checked. */
bool virtual_named(const struct client *c, struct str name);
static inline bool virtual_is(const struct client *c, struct str name) {
    return UNLIKELY(virtual_marked(name)) && virtual_named(c, name);
}
/* Whether the value may stand behind a word that selects streams by name or category: it names a
 * stream, and no virtual one. false: the error was replied, which says what to use, `of` what. */
bool virtual_no_value_or_reply(struct client *c, struct str value, const char *of);
/* What it selects, by its name alone; the caller has a reference. NULL: there is no such virtual
 * stream, or it is a view's. (For the X commands: log_selector_or_reply.) */
struct selector *virtual_selector(struct str name);
/* Whether it is @view:NAME; then *view is the name. */
bool virtual_of_view(struct str name, struct str *view);
/* The name of the virtual stream of a view, in the buffer. One that is too long is no stream's name
 * (stream_name_valid). */
struct view_key {
    char bytes[sizeof "@view:" - 1 + STREAM_NAME_MAX];
};
struct str virtual_view_key(struct view_key *key, struct str view);
/* Whether a virtual stream is there, as of c->view: all are, but those of views that do not exist.
 */
bool virtual_exists(struct client *c, struct str name);
void virtual_reply_no_view(struct client *c, struct str view);

/* Whether a name of the request may be virtual: quick, and mostly false. */
static inline bool virtual_may_be_named(const struct command *cmd, const struct request *r) {
    if (cmd->first_key > 0 && cmd->first_key == cmd->last_key)
        return virtual_marked(r->argv[cmd->first_key]);
    if (cmd->first_key == 0 && cmd->find_keys == NULL) return false;
    for (size_t i = 1; i < r->argc; i++)
        if (virtual_marked(r->argv[i])) return true;
    return false;
}
/* Whether the command takes the names of the request. false: the error was replied. */
bool virtual_allowed_or_reply(struct client *c, const struct command *cmd, const struct request *r);

#endif
