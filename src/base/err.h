/* A failure's text, for people. Functions that fail return 0 or a negative code
 * and fill a struct err; callers wrap it outward with err_wrap. */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include "base/base.h"

enum {
    OK = 0,
    ERR_FAILED = -1,    /* see the text */
    ERR_IO = -2,        /* the system said no: may pass */
    ERR_CORRUPT = -3,   /* the data is damaged */
    ERR_REFUSED = -4,   /* locked, foreign, newer format, wrong epoch: needs a person */
    ERR_TOO_LARGE = -5, /* over a stated limit */
    ERR_BUSY = -6,      /* try again later */
    ERR_NOT_FOUND = -7,
    ERR_LOST = -8,    /* files of the store are not those that were opened: until they are back */
    ERR_UNKNOWN = -9, /* it may have happened, or not: who asks again is told */
};

struct err {
    char text[512]; /* never ends in a newline */
};

/* Both return `code`, so that `return err_set(e, ERR_IO, ...)` reads well. e may be NULL. */
int err_set(struct err *e, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* Puts "prefix: " in front of the text. */
int err_wrap(struct err *e, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* err_set with ": strerror(errno)" at the end; ERR_IO. Keeps errno. */
int err_errno(struct err *e, const char *fmt, ...) PRINTF_LIKE(2, 3);

#endif
