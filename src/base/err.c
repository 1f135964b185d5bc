/* The text of a failure, composed from the inside out: the place that knows the reason sets it,
 * each caller may put its own words in front. A text that does not fit is cut at its end. */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>

/* Puts fmt and then tail into e; tail may be e's own text. */
PRINTF_LIKE(3, 0)
static void err_compose(struct err *e, const char *tail, const char *fmt, va_list args) {
    struct err old;
    snprintf(old.text, sizeof old.text, "%s", tail);
    vsnprintf(e->text, sizeof e->text, fmt, args);
    size_t len = strlen(e->text);
    if (old.text[0] != '\0') {
        const char *parts[] = {": ", old.text};
        for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
            size_t n = MIN(strlen(parts[i]), sizeof e->text - 1 - len);
            memcpy(e->text + len, parts[i], n);
            len += n;
        }
        e->text[len] = '\0';
    }
    while (len > 0 && (e->text[len - 1] == '\n' || e->text[len - 1] == '\r')) e->text[--len] = 0;
}

int err_set(struct err *e, int code, const char *fmt, ...) {
    if (e == NULL) return code;
    va_list args;
    va_start(args, fmt);
    err_compose(e, "", fmt, args);
    va_end(args);
    return code;
}

int err_wrap(struct err *e, int code, const char *fmt, ...) {
    if (e == NULL) return code;
    va_list args;
    va_start(args, fmt);
    err_compose(e, e->text, fmt, args);
    va_end(args);
    return code;
}

int err_errno(struct err *e, const char *fmt, ...) {
    if (e == NULL) return ERR_IO;
    int number = errno;
    char room[128];
    const char *words = strerror_r(number, room, sizeof room); /* GNU's: never fails */
    va_list args;
    va_start(args, fmt);
    err_compose(e, words, fmt, args);
    va_end(args);
    errno = number;
    return ERR_IO;
}
