/* Skipping over replies.
 *
 * No tree is built and no stack kept: an aggregate of n elements adds n to the number of elements
 * that are still to come, everything else takes one away, and at zero the reply is over.
 *
 * A page of 100 events is 60 KB in 2,500 elements; to look at each of them would cost the
 * generator more than it costs a server to send them. As all pages of one benchmark have the same
 * build, their number of lines is learned from the first ones, and from then on a page with the
 * same number of events is passed over by counting line ends, 16 bytes at a time. (Payloads are our
 * own and hold no line end.) One page in 64 is still parsed in full; if it contradicts what
 * was learned, the short cut is not taken again. */
#include "reply.h"

#include <stdio.h>
#include <string.h>

enum { LEARN_AFTER = 16, CHECK_EVERY = 64, BLOCK = 1024 };

typedef unsigned char vec16 __attribute__((vector_size(16)));

/* Line ends in exactly BLOCK bytes. */
static unsigned block_lines(const char *p) {
    vec16 sum = {0};
    const vec16 nl = {10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10};
    for (unsigned i = 0; i < BLOCK / 16; i++) {
        vec16 v;
        memcpy(&v, p + i * 16, 16);
        sum -= (vec16)(v == nl); /* a match is 0xff, that is -1 */
    }
    unsigned lines = 0;
    for (unsigned i = 0; i < 16; i++) lines += sum[i];
    return lines;
}

/* Passes over r->lines lines or up to the end, whichever comes first. */
static const char *skim_lines(struct reply_scan *r, const char *p, const char *end) {
    while (end - p >= BLOCK) {
        unsigned lines = block_lines(p);
        if (lines >= r->lines) break;
        r->lines -= lines;
        p += BLOCK;
    }
    while (p < end && r->lines > 0) {
        const char *nl = memchr(p, '\n', (size_t)(end - p));
        if (nl == NULL) return end;
        r->lines--;
        p = nl + 1;
    }
    return p;
}

static bool parse_length(const char *p, const char *end, int64_t *out) {
    bool negative = p < end && *p == '-';
    uint64_t v = 0;
    if (negative) p++;
    if (p == end || end - p > 18) return false;
    for (; p < end; p++) {
        unsigned digit = (unsigned char)*p - (unsigned)'0';
        if (digit > 9) return false;
        v = v * 10 + digit;
    }
    *out = negative ? -(int64_t)v : (int64_t)v;
    return true;
}

static void note_error(struct reply_sum *sum, const char *what, const char *text, size_t len) {
    sum->errors++;
    if (sum->first_error[0] != '\0') return;
    snprintf(sum->first_error, sizeof sum->first_error, "%s%.*s", what,
             (int)(len > 200 ? 200 : len), text);
}

/* The header of the event list has been read: decide whether the rest is skimmed or counted. */
static void begin_list(struct reply_scan *r, struct reply_shape *shape, uint64_t n) {
    r->in_list = true;
    r->list_n = n;
    r->counted = 0;
    if (shape->full || shape->failed || n == 0) return;
    if (shape->agreed < LEARN_AFTER || shape->n != n) return;
    if (++shape->skimmed % CHECK_EVERY == 0) return;
    r->lines = shape->lines;
    r->pending = 0;
}

static void learn(const struct reply_scan *r, struct reply_shape *shape) {
    bool same = shape->n == r->list_n && shape->lines == r->counted;
    if (same) {
        shape->agreed++;
        return;
    }
    if (shape->n == r->list_n && shape->agreed >= LEARN_AFTER) shape->failed = true;
    shape->n = r->list_n;
    shape->lines = r->counted;
    shape->agreed = 1;
}

/* Handles the line p..eol (without its CR LF). Returns false when it is no RESP. */
static bool take_line(struct reply_scan *r, struct reply_shape *shape, struct reply_sum *sum,
                      const char *p, const char *eol) {
    bool first = !r->inside;
    int64_t n = 0;

    if (first) {
        r->inside = true;
        r->in_list = false;
        r->pending = 1;
        r->push = *p == '>';
        bool known = shape->expect == NULL || strchr(shape->expect, *p) != NULL;
        if (!known && *p != '-' && *p != '!' && *p != '_' && !r->push)
            note_error(sum, "unexpected reply: ", p, (size_t)(eol - p));
    }
    r->pending--;
    r->counted++;
    switch (*p) {
    case '+':
    case ':':
    case ',':
    case '#':
    case '(':
        return true;
    case '-':
        note_error(sum, "", p + 1, (size_t)(eol - p - 1));
        return true;
    case '_':
        n = -1;
        break;
    case '$':
    case '=':
    case '!':
    case '*':
    case '~':
    case '>':
    case '%':
    case '|':
        if (!parse_length(p + 1, eol, &n)) return false;
        break;
    default:
        return false;
    }
    if (n < 0) {
        if (first && shape->nil_is_error) note_error(sum, "nil reply", "", 0);
        if (first) sum->nils++;
        return true;
    }
    switch (*p) {
    case '!':
        note_error(sum, "bulk error", "", 0);
        /* fall through */
    case '$':
    case '=':
        r->skip = (uint64_t)n + 2;
        r->counted++;
        return true;
    case '|': /* attributes come before the value that they describe */
        r->pending += (uint64_t)n * 2 + 1;
        return true;
    case '%':
        r->pending += (uint64_t)n * 2;
        return true;
    default:
        r->pending += (uint64_t)n;
        if (shape->list && !r->in_list && !r->push && first != shape->list_nested)
            begin_list(r, shape, (uint64_t)n);
        return true;
    }
}

int reply_feed(struct reply_scan *r, struct reply_shape *shape, struct reply_sum *sum, char *buf,
               size_t n) {
    const char *end = buf + n;
    const char *p = buf - r->carry_len;
    int done = 0;

    memcpy(buf - r->carry_len, r->carry, r->carry_len);
    r->carry_len = 0;
    while (p < end) {
        if (r->skip > 0) {
            size_t step = (size_t)(end - p) < r->skip ? (size_t)(end - p) : (size_t)r->skip;
            r->skip -= step;
            p += step;
        } else if (r->lines > 0) {
            p = skim_lines(r, p, end);
        } else {
            const char *nl = memchr(p, '\n', (size_t)(end - p));
            if (nl == NULL) {
                size_t left = (size_t)(end - p);
                if (left > sizeof r->carry) goto broken;
                memcpy(r->carry, p, left);
                r->carry_len = left;
                return done;
            }
            if (nl == p || nl[-1] != '\r') goto broken;
            if (!take_line(r, shape, sum, p, nl - 1)) goto broken;
            p = nl + 1;
        }
        if (!r->inside || r->pending > 0 || r->skip > 0 || r->lines > 0) continue;
        r->inside = false;
        if (r->push) continue;
        if (r->in_list) {
            sum->events += r->list_n;
            if (r->list_n == 0) sum->empties++;
            if (r->counted > 0) learn(r, shape);
        }
        sum->replies++;
        done++;
    }
    return done;
broken:
    note_error(sum, "not RESP: ", p, (size_t)(end - p) < 40 ? (size_t)(end - p) : 40);
    return -1;
}
