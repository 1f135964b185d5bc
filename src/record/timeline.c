/* See the header. */
#include "record/timeline.h"

#include "base/alloc.h"

static const char *const words[] = {
    [TIMELINE_FIRST] = "first",           [TIMELINE_RESTORED] = "restored",
    [TIMELINE_FLUSHED] = "flushall",      [TIMELINE_CRASHED] = "crash",
    [TIMELINE_NO_JOURNAL] = "no-journal", [TIMELINE_REBUILT] = "rebuilt",
    [TIMELINE_VOIDED] = "void",           [TIMELINE_ASKED] = "new-timeline",
    [TIMELINE_MIGRATED] = "migrated",
};

bool timeline_record_valid(const void *body, size_t len) {
    const struct timeline_record *r = body;
    return len == sizeof *r && r->reason >= TIMELINE_FIRST && r->reason < ARRAY_LEN(words);
}

/* --- the list ------------------------------------------------------------------- */

void timelines_add(struct timelines *t, const struct timeline_record *r) {
    if (t->count == TIMELINES_MAX) {
        t->count--;
        memmove(t->items, t->items + 1, t->count * sizeof *t->items);
    }
    if (t->count == t->cap) {
        t->cap = t->cap * 2 + 4;
        t->items = xrealloc(t->items, t->cap * sizeof *t->items);
    }
    t->items[t->count++] = *r;
}

void timelines_drop_last(struct timelines *t) {
    assert(t->count > 1);
    t->count--;
}

void timelines_clear(struct timelines *t) {
    free(t->items);
    *t = (struct timelines){0};
}

/* What a later one took away is gone for all before it. */
bool timelines_find(const struct timelines *t, uint32_t id, uint64_t *end,
                    const struct timeline_record **next) {
    const struct timeline_record *lowest = NULL;
    for (size_t i = t->count; i-- > 0;) {
        const struct timeline_record *r = &t->items[i];
        if (r->id == id) {
            *end = lowest != NULL ? lowest->began : UINT64_MAX;
            if (next != NULL) *next = lowest;
            return true;
        }
        if (lowest == NULL || r->began <= lowest->began) lowest = r;
    }
    return false;
}

uint32_t timelines_draw(const struct timelines *t) {
    uint32_t id;
    uint64_t end;
    do {
        random_bytes(&id, sizeof id);
    } while (timelines_find(t, id, &end, NULL));
    return id;
}

/* --- words ---------------------------------------------------------------------- */

uint32_t timeline_of_store(const struct uuid *store_id) {
    const uint8_t *b = store_id->b;
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

void timeline_format(uint32_t id, char out[TIMELINE_TEXT_LEN + 1]) {
    snprintf(out, TIMELINE_TEXT_LEN + 1, "%08x", id);
}

static int digit_of(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool timeline_parse(struct str text, uint32_t *id) {
    uint32_t v = 0;
    if (text.len != TIMELINE_TEXT_LEN) return false;
    for (size_t i = 0; i < text.len; i++) {
        int digit = digit_of(text.ptr[i]);
        if (digit < 0) return false;
        v = v << 4 | (uint32_t)digit;
    }
    *id = v;
    return true;
}

const char *timeline_reason_word(uint32_t reason) {
    return reason > 0 && reason < ARRAY_LEN(words) ? words[reason] : "";
}

uint32_t timeline_reason_of(struct str word) {
    for (uint32_t i = TIMELINE_FIRST; i < ARRAY_LEN(words); i++)
        if (str_eq(word, str_c(words[i]))) return i;
    return 0;
}
