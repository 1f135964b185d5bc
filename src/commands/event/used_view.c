/* See used_view.h, and selector_args.h for which views and words go together. */
#include "commands/event/used_view.h"

#include "base/alloc.h"
#include "server/command/virtual.h"
#include "server/server.h"
#include "stream/read.h"
#include "commands/event/view_text.h"

#define VIEWS_OF_ONE_MAX 100

struct used_view {
    struct used_view *next;
    struct str name;
    struct selector_args args; /* what it says: points into the words */
    struct view_words words;
};

bool used_view_or_reply(struct client *c, struct selector_args *a, struct str name) {
    size_t n = 0;
    struct used_view **end = &a->views;
    for (; *end != NULL; end = &(*end)->next) {
        if (str_eq((*end)->name, name)) return true;
        n++;
    }
    if (n == VIEWS_OF_ONE_MAX) {
        reply_error(c, "INVALIDARG too many views: a selection has at most %d", VIEWS_OF_ONE_MAX);
        return false;
    }
    *end = xcalloc(1, sizeof **end);
    (*end)->name = name;
    return true;
}

void used_views_clear(struct selector_args *a) {
    for (struct used_view *v = a->views, *next; v != NULL; v = next) {
        next = v->next;
        selector_args_clear(&v->args);
        view_words_clear(&v->words);
        free(v);
    }
    a->views = NULL;
}

/* The view, as of a frame, and its text. NULL: there is none, which was replied. */
static struct named *view_or_reply(struct client *c, struct str name, uint64_t view,
                                   struct str *text) {
    const struct model *m = &c->srv->model;
    struct named *n = stream_name_valid(name) ? named_find(&c->srv->model, NAMED_VIEW, name) : NULL;
    if (n != NULL && view == VIEW_NEWEST) client_tells(c, named_frame(m, n));
    if (n != NULL && named_value(m, n, view, text)) return n;
    virtual_reply_no_view(c, name);
    return NULL;
}

/* What a view's text says. */
static bool read_or_reply(struct client *c, struct used_view *v, struct str text) {
    const struct resp_reader *r = &v->words.reader;
    bool good = view_words_read(&v->words, text);
    for (size_t i = 0; good && i < r->argc; i += 2) {
        enum selector_word word = selector_word_of(r->args[i]);
        good = word != SELECTOR_WORD_COUNT && word != WORD_VIEW;
        if (good && !selector_kept_value_or_reply(c, &v->args, word, r->args[i + 1])) return false;
    }
    if (!good)
        reply_error(c, "READERR the text of view '" STR_FMT "' makes no sense", STR_ARG(v->name));
    return good;
}

static unsigned kinds_of(const struct selector_draft *d) {
    unsigned kinds = 0;
    for (unsigned k = 0; k < SELECT_KINDS; k++)
        if (d->count[k] > 0) kinds |= 1u << k;
    return kinds;
}

/* Whether views beside each other can be alternatives: all select by the same one word. */
static bool are_alternatives(const struct used_view *views) {
    unsigned kinds = kinds_of(&views->args.draft);
    bool so = kinds != 0 && (kinds & (kinds - 1)) == 0;
    for (const struct used_view *v = views; so && v != NULL; v = v->next)
        so = kinds_of(&v->args.draft) == kinds && !v->args.draft.has_since;
    return so;
}

static bool go_together_or_reply(struct client *c, const struct selector_args *a) {
    if (a->views->next != NULL && !are_alternatives(a->views)) {
        reply_error(c, "INVALIDARG several views are alternatives only if all of them select by "
                       "one word, and by the same");
        return false;
    }
    unsigned twice = kinds_of(&a->draft) & kinds_of(&a->views->args.draft);
    for (enum selector_word w = 0; w < SELECTOR_WORD_COUNT; w++) {
        enum selector_kind kind = selector_word_kind(w);
        if (kind == SELECT_KINDS || (twice & (1u << kind)) == 0) continue;
        reply_error(c,
                    "INVALIDARG view '" STR_FMT "' selects by %s already, which then cannot stand "
                    "beside it",
                    STR_ARG(a->views->name), selector_word_name(w).ptr);
        return false;
    }
    return true;
}

/* All values of a view: it is bounded as every selector is, and so is the whole. */
static bool add_or_reply(struct client *c, struct selector_args *a, const struct used_view *v) {
    const struct selector_draft *from = &v->args.draft;
    if (selector_draft_values(&a->draft) + selector_draft_values(from) > SELECTOR_VALUES_MAX) {
        reply_error(c,
                    "INVALIDARG too many values: a selection has at most %d, with those of its "
                    "views",
                    SELECTOR_VALUES_MAX);
        return false;
    }
    for (enum selector_kind k = 0; k < SELECT_KINDS; k++)
        for (size_t i = 0; i < from->count[k]; i++)
            selector_draft_add(&a->draft, k, from->values[k][i]);
    if (from->has_since) { /* not one more alternative of SINCE: both must hold */
        a->draft.since = MAX(from->since, a->draft.has_since ? a->draft.since : 0);
        a->draft.has_since = true;
    }
    return true;
}

bool used_views_or_reply(struct client *c, struct selector_args *a) {
    struct str text;
    for (struct used_view *v = a->views; v != NULL; v = v->next)
        if (view_or_reply(c, v->name, c->view, &text) == NULL || !read_or_reply(c, v, text))
            return false;
    if (!go_together_or_reply(c, a)) return false;
    for (struct used_view *v = a->views; v != NULL; v = v->next)
        if (!add_or_reply(c, a, v)) return false;
    return true;
}

struct named **selector_use_views(struct client *c, const struct selector_args *a, size_t *n) {
    struct named **all = NULL;
    *n = 0;
    for (const struct used_view *v = a->views; v != NULL; v = v->next) {
        all = xrealloc(all, (*n + 1) * sizeof(struct named *));
        all[*n] = named_view_use(&c->srv->model, v->name);
        assert(all[*n] != NULL);
        ++*n;
    }
    return all;
}

struct str *selector_view_keys(const struct selector_args *a, size_t *n) {
    *n = 0;
    for (const struct used_view *v = a->views; v != NULL; v = v->next) ++*n;
    if (*n == 0) return NULL;
    struct str *names = xmalloc(*n * (sizeof *names + sizeof(struct view_key))), *name = names;
    struct view_key *keys = (struct view_key *)(names + *n);
    for (const struct used_view *v = a->views; v != NULL; v = v->next)
        *name++ = virtual_view_key(keys++, v->name);
    return names;
}

/* ---- a view as a virtual stream ---- */

/* Dead letters are in none that does not name them: who reads it would read his own. */
static bool names_letters(const struct selector_draft *d) {
    for (size_t i = 0; i < d->count[SELECT_STREAM]; i++)
        if (selector_is_of_letters(d->values[SELECT_STREAM][i])) return true;
    return false;
}

bool view_exists_or_reply(struct client *c, struct str name, uint64_t view) {
    struct str text;
    return view_or_reply(c, name, view, &text) != NULL;
}

bool view_selector_or_reply(struct client *c, struct str name, uint64_t view,
                            struct selector **out) {
    struct model *m = &c->srv->model;
    struct used_view v = {.name = name};
    struct str text;
    struct named *n = view_or_reply(c, name, view, &text);
    if (n == NULL) return false;
    *out = named_made(m, n, view);
    if (*out != NULL) {
        selector_ref(*out);
        return true;
    }
    bool good = read_or_reply(c, &v, text);
    v.args.draft.without_letters = !names_letters(&v.args.draft);
    good = good && selector_or_reply(c, &v.args, out);
    if (good) named_keep_made(m, n, view, *out);
    selector_args_clear(&v.args);
    view_words_clear(&v.words);
    return good;
}
