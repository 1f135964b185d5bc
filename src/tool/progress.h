/* A line on the terminal that says how far it is: a bar, the rate, the time left. Nothing is
 * written when stderr is no terminal. */
#ifndef TOOL_PROGRESS_H
#define TOOL_PROGRESS_H

#include "base/base.h"

struct progress {
    bool shown;       /* stderr is a terminal */
    bool drawn;       /* there is a line to be wiped */
    const char *step; /* the one that is drawn */
    uint64_t began_us, drawn_us, began_at;
};

void progress_begin(struct progress *p);
/* May be called often: draws ten times a second. total 0: not known. unit: what `done` counts. */
void progress_show(struct progress *p, const char *step, uint64_t done, uint64_t total);
void progress_wipe(struct progress *p); /* before anything else is written */

/* 1234567 -> 1,234,567 */
#define NUMBER_TEXT 27
const char *number_text(uint64_t n, char out[NUMBER_TEXT]);

#endif
