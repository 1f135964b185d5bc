#ifndef BENCH_PIECE_H
#define BENCH_PIECE_H

#include <stddef.h>

/* A growing run of bytes, and the RESP that requests are made of. All zero is empty; whoever has it
 * frees `bytes`. Out of memory aborts. */

struct piece {
    char *bytes;
    size_t len, room;
};

void piece_add(struct piece *p, const void *bytes, size_t n);
/* "*3" or "$12" and a line end. */
void piece_header(struct piece *p, char type, size_t n);
/* One argument: its header, the bytes, a line end. */
void piece_bytes(struct piece *p, const void *bytes, size_t n);
void piece_arg(struct piece *p, const char *text);

#endif
