/* See descriptors.h. Connections come and go as clients please; what the store needs at an unlucky
 * moment (the next segment of the journal, a backup) must not depend on it. So its share is set
 * aside, and its own numbers are bounded: a segment that is not written has no file open. */
#include "server/descriptors.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/log.h"
#include "server/server.h"

/* What the server opens itself, with nothing that clients could make more of:
 *   8   0 to 2, the log, the loop's two, signals, the store's wake-up
 *   3   the locks, the journal's directory
 *   8   the segment that is written and the next one (three each), one that is prepared or zeroed
 *   3   the database, its WAL, its index in shared memory
 *   8   a backup: directories, the copy, its journal
 *   10  listening sockets, the option file, /proc, one connection over maxclients that is told so
 *   3   for each reader (READER_FILES) */
#define OWN_FILES    42
#define READER_FILES 3

void descriptors_open_standard(void) {
    int fd;
    do {
        fd = open("/dev/null", O_RDWR);
    } while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd > STDERR_FILENO) close(fd);
}

int descriptors_reserve(struct server *srv, struct err *err) {
    struct rlimit limit;
    rlim_t own = OWN_FILES + READER_FILES * srv->config.reader_threads;
    rlim_t wanted = srv->config.maxclients + own;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted) return 0;
    limit.rlim_cur = MIN(wanted, limit.rlim_max);
    setrlimit(RLIMIT_NOFILE, &limit);
    getrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur >= wanted) return 0;
    srv->config.maxclients = limit.rlim_cur > own ? limit.rlim_cur - own : 1;
    if (limit.rlim_cur <= own)
        return err_set(err, ERR_REFUSED,
                       "only %llu files may be open (ulimit -n), and the server itself needs %llu",
                       (unsigned long long)limit.rlim_cur, (unsigned long long)own);
    log_warning("only %llu files may be open: maxclients is %llu",
                (unsigned long long)limit.rlim_cur, (unsigned long long)srv->config.maxclients);
    return 0;
}
