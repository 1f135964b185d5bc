/* See selector.h. A selector is one block of memory: the struct, the arrays of its values, the
 * bytes of the values, its text. */
#include "store/selector.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/hash.h"

/* --- drafts --------------------------------------------------------------- */

void selector_draft_add(struct selector_draft *d, enum selector_kind kind, struct str value) {
    if (d->count[kind] == d->cap[kind]) {
        d->cap[kind] = d->cap[kind] == 0 ? 8 : d->cap[kind] * 2;
        d->values[kind] = xrealloc(d->values[kind], d->cap[kind] * sizeof(struct str));
    }
    d->values[kind][d->count[kind]++] = value;
}

void selector_draft_since(struct selector_draft *d, uint64_t ms) {
    d->since = d->has_since ? MIN(d->since, ms) : ms;
    d->has_since = true;
}

void selector_draft_until(struct selector_draft *d, uint64_t ms) {
    d->until = d->has_until ? MAX(d->until, ms) : ms;
    d->has_until = true;
}

size_t selector_draft_values(const struct selector_draft *d) {
    size_t n = 0;
    for (size_t k = 0; k < SELECT_KINDS; k++) n += d->count[k];
    return n;
}

size_t selector_draft_bytes(const struct selector_draft *d) {
    size_t bytes = 0;
    for (size_t k = 0; k < SELECT_KINDS; k++)
        for (size_t i = 0; i < d->count[k]; i++) bytes += d->values[k][i].len;
    return bytes;
}

void selector_draft_clear(struct selector_draft *d) {
    for (size_t k = 0; k < SELECT_KINDS; k++) free(d->values[k]);
    *d = (struct selector_draft){0};
}

/* --- making one ------------------------------------------------------------- */

static bool may_have_globs(enum selector_kind kind) {
    return kind == SELECT_STREAM || kind == SELECT_TYPE;
}

static bool is_glob(struct str value) {
    return str_glob_prefix(value) < value.len;
}

static int compare_values(const void *a, const void *b) {
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static void weigh(struct glob_work *w, struct str glob) {
    const char *star = memchr(glob.ptr, '*', glob.len);
    w->count++;
    w->bytes += glob.len;
    if (star != NULL) w->behind_star += glob.len - (size_t)(star - glob.ptr) - 1;
}

/* Sorts n values, plain ones before globs, and drops those that stand twice. */
static void arrange(enum selector_kind kind, struct str *values, size_t n,
                    struct selector_values *out) {
    size_t plain = 0, kept = 0;
    *out = (struct selector_values){.values = values};
    for (size_t i = 0; may_have_globs(kind) && i < n; i++) {
        if (is_glob(values[i])) continue;
        struct str v = values[i];
        values[i] = values[plain];
        values[plain++] = v;
    }
    if (!may_have_globs(kind)) plain = n;
    if (plain > 1) qsort(values, plain, sizeof *values, compare_values);
    if (n - plain > 1) qsort(values + plain, n - plain, sizeof *values, compare_values);
    for (size_t i = 0; i < n; i++) {
        if (kept > 0 && str_eq(values[i], values[kept - 1])) continue;
        if (i < plain)
            out->plain++;
        else
            weigh(&out->globs, values[i]);
        values[kept++] = values[i];
    }
    out->count = kept;
}

static const char *const kind_words[SELECT_KINDS] = {
    [SELECT_STREAM] = "STREAM",       [SELECT_CATEGORY] = "CATEGORY",
    [SELECT_TYPE] = "TYPE",           [SELECT_CORRELATION] = "CORRELATION",
    [SELECT_CAUSATION] = "CAUSATION", [SELECT_AGGREGATE] = "AGGREGATE",
};

static void put_time(struct buf *text, const char *word, uint64_t ms) {
    char digits[20];
    buf_put_str(text, str_c(word));
    buf_put(text, " ", 1);
    buf_put(text, digits, u64_to_dec(ms, digits));
}

/* What it would be asked for with, its words in one order. Each value stands behind its length, so
 * that no value can look like another list. */
static void put_text(struct buf *text, const struct selector *s) {
    for (enum selector_kind k = 0; k < SELECT_KINDS; k++) {
        for (size_t i = 0; i < s->kinds[k].count; i++) {
            char digits[20];
            struct str v = s->kinds[k].values[i];
            if (text->len > 0) buf_put(text, " ", 1);
            buf_put_str(text, str_c(kind_words[k]));
            buf_put(text, " ", 1);
            buf_put(text, digits, u64_to_dec(v.len, digits));
            buf_put(text, ":", 1);
            buf_put_str(text, v);
        }
    }
    if (s->since > 0) put_time(text, text->len > 0 ? " SINCE" : "SINCE", s->since);
    if (s->until < UINT64_MAX) put_time(text, text->len > 0 ? " UNTIL" : "UNTIL", s->until);
    if (s->without_letters) buf_put_str(text, STR(" WITHOUT " DEAD_LETTERS));
}

/* A copy of values and text, in one block. */
static struct selector *copy(const struct selector *from, struct str text) {
    size_t values = 0, bytes = text.len;
    for (size_t k = 0; k < SELECT_KINDS; k++) {
        values += from->kinds[k].count;
        for (size_t i = 0; i < from->kinds[k].count; i++) bytes += from->kinds[k].values[i].len;
    }
    size_t size = sizeof(struct selector) + values * sizeof(struct str) + bytes;
    struct selector *s = xmalloc(size);
    *s = *from;
    s->size = size;
    struct str *value = (struct str *)(s + 1);
    char *at = (char *)(value + values);
    for (size_t k = 0; k < SELECT_KINDS; k++) {
        s->kinds[k].values = value;
        for (size_t i = 0; i < s->kinds[k].count; i++, value++) {
            struct str v = from->kinds[k].values[i];
            if (v.len > 0) memcpy(at, v.ptr, v.len);
            *value = str_of(at, v.len);
            at += v.len;
        }
    }
    if (text.len > 0) memcpy(at, text.ptr, text.len);
    s->text = str_of(at, text.len);
    s->refs = 1;
    return s;
}

struct selector *selector_create(const struct selector_draft *d) {
    struct selector s = {.since = d->has_since ? d->since : 0,
                         .until = d->has_until ? d->until : UINT64_MAX,
                         .without_letters = d->without_letters};
    bool times = s.since > 0 || s.until < UINT64_MAX;
    if (selector_draft_values(d) == 0 && !times && !s.without_letters) return NULL;
    for (enum selector_kind k = 0; k < SELECT_KINDS; k++)
        arrange(k, d->values[k], d->count[k], &s.kinds[k]);
    struct buf text;
    buf_init(&text, 0);
    put_text(&text, &s);
    s.hash = hash_bytes(text.data, text.len);
    struct selector *made = copy(&s, str_of(text.data, text.len));
    buf_clear(&text);
    return made;
}

struct selector *selector_ref(struct selector *s) {
    s->refs++;
    return s;
}

void selector_unref(struct selector *s) {
    if (s == NULL) return;
    assert(s->refs > 0);
    if (--s->refs == 0) free(s);
}

bool selector_eq(const struct selector *a, const struct selector *b) {
    if (a == NULL || b == NULL) return a == b;
    return a == b || (a->hash == b->hash && str_eq(a->text, b->text));
}

/* --- matching --------------------------------------------------------------- */

static bool is_among(const struct selector_values *v, struct str value) {
    size_t low = 0, high = v->plain;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = str_cmp(v->values[middle], value);
        if (order == 0) return true;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

bool selector_kind_passes(const struct selector *s, enum selector_kind kind, struct str value) {
    const struct selector_values *v = &s->kinds[kind];
    if (v->count == 0 || is_among(v, value)) return true;
    for (size_t i = v->plain; i < v->count; i++)
        if (str_match_glob(v->values[i], value, false)) return true;
    return false;
}

bool selector_is_of_letters(struct str name) {
    const size_t n = sizeof DEAD_LETTERS - 1;
    return name.len >= n && memcmp(name.ptr, DEAD_LETTERS, n) == 0;
}

bool selector_name_passes(const struct selector *s, struct str name) {
    return !(s->without_letters && selector_is_of_letters(name)) &&
           selector_kind_passes(s, SELECT_CATEGORY, stream_category(name)) &&
           selector_kind_passes(s, SELECT_STREAM, name);
}

bool selector_time_passes(const struct selector *s, uint64_t recorded) {
    return recorded >= s->since && recorded <= s->until;
}

static bool uuid_passes(const struct selector *s, enum selector_kind kind,
                        const struct uuid *value) {
    if (!selector_has(s, kind)) return true;
    return value != NULL && selector_kind_passes(s, kind, str_of(value, sizeof *value));
}

bool selector_event_passes(const struct selector *s, const struct event_record *r) {
    return selector_time_passes(s, r->recorded) &&
           uuid_passes(s, SELECT_CORRELATION, event_correlation(r)) &&
           uuid_passes(s, SELECT_CAUSATION, event_causation(r)) &&
           selector_kind_passes(s, SELECT_AGGREGATE, event_aggregate(r)) &&
           selector_kind_passes(s, SELECT_TYPE, event_type(r));
}

bool selector_match(const struct selector *s, const struct event_record *r, struct str name) {
    return selector_event_passes(s, r) && selector_name_passes(s, name);
}

static size_t text_work(const struct glob_work *w, size_t text_len) {
    enum { BYTES_A_UNIT = 8 };
    size_t once = MIN(w->bytes, w->count * text_len);
    return w->count + (once + w->behind_star * text_len) / BYTES_A_UNIT;
}

size_t selector_work(const struct selector *s, const struct event_record *r, struct str name) {
    return 1 + text_work(&s->kinds[SELECT_TYPE].globs, r->type_len) +
           text_work(&s->kinds[SELECT_STREAM].globs, name.len);
}

/* --- time ------------------------------------------------------------------------------------- */

/* The first position in [start, end] whose event was recorded at `since` or later; end + 1: none.
 */
static int first_recorded(uint64_t start, uint64_t end, uint64_t since, uint64_t *out,
                          selector_probe_fn *probe, void *arg, struct err *err) {
    uint64_t low = start, high = end + 1;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2, found = 0, recorded = 0;
        int rc = probe(arg, low, middle, &found, &recorded, err);
        if (rc < 0) return rc;
        if (rc == 1 && recorded >= since)
            high = found;
        else
            low = middle + 1;
    }
    *out = low;
    return 0;
}

int selector_narrow(const struct selector *s, uint64_t *start, uint64_t *end, bool *empty,
                    selector_probe_fn *probe, void *arg, struct err *err) {
    uint64_t at = 0;
    int rc = 0;
    *empty = false;
    if (s->since > 0) {
        if ((rc = first_recorded(*start, *end, s->since, &at, probe, arg, err)) != 0) return rc;
        *empty = at > *end;
        *start = at;
    }
    if (s->until != UINT64_MAX && !*empty) {
        if ((rc = first_recorded(*start, *end, s->until + 1, &at, probe, arg, err)) != 0) return rc;
        *empty = at == *start;
        *end = at - !*empty;
    }
    return 0;
}
