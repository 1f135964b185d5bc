/* A server in this process for the fuzz targets that talk to one: store memory:, turns of its loop
 * taken by hand, connections as socket pairs. */
#ifndef FUZZ_SERVER_H
#define FUZZ_SERVER_H

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "server/command/command.h"
#include "server/server.h"

static struct server server;

/* server_run's turn, without its end. */
static void turns(int n) {
    for (int i = 0; i < n; i++) server_turn(&server, 0);
}

static void start_once(void) {
    static bool started;
    struct err err;
    if (started) return;
    started = true;
    log_level = LOG_NOTHING;
    char *argv[] = {"fuzz",    "--store",
                    "memory:", "--port",
                    "0",       "--enable-flush",
                    "yes",     "--enable-debug-command",
                    "no",      "--cache-bytes",
                    "4mb",     "--reader-threads",
                    "1",       NULL};
    if (config_load(&server.config, (int)ARRAY_LEN(argv) - 1, argv, &err) != 0 ||
        server_start(&server, &err) != 0) {
        fprintf(stderr, "%s\n", err.text);
        abort();
    }
}

static void drain(int fd) {
    char reply[65536];
    while (read(fd, reply, sizeof reply) > 0) turns(1);
}

static int connect_pair(void) {
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) != 0) abort();
    client_create(&server, fds[0], true);
    return fds[1];
}

static void send_piece(int fd, const uint8_t *p, size_t n) {
    while (n > 0) {
        ssize_t sent = write(fd, p, n);
        if (sent < 0) return; /* closed by the server */
        p += sent;
        n -= (size_t)sent;
        turns(2);
        drain(fd);
    }
}

static void check_alive(void) {
    int fd = connect_pair();
    char reply[16] = "";
    if (write(fd, "PING\r\n", 6) != 6) abort();
    for (int i = 0; i < 1000 && read(fd, reply, 7) <= 0; i++) turns(1);
    /* requirepass may have been set, the server paused: any answer will do, none will not. */
    if (reply[0] != '+' && reply[0] != '-' && server.pause.until_ms == 0) abort();
    close(fd);
    turns(2);
}

/* Takes back what a command may have asked of the server as a whole. */
static void calm_down(void) {
    turns(4);
    server.pause.until_ms = 0;
    server.stopping = false; /* SHUTDOWN only sets it */
}

#endif
