/* Growing bytes; see piece.h. */
#include "piece.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void piece_add(struct piece *p, const void *bytes, size_t n) {
    if (p->len + n > p->room) {
        p->room = (p->len + n) * 2;
        p->bytes = realloc(p->bytes, p->room);
        if (p->bytes == NULL) abort();
    }
    memcpy(p->bytes + p->len, bytes, n);
    p->len += n;
}

void piece_header(struct piece *p, char type, size_t n) {
    char text[32];
    int len = snprintf(text, sizeof text, "%c%zu\r\n", type, n);
    piece_add(p, text, (size_t)len);
}

void piece_bytes(struct piece *p, const void *bytes, size_t n) {
    piece_header(p, '$', n);
    piece_add(p, bytes, n);
    piece_add(p, "\r\n", 2);
}

void piece_arg(struct piece *p, const char *text) {
    piece_bytes(p, text, strlen(text));
}
