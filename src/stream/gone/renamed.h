/* Names that change while a reader of the log looks for them. The backend judges by the names that
 * it has; the streams that were renamed since are few. So it is asked for their events too,
 * whatever they are called, and what comes is judged here, by the name of the view. Only when a
 * stream has been renamed after the asking, so that it is wanted now and was not then, the page
 * does not have its events, and is asked for again. Loop thread. */
#ifndef STREAM_GONE_RENAMED_H
#define STREAM_GONE_RENAMED_H

#include "stream/model.h"

#define NAMES_ASKED_MAX 1000 /* streams; when more were renamed, nothing is asked by name */
#define NAMES_ASK_MAX   4    /* times; then, too */

/* What a page was asked for with, as far as it goes by names. Zeroed: no page, or not by names. */
struct names_asked {
    uint64_t *numbers; /* ascending; owned: names_asked_clear */
    size_t count;
    bool all;       /* whatever their names */
    uint64_t known; /* renamings that were known then */
};

/* Makes a range that is about to be asked for independent of what the backend does not know yet.
 * `before`: how often this read has been asked for in vain. The range borrows from *out. */
void names_ask(const struct model *m, struct read_range *range, unsigned before,
               struct names_asked *out);
void names_asked_clear(struct names_asked *asked);
/* Whether a page of the log, with that snapshot, lacks events that the view wants. */
bool names_lack(const struct model *m, const struct names_asked *asked, uint64_t snapshot,
                const struct selector *selector, uint64_t view);
/* Whether the backend may have judged the event by another name than that of the view. */
bool names_judge(const struct model *m, const struct names_asked *asked, const struct event *e);

#endif
