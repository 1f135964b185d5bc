#ifndef BENCH_PRINT_H
#define BENCH_PRINT_H

#include "options.h"

/* What o->load has measured, to stdout; print_json in one line. */
void print_json(const struct options *o);
void print_text(const struct options *o);

#endif
