/* The event loop: what one turn of it is. */
#include "unit.h"

#include <unistd.h>

#include "server/loop.h"

struct sender {
    int fds[2];
    int calls;
};

/* There is always more to read, as from somebody who sends without end; or nearly. */
static void on_readable(void *arg, int what) {
    struct sender *s = arg;
    char byte;
    CHECK(what & LOOP_READ);
    if (++s->calls == 100) CHECK_INT(read(s->fds[0], &byte, 1), 1);
}

TEST(a_turn_that_does_not_wait_ends_though_somebody_sends_without_end) {
    struct sender s = {.calls = 0};
    struct loop *l = loop_create();
    CHECK_INT(pipe(s.fds), 0);
    struct loop_io *io = loop_io_create(l, s.fds[0], on_readable, &s);
    CHECK_INT(write(s.fds[1], "x", 1), 1);
    CHECK_INT(loop_turn(l, 0), 1);
    CHECK_INT(s.calls, 1);
    CHECK_INT(loop_turn(l, 1000000), 1);
    CHECK_INT(s.calls, 2);
    s.calls = 99;
    CHECK_INT(loop_turn(l, 0), 1);
    CHECK_INT(loop_turn(l, 0), 0);
    loop_io_destroy(io);
    loop_destroy(l);
    close(s.fds[0]);
    close(s.fds[1]);
}
