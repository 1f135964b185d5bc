/* The event loop on libevent's event_base. Persistent events only: a connection that is watched for
 * reading costs no system call a turn. */
#include "server/loop.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <poll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/alloc.h"

struct loop {
    struct event_base *base;
    struct event timer; /* wakes a turn that has waited long enough; milliseconds */
    struct event alarm; /* the same in microseconds, on a file of its own */
    int alarm_fd;
    int callbacks;
};

struct loop_io {
    struct loop *loop;
    struct event read, write, hangup;
    bool reading, writing, hanging;
    loop_io_fn *fn;
    void *arg;
};

static void on_timer(evutil_socket_t fd, short what, void *arg) {
    UNUSED(fd);
    UNUSED(what);
    UNUSED(arg);
}

static void on_alarm(evutil_socket_t fd, short what, void *arg) {
    uint64_t count;
    ssize_t n = read(fd, &count, sizeof count);
    UNUSED(n);
    UNUSED(what);
    UNUSED(arg);
}

static void on_io(evutil_socket_t fd, short what, void *arg) {
    UNUSED(fd);
    struct loop_io *io = arg;
    io->loop->callbacks++;
    io->fn(io->arg, (what & EV_READ ? LOOP_READ : 0) | (what & EV_WRITE ? LOOP_WRITE : 0));
}

/* Edge-triggered: it comes once for each thing that happens, also for what nobody wants to read. */
static void on_edge(evutil_socket_t fd, short what, void *arg) {
    UNUSED(what);
    struct loop_io *io = arg;
    struct pollfd p = {.fd = fd, .events = POLLRDHUP};
    if (poll(&p, 1, 0) != 1) return;
    io->loop->callbacks++;
    io->fn(io->arg, p.revents & (POLLERR | POLLHUP) ? LOOP_HANGUP : LOOP_ENDED);
}

struct loop *loop_create(void) {
    struct loop *l = xcalloc(1, sizeof *l);
    struct event_config *config = event_config_new();
    if (config != NULL) event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
    l->base = config != NULL ? event_base_new_with_config(config) : NULL;
    if (l->base == NULL) {
        fprintf(stderr, "cannot create the event loop\n");
        exit(1);
    }
    event_config_free(config);
    evtimer_assign(&l->timer, l->base, on_timer, l);
    l->alarm_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    assert(l->alarm_fd >= 0);
    event_assign(&l->alarm, l->base, l->alarm_fd, EV_READ | EV_PERSIST, on_alarm, l);
    event_add(&l->alarm, NULL);
    return l;
}

void loop_destroy(struct loop *l) {
    event_del(&l->timer);
    event_del(&l->alarm);
    close(l->alarm_fd);
    event_base_free(l->base);
    free(l);
}

struct loop_io *loop_io_create(struct loop *l, int fd, loop_io_fn *fn, void *arg) {
    struct loop_io *io = xcalloc(1, sizeof *io);
    io->loop = l;
    io->fn = fn;
    io->arg = arg;
    event_assign(&io->read, l->base, fd, EV_READ | EV_PERSIST, on_io, io);
    event_assign(&io->write, l->base, fd, EV_WRITE | EV_PERSIST, on_io, io);
    event_assign(&io->hangup, l->base, fd, EV_READ | EV_ET | EV_PERSIST, on_edge, io);
    loop_io_want(io, LOOP_READ);
    return io;
}

void loop_io_want(struct loop_io *io, int what) {
    bool reading = (what & LOOP_READ) != 0, writing = (what & LOOP_WRITE) != 0;
    bool hanging = what == LOOP_HANGUP;
    if (io->hanging && !hanging) event_del(&io->hangup); /* edges and levels do not mix */
    if (reading != io->reading) {
        if (reading)
            event_add(&io->read, NULL);
        else
            event_del(&io->read);
        io->reading = reading;
    }
    if (writing != io->writing) {
        if (writing)
            event_add(&io->write, NULL);
        else
            event_del(&io->write);
        io->writing = writing;
    }
    if (hanging && !io->hanging) event_add(&io->hangup, NULL);
    io->hanging = hanging;
}

void loop_io_destroy(struct loop_io *io) {
    loop_io_want(io, 0);
    free(io);
}

void loop_alarm(struct loop *l, uint64_t us) {
    struct itimerspec at = {.it_value = {(time_t)(us / 1000000), (long)(us % 1000000) * 1000}};
    timerfd_settime(l->alarm_fd, 0, &at, NULL);
}

int loop_turn(struct loop *l, uint64_t wait_us) {
    l->callbacks = 0;
    if (wait_us == 0) { /* without ONCE it would go on for as long as anybody sends */
        event_base_loop(l->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
        return l->callbacks;
    }
    struct timeval tv = {(time_t)(wait_us / 1000000), (suseconds_t)(wait_us % 1000000)};
    evtimer_add(&l->timer, &tv);
    event_base_loop(l->base, EVLOOP_ONCE);
    return l->callbacks;
}
