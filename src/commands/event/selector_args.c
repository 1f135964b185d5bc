/* See selector_args.h. */
#include "commands/event/selector_args.h"

#include "base/alloc.h"
#include "server/command/virtual.h"
#include "commands/event/args.h"
#include "commands/event/used_view.h"

struct word {
    struct str name;
    enum selector_kind kind;
    const char *uuid; /* its value is one, which errors call so; NULL: it is not */
};

static const struct word words[SELECTOR_WORD_COUNT] = {
    [WORD_STREAM] = {{"STREAM", 6}, SELECT_STREAM, NULL},
    [WORD_CATEGORY] = {{"CATEGORY", 8}, SELECT_CATEGORY, NULL},
    [WORD_TYPE] = {{"TYPE", 4}, SELECT_TYPE, NULL},
    [WORD_CORRELATION] = {{"CORRELATION", 11}, SELECT_CORRELATION, "correlation id"},
    [WORD_CAUSATION] = {{"CAUSATION", 9}, SELECT_CAUSATION, "causation id"},
    [WORD_AGGREGATE] = {{"AGGREGATE", 9}, SELECT_AGGREGATE, NULL},
    [WORD_VIEW] = {{"VIEW", 4}, SELECT_KINDS, NULL},
    [WORD_SINCE] = {{"SINCE", 5}, SELECT_KINDS, NULL},
    [WORD_UNTIL] = {{"UNTIL", 5}, SELECT_KINDS, NULL},
};

enum selector_word selector_word_of(struct str arg) {
    enum selector_word w = 0;
    while (w < SELECTOR_WORD_COUNT && !arg_is(arg, words[w].name)) w++;
    return w;
}

bool selecting_word_or_reply(struct client *c, const struct request *r, size_t *at, bool known,
                             const char *own, struct str *value) {
    struct str word = r->argv[(*at)++];
    int len = (int)MIN(word.len, (size_t)64);
    if (known && *at < r->argc) {
        *value = r->argv[(*at)++];
        return true;
    }
    if (known)
        reply_error(c, "INVALIDARG unexpected end of input: expected a value for %.*s", len,
                    word.ptr);
    else
        reply_error(c,
                    "INVALIDARG unexpected string '%.*s': expected %s, " SELECTOR_WORDS
                    " or end of input",
                    len, word.ptr, own);
    return false;
}

struct str selector_word_name(enum selector_word word) {
    return words[word].name;
}

enum selector_kind selector_word_kind(enum selector_word word) {
    return words[word].kind;
}

static bool until_or_reply(struct client *c, struct selector_draft *d, struct str value) {
    uint64_t ms;
    if (!arg_time_or_reply(c, value, "UNTIL", &ms)) return false;
    if (ms > 0) {
        selector_draft_until(d, ms);
        return true;
    }
    reply_error(c,
                "INVALIDARG invalid UNTIL: 0 selects nothing, a time in ms after 1970 is expected");
    return false;
}

struct kept_uuid {
    struct kept_uuid *next;
    struct uuid id;
};

static void add_uuid(struct selector_args *a, enum selector_kind kind, const struct uuid *id) {
    struct kept_uuid *kept = xmalloc(sizeof *kept);
    *kept = (struct kept_uuid){.next = a->uuids, .id = *id};
    a->uuids = kept;
    selector_draft_add(&a->draft, kind, str_of(&kept->id, sizeof kept->id));
}

bool selector_value_or_reply(struct client *c, struct selector_args *a, enum selector_word word,
                             struct str value) {
    bool names = word == WORD_STREAM || word == WORD_CATEGORY;
    if (names && !virtual_no_value_or_reply(c, value, "")) return false;
    if (word == WORD_CATEGORY && !stream_category_valid(value)) {
        reply_error(c,
                    "INVALIDARG a category has no '-': it is what stands before the first one of "
                    "a stream's name. Use CATEGORY and that, or STREAM and a pattern");
        return false;
    }
    return selector_kept_value_or_reply(c, a, word, value);
}

bool selector_kept_value_or_reply(struct client *c, struct selector_args *a,
                                  enum selector_word word, struct str value) {
    const struct word *w = &words[word];
    struct selector_draft *d = &a->draft;
    uint64_t ms;
    if (word == WORD_UNTIL) return until_or_reply(c, d, value);
    if (word == WORD_SINCE) {
        if (!arg_time_or_reply(c, value, "SINCE", &ms)) return false;
        selector_draft_since(d, ms);
        return true;
    }
    if (value.len == 0) {
        reply_error(c, "INVALIDARG %s cannot be empty", w->name.ptr);
        return false;
    }
    if (word == WORD_VIEW) return used_view_or_reply(c, a, value);
    if (selector_draft_values(d) == SELECTOR_VALUES_MAX) {
        reply_error(c, "INVALIDARG too many values: a selection has at most %d",
                    SELECTOR_VALUES_MAX);
        return false;
    }
    if (word == WORD_STREAM && !arg_pattern_or_reply(c, value)) return false;
    if (w->uuid == NULL) {
        selector_draft_add(d, w->kind, value);
        return true;
    }
    struct uuid id;
    if (!arg_uuid_or_reply(c, value, w->uuid, &id)) return false;
    add_uuid(a, w->kind, &id);
    return true;
}

/* To look at one event is quick whatever the patterns are: how many a page looks at depends on them
 * (selector_work), but it is one at least. */
static bool is_light_or_reply(struct client *c, const struct selector *s) {
    for (enum selector_word w = 0; s != NULL && w < SELECTOR_WORD_COUNT; w++) {
        if (words[w].kind == SELECT_KINDS) continue;
        const struct glob_work *work = &s->kinds[words[w].kind].globs;
        if (work->bytes <= SELECTOR_PATTERN_BYTES_MAX &&
            work->behind_star <= SELECTOR_STAR_BYTES_MAX)
            continue;
        reply_error(c,
                    "INVALIDARG %s takes at most %d patterns, of %d bytes together, of which %d "
                    "may stand behind the first * of their pattern",
                    words[w].name.ptr, SELECTOR_VALUES_MAX, SELECTOR_PATTERN_BYTES_MAX,
                    SELECTOR_STAR_BYTES_MAX);
        return false;
    }
    return true;
}

bool selector_or_reply(struct client *c, struct selector_args *a, struct selector **out) {
    *out = NULL;
    if (a->views != NULL && !used_views_or_reply(c, a)) return false;
    if (selector_draft_bytes(&a->draft) > SELECTOR_BYTES_MAX) {
        reply_error(c, "TOOLARGE the values of a selection take at most %d bytes, together",
                    SELECTOR_BYTES_MAX);
        return false;
    }
    *out = selector_create(&a->draft);
    if (is_light_or_reply(c, *out)) return true;
    selector_unref(*out);
    *out = NULL;
    return false;
}

void selector_args_clear(struct selector_args *a) {
    selector_draft_clear(&a->draft);
    for (struct kept_uuid *kept = a->uuids, *next; kept != NULL; kept = next) {
        next = kept->next;
        free(kept);
    }
    used_views_clear(a);
    *a = (struct selector_args){0};
}

/* ---- showing one ---- */

static bool needs_quotes(struct str value) {
    bool plain = value.len > 0;
    for (size_t i = 0; plain && i < value.len; i++)
        plain = value.ptr[i] > ' ' && value.ptr[i] < 127 && value.ptr[i] != '"';
    return !plain;
}

static void describe_value(struct buf *out, struct str value) {
    if (!needs_quotes(value)) {
        buf_put_str(out, value);
        return;
    }
    buf_put(out, "\"", 1);
    for (size_t i = 0; i < value.len; i++) {
        unsigned char ch = (unsigned char)value.ptr[i];
        if (ch == '"' || ch == '\\')
            buf_printf(out, "\\%c", ch);
        else if (ch < ' ' || ch == 127)
            buf_printf(out, "\\x%02x", ch);
        else
            buf_put(out, &value.ptr[i], 1);
    }
    buf_put(out, "\"", 1);
}

static void describe_kind(const struct selector *s, const struct word *w, struct buf *out) {
    const struct selector_values *v = &s->kinds[w->kind];
    for (size_t i = 0; i < v->count; i++) {
        buf_printf(out, "%s%s ", out->len > 0 ? " " : "", w->name.ptr);
        if (w->uuid == NULL) {
            describe_value(out, v->values[i]);
            continue;
        }
        struct uuid id;
        char text[UUID_TEXT_LEN];
        memcpy(&id, v->values[i].ptr, sizeof id);
        uuid_format(&id, text);
        buf_put(out, text, sizeof text);
    }
}

void selector_describe(const struct selector *s, struct buf *out) {
    typedef unsigned long long ull;
    if (s == NULL) {
        buf_put_str(out, STR("STREAM *"));
        return;
    }
    for (size_t w = 0; w < SELECTOR_WORD_COUNT; w++)
        if (words[w].kind != SELECT_KINDS) describe_kind(s, &words[w], out);
    const char *blank = out->len > 0 ? " " : "";
    if (s->since > 0) buf_printf(out, "%sSINCE %llu", blank, (ull)s->since);
    blank = out->len > 0 ? " " : "";
    if (s->until < UINT64_MAX) buf_printf(out, "%sUNTIL %llu", blank, (ull)s->until);
}
