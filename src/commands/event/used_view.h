/* The views that a selector names (VIEW): kept while its words are gathered, and then replaced by
 * what they say, for selector_args.c. And what one view selects. Loop thread. */
#ifndef COMMANDS_EVENT_USED_VIEW_H
#define COMMANDS_EVENT_USED_VIEW_H

#include "commands/event/selector_args.h"

/* One more view; the name stays the caller's. false: there are too many (-INVALIDARG). */
bool used_view_or_reply(struct client *c, struct selector_args *a, struct str name);
/* Adds the words of all of them to the draft. false: see selector_or_reply. */
bool used_views_or_reply(struct client *c, struct selector_args *a);
void used_views_clear(struct selector_args *a);

/* Whether there is such a view, as of the frame `view`; false: -NOTFOUND was replied. */
bool view_exists_or_reply(struct client *c, struct str name, uint64_t view);
/* The selector of a view's virtual stream (server/command/virtual.h), as of the frame `view`; the
 * caller has a reference. It is made once of the view's text. false: there is no such view
 * (-NOTFOUND), or its text makes no sense (-READERR), which was replied. */
bool view_selector_or_reply(struct client *c, struct str name, uint64_t view,
                            struct selector **out);

#endif
