/* Connections, and the few requests that prepare a run; see connect.h. */
#include "connect.h"
#include "entries.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int connect_tcp(const struct load *l) {
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
    char port[16];
    int fd = -1, on = 1;

    snprintf(port, sizeof port, "%u", l->port);
    int rc = getaddrinfo(l->host, port, &hints, &found);
    if (rc != 0) {
        fprintf(stderr, "cairn-bench: %s: %s\n", l->host, gai_strerror(rc));
        return -1;
    }
    for (struct addrinfo *a = found; a != NULL && fd < 0; a = a->ai_next) {
        fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd >= 0 && connect(fd, a->ai_addr, a->ai_addrlen) != 0) {
            close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(found);
    if (fd < 0)
        fprintf(stderr, "cairn-bench: connect to %s:%u: %s\n", l->host, l->port, strerror(errno));
    else
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

static int connect_unix(const struct load *l) {
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(a.sun_path, sizeof a.sun_path, "%s", l->unix_path);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof a) == 0) return fd;
    fprintf(stderr, "cairn-bench: connect to %s: %s\n", l->unix_path, strerror(errno));
    if (fd >= 0) close(fd);
    return -1;
}

/* HELLO n, waiting for its reply. */
static int say_hello(const struct load *l, int fd) {
    struct reply_scan scan = {0};
    struct reply_shape shape = {.expect = "*%", .full = true};
    struct reply_sum sum = {0};
    char room[REPLY_CARRY_MAX + 4096], *input = room + REPLY_CARRY_MAX;
    char text[64];
    int len = snprintf(text, sizeof text, "*2\r\n$5\r\nHELLO\r\n$1\r\n%u\r\n", l->resp);

    if (write(fd, text, (size_t)len) != len) return -1;
    for (int done = 0; done == 0;) {
        ssize_t n = read(fd, input, sizeof room - REPLY_CARRY_MAX);
        if (n <= 0) return -1;
        done = reply_feed(&scan, &shape, &sum, input, (size_t)n);
        if (done < 0) break;
    }
    if (sum.errors > 0) fprintf(stderr, "cairn-bench: HELLO: %s\n", sum.first_error);
    return sum.errors > 0 ? -1 : 0;
}

int server_connect(const struct load *l) {
    int fd = l->unix_path != NULL ? connect_unix(l) : connect_tcp(l);

    if (fd < 0 || l->resp == 0 || say_hello(l, fd) == 0) return fd;
    close(fd);
    return -1;
}

/* Reads until the reply is whole; what it says goes into `reply`. */
static int read_short_reply(int fd, char *reply, size_t room) {
    struct entries e = {0};
    char input[4096];
    size_t len = 0;
    ssize_t whole = 0;

    while (whole == 0 && len < sizeof input) {
        ssize_t n = read(fd, input + len, sizeof input - len);
        if (n <= 0) return -1;
        len += (size_t)n;
        whole = entries_read(&e, input, len);
    }
    free(e.list);
    if (whole <= 0) return -1;
    if (e.kind == ENTRIES_NUMBER)
        snprintf(reply, room, "%lld", (long long)e.number);
    else
        snprintf(reply, room, "%s%.*s", e.kind == ENTRIES_ERROR ? "-" : "", (int)e.text_len,
                 e.text == NULL ? "" : e.text);
    return 0;
}

int server_ask(const struct load *l, const struct piece *request, char *reply, size_t room) {
    int fd = server_connect(l), rc = -1;

    if (fd < 0) return -1;
    if (write(fd, request->bytes, request->len) == (ssize_t)request->len)
        rc = read_short_reply(fd, reply, room);
    if (rc != 0) fprintf(stderr, "cairn-bench: no usable reply while preparing\n");
    close(fd);
    return rc;
}
