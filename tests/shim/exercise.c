/* Makes file-system calls as its arguments say and prints what each returned, for selftest.sh:
 *     exercise FILE write pwrite writev fdatasync ... await:OTHER
 * One line for each: the call, its result or the name of the error, and the milliseconds it took.
 * await:OTHER goes on when there is a file OTHER.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { BYTES = 1000, THREADS = 4, ROUNDS = 1000 };

static char data[BYTES];

static double now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static long vector(int fd, int positioned) {
    struct iovec iov[3] = {{data, 100}, {data + 100, 300}, {data + 400, 600}};
    return positioned ? pwritev(fd, iov, 3, 0) : writev(fd, iov, 3);
}

/* Sockets must never be touched by the shim. */
static long over_socket(void) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0) return -1;
    long n = write(pair[0], data, BYTES);
    close(pair[0]);
    close(pair[1]);
    return n;
}

static void *write_and_sync(void *arg) {
    int fd = *(int *)arg;
    for (int i = 0; i < ROUNDS; i++)
        if (pwrite(fd, data, BYTES, (off_t)i * BYTES) != BYTES) return arg;
    return NULL;
}

static long threads(int fd) {
    pthread_t id[THREADS];
    long failed = 0;
    for (int i = 0; i < THREADS; i++) pthread_create(&id[i], NULL, write_and_sync, &fd);
    for (int i = 0; i < THREADS; i++) {
        void *rc = NULL;
        pthread_join(id[i], &rc);
        failed += rc != NULL;
    }
    return failed;
}

static long reopen(int *fd, const char *path, int create) {
    if (*fd >= 0) close(*fd);
    *fd = open(path, O_RDWR | (create ? O_CREAT : 0), 0644);
    return *fd < 0 ? -1 : 0;
}

static long call(const char *what, int *fd, const char *path) {
    char other[4096];
    snprintf(other, sizeof other, "%s.other", path);
    if (strcmp(what, "open") == 0) return reopen(fd, path, 0);
    if (strcmp(what, "create") == 0) return reopen(fd, path, 1);
    if (strcmp(what, "second") == 0) {
        snprintf(other, sizeof other, "%s.second", path);
        return reopen(fd, other, 1);
    }
    if (strcmp(what, "write") == 0) return write(*fd, data, BYTES);
    if (strcmp(what, "pwrite") == 0) return pwrite(*fd, data, BYTES, 0);
    if (strcmp(what, "writev") == 0) return vector(*fd, 0);
    if (strcmp(what, "pwritev") == 0) return vector(*fd, 1);
    if (strcmp(what, "fdatasync") == 0) return fdatasync(*fd);
    if (strcmp(what, "fsync") == 0) return fsync(*fd);
    if (strcmp(what, "ftruncate") == 0) return ftruncate(*fd, 8192);
    if (strcmp(what, "fallocate") == 0) return fallocate(*fd, 0, 0, 8192);
    if (strcmp(what, "posix_fallocate") == 0) {
        errno = posix_fallocate(*fd, 0, 8192);
        return errno == 0 ? 0 : -1;
    }
    if (strcmp(what, "rename") == 0) return rename(path, other);
    if (strcmp(what, "unlink") == 0) return unlink(other);
    if (strcmp(what, "socket") == 0) return over_socket();
    if (strcmp(what, "threads") == 0) return threads(*fd);
    if (strncmp(what, "await:", 6) == 0) {
        while (access(what + 6, F_OK) != 0) usleep(1000);
        return 0;
    }
    fprintf(stderr, "exercise: what is %s?\n", what);
    exit(2);
}

int main(int argc, char **argv) {
    int fd = -1;
    if (argc < 2) return 2;
    for (int i = 2; i < argc; i++) {
        double begin = now_ms();
        long rc = call(argv[i], &fd, argv[1]);
        int error = errno;
        double took = now_ms() - begin;
        if (rc < 0)
            printf("%s %s %.1f\n", argv[i], strerrorname_np(error), took);
        else
            printf("%s %ld %.1f\n", argv[i], rc, took);
        fflush(stdout);
    }
    return 0;
}
