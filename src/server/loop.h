/* The event loop: libevent behind four functions. Only loop.c includes libevent. */
#ifndef SERVER_LOOP_H
#define SERVER_LOOP_H

#include "base/base.h"

struct loop;
struct loop_io;

/* LOOP_HANGUP: the other side is gone altogether. Looked for only while neither of the two others
 * is wanted: what reads or writes meets the error itself. LOOP_ENDED comes with it: the other side
 * sends no more than what has come. */
enum { LOOP_READ = 1, LOOP_WRITE = 2, LOOP_HANGUP = 4, LOOP_ENDED = 8 };
typedef void loop_io_fn(void *arg, int what); /* what: some of them */

struct loop *loop_create(void);
void loop_destroy(struct loop *l);
/* Watches fd for reading at first; want changes it. destroy is legal inside the callback. */
struct loop_io *loop_io_create(struct loop *l, int fd, loop_io_fn *fn, void *arg);
void loop_io_want(struct loop_io *io, int what);
void loop_io_destroy(struct loop_io *io);
/* Makes a turn end (at the latest) in so many microseconds; a new alarm replaces the old. */
void loop_alarm(struct loop *l, uint64_t us);
/* Waits at most wait_us for something to happen (0: only looks), and handles it. Returns how many
 * callbacks ran. */
int loop_turn(struct loop *l, uint64_t wait_us);

#endif
