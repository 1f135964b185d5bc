#include "tool/progress.h"

#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"

#define EVERY_US 100000
#define BAR      24

void progress_begin(struct progress *p) {
    *p = (struct progress){.shown = isatty(STDERR_FILENO) == 1};
}

const char *number_text(uint64_t n, char out[NUMBER_TEXT]) {
    char digits[20];
    size_t len = u64_to_dec(n, digits), at = 0;
    for (size_t i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0) out[at++] = ',';
        out[at++] = digits[i];
    }
    out[at] = '\0';
    return out;
}

static void draw_rate(const struct progress *p, uint64_t done, uint64_t total, uint64_t now) {
    char rate_text[NUMBER_TEXT];
    double seconds = (double)(now - p->began_us) / 1e6;
    double rate = seconds > 0 ? (double)(done - p->began_at) / seconds : 0;
    if (rate < 1) return;
    fprintf(stderr, "  %s/s", number_text((uint64_t)rate, rate_text));
    if (total <= done) return;
    uint64_t left = (uint64_t)((double)(total - done) / rate);
    if (left >= 3600)
        fprintf(stderr, "  %d h %d min left", (int)(left / 3600), (int)(left / 60 % 60));
    else if (left >= 60)
        fprintf(stderr, "  %d min %d s left", (int)(left / 60), (int)(left % 60));
    else
        fprintf(stderr, "  %d s left", (int)left);
}

void progress_show(struct progress *p, const char *step, uint64_t done, uint64_t total) {
    if (!p->shown) return;
    uint64_t now = clock_mono_us();
    if (p->step == NULL || strcmp(p->step, step) != 0 || done < p->began_at) {
        p->step = step;
        p->began_us = now;
        p->began_at = done;
    }
    if (p->drawn && now - p->drawn_us < EVERY_US) return;
    p->drawn = true;
    p->drawn_us = now;
    fprintf(stderr, "\r\033[K%s", step);
    if (total > 0) {
        size_t full = (size_t)((double)MIN(done, total) / (double)total * BAR);
        fputs("  [", stderr);
        for (size_t i = 0; i < BAR; i++) fputc(i < full ? '#' : '.', stderr);
        fprintf(stderr, "] %3d %%", (int)((double)MIN(done, total) / (double)total * 100));
        draw_rate(p, done, total, now);
    }
    fflush(stderr);
}

void progress_wipe(struct progress *p) {
    if (!p->drawn) return;
    fputs("\r\033[K", stderr);
    fflush(stderr);
    p->drawn = false;
}
