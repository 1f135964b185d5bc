/* Listening sockets. Each turn accepts a bounded number of connections; one over maxclients is told
 * so and closed. */
#include "server/listener.h"

#include <arpa/inet.h>
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

#define ACCEPTS_PER_TURN 1000

struct listener {
    struct listener *next;
    struct server *srv;
    int fd;
    bool is_unix;
    struct loop_io *io;
};

static void set_keepalive(int fd, uint64_t seconds) {
    int one = 1, idle = (int)seconds, interval = (int)MAX(seconds / 3, (uint64_t)1), count = 3;
    if (seconds == 0) return;
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
}

static void print_address(const struct sockaddr_storage *a, char *out, size_t size) {
    char ip[INET6_ADDRSTRLEN] = "?";
    if (a->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)a;
        inet_ntop(AF_INET, &in->sin_addr, ip, sizeof ip);
        snprintf(out, size, "%s:%d", ip, ntohs(in->sin_port));
    } else if (a->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)a;
        inet_ntop(AF_INET6, &in6->sin6_addr, ip, sizeof ip);
        snprintf(out, size, "[%s]:%d", ip, ntohs(in6->sin6_port));
    }
}

static void accept_one(struct listener *l, int fd) {
    struct server *srv = l->srv;
    if (srv->client_count >= srv->config.maxclients) {
        static const char text[] = "-ERR max number of clients reached\r\n";
        ssize_t n = write(fd, text, sizeof text - 1);
        UNUSED(n);
        srv->stats.connections_rejected++;
        close(fd);
        return;
    }
    struct client *c;
    if (l->is_unix) {
        c = client_create(srv, fd, true);
        snprintf(c->addr, sizeof c->addr, "%s:0", srv->config.unixsocket);
        snprintf(c->laddr, sizeof c->laddr, "%s:0", srv->config.unixsocket);
        return;
    }
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    set_keepalive(fd, srv->config.tcp_keepalive_s);
    c = client_create(srv, fd, false);
    struct sockaddr_storage a = {0};
    socklen_t len = sizeof a;
    if (getpeername(fd, (struct sockaddr *)&a, &len) == 0)
        print_address(&a, c->addr, sizeof c->addr);
    len = sizeof a;
    if (getsockname(fd, (struct sockaddr *)&a, &len) == 0)
        print_address(&a, c->laddr, sizeof c->laddr);
}

static void on_connection(void *arg, int what) {
    struct listener *l = arg;
    UNUSED(what);
    server_read_clock(l->srv);
    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        int fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
                log_warning("accept: %s", strerror(errno));
            return;
        }
        accept_one(l, fd);
    }
}

static void listener_add(struct server *srv, int fd, bool is_unix) {
    struct listener *l = xcalloc(1, sizeof *l);
    l->srv = srv;
    l->fd = fd;
    l->is_unix = is_unix;
    l->io = loop_io_create(srv->loop, fd, on_connection, l);
    l->next = srv->listeners;
    srv->listeners = l;
}

static int listen_tcp(struct server *srv, const char *host, struct err *err) {
    char port[8];
    snprintf(port, sizeof port, "%llu", (unsigned long long)srv->config.port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *found;
    int rc = getaddrinfo(strcmp(host, "*") == 0 ? NULL : host, port, &hints, &found);
    if (rc != 0) return err_set(err, ERR_REFUSED, "bind %s: %s", host, gai_strerror(rc));
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;
    if (fd < 0) {
        freeaddrinfo(found);
        return err_errno(err, "socket");
    }
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, found->ai_addr, found->ai_addrlen) != 0 ||
        listen(fd, (int)srv->config.tcp_backlog) != 0) {
        rc = err_errno(err, "cannot listen on %s port %s", host, port);
        freeaddrinfo(found);
        close(fd);
        return rc;
    }
    freeaddrinfo(found);
    if (srv->config.port == 0) {
        struct sockaddr_storage a = {0};
        socklen_t len = sizeof a;
        char text[64] = "";
        getsockname(fd, (struct sockaddr *)&a, &len);
        print_address(&a, text, sizeof text);
        srv->config.port = strtoull(strrchr(text, ':') + 1, NULL, 10);
    }
    listener_add(srv, fd, false);
    return 0;
}

static int listen_unix(struct server *srv, struct err *err) {
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    const char *path = srv->config.unixsocket;
    if (strlen(path) >= sizeof a.sun_path)
        return err_set(err, ERR_REFUSED, "unixsocket: the path is longer than %zu bytes",
                       sizeof a.sun_path - 1);
    memcpy(a.sun_path, path, strlen(path) + 1);
    unlink(path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof a) != 0 ||
        listen(fd, (int)srv->config.tcp_backlog) != 0) {
        int rc = err_errno(err, "cannot listen on %s", path);
        if (fd >= 0) close(fd);
        return rc;
    }
    if (srv->config.unixsocketperm != 0) chmod(path, (mode_t)srv->config.unixsocketperm);
    listener_add(srv, fd, true);
    return 0;
}

int listeners_open(struct server *srv, struct err *err) {
    char *addresses = xstrdup(srv->config.bind), *save = NULL;
    int rc = 0;
    for (char *host = strtok_r(addresses, " \t", &save); host != NULL && rc == 0;
         host = strtok_r(NULL, " \t", &save)) {
        bool optional = host[0] == '-';
        rc = listen_tcp(srv, host + optional, err);
        if (rc != 0 && optional) {
            log_warning("%s (optional)", err->text);
            rc = 0;
        }
    }
    free(addresses);
    if (rc == 0 && srv->config.unixsocket[0] != '\0') rc = listen_unix(srv, err);
    if (rc == 0 && srv->listeners == NULL)
        rc = err_set(err, ERR_REFUSED, "nothing to listen on: set bind or unixsocket");
    return rc;
}

void listeners_close(struct server *srv) {
    while (srv->listeners != NULL) {
        struct listener *l = srv->listeners;
        srv->listeners = l->next;
        loop_io_destroy(l->io);
        close(l->fd);
        if (l->is_unix) unlink(srv->config.unixsocket);
        free(l);
    }
}
