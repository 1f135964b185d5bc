/* Entries of streams out of replies; see entries.h.
 *
 * A reply that is not complete is read again from its start when more has come. Pages of our
 * benchmarks arrive in one or two pieces, so to keep a place inside them would save nothing. */
#include "entries.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Where we are, and when a function returned false, why: 0 the bytes end here, -1 they are wrong.
 */
struct cursor {
    const char *p, *end;
    int why;
};

static bool stop(struct cursor *c, int why) {
    c->why = why;
    return false;
}

/* The text of the next line behind its type. */
static bool take_text(struct cursor *c, char *type, const char **text, size_t *len) {
    const char *nl = c->p == c->end ? NULL : memchr(c->p, '\n', (size_t)(c->end - c->p));
    if (nl == NULL) return stop(c, 0);
    if (nl - c->p < 2 || nl[-1] != '\r') return stop(c, -1);
    *type = *c->p;
    *text = c->p + 1;
    *len = (size_t)(nl - 1 - *text);
    c->p = nl + 1;
    return true;
}

/* A line that is a number; the type must be one of `types`. RESP3's nil counts as -1. */
static bool take_number(struct cursor *c, const char *types, char *type, int64_t *n) {
    const char *text = NULL;
    size_t len = 0, i = 0;
    uint64_t v = 0;

    if (!take_text(c, type, &text, &len)) return false;
    if (*type == '\0' || strchr(types, *type) == NULL) return stop(c, -1);
    *n = -1;
    if (*type == '_') return len == 0 || stop(c, -1);
    bool negative = len > 0 && text[0] == '-';
    if (negative) i++;
    if (i == len || len > 18) return stop(c, -1);
    for (; i < len; i++) {
        if (text[i] < '0' || text[i] > '9') return stop(c, -1);
        v = v * 10 + (uint64_t)(text[i] - '0');
    }
    *n = negative ? -(int64_t)v : (int64_t)v;
    return true;
}

/* n bytes and a line end. */
static bool take_body(struct cursor *c, int64_t n, const char **bytes, size_t *len) {
    size_t size = (size_t)n;
    if (n < 0) return stop(c, -1);
    if ((size_t)(c->end - c->p) < size + 2) return stop(c, 0);
    if (memcmp(c->p + size, "\r\n", 2) != 0) return stop(c, -1);
    *bytes = c->p;
    *len = size;
    c->p += size + 2;
    return true;
}

static bool take_bulk(struct cursor *c, const char **bytes, size_t *len) {
    char type = 0;
    int64_t n = 0;
    return take_number(c, "$", &type, &n) && take_body(c, n, bytes, len);
}

static bool take_entry(struct cursor *c, struct entry *entry) {
    const char *bytes = NULL;
    char type = 0;
    int64_t n = 0;
    size_t len = 0;

    *entry = (struct entry){0};
    if (!take_number(c, "*", &type, &n)) return false;
    if (n != 2) return stop(c, -1);
    if (!take_bulk(c, &entry->id, &entry->id_len)) return false;
    if (!take_number(c, "*_", &type, &n)) return false;
    for (int64_t i = 0; i < n; i++) {
        if (!take_bulk(c, &bytes, &len)) return false;
        if (i != 1) continue;
        entry->value = bytes;
        entry->value_len = len;
    }
    return true;
}

/* A stream's name and its entries. */
static bool take_stream(struct cursor *c, struct entries *e) {
    const char *name = NULL;
    char type = 0;
    int64_t n = 0;
    size_t len = 0;

    if (!take_bulk(c, &name, &len) || !take_number(c, "*", &type, &n)) return false;
    for (int64_t i = 0; i < n; i++) {
        if (e->count == e->room) {
            e->room = e->room * 2 + 16;
            e->list = realloc(e->list, e->room * sizeof *e->list);
            if (e->list == NULL) abort();
        }
        if (!take_entry(c, &e->list[e->count])) return false;
        e->count++;
    }
    return true;
}

/* RESP2 has an array of pairs, RESP3 a map. */
static bool take_streams(struct cursor *c, struct entries *e) {
    char type = 0, inner = 0;
    int64_t n = 0, two = 0;

    if (!take_number(c, "*%_", &type, &n)) return false;
    e->kind = n < 0 ? ENTRIES_NONE : ENTRIES_LIST;
    for (int64_t i = 0; i < n; i++) {
        if (type == '*' && !take_number(c, "*", &inner, &two)) return false;
        if (type == '*' && two != 2) return stop(c, -1);
        if (!take_stream(c, e)) return false;
    }
    return true;
}

static bool take_any(struct cursor *c, struct entries *e) {
    char type = 0;
    int64_t n = 0;

    switch (*c->p) {
    case '-':
    case '+':
        e->kind = *c->p == '-' ? ENTRIES_ERROR : ENTRIES_TEXT;
        return take_text(c, &type, &e->text, &e->text_len);
    case ':':
        e->kind = ENTRIES_NUMBER;
        return take_number(c, ":", &type, &e->number);
    case '$':
        if (!take_number(c, "$", &type, &n)) return false;
        e->kind = n < 0 ? ENTRIES_NONE : ENTRIES_TEXT;
        return n < 0 || take_body(c, n, &e->text, &e->text_len);
    default:
        return take_streams(c, e);
    }
}

ssize_t entries_read(struct entries *e, const char *p, size_t n) {
    struct cursor c = {.p = p, .end = p + n};

    e->count = 0;
    e->text = NULL;
    e->text_len = 0;
    if (n == 0) return 0;
    if (!take_any(&c, e)) return c.why;
    return c.p - p;
}

/* ---- messages of subscriptions */

/* Any value that holds no other, or the length of one that does: in *inner, as values to come. */
static bool skip_one(struct cursor *c, int64_t *inner) {
    const char *bytes = NULL;
    char type = 0;
    int64_t n = 0;
    size_t len = 0;

    *inner = 0;
    if (c->p == c->end) return stop(c, 0);
    if (strchr("+-:,#(_", *c->p) != NULL) return take_text(c, &type, &bytes, &len);
    if (!take_number(c, "$=*~>%", &type, &n)) return false;
    if (type == '$' || type == '=') return n < 0 || take_body(c, n, &bytes, &len);
    if (n > 0) *inner = type == '%' ? 2 * n : n;
    return true;
}
static bool skip_values(struct cursor *c, int64_t n) {
    int64_t inner = 0;
    for (; n > 0; n += inner - 1)
        if (!skip_one(c, &inner)) return false;
    return true;
}

/* A status or a bulk string. */
static bool take_word(struct cursor *c, const char **text, size_t *len) {
    char type = 0;
    if (c->p == c->end) return stop(c, 0);
    if (*c->p == '$') return take_bulk(c, text, len);
    if (*c->p != '+') return stop(c, -1);
    return take_text(c, &type, text, len);
}

static bool take_event(struct cursor *c, struct pushed *m) {
    char type = 0;
    int64_t fields = 0;

    if (!skip_values(c, 1) || !take_number(c, ":", &type, &m->cursor)) return false;
    if (!take_number(c, "*", &type, &fields)) return false;
    if (fields < 1) return stop(c, -1);
    return skip_values(c, fields - 1) && take_bulk(c, &m->payload, &m->payload_len);
}

static bool is_word(const char *bytes, size_t len, const char *word) {
    return len == strlen(word) && memcmp(bytes, word, len) == 0;
}

/* A message is its kind, whose it is, and what the kind has. */
static bool take_pushed(struct cursor *c, struct pushed *m) {
    const char *kind = NULL;
    char type = 0;
    int64_t n = 0;
    size_t len = 0;

    if (*c->p == '-') {
        m->kind = PUSHED_END;
        return take_text(c, &type, &m->text, &m->text_len);
    }
    if (!take_number(c, "*>%", &type, &n)) return false;
    if (n < 1) return stop(c, -1);
    if (!take_word(c, &kind, &len)) return false;
    if (type != '%' && n == 4 && is_word(kind, len, "event")) {
        m->kind = PUSHED_EVENT;
        return take_event(c, m);
    }
    if (type != '%' && (n == 4 ? is_word(kind, len, "pmessage") : is_word(kind, len, "message"))) {
        m->kind = PUSHED_MESSAGE;
        return skip_values(c, n - 2) && take_bulk(c, &m->payload, &m->payload_len);
    }
    if (type != '%' && n == 3 && is_word(kind, len, "end")) {
        m->kind = PUSHED_END;
        return skip_values(c, 1) && take_word(c, &m->text, &m->text_len);
    }
    m->kind = PUSHED_OTHER;
    return skip_values(c, (type == '%' ? 2 * n : n) - 1);
}

ssize_t pushed_read(struct pushed *m, const char *p, size_t n) {
    struct cursor c = {.p = p, .end = p + n};

    if (n == 0) return 0;
    if (!take_pushed(&c, m)) return c.why;
    return c.p - p;
}
