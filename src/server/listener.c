/* Listening sockets. Each turn accepts a bounded number of connections; one over maxclients is told
 * so and closed, as is one from outside in protected mode. */
#include "server/listener.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"
#include "server/address.h"

#define ACCEPTS_PER_TURN 1000
#define FAILED_LOG_MS    1000
#define REFUSED_LOG_MS   60000

struct listener {
    struct listener *next;
    struct server *srv;
    int fd;
    bool is_unix;
    struct sockaddr_storage address; /* of TCP */
    struct stat made;                /* unix: the file of the socket */
    struct loop_io *io;
};

/* Redis' text, and what Docker's users meet. */
static const char denied[] =
    "-DENIED Cairn is running in protected mode because protected mode is enabled and no password "
    "is set for the default user. In this mode connections are only accepted from the loopback "
    "interface. If you want to connect from external computers to Cairn you may adopt one of the "
    "following solutions: 1) Just disable protected mode sending the command 'CONFIG SET "
    "protected-mode no' from the loopback interface by connecting to Cairn from the same host the "
    "server is running, however MAKE SURE Cairn is not publicly accessible from internet if you do "
    "so. Use CONFIG REWRITE to make this change permanent. 2) Alternatively you can just disable "
    "the protected mode by editing the Cairn configuration file, and setting the protected mode "
    "option to 'no', and then restarting the server. 3) If you started the server manually just "
    "for testing, restart it with the '--protected-mode no' option. 4) Set up an authentication "
    "password (requirepass). NOTE: You only need to do one of the above things in order for the "
    "server to start accepting connections from the outside. In a container, connections to a "
    "published port (docker run -p) come from the outside, those of its own host too.\r\n";
static const char too_many[] = "-ERR max number of clients reached\r\n";

/* ---- accepting ---- */

static void set_keepalive(int fd, uint64_t seconds) {
    int one = 1, idle = (int)seconds, interval = (int)MAX(seconds / 3, (uint64_t)1), count = 3;
    if (seconds == 0) return;
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
}

static void reject(struct server *srv, int fd, const char *text, size_t len) {
    ssize_t n = write(fd, text, len);
    UNUSED(n);
    srv->stats.connections_rejected++;
    close(fd);
}

static bool is_open_to_all(const struct server *srv) {
    return srv->config.requirepass[0] == '\0';
}

static void accept_unix(struct server *srv, int fd) {
    struct client *c = client_create(srv, fd, true);
    snprintf(c->addr, sizeof c->addr, "%s:0", srv->config.unixsocket);
    snprintf(c->laddr, sizeof c->laddr, "%s:0", srv->config.unixsocket);
}

static void accept_tcp(struct server *srv, int fd, const struct sockaddr_storage *peer) {
    struct sockaddr_storage own = {0};
    socklen_t len = sizeof own;
    char addr[ADDRESS_TEXT_MAX];
    int one = 1;
    bool local = address_is_loopback(peer);
    address_print(peer, addr);
    if (!local && srv->config.protected_mode && is_open_to_all(srv)) {
        log_warning_seldom(REFUSED_LOG_MS,
                           "protected-mode: a connection from %s is refused; no password is set",
                           addr);
        reject(srv, fd, denied, sizeof denied - 1);
        return;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    set_keepalive(fd, srv->config.tcp_keepalive_s);
    struct client *c = client_create(srv, fd, false);
    c->is_local = local;
    snprintf(c->addr, sizeof c->addr, "%s", addr);
    if (getsockname(fd, (struct sockaddr *)&own, &len) == 0) address_print(&own, c->laddr);
}

static void watch_all(struct server *srv, int what) {
    for (struct listener *l = srv->listeners; l != NULL; l = l->next) loop_io_want(l->io, what);
}

/* Without a descriptor or memory for it, a connection stays in the queue, and the socket readable:
 * nobody looks at it until something may have changed. */
static void pause_accepting(struct server *srv) {
    log_warning_seldom(FAILED_LOG_MS, "accept: %s; connections wait", strerror(errno));
    srv->accepting_paused = true;
    watch_all(srv, 0);
}

void listeners_resume(struct server *srv) {
    if (!srv->accepting_paused) return;
    srv->accepting_paused = false;
    watch_all(srv, LOOP_READ);
}

/* Whether accept(2) has only told of a connection that is over. */
static bool is_of_the_connection(int error) {
    static const int errors[] = {ECONNABORTED, EINTR,       EPROTO,      ENOPROTOOPT,
                                 EPERM,        ENETDOWN,    EHOSTDOWN,   ENONET,
                                 EOPNOTSUPP,   ENETUNREACH, EHOSTUNREACH};
    for (size_t i = 0; i < ARRAY_LEN(errors); i++)
        if (error == errors[i]) return true;
    return false;
}

static void on_connection(void *arg, int what) {
    struct listener *l = arg;
    struct server *srv = l->srv;
    UNUSED(what);
    server_read_clock(srv);
    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        struct sockaddr_storage peer = {0};
        socklen_t len = sizeof peer;
        int fd = accept4(l->fd, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && is_of_the_connection(errno)) continue;
        if (fd < 0) {
            if (errno != EAGAIN) pause_accepting(srv);
            return;
        }
        if (srv->client_count >= srv->config.maxclients)
            reject(srv, fd, too_many, sizeof too_many - 1);
        else if (l->is_unix)
            accept_unix(srv, fd);
        else
            accept_tcp(srv, fd, &peer);
    }
}

/* ---- listening ---- */

static struct listener *listener_add(struct server *srv, int fd) {
    struct listener *l = xcalloc(1, sizeof *l), **end = &srv->listeners;
    l->srv = srv;
    l->fd = fd;
    l->io = loop_io_create(srv->loop, fd, on_connection, l);
    while (*end != NULL) end = &(*end)->next;
    *end = l;
    return l;
}

/* Also when a name, or two words of bind, lead to one address twice. */
static bool listens_at(const struct server *srv, const struct sockaddr_storage *at) {
    for (const struct listener *l = srv->listeners; l != NULL; l = l->next)
        if (memcmp(&l->address, at, sizeof *at) == 0) return true;
    return false;
}

/* 0, or what errno says. */
static int listen_at(struct server *srv, const struct addrinfo *found) {
    struct sockaddr_storage at = {0};
    memcpy(&at, found->ai_addr, found->ai_addrlen);
    address_set_port(&at, (uint16_t)srv->config.port);
    if (listens_at(srv, &at)) return 0;
    int fd = socket(at.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;
    if (fd < 0) return errno;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    /* [::] is of IPv6 alone, and can stand beside 0.0.0.0. */
    if (at.ss_family == AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&at, found->ai_addrlen) != 0 ||
        listen(fd, (int)srv->config.tcp_backlog) != 0) {
        int error = errno;
        close(fd);
        return error;
    }
    struct listener *l = listener_add(srv, fd);
    socklen_t len = sizeof l->address;
    getsockname(fd, (struct sockaddr *)&l->address, &len);
    if (srv->config.port == 0) srv->config.port = address_port(&l->address);
    return 0;
}

/* Whether the machine just does not have the address: no reason not to start when it need not be
 * there. A protocol that the machine does not have never is one. */
static bool is_absent(int error, bool optional) {
    return (optional && error == EADDRNOTAVAIL) || error == EAFNOSUPPORT ||
           error == EPROTONOSUPPORT || error == ENOPROTOOPT || error == ESOCKTNOSUPPORT ||
           error == EPFNOSUPPORT;
}

/* The addresses that a word of bind stands for; * and ::* are all of IPv4 and of IPv6. The result
 * is getaddrinfo's. */
static int resolve(const char *host, struct addrinfo **found) {
    bool all4 = strcmp(host, "*") == 0, all6 = strcmp(host, "::*") == 0;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    hints.ai_family = all4 ? AF_INET : all6 ? AF_INET6 : AF_UNSPEC;
    return getaddrinfo(all4 || all6 ? NULL : host, "0", &hints, found);
}

/* One word of bind, as Redis has them: with a - in front the address need not be there. Of a name
 * all addresses count, and some must be there. */
static int listen_tcp(struct server *srv, const char *word, struct err *err) {
    bool optional = word[0] == '-';
    const char *host = word + optional;
    struct addrinfo *found;
    int rc = resolve(host, &found), absent = 0;
    if (rc != 0 && !optional)
        return err_set(err, ERR_REFUSED, "bind %s: %s", host, gai_strerror(rc));
    if (rc != 0) {
        log_notice("bind %s: %s", word, gai_strerror(rc));
        return 0;
    }
    bool several = found->ai_next != NULL, listening = false;
    for (const struct addrinfo *a = found; a != NULL && rc == 0; a = a->ai_next) {
        int error = listen_at(srv, a);
        listening = listening || error == 0;
        if (error != 0 && is_absent(error, optional || several))
            absent = error;
        else
            rc = error;
    }
    freeaddrinfo(found);
    if (rc == 0 && !listening && !is_absent(absent, optional)) rc = absent;
    if (rc == 0 && absent != 0) log_notice("bind %s: %s", word, strerror(absent));
    errno = rc;
    return rc == 0 ? 0
                   : err_errno(err, "cannot listen on %s port %llu", host,
                               (unsigned long long)srv->config.port);
}

/* What a server that was killed has left is removed; anything else at the path is somebody's. */
static int clear_unix_path(const struct sockaddr_un *a, struct err *err) {
    const char *path = a->sun_path;
    struct stat st;
    if (lstat(path, &st) != 0)
        return errno == ENOENT ? 0 : err_errno(err, "cannot listen on %s", path);
    if (!S_ISSOCK(st.st_mode))
        return err_set(err, ERR_REFUSED,
                       "cannot listen on %s: something that is no socket is there", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return err_errno(err, "cannot listen on %s", path);
    int rc = connect(fd, (const struct sockaddr *)a, sizeof *a), error = rc == 0 ? 0 : errno;
    close(fd);
    if (error == 0 || error == EAGAIN)
        return err_set(err, ERR_REFUSED, "cannot listen on %s: another program does", path);
    if (error == ECONNREFUSED && unlink(path) == 0) return 0;
    return err_errno(err, "cannot listen on %s, where a socket is already", path);
}

static int listen_unix(struct server *srv, struct err *err) {
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    const char *path = srv->config.unixsocket;
    mode_t mode = (mode_t)srv->config.unixsocketperm;
    if (strlen(path) >= sizeof a.sun_path)
        return err_set(err, ERR_REFUSED, "unixsocket: the path is longer than %zu bytes",
                       sizeof a.sun_path - 1);
    memcpy(a.sun_path, path, strlen(path) + 1);
    int rc = clear_unix_path(&a, err);
    if (rc != 0) return rc;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    bool bound = fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof a) == 0;
    if (!bound || (mode != 0 && chmod(path, mode) != 0) ||
        listen(fd, (int)srv->config.tcp_backlog) != 0) {
        rc = err_errno(err, "cannot listen on %s", path);
        if (bound) unlink(path);
        if (fd >= 0) close(fd);
        return rc;
    }
    struct listener *l = listener_add(srv, fd);
    l->is_unix = true;
    if (lstat(path, &l->made) != 0) l->made = (struct stat){0};
    return 0;
}

int listeners_open(struct server *srv, struct err *err) {
    char *addresses = xstrdup(srv->config.bind), *save = NULL;
    const bool unix_too = srv->config.unixsocket[0] != '\0';
    const bool no_tcp = srv->config.port == 0 && unix_too;
    int rc = 0;
    for (char *word = strtok_r(addresses, " \t", &save); word != NULL && rc == 0 && !no_tcp;
         word = strtok_r(NULL, " \t", &save))
        rc = listen_tcp(srv, word, err);
    free(addresses);
    if (rc == 0 && unix_too) rc = listen_unix(srv, err);
    if (rc == 0 && srv->listeners == NULL)
        rc = err_set(err, ERR_REFUSED, "nothing to listen on: set bind or unixsocket");
    return rc;
}

void listeners_describe(const struct server *srv, struct buf *out) {
    for (const struct listener *l = srv->listeners; l != NULL; l = l->next) {
        char address[ADDRESS_TEXT_MAX];
        address_print(&l->address, address);
        buf_printf(out, "%s%s", out->len > 0 ? ", " : "",
                   l->is_unix ? srv->config.unixsocket : address);
    }
}

void listeners_warn(const struct server *srv) {
    bool wide = false;
    for (const struct listener *l = srv->listeners; l != NULL; l = l->next)
        wide = wide || (!l->is_unix && !address_is_loopback(&l->address));
    if (!wide || !is_open_to_all(srv)) return;
    if (srv->config.protected_mode)
        log_warning("protected-mode: no password is set, so connections from other machines are "
                    "refused, and so are those to a published port of a container (docker run "
                    "-p). Set requirepass, or protected-mode no where the network is private");
    else
        log_warning("no password is set, and protected-mode is no: whoever reaches this server "
                    "can read, append and remove everything. Set requirepass");
}

/* Another server may have taken the path by now. */
static void remove_socket(const struct listener *l) {
    struct stat st;
    const char *path = l->srv->config.unixsocket;
    if (lstat(path, &st) == 0 && st.st_dev == l->made.st_dev && st.st_ino == l->made.st_ino)
        unlink(path);
}

void listeners_close(struct server *srv) {
    while (srv->listeners != NULL) {
        struct listener *l = srv->listeners;
        srv->listeners = l->next;
        loop_io_destroy(l->io);
        if (l->is_unix) remove_socket(l);
        close(l->fd);
        free(l);
    }
}
