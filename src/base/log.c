/* The log. A line is composed on the caller's stack and leaves with one write(), so lines of
 * several threads never mix and no lock is held; a file is opened for appending, so that several
 * processes and rotation work too. Nothing is buffered: what is logged before a crash is there. */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

#define LOG_LINE_MAX 4096 /* PIPE_BUF: also atomic into a pipe */

enum log_level log_level = LOG_NOTICE;

static _Atomic int log_fd = STDOUT_FILENO;
static int log_file_fd = -1; /* the descriptor of the file; once open its number never changes */

/* A new file takes over the old one's descriptor: a thread that is writing at this moment writes
 * to one of the two, never to a closed descriptor. */
int log_open(const char *path, struct err *err) {
    if (path == NULL || path[0] == '\0') {
        atomic_store(&log_fd, STDOUT_FILENO);
        return OK;
    }
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0) return err_errno(err, "cannot open the log file '%s'", path);
    if (log_file_fd < 0) {
        log_file_fd = fd;
    } else {
        int rc = dup3(fd, log_file_fd, O_CLOEXEC);
        int number = errno;
        close(fd);
        errno = number;
        if (rc < 0) return err_errno(err, "cannot open the log file '%s'", path);
    }
    atomic_store(&log_fd, log_file_fd);
    return OK;
}

/* Writes `pid 21 Nov 2026 07:42:01.123 * ` to line. */
static size_t log_prefix(char line[LOG_LINE_MAX], enum log_level level) {
    static const char marks[] = {'.', '-', '*', '#'};
    static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    uint64_t now = clock_wall_ms();
    time_t seconds = (time_t)(now / 1000);
    struct tm tm;
    localtime_r(&seconds, &tm);
    int n = snprintf(line, LOG_LINE_MAX, "%d %02d %s %d %02d:%02d:%02d.%03d %c ", (int)getpid(),
                     tm.tm_mday, months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min,
                     tm.tm_sec, (int)(now % 1000), marks[level]);
    assert(n > 0);
    return (size_t)n;
}

void log_line(enum log_level level, const char *fmt, ...) {
    assert(level < LOG_NOTHING);
    int number = errno;
    char line[LOG_LINE_MAX];
    size_t start = log_prefix(line, level), room = sizeof line - start;
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(line + start, room, fmt, args);
    va_end(args);
    assert(n >= 0);
    size_t len = start + MIN((size_t)n, room - 1);
    for (size_t i = start; i < len; i++) {
        if ((unsigned char)line[i] < ' ' || line[i] == 0x7f) line[i] = '?';
    }
    line[len++] = '\n';
    ssize_t rc;
    do {
        rc = write(atomic_load(&log_fd), line, len);
    } while (rc < 0 && errno == EINTR);
    errno = number;
}

void log_line_seldom(struct log_gap *gap, uint64_t interval_ms, enum log_level level,
                     const char *fmt, ...) {
    if (level < log_level) return;
    uint64_t now = clock_mono_ms(), due = atomic_load(&gap->due_ms);
    if (now < due || !atomic_compare_exchange_strong(&gap->due_ms, &due, now + interval_ms)) {
        atomic_fetch_add(&gap->left_out, 1);
        return;
    }
    uint64_t left_out = atomic_exchange(&gap->left_out, 0);
    char text[LOG_LINE_MAX];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (left_out == 0)
        log_line(level, "%s", text);
    else
        log_line(level, "%s (and %llu times since the last such line)", text,
                 (unsigned long long)left_out);
}
