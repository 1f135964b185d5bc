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

static rlim_t own_files(const struct server *srv) {
    return OWN_FILES + READER_FILES * srv->config.reader_threads;
}

/* Raises the limit for so many connections, as far as the hard limit goes. Returns how many files
 * may be open then; RLIM_INFINITY when nobody says. */
static rlim_t raise_limit(const struct server *srv, uint64_t clients) {
    struct rlimit limit;
    rlim_t wanted = clients + own_files(srv);
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return RLIM_INFINITY;
    if (limit.rlim_cur >= wanted) return limit.rlim_cur;
    limit.rlim_cur = MIN(wanted, limit.rlim_max);
    setrlimit(RLIMIT_NOFILE, &limit);
    getrlimit(RLIMIT_NOFILE, &limit);
    return limit.rlim_cur;
}

int descriptors_reserve(struct server *srv, struct err *err) {
    rlim_t own = own_files(srv), files = raise_limit(srv, srv->config.maxclients);
    if (files <= own)
        return err_set(err, ERR_REFUSED,
                       "only %llu files may be open (ulimit -n), and the server itself needs %llu",
                       (unsigned long long)files, (unsigned long long)own);
    if (files - own >= srv->config.maxclients) return 0;
    srv->config.maxclients = files - own;
    log_warning("only %llu files may be open: maxclients is %llu", (unsigned long long)files,
                (unsigned long long)srv->config.maxclients);
    return 0;
}

int descriptors_allow(const struct server *srv, uint64_t clients, struct err *err) {
    rlim_t own = own_files(srv), files = raise_limit(srv, clients);
    if (files >= own && files - own >= clients) return 0;
    return err_set(err, ERR_REFUSED,
                   "The operating system is not able to handle the specified number of clients, "
                   "try with %llu",
                   (unsigned long long)(files > own ? files - own : 0));
}
