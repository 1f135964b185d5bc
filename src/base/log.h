/* The log: one fact a line, `pid 21 Nov 2026 07:42:01.123 * text`, with Redis' level
 * marks (. debug, - verbose, * notice, # warning). Any thread: a line is one write(). */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdatomic.h>

#include "base/base.h"
#include "base/err.h"

enum log_level { LOG_DEBUG, LOG_VERBOSE, LOG_NOTICE, LOG_WARNING, LOG_NOTHING };

extern enum log_level log_level; /* lines below it are not composed */

/* path NULL or "": stdout. May be called again (e.g. after rotation). */
MUST_CHECK int log_open(const char *path, struct err *err);
void log_line(enum log_level level, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* CR, LF and other control bytes in the text are written as '?'. */
#define log_at(level, ...)                                                                         \
    do {                                                                                           \
        if ((level) >= log_level) log_line((level), __VA_ARGS__);                                  \
    } while (0)
#define log_debug(...)   log_at(LOG_DEBUG, __VA_ARGS__)
#define log_verbose(...) log_at(LOG_VERBOSE, __VA_ARGS__)
#define log_notice(...)  log_at(LOG_NOTICE, __VA_ARGS__)
#define log_warning(...) log_at(LOG_WARNING, __VA_ARGS__)

/* For what clients, or a fault that lasts, can make happen over and over: a line at most every
 * interval_ms from this place of the source. The next line says how many were left out. */
#define log_warning_seldom(interval_ms, ...)                                                       \
    do {                                                                                           \
        static struct log_gap log_gap_here;                                                        \
        log_line_seldom(&log_gap_here, (interval_ms), LOG_WARNING, __VA_ARGS__);                   \
    } while (0)

struct log_gap {
    _Atomic uint64_t due_ms, left_out; /* due_ms: monotonic; 0: at once */
};
void log_line_seldom(struct log_gap *gap, uint64_t interval_ms, enum log_level level,
                     const char *fmt, ...) PRINTF_LIKE(4, 5);

#endif
